# shellcheck shell=bash
#
# The three acts side by side: a table, and a picture in SVG and PNG.
#
# Reads what traffic.sh left in $WORK/log/ACT and nothing else; knows of no
# server.  The pictures are the only thing that outlives the demonstration.

result()
{
	heading 'What happened'
	measure act1
	measure act2
	measure act3
	table
	picture
}

# measure ACT: make `phases` (before, after) and `seconds` of the single
# requests, `busy` of the samples, and `life` of the indexes, all relative to the
# migration's start.
measure()
{
	local dir=$WORK/log/$1 t0 after

	t0=$(fact "$1" t0)
	after=$(fact "$1" after)
	awk -v t0="$t0" -v before="$BEFORE" -v after="$after" -v patience="$(fact "$1" patience)" \
		-f awk/requests.awk "$dir"/*.requests.* > "$dir/requests"
	awk '{ print ($1 < 0 ? "before" : "after"), $2, $3 }' "$dir/requests" |
		sort -k1,1 -k2,2n | awk -f awk/quantiles.awk > "$dir/phases"
	awk -v b="$BEFORE" '{ print int($1 + b) - b + 0.5, $2, $3 }' "$dir/requests" |
		sort -k1,1n -k2,2n | awk -f awk/quantiles.awk > "$dir/seconds"
	awk -v t0="$t0" '{ printf "%.3f %d\n", $1 - t0, $2 }' "$dir/samples" > "$dir/busy"
	awk -v t0="$t0" -v before="$BEFORE" -v after="$after" -f awk/life.awk "$dir/indexes" > "$dir/life"
}

fact()
{
	sed -n "s/^$2=//p" "$WORK/log/$1/facts"
}

table()
{
	printf '  %s%-21s%-19s%-19s%s%s\n' "$BOLD" '' 'Act 1: unguarded' 'Act 2: refused' 'Act 3: in stages' "$PLAIN"
	printf '  %s%-21s%-8s%-11s%-8s%-11s%-8s%s%s\n' "$DIM" '' before after before after before after "$PLAIN"
	row 'the migration'         fact migration
	row 'the indexes'           fact indexes
	row 'latency, median'       latency 3
	row 'latency, 95 % below'   latency 5
	row 'latency, longest'      latency 6
	row 'answers per second'    answers
	row 'requests that failed'  failed
	row 'busiest connections'   busy
	row 'pool exhausted'        fact exhausted
	printf '\n'
	say "${DIM}A request that waits too long is given up (after $(fact act1 patience), $(fact act2 patience) and $(fact act3 patience) s in the three acts): it failed, and counts with that time.$PLAIN"
}

# row TITLE CELL [ARGUMENT]: what cell_CELL [ARGUMENT] ACT PHASE prints, for every act
# and phase.  What has no "before" takes its room.
row()
{
	local title=$1 cell=cell_$2 act before
	local -A colours=([act1]=$RED [act2]=$GREEN [act3]=$BLUE)

	shift 2
	{
		printf '  %-21s' "$title"
		for act in act1 act2 act3; do
			before=$("$cell" "$@" "$act" before)
			[ -z "$before" ] || printf '%-8s' "$before"
			printf '%s%-*s%s' "${colours[$act]}" "$([ -n "$before" ] && echo 11 || echo 19)" "$("$cell" "$@" "$act" after)" "$PLAIN"
		done
		printf '\n'
	} | sed 's/ *\(\x1b\[0m\)\{0,1\}$/\1/'
}

cell_fact()
{
	fact "$2" "$1_$3"
}

cell_latency()
{
	awk -v phase="$3" -v field="$1" '$1 == phase { print $field }' "$WORK/log/$2/phases" | milliseconds
}

cell_answers()
{
	local seconds=$BEFORE

	[ "$2" = before ] || seconds=$(fact "$1" after)
	awk -v phase="$2" -v s="$seconds" '$1 == phase { printf "%.0f\n", ($2 - $7) / s }' "$WORK/log/$1/phases"
}

cell_busy()
{
	awk -v after="$([ "$2" = before ] || echo 1)" '(after ? $1 >= 0 : $1 < 0) && $2 > most { most = $2 }
		END { print most + 0 }' "$WORK/log/$1/busy"
}

cell_failed()
{
	local given_up others=0

	given_up=$(awk -v phase="$2" '$1 == phase { print $7 }' "$WORK/log/$1/phases")
	[ "$2" = before ] || others=$(($(fact "$1" refused) + $(fact "$1" lost)))
	echo $((given_up + others)) | thousands
}

milliseconds()
{
	awk '{ if ($1 < 100) printf "%.1f ms\n", $1; else if ($1 < 1000) printf "%d ms\n", $1 + 0.5; else printf "%.1f s\n", $1 / 1000 }'
}

# 1234567 -> 1,234,567
thousands()
{
	sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again'
}

picture()
{
	local kind act values="data = '$WORK/log'; before = $BEFORE; again = $AFTER / 2"

	values+="; most = $(fact act1 limit)"
	for act in act1 act2 act3; do
		values+="; after_$act = $(fact "$act" after)"
		values+="; failed_$act = '$(cell_failed "$act" after)'"
	done
	values+="; where = 'PostgreSQL $(fact act1 server), $(nproc) cores'"
	values+="; rolled_from = $(fact act3 rolled_from); rolled_to = $(fact act3 rolled_to)"
	for kind in svg png; do
		gnuplot -e "$values; kind = '$kind'" picture.gp > "$WORK/incident.$kind" 2> "$WORK/gnuplot.err" ||
			die 'gnuplot could not draw the picture.' "$WORK/gnuplot.err"
		cp "$WORK/incident.$kind" "$OUT/"
	done
	chown --reference="$DEMO" "$OUT"/incident.*

	printf '\n'
	say 'Latency and busy connections over time, and what becomes of the indexes:'
	say "  $OUT/incident.svg"
	say "  $OUT/incident.png"
}
