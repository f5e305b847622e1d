# pgbench's logs of single requests, relative to the migration.
#
# Input: the log files of all services.  `t0` is when the migration started,
# `before` and `after` are the seconds of interest on either side.  Prints for
# every request:  when it ended (s), how long it took (ms), and whether it was
# answered (1) or given up (0).
#
# The log's fields: client, number, latency in us or "skipped", script, seconds,
# microseconds, ...  It does not say how long a request that was given up had
# waited; `patience` (s) is the least that it can be, and taken for it.

{
	end = $5 - t0 + $6 / 1000000
	answered = ($3 != "skipped")
	if (end >= -before && end < after)
		printf "%.6f %.3f %d\n", end, answered ? $3 / 1000 : patience * 1000, answered
}
