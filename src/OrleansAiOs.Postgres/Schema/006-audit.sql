-- The audit trail (docs/audit.md). What each transaction says of the events it appended: written with them, folded into a block within a
-- minute and then deleted here.
create table aios.audit_batches (
    id bigint generated always as identity primary key,
    kind smallint not null,
    root bytea not null,
    detail bytea not null,
    first bigint null,
    low int[] null,
    lost int[] null,
    leaves bytea null
);
alter table aios.audit_batches alter column detail set storage external;

-- The blocks of the log, each once for ever: what the batches said, and the hash that enters the tree.
create table aios.audit_blocks (
    number bigint primary key,
    head bytea not null,
    body bytea not null,
    first_seq bigint not null, -- where to look for an event; nothing is proved by these two
    last_seq bigint not null
);
alter table aios.audit_blocks alter column body set storage external;
create index audit_blocks_seq on aios.audit_blocks (first_seq, last_seq);

-- The signed lines that also go outside the database.
create table aios.audit_checkpoints (
    number bigint primary key,
    line text not null
);

-- What a purge leaves of a stream.
create table aios.audit_tombstones (
    hash bytea primary key,
    tenant_id varchar not null,
    stream_id varchar not null,
    first_seq bigint not null,
    last_seq bigint not null,
    line text not null,
    places bytea not null
);
create index audit_tombstones_seq on aios.audit_tombstones (first_seq, last_seq);

-- One row: which log this is, and where the writer of blocks stands. A verifier believes none of it.
create table aios.audit_log (
    one boolean primary key default true check (one),
    id uuid not null default gen_random_uuid(),
    blocks bigint not null default 0,
    events bigint not null default 0,
    began bigint not null, -- the last event before there was a trail
    peaks bytea not null default '',
    covered int8multirange not null default '{}'
);
insert into aios.audit_log (began) select coalesce(max(seq_id), 0) from aios.mt_events;

-- Nobody deletes or rewrites the trail by mistake, whatever rights they have. Who takes the triggers away on purpose is found by
-- `aios audit verify`, against the checkpoints outside.
create function aios.audit_is_for_ever() returns trigger language plpgsql as $$
begin
    raise exception '% is an audit trail: its rows are for ever.', tg_table_name using errcode = '42501', hint = 'Read docs/audit.md before you go on.';
end $$;
create trigger for_ever before update or delete or truncate on aios.audit_blocks for each statement execute function aios.audit_is_for_ever();
create trigger for_ever before update or delete or truncate on aios.audit_checkpoints for each statement execute function aios.audit_is_for_ever();
create trigger for_ever before update or delete or truncate on aios.audit_tombstones for each statement execute function aios.audit_is_for_ever();
