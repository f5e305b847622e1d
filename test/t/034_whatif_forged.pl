# What one role plans or executes does not decide what others may drop, nor what they are told.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', preload => 'pg_stat_statements, guard', conf => <<'CONF');
guard.whatif_interval = 0
guard.whatif_time_limit = 1h
autovacuum = off
CONF
my $s = session($node);
my $zero = join '; ', 'SET enable_seqscan = off', map { "SET $_ = 0" } qw(random_page_cost seq_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost);

$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok('CREATE ROLE owner LOGIN');
$s->ok('CREATE ROLE app LOGIN');
$s->ok('CREATE ROLE stranger LOGIN');
$s->ok('CREATE TABLE users AS SELECT g AS id, \'u\' || g AS email, g % 1000 AS org, repeat(\'n\', 100) AS note FROM generate_series(1, 50000) g');
$s->ok('CREATE INDEX users_email_idx ON users (email)');
$s->ok('ALTER TABLE users OWNER TO owner');
$s->ok('GRANT SELECT ON users TO app');
$s->ok('GRANT CREATE ON SCHEMA public TO PUBLIC');
$s->ok('VACUUM ANALYZE users');

sub user { return session($node, application_name => $_[0], user => $_[0]) }

# Is the worst ratio that is known a large one?  Sampled at every planning, a statement that was executed without being planned is
# not known at all.  And the verdict.
sub worst { return $s->value(q{SELECT coalesce((facts #>> '{what_if,worst_cost_ratio}')::float, 200) > 100 FROM guard.check('users_email_idx')}) }
sub verdict_is { is($s->value("SELECT verdict || ' ' || reason FROM guard.check('users_email_idx')"), 'block hot', "$_[0]: refused") }
sub records { return $s->value(q{SELECT count(*) FROM guard.what_if('users_email_idx')}) }

# ---- what was only planned is nothing
foreach my $try (
	['refused', 'PREPARE q (text) AS SELECT id FROM users WHERE email = $1; EXECUTE q (\'u1\')', 'stranger'],
	['prepared', 'PREPARE q (text) AS SELECT id FROM users WHERE email = $1', 'app'],
	['explained', 'EXPLAIN SELECT id FROM users WHERE email = \'u1\'', 'app'],
	['explained and executed', 'EXPLAIN ANALYZE SELECT id FROM users WHERE email = \'u1\'', 'app'],
	['a cursor that nobody fetched from', 'BEGIN; DECLARE c CURSOR FOR SELECT id FROM users WHERE email = \'u1\'; COMMIT', 'app'],
	['one that failed', 'SELECT 1 / (id - id) FROM users WHERE email = \'u1\'', 'app'],
	['through a view of one\'s own', 'CREATE VIEW own AS SELECT id FROM users WHERE email = \'u1\'; SELECT * FROM own', 'stranger'])
{
	my ($test, $statement, $role) = @$try;
	my $user = user($role);

	$user->query($statement);
	is(records(), 0, "$test: no record");
	$user->close;
}

# A plan that is kept passes from role to role in a session.
{
	my $user = session($node, 'roles');

	$user->ok($_) foreach 'BEGIN', q{PREPARE kept AS SELECT id FROM users WHERE email = 'u1'}, 'SET ROLE stranger', 'SAVEPOINT refused';
	failed($user->query('EXECUTE kept'), '42501', qr/permission denied/, 'planned by one role: refused');
	$user->ok($_) foreach 'ROLLBACK TO refused', 'SET ROLE app', 'EXECUTE kept', 'COMMIT';
	is(records(), 0, 'planned by one role, executed by another: no record');
	$user->close;
}

# ---- the honest record
{
	my $app = user('app');

	$app->ok('PREPARE q (text) AS SELECT id FROM users WHERE email = $1');
	$app->ok("EXECUTE q ('u$_')") foreach 1 .. 20;
	$app->close;
	is(records(), 1, 'executed: a record');
	is(worst(), 't', 'which says that it costs more');
	verdict_is('honest');
}

# ---- nobody puts another in its place
foreach my $try (
	['a stranger with costs of his own', $zero, 'stranger'],
	['a stranger with everybody\'s', 'SELECT 1', 'stranger'],
	['the owner in his session', $zero, 'owner'],
	['the owner for a transaction', 'BEGIN; ' . $zero =~ s/SET /SET LOCAL /gr, 'owner'])
{
	my ($test, $first, $role) = @$try;
	my $user = user($role);

	foreach my $i (1 .. 40)
	{
		$user->query('SELECT id' . ', id' x $i . " FROM users WHERE email = 'a'") if $role eq 'stranger';
	}
	$user->query($_) foreach split /; /, $first;
	$user->query('PREPARE q (text) AS SELECT id FROM users WHERE email = $1');
	$user->query("EXECUTE q ('u1')") foreach 1 .. 4;
	$user->query('COMMIT');
	$user->close;
	is(records(), 1, "$test: one record");
	is(worst(), 't', "$test: the worst stays");
	verdict_is($test);
}
$s->ok("ALTER ROLE owner SET $_->[0] = $_->[1]") foreach (['enable_seqscan', 'off'], map { [$_, 0] } qw(random_page_cost seq_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost));
{
	my $owner = user('owner');

	$owner->ok('PREPARE q (text) AS SELECT id FROM users WHERE email = $1');
	$owner->ok("EXECUTE q ('u1')") foreach 1 .. 4;
	# Planned under odd settings, executed under honest ones.
	$owner->ok('SET plan_cache_mode = force_generic_plan');
	$owner->ok("EXECUTE q ('u1')");
	$owner->ok("RESET $_") foreach qw(plan_cache_mode);
	$owner->ok("EXECUTE q ('u1')") foreach 1 .. 4;
	$owner->close;
	is(worst(), 't', 'the owner by his role: the worst stays');
	verdict_is('the owner by his role');
	$s->ok('ALTER ROLE owner RESET ALL');
}

# ---- pushed out and let in again, it is not forgotten
{
	my $owner = user('owner');

	$owner->ok('SELECT id' . ', id' x $_ . " FROM users WHERE email = 'a'") foreach 1 .. 40;
	is(records(), 32, 'a flood fills the places');
	$owner->close;
	my $other = user('owner');
	$other->ok("SET $_ = 0") foreach qw(random_page_cost seq_page_cost cpu_tuple_cost);
	$other->ok("SELECT id FROM users WHERE email = 'u1'") foreach 1 .. 4;
	$other->close;
	verdict_is('after a flood');
	my $app = user('app');
	$app->ok("SELECT id FROM users WHERE email = 'u1'");
	$app->close;
	is(worst(), 't', 'let in again: the worst stays');
	verdict_is('let in again');
}

# ---- a plan from the cache that has no record is made anew
{
	my $app = user('app');

	$s->ok('CREATE INDEX users_org_idx ON users (org)');
	$s->ok('ALTER DATABASE postgres SET plan_cache_mode = force_generic_plan');
	$app->close;
	$app = user('app');
	$s->ok(q{ALTER SYSTEM SET guard.whatif = off});
	$s->ok('SELECT pg_reload_conf()');
	wait_until($app, q{SELECT setting = 'off' FROM pg_settings WHERE name = 'guard.whatif'});
	$app->ok('PREPARE g (int) AS SELECT note FROM users WHERE org = $1');
	$app->ok('EXECUTE g (1)');
	$s->ok(q{ALTER SYSTEM SET guard.whatif = on});
	$s->ok('SELECT pg_reload_conf()');
	wait_until($app, q{SELECT setting = 'on' FROM pg_settings WHERE name = 'guard.whatif'});
	is($s->value(q{SELECT count(*) FROM guard.what_if('users_org_idx')}), 0, 'cached: no record');
	$app->ok("SET application_name = 'other'");
	$app->ok('EXECUTE g (1)') foreach 1 .. 2;
	is($s->value(q{SELECT generic FROM guard.what_if('users_org_idx')}), 't', 'cached: planned anew, and without');
	$app->close;
	$s->ok('ALTER DATABASE postgres RESET plan_cache_mode');
}

# ---- nor does anybody teach the server that it is faster than it is
{
	my $app = user('app');
	my $predicted = q{SELECT max(predicted_time) FROM guard.index_statements('users_email_idx')};

	$app->ok('SELECT count(note) FROM users') foreach 1 .. 10;
	$app->close;
	my $before = $s->value($predicted);
	my $user = user('stranger');
	$user->ok('CREATE TABLE small AS SELECT g AS a FROM generate_series(1, 200) g');
	$user->ok('ANALYZE small');
	$user->ok('SET cpu_tuple_cost = 1e9');
	$user->ok('SELECT count(*) FROM small') foreach 1 .. 100;
	$user->ok('PREPARE p AS SELECT count(*) FROM small');
	$user->ok('EXECUTE p') foreach 1 .. 10;
	$user->ok('RESET cpu_tuple_cost');
	$user->ok('EXECUTE p') foreach 1 .. 50;
	is($s->value($predicted), $before, 'costs of one\'s own: the prediction is as it was');
	$user->ok(q{CREATE FUNCTION cheap(int) RETURNS bool LANGUAGE plpgsql COST 100000 AS 'BEGIN RETURN true; END'});
	$user->ok('SELECT count(*) FROM small WHERE cheap(a)') foreach 1 .. 100;
	cmp_ok($s->value($predicted), '>', $before / 8, 'a function that says it is costly: not by much');
	$user->close;
}

$node->stop;
done_testing();
