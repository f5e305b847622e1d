# A flood of refusals in one database costs another none of its rows, and a refusal that is too long to wait leaves a row that is cut.  One
# statement over a thousand partitions pushes out its own records, not everybody else's; so it is with what-if's.  After DROP EXTENSION
# the database has no share.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "guard.max_statements = 100\nguard.whatif_interval = 0\nguard.whatif_time_limit = 1h\n");
my $s = session($node);
$s->ok('CREATE DATABASE other');
my $o = session($node, dbname => 'other');
$o->ok('CREATE EXTENSION guard');
make_table($_, 't') foreach $s, $o;
$_->ok("SELECT guard.protect('t_a_idx', 'not this one')") foreach $s, $o;
wait_until($s, "SELECT state ~ '^2 with guard' FROM guard.status WHERE item = 'databases'");

# ---- the ring: nobody can write in either database, and one of them is refused all the time

my @held = map { session($node, dbname => $_) } qw(postgres other);
$_->ok('BEGIN; LOCK TABLE guard.audit_log') foreach @held;
my $long = 'DROP INDEX t_a_idx /* ' . 'x' x 4000 . ' */';
is(scalar(grep { $s->query($long)->{error}{C} eq '55006' } 1 .. 600), 600, '600 refusals in one database');
refused($o->query('DROP INDEX t_a_idx'), qr/not this one/, 'and in the other') foreach 1 .. 3;
like($o->value("SELECT state FROM guard.status WHERE item = 'audit'"), qr/^3 records wait/, 'all of the other one\'s wait');
$_->ok('ROLLBACK') foreach @held;
wait_until($o, "SELECT count(*) = 3 FROM guard.audit_log WHERE verdict = 'block'");
is($o->value("SELECT sum(coalesced) FROM guard.audit_log WHERE verdict = 'block'"), 0, 'and each has its row');

# ---- an entry that is too long

wait_until($s, "SELECT state = 'nothing waits' FROM guard.status WHERE item = 'audit'");
$s->ok("CREATE INDEX long_idx ON t (b) WHERE c <> E'" . '\x01' x 50000 . "'");
$s->ok("SELECT guard.protect('long_idx', 'nor this one')");
refused($s->query('DROP INDEX long_idx'), qr/nor this one/, 'an index whose definition is too long for an entry');
wait_until($s, "SELECT count(*) = 1 FROM guard.audit_log WHERE verdict = 'block' AND index_name = 'public.long_idx'");
like($s->value("SELECT right(definition, 5) || facts::text FROM guard.audit_log WHERE verdict = 'block' AND index_name = 'public.long_idx'"),
	qr/^\[\.\.\.\].*see the server log/, 'has a row, which is cut with a mark');

# ---- statements: 128 places, and a few texts over 200 partitions

my $auth = use_index($node, 't');
make_table($s, "h_$_") foreach 1 .. 5;
$auth->ok("SELECT c FROM h_$_ WHERE a = 42") foreach 1 .. 5;
$s->ok('CREATE TABLE p (a int, b int) PARTITION BY LIST (b); CREATE INDEX p_a_idx ON p (a)');
$s->ok("CREATE TABLE p_$_ PARTITION OF p FOR VALUES IN ($_)") foreach 1 .. 200;
my $report = session($node, 'report');
$report->ok('SET enable_seqscan = off');
foreach my $columns ('a', 'b', 'a, b', 'b, a', 'a + b', 'a - b')
{
	$report->ok("SELECT $columns FROM p WHERE a = 1") foreach 1 .. 2;
}
is($s->value("SELECT count(*) FROM generate_series(1, 5) i, LATERAL guard.index_statements('h_' || i || '_a_idx')"), 5, 'what others execute is still known');
cmp_ok($s->value("SELECT count(*) FROM guard.index_statements('p_a_idx')"), '>', 0, 'and so is what visits them all');

# ---- what-if: four sets of 32, and a role with many statements on 40 tables

my $known = q{SELECT count(*) FROM generate_series(1, 5) i, LATERAL guard.what_if(('h_' || i || '_a_idx')::regclass)};
$auth->ok("SELECT c FROM h_$_ WHERE a = 42") foreach 1 .. 5;
is($s->value($known), 5, 'what-if: five statements');
$s->ok('CREATE ROLE flood');
make_table($s, "f_$_") foreach 1 .. 40;
$s->ok("GRANT SELECT ON f_$_ TO flood") foreach 1 .. 40;
my $flood = session($node, 'flood');
$flood->ok('SET ROLE flood');
foreach my $columns ('a', 'b', 'c', 'a, b', 'a, c', 'b, c')
{
	$flood->ok("SELECT $columns FROM f_$_ WHERE a = 42") foreach 1 .. 40;
}
is($s->value($known), 5, 'what-if: are not pushed out by 240 of one role');
cmp_ok($s->value(q{SELECT count(*) FROM generate_series(1, 40) i, LATERAL guard.what_if(('f_' || i || '_a_idx')::regclass)}), '>', 30, 'which has more than its half');

# ---- DROP EXTENSION

sub guaranteed
{
	return $o->value(q{SELECT substring(state FROM 'at least (\d+) guaranteed') FROM guard.status WHERE item = 'captured indexes and tables'});
}
$_->close foreach $auth, $flood, $report;
my $each = guaranteed();
$s->ok('BEGIN; SAVEPOINT a; DROP EXTENSION guard; ROLLBACK TO a; COMMIT');
$s->ok('BEGIN; DROP EXTENSION guard; ROLLBACK');
is(guaranteed(), $each, 'DROP EXTENSION that is rolled back: nothing changes');
$s->ok('DROP EXTENSION guard');
is(guaranteed(), 2 * $each, 'DROP EXTENSION: the other database is guaranteed what this one was');
$s->ok('CREATE EXTENSION guard');
is(verdict($s, 'h_1_a_idx'), 'block hot', 'who installs it again is told what was known');
is(guaranteed(), $each, 'and has his share');

$node->stop;
done_testing();
