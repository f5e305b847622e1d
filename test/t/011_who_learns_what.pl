# Who learns what: the client, the server log, the owner of the table, a member of pg_read_all_stats, and somebody with no rights
# at all.  Texts of other people's statements reach the log and members of pg_read_all_stats, nobody else.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', conf => "log_error_verbosity = verbose\n");
my $s = session($node);

# In a schema that is not in anybody's search_path.
$s->ok('CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats');
$s->ok("CREATE ROLE $_ LOGIN; GRANT ALL ON SCHEMA public TO $_") foreach qw(owner stranger auditor);
$s->ok('GRANT pg_read_all_stats TO auditor');
make_table($s, $_) foreach qw(t u idle unknown);
$s->ok("ALTER TABLE $_ OWNER TO owner") foreach qw(t u idle unknown);
my $auth = use_index($node, 't');
$auth->ok("SELECT b AS secret_column FROM t WHERE a = 42 AND c <> 'password'") foreach 1 .. 3;
$auth->ok('SELECT c FROM u WHERE a = 42');

# All lines of the log since a position, with their continuation.
sub logged
{
	my ($from) = @_;

	return slurp_file($node->logfile, $from);
}

sub position
{
	return -s $node->logfile;
}

my ($owner, $stranger, $auditor) = map { session($node, user => $_) } qw(owner stranger auditor);

# ---- a refusal

my $from = position();
my $r = $owner->query('DROP INDEX t_a_idx');
my $error = $r->{error};
is($error->{C}, '55006', 'SQLSTATE 55006');
like($error->{M}, qr/^cannot drop index "public.t_a_idx": guard s\w+ auth use it .*, last [\d.]+ s ago$/, 'message: which index, who, how much, when last');
like($error->{D}, qr/It serves 2 statements.*since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/s, 'detail: how many statements, and since when this is known');
like($error->{H}, qr/SELECT \* FROM guard.index_statements\('public.t_a_idx'\);/, 'hint: a command to copy');
unlike(join(' ', values %$error), qr/secret_column|password/, 'no statement of others reaches the client');

my $log = logged($from);
like($log, qr/ERROR: .*cannot drop index "public.t_a_idx": guard s\w+ auth/, 'the log has the refusal');
like($log, qr/SELECT b AS secret_column FROM t WHERE a = \$1 AND c <> \$2/, 'with the statements that use the index, normalised');
unlike($log, qr/password/, 'but not with their constants');
like($log, qr/Reason: hot\./, 'and the reason');
is(scalar(() = $log =~ /cannot drop index/g), 1, 'one refusal is one line');

$from = position();
# At COMMIT texts are logged that a snapshot has written down.
$s->ok('SELECT guard.snapshot()');
$owner->query('BEGIN; DROP INDEX t_a_idx; COMMIT');
like(logged($from), qr/ERROR: .*cannot drop index "public.t_a_idx".*secret_column/s, 'so does a refusal at COMMIT');

$from = position();
$r = $owner->query('DROP INDEX t_a_idx, u_a_idx, idle_a_idx');
refused($r, qr/"public.t_a_idx".*"public.u_a_idx"/, 'one refusal names all indexes that are needed');
unlike($r->{error}{M}, qr/idle_a_idx/, 'and no other');
is(index_state($s, 'idle_a_idx'), 'valid ready live', 'nothing of the statement is done');
is(scalar(() = logged($from) =~ /ERROR:/g), 1, 'and that is one line, too');

# ---- a drop that goes through

$from = position();
$r = $owner->query('DROP INDEX idle_a_idx');
passed($r, 'the owner drops what is not used');
like(logged($from), qr/LOG: .*guard audit: \{.*"verdict":"allow","reason":"cold","index_name":"public.idle_a_idx".*"definition":"CREATE INDEX idle_a_idx ON public.idle USING btree \(a\)"/,
	'the log has it, with the statement that brings it back');
is_deeply(
	$s->ok("SELECT index_name, table_name, login_role, verdict, reason, definition FROM guard.last_drops() WHERE event = 'dropped'")->{rows},
	[ [ 'public.idle_a_idx', 'public.idle', 'owner', 'allow', 'cold', 'CREATE INDEX idle_a_idx ON public.idle USING btree (a)' ] ],
	'so has guard.last_drops()');
is_deeply($s->ok('SELECT login_role, application, command, statement FROM guard.audit_log WHERE verdict = \'allow\'')->{rows},
	[ [ 'owner', 'migration', 'DROP INDEX', 'DROP INDEX idle_a_idx' ] ], 'and the audit log, with who, what and how');
passed($s->query($s->value("SELECT definition FROM guard.last_drops() WHERE event = 'dropped'")), 'the definition works');

# Rolled back: the index is there, and no row says that it went.
$owner->ok('BEGIN; DROP INDEX idle_a_idx; ROLLBACK');
is($s->value("SELECT count(*) FROM guard.audit_log WHERE verdict = 'allow'"), 1, 'a drop that is rolled back leaves no row');

# ---- in the dark

$s->ok('SELECT pg_stat_reset()');
$s->ok("SET guard.unknown_action = 'allow'");
my $careless = session($node, options => '-c guard.mode=off');
$careless->ok('SELECT c FROM unknown WHERE a = 42; SELECT pg_stat_force_next_flush()');
wait_until($s, "SELECT idx_scan = 1 FROM pg_stat_user_indexes WHERE indexrelname = 'unknown_a_idx'");
is(verdict($s, 'unknown_a_idx'), 'allow unknown', 'too little is known of an index');
$from = position();
$r = $s->query('DROP INDEX unknown_a_idx');
passed($r, 'a drop in the dark passes where that is allowed');
is(scalar(grep { $_->{S} eq 'WARNING' && $_->{M} =~ /"public.unknown_a_idx" without knowing/ } @{ $r->{notices} }), 1, 'with a warning');
like(logged($from), qr/WARNING: .*dropping index "public.unknown_a_idx" without knowing/, 'and a line in the log');
is($s->value("SELECT verdict || ' ' || reason FROM guard.last_drops() WHERE index_name = 'public.unknown_a_idx'"), 'allow unknown',
	'and a row in the audit log');
$careless->close;

# ---- somebody who does not own the table

foreach ('DROP INDEX t_a_idx', 'DROP INDEX CONCURRENTLY t_a_idx', 'DROP INDEX idle_a_idx, t_a_idx')
{
	$r = $stranger->query($_);
	failed($r, '42501', qr/^must be owner of index/, "stranger: $_");
	unlike(join(' ', map { $_->{M} } $r->{error}, @{ $r->{notices} }), qr/auth|guard/, 'and learns nothing from guard');
}
failed($stranger->query('ALTER TABLE t DROP COLUMN a'), '42501', qr/^must be owner of table t$/, 'stranger: DROP COLUMN');
failed($stranger->query('DROP TABLE t'), '42501', qr/^must be owner of table t$/, 'stranger: DROP TABLE');
failed($stranger->query('DROP INDEX no_such_index'), '42704', qr/^index "no_such_index" does not exist$/, 'stranger: no such index');
failed($stranger->query($_), '42501', qr/^permission denied/, "stranger: $_")
  foreach "SELECT guard.check('t')", "SELECT guard.check('t_a_idx')", "SELECT guard.index_statements('t_a_idx')",
  "SELECT guard.protect('t', 'mine')", "SELECT guard.unprotect('t')", 'SELECT guard.last_drops()',
  'TABLE guard.audit_log', 'TABLE guard.protection', 'TABLE guard.departed', "INSERT INTO guard.protection DEFAULT VALUES";
is($stranger->value('SELECT count(*) FROM guard.indexes'), 0, 'stranger: guard.indexes shows him none of it');

# ---- the owner

is($owner->value("SELECT verdict FROM guard.check('t_a_idx')"), 'block', 'owner: may ask');
is($owner->value("SELECT count(*) FROM guard.index_statements('t_a_idx')"), 2, 'owner: sees that there are statements');
is($owner->value("SELECT count(query) FROM guard.index_statements('t_a_idx')"), 0, 'owner: but no texts');
unlike($owner->value("SELECT string_agg(c::text, ' ') FROM guard.check('t') c"), qr/secret_column/, 'owner: nor in guard.check');
failed($owner->query('SELECT guard.last_drops()'), '42501', qr/^permission denied/, 'owner: not the audit log');
failed($owner->query("SELECT guard.protect('t', 'mine')"), '42501', qr/^permission denied for function protect$/, 'owner: protecting is granted, not given');
$s->ok('GRANT EXECUTE ON FUNCTION guard.protect(regclass, text), guard.unprotect(regclass) TO owner, stranger');
passed($owner->query("SELECT guard.protect('t', 'mine')"), 'owner: may once it is granted');
passed($owner->query("SELECT guard.unprotect('t')"), 'owner: and take it back');
failed($stranger->query("SELECT guard.protect('t', 'not mine')"), '42501', qr/^must be owner of table t$/, 'stranger: a grant is not enough, it takes the table');

# ---- a member of pg_read_all_stats

is($auditor->value("SELECT verdict FROM guard.check('t_a_idx')"), 'block', 'auditor: may ask about any table');
like($auditor->value("SELECT string_agg(query, ' ') FROM guard.index_statements('t_a_idx')"), qr/secret_column/, 'auditor: sees the texts');
passed($auditor->query('SELECT * FROM guard.last_drops()'), 'auditor: sees the drops');
is($auditor->value("SELECT count(*) FROM guard.indexes WHERE index_name = 't_a_idx'"), 1, 'auditor: guard.indexes shows him all');
failed($auditor->query('DROP INDEX t_a_idx'), '42501', qr/^must be owner of index t_a_idx$/, "auditor: gets PostgreSQL's own error");
failed($auditor->query("SELECT guard.protect('t', 'mine')"), '42501', qr/permission denied/, 'auditor: reads only');

# ---- a schema that one may not look into gives PostgreSQL's own error, too

$s->ok('CREATE SCHEMA secret; CREATE TABLE secret.s (a int); CREATE INDEX s_a_idx ON secret.s (a)');
failed($stranger->query('DROP INDEX secret.s_a_idx'), '42501', qr/^permission denied for schema secret$/, 'stranger: a schema without USAGE');
failed($stranger->query('DROP INDEX elsewhere.secret.s_a_idx'), '0A000', qr/^cross-database references/, 'stranger: another database');

# ---- hostile surroundings: search_path, functions and operators of the same names

$owner->ok(q{CREATE FUNCTION public.pg_stat_get_activity(int) RETURNS int LANGUAGE sql AS 'SELECT 1/0'});
$owner->ok(q{CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'});
$owner->ok(q{CREATE TABLE public.audit_log (a int); CREATE TABLE public.pg_stat_statements (a int)});
$owner->ok('SET search_path = public, pg_catalog');
refused($owner->query('DROP INDEX t_a_idx'), qr/auth use it/, 'a search_path of traps changes nothing');
passed($owner->query('DROP INDEX idle_a_idx'), 'nor for a drop that passes');
is($s->value("SELECT count(*) FROM guard.audit_log WHERE at IS NOT NULL AND index_name = 'public.idle_a_idx'"), 2, 'nor for its row');

$node->stop;
done_testing();
