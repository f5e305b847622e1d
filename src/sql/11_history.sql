-- History.  What guard has seen, written down with dates, so that it outlives
-- restarts, crashes, resets and failovers.  Not dumped: it is about this server's traffic.
-- Columns are read by number in C: new ones go to the end.

CREATE TABLE guard.evidence_epoch (
	source			text NOT NULL,
	since			timestamptz NOT NULL,
	until			timestamptz,
	seen_at			timestamptz NOT NULL,
	began			text NOT NULL,
	mark			timestamptz NOT NULL,
	cluster_mark	timestamptz NOT NULL,
	timeline		bigint NOT NULL,
	system_identifier bigint NOT NULL,
	server_version	int NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE guard.evidence_epoch IS
'Spans of time for which the server''s counters, or capture, are unbroken (until null: still so at seen_at), and why each began: first, crash, restart, failover, reset, upgrade, track_counts, capture, server. mark and cluster_mark tell one span from another.';

CREATE TABLE guard.known_use (
	id				int GENERATED ALWAYS AS IDENTITY,
	relation_oid	oid NOT NULL,
	table_oid		oid NOT NULL,
	relation_name	name NOT NULL,
	first_use		timestamptz,
	last_use		timestamptz,
	uses			bigint NOT NULL,
	longest_pause	bigint,
	pause_ended		timestamptz,
	days			int NOT NULL,
	services		text,
	segment			timestamptz,
	segment_first	timestamptz,
	segment_last	timestamptz,
	segment_uses	bigint NOT NULL,
	segment_pause	bigint,
	counters_mark	timestamptz,
	scans			bigint NOT NULL,
	unexplained		bigint NOT NULL,
	unexplained_first timestamptz,
	unexplained_last timestamptz,
	unexplained_pause bigint,
	unexplained_days int NOT NULL,
	foreign_key		bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX known_use_id_idx ON guard.known_use (id);
CREATE INDEX known_use_relation_oid_idx ON guard.known_use (relation_oid);
CREATE INDEX known_use_table_oid_idx ON guard.known_use (table_oid);
COMMENT ON TABLE guard.known_use IS
'What is known of the use of each index and table that was ever used: first_use to days by captured statements before the capture segment that began at segment, segment_first to segment_pause in it; scans as the server counted them last, unexplained those of them that no capture was there to explain. Pauses in microseconds. days counts days with use. A row of its own is about the checks of foreign keys by some columns, foreign_key, as bits; 0: about all other uses.';

CREATE TABLE guard.hourly_use (
	hour			timestamptz NOT NULL,
	first_use		timestamptz,
	last_use		timestamptz,
	scans			bigint NOT NULL,
	uses			bigint NOT NULL,
	relation_id		int NOT NULL,
	hours			smallint NOT NULL,
	peak			bigint
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX hourly_use_relation_id_hour_idx ON guard.hourly_use (relation_id, hour);
CREATE INDEX hourly_use_hour_idx ON guard.hourly_use USING brin (hour);
COMMENT ON TABLE guard.hourly_use IS
'Scans and captured uses of an index or table (guard.known_use.id) in one hour, or in one day (hours = 24) when that is more than 14 days ago; peak is what the busiest hour of that day had, of either. Only where there was any.';

CREATE TABLE guard.statement_rate (
	queryid		bigint NOT NULL,
	seen_at		timestamptz NOT NULL,
	calls		bigint NOT NULL,
	total_time	double precision NOT NULL,
	rows		bigint NOT NULL,
	delta_from	timestamptz,
	delta_to	timestamptz,
	delta_calls	bigint,
	delta_time	double precision,
	delta_rows	bigint,
	query		text
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX statement_rate_queryid_idx ON guard.statement_rate (queryid);
COMMENT ON TABLE guard.statement_rate IS
'What pg_stat_statements counted for each captured statement, all roles together, and how much of that came between the last two snapshots. Times in milliseconds. query: the beginning of its text, as pg_stat_statements keeps it; null where that could not be read.';

CREATE TABLE guard.statement_hour (
	hour		timestamptz NOT NULL,
	queryid		bigint NOT NULL,
	calls		bigint NOT NULL,
	total_time	double precision NOT NULL,
	rows		bigint NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX statement_hour_queryid_hour_idx ON guard.statement_hour (queryid, hour);
COMMENT ON TABLE guard.statement_hour IS
'What was new in guard.statement_rate in the hour that goes on, and in the busiest one of the last seven days that has ended. Times in milliseconds.';

CREATE VIEW guard.peak_hour WITH (security_barrier) AS
	SELECT h.hour, h.queryid, r.query, h.calls, h.total_time, h.rows
	  FROM guard.home, guard.statement_hour h LEFT JOIN guard.statement_rate r USING (queryid)
	 WHERE h.hour = (SELECT b.hour FROM guard.statement_hour b WHERE b.hour >= pg_catalog.clock_timestamp() - interval '7 days'
					 GROUP BY b.hour ORDER BY pg_catalog.sum(b.total_time) DESC LIMIT 1);
COMMENT ON VIEW guard.peak_hour IS
'What captured statements did in the busiest hour of the last seven days: the one in which they took the most time together. Times in milliseconds. A snapshot counts for the hour in which it was made.';
GRANT SELECT ON guard.peak_hour TO pg_read_all_stats;


CREATE FUNCTION guard.snapshot() RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_snapshot';
COMMENT ON FUNCTION guard.snapshot() IS
'Write down what the server counted and guard captured since the last time, and forget what is older than guard.history_retention. Where guard is preloaded its worker does so every guard.snapshot_interval; elsewhere call it every few minutes, e.g. from cron. Returns false, having done nothing, when another session is at it, one of guard''s tables is locked, or guard.mode is off. Raises 25006 on a standby or in a read-only transaction.';
-- example: SELECT guard.snapshot();
REVOKE ALL ON FUNCTION guard.snapshot() FROM PUBLIC;
