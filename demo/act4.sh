# shellcheck shell=bash
#
# Act 4: staging would have shown it.  A copy of the database is staging; its load is made from what guard knew of production in
# act 2, without a value of production.  The migration runs there twice: while the connections think between two requests, as in
# most load tests, and while requests come as they come in production.

STAGING=15		# seconds of each

# Of production, before act 2 drops it.
take_profile()
{
	step "Writing production's profile" write_profile
}

write_profile()
{
	"${AS[@]}" env "PATH=$BIN:$PATH" "$SRC/guard_profile" -U postgres -d act2 "$WORK/log/prod.json"
}

act4()
{
	heading 'Act 4: staging would have shown it'
	say 'Before all this, somebody has tried the migration in staging.  There it was quick: nobody has the load of production there.  With the profile that guard has written in act 2, staging gets it.'
	fresh_staging
	step "Making production's load out of the profile" make_load
	say "$(head -n 1 "$WORK/log/make")"
	rehearse closed 'as most tests do it: a few testers, each of whom waits for his answer' 4 --closed
	fresh_staging
	rehearse open 'as in production: a pool, and people who do not wait for each other' "$LIMIT"
	cp "$WORK/log/load/load.svg" "$OUT/staging.svg" && chown --reference="$DEMO" "$OUT/staging.svg"
	sql postgres -c 'DROP DATABASE act4 WITH (FORCE)'
}

fresh_staging()
{
	step 'Taking a fresh copy of the database, for staging' copy_staging
}

copy_staging()
{
	sql postgres -c 'DROP DATABASE IF EXISTS act4 WITH (FORCE)'
	ACT=act4
	copy_database 'GRANT pg_read_all_stats TO deploy'
}

load()
{
	"${AS[@]}" env "PATH=$BIN:$PATH" "PYTHONUNBUFFERED=1" /usr/bin/python3 "$SRC/guard_load" "$@" < /dev/null
}

make_load()
{
	load make "$WORK/log/prod.json" --out "$WORK/log/load" --average -U deploy -d act4 > "$WORK/log/make"
}

# rehearse NAME COMMENT CONNECTIONS [OPTION]
rehearse()
{
	local migrated=$((STAGING / 3)) status=0

	printf '\n  %s# %s%s\n' "$DIM" "$2" "$PLAIN"
	printf '  %s$ guard_load run load --connections %s%s \\\n      --migration migration.sql --at %ss%s\n' "$BOLD" "$3" "${4:+ $4}" "$migrated" "$PLAIN"
	# in the background, so that Ctrl-C is heard
	load run "$WORK/log/load" ${4:+"$4"} --for "${STAGING}s" --connections "$3" --migration migration.sql --at "${migrated}s" -U deploy -d act4 \
		> >(sed -u 's/^/  /') 2>&1 &
	wait "$!" || status=$?
	nap 0.2		# for what sed still has in its hands
	[ "$status" = 0 ] || die 'The load lost its connections.'
	printf '\n  %s$ guard_load compare load%s\n' "$BOLD" "$PLAIN"
	load compare "$WORK/log/load" > "$WORK/log/compare.$1" 2>&1 || true
	say "$(grep -E '^(Busy connections|All together|This was a closed|Production would)' "$WORK/log/compare.$1")"
}
