-- The jobs that are paused: no process runs them.
CREATE TABLE sweepd.paused (
    target text NOT NULL,
    job text NOT NULL,
    host text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (target, job)
);
-- The last runs of a job.
CREATE INDEX run_of_job ON sweepd.run (target, job, started_at);
INSERT INTO sweepd.migration (version) VALUES (4);
