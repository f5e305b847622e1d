# What drops in stages cost, and whether many of one owner keep another's waiting.
#
#   drop      an owner drops $stage_drops indexes that are in use, one after the other: what such a DROP INDEX takes
#   hidden    seconds after the last drop until nobody needs them and all are hidden
#   watch     beside them, the index of another owner is dropped and hidden, and its traffic begins again, a hundred times as slow:
#             seconds from the first slow call until the planner may use it again
#   one       the many are wanted back, all in one statement, and then one of the other owner's: seconds until that has its name
#   all       and until all of them have theirs
#
# The tables have ten columns and ten indexes each.

stage_drops=1000

make_stages() {
	say "$stage_drops indexes to drop in stages"
	make_cluster stages
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.hot_action = delay" "guard.quiet_period = 1h" \
		"guard.trial_period = 1d" >> "$work/stages/postgresql.conf"
	start stages
	"${as[@]}" createdb -p "$(port_of stages)" bench
	failed=$work/stages.sql.log
	sql stages -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard' -c 'CREATE ROLE many' -c 'CREATE ROLE other' \
		-c 'GRANT CREATE ON SCHEMA public TO many, other' -c 'GRANT EXECUTE ON FUNCTION guard.restore TO many, other' > "$failed" 2>&1
	"${as[@]}" psql -XqAt -v ON_ERROR_STOP=1 -p "$(port_of stages)" > "$failed" 2>&1 <<-END
		SET ROLE many;
		SELECT format('CREATE TABLE m%1\$s AS SELECT %2\$s FROM generate_series(1, 2000) g', t,
					  (SELECT string_agg('g AS c' || c, ', ') FROM generate_series(0, 9) c)) FROM generate_series(1, $stage_drops / 10) t \gexec
		SELECT format('CREATE INDEX m%1\$s_c%2\$s ON m%1\$s (c%2\$s)', t, c) FROM generate_series(1, $stage_drops / 10) t, generate_series(0, 9) c \gexec
		SELECT format('ANALYZE m%s', t) FROM generate_series(1, $stage_drops / 10) t \gexec
		SET ROLE other;
		CREATE TABLE slow AS SELECT g AS a, rpad('x', 100) AS c FROM generate_series(1, 100000) g;
		CREATE INDEX slow_a ON slow (a);
		CREATE TABLE one AS SELECT g AS a, rpad('x', 100) AS c FROM generate_series(1, 2000) g;
		CREATE INDEX one_a ON one (a);
		ANALYZE slow, one;
	END
	printf '%s\n' '\set a random(1, 80000)' 'SELECT c FROM slow WHERE a = :a;' > "$work/src/stages_slow.sql"
	failed=
}

stages_wait() { # CONDITION
	until [ "$(sql stages -c "SELECT $1")" = t ]; do sleep 0.1; done
}
stages_clock() { sql stages -c 'SELECT extract(epoch FROM clock_timestamp())'; }
stages_since() { # WHAT TIME
	result "stages $1 $(sql stages -c "SELECT extract(epoch FROM clock_timestamp()) - $2")"
}

measure_stages() {
	local began began_one i
	make_stages
	"${as[@]}" env PGAPPNAME=service psql -XqAt -v ON_ERROR_STOP=1 -p "$(port_of stages)" > "$work/stages.sql.log" 2>&1 <<-END
		SELECT format('SELECT * FROM m%s WHERE c%s = %s', t, c, n) FROM generate_series(1, 30) n, generate_series(1, $stage_drops / 10) t, generate_series(0, 9) c ORDER BY n \gexec
		SELECT format('SELECT * FROM one WHERE a = %s', n) FROM generate_series(1, 30) n \gexec
	END
	"${as[@]}" pgbench -n -T 3 -R 200 -f "$work/src/stages_slow.sql" -p "$(port_of stages)" > "$work/pgbench.log" 2>&1

	say "dropping $stage_drops indexes in stages"
	for ((i = 0; i < stage_drops; i++)); do echo "DROP INDEX m$((i / 10 + 1))_c$((i % 10));"; done > "$work/src/stages_drop.sql"
	failed=$work/stages.sql.log
	began=$(stages_clock)
	sql stages -c 'SET ROLE many' -f "$work/src/stages_drop.sql" > "$failed" 2>&1
	stages_since drop "$began"
	result "stages_drops $(sql stages -c "SELECT count(*) FROM guard.soft_drop")"
	began=$(stages_clock)
	sql stages -c "ALTER SYSTEM SET guard.quiet_period = '1s'" -c 'SELECT pg_reload_conf()' > "$failed"
	stages_wait "count(*) = 0 FROM guard.soft_drop WHERE state = 'waiting'"
	stages_since hidden "$began"

	say "one index of another owner, whose traffic comes back"
	sql stages -c "SET guard.quiet_period = '1h'" -c 'SET ROLE other' -c 'DROP INDEX slow_a' -c 'DROP INDEX one_a' 2> "$failed"
	stages_wait "count(*) = 2 FROM guard.soft_drop WHERE index_name IN ('slow_a', 'one_a') AND state = 'hidden'"
	began=$(stages_clock)
	"${as[@]}" pgbench -n -c 4 -T 20 -R 200 -f "$work/src/stages_slow.sql" -p "$(port_of stages)" > "$work/pgbench.log" 2>&1
	result "stages watch $(sql stages -c "SELECT CASE state WHEN 'restored' THEN (extract(epoch FROM state_since) - $began)::text ELSE 'missed' END FROM guard.soft_drop WHERE index_name = 'slow_a'")"

	say "giving $stage_drops indexes back, and one of another owner"
	began=$(stages_clock)
	sql stages -c 'SET ROLE many' -c "SELECT guard.restore(index_name) FROM guard.soft_drops WHERE index_name ~ '^public.m'" > "$failed" 2>&1
	began_one=$(stages_clock)
	sql stages -c 'SET ROLE other' -c "SELECT guard.restore('one_a')" > "$failed" 2>&1
	stages_wait "to_regclass('one_a') IS NOT NULL"
	stages_since one "$began_one"
	stages_wait "count(*) = $stage_drops FROM pg_class WHERE relname ~ '^m[0-9]+_c[0-9]$'"
	stages_since all "$began"
	failed=
	stop stages
}
