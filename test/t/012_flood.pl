# A flood of random application names and statements, from a role without privileges, costs detail, never a verdict.  The shared
# tables are as small as they can be configured.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "guard.max_indexes = 100\nguard.max_statements = 100\n");
my $s = session($node);

$s->ok('CREATE EXTENSION pg_stat_statements');
make_table($s, $_) foreach qw(before after noisy idle);
$s->ok('CREATE ROLE mallory LOGIN; GRANT SELECT ON before, after, noisy TO mallory');

my $auth = use_index($node, 'before');
$auth->ok('SELECT c FROM noisy WHERE a = 42');

# ---- names: every statement comes from somebody else, and is like no other

my $mallory = session($node, user => 'mallory');

# Statements differ for the server when they compute different things: each number is written as a chain of + and -.
sub expression
{
	my ($i) = @_;

	return 'a' . join('', map { $i & 1 << $_ ? '+b' : '-b' } 0 .. 10);
}

foreach my $i (1 .. 250)
{
	my $name = join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 12;
	$mallory->ok("SET application_name = '$name'; SELECT " . expression($i) . ' FROM noisy WHERE a = 42');
}

is(verdict($s, 'noisy_a_idx'), 'block hot', 'a flooded index is hot');
refused($s->query('DROP INDEX noisy_a_idx'), qr/cannot drop index "public.noisy_a_idx": .* and \d+ others? use it/, 'and says that there are others');
cmp_ok($s->value("SELECT cardinality(services) FROM guard.index_statements('noisy_a_idx') LIMIT 1"), '<=', 17, 'services of an index are limited');
cmp_ok($s->value("SELECT count(*) FROM guard.index_statements('noisy_a_idx')"), '<=', 32, 'statements of an index are limited');

refused($s->query('DROP INDEX before_a_idx'), qr/"public.before_a_idx": guard s\w+ auth use it/, 'an index used before the flood is hot, and says by whom');

my $late = session($node, 'late');
$late->ok('SELECT c FROM after WHERE a = 42');
refused($s->query('DROP INDEX after_a_idx'), qr/"public.after_a_idx": guard s\w+ late use it/, 'an index used only after the flood is hot, and says by whom');

# The same on an index that had been flooded before anybody else came.
$late->ok('SELECT b FROM noisy WHERE a = 42');
my $last = $s->value("SELECT f ->> 'last' FROM guard.check('noisy_a_idx'), LATERAL jsonb_array_elements(facts -> 'uses') f WHERE f ->> 'source' = 'capture'");
$late->ok('SELECT c FROM noisy WHERE a = 42; SELECT b FROM noisy WHERE a = 1');
cmp_ok($last, 'lt', $s->value('SELECT to_json(clock_timestamp()) #>> \'{}\''), 'a flooded index is dated');
is(verdict($s, 'idle_a_idx'), 'allow cold', 'an idle index is still cold: nothing has been lost of what carries a verdict');

# ---- relations: what anybody may create, temporary tables, takes no room

$mallory->ok("SET client_min_messages = error; SET application_name = 'mallory'");
foreach my $i (1 .. 110)
{
	$mallory->ok("CREATE TEMP TABLE tmp_$i (a int PRIMARY KEY); INSERT INTO tmp_$i VALUES (1); SET enable_seqscan = off; SELECT * FROM tmp_$i WHERE a = 1");
}
unlike($s->value("SELECT state FROM guard.status WHERE item = 'captured indexes and tables'"), qr/full/, 'temporary tables take no room');
make_table($s, 'young');
$late->ok('SELECT c FROM young WHERE a = 42');
refused($s->query('DROP INDEX young_a_idx'), qr/late use it/, 'so a new index is captured');

# ---- where there is no room left, what cannot be known is unknown, and only for those that found none

foreach my $i (1 .. 110)
{
	$s->ok("CREATE TABLE more_$i (a int); INSERT INTO more_$i SELECT generate_series(1, 3000); CREATE INDEX more_${i}_a_idx ON more_$i (a)");
	$late->ok("SET enable_seqscan = off; SELECT * FROM more_$i WHERE a = 42");
}
like($s->value("SELECT state FROM guard.status WHERE item = 'captured indexes and tables'"), qr/full.*guard.max_indexes/, 'guard.status says that it is full, and what to do');
is(verdict($s, 'more_1_a_idx'), 'block hot', 'one that found room is hot');
is(verdict($s, 'before_a_idx'), 'block hot', 'what was there before is not evicted');
$late->ok('SELECT pg_stat_force_next_flush()');
wait_until($s, "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'more_110_a_idx'");
is(verdict($s, 'more_110_a_idx'), 'allow unknown', 'one that found none is unknown, not cold');
like($s->value("SELECT detail FROM guard.check('more_110_a_idx')"), qr/guard.max_indexes/, 'and says why');

$node->stop;
done_testing();
