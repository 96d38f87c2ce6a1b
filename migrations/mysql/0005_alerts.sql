-- What people were told of a job last: up to which of its runs, and what is still wrong.
CREATE TABLE IF NOT EXISTS sweepd_told (
    target varchar(130) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    job varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    run char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    run_ended_at datetime(6) NOT NULL,
    trouble varchar(16),
    told_at datetime(6) NOT NULL,
    PRIMARY KEY (target, job)
) ENGINE = InnoDB;
-- Alerts that are still to be delivered.
CREATE TABLE IF NOT EXISTS sweepd_alert (
    id char(36) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    channel varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    body mediumtext CHARACTER SET utf8mb4 NOT NULL,
    tries int NOT NULL DEFAULT 0,
    made_at datetime(6) NOT NULL,
    due_at datetime(6) NOT NULL,
    KEY alert_of_channel (channel, id)
) ENGINE = InnoDB;
-- The runs of a job that ended since people were told.
SET @add_run_ended = IF(
    EXISTS (
        SELECT 1 FROM information_schema.statistics
        WHERE table_schema = DATABASE() AND table_name = 'sweepd_run' AND index_name = 'run_ended'
    ),
    'DO 0',
    'CREATE INDEX run_ended ON sweepd_run (target, job, finished_at, id)'
);
PREPARE add_run_ended FROM @add_run_ended;
EXECUTE add_run_ended;
DEALLOCATE PREPARE add_run_ended;
INSERT IGNORE INTO sweepd_migration (version) VALUES (5);
