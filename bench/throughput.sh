# Transactions per second of "pgbench -S", four configurations side by side.
#
# The servers run at the same time, but only one has work at a time: many short rounds, in an order that rotates, so that
# whatever else the machine does meets all of them alike.  The figure of a configuration is the median of its rounds.
#
# pgbench and the kernel are in these figures and make the differences smaller than the instructions do; a busy machine makes
# them jump.  They are here to show that the instructions do not hide something that waits.

rounds=15 seconds=1 clients=1

measure_throughput() {
	local order=(plain stats guard joint) name protocol round
	for name in "${order[@]}"; do
		start "$name"
		warm_up "$name"
	done
	for protocol in prepared simple; do
		say "pgbench: $protocol, $rounds rounds of $seconds s for each of ${#order[@]} servers"
		for ((round = 1; round <= rounds; round++)); do
			for name in "${order[@]}"; do
				result "throughput $protocol $name $round $(throughput "$name" $protocol)"
			done
			order=("${order[@]:1}" "${order[0]}")
		done
	done
	for name in "${order[@]}"; do stop "$name"; done
}

throughput() { # CONFIGURATION PROTOCOL
	failed=$work/pgbench.log
	"${as[@]}" pgbench -n -S -M "$2" -c "$clients" -T "$seconds" -p "$(port_of "$1")" > "$failed" 2>&1
	sed -n 's/^tps = \([0-9.]*\) (without.*/\1/p' "$failed"
	failed=
}
