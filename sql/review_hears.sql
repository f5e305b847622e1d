-- guard_review hears, by auto_explain, what a script's own code reads, and nothing of what guard reads and writes for itself.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
LOAD 'auto_explain';
SET auto_explain.log_level = info;
SET auto_explain.log_nested_statements = on;
SET guard.review = on;		-- which is told itself
SET auto_explain.log_min_duration = 0;
\set VERBOSITY sqlstate

-- guard writes down that they were made, and what they are called
CREATE TABLE heard (a int PRIMARY KEY);
ALTER TABLE heard RENAME TO heard_of;

-- a script's own statement is one line of INFO
DO $$ BEGIN PERFORM 1; END $$;
