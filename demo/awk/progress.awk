# Adds up what the pgbench processes said (--progress) since the last call.
#
# Input: their output files.  `before` is the last field this script printed the
# time before, or empty.  Prints, separated by |: answers a second, their mean
# latency, failures (given up or refused) since then as a text, refusals so far,
# and the new `before`.
#
# Where it was called late, that is more than one second: answers are per second
# all the same.
#
#   progress: 5.0 s, 300.0 tps, lat 0.512 ms stddev 0.1, 0 failed, lag 0.05 ms, 3 skipped

BEGIN {
	n = split(before, b, " ")
	for (i = 1; i < n; i += 2) seen[b[i]] = b[i + 1]
}

/^progress:/ && ++lines[FILENAME] > seen[FILENAME] {
	if (++fresh[FILENAME] > seconds) seconds = fresh[FILENAME]
	answers += $4
	waited += $4 * $7
	for (i = 8; i < NF; i++) if ($(i + 1) ~ /^skipped/) failures += $i
}

/failed: FATAL/ && ++refused > seen["refused"] {
	failures++
}

function grouped(x,   s) {
	s = sprintf("%d", x)
	return x < 1000 ? s : substr(s, 1, length(s) - 3) "," substr(s, length(s) - 2)
}

END {
	if (answers == 0) latency = "no answer"
	else if (waited / answers < 100) latency = sprintf("%.1f ms", waited / answers)
	else latency = grouped(waited / answers) " ms"

	state = "refused " refused + 0
	for (f in lines) state = state " " f " " lines[f]
	printf "%d|%s|%s|%d|%s\n", (seconds ? answers / seconds : 0) + 0.5, latency, failures ? grouped(failures) : "", refused, state
}
