-- The schedule of each job, and since when it has it: only instants after that can have been missed.
CREATE TABLE sweepd.armed (
    target text NOT NULL,
    job text NOT NULL,
    schedule text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (target, job)
);
INSERT INTO sweepd.migration (version) VALUES (3);
