-- sweepd's own tables. They live in a schema of their own, so that an ORM's migration tool sees no drift.
CREATE SCHEMA IF NOT EXISTS sweepd;
CREATE TABLE IF NOT EXISTS sweepd.migration (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sweepd.run (
    id uuid PRIMARY KEY,
    target text NOT NULL,
    job text NOT NULL,
    triggered_by text NOT NULL,
    scheduled_for timestamptz,
    state text NOT NULL,
    host text NOT NULL,
    started_at timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    finished_at timestamptz,
    cutoff timestamptz,
    sweep_order text,
    stopped_by text,
    deleted bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    throttled text NOT NULL DEFAULT '{}',
    error text,
    CONSTRAINT run_one_per_instant UNIQUE (target, job, scheduled_for)
) WITH (fillfactor = 50);
-- At most one run of a job is active on a table.
CREATE UNIQUE INDEX run_one_running ON sweepd.run (target, job) WHERE state = 'running';
CREATE INDEX run_started_at ON sweepd.run (started_at);
INSERT INTO sweepd.migration (version) VALUES (1);
