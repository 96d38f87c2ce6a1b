-- sweepd's own tables.
CREATE TABLE IF NOT EXISTS sweepd_migration (
    version int PRIMARY KEY,
    applied_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS sweepd_run (
    id char(36) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    target varchar(130) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    job varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    triggered_by varchar(16) NOT NULL,
    scheduled_for datetime(6),
    state varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    host varchar(255) CHARACTER SET utf8mb4 NOT NULL,
    started_at datetime(6) NOT NULL,
    heartbeat_at datetime(6) NOT NULL,
    finished_at datetime(6),
    cutoff datetime(6),
    sweep_order varchar(16),
    stopped_by varchar(32),
    deleted bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    throttled varchar(1000) NOT NULL DEFAULT '{}',
    error text CHARACTER SET utf8mb4,
    -- At most one run of a job is active on a table: NULLs are not compared.
    running tinyint GENERATED ALWAYS AS (IF(state = 'running', 1, NULL)) STORED,
    UNIQUE KEY run_one_per_instant (target, job, scheduled_for),
    UNIQUE KEY run_one_running (target, job, running),
    KEY run_started_at (started_at)
) ENGINE = InnoDB;
INSERT IGNORE INTO sweepd_migration (version) VALUES (1);
