-- What people were told of a job last: up to which of its runs, and what is still wrong.
CREATE TABLE sweepd_told (
    target TEXT NOT NULL,
    job TEXT NOT NULL,
    run TEXT NOT NULL,
    run_ended_at TEXT NOT NULL,
    trouble TEXT,
    told_at TEXT NOT NULL,
    PRIMARY KEY (target, job)
);
-- Alerts that are still to be delivered.
CREATE TABLE sweepd_alert (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    body TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    made_at TEXT NOT NULL,
    due_at TEXT NOT NULL
);
CREATE INDEX sweepd_alert_of_channel ON sweepd_alert (channel, id);
-- The runs of a job that ended since people were told.
CREATE INDEX sweepd_run_ended ON sweepd_run (target, job, finished_at, id);
INSERT INTO sweepd_migration (version) VALUES (5);
