#!/bin/bash
# tools.sh NAME LOG: one migration tool meets guard.
#
# tools/NAME defines
#	start			make a project with a first migration: table users with an index for each of $columns, users_COLUMN_idx
#	next INDEX N [concurrently]
#				add migration number N, which drops this index
#	migrate			apply what is pending
#	applied			the migrations that count as applied, one a line
#	shows			which of "message", "detail", "hint" its user gets to see
#	pending			the SQL of what is pending, where the tool can tell; a pipeline then asks before it migrates
set -uo pipefail
name=$1 log=$2
here=$(cd "$(dirname "$0")" && pwd)
columns="email name team city street zip"
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

# review STATUS: what a pipeline asks before it migrates
review() {
	local status=0
	type pending > /dev/null 2>&1 || return 0
	echo "== may I migrate?" >> "$log/$name.out"
	as_deploy pending > pending.sql
	"$here/../../guard_review" --from="dbname=$name" pending.sql >> "$log/$name.out" 2>&1 || status=$?
	check "guard_review of what is pending says so beforehand" same $status "$1"
}

# may_deploy VERSION: what it would miss
may_deploy() { sql "SELECT concat_ws(' ', index_name, state) FROM guard.may_deploy('auth', '$1')"; }

# refused INDEX N [concurrently]: the migration stops
refused() {
	local before what
	before=$(as_deploy applied)
	as_deploy next "$@" >> "$log/$name.out"
	check "the migration that drops $1 ${3:-} stops" stops "drop $*: refused"
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

# passes INDEX WHY: what is pending goes through
passes() {
	local before
	before=$(as_deploy applied | wc -l)
	check "$2, the migration goes through" attempt "drop $1: $2"
	check "and is recorded" same "$(as_deploy applied | wc -l)" $((before + 1))
	check "$1 is gone" same "$(sql "SELECT to_regclass('$1') IS NULL")" t
}

# serve VERSION COLUMN...: this version of auth looks rows up by these columns
serve() {
	local column version=$1
	shift
	end
	{
		echo '\set id random(1, 20000)'
		for column; do echo "SELECT id FROM users WHERE $column = 'x' || :id;"; done
	} > queries.sql
		traffic "auth/$version" 20 queries.sql
	for column; do wait_until "SELECT verdict = 'block' AND facts ->> 'uses' ~ '\"service\": \"auth\", \"version\": \"$version\"' FROM guard.check('users_${column}_idx')"; done
}

# The code that needs the index is still at work: the schema change went out before the code.
deployed() { # COLUMN N VERSION [concurrently]
	local index=users_$1_idx next=$(($3 + 1))
	serve "$3.0" "$1"
	refused "$index" "$2" ${4:+"$4"}
	review 1
	end
	check "auth $next.0 may be deployed" same "$(may_deploy $next.0)" ''
	sql "SELECT guard.report_deployment('auth', '$next.0')" > /dev/null
	review 0
	passes "$index" "after the deployment was reported"
	check "auth $3.0 may not be deployed again" same "$(may_deploy "$3.0")" "public.$index missing"
}

# Agreed upon, while the traffic goes on.
approved() { # COLUMN N [concurrently]
	local index=users_$1_idx
	refused "$index" "$2" ${3:+"$3"}
	sql "SELECT guard.approve('$index', 'agreed with the team of auth')" > /dev/null
	passes "$index" "after it was approved"
}

# Carried out in stages: the tool is done, the traffic loses nothing, and it can be taken back.
delayed() { # COLUMN N [concurrently]
	local index=users_$1_idx
	as_deploy next "$index" "${@:2}" >> "$log/$name.out"
	passes "$index" "with guard.hot_action = delay ${3:-}"
	check "it waits for its traffic" same "$(sql "SELECT state FROM guard.soft_drops WHERE index_name = 'public.$index'")" waiting
	sql "SELECT guard.restore('$index')" > /dev/null
	check "and can be had back" stands "$index"
}

prepare
as_deploy start >> "$log/$name.out"
check "the first migration makes table and indexes" attempt "create"
sql "INSERT INTO users (id, email, name, team, city, street, zip) SELECT i, v, v, v, v, v, v FROM generate_series(1, 20000) i, concat('x', i) v"
sql "VACUUM ANALYZE users"

sql "SELECT guard.add_dependency('users_email_idx', 'auth', '2.0'), guard.add_dependency('users_name_idx', 'auth', '3.0')" > /dev/null
deployed email 2 1
deployed name 3 2 concurrently

serve 3.0 team city street zip
approved team 4
approved city 5 concurrently

sql "ALTER DATABASE \"$name\" SET guard.hot_action = 'delay'"
delayed street 6
delayed zip 7 concurrently
