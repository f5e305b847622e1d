# Registrations are part of a dump, by name, and hold where it is restored.  Nothing else of guard's is: books and evidence
# belong to the server that wrote them.  Restores that drop first need guard switched off, and can do that by PGOPTIONS.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $dir = PostgreSQL::Test::Utils::tempdir;
my $s = session($node);
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;

make_table($s, $_) foreach qw(t whole idle);
$s->ok('CREATE TABLE "Quoted" AS SELECT * FROM idle');
$s->ok('CREATE TABLE parted (a int, day int) PARTITION BY LIST (day)');
$s->ok("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)");
$s->ok('INSERT INTO parted SELECT g, 1 FROM generate_series(1, 5000) g');
$s->ok('CREATE INDEX parted_a_idx ON parted (a)');
$s->ok('CREATE INDEX "Mixed; name" ON "Quoted" (b)');
$s->ok("SELECT guard.protect('t_a_idx', 'an index')");
$s->ok("SELECT guard.protect('whole', 'a table')");
$s->ok("SELECT guard.protect('parted_a_idx', 'a partitioned index')");
$s->ok("SELECT guard.protect('\"Mixed; name\"', 'a name that needs quotes')");
make_table($s, 'needed');
$s->ok("SELECT guard.add_dependency('needed_a_idx', 'auth', '2.10', 'login')");
$s->ok("SELECT guard.report_deployment('auth', '2.11')");
$s->ok('CREATE INDEX dropped ON t (c); DROP INDEX dropped');
my $auth = use_index($node, 't');

my %protected = (
	't_a_idx' => 'an index',
	'whole_a_idx' => 'a table',
	'parted_a_idx' => 'a partitioned index',
	'"Mixed; name"' => 'a name that needs quotes',);

sub all_hold
{
	my ($where, $session) = @_;

	refused($session->query("DROP INDEX $_"), qr/: guard protects it for \w+: $protected{$_}$/, "$where: $_")
	  foreach sort keys %protected;
	refused($session->query('DROP TABLE parted_1'), qr/parted_1_a_idx/, "$where: a partition, by its own name")
	  if $session->value("SELECT count(*) FROM guard.protection WHERE table_name = 'parted_1'");
}
all_hold('original', $s);

# ---- into another database of the server: same OIDs of nothing

command_ok([ 'pg_dump', '-f', "$dir/plain.sql", 'postgres' ], 'pg_dump');
my $dump = slurp_file("$dir/plain.sql");
like($dump, qr/^COPY guard\.protection /m, 'the dump has the registrations');
is_deeply([ sort $dump =~ /^COPY guard\.(\w+)/mg ], [ 'dependency', 'protection' ], 'and nothing else of guard\'s tables');
unlike($dump, qr/guard_sql_|CREATE EVENT TRIGGER/, 'guard itself comes by CREATE EXTENSION');

$s->ok('CREATE DATABASE other');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", 'other' ], 'psql restores it');
my $other = session($node, dbname => 'other');
all_hold('restored', $other);
is($other->value("SELECT count(*) FROM guard.audit_log WHERE verdict <> 'block'"),
	0, 'its audit log has nothing but what it refused itself');
refused($other->query('DROP INDEX needed_a_idx'), qr/auth needs it until version 2\.10, and no deployment of it was reported/,
	'a dependency holds, and what runs elsewhere does not release it');
is(verdict($other, 'idle_a_idx'), 'allow cold', 'an unused index that was created by the restore is cold');

# Found by name first, the registration follows its index from then on.
passed($other->query('ALTER INDEX t_a_idx RENAME TO renamed; ALTER TABLE t RENAME TO renamed_t'), 'renaming after the restore');
refused($other->query('DROP INDEX renamed'), qr/protects it for \w+: an index/, 'restored, then renamed');
$other->ok('CREATE SCHEMA app; ALTER TABLE renamed_t SET SCHEMA app');
refused($other->query('DROP INDEX app.renamed'), qr/protects it for \w+: an index/, 'restored, renamed, then moved');
$other->ok('REINDEX INDEX CONCURRENTLY app.renamed');
refused($other->query('DROP INDEX app.renamed'), qr/protects it for \w+: an index/, 'and rebuilt under a new OID');
$other->ok('ALTER TABLE app.renamed_t ALTER a TYPE bigint');
refused($other->query('DROP INDEX app.renamed'), qr/protects it for \w+: an index/, 'and once more');
passed($other->query('ALTER INDEX needed_a_idx RENAME TO still_needed'), 'a dependency that came by restore');
passed($other->query('REINDEX INDEX CONCURRENTLY still_needed'), 'follows its index');
refused($other->query('DROP INDEX still_needed'), qr/auth needs it until version 2\.10/, 'as well');
$other->ok('CREATE TABLE t (a int); CREATE INDEX t_a_idx ON t (a)');
passed($other->query('DROP INDEX t_a_idx'), 'a stranger that bears the old name now is not protected');
$other->close;

# ---- a database made from this one has the same OIDs in it

$auth->close;
$s->close;
command_ok([ 'psql', '-Xq', '-d', 'template1', '-c', 'CREATE DATABASE clone TEMPLATE postgres' ], 'CREATE DATABASE ... TEMPLATE');
$s = session($node);
my $clone = session($node, dbname => 'clone');
$clone->ok("DELETE FROM guard.protection WHERE index_name = 't_a_idx'");
is(verdict($clone, 't_a_idx'), 'allow unknown', 'what was captured in the original is not the use of the clone, nor is it known of any other there');
refused($clone->query('DROP INDEX whole_a_idx'), qr/protects it for \w+: a table/, 'but registrations hold there');
passed($clone->query('ALTER TABLE whole RENAME TO renamed'), 'also when the table is renamed there');
refused($clone->query('DROP INDEX whole_a_idx'), qr/protects it for \w+: a table/, 'first');
$clone->close;
$auth = use_index($node, 't');
my $captured = q{SELECT jsonb_path_exists(facts, '$.uses[*] ? (@.source == "capture" && @.seen == "used")') FROM guard.check('t_a_idx')};
is($s->value($captured), 't', 'the original has its own');
$s->ok('DROP DATABASE clone');
all_hold('after all that, the original', $s);
is($s->value($captured), 't', 'and has not lost it with the other database');

# ---- custom format, several jobs

$s->ok('CREATE DATABASE parallel');
command_ok([ 'pg_dump', '-Fd', '-f', "$dir/dir", 'postgres' ], 'pg_dump, directory format');
command_ok([ 'pg_restore', '-j', '3', '-d', 'parallel', "$dir/dir" ], 'pg_restore with several jobs');
my $parallel = session($node, dbname => 'parallel');
all_hold('pg_restore -j', $parallel);
$parallel->close;

# ---- over what is there: the drops of --clean come before that of the extension

command_ok([ 'pg_dump', '--clean', '-f', "$dir/clean.sql", 'postgres' ], 'pg_dump --clean');
my @psql = ('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/clean.sql", 'postgres');
command_fails_like(\@psql, qr/ERROR: .*cannot drop index .*protects it for \w+/, 'restoring it over the original is refused');
is(index_state($s, 't_a_idx'), 'valid ready live', 'and nothing is dropped');
{
	local $ENV{PGOPTIONS} = '-c guard.mode=off';
	command_ok(\@psql, "with PGOPTIONS='-c guard.mode=off' it goes through");
}
$s->close;
$s = session($node);
all_hold('restored with --clean', $s);
is($s->value('SELECT count(*) FROM t'), 1000, 'the rows are there');

# One transaction: every table is dropped and made anew, which is judged as a whole.
$s->ok('SELECT guard.unprotect(o) FROM unnest(ARRAY[\'t_a_idx\', \'whole\', \'parted_a_idx\', \'"Mixed; name"\']::regclass[]) o');
$auth->close;
$auth = use_index($node, 't');
command_ok([ 'pg_dump', '--clean', '--if-exists', '-t', 't', '-f', "$dir/one.sql", 'postgres' ], 'pg_dump of one table');
command_ok([ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/one.sql", 'postgres' ],
	'a table in use, restored in one transaction, passes');
is(index_state($s, 't_a_idx'), 'valid ready live', 'and its index is there');
refused($s->query('DROP INDEX t_a_idx'), qr/auth use it/, 'as needed as before');

# ---- pg_upgrade, from this version to itself: OIDs stay, names and OIDs lead to the same index afterwards

$s->ok("SELECT guard.protect('t_a_idx', 'an index')");
$s->ok("SELECT guard.protect('whole', 'a table')");
$s->ok("SELECT guard.protect('parted_a_idx', 'a partitioned index')");
$s->ok("SELECT guard.protect('\"Mixed; name\"', 'a name that needs quotes')");
$_->close foreach $s, $auth;
$node->safe_psql('postgres', 'DROP DATABASE other');
$node->safe_psql('postgres', 'DROP DATABASE parallel');
$node->stop;
my $new = guard_server('new', start => 0, initdb => 1);
my $bindir = $node->config_data('--bindir');
{
	# pg_upgrade starts servers in its current folder
	chdir $dir or die "chdir: $!";
	command_ok(
		[
			'pg_upgrade', '--no-sync', '-b', $bindir, '-B', $bindir, '-d', $node->data_dir, '-D', $new->data_dir,
			'-s', $new->host, '-p', $node->port, '-P', $new->port
		],
		'pg_upgrade');
}
$new->start;
$s = session($new);
all_hold('upgraded', $s);
passed($s->query('ALTER INDEX t_a_idx RENAME TO renamed'), 'renaming after the upgrade');
refused($s->query('DROP INDEX renamed'), qr/protects it for \w+: an index/, 'upgraded, then renamed');
make_table($s, 'young');
$auth = use_index($new, 'young');
is(verdict($s, 'young_a_idx'), 'block hot', 'capture works after the upgrade');
is(verdict($s, 'whole_a_idx'), 'block protected', 'nothing is lost');

$new->stop;
done_testing();
