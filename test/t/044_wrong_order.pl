# The migration runs first, and the service is rolled from the old version to the new one afterwards: the accident that guard is
# made for.  With guard.hot_action = delay it is none: the index goes only when the last old session is gone and has been quiet.
#
# What is days in life is an hour here while it must not pass, and a second when it has passed; so nothing depends on how fast
# this test runs.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = guard_server('main', conf => "guard.hot_action = delay\nguard.quiet_period = 1h\nguard.trial_period = 1s\n");
my $s = session($node);
$s->ok('CREATE EXTENSION pg_stat_statements');
# For who drops, use does not end within this test; for the visitors it does.
$s->ok("SET guard.quiet_period = '1h'");

sub set_quiet_period
{
	my ($value) = @_;

	$s->ok("ALTER SYSTEM SET guard.quiet_period = '$value'");
	$s->ok('SELECT pg_reload_conf()');
}

# Version 211 looks up by a, 212 by the primary key.
sub make_service_table
{
	my ($name) = @_;

	$s->ok("CREATE TABLE $name (id int PRIMARY KEY, a int, c text)");
	$s->ok("INSERT INTO $name SELECT g, g, rpad('row ' || g, 100) FROM generate_series(1, 30000) g");
	$s->ok("CREATE INDEX ${name}_a_idx ON $name (a)");
	$s->ok("VACUUM ANALYZE $name");
}

sub index_now
{
	my ($name) = @_;

	return $s->value("SELECT coalesce((SELECT current_name FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx'
		AND state IN ('waiting', 'hidden')), '${name}_a_idx')");
}

# An old session at work; then guard knows of it.
sub old_at_work
{
	my ($session, $name, $times) = @_;
	my $known = "SELECT coalesce(sum(uses), 0) FROM guard.index_statements('" . index_now($name) . "')";
	my $before = $s->value($known);

	$session->ok("SELECT c FROM $name WHERE a = $_") foreach 1 .. $times;
	until ($s->value($known) >= $before + $times)
	{
		$session->ok('SELECT 1');
		usleep(50_000);
	}
}

sub new_at_work
{
	my ($session, $name) = @_;

	$session->ok("SELECT c FROM $name WHERE id = $_") foreach 1 .. 30;
}

sub column
{
	my ($name, $column) = @_;

	return $s->value("SELECT $column FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx'");
}

sub wait_for_state
{
	my ($name, $state) = @_;

	wait_until($s, "SELECT state = '$state' FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx'");
}

sub plan_of
{
	my ($session, $name) = @_;

	return join "\n", map { $_->[0] } @{ $session->ok("EXPLAIN (COSTS OFF) SELECT c FROM $name WHERE a = 42")->{rows} };
}

# A soft drop is looked at with all the others, the oldest first: when a younger one has been hidden, this one has been seen.
sub be_looked_at
{
	my ($probe) = @_;
	my $other = session($node, 'other');

	make_service_table($probe);
	old_at_work($other, $probe, 30);
	$s->ok("DROP INDEX ${probe}_a_idx");
	wait_for_state($probe, 'hidden');
}

# ---- the migration first

make_service_table('users');
my @old = map { session($node, 'auth/211') } 1 .. 2;
old_at_work($_, 'users', 30) foreach @old;
my $r = $s->query('DROP INDEX users_a_idx');
passed($r, 'the migration runs before the code is deployed, and goes through');
is(scalar(grep { $_->{S} eq 'WARNING' && $_->{M} =~ /will be dropped in stages: auth use/ } @{ $r->{notices} }), 1,
	'with a WARNING');
is(column('users', 'state'), 'waiting', 'the index waits');

# ---- the first of two old sessions is replaced by a new one

$old[0]->close;
my @new = (session($node, 'auth/212'));
new_at_work($new[0], 'users');
like(plan_of($old[1], 'users'), qr/Index Scan using guard_drop_/, 'the plans of the old version keep the index');
wait_until($s, "SELECT next_at IS NOT NULL FROM guard.soft_drops WHERE index_name = 'public.users_a_idx'");
my $next_at = column('users', 'next_at');
old_at_work($old[1], 'users', 30);
wait_until($s, "SELECT next_at > '$next_at' FROM guard.soft_drops WHERE index_name = 'public.users_a_idx'");
is(column('users', 'state'), 'waiting', 'while an old session is at work the index stays, and the time of its end moves on');

# ---- the last one goes

$old[1]->close;
push @new, session($node, 'auth/212');
new_at_work($_, 'users') foreach @new;
is(column('users', 'state'), 'waiting', 'the last old session is gone, but it has not been quiet for long enough');
like(plan_of($new[0], 'users'), qr/Index Scan using guard_drop_/, 'and the planner still sees the index');

# ---- and time passes

set_quiet_period('1s');
wait_for_state('users', 'hidden');
like(column('users', 'state_reason'), qr/^stopped: auth used it 90 times, /, 'quiet for long enough: hidden, with the reason');
new_at_work($_, 'users') foreach @new;
wait_for_state('users', 'dropped');
is($s->value("SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE indrelid = 'users'::regclass"), 'users_pkey',
	'dropped at last, when nobody has missed it');
wait_until($s, "SELECT string_agg(event, ' ' ORDER BY at) = 'delay hide dropped' FROM guard.last_drops() WHERE index_name = 'public.users_a_idx'");
pass('the audit log has the steps');

# ---- where the pipeline tells what is deployed, its word is waited for, however quiet it is

make_service_table('orders');
$old[0] = session($node, 'auth/211');
old_at_work($old[0], 'orders', 30);
$s->ok("SELECT guard.add_dependency('orders_a_idx', 'auth', '212')");
$s->ok('DROP INDEX orders_a_idx');
$old[0]->close;
be_looked_at('probe1');
is(column('orders', 'state'), 'waiting', 'quiet, but version 212 has not been reported');
$s->ok("SELECT guard.report_deployment('auth', '211')");
be_looked_at('probe2');
is(column('orders', 'state'), 'waiting', 'another version has been reported');
set_quiet_period('1h');
$s->ok("SELECT guard.report_deployment('auth', '212')");
wait_for_state('orders', 'hidden');
like(column('orders', 'state_reason'), qr/^stopped: /, 'version 212 has been reported: hidden, without more waiting');
set_quiet_period('1s');
wait_for_state('orders', 'dropped');

# ---- what is seen beats what was reported

make_service_table('carts');
$old[0] = session($node, 'auth/211');
$s->ok("SELECT guard.add_dependency('carts_a_idx', 'auth', '212')");
old_at_work($old[0], 'carts', 30);
$s->ok('DROP INDEX carts_a_idx');
be_looked_at('probe3');
is(column('carts', 'state'), 'waiting', 'a straggler of version 211 after the report: the index waits');

$node->stop;
done_testing();
