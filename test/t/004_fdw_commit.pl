# A refusal at COMMIT comes before anybody has committed elsewhere: postgres_fdw commits its remote transaction in a callback of
# the same kind as guard's, and callbacks run in the reverse order of their registration.  The remote server is another database of the same one.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main');
my $s = session($node);

plan skip_all => 'postgres_fdw is not here' unless has_extension($node, 'postgres_fdw');

$s->ok('CREATE DATABASE remote');
my $remote = session($node, dbname => 'remote');
$remote->ok('CREATE TABLE target (note text)');
$s->ok('CREATE EXTENSION postgres_fdw');
$s->ok(sprintf "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%s', port '%s', dbname 'remote')",
	$node->host, $node->port);
$s->ok('CREATE USER MAPPING FOR CURRENT_USER SERVER far');
$s->ok("CREATE FOREIGN TABLE target (note text) SERVER far");
make_table($s, 't');
my $auth = use_index($node, 't');

my $insert = "INSERT INTO target VALUES ('left behind')";
my $drop = 'DROP INDEX t_a_idx';
my $create = 'CREATE INDEX t_a_idx ON t (a)';

# postgres_fdw registers itself when a session first connects, so every case comes in a new one, and in one that has connected.
sub expect_nothing_left
{
	my ($what, $sql) = @_;

	foreach my $connected (0, 1)
	{
		my $new = session($node);
		my $case = $connected ? "$what, already connected" : $what;

		$new->ok('SELECT * FROM target') if $connected;
		refused($new->query($sql), qr/cannot drop index "public.t_a_idx"/, "$case: refused");
		is($remote->value('SELECT count(*) FROM target'), 0, "$case: nothing is committed remotely");
		is(index_state($s, 't_a_idx'), 'valid ready live', "$case: the index is there");
		$remote->ok('TRUNCATE target');
		$new->close;
	}
}

expect_nothing_left('remote INSERT, then the drop', "BEGIN; $insert; $drop; COMMIT");
expect_nothing_left('the drop, then a remote INSERT', "BEGIN; $drop; $insert; COMMIT");
expect_nothing_left('the drop, a savepoint, then a remote INSERT', "BEGIN; $drop; SAVEPOINT a; $insert; RELEASE a; COMMIT");
expect_nothing_left('one message, the drop first', "$drop; $insert");
expect_nothing_left('one message, the drop last', "$insert; $drop");
expect_nothing_left('a DO block', "DO \$\$ BEGIN $drop; $insert; END \$\$");

# With a replacement both commit.
my $new = session($node);
passed($new->query("BEGIN; $drop; $insert; $create; COMMIT"), 'with a replacement it passes');
is($remote->value('SELECT count(*) FROM target'), 1, 'and is committed remotely');
$new->close;

# What others remember for COMMIT is still done: after a refusal the connection can be used again.
$new = session($node);
$new->query("BEGIN; $insert; $drop; COMMIT");
passed($new->query($insert), 'the remote connection works after a refusal');
is($remote->value('SELECT count(*) FROM target'), 2, 'and commits');
$new->close;

$node->stop;
done_testing();
