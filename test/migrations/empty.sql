-- Take away what fill.sql put into tables, and what migrations made of it, and the session that failed over it.  The tools' own
-- books stay.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$
DECLARE
  target regclass;
BEGIN
  FOR target IN
    SELECT c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'guard') AND c.relname !~ 'migration|django'
  LOOP
    EXECUTE format('DELETE FROM %s', target);
  END LOOP;
END
$$;
