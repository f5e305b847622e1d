# What became of the indexes, relative to the migration.
#
# Input: lines "index what from to", in seconds since the epoch, an index's lines
# next to each other.  `t0` is when the migration started; what lies outside of
# `before` and `after` is cut off.  Prints:  the index's place from the top,
# "index", what, from, to (s).

{
	if ($1 != index_name) { place++; index_name = $1 }
	from = $3 - t0
	to = $4 - t0
	if (from < -before) from = -before
	if (to > after) to = after
	if (from < to) printf "%d %s %s %.3f %.3f\n", place, $1, $2, from, to
}
