# JudgeScenario: tables with indexes that look much alike, and the statements that services run against them, drawn by rand().
#
# A scenario is a hash:
#	setup		SQL that makes and fills the tables
#	tables		their names
#	indexes		how each index is dropped, by name
#	statements	{ name, service, prepared (its types, or undef), text (of one call: $1, $2 are replaced), calls (arrays of parameters) }
#	writes		does one of them write?
#	own		a setting that a service plans under, by service
#	script		what a migration does in the end: statements, each for itself
#
# There is always a table t; beside it there may be o, which refers to it, a view v and a materialized view m of it, and functions.
#
# Values are drawn from skewed distributions, so that one statement has cheap and dear calls.  Tables have no more rows than ANALYZE
# samples, so the plans of two databases with the same scenario are the same.

package JudgeScenario;

use strict;
use warnings FATAL => 'all';

sub one { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }

sub some
{
	my ($n, @from) = @_;
	my @taken;

	push @taken, splice @from, rand @from, 1 while @taken < $n && @from;
	return @taken;
}

# Columns that indexes and statements are made of: how a value is made of the row's number, and how one is drawn for a parameter.
my %column = (
	id => { type => 'int', draw => sub { 1 + int rand $_[0]{rows} } },
	a => { type => 'int', make => sub { "hashint4(g) & $_[0]{a}" }, draw => sub { int rand($_[0]{a} + 1) } },
	b => { type => 'int', make => sub { "floor($_[0]{b} * power((hashint4(-g) & 2147483647) / 2147483648.0, 3))::int" },
		draw => sub { int($_[0]{b} * rand()**2) } },
	s => { type => 'text', make => sub { "CASE WHEN g % 25 = 0 THEN 'open' WHEN g % 25 = 1 THEN 'held' ELSE 'done' END" },
		draw => sub { one('open', 'open', 'held', 'done') } },
	name => { type => 'text', make => sub { "'n' || lpad((hashint4(g * 7) & 4095)::text, 4, '0')" },
		draw => sub { sprintf 'n%04d', rand 4096 } },
	tags => { type => 'int[]', make => sub { 'ARRAY[g % 10, hashint4(g) & 1023]' }, draw => sub { int rand 1024 } },
	at => { type => 'timestamptz', make => sub { "timestamptz '2025-01-01 UTC' + g * interval '1 minute'" },
		draw => sub { sprintf '2025-01-%02d 00:00+00', 1 + rand($_[0]{rows} / 1440) } },
	gone => { type => 'timestamptz', make => sub { "CASE WHEN g % 50 = 0 THEN NULL ELSE timestamptz '2026-01-01' END" } });
my @columns = qw(a b s name tags at gone);

sub draw { my ($w, $c) = @_; return $column{$c}{draw}->($w) }

# ---- indexes

# "within" is what a unique index of a partitioned table has to have.
sub index_definition
{
	my ($within) = @_;
	my @keys = some(one(1, 1, 2, 2, 2, 3), 'a', 'b', 's', 'at', 'id', 'name');
	my $unique = grep({ $_ eq 'id' } @keys) && grep({ $_ eq $within } @keys) && chance(0.4);
	my $text = join ', ', map { $_ . (chance(0.15) ? one(' DESC', ' DESC NULLS LAST', ' NULLS FIRST') : '') } @keys;
	my $rest = '';

	return ('', "USING hash ($keys[0])") if chance(0.05);
	return ('', 'USING brin (' . one('at', 'id') . ')') if chance(0.05);
	return ('', 'USING gin (tags)') if chance(0.05);
	return ('', '(' . one('(a % 100)', 'lower(s)', '(a + b)', 'lower(name)', 'lower(name), id', "((at AT TIME ZONE 'UTC')::date)") . ')') if chance(0.1);
	return ('', '(' . one('name text_pattern_ops', 'name COLLATE "C"', 's, name text_pattern_ops', 'name COLLATE "C", id') . ')') if chance(0.1);
	if (chance(0.2))
	{
		my ($include) = grep { my $c = $_; !grep { $_ eq $c } @keys } some(5, 'a', 'b', 's', 'at', 'id');
		$rest = " INCLUDE ($include)" if $include;
	}
	$rest .= one(" WHERE s = 'open'", ' WHERE gone IS NULL', " WHERE s <> 'done'", ' WHERE a > 10') if chance(0.2) && !$unique;
	return ($unique ? 'UNIQUE ' : '', "($text)$rest");
}

# ---- statements: text and the columns that its parameters are drawn from

my $insert = 'INSERT INTO t (id, a, b, s, at)';
my $values = "VALUES (\$1, 1, 1, 'done', '2025-01-01')";
my @templates = (
	# one row, some rows, many rows
	sub { my $c = one('a', 'b', 'id', 'name'); return ("SELECT pad FROM t WHERE $c = \$1", $c) },
	sub { my ($c, $d) = some(2, 'a', 'b', 's', 'id', 'name'); return ("SELECT id FROM t WHERE $c = \$1 AND $d = \$2", $c, $d) },
	sub { my ($c, $d) = some(2, 'a', 'b', 's'); return ("SELECT count(*) FROM t WHERE $c = \$1 AND $d >= \$2", $c, $d) },
	sub { my $c = one('a', 'b'); return ("SELECT count(*) FROM t WHERE $c = \$1 AND gone IS NULL", $c) },
	sub { my $c = one('a', 'b', 'id'); return ("SELECT id FROM t WHERE s = 'open' AND $c = \$1", $c) },
	sub { my $c = one('a', 'b'); return ("SELECT pad FROM t WHERE $c IN (\$1, \$2)", $c, $c) },
	sub { my ($c, $d) = some(2, 'a', 'b', 'id'); return ("SELECT pad FROM t WHERE $c = \$1 OR $d = \$2", $c, $d) },
	sub { return ("SELECT count(*) FROM t WHERE at >= \$1 AND at < \$1::timestamptz + interval '2 hours'", 'at') },
	sub { return ("SELECT sum(b) FROM t WHERE at >= \$1 AND at < \$1::timestamptz + interval '1 day' AND s = 'done'", 'at') },
	sub { return ('SELECT count(*) FROM t') },
	# order
	sub { my $c = one('a', 'b', 's'); return ("SELECT id FROM t WHERE $c = \$1 ORDER BY at DESC LIMIT 10", $c) },
	sub { my ($c, $o) = some(2, 'a', 'b', 'name'); return ("SELECT id, pad FROM t WHERE $c = \$1 ORDER BY $o LIMIT 5", $c) },
	sub { my $c = one('at', 'a', 'name', 'name COLLATE "C"'); return ("SELECT id FROM t ORDER BY $c LIMIT 20") },
	sub { my ($o, $p) = some(2, 's', 'a', 'b', 'at'); return ("SELECT id, pad FROM t ORDER BY $o, $p LIMIT 50") },
	sub { my $c = one('a', 'b', 'name'); return ("SELECT id, $c FROM t WHERE ($c, id) > (\$1, \$2) ORDER BY $c, id LIMIT 20", $c, 'id') },
	sub { my $c = one('a', 'b', 's', 'name'); return ("SELECT DISTINCT ON ($c) $c, id FROM t ORDER BY $c, at DESC") },
	sub { my $c = one('a', 'b', 's'); return ("SELECT DISTINCT $c FROM t") },
	sub { return ('SELECT id, row_number() OVER (PARTITION BY a ORDER BY at) FROM t WHERE b = $1', 'b') },
	sub { my $c = one('a', 'b', 'at'); return ("SELECT min($c), max($c) FROM t WHERE s = \$1", 's') },
	sub { my $c = one('a', 'b', 'at', 'id'); return ("SELECT max($c) FROM t") },
	sub { return ("SELECT id FROM t WHERE s = 'open' ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED") },
	sub { my ($o, $p) = some(2, 'a', 'b', 'at', 'name', 'id'); return ("SELECT id, pad FROM t ORDER BY $o " . one('', 'DESC', 'NULLS FIRST', 'DESC NULLS LAST') . ", $p " . one('', 'DESC') . ' LIMIT 20') },
	sub { my $c = one('a', 'b', 's'); return ("SELECT id FROM t WHERE $c = \$1 ORDER BY at DESC NULLS LAST, id LIMIT 5", $c) },
	sub { return ('SELECT id, at FROM t WHERE a = $1 AND at > $2 ORDER BY at', 'a', 'at') },
	sub { return ('SELECT a, id, lag(at) OVER (PARTITION BY a ORDER BY at) FROM t WHERE a < $1 ORDER BY a LIMIT 30', 'a') },
	# several indexes at once
	sub { return ("SELECT count(*) FROM t WHERE a >= \$1 AND a < \$1 + 40 AND b >= \$2 AND b < \$2 + 60", 'a', 'b') },
	sub { return ("SELECT pad FROM t WHERE a = \$1 AND b = \$2 AND s = 'open'", 'a', 'b') },
	sub { return ('SELECT pad FROM t WHERE a = $1 OR name = $2 OR id = $3', 'a', 'name', 'id') },
	sub { return ("SELECT count(*) FROM t WHERE (a = \$1 OR b = \$2) AND at >= \$3", 'a', 'b', 'at') },
	sub { return ('SELECT id FROM t WHERE (a, b) IN (($1, $2), ($3, $4))', 'a', 'b', 'a', 'b') },
	sub { my $c = one('a', 'b'); return ("SELECT id FROM t WHERE $c = ANY (ARRAY[\$1, \$2, \$3]::int[]) AND s = \$4", $c, $c, $c, 's') },
	sub { my $c = one('a', 'b'); return ("SELECT id FROM t WHERE $c BETWEEN \$1 AND \$1 + 3 AND gone IS NULL", $c) },
	# expressions, operator classes, access methods
	sub { return ('SELECT id FROM t WHERE a % 100 = $1 AND b = $2', 'b', 'b') },
	sub { return ('SELECT count(*) FROM t WHERE a + b = $1', 'a') },
	sub { return ('SELECT id, pad FROM t WHERE lower(name) = $1', 'name') },
	sub { return ("SELECT count(*) FROM t WHERE (at AT TIME ZONE 'UTC')::date = (\$1::timestamptz AT TIME ZONE 'UTC')::date", 'at') },
	sub { return ("SELECT id FROM t WHERE name LIKE 'n1" . int(rand(10)) . "%'") },
	sub { return ("SELECT id FROM t WHERE name LIKE \$1 || '%'", 'name') },
	sub { return ('SELECT id FROM t WHERE name COLLATE "C" >= $1 ORDER BY name COLLATE "C" LIMIT 10', 'name') },
	sub { return ('SELECT count(*) FROM t WHERE tags @> ARRAY[$1::int]', 'tags') },
	# joins and groups
	sub { return ('SELECT x.id, count(*) FROM t x JOIN t y ON y.a = x.b WHERE x.a = $1 GROUP BY x.id', 'a') },
	sub { my $c = one('pad', 's, pad'); return ("SELECT id, $c, count(*) FROM t WHERE a = \$1 GROUP BY id", 'a') },
	sub { my $c = one('a', 'b', 's'); return ("SELECT $c, count(*), max(at) FROM t GROUP BY $c") },
	sub { return ('SELECT count(*) FROM t x JOIN t y USING (id) WHERE x.s = $1', 's') },
	sub { return ('SELECT x.id FROM t x LEFT JOIN t y ON y.id = x.b WHERE x.a = $1', 'a') },
	sub { return ('SELECT id FROM t x WHERE a = $1 AND EXISTS (SELECT FROM t y WHERE y.b = x.a AND y.s = \'open\')', 'a') },
	sub { return ('SELECT id FROM t WHERE a = $1 AND id NOT IN (SELECT id FROM t WHERE b = $2)', 'a', 'b') },
	sub { return ('SELECT x.id, y.id FROM t x JOIN t y ON y.name = x.name AND y.id <> x.id WHERE x.a = $1', 'a') },
	sub { my $c = one('a', 'b'); return ("SELECT x.id, y.pad FROM t x CROSS JOIN LATERAL (SELECT pad FROM t WHERE $c = x.b ORDER BY at DESC LIMIT 1) y WHERE x.id = \$1", 'id') },
	sub { my $c = one('a', 'b'); return ("SELECT id FROM t WHERE $c = \$1 UNION ALL SELECT id FROM t WHERE name = \$2", $c, 'name') },
	sub { my $c = one('a', 'b', 'name'); return ("SELECT count(DISTINCT $c) FROM t WHERE s = \$1", 's') },
	sub { return ('SELECT id FROM t WHERE id IN (SELECT b FROM t WHERE a = $1)', 'a') },
	sub { return ('WITH q AS MATERIALIZED (SELECT b FROM t WHERE a = $1) SELECT count(*) FROM t JOIN q USING (b)', 'a') },
	# writes
	sub { my $c = one('a', 'b', 'name', 'id'); return ("UPDATE t SET pad = x.p FROM (VALUES (\$1, 'y')) x(k, p) WHERE t.$c = x.k", $c) },
	sub { return ('UPDATE t SET pad = y.pad FROM t y WHERE t.id = y.b AND y.a = $1', 'a') },
	sub { my $c = one('a', 'b'); return ("DELETE FROM t USING t y WHERE t.$c = y.$c AND t.id > y.id AND y.id = \$1", 'id') },
	sub { return ('DELETE FROM t WHERE id = $1', 'id') },
	sub { my $c = one('a', 'id'); return ("UPDATE t SET pad = pad WHERE $c = \$1", $c) },
	sub { my $c = one('a', 'id'); return ("DELETE FROM t WHERE $c = \$1 AND s = 'held'", $c) },
	sub { return ("$insert $values ON CONFLICT (id) DO UPDATE SET b = excluded.b", 'id') },
	sub { return ("$insert $values ON CONFLICT DO NOTHING", 'id') },
	sub { return ("$insert $values ON CONFLICT " . one('(id, a)', '(id, s)', '(id) WHERE a > 10', 'ON CONSTRAINT t_pkey') . ' DO NOTHING', 'id') },
	sub { return ("MERGE INTO t USING (SELECT \$1::int AS k) q ON t.id = q.k WHEN MATCHED THEN UPDATE SET b = t.b " .
			"WHEN NOT MATCHED THEN $insert VALUES (q.k, 1, 1, 'done', '2025-01-01')" =~ s/INSERT INTO t/INSERT/r, 'id') },
	sub { return ("WITH q AS (SELECT id FROM t WHERE s = 'held' AND a >= \$1 ORDER BY at LIMIT 3) UPDATE t SET s = 'open' FROM q WHERE t.id = q.id", 'a') });

# With what may be there beside t: a setup, how its indexes go, its tables, templates.
my %beside = (
	o => sub {
		my ($w) = @_;
		my @setup = (
			'CREATE TABLE o (id int CONSTRAINT o_pkey PRIMARY KEY, t_id int' . (($w->{fkey} = chance(0.6) && $w->{pk}) ? ' CONSTRAINT o_t_fkey REFERENCES t (id)' . one('', ' ON DELETE CASCADE', ' ON DELETE CASCADE', ' ON DELETE SET NULL') : '') .
				', amount int, at timestamptz)',
			"INSERT INTO o SELECT g, 1 + (hashint4(g) & 2147483647) % $w->{rows}, hashint4(g) & 127, timestamptz '2025-01-01 UTC' + g * interval '1 minute' FROM generate_series(1, 20000) g",
			(chance(0.8) ? 'CREATE INDEX o_t ON o (t_id)' : ()), (chance(0.5) ? 'CREATE INDEX o_t_at ON o (t_id, at)' : ()),
			(chance(0.3) ? 'CREATE INDEX o_amount ON o (amount) INCLUDE (t_id)' : ()), (chance(0.3) ? 'CREATE UNIQUE INDEX o_t_id ON o (t_id, id)' : ()));
		return (\@setup, { 'o_pkey' => 'ALTER TABLE o DROP CONSTRAINT o_pkey' }, [
			sub { return ('SELECT t.id, o.amount FROM t JOIN o ON o.t_id = t.id WHERE t.a = $1', 'a') },
			sub { return ('SELECT count(*) FROM t JOIN o ON o.t_id = t.id WHERE o.amount = $1 AND t.s = $2', 'a', 's') },
			sub { return ('SELECT t.id, sum(o.amount) FROM t JOIN o ON o.t_id = t.id WHERE t.b = $1 GROUP BY t.id', 'b') },
			sub { return ('SELECT t.id, o.at FROM t JOIN o ON o.t_id = t.id ORDER BY t.id LIMIT 30') },
			sub { return ('SELECT x.id FROM t x LEFT JOIN o ON o.id = x.b WHERE x.a = $1', 'a') },
			sub { return ('SELECT id FROM t WHERE a = $1 AND EXISTS (SELECT FROM o WHERE o.t_id = t.id AND o.amount > 5)', 'a') },
			sub { return ('SELECT o.id FROM o WHERE t_id = $1 ORDER BY at DESC LIMIT 3', 'id') },
			sub { return ('DELETE FROM t WHERE id = $1', 'id') }, sub { return ('DELETE FROM t WHERE id = $1', 'id') },
			sub { return ('UPDATE o SET amount = 1 FROM t WHERE o.t_id = t.id AND t.a = $1', 'a') },
			sub { return ('DELETE FROM o USING t WHERE o.t_id = t.id AND t.b = $1', 'b') },
			sub { return ('DELETE FROM t WHERE id = $1 AND NOT EXISTS (SELECT FROM o WHERE o.t_id = t.id)', 'id') },
			sub { return ("INSERT INTO o VALUES (100000 + \$1, \$1, 1, '2025-01-01')", 'id') }]);
	},
	v => sub {
		return ([ 'CREATE VIEW v AS SELECT id, a, b, s, at, pad FROM t WHERE gone IS NULL' ], {}, [
			sub { my $c = one('a', 'b'); return ("SELECT pad FROM v WHERE $c = \$1", $c) },
			sub { return ('SELECT id FROM v WHERE s = $1 ORDER BY at LIMIT 5', 's') }]);
	},
	m => sub {
		return ([ 'CREATE MATERIALIZED VIEW m AS SELECT b, count(*) AS n, max(at) AS at FROM t GROUP BY b', 'CREATE UNIQUE INDEX m_b ON m (b)',
				(chance(0.5) ? 'CREATE UNIQUE INDEX m_b_n ON m (b, n)' : ()), (chance(0.5) ? 'CREATE INDEX m_at ON m (at)' : ()) ], {}, [
			sub { return ('REFRESH MATERIALIZED VIEW CONCURRENTLY m') },
			sub { return ('SELECT n FROM m WHERE b = $1', 'b') }]);
	},
	f => sub {
		my ($c, $d) = some(2, 'a', 'b');
		return ([ "CREATE FUNCTION f_sql(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM t WHERE $c = \$1'",
				"CREATE FUNCTION f_plpgsql(k int) RETURNS text LANGUAGE plpgsql AS 'DECLARE r text; BEGIN SELECT pad INTO r FROM t WHERE $d = k ORDER BY id LIMIT 1; RETURN r; END'",
				"CREATE FUNCTION f_rows(k int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM t WHERE $d = k'" ], {}, [
			sub { return ('SELECT f_sql($1)', $c) }, sub { return ('SELECT f_plpgsql($1)', $d) },
			sub { return ('SELECT count(*) FROM f_rows($1)', $d) }]);
	});

# ---- migrations

# The statement that makes an index, on another table or under another name.
sub like_it
{
	my ($create, %change) = @_;

	$create =~ s/ ON t / ON $change{table} / if $change{table};
	$create =~ s/INDEX (\w+)/INDEX $change{name}/ if $change{name};
	$create =~ s/\b$change{column}[0]\b/$change{column}[1]/g if $change{column};
	return $create;
}

sub script
{
	my ($w, @create) = @_;
	my ($index) = some(1, @create);
	my ($name) = $index =~ /INDEX (\w+)/;
	my @kept = chance(0.5) ? @create : grep { $_ ne $index } @create;
	my ($c) = some(1, 'a', 'b');
	my ($n) = 0;
	my $other = 'CREATE INDEX n0 ON t (' . one('a', 'b', 'a, b', 'b, a', 's, at', 'name') . ')';
	my $replacement = one(like_it($index, name => 'n0'), like_it($index, name => 'n0'), $other);
	my @copy = ('CREATE TABLE t_new (LIKE t)', 'INSERT INTO t_new SELECT * FROM t',
		($w->{pk} ? 'ALTER TABLE t_new ADD CONSTRAINT t_new_pkey PRIMARY KEY (id)' : ()),
		map({ like_it($kept[$_], table => 't_new', name => "n$_") } 0 .. $#kept));

	return one(
		# a copy takes the table's name, at once or built before; where that loses partitions, more is lost than indexes
		($w->{by} ? () : (
		[ 'BEGIN', @copy, 'ALTER TABLE t RENAME TO t_old', 'ALTER TABLE t_new RENAME TO t', 'COMMIT' ],
		[ @copy, 'ANALYZE t_new', 'BEGIN', 'ALTER TABLE t RENAME TO t_old', 'ALTER TABLE t_new RENAME TO t', 'COMMIT', 'DROP TABLE t_old' ],
		[ @copy, 'CREATE SCHEMA away', 'BEGIN', 'ALTER TABLE t SET SCHEMA away', 'ALTER TABLE t_new RENAME TO t', 'COMMIT' ],
		[ @copy, 'ALTER TABLE t RENAME TO t_old', 'ALTER TABLE t_new RENAME TO t', 'DROP TABLE t_old' ],
		[ @copy, 'BEGIN', 'DROP TABLE t' . ($w->{o} || $w->{v} || $w->{m} ? ' CASCADE' : ''), 'ALTER TABLE t_new RENAME TO t', 'COMMIT' ])),
		# a column takes another's name, which has the same values
		[ "ALTER TABLE t ADD ${c}2 int", "UPDATE t SET ${c}2 = $c",
			map({ like_it($kept[$_], name => "n$_", column => [ $c, "${c}2" ]) } grep { $kept[$_] =~ /\b$c\b/ } 0 .. $#kept),
			'BEGIN', "ALTER TABLE t RENAME $c TO ${c}1", "ALTER TABLE t RENAME ${c}2 TO $c", 'COMMIT' ],
		# one index in place of another, before or after
		[ 'BEGIN', some(2, "DROP INDEX $name", $replacement), 'COMMIT' ],
		[ $replacement, "DROP INDEX $name" ],
		[ $replacement =~ s/INDEX/INDEX CONCURRENTLY/r, "DROP INDEX CONCURRENTLY $name", "ALTER INDEX n0 RENAME TO $name" ],
		[ "ALTER INDEX $name RENAME TO going", like_it($index), 'DROP INDEX going' ],
		# of two like it the first, then the second
		[ like_it($index, name => 'n0'), "DROP INDEX $name", 'DROP INDEX n0' ],
		# all of them but one, or all
		[ 'DROP INDEX ' . join ', ', map { /INDEX (\w+)/ } @kept ],
		[ 'BEGIN', map({ /INDEX (\w+)/; "DROP INDEX $1" } some(2, @create)), 'COMMIT' ],
		[ map({ /INDEX (\w+)/; "DROP INDEX $1" } some(2, @create)) ],
		# the key
		[ 'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT t_key ' . one('PRIMARY KEY (id)', 'UNIQUE (id)') ],
		[ 'CREATE UNIQUE INDEX n0 ON t (id)', 'BEGIN', 'ALTER TABLE t DROP CONSTRAINT t_pkey', 'ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX n0', 'COMMIT' ],
		# built again, and then dropped
		[ 'ALTER TABLE t ALTER a TYPE bigint' ],
		[ 'ALTER TABLE t ALTER ' . one('a TYPE bigint', 'b TYPE bigint', 'name TYPE varchar(40)', "s SET DATA TYPE varchar(10)"), "DROP INDEX $name" ],
		[ "REINDEX INDEX CONCURRENTLY $name", "DROP INDEX CONCURRENTLY $name" ],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO t_base', 'CREATE VIEW t AS SELECT * FROM t_base', 'COMMIT' ],
		# a column, with what it is part of, which comes back without it
		[ 'BEGIN', "ALTER TABLE t DROP $c", map({ my $i = $_; $i =~ /\b$c\b/ && $i =~ /\($c, |, $c\)/ ? $i =~ s/\b$c, |, $c\b//r : () } @kept), 'COMMIT' ],
		# of a foreign key and the index it checks by one or both, and back
		($w->{fkey} ? ([ 'ALTER TABLE o DROP CONSTRAINT o_t_fkey', 'DROP INDEX IF EXISTS o_t, o_t_at, o_t_id' ],
				[ 'BEGIN', 'ALTER TABLE o DROP CONSTRAINT o_t_fkey', 'DROP INDEX IF EXISTS o_t', 'ALTER TABLE o ADD CONSTRAINT o_t_fkey FOREIGN KEY (t_id) REFERENCES t', 'COMMIT' ],
				[ 'DROP INDEX IF EXISTS o_t, o_t_at, o_t_id' ],
				[ 'BEGIN', 'DROP INDEX IF EXISTS o_t, o_t_at, o_t_id', one('ALTER TABLE o DROP CONSTRAINT o_t_fkey', 'CREATE INDEX n0 ON o (t_id, amount)'), 'COMMIT' ]) : ()),
		# what a materialized view is made anew with
		($w->{m} ? [ 'BEGIN', 'DROP MATERIALIZED VIEW m', 'CREATE MATERIALIZED VIEW m AS SELECT b, count(*) AS n, max(at) AS at FROM t GROUP BY b',
				one('CREATE UNIQUE INDEX n0 ON m (b)', 'CREATE INDEX n0 ON m (b)', 'SELECT 1'), 'COMMIT' ] : ()),
		[ "REINDEX INDEX CONCURRENTLY $name" ],
		# a view and what is below it
		($w->{v} && !$w->{by} ? [ @copy, one('BEGIN', 'SELECT 1'), 'CREATE OR REPLACE VIEW v AS SELECT id, a, b, s, at, pad FROM t_new WHERE gone IS NULL', 'COMMIT' ] : ()),
		# partitions
		($w->{range} ? ([ 'ALTER TABLE t DETACH PARTITION t_p1', 'ALTER TABLE t ATTACH PARTITION t_p1 DEFAULT' ],
				[ 'BEGIN', 'CREATE TABLE t_in (LIKE t)', 'INSERT INTO t_in SELECT * FROM t_p1', 'ALTER TABLE t DETACH PARTITION t_p1', 'DROP TABLE t_p1',
					'ALTER TABLE t ATTACH PARTITION t_in DEFAULT', 'COMMIT' ]) : ()));
}

sub new
{
	my ($class) = @_;
	my $rows = one(4_000, 10_000, 20_000);
	my $w = { rows => $rows, a => one(63, 1023, 8191), b => one(50, 500, 5000) };
	my $pad = one(10, 60, 300);
	my $by = chance(0.2) ? one('hash', 'range', 'list') : '';
	my $within = $by eq 'range' ? 'at' : $by eq 'list' ? 's' : 'id';
	$w->{pk} = $within eq 'id' && chance(0.7);
	$w->{range} = $by eq 'range';
	$w->{by} = $by;
	my @setup = (
		'CREATE TABLE t (id int' . ($w->{pk} ? ' CONSTRAINT t_pkey PRIMARY KEY' : '') . join('', map { ", $_ $column{$_}{type}" } @columns) . ', pad text)' .
			($by eq 'hash' ? ' PARTITION BY HASH (id)' : $by eq 'range' ? ' PARTITION BY RANGE (at)' : $by eq 'list' ? ' PARTITION BY LIST (s)' : ''),
		($by eq 'hash' ? map { "CREATE TABLE t_p$_ PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER $_)" } 0 .. 2 : ()),
		($by eq 'range' ? ("CREATE TABLE t_p0 PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2025-01-05 UTC')", 'CREATE TABLE t_p1 PARTITION OF t DEFAULT') : ()),
		($by eq 'list' ? ("CREATE TABLE t_p0 PARTITION OF t FOR VALUES IN ('open', 'held')", 'CREATE TABLE t_p1 PARTITION OF t DEFAULT PARTITION BY HASH (id)',
				map { "CREATE TABLE t_p1_$_ PARTITION OF t_p1 FOR VALUES WITH (MODULUS 2, REMAINDER $_)" } 0 .. 1) : ()),
		'INSERT INTO t SELECT g, ' . join(', ', map { $column{$_}{make}->($w) } @columns) . ", repeat('x', $pad) FROM generate_series(1, $rows) g");
	my %indexes = $w->{pk} ? (t_pkey => 'ALTER TABLE t DROP CONSTRAINT t_pkey') : ();

	foreach my $i (1 .. one(2 .. 6))
	{
		my ($unique, $definition) = index_definition($by ? $within : 'id');
		my $table = $by && chance(0.2) ? 't_p1' : 't';
		push @setup, "CREATE ${unique}INDEX t_i$i ON $table $definition";
	}
	my @create = grep { /^CREATE (UNIQUE )?INDEX/ } @setup;
	my @templates = @templates;
	my @tables = 't';
	foreach my $beside (grep { chance(0.25) } sort keys %beside)
	{
		my ($more, $constraints, $templates) = $beside{$beside}->($w);
		$w->{$beside} = 1;
		push @setup, @$more;
		%indexes = (%indexes, %$constraints);
		push @templates, @$templates, @$templates, @$templates;
		push @tables, $beside if $beside =~ /[om]/;
	}
	push @setup, 'CREATE STATISTICS t_stat (dependencies) ON a, s FROM t' if chance(0.1);
	push @setup, q{DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET random_page_cost = 1.1', current_database()); END $$} if chance(0.4);
	push @setup, q{DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_generic_plan', current_database()); END $$} if chance(0.1);
	/^CREATE (?:UNIQUE )?INDEX (\w+)/ and $indexes{$1} = "DROP INDEX $1" foreach @setup;
	my $script = script($w, @create);
	my @statements;
	foreach my $i (1 .. one(2 .. 6))
	{
		my ($text, @from) = one(@templates)->();
		# What fails before anything was dropped says nothing.
		redo if !$w->{pk} && $text =~ /ON CONFLICT \(id\) DO|ON CONSTRAINT|GROUP BY (id|[tx].id)/;
		push @statements, {
			service => one('web', 'api'),
			prepared => (@from && chance(0.4) ? [ map { $column{$_}{type} =~ s/\[\]//r } @from ] : undef),
			text => $text, name => "q$i",
			calls => [ map { [ map { draw($w, $_) } @from ] } 1 .. ($text =~ /^REFRESH/ ? 1 : one(1, 3, 25, 25, 60, 60, 100)) ] };
	}
	my %own = chance(0.08) ? (web => 'SET ' . one('enable_seqscan = off', 'enable_bitmapscan = off', 'enable_hashjoin = off', "work_mem = '64kB'", 'plan_cache_mode = force_generic_plan', 'random_page_cost = 1.5')) : ();
	return bless { setup => \@setup, script => $script, indexes => \%indexes, statements => \@statements, tables => \@tables,
		writes => scalar(grep { $_->{text} !~ /^SELECT/ } @statements), own => \%own }, $class;
}

# What a session has to run before the calls of these statements.
sub prepare
{
	my ($self, @statements) = @_;

	return map { my $s = $_; "PREPARE $s->{name} (" . join(', ', @{ $s->{prepared} }) . ") AS $s->{text}" } grep { $_->{prepared} } @statements;
}

sub literal { return $_[0] =~ /^-?\d+$/ ? $_[0] : "'$_[0]'" }

# One call, as SQL.
sub call
{
	my ($self, $statement, $parameters) = @_;
	my @values = map { literal($_) } @$parameters;

	return "EXECUTE $statement->{name}(" . join(', ', @values) . ')' if $statement->{prepared};
	return $statement->{text} =~ s/\$(\d)/$values[$1 - 1]/gr;
}

1;
