# A few statements over a thousand partitions are a few statements: nobody else's are pushed out by them, all of their own are known,
# so that the partitioned index can be watched, and another hidden index comes back while they run.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;
use Time::HiRes qw(time);

my $node = guard_server('main',
	conf => "guard.hot_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1h\nguard.snapshot_interval = 0\nmax_locks_per_transaction = 256\n");
my $s = session($node);
my $auth = session($node, 'auth');
my $report = session($node, 'report');
$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok("SET guard.quiet_period = '1h'");
$report->ok('SET enable_seqscan = off');

# "uses" of each statement, as often as there are such statements
sub statements
{
	my ($index) = @_;

	return $s->value("SELECT string_agg(uses || ' x ' || n, ', ' ORDER BY uses) FROM
		(SELECT uses, count(*) AS n FROM guard.index_statements('$index') GROUP BY uses) s") // 'none';
}

# What others used is known when they have gone.
sub use_as
{
	my ($times, @statements) = @_;
	my $other = session($node, 'report');

	$other->ok('SET enable_seqscan = off');
	foreach my $sql (@statements) { $other->ok($sql) foreach 1 .. $times }
	my $pid = $other->pid;
	$other->close;
	wait_until($s, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
}

sub state_of
{
	my ($index, $column) = @_;

	return $s->value("SELECT " . ($column // 'state') . " FROM guard.soft_drops WHERE index_name = 'public.$index' ORDER BY dropped_at DESC LIMIT 1");
}

# ---- six texts, a thousand partitions, and somebody else's index

$s->ok('CREATE TABLE watched (a int, c text)');
$s->ok("INSERT INTO watched SELECT g, rpad('row ' || g, 100) FROM generate_series(1, 60000) g");
$s->ok('CREATE INDEX watched_a_idx ON watched (a)');
$s->ok('VACUUM ANALYZE watched');
use_as(50, 'SELECT sum(length(c)) FROM watched WHERE a = 42');
$s->ok('CREATE TABLE p (a int, b int) PARTITION BY LIST (b); CREATE INDEX p_a_idx ON p (a)');
$s->ok("DO 'BEGIN FOR i IN 1 .. 1000 LOOP EXECUTE format(''CREATE TABLE p_%s PARTITION OF p FOR VALUES IN (%s)'', i, i); END LOOP; END'");
$s->ok('INSERT INTO p SELECT g, 1 FROM generate_series(1, 60000) g');
$s->ok('VACUUM ANALYZE p_1');
my @texts = map { "SELECT $_ FROM p WHERE a = 1" } 'a', 'b', 'a, b', 'b, a', 'a + b', 'a - b';
use_as(6, $texts[0]);
is(statements('p_a_idx'), '6 x 1', 'a statement over a thousand partitions');
my $used = q{SELECT substring(state FROM '^\d+') FROM guard.status WHERE item = 'captured statements'};
my $before = $s->value($used);
use_as(6, @texts[ 1 .. 5 ]);
cmp_ok($s->value($used) - $before, '<', 50, 'others take no more places than they are');
is(statements('p_a_idx'), '6 x 6', 'and all their executions are known');
is(statements('p_7_a_idx'), '6 x 6', 'of a partition the same');
is($s->value("SELECT max((fact ->> 'count')::int) FROM guard.check('p_7_a_idx'), jsonb_array_elements(facts -> 'uses') fact WHERE fact ->> 'source' = 'capture'"), 36, 'which itself was used as often as it was');
is(statements('watched_a_idx'), '50 x 1', 'what others execute is still known');

$s->ok('DROP INDEX watched_a_idx, p_a_idx');
wait_until($s, "SELECT count(*) = 2 FROM guard.soft_drops WHERE state = 'hidden'");
is(state_of('p_a_idx', 'next_step'), 'dropped, if nothing becomes slower', 'the partitioned index is hidden, and watched');
my $end = time + $PostgreSQL::Test::Utils::timeout_default;
until (state_of('watched_a_idx') eq 'restored')
{
	die 'the watch saw nothing' if time > $end;
	$auth->ok("SELECT sum(length(c)) FROM watched WHERE a = $_") foreach 1 .. 20;
	$report->ok($texts[ rand 6 ]);
}
pass('the other one comes back while they run');

# ---- partitions of partitions

$s->ok('CREATE TABLE q (a int, b int, c int) PARTITION BY LIST (b); CREATE INDEX q_a_idx ON q (a)');
foreach my $b (1 .. 3)
{
	$s->ok("CREATE TABLE q_$b PARTITION OF q FOR VALUES IN ($b) PARTITION BY LIST (c)");
	$s->ok("CREATE TABLE q_${b}_$_ PARTITION OF q_$b FOR VALUES IN ($_)") foreach 1 .. 4;
}
use_as(1, 'SELECT a FROM q WHERE a = 1');
is(statements('q_a_idx'), '1 x 1', 'two levels');
use_as(5, 'SELECT a FROM q WHERE a = 1');
is(statements('q_a_idx'), '6 x 1', 'and more of them');
is(statements('q_1_a_idx'), '6 x 1', 'asked in the middle');

# ---- detached, used, attached again; and a partition that goes

$s->ok('CREATE TABLE r (a int, b int) PARTITION BY LIST (b); CREATE INDEX r_a_idx ON r (a)');
$s->ok("CREATE TABLE r_$_ PARTITION OF r FOR VALUES IN ($_)") foreach 1 .. 3;
use_as(1, 'SELECT a FROM r WHERE a = 1');
is(statements('r_a_idx'), '1 x 1', 'three partitions');
$s->ok('ALTER TABLE r DETACH PARTITION r_1');
use_as(3, 'SELECT a + 1 FROM r_1 WHERE a = 1');
is(statements('r_1_a_idx'), '3 x 1', 'what is detached has statements of its own');
use_as(2, 'SELECT a FROM r WHERE a = 1');
is(statements('r_a_idx'), '3 x 1', 'which are not those of the others');
$s->ok('ALTER TABLE r ATTACH PARTITION r_1 FOR VALUES IN (1)');
use_as(1, 'SELECT a FROM r WHERE a = 1');
is(statements('r_a_idx'), '3 x 1, 4 x 1', 'and takes them along when it is attached again');
$s->ok("SET guard.mode = 'off'; DROP TABLE r_2; RESET guard.mode");
use_as(1, 'SELECT a FROM r WHERE a = 1');
is(statements('r_a_idx'), '3 x 1, 5 x 1', 'a partition that has gone');

# What wants one partition at a time is counted one by one.
use_as(4, map { "SELECT b FROM r WHERE a = 2 AND b = $_" } 1, 3);
is(statements('r_a_idx'), '3 x 1, 5 x 1, 8 x 1', 'each of another partition');

# A branch that is detached stays with its root as long as that is there: rather too many than too few.
$s->ok('ALTER TABLE q DETACH PARTITION q_1');
use_as(3, 'SELECT a + 1 FROM q_1 WHERE a = 1');
is(statements('q_1_a_idx'), '3 x 1, 6 x 1', 'a branch that was detached');
is(statements('q_a_idx'), '3 x 1, 6 x 1', 'and what it was detached from');
$s->ok('SET guard.mode = observe; DROP TABLE q; RESET guard.mode');
use_as(2, 'SELECT a + 1 FROM q_1 WHERE a = 1');
like(statements('q_1_a_idx'), qr/^2 x 1/, 'when that goes, the branch has a root of its own');

# ---- all of it outlives a restart

$_->close foreach $s, $auth, $report;
$node->restart;
$s = session($node);
is(statements('r_a_idx'), '3 x 1, 5 x 1, 8 x 1', 'after a restart');
use_as(1, 'SELECT a FROM r WHERE a = 1');
is(statements('r_a_idx'), '3 x 1, 6 x 1, 8 x 1', 'and it goes on');

$node->stop;
done_testing();
