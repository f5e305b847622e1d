# guard.plan_as: EXPLAIN on an empty copy of a schema shows the plans of the server that the profile is of, with its costs; nothing
# else is planned so, nothing is kept, and neither pg_class nor pg_statistic is written.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use JSON::PP;
use Test::More;

my $node = guard_server('main', conf => "autovacuum = off\n");
my $admin = session($node, 'admin');
$admin->ok('CREATE DATABASE live');
$admin->ok('CREATE DATABASE copy');
$admin->ok('ALTER DATABASE live SET random_page_cost = 1.5');

my @schema = (
	'CREATE TABLE account (id int PRIMARY KEY, org int NOT NULL, state text, made timestamptz, padding text)',
	'CREATE INDEX account_org_idx ON account (org)',
	'CREATE INDEX account_made_idx ON account (made)',
	"CREATE INDEX account_lower_idx ON account (lower(padding))",
	"CREATE INDEX account_state_idx ON account (org) WHERE state = 'new'",
	'CREATE TABLE event (id int PRIMARY KEY, account_id int NOT NULL REFERENCES account, kind text)',
	'CREATE INDEX event_account_idx ON event (account_id)',
	'CREATE TABLE reading (at date NOT NULL, sensor int, value numeric) PARTITION BY RANGE (at)',
	"CREATE TABLE reading_old PARTITION OF reading FOR VALUES FROM (MINVALUE) TO ('2020-01-01')",
	"CREATE TABLE reading_new PARTITION OF reading FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)",
	'CREATE INDEX reading_idx ON reading (sensor, at)',
	'CREATE TABLE pair (a int, b int)',
	'CREATE STATISTICS pair_statistics (ndistinct) ON a, b FROM pair');

my $live = session($node, application_name => 'auth', dbname => 'live');
$live->ok('CREATE EXTENSION pg_stat_statements');
$live->ok($_) foreach @schema;
$live->ok("INSERT INTO account SELECT n, n % 7 * (n % 50), CASE WHEN n % 40 = 0 THEN 'new' ELSE 'open' END, now() - n * interval '1 minute', 'p' || n FROM generate_series(1, 20000) n");
$live->ok("INSERT INTO event SELECT n, 1 + n * 13 % 20000, 'kind' || n % 3 FROM generate_series(1, 60000) n");
$live->ok("INSERT INTO reading SELECT date '2018-01-01' + n % 1500, n % 90, n FROM generate_series(1, 30000) n");
$live->ok('INSERT INTO pair SELECT n % 100, n % 100 FROM generate_series(1, 5000) n');
$live->ok('VACUUM ANALYZE');

# Each with the columns that its constants belong to: on the copy the value's code stands there.
my @statements = (
	['SELECT * FROM account WHERE id = %s', [ 'account', 'id', '500' ]],
	['SELECT * FROM account WHERE org = %s', [ 'account', 'org', 'common 0' ]],
	['SELECT * FROM account WHERE org < %s ORDER BY id LIMIT 5', [ 'account', 'org', 'common 3' ]],
	["SELECT count(*) FROM account WHERE org = %s AND state = 'new'", [ 'account', 'org', 'common 1' ]],
	['SELECT * FROM account WHERE lower(padding) = %s', [ undef, undef, 'nothing' ]],
	['SELECT a.org, count(*) FROM account a JOIN event e ON e.account_id = a.id WHERE a.org = %s GROUP BY a.org', [ 'account', 'org', 'common 2' ]],
	['SELECT * FROM event WHERE account_id BETWEEN %s AND %s', [ 'event', 'account_id', 'bound 10' ], [ 'event', 'account_id', 'bound 20' ]],
	['SELECT count(*) FROM reading WHERE sensor = %s', [ 'reading', 'sensor', 'common 5' ]],
	['SELECT kind, count(*) FROM event GROUP BY kind ORDER BY kind'],
	["SELECT * FROM account WHERE made > now() - interval '3 hours'"],
	['UPDATE event SET kind = NULL WHERE account_id = %s', [ 'event', 'account_id', '77' ]],
	['SELECT * FROM account WHERE state IS NULL ORDER BY padding']);

# The value, or with a document its code, at a place of the statistics.
sub at
{
	my ($place, $document) = @_;
	my ($table, $column, $which) = @$place;

	my ($list, $n) = $which =~ /^(common|bound) (\d+)$/;
	return "'$which'" if !defined $list;
	if ($document)
	{
		my ($relation) = grep { $_->{name} eq $table } @{ $document->{relations} };
		my $own = $relation->{columns}{$column}{ $table eq 'reading' ? 'with_children' : 'own' };
		return $own->{ $list eq 'common' ? 'common' : 'histogram' }[$n];
	}
	my $what = $list eq 'common' ? 'most_common_vals' : 'histogram_bounds';
	return $live->value("SELECT ($what\::text::text[])[$n + 1] FROM pg_stats WHERE tablename = '$table' AND attname = '$column'"
		  . ($table eq 'reading' ? ' AND inherited' : ''));
}

sub written
{
	my ($statement, $document) = @_;
	my ($text, @places) = @$statement;
	return sprintf($text, map { at($_, $document) } @places);
}

sub explained
{
	my ($session, $statement) = @_;
	return JSON::PP->new->decode($session->value("EXPLAIN (FORMAT JSON) $statement"))->[0]{Plan};
}

# Kinds of nodes, tables, indexes and joins, from top to bottom.
sub shape
{
	my ($plan) = @_;
	return join(' ', grep { defined } @$plan{ 'Node Type', 'Join Type', 'Relation Name', 'Index Name', 'Strategy' }) . join('', map { '(' . shape($_) . ')' } @{ $plan->{Plans} // [] });
}

# ---- the plans of the one on the other

$live->ok(written($_)) foreach @statements;
$live->ok('CREATE EXTENSION guard');
my $copy = session($node, application_name => 'dev', dbname => 'copy');
$copy->ok('CREATE EXTENSION guard');
$copy->ok($_) foreach @schema;

$live = session($node, application_name => 'auth', dbname => 'live');
$live->ok('BEGIN');		# now() is the moment of the export
my $bytes = $live->value('SELECT guard.export_profile()');
my $document = JSON::PP->new->decode($bytes);
my @there = map { explained($live, written($_)) } @statements;
$live->ok('ROLLBACK');

my $import = sub {
	my ($source, $json) = @_;
	$json =~ s/'/''/g;
	$copy->ok("SELECT guard.import_profile('$source', '$json')");
};
$import->('prod', $bytes);
my $catalogs = 'SELECT count(*) FROM pg_statistic UNION ALL SELECT sum(relpages)::bigint FROM pg_class UNION ALL SELECT sum(reltuples)::bigint FROM pg_class';
my $before = join(' ', map { $_->[0] } @{ $copy->ok($catalogs)->{rows} });

my $empty = shape(explained($copy, written($statements[0], $document)));
my @empty = map { explained($copy, written($_, $document))->{'Total Cost'} } @statements;
$copy->ok("SET guard.plan_as = 'prod'");
foreach my $n (0 .. $#statements)
{
	my $text = written($statements[$n], $document);
	my $here = explained($copy, $text);
	is(shape($here), shape($there[$n]), "shape: $text");
	cmp_ok(abs($here->{'Total Cost'} / $there[$n]{'Total Cost'} - 1), '<=', 0.01, "cost $here->{'Total Cost'} of $there[$n]{'Total Cost'}: $text");
	cmp_ok($empty[$n], '!=', $here->{'Total Cost'}, "not that of an empty table: $text");
}
is(join(' ', map { $_->[0] } @{ $copy->ok($catalogs)->{rows} }), $before, 'neither pg_class nor pg_statistic was written');

# ---- settings: that server's, unless the session has one of its own

my $by_index = 'SELECT * FROM event WHERE account_id = 1';
is($copy->value('SHOW random_page_cost'), '4', 'settings are this server\'s outside');
my $cost = explained($copy, $by_index)->{'Total Cost'};
$copy->ok('SET random_page_cost = 1.5');
is(explained($copy, $by_index)->{'Total Cost'}, $cost, 'and that server\'s in EXPLAIN');
$copy->ok('SET random_page_cost = 40');
cmp_ok(explained($copy, $by_index)->{'Total Cost'}, '>', $cost, 'unless the session has SET another');
$copy->ok('RESET random_page_cost');

# ---- in EXPLAIN, and nowhere else

my $q = 'SELECT * FROM event WHERE account_id = $1';
$copy->ok("PREPARE q (int) AS $q");
$copy->ok('SET plan_cache_mode = force_generic_plan');
$copy->ok('RESET guard.plan_as');
my $own = shape(explained($copy, 'EXECUTE q (1)'));
my $own_cost = explained($copy, 'EXECUTE q (1)')->{'Total Cost'};
$copy->ok("SET guard.plan_as = 'prod'");
my $planned_as = explained($copy, 'EXECUTE q (1)')->{'Total Cost'};
isnt($planned_as, $own_cost, 'EXPLAIN EXECUTE shows no plan from before');
my $analyzed = JSON::PP->new->decode($copy->value('EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE q (1)'))->[0]{Plan};
is($analyzed->{'Total Cost'}, $own_cost, 'and leaves none that is run; EXPLAIN ANALYZE is what runs');
is(explained($copy, 'EXECUTE q (1)')->{'Total Cost'}, $planned_as, 'nor is one of those shown');
$copy->ok('RESET plan_cache_mode');

# a function that is folded plans its statements as ever
$copy->ok(<<'END');
CREATE FUNCTION folded() RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE n int; BEGIN SELECT count(*) INTO n FROM event WHERE account_id = 1; RETURN n; END $$
END
$copy->ok("LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_level = notice; SET auto_explain.log_analyze = off");
my $r = $copy->ok('EXPLAIN SELECT * FROM account WHERE id = folded()');
my ($nested) = grep { $_->{M} =~ /account_id = 1/ } @{ $r->{notices} };
my ($nested_cost) = $nested->{M} =~ /Aggregate .*?\.\.([\d.]+)/;
my ($later) = grep { $_->{M} =~ /account_id = 1/ } @{ $copy->ok('SELECT folded()')->{notices} };
$copy->ok('RESET guard.plan_as; SET auto_explain.log_min_duration = -1');
my $as_ever = sub { return explained($copy, 'SELECT count(*) FROM event WHERE account_id = 1')->{'Total Cost'} };
is($later->{M} =~ /Aggregate .*?\.\.([\d.]+)/ ? $1 + 0 : '', $as_ever->(), 'nor one that a function has made which was folded');
$copy->ok('SET random_page_cost = 1.5');
cmp_ok($nested_cost, '==', $as_ever->(), 'which knew nothing of that server but its settings');
$copy->ok("RESET random_page_cost; SET guard.plan_as = 'prod'");
ok((grep { ($_->{D} // '') =~ /function folded may have been run/ } @{ $r->{notices} }), 'and told');

# ---- time: what is near the export is near, however old the profile is

my %old = %$document;
$old{exported} = $admin->value(q{SELECT to_char(now() AT TIME ZONE 'UTC' - interval '20 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')});
$import->('old', JSON::PP->new->encode(\%old));
my $recent = "SELECT * FROM account WHERE made > now() - interval '3 hours'";
my $rows = explained($copy, $recent)->{'Plan Rows'};
$copy->ok("SET guard.plan_as = 'old'");
is(explained($copy, $recent)->{'Plan Rows'}, $rows, 'now() is when the profile was exported');
my $now = $copy->value("SELECT now() > now() - interval '1 second' AND clock_timestamp() - now() < interval '1 minute'");
is($now, 't', 'and the session\'s own again afterwards');
$copy->query('EXPLAIN SELECT * FROM account WHERE id = 1 / 0');
cmp_ok($copy->value('SELECT clock_timestamp() - now() < interval \'1 minute\''), 'eq', 't', 'also after an error');

# ---- what may make the plan another is told

$copy->ok("SET guard.plan_as = 'prod'");
my $told = sub {
	my ($statement) = @_;
	return join("\n", map { $_->{D} // '' } @{ $copy->ok("EXPLAIN $statement")->{notices} });
};
is($told->('SELECT * FROM account WHERE id = 1'), '', 'nothing to tell');
like($told->('SELECT a, b FROM pair GROUP BY a, b'), qr/extended statistics of table pair/, 'extended statistics');
$copy->ok('CREATE TABLE stranger (id int)');
like($told->('SELECT * FROM stranger'), qr/table stranger is not in the profile/, 'a table that is not there');
$copy->ok('CREATE INDEX account_padding_idx ON account (padding)');
like($told->("SELECT * FROM account WHERE padding = 'x'"), qr/index account_padding_idx is not in the profile/, 'an index that is not there');
like(shape(explained($copy, "SELECT * FROM account WHERE padding = 'x'")), qr/account_padding_idx/, 'is used all the same');
$copy->ok('DROP TABLE reading_old');
$copy->ok('DROP INDEX account_padding_idx');

# ---- a table that was made anew bears the same name

$copy->ok('DROP TABLE event; CREATE TABLE event (id int PRIMARY KEY, account_id int NOT NULL, kind text); CREATE INDEX event_account_idx ON event (account_id)');
is(explained($copy, $by_index)->{'Total Cost'}, $cost, 'a table made anew is that of the profile');

# ---- with values in the profile every type of PostgreSQL's has its own, and constants mean what they say

my $odd = 'CREATE TABLE odd (id int, addr inet, at time, span interval, doc jsonb, tags text[], numbers int[], cash money, words tsvector, many float4)';
$live->ok($odd);
$live->ok(<<'END');
INSERT INTO odd SELECT n, ('10.0.' || n % 20 || '.' || n % 200)::inet, time '00:00' + n % 1000 * interval '1 minute', n % 77 * interval '1 hour', jsonb_build_object('kind', n % 5),
	ARRAY['tag' || n % 7, 'tag' || n % 40], ARRAY[n % 9, n % 90], (n % 500)::money, to_tsvector('simple', 'word' || n % 11), n % 300 FROM generate_series(1, 12000) n
END
$live->ok('CREATE INDEX odd_idx ON odd (id)');
$live->ok('VACUUM ANALYZE odd');
my @odd = map { "SELECT * FROM odd WHERE $_" } ("addr << '10.0.3.0/24'", "addr = '10.0.3.3'", "at < '01:30'", "span > '70 hours'", "doc \@> '{\"kind\": 3}'", "doc = '{\"kind\": 3}'", "tags \@> '{tag3}'",
	"tags && '{tag3,tag39}'", 'numbers @> ARRAY[5]', "cash > '400'", "words @@ 'word3'", 'many < 30', "tags = '{tag3,tag3}'");
$live->ok($_) foreach @odd;
$live->ok('SELECT count(*) FROM odd GROUP BY id, addr, at, span, doc, tags, numbers, cash, words, many');
my $values = $live->value("SELECT guard.export_profile('all')");
$copy->ok($odd);
$copy->ok('CREATE INDEX odd_idx ON odd (id)');
$import->('values', $values);
$copy->ok("SET guard.plan_as = 'values'");
foreach my $text (@odd)
{
	my ($there, $here) = (explained($live, $text), explained($copy, $text));
	is(shape($here), shape($there), "values: $text");
	# frequencies have four digits
	cmp_ok(abs($here->{'Plan Rows'} / $there->{'Plan Rows'} - 1), '<=', 0.01, "$here->{'Plan Rows'} rows of $there->{'Plan Rows'}");
	cmp_ok(abs($here->{'Total Cost'} / $there->{'Total Cost'} - 1), '<=', 0.01, 'at the same cost');
}
my ($codes) = grep { $_->{name} eq 'odd' } @{ JSON::PP->new->decode($live->value('SELECT guard.export_profile()'))->{relations} };
like(join(' ', @{ $codes->{columns}{tags}{own}{elements} }), qr/^(e\d{6} ?)+$/, 'without values elements have codes');
is(scalar @{ $codes->{columns}{numbers}{own}{element_frequencies} }, 3 + @{ $codes->{columns}{numbers}{own}{elements} }, 'with their frequencies');

# ---- without values each type has codes of its own kind, which a constant's place leads to; to the microsecond where that is little

# n is one of twenty common ones in a third of the rows, and else unlike any other
my %kind = (
	addr => [ 'inet', "inet '10.0.0.0' + n * 37::bigint" ],
	net => [ 'cidr', "('10.' || n / 250 || '.' || n % 250 || '.0/24')::cidr" ],
	six => [ 'inet', "('2001:' || to_hex(n) || '::')::inet" ],
	span => [ 'interval', "n * interval '1 day 3 minutes'" ],
	clock => [ 'time', "time '00:00' + n * interval '3.7 seconds'" ],
	zoned => [ 'timetz', "(time '03:00' + n * interval '3.1 seconds' || '+02')::timetz" ],
	cash => [ 'money', '(n * 1.37)::money' ],
	mac => [ 'macaddr', "('08002b' || lpad(to_hex(n * 7), 6, '0'))::macaddr" ],
	mac8 => [ 'macaddr8', "('98002bfffe' || lpad(to_hex(n * 7), 6, '0'))::macaddr8" ],
	lsn => [ 'pg_lsn', "pg_lsn '2/0' + n * 1000" ]);
my $kinds = 'CREATE TABLE kinds (id int, ' . join(', ', map { "$_ $kind{$_}[0]" } sort keys %kind) . ", moment timestamptz, doc jsonb, tags text[], numbers int[])";
my @kinds = ($kinds, (map { "CREATE INDEX ON kinds ($_)" } sort(keys %kind), 'moment'), 'CREATE INDEX kinds_kind_idx ON kinds ((doc ->> \'kind\'))');
$live->ok($_) foreach @kinds;
$live->ok('INSERT INTO kinds SELECT i, ' . join(', ', map { $kind{$_}[1] } sort keys %kind) . <<'END');
	, now() - n * interval '3 milliseconds', CASE WHEN n % 50 = 0 THEN jsonb '{"rare": true}' ELSE '{}' END || jsonb_build_object('kind', n % 6), ARRAY['tag' || n % 7, 'tag' || n % 40], ARRAY[n % 9, n % 90]
	FROM (SELECT i, CASE WHEN i % 3 = 0 THEN i % 20 ELSE i END AS n FROM generate_series(1, 20000) i) g
END
$live->ok('VACUUM ANALYZE kinds');
my @of_kinds = map { my $c = $_; (
	[ "SELECT * FROM kinds WHERE $c = %s", [ 'kinds', $c, 'common 2' ] ],
	[ "SELECT * FROM kinds WHERE $c IN (%s, %s)", [ 'kinds', $c, 'common 0' ], [ 'kinds', $c, 'common 5' ] ],
	[ "SELECT count(*) FROM kinds WHERE $c BETWEEN %s AND %s", [ 'kinds', $c, 'bound 20' ], [ 'kinds', $c, 'bound 23' ] ],
	[ "SELECT id FROM kinds WHERE $c < %s", [ 'kinds', $c, 'bound 3' ] ],
	[ "SELECT id FROM kinds WHERE $c >= %s ORDER BY $c", [ 'kinds', $c, 'bound 98' ] ]) } sort keys %kind;
sub quoted
{
	my ($statement, $document) = @_;
	my ($text, @places) = @$statement;
	return sprintf($text, map { "'" . at($_, $document) . "'" } @places);
}
$live->ok(quoted($_)) foreach @of_kinds;
# matched by pattern: what the profile says of the constant is all that there is
my @matched = map { "SELECT id FROM kinds WHERE $_" } (q(doc @> '{"kind": 3}'), q(doc ? 'rare'), q(NOT doc @> '{"rare": true}'), q(tags @> '{tag3}'), q(tags && '{tag3,tag39}'), q('tag5' = ANY (tags)),
	q(numbers @> '{4,85}'), q(doc ->> 'kind' = '2'));
$live->ok($_) foreach @matched;
$bytes = $live->value('SELECT guard.export_profile()');
$document = JSON::PP->new->decode($bytes);
$copy->ok($_) foreach @kinds;
$import->('kinds', $bytes);
$copy->ok("SET guard.plan_as = 'kinds'");
my ($of_table) = grep { $_->{name} eq 'kinds' } @{ $document->{relations} };
sub same_plan
{
	my ($there, $here, $text) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(shape($here), shape($there), "codes: $text");
	cmp_ok(abs($here->{'Plan Rows'} / $there->{'Plan Rows'} - 1), '<=', 0.01, "$here->{'Plan Rows'} rows of $there->{'Plan Rows'}");
	cmp_ok(abs($here->{'Total Cost'} / $there->{'Total Cost'} - 1), '<=', 0.01, 'at the same cost');
}
foreach my $statement (@of_kinds)
{
	same_plan(explained($live, quoted($statement)), explained($copy, quoted($statement, $document)), quoted($statement));
}
foreach my $text (@matched)
{
	my $form = $text =~ s/'\{[^']*\}'|'rare'|'tag5'|'2'/\$/gr;
	my ($known) = grep { ($_->{text} =~ s/\$\d+/\$/gr) =~ /^\Q$form\E$|->> \$ = \$/ && ($text =~ /->>/) == ($_->{text} =~ /->>/) } @{ $document->{statements} };
	my $p = $known->{parameters}[-1]{position};
	my $constant = $p->{pattern};
	if ($p->{elements})
	{
		my ($column) = $text =~ /(tags|numbers)/;
		my @places = grep { $p->{elements}[$_] > 0 } 0 .. $#{ $p->{elements} };
		$constant = join(',', map { $of_table->{columns}{$column}{own}{elements}[$_] } @places);
		$constant = "{$constant}" if $text =~ /'\{/;
	}
	my ($expression) = grep { $_->{name} eq 'kinds_kind_idx' } @{ $document->{indexes} };
	$constant = $expression->{columns}{expr}{own}{common}[0] if $text =~ /->>/;
	my $there = explained($live, $text);
	my $here = explained($copy, $text =~ s/'(\{[^']*\}|rare|tag5|2)'/'$constant'/r);
	if ($text =~ /->>/) { is(shape($here), shape($there), "codes: $text") }
	else { same_plan($there, $here, "$text as $constant") }
}
my $moments = $of_table->{columns}{moment}{own}{histogram};
is(scalar(keys %{ { map { $_ => 1 } @$moments } }), scalar(@$moments), 'a minute is cut as fine as its histogram is');
ok((grep { /\.\d/ } @$moments) > 50, '... which a second is not');
$copy->ok("SET guard.plan_as = 'values'");

# ---- wrong and hostile profiles are wrong about plans, no more

my $hostile = JSON::PP->new->decode($bytes);
my ($account) = grep { $_->{name} eq 'account' } @{ $hostile->{relations} };
my ($table) = grep { $_->{name} eq 'event' } @{ $hostile->{relations} };
$account->{columns}{org}{own}{common}[0] = 'none of an integer';
push @{ $account->{columns}{id}{own}{histogram} }, '-5', '99999999999999';
$account->{columns}{state}{own}{frequencies} = [ map { 7 } 1 .. 3 ];
$account->{columns}{state}{own}{distinct} = -1e30;
$account->{columns}{made}{own}{width} = -17;
$table->{pages} = 9_000_000_000;
$table->{tuples} = 1e300;
$import->('hostile', JSON::PP->new->encode($hostile));
$copy->ok("SET guard.plan_as = 'hostile'");
like($told->('SELECT * FROM account WHERE org = 1'), qr/values are of another type here/, 'values of another type count as none');
foreach my $statement (@statements)
{
	my $failure = $copy->query('EXPLAIN ' . written($statement, $document))->{error};
	is($failure && $failure->{M}, undef, 'planned: ' . $statement->[0]);
}
$copy->ok("SET guard.plan_as = 'nowhere'");
is($copy->query('EXPLAIN SELECT 1')->{error}{C}, '42704', 'a profile that does not exist');
is($copy->value('SELECT 1'), 1, 'is nobody\'s trouble but EXPLAIN\'s');
$copy->ok("RESET guard.plan_as; SELECT guard.forget_profile('prod')");
is(shape(explained($copy, written($statements[0], $document))), $empty, 'without plan_as all is as ever');

done_testing();
