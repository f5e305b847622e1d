# What hiding costs the planner, how fast it takes effect, and what the way back takes compared with building the index anew.
#
#   planning    instructions of one simple-protocol point select on a table with ten indexes, as in instructions.sh, with so many
#               indexes hidden in the database: on a table with none of them, and on one with one of them.  Beside it, what a
#               session pays once for reading the registry.
#   effect      100 sessions execute a prepared statement with a generic plan without a pause, and note for each execution whether
#               it used the index.  One more session hides the index.  What counts is whether any execution that began after that
#               commit used it; how long a session took to come round to its next execution is the machine's affair.
#   way back    guard.unhide(), and the first query that uses the index again, beside CREATE INDEX CONCURRENTLY of the same index
#               on an idle server, with $hiding_rows rows.

hiding_rows=${HIDING_ROWS:-1000000}
hiding_counts=(0 1 100 5000)
hiding_secs=4

point_select() { # TABLE EXECUTIONS
	echo "SELECT a FROM $1 WHERE a = 17;" > "$work/src/point.sql"
	"${as[@]}" pgbench -n -f "$work/src/point.sql" -M simple -t "$2" -p "$(port_of hiding)" > "$work/pgbench.log" 2>&1
}

count_plans() { # WORD [OPTION]...
	local word=$1 table first second once
	shift
	start_counted hiding "$@"
	point_select bystander 20
	for table in bystander concerned; do
		once=$(count hiding "hiding.$table.once" point_select $table 1)
		first=$(count hiding "hiding.$table.few" point_select $table $few)
		second=$(count hiding "hiding.$table" point_select $table $many)
		result "hiding plan $word $table $(((second - first) / (many - few)))"
		result "hiding once $word $table $once"
	done
	stop hiding
}

measure_planning() {
	local n
	for n in "${hiding_counts[@]}"; do
		say "callgrind: $n hidden"
		start hiding
		if [ "$n" = 0 ]; then sql hiding -c 'DELETE FROM guard.hidden_index'; else sql hiding -c "CALL hide_many($((n - 1)))"; fi
		stop hiding
		count_plans "$n"
	done
	say "callgrind: guard.hiding = off"
	count_plans off -c guard.hiding=off
}

measure_effect() {
	local after pid
	say "100 sessions"
	start hiding -c max_connections=120
	sql hiding -c 'DELETE FROM guard.hidden_index' -c 'TRUNCATE seen'
	cat > "$work/src/watch.sql" <<-'END'
		\set n random(1, 2000)
		BEGIN;
		SELECT pg_stat_get_xact_numscans('small_b_idx'::regclass) AS before \gset
		SELECT a FROM small WHERE b = :n;
		INSERT INTO seen SELECT pg_backend_pid(), now(), pg_stat_get_xact_numscans('small_b_idx'::regclass) > :before;
		COMMIT;
	END
	failed=$work/pgbench.log
	"${as[@]}" env PGOPTIONS='-c plan_cache_mode=force_generic_plan' \
		pgbench -n -M prepared -c 100 -j 2 -T $hiding_secs -f "$work/src/watch.sql" -p "$(port_of hiding)" > "$failed" 2>&1 &
	pid=$!
	until [ "$(sql hiding -c 'SELECT count(DISTINCT session) FROM seen')" = 100 ]; do kill -0 $pid && sleep 0.2; done
	sql hiding -c '\timing on' -c "SELECT guard.hide('small_b_idx')" -c '\timing off' -c 'SELECT clock_timestamp()' > "$work/hide.log"
	after=$(tail -n 1 "$work/hide.log")
	wait $pid
	failed=
	result "hiding effect $(sql hiding -F ' ' -c "
		SELECT count(DISTINCT session) FILTER (WHERE NOT used_index),
			   count(*) FILTER (WHERE began > '$after'), count(*) FILTER (WHERE began > '$after' AND used_index),
			   $(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$work/hide.log"),
			   (SELECT round(1000 * extract(epoch FROM max(f) - timestamptz '$after'))
				  FROM (SELECT min(began) FILTER (WHERE NOT used_index) AS f FROM seen GROUP BY session) s)
		  FROM seen")"
	stop hiding
}

# Milliseconds that psql measured for the last of its commands.
timed() { sql hiding -c '\timing on' "$@" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1; }

measure_way_back() {
	local i
	say "$hiding_rows rows"
	start hiding
	sql hiding -c "CREATE TABLE large AS SELECT n AS id, hashint4(n::int) AS b FROM generate_series(1, $hiding_rows) n" \
		-c 'CREATE INDEX large_b_idx ON large (b)' -c 'VACUUM ANALYZE large' -c CHECKPOINT
	say "hide and unhide"
	for i in 1 2 3 4 5; do
		sql hiding -c "SELECT guard.hide('large_b_idx')" > "$work/hide.log"
		result "hiding unhide $i $(timed -c "SELECT guard.unhide('large_b_idx')")"
		result "hiding first $i $(timed -c 'SELECT id FROM large WHERE b = hashint4(17)')"
	done
	say "build it anew"
	sql hiding -c "SET guard.mode = 'off'" -c 'DROP INDEX large_b_idx'
	result "hiding build $(timed -c 'CREATE INDEX CONCURRENTLY large_b_idx ON large (b)')"
	result "hiding rows $hiding_rows"
	stop hiding
}

measure_hiding() {
	make_cluster hiding
	echo "shared_preload_libraries = 'guard'" >> "$work/hiding/postgresql.conf"
	start hiding
	"${as[@]}" createdb -p "$(port_of hiding)" bench
	sql hiding -c 'CREATE EXTENSION guard' > "$work/hide.log"
	sql hiding -f bench/hiding.sql > "$work/hide.log"
	stop hiding
	measure_planning
	measure_effect
	measure_way_back
}
