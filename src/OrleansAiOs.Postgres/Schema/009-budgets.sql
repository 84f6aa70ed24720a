-- What a host reads of the kernel's streams when it starts: all but the budgets' ledgers, which grow with every run and are read one by one.
create index mt_events_catalogue on aios.mt_events (seq_id) where stream_id not like 'run/%' and stream_id not like 'escrow/%';
