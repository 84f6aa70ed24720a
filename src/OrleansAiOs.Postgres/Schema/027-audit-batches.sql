-- A batch whose events follow each other in the sequence says how many there are, and not each number: that is most of them. Else each
-- number stands there, and null for an event whose append lost. (low and lost, which said so before, are read until none is left.)
alter table aios.audit_batches add column events int null;
alter table aios.audit_batches add column numbers bigint[] null;

-- Those of large flushes stay in the table's own pages: moved out of them a batch costs as much as fifteen events, and it lives a minute.
alter table aios.audit_batches alter column numbers set storage external;
alter table aios.audit_batches set (toast_tuple_target = 8160);
