# A new primary takes the place of the old one: restored from a dump, or a logical replica.  Nobody has used anything on it yet, so the
# old one's profile is imported there as that of its predecessor: what the old traffic needs is not dropped on the new side.  It counts
# for a week, and until guard has watched there for guard.min_evidence_age; then it is forgotten.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = guard_server('old', streaming => 'logical', initdb => 1);
my $maker = session($old);
make_table($maker, $_) foreach 'busy', 'idle';
my $auth = use_index($old, 'busy', 'auth');
$auth->close;
$maker->ok('CREATE PUBLICATION moves FOR TABLE busy, idle');
my $document = $maker->value('SELECT guard.export_profile()');
my $folder = PostgreSQL::Test::Utils::tempdir;
$old->command_ok([ 'pg_dump', '-f', "$folder/all.sql", $old->connstr('postgres') ], 'the old primary is dumped');
$old->command_ok([ 'pg_dump', '--schema-only', '--no-publications', '-f', "$folder/schema.sql", $old->connstr('postgres') ], 'and its schema');

my %new = map { $_ => guard_server($_, extension => 0, initdb => 1, conf => "wal_level = logical\n") } 'restored', 'replica';
$new{restored}->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $new{restored}->connstr('postgres'), '-f', "$folder/all.sql" ], 'restored from it');
$new{replica}->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $new{replica}->connstr('postgres'), '-f', "$folder/schema.sql" ], 'a replica by its schema');
$new{replica}->safe_psql('postgres', q{CREATE SUBSCRIPTION moves CONNECTION '} . ($old->connstr('postgres') =~ s{'}{}gr) . q{' PUBLICATION moves});
my $replica = session($new{replica});
wait_until($replica, q{SELECT count(*) = 2 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel});
$replica->ok('ALTER SUBSCRIPTION moves DISABLE');
$replica->ok('ALTER SUBSCRIPTION moves SET (slot_name = NONE)');
$replica->ok('DROP SUBSCRIPTION moves');

# What is asked with the profile of so many days ago.
sub aged
{
	my ($session, $days) = @_;

	$session->ok("UPDATE guard.profile SET exported_at = exported_at - interval '$days days'");
}

for my $name ('restored', 'replica')
{
	my $session = session($new{$name});

	$session->ok('ANALYZE');
	isnt(verdict($session, 'busy_a_idx'), 'block hot', "$name: by itself it knows nothing of the traffic");
	passed($session->query("SELECT guard.import_profile('old', \$guard\$$document\$guard\$, predecessor => true)"), 'the profile of the old one');
	refused($session->query('DROP INDEX busy_a_idx'), qr/^cannot drop index "public\.busy_a_idx": guard saw auth use it once, last .* ago \(old, /, 'what its traffic needs is refused');
	isnt(verdict($session, 'idle_a_idx'), 'block hot', 'the other is not');
	is($session->value("SELECT count(*) FROM guard.profile_drift WHERE drift = 'missing here'"), 0, 'nothing is missing here');
	$session->ok('DROP INDEX idle_a_idx');
	$session->ok('CREATE INDEX idle_a_idx ON idle (a)');
	is($session->value("SELECT drift FROM guard.profile_drift WHERE index_name = 'idle_a_idx' AND drift <> 'unknown there'"), 'made since', 'what was made since the import has not been judged');

	# a week later guard has watched here for a moment only
	aged($session, 8);
	$session->ok('SELECT guard.snapshot()');
	is(verdict($session, 'busy_a_idx'), 'block hot', 'after a week it counts on, while guard has not watched for long enough');

	# guard has watched long enough, but the week is not over
	$session->ok("SET guard.min_evidence_age = 0");
	aged($session, -7);
	$session->ok('SELECT guard.snapshot()');
	is(verdict($session, 'busy_a_idx'), 'block hot', 'and for a week in any case');

	# both
	aged($session, 7);
	$session->ok('SELECT guard.snapshot()');
	is($session->value('SELECT count(*) FROM guard.profiles'), 0, 'then it is forgotten');
	isnt(verdict($session, 'busy_a_idx'), 'block hot', 'and counts no more');

	# one that is no predecessor's is not
	passed($session->query("SELECT guard.import_profile('prod', \$guard\$$document\$guard\$)"), 'of another server');
	aged($session, 8);
	$session->ok("RESET guard.min_evidence_age");
	$session->ok('SELECT guard.snapshot()');
	like($session->value("SELECT detail FROM guard.check('busy_a_idx')"), qr/^what is known of its use is too old \(prod, /, 'an old profile of another server is unknown, and stays');
	failed($session->query("SELECT guard.import_profile('old', \$guard\$$document\$guard\$, NULL)"), '22004', qr/^predecessor must not be null$/, 'yes or no');
	$session->close;
}
done_testing();
