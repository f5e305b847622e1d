-- guard's own tables.  Nobody but their owner writes them; guard itself does
-- so as the owner of the extension.  Columns are read by number in C: new ones
-- go to the end.

CREATE TABLE guard.installation (
	installed_at	timestamptz NOT NULL,
	database_oid	oid NOT NULL
);
INSERT INTO guard.installation
	SELECT pg_catalog.clock_timestamp(), oid FROM pg_catalog.pg_database
	 WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database();
COMMENT ON TABLE guard.installation IS
'Since when guard has been in this database, and which one that is. In a database made from this one (CREATE DATABASE ... TEMPLATE) guard''s tables speak of another, until guard writes there for the first time.';

-- For views of tables that speak of one database: no row in a copy.
CREATE VIEW guard.home WITH (security_barrier) AS
	SELECT i.installed_at FROM guard.installation i
	  JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) i.database_oid
	 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database();
COMMENT ON VIEW guard.home IS
'One row where guard''s tables speak of this database, none in a copy in which guard has not written yet.';

-- Whatever guard remembers of a table or index hangs on a row of this table.
-- No foreign keys: they would lock rows in the transactions of users.
CREATE TABLE guard.object (
	id				uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	table_oid		oid NOT NULL,
	index_oid		oid NOT NULL,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name,
	shape			text,
	created_at		timestamptz,
	created_by		name,
	first_seen		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	last_seen		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	gone_at			timestamptz,
	created_under	text
);
CREATE UNIQUE INDEX object_id_idx ON guard.object (id);
CREATE UNIQUE INDEX object_present_idx ON guard.object (table_oid, index_oid) WHERE gone_at IS NULL;
CREATE INDEX object_index_oid_idx ON guard.object (index_oid) WHERE gone_at IS NULL;
CREATE INDEX object_table_oid_idx ON guard.object (table_oid);
CREATE INDEX object_table_name_idx ON guard.object (table_name);
CREATE INDEX object_itself_idx ON guard.object (table_oid) WHERE index_oid = 0;
CREATE INDEX object_named_idx ON guard.object (table_name) WHERE index_oid = 0;
COMMENT ON TABLE guard.object IS
'Tables (index_oid 0) and indexes that guard has seen, whatever they were called or rebuilt as since. created_at is null where guard did not see it being made from nothing; created_by is the login role of the session that made it, created_under its application_name; shape is what an index is made of, by names; gone_at is when it was dropped, or found missing.';

-- Dumped by pg_dump: names lead back to the index where OIDs do not.
CREATE TABLE guard.protection (
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name,
	reason			text NOT NULL,
	protected_by	name NOT NULL,
	protected_at	timestamptz NOT NULL,
	object			uuid NOT NULL
);
COMMENT ON TABLE guard.protection IS
'What guard.protect() registered: an index, or a table (index_name null) for all of its indexes.';
SELECT pg_catalog.pg_extension_config_dump('guard.protection', '');

CREATE TABLE guard.departed (
	index_oid		oid NOT NULL,
	table_oid		oid NOT NULL,
	name_key		bigint NOT NULL,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name NOT NULL,
	created_at		timestamptz,
	gone_at			timestamptz NOT NULL,
	shape			text NOT NULL,
	by_plan			text,
	first_use		timestamptz,
	last_use		timestamptz,
	uses			bigint NOT NULL,
	longest_pause	bigint,
	days			int NOT NULL,
	services		text,
	way				oid NOT NULL,
	undated_scans	bigint NOT NULL,
	observed_since	timestamptz
);
CREATE INDEX departed_index_oid_idx ON guard.departed (index_oid);
CREATE INDEX departed_table_oid_idx ON guard.departed (table_oid);
CREATE INDEX departed_name_key_idx ON guard.departed (name_key);
COMMENT ON TABLE guard.departed IS
'Use of indexes that are gone, apart for each way of using one (see guard.known_use), each with its shape and the name that its table had for those who used it: it counts for whatever index serves in its place now. by_plan is the shape of one that does so because its statements'' plans say so; longest_pause in microseconds.';

CREATE TABLE guard.moved_table (
	table_oid	oid NOT NULL,
	old_schema	name NOT NULL,
	old_name	name NOT NULL,
	moved_at	timestamptz NOT NULL,
	how			"char" NOT NULL,
	relations	oid[] NOT NULL,
	scans		bigint[] NOT NULL,
	old_key		bigint NOT NULL,
	columns		text[],
	beside		oid[]
);
CREATE INDEX moved_table_old_key_idx ON guard.moved_table (old_key);
CREATE INDEX moved_table_table_oid_idx ON guard.moved_table (table_oid);
COMMENT ON TABLE guard.moved_table IS
'Tables that were renamed or moved to another schema (how = r), detached (d) or attached (a), that had a place below what has this name (l), or had it (p), columns being which, with what was beside it and may not tell its rows from those, which stays when they are dropped, to which a view of this name led (v), or whose columns were renamed (c) and had these names before, with the scans that they and their indexes had then.';

-- The columns that a row is made of have the names of the members of the line
-- in the server log (src/audit/entry.c).
CREATE TABLE guard.audit_log (
	id				bigint GENERATED ALWAYS AS IDENTITY,
	at				timestamptz NOT NULL,
	question		text NOT NULL,
	verdict			text NOT NULL,
	reason			text,
	command			text,
	statement		text,
	object			text,
	index_name		text,
	table_name		text,
	definition		text,
	detail			text,
	facts			jsonb,
	approval		text,
	mode			text NOT NULL,
	database		name NOT NULL,
	login_role		name NOT NULL,
	role			name,
	outer_user		name,
	application		text,
	client			inet,
	coalesced		integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX audit_log_id_idx ON guard.audit_log (id);
CREATE INDEX audit_log_at_idx ON guard.audit_log (at, id);
COMMENT ON TABLE guard.audit_log IS
'What was asked of guard and what it answered: one row for each index that a statement dropped or was refused, and one for each change of guard''s own rules. Rows of one statement have the same question, which begins with the session''s ID in the server log (%c). Append-only.';
GRANT SELECT ON guard.audit_log TO pg_read_all_stats;

-- Rows are only added, so that no drop waits for another one's; one for each
-- entry, until they are added up when the log is pruned.
CREATE TABLE guard.audit_total (
	verdict			text NOT NULL,
	reason			text,
	entries			bigint NOT NULL,
	last_at			timestamptz NOT NULL,
	last_index		text
);
COMMENT ON TABLE guard.audit_total IS
'How many entries guard.audit_log has had, by verdict and, where guard has a fixed set of them, reason, whatever was pruned since; last_index is the index of the latest, at last_at. Summed up over several rows each.';
