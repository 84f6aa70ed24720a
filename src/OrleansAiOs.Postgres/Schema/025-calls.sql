-- Only of the events that begin a call: the others need not pay for it when they are appended.
drop index aios.mt_events_time;
create index mt_events_time on aios.mt_events using brin (timestamp) with (autosummarize = on) where type in ('step-scheduled', 'attempt-started');
