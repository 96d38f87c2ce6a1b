-- A role for sweepd on PostgreSQL that can do its job and nothing else.
--
-- First let the owner of the database run `sweepd migrate --audit-log`, so that all tables are there. Then replace the
-- password, and the names app, public, "Session" and "AuditLog" where yours are others, and run this as an administrator
-- in the application's database. At the end, `sweepd check` as the new role says whether anything is missing.

CREATE ROLE sweeper LOGIN PASSWORD '...' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- The sessions. Of a row it sees when it expires and where it lies (ctid), and no token and no user.
GRANT CONNECT ON DATABASE app TO sweeper;
GRANT USAGE ON SCHEMA public, sweepd TO sweeper;
GRANT SELECT ("expires", ctid), DELETE ON public."Session" TO sweeper;

-- The audit log: rows are added, never read or changed.
GRANT INSERT ON public."AuditLog" TO sweeper;

-- sweepd's own tables. It can neither drop nor change them: after an upgrade, the owner runs `sweepd migrate`.
GRANT SELECT ON sweepd.migration TO sweeper;
GRANT SELECT, INSERT, UPDATE, DELETE ON sweepd.run TO sweeper;
GRANT SELECT, INSERT, UPDATE ON sweepd.armed TO sweeper;
GRANT SELECT, INSERT, DELETE ON sweepd.paused TO sweeper;
GRANT SELECT, INSERT, UPDATE ON sweepd.told TO sweeper;
GRANT SELECT, INSERT, UPDATE, DELETE ON sweepd.alert TO sweeper;

-- On request. Without this one, a row that the application has locked holds a sweep up for `lock_timeout`; with it, such a
-- row is left at once.
--GRANT UPDATE ("expires") ON public."Session" TO sweeper;
-- For an archive, which holds whole rows.
--GRANT SELECT ON public."Session" TO sweeper;
-- For `sweepd sessions` and `sweepd users`, and their calls over HTTP. A new address makes "emailVerified" NULL. Leave out the
-- columns that your table does not have.
--GRANT SELECT, DELETE, UPDATE ("expires") ON public."Session" TO sweeper;
--GRANT SELECT ("id", "role", "name", "email", "emailVerified"), UPDATE ("role", "name", "email", "emailVerified") ON public."User" TO sweeper;
-- For `limits.max_replication_lag`.
--GRANT pg_monitor TO sweeper;

-- On request, and only after a look at who uses the database: to take from the role what everybody may do who can log in (PUBLIC).
-- That is to connect to any database, to make temporary tables, and before PostgreSQL 15 to create tables in the schema public.
-- These two take it from every role but the owner. The application is cut off by them if it connects as another role
-- that has nothing of its own: so the first line, for each such role. (One that creates tables also needs CREATE ON SCHEMA public.)
--GRANT CONNECT, TEMPORARY ON DATABASE app TO application;
--REVOKE CONNECT, TEMPORARY ON DATABASE app FROM PUBLIC;
--REVOKE CREATE ON SCHEMA public FROM PUBLIC;
