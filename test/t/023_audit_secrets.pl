# What is recorded of a statement is that statement: not the rest of the string it came in, where the password of a role may
# stand, and not what the server adds to a line of its log.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', preload => 'guard');
my $s = session($node);
my $secret = 0;

# A statement with a password that is not to be found anywhere.
sub password
{
	$secret++;
	return "ALTER ROLE etl PASSWORD 'S3cr3t$secret'";
}

# The statement of the latest record of that verdict and object, or index.
sub recorded
{
	my ($name) = @_;

	return $s->value("SELECT coalesce(command, '?') || ': ' || coalesce(rtrim(statement), '-') FROM guard.audit_log
		WHERE coalesce(object, index_name) = '$name' ORDER BY id DESC LIMIT 1") // 'nothing';
}

$s->ok('CREATE ROLE etl');
$s->ok('CREATE TABLE t (a int)');
$s->ok(q{CREATE FUNCTION run(statements text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE statements; END'});

# ---- settings

my $set = "ALTER ROLE etl SET guard.mode = 'observe'";

$s->ok(password() . "; $set");
is(recorded('guard.mode'), "set: $set", 'behind the secret, in one message');
$set =~ s/observe/enforce/;
$s->ok("$set; " . password());
is(recorded('guard.mode'), "set: $set", 'before it');
$set =~ s/enforce/off/;
$s->ok('DO $$ BEGIN ' . password() . "; $set; END \$\$");
is(recorded('guard.mode'), "set: $set", 'in a DO');
$set =~ s/off/observe/;
$s->ok('DO $$ BEGIN EXECUTE $x$' . password() . "; $set; " . password() . '$x$; END $$');
is(recorded('guard.mode'), "set: $set", 'in a dynamic string of a DO');
$set =~ s/observe/enforce/;
$s->ok('SELECT run($x$' . password() . "; $set" . '$x$)');
is(recorded('guard.mode'), "set: $set", 'in a dynamic string of a function');
$set =~ s/enforce/off/;
$s->ok('CREATE FUNCTION sql_too() RETURNS void LANGUAGE sql AS $$ ' . password() . "; $set \$\$");
$s->ok('SELECT sql_too()');
is(recorded('guard.mode'), "set: $set", 'in a function in SQL');
$s->ok('CREATE PROCEDURE both_too() LANGUAGE plpgsql AS $$ BEGIN ' . password() . "; $set; END \$\$");
$s->ok('ALTER ROLE etl RESET guard.mode; CALL both_too()');
is(recorded('guard.mode'), "set: $set", 'in a procedure');
$set =~ s/off/observe/;
$s->pipeline(password(), $set, password());
is(recorded('guard.mode'), "set: $set", 'in the extended protocol');
$s->prepare('p', $set);
$s->execute_prepared('p');
is(recorded('guard.mode'), "set: $set", 'prepared');

# ---- drops: refused, allowed, in observe, while guard is off

sub fresh
{
	$s->ok('CREATE INDEX IF NOT EXISTS t_a ON t (a)');
}

fresh();
$s->ok("SELECT guard.protect('t', 'not this one')");
$s->ok('SELECT run($x$' . password() . '; SET guard.mode = observe; DROP INDEX t_a; ' . password() . '; SET guard.mode = enforce$x$)');
is(recorded('public.t_a'), 'DROP INDEX: DROP INDEX t_a', 'a drop in observe');
$s->ok("SELECT guard.unprotect('t')");
fresh();
$s->ok(password() . '; DROP INDEX t_a ; ' . password());
is(recorded('public.t_a'), 'DROP INDEX: DROP INDEX t_a', 'one that is allowed');

$s->ok('SET guard.mode = off');
foreach my $way (
	[ 'in one message',                  sub { $s->ok(password() . "; $_[0]; " . password()) } ],
	[ 'in a DO',                         sub { $s->ok('DO $$ BEGIN ' . password() . "; $_[0]; END \$\$") } ],
	[ 'in a dynamic string',             sub { $s->ok('SELECT run($x$' . password() . "; $_[0]; " . password() . '$x$)') } ],
	[ 'in a string of a string',         sub { $s->ok('SELECT run($x$' . password() . "; SELECT run('$_[0]; SELECT 1')" . '$x$)') } ],
	[ 'in the extended protocol',        sub { $s->pipeline(password(), $_[0]) } ],
	[ 'prepared',                        sub { $s->prepare('d' . $secret, $_[0]); $s->execute_prepared('d' . $secret); password() } ])
{
	foreach my $drop ('DROP INDEX t_a', 'ALTER TABLE t DROP COLUMN a', 'DROP TABLE t')
	{
		$s->ok('CREATE TABLE IF NOT EXISTS t (a int)');
		$s->ok('ALTER TABLE t ADD COLUMN IF NOT EXISTS a int');
		fresh();
		$way->[1]->($drop);
		my ($command) = $drop =~ /^(\w+ \w+)/;
		is(recorded('public.t_a'), "$command: $drop", "while guard is off, $way->[0]: $drop");
	}
}

# Not the one around it that failed, nor one that ended before.
$s->ok('CREATE TABLE t (a int)');
fresh();
$s->query('DO $$ BEGIN EXECUTE $x$DROP TABLE nowhere, ' . "nothing; " . password() . '$x$; END $$');
$s->ok('DROP INDEX t_a');
is(recorded('public.t_a'), 'DROP INDEX: DROP INDEX t_a', 'after an error in a nested one');
$s->ok('RESET guard.mode');

# ---- nothing else is written down of what holds a secret

my $rows = 'SELECT count(*) FROM guard.audit_log';
my $before = $s->value($rows);
$s->ok(password());
$s->ok("CREATE ROLE other PASSWORD 'S3cr3tother'");
$s->ok("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER f FOREIGN DATA WRAPPER w OPTIONS (secret 'S3cr3ts')");
$s->ok("CREATE USER MAPPING FOR etl SERVER f OPTIONS (password 'S3cr3tm')");
$s->ok("ALTER USER MAPPING FOR etl SERVER f OPTIONS (SET password 'S3cr3tn')");
$s->ok("CREATE SUBSCRIPTION u CONNECTION 'host=nowhere password=S3cr3tu' PUBLICATION p WITH (connect = false, slot_name = NONE)");
$s->ok('DROP SUBSCRIPTION u; DROP USER MAPPING FOR etl SERVER f; DROP SERVER f; DROP FOREIGN DATA WRAPPER w');
is($s->value($rows), $before, 'roles, servers, user mappings and subscriptions are not recorded');

cmp_ok($secret, '>', 25, 'there were secrets');
is($s->value(q{SELECT count(*) FROM guard.audit_log a WHERE a::text ~ 'S3cr3t'}), 0, 'no row has one');

# PostgreSQL writes down a statement that fails; there was one here.
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
my @lines = grep { /S3cr3t/ && !/nowhere/ } split /\n/, $log;
is("@lines", '', 'and no line of the server log');
like($log, qr/guard audit: \{/, 'though there are lines');

# ---- not preloaded: the drop whose event trigger has loaded the library

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
$s = session($node);
$s->ok('CREATE TABLE IF NOT EXISTS t (a int)');
$s->ok('CREATE INDEX t_a2 ON t (a)');
foreach my $drop (password() . "; DROP INDEX t_a2", 'DO $$ BEGIN ' . password() . "; EXECUTE 'DROP INDEX t_a3'; END \$\$")
{
	$s->ok('CREATE INDEX IF NOT EXISTS t_a3 ON t (a)');
	my $fresh = session($node);
	$fresh->ok('SET guard.mode = off');
	$fresh->ok($drop);
	$fresh->close;
}
is(recorded('public.t_a2'), 'DROP INDEX: DROP INDEX t_a2', 'not preloaded: the statement');
is(recorded('public.t_a3'), 'DO: -', 'not preloaded: nothing, where it cannot be told from what is around it');
is($s->value(q{SELECT count(*) FROM guard.audit_log a WHERE a::text ~ 'S3cr3t'}), 0, 'no row has a secret');

done_testing();
