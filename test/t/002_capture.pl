# What is a use of an index, and what is none.  Every case has a table and a session of its own: a kind of traffic runs once,
# and guard.check() says whether capture has seen it.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main');
my $s = session($node);
my $number = 0;

$s->ok('CREATE EXTENSION pg_stat_statements');

# Does capture know of uses of this index by others than the asking session?  "used N" or "not seen"
sub captured
{
	my ($index, $who) = @_;

	return ($who // $s)->value(
		"SELECT concat_ws(' ', f ->> 'seen', f ->> 'count')
		   FROM guard.check('$index'),
				LATERAL jsonb_array_elements(facts -> 'uses') f
		  WHERE f ->> 'source' = 'capture'");
}

# A table of its own for each case; %t in the statements is its name.
sub new_table
{
	my $name = 'case_' . ++$number;

	make_table($s, $name);
	return $name;
}

sub run_case
{
	my ($what, $expected, @statements) = @_;
	my $table = new_table();
	my $user = session($node, 'app');

	foreach (@statements)
	{
		(my $sql = $_) =~ s/%t/$table/g;
		$user->ok($sql);
	}

	# Counts are handed over at the latest when the session ends.
	$user->close;
	wait_until($s,
		"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'app')"
	);
	is(captured("${table}_a_idx"), $expected, $what);
	return $table;
}

# ---- what is a use

my %uses = (
	'index scan' => ['SELECT c FROM %t WHERE a = 42'],
	'index-only scan' =>
	  [ 'SET enable_bitmapscan = off', 'SELECT a FROM %t WHERE a < 42' ],
	'bitmap scan' => [
		'SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_seqscan = off',
		'SELECT c FROM %t WHERE a = 42'
	],
	'smallest value' => ['SELECT min(a) FROM %t'],
	'order' => ['SELECT c FROM %t ORDER BY a LIMIT 1'],
	'UPDATE' => ["UPDATE %t SET c = 'new' WHERE a = 42"],
	'DELETE' => ['DELETE FROM %t WHERE a = 42'],
	'MERGE' => [
		"MERGE INTO %t USING (VALUES (42)) v (x) ON a = x WHEN MATCHED THEN UPDATE SET c = 'new'"
	],
	'SELECT FOR UPDATE' => ['SELECT c FROM %t WHERE a = 42 FOR UPDATE'],
	'INSERT ... SELECT' => ['INSERT INTO %t SELECT a, b, c FROM %t WHERE a = 42'],
	'CREATE TABLE AS' => ['CREATE TABLE copy_%t AS SELECT * FROM %t WHERE a = 42'],
	'COPY of a query' => ['COPY (SELECT c FROM %t WHERE a = 42) TO \'/dev/null\''],
	'common table expression' =>
	  ['WITH w AS MATERIALIZED (SELECT c FROM %t WHERE a = 42) SELECT * FROM w'],
	'scalar subquery' => ['SELECT (SELECT c FROM %t WHERE a = 42)'],
	'correlated subquery' =>
	  ['SELECT (SELECT c FROM %t WHERE a = g) FROM generate_series(42, 42) g'],
	'inner side of a join' => [
		'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off',
		'SELECT c FROM (VALUES (42)) v (x) JOIN %t ON a = x'
	],
	'through a view' => [
		'CREATE VIEW view_%t AS SELECT * FROM %t',
		'SELECT c FROM view_%t WHERE a = 42'
	],
	'in a DO block' => ['DO $$ BEGIN PERFORM c FROM %t WHERE a = 42; END $$'],
	'in a PL/pgSQL function' => [
		'CREATE FUNCTION f_%t() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT c FROM %t WHERE a = 42); END $$',
		'SELECT f_%t()'
	],
	'in an SQL function' => [
		'CREATE FUNCTION f_%t() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT c FROM %t WHERE a = 42 $$',
		'SELECT f_%t()'
	],
	'in a trigger' => [
		'CREATE TABLE other_%t (a int)',
		'CREATE FUNCTION f_%t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM c FROM %t WHERE a = 42; RETURN NEW; END $$',
		'CREATE TRIGGER t AFTER INSERT ON other_%t FOR EACH ROW EXECUTE FUNCTION f_%t()',
		'INSERT INTO other_%t VALUES (1)'
	],
	'EXECUTE in PL/pgSQL' =>
	  [q{DO $$ BEGIN EXECUTE 'SELECT c FROM %t WHERE a = 42'; END $$}],
	'fetched cursor' => [
		'BEGIN',
		'DECLARE cur CURSOR FOR SELECT c FROM %t WHERE a = 42',
		'FETCH cur', 'COMMIT'
	],
	'cursor WITH HOLD, filled at COMMIT' => [
		'BEGIN',
		'DECLARE cur CURSOR WITH HOLD FOR SELECT c FROM %t WHERE a = 42',
		'COMMIT'
	],
	'cursor loop in PL/pgSQL' => [
		'DO $$ DECLARE r record; BEGIN FOR r IN SELECT c FROM %t WHERE a = 42 LOOP END LOOP; END $$'
	],
	'prepared statement' => [
		'PREPARE p (int) AS SELECT c FROM %t WHERE a = $1', 'EXECUTE p (42)'
	],
	'prepared statement with a generic plan' => [
		'SET plan_cache_mode = force_generic_plan',
		'PREPARE p (int) AS SELECT c FROM %t WHERE a = $1',
		'EXECUTE p (42)'
	],
	'parallel plan, once for leader and workers' => [
		'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0',
		'SET min_parallel_index_scan_size = 0; SET min_parallel_table_scan_size = 0; SET enable_seqscan = off; SET enable_bitmapscan = off',
		'SELECT sum(b) FROM %t WHERE a < 800'
	],
	'a transaction that rolls back' =>
	  [ 'BEGIN', 'SELECT c FROM %t WHERE a = 42', 'ROLLBACK' ],);

run_case($_, 'used 1', @{ $uses{$_} }) foreach sort keys %uses;

my $plan = session($node, 'plan');
$plan->ok($uses{'parallel plan, once for leader and workers'}[$_]) foreach 0, 1;
like(
	join("\n",
		map { $_->[0] } @{
			$plan->ok(
				'EXPLAIN SELECT sum(b) FROM case_1 WHERE a < 800')->{rows}
		  }),
	qr/Workers Planned.*Parallel Index/s,
	'that plan was a parallel one');
$plan->close;

run_case(
	'every execution counts, of whatever plan',
	'used 12',
	'PREPARE p (int) AS SELECT c FROM %t WHERE a = $1',
	map { "EXECUTE p ($_)" } 1 .. 12);
run_case('rescans inside one execution are one use',
	'used 1', @{ $uses{'inner side of a join'} }[0],
	'SELECT c FROM generate_series(1, 100) g JOIN %t ON a = g');

# Extended protocol: parsed once, executed many times.
my $table = new_table();
my $user = session($node, 'app');
$user->prepare('p', "SELECT c FROM $table WHERE a = \$1::int");
$user->execute_prepared('p', $_) foreach 1 .. 7;
is(captured("${table}_a_idx") =~ /^used/, 1, 'extended protocol');
$user->close;

# ---- what is none

my %others = (
	'EXPLAIN' => ['EXPLAIN SELECT c FROM %t WHERE a = 42'],
	'EXPLAIN ANALYZE' => ['EXPLAIN ANALYZE SELECT c FROM %t WHERE a = 42'],
	'EXPLAIN ANALYZE EXECUTE' => [
		'PREPARE p (int) AS SELECT c FROM %t WHERE a = $1',
		'EXPLAIN (ANALYZE) EXECUTE p (42)'
	],
	'EXPLAIN ANALYZE of a function' => [
		'CREATE FUNCTION f_%t() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT c FROM %t WHERE a = 42); END $$',
		'EXPLAIN ANALYZE SELECT f_%t()'
	],
	'PREPARE alone' => ['PREPARE p (int) AS SELECT c FROM %t WHERE a = $1'],
	'unfetched cursor' => [
		'BEGIN',
		'DECLARE cur CURSOR FOR SELECT c FROM %t WHERE a = 42',
		'CLOSE cur', 'COMMIT'
	],
	'inner side that is never reached' => [
		'CREATE TABLE empty_%t (x int)',
		'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_bitmapscan = off',
		'SELECT c FROM empty_%t JOIN %t ON a = x'
	],
	'filter that is false once and for all' =>
	  [q{SELECT c FROM %t WHERE a = 42 AND now() < '2000-01-01'}],
	'sequential scan' =>
	  [ 'SET enable_indexscan = off; SET enable_bitmapscan = off', 'SELECT c FROM %t WHERE a = 42' ],
	'ANALYZE and VACUUM' => [ 'ANALYZE %t', 'VACUUM %t' ],
	'plain INSERT' => ["INSERT INTO %t VALUES (1, 2, 'three')"],
	'planning of a range, which reads the end of the index' =>
	  ['EXPLAIN SELECT c FROM %t WHERE a > 990'],);

run_case($_, 'not seen', @{ $others{$_} }) foreach sort keys %others;

# EXPLAIN that fails must not leave the session uncaptured.
run_case(
	'an execution after an EXPLAIN ANALYZE that failed',
	'used 1',
	'DO $$ BEGIN EXECUTE \'EXPLAIN ANALYZE SELECT 1 / (a - a) FROM %t\'; EXCEPTION WHEN division_by_zero THEN NULL; END $$',
	'SELECT c FROM %t WHERE a = 42');

# ---- guard's own questions

$table = new_table();
$user = session($node, 'curious');
$user->ok("SELECT guard.check('${table}_a_idx')") foreach 1 .. 100;
$user->ok('SELECT * FROM guard.indexes');
$user->ok("SELECT * FROM guard.index_statements('${table}_a_idx')");
$user->close;
is(verdict($s, "${table}_a_idx"),
	'allow cold', 'asking a hundred times does not make an index look used');

# ---- whose use it is

$table = new_table();
$s->ok("SELECT c FROM $table WHERE a = $_") foreach 1 .. 100;
is(verdict($s, "${table}_a_idx"), 'allow cold',
	"the session's own use does not count for itself");
my $other = session($node);
is(verdict($other, "${table}_a_idx"),
	'block hot', 'but it does for everybody else');
refused(
	$other->query("DROP INDEX ${table}_a_idx"),
	qr/migration use it/,
	'although the other calls itself by the same name');
$s->ok("SET application_name = 'somebody else'");
is(verdict($s, "${table}_a_idx"), 'block hot',
	'what was done under another name may have been another client of a pooler');
$s->ok("SET application_name = 'migration'");
is(verdict($s, "${table}_a_idx"), 'block hot', 'and stays so under the old name');
$other->close;
$table = new_table();
passed($s->query("BEGIN; UPDATE $table SET b = 0 WHERE a = 42; DROP INDEX ${table}_a_idx; COMMIT"),
	"a migration's own UPDATE is not live traffic");

$table = new_table();
$user = use_index($node, $table, 'app');
$s->ok("SELECT c FROM $table WHERE a = $_") foreach 1 .. 10;
refused($s->query("DROP INDEX ${table}_a_idx"),
	qr/: guard s\w+ app use it/, 'own use on top does not hide that of others');
$user->close;

# ---- when it is known

# Two statements within a moment, then the session sits idle in its pool.
my ($first, $second) = (new_table(), new_table());
$user = session($node, 'pooled');
$user->ok("SELECT c FROM $first WHERE a = 42");
$user->ok("SELECT c FROM $second WHERE a = 42");
refused($s->query("DROP INDEX ${_}_a_idx"),
	qr/pooled use it/, 'a use is known before the session does anything else')
  foreach $first, $second;
is( $node->safe_psql('postgres',
		"SELECT state FROM pg_stat_activity WHERE application_name = 'pooled'"
	),
	'idle',
	'the session that used it is idle, and connected');
$user->close;

$table = new_table();
$user = session($node, 'busy');
$user->ok('BEGIN');
$user->ok("SELECT c FROM $table WHERE a = 42");
refused($s->query("DROP INDEX ${table}_a_idx"),
	qr/busy use it/, 'so is a use by a transaction that is still open');
$user->close;

# ---- ON CONFLICT

foreach (
	[ '(a)',       'block arbiter', 'named by its columns' ],
	[ 'ON CONSTRAINT %c', 'block arbiter', 'named by its constraint' ],
	[ '',          'block arbiter', 'not named, where it has skipped a row' ])
{
	my ($target, $expected, $what) = @$_;

	$table = 'case_' . ++$number;
	make_table($s, $table, 'bare');
	$s->ok("ALTER TABLE $table ADD CONSTRAINT ${table}_a_idx UNIQUE (a)");
	$target =~ s/%c/${table}_a_idx/;
	$user = session($node, 'app');
	$user->ok("INSERT INTO $table VALUES (42, 0, '') ON CONFLICT $target DO NOTHING");
	like(verdict($s, "${table}_a_idx"),
		qr/^$expected/, "ON CONFLICT arbiter, $what");
	refused(
		$s->query("ALTER TABLE $table DROP CONSTRAINT ${table}_a_idx"),
		qr/ON CONFLICT/, "such a constraint is not dropped, $what")
	  if $expected =~ /block/;
	$user->close;
}

# ---- foreign keys

$s->ok('CREATE TABLE referenced (id int PRIMARY KEY)');
$s->ok('INSERT INTO referenced SELECT generate_series(1, 5000)');
make_table($s, 'referencing');
$s->ok('ALTER TABLE referencing ADD FOREIGN KEY (a) REFERENCES referenced ON DELETE CASCADE');
$user = session($node, 'app');
$user->ok('DELETE FROM referenced WHERE id = 42');
refused($s->query('DROP INDEX referencing_a_idx'),
	qr/app use it/, 'a cascading DELETE uses the index on the foreign key');
$user->close;

# ---- partitions

$s->ok('CREATE TABLE parted (a int, day int, c text) PARTITION BY LIST (day)');
$s->ok("CREATE TABLE parted_$_ PARTITION OF parted FOR VALUES IN ($_)")
  foreach 1 .. 3;
$s->ok("INSERT INTO parted SELECT g, 1 + g % 3, 'row ' || g FROM generate_series(1, 9000) g");
$s->ok('CREATE INDEX parted_a_idx ON parted (a)');
$s->ok('VACUUM ANALYZE parted');

sub partitions_used
{
	return join ' ',
	  grep { captured("parted_${_}_a_idx") =~ /^used/ } 1 .. 3;
}
$user = session($node, 'app');
$user->ok('SELECT c FROM parted WHERE a = 42 AND day = 1');
is(partitions_used(), '1', 'partitions pruned by the planner are not used');
$user->ok('SET plan_cache_mode = force_generic_plan');
$user->ok('PREPARE p (int) AS SELECT c FROM parted WHERE a = 43 AND day = $1');
$user->ok('EXECUTE p (2)');
is(partitions_used(), '1 2', 'nor are those pruned when the plan starts');
$user->ok('SELECT c FROM (VALUES (1), (2)) v (x), LATERAL (SELECT c FROM parted WHERE a = 44 AND day = x OFFSET 0) l');
is(partitions_used(), '1 2', 'nor those never reached while it runs');
$user->close;
refused(
	$s->query('DROP INDEX parted_a_idx'),
	qr/cannot drop index "public.parted_a_idx": guard s\w+ app/,
	'the partitioned index is as hot as the hottest of its partitions');

# ---- what an index lives through with its evidence

foreach (
	'REINDEX INDEX %t_a_idx', 'REINDEX INDEX CONCURRENTLY %t_a_idx', 'REINDEX TABLE CONCURRENTLY %t',
	'ALTER TABLE %t ALTER a TYPE bigint', 'ALTER TABLE %t ALTER a TYPE text', 'ALTER TABLE %t SET UNLOGGED',
	'CLUSTER %t USING %t_a_idx', 'VACUUM FULL %t', 'TRUNCATE %t; INSERT INTO %t SELECT g, g, rpad(g::text, 100) FROM generate_series(1, 1000) g',
	'ALTER INDEX %t_a_idx RENAME TO renamed; ALTER INDEX renamed RENAME TO %t_a_idx',
	'ALTER TABLE %t RENAME a TO z', 'ALTER INDEX %t_a_idx SET (fillfactor = 50)', 'ALTER TABLE %t ALTER b TYPE bigint')
{
	my $table = new_table();
	(my $sql = $_) =~ s/%t/$table/g;
	(my $what = $_) =~ s/%t/t/g;

	use_index($node, $table)->close;
	passed($s->query($sql), "$what: never a drop");
	refused($s->query("DROP INDEX ${table}_a_idx"), qr/auth used? it|auth uses it/, "$what: the evidence is still there");
}

# Twice over, and with a use in between.
$table = new_table();
use_index($node, $table)->close;
$s->ok("REINDEX INDEX CONCURRENTLY ${table}_a_idx; ") foreach 1 .. 2;
$s->ok("ALTER TABLE $table ALTER a TYPE bigint");
use_index($node, $table, 'push')->close;
$s->ok("REINDEX INDEX CONCURRENTLY ${table}_a_idx");
is(verdict($s, "${table}_a_idx"), 'block hot', 'rebuilt again and again');

# An idle one stays idle.
$table = new_table();
$s->ok("REINDEX INDEX CONCURRENTLY ${table}_a_idx");
is(verdict($s, "${table}_a_idx"), 'allow cold', 'REINDEX CONCURRENTLY of an idle index: still cold');
$s->ok("ALTER TABLE $table ALTER a TYPE bigint");
is(verdict($s, "${table}_a_idx"), 'allow cold', 'ALTER TYPE of an idle index: still cold');

# ---- services and statements

$table = new_table();
foreach my $name (
	'auth/v2.3.1', 'auth-7f9c6d5b8-x2v4q',
	'puma: cluster worker 0: 4711 [web]', '')
{
	$user = session($node, $name);
	$user->ok("SELECT c FROM $table WHERE a = 42");
	$user->close;
}
$s->ok("CREATE ROLE batch LOGIN; GRANT SELECT ON $table TO batch");
$user = session($node, user => 'batch', application_name => '');
$user->ok("SELECT b FROM $table WHERE a = 42");
my $login = $s->value('SELECT current_user');
is_deeply(
	[
		sort map { $_->[0] } @{
			$s->ok(
				"SELECT DISTINCT unnest(services) FROM guard.index_statements('${table}_a_idx')"
			)->{rows}
		}
	],
	[ sort('auth', 'batch', 'puma: cluster worker', $login) ],
	'services: folded, and the login role where there is no name');
is( $s->value(
		"SELECT string_agg(query, '; ' ORDER BY uses DESC)
		   FROM guard.index_statements('${table}_a_idx')"),
	"SELECT c FROM $table WHERE a = \$1; SELECT b FROM $table WHERE a = \$1",
	'statements: the most frequent first, with their texts');
$user->close;

$node->stop;
done_testing();
