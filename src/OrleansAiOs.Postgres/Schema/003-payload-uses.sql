-- Which runs an event body kept as a payload belongs to: with the last of them the payload goes. Documents that people upload are in no
-- run's keeping, and have no line here.
create table aios.payload_uses (
    tenant_id varchar not null,
    sha256 varchar not null,
    run_id varchar not null,
    primary key (tenant_id, run_id, sha256)
);
create index payload_uses_sha256 on aios.payload_uses (tenant_id, sha256);
insert into aios.payload_uses (tenant_id, sha256, run_id)
    select distinct tenant_id, data ->> '$payload', substr(stream_id, 5) from aios.mt_events where data ? '$payload' and stream_id like 'run/%';
