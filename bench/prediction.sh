# What guard predicts for the traffic of an index, and what the same traffic takes once it has really been dropped.
#
# One shape after the other: its index is made, pgbench runs its statement with other literals each time, guard is asked, the
# index is dropped, pgbench runs again.  Predicted and measured are mean times of one execution in milliseconds, the latter as
# pg_stat_statements has them.  Between shapes nothing is told to guard; what it has learnt of the server's speed it keeps, as
# it would in life.
#
# The last column is what guard would have said of dropping the index: none that does harm may be "allow".  "redundant" is the
# shape that does none.

traffic_secs=3

# name | index | statement; :a is a number from 1 to 250000, other each time
shapes() {
	cat <<-'END'
		point look-up | CREATE INDEX probe ON account (ref) | SELECT pad FROM account WHERE ref = :a
		range | CREATE INDEX probe ON account (ref) | SELECT sum(kind) FROM account WHERE ref BETWEEN :a AND :a + 500
		order by, limit | CREATE INDEX probe ON account (at) | SELECT id FROM account WHERE status = :a % 5 ORDER BY at DESC LIMIT 10
		join, inner side | CREATE INDEX probe ON sale (customer) | SELECT sum(s.amount) FROM customer c JOIN sale s ON s.customer = c.id WHERE c.id BETWEEN :a / 20 AND :a / 20 + 10
		bitmap AND | CREATE INDEX probe ON account (kind) | SELECT count(pad) FROM account WHERE kind = :a % 1000 AND shard = :a % 700
		partial | CREATE INDEX probe ON account (ref) WHERE status = 3 | SELECT pad FROM account WHERE ref BETWEEN :a AND :a + 200 AND status = 3
		expression | CREATE INDEX probe ON account (lower(email)) | SELECT pad FROM account WHERE lower(email) = md5((:a)::text)
		index-only count | CREATE INDEX probe ON account (ref) | SELECT count(*) FROM account WHERE ref BETWEEN :a AND :a + 20000
		max | CREATE INDEX probe ON account (at) | SELECT max(at) FROM account WHERE status < :a
		GIN containment | CREATE INDEX probe ON account USING gin (tags) | SELECT count(pad) FROM account WHERE tags @> ARRAY[:a % 1000, :a % 777]
		BRIN range | CREATE INDEX probe ON event USING brin (at) | SELECT sum(k) FROM event WHERE at BETWEEN timestamp '2026-01-02' + :a * interval '1 second' AND timestamp '2026-01-02' + (:a + 3600) * interval '1 second'
		partitioned | CREATE INDEX probe ON reading (meter) | SELECT pad FROM reading WHERE meter = :a % 90000
		small table | CREATE INDEX probe ON customer (region, id) | SELECT count(*) FROM customer WHERE region = :a % 50
		update | CREATE INDEX probe ON sale (id) | UPDATE sale SET amount = amount WHERE id = :a
		redundant | CREATE INDEX probe ON customer (id, region) | SELECT pad FROM customer WHERE id = :a / 20
	END
}

# Mean time of the shape's statement in pg_stat_statements, after some seconds of it
mean_time_of_traffic() {
	sql forecast -c 'SELECT pg_stat_statements_reset()' > "$work/forecast.out"
	failed=$work/pgbench.log
	PGAPPNAME=probe "${as[@]}" "PGAPPNAME=probe" pgbench -n -c 1 -T "$traffic_secs" -f "$work/probe.sql" -p "$(port_of forecast)" > "$failed" 2>&1
	failed=
	sql forecast -c "SELECT mean_exec_time FROM pg_stat_statements WHERE query !~ 'pg_stat_|guard' ORDER BY calls DESC LIMIT 1"
}

measure_shape() { # NAME INDEX STATEMENT
	local before predicted verdict after
	sql forecast -c "$2" -c "ANALYZE" -c CHECKPOINT
	printf '\\set a random(1, 250000)\n%s;\n' "$3" > "$work/probe.sql"
	[ "$(id -u)" != 0 ] || chown nobody "$work/probe.sql"
	before=$(mean_time_of_traffic)
	predicted=$(sql forecast -F ' ' -c "SELECT predicted_time, predicted_low, predicted_high FROM guard.index_statements('probe') WHERE predicted_time IS NOT NULL ORDER BY uses DESC LIMIT 1")
	verdict=$(sql forecast -F ' ' -c "SELECT verdict, reason FROM guard.check('probe')")
	sql forecast -c "SET guard.mode = 'off'" -c 'DROP INDEX probe' -c 'ANALYZE'
	after=$(mean_time_of_traffic)
	result "shape $before ${predicted:-? ? ?} $after $verdict $1"
}

measure_predictions() {
	local name index statement
	say "tables for the predictions"
	make_cluster forecast
	cat >> "$work/forecast/postgresql.conf" <<-'END'
		shared_preload_libraries = 'pg_stat_statements, guard'
		shared_buffers = 512MB
	END
	start forecast
	"${as[@]}" createdb -p "$(port_of forecast)" bench
	sql forecast -f bench/prediction.sql > "$work/forecast.out"
	sql forecast -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard'
	while IFS='|' read -r name index statement; do
		name=${name%% } name=${name## }
		say "predict: $name"
		measure_shape "$(xargs <<< "$name")" "$index" "$statement"
	done < <(shapes)
	stop forecast
}
