-- What people were told of a job last: up to which of its runs, and what is still wrong.
CREATE TABLE sweepd.told (
    target text NOT NULL,
    job text NOT NULL,
    run uuid NOT NULL,
    run_ended_at timestamptz NOT NULL,
    trouble text,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (target, job)
);
-- Alerts that are still to be delivered.
CREATE TABLE sweepd.alert (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    body text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX alert_of_channel ON sweepd.alert (channel, id);
-- The runs of a job that ended since people were told.
CREATE INDEX run_ended ON sweepd.run (target, job, finished_at, id);
INSERT INTO sweepd.migration (version) VALUES (5);
