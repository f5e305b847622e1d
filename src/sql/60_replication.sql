-- Who publishes FOR ALL TABLES publishes guard's as well.  PostgreSQL refuses to
-- update or delete rows there that nothing identifies; and on the other side
-- rows of another server would mean nothing, or collide with guard's own.
CREATE FUNCTION guard.leave_out() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'guard_sql_leave_out';
COMMENT ON FUNCTION guard.leave_out() IS
'Leaves out what a subscription brings for guard''s own tables. For guard''s triggers only.';
REVOKE ALL ON FUNCTION guard.leave_out() FROM PUBLIC;

DO $$
DECLARE
	own pg_catalog.regclass;
BEGIN
	FOR own IN SELECT oid FROM pg_catalog.pg_class
		WHERE relnamespace OPERATOR(pg_catalog.=) 'guard'::pg_catalog.regnamespace AND relkind OPERATOR(pg_catalog.=) 'r'
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', own);
		EXECUTE pg_catalog.format('CREATE TRIGGER foreign_rows BEFORE INSERT OR UPDATE OR DELETE ON %s'
			' FOR EACH ROW EXECUTE FUNCTION guard.leave_out()', own);
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE REPLICA TRIGGER foreign_rows', own);
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER foreign_rows ON %s IS %L', own,
			'guard: leaves out what a subscription brings.');
	END LOOP;
END
$$;
