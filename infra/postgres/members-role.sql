-- Gives the tables that say who is a member of the cluster to a user of their own, so that the one the hosts do everything else as cannot
-- write them. Once, by the server's administrator, after `aios migrate-database` and while no member runs: psql -d DATABASE -f members-role.sql
-- The hosts' user is 'aios' here, the members' 'aios_member': put in your own, and a password.
create role aios_member login password 'change-me' nosuperuser nocreatedb nocreaterole noinherit;

-- Whoever owns the schema could drop another's table and make one of the same name.
alter schema aios owner to current_user;
grant usage, create on schema aios to aios with grant option;

alter table aios.clusters owner to aios_member;
alter table aios.cluster_members owner to aios_member;
alter table aios.cluster_reminders owner to aios_member;
grant select on aios.clusters, aios.cluster_members, aios.cluster_reminders to aios; -- for backups

-- Whether a member's incarnation lives, the hosts' table says.
grant usage on schema aios to aios_member;
grant select on aios.hosts to aios_member;
