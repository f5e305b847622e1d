# How fast a hidden index comes back when its traffic does, and whether one ever comes back without cause.
#
#   restore        an index is used, dropped in stages, and hidden once its traffic has paused; then the traffic begins again, and
#                  every call takes a hundred times as long.  Measured from the moment of hiding and from the first slow call to
#                  the moment at which the planner may use the index again, $watch_rounds times.
#   false alarms   $watch_tables tables have two equal indexes each.  One of each pair is dropped in stages and hidden at once, for
#                  the other serves; nothing becomes slower by that.  For $watch_secs seconds traffic goes on while the machine is
#                  made to stutter: bursts of heavy queries, checkpoints, VACUUM, locked tables.  Whatever is restored is a false
#                  alarm.

watch_secs=${WATCH_SECS:-120}
watch_tables=10
watch_rounds=5
watch_rows=100000

make_watch() {
	say "$((watch_tables + 1)) tables to watch"
	make_cluster watch
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.hot_action = delay" "guard.quiet_period = 1s" \
		"guard.trial_period = 1d" >> "$work/watch/postgresql.conf"
	start watch
	"${as[@]}" createdb -p "$(port_of watch)" bench
	sql watch -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard'
	local i
	for ((i = 0; i <= watch_tables; i++)); do
		sql watch -c "CREATE TABLE t$i AS SELECT g AS a, g % 100 AS b, rpad('x', 100) AS c FROM generate_series(1, $watch_rows) g" \
			-c "CREATE INDEX t${i}_one ON t$i (a)" -c "VACUUM ANALYZE t$i"
		echo "\\set a random(1, $watch_rows)" > "$work/src/watch_$i.sql"
		echo "SELECT c FROM t$i WHERE a = :a;" >> "$work/src/watch_$i.sql"
	done
}

watch_traffic() { # SECONDS RATE TABLE...
	local secs=$1 rate=$2 files=() t
	shift 2
	for t; do files+=(-f "$work/src/watch_$t.sql"); done
	"${as[@]}" pgbench -n -c 4 -T "$secs" -R "$rate" -p "$(port_of watch)" "${files[@]}" > "$work/pgbench.log" 2>&1
}

watch_wait() { # CONDITION
	local end=$((SECONDS + 60))
	until [ "$(sql watch -c "SELECT $1")" = t ]; do
		[ "$SECONDS" -lt "$end" ] || fail "waited in vain for: $1"
		sleep 0.05
	done
}

measure_restores() {
	local i state
	for ((i = 1; i <= watch_rounds; i++)); do
		say "restore $i of $watch_rounds"
		watch_traffic 3 200 0
		sql watch -c "SET guard.quiet_period = '1h'" -c "DROP INDEX t0_one" 2> "$work/watch.sql.log"
		state="(SELECT state FROM guard.soft_drop ORDER BY id DESC LIMIT 1)"
		watch_wait "$state = 'hidden'"
		sql watch -c 'CREATE TABLE IF NOT EXISTS began (at timestamptz)' -c 'INSERT INTO began SELECT clock_timestamp()' 2> "$work/watch.sql.log"
		watch_traffic 10 200 0
		[ "$(sql watch -c "SELECT $state")" = restored ] || { result "watch missed"; continue; }
		result "watch restore $(sql watch -F ' ' -c "SELECT extract(epoch FROM state_since - hidden_at), extract(epoch FROM state_since - (SELECT max(at) FROM began))
			FROM guard.soft_drop ORDER BY id DESC LIMIT 1")"
		watch_wait "to_regclass('t0_one') IS NOT NULL"
	done
}

# What makes a server stutter, for so many seconds.
watch_noise() { # SECONDS
	local end=$((SECONDS + $1)) i
	while [ "$SECONDS" -lt "$end" ]; do
		case $((RANDOM % 5)) in
		0) for i in 1 2 3 4; do sql watch -c "SELECT sum(sqrt(g)) FROM generate_series(1, 1500000) g" > "$work/noise.log" & done; wait $! ;;
		1) sql watch -c 'CHECKPOINT' ;;
		2) sql watch -c "VACUUM ANALYZE t$((1 + RANDOM % watch_tables))" ;;
		3) sql watch -c "BEGIN; LOCK TABLE t$((1 + RANDOM % watch_tables)) IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.3); COMMIT" > "$work/noise.log" ;;
		4) sql watch -c "UPDATE t$((1 + RANDOM % watch_tables)) SET b = b + 1 WHERE a % 50 = 0" ;;
		esac
		sleep 0.$((RANDOM % 9 + 1))
	done
}

measure_false_alarms() {
	local i tables=() pid
	for ((i = 1; i <= watch_tables; i++)); do tables+=("$i"); done
	say "$watch_tables harmless indexes, $watch_secs s of noise"
	watch_traffic 10 400 "${tables[@]}"
	for ((i = 1; i <= watch_tables; i++)); do
		sql watch -c "SET guard.quiet_period = '1h'" -c "BEGIN; DROP INDEX t${i}_one; CREATE INDEX t${i}_two ON t$i (a); COMMIT" 2> "$work/watch.sql.log"
	done
	watch_wait "count(*) = $watch_tables FROM guard.soft_drop WHERE state = 'hidden'"
	watch_traffic "$watch_secs" 400 "${tables[@]}" &
	pid=$!
	watch_noise "$watch_secs"
	wait $pid
	result "watch alarms $(sql watch -F ' ' -c "SELECT count(*) FILTER (WHERE state = 'restored'), count(*) FROM guard.soft_drop WHERE index_name <> 't0_one'") $watch_secs"
	sql watch -c "SELECT index_name, state_reason FROM guard.soft_drop WHERE index_name <> 't0_one' AND state = 'restored'" >&2
}

measure_watch() {
	make_watch
	measure_restores
	measure_false_alarms
	stop watch
}
