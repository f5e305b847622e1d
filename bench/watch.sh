# How fast a hidden index comes back when its traffic does, and whether one ever comes back without cause.
#
#   restore        an index is used, dropped in stages, and hidden once its traffic has paused; then the traffic begins again, and
#                  every call takes a hundred times as long.  Measured from the moment of hiding and from the first slow call to
#                  the moment at which the planner may use the index again, $watch_rounds times.
#   true           the same with ten tables whose look-ups become slower by what another index costs that takes over: an index
#                  on two columns of which the second is wanted, reading 5 to 20 times as much.
#   false alarms   $watch_tables tables have two equal indexes each.  One of each pair is dropped in stages and hidden at once, for
#                  the other serves; nothing becomes slower by that.  Their statements: look-ups, ranges, updates, sums over many
#                  rows, and look-ups of tenants of whom few are large.  For $watch_secs seconds each, traffic goes on while
#                  the machine is disturbed in one way after the other (WATCH_NOISES names them).  Whatever is restored is a false
#                  alarm.
#
# The hour that nothing must come back in for nothing: WATCH_SECS=3600 WATCH_NOISES=quiet bench/run --only watch, on a machine that does
# nothing else; each of the other noises takes WATCH_SECS more.  WATCH_WAIT seconds (1800) are the most it waits for any one step.

watch_secs=${WATCH_SECS:-60}
watch_tables=10
watch_rounds=5
watch_rows=100000
watch_noises=${WATCH_NOISES:-quiet burst8 burst24 exclusive rowlocks bulk checkpoint dump vacuum tails mixture}

make_watch() {
	say "$((watch_tables + 1)) tables to watch"
	make_cluster watch
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.hot_action = delay" "guard.quiet_period = 1s" \
		"guard.trial_period = 1d" >> "$work/watch/postgresql.conf"
	start watch
	"${as[@]}" createdb -p "$(port_of watch)" bench
	sql watch -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard'
	sql watch -c "CREATE FUNCTION nap(int) RETURNS boolean LANGUAGE plpgsql COST 0.1 AS 'BEGIN PERFORM pg_sleep(0.001); RETURN true; END'"
	local i
	for ((i = 0; i <= watch_tables; i++)); do
		sql watch -c "CREATE TABLE t$i AS SELECT g AS a, g % 100 AS b, rpad('x', 100) AS c FROM generate_series(1, $watch_rows) g" \
			-c "CREATE INDEX t${i}_one ON t$i (a)" -c "VACUUM ANALYZE t$i"
		watch_statement "$i" > "$work/src/watch_$i.sql"
	done
	# tenants: 10,000 of four rows, a hundred and ninety of two hundred
	sql watch -c "CREATE TABLE t11 AS SELECT g AS id, CASE WHEN g <= 40000 THEN g / 4 ELSE 20000 + (g - 40000) / 200 END AS a, repeat('x', 50) AS c
		FROM generate_series(1, 80000) g" -c "CREATE INDEX t11_one ON t11 (a)" -c "VACUUM ANALYZE t11"
	watch_tenants 95 > "$work/src/watch_11.sql"
	watch_tenants 0 > "$work/src/watch_mixture.sql"
	# what nothing is hidden of
	sql watch -c "CREATE TABLE other AS SELECT g AS a, rpad('x', 100) AS c FROM generate_series(1, $watch_rows) g" \
		-c "CREATE INDEX other_a ON other (a)" -c "VACUUM ANALYZE other"
	printf '%s\n' '\set a random(1, 80000)' 'SELECT c FROM other WHERE a = :a;' > "$work/src/watch_c1.sql"
	printf '%s\n' '\set a random(1, 80000)' 'SELECT sum(length(c)) FROM other WHERE a BETWEEN :a AND :a + 500;' > "$work/src/watch_c2.sql"
	printf '%s\n' '\set a random(1, 80000)' 'SELECT sum(length(c)) FROM other WHERE a BETWEEN :a AND :a + 20000;' > "$work/src/watch_c3.sql"
}

# What is asked of table number $1.
watch_statement() {
	echo '\set a random(1, 80000)'
	case $(($1 % 5)) in
	0 | 1) echo "SELECT c FROM t$1 WHERE a = :a;" ;;
	2) echo "SELECT sum(b) FROM t$1 WHERE a BETWEEN :a AND :a + 300;" ;;
	3) echo "UPDATE t$1 SET b = b + 1 WHERE a = :a;" ;;
	4) echo "SELECT sum(b), max(c) FROM t$1 WHERE a BETWEEN :a AND :a + 20000;" ;;
	esac
}

# Tenants of whom so many in a hundred are small; a row takes a millisecond.
watch_tenants() {
	printf '%s\n' '\set w random(1, 100)' '\set s random(1, 9000)' '\set l random(20001, 20190)' "\\set k case when :w > $1 then :l else :s end" \
		'SELECT count(c) FROM t11 WHERE a = :k AND nap(id);'
}

watch_traffic() { # SECONDS RATE TABLE...
	local secs=$1 rate=$2 files=() t
	shift 2
	for t; do files+=(-f "$work/src/watch_$t.sql"); done
	"${as[@]}" pgbench -n -c 4 -T "$secs" -R "$rate" -p "$(port_of watch)" "${files[@]}" > "$work/pgbench.log" 2>&1
}

# However busy the machine is: what takes longer is said, with what guard says of it.
watch_wait() { # CONDITION
	local began=$SECONDS told=$SECONDS
	until [ "$(sql watch -c "SELECT $1")" = t ]; do
		[ "$SECONDS" -lt $((began + ${WATCH_WAIT:-1800})) ] || fail "waited in vain for: $1"
		if [ "$SECONDS" -ge $((told + 60)) ]; then
			told=$SECONDS
			say "waiting for $((SECONDS - began)) s: $1"
			sql watch -c "SELECT index_name, state, next_step, attempts, last_error FROM guard.soft_drop ORDER BY id DESC LIMIT 1" >&2
		fi
		sleep 0.05
	done
}

# It may have come back before anybody has looked.
watch_wait_hidden() {
	watch_wait "(SELECT hidden_at IS NOT NULL OR state = 'dropped' FROM guard.soft_drop ORDER BY id DESC LIMIT 1)"
}

measure_restores() {
	local i state
	for ((i = 1; i <= watch_rounds; i++)); do
		say "restore $i of $watch_rounds"
		watch_traffic 3 200 0
		sql watch -c "SET guard.quiet_period = '1h'" -c "DROP INDEX t0_one" 2> "$work/watch.sql.log"
		state="(SELECT state FROM guard.soft_drop ORDER BY id DESC LIMIT 1)"
		watch_wait_hidden
		sql watch -c 'CREATE TABLE IF NOT EXISTS began (at timestamptz)' -c 'INSERT INTO began SELECT clock_timestamp()' 2> "$work/watch.sql.log"
		watch_traffic 10 200 0
		[ "$(sql watch -c "SELECT $state")" = restored ] || { result "watch missed"; continue; }
		result "watch restore $(sql watch -F ' ' -c "SELECT extract(epoch FROM state_since - hidden_at), extract(epoch FROM state_since - (SELECT max(at) FROM began))
			FROM guard.soft_drop ORDER BY id DESC LIMIT 1")"
		watch_wait "to_regclass('t0_one') IS NOT NULL"
	done
}

# True slow-downs: what is hidden was better than what takes over, by so many times.
measure_slow_downs() {
	local times state
	for times in 3 5 20; do
		say "a look-up that becomes $times times slower"
		sql watch -c "CREATE TABLE s$times AS SELECT g AS id, g / 20 AS a, g / (20 * $times) AS wide, rpad('x', 100) AS c FROM generate_series(1, $watch_rows) g" \
			-c "CREATE INDEX s${times}_one ON s$times (a)" -c "CREATE INDEX s${times}_wide ON s$times (wide)" -c "VACUUM ANALYZE s$times"
		printf '%s\n' '\set a random(1, 4000)' "SELECT count(c) FROM s$times WHERE a = :a AND wide = :a / $times AND nap(id);" > "$work/src/watch_s$times.sql"
		watch_traffic 8 20 "s$times" c1 c2
		sql watch -c "SET guard.quiet_period = '1h'" -c "DROP INDEX s${times}_one" 2> "$work/watch.sql.log"
		state="(SELECT state FROM guard.soft_drop ORDER BY id DESC LIMIT 1)"
		watch_wait_hidden
		sql watch -c 'CREATE TABLE IF NOT EXISTS began (at timestamptz)' -c 'INSERT INTO began SELECT clock_timestamp()' 2> "$work/watch.sql.log"
		watch_traffic 30 20 "s$times" c1 c2
		if [ "$(sql watch -c "SELECT $state")" = restored ]; then
			result "watch slower $times $(sql watch -c "SELECT extract(epoch FROM state_since - (SELECT max(at) FROM began)) FROM guard.soft_drop ORDER BY id DESC LIMIT 1")"
			sql watch -c "SELECT state_reason FROM guard.soft_drop ORDER BY id DESC LIMIT 1" >&2
		else
			result "watch missed $times"
		fi
	done
}

watch_burst() { # BACKENDS SECONDS
	local i
	for ((i = 0; i < $1; i++)); do
		sql watch -c "SET statement_timeout = '${2}s'" -c 'SELECT sum(sqrt(g) * ln(g)) FROM generate_series(1, 400000000) g' > "$work/noise.log" 2>&1 &
	done
	sleep "$2"
	while [ "$(sql watch -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%400000000%' AND pid <> pg_backend_pid() AND state = 'active'")" != 0 ]; do sleep 0.2; done
}

# One disturbance, for so many seconds.
watch_noise() { # KIND SECONDS
	local end=$((SECONDS + $2)) t
	while [ "$SECONDS" -lt "$end" ]; do
		t=t$((1 + RANDOM % watch_tables))
		case $1 in
		burst8) watch_burst 8 20; sleep 10 ;;
		burst24) watch_burst 24 10; sleep 10 ;;
		exclusive) sql watch -c "BEGIN; LOCK TABLE $t IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT" > "$work/noise.log" ;;
		rowlocks) sql watch -c "BEGIN; UPDATE $t SET b = b + 1 WHERE a % 20 = 0; SELECT pg_sleep(4); COMMIT" > "$work/noise.log"; sleep 2 ;;
		bulk) sql watch -c "INSERT INTO $t SELECT g, 0, rpad('y', 100) FROM generate_series(200001, 300000) g" -c "DELETE FROM $t WHERE a > 200000" ;;
		checkpoint) sql watch -c "UPDATE other SET c = c WHERE a % 10 = 0" -c CHECKPOINT; sleep 10 ;;
		dump) "${as[@]}" pg_dump -Z6 -p "$(port_of watch)" -f "$work/src/dump" bench ;;
		vacuum) sql watch -c "VACUUM ANALYZE $t" ;;
		*) sleep 1 ;;
		esac
	done
}

measure_false_alarms() {
	local i tables=() pid kind restored mix
	for ((i = 1; i <= watch_tables; i++)); do tables+=("$i"); done
	for kind in $watch_noises; do
		say "$((watch_tables + 1)) harmless indexes, $watch_secs s: $kind"
		sql watch -c 'SELECT pg_stat_statements_reset()' > "$work/watch.sql.log"
		watch_traffic 20 200 "${tables[@]}" 11 c1 c2 c3
		for ((i = 1; i <= watch_tables + 1; i++)); do
			sql watch -c "SET guard.quiet_period = '1h'" -c "BEGIN; DROP INDEX t${i}_one; CREATE INDEX t${i}_two ON t$i (a); COMMIT" 2> "$work/watch.sql.log"
		done
		watch_wait "count(*) = $((watch_tables + 1)) FROM guard.soft_drop WHERE state IN ('hidden', 'restored') AND index_name ~ '^t[1-9][0-9]*_one' AND id > (SELECT coalesce(max(id), 0) - $((watch_tables + 1)) FROM guard.soft_drop)"
		mix=11
		[ "$kind" != mixture ] || mix=mixture
		case $kind in
		tails) watch_traffic "$watch_secs" 20 11 c1 c2 c3 & ;;
		*) watch_traffic "$watch_secs" 200 "${tables[@]}" $mix c1 c2 c3 & ;;
		esac
		pid=$!
		watch_noise "$kind" "$watch_secs"
		wait $pid
		restored=$(sql watch -c "SELECT count(*) FILTER (WHERE state = 'restored') FROM (SELECT state FROM guard.soft_drop ORDER BY id DESC LIMIT $((watch_tables + 1))) d")
		result "watch alarms $restored $((watch_tables + 1)) $watch_secs $kind"
		sql watch -c "SELECT index_name, state_reason FROM (SELECT * FROM guard.soft_drop ORDER BY id DESC LIMIT $((watch_tables + 1))) d WHERE state = 'restored'" >&2
		# the next kind begins with one index each
		sql watch -c "SELECT guard.restore('public.' || index_name) FROM guard.soft_drop WHERE state = 'hidden'" > "$work/watch.sql.log"
		watch_wait "count(*) = 0 FROM guard.soft_drop WHERE state = 'hidden' OR restore_wanted"
		for ((i = 1; i <= watch_tables + 1; i++)); do
			sql watch -c "SET guard.mode = 'off'" -c "DROP INDEX t${i}_two" 2> "$work/watch.sql.log"
		done
	done
}

measure_watch() {
	make_watch
	measure_restores
	measure_slow_downs
	measure_false_alarms
	stop watch
}
