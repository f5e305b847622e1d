-- Other nodes of this server: standbys, as they report what is used there.
-- Times are by this server's clock.  Not dumped: nodes report again.  Columns
-- are read by number in C: new ones go to the end.

CREATE TABLE guard.node (
	name			text NOT NULL,
	role			text NOT NULL,
	reported_at		timestamptz,
	since			timestamptz,
	unobserved		bigint NOT NULL DEFAULT 0,
	upstream		text,
	lacks			text,
	identity		text,
	node_clock		timestamptz,
	whole_at		timestamptz
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX node_name_idx ON guard.node (name);
COMMENT ON TABLE guard.node IS
'Standbys that have reported, or that another standby has named (reported_at null): role is standby; since: for how long use is watched there, null: it is not, lacks says why; unobserved: microseconds of that in which nobody watched; upstream: the standby that it is fed by, null: this server. identity tells two nodes of one name apart; node_clock is when it reported last, and whole_at when it reported everything, by its own clock.';

CREATE TABLE guard.node_use (
	node			text NOT NULL,
	relation_oid	oid NOT NULL,
	foreign_key		bigint NOT NULL,
	first_use		timestamptz,
	last_use		timestamptz,
	uses			bigint NOT NULL,
	uses_before		bigint NOT NULL,
	rate			double precision NOT NULL,
	longest_pause	bigint,
	statements		int NOT NULL,
	by_service		text[],
	services_known	boolean NOT NULL,
	life			bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX node_use_relation_oid_idx ON guard.node_use (relation_oid);
CREATE INDEX node_use_node_idx ON guard.node_use (node, relation_oid);
COMMENT ON TABLE guard.node_use IS
'What standbys have reported of the use of indexes and tables there: uses since their capture began to keep the record (life), uses_before of earlier records; rate per second, as of the report; longest_pause in microseconds. foreign_key as in guard.known_use. by_service and services_known as in guard.profile_fact.';

CREATE UNLOGGED TABLE guard.node_watch (
	node			text NOT NULL,
	at				timestamptz NOT NULL,
	reset_at		timestamptz,
	lacks			text,
	active			int,
	waiting			int,
	drops			jsonb NOT NULL,
	statements		jsonb NOT NULL,
	counted			jsonb NOT NULL,
	running			jsonb NOT NULL
);
CREATE UNIQUE INDEX node_watch_node_idx ON guard.node_watch (node);
COMMENT ON TABLE guard.node_watch IS
'While indexes are dropped in stages: what each standby counted of its statements when it reported last. drops: which soft drops it knows of, and how often their indexes were used there; statements: those that used them, or their tables; lacks: why statements cannot be compared there. Written every few seconds while something is hidden, so it is not logged, and not on standbys.';
