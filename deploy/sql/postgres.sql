-- A role for sweepd on PostgreSQL that can do its job and nothing else.
--
-- First let the owner of the database run `sweepd migrate --audit-log`, so that all tables are there. Then replace the
-- password, and the names app, public, "Session" and "AuditLog" where yours are others, and run this as an administrator
-- in the application's database. At the end, `sweepd check` as the new role says whether anything is missing.

CREATE ROLE sweeper LOGIN PASSWORD '...' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- What everybody who can log in may do, unless it is taken from PUBLIC: connect to any database, make temporary tables, and
-- before PostgreSQL 15 create tables in the schema public. The owner of the database keeps all of it; give CONNECT to any
-- other role that needs it before you run these two.
REVOKE CONNECT, TEMPORARY ON DATABASE app FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE app TO sweeper;

-- The sessions. Of a row it sees when it expires and where it lies (ctid), and no token and no user.
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
-- For `sweepd sessions` and `sweepd users`, and their calls over HTTP.
--GRANT SELECT, DELETE, UPDATE ("expires") ON public."Session" TO sweeper;
--GRANT SELECT ("id", "role", "name", "email"), UPDATE ("role", "name", "email") ON public."User" TO sweeper;
-- For `limits.max_replication_lag`.
--GRANT pg_monitor TO sweeper;
