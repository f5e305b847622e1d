-- Drops in stages.  A soft drop is a DROP INDEX carried out in stages.  The first two columns are
-- read by number in C.

CREATE TABLE guard.soft_drop (
	index_oid		oid NOT NULL,
	state			text NOT NULL,
	id				bigint GENERATED ALWAYS AS IDENTITY,
	table_oid		oid NOT NULL,
	index_schema	name NOT NULL,
	index_name		name NOT NULL,
	table_name		name NOT NULL,
	partitioned		boolean NOT NULL,
	parts			jsonb NOT NULL,
	dropped_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	dropped_by		name NOT NULL DEFAULT session_user,
	application		text DEFAULT pg_catalog.current_setting('application_name'),
	statement		text,
	reason			text NOT NULL,
	detail			text,
	state_since		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	state_reason	text,
	next_step		text,
	next_at			timestamptz,
	hidden_at		timestamptz,
	watched			bigint NOT NULL DEFAULT 0,
	trial			bigint NOT NULL DEFAULT 0,
	last_visit		timestamptz,
	drop_started_at	timestamptz,
	attempts		integer NOT NULL DEFAULT 0,
	last_attempt	timestamptz,
	last_error		text,
	long_step		text,
	restore_wanted	boolean NOT NULL DEFAULT false,
	dependencies	jsonb,
	login_role		oid NOT NULL DEFAULT 0,
	due_at			timestamptz DEFAULT pg_catalog.clock_timestamp(),
	name_wanted		boolean NOT NULL DEFAULT false,
	approved_at		timestamptz,
	compared		boolean NOT NULL DEFAULT false,
	needed_since	timestamptz,
	untold			text
);
CREATE UNIQUE INDEX soft_drop_id_idx ON guard.soft_drop (id);
CREATE INDEX soft_drop_index_oid_idx ON guard.soft_drop (index_oid);
CREATE INDEX soft_drop_due_at_idx ON guard.soft_drop (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX soft_drop_long_step_idx ON guard.soft_drop (id) WHERE long_step IS NOT NULL;
CREATE INDEX soft_drop_untold_idx ON guard.soft_drop (id) WHERE untold IS NOT NULL;
COMMENT ON TABLE guard.soft_drop IS
'Indexes that were dropped in stages, with all that is needed to give them back. parts holds the index itself and those below a partitioned one; watched and trial are microseconds, dependencies what was registered for the index when it was dropped for good. login_role is who asked, due_at when a visitor is to look at it, approved_at when it was hidden by an approval, compared whether its statements are known from before it was hidden, untold what is still to be told of its restoring, long_step what waits for a process of its own, attempts how often that was begun and did not succeed.';

CREATE TABLE guard.soft_drop_baseline (
	soft_drop_id	bigint NOT NULL,
	node			text NOT NULL,
	queryid			bigint NOT NULL,
	kind			"char" NOT NULL,
	calls			bigint NOT NULL,
	mean			double precision NOT NULL,
	stddev			double precision NOT NULL,
	longest			double precision NOT NULL,
	rows_per_call	double precision NOT NULL,
	before_at		timestamptz NOT NULL,
	seen_at			timestamptz NOT NULL,
	seen_calls		bigint NOT NULL,
	seen_time		double precision NOT NULL,
	seen_squares	double precision NOT NULL,
	seen_longest	double precision NOT NULL,
	seen_rows		double precision NOT NULL,
	seen_late		boolean NOT NULL,
	in_a_row		integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX soft_drop_baseline_soft_drop_id_node_queryid_idx ON guard.soft_drop_baseline (soft_drop_id, node, queryid);
COMMENT ON TABLE guard.soft_drop_baseline IS
'How statements were before an index was hidden, while it is hidden: the index''s own (kind = i), others of its table (t), on that standby (empty: on this server), in milliseconds; calls = 0: that is not known. seen_* are the counters at the beginning of the window that is looked at, seen_late that a call waited for a lock then, in_a_row how many windows without a break have proven that it is slower.';

CREATE TABLE guard.soft_drop_sample (
	node			text NOT NULL,
	at				timestamptz NOT NULL,
	queryids		bigint[] NOT NULL,
	calls			bigint[] NOT NULL,
	times			double precision[] NOT NULL
);
CREATE UNIQUE INDEX soft_drop_sample_node_at_idx ON guard.soft_drop_sample (node, at);
COMMENT ON TABLE guard.soft_drop_sample IS
'What the busiest statements of the database had done, on that standby (empty: on this server), at moments at which something was hidden, or a window of guard.soft_drop_baseline began: what becomes slower with them does so for another reason.';


-- Everything that is needed to create indexes again, from the catalogs.  Of one
-- that is back, but not under its name, because somebody has it, what it was
-- called before.
CREATE FUNCTION guard.soft_drop_parts(indexes oid[]) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_agg(jsonb_build_object('oid', c.oid::bigint, 'table', x.indrelid::bigint,
			'old_name', coalesce((SELECT e ->> 'old_name' FROM guard.soft_drop w, jsonb_array_elements(w.parts) e
								   WHERE w.name_wanted AND e ->> 'holding_name' = c.relname ORDER BY w.id DESC LIMIT 1), c.relname),
			'holding_name', 'guard_drop_' || c.oid,
			'definition', pg_get_indexdef(c.oid), 'comment', obj_description(c.oid, 'pg_class'),
			'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace),
			'clustered', x.indisclustered, 'partitioned', c.relkind = 'I', 'was', c.oid::bigint,
			'parent', CASE WHEN p.n > 1 THEN (SELECT h.inhparent::bigint FROM pg_inherits h WHERE h.inhrelid = c.oid) END,
			'needs', (SELECT coalesce(jsonb_agg(jsonb_build_object('class', d.refclassid::bigint, 'oid', d.refobjid::bigint,
							'identity', (pg_identify_object(d.refclassid, d.refobjid, 0)).identity)), '[]')
						FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
						 AND d.refclassid <> 'pg_class'::regclass),
			'statistics', (SELECT string_agg(a.attnum || '=' || a.attstattarget, ',')
							 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0)) ORDER BY p.n)
	  FROM unnest(indexes) WITH ORDINALITY AS p (oid, n)
	  JOIN pg_class c ON c.oid = p.oid JOIN pg_index x ON x.indexrelid = p.oid
$$;
COMMENT ON FUNCTION guard.soft_drop_parts(oid[]) IS
'What guard.soft_drop.parts says of these indexes, the first of which the others are partitions of: all that is needed to create them again. Called by guard itself.';
REVOKE ALL ON FUNCTION guard.soft_drop_parts(oid[]) FROM PUBLIC;

CREATE VIEW guard.soft_drops WITH (security_barrier) AS
	SELECT pg_catalog.format('%I.%I', s.index_schema, s.index_name) AS index_name,
		   pg_catalog.format('%I.%I', s.index_schema, s.table_name) AS table_name,
		   s.state, s.state_since, s.state_reason, s.next_step, s.next_at,
		   s.reason, s.detail, s.dropped_by, s.application, s.dropped_at, s.hidden_at,
		   s.attempts, s.last_error,
		   CASE WHEN s.state IN ('waiting', 'hidden') THEN s.parts -> 0 ->> 'holding_name' END AS current_name,
		   s.parts -> 0 ->> 'definition' AS definition
	  FROM guard.home, guard.soft_drop s
	  LEFT JOIN pg_catalog.pg_class t ON t.oid = s.table_oid
	 WHERE (pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') OR pg_catalog.pg_has_role(t.relowner, 'USAGE'));
COMMENT ON VIEW guard.soft_drops IS
'Indexes that were dropped in stages: what state each is in, and what comes next, and when. Shows a table''s owner his own, members of pg_read_all_stats all. next_at is the earliest time.';
-- example: SELECT index_name, state, next_step, next_at, last_error FROM guard.soft_drops;
GRANT SELECT ON guard.soft_drops TO PUBLIC;

CREATE FUNCTION guard.restore(name text) RETURNS text
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_restore';
COMMENT ON FUNCTION guard.restore(text) IS
'Gives an index back that was dropped in stages, under its old name, and says what was done; one that is gone already is created again by a background worker, CONCURRENTLY. name is the old name, with or without schema, or the name that it bears now. Where another relation has taken the old name, the index stays what it is called. Locks the index in SHARE UPDATE EXCLUSIVE mode. Raises 22004 for null, 42704 when there is no such soft drop, 42501 unless the caller owns the table.';
-- example: SELECT guard.restore(index_name) FROM guard.soft_drops WHERE state IN ('waiting', 'hidden');
REVOKE ALL ON FUNCTION guard.restore(text) FROM PUBLIC;
