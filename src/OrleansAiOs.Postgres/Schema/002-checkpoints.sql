-- The version of a run's last checkpoint, from which it is loaded.
alter table aios.runs add column checkpoint bigint null;
