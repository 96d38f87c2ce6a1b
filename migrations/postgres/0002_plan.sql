-- The plan of a run: its order and why, the index, the rows that were expected, the statement.
ALTER TABLE sweepd.run ADD COLUMN plan text;
INSERT INTO sweepd.migration (version) VALUES (2);
