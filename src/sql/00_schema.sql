\echo Use "CREATE EXTENSION guard" to load this file. \quit

-- A schema called guard exists in some applications.  It is made here, so an
-- existing one is refused rather than moved into.
DO $$
BEGIN
	IF EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'guard') THEN
		RAISE EXCEPTION 'schema "guard" already exists and does not belong to the extension'
			USING ERRCODE = 'duplicate_schema',
				  HINT = 'Rename or drop that schema first.';
	END IF;
END
$$;

CREATE SCHEMA guard;
COMMENT ON SCHEMA guard IS
'Keeps people from dropping an index that live traffic still needs.';
GRANT USAGE ON SCHEMA guard TO PUBLIC;

-- Read from the catalog, never called: a library that belongs to other SQL
-- keeps its hands off these tables.  An update script replaces it last.
CREATE FUNCTION guard.sql_id() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'SELECT ''@SQL_ID@''::pg_catalog.text';
REVOKE ALL ON FUNCTION guard.sql_id() FROM PUBLIC;
COMMENT ON FUNCTION guard.sql_id() IS
'Which SQL of guard this is: the library knows the one it belongs to, and guard.status says when this is another.';
