# What it costs to export a profile of a database with 10,000 indexes of all common types and 5,000 statements (export.sql).
#
# Measured: guard.export_profile() by the clock and by processor time, and how large the document is, as it is and compressed.

exports=3

measure_export() {
	local i
	say "10,000 indexes of all types, 5,000 statements"
	make_cluster export
	printf '%s\n' "shared_preload_libraries = 'pg_stat_statements, guard'" "guard.snapshot_interval = 0" "guard.max_indexes = 20000" \
		"guard.max_statements = 10000" "pg_stat_statements.max = 10000" >> "$work/export/postgresql.conf"
	start export
	"${as[@]}" createdb -p "$(port_of export)" bench
	failed=$work/export.sql.log
	sql export -f bench/export.sql > "$failed" 2>&1
	say "guard.export_profile(), $exports times"
	for ((i = 0; i < exports; i++)); do
		failed=$work/export.times
		sql export -c 'SET log_statement_stats = on' -c '\timing on' -c "\\o $work/profile.json" -c 'SELECT guard.export_profile()' > "$failed" 2>&1
		result "export $(time_of export "$failed") $(wc -c < "$work/profile.json") $(gzip -c "$work/profile.json" | wc -c)"
	done
	failed=
	stop export
}
