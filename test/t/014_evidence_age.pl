# How long guard must have looked before silence means something, and how long a use keeps its index.  Periods are made as short
# as a second, and the test waits for the verdict to turn, not for the second.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', extension => 0);
my $version = version_of($node);
my $s = session($node);

# Older than guard: it was not seen being created.
make_table($s, $_) foreach qw(old_idle old_few old_used);
my $early = session($node, 'early');
$early->ok('SELECT c FROM old_few WHERE a = 42');
$early->ok("SELECT c FROM old_used WHERE a = $_") foreach 1 .. 60;
$early->ok('SELECT pg_stat_force_next_flush()');
$early->close;
wait_until($s, "SELECT idx_scan >= 60 FROM pg_stat_user_indexes WHERE indexrelname = 'old_used_a_idx'");
$s->ok('CREATE EXTENSION guard');

# ---- the server's counters count from their own reset, not from CREATE EXTENSION

is(verdict($s, 'old_idle_a_idx'), 'allow unknown', 'no use, seen for a moment only: unknown');
is(verdict($s, 'old_few_a_idx'), 'allow unknown', 'fewer scans than guard.min_scans: unknown');
is(verdict($s, 'old_used_a_idx'), 'block hot', 'use before CREATE EXTENSION counts');
refused($s->query('DROP INDEX old_used_a_idx'),
	$version >= 16 ? qr/scanned \d+ times, last/ : qr/scanned \d+ times at some time since/, 'and is dated as far as it can be');
like($s->query('DROP INDEX old_used_a_idx')->{error}{H}, qr/pg_stat_statements/, 'the hint says that there is no pg_stat_statements');
$s->ok("SET guard.min_evidence_age = '1s'");
wait_until($s, "SELECT reason = 'cold' FROM guard.check('old_idle_a_idx')");
ok(1, 'once it has been observed for guard.min_evidence_age it is cold');
is($s->value("SELECT f ->> 'seen' FROM guard.check('old_few_a_idx'), jsonb_array_elements(facts -> 'uses') f WHERE f ->> 'source' = 'counters'"),
	'unknown', 'but a few scans are never "not used"');
$s->ok('SET guard.min_scans = 1');
is(verdict($s, 'old_few_a_idx'), 'block hot', 'unless guard.min_scans says that they are use');
$s->ok('RESET guard.min_scans; RESET guard.min_evidence_age');

# ---- what happens to the unknown

my @unknown = (
	[ 'auto', '256MB', 'allow', 'the way back is short' ],
	[ 'auto', '0',     'block', 'the way back is long' ],
	[ 'allow', '0',    'allow', 'always allowed' ],
	[ 'block', '1GB',  'block', 'never allowed' ],);
foreach (@unknown)
{
	my ($action, $limit, $expected, $why) = @$_;

	$s->ok("SET guard.unknown_action = '$action'; SET guard.rebuild_limit = '$limit'");
	is(verdict($s, 'old_idle_a_idx'), "$expected unknown", "guard.unknown_action = $action, guard.rebuild_limit = $limit: $why");
	if ($expected eq 'allow')
	{
		my $r = $s->query('BEGIN; DROP INDEX old_idle_a_idx; ROLLBACK');
		passed($r, "$action, $limit: passes");
		is(scalar(grep { $_->{S} eq 'WARNING' && $_->{M} =~ /old_idle_a_idx" without knowing/ } @{ $r->{notices} }), 1, "$action, $limit: with a warning");
	}
	else
	{
		my $r = $s->query('DROP INDEX old_idle_a_idx');
		refused($r, qr/cannot drop index "public.old_idle_a_idx": guard cannot tell whether it is needed: no use was seen, but only for the last/, "$action, $limit: refused");
		like($r->{error}{H}, qr/guard.unknown_action/, "$action, $limit: the hint says what is to be done");
	}
}
$s->ok('RESET guard.unknown_action; RESET guard.rebuild_limit');

# ---- created under guard's eyes

make_table($s, 'young');
is(verdict($s, 'young_a_idx'), 'allow cold', 'an index created a moment ago and not used since is cold at any age');
my $r = $s->query('DROP INDEX young_a_idx');
passed($r, 'and goes');
is(scalar @{ $r->{notices} }, 0, 'without a word');

# ---- a use ends: by the look-back, where little is known of its pauses

make_table($s, 'report');
my $auth = use_index($node, 'report');
is(verdict($s, 'report_a_idx'), 'block hot', 'used once: hot');
$s->ok("SET guard.quiet_period = '1s'");
$s->ok("SET guard.lookback = '1s'");
wait_until($s, "SELECT reason = 'stopped' FROM guard.check('report_a_idx')");
ok(1, 'older than guard.lookback: stopped');
$s->ok("SET guard.lookback = '1h'");
is(verdict($s, 'report_a_idx'), 'block hot', 'a use or two: the quiet period alone does not end it');
$s->ok("SET guard.lookback = '1s'");
$r = $s->query('BEGIN; DROP INDEX report_a_idx; ROLLBACK');
passed($r, 'an index whose use has stopped may go');
is(scalar(grep { $_->{S} eq 'NOTICE' && $_->{M} =~ /report_a_idx" is no longer in use: auth used it once, last .* ago/ } @{ $r->{notices} }),
	1, 'and a notice says when it stopped');
$s->ok('RESET guard.lookback; RESET guard.quiet_period');

# ---- a use ends: by silence, where its pauses are known

make_table($s, 'steady');
$auth->ok("SELECT c FROM steady WHERE a = $_") foreach 1 .. 30;
$auth->close;
wait_until($s, "SELECT (f ->> 'count')::int = 30 FROM guard.check('steady_a_idx'), LATERAL jsonb_array_elements(facts -> 'uses') f WHERE f ->> 'source' = 'capture'");
is(verdict($s, 'steady_a_idx'), 'block hot', 'used thirty times: hot');
$s->ok("SET guard.quiet_period = '1s'");
wait_until($s, "SELECT reason = 'stopped' FROM guard.check('steady_a_idx')");
ok(1, 'quiet for guard.quiet_period and longer than ever before: stopped');
use_index($node, 'steady')->close;
is(verdict($s, 'steady_a_idx'), 'block hot', 'until it is used again');
$s->ok('RESET guard.quiet_period');

# ---- pg_stat_statements of a version that is not understood, or that comes and goes

make_table($s, 'joined');
$auth = use_index($node, 'joined');
my $available = "SELECT state FROM guard.status WHERE item = 'pg_stat_statements'";
my $texts = "SELECT count(query) FROM guard.index_statements('joined_a_idx')";
like($s->value($available), qr/^not available/, 'guard.status: no pg_stat_statements');
is($s->value($texts), 0, 'then there are no texts');
$s->ok('CREATE EXTENSION pg_stat_statements');
like($s->value($available), qr/^available/, 'guard.status: created');
is($s->value($texts), 1, 'then there are');
refused($s->query('DROP INDEX joined_a_idx'), qr/auth use it/, 'refused as before');
$s->ok('DROP EXTENSION pg_stat_statements');
$s->ok("CREATE EXTENSION pg_stat_statements VERSION '1.7'");
like($s->value($available), qr/^not available: .*version/, 'guard.status: of a version of long ago');
is($s->value($texts), 0, 'then there are none again, and no error');
refused($s->query('DROP INDEX joined_a_idx'), qr/auth use it/, 'and everything else works');
$s->ok('DROP EXTENSION pg_stat_statements; CREATE SCHEMA elsewhere; CREATE EXTENSION pg_stat_statements SCHEMA elsewhere');
is($s->value($texts), 1, 'in another schema it is found again');
$auth->close;

# ---- a small heap is scanned as fast as its index

$s->ok('CREATE TABLE small (a int PRIMARY KEY, b text); INSERT INTO small SELECT g, \'x\' FROM generate_series(1, 100) g; CREATE INDEX small_b_idx ON small (b)');
$auth = session($node, 'auth');
$auth->ok("SET enable_seqscan = off; SELECT * FROM small WHERE b = 'x'");
is(verdict($s, 'small_b_idx'), 'allow harmless', 'used, on a table of one block: harmless');
$s->ok("INSERT INTO small SELECT g, repeat('x', 1000) FROM generate_series(101, 1000) g");
is(verdict($s, 'small_b_idx'), 'block hot', 'the table has grown: the size is that of now');

$node->stop;
done_testing();
