# Input: lines "group milliseconds answered", sorted by group, then by number.
# Prints for each group:  its name, requests, median, 5 %, 95 %, longest, how
# many were given up.

function flush()
{
	if (n) print group, n, at(0.5), at(0.05), at(0.95), v[n], given_up
	n = given_up = 0
}

function at(share,   i)
{
	i = int(share * n + 0.5)
	return v[i < 1 ? 1 : i]
}

$1 != group { flush(); group = $1 }
{ v[++n] = $2; given_up += !$3 }
END { flush() }
