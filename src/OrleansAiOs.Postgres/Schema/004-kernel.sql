-- The kernel's streams are those that are not runs'. A host reads on in them from where it stood; appends of runs write nothing here.
create index mt_events_kernel on aios.mt_events (seq_id) where stream_id not like 'run/%';
