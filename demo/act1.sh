# shellcheck shell=bash
#
# Act 1: the migration as it runs today.  guard's library is loaded, as in
# the others, but the extension is not created in this database, so nobody asks it.

act1()
{
	heading 'Act 1: without guard'
	say 'Three services are at work; then a migration drops the indexes their queries use.'
	act_begin act1
	start_services
	watch_header
	watch_seconds "$BEFORE"
	migrate 'the schema change goes out before the code' -v ON_ERROR_STOP=1
	watch_seconds "$AFTER"
	act_end
}
