# What history adds to the two witnesses: it dates what the server only counts, tells the planner's scans from use over a restart,
# remembers whom capture had no room for as unknown; and the worker takes the snapshots.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

sub fact
{
	my ($s, $index, $source, $what) = @_;

	return $s->value(
		"SELECT f ->> '$what' FROM guard.check('$index'), LATERAL jsonb_array_elements(facts -> 'uses') f WHERE f ->> 'source' = '$source'"
	) // '';
}

sub scan
{
	my ($node, $s, $table, $times) = @_;
	my $before = $s->value("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '${table}_a_idx'");
	my $user = session($node, 'auth');

	$user->ok("SELECT c FROM $table WHERE a = $_") foreach 1 .. $times;
	$user->ok('SELECT pg_stat_force_next_flush()');
	$user->close;
	wait_until($s, "SELECT idx_scan >= $before + $times FROM pg_stat_user_indexes WHERE indexrelname = '${table}_a_idx'");
}

# ---- not preloaded, snapshots by cron

my $node = guard_server('plain', preload => '');
my $s = session($node);
make_table($s, $_) foreach qw(old late few);
$s->ok('UPDATE guard.object SET created_at = NULL');
scan($node, $s, 'old', 60);
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot without preloading');
is($s->value("SELECT scans >= 60 AND unexplained = scans FROM guard.known_use WHERE relation_name = 'old_a_idx'"), 't', 'notes what was counted, and that nobody explains it');
isnt(fact($s, 'old_a_idx', 'counters', 'last'), '', 'use that the server only counted is dated by the snapshot');
$s->ok("UPDATE guard.known_use SET unexplained_last = now() - interval '10 days', unexplained_first = now() - interval '40 days', unexplained_pause = 86400000000, unexplained_days = 2 WHERE relation_name = 'old_a_idx'");
$s->ok("UPDATE guard.evidence_epoch SET since = since - interval '100 days'");
is(verdict($s, 'old_a_idx'), 'block hot', 'scans of two days tell of no pause');
$s->ok("UPDATE guard.known_use SET unexplained_days = 3 WHERE relation_name = 'old_a_idx'");
is(verdict($s, 'old_a_idx'), 'allow stopped', 'those of three do');
$s->ok("UPDATE guard.known_use SET unexplained_last = now() - interval '36 days', unexplained_first = now() - interval '37 days' WHERE relation_name = 'old_a_idx'");
$s->ok("UPDATE guard.evidence_epoch SET since = since - interval '100 days'");
is(verdict($s, 'old_a_idx'), 'allow stopped', 'so that it can end');
scan($node, $s, 'old', 1);
is(verdict($s, 'old_a_idx'), 'block hot', 'and begin again');
is($s->value('SELECT guard.snapshot()'), 't', 'another snapshot');
like($s->value("SELECT unexplained_pause / 86400000000 FROM guard.known_use WHERE relation_name = 'old_a_idx'"), qr/^3[56]$/, 'the pause between is known');

scan($node, $s, 'few', 3);
is($s->value('SELECT guard.snapshot()'), 't', 'a third one');
is(verdict($s, 'few_a_idx'), 'allow unknown', 'a few scans are neither use nor silence');
scan($node, $s, 'late', 60);
is(verdict($s, 'late_a_idx'), 'block hot', 'what was counted since the last snapshot counts');
is($s->value('SELECT guard.snapshot()'), 't', 'a fourth');
is($s->value("SELECT sum(h.scans) >= 60 AND sum(h.uses) = 0 FROM guard.hourly_use h JOIN guard.known_use k ON k.id = relation_id WHERE relation_name = 'late_a_idx'"), 't', 'its hour has scans, and no captured use');
$s->ok('SELECT pg_stat_reset()');
wait_until($s, "SELECT idx_scan = 0 FROM pg_stat_user_indexes WHERE indexrelname = 'late_a_idx'");
is(verdict($s, 'late_a_idx'), 'block hot', 'a reset does not make it forget');
is(fact($s, 'late_a_idx', 'counted history', 'seen'), 'used', 'history has it');
is(fact($s, 'few_a_idx', 'counted history', 'seen'), 'unknown', 'as it has the few');
is(verdict($s, 'few_a_idx'), 'allow unknown', 'which stay unknown');
$s->close;
$node->stop;

# ---- preloaded: what captured statements explain stays explained when capture is lost

$node = guard_server('full', conf => "guard.max_indexes = 100\n");
$s = session($node);
make_table($s, $_) foreach qw(plain probed);
$s->ok('UPDATE guard.object SET created_at = NULL');
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot with capture');
my $planner = session($node, 'planner');
$planner->ok('SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off');
# Row estimates look at the ends of an index: scans that are no use (doc/internals/postgresql.md 2.6).
$planner->ok("EXPLAIN SELECT * FROM probed WHERE a > $_") foreach 990 .. 1060;
$planner->ok('SELECT pg_stat_force_next_flush()');
$planner->close;
wait_until($s, "SELECT idx_scan >= 1 FROM pg_stat_user_indexes WHERE indexrelname = 'probed_a_idx'");
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot of probes');
is($s->value("SELECT unexplained FROM guard.known_use WHERE relation_name = 'probed_a_idx'"), 0, 'no statement used it, and capture was there');
$s->close;
$node->stop;
unlink($node->data_dir . '/pg_stat/guard.stat');
$node->start;
$s = session($node);
is(fact($s, 'probed_a_idx', 'counters', 'seen'), 'not seen', 'after a restart the scans of the planner are still the planner\'s');

# ---- no room in capture

$s->ok("CREATE TABLE t$_ (a int PRIMARY KEY); INSERT INTO t$_ SELECT generate_series(1, 10)") foreach 1 .. 60;
my $many = session($node, 'many');
$many->ok('SET enable_seqscan = off');
$many->ok("SELECT * FROM t$_ WHERE a = 1") foreach 1 .. 60;
$many->close;
wait_until($s, "SELECT state ~ 'full' FROM guard.status WHERE item = 'captured indexes and tables'");
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot of a full table');
like($s->value("SELECT detail FROM guard.check('t60_pkey')"), qr/Not known: use, as capture saw it \(used on .*, when there was no room to record it: guard.max_indexes\)/, 'who found no room is unknown to capture');
unlike($s->value("SELECT detail FROM guard.check('plain_a_idx')"), qr/no room/, 'and who was not used is not');
$s->ok('ALTER SYSTEM SET track_counts = off');
$s->ok('SELECT pg_reload_conf()');
$s->close;
$s = session($node);
wait_until($s, "SELECT current_setting('track_counts') = 'off'");
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot when counters are off as well');
is($s->value("SELECT detail ~ 'track_counts is off' FROM guard.check('t60_pkey')"), 't', 'the reason is told');
$s->ok('ALTER SYSTEM RESET track_counts');

# ---- statements

my $stats = session($node);
$stats->ok('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
$stats->ok('SELECT * FROM t1 WHERE a = 2');
is($stats->value('SELECT guard.snapshot()'), 't', 'a snapshot of statements');
my $one = session($node, 'one');
$one->ok('SET enable_seqscan = off');
$one->ok("SELECT * FROM t1 WHERE a = $_") foreach 1 .. 7;
$one->close;
is($stats->value('SELECT guard.snapshot()'), 't', 'and another');
is($stats->value('SELECT max(delta_calls) FROM guard.statement_rate'), 7, 'between them one was called seven times');
is($stats->value('SELECT guard.snapshot()'), 't', 'and a third');
is($stats->value('SELECT max(delta_calls) FROM guard.statement_rate WHERE delta_to > delta_from'), 0, 'then no more');

# ---- the worker

$stats->ok("ALTER SYSTEM SET guard.snapshot_interval = '1s'");
$stats->ok("UPDATE guard.evidence_epoch SET seen_at = seen_at - interval '1 h'");
$_->close foreach $stats, $s;
$node->restart;
$stats = session($node);
wait_until($stats, "SELECT max(seen_at) > now() - interval '1 min' FROM guard.evidence_epoch");
ok(1, 'the worker takes snapshots by itself');

$stats->close;
$node->stop;
done_testing();
