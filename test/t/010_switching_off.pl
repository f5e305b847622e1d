# How guard is switched off, for one role, one database, the whole server, and in an emergency, when the library is missing or
# has left shared_preload_libraries.  Mode off is off: nothing is judged, and a drop leaves its line in the server log.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $version = version_of($node);
my $s = session($node);
my $auth;

# Capture lives in shared memory, so after a restart the index is used anew; $n makes new names.
my $n = 0;

sub hot_index
{
	my $table = 'hot_' . ++$n;

	make_table($s, $table);
	$auth = use_index($node, $table);
	return "${table}_a_idx";
}

sub log_position
{
	return -s $node->logfile;
}

# ---- all of the server, in sessions that are already there

my $index = hot_index();
my $migration = session($node);
refused($migration->query("DROP INDEX $index"), qr/\Q$index\E/, 'guard is on');
my $from = log_position();
$s->ok("ALTER SYSTEM SET guard.mode = 'off'");
$s->ok('SELECT pg_reload_conf()');
wait_until($_, "SELECT current_setting('guard.mode') = 'off'") foreach $migration, $s;
my $r = $migration->query("DROP INDEX $index");
passed($r, 'switched off by reload, in a session that was there already');
is(scalar @{ $r->{notices} }, 0, 'nothing is said');
$node->wait_for_log(qr/guard audit: \{.*"index_name":"public.\Q$index\E".*"definition":"CREATE INDEX \Q$index\E ON public.hot_1 USING btree \(a\)"/, $from);
ok(1, 'the server log has the drop, and how to take it back');
is($s->value("SELECT concat_ws(' ', verdict, mode, command, statement, login_role = session_user) FROM guard.audit_log WHERE index_name = 'public.$index' AND verdict <> 'block'"),
	"unjudged off DROP INDEX DROP INDEX $index t", 'so has the audit log, and that guard was off');
like($s->value("SELECT state FROM guard.status WHERE item = 'mode'"), qr/off/, 'guard.status says so');
like($s->value("SELECT state FROM guard.status WHERE item = 'capture'"), qr/^(?!since)/, 'and does not claim that it captures');
$s->ok('ALTER SYSTEM RESET guard.mode');
$s->ok('SELECT pg_reload_conf()');
wait_until($_, "SELECT current_setting('guard.mode') = 'enforce'") foreach $migration, $s;
$index = hot_index();
refused($migration->query("DROP INDEX $index"), qr/\Q$index\E/, 'and on again by reload');

# A session that ran while nothing was captured leaves a gap, which guard knows.
my $careless = session($node, options => '-c guard.mode=off');
make_table($s, 'gap');
is(verdict($s, 'gap_a_idx'), 'allow cold', 'as long as every session is captured, silence means cold');
$careless->ok('SELECT c FROM gap WHERE a = 42; SELECT pg_stat_force_next_flush()');
wait_until($s, "SELECT idx_scan = 1 FROM pg_stat_user_indexes WHERE indexrelname = 'gap_a_idx'");
is(verdict($s, 'gap_a_idx'), 'allow unknown', 'while one is not, the little that the counters tell means unknown');
$careless->close;

# Capture alone.
$s->ok('ALTER SYSTEM SET guard.capture = off');
$s->ok('SELECT pg_reload_conf()');
wait_until($_, "SELECT current_setting('guard.capture') = 'off'") foreach $s, $auth;
like($s->value("SELECT state FROM guard.status WHERE item = 'capture'"), qr/^off/, 'guard.capture = off: guard.status says so');
$auth->ok('SELECT c FROM gap WHERE a = 42; SELECT pg_stat_force_next_flush()');
wait_until($s, "SELECT idx_scan = 2 FROM pg_stat_user_indexes WHERE indexrelname = 'gap_a_idx'");
is(verdict($s, 'gap_a_idx'), 'allow unknown', 'guard.capture = off: what is not captured is unknown');
refused($migration->query("DROP INDEX $index"), qr/\Q$index\E/, 'guard.capture = off: what was captured is remembered');
$s->ok('ALTER SYSTEM RESET guard.capture');
$s->ok('SELECT pg_reload_conf()');
wait_until($_, "SELECT current_setting('guard.capture') = 'on'") foreach $s, $auth;
$auth->ok('SELECT c FROM gap WHERE a = 42');
is(verdict($s, 'gap_a_idx'), 'block hot', 'guard.capture = on: it goes on');

# ---- for a role, a database, a session

$s->ok('CREATE ROLE etl LOGIN; CREATE ROLE plain LOGIN; CREATE ROLE dba LOGIN');
$s->ok('CREATE DATABASE staging');
$s->ok("GRANT ALL ON SCHEMA public TO etl, plain, dba");
my $staging = session($node, dbname => 'staging');
$staging->ok('CREATE EXTENSION guard');
make_table($staging, 't');
my $staging_user = session($node, dbname => 'staging', application_name => 'auth');
$staging_user->ok('SELECT c FROM t WHERE a = 42');

$s->ok("ALTER ROLE etl SET guard.mode = 'observe'");
$s->ok("ALTER DATABASE staging SET guard.mode = 'off'");
$s->ok('GRANT SET ON PARAMETER guard.mode TO dba');

my ($table) = $index =~ /(.*)_a_idx/;
$s->ok("ALTER TABLE $table OWNER TO etl");
$from = log_position();
my $etl = session($node, user => 'etl');
$r = $etl->query("BEGIN; DROP INDEX $index; COMMIT");
passed($r, 'ALTER ROLE etl SET guard.mode = observe: refuses nothing');
is(scalar(grep { $_->{S} eq 'WARNING' && $_->{M} =~ /^dropping index "public.\Q$index\E", which guard.mode = enforce would refuse: auth/ } @{ $r->{notices} }),
	1, 'but warns, once');
$node->wait_for_log(qr/WARNING:  dropping index "public.\Q$index\E", which guard.mode = enforce would refuse: auth/, $from);
ok(1, 'and the server log has it, for tools that show no warnings');
is($s->value("SELECT verdict || ' ' || reason FROM guard.last_drops() WHERE index_name = 'public.$index'"),
	'observe hot', 'the audit log knows a drop that would have been refused');

my $off = session($node, dbname => 'staging');
$r = $off->query('DROP INDEX t_a_idx');
passed($r, 'ALTER DATABASE staging SET guard.mode = off: refuses nothing there');
is(scalar @{ $r->{notices} }, 0, 'and says nothing');

$index = hot_index();
($table) = $index =~ /(.*)_a_idx/;
$s->ok("ALTER TABLE $table OWNER TO dba");
my $dba = session($node, user => 'dba');
refused($dba->query("DROP INDEX $index"), qr/\Q$index\E/, 'a grant of SET changes nothing by itself');
passed($dba->query("SET guard.mode = 'off'"), 'GRANT SET ON PARAMETER: the grantee may switch guard off');
passed($dba->query("BEGIN; DROP INDEX $index; ROLLBACK"), 'and it is off');
my $plain = session($node, user => 'plain');
failed($plain->query($_), '42501', qr/permission denied/, "nobody else may: $_")
  foreach "SET guard.mode = 'off'", "SET guard.mode = 'observe'", "SET guard.unknown_action = 'allow'",
  "SET guard.lookback = '1s'", "SET guard.quiet_period = '1s'", "SET guard.min_scans = 1000000",
  "SET guard.min_evidence_age = 0", "SET guard.rebuild_limit = '1TB'",
  "ALTER ROLE plain SET guard.mode = 'off'", 'SELECT set_config(\'guard.mode\', \'off\', true)';
$_->close foreach $etl, $dba, $plain, $off, $staging, $staging_user;

# ---- settings out of range

foreach (
	[ "guard.mode = 'on'",            qr/invalid value for parameter "guard.mode"/ ],
	[ "guard.mode = ''",              qr/invalid value for parameter "guard.mode"/ ],
	[ 'guard.lookback = 0',           qr/outside the valid range/ ],
	[ "guard.lookback = '35 apples'", qr/invalid value for parameter "guard.lookback"/ ],
	[ 'guard.quiet_period = -1',      qr/outside the valid range/ ],
	[ 'guard.min_scans = 0',          qr/outside the valid range/ ],
	[ "guard.rebuild_limit = '-1MB'", qr/outside the valid range/ ],
	[ "guard.unknown_action = 'maybe'", qr/invalid value for parameter "guard.unknown_action"/ ])
{
	failed($s->query("SET $_->[0]"), '22023', $_->[1], "bad value: $_->[0]");
}
failed($s->query('SET guard.no_such_thing = 1'), '42602', qr/invalid configuration parameter name/, 'nobody invents settings of guard');
foreach ([ 'lookback', '90s', '90s' ], [ 'lookback', '35d', '35d' ], [ 'quiet_period', '36h', '36h' ], [ 'rebuild_limit', '1GB', '1GB' ])
{
	$s->ok("SET guard.$_->[0] = '$_->[1]'");
	is($s->value("SHOW guard.$_->[0]"), $_->[2], "guard.$_->[0] takes $_->[1]");
	$s->ok("RESET guard.$_->[0]");
}

# ---- emergency: DROP EXTENSION always works, and comes back

$s->ok("SELECT guard.protect('$index', 'never')");
passed($s->query('DROP EXTENSION guard'), 'DROP EXTENSION guard, with a hot and protected index in the database');
passed($s->query("DROP INDEX $index"), 'then guard is gone');
passed($migration->query('CREATE TABLE after (a int PRIMARY KEY); DROP TABLE after'), 'in other sessions, too');
$s->ok('CREATE SCHEMA guard; CREATE TABLE guard.own (a int)');
failed($s->query('CREATE EXTENSION guard'), '42P06', qr/schema "guard" already exists/, 'a schema guard of somebody else is not moved into');
is($s->value('SELECT count(*) FROM guard.own'), 0, 'and not touched');
$s->ok('DROP SCHEMA guard CASCADE');
passed($s->query('CREATE EXTENSION guard'), 'without it guard can be created again');
$index = hot_index();
refused($migration->query("DROP INDEX $index"), qr/\Q$index\E/, 'and works at once, in every session');

# ---- emergency: the server starts without guard in shared_preload_libraries

$s->ok("SELECT guard.protect('$index', 'never')");
$_->close foreach $s, $auth, $migration;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\nguard.max_indexes = 20000\nguard.mode = 'enforce'\n");
$node->restart;
$s = session($node);
passed($s->query('CREATE TABLE without_preload (a int)'), 'out of shared_preload_libraries: the server starts, and DDL works');
refused($s->query("DROP INDEX $index"), qr/protects it for \w+: never/, 'the event trigger loads the library');
$s->close;

# ---- emergency: the library is missing.  It is shared with other tests and cannot be taken away, so guard's functions are
# told to look for it under a name that does not exist.

$s = session($node, options => '-c guard.mode=off');
$s->ok(q{UPDATE pg_proc SET probin = 'guard_is_missing' WHERE probin = 'guard'});
$s->close;
$s = session($node);
failed($s->query('CREATE TABLE impossible (a int)'), '58P01', qr/could not access file.*guard_is_missing/, 'library missing: every DDL fails');
passed($s->query('SELECT count(*) FROM without_preload'), 'library missing: queries do not');
foreach (qw(guard_ddl_command_start guard_ddl_command_end guard_sql_drop))
{
	passed($s->query("ALTER EVENT TRIGGER $_ DISABLE"), "library missing: ALTER EVENT TRIGGER $_ DISABLE works");
}
passed($s->query('CREATE TABLE possible (a int)'), 'library missing: then DDL works again');
passed($s->query('DROP EXTENSION guard'), 'library missing: and the extension can be dropped');

$node->stop;
done_testing();
