-- The secrets of tools, each sealed (AES-256-GCM) under a key that is in the host's data folder and never here. The hosts a secret is bound
-- to are part of what is sealed: changed here, it opens no more.
create table aios.secrets (
    tenant_id varchar not null,
    name varchar not null,
    hosts varchar[] not null,
    sealed bytea not null,
    set_at timestamptz not null default now(),
    set_by varchar not null,
    primary key (tenant_id, name)
);
