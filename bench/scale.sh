# What guard costs where there is much of something: connections, partitions in one plan, records in its tables.
#
# Instructions of whole sessions, by callgrind.  "connect" is a client that connects, selects one row and leaves, with nothing hidden.
# "partitions" is a statement over 1,000 partitions, none of which can be pruned, planned each time; "temporary" is CREATE and
# DROP of a temporary table, where guard.max_indexes is a quarter full and where it is more than 90 % full.  Of the latter two a session of
# few and one of more are counted, and their difference is divided, as in instructions.sh.  The statements over partitions are
# sent as one, for valgrind is so slow that each of them would be told as the first of its second.

partitions=1000
scale_few=2 scale_more=8

make_scale() {
	local name
	say "$partitions partitions"
	make_cluster plan0
	start plan0
	"${as[@]}" createdb -p "$(port_of plan0)" bench
	sql plan0 -c 'CREATE TABLE one (aid int PRIMARY KEY, abalance int)' -c 'INSERT INTO one SELECT i, 0 FROM generate_series(1, 10000) i' \
		-c 'CREATE TABLE parts (part int, id int, v int) PARTITION BY LIST (part)' \
		-c "DO 'BEGIN FOR i IN 1..$partitions LOOP EXECUTE format(''CREATE TABLE parts_%s PARTITION OF parts FOR VALUES IN (%s)'', i, i); END LOOP; END'" \
		-c "INSERT INTO parts SELECT p, i, 0 FROM generate_series(1, $partitions) p, generate_series(1, 100) i" \
		-c 'CREATE INDEX parts_id ON parts (id)' -c 'VACUUM (FREEZE, ANALYZE)' > "$work/scale.log" 2>&1
	stop plan0
	for name in plan1 plan2; do
		copy_cluster plan0 "$name"
		printf '%s\n' "shared_preload_libraries = 'guard'" >> "$work/$name/postgresql.conf"
	done
	echo "guard.max_indexes = $((2 * partitions * 11 / 10))" >> "$work/plan2/postgresql.conf"
	for name in plan1 plan2; do
		start "$name"
		sql "$name" -c 'CREATE EXTENSION guard'
		stop "$name"
	done
}

connect() { sql "$1" -c 'SELECT abalance FROM one WHERE aid = 7' > "$work/scale.log"; } # SERVER

# A session that does one thing several times.
repeat() { # SERVER TIMES STATEMENT
	sql "$1" -c 'SET enable_seqscan = off' -c "DO 'BEGIN FOR i IN 1..$2 LOOP $3 END LOOP; END'" > "$work/scale.log" 2>&1
}

# The instructions that one of them takes.
count_each() { # SERVER PROFILE STATEMENT
	local server=$1 profile=$2 first second
	shift 2
	first=$(count "$server" "$profile.few" repeat "$server" $scale_few "$@")
	second=$(count "$server" "$profile" repeat "$server" $scale_more "$@")
	echo $(((second - first) / (scale_more - scale_few)))
}

measure_scale() {
	local name over="SELECT sum(v) FROM parts WHERE id = 1"
	local temporary='CREATE TEMPORARY TABLE passing (a int); DROP TABLE passing;'
	make_scale
	for name in plan0 plan1 plan2; do
		say "callgrind: $name"
		start_counted "$name"
		# Everything is used, as an index and as a table.
		sql "$name" -c 'SET enable_seqscan = off' -c "$over" -c 'RESET enable_seqscan' -c 'SET enable_indexscan = off' -c 'SET enable_bitmapscan = off' -c "$over" \
			> "$work/scale.log"
		if [ $name != plan2 ]; then
			count "$name" "$name.warm" connect "$name" > "$work/scale.log"
			result "scale connect $name $(count "$name" "$name.connect" connect "$name")"
			result "scale partitions $name $(count_each "$name" "$name.partitions" "EXECUTE ''$over'';")"
		fi
		# Once a minute somebody looks for records of what is gone: not while it is counted.
		repeat "$name" 1 "$temporary"
		result "scale temporary $name $(count_each "$name" "$name.temporary" "$temporary")"
		stop "$name"
	done
}
