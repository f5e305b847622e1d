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

# Whose plans: those of whoever sets it, in his session.  Nobody hides an index from others that way: not by the
# configuration file, not by what is kept for a role or a database, however that got there.
$node->append_conf('postgresql.conf', "guard.without_index = 't_a_idx'");
$node->restart;
like(slurp_file($node->logfile), qr{WARNING:  parameter "guard.without_index" can be set in a session only}, 'postgresql.conf: refused, and said');
$s = session($node);
like(plan_of($s, $explain), qr/Index Scan using t_a_idx/, 'postgresql.conf: the plan as it is');
my $kept = 'SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text ~ $$without_index$$';
foreach my $whose ('ROLE CURRENT_USER', 'ROLE ALL', 'ROLE CURRENT_USER IN DATABASE postgres', 'DATABASE postgres', 'SYSTEM')
{
	failed($s->query("ALTER $whose SET guard.without_index = 't_a_idx'"), '55P02', qr/in a session only/, "ALTER $whose SET");
	next if $whose eq 'SYSTEM';
	failed($s->query("ALTER $whose SET Guard.Without_Index FROM CURRENT"), '55P02', qr/in a session only/, "ALTER $whose SET FROM CURRENT");
	passed($s->query("ALTER $whose RESET guard.without_index"), "ALTER $whose RESET");
}
$s->ok("SET guard.mode = off");
failed($s->query("DO \$\$ BEGIN ALTER DATABASE postgres SET guard.without_index = 't_a_idx'; END \$\$"), '55P02', qr/in a session only/, 'in a DO, guard off');
$s->ok("RESET guard.mode");
is($s->value($kept), 0, 'nothing is kept');
for my $what (q{CREATE FUNCTION kept() RETURNS int LANGUAGE sql SET guard.without_index = 't_a_idx' AS 'SELECT 1'},
	q{CREATE PROCEDURE kept() LANGUAGE plpgsql SET Guard.Without_Index TO 't_a_idx' AS 'BEGIN END'},
	q{CREATE FUNCTION kept() RETURNS int LANGUAGE sql SET guard.without_index FROM CURRENT AS 'SELECT 1'},
	q{ALTER FUNCTION plain() SET guard.without_index = 't_a_idx'},
	q{ALTER ROUTINE plain() SET guard.without_index = ''})
{
	$s->ok(q{CREATE OR REPLACE FUNCTION plain() RETURNS int LANGUAGE sql AS 'SELECT 1'});
	failed($s->query($what), '55P02', qr/in a session only/, $what);
}
is($s->value(q{SELECT count(*) FROM pg_proc WHERE proconfig::text ~ 'without_index'}), 0, 'nor with a function');
$s->ok(q{SET allow_system_table_mods = on});
foreach my $key ("0, (SELECT oid FROM pg_roles WHERE rolname = current_user)", "(SELECT oid FROM pg_database WHERE datname = 'postgres'), 0")
{
	$s->ok("INSERT INTO pg_db_role_setting VALUES ($key, '{guard.without_index=t_a_idx}')");
	my $next = session($node);
	like($next->{greeting}{notices}[0]{M}, qr/parameter "guard.without_index" can be set in a session only/, 'kept all the same: said');
	like(plan_of($next, $explain), qr/Index Scan using t_a_idx/, 'kept all the same: without effect');
	$next->close;
	$s->ok('DELETE FROM pg_db_role_setting');
}
my $client = session($node, application_name => 'psql', options => '-c guard.without_index=t_a_idx');
like(plan_of($client, $explain), qr/Seq Scan/, 'PGOPTIONS: the session of whoever connects');
$client->close;

# It is written down like a change of any other setting.
my $from = -s $node->logfile;
$s->ok("SET guard.without_index = 't_a_idx'");
like(substr(slurp_file($node->logfile), $from), qr/guard audit: \{.*"object":"guard.without_index","command":"set","statement":"SET guard.without_index = 't_a_idx'"/, 'SET: has its line in the log');
$s->ok('RESET guard.without_index');

# Kept before the library was there to refuse it.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
$s = session($node);
passed($s->query("ALTER ROLE CURRENT_USER SET guard.without_index = 't_a_idx'"), 'not preloaded: nobody is there to refuse it');
my $late = session($node);
$late->ok("LOAD 'guard'");
like(plan_of($late, $explain), qr/Index Scan using t_a_idx/, 'not preloaded: without effect');
failed($late->query("ALTER ROLE CURRENT_USER SET guard.without_index = 't_a_idx'"), '55P02', qr/in a session only/, 'not preloaded: refused once the library is there');
$late->ok('ALTER ROLE CURRENT_USER RESET guard.without_index');
$late->close;
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'guard'");
$node->restart;
$s = session($node);

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
