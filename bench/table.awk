# The table of results.  Input: lines of what was measured, a value after what it is of.

$1 == "server"            { server = $2 " " $3 }
$1 == "machine"           { sub(/^machine /, ""); machine = $0 }
$1 == "executions"        { executions = $2 }
$1 == "many"              { many[$2] = $3 }
$1 == "instructions"      { instr[$2, $3] = $4; parts["instructions"] }
$1 == "throughput"        { tps[$2, $3, $4] = $5; if ($4 > rounds) rounds = $4; parts["throughput"] }
$1 == "drop"              { ms[$2, $3, $4] = $5; if ($4 > drops) drops = $4; parts["drop"] }
$1 == "watch"             { parts["watch"] }
$1 == "watch" && $2 == "restore" { restores++; since_hiding[restores] = $3; since_slow[restores] = $4 }
$1 == "watch" && $2 == "missed"  { missed++ }
$1 == "watch" && $2 == "slower"  { slower[++slow_downs] = $3; slower_after[slow_downs] = $4 }
$1 == "watch" && $2 == "alarms"  { alarms += $3; watched = $4; watch_secs = $5; noise[++noises] = $6; noise_alarms[noises] = $3 }
$1 == "hiding" && NF == 5     { hiding[$2, $3, $4] = $5 }
$1 == "hiding"            { parts["hiding"] }
$1 == "hiding" && NF == 4     { hiding[$2, $3] = $4 }
$1 == "hiding" && NF == 3     { hiding[$2] = $3 }
$1 == "hiding" && NF == 7     { for (i = 3; i <= 7; i++) hiding[$2, i] = $i }
$1 == "shape"             { shapes++; shape[shapes] = $0; parts["prediction"] }
$1 == "drop_instructions" { mi[$2, $3] = $4 / 1000000; counted = 1 }

$1 == "snapshot"          { taken[$2]++; snapshot[$2, taken[$2]] = $3; processor[$2, taken[$2]] = $4; parts["history"] }
$1 == "review"            { reviewed[$2]++; review_all[$2, reviewed[$2]] = $3; review_cpu[$2, reviewed[$2]] = $4; parts["review"] }
$1 == "scale"             { scale[$2, $3] = $4; parts["scale"] }
$1 == "lists_size"        { list_indexes = $2; list_rows = $3; parts["lists"] }
$1 == "lists"             { list_all[++lists] = $2; list_cpu[lists] = $3; sub(/^lists [^ ]* [^ ]* /, ""); list_name[lists] = $0 }
$1 == "export"            { export_all[++exports] = $2; export_cpu[exports] = $3; export_bytes = $4; export_gzipped = $5; parts["export"] }
$1 == "stages"            { stages[$2] = $3; parts["stages"] }
$1 == "stages_drops"      { stage_drops = $2 }
$1 == "history_known"     { known_bytes = $2; known_rows = $3 }
$1 == "history_hours"     { hour_bytes = $2; hour_rows = $3 }

function commas(n,    s) {
	s = sprintf("%.0f", n < 0 ? -n : n)
	while (match(s, /[0-9][0-9][0-9][0-9](,|$)/)) s = substr(s, 1, RSTART) "," substr(s, RSTART + 1)
	return (n < 0 ? "-" : "") s
}
function plus(n) { return (n < 0 ? "" : "+") commas(n) }

# The median of v[1] to v[n].
function median(v, n,    i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
function median_tps(p, c,    r, v) {
	for (r = 1; r <= rounds; r++) v[r] = tps[p, c, r]
	return median(v, rounds)
}
function median_ms(c, kind,    r, v) {
	for (r = 1; r <= drops; r++) v[r] = ms[c, kind, r]
	return median(v, drops)
}
# Against the plain drop of the same round.
function median_added(c, kind,    r, v) {
	for (r = 1; r <= drops; r++) v[r] = ms[c, kind, r] - ms["plain", kind, r]
	return median(v, drops)
}

function aim(text, value, limit, format) {
	printf "  %-76s " format "  %s\n", text, value, value < limit ? "met" : "MISSED"
}
function max(a, b) { return a > b ? a : b }

function select_row(name, c,    p, i) {
	printf "  %-36s", name
	for (i = 1; i <= 2; i++) {
		p = protocols[i]
		if (c == "plain") printf "%11s%9s%9s", commas(instr[p, c]), "", ""
		else printf "%11s%9s%9.4f", commas(instr[p, c]), plus(instr[p, c] - instr[p, "plain"]), instr[p, c] / instr[p, "plain"]
	}
	print ""
}
# What guard adds, of what pg_stat_statements adds; query identifiers, which either switches on, left out of both.
function share(p, alone) {
	return (alone ? instr[p, "guard"] - instr[p, "ident"] : instr[p, "joint"] - instr[p, "stats"]) / (instr[p, "stats"] - instr[p, "ident"])
}
function instructions(    p, i, added) {
	printf "\nOne point select (pgbench -S): instructions in the backend, by callgrind over %s executions\n\n", commas(executions)
	printf "  %-36s%11s%9s%9s%11s%9s%9s\n", "", "prepared", "added", "ratio", "simple", "added", "ratio"
	select_row("server as it comes", "plain")
	select_row("  with query identifiers", "ident")
	select_row("  with pg_stat_statements", "stats")
	select_row("  with guard", "guard")
	select_row("  with guard, guard.whatif off", "quiet")
	select_row("  with both", "joint")
	print ""
	aim("guard / pg_stat_statements, prepared (aim: below 0.333)", max(share("prepared", 0), share("prepared", 1)), 1 / 3, "%7.3f  ")
	printf "  %-76s %7.3f\n", "guard, what-if included / pg_stat_statements, simple", max(share("simple", 0), share("simple", 1))
	added = max(instr["prepared", "joint"] - instr["prepared", "stats"], instr["prepared", "guard"] - instr["prepared", "ident"])
	aim("guard / a prepared point select (aim: below 1 %)", 100 * added / instr["prepared", "plain"], 1, "%7.2f %%")
	added = max(instr["simple", "joint"] - instr["simple", "stats"], instr["simple", "guard"] - instr["simple", "ident"])
	aim("guard, what-if included / a simple point select (aim: below 1.2 %)", 100 * added / instr["simple", "plain"], 1.2, "%7.2f %%")
	printf "  %-76s %7.2f %%\n", "  of that what-if", 100 * (instr["simple", "guard"] - instr["simple", "quiet"]) / instr["simple", "plain"]
	aim("capture alone / pg_stat_statements, simple (aim: below 0.333)", (instr["simple", "quiet"] - instr["simple", "ident"]) / (instr["simple", "stats"] - instr["simple", "ident"]), 1 / 3, "%7.3f  ")
}

function best_tps(p, c,    r, best) {
	for (r = 1; r <= rounds; r++) best = max(best, tps[p, c, r])
	return best
}
function throughput_row(name, c,    p, i) {
	printf "  %-36s", name
	for (i = 1; i <= 2; i++) {
		p = protocols[i]
		printf "%11s%9s%9.3f", commas(median_tps(p, c)), commas(best_tps(p, c)), median_tps(p, c) / median_tps(p, "plain")
	}
	print ""
}
# Rounds of one and the same server that differ by more than a tenth cannot tell servers apart that differ by less.
function throughput(    r, i, v, p) {
	printf "\npgbench -S, one client: transactions per second; medians of %d rounds and their ratios, best rounds\n\n", rounds
	printf "  %-36s%11s%9s%9s%11s%9s%9s\n", "", "prepared", "best", "ratio", "simple", "best", "ratio"
	throughput_row("server as it comes", "plain")
	throughput_row("  with pg_stat_statements", "stats")
	throughput_row("  with guard", "guard")
	throughput_row("  with both", "joint")
	for (i = 1; i <= 2; i++) {
		p = protocols[i]
		for (r = 1; r <= rounds; r++) v[r] = tps[p, "plain", r]
		median(v, rounds)          # sorts
		if (v[int((3 * rounds + 3) / 4)] > 1.1 * v[int((rounds + 3) / 4)])
			printf "  This machine is busy: half of the first server's own %s rounds lie outside %s to %s.  The ratios mean little.\n",
				p, commas(v[int((rounds + 3) / 4)]), commas(v[int((3 * rounds + 3) / 4)])
	}
}

function drop_cell(c, kind,    added) {
	added = kind == "refused" || c == "plain" ? "" : sprintf("%+.2f", median_added(c, kind))
	printf "%9.2f%9s%11s", median_ms(c, kind), added, counted ? sprintf("%.2f", mi[c, kind]) : ""
}
# What guard adds, of what the trigger adds; a refused drop drops nothing, so that all of it is added.
function share_of_trigger(kind,    plain) {
	plain = kind == "refused" ? 0 : mi["plain", kind]
	return (mi["guard", kind] - plain) / (mi["classic", kind] - plain)
}
function drop_row(name, c) {
	printf "  %-36s", name
	drop_cell(c, "first")
	drop_cell(c, "later")
	print ""
}
function drop() {
	printf "\nDROP INDEX, %s indexes, %s captured statements: milliseconds, medians of %d; millions of instructions%s\n\n",
		commas(many["indexes"]), commas(many["statements"]), drops, counted ? ", by callgrind" : ": not counted"
	printf "  %-36s%9s%9s%11s%9s%9s%11s\n", "", "first ms", "added", "Minstr", "later ms", "added", "Minstr"
	drop_row("pg_stat_statements only", "plain")
	drop_row("  with the classic PL/pgSQL trigger", "classic")
	drop_row("  with guard", "guard")
	printf "  %-36s", "refused by the classic trigger"; drop_cell("classic", "refused"); print ""
	printf "  %-36s", "refused by guard"; drop_cell("guard", "refused"); print ""
	print ""
	printf "  %-76s %7.2f ms\n", "what guard adds to a DROP INDEX, first in its session", median_added("guard", "first")
	if (!counted)
		return
	aim("instructions, guard / classic trigger: first drop (aim: below half)", share_of_trigger("first"), 0.5, "%7.3f  ")
	aim("  a later drop", share_of_trigger("later"), 0.5, "%7.3f  ")
	aim("  a refused drop", share_of_trigger("refused"), 0.5, "%7.3f  ")
}

function share_of(text, count, of, wanted) {
	printf "  %-76s %3d of %d  %s\n", sprintf("%s (aim: %d %%)", text, wanted), count, of, (100 * count >= wanted * of) ? "met" : "MISSED"
}
# shape: now predicted low high measured verdict reason name...
function prediction(    i, j, f, n, ratio, within, inside, open, low, high, none, order, missed, harm, name) {
	printf "\nWithout the index: predicted and measured mean time of one execution, milliseconds\n\n"
	printf "  %-26s%9s%11s%22s%11s%8s  %s\n", "", "now", "predicted", "low to high", "measured", "ratio", "verdict"
	for (i = 1; i <= shapes; i++) {
		n = split(shape[i], f, " ")
		name = f[9]
		for (j = 10; j <= n; j++) name = name " " f[j]
		ratio = f[3] == "?" || f[6] == 0 ? 0 : f[3] / f[6]
		harm = f[6] > 3 * f[2]
		if (!ratio) none++
		for (j = 3; j <= 10; j += 7)
			if (ratio > 1 / j && ratio < j) within[j]++
			else if (ratio) { if (ratio < 1) low[j]++; else high[j]++ }
		if (f[5] == "Infinity") open++
		if (ratio && f[4] <= f[6] && (f[5] == "Infinity" || f[6] <= f[5])) inside++
		# of the right order: what gets ten times slower is not said to get less than three times slower, nor the other way round
		if ((f[6] > 10 * f[2] && f[3] < 3 * f[2]) || (f[6] < 1.5 * f[2] && f[3] > 5 * f[2])) order++
		if (harm && f[7] == "allow") missed++
		printf "  %-26s%9.3f%11s%22s%11.3f%8s  %s, %s\n", name, f[2], f[3] == "?" ? "?" : sprintf("%.3f", f[3]),
			f[3] == "?" ? "" : sprintf(f[5] == "Infinity" ? "%.2f, open" : "%.2f to %.2f", f[4], f[5]), f[6], ratio ? sprintf("%.2f", ratio) : "?", f[7], f[8]
	}
	print ""
	share_of("inside their own bounds", inside, shapes, 90)
	printf "  %-76s %3d\n", "  of these without an upper bound", open
	share_of("within a factor of three", within[3], shapes, 80)
	printf "  %-76s %3d, %d\n", "  too low, too high", low[3], high[3]
	share_of("within a factor of ten", within[10], shapes, 98)
	printf "  %-76s %3d, %d\n", "  too low, too high", low[10], high[10]
	printf "  %-76s %3d       %s\n", "without a prediction (aim: none)", none, none ? "MISSED" : "met"
	printf "  %-76s %3d       %s\n", "whose harm is of another order than predicted (aim: none)", order, order ? "MISSED" : "met"
	printf "  %-76s %3d       %s\n", "harmful ones that guard would let go (aim: none)", missed, missed ? "MISSED" : "met"
}

function hiding_row(name, word,    t, i) {
	printf "  %-36s", name
	for (i = 1; i <= 2; i++) {
		t = i == 1 ? "bystander" : "concerned"
		printf "%11s%9s%9s", commas(hiding["plan", word, t]), word == "off" ? "" : plus(hiding["plan", word, t] - hiding["plan", "off", t]),
			word == "off" ? "" : sprintf("%.4f", hiding["plan", word, t] / hiding["plan", "off", t])
	}
	printf "%14s\n", word == "off" || word == "0" ? "" : plus(hiding["once", word, "bystander"] - hiding["once", "0", "bystander"])
}
function median_hiding(what,    i, v) {
	for (i = 1; i <= 5; i++) v[i] = hiding[what, i]
	return median(v, 5)
}
function hide(    back) {
	printf "\nHidden indexes: instructions of one point select, simple protocol, on a table with ten indexes\n\n"
	printf "  %-36s%11s%9s%9s%11s%9s%9s%14s\n", "hidden in the database", "elsewhere", "added", "ratio", "one here", "added", "ratio", "read once"
	hiding_row("guard.hiding = off", "off")
	hiding_row("0", "0")
	hiding_row("1", "1")
	hiding_row("100", "100")
	hiding_row("5,000", "5000")
	print ""
	printf "  %-76s %7.1f ms\n", "guard.hide(), beside 100 busy sessions", hiding["effect", 6]
	printf "  %-76s %3d of 100\n", "busy sessions with a generic plan that went on without the index", hiding["effect", 3]
	printf "  %-76s %7d ms\n", "until the last of them had come round to its next statement", hiding["effect", 7]
	printf "  %-76s %3d of %s  %s\n", "statements begun after the commit that still used it (aim: none)", hiding["effect", 5],
		commas(hiding["effect", 4]), hiding["effect", 5] ? "MISSED" : "met"
	print ""
	back = median_hiding("unhide") + median_hiding("first")
	printf "  %-76s %9.1f ms\n", "guard.unhide() and the next query, " commas(hiding["rows"]) " rows", back
	printf "  %-76s %9.1f ms\n", "CREATE INDEX CONCURRENTLY of the same index", hiding["build"]
	printf "  %-76s %9.0f\n", "ratio", hiding["build"] / back
}

function median_snapshot(kind,    r, v) {
	for (r = 1; r <= taken[kind]; r++) v[r] = snapshot[kind, r]
	return median(v, taken[kind])
}
function median_processor(kind,    r, v) {
	for (r = 1; r <= taken[kind]; r++) v[r] = processor[kind, r]
	return median(v, taken[kind])
}
function snapshot_row(name, kind) { printf "  %-66s %9.1f %9.1f\n", name, median_processor(kind), median_snapshot(kind) }
function history() {
	printf "\nguard.snapshot() with 10,000 indexes: milliseconds of processor time and in all, medians; and its room\n\n"
	printf "  %-66s %9s %9s\n", "", "processor", "in all"
	snapshot_row("the first one, all indexes were used", "first")
	snapshot_row("nothing has happened since the last one", "quiet")
	snapshot_row("every index was used since the last one", "busy")
	printf "  %-76s %7d\n", "bytes for each index or table that was ever used", known_bytes
	printf "  %-76s %7d\n", "bytes for an hour in which an index was used (a day, after two weeks)", hour_bytes
	printf "  %-76s %7.0f\n", "a year of one index used every hour, kB", hour_bytes * hour_rows / 1024
	printf "  %-76s %7.0f\n", "a year of 10,000 indexes, 1,000 of them used every hour, MB", (hour_bytes * hour_rows * 1000 + known_bytes * 10000) / 1048576
	printf "  %-76s %7.0f\n", "a year of 10,000 indexes, all used every hour, MB", (hour_bytes * hour_rows + known_bytes) * 10000 / 1048576
	print ""
	aim("a snapshot where nothing has happened, processor time (aim: well below a second)", median_processor("quiet"), 300, "%7.1f ms")
}

function largest(values, n,    i, most) {
	for (i = 1; i <= n; i++) if (values[i] > most) most = values[i]
	return most
}
function watch(    i, copy) {
	printf "\nA hidden index whose traffic comes back, a hundred times as slow\n\n"
	for (i = 1; i <= restores; i++) copy[i] = since_slow[i]
	printf "  %-76s %7.1f s\n", "from the first slow call to the index being back, median of " restores, median(copy, restores)
	printf "  %-76s %7.1f s\n", "the longest", largest(since_slow, restores)
	for (i = 1; i <= restores; i++) copy[i] = since_hiding[i]
	printf "  %-76s %7.1f s\n", "from hiding it, traffic paused meanwhile, median", median(copy, restores)
	if (missed) printf "  %-76s %7d\n", "not restored within ten seconds", missed
	for (i = 1; i <= slow_downs; i++)
		printf "  %-76s %7.1f s\n", "another index takes over, " slower[i] " times slower", slower_after[i]
	for (i = 1; i <= noises; i++)
		printf "  %-76s %3d of %3d\n", "harmless indexes restored for nothing in " watch_secs " s: " noise[i], noise_alarms[i], watched
	print ""
	aim("from the first slow call to the index being back, the longest (aim: 5 s)", largest(since_slow, restores), 5, "%7.1f s ")
	aim("false alarms (aim: 0)", alarms, 1, "%7d  ")
}
function review_row(name, kind,    r, v, w) {
	for (r = 1; r <= reviewed[kind]; r++) { v[r] = review_cpu[kind, r]; w[r] = review_all[kind, r] }
	printf "  %-66s %9.1f %9.1f\n", name, median(v, reviewed[kind]), median(w, reviewed[kind])
}
function review() {
	printf "\nguard_review of 2,000 statements: milliseconds of processor time (with the server) and in all, medians\n\n"
	printf "  %-66s %9s %9s\n", "", "processor", "in all"
	review_row("1,000 tables are created, and an index on each", "plain")
	review_row("1,000 indexes are created, each before another is dropped, of 2,000 tables", "swaps")
	review_row("2,000 indexes are dropped, of a schema of 2,000 tables", "drops")
	review_row("one statement, after a schema of 2,000 tables", "schema")
}

function scale_part() {
	printf "\nWhere there is much of something: instructions in the backend, by callgrind\n\n"
	printf "  %-56s%13s%13s%9s\n", "", "as it comes", "with guard", "ratio"
	scale_row("connect and select one row, nothing hidden", "connect", "plan1")
	scale_row("plan and execute over 1,000 partitions, unpruned", "partitions", "plan1")
	scale_row("CREATE and DROP a temporary table, records few", "temporary", "plan1")
	scale_row("  the same, guard.max_indexes nearly used up", "temporary", "plan2")
	print ""
	aim("connecting and one query (aim: below 3 %)", 100 * scale["connect", "plan1"] / scale["connect", "plan0"] - 100, 3, "%7.2f %%")
	aim("1,000 partitions (aim: below 1 %)", 100 * scale["partitions", "plan1"] / scale["partitions", "plan0"] - 100, 1, "%7.2f %%")
	aim("DDL near guard.max_indexes / DDL elsewhere (aim: below 1.05)", scale["temporary", "plan2"] / scale["temporary", "plan1"], 1.05, "%7.3f  ")
}
function scale_row(name, what, c) {
	printf "  %-56s%13s%13s%9.4f\n", name, commas(scale[what, "plan0"]), commas(scale[what, c]), scale[what, c] / scale[what, "plan0"]
}

function lists_part(    i) {
	printf "\nguard's lists in a database with %s indexes: milliseconds of processor time and in all, the second time in a session\n\n", commas(list_indexes)
	printf "  %-66s %9s %9s\n", "", "processor", "in all"
	for (i = 1; i <= lists; i++) printf "  %-66s %9.1f %9.1f\n", list_name[i], list_cpu[i], list_all[i]
	print ""
	aim(list_name[1] " (aim: below 10 s of processor time)", list_cpu[1] / 1000, 10, "%7.1f s ")
}

function export() {
	printf "\nguard.export_profile() of 10,000 indexes of all types and 5,000 statements: %.1f MB, %.1f MB compressed\n\n", export_bytes / 1000000, export_gzipped / 1000000
	printf "  %-76s %7.1f s\n", "by the clock, median", median(export_all, exports) / 1000
	aim("of processor time, median (aim: below 10 s)", median(export_cpu, exports) / 1000, 10, "%7.1f s ")
	aim("compressed (aim: below 10 MB)", export_gzipped / 1000000, 10, "%7.1f MB")
}

function stages_part() {
	printf "\n%s indexes of one owner dropped in stages, and two of another's\n\n", commas(stage_drops)
	printf "  %-76s %7.1f ms\n", "a DROP INDEX that becomes a drop in stages, by the clock, mean", 1000 * stages["drop"] / stage_drops
	printf "  %-76s %7.1f s\n", "until all are hidden, once nobody needs them", stages["hidden"]
	printf "  %-76s %7.1f s\n", "until all have their names back, asked for in one statement", stages["all"]
	aim("until the other's is back that was asked for after them (aim: below 5 s)", stages["one"], 5, "%7.1f s ")
	if (stages["watch"] == "missed") printf "  %-76s %s\n", "the other's whose traffic came back", "MISSED"
	else aim("until the other's is back whose traffic came back (aim: below 5 s)", stages["watch"], 5, "%7.1f s ")
}

END {
	protocols[1] = "prepared"
	protocols[2] = "simple"
	printf "\n%s on %s.  Ratios are to be quoted, the rest is this machine.\n", server, machine
	if ("instructions" in parts) instructions()
	if ("throughput" in parts) throughput()
	if ("scale" in parts) scale_part()
	if ("drop" in parts) drop()
	if ("prediction" in parts) prediction()
	if ("history" in parts) history()
	if ("review" in parts) review()
	if ("lists" in parts) lists_part()
	if ("export" in parts) export()
	if ("stages" in parts) stages_part()
	if ("hiding" in parts) hide()
	if ("watch" in parts) watch()
}
