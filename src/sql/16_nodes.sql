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
	services		text,
	life			bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX node_use_relation_oid_idx ON guard.node_use (relation_oid);
CREATE INDEX node_use_node_idx ON guard.node_use (node, relation_oid);
COMMENT ON TABLE guard.node_use IS
'What standbys have reported of the use of indexes and tables there: uses since their capture began to keep the record (life), uses_before of earlier records; rate per second, as of the report; longest_pause in microseconds. foreign_key as in guard.known_use.';
