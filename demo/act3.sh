# shellcheck shell=bash
#
# Act 3: the same data, traffic and migration, with guard dropping in stages.
# The migration runs first, as in the accident; then the services are rolled,
# one instance after the other, to the release that does without the indexes.

act3()
{
	heading 'Act 3: with guard, dropping in stages'
	say 'The same again, in the same wrong order; but a needed index is not refused to the migration.'
	say 'It is dropped in stages, and the code is deployed while it waits.  Set in this database:'
	setting 'guard.hot_action' delay 'a drop of an index in use succeeds, and is carried out later'
	setting 'guard.quiet_period' 3s 'no use for so long, and it has ended (in life: a day or more)'
	setting 'guard.trial_period' 3s 'hidden and watched for so long before it goes (in life: a week)'
	act_begin act3 "CREATE EXTENSION guard; ALTER DATABASE act3 SET guard.hot_action = 'delay';
		ALTER DATABASE act3 SET guard.quiet_period = '3s'; ALTER DATABASE act3 SET guard.trial_period = '3s'"
	if [ "$(< "$DIR/rounds")" -gt 2 ]; then
		say 'This machine is busy with other things, and requests come late: guard.quiet_period is 12s this time.'
		sql act3 -c "ALTER DATABASE act3 SET guard.quiet_period = '12s'"
	fi
	declare -gA STATE=() LAST_USE=() HIDDEN_AT=() DROPPED_AT=() RESTORED_AT=()
	EACH_SECOND=look_at_soft_drops
	start_old_releases
	watch_header
	watch_seconds "$BEFORE"
	migrate 'the schema change goes out before the code' -v ON_ERROR_STOP=1
	roll
	watch_seconds $((AFTER - SECOND + BEFORE))
	wait_for_the_drops
	tell_lives > "$DIR/indexes"
	act_end
	printf 'rolled_from=%s\nrolled_to=%s\n' "$ROLLED_FROM" "$ROLLED_TO" >> "$DIR/facts"
}

setting()
{
	printf '    %s = %s\n' "$1" "$2"
	remark "$3"
}

# What each index was, from when to when: in use, until its last use or to the end; then at rest; then hidden, until it
# was dropped, or given back.
tell_lives()
{
	local index end=$EPOCHREALTIME quiet hidden

	for index in "${INDEXES[@]}"; do
		hidden=${HIDDEN_AT[$index]:-$end}
		quiet=${LAST_USE[$index]:-$hidden}
		printf '%s used %s %s\n' "$index" "${BEGAN:0:-6}" "$quiet"
		printf '%s quiet %s %s\n' "$index" "$quiet" "$hidden"
		printf '%s hidden %s %s\n' "$index" "$hidden" "${DROPPED_AT[$index]:-${RESTORED_AT[$index]:-$end}}"
		[ -z "${RESTORED_AT[$index]:-}" ] || printf '%s used %s %s\n' "$index" "${RESTORED_AT[$index]}" "$end"
	done
}

# Each ends by itself, within the second in which roll has started its successor.  Two releases side by side must not use up
# the pool, however busy the machine is with other things, so all but the first service have fewer connections here: 40 at most in all.
start_old_releases()
{
	start_service auth 211 $((BEFORE + 3)) 200 8
	start_service auth 211 $((BEFORE + 5)) 200 8
	start_service devices 211 $((BEFORE + 7)) 80 5
	start_service push 211 $((BEFORE + 9)) 20 9 --connect --jobs=3
}

roll()
{
	ROLLED_FROM=$((SECOND - BEFORE + 2))
	roll_next 'auth in the place of the first of two instances' auth 200 8
	roll_next 'auth in the place of the second, and last' auth 200 8
	roll_next 'devices' devices 80 5
	roll_next push push 20 9 --connect --jobs=3
	ROLLED_TO=$((SECOND - BEFORE + 1))
}

# roll_next TEXT NAME RATE CLIENTS [PGBENCH-ARGUMENTS...]
roll_next()
{
	watch_seconds 2
	start_service "$2" 212 $((DURATION - SECOND)) "${@:3}"
	printf '      %sdeploy%s   release 212 of %s\n' "$BOLD" "$PLAIN" "$1"
}

# Once a second: which soft drops are in another state than before?
look_at_soft_drops()
{
	local index state hidden since used why
	local -A changed=()

	while IFS='|' read -r index state hidden since used why; do
		[ "$used" = - ] || LAST_USE[$index]=$used
		[ "$hidden" = - ] || HIDDEN_AT[$index]=$hidden
		[ "$state" != dropped ] || DROPPED_AT[$index]=$since
		[ "$state" != restored ] || RESTORED_AT[$index]=$since
		[ "${STATE[$index]:-}" != "$state" ] || continue
		STATE[$index]=$state
		if [ "$state" = restored ]; then
			tell_restored "$index" "$why"
		else
			changed[$state]+=" $index"
		fi
	done < <(sql "$ACT" -F '|' -c "SELECT substring(s.index_name FROM '[^.]+$'), s.state,
			coalesce(extract(epoch FROM s.hidden_at)::text, '-'), extract(epoch FROM s.state_since),
			coalesce(extract(epoch FROM (SELECT max(d.last_use) FROM guard.dependencies d
				WHERE d.index_name = s.current_name AND s.state = 'waiting'))::text, '-'),
			translate(s.state_reason, E'\n', ' ')
		FROM guard.soft_drops s ORDER BY 1")

	tell_state waiting "${changed[waiting]:-}" 'still used; its name is free'
	tell_state hidden "${changed[hidden]:-}" 'no longer used: the planner passes over it, guard watches'
	tell_state dropped "${changed[dropped]:-}" 'nothing has become slower: gone'
}

tell_state()
{
	local index

	[ -n "$2" ] || return 0
	for index in $2; do
		printf '      %s%-8s%s %s\n' "$BLUE" "$1" "$PLAIN" "$index"
	done
	remark "$3"
}

# No failure: in doubt an index comes back, and on a machine that is busy with other things there is doubt.
tell_restored()
{
	printf '      %srestored%s %s\n' "$YELLOW" "$PLAIN" "$1"
	remark "guard has given it back: $2"
}

# On a slow machine the last ones may be left when the traffic has ended; they are shown as they are.
wait_for_the_drops()
{
	local until=$((SECONDS + 90)) index

	while [ "$SECONDS" -lt "$until" ] && [ $((${#DROPPED_AT[@]} + ${#RESTORED_AT[@]})) -lt "${#STATE[@]}" ]; do
		nap 1
		look_at_soft_drops
	done
	for index in "${INDEXES[@]}"; do
		case ${STATE[$index]:-} in
		dropped | restored) ;;
		'') say "$index was dropped at once: when the migration came to it, it had not been used for a while." ;;
		*) say "$index is still ${STATE[$index]}: this machine is busy with other things." ;;
		esac
	done
}
