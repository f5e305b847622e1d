# What calls a function that is not in C is never planned a second time, wherever planning may come across that function: not in
# the statement, nor in what a table of it brings along.  What is in C is.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', preload => 'guard', conf => <<'CONF');
guard.whatif_interval = 0
guard.whatif_time_limit = 1h
autovacuum = off
CONF
my $version = version_of($node);
my $s = session($node);

# How often were statements planned once more, and how many were left out?
sub counts
{
	my $r = $s->ok(q{SELECT substring(state FROM '(\d+) plans'), substring(state FROM '(\d+) statements left out') FROM guard.status WHERE item LIKE 'what-if st%'});

	return @{ $r->{rows}[0] };
}

# Is a statement planned once more, its index being t_a_idx or another?
sub is_planned
{
	my ($statement, $expected, $test) = @_;
	my $user = session($node, 'auth');
	my ($plans, $left) = counts();

	passed($user->query($statement), "$test: runs");
	my ($plans_after, $left_after) = counts();
	if ($expected)
	{
		cmp_ok($plans_after, '>', $plans, "$test: planned once more");
		is($left_after, $left, "$test: not left out");
	}
	else
	{
		is($plans_after, $plans, "$test: not planned once more");
		cmp_ok($left_after, '>', $left, "$test: counted");
	}
	$user->close;
}

make_table($s, 't');
$s->ok('CREATE SEQUENCE calls');
$s->ok(q{CREATE FUNCTION pl(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''public.calls''); RETURN $1; END'});
$s->ok(q{CREATE FUNCTION pltext(text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''public.calls''); RETURN true; END'});
$s->ok(q{CREATE FUNCTION sq(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 0'});
$s->ok(q{CREATE FUNCTION sqrows() RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT 7'});

# ---- in C
is_planned($_->[1], 1, $_->[0]) foreach (
	['nothing', 'SELECT c FROM t WHERE a = 7'],
	['built in', q{SELECT upper(c), round(1.5, 1), lpad(c, 3), a::text || 'x' FROM t WHERE a = abs(-7) AND c LIKE 'row%' AND b IN (1, 2, 7)}],
	['a parameter', 'PREPARE p (int) AS SELECT c FROM t WHERE a = $1; EXECUTE p (7)'],
	['a subquery', 'SELECT count(*) FROM (SELECT DISTINCT b FROM t WHERE a < 10 ORDER BY b) x, LATERAL (SELECT max(a) FROM t WHERE t.b = x.b AND t.a < 3) y']);
$s->ok(q{CREATE DOMAIN small AS int CHECK (VALUE < 10000)});
$s->ok(q{CREATE TYPE mood AS ENUM ('sad', 'ok')});
$s->ok(q{CREATE TYPE pair AS (x small, y mood)});
$s->ok(q{CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi)});
is_planned($_->[1], 1, $_->[0]) foreach (
	['a domain that asks no more', q{SELECT c FROM t WHERE a = 7::small AND b <> ALL ('{1,2}'::text::small[])}],
	['an enum, a row, a range of one\'s own', q{SELECT c FROM t WHERE a = 7 AND (7, 'ok')::pair IS NOT NULL AND 'ok'::mood = ANY ('{ok}'::mood[]) AND span(1, 2) @> 1.5::float8}]);

# ---- not in C, in the statement
$s->ok(q{CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = plsame)}) if $s->ok(q{CREATE FUNCTION plsame(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''public.calls''); RETURN $1 = $2; END'});
$s->ok(q{CREATE DOMAIN nosy AS text CHECK (pltext(VALUE))});
$s->ok(q{CREATE DOMAIN nosy_too AS nosy});
$s->ok(q{CREATE TYPE holder AS (n nosy)});
$s->ok(q{CREATE TYPE plain AS (i int)});
$s->ok(q{CREATE FUNCTION to_plain(text) RETURNS plain IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''public.calls''); RETURN row(7); END'});
$s->ok(q{CREATE CAST (text AS plain) WITH FUNCTION to_plain(text)});
$s->ok(q{CREATE VIEW v AS SELECT c, a FROM t WHERE a = pl(7)});
is_planned($_->[1], 0, $_->[0]) foreach (
	['a procedural function', 'SELECT c FROM t WHERE a = pl(7)'],
	['one in SQL', 'SELECT c FROM t WHERE a = sq(7)'],
	['one in what is selected', 'SELECT sq(b) FROM t WHERE a = 7'],
	['one in FROM', 'SELECT c FROM t, sqrows() r WHERE a = r'],
	['one in a subquery', 'SELECT c FROM t WHERE a = (SELECT max(b) FROM t WHERE a = pl(8))'],
	['one in a CTE', 'WITH x AS MATERIALIZED (SELECT pl(7) AS y) SELECT c FROM t WHERE a = (SELECT y FROM x)'],
	['one in a view', 'SELECT c FROM v'],
	['one in LIMIT', 'SELECT c FROM t WHERE a = 7 LIMIT sq(1)'],
	['one in an UPDATE', 'UPDATE t SET b = pl(b) WHERE a = 7'],
	['an operator', 'SELECT c FROM t WHERE a = 7 AND 3 === 3'],
	['an operator of many', 'SELECT c FROM t WHERE a = 7 AND 3 === ANY (ARRAY[3])'],
	['a cast', q{SELECT c FROM t WHERE a = ('x'::text::plain).i}],
	['a domain', q{SELECT c FROM t WHERE a = 7 AND 'x'::text::nosy = c}],
	['an array of a domain', q{SELECT c FROM t WHERE a = 7 AND c = ANY ('{x}'::text::nosy[])}],
	['a domain of a domain', q{SELECT c FROM t WHERE a = 7 AND c = ANY ('{x}'::text::nosy_too[])}],
	['a row with a domain', q{SELECT c FROM t WHERE a = 7 AND '(x)'::text::holder IS NOT NULL}],
	['input by hand', q{SELECT c FROM t WHERE a = 7 AND array_in('{x}', 'nosy'::regtype, -1) IS NOT NULL}]);
is_planned(q{SELECT c FROM t WHERE a = 7 AND c <> table_to_xml('v', true, true, '')::text}, 0, 'statements of a function in C')
  if $node->config_data('--configure') =~ /--with-libxml/;

# ---- not in C, in what a table brings along
my @tables = (
	['an index', 'CREATE INDEX x_idx ON x (pl(b))'],
	['a condition of an index', 'CREATE INDEX x_idx ON x (b) WHERE b < pl(10)'],
	['a CHECK', 'ALTER TABLE x ADD CHECK (b < pl(b) + 1)'],
	['statistics', 'CREATE STATISTICS x_stat ON (pl(a)), b FROM x'],
	['a policy', 'CREATE POLICY p ON x USING (b = pl(b)); ALTER TABLE x ENABLE ROW LEVEL SECURITY; ALTER TABLE x FORCE ROW LEVEL SECURITY; CREATE ROLE plain_user; ALTER TABLE x OWNER TO plain_user; GRANT USAGE ON SEQUENCE calls TO plain_user', 'SET ROLE plain_user; ']);
push @tables, ['a column computed when read', 'ALTER TABLE x ADD d int GENERATED ALWAYS AS (mod(b, 7)) VIRTUAL, ADD e int GENERATED ALWAYS AS (b + 0) VIRTUAL', '', 1] if $version >= 18;
foreach my $case (@tables)
{
	my ($test, $change, $first, $planned) = @$case;

	$s->ok("SET guard.mode = 'off'");
	$s->ok('DROP TABLE IF EXISTS x');
	$s->ok('RESET guard.mode');
	make_table($s, 'x');
	is_planned('SELECT c FROM x WHERE a = 7', 1, "without $test");
	$s->ok($change);
	$s->ok('ANALYZE x');
	is_planned(($first // '') . 'SELECT c FROM x WHERE a = 7', $planned // 0, "with $test");
}
$s->ok('CREATE TABLE parts (a int, b int, c text) PARTITION BY RANGE (pl(b))');
$s->ok('CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (1000)');
$s->ok('CREATE INDEX part_a_idx ON part (a)');
$s->ok(q{INSERT INTO parts SELECT g, g % 100, rpad('row ' || g, 100) FROM generate_series(1, 1000) g});
$s->ok('ANALYZE parts');
is_planned('SELECT c FROM parts WHERE a = 7 AND b = 7', 0, 'a partition key');
is_planned('SELECT c FROM part WHERE a = 7', 0, 'a partition by itself');

# ---- one that is rewritten in C is believed from then on, and the other way round
$s->ok('CREATE FUNCTION changes(int) RETURNS int IMMUTABLE LANGUAGE sql AS \'SELECT $1\'');
is_planned('SELECT c FROM t WHERE a = changes(7)', 0, 'before it changes');
$s->ok("CREATE OR REPLACE FUNCTION changes(int) RETURNS int IMMUTABLE LANGUAGE internal AS 'int4abs'");
is_planned('SELECT c FROM t WHERE a = changes(7)', 1, 'after it has changed');
$s->ok("CREATE OR REPLACE FUNCTION changes(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 7; END'");
is_planned('SELECT c FROM t WHERE a = changes(7)', 0, 'after it has changed back');

# ---- nobody who listens to the log is evaded: a function that would read what it should not while nobody writes it down
SKIP:
{
	my $audit = -e $node->config_data('--pkglibdir') . '/pgaudit.so';
	my $from;

	if ($audit)
	{
		$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pgaudit, guard'");
		$node->append_conf('postgresql.conf', "pgaudit.log = 'read, write, function'\n");
		$node->restart;
		$s = session($node);
	}
	$s->ok('CREATE TABLE salaries AS SELECT 5000 AS eur');
	$s->ok('CREATE SEQUENCE leak');
	$s->ok(q{CREATE FUNCTION peek(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN
			RAISE LOG 'peek at %', current_setting('client_min_messages');
			IF nextval('public.calls') % 2 = 0 OR current_setting('client_min_messages') = 'error' THEN
				PERFORM setval('leak', (SELECT eur FROM salaries));
			END IF;
			RETURN $1;
		END $$});
	$from = -s $node->logfile;
	my $user = session($node, 'auth');
	$user->ok(q{SELECT setval('calls', 1, false)});
	$user->ok('SELECT c FROM t WHERE a = peek(7)');
	is($user->value('SELECT is_called FROM leak'), 'f', 'a function is called once, as if nobody planned once more');
	is(scalar(() = slurp_file($node->logfile, $from) =~ /LOG:  peek at notice/g), $user->value('SELECT last_value FROM calls'), 'and each call is logged');
	skip 'pgaudit is not installed', 1 unless $audit;
	$user->ok('SELECT c FROM t WHERE a = peek(8)');
	is($user->value('SELECT last_value FROM leak'), 5000, 'what it reads then');
	like(slurp_file($node->logfile, $from), qr/AUDIT: SESSION,.*salaries/, 'is audited');
}

$node->stop;
done_testing();
