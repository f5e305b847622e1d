-- Who needs an index, and what runs where.

-- Dumped by pg_dump, as guard.protection is.
CREATE TABLE guard.dependency (
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name NOT NULL,
	service			text NOT NULL,
	registered_by	name NOT NULL,
	registered_at	timestamptz NOT NULL,
	object			uuid NOT NULL,
	until_version	text,
	note			text,
	from_version	text
);
COMMENT ON TABLE guard.dependency IS
'What guard.add_dependency() registered: the service needs the index as long as a version below until_version (null: any version) runs, and its versions below from_version do without.';
SELECT pg_catalog.pg_extension_config_dump('guard.dependency', '');

-- Not dumped: what runs elsewhere is no news of what runs here.
CREATE TABLE guard.deployment (
	service		text NOT NULL,
	version		text NOT NULL,
	reported_at	timestamptz NOT NULL,
	reported_by	name NOT NULL
);
COMMENT ON TABLE guard.deployment IS
'What guard.report_deployment() was told: since then, this version of the service runs everywhere.';
