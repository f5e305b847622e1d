# Where event triggers are off, a preloaded guard still stands at its other doors: ProcessUtility and object_access.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $version = version_of($node);
my $s = session($node);

make_table($s, 't');
make_table($s, 'kept');
$s->ok("SELECT guard.protect('kept_a_idx', 'not this one')");
$s->ok("CREATE SCHEMA app; CREATE TABLE app.u AS SELECT * FROM t; CREATE INDEX u_a_idx ON app.u (a); ANALYZE app.u");
my $auth = use_index($node, 't');
$auth->ok('SELECT c FROM app.u WHERE a = 42');

sub all_doors
{
	my ($session, $case) = @_;

	# A reader has the table: what is refused before it takes a lock does not wait for him.
	my $reader = session($node, 'reader');
	$reader->ok('BEGIN');
	$reader->ok('SELECT count(*) FROM t');
	$session->ok("SET lock_timeout = '1ms'");
	refused($session->query('DROP INDEX t_a_idx'), qr/auth use it/, "$case: DROP INDEX, before it takes a lock");
	refused($session->query('ALTER TABLE t DROP COLUMN a'), qr/auth use it/, "$case: DROP COLUMN, before it takes a lock");
	$session->ok('RESET lock_timeout');
	$reader->close;
	refused($session->query('DROP INDEX CONCURRENTLY t_a_idx'), qr/auth use it/, "$case: DROP INDEX CONCURRENTLY");
	is(index_state($s, 't_a_idx'), 'valid ready live', "$case: the index is as it was");
	refused($session->query('BEGIN; DROP INDEX t_a_idx; COMMIT'), qr/auth use it/, "$case: at COMMIT");
	refused($session->query('DROP SCHEMA app CASCADE'), qr/app\.u.*auth use it/, "$case: DROP SCHEMA CASCADE");
	refused($session->query('DROP INDEX kept_a_idx'), qr/protects it for \w+: not this one/, "$case: a protected index");
}

my $replica = session($node);
$replica->ok('SET session_replication_role = replica');
all_doors($replica, 'session_replication_role = replica');
$replica->close;

SKIP:
{
	skip 'event_triggers is a setting from 17 on', 1 if $version < 17;
	my $off = session($node);
	$off->ok('SET event_triggers = off');
	all_doors($off, 'event_triggers = off');

	# The books are kept, too.
	$off->ok('CREATE INDEX short_lived ON t (b)');
	passed($off->query('DROP INDEX short_lived'), 'event_triggers = off: an index created and never used goes');
	is( $s->value("SELECT verdict || ' ' || reason || ' ' || definition FROM guard.last_drops() WHERE index_name = 'public.short_lived'"),
		'allow cold CREATE INDEX short_lived ON public.t USING btree (b)',
		'event_triggers = off: its row in the audit log is written');
	$off->close;
}

foreach (qw(guard_ddl_command_start guard_ddl_command_end guard_sql_drop))
{
	$s->ok("ALTER EVENT TRIGGER $_ DISABLE");
}
my $disabled = session($node);
all_doors($disabled, 'event triggers disabled');
$disabled->close;
foreach (qw(guard_ddl_command_start guard_ddl_command_end guard_sql_drop))
{
	$s->ok("ALTER EVENT TRIGGER $_ ENABLE ALWAYS");
}

# Single-user mode: no event trigger fires there at all.
$auth->close;
$s->close;
$node->stop;
sub single_user
{
	my ($sql, @options) = @_;
	my ($out, $err) = ('', '');

	run_log([ 'postgres', '--single', '-F', '-D', $node->data_dir, @options, 'postgres' ],
		'<', \"$sql\n", '>', \$out, '2>', \$err);
	return $out . $err;
}
like(single_user('DROP INDEX kept_a_idx'), qr/ERROR: .*cannot drop index "public.kept_a_idx": guard protects it for \w+: not this one/,
	'single-user mode: a protected index stays');
like(single_user('DROP INDEX kept_a_idx', '-c', 'guard.mode=off'), qr/guard audit: \{.*"verdict":"unjudged","index_name":"public.kept_a_idx".*"mode":"off"/,
	'single-user mode: unless guard is switched off');
$node->start;
$s = session($node);
is(index_state($s, 'kept_a_idx'), 'gone', 'single-user mode: then it goes');
is(index_state($s, 't_a_idx'), 'valid ready live', 'the server is well afterwards');

$node->stop;
done_testing();
