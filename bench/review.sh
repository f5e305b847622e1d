# What a review costs: guard.review() of scripts of 2,000 statements, in a database with 10,000 indexes.
#
# Measured: milliseconds of processor time, and as psql sees it, medians.  One script removes nothing, one drops 2,000 indexes, one
# replaces 1,000, creating the new one first.

reviews=5

make_review() {
	say "10,000 indexes for reviews"
	make_cluster review
	start review
	"${as[@]}" createdb -p "$(port_of review)" bench
	sql review -f bench/many.sql > "$work/review.sql.log"
	stop review
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.max_indexes = 20000" >> "$work/review/postgresql.conf"
	start review
	sql review -c 'CREATE EXTENSION guard'
}

review() { # WHAT SCRIPT-AS-SQL
	failed=$work/review.sql.log
	sql review -c 'SET log_statement_stats = on' -c '\timing on' -c "SELECT count(DISTINCT statement) FROM guard.review(($2))" > "$failed"
	grep -qx 2000 "$failed" || fail "not all statements were reviewed"
	result "review $1 $(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$failed") $(
		sed -n 's/.*\t\([0-9.]*\) s user, \([0-9.]*\) s system, .* elapsed/\1 \2/p' "$work/review.log" | tail -n 1 | awk '{ print 1000 * ($1 + $2) }')"
	failed=
}

measure_reviews() {
	local i
	make_review
	say "guard.review(), $reviews times each"
	for ((i = 0; i < reviews; i++)); do
		review plain "SELECT string_agg(format('CREATE TABLE n%s (id int PRIMARY KEY, a int, b text UNIQUE); CREATE INDEX ON n%s (a);', n, n), E'\n') FROM generate_series(1, 1000) n"
		review drops "SELECT string_agg(format('DROP INDEX t%s_%s_idx;', n / 7 + 1, chr(97 + n % 7)), E'\n') FROM generate_series(0, 1999) n"
		review swaps "SELECT string_agg(format('CREATE INDEX CONCURRENTLY n%s ON t%s (%s); DROP INDEX CONCURRENTLY t%s_%s_idx;', n, n / 7 + 1, chr(97 + n % 7), n / 7 + 1, chr(97 + n % 7)), E'\n') FROM generate_series(0, 999) n"
	done
	stop review
}
