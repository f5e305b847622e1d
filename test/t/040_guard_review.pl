# guard_review, the program: files of several tools, four formats, exit status, and what it must not show.

use strict;
use warnings FATAL => 'all';
use Cwd;
use File::Path qw(make_path);
use GuardTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $s = session($node);
make_table($s, 'users');
$s->ok('CREATE INDEX users_b_idx ON users (b)');
make_table($s, 'teams');
my $auth = use_index($node, 'users');
use_index($node, 'teams')->close;

my $program = getcwd . '/guard_review';
my $folder = PostgreSQL::Test::Utils::tempdir;
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';
delete $ENV{$_} foreach qw(PGOPTIONS PGUSER);

sub file
{
	my ($name, $text) = @_;
	my $path = "$folder/$name";

	(my $parent = $path) =~ s{/[^/]*$}{};
	make_path($parent);
	append_to_file($path, $text);
	return $path;
}

# Runs it there; returns exit status, output and errors.
sub review
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

sub status_is
{
	my ($words, $expected, $name, $input) = @_;
	my ($status, $out, $err) = review($input // '', @$words);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($status, $expected, $name) || diag("$out$err");
	return $out;
}

# The rows of --format=json as "file:line target verdict".
sub rows
{
	my (@words) = @_;
	my ($status, $out, $err) = review('', '--format=json', @words);
	my $answer = eval { JSON::PP->new->utf8->decode($out) };

	diag("not JSON: $out$err") unless $answer;
	return [ map { "$_->{file}:$_->{line} " . ($_->{target} // '-') . " $_->{verdict}" } @{ $answer->{rows} } ];
}

# ---- words about itself

my ($status, $out, $err) = review('', '--help');
is($status, 0, '--help');
like($out, qr/^Usage:.*^Options:.*^Exit status:/ms, 'explains itself');
(my $version = slurp_file('guard.control')) =~ s/.*default_version *= *'([^']*)'.*/$1/s;
is((review('', '--version'))[1], "guard_review $version\n", '--version');
status_is(['--nonsense'], 2, 'no such option');
status_is(['--format=xml'], 2, 'no such format');
status_is(['nowhere.sql'], 2, 'no such file');

# ---- exit status

file('harmless.sql', "CREATE TABLE t (id int);\nDROP TABLE t;\nDROP INDEX users_b_idx;\n");
file('bad.sql', "-- the index that auth needs\nDROP INDEX users_a_idx;\n");
file('wrong.sql', "SELECT 1;\nDROP INDX users_a_idx;\n");
file('opaque.sql', "DO \$\$ BEGIN END \$\$;\n");
file('absent.sql', "DROP INDEX nowhere_idx;\n");
status_is(['harmless.sql'], 0, 'nothing blocked');
status_is(['bad.sql'], 1, 'something blocked');
status_is(['wrong.sql'], 2, 'a syntax error');
status_is(['wrong.sql', 'bad.sql'], 1, 'a syntax error, and something blocked');
status_is(['opaque.sql'], 0, 'what cannot be seen into is listed');
status_is(['--strict', 'opaque.sql'], 2, 'or a failure, where one wants');
status_is(['absent.sql'], 2, 'an index that is not there cannot be judged');
status_is([], 1, 'standard input', "DROP INDEX users_a_idx");
status_is(['-', 'harmless.sql'], 1, 'among files', "DROP INDEX users_a_idx");
{
	local $ENV{PGPORT} = 1;
	status_is(['bad.sql'], 2, 'no connection');
	status_is(['-h', $node->host, '-p', $node->port, '-d', 'postgres', 'bad.sql'], 1, 'connection by options');
	status_is(['--dbname=host=' . $node->host . ' port=' . $node->port . ' dbname=postgres', 'bad.sql'], 1, 'connection by string');
}
{
	local $ENV{PGDATABASE} = 'template1';
	($status, $out, $err) = review('', 'bad.sql');
	is($status, 2, 'a database without guard');
	like($err, qr/guard is not installed in this database/, 'says so');
}

# ---- text

($status, $out, $err) = review('', 'bad.sql', 'harmless.sql', 'wrong.sql', 'opaque.sql');
like($out, qr/^BLOCK \(hot\)  bad.sql:2  DROP INDEX users_a_idx\n    public.users_a_idx\n    auth used it once/m, 'what, where, which, why');
like($out, qr/^ERROR \(syntax\)  wrong.sql:2 .*\n    Statement 2, line 2, column 6: syntax error/m, 'a syntax error, by the file\'s own line');
like($out, qr/^NOT REVIEWED  opaque.sql:1 /m, 'what cannot be seen into');
like($out, qr/^guard: 1 index blocked, 1 syntax error, 1 not reviewed in 7 statements$/m, 'and the sum');
unlike($out, qr/\033/, 'without colours where nobody sees them');
unlike($out, qr/CREATE TABLE/, 'what is harmless is not listed');
like((review('', '--all', 'harmless.sql'))[1], qr/CREATE TABLE/, 'unless one asks for all');

# ---- statements are told by line

file('order.sql', "\n\nDROP INDEX\n  users_a_idx;\n\nCREATE INDEX users_a_idx ON users (a);\n");
like((review('', 'harmless.sql', 'order.sql'))[1] =~ s/\s+/ /gr, qr/Turn statement 1 \(line 3\) and statement 2 \(line 6\) round/, 'advice names statements by their file\'s numbers and lines');
file('create.sql', "CREATE INDEX n ON users (a);");
is_deeply(rows('create.sql', 'bad.sql'), [ 'create.sql:1 - allow', 'bad.sql:2 public.users_a_idx allow' ], 'a file finds what those before it leave');
is_deeply(rows('-1', 'order.sql'), [ 'order.sql:3 public.users_a_idx allow', 'order.sql:6 - allow' ], '--single-transaction');

# ---- the other formats are what they say they are

file('odd.sql', qq{DROP INDEX "teams_a_idx"; -- <&>\nSELECT '<a href="x">|\\t&amp;', E'\\x01', "odd	name", '`*_' FORM t;\n\\echo <b> | `x`\n});
my $answer = JSON::PP->new->utf8->decode((review('', '--format=json', 'odd.sql', 'opaque.sql'))[1]);
is_deeply([ map { $_->{verdict} } @{ $answer->{rows} } ], [ 'block', 'error', 'not reviewed', 'not reviewed' ], 'JSON: verdicts');
is_deeply([ @$answer{qw(verdict statements blocked errors not_reviewed)} ], [ 'block', 4, 1, 1, 2 ], 'JSON: sums');
is($answer->{rows}[1]{command}, q{SELECT '<a href="x">|\t&amp;', E'\x01', "odd name", '`*_' FORM t}, 'JSON: texts are kept');
is($answer->{rows}[0]{advice} =~ /Deploy/ ? 1 : 0, 1, 'JSON: advice');
is(JSON::PP->new->utf8->decode((review('', '--format=json', 'harmless.sql'))[1])->{verdict}, 'allow', 'JSON: nothing blocked');
is(JSON::PP->new->utf8->decode((review('', '--format=json'))[1])->{statements}, 0, 'JSON: nothing at all');

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
my $junit = (review('', '--format=junit', 'odd.sql', 'bad.sql', 'harmless.sql'))[1];
is_xml($junit, 'JUnit is well-formed XML');
like($junit, qr/<testsuite name="guard_review" tests="7" failures="2" errors="1" skipped="1">/, 'with the sums');
like($junit, qr/<testcase classname="bad.sql" name="line 2: DROP INDEX users_a_idx \[public.users_a_idx\]" file="bad.sql" line="2"><failure type="hot"/, 'and a failure');
is_xml((review('', '--format=junit'))[1], 'also without a statement');

my $markdown = (review('', '--format=markdown', 'odd.sql', 'bad.sql'))[1];
like($markdown, qr/\A### guard: blocked\n\n2 indexes blocked.*?\n\n\| where \| .*\n\|---\|/, 'Markdown: verdict, table');
is(scalar(grep { my $l = $_; $l =~ s/\\\|//g; ($l =~ tr/|//) != 6 } grep { /^\|/ } split /\n/, $markdown), 0, 'whose lines all have as many cells');
like($markdown, qr/^<details><summary>Evidence<\/summary>\n\n- .*^<\/details>$/ms, 'and folded details');
like((review('', '--format=markdown', 'create.sql'))[1], qr/\A### guard: nothing blocked\n/, 'Markdown: nothing blocked');

# ---- psql: \i, \ir, variables, data

file('psql/main.sql', <<'END');
\set ON_ERROR_STOP on
\set tab users
\ir parts/one.sql
COPY users (a, c) FROM stdin;
1	\i nothing; DROP INDEX users_a_idx;
\.
DROP INDEX :"idx";
\i psql/parts/two.sql
\i nowhere.sql
CREATE INDEX n ON :tab (a); SELECT a[1:2], '1'::text FROM users;
DROP INDEX users_a_idx;
END
file('psql/parts/one.sql', "SELECT 1;\n\\ir two.sql\n");
file('psql/parts/two.sql', "\nDROP INDEX CONCURRENTLY users_b_idx\n");
is_deeply(
	rows('-v', 'idx=users_a_idx', 'psql/main.sql'),
	[
		'psql/main.sql:1 - allow', 'psql/main.sql:2 - not reviewed',
		'psql/parts/one.sql:1 - allow', 'psql/parts/two.sql:2 public.users_b_idx allow',
		'psql/main.sql:4 - allow', 'psql/main.sql:7 public.users_a_idx block',
		'psql/parts/two.sql:2 users_b_idx not reviewed', 'psql/main.sql:9 - not reviewed',
		'psql/main.sql:10 - allow', 'psql/main.sql:10 - allow',
		'psql/main.sql:11 users_a_idx not reviewed'
	],
	'psql: included files, variables, data');
file('flyway.sql', "DROP INDEX \${schema}.users_a_idx;\n");
is_deeply(rows('flyway.sql'), [ 'flyway.sql:1 - not reviewed' ], 'variables of other tools');
is_deeply(rows('-v', 'schema=public', 'flyway.sql'), [ 'flyway.sql:1 public.users_a_idx block' ], 'can be given as well');
file('loop.sql', "\\ir loop.sql\nSELECT 1;\n");
is_deeply(rows('loop.sql'), [ 'loop.sql:1 - not reviewed', 'loop.sql:2 - allow' ], 'a file that includes itself');

# ---- both ways in one file: the way up is judged

my %tools = (
	goose => "-- +goose Up\n-- +goose StatementBegin\nSELECT 'up';\n-- +goose StatementEnd\n\n-- +goose Down\nDROP INDEX users_a_idx;\n",
	'sql-migrate' => "-- +migrate Up\nSELECT 'up';\n\n-- +migrate Down\nDROP INDEX users_a_idx;\n",
	dbmate => "-- migrate:up transaction:false\nSELECT 'up';\n-- migrate:down\nDROP INDEX users_a_idx;\n",
	'node-pg-migrate' => "-- Up Migration\nSELECT 'up';\n-- Down Migration\nDROP INDEX users_a_idx;\n",
	plain => "-- Up\r\nSELECT 'up';\r\n---- DOWN ----\r\nDROP INDEX users_a_idx;\r\n",
	tern => "SELECT 'up';\n---- create above / drop below ----\nDROP INDEX users_a_idx;\n",
	liquibase => "--liquibase formatted sql\n--changeset me:1\nSELECT 'up';\n--rollback DROP INDEX users_a_idx;\n",
	play => "# --- !Ups\nSELECT 'up';\n# --- !Downs\nDROP INDEX users_a_idx;\n",
	mybatis => "-- // a description\nSELECT 'up';\n-- //\@UNDO\nDROP INDEX users_a_idx;\n",
	rollback => "SELECT 'up';\n-- rollback\nDROP INDEX users_a_idx;\n",
);
foreach my $tool (sort keys %tools)
{
	file("tools/$tool.sql", $tools{$tool});
	my $found = rows("tools/$tool.sql");
	ok(@$found == 1 && $found->[0] =~ / - allow$/, "$tool: the way up, and nothing else") || diag("@$found");
}
# goose, dbmate and the like run it in a transaction, unless told not to
file('tools/swap.sql', "-- +goose Up\nDROP INDEX users_a_idx;\nCREATE INDEX users_a_idx ON users (a);\n-- +goose Down\n");
is_deeply(rows('tools/swap.sql'), [ 'tools/swap.sql:2 public.users_a_idx allow', 'tools/swap.sql:3 - allow' ], 'goose: one transaction');
file('tools/swap2.sql', "-- +goose NO TRANSACTION\n-- +goose Up\nDROP INDEX users_a_idx;\nCREATE INDEX users_a_idx ON users (a);\n");
is_deeply(rows('tools/swap2.sql'), [ 'tools/swap2.sql:3 public.users_a_idx block', 'tools/swap2.sql:4 - allow' ], 'goose: no transaction');

# ---- folders

file('flat/V10__c.sql', 'SELECT 3');
file('flat/R__z.sql', 'SELECT 9');
file('flat/V2__b.sql', 'SELECT 2');
file('flat/V1__a.sql', 'SELECT 1');
file('flat/U1__a.sql', 'DROP INDEX users_a_idx');
file('flat/4_d.up.sql', 'SELECT 4');
file('flat/4_d.down.sql', 'DROP INDEX users_a_idx');
file('flat/5/up.sql', 'SELECT 5');
file('flat/5/down.sql', 'DROP INDEX users_a_idx');
is(join(' ', map { s{flat/(.*):1 - allow}{$1}r } @{ rows('flat') }), '4_d.up.sql 5/up.sql V1__a.sql V2__b.sql V10__c.sql R__z.sql', 'a folder: the way up, in order');
($status, $out, $err) = review('', '--format=json', 'flat/4_d.down.sql', 'flat/4_d.up.sql');
is($status, 0, 'of both ways among the files, up is judged');
like($err, qr/left out flat\/4_d.down.sql/, 'and the other named');
status_is(['flat/4_d.down.sql'], 1, 'alone, the way down is judged as well');

file('sqitch/sqitch.plan', "%syntax-version=1.0.0\n%project=p\n\nusers 2026-01-01T00:00:00Z Me <me\@x> # first\nzz/more [users] 2026-01-02T00:00:00Z Me <me\@x>\n\@v1 2026-01-02T00:00:00Z Me <me\@x> # tag\napples 2026-01-03T00:00:00Z Me <me\@x>\n");
foreach my $way (qw(deploy revert verify))
{
	file("sqitch/$way/$_.sql", "-- $way\nBEGIN;\n" . ($way eq 'revert' ? 'DROP INDEX users_a_idx' : 'SELECT 1') . ";\nCOMMIT;\n") foreach qw(apples users zz/more);
}
my %seen;
is(join(' ', grep { !$seen{$_}++ } map { s{.*/(deploy|revert|verify)/(.*):.*}{$1/$2}r } @{ rows('sqitch') }), 'deploy/users.sql deploy/zz/more.sql deploy/apples.sql', 'sqitch: deploy/, in the order of the plan');
is(scalar(@{ rows('sqitch/deploy') }), 9, 'sqitch: the folder deploy itself');
status_is(['sqitch/revert/users.sql', 'sqitch/deploy/users.sql'], 0, 'sqitch: deploy/ wins over revert/');

# ---- a dump is a script, too

my ($dump) = run_command([ 'pg_dump', '-d', $node->connstr('postgres') ]);
append_to_file("$folder/dump.sql", $dump);
($status, $out, $err) = review('', '--format=json', 'dump.sql');
$answer = JSON::PP->new->utf8->decode($out);
is($status, 0, 'a dump can be reviewed') || diag($err);
ok($answer->{statements} > 10 && $answer->{errors} == 0, 'every statement of it');
my ($clean) = run_command([ 'pg_dump', '--clean', '--if-exists', '--no-owner', '-d', $node->connstr('postgres') ]);
append_to_file("$folder/clean.sql", $clean);
status_is(['clean.sql'], 1, 'one that drops what is there first is blocked');

# ---- bytes that do not belong there hide nothing

file('separators.sql', "DROP INDEX /* \x1f */ users_a_idx;\nDROP INDEX /* \x1e */ teams_a_idx;\n");
is_deeply(rows('separators.sql'), [ 'separators.sql:1 public.users_a_idx block', 'separators.sql:2 public.teams_a_idx block' ], 'what separates fields and rows inside of guard_review');
file('zero.sql', "SELECT 1; -- \0\nDROP INDEX users_a_idx;\n");
($status, $out, $err) = review('', 'zero.sql');
is("$status $err", "2 guard_review: could not judge zero.sql: it has zero bytes; is it UTF-16?\n", 'a zero byte, behind which awk and psql do not read on');
file('latin1.sql', "INSERT INTO users (c) VALUES ('caf\xe9'); DROP INDEX users_a_idx;\n");
($status, $out, $err) = review('', 'latin1.sql');
is("$status $err", "2 guard_review: the files are not in encoding UTF8: set PGCLIENTENCODING to the one they are in\n", 'another encoding');
{
	local $ENV{PGCLIENTENCODING} = 'LATIN1';
	status_is(['latin1.sql'], 1, 'another encoding, and it is said which');
}
file('empty.sql', '');
like(status_is(['empty.sql'], 0, 'an empty file'), qr/nothing blocked in 0 statements/, 'which has no statements');

# ---- commands of psql that cannot take an index away

file('psql.sql', "\\restrict abc\n\\set ON_ERROR_STOP on\n\\echo on we go; DROP INDEX users_a_idx\n\\timing on\n\\pset pager off\nSELECT 1;\n\\unrestrict abc\n");
status_is(['--strict', 'psql.sql'], 0, 'what psql says and how it shows it');
file('psql_set.sql', "\\set AUTOCOMMIT off\nSELECT 1;\n");
status_is(['--strict', 'psql_set.sql'], 2, '\set of what changes how statements run');
file('psql_shell.sql', "\\echo `psql -c 'DROP INDEX users_a_idx'`\n");
status_is(['--strict', 'psql_shell.sql'], 2, 'and what a shell does');
file('psql_behind.sql', "\\echo on we go \\\\ DROP INDEX users_a_idx;\n");
status_is(['--strict', 'psql_behind.sql'], 2, 'and what follows in the same line');

# ---- no password leaves it

file('secret.sql', "CREATE ROLE r PASSWORD 'geheim';\nALTER ROLE r PASSWORT 'geheim';\n\\connect postgresql://u:geheim\@h/d\n");
foreach my $format (qw(text markdown json junit))
{
	($status, $out, $err) = review('', "--format=$format", '--all', 'secret.sql');
	unlike("$out$err", qr/geheim/, "$format: no password is shown");
}
{
	local $ENV{PGPORT} = 1;
	local $ENV{PGPASSWORD} = 'geheim';
	($status, $out, $err) = review('', 'secret.sql', '-d', 'host=' . $node->host . ' password=geheim');
	unlike("$out$err", qr/geheim/, 'nor that of the connection');
}

# ---- what a pull request may not do

my $n = 0;
my $secret = file('outside/secret.sql', "SELECT geheim;\n");
my $refused = qr/^guard_review: could not judge [^\n]*a file is included only from the folder/;
symlink $secret, file('pr/x', '') =~ s/x$/link.sql/r;
symlink "$folder/outside", "$folder/pr/sub";
foreach my $include ($secret, '../outside/secret.sql', 'link.sql', 'sub/secret.sql', '/proc/self/environ', '/etc/passwd', '/dev/zero', '/dev/stdin', '.', "'../outside/secret.sql'")
{
	foreach my $command ($n % 2 ? '\i' : '\include_relative')
	{
		my $name = "pr/a" . ++$n . q{.sql};
		file($name, "$command $include\n");
		($status, $out, $err) = review('', '--', $name);
		ok(($status == 2 && $err =~ $refused) || $out =~ /NOT REVIEWED.*\n.*cannot be read/, "$command $include is not read") || diag("$status $out$err");
		unlike("$out$err", qr/geheim|root:/, 'nor shown');
	}
}
($status, $out, $err) = review("\\i harmless.sql\n");
is($status, 2, 'standard input includes nothing');
($status, $out, $err) = review('', 'pr/link.sql');
like("$status $err", qr/^2 .*it is a symbolic link/, 'a symbolic link among the files');
file('linked/1.sql', "SELECT 1;\n");
file('linked/hidden.txt', "DROP INDEX users_a_idx;\n");
symlink 'hidden.txt', "$folder/linked/2.sql";
($status, $out, $err) = review('', 'linked');
like("$status $err", qr/^2 .*it is a symbolic link/, 'and in a folder');
file('broken/1.sql', "SELECT 1;\n");
file("broken/a\nb.sql", "DROP INDEX users_a_idx;\n");
($status, $out, $err) = review('', 'broken');
like("$status $err", qr/^2 .*a name in it has a line break/, 'a name with a line break in a folder');
file('return.sql', "-- said\rDROP INDEX users_a_idx;\n");
is_deeply(rows('return.sql'), ['return.sql:1 public.users_a_idx block'], 'a carriage return ends a comment');
file('comment.sql', "\\set q /*\n/* :q */ DROP INDEX users_a_idx; -- */\n");
like(join("\n", @{ rows('comment.sql') }), qr/users_a_idx block/, 'a variable opens no comment');
file('pr/inet.sql', "\\i /inet/tcp/0/127.0.0.1/" . $node->port . "\n");
($status, $out, $err) = review('', '--all', 'pr/inet.sql');
like($out, qr/cannot be read/, 'no connection is opened');
file('pr/zeros.sql', "SELECT 1;\0\n");
file('pr/6.sql', "\\ir zeros.sql\nDROP INDEX users_a_idx;\n");
($status, $out, $err) = review('', 'pr/6.sql');
like("$status $err", qr/^2 .*it has zero bytes/, 'a zero byte in an included file');
file("pr/f$_.sql", "\\ir f" . ($_ + 1) . ".sql\n\\ir f" . ($_ + 1) . ".sql\n") foreach 0 .. 16;
file('pr/f17.sql', "SELECT 1;\n");
($status, $out, $err) = review('', 'pr/f0.sql');
like("$status $err", qr/^2 .*too many files are included/, 'includes that double');
($status, $out, $err) = review('', '--', '--host=evil.invalid');
is("$status $err", "2 guard_review: could not read --host=evil.invalid\n", 'behind -- an option is a file');
file('--version', "DROP INDEX users_a_idx;\n");
status_is(['--', '--version'], 1, 'which is judged');

# ---- names and statements are text in every format

my $odd = "![x](https:--e.invalid) <b> `c` [l](x) \e[31m \x{c2}\x{9b} \x{ef}\x{bf}\x{bf} \xff \x{e2}\x{80}\x{ae} www.e.invalid.sql";
file("odd/$odd", "DROP INDEX users_a_idx; -- x\nSELECT 1 FORM \"\e]0;x\a [a](http://e.invalid) \x{ef}\x{bf}\x{bf}\";\n");
foreach my $format (qw(text markdown json junit))
{
	($status, $out, $err) = review('', "--format=$format", '--', "odd/$odd");
	is($status, 1, "$format: an odd name") || diag($err);
	unlike($out, qr/[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xef\xbf[\xbe\xbf]|\xe2\x80[\xa8-\xae]/, "$format: no control character");
	ok(utf8::decode(my $copy = $out), "$format: valid UTF-8");
	is_xml($out, 'JUnit can be read') if $format eq 'junit';
	JSON::PP->new->utf8->decode($out) if $format eq 'json';
	unlike($out =~ s/`[^`\n]*`//gr, qr/!\[|\]\(|<b>|www\.|:\/\//, 'Markdown: nothing is a link or an image') if $format eq 'markdown';
}

# ---- what hides nothing: marks, includes and files in the middle of something

foreach my $format (qw(text markdown json junit))
{
	($status, $out, $err) = review('', "--format=$format", 'tools/goose.sql', 'tools/plain.sql');
	is($status, 0, "$format: both ways");
	if ($format eq 'json')
	{
		is_deeply([ sort { $a->{file} cmp $b->{file} } @{ JSON::PP->new->utf8->decode($out)->{left_out} } ],
			[ { file => 'tools/goose.sql', lines => 1 }, { file => 'tools/plain.sql', lines => 1 } ], 'json: what a mark leaves out is said');
	}
	else
	{
		like($out, qr/left out as the way down: (1 line of tools\/\w+.sql(, )?){2}/, "$format: what a mark leaves out is said");
	}
	is_xml($out, 'JUnit with what is left out') if $format eq 'junit';
}

file('hide/end.sql', "*/ SELECT \$\$\n");
file('hide/open.sql', "SELECT 1; /*\n");
file('hide/data.sql', "COPY users (a) FROM stdin;\n1\n");
my $down = "-- +goose Down";
my %hiding = (
	'a comment' => "SELECT 1; /*\n$down\n*/\n",
	'a comment in a comment' => "/* /* */\n-- migrate:down\n*/\n",
	'a string' => "SELECT 'x\n-- // \@UNDO\n';\n",
	'a string with an escape' => "SELECT E'x\\'\n$down\n';\n",
	'a name' => "SELECT 1 AS \"x\n-- rollback\n\";\n",
	'a body' => "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS \$x\$\n-- +migrate Down\nSELECT 1 \$x\$;\n",
	'a body in BEGIN ATOMIC' => "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1;\n-- Down Migration\nEND;\n",
	'parentheses' => "SELECT (\n# --- !Downs\n1);\n",
	'data' => "COPY users (a) FROM STDIN WITH (DELIMITER ',');\n$down\n\\.\n",
	'a comment, after a mark that is none' => "-- Up\n/*\n-- Up\n-- Down\n*/\n",
	'a comment that an included file ends' => "/*\n\\ir end.sql\n*/ DROP INDEX users_a_idx;\n-- \$\$;\n",
	'a comment that an included file begins' => "\\ir open.sql\n",
	'data that an included file begins' => "\\ir data.sql\n",
);
my $hiding = 0;
foreach my $what (sort keys %hiding)
{
	my $name = 'hide/a' . ++$hiding . '.sql';
	file($name, $hiding{$what} . "DROP INDEX users_a_idx; -- */\n");
	($status, $out, $err) = review('', $name);
	ok($status, "$what hides no DROP INDEX") || diag("$out$err");
	status_is([ $name, 'harmless.sql' ], $status, "$what: with a file behind it");
}
status_is([ "hide/$_", 'bad.sql' ], 2, "hide/$_ hides no file") foreach qw(open.sql data.sql);
file('hide/comment.sql', "SELECT 1; /*\n$down\n*/\nDROP INDEX users_a_idx;\n");
like(status_is([ 'hide/comment.sql' ], 2, 'a mark in a comment'), qr/^ERROR .*hide\/comment.sql:2.*\n\s+Here a file begins, .*the way down begins, but inside a comment/m, 'what is wrong, and where');
file('hide/fine.sql', "-- +goose Up\nSELECT 1; /* x\n*/ SELECT '\n', \$\$ it's \$\$\n$down\nDROP INDEX users_a_idx; /*\n-- +goose Up\nSELECT 2;\n");
is_deeply(rows('hide/fine.sql'), [ 'hide/fine.sql:2 - allow', 'hide/fine.sql:3 - allow', 'hide/fine.sql:8 - allow' ], 'outside of them a mark is a mark');

# ---- nothing is left behind, and nothing was done

is(scalar(() = glob(($ENV{TMPDIR} // '/tmp') . "/guard_review.*")), 0, 'no temporary file is left')
  if !$ENV{GUARD_SHARED_TMP};
is(index_state($s, 'users_a_idx'), 'valid ready live', 'the index is there');

$node->stop;
done_testing();
