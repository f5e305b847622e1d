# shellcheck shell=bash
#
# Act 2: the same data, traffic and migration, with guard watching.  First the
# migration runs as plain statements, then inside BEGIN ... COMMIT.

act2()
{
	heading 'Act 2: with guard'
	say 'The same data, the same traffic, the same migration; and CREATE EXTENSION guard.'
	act_begin act2 'CREATE EXTENSION guard'
	sql act2 -c 'SELECT pg_stat_statements_reset()' > /dev/null		# what came before is no peak
	start_services
	watch_header
	watch_seconds "$BEFORE"
	migrate 'each statement for itself' -v ON_ERROR_STOP=1
	watch_seconds $((AFTER / 2))
	expect_refusal
	migrate 'as one transaction: BEGIN ... COMMIT' -v ON_ERROR_STOP=1 --single-transaction
	watch_seconds $((AFTER - AFTER / 2))
	expect_refusal
	take_profile
	act_end
}

expect_refusal()
{
	wait_for_migration
	[ -z "$MIGRATION" ] || die 'The migration is still waiting; guard should have refused it at once.' "$DIR/migration"
	[ "$OUTCOME" != 'went through' ] || die 'The migration went through; guard should have refused it.' "$DIR/migration"
}
