# guard_load: a load is made from a profile and from staging's values alone, comes as production's did, and shows what a migration does to it.

use strict;
use warnings FATAL => 'all';
use Cwd;
use GuardTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'python3-psycopg2 is not installed' if system("/usr/bin/python3 -c 'import psycopg2' 2> /dev/null") != 0;

my $node = guard_server('main', conf => "pg_stat_statements.track = all\nautovacuum = off\nguard.whatif_interval = 0\nmax_connections = 40\n");
my $folder = PostgreSQL::Test::Utils::tempdir_short;
my $program = getcwd . '/guard_load';
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;

sub guard_load
{
	my ($out, $err);

	IPC::Run::run([ '/usr/bin/python3', $program, @_ ], '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

# ---- production: values that start with "prod", one of them in half of the rows, and a service that asks for it

my $schema = <<'END';
CREATE SCHEMA shop;
CREATE TABLE shop.users (id int PRIMARY KEY, email text UNIQUE, state text, made timestamptz, tags text[], doc jsonb);
CREATE INDEX users_state_idx ON shop.users (state);
CREATE INDEX users_made_idx ON shop.users (made);
CREATE TABLE shop.log (id serial PRIMARY KEY, who int, what text);
CREATE FUNCTION shop.look(int) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM shop.log WHERE who = $1); END';
END
my $fill = "INSERT INTO shop.users SELECT i, '%s' || i || ':me', '%s' || CASE WHEN i %% 2 = 0 THEN 0 ELSE i %% 1000 END, "
  . "now() - i * interval '1 minute', ARRAY['%s' || i %% 7], jsonb_build_object('k', '%s' || i) FROM generate_series(1, 20000) i; ANALYZE;";
my $s = session($node, 'auth');
$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok($schema);
$s->ok(sprintf $fill, ('prod') x 4);
$s->ok("CREATE FUNCTION shop.mail(int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END'");
$s->ok("CREATE FUNCTION shop.\"Mail\"(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'");
my $view = 'CREATE VIEW shop.mailed AS SELECT id, shop.mail(id) FROM shop.users';
$s->ok($view);
$s->ok('SELECT pg_stat_statements_reset()');
foreach my $i (1 .. 60)
{
	$s->ok("SELECT id FROM shop.users WHERE email = 'prod$i:me'");
	next if $i > 20;
	$s->ok("SELECT count(*) FROM shop.users WHERE made >= now() - interval '3 hours' AND made < now()");
	$s->ok("SELECT id FROM shop.users WHERE state = 'prod0' ORDER BY id LIMIT 5");
	$s->ok("UPDATE shop.users SET state = 'prod1' WHERE id = $i");
	$s->ok("INSERT INTO shop.log (who, what) VALUES ($i, 'prod $i')");
	$s->ok("SELECT id FROM shop.users WHERE tags \@> ARRAY['prod3'] AND id = ANY ('{1,2,3}')");
	$s->ok("SELECT id FROM shop.users WHERE email LIKE 'prod1%' AND id IN (1, 2, 3) AND doc ->> 'k' <> 'prod'");
	$s->ok("SELECT shop.mail(id) FROM shop.users WHERE id = $i");
	$s->ok("SELECT shop.\"Mail\"(id) FROM shop.users WHERE id = $i");
	$s->ok("SELECT shop.look($i)");
	$s->ok("SELECT * FROM shop.mailed WHERE id = $i");
}
$s->ok('SELECT guard.snapshot()');
append_to_file("$folder/prod.json", $s->value('SELECT guard.export_profile()'));

# ---- staging: another database, other values; guard is not there

$node->safe_psql('postgres', 'CREATE DATABASE staging');
$node->safe_psql('postgres', 'CREATE ROLE driver LOGIN');
my $staging = session($node, dbname => 'staging');
$staging->ok('CREATE EXTENSION pg_stat_statements');
$staging->ok($schema);
$staging->ok("CREATE FUNCTION shop.mail(int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN INSERT INTO shop.log (what) VALUES (NULL); RETURN 1; END'");
$staging->ok("CREATE FUNCTION shop.\"Mail\"(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'");
$staging->ok(sprintf $fill, ('stage') x 4);
$staging->ok($view);
$staging->ok('GRANT USAGE ON SCHEMA shop TO driver; GRANT ALL ON ALL TABLES IN SCHEMA shop, public TO driver; GRANT ALL ON ALL SEQUENCES IN SCHEMA shop TO driver; GRANT pg_read_all_stats TO driver');

my @there = ('-d', 'staging', '-U', 'driver');
my ($status, $out, $err) = guard_load('make', "$folder/prod.json", '--out', "$folder/load", '--average', @there);
is($status, 0, 'make: done') or diag($err);
my $load = JSON::PP->new->decode(slurp_file("$folder/load/load.json"));
my %made = map { $_->{text} => $_ } @{ $load->{statements} };
my ($by_email) = grep { $_->{text} eq 'SELECT id FROM shop.users WHERE email = $1' } values %made;
my ($by_state) = grep { $_->{text} =~ /WHERE state = \$1 ORDER/ } values %made;
my ($update) = grep { $_->{text} =~ /^UPDATE/ } values %made;
is_deeply($by_email->{indexes}, { users_email_key => 1 }, 'the planner takes the same index, for each value');
is_deeply($by_email->{indexes_there}, ['users_email_key'], 'which is that of production');
ok($update->{writes} && !$by_email->{writes}, 'what writes is known');
cmp_ok($by_email->{rate}, '>', 2.5 * $by_state->{rate}, 'rates are production\'s');
is(scalar(grep { /mail\(/i } keys %made), 0, 'volatile functions are left out');
like($out, qr/calls the volatile function mail\n/, 'and named');
like($out, qr/calls the volatile function Mail\n/, 'quoted ones, too');
like($out, qr/SELECT \* FROM shop\.mailed .*\n.*calls the volatile function mail\n/, 'and those in a view');
is(scalar(grep { /FROM shop\.log/ } keys %made), 0, 'what a function calls comes by itself');
is(scalar(grep { /shop\.look/ } keys %made), 1, 'with the function');
like($out, qr/^\d+ of \d+ statements: [\d.]+ % of the calls, [\d.]+ % of the time, \d of \d used indexes$/m, 'coverage');
is(scalar(grep { $_->{why} !~ /volatile|guard|pg_stat/ } @{ $load->{left} }), 0, 'everything else runs') or diag($out);

# ---- no value of production is there, all of them are staging's

my %file = map { $_ => slurp_file($_) } glob "$folder/load/*";
is_deeply([ grep { $file{$_} =~ /prod(?!\.)(?!uction)[0-9: ]/ } sort keys %file ], [], 'no value of production is in the folder');
my ($n) = grep { $load->{statements}[$_]{text} eq $by_email->{text} } 0 .. $#{ $load->{statements} };
my ($script) = grep { /sql$/ && $file{$_} =~ /WHERE email = E'stage/ } keys %file;
my @variants = $file{$script} =~ /email = E'(stage\d+)\\072me'/g;
my %distinct = map { $_ => 1 } @variants;
cmp_ok(scalar keys %distinct, '>', 50, 'many values, and no colon that pgbench would take for a variable');
my ($limited) = map { $file{$_} } grep { /sql$/ && $file{$_} =~ /ORDER BY id LIMIT/ } keys %file;
is(scalar(() = $limited =~ /LIMIT '?5'?;/g), scalar(() = $limited =~ /LIMIT/g), 'LIMIT is production\'s rows per call');
my ($updates) = map { $file{$_} } grep { /sql$/ && $file{$_} =~ /UPDATE shop/ } keys %file;
unlike($updates =~ s/^BEGIN\\;UPDATE .*\\;ROLLBACK;$//mgr, qr/UPDATE/, 'writes are rolled back in one message');
is($staging->value("SELECT count(*) || ' ' || count(*) FILTER (WHERE state LIKE 'prod%') FROM shop.log, shop.users"), '0 0', 'to make a load changes nothing');

# ---- what is compared with no column, and what is unique only together: another schema, on either side

my $odd = <<'END';
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."Things" ("Id" int PRIMARY KEY, email text, doc jsonb, title text, tags text[], made timestamp);
CREATE INDEX "Things_lower" ON "Odd"."Things" (lower(email));
CREATE INDEX "Things_kind" ON "Odd"."Things" ((doc ->> 'kind'));
CREATE INDEX "Things_day" ON "Odd"."Things" (date_trunc('day', made));
CREATE INDEX "Things_words" ON "Odd"."Things" USING gin (to_tsvector('english', coalesce(title, '')));
CREATE TABLE "Odd".labels (id int PRIMARY KEY);
CREATE TABLE "Odd".labelled (thing int REFERENCES "Odd"."Things", label int REFERENCES "Odd".labels, PRIMARY KEY (thing, label));
CREATE TABLE "Odd".lines (thing int REFERENCES "Odd"."Things", no int, PRIMARY KEY (thing, no));
CREATE TABLE "Odd".seen (at timestamptz, kind text) PARTITION BY RANGE (at);
CREATE TABLE "Odd".seen_old PARTITION OF "Odd".seen FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE "Odd".seen_new PARTITION OF "Odd".seen FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
CREATE INDEX seen_kind ON "Odd".seen (kind);
END
my $odd_fill = q{INSERT INTO "Odd"."Things" SELECT i, 'Me' || i, jsonb_build_object('other', 1, 'kind', 'k' || i % 900), 'word' || i % 700, ARRAY['t' || i % 9, 'u' || i % 99], now() - i * interval '1 hour'
	FROM generate_series(1, 10000) i;
INSERT INTO "Odd".labels SELECT generate_series(1, 200);
INSERT INTO "Odd".labelled SELECT i, i % 200 + 1 FROM generate_series(1, 10000) i;
INSERT INTO "Odd".lines SELECT i, 1 FROM generate_series(1, 10000) i;
INSERT INTO "Odd".seen SELECT now() - i * interval '1 minute', 'k' || i % 500 FROM generate_series(1, 5000) i;
ANALYZE;};
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach 'odd', 'odd_staging';
my $there = session($node, application_name => 'odd', dbname => 'odd');
$there->ok('CREATE EXTENSION pg_stat_statements; CREATE EXTENSION guard');
$there->ok("$odd$odd_fill");
my $here = session($node, dbname => 'odd_staging');
$here->ok("CREATE EXTENSION pg_stat_statements; $odd$odd_fill");
$there->ok('SELECT pg_stat_statements_reset()');
foreach my $i (1 .. 12)
{
	$there->ok(qq{SELECT "Id" FROM "Odd"."Things" WHERE lower(email) = lower('ME$i')});
	$there->ok(qq{SELECT "Id" FROM "Odd"."Things" WHERE lower(email) IN ('me$i', 'me77')});
	$there->ok(qq{SELECT "Id" FROM "Odd"."Things" t WHERE t.doc->>'kind' = 'k$i'});
	$there->ok(qq{SELECT "Id" FROM "Odd"."Things" WHERE date_trunc('day', made) = date '2026-01-01' + $i});
	$there->ok(qq{SELECT "Id" FROM "Odd"."Things" WHERE to_tsvector('english', coalesce(title, '')) @@ plainto_tsquery('english', 'word$i')});
	$there->ok(qq{SELECT "Id" FROM "Odd"."Things" WHERE tags @> ARRAY['t$i'] AND "Id" = $i});
	$there->ok(qq{INSERT INTO "Odd".labelled VALUES ($i, 150)});
	$there->ok(qq{INSERT INTO "Odd".lines (thing, no) VALUES ($i, 2), ($i, 3)});
	$there->ok(qq{INSERT INTO "Odd".lines VALUES ($i, 1) ON CONFLICT (thing, no) DO NOTHING});
	$there->ok(qq{SELECT count(*) FROM "Odd".seen WHERE kind = 'k$i'});
	$there->ok(qq{SELECT thing FROM "Odd".lines WHERE (thing, no) > (CAST($i AS int), CAST(0 AS int)) ORDER BY thing, no LIMIT 3});
}
append_to_file("$folder/odd.json", $there->value('SELECT guard.export_profile()'));
($status, $out, $err) = guard_load('make', "$folder/odd.json", '--out', "$folder/odd", '--average', '-d', 'odd_staging');
is($status, 0, 'make from the other schema: done') or diag($err);
my $made_of = JSON::PP->new->decode(slurp_file("$folder/odd/load.json"));
is_deeply([ map { $_->{text} } grep { $_->{why} !~ /pg_stat_statements/ } @{ $made_of->{left} } ], [], 'every statement runs there') or diag($out);
is_deeply($made_of->{not_here}, [], 'names with capitals are found');
foreach my $case (
	[ qr/lower\(email\) = /,  'Things_lower',  'a function of a column' ],
	[ qr/lower\(email\) IN/,  'Things_lower',  'and a list of its values' ],
	[ qr/doc->>/,             'Things_kind',   'a member of a document, with the constant of the index' ],
	[ qr/date_trunc/,         'Things_day',    'a function with a constant' ],
	[ qr/to_tsvector/,        'Things_words',  'a text search' ],
	[ qr/tags @>/,            'Things_pkey',   'an array beside it' ],
	[ qr/ON CONFLICT/,        'lines_pkey',    'the arbiter of a conflict' ],
	[ qr/FROM "Odd"\.seen/,   'seen_kind',     'an index of partitions, by its name' ],
	[ qr/\(thing, no\) >/,    'lines_pkey',    'a comparison of rows' ])
{
	my ($text, $index, $what) = @$case;
	my ($found) = grep { $_->{text} =~ $text } @{ $made_of->{statements} };

	is_deeply([ map { int($_ * 100) } @{ $found->{indexes} }{$index} ], [100], $what) or diag(explain($found));
	cmp_ok($found->{rows_here}, '>', 0, '... finds rows') if $text !~ /CONFLICT|date_trunc|tags/;
}

# ---- where production's values lay, there staging's lie, too

my $profile = JSON::PP->new->decode(slurp_file("$folder/prod.json"));
my $of = sub { my $text = shift; (grep { $_->{text} =~ $text } @{ $profile->{statements} })[0] };
my ($by_email_there) = $of->(qr/WHERE email = /);
my $position = sub { my ($text, $number, $where) = @_; (grep { $_->{number} == $number } @{ $of->($text)->{parameters} })[0]{position} = { samples => 100, %$where } };
$position->(qr/WHERE email = /, 1, { deciles => [ (0) x 9, 1 ] });
$of->(qr/WHERE email = /)->{rows_per_call} = 0.5;
$of->(qr/WHERE email = /)->{empty} = 0.5;
$position->(qr/WHERE state = /, 1, { mcv => [1] });
$position->(qr/tags @>/, 2, { list => [7] });
$position->(qr/email LIKE/, 1, { prefix => [7] });
$position->(qr/^UPDATE/, 1, { null => 1 });
$position->(qr/WHERE made >=/, 1, { value => [ 7200, 7200 ] });
delete $of->(qr/LIKE/)->{rows_per_call};
$_->{tuples} = 1000000 foreach grep { $_->{name} eq 'users' } @{ $profile->{relations} };
$profile->{server}{version_number} = 240001;
$profile->{server}{version} = '24.1';
$profile->{evictions} = 7;
$profile->{server}{connections}{idle_in_transaction} = 0.25;
append_to_file("$folder/placed.json", JSON::PP->new->encode($profile));
($status, $out, $err) = guard_load('make', "$folder/placed.json", '--out', "$folder/placed", '--average', @there);
is($status, 0, 'make with positions: done') or diag($err);
my $all = join '', map { slurp_file($_) } glob "$folder/placed/*.sql";
my $top = $staging->value("SELECT min(email) FROM (SELECT email, ntile(10) OVER (ORDER BY email) AS tenth FROM shop.users) t WHERE tenth = 9");
$top =~ s/:/\\072/;
my @emails = $all =~ /email = E?'([^']*)'/g;
my @there_are = grep { /^stage/ } @emails;
cmp_ok(scalar(@there_are), '>', 20, 'values that are in staging');
is_deeply([ grep { substr($_, 0, 8) lt substr($top, 0, 8) } @there_are ], [], 'of the end of the histogram, as it is a sample');
my ($placed) = grep { $_->{text} =~ /WHERE email = \$1$/ } @{ JSON::PP->new->decode(slurp_file("$folder/placed/load.json"))->{statements} };
cmp_ok(abs($placed->{rows_here} - 0.5), '<', 0.05, 'half of the calls find nothing, as in production');
is_deeply([ grep { $_ ne 'stage0' } $all =~ /WHERE state = '([^']*)' ORDER/g ], [], 'the most common value');
is_deeply([ grep { scalar(split /,/) != 7 } $all =~ /id = ANY \('\{([^}]*)\}'/g ], [], 'seven in a list');
is_deeply([ grep { !/^.{7}%$/ } $all =~ /LIKE '([^']*)'/g ], [], 'seven characters before the wildcard');
is_deeply([ grep { $_ ne 'NULL' } $all =~ /SET state = (\S+)/g ], [], 'NULL');
like($all, qr/interval '?7200 seconds'?|CAST\('7200 seconds' AS interval\)/, 'an interval');

# what of production is not here
like($out, qr/^shop\.users has 2e\+04 of 1e\+06 rows: plans and times are those of a smaller table/m, 'a table that is smaller');
like($out, qr/^Production is PostgreSQL 24\.1, staging \d+.*: another planner/m, 'another major version');
like($out, qr/^Production evicted statements 7 times since 20/m, 'evictions');
like($out, qr/idle in a transaction for 25\.0 % of their time/, 'idle in transactions');

# more statements than pgbench takes scripts
$profile->{statements} = [ map { { %{ $by_email_there }, text => "SELECT id AS c$_ FROM shop.users WHERE email = \$1", indexes => [] } } 1 .. 160 ];
append_to_file("$folder/many.json", JSON::PP->new->encode($profile));
($status, $out, $err) = guard_load('make', "$folder/many.json", '--out', "$folder/many", '--average', '--variants', '8', @there);
like($out, qr/^160 of 160 statements: 100\.0 % of the calls/m, 'more statements than scripts');
my @scripts = glob "$folder/many/*.sql";
is(scalar @scripts, 128, 'the rest share one');
my $many = join '', map { slurp_file($_) } @scripts;
is(scalar(grep { $many !~ /AS c$_ FROM/ } 1 .. 160), 0, 'all are there');

# A profile is somebody else's: what it has beside one statement is not sent to staging.
$staging->ok('CREATE TABLE shop.victim ()');
$profile->{statements} = [ map { { %{ $by_email_there }, text => $_, parameters => [], indexes => [] } } 'SELECT 1; DROP TABLE shop.victim', "SELECT 1 -- '\n; DROP TABLE shop.victim -- '",
	"SELECT E'a\\''; DROP TABLE shop.victim; --'", 'SELECT 1 /* \' */; DROP TABLE shop.victim; /* \' */', 'SELECT 1; COMMIT; DROP TABLE shop.victim;',
	'SELECT $$\'$$; DROP TABLE shop.victim; SELECT $$\'$$', "SELECT 1 \\; DROP TABLE shop.victim" ];
append_to_file("$folder/hostile.json", JSON::PP->new->encode($profile));
($status, $out, $err) = guard_load('make', "$folder/hostile.json", '--out', "$folder/hostile", '--average', @there);
is($status, 2, 'nothing of it can be run');
like($err, qr/no single statement/, 'and why');
is($staging->value("SELECT to_regclass('shop.victim')::text"), 'shop.victim', 'nor is it');
$staging->ok('DROP TABLE shop.victim');

# as a service that prepares its statements: the server chooses between a generic plan and one for these values
($status, $out, $err) = guard_load('make', "$folder/prod.json", '--out', "$folder/prepared", '--average', '--prepared', @there);
like(join('', map { slurp_file($_) } glob "$folder/prepared/*.sql"),
	qr/^\\if :(guard_load_\d+) = 0\nPREPARE \1 AS SELECT id FROM shop\.users WHERE email = \$1;\n\\set \1 1\n\\endif\n.*^EXECUTE \1\(E'stage/ms, 'prepared once a connection');
like(join('', map { slurp_file($_) } glob "$folder/prepared/*.sql"), qr/^BEGIN\\;EXECUTE guard_load_\d+\(.*\)\\;ROLLBACK;$/m, 'and what it writes is rolled back');
$staging->ok('SELECT pg_stat_statements_reset()');
($status, $out, $err) = guard_load('run', "$folder/prepared", '--for', '3s', '--connections', '2', '--peak', '2', '--closed', @there);
is($status, 0, 'run of what is prepared, in a closed loop') or diag("$out$err");
like($out, qr/closed loop/, 'says so');
($status, $out, $err) = guard_load('compare', "$folder/prepared", '--factor', '1000');
like($out, qr/^SELECT id FROM shop\.\S* .*\d:\d/m, 'it is counted as the statement that it is');
like($out, qr/closed loop: .* hides/, 'and what a closed loop hides');

# ---- a run, with a migration that takes an index away

append_to_file("$folder/drop.sql", "ALTER TABLE shop.users DROP CONSTRAINT users_email_key;\n");
my $fresh = sub { $staging->ok('SELECT pg_stat_statements_reset()'); };
$fresh->();
($status, $out, $err) = guard_load('run', "$folder/load", '--for', '4s', '--connections', '3', '--peak', '2', @there);
is($status, 0, 'run: done') or diag("$out$err");
like($out, qr{^ +\d+ s +\d+/s +\S+ ms +[\d.]+ of 3 busy}m, 'a line a second');
my $ran = JSON::PP->new->decode(slurp_file("$folder/load/run.json"));
cmp_ok(scalar @{ $ran->{samples} }, '>', 1, 'samples are kept');
is($staging->value('SELECT count(*) FROM shop.log'), 0, 'what was written is gone again');
my $counted = sub { $ran->{$_[1]}{ $_[0]{query_ids}[0] } };
ok($counted->($by_email, 'before')->[0] > 0, 'the statement is counted under the identifier that the plan has');
($status, $out, $err) = guard_load('compare', "$folder/load", '--factor', '1000');
is($status, 0, 'compare without a migration: it would have stood it') or diag("$out$err");
like($out, qr/Production would have stood it\.$/, 'says so');
like($out, qr/SELECT id FROM shop\.users WHERE email/, 'a line a statement');
like($out, qr/[\d.]+ % with the same indexes/, 'and how far it is from production\'s');
ok(-s "$folder/load/load.svg", 'a picture') if system('gnuplot --version > /dev/null 2>&1') == 0;

# the owner's migration; the load is the driver's
$staging->ok('ALTER TABLE shop.users OWNER TO driver');
$fresh->();
($status, $out, $err) = guard_load('run', "$folder/load", '--for', '6s', '--at', '2s', '--connections', '3', '--migration', "$folder/drop.sql", @there);
is($status, 0, 'run with a migration') or diag("$out$err");
like($out, qr/drop\.sql ended with status 0/, 'it is told how the migration ended');
$ran = JSON::PP->new->decode(slurp_file("$folder/load/run.json"));
is_deeply($ran->{gone}, ['shop.users_email_key'], 'what is gone');
SKIP:
{
	my $after = $counted->($by_email, 'after');
	skip 'nothing was answered after the migration', 2 if !$after;
	cmp_ok($after->[1] / $after->[0], '>', 1, 'a call takes more than a millisecond without its index');
	($status, $out, $err) = guard_load('compare', "$folder/load");
	is($status, 1, 'compare: it would not have stood it') or diag($out);
}
like($out, qr/shop\.users_email_key is gone; guard predicted /, 'with what guard had said');

%file = map { $_ => slurp_file($_) } glob "$folder/load/*";
ok((grep { m{/staging.json$} } keys %file), 'staging is profiled after the run');
is_deeply([ grep { $file{$_} =~ /prod(?!\.)(?!uction)[0-9: ]/ } sort keys %file ], [], 'still no value of production in the folder');

# ---- when is a pool of ten full?  When nine are busy; or half, and most of a call's time is waiting for one

my $measured = slurp_file("$folder/load/run.json");
sub pool_was
{
	my ($busy, $lag, $from, $latency) = @_;
	my $run = JSON::PP->new->decode($measured);
	my $phase = sub { $_[0] > ($from // 2) };

	@$run{qw(pool connections migrated)} = (10, 10, 2);
	$run->{busy} = [ map { [ $_ / 10, $phase->($_ / 10) ? $busy : 1, 0 ] } 1 .. 60 ];
	$run->{samples} = [ map { { second => $_, rate => 10, latency => $latency // 1000, lag => $phase->($_) ? $lag : 0, busy => $busy, locked => 0, waiting => 0, failed => 0 } } 1 .. 6 ];
	unlink "$folder/load/run.json";
	append_to_file("$folder/load/run.json", JSON::PP->new->encode($run));
	my ($done, $said, $error) = guard_load('compare', "$folder/load");
	return $error =~ /the pool was full before/ ? 'full before' : $said =~ /the pool was (never full|full)/ ? $1 : "$said$error";
}
is(pool_was(9, 0), 'full', 'nine of ten are busy');
is(pool_was(8, 0), 'never full', 'eight are, and nobody waits');
is(pool_was(5, 510), 'full', 'half are, and most of the time is waiting');
is(pool_was(5, 490), 'never full', 'half are, and most of the time is the call');
is(pool_was(4, 990), 'never full', 'fewer are: it is not the pool that calls wait for');
is(pool_was(9, 0, 0), 'full before', 'it was full before the migration');
is(pool_was(5, 510, 0), 'full before', 'and so it was here');
is(pool_was(5, 99, undef, 100), 'never full', 'calls wait, but not long: pgbench is late');

# ---- Ctrl-C: nothing goes on, and what was measured is kept

unlink "$folder/load/run.json";
($out, $err) = ('', '');
my $going = IPC::Run::start([ '/usr/bin/python3', $program, 'run', "$folder/load", '--for', '5min', '--connections', '2', @there ], '>', \$out, '2>', \$err);
$going->pump until $out =~ /busy/ || !$going->pumpable;
$going->signal('INT');
$going->finish;
is($going->full_result(0) >> 8, 130, 'ended by Ctrl-C') or diag("$out$err");
like($out, qr/Interrupted; guard_load compare shows what was measured\.$/, 'says so');
is($err, '', 'without noise');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'guard_load%'"), 'no connection is left');
ok(-s "$folder/load/run.json", 'what was measured is kept');

# ---- a migration that fails tells nothing

append_to_file("$folder/fails.sql", "SELECT nonsense;\n");
guard_load('run', "$folder/load", '--for', '2s', '--at', '0s', '--connections', '2', '--migration', "$folder/fails.sql", @there);
($status, $out, $err) = guard_load('compare', "$folder/load");
is($status, 2, 'compare after a migration that failed');
like($err, qr/the migration failed, so this tells nothing of it: column "nonsense" does not exist/, 'says why');

# ---- writes that are kept, and errors

$fresh->();
($status, $out, $err) = guard_load('run', "$folder/load", '--for', '3s', '--connections', '2', '--peak', '3', '--writes', 'commit', @there);
cmp_ok($staging->value('SELECT count(*) FROM shop.log'), '>', 0, '--writes commit keeps what is written');
$staging->ok('REVOKE ALL ON shop.log FROM driver');
($status, $out, $err) = guard_load('run', "$folder/load", '--for', '3s', '--connections', '2', '--peak', '3', @there);
if (`pgbench --help` =~ /--continue-on-error/ || $err eq '') { like($out, qr/statements failed/, 'failures are counted'); }
else
{
	is($status, 1, 'a load that lost a connection is no figure');
	like($err, qr/these are no figures: .*permission denied/, 'with the error');
}

foreach ([ [], qr/make, run or compare is missing/ ], [ ['make'], qr/takes one PROFILE/ ], [ [ 'make', "$folder/prod.json" ], qr/--out is missing/ ],
	[ [ 'make', "$folder/drop.sql", '--out', "$folder/x" ], qr/drop\.sql: / ], [ [ 'run', "$folder/none" ], qr/load\.json/ ],
	[ [ 'run', "$folder/load", '--for', 'long' ], qr/is no time/ ], [ [ 'run', "$folder/load", '--peak', 'x' ], qr/--peak takes a number/ ],
	[ [ 'run', "$folder/load", '--writes', 'maybe' ], qr/--writes takes commit/ ], [ [ 'compare', "$folder/load", '--no' ], qr/no such option: --no/ ],
	[ [ 'run', "$folder/load", '-d', 'nowhere' ], qr/nowhere/ ])
{
	my ($words, $why) = @$_;
	($status, $out, $err) = guard_load(@$words);
	is($status, 2, "wrong: @$words");
	like($err, $why, 'with the reason');
}
append_to_file("$folder/new.json", '{"format": "guard/profile/2"}');
($status, $out, $err) = guard_load('make', "$folder/new.json", '--out', "$folder/x");
like($err, qr{format is guard/profile/2; this program knows guard/profile/1}, 'a newer format says so');

done_testing();
