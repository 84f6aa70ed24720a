-- When a grant was last what let somebody do something, by what was done. A host writes what it has seen once a minute at most.
create table aios.grant_uses (
    tenant_id varchar not null,
    grant_id varchar not null,
    action varchar not null,
    used_at timestamptz not null,
    primary key (tenant_id, grant_id, action)
) with (fillfactor = 80);
