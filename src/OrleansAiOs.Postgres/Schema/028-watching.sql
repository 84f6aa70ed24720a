-- Since when a host has beaten without a gap: only then does it know that whoever is silent could have been heard.
alter table aios.hosts add column watching_since timestamptz not null default clock_timestamp();
