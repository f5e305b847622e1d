# What a review costs: guard_review of scripts of 2,000 statements, from nothing to the report, and of one statement with a schema of
# 2,000 tables.
#
# Measured: milliseconds of processor time, with the server's, and of the clock, medians.  One script removes nothing, one drops 2,000 indexes, one replaces 1,000.

reviews=3

review() { # WHAT STATEMENTS SCRIPT-AS-SHELL [OPTION...]
	local what=$1 statements=$2 script=$3 began
	shift 3
	eval "$script" > "$work/review.sql"
	failed=$work/review.json
	began=$(date +%s%N)
	TIMEFORMAT='%U %S'
	{ time "${as[@]}" "$work/src/guard_review" --server="$work/pg$("$config" --bindir)" --format=json "$@" "$work/review.sql" > "$failed" 2> "$work/review.log"; } 2> "$work/review.time" ||
		{ cat "$work/review.log" >&2; fail "guard_review ended in an error"; }
	grep -q "\"statements\": $statements," "$failed" || fail "not all statements were reviewed"
	result "review $what $((($(date +%s%N) - began) / 1000000)) $(awk '{ print 1000 * ($1 + $2) }' "$work/review.time")"
	failed=
}

tables() { for ((n = 1; n <= $1; n++)); do echo "CREATE TABLE n$n (id int PRIMARY KEY, a int, b text UNIQUE); CREATE INDEX n${n}_a_idx ON n$n (a);"; done; }

measure_reviews() {
	local i
	say "guard_review, $reviews times each"
	tables 2000 > "$work/schema.sql"
	for ((i = 0; i < reviews; i++)); do
		review plain 2000 'tables 1000'
		review drops 2000 'for ((n = 1; n <= 2000; n++)); do echo "DROP INDEX n${n}_a_idx;"; done' --schema="$work/schema.sql"
		review swaps 2000 'for ((n = 1; n <= 1000; n++)); do echo "CREATE INDEX CONCURRENTLY m$n ON n$n (a); DROP INDEX CONCURRENTLY n${n}_a_idx;"; done' --schema="$work/schema.sql"
		review schema 1 'echo "SELECT 1;"' --schema="$work/schema.sql"
	done
}
