-- The event triggers.  ENABLE ALWAYS: replication roles drop indexes, too.

CREATE FUNCTION guard.ddl_command_start() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'guard_sql_ddl_command_start';
COMMENT ON FUNCTION guard.ddl_command_start() IS
'Judges a statement before it takes a lock. For guard''s event trigger only.';

CREATE FUNCTION guard.ddl_command_end() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'guard_sql_ddl_command_end';
COMMENT ON FUNCTION guard.ddl_command_end() IS
'Notes created indexes, renamed and moved tables. For guard''s event trigger only.';

CREATE FUNCTION guard.sql_drop() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'guard_sql_sql_drop';
COMMENT ON FUNCTION guard.sql_drop() IS
'Notes dropped indexes; never refuses. For guard''s event trigger only.';

REVOKE ALL ON FUNCTION guard.ddl_command_start(), guard.ddl_command_end(),
	guard.sql_drop() FROM PUBLIC;

CREATE EVENT TRIGGER guard_ddl_command_start ON ddl_command_start
	EXECUTE FUNCTION guard.ddl_command_start();
ALTER EVENT TRIGGER guard_ddl_command_start ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER guard_ddl_command_start IS
'guard: refuses drops of indexes that are needed.';

CREATE EVENT TRIGGER guard_ddl_command_end ON ddl_command_end
	EXECUTE FUNCTION guard.ddl_command_end();
ALTER EVENT TRIGGER guard_ddl_command_end ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER guard_ddl_command_end IS
'guard: keeps its books.';

CREATE EVENT TRIGGER guard_sql_drop ON sql_drop
	EXECUTE FUNCTION guard.sql_drop();
ALTER EVENT TRIGGER guard_sql_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER guard_sql_drop IS
'guard: keeps its books.';
