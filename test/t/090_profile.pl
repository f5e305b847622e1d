# guard.export_profile: no value of the data leaves, by any way into the document; every export is what doc/profile.schema.json
# says; exporting waits for nobody and is nobody's use of an index.

use strict;
use warnings FATAL => 'all';
use Cwd;
use GuardTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', conf => "pg_stat_statements.track = all\nautovacuum = off\n");
my $s = session($node, 'auth');
$s->ok('CREATE EXTENSION pg_stat_statements');
my $folder = PostgreSQL::Test::Utils::tempdir;
my ($python) = grep { system("$_ -W ignore -c 'import jsonschema' 2> /dev/null") == 0 } '/usr/bin/python3', 'python3';

# The document of a session, valid, and as bytes.
sub export
{
	my ($session, $name, $call) = @_;
	my $bytes = $session->value('SELECT ' . ($call // 'guard.export_profile()'));

	valid($bytes, $name);
	return wantarray ? (JSON::PP->new->decode($bytes), $bytes) : JSON::PP->new->decode($bytes);
}

sub valid
{
	my ($bytes, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
  SKIP:
	{
		skip 'python3-jsonschema is not installed', 1 if !defined $python;
		my $file = "$folder/" . ($name =~ s/\W+/_/gr) . '.json';
		unlink $file;
		append_to_file($file, $bytes);
		my ($out, $err);
		IPC::Run::run([ $python, '-W', 'ignore', '-m', 'jsonschema', '-i', $file, getcwd . '/doc/profile.schema.json' ], '>', \$out, '2>', \$err);
		is($? >> 8, 0, "$name: valid") || diag(substr("$out$err", 0, 2000));
	}
}

# ---- 10,000 values that nobody must see again, in 20 columns

my %cell = (
	a_text => ['text', "'qzt' || md5('t' || i)"],
	a_varchar => ['varchar(40)', "'qzv' || md5('v' || i)"],
	a_char => ['char(40)', "'qzc' || md5('c' || i)"],
	a_name => ['name', "'qzn' || md5('n' || i)"],
	a_bigint => ['bigint', '7340033000123 + i::bigint * 104729'],
	an_integer => ['integer', '1900000371 + i * 15485'],
	a_numeric => ['numeric(14,4)', '73402913.1237 + i * 1299.0709'],
	a_double => ['double precision', '0.12345678901 + i * 0.00104729017'],
	a_date => ['date', "date '1931-02-03' + i"],
	a_timestamp => ['timestamp', "timestamp '1987-03-04 05:06:07.891234' + i * interval '1 hour 7 minutes 3.000517 seconds'"],
	a_timestamptz => ['timestamptz', "timestamptz '2003-04-05 06:07:08.912345+00' + i * interval '1 day 3 minutes 1.000731 seconds'"],
	a_time => ['time', "time '01:02:03.456789' + i * interval '1 minute 1.017 seconds'"],
	an_interval => ['interval', "i * interval '1 day 1 hour 3 minutes 7.0191 seconds'"],
	a_uuid => ['uuid', "md5('u' || i)::uuid"],
	an_inet => ['inet', "('172.' || 16 + i / 250 || '.' || i % 250 || '.77')::inet"],
	a_bytea => ['bytea', "decode(md5('b' || i), 'hex')"],
	a_jsonb => ['jsonb', "jsonb_build_object('qzk' || md5('k' || i), 'qzj' || md5('j' || i))"],
	an_array => ['text[]', "ARRAY['qza' || md5('a' || i)]"],
	a_range => ['int8range', 'int8range(8100000000 + i::bigint * 7907, 8200000000 + i::bigint * 7919)'],
	a_tsvector => ['tsvector', "to_tsvector('simple', 'qzl' || md5('l' || i))"]);
my @columns = sort keys %cell;
is(scalar @columns, 20, 'twenty columns');
$s->ok('CREATE TABLE canary (' . join(', ', map { "$_ $cell{$_}[0]" } @columns) . ')');
$s->ok('INSERT INTO canary SELECT ' . join(', ', map { $cell{$_}[1] } @columns) . ' FROM generate_series(1, 500) i');
$s->ok("CREATE INDEX canary_${_}_idx ON canary ($_)") foreach grep { !/jsonb|tsvector/ } @columns;
$s->ok('CREATE INDEX canary_lower_idx ON canary (lower(a_text))');
$s->ok('CREATE TABLE canary_child (LIKE canary) INHERITS (canary)');
# each is the most common one of some histogram as well
$s->ok('INSERT INTO canary_child SELECT c.* FROM canary c, generate_series(1, 3)');
$s->ok('ANALYZE canary, canary_child');

# what of a value could be found in bytes, without its quotes and braces
my %canaries;
foreach my $column (@columns)
{
	foreach my $row (@{ $s->query("SELECT $column\::text FROM ONLY canary")->{rows} })
	{
		my @words = $row->[0] =~ /(qz.[0-9a-f]{32}|[0-9a-f]{32}|[^\[\]{}(),'"\\]{5,})/g;
		$canaries{$_ =~ s/\s+$//r} = $column foreach @words;
	}
}
cmp_ok(scalar keys %canaries, '>=', 10_000, 'ten thousand canaries');

sub none_of_them
{
	my ($bytes, $name) = @_;
	my %seen;

	# every run of characters of a canary's kind, at any place
	while ($bytes =~ /(qz[a-z][0-9a-f]{32}|qzs\w+|[0-9a-f]{32})/g) { $seen{$1} = 1 }
	foreach my $canary (grep { !/^qz|^[0-9a-f]{32}$/ } keys %canaries)
	{
		$seen{$canary} = 1 if index($bytes, $canary) >= 0;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(' ', sort grep { $canaries{$_} || /^qz/ } keys %seen), '', "$name: none of them");
}

# ---- in statements of every kind

my $t = 0;
sub canary { return 'qzs' . $t++ . 'x' }
$s->ok($_) foreach (
	"SELECT count(*) FROM canary WHERE a_text = '${\canary}'",
	"SELECT count(*) FROM canary WHERE a_text = '${\canary}' /* trace ${\canary} /* and ${\canary} */ */ -- ${\canary}",
	"SELECT count(*) FROM canary WHERE a_jsonb \@> '{\"${\canary}\": \"${\canary}\"}' OR a_jsonb ->> '${\canary}' = '${\canary}'",
	"SELECT count(*) FROM canary WHERE an_array \@> ARRAY['${\canary}'] OR an_array && '{${\canary},${\canary}}'",
	"SELECT count(*) FROM canary WHERE a_range && int8range '[7340033000123,7340033104852)'",
	"SELECT count(*) FROM canary WHERE a_text IN ('${\canary}', '${\canary}') OR a_text LIKE '${\canary}%'",
	"SELECT count(*), a_text || '${\canary}' FROM canary GROUP BY a_text || 'qzs" . ($t - 1) . "x'",
	"SELECT date_trunc('day', a_timestamp), '${\canary}' FROM canary GROUP BY date_trunc('day', a_timestamp) ORDER BY date_trunc('day', a_timestamp) LIMIT 1",
	"SELECT DISTINCT ON (a_text || '${\canary}') a_text || 'qzs" . ($t - 1) . "x' FROM canary ORDER BY a_text || 'qzs" . ($t - 1) . "x'",
	"SELECT count(*) FROM canary WHERE a_text = \$tag\$${\canary} ' \$tag\$ OR a_text = E'\\'${\canary}' OR a_text = U&'${\canary}'",
	"DO 'BEGIN PERFORM count(*) FROM canary WHERE a_text = ''${\canary}''; END'",
	"DO \$\$ BEGIN EXECUTE 'SELECT count(*) FROM canary WHERE a_text = ''${\canary}'' -- ${\canary}'; END \$\$",
	"COPY (SELECT a_text FROM canary WHERE a_text = '${\canary}') TO '$folder/copy'",
	"PREPARE p AS SELECT count(*) FROM canary WHERE a_text = '${\canary}'",
	'EXECUTE p',
	"CREATE TABLE other AS SELECT * FROM canary WHERE a_text = '${\canary}'",
	"EXPLAIN SELECT * FROM canary WHERE a_text = '${\canary}'",
	"SET application_name = 'auth'",
	# an entry that is gone when the statement ends gets the text as it was written
	"SELECT pg_stat_statements_reset(), count(*) FROM canary WHERE a_text = '${\canary}' AND a_date > date '1931-05-06' AND a_bigint = 7340033000123 /* ${\canary} */",
	"SELECT pg_stat_statements_reset(), count(*) FROM canary WHERE a_text = '\\${\canary}' AND a_text = ' \\\\${\canary} '",
	# 19 knows no other strings any more
	version_of($node) >= 19 ? () : ("SET standard_conforming_strings = off",
		"SELECT pg_stat_statements_reset(), count(*) FROM canary WHERE a_text = '\\' ${\canary} \\''"));
$s->query("SELECT pg_stat_statements_reset(), count(*) FROM canary WHERE a_text = 'a\\' ${\canary} \\'' OR a_text = ' ' -- ' ${\canary}");
$s->query('RESET standard_conforming_strings');
# what a reset took away, and entries that others pushed out
my $texts = $s->value("SELECT string_agg(query, '') FROM pg_stat_statements");
like($texts, qr/qzs\d+x/, 'pg_stat_statements has some in clear');
$s->ok("SELECT count(*) FROM canary WHERE a_text = '${\canary}' AND an_integer > 5 AND a_bigint > 5");
$s->ok("SELECT count(*), a_text || '${\canary}' FROM canary GROUP BY a_text || 'qzs" . ($t - 1) . "x'");
$s->ok("SELECT count(*) FROM canary WHERE a_jsonb \@> '{\"${\canary}\": \"${\canary}\"}' OR a_jsonb ? '${\canary}' OR an_array && '{${\canary}}' OR a_text ~ '${\canary}'");

my ($document, $bytes) = export($s, 'canaries');
none_of_them($bytes, 'guard.export_profile');
my ($table) = grep { $_->{name} eq 'canary' } @{ $document->{relations} };
is(scalar(keys %{ $table->{columns} }), 20, 'there are statistics of all columns of a table that a statement names');
my @coded = grep { $table->{columns}{$_}{own}{histogram} } sort keys %{ $table->{columns} };
is("@coded", 'a_bigint a_char a_date a_double a_jsonb a_name a_numeric a_text a_time a_timestamp a_timestamptz a_uuid a_varchar an_inet an_integer an_interval', 'and codes of these');
is($table->{columns}{a_bytea}{own}{no_code}, 'type bytea', 'others say why there are none');
my ($lower) = grep { $_->{name} eq 'canary_lower_idx' } @{ $document->{indexes} };
like($lower->{columns}{lower}{own}{histogram}[0], qr/^v\d+$/, 'an expression of an index has codes as well');
is(scalar(grep { $_->{text} =~ /^SELECT count\(\*\), a_text \|\| \$(\d) FROM canary GROUP BY a_text \|\| \$\1$/ } @{ $document->{statements} }), 1, 'a literal of GROUP BY is the parameter of the select list');
is(scalar(grep { $_->{why} eq 'a backslash in a string' } @{ $document->{left_out} }), scalar(@{ $document->{left_out} }), 'what cannot be told apart stays, and is listed');
ok(@{ $document->{left_out} } > 0, '(there is some)');

# order, distance and the actual ends
my $codes = $table->{columns}{a_bigint}{own}{histogram};
is_deeply($codes, [ sort { $a <=> $b } @$codes ], 'codes keep the order');
ok($table->{columns}{a_bigint}{own}{ends_from_index}, 'ends come from the index');
is_deeply([ $s->value("SELECT count(*) FROM unnest(ARRAY['" . join("','", @{ $table->{columns}{a_text}{own}{histogram} }) . "']) WITH ORDINALITY u (c, n)
	JOIN unnest(ARRAY['" . join("','", @{ $table->{columns}{a_text}{own}{histogram} }) . "']) WITH ORDINALITY w (c, n) ON u.n < w.n AND u.c >= w.c") ], [0], 'of texts as well');

# of each type, whatever is beside a schema's constant, and in whatever unit it is written
foreach my $case (
	[ 'inet', '', '10.0.0.0/8', '10.0.0.0/16', '10.0.0.1', '10.0.0.5', '192.168.1.1', 'fe80::1', 'fe80::2' ],
	[ 'inet', '10.0.0.3', '9.255.255.255', '10.0.0.1', '10.0.0.3', '10.0.0.5', '255.255.255.255' ],
	[ 'cidr', '10.0.0.0/12', '10.0.0.0/8', '10.0.0.0/12', '10.0.0.0/16', '10.0.0.0/24', '11.0.0.0/8' ],
	[ 'interval', '1 mon', '-1 mons', '-3 days', '00:00:00', '29 days', '1 mon', '31 days', '1 year', '365 days', '1 year 2 mons 00:00:01' ],
	[ 'time without time zone', '12:00:00', '00:00:00', '11:59:59.999999', '12:00:00', '12:00:00.000001', '23:59:59.999999' ],
	[ 'time with time zone', '', '00:00:00+14', '12:00:00+00', '12:00:00-01', '23:00:00-12' ],
	[ 'money', '', '-$5.00', '$0.01', '$0.02', '$1,000.00' ],
	[ 'macaddr', '08:00:2b:00:00:05', '00:00:00:00:00:01', '08:00:2b:00:00:01', '08:00:2b:00:00:05', '08:00:2b:00:00:07', 'ff:ff:ff:ff:ff:ff' ],
	[ 'macaddr8', '', '08:00:2b:00:00:07:00:01', '08:00:2b:00:00:07:00:02', 'ff:00:2b:00:00:01:00:01' ],
	[ 'pg_lsn', '', '0/1', '0/FFFFFFFF', '1/0', 'FFFFFFFF/FFFFFFFF' ],
	[ 'jsonb', '', '[]', '1', '{}', '{"a": 1}', '{"a": 1, "b": 1}' ])
{
	my ($type, $anchor, @values) = @$case;
	my $list = sub { return 'ARRAY[' . join(', ', map { "'$_'" } @_) . ']::text[]' };
	my @lists = map { '{"' . s/(["\\])/\\$1/gr . '"}' } @values, reverse @values;		# of a value each
	# of this domain, and of the same as another one beside it
	my $twice = sub { my @v = @_; return @v ? 'ARRAY[' . join(', ', (7) x @v, (8) x @v) . ']' : "'{}'" };
	my @both = (@values, reverse @values);
	my $answer = "guard.profile_codes('', ARRAY[7, 8], ARRAY['$type', '$type'], ARRAY[0, 0], (SELECT ARRAY[unit, unit] FROM guard.profile_kinds() WHERE type = '$type'), "
	  . join(', ', $twice->(@values), $list->(@lists), 'ARRAY[' . join(', ', map { $_ eq $values[0] || $_ eq $values[-1] ? 'true' : 'false' } @both) . ']',
		$twice->($anchor || ()), $list->(($anchor || ()) x 2), 'now()') . ')';
	my $sorted = $s->value("SELECT string_agg(c.c, ' ' ORDER BY c.c::$type) FROM (SELECT e.value AS c FROM $answer p, jsonb_each_text(p.codes) e WHERE p.label = 7) c");
	my $placed = $s->value("SELECT string_agg(p.codes ->> v.v, ' ' ORDER BY v.n) FROM unnest(" . $list->(@values) . ") WITH ORDINALITY v (v, n), $answer p WHERE p.label = 7");
	is($s->value("SELECT count(DISTINCT p.codes) FROM $answer p WHERE p.codes IS NOT NULL"), 1, "$type: domains do not mind each other");
	ok(defined $sorted, "$type: there are codes");
	is($sorted, $placed, '... which keep the order');
	like($sorted, qr/(^| )\Q$anchor\E( |\z)/, '... and the constant') if $anchor;
	is(scalar(grep { my $v = $_; grep { $_ eq $v } split / /, $sorted } @values), 0, '... and are no values') if !$anchor;
}

# ---- with values, for superusers

my $all = $s->query("SELECT guard.export_profile('all')");
like($all->{rows}[0][0], qr/qzt[0-9a-f]{32}/, 'literals => all has values');
my %before = map { $_->{text} => 1 } @{ $document->{statements} };
is_deeply([ map { $_->{text} } grep { $_->{nested} && !$before{ $_->{text} } } @{ JSON::PP->new->decode($all->{rows}[0][0])->{statements} } ], [], 'what an export asks itself is in none after it');
valid($all->{rows}[0][0], 'all');
failed($s->query("SELECT guard.export_profile('some')"), '22023', qr/literals must be none or all/, 'other literals');
failed($s->query('SELECT guard.export_profile(NULL)'), '22023', qr/literals must be none or all/, 'null');

# ---- who may

$s->ok("CREATE ROLE $_ LOGIN") foreach qw(nobody1 monitor reader);
$s->ok('GRANT pg_read_all_stats TO monitor, reader; GRANT pg_read_all_data TO reader');
failed(session($node, user => 'nobody1')->query('SELECT guard.export_profile()'), '42501', qr/permission denied/, 'not everybody');
my $monitor = session($node, user => 'monitor');
$document = export($monitor, 'monitor');
is_deeply([ map { $_->{what} } @{ $document->{missing} } ], ['statistics'], 'who may not read the tables is told what is missing');
ok(!grep({ $_->{columns} } @{ $document->{relations} }), 'and gets none');
ok(@{ $document->{statements} } > 0 && @{ $document->{indexes} } > 0, 'but the rest');
failed($monitor->query("SELECT guard.export_profile('all')"), '42501', qr/values of the data/, 'literals are for superusers');
$s->ok('GRANT SELECT (a_bigint) ON canary TO monitor');
$document = export($monitor, 'monitor, a column');
($table) = grep { $_->{name} eq 'canary' } @{ $document->{relations} };
is_deeply([ sort keys %{ $table->{columns} } ], ['a_bigint'], 'who may read one column gets that one');
ok($table->{columns}{a_bigint}{own}{ends_from_index}, '... and its ends, though not those of others');
$document = export(session($node, user => 'reader'), 'reader');
is_deeply($document->{missing}, [], 'pg_read_all_data lacks nothing');
ok((grep { $_->{columns}{a_text}{own}{histogram} } @{ $document->{relations} }), 'and has statistics');

# ---- nobody is disturbed, and no evidence made

make_table($s, 'hot');
make_table($s, 'idle');
use_index($node, 'hot')->close;
$s->ok('SELECT guard.snapshot()');
export($s, "export $_") foreach 1 .. 2;
$s->ok('SELECT guard.snapshot()');
is($s->value("SELECT concat_ws(' ', uses, last_use, days) FROM guard.use_history WHERE relation = 'idle_a_idx'::regclass") // '0 0', '0 0', 'to export is no use of an index');
is($s->value("SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'idle_a_idx'"), 't', '(though the server counts it)');
is(verdict($s, 'idle_a_idx'), verdict($s, 'canary_a_uuid_idx'), 'its verdict is that of one that nobody read');

my $locker = session($node);
$locker->ok('BEGIN; LOCK TABLE idle');
$document = export($s, 'locked');
my ($idle) = grep { $_->{name} eq 'idle' } @{ $document->{relations} };
ok($idle->{locked} && $idle->{pages} > 0, 'of a locked table there is what the catalogs say');
is_deeply([ map { $_->{what} } @{ $document->{missing} } ], ['relations'], 'which is said');
$locker->ok('ROLLBACK');
$s->ok("BEGIN");
export($s, 'in a transaction');
is($s->value("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('idle'::regclass, 'hot'::regclass)"), 0, 'no lock on a table stays');
$s->ok('COMMIT');
$s->ok("SET statement_timeout = '1ms'");
failed($s->query('SELECT guard.export_profile()'), '57014', qr/statement timeout/, 'statement_timeout ends it');
$s->ok('RESET statement_timeout');

# ---- what guard knows goes with it

$s->ok("SELECT guard.protect('hot_a_idx', 'sign-in')");
$s->ok("SELECT guard.add_dependency('hot_a_idx', 'auth', '2.0')");
$s->ok("SELECT guard.report_deployment('auth', '1.9')");
$document = export($s, 'evidence');
my ($hot) = grep { $_->{name} eq 'hot_a_idx' } @{ $document->{indexes} };
is("$hot->{use}{verdict} $hot->{use}{reason} $hot->{use}{protected}{reason}", 'block protected sign-in', 'verdict and protection');
my ($service) = @{ $hot->{use}{services} };
is("$service->{service} $service->{until_version} " . ($service->{uses} > 0), 'auth 2.0 1', 'services');
is($document->{guard}{deployments}[0]{version}, '1.9', 'deployments');
my ($statement) = grep { $_->{text} eq 'SELECT c FROM hot WHERE a = $1' } @{ $document->{statements} };
is($statement->{indexes}[0]{name}, 'hot_a_idx', 'a statement has its indexes');
my %parameter = %{ $statement->{parameters}[0] };
delete $parameter{position};
is_deeply(\%parameter, { number => 1, type => 'integer', role => 'compared', operator => '=', schema => 'public', table => 'hot', column => 'a' }, 'and what its parameters are');
is($document->{server}{connections}{server}, $s->value('SHOW max_connections'), 'limits');

# ---- where the values of parameters lie: in the calls that were executed, and in no others

$s->ok("CREATE TABLE place (id int PRIMARY KEY, state text, at timestamptz, price numeric(10,2), owner int)");
$s->ok("INSERT INTO place SELECT i, CASE WHEN i % 10 < 7 THEN 'paid' WHEN i % 10 < 9 THEN 'new' ELSE 'lost' END, now() - i * interval '1 minute', i, i % 4 FROM generate_series(1, 2000) i");
$s->ok('CREATE VIEW placed AS SELECT id AS key, state FROM place WHERE id > 0');
$s->ok('ANALYZE place');
$s->ok('CREATE ROLE refused LOGIN');
$s->ok($_) foreach (
	(map { "SELECT count(*) FROM place WHERE state = '$_'" } qw(paid paid new nope)),
	"EXPLAIN SELECT count(*) FROM place WHERE state = 'lost'",
	"EXPLAIN (ANALYZE, TIMING OFF) SELECT count(*) FROM place WHERE state = 'lost'",
	"SELECT id FROM place WHERE at >= now() - interval '1 hour' AND price < 150 ORDER BY id LIMIT 3 OFFSET 1",
	"SELECT id FROM place WHERE id BETWEEN 500 AND 510 AND at < '2001-02-03'",
	"SELECT key FROM placed WHERE state LIKE 'pa%' AND key = 1999",
	"SELECT x.a FROM (VALUES (7), (8)) x (a) JOIN place ON place.id = x.a WHERE place.id = ANY ('{1,2,7}')",
	'SELECT count(*) FROM generate_series(1, 3) g, place WHERE id = ANY (ARRAY[4, 5]) AND g IN (SELECT coalesce(NULL, 2))',
	# a plan of the session's cache
	'SET plan_cache_mode = force_generic_plan',
	'PREPARE g AS SELECT id FROM place WHERE owner = $1 AND (state = $2 OR $2 IS NULL)',
	"EXECUTE g (1, 'paid')", "EXECUTE g (2, 'new')", 'EXECUTE g (NULL, NULL)', 'EXECUTE g (77, NULL)',
	'RESET plan_cache_mode');
failed(session($node, user => 'refused')->query("SELECT count(*) FROM place WHERE state = 'lost'"), '42501', qr/permission denied/, 'who is refused');
$document = export($s, 'positions');
my $of = sub { my ($text) = @_; return (grep { $_->{text} =~ $text } @{ $document->{statements} })[0] };
my $position = sub { my ($text, $n) = @_; return $of->($text)->{parameters}[ $n - 1 ]{position} };
my %state = (samples => 4, mcv => [ 0.5, 0.25 ], none => 0.25, null => 0);
my $seen = $position->(qr/^SELECT count\(\*\) FROM place WHERE state = /, 1);
is_deeply({ map { $_ => $seen->{$_} } keys %state }, \%state, 'shares of the most common values, of none: neither of EXPLAIN, nor of who was refused');
cmp_ok(abs($seen->{distinct} - 3), '<', 0.5, 'about so many were distinct');
my $window = qr/ORDER BY id LIMIT/;
is_deeply([ map { $position->($window, $_)->{value} } 1, 3, 4 ], [ [3600], [3], [1] ], 'an interval, LIMIT and OFFSET');
is_deeply($position->($window, 2)->{deciles}, [ 1, (0) x 9 ], 'an integer compared with a numeric');
my $between = qr/BETWEEN/;
is_deeply([ map { $position->($between, $_)->{deciles} } 1, 2 ], [ [ 0, 0, 1, (0) x 7 ], [ 0, 0, 1, (0) x 7 ] ], 'tenths of a histogram');
is_deeply($position->($between, 2)->{width}, [10], 'the width of a range');
cmp_ok(abs($position->($between, 3)->{age}[0] / (time - 981158400) - 1), '<', 0.01, 'a time is told by its age, to two digits');
is($of->($between)->{empty}, 1, 'a statement that found nothing');
is($of->($window)->{empty}, 0, 'one that found something');
my $view = $of->(qr/FROM placed/);
is_deeply([ map { "$_->{table}.$_->{column}" } @{ $view->{parameters} } ], [ 'place.state', 'place.id' ], 'through a view');
is_deeply($view->{parameters}[0]{position}{prefix}, [2], 'a pattern is told by its prefix');
my ($place) = grep { $_->{name} eq 'place' } @{ $document->{relations} };
is($view->{parameters}[0]{position}{pattern}, '%~a%', '... and by what it matches');
is_deeply([ map { /~a$/ ? 1 : 0 } @{ $place->{columns}{state}{own}{common} } ], [ 1, 0, 0 ], '... which the codes show');
is_deeply($view->{parameters}[1]{position}{deciles}, [ (0) x 9, 1 ], '... the last tenth');
my $list = $of->(qr/VALUES/);
is_deeply([ map { $_->{type} } @{ $list->{parameters} } ], [ 'integer', 'integer', 'integer[]' ], 'types that the text does not tell');
foreach my $text (map { $_->{text} } grep { $_->{text} =~ /\bplaced?\b/ } @{ $document->{statements} })
{
	my $r = $s->query("PREPARE again AS $text");
	is($r->{error}{M}, undef, "can be prepared: $text");
	$s->query('DEALLOCATE again');
}
is_deeply($list->{parameters}[2]{position}{list}, [3], 'a list is told by its length');
my $cached = $of->(qr/owner = \$1/);
is_deeply($cached->{null_together}, [ { parameters => [2], share => 0.25 }, { parameters => [ 1, 2 ], share => 0.25 } ], 'parameters that are NULL together, of a cached plan');
is("$cached->{parameters}[0]{position}{samples} $cached->{parameters}[0]{position}{none} $cached->{parameters}[0]{position}{null} $cached->{empty}", '4 0.25 0.25 0.5', 'and where they lie');
is(scalar(grep { $_ == 0.25 } @{ $cached->{parameters}[0]{position}{mcv} }), 2, 'the others are common');
is(session($node, user => 'refused')->query('SELECT * FROM guard.captured_parameters()')->{error}{C}, '42501', 'not for everybody');
# ---- texts can be prepared: constants as they stand in pg_stat_statements, and as they were written

my @forms = grep { /\S/ && !/^--/ } split /;\n/, slurp_file('test/profile/forms.sql');
my (@lost, %whole);
foreach my $form (@forms)
{
	$s->ok('SELECT pg_stat_statements_reset()');
	$s->ok($form);
	my $stored = $s->value("SELECT query FROM pg_stat_statements WHERE query !~ 'pg_stat_statements'");
	foreach my $text ($form, $stored)
	{
		my ($prepared) = @{ $s->query('SELECT prepared FROM guard.profile_scan($form$' . $text . '$form$)')->{rows}[0] };
		unlike($prepared // "'none'", qr/'|--|\/\*/, "no literal: $text");
		my $r = $s->query("PREPARE form AS $prepared");
		push @lost, "$text -> $prepared: $r->{error}{M}" if $r->{error};
		$s->query('DEALLOCATE form');
	}
}
note(scalar(@forms) . ' forms, ' . scalar(@lost) . ' of ' . 2 * @forms . ' texts cannot be prepared');
is(join("\n", @lost), '', 'all can be prepared');

# ---- the program, and psql alone

SKIP:
{
	skip 'python3 is not installed', 12 if system('/usr/bin/env python3 -c 1') != 0;
	my $program = getcwd . '/guard_profile';
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	my $run = sub {
		my ($out, $err);
		IPC::Run::run([ 'python3', $program, @_ ], '<', \undef, '>', \$out, '2>', \$err);
		return ($? >> 8, $out, $err);
	};
	my ($status, $out, $err) = $run->("$folder/profile.json");
	is("$status $err", '0 ', 'guard_profile FILE');
	$bytes = slurp_file("$folder/profile.json");
	valid($bytes, 'program');
	none_of_them($bytes, 'guard_profile');
	unlike($bytes, qr/^ "literals".*^ "indexes"/ms, 'members are sorted');
	($status, $out) = $run->('check', "$folder/profile.json");
	is($status, 0, 'guard_profile check');
	like($out, qr/\tsign-in$/m, 'prints what people wrote');
	unlike($out, qr/\thot_a_idx$/m, 'and no identifier');

	$s->ok('CREATE DATABASE plain');
	my $plain = session($node, dbname => 'plain');
	$plain->ok('CREATE EXTENSION pg_stat_statements');
	$plain->ok("CREATE TABLE secret AS SELECT 'qzt' || md5('t' || i) AS a_text FROM generate_series(1, 500) i");
	$plain->ok('CREATE INDEX ON secret (a_text)');
	$plain->ok('ANALYZE secret');
	$plain->ok("SELECT pg_stat_statements_reset(), count(*) FROM secret WHERE a_text = '${\canary}'");
	($status, $out, $err) = $run->('-d', 'plain');
	is("$status $err", '0 ', 'guard_profile without guard');
	valid($out, 'without guard');
	none_of_them($out, 'without guard');
	$document = JSON::PP->new->utf8->decode($out);
	like($document->{exporter}, qr/^guard_profile \d/, 'says who wrote it');
	is_deeply([ map { $_->{text} } @{ $document->{statements} } ], ['SELECT pg_stat_statements_reset(), count(*) FROM secret WHERE a_text = $1'], 'has statements');
	ok($document->{relations}[0]{columns}{a_text}{own}{histogram}, 'and statistics');
	is($plain->value('SELECT count(*) FROM pg_proc WHERE proname ~ \'^profile_\''), 0, 'and leaves nothing behind');
	is(($run->('sql'))[1] =~ /pg_temp\.profile_document/, 1, 'guard_profile sql');
	append_to_file("$folder/no.json", '{"format": "guard/profile/2"}');
	($status, $out, $err) = $run->('check', "$folder/no.json");
	is($status, 2, 'a newer format');
	like($err, qr{format is guard/profile/2; this program knows guard/profile/1}, 'says so');
	is(($run->('--nonsense'))[0], 2, 'wrong usage');
}
done_testing();
