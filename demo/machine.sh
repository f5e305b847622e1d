# shellcheck shell=bash
#
# What the demonstration needs from the machine: packages, a private copy of
# the server with guard in it, a throw-away cluster, and the data.
#
# The host's own PostgreSQL is only read: programs are copied, guard is
# installed into the copy, the cluster is new and has no port to the network.
# All of it is in $WORK, which talk.sh removes.  Read by the other files:
#
#   BIN     the private server's programs
#   AS      prefix of every command that may take longer: an unprivileged user,
#           a session of its own (Ctrl-C is for the script, which knows in which
#           order to stop things), and a signal that ends it with the script
#   SRC     a copy of the source that this user can read

machine_prepare()
{
	make_work_directory
	install_missing
	choose_user
	choose_version

	SRC=$WORK/source
	BIN=$WORK/usr/lib/postgresql/$MAJOR/bin
	cd /		# somewhere the unprivileged user may be

	step "Copying PostgreSQL $MAJOR to a private place" copy_server
	step 'Building guard' build_guard
	step 'Creating a database cluster' create_cluster
	start_server
	cd "$SRC/demo"
	step "Loading $((ROWS * 5 / 1000000)) million rows in bulk" load_data
}

# Not in /tmp, which is memory on newer Debians: the data of demo/run takes 3 GB.
make_work_directory()
{
	local free need=$((ROWS * 2 + 200000))

	WORK=$(mktemp -d -p "${TMPDIR:-/var/tmp}" guard-demo.XXXXXX)
	chmod 711 "$WORK"
	free=$(df --output=avail -k "$WORK" | tail -n 1)
	[ "$free" -gt "$need" ] || die "$WORK has less than $((need / 1000)) MB free; set TMPDIR to a place that has."
	[ -n "$DRAWS" ] || return 0
	mkdir -p "$OUT"
	chown --reference="$DEMO" "$OUT"
}

# postgresql-server-dev is not in this list: it would bring a second compiler
# of 700 MB along.  Its headers are unpacked where they are used, in copy_server.
install_missing()
{
	local need=()

	compgen -G '/usr/lib/postgresql/*/bin/postgres' > /dev/null || need+=(postgresql)
	[ -x /usr/bin/gcc ] || need+=(gcc)
	[ -e /usr/include/stdio.h ] || need+=(libc6-dev)
	[ -e /usr/include/postgresql/libpq-fe.h ] || need+=(libpq-dev)
	[ -e /usr/include/gssapi/gssapi.h ] || need+=(libkrb5-dev)
	[ -x /usr/bin/python3 ] || need+=(python3)
	[ -z "$DRAWS" ] || [ -x /usr/bin/gnuplot ] || need+=(gnuplot-nox)
	[ -z "$DRAWS" ] || /usr/bin/python3 -c 'import psycopg2' 2> /dev/null || need+=(python3-psycopg2)
	[ ${#need[@]} -gt 0 ] || return 0

	command -v apt-get > /dev/null || die "Please install ${need[*]}: there is no apt here to do it."
	if [ "$(id -u)" != 0 ]; then
		command -v sudo > /dev/null || die "Please install ${need[*]}, or run this as root: there is no sudo here."
		say "Missing here: ${need[*]}.  Installing needs sudo."
		sudo -v
	fi
	PATIENT=1		# see leave: half an installation is worse than waiting for it
	step "Installing ${need[*]}" as_root setsid --wait "$DEMO/packages" "${need[@]}"
	PATIENT=''
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# PostgreSQL does not run as root.
choose_user()
{
	AS=(setsid "$DEMO/ahead" setpriv --pdeathsig TERM)
	if [ "$(id -u)" = 0 ]; then
		AS+=(--reuid=postgres --regid=postgres --init-groups)
	fi
	AS+=(env HOME="$WORK")
}

# The newest of the installed servers.
choose_version()
{
	MAJOR=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | cut -d/ -f5 | sort -n | tail -n 1)
	[ "$MAJOR" -ge 15 ] || die "PostgreSQL $MAJOR is installed here; guard needs 15 or newer."
}

# PostgreSQL finds its files relative to its programs, so a copy is a server of
# its own (50 MB).
copy_server()
{
	local dev=postgresql-server-dev-$MAJOR version package

	mkdir -p "$WORK/usr/lib/postgresql" "$WORK/usr/share/postgresql" "$WORK/usr/include/postgresql"
	cp -a "/usr/lib/postgresql/$MAJOR" "$WORK/usr/lib/postgresql/"
	cp -a "/usr/share/postgresql/$MAJOR" "$WORK/usr/share/postgresql/"
	ln -s /usr/include/postgresql/* "$WORK/usr/include/postgresql/"
	if [ ! -e "$WORK/usr/include/postgresql/$MAJOR/server/postgres.h" ]; then
		version=$(dpkg-query -W -f '${Version}' "postgresql-$MAJOR")
		mkdir -p "$WORK/packages"
		cd "$WORK/packages"
		apt-get -q download "$dev=$version" || apt-get -q download "$dev" ||
			{ as_root apt-get -q update && apt-get -q download "$dev"; }
		for package in "${dev}_"*.deb; do
			dpkg -x "$package" "$WORK"
		done
	fi
	if [ "$(id -u)" = 0 ]; then
		chown -R postgres: "$WORK/usr"
	fi
}

build_guard()
{
	mkdir -p "$SRC"
	tar -C "$TOP" --exclude=./.git --exclude=./demo/out -cf - . | tar -C "$SRC" --no-same-owner -xf -
	if [ "$(id -u)" = 0 ]; then
		chown -R postgres: "$SRC"
	fi
	unset MAKEFLAGS MFLAGS MAKELEVEL		# of the make that called us
	"${AS[@]}" make -s -j"$(nproc)" -C "$SRC" PG_CONFIG="$BIN/pg_config" with_llvm=no install
}

# One configuration for all acts.
create_cluster()
{
	mkdir -p "$WORK/data" "$WORK/socket" "$WORK/log"
	chmod 700 "$WORK/data" "$WORK/socket"
	if [ "$(id -u)" = 0 ]; then
		chown postgres: "$WORK/data" "$WORK/socket" "$WORK/log"
	fi
	"${AS[@]}" "$BIN/initdb" -D "$WORK/data" -U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8
	"${AS[@]}" tee -a "$WORK/data/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$WORK/socket'
		shared_preload_libraries = 'pg_stat_statements, guard'
		max_connections = 60		# 40 for the services; see traffic.sh
		superuser_reserved_connections = 3
		shared_buffers = 512MB

		# To load in seconds what will be thrown away in minutes.  It makes the
		# traffic's few writes cheaper than in real life, in all acts alike;
		# the reads, which are what this is about, do not notice.
		fsync = off
		wal_level = minimal
		max_wal_senders = 0
		max_wal_size = 8GB
		maintenance_work_mem = 256MB
	END
}

# Not in a step: the server must be this very shell's child, to end with it.
start_server()
{
	local as=("${AS[@]}")

	as[4]=QUIT		# an immediate shutdown, should this script be killed
	unset "${!PG@}"
	export PGHOST=$WORK/socket
	"${as[@]}" "$BIN/postgres" -D "$WORK/data" > "$WORK/server.log" 2>&1 &
	SERVER=$!
	until "${AS[@]}" "$BIN/pg_isready" -q; do
		kill -0 "$SERVER" 2> /dev/null || die 'The server did not start.' "$WORK/server.log"
		nap 0.1
	done
}

# Two sessions, one per core; the databases of the acts are copies of this one.
load_data()
{
	local people things

	"${AS[@]}" "$BIN/createdb" -U postgres service
	sql service -f sql/schema.sql
	sql service -v rows="$ROWS" -f sql/load_people.sql & people=$!
	sql service -v rows="$ROWS" -f sql/load_things.sql & things=$!
	wait "$people" && wait "$things"
}

# sql DATABASE PSQL-ARGUMENTS...: psql as the superuser.
sql()
{
	local database=$1

	shift
	"${AS[@]}" "$BIN/psql" -XqAt -v ON_ERROR_STOP=1 -U postgres -d "$database" "$@" < /dev/null
}
