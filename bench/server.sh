# The servers that the benchmark measures: a private copy of PostgreSQL with guard in it, and clusters that are thrown away.
#
# The machine's own PostgreSQL is only read.  Everything is in $work, belongs to an unprivileged user, listens on sockets in
# $work only, and is removed by leave(), however the script ends.  What the other files use of this one:
#
#   as         prefix of every command: that user, a clean environment, and an end when this script dies
#   under      what the next server is to run under, if anything
#   failed     the log that says why, if what runs now should fail
#
# A server is called by its name; its data are in $work/NAME, its log in $work/NAME.log, its port is port_of NAME.

work='' failed='' as=() under=()
declare -A pid_of              # running servers

say() { printf '[%4d s] %s\n' "$SECONDS" "$*" >&2; }
fail() { echo "bench: $*" >&2; exit 1; }

# The only way out.  Servers are stopped the hard way: nobody wants their data back.
leave() {
	local status=$? pid
	trap '' INT TERM HUP
	trap - EXIT
	case $status in
	0 | 129 | 130 | 143) ;;
	*) [ ! -s "$failed" ] || tail -n 20 "$failed" >&2 ;;
	esac
	[ "$status" = 0 ] || echo "bench: clearing up" >&2
	for pid in "${pid_of[@]}"; do kill -QUIT "$pid" 2> /dev/null || true; done
	for pid in $(jobs -p); do
		[[ " ${pid_of[*]} " = *" $pid "* ]] || kill -TERM "$pid" 2> /dev/null || true
	done
	wait
	[ -z "$work" ] || rm -rf --one-file-system "$work"
	exit "$status"
}

# Not in /tmp, which is memory on newer Debians.
make_work_folder() {
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	work=$(mktemp -d -p "${TMPDIR:-/var/tmp}" guard-bench.XXXXXX)
	mkdir "$work/src" "$work/sockets" "$work/callgrind"
	[ "$(df --output=avail -k "$work" | tail -n 1)" -gt 3000000 ] || fail "$work has less than 3 GB free; set TMPDIR to a place that has"
}

# PostgreSQL finds its files relative to its programs, so a copy serves as well as the original (as in test/suite).
copy_server() { # PG_CONFIG
	local config=$1 bin dir
	bin=$("$config" --bindir)
	case ${bin%/*} in /usr | /usr/local) fail "$bin holds more than PostgreSQL, no private copy can be made of ${bin%/*}" ;; esac
	[ -x "$bin/pgbench" ] || fail "there is no pgbench in $bin"
	[ -e "$("$config" --sharedir)/extension/pg_stat_statements.control" ] || fail "this PostgreSQL has no pg_stat_statements to compare with"
	for dir in "${bin%/*}" "$("$config" --sharedir)" "$("$config" --pkglibdir)" "$("$config" --pgxs | sed 's,/src/makefiles/.*,,')"; do
		[ -e "$work/pg$dir" ] || { mkdir -p "$work/pg${dir%/*}"; cp -a "$dir" "$work/pg$dir"; }
	done
	dir=$("$config" --includedir)
	[ -e "$work/pg$dir" ] || { mkdir -p "$work/pg${dir%/*}"; ln -s "$dir" "$work/pg$dir"; }

	as=(setpriv --pdeathsig TERM)
	[ "$(id -u)" != 0 ] || as+=(--reuid="$(id -u nobody)" --regid="$(id -g nobody)" --clear-groups)
	as+=(env -i -C "$work/src" "PATH=$work/pg$bin:$PATH" "HOME=$work" LC_ALL=C.UTF-8 "PGHOST=$work/sockets" PGUSER=postgres PGDATABASE=bench)
}

build_guard() { # SOURCE
	tar -C "$1" --exclude=./.git --exclude='./tmp_check*' --exclude=./demo/out -cf - . | tar -C "$work/src" -xf -
	[ "$(id -u)" != 0 ] || chown -R nobody "$work"
	"${as[@]}" test -w "$work/src" || fail "user nobody cannot reach $work: set TMPDIR to a folder that he can"
	failed=$work/build.log
	"${as[@]}" make -s with_llvm=no clean > "$failed" 2>&1
	"${as[@]}" make -s -j2 with_llvm=no install > "$failed" 2>&1
	failed=
}

# A cluster in which nothing happens by itself and nothing waits for a disk; otherwise as PostgreSQL comes.
make_cluster() { # NAME
	failed=$work/initdb.log
	"${as[@]}" initdb -D "$work/$1" -U postgres -A trust --no-sync --no-locale -E UTF8 > "$failed" 2>&1
	failed=
	"${as[@]}" tee -a "$work/$1/postgresql.conf" > /dev/null <<-END
		listen_addresses = ''
		unix_socket_directories = '$work/sockets'
		autovacuum = off
		checkpoint_timeout = 1h
		max_wal_size = 4GB
		fsync = off
	END
}

copy_cluster() { cp -a --reflink=auto "$work/$1" "$work/$2"; } # FROM TO

port_of() { echo $((20000 + $(cksum <<< "$1" | cut -d' ' -f1) % 40000)); } # NAME

# Started by this very shell, to die with it; in a session of its own, so that Ctrl-C reaches this script first.
start() { # NAME [OPTION]...
	local name=$1 as=("${as[@]}")
	shift
	as[2]=QUIT
	failed=$work/$name.log
	setsid "${as[@]}" "${under[@]}" postgres -D "$work/$name" -p "$(port_of "$name")" "$@" > "$failed" 2>&1 &
	pid_of[$name]=$!
	until "${as[@]}" pg_isready -q -p "$(port_of "$name")"; do
		kill -0 "${pid_of[$name]}" 2> /dev/null || fail "server $name did not start"
		sleep 0.1
	done
	failed=
}

stop() { # NAME
	kill -INT "${pid_of[$1]}"
	wait "${pid_of[$1]}" || true
	unset "pid_of[$1]"
}

# psql as superuser, in database "bench" unless told otherwise.
sql() { # NAME [PSQL-ARGUMENT]...
	local name=$1
	shift
	"${as[@]}" psql -XqAt -v ON_ERROR_STOP=1 -p "$(port_of "$name")" "$@" < /dev/null
}

# Milliseconds of the last statement of a session with log_statement_stats and \timing on, whose output is FILE: in all, and of the backend's processor.
time_of() { # NAME FILE
	echo "$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$2" | tail -n 1) $(
		sed -n 's/.*\t\([0-9.]*\) s user, \([0-9.]*\) s system, .* elapsed/\1 \2/p' "$work/$1.log" | tail -n 1 | awk '{ print 1000 * ($1 + $2) }')"
}
