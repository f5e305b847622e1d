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
	lacks			text
);
CREATE UNIQUE INDEX node_name_idx ON guard.node (name);
COMMENT ON TABLE guard.node IS
'Standbys that have reported, or that another standby has named (reported_at null): role is standby; since: for how long use is watched there, null: it is not, lacks says why; unobserved: microseconds of that in which nobody watched; upstream: the standby that it is fed by, null: this server.';
