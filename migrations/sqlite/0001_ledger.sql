-- sweepd's own tables.
CREATE TABLE IF NOT EXISTS sweepd_migration (
    version INTEGER PRIMARY KEY,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE sweepd_run (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    job TEXT NOT NULL,
    triggered_by TEXT NOT NULL,
    scheduled_for TEXT,
    state TEXT NOT NULL,
    host TEXT NOT NULL,
    started_at TEXT NOT NULL,
    heartbeat_at TEXT NOT NULL,
    finished_at TEXT,
    cutoff TEXT,
    sweep_order TEXT,
    stopped_by TEXT,
    deleted INTEGER NOT NULL DEFAULT 0,
    batches INTEGER NOT NULL DEFAULT 0,
    throttled TEXT NOT NULL DEFAULT '{}',
    error TEXT,
    UNIQUE (target, job, scheduled_for)
);
-- At most one run of a job is active on a table.
CREATE UNIQUE INDEX sweepd_run_one_running ON sweepd_run (target, job) WHERE state = 'running';
CREATE INDEX sweepd_run_started_at ON sweepd_run (started_at);
INSERT INTO sweepd_migration (version) VALUES (1);
