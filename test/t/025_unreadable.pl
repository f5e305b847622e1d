# A record that cannot be read is not a record that is not there: while a process that was stopped holds it, what it would say is
# unknown, never "not seen".  The process is played by a module that takes the record's flag and keeps it.

use strict;
use warnings FATAL => 'all';
use File::Temp qw(tempdir);
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $include = `pg_config --includedir-server`);
my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
system('gcc', '-std=gnu11', '-shared', '-fPIC', '-Isrc', "-I$include", '-o', "$dir/hold.so", 'test/capture/hold.c') == 0
  or die('could not build the module');

my $node = guard_server('main', conf => "guard.unknown_action = 'block'\n");
my $s = session($node);
$s->ok("CREATE FUNCTION hold(regclass, bool) RETURNS bool LANGUAGE c AS '$dir/hold', 'hold'");

make_table($s, 't');
$s->ok('CREATE INDEX t_b_idx ON t (b)');
use_index($node, 't')->close;
is(verdict($s, 't_a_idx'), 'block hot', 'used');
is(verdict($s, 't_b_idx'), 'allow cold', 'beside one that was not');

is($s->value("SELECT hold('t_a_idx', true)"), 't', 'its record is held');
is(verdict($s, 't_a_idx'), 'block unknown', 'then its use is unknown');
my $r = session($node)->query('DROP INDEX t_a_idx');
refused($r, qr/not all of its use could be recorded, or read/, 'which is said');
like($r->{error}{D}, qr/Not known: use, as capture saw it \(its record is held by a process that has stopped\)/, 'with the reason');
is(verdict($s, 't_b_idx'), 'allow cold', 'another index is not concerned');

# After a snapshot, history could tell a story of its own.
$s->ok('SELECT guard.snapshot()');
is(verdict($s, 't_a_idx'), 'block unknown', 'nor does history know better');
is($s->value("SELECT hold('t_a_idx', false)"), 't', 'let go');
is(verdict($s, 't_a_idx'), 'block hot', 'it is hot again');

# A table that goes: its own record.
$s->ok('DROP INDEX t_b_idx');
is($s->value("SELECT hold('t_a_idx', true)"), 't', 'held again');
$r = session($node)->query('DROP TABLE t');
refused($r, qr/"public\.t" with index .*: not all of its use could be recorded, or read/, 'DROP TABLE');
$s->ok("SELECT hold('t_a_idx', false)");

$node->stop;
done_testing();
