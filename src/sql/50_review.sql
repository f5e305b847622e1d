-- Reviewing a migration before it runs.  It asks what guard.check() asks, and
-- sees to it in the same way that nobody learns more than PostgreSQL would
-- tell him.

CREATE FUNCTION guard.review(ddl text,
	OUT statement integer, OUT line integer, OUT command text, OUT target text,
	OUT verdict text, OUT reason text, OUT detail text, OUT advice text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_review';
COMMENT ON FUNCTION guard.review(text) IS
'Judges a migration script without running it: one row for each statement and index that it would remove; target is null where it removes none. verdict is that of guard.check, or "not reviewed" where the statement cannot be seen into or the index not be asked about, "error" for a syntax error, "unknown" where an index that the script creates may serve in its place but must be compared by hand. statement and line count from 1. NULL gives no row. Changes nothing, waits for no lock, raises nothing for what is in the script.';
-- example: SELECT line, target, verdict, advice FROM guard.review('DROP INDEX auth.users_email_idx');

CREATE FUNCTION guard.review(ddl text, one_transaction boolean,
	OUT statement integer, OUT line integer, OUT command text, OUT target text,
	OUT verdict text, OUT reason text, OUT detail text, OUT advice text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_review';
COMMENT ON FUNCTION guard.review(text, boolean) IS
'The same; with one_transaction true as if the script stood between BEGIN and COMMIT, as most migration tools run it.';
-- example: SELECT line, target, verdict, advice FROM guard.review('DROP INDEX auth.users_team_idx; CREATE INDEX ON auth.users (team, id)', true);

REVOKE ALL ON FUNCTION guard.review(text), guard.review(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.review(text), guard.review(text, boolean) TO pg_read_all_stats;
