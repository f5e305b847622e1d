# What happens to visits when something else happens: no worker is free, a process dies, guard.mode is off, the server is a
# standby.  Nothing fails, guard.status says what is the matter, and when it is over visits go on.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

# Of four worker slots the launchers, of logical replication and ours, leave two.
my $node = guard_server('main', streaming => 1, conf => "restart_after_crash = on\nmax_worker_processes = 4\n");
my $s = session($node);

$s->ok('SET client_min_messages = warning');
$s->ok("CREATE FUNCTION want_visit(seconds int) RETURNS void LANGUAGE c AS 'guard', 'guard_sql_want_visit'");
$s->ok('CREATE TABLE crowd AS SELECT g FROM generate_series(1, 1000) g; ALTER TABLE crowd SET (parallel_workers = 2)');

sub wait_for_status
{
	my ($item, $like) = @_;

	wait_until($s, "SELECT state LIKE '$like' FROM guard.status WHERE item = '$item'");
}

sub visits
{
	return $s->value("SELECT COALESCE(substring(state FROM '^\\d+'), '0') FROM guard.status WHERE item = 'visits here'");
}

# A visit that was asked for has been made.
sub visited
{
	my ($what) = @_;
	my $before = visits();

	$s->ok('SELECT want_visit(0)');
	wait_until($s, "SELECT COALESCE(substring(state FROM '^\\d+'), '0')::int > $before FROM guard.status WHERE item = 'visits here'");
	pass("visits go on: $what");
}

sub have_stay
{
	$s->ok('SELECT want_visit(600)');
	wait_until($s, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'guard worker' AND state = 'idle'");
	return $s->value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard worker'");
}

my $launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard launcher'";

wait_for_status('worker', 'running');
visited('at first');

# ---- max_worker_processes are used up; before anybody asks for a visitor that stays, which would have one of them

# A visitor that is just leaving may still have one of the two: then the next query gets it.
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'";
my @crowd;
while ($s->value($workers) < 2)
{
	my $crowd = session($node, 'crowd');

	push @crowd, $crowd;
	$crowd->ok('SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
		SET min_parallel_table_scan_size = 0');
	$crowd->start('SELECT count(pg_sleep(1000)) FROM crowd');
	wait_until($s, 'SELECT wait_event = \'PgSleep\' FROM pg_stat_activity WHERE pid = ' . $crowd->pid);
}
$s->ok('SELECT want_visit(0)');
wait_for_status('worker', 'waits for a free background worker since %');
wait_for_status('databases', '%, 1 waiting%');
pass('guard.status says that no worker is free');
is($s->query('CREATE TABLE meanwhile (a int PRIMARY KEY)')->{error}, undef, 'and nothing fails');
my $saying = () = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /LOG: .*guard waits for a free background worker/g;
is($saying, 1, 'the server log says it once');
foreach my $crowd (@crowd)
{
	$s->ok('SELECT pg_cancel_backend(' . $crowd->pid . ')');
	$crowd->result;
	$crowd->close;
}
wait_for_status('worker', 'running');
visited('after there was a free worker again');

# ---- the launcher is terminated: it comes back, the visitor stays

my $visitor = have_stay();
my $old = $s->value($launcher);
$s->ok("SELECT pg_terminate_backend($old)");
wait_for_status('worker', 'not running%');
pass('guard.status says that there is no launcher');
wait_until($s, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'guard launcher' AND pid <> $old");
is($s->value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard worker'"),
	$visitor, 'a visitor survives its launcher');
visited('with a new launcher');

# ---- a visitor is terminated: it was to stay, so another comes

$s->ok("SELECT pg_terminate_backend($visitor)");
wait_until($s, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'guard worker' AND pid <> $visitor AND state = 'idle'");
pass('a visitor that was to stay is replaced');
$visitor = $s->value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard worker'");
$s->ok("SELECT pg_cancel_backend($visitor)");
visited('pg_cancel_backend() interrupts nothing');

# ---- switched off by reload

$node->append_conf('postgresql.conf', "guard.mode = 'off'\n");
$node->reload;
wait_until($s, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'guard worker'");
wait_for_status('worker', 'off%');
pass('guard.mode = off sends visitors home');
my $before = visits();
$s->ok('SELECT want_visit(0)');
is(visits(), $before, 'and none comes');
$node->append_conf('postgresql.conf', "guard.mode = 'enforce'\n");
$node->reload;
wait_for_status('worker', 'running');
visited('guard.mode is on again');

# A database in which it is off is left in peace, too.
$s->ok("ALTER DATABASE postgres SET guard.mode = 'off'");
wait_until($s, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'guard worker'");
wait_until($s, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'guard worker'");
$s->ok('SELECT want_visit(600)');
wait_for_status('databases', '%, 0 waiting%');
wait_until($s, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'guard worker'");
pass('ALTER DATABASE SET guard.mode = off: a visitor comes and does not stay');
$s->ok('ALTER DATABASE postgres RESET guard.mode');

# ---- on a standby visitors report, and do nothing else until it is promoted

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $primary = $s;
$s = session($standby);
wait_for_status('worker', 'running');
wait_for_status('visits here', '%last%');
pass('a standby has visitors');
is($s->query('SELECT want_visit(0)')->{error}, undef, 'asking for one does no harm');
$standby->promote;
wait_until($s, 'SELECT NOT pg_is_in_recovery()');
my $visits = $s->value("SELECT state FROM guard.status() WHERE item = 'visits here'");
$s->ok('SELECT want_visit(0)');
wait_until($s, "SELECT state <> '$visits' FROM guard.status() WHERE item = 'visits here'");
pass('after promotion they come as before');
$s->close;
$standby->stop;
$s = $primary;

# ---- a visitor is killed: the server restarts by itself, and everything begins anew

$visitor = have_stay();
my $pid = $s->value($launcher);
kill 'KILL', $visitor;
$s->close;
$node->poll_query_until('postgres', "SELECT pid <> $pid FROM ($launcher) l") or die 'no new launcher';
$s = session($node);
wait_for_status('visits here', '%last%');
visited('after a crash restart');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/guard (visitor|launcher)\[\d+\].*(ERROR|PANIC):(?!  canceling statement due to user request)/,
	'neither launcher nor visitor met an error');
done_testing();
