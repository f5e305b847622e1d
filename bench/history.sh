# What history costs: a snapshot of a database with 10,000 indexes, and the room that a year of it takes.
#
# Measured: guard.snapshot(), in milliseconds of processor time and as psql sees it, medians: where nothing has happened since the last one, where every
# index was used once, and the first one of all.  The room is that of as many rows as 200 indexes give which are used every hour:
# two weeks of hours, the rest of a year in days.  Rows of idle indexes there are none.

snapshots=11

make_history() {
	say "10,000 indexes for history"
	make_cluster history
	start history
	"${as[@]}" createdb -p "$(port_of history)" bench
	sql history -f bench/many.sql > "$work/history.sql.log"
	stop history
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.max_indexes = 20000" "guard.max_statements = 20000" \
		"guard.snapshot_interval = 0" >> "$work/history/postgresql.conf"
	start history
	sql history -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard'
}

# One statement for each index.
use_all() { sql history -f bench/use_all.sql > "$work/history.sql.log"; }

snapshot() { # WHAT
	failed=$work/snapshot.log
	sql history -c 'SET log_statement_stats = on' -c '\timing on' -c 'SELECT guard.snapshot()' > "$failed"
	grep -qx t "$failed" || fail "no snapshot was taken"
	result "snapshot $1 $(time_of history "$failed")"
	failed=
}

measure_history() {
	local i
	make_history
	use_all
	snapshot first
	say "guard.snapshot(), $snapshots times each"
	for ((i = 0; i < snapshots; i++)); do snapshot quiet; done
	for ((i = 0; i < 3; i++)); do use_all; snapshot busy; done
	result "history_known $(sql history -c "SELECT pg_total_relation_size('guard.known_use') / count(*), count(*) FROM guard.known_use" -F ' ')"
	sql history -c 'TRUNCATE guard.hourly_use' -c "INSERT INTO guard.hourly_use (hour, first_use, last_use, scans, uses, relation_id, hours, peak)
		SELECT h, h, h, 1000, 1000, r, 1, NULL FROM generate_series(now() - interval '14 days', now(), '1 h') h, generate_series(1, 200) r
		UNION ALL SELECT h, h, h, 1000, 1000, r, 24, 1000 FROM generate_series(now() - interval '365 days', now() - interval '15 days', '1 day') h, generate_series(1, 200) r"
	result "history_hours $(sql history -c "SELECT pg_total_relation_size('guard.hourly_use') / count(*), count(*) / 200 FROM guard.hourly_use" -F ' ')"
	stop history
}
