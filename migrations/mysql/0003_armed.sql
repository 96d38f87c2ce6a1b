-- The schedule of each job, and since when it has it: only instants after that can have been missed.
CREATE TABLE IF NOT EXISTS sweepd_armed (
    target varchar(130) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    job varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    schedule text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    since datetime(6) NOT NULL,
    PRIMARY KEY (target, job)
) ENGINE = InnoDB;
INSERT IGNORE INTO sweepd_migration (version) VALUES (3);
