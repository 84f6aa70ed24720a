-- What Marten 9.58 asks of the event tables beyond 9.29, in which layout they were made. Its functions are added by its own API, where it is used.
alter table aios.mt_streams add column compacted_version bigint not null default 0;

alter table aios.mt_event_progression rename constraint pkey_mt_event_progression_name to pk_mt_event_progression;
alter table aios.mt_event_progression
    add column mode varchar null default 'none',
    add column rebuild_threshold int null default 0,
    add column assigned_node int null default 0,
    add column heartbeat timestamptz null,
    add column agent_status varchar(20) null,
    add column pause_reason text null,
    add column running_on_node int null,
    add column warning_behind_threshold bigint null,
    add column critical_behind_threshold bigint null,
    add column failure_category varchar(50) null,
    add column failure_event_sequence bigint null,
    add column failure_event_type varchar(500) null,
    add column failure_event_tenant_id varchar(500) null;

create table aios.mt_event_projection_floors (
    name varchar not null,
    tenant_id varchar not null,
    floor bigint not null,
    last_updated timestamptz null default transaction_timestamp(),
    constraint pkey_mt_event_projection_floors_name_tenant_id primary key (name, tenant_id)
);

create table aios.mt_high_water_skips (
    ending_sequence bigint not null,
    starting_sequence bigint not null,
    timestamp timestamptz null default transaction_timestamp(),
    constraint pkey_mt_high_water_skips_ending_sequence primary key (ending_sequence)
);
