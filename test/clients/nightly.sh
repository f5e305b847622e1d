#!/bin/bash
# nightly.sh NAME LOG: one job of every night meets guard, while others read and write.
#
# nightly/NAME defines nightly(), which finds a table users with users_email_idx and users_team_idx, of which the first is in
# use, all the time; and before(), where something must be there before guard is.
set -uo pipefail
name=$1 log=$2
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

# passes DESCRIPTION COMMAND...: it goes through, and guard has no word to say against it
passes() {
	local description=$1
	shift
	echo "== $description" >> "$log/$name.out"
	if "$@" > "$log/$name.last" 2>&1 && ! grep -q 'COMMIT will be refused\|without knowing' "$log/$name.last"; then
		passed "$description"
	else
		broken "$description"
	fi
	cat "$log/$name.last" >> "$log/$name.out"
}

# refused MESSAGE STATEMENT
refused() {
	echo "== $2" >> "$log/$name.out"
	! sql "$2" > "$log/$name.last" 2>&1
	local result=$?
	cat "$log/$name.last" >> "$log/$name.out"
	[ $result = 0 ] && tr '\n' ' ' < "$log/$name.last" | grep -qE "$1"
}

less() { [ "$1" -lt "$2" ]; }
indexes() { sql "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = '$1'::regclass AND indisvalid"; }

. "$here/nightly/$name"

prepare
sql "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, team int NOT NULL)"
sql "INSERT INTO users SELECT i, 'user' || i, i FROM generate_series(1, 20000) i"
sql "CREATE INDEX users_email_idx ON users (email)"
sql "CREATE INDEX users_team_idx ON users (team)"
sql "VACUUM ANALYZE users"
cat > users.sql <<-'END'
	\set id random(1, 20000)
	SELECT id FROM users WHERE email = 'user' || :id;
	UPDATE users SET team = team + 1 WHERE id = :id;
END
traffic auth/1.0 20 users.sql
wait_until "SELECT count(*) = 2 FROM guard.check('users') WHERE verdict = 'block'" || broken "the traffic is seen"
nightly
end
