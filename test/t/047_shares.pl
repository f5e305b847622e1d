# What one database, or one role, can use up of capture's tables blinds nobody else, and ends by itself.  The tables are as small as
# they can be: 100 relations, of which each of two databases is guaranteed 25.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "guard.max_indexes = 100\nguard.max_statements = 100\nguard.min_evidence_age = 0\nguard.quiet_period = '1s'\nguard.snapshot_interval = 0\nautovacuum = off\n");
my $s = session($node);
$s->ok('CREATE DATABASE other');
my $o = session($node, dbname => 'other');
$o->ok('CREATE EXTENSION guard');
$s->ok('CREATE ROLE mallory LOGIN; GRANT ALL ON SCHEMA public TO mallory');
make_table($s, $_) foreach qw(before idle);
make_table($o, $_) foreach qw(their theiridle);
my $auth = use_index($node, 'before');

my $fill = "SELECT state FROM guard.status WHERE item = 'captured indexes and tables'";

# Many small tables of one role, each read once.
sub flood
{
	my ($session, $from, $to) = @_;

	$session->ok("SET enable_seqscan = off");
	foreach my $i ($from .. $to)
	{
		$session->ok("CREATE TABLE m_$i (a int PRIMARY KEY); INSERT INTO m_$i SELECT generate_series(1, 3000); SELECT * FROM m_$i WHERE a = 1");
	}
}

my $mallory = session($node, user => 'mallory');
flood($mallory, 1, 80);
like($s->value($fill), qr/^full: \d+ of 100, \d+ of them here \(at least \d+ guaranteed\); some found no room/, 'one role has filled the share of its database');
like($s->value("SELECT detail FROM guard.check('m_80_pkey')"), qr/when there was no room to record it: guard.max_indexes/, 'its last tables found no room, and it says so');
like(verdict($s, 'm_80_pkey'), qr/unknown$/, 'they are unknown');

# ---- in its own database

is(verdict($s, 'before_a_idx'), 'block hot', 'what was used before is hot');
is(verdict($s, 'idle_a_idx'), 'allow cold', 'what was never used is cold');
make_table($s, 'young');
$auth->ok('SELECT c FROM young WHERE a = 42');
is(verdict($s, 'young_a_idx'), 'block hot', 'what another owner\'s table needs is recorded, at the expense of who has most');

# ---- in another

is($o->value("SELECT count(*) FROM guard.check('their_a_idx') WHERE detail ~ 'no room'"), 0, 'nothing was lost in another database');
is(verdict($o, 'their_a_idx'), 'allow cold', 'where idle is cold');
my $their = session($node, dbname => 'other', application_name => 'their');
foreach my $i (1 .. 10)
{
	make_table($o, "o_$i");
	$their->ok("SELECT c FROM o_$i WHERE a = 42");
}
is(verdict($o, "o_${_}_a_idx"), 'block hot', "its table $_ has found room") foreach 1 .. 10;
unlike($o->value($fill), qr/full|no room/, 'and nothing is full there');
is(verdict($o, 'theiridle_a_idx'), 'allow cold', 'nor unknown');

# ---- over a clean restart

$_->close foreach $mallory, $auth, $their, $s, $o;
$node->restart;
$s = session($node);
$o = session($node, dbname => 'other');
like(verdict($s, 'm_80_pkey'), qr/unknown$/, 'what found no room is unknown after a clean restart, too');
is(verdict($s, 'idle_a_idx'), 'allow cold', 'what was never used is still cold');
is(verdict($o, 'o_10_a_idx'), 'block hot', 'and what was used is hot');

# ---- it ends by itself: dropped tables free their records, and so do idle ones that history knows

$s->ok('SET guard.mode = observe');
$s->ok("DROP TABLE m_$_") foreach 1 .. 20;
$s->ok('RESET guard.mode');
$mallory = session($node, user => 'mallory');
flood($mallory, 81, 82);
# recorded, as the use of those who make it
is(verdict($s, 'm_81_pkey'), 'allow stopped', 'dropped tables make room');
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot');
wait_until($s, "SELECT clock_timestamp() > '" . $s->value('SELECT clock_timestamp()') . "'::timestamptz + interval '1 s'");
is($s->value('SELECT guard.snapshot()'), 't', 'and another, which finds that the first has committed');
flood($mallory, 101, 130);
is(verdict($s, 'm_130_pkey'), 'allow stopped', 'and so do idle ones, when history has them');
is($s->value("SELECT bool_or(f ->> 'source' = 'history' AND f ->> 'seen' = 'used') FROM guard.check('before_a_idx'), LATERAL jsonb_array_elements(facts -> 'uses') f"), 't', 'which speaks for them then');
unlike(verdict($s, 'before_a_idx'), qr/cold/, 'they are not cold');

$node->stop;
done_testing();
