-- Which events are to be told to whom outside: written by the append that writes the event, so neither is there without the other.
-- One row is one message to one receiver. Of one receiver and run they leave in the order of their versions, one after the other.
-- due: the earliest moment it may leave. Whoever sends it puts that off first, so that a sender that dies leaves it to others.
create table aios.outbox (
    tenant_id varchar not null,
    receiver varchar not null,
    run_id varchar not null,
    version bigint not null,
    kind varchar not null,
    at timestamptz not null,
    state smallint not null default 0, -- 0 waits, 1 delivered, 2 dead: given up until somebody sends it again
    due timestamptz not null,
    attempts int not null default 0,
    host varchar null, -- who sends it at this moment
    tried_at timestamptz null,
    status int null, -- what the receiver answered last
    trouble varchar null, -- why the last attempt failed
    primary key (tenant_id, receiver, run_id, version)
);
create index outbox_due on aios.outbox (due) where state = 0;
create index outbox_waiting on aios.outbox (tenant_id, receiver, due) where state = 0;
create index outbox_listed on aios.outbox (tenant_id, receiver, at);

-- Deliveries from outside whose signature was good, by the id that the signature binds. A row is there before anything is done for it, and
-- names the run it is for: the same delivery again does the same to the same run, which knows it by its key.
create table aios.hook_receipts (
    tenant_id varchar not null,
    source varchar not null,
    delivery varchar not null,
    sha256 bytea not null,
    at timestamptz not null,
    state smallint not null default 0, -- 0 taken, 1 done, 2 quarantined: it could not be read as what its source says, and nothing was done
    run_id varchar null,
    why varchar null,
    body bytea null, -- of one in quarantine
    primary key (tenant_id, source, delivery)
);
create index hook_receipts_listed on aios.hook_receipts (tenant_id, source, at);
