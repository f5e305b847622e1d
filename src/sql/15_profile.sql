-- Profiles of other servers, as guard.import_profile() took them apart.  Not
-- dumped: they age, and are imported again.  Good in copies of this database,
-- too.  The four first columns of registrations are those of every registry.

CREATE TABLE guard.profile (
	source			text NOT NULL,
	exported_at		timestamptz NOT NULL,
	imported_at		timestamptz NOT NULL,
	imported_by		name NOT NULL,
	server			jsonb NOT NULL,
	guard			jsonb,
	document		jsonb NOT NULL,
	role			name,
	free_connections int,
	predecessor		boolean NOT NULL
);
CREATE UNIQUE INDEX profile_source_idx ON guard.profile (source);
COMMENT ON TABLE guard.profile IS
'Profiles that guard.import_profile() has imported: their members server and guard (null: made without guard), and in document what has no table of its own. role plans their statements, null: nobody does; free_connections is how many there were; predecessor: this server has taken the place of that one, so the profile counts until guard has watched here for long enough, and is forgotten then.';

CREATE TABLE guard.profile_relation (
	source			text NOT NULL,
	relation_oid	oid NOT NULL,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	kind			text NOT NULL,
	pages			bigint NOT NULL,
	tuples			double precision,
	all_visible		bigint NOT NULL,
	parents			jsonb,
	columns			jsonb,
	last_write		timestamptz,
	aimed			boolean NOT NULL,
	attached_at		timestamptz,
	detached_at		timestamptz,
	evidence		jsonb
);
CREATE INDEX profile_relation_source_idx ON guard.profile_relation (source);
CREATE INDEX profile_relation_relation_oid_idx ON guard.profile_relation (relation_oid);
CREATE INDEX profile_relation_table_name_idx ON guard.profile_relation (table_name);
COMMENT ON TABLE guard.profile_relation IS
'The relations of imported profiles: relation_oid is the table here that bore the name when it was looked for, 0: none did. columns are statistics as the document has them. pages of a partitioned table are those of all its partitions, and 0 of what was truncated since; last_write, attached_at and detached_at are what they would be had the profile been exported when it was imported; evidence is that member of it.';

CREATE TABLE guard.profile_index (
	source			text NOT NULL,
	index_oid		oid NOT NULL,
	table_oid		oid NOT NULL,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name NOT NULL,
	method			name NOT NULL,
	definition		text,
	pages			bigint NOT NULL,
	tuples			double precision,
	all_visible		bigint NOT NULL,
	columns			jsonb,
	document		jsonb NOT NULL
);
CREATE INDEX profile_index_source_idx ON guard.profile_index (source);
CREATE INDEX profile_index_index_oid_idx ON guard.profile_index (index_oid);
CREATE INDEX profile_index_table_oid_idx ON guard.profile_index (table_oid);
CREATE INDEX profile_index_table_name_idx ON guard.profile_index (table_name);
COMMENT ON TABLE guard.profile_index IS
'The indexes of imported profiles: index_oid is the index here of that name, or of that table and definition, when it was looked for, 0: there was none. document is the rest of what the profile says of it.';

CREATE TABLE guard.profile_statement (
	source			text NOT NULL,
	number			int NOT NULL,
	text			text NOT NULL,
	parameters		jsonb NOT NULL,
	calls			bigint NOT NULL,
	calls_per_second double precision,
	mean_time		double precision,
	document		jsonb NOT NULL
);
CREATE UNIQUE INDEX profile_statement_source_number_idx ON guard.profile_statement (source, number);
COMMENT ON TABLE guard.profile_statement IS
'The statements of imported profiles, never run: their texts, and in document the rest of what the profile says of them. Times in milliseconds.';

CREATE TABLE guard.profile_plan (
	source			text NOT NULL,
	number			int NOT NULL,
	cost			double precision,
	plan			text,
	why				text
);
CREATE UNIQUE INDEX profile_plan_source_number_idx ON guard.profile_plan (source, number);
COMMENT ON TABLE guard.profile_plan IS
'The plans that guard.remember_plans() has seen for statements of imported profiles; why: there is none.';

CREATE TABLE guard.profile_fact (
	source			text NOT NULL,
	relation_oid	oid NOT NULL,
	observer		text NOT NULL,
	way				oid NOT NULL,
	seen			text NOT NULL,
	since			timestamptz,
	first_use		timestamptz,
	last_use		timestamptz,
	uses			bigint NOT NULL,
	rate			double precision NOT NULL,
	longest_pause	bigint,
	statements		int NOT NULL,
	services		text,
	unobserved		bigint NOT NULL,
	gaps			text,
	known_uses		bigint NOT NULL,
	known_first		timestamptz,
	days			int NOT NULL,
	foreign_key		bigint NOT NULL,
	since_made		boolean NOT NULL,
	note			text,
	by_service		text[],
	services_known	boolean NOT NULL,
	unread			boolean NOT NULL,
	names			text[]
);
CREATE INDEX profile_fact_source_idx ON guard.profile_fact (source);
CREATE INDEX profile_fact_relation_oid_idx ON guard.profile_fact (relation_oid);
COMMENT ON TABLE guard.profile_fact IS
'What imported profiles say of the use of indexes and tables that are here, as guard knew it there: times are what they would be had the profile been exported when it was imported, spans are microseconds. observer is who saw it there, as guard.check() names it; seen: used, not seen, unknown; way and foreign_key as in guard.known_use; by_service five texts each: service, version, first and last use in microseconds since 2000, uses; names is when others came by the name of the table, and four texts for each view by which they came: its OID here (0: it was not here; 1: it was gone there; 1255: bodies of functions), schema, name, and when; null: not known.';

CREATE TABLE guard.profile_without (
	source			text NOT NULL,
	index_oid		oid NOT NULL,
	statements		int NOT NULL,
	planned			int NOT NULL,
	complete		boolean NOT NULL,
	worst_ratio		double precision NOT NULL,
	worst_extra		double precision NOT NULL,
	found_ratio		double precision NOT NULL,
	found_extra		double precision NOT NULL,
	added_load		double precision NOT NULL,
	slower			boolean NOT NULL,
	takeovers		oid[] NOT NULL,
	proves			boolean NOT NULL,
	beside			oid[] NOT NULL
);
CREATE INDEX profile_without_source_idx ON guard.profile_without (source);
CREATE INDEX profile_without_index_oid_idx ON guard.profile_without (index_oid);
COMMENT ON TABLE guard.profile_without IS
'What imported profiles say of how the statements of an index would be planned without it: how many there are, were planned so, and whether these are all; the worst of their costs, as a ratio and as a difference, also with the indexes that there were last; what all calls would take longer, in processors; the indexes here that they would use instead, 0: not here; whether planners rely on its uniqueness; and the indexes here that its table has there, 0: not here.';

CREATE TABLE guard.profile_load (
	source			text NOT NULL,
	index_oid		oid NOT NULL,
	statements		int NOT NULL,
	known			int NOT NULL,
	open			int NOT NULL,
	calls			double precision NOT NULL,
	mean_now		double precision NOT NULL,
	mean_expected	double precision NOT NULL,
	busy_now		double precision NOT NULL,
	busy_low		double precision NOT NULL,
	busy_expected	double precision NOT NULL,
	busy_high		double precision NOT NULL,
	cores			int NOT NULL,
	pool			int NOT NULL,
	busy			int NOT NULL
);
CREATE INDEX profile_load_source_idx ON guard.profile_load (source);
CREATE INDEX profile_load_index_oid_idx ON guard.profile_load (index_oid);
COMMENT ON TABLE guard.profile_load IS
'What imported profiles say that the statements of an index would take without it there, in the busiest hour: how many statements there are, of how many that is known, and of how many of those without an upper bound; calls a second; milliseconds that a call takes and would take; connections that they keep busy, and would; the processors there, how many connections there can be, and how many were busy.';

CREATE TABLE guard.profile_protection (
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name,
	reason			text NOT NULL,
	protected_by	name NOT NULL,
	protected_at	timestamptz NOT NULL,
	object			uuid NOT NULL,
	source			text NOT NULL
);
COMMENT ON TABLE guard.profile_protection IS
'What imported profiles say that guard.protect() registered there, as guard.protection has it.';

CREATE TABLE guard.profile_dependency (
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name NOT NULL,
	service			text NOT NULL,
	registered_by	name NOT NULL,
	registered_at	timestamptz NOT NULL,
	object			uuid NOT NULL,
	until_version	text,
	note			text,
	from_version	text,
	source			text NOT NULL
);
COMMENT ON TABLE guard.profile_dependency IS
'What imported profiles say that guard.add_dependency() registered there, as guard.dependency has it.';

CREATE TABLE guard.profile_deployment (
	service		text NOT NULL,
	version		text NOT NULL,
	reported_at	timestamptz NOT NULL,
	source		text NOT NULL
);
COMMENT ON TABLE guard.profile_deployment IS
'What imported profiles say that guard.report_deployment() was told there.';
