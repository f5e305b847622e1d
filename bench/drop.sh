# What guard adds to a DROP INDEX, in a database with 10,000 indexes and 5,000 captured statements.
#
# Measured: a DROP INDEX as psql sees it, in milliseconds, and the backend's instructions, three ways:
#
#   plain      nobody looks
#   classic    the event trigger in classic.sql
#   guard      guard in enforce mode, with settings as they come
#
# All have pg_stat_statements.  "First" is the first statement of its session, as a migration's would be: caches are cold.
# "Later" is the next one there.  The dropped indexes are idle, but guard has watched them for minutes only: it lets them go
# with a warning, after judging them twice, which is the longest way to a drop.  The refused ones are in use.  Clusters do not
# wait for the disk (fsync is off): that would add the same to all.

drops=60                       # of each kind
drops_counted=yes              # by callgrind, too; takes a minute

where_of() { # WAY
	case $1 in
	plain) echo unguarded -d bench ;;
	classic) echo unguarded -d classic ;;
	guard) echo guarded -d bench ;;
	esac
}

# The statements are known to the last two snapshots, as all are that have run for half an hour.
snapshots() { sql guarded -c 'SELECT guard.snapshot()' -c 'SELECT guard.snapshot()' > "$work/many.log"; }

make_many() {
	say "10,000 indexes, 5,000 statements"
	make_cluster unguarded
	# There is to be room for all 5,000 statements and what else happens.
	echo "pg_stat_statements.max = 10000" >> "$work/unguarded/postgresql.conf"
	start unguarded
	"${as[@]}" createdb -p "$(port_of unguarded)" bench
	sql unguarded -f bench/many.sql > "$work/many.log"
	stop unguarded
	copy_cluster unguarded guarded
	echo "shared_preload_libraries = 'pg_stat_statements'" >> "$work/unguarded/postgresql.conf"
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.max_statements = 10000" >> "$work/guarded/postgresql.conf"

	start unguarded
	sql unguarded -d postgres -c 'CREATE DATABASE classic TEMPLATE bench'
	sql unguarded -d classic -f bench/statements.sql > "$work/many.log"
	sql unguarded -d classic -f bench/classic.sql

	start guarded
	sql guarded -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard'
	sql guarded -f bench/statements.sql > "$work/many.log"
	snapshots
	result "many indexes $(sql guarded -c "SELECT count(*) FROM pg_stat_user_indexes WHERE schemaname = 'public'")"
	result "many statements $(sql guarded -c "SELECT state FROM guard.status WHERE item = 'captured statements'" | cut -d' ' -f1)"
}

# A session that drops these indexes, one after the other.  Its output is in drop.log; see to it that it was refused or not.
drop() { # WAY allowed|refused INDEX...
	local way=$1 answer=$2 index commands=()
	shift 2
	for index; do commands+=(-c "DROP INDEX $index"); done
	failed=$work/drop.log
	# shellcheck disable=SC2046
	sql $(where_of "$way") -v ON_ERROR_STOP=0 -c '\timing on' "${commands[@]}" > "$failed" 2>&1 || true
	case $answer in
	allowed) ! grep -q ERROR "$failed" || fail "$way: this should have been allowed" ;;
	refused) grep -q 'ERROR: .* us' "$failed" || fail "$way: this should have been refused" ;;
	esac
	failed=
}

measure_drops() {
	local ways=(plain classic guard) way round times
	make_many
	say "DROP INDEX, $drops rounds"
	for ((round = 1; round <= drops; round++)); do
		for way in "${ways[@]}"; do
			drop "$way" allowed "t${round}_d_idx" "t$((round + 100))_d_idx"
			mapfile -t times < <(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$work/drop.log")
			result "drop $way first $round ${times[0]}"
			result "drop $way later $round ${times[1]}"
			[ "$way" != plain ] || continue
			drop "$way" refused "t$((round + 200))_a_idx"
			result "drop $way refused $round $(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$work/drop.log")"
		done
		ways=("${ways[@]:1}" "${ways[0]}")
	done
	stop guarded
	[ -z "$drops_counted" ] || count_drops
	[ -z "${pid_of[unguarded]:-}" ] || stop unguarded
}

# What a session costs that drops nothing.
nothing() { sql "$@" -c 'SELECT' > "$work/drop.log"; } # SERVER [PSQL-ARGUMENT]...

count_drops() {
	local way nothing one four
	stop unguarded
	say "callgrind: DROP INDEX"
	start_counted unguarded
	start_counted guarded
	sql guarded -f bench/statements.sql > "$work/many.log"
	snapshots
	for way in plain classic guard; do
		# shellcheck disable=SC2046
		set -- $(where_of $way)
		# Twice: the first session in a new database does more.
		nothing=$(count "$1" nothing nothing "$@")
		nothing=$(count "$1" nothing nothing "$@")
		one=$(count "$1" "drop.$way.first" drop $way allowed t301_d_idx)
		four=$(count "$1" "drop.$way.later" drop $way allowed t302_d_idx t303_d_idx t304_d_idx t305_d_idx)
		result "drop_instructions $way first $((one - nothing))"
		result "drop_instructions $way later $(((four - one) / 3))"
		[ $way != plain ] || continue
		one=$(count "$1" "drop.$way.refused" drop $way refused t306_a_idx)
		result "drop_instructions $way refused $((one - nothing))"
	done
	stop guarded
	stop unguarded
}
