# Who connects learns from those before him whether guard is here and that nothing is hidden, and never what is not so (any more,
# or yet): beside transactions that hide, unhide, make or drop the extension, and end either way.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main');
my $s = session($node);
make_table($s, 't');

# What a session that has just come sees of the index.
sub newcomer
{
	my $session = session($node);
	my $plan = $session->query('EXPLAIN (COSTS OFF) SELECT c FROM t WHERE a = 42');
	my $seen = (grep { $_->[0] =~ /t_a_idx/ } @{ $plan->{rows} }) ? 'visible' : 'hidden';

	$session->close;
	return $seen;
}

# ---- nothing is hidden, and two of them know

is(newcomer(), 'visible', 'visible at first') foreach 1 .. 2;

# ---- somebody hides it, and has not committed while others come

my $other = session($node);
$other->ok('BEGIN');
$other->ok("SELECT guard.hide('t_a_idx')");
is(newcomer(), 'visible', 'not hidden yet') foreach 1 .. 2;
$other->ok('COMMIT');
is(newcomer(), 'hidden', 'hidden from the next one');

# ---- somebody unhides it, plans, and takes that back

$other->ok('BEGIN');
$other->ok("SELECT guard.unhide('t_a_idx')");
$other->ok('SELECT c FROM t WHERE a = 42');
is(newcomer(), 'hidden', 'still hidden');
$other->ok('ROLLBACK');
is(newcomer(), 'hidden', 'unhidden and rolled back');
$other->ok("SELECT guard.unhide('t_a_idx')");
is(newcomer(), 'visible', 'unhidden') foreach 1 .. 2;

# ---- the same in a savepoint, while it is known that nothing is hidden

$other->ok('BEGIN');
$other->ok('SAVEPOINT a');
$other->ok("SELECT guard.hide('t_a_idx')");
$other->ok('ROLLBACK TO a');
is(newcomer(), 'visible', 'hidden in a savepoint that was rolled back');
$other->ok("SELECT guard.hide('t_a_idx')");
is(newcomer(), 'visible', 'and not hidden yet');
$other->ok('COMMIT');
is(newcomer(), 'hidden', 'hidden after all');

# ---- the extension goes, and goes not

sub installed
{
	my $session = session($node);
	my $answer = $session->query('SELECT count(*) FROM guard.hidden_index');

	$session->close;
	return $answer->{error} ? 'no' : "yes, " . newcomer();
}
$other->ok('BEGIN');
$other->ok('DROP EXTENSION guard');
$other->ok('SELECT c FROM t WHERE a = 42');
$other->ok('ROLLBACK');
is(installed(), 'yes, hidden', 'dropped and rolled back');
$other->ok('DROP EXTENSION guard');
is(newcomer(), 'visible', 'with the extension, what it hid is visible') foreach 1 .. 2;
$other->ok('BEGIN');
$other->ok('CREATE EXTENSION guard');
$other->ok('SELECT c FROM t WHERE a = 42');
$other->ok('ROLLBACK');
is(newcomer(), 'visible', 'created and rolled back') foreach 1 .. 2;
$other->ok('CREATE EXTENSION guard');
is(newcomer(), 'visible', 'there again, and nothing is hidden') foreach 1 .. 2;
$other->ok("SELECT guard.hide('t_a_idx')");
is(newcomer(), 'hidden', 'and then it is');

$_->close foreach $s, $other;
$node->stop;
done_testing();
