# Who visits which database, and when.  On the default max_worker_processes every database with guard gets its turn, whoever
# made it and whenever, and nobody's DDL on a whole database finds a visitor in its way.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $databases = 32;
my $node = guard_server('main', conf => "max_worker_processes = 8\n");
my $s = session($node);
my $version = version_of($node);

$s->ok('SET client_min_messages = warning');
$s->ok("CREATE FUNCTION want_visit(seconds int) RETURNS void LANGUAGE c AS 'guard', 'guard_sql_want_visit'");

my $visitors = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'guard worker'";

sub status
{
	my ($item) = @_;

	return $s->value("SELECT state FROM guard.status WHERE item = '$item'");
}

sub wait_for_status
{
	my ($item, $like) = @_;

	wait_until($s, "SELECT state LIKE '$like' FROM guard.status WHERE item = '$item'");
}

# Have a visitor come to a database and stay there.
sub have_stay
{
	my ($database) = @_;
	my $there = session($node, dbname => $database);

	$there->ok('SELECT want_visit(600)');
	$there->close;
	wait_until($s, "SELECT count(*) = 1 FROM pg_stat_activity
		 WHERE backend_type = 'guard worker' AND datname = '$database' AND state = 'idle'");
}

# ---- the first database

wait_for_status('worker', 'running');
wait_for_status('databases', '1 with guard, 0 without, 0 not visited yet, 0 waiting%');
is($s->value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'guard launcher' AND datname IS NULL"),
	1, 'one launcher, connected to no database');
wait_until($s, "SELECT ($visitors) = 0");
pass('the visitor has done its work and left');

# ---- many databases, made from a template that has guard, with nobody ever connecting to them

$s->ok('CREATE DATABASE model TEMPLATE postgres IS_TEMPLATE true');
$s->ok("CREATE DATABASE many_$_ TEMPLATE model") foreach 1 .. $databases;
$s->ok('CREATE DATABASE bare TEMPLATE template0');
wait_for_status('databases', ($databases + 1) . ' with guard, 1 without, 0 not visited yet, 0 waiting%');
pass("$databases databases were found and visited");

# ---- a statement that needs a database empty gets it, at the first try

have_stay('many_1');
is($s->query('CREATE DATABASE copy_1 TEMPLATE many_1')->{error}, undef, 'CREATE DATABASE of a template with a visitor');
have_stay('many_1');
is($s->query('ALTER DATABASE many_1 RENAME TO renamed_1')->{error}, undef, 'RENAME with a visitor');
have_stay('renamed_1');
my $path = PostgreSQL::Test::Utils::tempdir;
$s->ok("CREATE TABLESPACE elsewhere LOCATION '$path'");
is($s->query('ALTER DATABASE renamed_1 SET TABLESPACE elsewhere')->{error}, undef, 'SET TABLESPACE with a visitor');
have_stay('renamed_1');
is($s->query('DROP DATABASE renamed_1')->{error}, undef, 'DROP DATABASE with a visitor');

# What was not done leaves nothing barred behind.
have_stay('many_2');
ok($s->query('ALTER DATABASE many_2 RENAME TO many_3')->{error}, 'a RENAME that fails');
have_stay('many_2');
pass('and the visitor has come back');

# Who could not do it anyway sends nobody away.
$s->ok('CREATE ROLE plain LOGIN');
my $came = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard worker' AND datname = 'many_2'";
my $before = $s->value($came);
my $plain = session($node, user => 'plain');
failed($plain->query('DROP DATABASE many_2'), '42501', qr/must be owner/, 'a plain role cannot drop it');
is($s->value($came), $before, 'nor send the visitor away');
$plain->close;

# In a database without guard, too, DDL on databases makes way.
my $bare = session($node, dbname => 'bare');
is($bare->query('DROP DATABASE many_2')->{error}, undef, 'DROP DATABASE from a database without guard');
$bare->close;

# ---- more that stay than there are visitors: they take turns, and nobody else is kept waiting

foreach my $n (4 .. 6)
{
	my $there = session($node, dbname => "many_$n");
	$there->ok('SELECT want_visit(600)');
	$there->close;
}
foreach my $n (4 .. 6)
{
	wait_until($s, "SELECT count(*) = 1 FROM pg_stat_activity
		 WHERE backend_type = 'guard worker' AND datname = 'many_$n'");
	pass("many_$n has its turn");
}
$s->ok('CREATE DATABASE late TEMPLATE model');
my $with = $databases + 1;		# postgres, copy_1 and late, without many_1 and many_2
wait_for_status('databases', "$with with guard, 1 without, 0 not visited yet%");
pass('while two stay, a database that is new is visited');
cmp_ok($s->value($visitors), '<=', 2, 'never more than two visitors');
$s->ok("DROP DATABASE many_$_") foreach 4 .. 6;

# ---- a database that gets guard later

$bare = session($node, dbname => 'bare');
$bare->ok('SET client_min_messages = warning');
$bare->ok('CREATE EXTENSION guard');
$bare->close;
wait_for_status('databases', ($with - 3 + 1) . ' with guard, 0 without, 0 not visited yet, 0 waiting%');
pass('CREATE EXTENSION announces the database');

# ---- templates, and what nobody may connect to

$s->ok('ALTER DATABASE late ALLOW_CONNECTIONS false');
wait_for_status('databases', ($with - 3) . ' with guard%');
pass('a database that takes no connections is left alone');

my $template = session($node, dbname => 'template1');
$template->ok('SET client_min_messages = warning');
$template->ok('CREATE EXTENSION guard');
$template->ok("CREATE FUNCTION want_visit(seconds int) RETURNS void LANGUAGE c AS 'guard', 'guard_sql_want_visit'");
$template->ok('SELECT want_visit(600)');
$template->close;
have_stay('many_7');
is($s->query('CREATE DATABASE plain')->{error}, undef, 'CREATE DATABASE');
$s->ok('DROP DATABASE many_7');
is( $s->value(
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'guard%' AND datname IN ('template1', 'model', 'late')"
	),
	0,
	'nobody visits template1, another template, or a closed database');
# ---- a task that fails is not called again at once, however often somebody wants a visit

my $tries = sub { my @found = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /guard task "pool"/g; return scalar @found };
my $visit = sub {
	my $rounds = "SELECT substring(state FROM '^\\d+')::int FROM guard.status WHERE item = 'visits here'";
	my $n = $s->value($rounds);

	$s->ok('SELECT want_visit(600)');
	wait_until($s, "SELECT ($rounds) > $n");
};
have_stay('postgres');
$s->ok("CREATE OR REPLACE FUNCTION guard.pool_before(OUT at timestamptz, OUT service text, OUT connections integer, OUT busy integer,
	OUT complete boolean) RETURNS SETOF record LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'");
$visit->() until $tries->() > 0;
$visit->() foreach 1 .. 5;
is($tries->(), 1, 'five more visits, and the task that failed is left alone');

my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/FATAL.*template1|guard worker.*FATAL/, 'and nobody tried');

$node->stop;
done_testing();
