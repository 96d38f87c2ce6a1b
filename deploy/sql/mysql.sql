-- A user for sweepd on MySQL and MariaDB that can do its job and nothing else.
--
-- First let the owner of the database run `sweepd migrate --audit-log`, so that all tables are there. Then replace the
-- password, the host '%' by the address that sweepd comes from, and the names app, `Session` and `AuditLog` where yours are
-- others, and run this as an administrator. At the end, `sweepd check` as the new user says whether anything is missing.

-- A new user has no privilege at all, and nothing has to be taken from it.
CREATE USER 'sweeper'@'%' IDENTIFIED BY '...';

-- The sessions. Rows are found by their expiry and named by their primary key, so both have to be read. With DELETE, locked
-- rows can be skipped too.
GRANT SELECT, DELETE ON app.`Session` TO 'sweeper'@'%';

-- The audit log: rows are added, never read or changed.
GRANT INSERT ON app.`AuditLog` TO 'sweeper'@'%';

-- sweepd's own tables. It can neither drop nor change them: after an upgrade, the owner runs `sweepd migrate`.
GRANT SELECT ON app.sweepd_migration TO 'sweeper'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON app.sweepd_run TO 'sweeper'@'%';
GRANT SELECT, INSERT, UPDATE ON app.sweepd_armed TO 'sweeper'@'%';
GRANT SELECT, INSERT, DELETE ON app.sweepd_paused TO 'sweeper'@'%';
GRANT SELECT, INSERT, UPDATE ON app.sweepd_told TO 'sweeper'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON app.sweepd_alert TO 'sweeper'@'%';

-- On request, for `sweepd sessions` and `sweepd users`, and their calls over HTTP. A new address makes `emailVerified` NULL. Leave
-- out the columns that your table does not have.
--GRANT SELECT, DELETE, UPDATE (`expires`) ON app.`Session` TO 'sweeper'@'%';
--GRANT SELECT (`id`, `role`, `name`, `email`, `emailVerified`), UPDATE (`role`, `name`, `email`, `emailVerified`) ON app.`User` TO 'sweeper'@'%';
-- For `limits.max_replication_lag`, on the replica that `limits.replica` names: on MySQL the first, on MariaDB the second.
--GRANT REPLICATION CLIENT ON *.* TO 'sweeper'@'%';
--GRANT SLAVE MONITOR ON *.* TO 'sweeper'@'%';
