# guard.compare_plans: after a migration the statements of a profile that have become dearer are listed with both plans; what a
# profile brings along is never run, by nobody.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use JSON::PP;
use Test::More;

my $node = guard_server('main', conf => "autovacuum = off\n");
my $admin = session($node, 'admin');
$admin->ok("CREATE DATABASE $_") foreach qw(live copy);
my @schema = (
	'CREATE SCHEMA shop', 'SET search_path = shop',
	'CREATE TABLE buyer (id int PRIMARY KEY, email text, team int)',
	'CREATE INDEX buyer_email_idx ON buyer (email)',
	'CREATE INDEX buyer_team_idx ON buyer (team)',
	'CREATE TABLE sale (id int PRIMARY KEY, buyer_id int, at timestamptz) PARTITION BY RANGE (id)',
	'CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM (MINVALUE) TO (MAXVALUE)',
	'CREATE INDEX sale_buyer_idx ON sale (buyer_id)');
my $live = session($node, application_name => 'auth', dbname => 'live');
$live->ok('CREATE EXTENSION pg_stat_statements; CREATE EXTENSION guard');
$live->ok($_) foreach @schema;
$live->ok("INSERT INTO buyer SELECT n, 'b' || n || '\@example.com', n % 300 FROM generate_series(1, 30000) n");
$live->ok('INSERT INTO sale SELECT n, n % 30000, now() FROM generate_series(1, 60000) n');
$live->ok('VACUUM ANALYZE');
$live->ok('SELECT public.pg_stat_statements_reset()');
$live->ok("SELECT id FROM buyer WHERE email = 'b7\@example.com'");
$live->ok('SELECT count(*) FROM buyer WHERE team = 5');
$live->ok('SELECT s.id FROM sale s JOIN buyer b ON b.id = s.buyer_id WHERE b.id = 900');
$live->ok('UPDATE sale SET at = now() WHERE id = 5');
$admin->ok("ALTER DATABASE live SET search_path = shop");
$live = session($node, application_name => 'auth', dbname => 'live');
my $bytes = $live->value('SELECT guard.export_profile()');
my $document = JSON::PP->new->decode($bytes);
$document->{statements} = [ grep { $_->{text} !~ /pg_stat_statements_reset/ } @{ $document->{statements} } ];
is(scalar @{ $document->{statements} }, 4, 'four statements');

my $copy = session($node, application_name => 'dev', dbname => 'copy');
$copy->ok('CREATE EXTENSION guard; SET guard.mode = observe');
$copy->ok($_) foreach @schema;
$copy->ok('RESET search_path');
my $import = sub {
	my ($json) = @_;
	$json =~ s/'/''/g;
	$copy->ok("SELECT guard.import_profile('prod', '$json')");
};
$import->(JSON::PP->new->encode($document));

# ---- by a role that may nothing but plan

is($copy->query("SELECT guard.compare_plans('prod')")->{error}{C}, '55000', 'nobody has been named to plan');
is($copy->query("SELECT guard.remember_plans('prod', 'nobody_at_all')")->{error}{C}, '42704', 'a role that does not exist');
$copy->ok('CREATE ROLE member; GRANT pg_read_all_data TO member; CREATE ROLE somebody LOGIN; CREATE ROLE planner');
is($copy->query("SELECT guard.remember_plans('prod', '$_')")->{error}{C}, '22023', "not as $_") foreach qw(member somebody);
is($copy->value("SELECT guard.remember_plans('prod', 'planner')"), 0, 'without USAGE nothing is planned');
like($copy->value('SELECT min(why) FROM guard.profile_plan'), qr/relation .* does not exist|permission denied for schema shop/, 'and why is told');
$copy->ok('GRANT USAGE ON SCHEMA shop TO planner');
is($copy->value("SELECT guard.remember_plans('prod', 'planner')"), 4, 'with it all four are, without any right on a table');
is($copy->value("SELECT count(*) FROM guard.compare_plans('prod')"), 0, 'nothing has changed');

# ---- what a migration makes dearer

$copy->ok('DROP INDEX shop.buyer_email_idx');
my $r = $copy->ok("SELECT statement, cost_now > 3 * cost_before, plan_before, plan_now, why FROM guard.compare_plans('prod')");
is(scalar @{ $r->{rows} }, 1, 'one statement');
my ($statement, $dearer, $before, $now, $why) = @{ $r->{rows}[0] };
is($statement, 'SELECT id FROM buyer WHERE email = $1', 'that which used the index');
is($dearer, 't', 'is dearer');
like($before, qr/buyer_email_idx/, 'its plan before');
like($now, qr/Seq Scan on buyer/, 'and now');
$copy->ok('CREATE INDEX other_name ON shop.buyer (email)');
is($copy->value("SELECT count(*) FROM guard.compare_plans('prod')"), 0, 'an index of another name will do');
$copy->ok('ALTER TABLE shop.buyer RENAME COLUMN team TO crew');
$r = $copy->ok("SELECT statement, cost_now, why FROM guard.compare_plans('prod')");
is(scalar @{ $r->{rows} }, 1, 'one cannot be planned any more');
like($r->{rows}[0][2], qr/column "team" does not exist/, 'and why');
$copy->ok('ALTER TABLE shop.buyer RENAME COLUMN crew TO team');
$copy->ok('ALTER TABLE shop.sale ALTER buyer_id TYPE text');
$r = $copy->ok("SELECT why FROM guard.compare_plans('prod')");
like($r->{rows}[0][0], qr/operator does not exist/, 'a type that does not fit any more');

# ---- what it brings along is not run

$copy->ok('CREATE SEQUENCE shop.traces; GRANT USAGE ON shop.traces TO planner; CREATE TABLE shop.victim (id int); GRANT ALL ON shop.victim TO planner');
$copy->ok(q{CREATE FUNCTION shop.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM nextval(''shop.traces''); RETURN $1; END'});
my @hostile = ('SELECT 1; DROP TABLE shop.victim', 'DROP TABLE shop.victim', 'EXPLAIN ANALYZE INSERT INTO shop.victim VALUES (1)', 'ANALYZE SELECT 1',
	'SELECT * INTO shop.loot FROM shop.victim', 'SELECT * FROM shop.victim WHERE id = shop.trap(1)', 'SELECT nextval($1::regclass) FROM shop.victim',
	'INSERT INTO shop.victim VALUES (1)', 'WITH gone AS (DELETE FROM shop.victim RETURNING id) SELECT * FROM gone', 'COPY shop.victim TO PROGRAM $1', 'SELECT', '', 'SELECT 1/0');
my $entry = $document->{statements}[0];
$document->{statements} = [ map { { %$entry, text => $_, parameters => [] } } @hostile ];
$copy->ok('INSERT INTO shop.victim VALUES (42)');
$import->(JSON::PP->new->encode($document));
$copy->ok("SELECT guard.remember_plans('prod', 'planner')");
is($copy->value('SELECT count(*) FROM guard.profile_plan'), scalar @hostile, 'each has been looked at');
is($copy->value('SELECT is_called FROM shop.traces'), 'f', 'no function was run');
is($copy->value('SELECT string_agg(id::text, \',\') FROM shop.victim'), '42', 'nothing was written');
is($copy->value("SELECT to_regclass('shop.loot')"), undef, 'nor created');
is($copy->value('SELECT count(*) FROM guard.profile_plan WHERE cost IS NOT NULL AND number IN (1, 2, 3, 4, 5, 6, 10)'), 0, 'what is not one query, or calls what is not C, has no plan');
like($copy->value('SELECT why FROM guard.profile_plan WHERE number = 6'), qr/functions that are not in C/, 'and says so');
is($copy->value('SELECT count(*) FROM guard.profile_plan WHERE cost IS NOT NULL AND number IN (8, 9)'), 2, 'what writes is planned');
is($copy->value('SELECT current_user = session_user'), 't', 'and the session is who it was');

done_testing();
