# The watch is not fooled: before an index is given back, sessions that run the slow statement say whether the planner would use
# it; where nobody can say, figures must prove it twice.  What waited for locks was not slow, and what is not known from before is
# not compared.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = guard_server('main',
	conf => "guard.hot_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1h\nlog_min_messages = log\n");
my $s = session($node);
my $auth = session($node, 'auth');
$s->ok('CREATE EXTENSION pg_stat_statements');
# For who drops, use does not end within this test; for the visitors it does.
$s->ok("SET guard.quiet_period = '1h'");

# Ten tenants have 3000 rows each, 30000 others have one.
sub make_tenants
{
	my ($name) = @_;

	$s->ok("CREATE TABLE $name (id int PRIMARY KEY, a int, b int, c text)");
	$s->ok("INSERT INTO $name SELECT g, CASE WHEN g <= 30000 THEN g ELSE 100000 + g % 10 END, g, rpad('row ' || g, 100)
		FROM generate_series(1, 60000) g");
	$s->ok("CREATE INDEX ${name}_a_idx ON $name (a)");
	$s->ok("VACUUM ANALYZE $name");
}

my $small = sub { 1 + int(rand(30000)) };
my $large = sub { 100000 + int(rand(10)) };

sub sum_of
{
	my ($session, $name, $a) = @_;

	$session->ok("SELECT sum(length(c)) FROM $name WHERE a = $a");
}

# A session has made uses: go on until capture has told of them.
sub wait_until_known
{
	my ($name, $session, $uses) = @_;
	my $known = "SELECT coalesce(sum(uses), 0) FROM guard.index_statements('${name}_a_idx')";

	until ($s->value($known) >= $uses)
	{
		$session->ok('SELECT 1');
		usleep(50_000);
	}
}

# Small tenants only.
sub use_it
{
	my ($name, $session) = @_;

	sum_of($session // $auth, $name, $small->()) foreach 1 .. 100;
	wait_until_known($name, $session // $auth, 100);
}

sub state_of
{
	my ($name) = @_;

	return $s->value("SELECT state FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx' ORDER BY dropped_at DESC LIMIT 1");
}

sub reason_of
{
	my ($name) = @_;

	return $s->value("SELECT state_reason FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx' ORDER BY dropped_at DESC LIMIT 1");
}

sub wait_for_state
{
	my ($name, $state) = @_;

	wait_until($s, "SELECT state = '$state' AND NOT (next_step ~ 'name' IS TRUE) FROM guard.soft_drops
		WHERE index_name = 'public.${name}_a_idx' ORDER BY dropped_at DESC LIMIT 1");
}

sub log_has
{
	my ($pattern) = @_;

	return PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ $pattern;
}

# Do something again and again until a condition holds.
sub meanwhile
{
	my ($work, $condition) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		die 'waited in vain' if time > $end;
		$work->() foreach 1 .. 3;
	}
}

sub set_for_all
{
	my ($name, $value) = @_;

	$s->ok(defined $value ? "ALTER SYSTEM SET $name = '$value'" : "ALTER SYSTEM RESET $name");
	$s->ok('SELECT pg_reload_conf()');
	wait_until($auth, "SELECT current_setting('$name') = '" . ($value // 'on') . "'");
}

my $baseline = "guard.soft_drop_baseline b JOIN guard.soft_drop d ON d.id = b.soft_drop_id WHERE d.index_name =";

# ---- a twin serves, and large tenants come

make_tenants('twin');
use_it('twin');
$s->ok('BEGIN; DROP INDEX twin_a_idx; CREATE INDEX twin_b_idx ON twin (a); COMMIT');
wait_for_state('twin', 'hidden');
meanwhile(sub { sum_of($auth, 'twin', $large->()) },
	sub { log_has(qr/index public\.twin_a_idx stays hidden: statement -?\d+ takes [\d.]+ ms instead of [\d.]+ ms, but the planner would not use the index/) });
is(state_of('twin'), 'hidden', 'a heavy tail does not bring back what the planner would not use');

# ---- it would be used

make_tenants('missed');
use_it('missed');
$s->ok('DROP INDEX missed_a_idx');
wait_for_state('missed', 'hidden');
meanwhile(sub { sum_of($auth, 'missed', $small->()) }, sub { state_of('missed') eq 'restored' });
like(reason_of('missed'), qr/^statement -?\d+ .* ms.*; the planner would use the index \(guard\.restore_factor/,
	'what the planner would use is given back');

# A plan that is kept is made anew when the watch asks.
# (By a setting of the database: one of the session would keep it from being asked.)
make_tenants('generic');
$s->ok("ALTER DATABASE postgres SET plan_cache_mode = 'force_generic_plan'");
my $pool = session($node, 'pool');
$s->ok('ALTER DATABASE postgres RESET plan_cache_mode');
$pool->ok('PREPARE look (int) AS SELECT sum(length(c)) FROM generic WHERE a = $1');
$pool->ok('EXECUTE look (' . $small->() . ')') foreach 1 .. 100;
wait_until_known('generic', $pool, 100);
$s->ok('DROP INDEX generic_a_idx');
wait_for_state('generic', 'hidden');
meanwhile(sub { $pool->ok('EXECUTE look (' . $small->() . ')') }, sub { state_of('generic') eq 'restored' });
like(reason_of('generic'), qr/; the planner would use the index/, 'a session with a generic plan answers as well');

# So does one that reads a partition.
$s->ok('CREATE TABLE parts (a int, b int, c text) PARTITION BY RANGE (b)');
$s->ok("CREATE TABLE parts_$_ PARTITION OF parts FOR VALUES FROM ($_) TO ($_ + 1)") foreach 0 .. 3;
$s->ok("INSERT INTO parts SELECT g, g % 4, rpad('row ' || g, 100) FROM generate_series(1, 120000) g");
$s->ok('CREATE INDEX parts_a_idx ON parts (a)');
$s->ok('VACUUM ANALYZE parts');
use_it('parts');
$s->ok('DROP INDEX parts_a_idx');
wait_for_state('parts', 'hidden');
meanwhile(sub { sum_of($auth, 'parts', $small->()) }, sub { state_of('parts') eq 'restored' });
like(reason_of('parts'), qr/; the planner would use the index/, 'a partitioned index');

# ---- counters reset in the middle of a trial

make_tenants('reset');
use_it('reset');
$s->ok('DROP INDEX reset_a_idx');
wait_for_state('reset', 'hidden');
$s->ok('SELECT pg_stat_statements_reset()');
meanwhile(sub { sum_of($auth, 'reset', $small->()) }, sub { state_of('reset') eq 'restored' });
pass('the watch begins anew when pg_stat_statements is reset');

# ---- one who would use it outweighs those who would not

make_tenants('mixed');
$s->ok("INSERT INTO mixed SELECT g, 0, g, rpad('row ' || g, 100) FROM generate_series(60001, 160000) g");
$s->ok('VACUUM ANALYZE mixed');
use_it('mixed');
$s->ok('DROP INDEX mixed_a_idx');
wait_for_state('mixed', 'hidden');
my $flood = session($node, 'flood');
meanwhile(sub { sum_of($flood, 'mixed', 0) foreach 1 .. 3; sum_of($auth, 'mixed', $small->()) }, sub { state_of('mixed') eq 'restored' });
like(reason_of('mixed'), qr/; the planner would use the index/, 'nobody keeps an index hidden by calling its statement for what does not need it');

# ---- who has planner settings of his own does not say that an index is innocent, nor who only plans

make_tenants('own');
my $odd = session($node, 'odd');
$odd->ok('SET cpu_tuple_cost = 0.011');
use_it('own', $odd);
$s->ok('BEGIN; DROP INDEX own_a_idx; CREATE INDEX own_b_idx ON own (a); COMMIT');
wait_for_state('own', 'hidden');
$s->ok('CREATE ROLE outsider LOGIN');
my $outsider = session($node, application_name => 'outsider', user => 'outsider');
meanwhile(
	sub {
		$outsider->query('SELECT sum(length(c)) FROM own WHERE a = 1');
		$auth->ok('EXPLAIN SELECT sum(length(c)) FROM own WHERE a = 1');
		sum_of($odd, 'own', $large->()) foreach 1 .. 3;
	},
	sub { state_of('own') eq 'restored' });
like(reason_of('own'), qr/; whether the planner would use the index is not known/, 'then figures decide, and large tenants alone are slower');
ok(!log_has(qr/index public\.own_a_idx stays hidden/), 'and nothing is said to stay');

# ---- a function that a user wrote is not called once more to find that out

make_tenants('called');
$s->ok('CREATE SEQUENCE calls');
$s->ok(q{CREATE FUNCTION counted(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''calls''); RETURN $1; END'});
my $executed = 0;
my $call = sub { $executed++; sum_of($auth, 'called', 'counted(' . $small->() . ')') };
$call->() foreach 1 .. 100;
wait_until_known('called', $auth, 100);
$s->ok('DROP INDEX called_a_idx');
wait_for_state('called', 'hidden');
meanwhile($call, sub { state_of('called') eq 'restored' });
like(reason_of('called'), qr/; whether the planner would use the index is not known/, 'what calls it answers nothing');
is($s->value('SELECT last_value FROM calls'), $executed, 'and it was called when its statements were planned, and no more');

# ---- nobody can say

set_for_all('guard.whatif', 'off');
make_tenants('silent');
use_it('silent');
$s->ok('DROP INDEX silent_a_idx');
wait_for_state('silent', 'hidden');
meanwhile(sub { sum_of($auth, 'silent', $small->()) }, sub { state_of('silent') eq 'restored' });
like(reason_of('silent'), qr/; whether the planner would use the index is not known/, 'where nobody can say, figures that prove it are enough');

# ---- who waits for a lock is not slow

make_tenants('rows');
my $write = sub { $_[0]->ok("UPDATE rows SET b = b + 1 WHERE a = $_[1]") };
$write->($auth, $small->()) foreach 1 .. 60;
wait_until_known('rows', $auth, 60);
$s->ok('BEGIN; DROP INDEX rows_a_idx; CREATE INDEX rows_b_idx ON rows (a); COMMIT');
wait_for_state('rows', 'hidden');
my $holder = session($node, 'batch');
my @late = map { session($node, "late_$_") } 1 .. 12;
$holder->ok('BEGIN; UPDATE rows SET b = b + 1 WHERE a <= 12');
$late[ $_ - 1 ]->start("UPDATE rows SET b = b + 1 WHERE a = $_") foreach 1 .. 12;
wait_until($s, "SELECT bool_or(seen_late) FROM $baseline 'rows_a_idx'");
$holder->ok('COMMIT');
$_->result foreach @late;
meanwhile(sub { $write->($auth, $small->()) },
	sub { $s->value("SELECT NOT bool_or(seen_late) FROM $baseline 'rows_a_idx'") eq 't' });
is($s->value("SELECT max(in_a_row) FROM $baseline 'rows_a_idx'"), 0, 'what waited for row locks proves nothing');
is(state_of('rows'), 'hidden', 'and brings nothing back');
set_for_all('guard.whatif');

# ---- statistics from before the index existed

$s->ok('CREATE TABLE late (id int, a int, c text)');
$s->ok("INSERT INTO late SELECT g, g, rpad('row ' || g, 100) FROM generate_series(1, 30000) g");
$s->ok('VACUUM ANALYZE late');
sum_of($auth, 'late', $small->()) foreach 1 .. 30;
$s->ok('CREATE INDEX late_a_idx ON late (a)');
use_it('late');
$s->ok('DROP INDEX late_a_idx');
wait_for_state('late', 'hidden');
is($s->value("SELECT max(calls) FROM $baseline 'late_a_idx'"), 0, 'calls from before the index existed do not tell how they were with it');

# ---- controls are kept once for all, and go with the windows that need them

$s->ok("SELECT guard.restore('late_a_idx'), guard.restore('twin_a_idx'), guard.restore('rows_a_idx')");
make_tenants('last');
use_it('last');
$s->ok('DROP INDEX last_a_idx');
wait_for_state('last', 'hidden');
wait_until($s, 'SELECT count(*) <= (SELECT count(DISTINCT at) FROM guard.soft_drop_baseline b, unnest(ARRAY[before_at, seen_at]) at) + 60
	FROM guard.soft_drop_sample');
pass('samples that no window needs go');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/guard worker\[\d+\].*(ERROR|PANIC):/, 'no visitor met an error');
done_testing();
