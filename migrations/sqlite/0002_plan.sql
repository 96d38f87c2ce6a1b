-- The plan of a run: its order and why, the index, the rows that were expected, the statement.
ALTER TABLE sweepd_run ADD COLUMN plan TEXT;
INSERT INTO sweepd_migration (version) VALUES (2);
