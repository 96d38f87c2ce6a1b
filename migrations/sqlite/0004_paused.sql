-- The jobs that are paused: no process runs them.
CREATE TABLE sweepd_paused (
    target TEXT NOT NULL,
    job TEXT NOT NULL,
    host TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (target, job)
);
-- The last runs of a job.
CREATE INDEX sweepd_run_of_job ON sweepd_run (target, job, started_at);
INSERT INTO sweepd_migration (version) VALUES (4);
