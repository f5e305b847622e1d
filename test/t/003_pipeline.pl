# A transaction is judged by what it leaves behind, however the client sends it: plain statements, messages of several
# statements, pipelines of the extended protocol, DO, functions and procedures that commit.
#
# Each case starts with the same table, its index in use by another session.  "at once" means refused before the statement
# has done anything, "at the end" when the transaction would commit; either way nothing has happened afterwards.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main');
my $s = session($node);

$s->ok('CREATE TABLE log (note text)');
$s->ok('CREATE FUNCTION drop_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP INDEX t_a_idx; END $$');
$s->ok('CREATE FUNCTION swap_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP INDEX t_a_idx; CREATE INDEX t_a_idx ON t (a); END $$');
$s->ok('CREATE PROCEDURE drop_and_commit() LANGUAGE plpgsql AS $$ BEGIN DROP INDEX t_a_idx; COMMIT; CREATE INDEX t_a_idx ON t (a); END $$');
$s->ok('CREATE PROCEDURE swap_and_commit() LANGUAGE plpgsql AS $$ BEGIN DROP INDEX t_a_idx; CREATE INDEX t_a_idx ON t (a); COMMIT; END $$');

sub fresh
{
	$s->ok("SET guard.mode = 'off'");
	$s->ok('DROP TABLE IF EXISTS t, u CASCADE; TRUNCATE log');
	$s->ok('RESET guard.mode');
	make_table($s, 't');
	use_index($node, 't')->close;
}

my $who = qr/cannot drop index "public.t_a_idx": guard s\w+ auth use it/;

# A NOTICE at the DROP says that COMMIT will be refused: that tells the two apart.
sub announced
{
	return scalar grep { $_->{M} =~ /"public.t_a_idx" is (in use|replaced)/ } @{ $_[0]{notices} };
}

sub expect
{
	my ($what, $expected, $run) = @_;

	fresh();
	my $r = $run->($s);

	if ($expected eq 'passes')
	{
		passed($r, "$what: passes");
		is($r->{status}, 'I', "$what: committed");
		isnt(verdict($s, $s->value("SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid ORDER BY 1 LIMIT 1")),
			'allow cold', "$what: the replacement is not taken for unused");
	}
	else
	{
		refused($r, $who, "$what: refused $expected");
		is(announced($r) > 0, $expected ne 'at once',
			"$what: and not sooner or later");
		is($r->{status}, 'I', "$what: the session is not left in a transaction");
		is(index_state($s, 't_a_idx'), 'valid ready live', "$what: the index is there");
		is($s->value('SELECT count(*) FROM log'), 0, "$what: nothing else has happened");
	}
}

sub message
{
	my ($what, $expected, $sql) = @_;

	expect($what, $expected, sub { $_[0]->query($sql) });
}

sub pipeline
{
	my ($what, $expected, @statements) = @_;

	expect($what, $expected, sub { $_[0]->pipeline(@statements) });
}

my $drop = 'DROP INDEX t_a_idx';
my $create = 'CREATE INDEX t_a_idx ON t (a)';
my $note = "INSERT INTO log VALUES ('done')";

# ---- the simple protocol

message('a statement alone', 'at once', $drop);
message('a statement alone, CONCURRENTLY', 'at once', 'DROP INDEX CONCURRENTLY t_a_idx');
message('message: first statement', 'at the end', "$drop; $note");
message('message: last statement', 'at the end', "$note; $drop");
message('message: with a replacement', 'passes', "$drop; $create");
message('message: two drops of one', 'at the end', "$drop; $create; $drop");
message('BEGIN and COMMIT', 'at the end', "BEGIN; $note; $drop; COMMIT");
message('BEGIN and COMMIT: with a replacement', 'passes', "BEGIN; $drop; $note; $create; COMMIT");
message('replacement under another name', 'passes', "BEGIN; $drop; CREATE INDEX other ON t (a, b); COMMIT");
message('replacement that does not serve', 'at the end', "BEGIN; $drop; $note; CREATE INDEX other ON t (b, a); COMMIT");
message('COMMIT AND CHAIN', 'at the end', "BEGIN; $note; $drop; COMMIT AND CHAIN");
message('END', 'at the end', "BEGIN; $note; $drop; END");
message('replacement made first and dropped as well', 'at the end',
	"BEGIN; CREATE INDEX other ON t (a); $drop; DROP INDEX other; COMMIT");

expect('one statement after the other', 'at the end', sub {
	my ($s) = @_;
	$s->ok('BEGIN');
	my $r = $s->query($drop);
	$s->ok($note);
	my $end = $s->query('COMMIT');
	push @{ $end->{notices} }, @{ $r->{notices} };
	return $end;
});
expect('one statement after the other, with a replacement', 'passes', sub {
	my ($s) = @_;
	$s->ok($_) foreach 'BEGIN', $drop, $create;
	return $s->query('COMMIT');
});

# ---- savepoints and PL/pgSQL's subtransactions

message('RELEASE SAVEPOINT', 'at the end', "BEGIN; SAVEPOINT a; $drop; RELEASE a; $note; COMMIT");
message('replacement after RELEASE', 'passes', "BEGIN; SAVEPOINT a; $drop; RELEASE a; $create; COMMIT");
message('replacement rolled back', 'at the end', "BEGIN; $drop; SAVEPOINT a; $create; ROLLBACK TO a; $note; COMMIT");
message('ROLLBACK TO in a savepoint released before', 'passes',
	"BEGIN; SAVEPOINT a; SAVEPOINT b; $drop; RELEASE b; ROLLBACK TO a; CREATE INDEX other ON t (a); COMMIT");
message('exception block that fails', 'passes',
	"DO \$\$ BEGIN BEGIN $drop; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END; CREATE INDEX other ON t (a); END \$\$");
message('exception block that ends well', 'at the end',
	"DO \$\$ BEGIN BEGIN $drop; EXCEPTION WHEN OTHERS THEN NULL; END; $note; END \$\$");

# ---- DO, functions, procedures

message('DO', 'at the end', "DO \$\$ BEGIN $note; $drop; END \$\$");
message('DO with a replacement', 'passes', "DO \$\$ BEGIN $drop; $create; END \$\$");
message('DO with EXECUTE', 'at the end', "DO \$\$ BEGIN $note; EXECUTE '$drop'; END \$\$");
message('function', 'at the end', 'SELECT drop_it()');
message('function with a replacement', 'passes', 'SELECT swap_it()');
message('procedure that commits after the drop', 'at the end', 'CALL drop_and_commit()');
message('procedure that commits after the replacement', 'passes', 'CALL swap_and_commit()');
message('procedure in an exception block', 'at the end',
	"DO \$\$ BEGIN BEGIN PERFORM drop_it(); EXCEPTION WHEN OTHERS THEN NULL; END; END \$\$");

# ---- ALTER TABLE, and tables made anew

message('column replaced by one of another type', 'passes',
	"BEGIN; $drop; ALTER TABLE t ADD a2 bigint; UPDATE t SET a2 = a; ALTER TABLE t DROP a; ALTER TABLE t RENAME a2 TO a; $create; COMMIT");
message('table replaced by a copy', 'passes',
	'BEGIN; CREATE TABLE u AS SELECT * FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t; CREATE INDEX t_a_idx ON t (a); COMMIT');

# ---- the extended protocol

pipeline('extended protocol: a statement alone', 'at once', $drop);
pipeline('extended protocol: CONCURRENTLY', 'at once', 'DROP INDEX CONCURRENTLY t_a_idx');

# The server has not read what follows, so the first statement is taken for one that stands alone.
pipeline('pipeline: first statement', 'at once', $drop, $create);
pipeline('pipeline: second statement', 'at the end', $note, $drop);
pipeline('pipeline: second statement, with a replacement', 'passes', 'SELECT 1', $drop, $create);
pipeline('pipeline: second statement, with a replacement made first', 'passes', 'CREATE INDEX other ON t (a)', $drop);
pipeline('pipeline with BEGIN and COMMIT', 'at the end', 'BEGIN', $note, $drop, 'COMMIT');
pipeline('pipeline with BEGIN and COMMIT, with a replacement', 'passes', 'BEGIN', $drop, $create, 'COMMIT');

# ---- nothing is asked where nothing is left of it

foreach (
	[ 'ROLLBACK', "BEGIN; $drop; ROLLBACK" ],
	[ 'ROLLBACK TO', "BEGIN; SAVEPOINT a; $drop; ROLLBACK TO a; COMMIT" ],
	[ 'exception block', "DO \$\$ BEGIN $drop; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END \$\$" ])
{
	fresh();
	passed($s->query($_->[1]), "$_->[0]: nothing is asked");
	is(index_state($s, 't_a_idx'), 'valid ready live', "$_->[0]: the index is there");
}

# ---- the mode is read again at COMMIT

fresh();
passed($s->query("BEGIN; $drop; SET LOCAL guard.mode = 'off'; COMMIT"), 'switched off before COMMIT');
fresh();
passed($s->query("BEGIN; SET LOCAL guard.mode = 'off'; $drop; SET LOCAL guard.mode = 'enforce'; COMMIT"),
	'what was dropped while guard was off is not asked for afterwards');
fresh();
my $r = $s->query("BEGIN; SET LOCAL guard.mode = 'observe'; $drop; COMMIT");
passed($r, 'in observe mode the same transaction passes');
is(scalar(grep { $_->{S} eq 'WARNING' && $_->{M} =~ /t_a_idx.* which guard\.mode = enforce would refuse/ } @{ $r->{notices} }), 1,
	'and one warning says what would have been');

# ---- a protected index is refused at once, wherever it is dropped, and the error can be caught

fresh();
$s->ok("SELECT guard.protect('t_a_idx', 'no')");
refused($s->query("BEGIN; $drop"), qr/protects it for \w+: no/, 'protected: refused at once in a transaction');
$s->ok('ROLLBACK');
$r = $s->query("DO \$\$ BEGIN $drop; EXCEPTION WHEN object_in_use THEN RAISE NOTICE 'caught'; END \$\$");
is($r->{notices}[0]{M}, 'caught', 'protected: an exception block can go on');
is(index_state($s, 't_a_idx'), 'valid ready live', 'protected: the index is there');

$node->stop;
done_testing();
