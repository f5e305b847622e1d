# A profile is imported before the migrations have made what it knows: tables and indexes are found by name when they are
# judged.  What was found once stays with its index.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "autovacuum = off\n");
my $live = session($node, 'live');
make_table($live, $_) foreach qw(busy other moved idle);
$live->ok('CREATE INDEX made_by_orm_1 ON other (b)');
$live->ok('CREATE TABLE parts (a int, b int) PARTITION BY RANGE (a)');
$live->ok('CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000000)');
$live->ok('CREATE INDEX parts_b_idx ON parts (b)');
$live->ok('INSERT INTO parts SELECT g, g FROM generate_series(1, 20000) g');
$live->ok('VACUUM ANALYZE parts');
my $auth = session($node, 'auth');
$auth->ok("SELECT c FROM $_ WHERE a = 42") foreach qw(busy other moved);
$auth->ok('SET enable_seqscan = off');
$auth->ok('SELECT c FROM other WHERE b = 42');
$auth->ok('SELECT a FROM parts WHERE b = 42');
$auth->close;
$live->ok('SELECT guard.snapshot()');
my $document = $live->value('SELECT guard.export_profile()');

$live->ok('CREATE DATABASE copy');
my $s = session($node, dbname => 'copy');
$s->ok('CREATE EXTENSION guard');
$s->ok('CREATE TABLE moved (a int, b int, c text)');
$s->ok("SELECT guard.import_profile('prod', \$guard\$$document\$guard\$)");
is($s->value('SELECT indexes_here FROM guard.profiles'), 0, 'nothing of it is here');
my $needed = sub { my ($name) = @_; return qr/^cannot drop index "public\.$name": .*auth use it/ };

# the table, its index by name and by what it is made of
$s->ok('CREATE TABLE busy (a int, b int, c text)');
$s->ok('CREATE INDEX busy_a_idx ON busy (a)');
is($s->value("SELECT drift FROM guard.profile_drift WHERE index_name = 'busy_a_idx' AND drift <> 'unknown there'"), 'made since', 'one that was made since');
refused($s->query('DROP INDEX busy_a_idx'), $needed->('busy_a_idx'), 'is found when it is judged');
is(verdict($s, 'busy_a_idx'), 'block hot', 'and by guard.check');
is($s->value("SELECT count(*) FROM guard.profile_drift WHERE index_name = 'busy_a_idx'"), 0, 'from then on it is no drift');
is(verdict($s, 'busy_a_idx'), 'block hot', 'once');
is($s->value("SELECT count(*) FROM guard.profile_fact f WHERE f.relation_oid = 'busy_a_idx'::regclass"),
	$s->value("SELECT count(*) FROM jsonb_array_elements((SELECT i.document #> '{evidence,uses}' FROM guard.profile_index i WHERE i.index_name = 'busy_a_idx'))"), 'what it says of it is there once');
$s->ok('CREATE TABLE other (a int, b int, c text)');
$s->ok('CREATE INDEX made_by_orm_77 ON other (b)');
refused($s->query('DROP INDEX made_by_orm_77'), $needed->('made_by_orm_77'), 'by its definition');

$s->ok('CREATE INDEX moved_a_idx ON moved (a)');
refused($s->query('DROP INDEX moved_a_idx'), $needed->('moved_a_idx'), 'a table that was here, an index that was not');

# it is looked for by name until it is found, and then it is that one
is(verdict($s, 'moved_a_idx'), 'block hot', 'found');
$s->ok('ALTER INDEX moved_a_idx RENAME TO renamed');
$s->ok('CREATE INDEX moved_a_idx ON moved (c)');
isnt(verdict($s, 'moved_a_idx'), 'block hot', 'another one of that name is not that one');
refused($s->query('DROP INDEX renamed'), $needed->('renamed'), 'which it stays under any name');

# partitions, whose evidence was nobody's before; the table goes with all
$s->ok('CREATE TABLE parts (a int, b int) PARTITION BY RANGE (a)');
$s->ok('CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000000)');
$s->ok('CREATE INDEX parts_b_idx ON parts (b)');
refused($s->query('DROP INDEX parts_b_idx'), $needed->('parts_b_idx'), 'a partitioned one');
$s->ok('CREATE TABLE idle (a int, b int, c text)');
$s->ok('CREATE INDEX idle_a_idx ON idle (a)');
isnt(verdict($s, 'idle_a_idx'), 'block hot', 'what is idle there is not needed here');

# one that cannot write may ask all the same
$s->ok('CREATE INDEX other_a_idx ON other (a)');
$s->ok('BEGIN READ ONLY');
passed($s->query("SELECT guard.check('other_a_idx')"), 'in a transaction that only reads');
$s->ok('COMMIT');
refused($s->query('DROP INDEX other_a_idx'), $needed->('other_a_idx'), 'and it is found later');

done_testing();
