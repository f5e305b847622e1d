# shellcheck shell=bash
#
# The live traffic, and watching it second by second.
#
# pgbench plays the three services.  It sends requests at a fixed rate whether
# or not the earlier ones were answered, as people do, and counts a request's
# latency from the moment it was due.  What it does not play is people who try
# again: real incidents are worse.
#
#   auth     400 requests/s  a pool of 16 connections, opened once
#   devices   80 requests/s  a pool of 10 connections, opened once
#   push      20 requests/s  a connection per request, 14 at most.  In several
#                            threads: pgbench waits for a connection that it
#                            makes, and one thread would fall behind on a busy
#                            machine
#
# Forty connections in all; the server has more, so that whoever comes in their
# place while one is just going is not turned away.
#
# Release 211 of each looks things up by the indexes that the migration drops,
# release 212 by other ways: traffic/RELEASE/.
#
# An act calls act_begin, start_service, watch_header, watch_seconds, migrate,
# watch_seconds, act_end.  What result.sh needs is left in $WORK/log/ACT:
# pgbench's log of every request, samples (time, busy connections), indexes
# (name, what it was, from, to), and facts (name=value).

LIMIT=40		# connections of all services together

declare -A SCRIPTS=([auth]='login session' [devices]=devices [push]=push)

# act_begin NAME [SQL]: a fresh copy of the database under that name, in which
# the SQL is run.  The traffic's clock begins.  PATIENCE is in seconds: a
# request that could not start in them is given up.
act_begin()
{
	ACT=$1
	DIR=$WORK/log/$ACT
	"${AS[@]}" mkdir "$DIR"
	step 'Taking a fresh copy of the database' copy_database "${2:-}"
	open_sampler
	mapfile -t INDEXES < <(list_indexes)

	SECOND=0 COUNTERS='' EXHAUSTED='' MIGRATION='' OUTCOME='' T0='' EACH_SECOND=''
	DURATION=$((BEFORE + AFTER + 1)) PATIENCE=5
	TRAFFIC=()
	step 'Waiting until the traffic flows' warm_up
	be_patient
	BEGAN=${EPOCHREALTIME/./}
}

start_services()
{
	start_service auth 211 "$DURATION" 400 16
	start_service devices 211 "$DURATION" 80 10
	start_service push 211 "$DURATION" 20 14 --connect --jobs=4
}

# After the copy caches are cold, and the disk has its hands full: the same traffic, until it flows.  What it takes is not
# measured.
warm_up()
{
	local round

	for round in {1..8}; do
		start_service auth 211 3 400 8
		start_service devices 211 3 80 5
		start_service push 211 3 20 9 --connect --jobs=3
		wait "${TRAFFIC[@]}" || true
		TRAFFIC=()
		awk '/^latency average/ && $4 > 50 { late = 1 } END { exit late }' "$DIR"/*.err && break
	done
	echo "$round" > "$DIR/rounds"
	rm -f "$DIR"/*.err "$DIR"/*.requests.*
}

# Where others' work stops the whole machine for seconds at a time, that is not to be taken for what the migration does.  What is
# running now is counted, not the machine's load average: that remembers the act before.
be_patient()
{
	local running least=1000

	for _ in {1..5}; do
		read -r _ _ _ running _ < /proc/loadavg
		[ "${running%/*}" -ge "$least" ] || least=${running%/*}
		nap 0.2
	done
	[ "$(< "$DIR/rounds")" -gt 2 ] || [ "$least" -gt $((2 * $(nproc))) ] || return 0
	PATIENCE=15
	say "This machine is busy with other things: a request is given up after $PATIENCE s."
}

copy_database()
{
	sql postgres -c "CREATE DATABASE $ACT TEMPLATE service STRATEGY file_copy"
	[ -z "$1" ] || sql "$ACT" -c "$1"
}

# start_service NAME RELEASE SECONDS RATE CLIENTS [PGBENCH-ARGUMENTS...]
start_service()
{
	local name=$1 release=$2 seconds=$3 rate=$4 clients=$5 script log
	local arguments=("${@:6}")

	for script in ${SCRIPTS[$name]}; do
		arguments+=(-f "traffic/$release/$script.sql")
	done
	log=$DIR/$name-$release-${#TRAFFIC[@]}
	PGAPPNAME=$name/$release "${AS[@]}" "$BIN/pgbench" -n -U app -D rows="$ROWS" --client="$clients" \
		--rate="$rate" --latency-limit=$((PATIENCE * 1000)) --time="$seconds" --progress=1 \
		--log --log-prefix="$log.requests" "${arguments[@]}" "$ACT" > "$log.err" 2>&1 < /dev/null &
	TRAFFIC+=($!)
}

# Connected before the traffic is, so it still sees something when nobody else
# gets in.
open_sampler()
{
	coproc SAMPLER { exec "${AS[@]}" "$BIN/psql" -XqAt -F ' ' -U postgres -d postgres 2>&1; }
	exec {ASK}>&"${SAMPLER[1]}"- {ANSWER}<&"${SAMPLER[0]}"-
}

# sample SQL: the sampler's answer, one line, in $REPLY.
sample()
{
	printf '%s;\n' "$1" >&"$ASK"
	read -r -u "$ANSWER" || REPLY=''
	[[ $REPLY == [0-9]* ]] || die 'The server does not answer any more.' "$WORK/server.log"
}

watch_header()
{
	printf '  %s%6s %8s %13s   %-25s  %s%s\n' "$DIM" 'second' 'answers' 'mean latency' \
		"busy connections (of $LIMIT)" 'failed' "$PLAIN"
}

# watch_seconds N: one line for each of the next N seconds.
watch_seconds()
{
	local until=$((SECOND + $1))

	while [ "$SECOND" -lt "$until" ]; do
		next_second
		wait_for_second
		watch_line
		report_migration
		report_exhaustion
		[ -z "$EACH_SECOND" ] || "$EACH_SECOND"
	done
}

# The next, or where this machine was busy with something else the present one.
next_second()
{
	local present=$(((${EPOCHREALTIME/./} - BEGAN) / 1000000))

	SECOND=$((SECOND + 1))
	[ "$SECOND" -ge "$present" ] || SECOND=$present
}

# And a quarter of a second more, so that pgbench has reported on it.
wait_for_second()
{
	local left=$((BEGAN + SECOND * 1000000 + 250000 - ${EPOCHREALTIME/./}))

	[ "$left" -le 0 ] || nap "$((left / 1000000)).$(printf '%06d' $((left % 1000000)))"
}

watch_line()
{
	local now answers latency failed colour=$GREEN bar when

	sample "SELECT extract(epoch FROM clock_timestamp())::numeric(20,3),
		count(*) FILTER (WHERE state = 'active'), count(*)
		FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend'"
	read -r now BUSY OPEN <<< "$REPLY"
	printf '%s %s\n' "$now" "$BUSY" >> "$DIR/samples"

	IFS='|' read -r answers latency failed REFUSED COUNTERS <<< "$(
		awk -v before="$COUNTERS" -f awk/progress.awk "$DIR"/*.err)"

	[ "$BUSY" -lt $((LIMIT / 4)) ] || colour=$YELLOW
	[ "$BUSY" -lt $((LIMIT * 9 / 10)) ] || colour=$RED
	printf -v bar '%*s' $(((BUSY + 1) / 2)) ''		# one # for two connections
	when=$((SECOND - BEFORE))
	[ "$when" -le 0 ] || when=+$when
	printf '  %6s %8s %13s   %s%3d %-21s%s  %s\n' "$when" "$answers" "$latency" \
		"$colour" "$BUSY" "${bar// /#}" "$PLAIN" "$failed"
}

list_indexes()
{
	sql "$ACT" -c "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid::regclass::text LIKE 'auth.%' AND NOT i.indisprimary ORDER BY 1"
}

# Said once: every connection is busy.  (Two may be missing: those for a single
# request come and go.)
report_exhaustion()
{
	[ -z "$EXHAUSTED" ] && [ -n "$T0" ] && [ "$BUSY" -ge $((LIMIT - 2)) ] || return 0
	EXHAUSTED="within $((SECOND - BEFORE)) s"
	say "${RED}The pools are exhausted: $BUSY of $LIMIT connections are busy.  Whoever comes now waits, and gives up after $PATIENCE s.$PLAIN"
}

# migrate COMMENT PSQL-ARGUMENTS...: run the migration as its owner, while the
# traffic and the watching go on; report_migration says how it ended.
migrate()
{
	printf '\n  %s# %s%s\n' "$DIM" "$1" "$PLAIN"
	shift
	printf '  %s$ psql %s -f migration.sql%s\n' "$BOLD" "$*" "$PLAIN"
	[ -n "$T0" ] || T0=$EPOCHREALTIME
	MIGRATION_BEGAN=${EPOCHREALTIME/./}
	PGAPPNAME=migration "${AS[@]}" "$BIN/psql" -X -U deploy -d "$ACT" "$@" -f migration.sql \
		> "$DIR/migration" 2>&1 < /dev/null &
	MIGRATION=$!
}

# What psql tells of the second of several alike is what it told of the first,
# so DETAIL and HINT are shown once.
report_migration()
{
	local status=0 took

	[ -n "$MIGRATION" ] && ! kill -0 "$MIGRATION" 2> /dev/null || return 0
	MIGRATED=$(stat -c %.3Y "$DIR/migration")
	took=$((${MIGRATED/./} - MIGRATION_BEGAN / 1000))
	wait "$MIGRATION" || status=$?
	MIGRATION=''
	if [ "$status" = 0 ]; then
		OUTCOME='went through'
	else
		OUTCOME="refused${OUTCOME:+, twice}"
	fi
	awk '!/^(DETAIL|HINT): / || !told[$1]++' "$DIR/migration" | fold -s -w "$(columns)" |
		sed "s/ *$//; /ERROR: /,/^DETAIL: /{/^DETAIL: /!s/.*/$RED&$PLAIN/}
			/WARNING: /,/^\\(DETAIL\\|DROP INDEX\\)/{/^\\(DETAIL\\|DROP INDEX\\)/!s/.*/$YELLOW&$PLAIN/}
			s/^\(DETAIL\|HINT\):/$BOLD&$PLAIN/; s/^/      /"
	printf '      %s(exit status %s after %s ms)%s\n\n' "$DIM" "$status" "$took" "$PLAIN"
}

# On a machine that is busy with other things it may take a while until psql has come and gone.
wait_for_migration()
{
	local until=$((SECONDS + 60))

	while [ -n "$MIGRATION" ] && [ "$SECONDS" -lt "$until" ]; do
		nap 0.2
		report_migration
	done
}

# Pgbench ends by itself when its time is over.  Requests that are still waiting
# for an answer then, and not just passing by, are cut off and count as failed.
act_end()
{
	local lost=0 pid left

	while kill -0 "${TRAFFIC[@]}" 2> /dev/null; do
		nap 0.2
		[ "${EPOCHREALTIME/./}" -gt $((BEGAN + DURATION * 1000000)) ] || continue
		sample "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE usename = 'app' AND state = 'active' AND query_start < now() - interval '$PATIENCE seconds'"
		lost=$((lost + REPLY))
	done
	for pid in "${TRAFFIC[@]}"; do
		wait "$pid" || true		# pgbench counts clients that were cut off as an error
	done
	wait_for_migration
	[ -z "$MIGRATION" ] || die "The migration is still waiting, a minute after the traffic has ended." "$DIR/migration"
	exec {ASK}>&- {ANSWER}<&-
	wait "$SAMPLER_PID" 2> /dev/null || true

	mapfile -t left < <(list_indexes)
	[ -e "$DIR/indexes" ] || write_indexes "${left[@]}"
	cat > "$DIR/facts" <<-END
		t0=$T0
		after=$AFTER
		limit=$LIMIT
		patience=$PATIENCE
		server=$(sql "$ACT" -c "SELECT current_setting('server_version_num')::int / 10000")
		lost=$lost
		refused=$(cat "$DIR"/*.err | grep -c 'failed: FATAL')
		migration_after=$OUTCOME
		indexes_before=${#INDEXES[@]}
		indexes_after=${#left[@]}
		exhausted_after=${EXHAUSTED:-never}
	END
	sql postgres -c "DROP DATABASE $ACT WITH (FORCE)"
}

# write_indexes NAMES...: these are there to the end, the others went with the
# migration.
write_indexes()
{
	local index until

	for index in "${INDEXES[@]}"; do
		until=$MIGRATED
		[[ " $* " != *" $index "* ]] || until=$EPOCHREALTIME
		printf '%s used %s %s\n' "$index" "${BEGAN:0:-6}" "$until"
	done > "$DIR/indexes"
}
