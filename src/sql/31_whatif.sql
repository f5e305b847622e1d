-- What statements would cost without an index.

CREATE FUNCTION guard.what_if(index regclass,
	OUT queryid bigint, OUT at timestamptz, OUT role text,
	OUT cost double precision, OUT cost_without double precision,
	OUT "rows" double precision, OUT rows_without double precision,
	OUT instead regclass, OUT seq_scan boolean, OUT generic boolean,
	OUT planning_time double precision)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_what_if';
COMMENT ON FUNCTION guard.what_if(regclass) IS
'The statements that were lately planned once more without this index, newest first. role: they scan it, or have another plan because it is unique (proof) or has an expression with statistics (estimate). Costs are the planner''s, planning_time in milliseconds. instead is the index that takes over, null for none; seq_scan: the table is read from end to end instead; generic: planned without knowing the parameters. An index of a partition shows what is known of the partitioned one. Waits for no lock. Raises 42501 for anybody but the owner of the table and members of pg_read_all_stats, 42809 for what is not an index.';
-- example: SELECT cost, cost_without, instead, seq_scan FROM guard.what_if('auth.users_email_idx');
