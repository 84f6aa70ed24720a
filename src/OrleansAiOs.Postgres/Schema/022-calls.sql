-- Calls are looked for by time (aios tools calls). Events are appended in about the order of their times, so a few bytes for each 128 pages say
-- where to look; a line is added for each 128 pages, and none for an event.
create index mt_events_time on aios.mt_events using brin (timestamp) with (autosummarize = on);
