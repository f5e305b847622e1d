# What guard's lists cost where there is much to list: processor time of a view or function, and the clock's.
#
# A database with 100,000 indexes, none of them in use; then with a million rows in the audit log; then with twenty standbys,
# each of which has reported the use of a thousand indexes.  Tables are empty: nothing here looks into them.

list_indexes=100000 list_rows=1000000 list_nodes=20

make_lists() {
	say "$list_indexes indexes"
	make_cluster lists
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.snapshot_interval = 0" "max_locks_per_transaction = 1024" >> "$work/lists/postgresql.conf"
	start lists
	"${as[@]}" createdb -p "$(port_of lists)" bench
	failed=$work/lists.sql.log
	"${as[@]}" psql -XqAt -v ON_ERROR_STOP=1 -p "$(port_of lists)" > "$failed" 2>&1 <<-END
		CREATE PROCEDURE make_tables() LANGUAGE plpgsql AS '
		BEGIN
			FOR t IN 1..$list_indexes / 8 LOOP
				EXECUTE format(''CREATE TABLE t%s (id int PRIMARY KEY, a int, b int, c int, d int, e int, f int, g int)'', t);
				FOR c IN ascii(''a'') .. ascii(''g'') LOOP
					EXECUTE format(''CREATE INDEX ON t%s (%s)'', t, chr(c));
				END LOOP;
				IF t % 100 = 0 THEN COMMIT; END IF;
			END LOOP;
		END';
		CALL make_tables();
		VACUUM ANALYZE pg_class, pg_index, pg_attribute, pg_depend;
		CREATE EXTENSION pg_stat_statements;
		CREATE EXTENSION guard;
	END
	failed=
}

list() { # WHAT QUERY
	say "$1"
	failed=$work/list.log
	sql lists -c 'SET log_statement_stats = on' -c '\o /dev/null' -c "$2" -c '\o' -c '\timing on' -c '\o /dev/null' -c "$2" > "$failed"
	result "lists $(time_of lists "$failed") $1"
	failed=
}

measure_lists() {
	make_lists
	result "lists_size $list_indexes $list_rows $list_nodes"
	list "SELECT * FROM guard.indexes" "SELECT * FROM guard.indexes"
	list "SELECT * FROM guard.check('t1_a_idx')" "SELECT * FROM guard.check('t1_a_idx')"
	say "$list_rows rows in the audit log"
	sql lists -c "INSERT INTO guard.audit_log (at, question, verdict, reason, command, index_name, table_name, definition, mode, database, login_role)
		SELECT now() - '30 days'::interval * i / $list_rows, 'drop', CASE i % 3 WHEN 0 THEN 'block' ELSE 'allow' END, 'hot', 'DROP INDEX', 'public.t1_a_idx', 'public.t1',
			   repeat('definition ', 20), 'enforce', current_database(), current_user FROM generate_series(1, $list_rows) i" -c 'VACUUM ANALYZE guard.audit_log'
	list "SELECT * FROM guard.last_drops(), $(printf "%'d" $list_rows) rows in the audit log" "SELECT * FROM guard.last_drops()"
	list "SELECT * FROM guard.metrics" "SELECT * FROM guard.metrics"
	sql lists -c "INSERT INTO guard.node (name, role, reported_at, since, identity, node_clock, whole_at)
		SELECT 'standby' || n, 'standby', now(), now() - interval '30 days', 'identity' || n, now(), now() FROM generate_series(1, $list_nodes) n" \
		-c "INSERT INTO guard.node_use (node, relation_oid, foreign_key, first_use, last_use, uses, uses_before, rate, statements, services_known, life)
		SELECT 'standby' || n, i.indexrelid, 0, now() - interval '30 days', now(), 100000, 0, 1, 1, true, 1
		  FROM generate_series(1, $list_nodes) n, (SELECT indexrelid FROM pg_index WHERE indexrelid > 16384 ORDER BY 1 LIMIT 1000) i" -c 'VACUUM ANALYZE guard.node_use'
	list "SELECT * FROM guard.check('t1_a_idx'), $list_nodes standbys" "SELECT * FROM guard.check('t1_a_idx')"
	list "SELECT * FROM guard.indexes, $list_nodes standbys" "SELECT * FROM guard.indexes"
	stop lists
}
