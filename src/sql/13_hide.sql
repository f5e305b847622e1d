-- Hiding.  Insert and delete are what takes effect, through the triggers.

CREATE TABLE guard.hidden_index (
	object			uuid NOT NULL,
	partitioned		boolean NOT NULL,
	kind			text NOT NULL,
	hidden_at		timestamptz NOT NULL,
	hidden_by		name NOT NULL,
	reason			text
);
CREATE UNIQUE INDEX hidden_index_object_idx ON guard.hidden_index (object);
COMMENT ON TABLE guard.hidden_index IS
'Indexes (guard.object) that the planner does not see: hidden by guard.hide() (kind = hand) or as a stage of a soft drop (softdrop).';

CREATE VIEW guard.hidden_indexes WITH (security_barrier) AS
	SELECT format('%I.%I', o.table_schema, o.index_name) AS index_name,
		   format('%I.%I', o.table_schema, o.table_name) AS table_name,
		   h.kind, h.hidden_at, h.hidden_by, h.reason, o.index_oid::regclass AS index
	  FROM guard.home, guard.hidden_index h JOIN guard.object o ON o.id = h.object
	  LEFT JOIN pg_class t ON t.oid = o.table_oid
	 WHERE (pg_has_role('pg_read_all_stats', 'USAGE') OR pg_has_role(t.relowner, 'USAGE'));
COMMENT ON VIEW guard.hidden_indexes IS
'Indexes that the planner does not see: since when, by whom and why; kind is hand (guard.hide) or softdrop (a stage of a soft drop). Shows a table''s owner his own, members of pg_read_all_stats all.';
-- example: SELECT index_name, kind, hidden_at, hidden_by, reason FROM guard.hidden_indexes;
GRANT SELECT ON guard.hidden_indexes TO PUBLIC;

CREATE TABLE guard.hidden_time (
	object			uuid NOT NULL,
	hidden_from		timestamptz NOT NULL,
	hidden_until	timestamptz NOT NULL
);
CREATE INDEX hidden_time_object_idx ON guard.hidden_time (object);
COMMENT ON TABLE guard.hidden_time IS
'When indexes were hidden that are not any more: time in which no use could be seen.';

CREATE FUNCTION guard.hidden_index_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'guard_sql_hidden_index_changed';
COMMENT ON FUNCTION guard.hidden_index_changed() IS
'Has every session plan anew what a changed row concerns. For guard''s triggers only.';
REVOKE ALL ON FUNCTION guard.hidden_index_changed() FROM PUBLIC;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON guard.hidden_index
	FOR EACH ROW EXECUTE FUNCTION guard.hidden_index_changed();
CREATE TRIGGER emptied BEFORE TRUNCATE ON guard.hidden_index
	FOR EACH STATEMENT EXECUTE FUNCTION guard.hidden_index_changed();
COMMENT ON TRIGGER changed ON guard.hidden_index IS
'guard: makes hiding take effect.';
COMMENT ON TRIGGER emptied ON guard.hidden_index IS
'guard: makes hiding take effect.';
ALTER TABLE guard.hidden_index ENABLE ALWAYS TRIGGER changed;
ALTER TABLE guard.hidden_index ENABLE ALWAYS TRIGGER emptied;

CREATE FUNCTION guard.hide(index regclass, reason text DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_hide';
COMMENT ON FUNCTION guard.hide(regclass, text) IS
'Have the planner pass over this index, with the indexes of its partitions, present and future. It stays maintained. In effect for new plans of every session, prepared statements included, from commit on; transactions that are open then may finish with the plans that they have. A second call replaces the reason. Takes an ACCESS SHARE lock on the table. Raises 22004 for null, 42809 for what is not an index, 42501 unless the caller owns the table, 55000 without preloading, for an index that is not valid and for one in a soft drop, 0A000 for one that enforces or identifies something, or that logical replication may use.';
-- example: SELECT guard.hide('auth.users_team_idx', 'rehearsal of its drop');

CREATE FUNCTION guard.unhide(index regclass) RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_unhide';
COMMENT ON FUNCTION guard.unhide(regclass) IS
'Take back what guard.hide() did to exactly this index; in effect from commit on. Waits for no lock on the table. Raises 22004 for null, 42809 for what is not an index, 42704 when it is not hidden, 42501 unless the caller owns the table, 55000 for an index in a soft drop.';
-- example: SELECT guard.unhide('auth.users_team_idx');

REVOKE ALL ON FUNCTION guard.hide(regclass, text), guard.unhide(regclass)
	FROM PUBLIC;
