-- Event tables in the layout of Marten 9 (string identity, conjoined tenancy), so that Marten reads, projects and continues them.
-- Left out: the foreign key from events to streams (30 to 40 % of the insert). Marten's own functions are added by Marten's API.
create sequence aios.mt_events_sequence as bigint cache 1;

create table aios.mt_streams (
    tenant_id varchar not null,
    id varchar not null,
    type varchar null,
    version bigint null,
    timestamp timestamptz not null default now(),
    created timestamptz not null default now(),
    is_archived boolean not null default false,
    constraint pkey_mt_streams_tenant_id_id primary key (tenant_id, id)
) with (fillfactor = 70); -- an append changes only version and timestamp: room for it on the same page

create table aios.mt_events (
    seq_id bigint not null,
    id uuid not null,
    stream_id varchar null,
    version bigint not null,
    data jsonb not null,
    bdata bytea null,
    type varchar(500) not null,
    timestamp timestamptz not null,
    tenant_id varchar not null,
    mt_dotnet_type varchar null,
    is_archived boolean not null default false,
    constraint pkey_mt_events_seq_id primary key (seq_id)
);
alter sequence aios.mt_events_sequence owned by aios.mt_events.seq_id;
create unique index pk_mt_events_stream_and_version on aios.mt_events (tenant_id, stream_id, version);

create table aios.mt_event_progression (
    name varchar not null,
    last_seq_id bigint null,
    last_updated timestamptz null default transaction_timestamp(),
    constraint pkey_mt_event_progression_name primary key (name)
);

-- One line about each run; commits with its events, so a list never lies.
create table aios.runs (
    tenant_id varchar not null,
    id varchar not null,
    workflow varchar not null,
    code_version varchar null,
    status smallint not null,
    host varchar not null,
    busy boolean not null,
    business_key varchar null,
    attributes jsonb null,
    waits jsonb null,
    awaits_approval boolean not null,
    started_at timestamptz not null,
    updated_at timestamptz not null,
    closed_at timestamptz null,
    primary key (tenant_id, id)
) with (fillfactor = 80);
create index runs_started on aios.runs (tenant_id, started_at, id);
create index runs_busy on aios.runs (host) where busy;
create index runs_approvals on aios.runs (tenant_id, started_at) where awaits_approval;
create index runs_business_key on aios.runs (tenant_id, business_key) where business_key is not null;
create index runs_attributes on aios.runs using gin (attributes jsonb_path_ops) where attributes is not null;

-- When the engine itself has to look at a run again.
create table aios.wakeups (
    tenant_id varchar not null,
    run_id varchar not null,
    due timestamptz not null,
    primary key (tenant_id, run_id)
) with (fillfactor = 80);
create index wakeups_due on aios.wakeups (due);

-- What a transactional activity did, committed with its writes.
create table aios.outcomes (
    tenant_id varchar not null,
    run_id varchar not null,
    key varchar not null,
    result jsonb not null,
    at timestamptz not null default now(),
    primary key (tenant_id, run_id, key)
);

-- Incarnations of hosts. Dead is for good.
create table aios.hosts (
    id varchar primary key,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    dead boolean not null default false
);

-- Documents, and event bodies too large for the event table, by the hash of their bytes.
create table aios.payloads (
    tenant_id varchar not null,
    sha256 varchar not null,
    size bigint not null,
    at timestamptz not null default now(),
    primary key (tenant_id, sha256)
);
create table aios.payload_parts (
    tenant_id varchar not null,
    sha256 varchar not null,
    part int not null,
    bytes bytea not null,
    primary key (tenant_id, sha256, part)
);
alter table aios.payload_parts alter column bytes set storage external;

-- Who may use the API. Only a hash of a key is kept.
create table aios.api_keys (
    tenant_id varchar not null,
    name varchar not null,
    hash bytea not null unique,
    roles varchar[] not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz null,
    primary key (tenant_id, name)
);
