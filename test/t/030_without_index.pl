# SET guard.without_index works wherever the library is: loaded by hand, by the event trigger, in a parallel worker.
# PostgreSQL 18 and later have it in EXPLAIN as well, but not for a plan that is there already.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', preload => '', conf => <<'CONF');
enable_bitmapscan = off
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
CONF
my $version = version_of($node);
my $s = session($node);
make_table($s, 't');

sub plan_of
{
	my ($session, $explain) = @_;

	return join "\n", map { $_->[0] } @{ $session->ok($explain)->{rows} };
}

my $explain = 'EXPLAIN (COSTS off) SELECT c FROM t WHERE a = 42';

# by hand, and set before the library is there
foreach my $how ('LOAD first', 'SET first')
{
	my $user = session($node);
	my @words = ("LOAD 'guard'", "SET guard.without_index = 't_a_idx'");

	like(plan_of($user, $explain), qr/Index Scan using t_a_idx/, "$how: the plan as it is");
	$user->ok($_) foreach $how eq 'LOAD first' ? @words : reverse @words;
	like(plan_of($user, $explain), qr/Seq Scan/, "$how: the plan without the index");
	$user->ok('RESET guard.without_index');
	like(plan_of($user, $explain), qr/Index Scan using t_a_idx/, "$how: and with it again");
	$user->close;
}

# by the event trigger of any DDL
{
	my $user = session($node);

	$user->ok('CREATE TEMP TABLE any_ddl ()');
	$user->ok("SET guard.without_index = 't_a_idx'");
	like(plan_of($user, $explain), qr/Seq Scan/, 'event trigger: the plan without the index');
	$user->close;
}

# A worker takes over the settings of its leader, which may name what is not there, without a word.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'guard'");
$node->restart;
$s = session($node);
$s->ok("SET guard.without_index = 't_a_idx, nowhere'");
my $debug = $version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
$s->ok("SET $debug = on");
my $r = $s->query('SELECT count(*) FROM t WHERE a = 42');
passed($r, 'parallel worker: executes');
is($r->{rows}[0][0], 1, 'parallel worker: the right answer');
is(scalar @{ $r->{notices} }, 0, 'parallel worker: without a word');
$s->ok("RESET guard.without_index; RESET $debug");

# In postgresql.conf it is taken as it is; what is not a list is refused by whoever reads it.
$node->append_conf('postgresql.conf', "guard.without_index = 'nowhere, t_a_idx'");
$node->restart;
$s = session($node);
like(plan_of($s, $explain), qr/Seq Scan/, 'postgresql.conf: the plan without the index');
$s->ok("SET guard.without_index = ''");
like(plan_of($s, $explain), qr/Index Scan using t_a_idx/, 'postgresql.conf: a session may want it back');
ok(slurp_file($node->logfile) !~ /invalid configuration parameter name/, 'postgresql.conf: it is a setting like others');

# EXPLAIN (WITHOUT_INDEX '…')
my $option = "EXPLAIN (WITHOUT_INDEX 'public.t_a_idx', COSTS off)";
if ($version >= 18)
{
	like(plan_of($s, "$option SELECT c FROM t WHERE a = 42"), qr/Seq Scan/, 'option: the plan without the index');
	like(plan_of($s, $explain), qr/Index Scan using t_a_idx/, 'option: for this EXPLAIN only');
	like(plan_of($s, "EXPLAIN (GENERIC_PLAN, WITHOUT_INDEX 't_a_idx', COSTS off) SELECT c FROM t WHERE a = \$1"), qr/Seq Scan/, 'option: GENERIC_PLAN');
	like(plan_of($s, "EXPLAIN (FORMAT json, WITHOUT_INDEX 't_a_idx') SELECT c FROM t WHERE a = 42"), qr/"Seq Scan"/, 'option: JSON');
	like(plan_of($s, "$option CREATE TABLE u AS SELECT c FROM t WHERE a = 42"), qr/Seq Scan/, 'option: CREATE TABLE AS');
	like(plan_of($s, "$option DECLARE c CURSOR FOR SELECT c FROM t WHERE a = 42"), qr/Seq Scan/, 'option: DECLARE CURSOR');
	failed($s->query("$option SELECT 1 / (a - a) FROM t WHERE a = 1 / 0"), '22012', qr/division/, 'option: an error while planning');
	like(plan_of($s, $explain), qr/Index Scan using t_a_idx/, 'option: is over after an error');

	$s->ok('PREPARE p (int) AS SELECT c FROM t WHERE a = $1');
	failed($s->query("$option EXECUTE p (42)"), '0A000', qr/cannot be used with EXECUTE/, 'option: not with EXECUTE');
	failed($s->query("$option CREATE TABLE u AS EXECUTE p (42)"), '0A000', qr/cannot be used with EXECUTE/, 'option: nor in CREATE TABLE AS EXECUTE');
	failed($s->query("EXPLAIN (WITHOUT_INDEX 'nowhere') SELECT c FROM t"), '42704', qr/index "nowhere" does not exist/, 'option: an index that is not there');
	failed($s->query("EXPLAIN (WITHOUT_INDEX 't') SELECT c FROM t"), '42809', qr/"t" is not an index/, 'option: not an index');
	failed($s->query("EXPLAIN (WITHOUT_INDEX 'a,,b') SELECT c FROM t"), '22023', qr/invalid value/, 'option: not a list');
}
else
{
	failed($s->query("$option SELECT c FROM t"), '42601', qr/unrecognized EXPLAIN option/, 'no option before 18');
	$s->ok('PREPARE p (int) AS SELECT c FROM t WHERE a = $1');
	failed($s->query("$option EXECUTE p (42)"), '42601', qr/unrecognized EXPLAIN option/, 'nor with EXECUTE');
}

# Told to whoever sets it.
$r = $s->query("SET guard.without_index = 'nowhere'");
passed($r, 'SET: a name that means nothing is no error');
like($r->{notices}[0]{M}, qr/index "nowhere" does not exist/, 'SET: but is said');
failed($s->query("SET guard.without_index = 't'"), '22023', qr/invalid value for parameter/, 'SET: a table is one');

$node->stop;
done_testing();
