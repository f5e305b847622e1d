# A hidden index stays hidden through restart and crash, and is visible wherever it is doubtful whether it should be: in another
# database, where the registry came by a template, from a registry that is not guard's, and when guard.hiding is off.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', conf => "restart_after_crash = on\n");
my $dir = PostgreSQL::Test::Utils::tempdir;
my $s = session($node);
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;

make_table($s, 't');
my $query = 'SELECT c FROM t WHERE a = 42';

# A session with a generic plan that it keeps.
sub service
{
	my $session = session($node, @_ ? @_ : 'service');

	$session->ok('SET plan_cache_mode = force_generic_plan');
	$session->ok('PREPARE q(int) AS SELECT c FROM t WHERE a = $1');
	return $session;
}

# Whether a plain and the prepared statement see the index: "visible visible"
sub seen
{
	my ($session) = @_;

	return join ' ', map {
		my $r = $session->query("EXPLAIN (COSTS OFF) $_");
		$r->{error} ? $r->{error}{M} : (grep { $_->[0] =~ /t_a_idx/ } @{ $r->{rows} }) ? 'visible' : 'hidden'
	} $query, 'EXECUTE q(42)';
}
my ($visible, $hidden) = ('visible visible', 'hidden hidden');

# ---- other sessions, there and back

my $service = service();
is(seen($service), $visible, 'visible at first');
$s->ok("SELECT guard.hide('t_a_idx')");
is(seen($service), $hidden, 'hidden in another session, which has its plan already');
is(seen(service()), $hidden, 'and in a new one');
$s->ok("SELECT guard.unhide('t_a_idx')");
is(seen($service), $visible, 'visible again');

# ---- restart and crash

$s->ok("SELECT guard.hide('t_a_idx')");
$_->close foreach $s, $service;
$node->restart;
is(seen(service()), $hidden, 'after a restart');
$node->stop('immediate');
$node->start;
is(seen(service()), $hidden, 'after an immediate shutdown');
$s = session($node);
my $victim = session($node, 'victim');
kill 'KILL', $victim->pid;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'victim'");
is(seen(service()), $hidden, 'after the crash of a backend');
$s = session($node);
$s->ok("SELECT guard.unhide('t_a_idx')");
is(seen(service()), $visible, 'and it can be undone');

# ---- prepared, and committed in another life of the server

$s->ok("BEGIN; SELECT guard.hide('t_a_idx'); PREPARE TRANSACTION 'hide'");
$s->close;
$node->stop('immediate');
$node->start;
$service = service();
is(seen($service), $visible, 'prepared is not committed');
$s = session($node);
$s->ok("COMMIT PREPARED 'hide'");
is(seen($service), $hidden, 'committed after a crash');

# ---- the switches

sub reload
{
	my ($setting) = @_;

	$s->ok("ALTER SYSTEM SET $setting");
	$s->ok('SELECT pg_reload_conf()');
	my ($name, $value) = split / = /, $setting;
	foreach my $session ($s, $service)
	{
		wait_until($session, "SELECT current_setting('$name') = '$value'");
	}
}
reload('guard.hiding = off');
is(seen($service), $visible, 'guard.hiding = off: every index is visible, to plans made before as well');
is($s->value("SELECT hidden FROM guard.index_facts WHERE index_name = 't_a_idx'"), 't', 'but the registry has not changed');
failed($s->query('SET guard.hiding = on'), '55P02', qr/cannot be changed now/, 'it is for the whole server');
reload('guard.hiding = on');
is(seen($service), $hidden, 'guard.hiding = on: hidden again');
reload('guard.mode = off');
is(seen($service), $visible, 'guard.mode = off is off');
reload('guard.mode = enforce');
is(seen($service), $hidden, 'and on again');
$service->ok('SET guard.mode = observe');
is(seen($service), $hidden, 'observing is not off');
$service->ok("BEGIN; SET LOCAL guard.mode = off");
is(seen($service), $visible, 'off for one transaction');
$service->ok('COMMIT');
is(seen($service), $hidden, 'and no longer');

# ---- no lock is left behind, none is waited for

$service->ok('BEGIN ISOLATION LEVEL SERIALIZABLE');
$s->ok("SELECT guard.hide('t_a_idx', 'read me again')");
is(seen($service), $hidden, 'a serializable transaction reads the registry');
is($s->value("SELECT count(*) FROM pg_locks WHERE relation IN ('guard.hidden_index'::regclass, 'guard.hidden_index_object_idx'::regclass)"),
	0, 'and leaves no lock on it, SIREAD or other');
$service->ok('COMMIT');
$s->ok('BEGIN; LOCK TABLE guard.hidden_index IN ACCESS EXCLUSIVE MODE');
my $stranger = service();
is(seen($stranger), $visible, 'locked: a session that knows nothing sees the index, and does not wait');
is(seen($service), $hidden, 'locked: one that knows goes on');
$s->ok('ROLLBACK');
is(seen($stranger), $hidden, 'unlocked: all know, and plans made in ignorance are made anew');

# ---- other databases

$_->close foreach $stranger, $service, $s;
$node->safe_psql('template1', 'CREATE DATABASE copied TEMPLATE postgres');
$service = service(dbname => 'copied', application_name => 'service');
is(seen($service), $visible, 'a copy of the database: same tables, same OIDs, visible');
my $copied = session($node, dbname => 'copied');
failed($copied->query("SELECT guard.unhide('t_a_idx')"), '42704', qr/is not hidden/, 'it is not what unhide undoes');
$copied->ok("SELECT guard.hide('t_a_idx')");
is(seen($service), $hidden, 'hidden there on its own account');
$node->safe_psql('template1', 'CREATE DATABASE another TEMPLATE postgres');
my @both = map { session($node, dbname => 'another') } 1, 2;
# whoever comes first holds guard.installation until he is done; a visitor may be it
my $first = $both[0]->query("BEGIN; SELECT guard.hide('t_a_idx')");
my $second = $both[1]->query("SET lock_timeout = '100ms'; SELECT guard.hide('t_a_idx')");
ok($first->{error} || !$second->{error} || $second->{error}{C} eq '55P03', 'two at once in a copy: the second waits for the first');
$both[0]->query('COMMIT');
$_->close foreach @both;
is($copied->value('SELECT count(*) FROM guard.hidden_index'), 1, 'the row of the original does not stay');
$_->close foreach $copied, $service;

command_ok([ 'pg_dump', '-f', "$dir/plain.sql", 'postgres' ], 'pg_dump');
unlike(slurp_file("$dir/plain.sql"), qr/^COPY guard\.hidden/m, 'a dump does not say what is hidden');
$node->safe_psql('template1', 'CREATE DATABASE restored');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", 'restored' ], 'psql restores it');
$service = service(dbname => 'restored', application_name => 'service');
is(seen($service), $visible, 'and it is visible there');
$service->close;

# ---- a registry that is not guard's

$node->safe_psql('template1', 'CREATE DATABASE spoofed; CREATE ROLE mallory LOGIN; ALTER DATABASE spoofed OWNER TO mallory');
$s = session($node, dbname => 'spoofed');
make_table($s, 't');
my $mallory = session($node, dbname => 'spoofed', user => 'mallory');
$mallory->ok($_)
  foreach 'CREATE SCHEMA guard', 'CREATE TABLE guard.hidden_index (table_oid oid, index_oid oid, database_oid oid, system_identifier bigint,
	table_schema name, table_name name, index_name name, partitioned boolean, kind text, hidden_at timestamptz, hidden_by name, reason text)',
  "INSERT INTO guard.hidden_index SELECT 't'::regclass, 't_a_idx'::regclass, oid, 0, 'public', 't', 't_a_idx', false, 'hand', now(), 'mallory', NULL
	FROM pg_database WHERE datname = 'spoofed'";
$s->ok('UPDATE guard.hidden_index SET system_identifier = (SELECT system_identifier FROM pg_control_system())');
is(seen(service(dbname => 'spoofed', application_name => 'service')), $visible, 'without the extension a table of that name hides nothing');
$s->close;
$mallory->close;

# ---- without preloading

$node->stop;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
$s = session($node);
failed($s->query("SELECT guard.hide('t_a_idx')"), '55000', qr/^cannot hide an index without guard in "shared_preload_libraries"$/,
	'not preloaded: guard.hide() says so');
like($s->query("SELECT guard.hide('t_a_idx')")->{error}{H}, qr/restart the server/, 'and what to do');
$s->ok('PREPARE q(int) AS SELECT c FROM t WHERE a = $1');
is(seen($s), $visible, 'not preloaded: visible, even in a session that has loaded guard');
$s->ok("SELECT guard.unhide('t_a_idx')");
is($s->value('SELECT count(*) FROM guard.hidden_index'), 0, 'but it can be undone');
$s->close;

$node->stop;
done_testing();
