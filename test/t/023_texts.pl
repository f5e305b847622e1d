# Judging reads no texts.  What other roles and databases have pg_stat_statements keep - bytes that are invalid here, texts that
# fill a disk - stands in no drop's way, neither in that of a refusal nor of what was approved.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', conf => "pg_stat_statements.track = all\n");
my $s = session($node);

$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok('CREATE ROLE nobody1 LOGIN');

# A table in use, whose text is of this test's time: no snapshot has seen it.
sub hot_table
{
	my ($name) = @_;

	make_table($s, $name);
	use_index($node, $name)->close;
}

sub log_position { return -s $node->logfile; }

# Every way in which a text in pg_stat_statements can stand in the way ends here.
sub judges_all_the_same
{
	my ($name, $why) = @_;

	hot_table($_) foreach "${name}1", "${name}2";
	# Some minor versions of PostgreSQL read what others fail at.
	my $fails = $why =~ /too long/ || $s->query('SELECT count(query) FROM pg_stat_statements')->{error};
	$why = $fails ? qr/\n\s*Without texts: $why\./ : qr/: SELECT c FROM ${name}1/;
	is(verdict($s, "${name}1_a_idx"), 'block hot', "$name: guard.check answers");
	my $from = log_position();
	my $r = session($node)->query("DROP INDEX ${name}1_a_idx");
	refused($r, qr/auth use it/, "$name: a refusal is a refusal");
	like($r->{error}{D} . $r->{error}{H}, qr/It serves 1 statement.*index_statements/s, "$name: with its evidence and hint");
	like(slurp_file($node->logfile, $from), qr/Uses public.${name}1_a_idx: queryid -?\d+, 1 times, mean [\d.]+ ms$why/, "$name: the log says that texts are missing");
	$s->ok("SELECT guard.approve('${name}2_a_idx', 'needed no more')");
	passed(session($node)->query("DROP INDEX ${name}2_a_idx"), "$name: what is approved goes");
	passed($s->query('SELECT * FROM guard.indexes'), "$name: guard.indexes");
	passed($s->query('SELECT guard.snapshot()'), "$name: a snapshot");
	is($s->value("SELECT mean_time > 0 FROM guard.index_statements('${name}1_a_idx')"), 't', "$name: guard.index_statements knows times");
	$s->ok('SELECT pg_stat_statements_reset()');
	passed($s->query('SELECT count(query) FROM pg_stat_statements'), "$name: over");
}

# ---- texts are written down by snapshots, and those are known whatever happens

hot_table('known');
$s->ok('SELECT guard.snapshot()');
like($s->value('SELECT string_agg(query, \' \') FROM guard.statement_rate'), qr/SELECT c FROM known WHERE a = \$1/, 'a snapshot writes texts down');

# ---- bytes that are no characters, in a database without an encoding

$s->ok("CREATE DATABASE raw TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
session($node, dbname => 'raw', user => 'nobody1')->ok("SELECT 1 /*\xFF\xFE*/ + 1");
my $from = log_position();
refused(session($node)->query('DROP INDEX known_a_idx'), qr/auth use it/, 'one that a snapshot knows');
like(slurp_file($node->logfile, $from), qr/Uses public.known_a_idx: .*: SELECT c FROM known WHERE a = \$1/, 'is logged with its text');
my $r = $s->query("SELECT query FROM guard.index_statements('known_a_idx')");
like($r->{rows}[0][0], qr/SELECT c FROM known/, 'and shown with it');
judges_all_the_same('ascii', 'pg_stat_statements could not be read with its texts');

# ---- ordinary comments, each valid where it is

$s->ok("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
$s->ok("CREATE DATABASE japan TEMPLATE template0 ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C'");
session($node, dbname => 'latin')->ok("SELECT 1 /* caf\xE9 \xBD */ + 2");
session($node, dbname => 'japan')->ok("SELECT 1 /* \xC6\xFC\xCB\xDC */ + 3");
$s->ok("SELECT pg_stat_clear_snapshot()");
foreach my $name (qw(latin japan))
{
	my $there = session($node, dbname => $name, client_encoding => 'UTF8');

	$there->ok('CREATE EXTENSION guard; CREATE EXTENSION pg_stat_statements');
	make_table($there, 't');
	my $user = session($node, dbname => $name, application_name => 'auth');
	$user->ok('SELECT c FROM t WHERE a = 42');
	$user->close;
	my $fails = $there->query('SELECT count(query) FROM pg_stat_statements')->{error};
	is(verdict($there, 't_a_idx'), 'block hot', "$name: guard.check answers");
	refused($there->query('DROP INDEX t_a_idx'), qr/auth use it/, "$name: refused");
	$r = $there->query("SELECT query FROM guard.index_statements('t_a_idx')");
	ok(!$fails == !!defined $r->{rows}[0][0], "$name: guard.index_statements, without texts where they cannot be read");
	is($r->{notices}[0]{M}, $fails ? 'texts of statements are missing: pg_stat_statements could not be read with its texts' : undef, "$name: and says so");
}
$s->ok('SELECT pg_stat_statements_reset()');

# ---- texts without end

my $flood = session($node, user => 'nobody1');
my $comment = 'x' x (1024 * 1024);
$flood->ok("SELECT 1 /*$comment*/" . ' + 1' x $_) foreach 1 .. 17;
judges_all_the_same('flood', 'the texts in pg_stat_statements are too long');
$flood->close;

# ---- without pg_stat_statements, or one that is too old

hot_table('without');
$s->ok('DROP EXTENSION pg_stat_statements');
refused(session($node)->query('DROP INDEX without_a_idx'), qr/auth use it/, 'without the extension');
$s->ok("CREATE EXTENSION pg_stat_statements VERSION '1.7'");
$r = session($node)->query('DROP INDEX without_a_idx');
refused($r, qr/auth use it/, 'of an old version');
like($r->{error}{H}, qr/To see texts and times: ALTER EXTENSION pg_stat_statements UPDATE;/, 'which is said, with the way out');
$node->stop;

# ---- guard not preloaded

$node = guard_server('plain', preload => 'pg_stat_statements', conf => "guard.min_scans = 1\n");
$s = session($node);
$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok("CREATE DATABASE raw TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
session($node, dbname => 'raw')->ok("SELECT 1 /*\xFF\xFE*/ + 1");
make_table($s, $_) foreach qw(t u);
use_index($node, $_)->ok('SELECT pg_stat_force_next_flush()') foreach qw(t u);
wait_until($s, "SELECT pg_stat_clear_snapshot() IS NOT NULL AND min(idx_scan) > 0 FROM pg_stat_user_indexes WHERE indexrelname ~ '_a_idx'");
is(verdict($s, 't_a_idx'), 'block hot', 'not preloaded: guard.check answers');
refused(session($node)->query('DROP INDEX t_a_idx'), qr/guard saw it scanned/, 'not preloaded: refused');
$s->ok("SELECT guard.approve('u_a_idx', 'needed no more')");
passed(session($node)->query('DROP INDEX u_a_idx'), 'not preloaded: what is approved goes');
$node->stop;

done_testing();
