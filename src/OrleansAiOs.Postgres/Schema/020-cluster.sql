-- Who is in the cluster, as Orleans keeps it: a member's row and the version of the whole change together.
create table aios.clusters (
    name varchar primary key,
    version int not null default 0
);

-- name is the host incarnation (aios.hosts.id); seen_at is by this server's clock, started_at and alive_at by the member's.
create table aios.cluster_members (
    cluster varchar not null,
    silo varchar not null,
    status int not null,
    name varchar not null,
    host_name varchar not null,
    proxy_port int not null,
    suspects varchar[] not null,
    started_at timestamptz not null,
    alive_at timestamptz not null,
    seen_at timestamptz not null,
    version int not null,
    primary key (cluster, silo)
);
