# What guard predicts for the traffic of an index, and what the same traffic takes once it has really been dropped.
#
# One shape after the other: its index is made, pgbench runs its statement with other literals each time, guard is asked, the
# index is dropped, pgbench runs again.  Predicted and measured are mean times of one execution in milliseconds, the latter as
# pg_stat_statements has them.  Between shapes nothing is told to guard; what it has learnt of the server's speed it keeps, as
# it would in life.
#
# The last column is what guard would have said of dropping the index: none that does harm may be "allow".  "redundant" is the
# shape that does none.

traffic_secs=1

# name | index | statement; :a is a number from 1 to 250000, other each time
shapes() {
	cat <<-'END'
		point look-up | account (ref) | SELECT pad FROM account WHERE ref = :a
		range | account (ref) | SELECT sum(kind) FROM account WHERE ref BETWEEN :a AND :a + 500
		list of ten | account (ref) | SELECT pad FROM account WHERE ref IN (:a, :a + 1, :a + 7, :a + 20, :a + 50, :a + 99, :a + 100, :a + 1001, :a + 2000, 5)
		index-only count | account (ref) | SELECT count(*) FROM account WHERE ref BETWEEN :a AND :a + 20000
		next page by key | account (ref) | SELECT ref, pad FROM account WHERE ref > :a ORDER BY ref LIMIT 20
		next page by two keys | account (kind, ref) | SELECT pad FROM account WHERE (kind, ref) > (:a % 1000, :a) ORDER BY kind, ref LIMIT 20
		order by, limit | account (at) | SELECT id FROM account WHERE status = :a % 5 ORDER BY at DESC LIMIT 10
		offset | account (at) | SELECT id FROM account ORDER BY at OFFSET 5000 + :a % 10 LIMIT 20
		max | account (at) | SELECT max(at) FROM account WHERE status < :a
		bitmap AND | account (kind) | SELECT count(pad) FROM account WHERE kind = :a % 1000 AND shard = :a % 700
		bitmap OR | account (ref) | SELECT count(pad) FROM account WHERE ref = :a OR shard = :a % 700
		partial | account (ref) WHERE status = 3 | SELECT pad FROM account WHERE ref BETWEEN :a AND :a + 200 AND status = 3
		sort of a range | account (kind) | SELECT id, email FROM account WHERE kind = :a % 1000 ORDER BY email
		group by | account (kind) | SELECT shard, count(*), sum(ref) FROM account WHERE kind BETWEEN :a % 900 AND :a % 900 + 20 GROUP BY shard
		window | account (kind) | SELECT id, rank() OVER (PARTITION BY shard ORDER BY email) FROM account WHERE kind = :a % 1000
		count of distinct | account (kind) | SELECT count(DISTINCT email) FROM account WHERE kind = :a % 1000
		hash index | account USING hash (email) | SELECT pad FROM account WHERE email = md5((:a)::text)
		expression, lower | account (lower(email)) | SELECT pad FROM account WHERE lower(email) = md5((:a)::text)
		expression, md5 | account (md5(email)) | SELECT pad FROM account WHERE md5(email) = md5((:a)::text)
		expression, date_trunc | event (date_trunc('hour', at)) | SELECT count(pad) FROM event WHERE date_trunc('hour', at) = timestamp '2026-01-02' + :a % 100 * interval '1 hour'
		LIKE with a prefix | account (email text_pattern_ops) | SELECT pad FROM account WHERE email LIKE substr(md5((:a)::text), 1, 5) || '%'
		LIKE within | note USING gin (body gin_trgm_ops) | SELECT id FROM note WHERE body LIKE '%word' || :a % 500 + 4500 || ' word%'
		full text | note USING gin (to_tsvector('english', body)) | SELECT id FROM note WHERE to_tsvector('english', body) @@ to_tsquery('english', 'word' || :a % 5000)
		GIN, arrays | account USING gin (tags) | SELECT count(pad) FROM account WHERE tags @> ARRAY[:a % 1000, :a % 777]
		GIN, jsonb | item USING gin (attributes) | SELECT id FROM item WHERE attributes @> jsonb_build_object('color', :a % 50, 'size', :a % 2000)
		expression, jsonb | item ((attributes->>'size')) | SELECT id FROM item WHERE attributes->>'size' = (:a % 2000)::text
		expression, toasted jsonb | document ((body->>'ref')) | SELECT id FROM document WHERE body->>'ref' = (:a % 6000)::text
		GIN, toasted jsonb | document USING gin (body jsonb_path_ops) | SELECT id FROM document WHERE body @> jsonb_build_object('kind', :a % 100, 'ref', :a % 6000)
		reads what is toasted | document (ref) | SELECT body->>'text' FROM document WHERE ref = :a % 6000
		GiST, points | place USING gist (spot) | SELECT count(pad) FROM place WHERE spot <@ box(point(:a % 1000, :a / 250), point(:a % 1000 + 10, :a / 250 + 10))
		GiST, nearest | place USING gist (spot) | SELECT id FROM place ORDER BY spot <-> point(:a % 1000, :a / 250) LIMIT 10
		GiST, ranges | item USING gist (span) | SELECT id FROM item WHERE span @> :a % 100000
		BRIN range | event USING brin (at) | SELECT sum(k) FROM event WHERE at BETWEEN timestamp '2026-01-02' + :a * interval '1 second' AND timestamp '2026-01-02' + (:a + 3600) * interval '1 second'
		range in heap order | event (at) | SELECT sum(k) FROM event WHERE at BETWEEN timestamp '2026-01-02' + :a * interval '1 second' AND timestamp '2026-01-02' + (:a + 3600) * interval '1 second'
		join, inner side | sale (customer) | SELECT sum(s.amount) FROM customer c JOIN sale s ON s.customer = c.id WHERE c.id BETWEEN :a / 20 AND :a / 20 + 10
		join of sixty | sale (customer) | SELECT sum(s.amount) FROM customer c JOIN sale s ON s.customer = c.id WHERE c.id BETWEEN :a / 20 AND :a / 20 + 60
		semi join | visit (customer) | SELECT count(*) FROM customer c WHERE c.id BETWEEN :a / 20 AND :a / 20 + 200 AND EXISTS (SELECT FROM visit v WHERE v.customer = c.id AND v.seconds > 90)
		anti join | visit (customer) | SELECT count(*) FROM customer c WHERE c.id BETWEEN :a / 20 AND :a / 20 + 200 AND NOT EXISTS (SELECT FROM visit v WHERE v.customer = c.id)
		select in the list | visit (customer) | SELECT c.id, (SELECT max(v.seconds) FROM visit v WHERE v.customer = c.id) FROM customer c WHERE c.id BETWEEN :a / 20 AND :a / 20 + 4
		the newest three of each | sale (customer, id) | SELECT c.id, s.amount FROM customer c, LATERAL (SELECT amount FROM sale WHERE customer = c.id ORDER BY id DESC LIMIT 3) s WHERE c.id BETWEEN :a / 20 AND :a / 20 + 5
		loops of scans | customer (region, id) | SELECT count(*) FROM customer c JOIN customer d ON d.id BETWEEN c.id - 5 AND c.id + 5 AND d.region = c.region WHERE c.region = :a % 50 AND c.id < 2000
		update | sale (id) | UPDATE sale SET amount = amount WHERE id = :a
		update of a range | account (ref) | UPDATE account SET status = status WHERE ref BETWEEN :a AND :a + 50
		delete | visit (id) | BEGIN; DELETE FROM visit WHERE id = :a; ROLLBACK
		foreign key check | visit (customer) | BEGIN; DELETE FROM customer WHERE id = 10001 + :a % 9900; ROLLBACK
		in a function | visit (customer) | SELECT seconds_of(:a / 25)
		in a function in SQL | visit (customer) | SELECT visits_of(:a / 25)
		small table | customer (region, id) | SELECT count(*) FROM customer WHERE region = :a % 50
		partitioned | reading (meter) | SELECT pad FROM reading WHERE meter = :a % 90000
		partitioned, pruned | reading (meter) | SELECT pad FROM reading WHERE meter = :a % 90000 AND day = :a % 30
		partitioned, in order | reading (meter, id) | SELECT meter, pad FROM reading WHERE meter > :a % 90000 ORDER BY meter, id LIMIT 20
		wide rows | wide (ref) | SELECT id FROM wide WHERE ref = :a % 70000
		wide rows, range | wide (kind) | SELECT sum(length(pad)) FROM wide WHERE kind = :a % 350
		other index, two columns | account (kind, shard) | SELECT count(pad) FROM account WHERE kind = :a % 1000 AND shard = :a % 700
		other index, correlated | place (city, postcode) | SELECT count(pad) FROM place WHERE city = :a % 2000 / 10 AND postcode = :a % 2000
		scan, correlated | place (postcode, state) | SELECT count(pad) FROM place WHERE state = :a % 2000 / 100 AND postcode = :a % 2000
		other index, a day | task (tenant, day) | SELECT count(pad) FROM task WHERE tenant = (200 * power(:a / 250000.0, 3))::int AND day BETWEEN :a % 300 AND :a % 300 + 2
		other index, all sorted | task (state, prio) | SELECT id, pad FROM task WHERE state = 'done' AND worker >= 0 ORDER BY state, prio LIMIT 50
		other index, walked in order | task (worker, at) | SELECT id, pad FROM task WHERE worker = :a % 65536 ORDER BY at DESC LIMIT 5
		newest of a tenant | task (tenant, at) | SELECT id FROM task WHERE tenant = (200 * power(:a / 250000.0, 3))::int ORDER BY at DESC LIMIT 20
		queue | task (at) WHERE state = 'open' | SELECT id FROM task WHERE state = 'open' AND prio < 100 ORDER BY at LIMIT 50
		rare and not null | task (parent) WHERE parent IS NOT NULL | SELECT count(pad) FROM task WHERE parent BETWEEN :a % 200000 AND :a % 200000 + 5000
		redundant | customer (id, region) | SELECT pad FROM customer WHERE id = :a / 20
	END
}

# Some seconds of it, or some calls.  "share" is what its backend had of the time in which it wanted a processor: what others
# do on this machine is not in the figures.  Neither is the longest call, the first that touched what it reads.
share=1
mean_time='CASE WHEN calls > 1 THEN (total_exec_time - max_exec_time) / (calls - 1) ELSE mean_exec_time END'
run_traffic() { # ARGUMENT-OF-PGBENCH...
	local pgbench backend cpu=1 waited=0
	failed=$work/pgbench.log
	"${as[@]}" "PGAPPNAME=probe" pgbench -n -c 1 "$@" -f "$work/probe.sql" -p "$(port_of forecast)" > "$failed" 2>&1 &
	pgbench=$!
	while kill -0 "$pgbench" 2> /dev/null; do
		backend=$(pgrep -n -P "${pid_of[forecast]}" -f ' bench ' || true)
		read -r cpu waited _ 2> /dev/null < "/proc/$backend/schedstat" || true
		sleep 0.1
	done
	wait "$pgbench"
	failed=
	share="$cpu / ($cpu::float8 + $waited)"
}

measure_shape() { # NAME INDEX STATEMENT
	local table=${2%%[ (]*} slow queryid before predicted low high after verdict
	printf '\\set a random(1, 250000)\n%s;\n' "$3" > "$work/probe.sql"
	[ "$(id -u)" != 0 ] || chown nobody "$work/probe.sql"
	sql forecast -c "CREATE INDEX probe ON $2" -c "ANALYZE $table" -c 'SELECT pg_stat_statements_reset()' > "$work/forecast.out"
	run_traffic -T "$traffic_secs"
	read -r queryid before predicted low high verdict < <(sql forecast -F ' ' -P null='?' -c "
		SELECT s.queryid, n.now, s.predicted_time - n.more, s.predicted_low - n.more, s.predicted_high - n.more, c.verdict, c.reason
		  FROM guard.check('probe') c
		  LEFT JOIN (SELECT * FROM guard.index_statements('probe') ORDER BY predicted_time IS NULL, uses DESC LIMIT 1) s ON true
		  LEFT JOIN LATERAL (
			SELECT ($mean_time) * $share AS now, mean_exec_time - ($mean_time) * $share AS more
			  FROM pg_stat_statements p WHERE p.queryid = s.queryid) n ON true")
	sql forecast -c "SET guard.mode = 'off'" -c 'DROP INDEX probe' -c "ANALYZE $table" -c 'SELECT pg_stat_statements_reset()' > "$work/forecast.out"
	run_traffic -t 4
	slow=$(sql forecast -c "SELECT mean_exec_time > 100 FROM pg_stat_statements WHERE queryid = ${queryid/\?/0}")
	[ "$slow" = t ] || run_traffic -T "$traffic_secs"
	after=$(sql forecast -c "SELECT ($mean_time) * $share FROM pg_stat_statements WHERE queryid = ${queryid/\?/0}")
	result "shape $before $predicted $low $high ${after:-0} $verdict $1"
}

measure_predictions() {
	local name index statement
	say "tables for the predictions"
	make_cluster forecast
	cat >> "$work/forecast/postgresql.conf" <<-'END'
		shared_preload_libraries = 'pg_stat_statements, guard'
		shared_buffers = 512MB
		pg_stat_statements.track = all
	END
	start forecast
	"${as[@]}" createdb -p "$(port_of forecast)" bench
	sql forecast -f bench/prediction.sql > "$work/forecast.out"
	sql forecast -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard'
	while IFS='@' read -r name index statement; do
		say "predict: $name"
		measure_shape "$name" "$index" "$statement"
	done < <(shapes | sed 's/ | /@/; s/ | /@/')
	stop forecast
}
