# JudgeScenario: a table with indexes that look much alike, and the statements that services run against it, drawn by rand().
#
# A scenario is a hash:
#	setup		SQL that makes and fills the table
#	indexes		how each index is dropped, by name
#	statements	{ service, prepared (its types, or undef), text (of one call: $1, $2 are replaced), calls (arrays of parameters) }
#	script		what a migration does to the table in the end: statements, each for itself
#
# Values are drawn from skewed distributions, so that one statement has cheap and dear calls.  Tables have fewer rows than ANALYZE
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
	a => { type => 'int', make => sub { "hashint4(g) & $_[0]{a}" }, draw => sub { int rand($_[0]{a} + 1) } },
	b => { type => 'int', make => sub { "floor($_[0]{b} * power((hashint4(-g) & 2147483647) / 2147483648.0, 3))::int" },
		draw => sub { int($_[0]{b} * rand()**2) } },
	s => { type => 'text', make => sub { "CASE WHEN g % 25 = 0 THEN 'open' WHEN g % 25 = 1 THEN 'held' ELSE 'done' END" },
		draw => sub { one('open', 'open', 'held', 'done') } },
	at => { type => 'timestamptz', make => sub { "timestamptz '2025-01-01 UTC' + g * interval '1 minute'" },
		draw => sub { sprintf '2025-01-%02d 00:00+00', 1 + rand 12 } });

sub draw { my ($w, $c) = @_; return $column{$c}{draw}->($w) }

# ---- indexes

sub index_definition
{
	my @keys = some(one(1, 1, 2, 2, 2, 3), 'a', 'b', 's', 'at', 'id');
	my $unique = grep({ $_ eq 'id' } @keys) && chance(0.4);
	my $text = join ', ', map { $_ . (chance(0.15) ? ' DESC' : '') } @keys;
	my $rest = '';

	return ('', "USING hash ($keys[0])") if chance(0.05);
	return ('', 'USING brin (' . one('at', 'id') . ')') if chance(0.05);
	return ('', '(' . one('(a % 100)', 'lower(s)', '(a + b)') . ')') if chance(0.08);
	if (chance(0.2))
	{
		my ($include) = grep { my $c = $_; !grep { $_ eq $c } @keys } some(5, 'a', 'b', 's', 'at', 'id');
		$rest = " INCLUDE ($include)" if $include;
	}
	$rest .= one(" WHERE s = 'open'", ' WHERE gone IS NULL', " WHERE s <> 'done'") if chance(0.2);
	return ($unique ? 'UNIQUE ' : '', "($text)$rest");
}

# ---- statements: text and the columns that its parameters are drawn from

my @templates = (
	sub { my $c = one('a', 'b', 'id'); return ("SELECT pad FROM t WHERE $c = \$1", $c) },
	sub { my ($c, $d) = some(2, 'a', 'b', 's', 'id'); return ("SELECT id FROM t WHERE $c = \$1 AND $d = \$2", $c, $d) },
	sub { my ($c, $d) = some(2, 'a', 'b', 's'); return ("SELECT count(*) FROM t WHERE $c = \$1 AND $d >= \$2", $c, $d) },
	sub { my $c = one('a', 'b', 's'); return ("SELECT id FROM t WHERE $c = \$1 ORDER BY at DESC LIMIT 10", $c) },
	sub { my ($c, $o) = some(2, 'a', 'b'); return ("SELECT id, pad FROM t WHERE $c = \$1 ORDER BY $o LIMIT 5", $c) },
	sub { my $c = one('a', 'b'); return ("SELECT count(*) FROM t WHERE $c = \$1 AND gone IS NULL", $c) },
	sub { my $c = one('a', 'b', 'id'); return ("SELECT id FROM t WHERE s = 'open' AND $c = \$1", $c) },
	sub { my $c = one('a', 'b'); return ("SELECT min($c), max($c) FROM t WHERE s = \$1", 's') },
	sub { my $c = one('at', 'a'); return ("SELECT id FROM t ORDER BY $c LIMIT 20") },
	sub { my ($o, $p) = some(2, 's', 'a', 'b', 'at'); return ("SELECT id, pad FROM t ORDER BY $o, $p LIMIT 50") },
	sub { return ("SELECT count(*) FROM t WHERE at >= \$1 AND at < \$1::timestamptz + interval '2 hours'", 'at') },
	sub { my $c = one('a', 'b'); return ("SELECT pad FROM t WHERE $c IN (\$1, \$2)", $c, $c) },
	sub { return ('SELECT id FROM t WHERE a % 100 = $1 AND b = $2', 'b', 'b') },
	sub { return ('SELECT count(*) FROM t WHERE a + b = $1', 'a') },
	sub { return ('SELECT x.id, count(*) FROM t x JOIN t y ON y.a = x.b WHERE x.a = $1 GROUP BY x.id', 'a') },
	sub { my $c = one('pad', 's, pad'); return ("SELECT id, $c, count(*) FROM t WHERE a = \$1 GROUP BY id", 'a') },
	sub { my $c = one('a', 'id'); return ("UPDATE t SET pad = pad WHERE $c = \$1", $c) },
	sub { my $c = one('a', 'id'); return ("DELETE FROM t WHERE $c = \$1 AND s = 'held'", $c) },
	sub { return ("INSERT INTO t (id, a, b, s, at) VALUES (\$1, 1, 1, 'done', '2025-01-01') ON CONFLICT (id) DO UPDATE SET b = excluded.b", 'id') },
	sub { return ("INSERT INTO t (id, a, b, s, at) VALUES (\$1, 1, 1, 'done', '2025-01-01') ON CONFLICT DO NOTHING", 'id') });

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
	my ($pk, @create) = @_;
	my ($index) = some(1, @create);
	my ($name) = $index =~ /INDEX (\w+)/;
	my @kept = chance(0.5) ? @create : grep { $_ ne $index } @create;
	my ($c) = some(1, 'a', 'b');

	return one(
		# a copy takes the table's name
		[ 'BEGIN', 'CREATE TABLE t_new (LIKE t)', 'INSERT INTO t_new SELECT * FROM t',
			($pk ? 'ALTER TABLE t_new ADD CONSTRAINT t_new_pkey PRIMARY KEY (id)' : ()),
			map({ like_it($kept[$_], table => 't_new', name => "n$_") } 0 .. $#kept),
			'ALTER TABLE t RENAME TO t_old', 'ALTER TABLE t_new RENAME TO t', 'COMMIT' ],
		# a column takes another's name, which has the same values
		[ "ALTER TABLE t ADD ${c}2 int", "UPDATE t SET ${c}2 = $c",
			map({ like_it($kept[$_], name => "n$_", column => [ $c, "${c}2" ]) } grep { $kept[$_] =~ /\b$c\b/ } 0 .. $#kept),
			'BEGIN', "ALTER TABLE t RENAME $c TO ${c}1", "ALTER TABLE t RENAME ${c}2 TO $c", 'COMMIT' ],
		# one index in place of another, before or after
		[ 'BEGIN', some(2, "DROP INDEX $name",
				one(like_it($index, name => 'n0'), 'CREATE INDEX n0 ON t (' . one('a', 'b', 'a, b', 'b, a', 's, at') . ')')), 'COMMIT' ],
		# all of them but one, or all
		[ 'DROP INDEX ' . join ', ', map { /INDEX (\w+)/ } @kept ],
		[ 'BEGIN', map({ /INDEX (\w+)/; "DROP INDEX $1" } some(2, @create)), 'COMMIT' ]);
}

sub new
{
	my ($class) = @_;
	my $rows = one(8_000, 20_000, 30_000);
	my $w = { rows => $rows, a => one(63, 1023, 8191), b => one(50, 500, 5000) };
	$column{id} = { type => 'int', draw => sub { 1 + int rand $_[0]{rows} } };
	my $pad = one(10, 60, 300);
	my $pk = chance(0.7);
	my @columns = map { [ $_, $column{$_}{type}, $column{$_}{make}->($w) ] } qw(a b s at);
	my @setup = (
		'CREATE TABLE t (id int' . ($pk ? ' CONSTRAINT t_pkey PRIMARY KEY' : '') . ', ' . join(', ', map { "$_->[0] $_->[1]" } @columns) .
			', gone timestamptz, pad text)',
		'INSERT INTO t SELECT g, ' . join(', ', map { $_->[2] } @columns) .
			", CASE WHEN g % 50 = 0 THEN NULL ELSE timestamptz '2026-01-01' END, repeat('x', $pad) FROM generate_series(1, $rows) g");
	my %indexes = $pk ? (t_pkey => 'ALTER TABLE t DROP CONSTRAINT t_pkey') : ();

	foreach my $i (1 .. one(2 .. 7))
	{
		my ($unique, $definition) = index_definition();
		push @setup, $definition =~ /^USING/ ? "CREATE INDEX t_i$i ON t $definition" : "CREATE ${unique}INDEX t_i$i ON t $definition";
		$indexes{"t_i$i"} = "DROP INDEX t_i$i";
	}
	my $script = script($pk, grep { /^CREATE (UNIQUE )?INDEX/ } @setup);
	my @statements;
	foreach my $i (1 .. one(2 .. 6))
	{
		my ($text, @from) = one(@templates)->();
		# What fails before anything was dropped says nothing.
		redo if !$pk && $text =~ /ON CONFLICT \(id\)|GROUP BY id|GROUP BY x.id/;
		push @statements, {
			service => one('web', 'api'),
			prepared => (@from && chance(0.4) ? [ map { $column{$_}{type} } @from ] : undef),
			text => $text, name => "q$i",
			calls => [ map { [ map { draw($w, $_) } @from ] } 1 .. one(25, 60) ] };
	}
	return bless { setup => \@setup, script => $script, indexes => \%indexes, statements => \@statements,
		settings => [ chance(0.4) ? 'SET random_page_cost = 1.1' : () ] }, $class;
}

# What a session has to run before the calls of these statements.
sub prepare
{
	my ($self, @statements) = @_;

	return @{ $self->{settings} },
		map { my $s = $_; "PREPARE $s->{name} (" . join(', ', @{ $s->{prepared} }) . ") AS $s->{text}" } grep { $_->{prepared} } @statements;
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
