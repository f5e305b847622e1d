# With guard.mode = observe nothing of guard stops a statement, nor a COMMIT: one after the other, every query that guard runs about
# a statement fails, by a module that has it fail.

use strict;
use warnings FATAL => 'all';
use File::Temp qw(tempdir);
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $include = `pg_config --includedir-server`);
my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
system('gcc', '-std=gnu11', '-shared', '-fPIC', "-I$include", '-o', "$dir/fault.so", 'test/observe/fault.c') == 0
  or die('could not build the module');

my $node = guard_server('main', conf => "guard.mode = observe\nmax_prepared_transactions = 5\nclient_min_messages = error\n");
my $s = session($node);
$s->ok("LOAD '$dir/fault.so'");

make_table($s, 't');
use_index($node, 't')->close;
is(verdict($s, 't_a_idx'), 'block hot', 'what goes is needed');

# What comes before, what is done, what is true then, what comes after.
my $create = 'CREATE INDEX IF NOT EXISTS t_a_idx ON t (a)';
my $gone = q{SELECT to_regclass('t_a_idx') IS NULL};
my @cases = (
	[ 'DROP INDEX', [$create], ['DROP INDEX t_a_idx'], $gone ],
	[ 'concurrently', [$create], ['DROP INDEX CONCURRENTLY t_a_idx'], $gone ],
	[ 'in a transaction', [$create], [ 'BEGIN', 'DROP INDEX t_a_idx', 'COMMIT' ], $gone ],
	[ 'prepared', [$create], [ 'BEGIN', 'DROP INDEX t_a_idx', q{PREPARE TRANSACTION 'p'}, q{COMMIT PREPARED 'p'} ], $gone ],
	[ 'to be delayed', [ $create, q{SET guard.hot_action = 'delay'} ], ['DROP INDEX t_a_idx'], $gone, ['RESET guard.hot_action'] ],
	[ 'a column', [$create], ['ALTER TABLE t DROP COLUMN a'], $gone, [ 'ALTER TABLE t ADD COLUMN a int', 'UPDATE t SET a = b' ] ],
	[ 'by cascade', [ 'CREATE SCHEMA s', 'CREATE FUNCTION s.f(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1', 'CREATE INDEX t_f_idx ON t (s.f(a))' ],
		['DROP SCHEMA s CASCADE'], q{SELECT to_regclass('t_f_idx') IS NULL} ],
	[ 'replaced', [$create], [ 'BEGIN', 'DROP INDEX t_a_idx', 'CREATE INDEX t_a_idx ON t (a)', 'COMMIT' ], q{SELECT to_regclass('t_a_idx') IS NOT NULL} ],
	[ 'taken away by name', [$create], [ 'BEGIN', 'ALTER TABLE t RENAME TO u', 'CREATE TABLE t (LIKE u)', 'COMMIT' ],
		q{SELECT to_regclass('u') IS NOT NULL}, [ 'DROP TABLE t', 'ALTER TABLE u RENAME TO t' ] ],
	[ 'rebuilt', [$create], [ 'REINDEX INDEX t_a_idx', 'ALTER TABLE t ALTER a TYPE bigint' ], 'SELECT true', ['ALTER TABLE t ALTER a TYPE int'] ],
	# what is asked before any index is judged
	[ 'the extension', ['CREATE EXTENSION IF NOT EXISTS guard'], ['DROP EXTENSION guard'], q{SELECT NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'guard')},
		['CREATE EXTENSION guard'] ],
	[ 'a whole table', [ 'CREATE TABLE IF NOT EXISTS t (a int, b int, c text)', $create ], ['DROP TABLE t'], q{SELECT to_regclass('t') IS NULL} ]);

# One round, in which that query fails (0: none does); returns how many there were.
sub play
{
	my ($at, $stopped, $before, $statements, $then, $after) = @_;

	$s->ok($_) foreach @$before;
	$s->ok("SET fault.at = $at");
	foreach my $statement (@$statements)
	{
		my $r = $s->query($statement);
		$$stopped .= "query $at, $statement: $r->{error}{M}\n" if $r->{error};
	}
	my $passed = $s->value('SHOW fault.passed');
	$s->ok('SET fault.at = 0');
	$$stopped .= "query $at: not done\n" if ($s->value($then) // '') ne 't';
	$s->ok($_) foreach @{ $after // [] };
	return $passed;
}

foreach my $case (@cases)
{
	my ($name, @round) = @$case;
	my $stopped = '';
	my $passed = play(1_000_000, \$stopped, @round);

	cmp_ok($passed, '>', 0, "$name: guard has queries");
	play($_, \$stopped, @round) foreach 1 .. $passed;
	is($stopped, '', "$name: whichever of them fails, it is done");
}
like(slurp_file($node->logfile), qr/fault 1\b/, 'they did fail');
$node->stop;
done_testing();
