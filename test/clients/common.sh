# What tools.sh and nightly.sh share.  $name is the name of the test and of its database.
# shellcheck shell=bash

passed() { echo "ok $name: $*"; }
broken() { echo "not ok $name: $*"; }
check() { # DESCRIPTION COMMAND...
	local description=$1
	shift
	if "$@"; then passed "$description"; else broken "$description"; fi
}
same() { [ "$1" = "$2" ] || { echo "# expected \"$2\", got \"$1\""; false; }; }
sql() { psql -qAtX -v ON_ERROR_STOP=1 -d "$name" -c "$1"; }

# wait_until QUERY: ask until the answer is true.
wait_until() {
	local i answer
	for ((i = 0; i < 6000; i++)); do
		answer=$(sql "$1") || return 1
		[ "$answer" != t ] || return 0
		sleep 0.05
	done
	echo "# waited in vain for: $1"
	false
}

# create_users: the table of the first migration, for tools that take SQL
create_users() {
	local column
	echo "CREATE TABLE users (id int PRIMARY KEY);"
	for column in $columns; do
		echo "ALTER TABLE users ADD COLUMN $column text;"
		echo "CREATE INDEX users_${column}_idx ON users ($column);"
	done
}

# traffic SERVICE RATE FILE: somebody else's load, until the script ends or calls "kill $traffic".
traffic() {
	PGAPPNAME=$1 PGUSER=auth pgbench -n -M prepared -R "$2" -T 1200 -f "$3" "$name" > "$log/$name.pgbench" 2>&1 &
	traffic=$!
}
traffic=
end() {
	[ -z "$traffic" ] || kill "$traffic" 2> /dev/null || true
	wait
	traffic=
}
trap end EXIT

# A database with guard.
before() { :; }
prepare() {
	: > "$log/$name.out"
	createdb -O deploy "$name"
	before
	sql "CREATE EXTENSION guard"
	mkdir -p "$name"
	cd "$name" || exit 1
}
