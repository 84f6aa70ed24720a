-- What a run's message waits for, and what waits behind it, is asked of each that is claimed and settled.
create index outbox_order on aios.outbox (tenant_id, receiver, run_id, version) where state = 0;

-- Whose bodies are kept, of each source.
create index hook_receipts_quarantined on aios.hook_receipts (tenant_id, source, at) where state = 2;
