-- The plan of a run: its order and why, the index, the rows that were expected, the statement.
-- Each statement stands for itself, so whoever was stopped after the first must find it done: MySQL has no
-- ADD COLUMN IF NOT EXISTS.
SET @add_plan = IF(
    EXISTS (
        SELECT 1 FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = 'sweepd_run' AND column_name = 'plan'
    ),
    'DO 0',
    'ALTER TABLE sweepd_run ADD COLUMN plan mediumtext'
);
PREPARE add_plan FROM @add_plan;
EXECUTE add_plan;
DEALLOCATE PREPARE add_plan;
INSERT IGNORE INTO sweepd_migration (version) VALUES (2);
