# Instructions that a backend executes for one point select, counted by callgrind.
#
# Counted: what the backend does for "pgbench -S", from a message's arrival until it waits for the next.  Not counted: the
# kernel, waiting, pgbench, connecting, the first plans.  A session of few and one of many executions are counted, and their
# difference is divided by the difference of executions: what happens once in a session cancels out.
# One that is not counted goes before: of a statement's first thousands of executions what-if samples more than of those that
# come after, by lots whose chance falls to one in 1,024 (planner/whatif/clock.c).
#
# The configurations are alike in all but what is compared.  They select the same rows in the same order.  Their names are
# equally long and their settings in files, since what it costs to copy a process's title depends on where in memory it
# lies, behind the arguments.  What would be noise is left out: malloc and free, whose work depends on what lies where,
# and which no configuration calls more often than another; and the statistics that a session reports once a second.
# Nothing that guard does is left out.  What it publishes once a second is even divided among fewer statements than in life,
# since valgrind is slow.

few=500 many=5000 settled=20000      # executions
configurations=(plain ident stats guard joint quiet)

# Where a configuration differs from a server as it comes.  "ident" is there to tell what query identifiers cost, which either
# extension switches on, "quiet" what planning statements a second time does (guard.whatif).
settings_of() { # CONFIGURATION
	case $1 in
	plain) ;;
	ident) echo "compute_query_id = on" ;;
	stats) echo "shared_preload_libraries = 'pg_stat_statements'" ;;
	quiet) printf '%s\n' "shared_preload_libraries = 'guard'" 'guard.whatif = off' ;;
	guard) echo "shared_preload_libraries = 'guard'" ;;
	joint) echo "shared_preload_libraries = 'pg_stat_statements, guard'" ;;
	esac
}

# One cluster for each configuration, alike but for the extensions; throughput.sh uses them, too.
make_configurations() {
	local name
	say "servers for the point select"
	make_cluster plain
	start plain
	"${as[@]}" createdb -p "$(port_of plain)" bench
	failed=$work/pgbench.log
	"${as[@]}" pgbench -i -q -s 1 -p "$(port_of plain)" > "$failed" 2>&1
	failed=
	sql plain -c 'CREATE EXTENSION pg_prewarm' -c 'VACUUM (FREEZE, ANALYZE)'
	stop plain
	for name in "${configurations[@]:1}"; do
		copy_cluster plain "$name"
		settings_of "$name" >> "$work/$name/postgresql.conf"
		start "$name"
		case $name in stats | joint) sql "$name" -c 'CREATE EXTENSION pg_stat_statements' ;; esac
		case $name in guard | joint | quiet) sql "$name" -c 'CREATE EXTENSION guard' ;; esac
		stop "$name"
	done
}

warm_up() { # CONFIGURATION
	sql "$1" -c "SELECT pg_prewarm('pgbench_accounts'), pg_prewarm('pgbench_accounts_pkey')" > "$work/warm_up.log"
}

# A server whose sessions are counted: PostgresMain is a session's life; within it, each of the others turns counting off.
start_counted() { # NAME [OPTION]...
	local function
	under=(valgrind --tool=callgrind --vgdb=no "--callgrind-out-file=$work/callgrind/%p")
	for function in PostgresMain secure_read pgstat_report_stat malloc realloc free; do under+=("--toggle-collect=$function"); done
	start "$@" -c log_connections=on -c log_line_prefix='%p '
	under=()
}

# Run a command that is a client of the server; print the instructions of its sessions, and keep the last one's profile as
# callgrind/PROFILE.  A backend writes it when it ends, a little later than its client.
count() { # SERVER PROFILE COMMAND...
	local server=$1 profile=$2 line pid sum=0 total tries=0
	shift 2
	line=$(($(wc -l < "$work/$server.log") + 1))
	"$@"
	while read -r pid; do
		until total=$(sed -n 's/^totals: //p' "$work/callgrind/$pid" 2> /dev/null) && [ -n "$total" ]; do
			[ $((++tries)) -lt 600 ] || fail "backend $pid of server $server left no count"
			sleep 0.1
		done
		sum=$((sum + total))
		mv "$work/callgrind/$pid" "$work/callgrind/$profile"
	done < <(tail -n +$line "$work/$server.log" | sed -n 's/^\([0-9]*\) LOG: *connection authorized.*/\1/p')
	echo $sum
}

selects() { # CONFIGURATION PROTOCOL EXECUTIONS
	"${as[@]}" pgbench -n -S -M "$2" --random-seed=1 -t "$3" -p "$(port_of "$1")" > "$work/pgbench.log" 2>&1
}

measure_instructions() {
	local name protocol first second
	for name in "${configurations[@]}"; do
		say "callgrind: $name"
		start_counted "$name"
		warm_up "$name"
		for protocol in prepared simple; do
			failed=$work/pgbench.log
			selects "$name" $protocol $settled
			first=$(count "$name" "$name.$protocol.few" selects "$name" $protocol $few)
			second=$(count "$name" "$name.$protocol" selects "$name" $protocol $many)
			failed=
			result "instructions $protocol $name $(((second - first) / (many - few)))"
		done
		stop "$name"
	done
}
