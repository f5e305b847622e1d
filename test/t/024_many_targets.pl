# What a statement costs in memory grows with the number of indexes that it drops, not with its square.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', preload => 'guard', conf => "max_locks_per_transaction = 512\nfsync = off\n");
my $s = session($node);

# What guard has allocated for the statement when all of it is done but the books.
$s->ok('CREATE TABLE peak (bytes bigint)');
$s->ok(q{CREATE FUNCTION measure() RETURNS event_trigger LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO peak SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'guard %'; END$$});
$s->ok('CREATE EVENT TRIGGER zz_measure ON sql_drop EXECUTE FUNCTION measure()');
$s->ok('SET client_min_messages = error');

sub bytes
{
	my ($setup, $drop) = @_;

	$s->ok("DO \$\$ BEGIN $setup END \$\$");
	my $names = $s->value(q{SELECT string_agg(i::regclass::text, ', ') FROM (SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass('t')) AS t (i)}) // '';
	my $constraints = $s->value(q{SELECT string_agg('DROP CONSTRAINT ' || conname, ', ') FROM pg_constraint WHERE conrelid = to_regclass('t')}) // '';
	$drop =~ s/NAMES/$names/;
	$drop =~ s/CONSTRAINTS/$constraints/;
	$s->ok('TRUNCATE peak');
	$s->ok($drop);
	my $bytes = $s->value('SELECT max(bytes) FROM peak');
	$s->ok('DROP TABLE IF EXISTS t');
	return $bytes;
}

# The many partitions have other names than the few, from which nothing is to be inherited.
#
# Each entry of the books has the statement's text, of which the few make 1 kB, and the many as much as is kept of one: 4 kB.
my $rows = 'INSERT INTO t SELECT i, i FROM generate_series(1, 3000) i;';
my %kinds = (
	'DROP INDEX' => [ "CREATE TABLE t (a int, b int); $rows FOR i IN 1..N LOOP EXECUTE format('CREATE INDEX t_%s ON t (a, b)', i); END LOOP;", 'DROP INDEX NAMES', 400 ],
	'ALTER TABLE' => [ "CREATE TABLE t (a int, b int); $rows FOR i IN 1..N LOOP EXECUTE format('ALTER TABLE t ADD CONSTRAINT t_%s UNIQUE (a, b)', i); END LOOP;", 'ALTER TABLE t CONSTRAINTS', 60, 7 ],
	'DROP TABLE' => [ "CREATE TABLE \"t N\" (a int, b int) PARTITION BY RANGE (a); CREATE INDEX ON \"t N\" (b); FOR i IN 1..N LOOP EXECUTE format('CREATE TABLE \"t N %s\" PARTITION OF \"t N\" FOR VALUES FROM (%s) TO (%s)', i, i, i + 1); END LOOP;", 'DROP TABLE "t N"', 60 ],
	'DROP SCHEMA' => [ "CREATE SCHEMA s; FOR i IN 1..N LOOP EXECUTE format('CREATE TABLE s.t_%s (a int); CREATE INDEX ON s.t_%s (a)', i, i); END LOOP;", 'DROP SCHEMA s CASCADE', 60 ],
	'DROP OWNED' => [ "CREATE ROLE o; FOR i IN 1..N LOOP EXECUTE format('CREATE TABLE t_%s (a int); CREATE INDEX ON t_%s (a); ALTER TABLE t_%s OWNER TO o', i, i, i); END LOOP;", 'DROP OWNED BY o; DROP ROLE o', 60 ]);

foreach my $kind (sort keys %kinds)
{
	my ($setup, $drop, $few, $most) = (@{ $kinds{$kind} }, 5.6);
	my @bytes = map { my $n = $_; bytes(map { s/\bN\b/$n/gr } $setup, $drop) } $few, 5 * $few;

	cmp_ok($bytes[0], '>', 1000 * $few, "$kind: something is remembered of each index");
	cmp_ok($bytes[1] / $bytes[0], '<', $most, "$kind: five times the indexes take five times the memory")
	  or diag("@bytes");
	note("$kind: $bytes[0] and $bytes[1] bytes");
}

done_testing();
