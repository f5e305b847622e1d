-- The guard that people write themselves: an event trigger in PL/pgSQL that asks the server's statistics whether a dropped
-- index was used, and pg_stat_statements which statements may have done so.
--
-- It cannot know before: ddl_command_start says nothing of the statement but its tag.  In sql_drop the index has left the
-- catalogs, and pg_stat_user_indexes with them, so a copy of that view is needed, which a job refreshes from time to time.

CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

CREATE TABLE index_usage AS
SELECT indexrelid, schemaname, relname, indexrelname, idx_scan FROM pg_stat_user_indexes;
ALTER TABLE index_usage ADD PRIMARY KEY (indexrelid);
ANALYZE index_usage;

CREATE FUNCTION keep_used_indexes() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
	dropped record;
	usage record;
	statements record;
BEGIN
	FOR dropped IN
		SELECT * FROM pg_event_trigger_dropped_objects() WHERE object_type = 'index'
	LOOP
		SELECT * INTO usage FROM index_usage WHERE indexrelid = dropped.objid;
		CONTINUE WHEN NOT FOUND;

		SELECT count(*) AS number, sum(calls) AS calls, avg(mean_exec_time) AS mean_time
		  INTO statements
		  FROM pg_stat_statements
		 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
		   AND query LIKE '%' || usage.relname || '%';

		IF usage.idx_scan > 0 AND statements.number > 0 THEN
			RAISE EXCEPTION 'index % is in use: % scans', dropped.object_identity, usage.idx_scan
				USING DETAIL = format('%s statements on table %s.%s, %s calls, %s ms each.', statements.number,
									  usage.schemaname, usage.relname, statements.calls, round(statements.mean_time::numeric, 3));
		END IF;
	END LOOP;
END $$;

CREATE EVENT TRIGGER keep_used_indexes ON sql_drop
	WHEN TAG IN ('DROP INDEX', 'DROP TABLE', 'ALTER TABLE')
	EXECUTE FUNCTION keep_used_indexes();
