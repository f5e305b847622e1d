# After a plain CREATE EXTENSION, without a restart, a drop is refused in the very first DDL of any session: the event trigger
# loads the library in time for the statement that fired it.  What cannot be known without preloading is said, not guessed.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', preload => '');
my $version = version_of($node);
my $s = session($node);

# Scans are counted, whoever made them, and shown once the session has told the server.
sub scan_often
{
	my ($table, $times) = @_;
	my $user = session($node, 'auth');

	$user->ok("SELECT c FROM $table WHERE a = $_") foreach 1 .. $times;
	$user->ok('SELECT pg_stat_force_next_flush()');
	$user->close;
	wait_until($s,
		"SELECT idx_scan >= $times FROM pg_stat_user_indexes WHERE indexrelname = '${table}_a_idx'"
	);
}

make_table($s, $_) foreach qw(hot idle);
scan_often('hot', 60);

# Use can be dated by the server's counters from 16 on.
my $use =
  $version >= 16
  ? qr/cannot drop index "public.hot_a_idx": guard saw it scanned \d+ times, last .* ago$/
  : qr/cannot drop index "public.hot_a_idx": guard saw it scanned \d+ times at some time since \d{4}-\d\d-\d\d/;

# Each in a new session, whose first DDL it is.
my @first = (
	[ 'DROP INDEX', 'DROP INDEX hot_a_idx' ],
	[ 'DROP INDEX CONCURRENTLY', 'DROP INDEX CONCURRENTLY hot_a_idx' ],
	[ 'DROP INDEX in a transaction', 'BEGIN; DROP INDEX hot_a_idx; COMMIT' ],
	[ 'DROP INDEX in DO', 'DO $$ BEGIN DROP INDEX hot_a_idx; END $$' ],
	[ 'DROP COLUMN', 'ALTER TABLE hot DROP COLUMN a' ],);

foreach (@first)
{
	my ($what, $sql) = @$_;
	my $new = session($node);

	refused($new->query($sql), $use, "first DDL of a session: $what");
	is(index_state($s, 'hot_a_idx'),
		'valid ready live', "$what: the index is as it was");
	is( $s->value(
			'SELECT count(*) FROM pg_locks WHERE relation IS NOT NULL AND pid = '
			  . $new->pid),
		0,
		"$what: no lock is left");
	$new->close;
}

my $new = session($node);
refused($new->pipeline('DROP INDEX hot_a_idx'),
	$use, 'first DDL of a session: extended protocol');
$new->close;

# Only the backstop sees this one.
$s->ok('CREATE SCHEMA app; CREATE TABLE app.moved (a int, b int, c text)');
$s->ok('ALTER TABLE hot SET SCHEMA app');
$new = session($node);
refused(
	$new->query('DROP SCHEMA app CASCADE'),
	qr/cannot drop .*"app.hot.*scanned \d+ times/,
	'first DDL of a session: DROP SCHEMA CASCADE');
$new->close;
$s->ok('ALTER TABLE app.hot SET SCHEMA public');

# The message dates what is known; HINT and status say what is missing.
my $r = $s->query('DROP INDEX hot_a_idx');
like($r->{error}{M}, $version < 16 ? qr/since \d{4}-\d\d-\d\d/ : qr/scanned \d+ times, last [\d.]+ \w+ ago/,
	'the error says since when this is known, or when the last scan was');
like($r->{error}{H}, qr/shared_preload_libraries/,
	'the hint says what would tell more');
like(
	$s->value("SELECT state FROM guard.status WHERE item = 'capture'"),
	qr/not available.*shared_preload_libraries/,
	'guard.status says that nothing is captured');
like(
	$s->value(
		"SELECT state FROM guard.status WHERE item = 'pg_stat_statements'"),
	qr/not available/,
	'guard.status says that there is no pg_stat_statements');

# Judged as a whole.
$new = session($node);
passed(
	$new->query(
		'BEGIN; DROP INDEX hot_a_idx; CREATE INDEX hot_a_idx ON hot (a); COMMIT'
	),
	'a transaction that replaces the index passes, first DDL of a session');
refused($new->query('DROP INDEX hot_a_idx'),
	qr/hot_a_idx/, 'and the new index inherits what was known of the old one');
$new->close;

# What an index lives through with its evidence, in sessions that have not loaded the library before.  The first time the
# counters go along; the second time the index is its own heir.
make_table($s, 'rebuilt');
scan_often('rebuilt', 60);
foreach (
	'REINDEX INDEX CONCURRENTLY rebuilt_a_idx', 'ALTER TABLE rebuilt ALTER a TYPE bigint',
	'ALTER TABLE rebuilt RENAME TO renamed; ALTER TABLE renamed RENAME TO rebuilt',
	'REINDEX INDEX CONCURRENTLY rebuilt_a_idx', 'REINDEX TABLE CONCURRENTLY rebuilt', 'ALTER TABLE rebuilt ALTER a TYPE text')
{
	$new = session($node);
	passed($new->query($_), "never a drop: $_");
	$new->close;
	is(verdict($s, 'rebuilt_a_idx'), 'block hot', "and the evidence is still there: $_");
}

# Replication roles drop indexes, too: the event triggers are ENABLE ALWAYS.
$new = session($node);
$new->ok('SET session_replication_role = replica');
refused($new->query('DROP INDEX hot_a_idx'),
	qr/hot_a_idx/, 'session_replication_role = replica changes nothing');
$new->close;

# What the transaction itself did is not live traffic.
$s->ok('BEGIN');
$s->ok("SELECT c FROM idle WHERE a = $_") foreach 1 .. 60;
$r = $s->query('DROP INDEX idle_a_idx');
passed($r, "the transaction's own scans do not count");
is(scalar @{ $r->{notices} }, 0, 'an allowed drop goes without a word');
passed($s->query('COMMIT'), 'nor do they at COMMIT');

# Event trigger and ProcessUtility hook are both there now: everything once.
make_table($s, 'once');
$s->ok('DROP INDEX once_a_idx');
is( $s->value(
		"SELECT count(*) FROM guard.audit_log WHERE index_name = 'public.once_a_idx'"
	),
	1,
	'one row in the audit log, with both doors open');
$new = session($node);
$new->ok('CREATE INDEX once_b_idx ON once (b)');
$new->close;
$new = session($node);
$new->ok('DROP INDEX once_b_idx');
is( $s->value(
		"SELECT count(*) FROM guard.audit_log WHERE index_name = 'public.once_b_idx'"
	),
	1,
	'one row in the audit log, through the event trigger alone');
$r = $new->query('BEGIN; DROP INDEX hot_a_idx');
is(scalar(grep { $_->{M} =~ /hot_a_idx/ } @{ $r->{notices} }),
	1, 'one notice, with both doors open');
$new->ok('ROLLBACK');
$new->close;

# A function of guard's loads the library as well.
$new = session($node);
$new->ok("SELECT guard.protect('once', 'the first call of this session')");
$new->close;
$s->ok('CREATE INDEX once_c_idx ON once (c)');
$new = session($node);
refused(
	$new->query('DROP INDEX once_c_idx'),
	qr/protects it for \w+: the first call/,
	'a registration holds in the first DDL of a session');
$new->close;

# Settings made before the library is loaded, as placeholders, are checked when it comes.
$s->ok('CREATE ROLE plain LOGIN; GRANT ALL ON SCHEMA public TO plain');
$s->ok('ALTER TABLE hot OWNER TO plain');
$new = session($node, user => 'plain');
$new->query("SET guard.mode = 'off'");
refused($new->query('DROP INDEX hot_a_idx'),
	qr/hot_a_idx/, 'a plain role cannot switch guard off before it is loaded');
$new->close;
$new = session($node, options => '-c guard.mode=off');
passed($new->query('BEGIN; DROP INDEX hot_a_idx; ROLLBACK'),
	'a superuser can, by PGOPTIONS');
$new->close;

# pg_stat_reset() takes the evidence away.  What is not known is not unused.
is(verdict($s, 'hot_a_idx'), 'block hot', 'the counters say hot');
make_table($s, 'lost');
scan_often('lost', 60);
is(verdict($s, 'lost_a_idx'), 'block hot', 'so they do for another index');
$s->ok('SELECT pg_stat_reset()');
wait_until($s,
	"SELECT idx_scan = 0 FROM pg_stat_user_indexes WHERE indexrelname = 'lost_a_idx'"
);
is(verdict($s, 'lost_a_idx'),
	'allow unknown', 'after pg_stat_reset() its use is unknown');
$s->ok('SET guard.rebuild_limit = 0');
refused($s->query('DROP INDEX lost_a_idx'),
	qr/lost_a_idx.*only for the last/,
	'and where the way back is long that is refused');

$node->stop;
done_testing();
