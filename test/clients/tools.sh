#!/bin/bash
# tools.sh NAME LOG: one migration tool meets guard.
#
# tools/NAME defines
#	start			make a project with a first migration: table users with users_email_idx and users_team_idx
#	next INDEX N	add migration number N, which drops this index
#	migrate			apply what is pending
#	applied			the migrations that count as applied, one a line
#	shows			which of "message", "detail", "hint" its user gets to see
set -uo pipefail
name=$1 log=$2
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/tools/$name"

as_deploy() { PGUSER=deploy PGDATABASE=$name "$@" 2>> "$log/$name.out"; }

# attempt DESCRIPTION: apply, and say how it went
attempt() {
	echo "== $1" >> "$log/$name.out"
	PGUSER=deploy PGDATABASE=$name migrate > "$log/$name.last" 2>&1
	local status=$?
	cat "$log/$name.last" >> "$log/$name.out"
	return $status
}
stops() { ! attempt "$1"; }
stands() { [ "$(sql "SELECT indisvalid AND indisready AND indislive FROM pg_index WHERE indexrelid = to_regclass('$1')")" = t ]; }
shown() { tr '\n' ' ' < "$log/$name.last" | grep -qE -- "$1"; }

# refused INDEX N: the migration stops
refused() {
	local before what
	before=$(as_deploy applied)
	as_deploy next "$1" "$2" >> "$log/$name.out"
	check "the migration that drops $1 stops" stops "drop $1: refused"
	check "nothing of it is recorded as applied" same "$(as_deploy applied)" "$before"
	check "$1 is as it was" stands "$1"
	for what in $(shows); do
		case $what in
		message) check "its user sees who needs $1" shown "cannot drop index \"public\.$1\": .*auth" ;;
		detail) check "and the evidence" shown 'watched since' ;;
		hint) check "and what to do" shown "[Hh](INT|int): +.?Deploy" ;;
		esac
	done
}

# passes INDEX WHY: the same migration again
passes() {
	local before
	before=$(as_deploy applied | wc -l)
	check "$2, the same migration goes through" attempt "drop $1: $2"
	check "and is recorded" same "$(as_deploy applied | wc -l)" $((before + 1))
	check "$1 is gone" same "$(sql "SELECT to_regclass('$1') IS NULL")" t
}

prepare
as_deploy start >> "$log/$name.out"
check "the first migration makes table and indexes" attempt "create"
sql "INSERT INTO users (id, email, team) SELECT i, 'user' || i, i FROM generate_series(1, 20000) i"
sql "VACUUM ANALYZE users"
cat > email.sql <<-'END'
	\set id random(1, 20000)
	SELECT id FROM users WHERE email = 'user' || :id;
END
cat > team.sql <<-'END'
	\set team random(1, 20000)
	SELECT id FROM users WHERE team = :team;
END

# The code that needs it is still at work: the schema change went out before the code.
sql "SELECT guard.add_dependency('users_email_idx', 'auth', '2.0')" > /dev/null
traffic auth/1.0 20 email.sql
wait_until "SELECT (facts ->> 'uses') ~ 'auth' FROM guard.check('users_email_idx')"
refused users_email_idx 2
end
sql "SELECT guard.report_deployment('auth', '2.0')" > /dev/null
passes users_email_idx "after the deployment was reported"

# The same with an approval, while the traffic goes on.
traffic auth/2.0 20 team.sql
wait_until "SELECT verdict = 'block' FROM guard.check('users_team_idx')"
refused users_team_idx 3
sql "SELECT guard.approve('users_team_idx', 'agreed with the team of auth')" > /dev/null
passes users_team_idx "after it was approved"
