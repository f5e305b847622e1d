# guard_review, the program: what it says of migrations that it runs in a scratch database with live traffic, files of several tools,
# four formats, exit status, and what it must not show.

use strict;
use warnings FATAL => 'all';
use Cwd;
use File::Path qw(make_path);
use GuardTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', conf => "guard.min_evidence_age = 0\nlock_timeout = 0\n");
my $s = session($node);
my $program = getcwd . '/guard_review';
my $folder = PostgreSQL::Test::Utils::tempdir;
my $scratch = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
delete $ENV{$_} foreach qw(PGOPTIONS PGUSER PGHOST PGPORT PGDATABASE);

sub file
{
	my ($name, $text) = @_;
	my $path = "$folder/$name";

	(my $parent = $path) =~ s{/[^/]*$}{};
	make_path($parent);
	append_to_file($path, $text);
	return $name;
}

# Runs it there; returns exit status, output and errors.
sub run_it
{
	my ($input, @words) = @_;
	my ($out, $err);
	my $back = getcwd;

	chdir $folder;
	IPC::Run::run([ $program, @words ], '<', \$input, '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	chdir $back;
	return ($status, $out, $err);
}

sub review
{
	my ($input, @words) = @_;
	return run_it($input, "--scratch=$scratch", @words);
}

sub status_is
{
	my ($words, $expected, $name, $input) = @_;
	my ($status, $out, $err) = review($input // '', @$words);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($status, $expected, $name) || diag("$out$err");
	return $out;
}

sub answer
{
	my ($status, $out, $err) = review('', '--format=json', @_);
	my $answer = eval { JSON::PP->new->utf8->decode($out) };

	diag("not JSON: $out$err") unless $answer;
	return $answer;
}

# The rows of --format=json as "file:line target verdict".
sub rows
{
	return [ map { "$_->{file}:" . ($_->{line} // '-') . ' ' . ($_->{target} // '-') . " $_->{verdict}" } @{ answer(@_)->{rows} } ];
}

# Tables whose index on a is in use, one for each test that drops it: what is reviewed is run.
my $tables = 60;
$s->ok("CREATE TABLE u$_ AS SELECT g AS a, g % 100 AS b, rpad('row ' || g, 100) AS c FROM generate_series(1, 1000) g; CREATE INDEX u${_}_a_idx ON u$_ (a); CREATE INDEX u${_}_b_idx ON u$_ (b); ANALYZE u$_") foreach 1 .. $tables;
my $auth = session($node, 'auth');
$auth->ok("SELECT c FROM u$_ WHERE a = 42") foreach 1 .. $tables;
my $next = 0;
sub hot { return 'u' . ++$next . '_a_idx' }

# ---- cases: what is run, what is said of it.  Each in a schema of its own; one statement a line.  Expected are the rows that have
# an index or are not allowed: "line index verdict reason"; then what some advice says, or that there is none.

my @cases = (
	# order
	[ 'nothing replaces it; one that is not used may go', [ 'DROP INDEX users_email_idx', 'DROP INDEX users_team_idx' ],
		[ '1 users_email_idx block hot', '2 users_team_idx allow cold' ] ],
	[ 'created first: it is replaced, whatever it is called afterwards',
		[ 'CREATE INDEX CONCURRENTLY e ON users (email)', 'DROP INDEX CONCURRENTLY users_email_idx', 'ALTER INDEX e RENAME TO users_email_idx' ],
		[ '2 users_email_idx allow replaced' ], undef ],
	[ 'an index of another shape does not replace it', [ 'CREATE INDEX e ON users (team, email)', 'DROP INDEX users_email_idx' ], [ '2 users_email_idx block hot' ] ],
	[ 'dropped first: refused, and told which two to turn round',
		[ 'DROP INDEX CONCURRENTLY users_email_idx', 'SELECT 1', 'CREATE INDEX CONCURRENTLY e ON users (email)' ],
		[ '1 users_email_idx block hot' ],
		qr/Turn statement 1 \(line 1\) and statement 3 \(line 3\) round: create \w+\.e first, CONCURRENTLY, then drop \w+\.users_email_idx\. In between, there is no such index\./ ],
	[ 'under the same name, which must be free again in between',
		[ 'DROP INDEX CONCURRENTLY users_email_idx', 'CREATE INDEX CONCURRENTLY users_email_idx ON users (email)' ],
		[ '1 users_email_idx block hot' ], qr/The new one needs another name until then: ALTER INDEX \.\.\. RENAME TO users_email_idx afterwards/ ],
	[ 'in one transaction guard lets it pass, but the traffic waits',
		[ 'BEGIN', 'DROP INDEX users_email_idx', 'CREATE INDEX e ON users (email)', 'COMMIT' ],
		[ '2 users_email_idx allow replaced' ], qr/Turn statement 2 \(line 2\) and statement 3 \(line 3\) round: .*all traffic of the table waits for this transaction\. This waits for every running statement on \w+\.users, .*SET lock_timeout = '2s' first, or use DROP INDEX CONCURRENTLY outside the transaction\./ ],
	[ 'not when the transaction has ended before the new one comes',
		[ 'BEGIN', 'DROP INDEX users_email_idx', 'COMMIT', 'BEGIN', 'CREATE INDEX e ON users (email)', 'COMMIT' ], [ '2 users_email_idx block hot' ] ],
	[ 'nor when the new one is rolled back',
		[ 'BEGIN', 'DROP INDEX users_email_idx', 'SAVEPOINT a', 'CREATE INDEX e ON users (email)', 'ROLLBACK TO a', 'COMMIT' ], [ '2 users_email_idx block hot' ] ],
	[ 'nor with its own transaction', [ 'BEGIN', 'CREATE INDEX e ON users (email)', 'ROLLBACK', 'DROP INDEX users_email_idx' ], [ '4 users_email_idx block hot' ] ],
	[ 'a drop that is rolled back is none', [ 'BEGIN', 'DROP INDEX users_email_idx', 'ROLLBACK', 'DROP INDEX users_email_idx' ],
		[ '2 users_email_idx allow', '4 users_email_idx block hot' ] ],
	[ 'what serves in its place is as needed', [ 'CREATE INDEX e ON users (email)', 'DROP INDEX users_email_idx', 'DROP INDEX e' ],
		[ '2 users_email_idx allow replaced', '3 e block hot' ] ],
	[ 'unless there is another', [ 'CREATE INDEX e ON users (email)', 'CREATE INDEX f ON users (email)', 'DROP INDEX users_email_idx', 'DROP INDEX e' ],
		[ '3 users_email_idx allow replaced', '4 e allow replaced' ] ],
	[ 'twins, one after the other', [ 'CREATE INDEX twin ON users (email)', 'DROP INDEX users_email_idx', 'DROP INDEX twin' ],
		[ '2 users_email_idx allow replaced', '3 twin block hot' ] ],
	[ 'what a person protects is not made up for', [ "SELECT guard.protect('users_email_idx', 'mine')", 'CREATE INDEX e ON users (email)', 'DROP INDEX users_email_idx' ],
		[ '3 users_email_idx block protected' ] ],
	[ 'a table that the transaction has emptied needs none', [ 'BEGIN', 'TRUNCATE users', 'DROP INDEX users_email_idx', 'COMMIT' ], [ '3 users_email_idx allow' ] ],
	[ 'a constraint that is built anew in one statement', [ 'ALTER TABLE users DROP CONSTRAINT users_id_key, ADD CONSTRAINT k UNIQUE (id)' ],
		[ '1 users_id_key allow replaced' ], qr/The table is locked while statement 1 \(line 1\) builds the new index: build it first, by CREATE UNIQUE INDEX CONCURRENTLY, and ADD CONSTRAINT \.\.\. USING INDEX/ ],
	[ 'a key that is dropped first', [ 'ALTER TABLE users DROP CONSTRAINT users_id_key', 'ALTER TABLE users ADD CONSTRAINT users_id_key UNIQUE (id)' ],
		[ '1 users_id_key block hot' ], qr/Build the index before statement 1 \(line 1\), by CREATE UNIQUE INDEX CONCURRENTLY under another name; then, in one transaction, DROP CONSTRAINT and ADD \.\.\. USING INDEX/ ],
	[ 'an index that becomes a constraint bears its name',
		[ 'CREATE UNIQUE INDEX i ON users (id)', 'ALTER TABLE users DROP CONSTRAINT users_id_key, ADD CONSTRAINT k UNIQUE USING INDEX i', 'ALTER TABLE users DROP CONSTRAINT k' ],
		[ '2 users_id_key allow replaced', '3 k block hot' ] ],

	# names
	[ 'search_path is the script\'s', [ 'CREATE SCHEMA other', 'SET search_path = other', 'DROP INDEX users_email_idx' ], [ '3 - error' ] ],
	[ 'renamed, moved, and gone', [ 'ALTER INDEX users_email_idx RENAME TO e', 'DROP INDEX users_email_idx', 'DROP INDEX e' ], [ '2 - error', '3 e block hot' ] ],
	[ 'a renamed column makes no difference', [ 'ALTER TABLE users RENAME email TO mail', 'ALTER TABLE users RENAME mail TO email', 'CREATE INDEX e ON users (email)', 'DROP INDEX users_email_idx' ],
		[ '4 users_email_idx allow replaced' ] ],
	[ 'two names for the same thing, in and out of a transaction', [ 'BEGIN', 'ALTER INDEX users_email_idx RENAME TO e', 'ROLLBACK', 'DROP INDEX users_email_idx' ],
		[ '4 users_email_idx block hot' ] ],
	[ 'what the script creates has no traffic',
		[ 'CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE, b int)', 'CREATE INDEX ON t (b, a)', 'DROP INDEX t_b_a_idx', 'ALTER TABLE t DROP CONSTRAINT t_a_key', 'DROP TABLE t' ],
		[ '3 t_b_a_idx allow', '4 t_a_key allow', '5 t_pkey allow' ] ],
	[ 'a temporary table hides another', [ 'CREATE TEMP TABLE users (email text)', 'CREATE INDEX users_email_idx ON users (email)', 'DROP TABLE users', 'DROP INDEX users_email_idx' ],
		[ '4 users_email_idx block hot' ] ],
	[ 'build, swap, drop: the new table stands in the old one\'s place',
		[ 'DROP INDEX odd', 'CREATE TABLE n (LIKE users INCLUDING ALL)', 'BEGIN', 'ALTER TABLE users RENAME TO old', 'ALTER TABLE n RENAME TO users', 'COMMIT', 'DROP TABLE old CASCADE' ],
		[ '1 odd block hot', '7 m_id block hot', '7 users_id_key allow', '7 users_team_idx allow', '7 users_email_idx allow' ] ],
	[ 'a materialized view, made anew', [ 'BEGIN', 'DROP MATERIALIZED VIEW m', 'CREATE MATERIALIZED VIEW m AS SELECT id, upper(email) AS email FROM users', 'CREATE UNIQUE INDEX m_id ON m (id)', 'COMMIT' ],
		[ '2 m_id allow replaced' ] ],
	[ '... without its index', [ 'BEGIN', 'DROP MATERIALIZED VIEW m', 'CREATE MATERIALIZED VIEW m AS SELECT id, upper(email) AS email FROM users', 'COMMIT' ],
		[ '2 m_id block hot' ] ],

	# locks
	[ 'its lock queues the traffic', [ 'DROP INDEX users_team_idx' ], [ '1 users_team_idx allow cold' ],
		qr/This waits for every running statement on \w+\.users, and all others queue up behind it: use DROP INDEX CONCURRENTLY, or SET lock_timeout = '2s' first\./ ],
	[ 'not CONCURRENTLY', [ 'DROP INDEX CONCURRENTLY users_team_idx' ], [ '1 users_team_idx allow cold' ], undef ],
	[ 'nor of an idle table', [ 'DROP INDEX idle_id_idx' ], [ '1 idle_id_idx allow cold' ], undef ],
	[ 'nor with a lock_timeout', [ 'SET lock_timeout = 2000', 'DROP INDEX users_team_idx' ], [ '2 users_team_idx allow cold' ], undef ],
	[ 'which may be taken back', [ 'SET lock_timeout = 2000', 'RESET lock_timeout', 'DROP INDEX users_team_idx' ], [ '3 users_team_idx allow cold' ], qr/This waits/ ],
	[ 'or end with a transaction', [ 'BEGIN', 'SET LOCAL lock_timeout = 2000', 'COMMIT', 'DROP INDEX users_team_idx' ], [ '4 users_team_idx allow cold' ], qr/This waits/ ],
	[ 'a column', [ 'ALTER TABLE users DROP team' ], [ '1 users_team_idx allow cold' ], qr/queue up behind it: SET lock_timeout = '2s' first\.$/ ],
	[ 'CONCURRENTLY in a transaction', [ 'BEGIN', 'DROP INDEX CONCURRENTLY users_team_idx', 'ROLLBACK' ], [ '2 - error 25001' ], qr/Take it out of the transaction/ ],
	[ 'CONCURRENTLY on a partitioned index', [ 'DROP INDEX CONCURRENTLY p_a' ], [ '1 - error 0A000' ], qr/without, after SET lock_timeout/ ],
	[ 'a script that switches guard off', [ 'SET guard.mode = off', 'DROP INDEX CONCURRENTLY users_email_idx' ], [ '2 users_email_idx block hot' ], qr/the review is made without it/ ],
	[ '... behind a comment', [ '/* why */ SET guard.mode = off', 'DROP INDEX CONCURRENTLY users_email_idx' ], [ '2 users_email_idx block hot' ], qr/the review is made without it/ ],
	[ '... in one string with the drop', [ 'SET guard.mode = off\; DROP INDEX users_email_idx' ], [ '1 users_email_idx error' ] ],
	[ '... otherwise', [ "SELECT set_config('guard.mode', 'off', false)", 'DROP INDEX CONCURRENTLY users_email_idx' ], [ '2 users_email_idx error' ] ],

	# what a reader of the text cannot see into
	[ 'DO', [ q{DO $$ BEGIN EXECUTE 'DROP INDEX users_email_idx'; END $$} ], [ '1 users_email_idx block hot' ] ],
	[ 'a function', [ q{CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP INDEX users_email_idx; RETURN 1; END $$}, 'SELECT f()' ], [ '2 users_email_idx block hot' ] ],
	[ 'a procedure', [ q{CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN DROP INDEX users_email_idx; END $$}, 'CALL p()' ], [ '2 users_email_idx block hot' ] ],
	[ 'generated SQL', [ q{SELECT 'DROP INDEX ' || 'users_email_idx' \gexec} ], [ '1 users_email_idx block hot' ] ],
	[ 'a trigger', [ q{CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP INDEX users_email_idx; RETURN NEW; END $$}, 'CREATE TRIGGER t BEFORE INSERT ON idle EXECUTE FUNCTION f()', 'INSERT INTO idle VALUES (1)' ],
		[ '3 users_email_idx block hot' ] ],
	[ 'a schema, and what is in it', [ 'CREATE SCHEMA sub', 'CREATE TABLE sub.t (a int)', 'CREATE INDEX i ON sub.t (a)', 'DROP SCHEMA sub CASCADE' ], [ '4 sub.i allow' ] ],
	[ 'a condition of psql', [ '\if false', 'DROP INDEX users_email_idx;', '\else', 'DROP INDEX users_team_idx;', '\endif' ], [ '4 users_team_idx allow cold' ] ],

	# of another shape, and as good
	(map { [ "in place of an index on (email): $_->[0]", [ $_->[0], 'DROP INDEX users_email_idx' ], [ "2 users_email_idx $_->[1]" ] ] } (
		[ 'CREATE INDEX n ON users (email, id)', 'allow replaced' ],
		[ 'CREATE INDEX n ON users (email DESC)', 'allow replaced' ],
		[ 'CREATE INDEX n ON users (email text_pattern_ops)', 'block hot' ],
		[ 'CREATE INDEX n ON users (email COLLATE "POSIX")', 'block hot' ],
		[ 'CREATE INDEX n ON users USING hash (email)', 'block hot' ],
		[ 'CREATE INDEX n ON users (email) WHERE team > 3', 'block hot' ],
		[ 'CREATE INDEX n ON users (lower(email))', 'block hot' ],
		[ 'CREATE INDEX n ON users (team) INCLUDE (email)', 'block hot' ],
		[ 'ALTER TABLE users ADD CONSTRAINT n UNIQUE (email)', 'allow replaced' ])),
	(map { [ "in place of an index on (lower(pad)) WHERE id IN (3, 4): $_->[0]", [ $_->[0], 'DROP INDEX odd' ], [ "2 odd $_->[1]" ] ] } (
		[ 'CREATE INDEX n ON users (LOWER(users.pad)) WHERE ((id = ANY (ARRAY[3, 4])))', 'allow replaced' ],
		[ 'CREATE INDEX n ON users (pg_catalog.lower(pad)) WHERE id = 3', 'block hot' ],
		[ 'CREATE INDEX n ON users (upper(pad)) WHERE id IN (3, 4)', 'block hot' ])),
	[ 'a partitioned index', [ 'CREATE INDEX n ON p (a)', 'DROP INDEX p_a' ], [ '2 p_a allow replaced' ] ],
	[ '... that is not complete', [ 'CREATE INDEX n ON ONLY p (a)', 'DROP INDEX p_a' ], [ '2 p_a block hot' ] ],
	[ '... and is then', [ 'CREATE INDEX n ON ONLY p (a)', 'CREATE INDEX CONCURRENTLY n1 ON p1 (a)', 'ALTER INDEX n ATTACH PARTITION n1', 'DROP INDEX p_a' ], [ '4 p_a allow replaced' ] ],
);

foreach my $n (0 .. $#cases)
{
	$s->ok("CREATE SCHEMA s$n; SET search_path = s$n;
		CREATE TABLE users AS SELECT i AS id, 'u' || i AS email, i % 7 AS team, 'x' || i || repeat('x', 50) AS pad FROM generate_series(1, 2000) i;
		CREATE INDEX users_email_idx ON users (email); CREATE INDEX users_team_idx ON users (team);
		ALTER TABLE users ADD CONSTRAINT users_id_key UNIQUE (id);
		CREATE INDEX odd ON users (lower(pad)) WHERE id IN (3, 4);
		CREATE TABLE idle AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 2000) i; CREATE INDEX idle_id_idx ON idle (id);
		CREATE MATERIALIZED VIEW m AS SELECT id, email FROM users; CREATE UNIQUE INDEX m_id ON m (id);
		CREATE TABLE p (id int, a int, pad text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000);
		INSERT INTO p SELECT i, i, repeat('x', 50) FROM generate_series(1, 2000) i; CREATE INDEX p_a ON p (a); ANALYZE users; ANALYZE idle; ANALYZE m; ANALYZE p");
	$auth->ok("SET search_path = s$n; SET enable_seqscan = off; SELECT count(*) FROM users WHERE email = 'u17'; SELECT count(*) FROM users WHERE id = 17;
		SELECT count(*) FROM m WHERE id = 17; SELECT count(*) FROM p WHERE a = 17; SELECT count(*) FROM users WHERE lower(pad) = 'y' AND id IN (3, 4)");
	file("cases/$n.sql", "SET search_path = s$n; " . join('', map { "$_" . (/\\/ || /;$/ ? '' : ';') . "\n" } @{ $cases[$n][1] }));
}
$_->ok("SET search_path = public") foreach $s, $auth;
my $all = answer(map { "cases/$_.sql" } 0 .. $#cases);
my %found;
foreach my $row (@{ $all->{rows} })
{
	(my $target = $row->{target} // '-') =~ s/^s\d+\.//;
	push @{ $found{ $row->{file} }{rows} }, join(' ', $row->{line}, $target, $row->{verdict}, $row->{reason} // ()) if $target ne '-' || $row->{verdict} ne 'allow';
	$found{ $row->{file} }{advice} .= "$row->{advice}\n" if $row->{advice};
}
foreach my $n (0 .. $#cases)
{
	my ($name, undef, $expected, @advice) = @{ $cases[$n] };
	my $seen = $found{"cases/$n.sql"};

	# a reason that is not expected is not looked at; numbers of statements count the one that sets search_path
	my @rows = map { my $row = $_; my ($like) = grep { $row =~ /^\Q$_\E/ } @$expected; $like // $row } @{ $seen->{rows} // [] };
	is_deeply(\@rows, $expected, $name);
	(my $advice = $seen->{advice} // '') =~ s/statement (\d+)/'statement ' . ($1 - 1)/ge;
	if (@advice && defined $advice[0]) { like($advice, $advice[0], "$name: advice") }
	elsif (@advice) { is($advice, '', "$name: no advice") }
}

# ---- words about itself

my ($status, $out, $err) = run_it('', '--help');
is($status, 0, '--help');
like($out, qr/^Usage:.*^Options:.*^Exit status:/ms, 'explains itself');
is(scalar(grep { length > 80 } split /\n/, $out =~ s/^.*\n//r), 0, 'in 80 columns');
(my $version = slurp_file('guard.control')) =~ s/.*default_version *= *'([^']*)'.*/$1/s;
is((run_it('', '--version'))[1], "guard_review $version\n", '--version');
status_is(['--nonsense'], 2, 'no such option');
status_is(['--format=xml'], 2, 'no such format');
status_is(['nowhere.sql'], 2, 'no such file');

# ---- exit status

file('harmless.sql', "CREATE TABLE t (id int);\nDROP TABLE t;\n");
file('bad.sql', "-- the index that auth needs\nDROP INDEX " . hot() . ";\n");
file('wrong.sql', "SELECT 1;\nDROP INDX u1_a_idx;\n");
file('absent.sql', "DROP INDEX nowhere_idx;\n");
file('empty.sql', '');
status_is(['harmless.sql'], 0, 'nothing blocked');
like(status_is(['empty.sql'], 0, 'an empty file'), qr/nothing blocked in 0 statements/, 'which has no statements');
status_is(['wrong.sql'], 2, 'a syntax error');
status_is(['absent.sql'], 2, 'an index that is not there');
($status, $out, $err) = review('', 'wrong.sql', 'bad.sql', 'harmless.sql');
is($status, 1, 'a syntax error, and something blocked');
like($out, qr/^BLOCK \(hot\)  bad.sql:2  DROP INDEX u1_a_idx\n    public.u1_a_idx\n    auth used it once/m, 'what, where, which, why');
like($out, qr/^ERROR \(syntax\)  wrong.sql:2  DROP INDX u1_a_idx\n    Statement 2, line 2, column 6: syntax error/m, 'a syntax error, by the file\'s own line');
like($out, qr/^guard: 1 index blocked, 1 error in 5 statements$/m, 'and the sum');
unlike($out, qr/\033/, 'without colours where nobody sees them');
unlike($out, qr/CREATE TABLE/, 'what is harmless is not listed');
like((review('', '--all', 'harmless.sql'))[1], qr/CREATE TABLE/, 'unless one asks for all');
status_is([], 1, 'standard input', 'DROP INDEX ' . hot());
status_is([ '-', 'harmless.sql' ], 1, 'among files', 'DROP INDEX ' . hot());
($status, $out, $err) = run_it('', '--scratch=host=' . $node->host . ' port=1 dbname=postgres', 'bad.sql');
is($status, 2, 'no connection');
($status, $out, $err) = run_it('', "--scratch=host=" . $node->host . ' port=' . $node->port . ' dbname=template1', 'bad.sql');
is("$status $err", "2 guard_review: guard is not installed in this database: CREATE EXTENSION guard;\n", 'a database without guard');
($status, $out, $err) = run_it('', '--scratch=postgresql:///postgres?host=' . $node->host . '&port=' . $node->port, 'harmless.sql');
is($status, 0, 'a connection as a URI') || diag($err);

# ---- statements are told by line, in every way of writing them

my ($one, $two, $three) = (hot(), hot(), hot());
file('lines.sql', "\n/* two\n   lines */\nDROP INDEX\n  $one;  SELECT 1;\n-- and\nDROP INDEX $two /* it */;\nSELECT 'DROP INDEX $three' \\gexec\n");
is_deeply(rows('lines.sql'), [ "lines.sql:4 public.$one block", 'lines.sql:5 - allow', "lines.sql:7 public.$two block", 'lines.sql:8 - allow', "lines.sql:8 public.$three block" ], 'lines');
file('create.sql', 'CREATE INDEX n ON u7 (a);');
my $seven = 'u7_a_idx';
file('drop.sql', "DROP INDEX $seven;");
is_deeply(rows('create.sql', 'drop.sql'), [ 'create.sql:1 - allow', "drop.sql:1 public.$seven allow" ], 'a file finds what those before it leave');
$next = 8;
file('order.sql', "DROP INDEX u9_a_idx;\nCREATE INDEX u9_a_idx ON u9 (a);\n");
$next = 9;
is_deeply(rows('-1', 'order.sql'), [ 'order.sql:1 - allow', 'order.sql:1 public.u9_a_idx allow', 'order.sql:2 - allow', 'order.sql:3 - allow' ], '--single-transaction');

# ---- the other formats are what they say they are

my $odd_index = hot();
file('odd.sql', qq{DROP INDEX "$odd_index"; -- <&>\nSELECT '<a href="x">|\\t&amp;', E'\\x01', "odd	name", '`*_' FORM t t;\n\\echo <b> |\n});
my $answer = answer('odd.sql', 'absent.sql');
is_deeply([ map { $_->{verdict} } @{ $answer->{rows} } ], [ 'block', 'error', 'error' ], 'JSON: verdicts');
is_deeply([ @$answer{qw(verdict statements blocked errors not_run)} ], [ 'block', 3, 1, 2, 0 ], 'JSON: sums');
is($answer->{rows}[1]{command}, q{SELECT '<a href="x">|\t&amp;', E'\x01', "odd name", '`*_' FORM t t}, 'JSON: texts are kept');
like($answer->{rows}[0]{advice}, qr/Deploy/, 'JSON: advice');
is(answer('harmless.sql')->{verdict}, 'allow', 'JSON: nothing blocked');

# Well-formed: every tag is closed by its own, attributes are quoted, nothing is left over.
sub is_xml
{
	my ($text, $name) = @_;
	my @open;
	my $rest = $text;

	$rest =~ s/^<\?xml version="1.0" encoding="UTF-8"\?>\n//;
	while ($rest =~ s/^(?:[^<&>\x00-\x08]|&(?:amp|lt|gt|quot|#\d+);)*<(\/?)([a-z-]+)((?:\s+[a-z]+="(?:[^<&"]|&(?:amp|lt|gt|quot|#\d+);)*")*)\s*(\/?)>//)
	{
		if ($1) { last if (pop(@open) // '') ne $2 }
		elsif (!$4) { push @open, $2 }
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($rest =~ /^\s*$/ && !@open, $name) || diag("at: $rest");
}
my ($first, $second) = (hot(), hot());
file('two.sql', "DROP INDEX $first;\nDROP INDEX $second;\nSELECT 1 FORM t;\n\\nonsense\n");
my $junit = (review('', '--format=junit', 'two.sql', 'harmless.sql'))[1];
is_xml($junit, 'JUnit is well-formed XML');
like($junit, qr/<testsuite name="guard_review" tests="6" failures="2" errors="2" skipped="0">/, 'with the sums');
like($junit, qr/<testcase classname="two.sql" name="line 1: DROP INDEX $first \[public.$first\]" file="two.sql" line="1"><failure type="hot"/, 'and a failure');
is_xml((review('', '--format=junit'))[1], 'also without a statement');
my ($third, $fourth) = (hot(), hot());
file('more.sql', "DROP INDEX $third;\nDROP INDEX $fourth; -- |\nSELECT '|' FORM t;\n");
my $markdown = (review('', '--format=markdown', 'more.sql'))[1];
like($markdown, qr/\A### guard: blocked\n\n2 indexes blocked.*?\n\n\| where \| .*\n\|---\|/, 'Markdown: verdict, table');
is(scalar(grep { my $l = $_; $l =~ s/\\\|//g; ($l =~ tr/|//) != 6 } grep { /^\|/ } split /\n/, $markdown), 0, 'whose lines all have as many cells');
like($markdown, qr/^<details><summary>Evidence<\/summary>\n\n- .*^<\/details>$/ms, 'and folded details');
like((review('', '--format=markdown', 'harmless.sql'))[1], qr/\A### guard: nothing blocked\n/, 'Markdown: nothing blocked');

# ---- psql: \i, \ir, variables, data, an end

my ($in_two, $by_variable, $after) = (hot(), hot(), hot());
file('psql/main.sql', <<"END");
\\set tab u1
\\ir parts/one.sql
COPY u1 (a, c) FROM stdin;
1	\\i nothing; DROP INDEX u1_b_idx;
\\.
DROP INDEX :"idx";
\\i nowhere.sql
CREATE INDEX u1_n ON :tab (a); SELECT '1'::text;
\\set ON_ERROR_STOP on
SELECT nothing;
DROP INDEX $after;
END
file('psql/parts/one.sql', "SELECT 1;\n\\ir two.sql\n");
file('psql/parts/two.sql', "\nDROP INDEX CONCURRENTLY $in_two\n");
my @rows = map { s/^.*?psql/psql/r } @{ rows('-v', "idx=$by_variable", 'psql/main.sql') };
is_deeply(
	\@rows,
	[
		'psql/parts/one.sql:1 - allow', "psql/parts/two.sql:2 public.$in_two block", 'psql/main.sql:3 - allow', "psql/main.sql:6 public.$by_variable block",
		'psql/main.sql:7 - error', 'psql/main.sql:8 - allow', 'psql/main.sql:8 - allow', 'psql/main.sql:10 - error', 'psql/main.sql:- - error'
	],
	'psql: included files, variables, data, an end') || diag("@rows");
is(index_state($s, $after), 'valid ready live', 'behind which nothing was run');
my $by_tool = hot();
file('flyway.sql', "DROP INDEX \${schema}.$by_tool;\n");
is_deeply(rows('-v', 'schema=public', 'flyway.sql'), [ "flyway.sql:1 public.$by_tool block" ], 'variables of other tools');

# ---- both ways in one file: the way up is run

my $kept = hot();
my %tools = (
	goose => "-- +goose Up\n-- +goose StatementBegin\nSELECT 'up';\n-- +goose StatementEnd\n\n-- +goose Down\nDROP INDEX $kept;\n",
	'sql-migrate' => "-- +migrate Up\nSELECT 'up';\n\n-- +migrate Down\nDROP INDEX $kept;\n",
	dbmate => "-- migrate:up transaction:false\nSELECT 'up';\n-- migrate:down\nDROP INDEX $kept;\n",
	'node-pg-migrate' => "-- Up Migration\nSELECT 'up';\n-- Down Migration\nDROP INDEX $kept;\n",
	plain => "-- Up\r\nSELECT 'up';\r\n---- DOWN ----\r\nDROP INDEX $kept;\r\n",
	tern => "SELECT 'up';\n---- create above / drop below ----\nDROP INDEX $kept;\n",
	liquibase => "--liquibase formatted sql\n--changeset me:1\nSELECT 'up';\n--rollback DROP INDEX $kept;\n",
	play => "# --- !Ups\nSELECT 'up';\n# --- !Downs\nDROP INDEX $kept;\n",
	mybatis => "-- // a description\nSELECT 'up';\n-- //\@UNDO\nDROP INDEX $kept;\n",
	rollback => "SELECT 'up';\n-- rollback\nDROP INDEX $kept;\n",
);
file("tools/$_.sql", $tools{$_}) foreach keys %tools;
$answer = answer(map { "tools/$_.sql" } sort keys %tools);
is_deeply([ grep { !/BEGIN|COMMIT/ } map { "$_->{file} $_->{command}" } @{ $answer->{rows} } ], [ map { "tools/$_.sql SELECT 'up'" } sort keys %tools ], 'the way up, and nothing else');
is_deeply([ map { "$_->{file} $_->{lines}" } @{ $answer->{left_out} } ], [ map { "tools/$_.sql 1" } grep { $_ ne 'liquibase' } sort keys %tools ], 'what a mark leaves out is said');
is(index_state($s, $kept), 'valid ready live', 'and is not run');
like((review('', "--format=$_", 'tools/goose.sql', 'tools/plain.sql'))[1], qr/left out as the way down: 1 line of tools\/goose.sql, 1 line of tools\/plain.sql/, "$_: so") foreach qw(text markdown junit);
# goose, dbmate and the like run it in a transaction, unless told not to
my ($swap, $swap2) = (hot(), hot());
file('tools/swap.sql', "-- +goose Up\nDROP INDEX $swap;\nCREATE INDEX ON " . ($swap =~ s/_.*//r) . " (a);\n-- +goose Down\n");
file('tools/swap2.sql', "-- +goose NO TRANSACTION\n-- +goose Up\nDROP INDEX $swap2;\nCREATE INDEX ON " . ($swap2 =~ s/_.*//r) . " (a);\n-- +goose Down\n");
is_deeply([ grep { /_a_idx/ } @{ rows('tools/swap.sql', 'tools/swap2.sql') } ], [ "tools/swap.sql:2 public.$swap allow", "tools/swap2.sql:3 public.$swap2 block" ], 'goose: one transaction, or none');
# a mark in the middle of something hides nothing
my $hidden = hot();
my %hiding = (
	'a comment' => "SELECT 1; /*\n-- +goose Down\n*/\n",
	'a string' => "SELECT 'x\n-- // \@UNDO\n';\n",
	'a body' => "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS \$x\$\n-- +migrate Down\nSELECT 1 \$x\$;\n",
	'parentheses' => "SELECT (\n# --- !Downs\n1);\n",
	'data' => "COPY u1 (a) FROM STDIN WITH (DELIMITER ',');\n-- +goose Down\n\\.\n",
);
my $hiding = 0;
foreach my $what (sort keys %hiding)
{
	my $name = 'hide/a' . ++$hiding . '.sql';
	file($name, $hiding{$what} . "DROP INDEX $hidden; -- */\n");
	status_is([$name], 2, "$what hides no DROP INDEX");
}

# ---- folders

file('flat/V10__c.sql', 'SELECT 3');
file('flat/R__z.sql', 'SELECT 9');
file('flat/V2__b.sql', 'SELECT 2');
file('flat/V1__a.sql', 'SELECT 1');
file('flat/U1__a.sql', "DROP INDEX $kept");
file('flat/4_d.up.sql', 'SELECT 4');
file('flat/4_d.down.sql', "DROP INDEX $kept");
file('flat/5/up.sql', 'SELECT 5');
file('flat/5/down.sql', "DROP INDEX $kept");
is(join(' ', map { s{flat/(.*):1 - allow}{$1}r } @{ rows('flat') }), '4_d.up.sql 5/up.sql V1__a.sql V2__b.sql V10__c.sql R__z.sql', 'a folder: the way up, in order');
($status, $out, $err) = review('', '--format=json', 'flat/4_d.down.sql', 'flat/4_d.up.sql');
is($status, 0, 'of both ways among the files, up is judged');
like($err, qr/left out flat\/4_d.down.sql/, 'and the other named');

file('sqitch/sqitch.plan', "%syntax-version=1.0.0\n%project=p\n\nusers 2026-01-01T00:00:00Z Me <me\@x> # first\nzz/more [users] 2026-01-02T00:00:00Z Me <me\@x>\n\@v1 2026-01-02T00:00:00Z Me <me\@x> # tag\napples 2026-01-03T00:00:00Z Me <me\@x>\n");
foreach my $way (qw(deploy revert verify))
{
	file("sqitch/$way/$_.sql", "-- $way\nBEGIN;\n" . ($way eq 'revert' ? "DROP INDEX $kept" : 'SELECT 1') . ";\nCOMMIT;\n") foreach qw(apples users zz/more);
}
my %seen;
is(join(' ', grep { !$seen{$_}++ } map { s{.*/(deploy|revert|verify)/(.*):.*}{$1/$2}r } @{ rows('sqitch') }), 'deploy/users.sql deploy/zz/more.sql deploy/apples.sql', 'sqitch: deploy/, in the order of the plan');
status_is(['sqitch/revert/users.sql', 'sqitch/deploy/users.sql'], 0, 'sqitch: deploy/ wins over revert/');

# ---- bytes that do not belong there hide nothing

file('zero.sql', "SELECT 1; -- \0\nDROP INDEX $kept;\n");
($status, $out, $err) = review('', 'zero.sql');
is("$status $err", "2 guard_review: could not judge zero.sql: it has zero bytes; is it UTF-16?\n", 'a zero byte');
file('latin1.sql', "SELECT 'caf\xe9';\n");
like(status_is(['latin1.sql'], 2, 'another encoding'), qr/set PGCLIENTENCODING/, 'which can be said');
{
	local $ENV{PGCLIENTENCODING} = 'LATIN1';
	status_is(['latin1.sql'], 0, 'and is');
}
my $odd = "![x](https:--e.invalid) <b> `c` [l](x) \e[31m \x{c2}\x{9b} \x{ef}\x{bf}\x{bf} \x{e2}\x{80}\x{ae} www.e.invalid.sql";
file("odd/$odd", "SELECT 1 FORM t \"\e]0;x\a [a](http://e.invalid) \x{ef}\x{bf}\x{bf}\";\n");
foreach my $format (qw(text markdown json junit))
{
	($status, $out, $err) = review('', "--format=$format", '--', "odd/$odd");
	is($status, 2, "$format: an odd name") || diag($err);
	unlike($out, qr/[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xef\xbf[\xbe\xbf]|\xe2\x80[\xa8-\xae]/, "$format: no control character");
	ok(utf8::decode(my $copy = $out), "$format: valid UTF-8");
	is_xml($out, 'JUnit can be read') if $format eq 'junit';
	JSON::PP->new->utf8->decode($out) if $format eq 'json';
	unlike($out =~ s/`[^`\n]*`//gr, qr/!\[|\]\(|<b>|www\.|:\/\//, 'Markdown: nothing is a link or an image') if $format eq 'markdown';
}
($status, $out, $err) = review('', '--', '--host=evil.invalid');
is("$status $err", "2 guard_review: could not read --host=evil.invalid\n", 'behind -- an option is a file');

# ---- no password leaves it

file('secret.sql', "CREATE ROLE regress_guard_r PASSWORD 'geheim';\nALTER ROLE regress_guard_r PASSWORT 'geheim';\nALTER ROLE nobody_there PASSWORD E'geheim\\'2';\nCREATE SUBSCRIPTION s CONNECTION \$c\$host=h password=geheim3\$c\$ PUBLICATION p WITH (connect=false);\nDROP ROLE regress_guard_r;\n");
foreach my $format (qw(text markdown json junit))
{
	($status, $out, $err) = review('', "--format=$format", '--all', 'secret.sql');
	unlike("$out$err", qr/geheim/, "$format: no password is shown");
}
($status, $out, $err) = run_it('', '--scratch=host=' . $node->host . ' port=1 password=geheim', 'secret.sql');
unlike("$out$err", qr/geheim/, 'nor that of the connection');

# ---- what leaves the database is not run in a database that is somebody's

file('leaves.sql', "ALTER SYSTEM SET work_mem = '5MB';\nCREATE DATABASE regress_guard_d;\nCOPY u1 TO PROGRAM 'cat > $folder/left';\n/* why */ ALTER SYSTEM SET work_mem = '5MB';\nSELECT 1\\; COPY u1 TO PROGRAM 'cat > $folder/left';\nSELECT 1;\n");
($status, $out, $err) = review('', '--format=json', '--strict', 'leaves.sql');
is($status, 2, 'what leaves the database');
is_deeply([ map { $_->{verdict} } @{ JSON::PP->new->decode($out)->{rows} } ], [ ('not run') x 5, 'allow' ], 'is not run, and named');
ok(!-e "$folder/left", 'so nothing was written');
my $ran = hot();
foreach my $line ("\\! touch $folder/left", "\\echo `touch $folder/left`", "\\o |touch $folder/left", "\\copy u1 to program 'touch $folder/left'", "SELECT 1 \\g |touch $folder/left")
{
	file('shell' . ++$hiding . '.sql', "SELECT 2;\n$line\nDROP INDEX $ran;\n");
	is_deeply(rows("shell$hiding.sql"), [ "shell$hiding.sql:2 - not run" ], "not run: $line");
}
ok(!-e "$folder/left", 'and no program was started');
is(index_state($s, $ran), 'valid ready live', 'nor anything else of these files');
unlink "$folder/left";

# ---- nothing is left behind

is(scalar(() = glob(($ENV{TMPDIR} // '/tmp') . "/guard_review.*")), 0, 'no temporary file is left')
  if !$ENV{GUARD_SHARED_TMP};

$node->stop;
done_testing();
