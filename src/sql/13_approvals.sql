-- Who let whom drop what.  Not dumped: an approval is for here and now.  The
-- columns that say what it is for are those of every registry.
CREATE TABLE guard.approval (
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	index_name		name,
	reason			text NOT NULL,
	approved_by		name NOT NULL,
	approved_at		timestamptz NOT NULL,
	object			uuid NOT NULL,
	id				integer GENERATED ALWAYS AS IDENTITY,
	valid_until		timestamptz NOT NULL,
	used_at			timestamptz,
	used_by			name
);
CREATE UNIQUE INDEX approval_id_idx ON guard.approval (id);
COMMENT ON TABLE guard.approval IS
'Permissions given by guard.approve(), for an index or a table (index_name null); used_at is when a drop used one up.';