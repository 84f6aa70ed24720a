-- Reminders of grains, as Orleans keeps them: in a cluster each bucket of wake-ups has one, by which it is found again should nobody serve it.
create table aios.cluster_reminders (
    cluster varchar not null,
    grain varchar not null,
    hash bigint not null,
    name varchar not null,
    start_at timestamptz not null,
    period_ms bigint not null,
    version int not null,
    primary key (cluster, grain, name)
);
