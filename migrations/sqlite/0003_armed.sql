-- The schedule of each job, and since when it has it: only instants after that can have been missed.
CREATE TABLE sweepd_armed (
    target TEXT NOT NULL,
    job TEXT NOT NULL,
    schedule TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (target, job)
);
INSERT INTO sweepd_migration (version) VALUES (3);
