# guard_review on a private server: production has traffic, its profile travels, and a migration is refused in a database without a
# row - files, and any tool; what it begins with, what it says of code that looks at data, and that nothing stays behind.

use strict;
use warnings FATAL => 'all';
use Cwd;
use File::Path qw(make_path);
use GuardTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = getcwd . '/guard_review';
my $profiler = getcwd . '/guard_profile';
my $folder = PostgreSQL::Test::Utils::tempdir_short;
# not that of a test beside this one, which reviews, too
local $ENV{TMPDIR} = PostgreSQL::Test::Utils::tempdir_short;

sub file
{
	my ($name, $text) = @_;

	(my $parent = "$folder/$name") =~ s{/[^/]*$}{};
	make_path($parent);
	append_to_file("$folder/$name", $text);
	return $name;
}

sub review
{
	my ($out, $err);
	my $back = getcwd;

	chdir $folder;
	IPC::Run::run([ $program, @_ ], '<', \'', '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	chdir $back;
	return ($status, $out, $err);
}

sub answer
{
	my ($status, $out, $err) = review('--format=json', @_);
	my $answer = eval { JSON::PP->new->utf8->decode($out) };

	diag("not JSON: $out$err") unless $answer;
	return $answer;
}

sub rows { return [ map { "$_->{file}:" . ($_->{line} // '-') . ' ' . ($_->{target} // '-') . " $_->{verdict}" . ($_->{on_empty_tables} ? ' (empty)' : '') } @{ $_[0]->{rows} } ] }

# ---- production

my $node = guard_server('production', conf => "guard.min_evidence_age = 0\n");
$node->safe_psql('postgres', 'CREATE ROLE shop_owner; CREATE DATABASE shop');
my $shop = GuardSession->new($node, dbname => 'shop', application_name => 'migration');
$shop->ok('CREATE EXTENSION pg_stat_statements; CREATE EXTENSION guard');
$shop->ok("CREATE SCHEMA auth AUTHORIZATION shop_owner; CREATE TABLE auth.users (id int PRIMARY KEY, email text, team int); ALTER TABLE auth.users OWNER TO shop_owner;
	INSERT INTO auth.users SELECT n, n || '\@example.com', n % 50 FROM generate_series(1, 20000) n;
	CREATE INDEX users_email_idx ON auth.users (email); CREATE INDEX users_team_idx ON auth.users (team);
	CREATE TABLE public.old_indexes AS SELECT 'auth.users_email_idx'::text AS name; ANALYZE");
my $auth = GuardSession->new($node, dbname => 'shop', application_name => 'auth');
$auth->ok("SELECT id FROM auth.users WHERE email = '$_\@example.com'") foreach 1 .. 20;
$shop->ok('SELECT guard.snapshot()');
my $connection = 'host=' . $node->host . ' port=' . $node->port . ' dbname=shop';
command_ok([ $profiler, '-d', $connection, "$folder/prod.json" ], 'a profile of production');
command_ok([ 'pg_dump', '--schema-only', '-f', "$folder/schema.sql", '-d', $connection ], 'and its schema');
my @base = ('--schema=schema.sql', '--profile=prod.json');

# ---- a pull request with a harmful change, and one with a harmless one

file('migrations/1_harmful.sql', "-- looked up elsewhere\n\nDROP INDEX auth.users_email_idx;\n");
file('migrations/2_harmless.sql', "DROP INDEX auth.users_team_idx;\nALTER TABLE auth.users ADD note text;\n");
file('do.sql', "DO \$\$ BEGIN EXECUTE 'DROP INDEX auth.' || 'users_email_idx'; END \$\$;\n");
file('turned.sql', "CREATE INDEX CONCURRENTLY n ON auth.users (email);\nDROP INDEX CONCURRENTLY auth.users_email_idx;\n");
my $harmful = answer(@base, 'migrations/1_harmful.sql');
my $harmless = answer(@base, 'migrations/2_harmless.sql');
is_deeply([ map { $_->{verdict} } @{ $harmless->{rows} } ], [ 'allow', 'allow' ], 'what is harmless is allowed');
is($harmless->{errors}, 0, 'and there is no error');
is_deeply(rows($harmful), ['migrations/1_harmful.sql:3 auth.users_email_idx block'], 'what is harmful would be refused, by line');
like($harmful->{rows}[0]{detail}, qr/auth .*prod/s, 'by the traffic of production');
is_deeply([ map { $_->{statement} } @{ $harmful->{dearer} } ], ['SELECT id FROM auth.users WHERE email = $1'], 'the statement that became dearer is told');
like("$harmful->{dearer}[0]{plan_before} $harmful->{dearer}[0]{plan_now}", qr/Index Scan using users_email_idx.* Seq Scan on users/s, 'with both plans');
like($harmful->{rows}[0]{detail}, qr/Without it, by estimate, .* would take .* instead of /, 'and what the traffic would take without it');
is_deeply(rows(answer(@base, 'do.sql')), ['do.sql:1 auth.users_email_idx block'], 'also in DO');
is_deeply(rows(answer(@base, 'turned.sql')), [ 'turned.sql:1 - allow', 'turned.sql:2 auth.users_email_idx allow' ], 'the right order passes');

# ---- what makes a statement dearer, or impossible, and drops nothing, is told and not refused

my ($told, $how) = review('--format=json', @base, file('renamed.sql', "ALTER TABLE auth.users RENAME email TO mail;\n"));
is($told, 0, 'the status is not changed by it');
like(JSON::PP->new->utf8->decode($how)->{dearer}[0]{detail}, qr/^prod: .*it cannot be planned any more: column "email" does not exist/, 'a statement that cannot be planned any more');

# ---- any tool that migrates

my $tool = q{psql -Xq "$DATABASE_URL" -c 'CREATE TABLE n (a int)' -c 'DROP INDEX auth.users_email_idx'; psql -Xqc 'SELECT 1'};
is_deeply([ map { s/ block/ allow/r } @{ rows(answer(@base, "--run=$tool")) } ], [ '--run:- - allow', '--run:- auth.users_email_idx allow', '--run:- - allow' ], 'a command, by two connections');
my ($status, $out, $err) = review(@base, '--run=exit 3');
is($status, 2, 'a command that fails');
like($out, qr/exit 3 ended with status 3/, 'is told');
($status, $out, $err) = review(@base, '--run=PGPASSWORD=wrong psql -Xqc "SELECT 1"');
like($err, qr/wrong password/, 'nobody else gets in by its port');

# ---- what it begins with

file('base/1.sql', "CREATE TABLE t (a int, b int);\n");
file('base/2.sql', "CREATE INDEX t_a ON t (a);\n");
file('base/10.sql', "GRANT SELECT ON t TO somebody, \"Some One\";\nALTER TABLE t OWNER TO owner_of_t;\nDROP INDEX t_a;\n");
is_deeply(rows(answer('--migrations=base', 'base/10.sql')), [ 'base/10.sql:1 - allow', 'base/10.sql:2 - allow', 'base/10.sql:3 public.t_a allow' ], 'migrations before the one that is judged, and roles that it names');
($status, $out, $err) = review('--schema=base/2.sql', 'base/1.sql');
is($status, 2, 'a schema that cannot be made');
like($err, qr/the schema could not be run: base\/2.sql:1: ERROR:  relation "t" does not exist/, 'and why');
is_deeply(rows(answer('--setup=psql -Xqf base/1.sql', 'base/2.sql')), ['base/2.sql:1 - allow'], 'a command that makes it');
file('broken.json', '{"format": "guard/profile/1"}');
($status, $out, $err) = review('--profile=broken.json', 'base/1.sql');
is($status, 2, 'a document that is no profile');
like($err, qr/broken.json could not be imported: ERROR:  this is no profile/, 'is told');
like(answer("--from=$connection", 'migrations/1_harmful.sql')->{rows}[0]{detail}, qr/\(shop, /, 'a profile of its own is called after the database');
is_deeply(rows(answer("--from=$connection", 'migrations/2_harmless.sql')), [ map { s/:.*/$&/r } @{ rows($harmless) } ], 'all of it from a live database');
($status, $out, $err) = review('--server=/nowhere', 'base/1.sql');
like("$status $err", qr/^2 guard_review: no PostgreSQL server is installed here in \/nowhere/, 'no server');
is_deeply(rows(answer('-c', 'work_mem=7MB', file('setting.sql', "SELECT 1 / (current_setting('work_mem') = '7MB')::int;\n"))), ['setting.sql:1 - allow'], 'a setting');

# ---- what leaves the database runs here, in a server of its own; production's connection stays outside

file('leaves.sql', "ALTER SYSTEM SET work_mem = '5MB';\nCREATE DATABASE other;\n\\! env > env\n");
{
	local $ENV{PGPASSWORD} = 'geheim';
	local $ENV{PGHOST} = 'production.invalid';
	is_deeply(rows(answer('leaves.sql')), [ 'leaves.sql:1 - allow', 'leaves.sql:2 - allow' ], 'what leaves the database');
}
unlike(slurp_file("$folder/env"), qr/geheim|production.invalid/, 'no variable leads to another server');

# ---- code that looks at data

file('loop.sql', "SELECT 1;\nDO \$\$ DECLARE r record; BEGIN FOR r IN SELECT name FROM old_indexes LOOP EXECUTE 'DROP INDEX ' || r.name; END LOOP; END \$\$;\nSELECT 2;\n");
file('generated.sql', "SELECT 'DROP INDEX ' || name FROM old_indexes \\gexec\nSELECT 2;\n");
file('key.sql', "CREATE TABLE auth.n (id int REFERENCES auth.users);\nINSERT INTO auth.n SELECT id FROM auth.users;\nDO \$\$ BEGIN PERFORM 1; END \$\$;\n");
file('rows.sql', "INSERT INTO old_indexes VALUES ('auth.users_team_idx');\n");
is_deeply(rows(answer(@base, 'loop.sql')), [ 'loop.sql:1 - allow', 'loop.sql:2 - allow', 'loop.sql:3 - allow (empty)' ], 'a loop over no rows marks what follows');
is_deeply(answer(@base, 'loop.sql')->{on_empty_tables}, { file => 'loop.sql', line => 2, table => 'public.old_indexes' }, 'says why');
is((review(@base, 'generated.sql'))[0], 0, 'it is no failure');
is((review(@base, '--strict', 'generated.sql'))[0], 2, 'but where one wants it');
is(answer(@base, 'key.sql')->{on_empty_tables}, undef, 'what PostgreSQL looks up for itself is no such code, nor is INSERT … SELECT');
is_deeply(rows(answer(@base, '--data=rows.sql', 'loop.sql')), [ 'loop.sql:1 - allow', 'loop.sql:2 auth.users_team_idx allow', 'loop.sql:3 - allow' ], 'with rows it is judged');

# ---- nothing stays behind

is(scalar(() = glob("$ENV{TMPDIR}/guard_review.*")), 0, 'no temporary file is left');
is($shop->value("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('auth.users_email_idx')"), 1, 'production is as it was');

$node->stop;
done_testing();
