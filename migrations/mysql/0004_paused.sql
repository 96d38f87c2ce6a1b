-- The jobs that are paused: no process runs them.
CREATE TABLE IF NOT EXISTS sweepd_paused (
    target varchar(130) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    job varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    host varchar(255) CHARACTER SET utf8mb4 NOT NULL,
    since datetime(6) NOT NULL,
    PRIMARY KEY (target, job)
) ENGINE = InnoDB;
-- The last runs of a job. Whoever was stopped after this must find it done: MySQL has no CREATE INDEX IF NOT EXISTS.
SET @add_run_of_job = IF(
    EXISTS (
        SELECT 1 FROM information_schema.statistics
        WHERE table_schema = DATABASE() AND table_name = 'sweepd_run' AND index_name = 'run_of_job'
    ),
    'DO 0',
    'CREATE INDEX run_of_job ON sweepd_run (target, job, started_at)'
);
PREPARE add_run_of_job FROM @add_run_of_job;
EXECUTE add_run_of_job;
DEALLOCATE PREPARE add_run_of_job;
INSERT IGNORE INTO sweepd_migration (version) VALUES (4);
