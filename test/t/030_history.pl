# What guard has seen outlives restarts, crashes, resets and failovers; and what nobody saw is unknown, never unused.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "restart_after_crash = on\n");
my $version = version_of($node);
my $s = session($node);
my $user;

make_table($s, $_) foreach qw(used idle monthly twin young);

sub snapshot { is($s->value('SELECT guard.snapshot()'), 't', "snapshot $_[0]") }

sub again
{
	$_->close foreach grep { $_ } $s, $user;
	undef $user;
	$s = session($node);
}

# A crash just after a snapshot would leave no gap worth telling.
sub let_snapshot_age
{
	$node->poll_query_until('postgres',
		"SELECT max(seen_at) < clock_timestamp() - interval '100 ms' FROM guard.evidence_epoch");
}

# The facts of one source: "used", "not seen", "unknown", or nothing.
sub seen
{
	my ($index, $source) = @_;

	return $s->value(
		"SELECT f ->> 'seen' FROM guard.check('$index'), LATERAL jsonb_array_elements(facts -> 'uses') f WHERE f ->> 'source' = '$source'"
	) // '';
}

sub detail { $s->value("SELECT detail FROM guard.check('$_[0]')") }
sub status { $s->value("SELECT state FROM guard.status WHERE item = 'evidence'") }

# ---- nothing has happened

snapshot('of the beginning');
unlike(status(), qr/gaps/, 'no gaps in the beginning');
is($s->value("SELECT count(*) FROM guard.known_use WHERE relation_name LIKE '%idx'"), 0, 'where nothing happened nothing is written');
is(seen('idle_a_idx', 'history'), '', 'history says nothing that capture does not say itself');

$user = session($node, 'loader');
$user->ok('CREATE TABLE filled (a int); INSERT INTO filled SELECT generate_series(1, 1000)');
$user->close;
snapshot('of what was filled');
is($s->value("SELECT count(*) FROM guard.known_use WHERE relation_name = 'filled'"), 0, 'filled, and never read: nobody\'s traffic');

$user = session($node, 'auth');
$user->ok("SELECT c FROM used WHERE a = $_") foreach 1 .. 60;
$user->ok('SELECT c FROM twin WHERE a = 1');
$user->ok('SELECT pg_stat_force_next_flush()');
$user->close;
wait_until($s, "SELECT idx_scan >= 60 FROM pg_stat_user_indexes WHERE indexrelname = 'used_a_idx'");
snapshot('of use');
is($s->value("SELECT h.uses = 60 AND h.scans = 60 AND hours = 1 AND h.first_use <= h.last_use FROM guard.hourly_use h JOIN guard.known_use ON id = relation_id WHERE relation_name = 'used_a_idx'"),
	't', 'the hour has its uses and scans');
snapshot('of nothing new');
is($s->value("SELECT h.uses FROM guard.hourly_use h JOIN guard.known_use ON id = relation_id WHERE relation_name = 'used_a_idx'"), 60, 'nothing is counted twice');

# ---- the busiest hour of all statements

make_table($s, 'busy');
$s->ok('CREATE EXTENSION pg_stat_statements');
my $hours = "SELECT string_agg(extract(hours FROM date_trunc('hour', now(), 'UTC') - hour)::int || ' ' || calls, ', ' ORDER BY hour DESC) FROM guard.statement_hour WHERE queryid = 1";
use_index($node, 'busy')->close;
$s->ok('DELETE FROM guard.statement_hour');
# not while it ends
wait_until($s, "SELECT extract(epoch FROM now())::bigint % 3600 < 3540");
$s->ok("INSERT INTO guard.statement_hour SELECT date_trunc('hour', now(), 'UTC') - ago * interval '1 h', q, calls, time, 0
	FROM (VALUES (0, 1, 7, 10), (2, 1, 50, 500), (2, 2, 1, 400), (3, 1, 9, 800), (24 * 8, 1, 3, 1e9)) h (ago, q, calls, time)");
snapshot('keeps one hour beside the one that goes on');
is($s->value($hours), '0 7, 2 50', 'that in which all together took longest, of the last seven days');
is($s->value("SELECT string_agg(queryid || ' ' || calls, ', ' ORDER BY queryid) FROM guard.peak_hour"), '1 50, 2 1', 'which guard.peak_hour shows');
$s->ok("INSERT INTO guard.statement_hour SELECT date_trunc('hour', now(), 'UTC') - interval '1 h', 1, 4, 901, 0");
snapshot('after a busier hour');
is($s->value($hours), '0 7, 1 4', 'takes its place');
$s->ok("UPDATE guard.statement_hour SET hour = hour - interval '8 days' WHERE calls = 4");
snapshot('a week later');
is($s->value($hours), '0 7', 'is forgotten');

$s->ok('DELETE FROM guard.statement_hour; DELETE FROM guard.statement_rate');
$user = session($node, 'auth');
for (1 .. 2)
{
	$user->ok("SELECT c FROM busy WHERE a = $_") foreach 1 .. 30;
	# what is captured of a statement is in the next snapshot, at the latest when its session ends
	$user->close;
	snapshot("of statements, $_");
	$user = session($node, 'auth') if $_ == 1;
}
undef $user;
is($s->value("SELECT sum(calls) FROM guard.peak_hour WHERE query LIKE 'SELECT c FROM busy WHERE a = %'"), 30, 'calls between two snapshots count for their hour');
$s->ok('DROP EXTENSION pg_stat_statements');

# ---- a restart that capture does not survive: counters bridge it

again();
$node->stop;
is(unlink($node->data_dir . '/pg_stat/guard.stat'), 1, 'what capture knows is in a file');
$node->start;
$s = session($node);
is(verdict($s, 'used_a_idx'), 'block hot', 'restart: history knows who used it');
refused($s->query('DROP INDEX used_a_idx'), qr/auth use it 60 times, last .* ago/, 'restart: and says so');
is(verdict($s, 'twin_a_idx'), 'block hot', 'restart: a single captured use is not forgotten');
unlike(status(), qr/gaps/, 'restart: the counters have missed nothing');
is(verdict($s, 'young_a_idx'), 'allow cold', 'restart: created under our eyes, never used');
snapshot('after the restart');
is(verdict($s, 'used_a_idx'), 'block hot', 'and after the next snapshot');
is($s->value("SELECT uses FROM guard.known_use WHERE relation_name = 'used_a_idx'"), 60, 'which has moved the segment to the past');

# ---- a backend is killed: the server restarts by itself, counters and capture are gone

my $victim = session($node, 'victim');
again();
let_snapshot_age();
kill 'KILL', $victim->pid;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'victim'");
$s = session($node);
is(verdict($s, 'used_a_idx'), 'block hot', 'kill -9: what was used is remembered');
like(status(), qr/^since .*, gaps: [\d.]+ s on .* \(crash\)$/, 'kill -9: the gap is told, with its reason');
like(detail('used_a_idx'), qr/^auth used it 60 times, last .* ago\. .*atched since .*\. Not known: use for [\d.]+ s on [0-9: -]+ \(crash\)\./,
	'kill -9: so it is in the evidence');
is(seen('idle_a_idx', 'history'), 'not seen', 'kill -9: nothing was seen before');
is(verdict($s, 'young_a_idx'), 'allow unknown', 'kill -9: whether it was used in the gap is unknown');
like(detail('young_a_idx'), qr/^no use was seen.* Not known: use for .* \(crash\)/, 'kill -9: and the reason is told');
snapshot('after the crash');
like(status(), qr/\(crash\)$/, 'and remembered');

# ---- an immediate shutdown

again();
let_snapshot_age();
$node->stop('immediate');
$node->start;
$s = session($node);
is(verdict($s, 'used_a_idx'), 'block hot', 'immediate shutdown: remembered');
like(status(), qr/\(crash\), [\d.]+ s on .*\(crash\)$/, 'immediate shutdown: another gap');
snapshot('after the shutdown');

# ---- counters are reset: capture is there

$user = session($node, 'auth');
$user->ok("SELECT c FROM used WHERE a = 1");
my $gaps = () = status() =~ /crash/g;
$s->ok('SELECT pg_stat_reset()');
wait_until($s, "SELECT idx_scan = 0 FROM pg_stat_user_indexes WHERE indexrelname = 'used_a_idx'");
snapshot('after the reset');
unlike(status(), qr/reset/, 'pg_stat_reset() is no gap where capture is there');
is(verdict($s, 'used_a_idx'), 'block hot', 'pg_stat_reset(): remembered');

# ---- without capture it is a gap, and so is track_counts = off

again();
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
$s = session($node);
snapshot('without preloading');
unlike(status(), qr/restart/, 'counters bridge the loss of capture');
$s->ok('SELECT pg_stat_reset()');
wait_until($s, "SELECT stats_reset > now() - interval '1 min' FROM pg_stat_database WHERE datname = current_database()");
like(status(), qr/gaps: [\d.]+ s on [0-9: -]+ \(statistics reset\)|^(?!.*reset)/, 'pg_stat_reset() is a gap without capture');
snapshot('after the reset');
is($s->value("SELECT began FROM guard.evidence_epoch WHERE source = 'counters' ORDER BY since DESC LIMIT 1"), 'reset', 'and named');
is(verdict($s, 'used_a_idx'), 'block hot', 'without preloading: remembered');

$s->ok('ALTER SYSTEM SET track_counts = off');
$s->ok('SELECT pg_reload_conf()');
again();
wait_until($s, "SELECT current_setting('track_counts') = 'off'");
snapshot('without track_counts');
is($s->value("SELECT count(*) FROM guard.evidence_epoch WHERE until IS NULL"), 0, 'nobody is there any more');
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'track_counts = off: unknown');
like(detail('idle_a_idx'), qr/Not known: use, as counters saw it \(track_counts is off\)/, 'track_counts = off: the reason is told');
$s->ok('ALTER SYSTEM RESET track_counts');
$s->ok('SELECT pg_reload_conf()');
again();
wait_until($s, "SELECT current_setting('track_counts') = 'on'");
snapshot('with track_counts again');
is($s->value("SELECT began FROM guard.evidence_epoch WHERE source = 'counters' ORDER BY since DESC LIMIT 1"), 'track_counts', 'track_counts: the gap is named');

# ---- time is data: two months ago, written by hand

# One long epoch, and a failover of four minutes.
$s->ok('DELETE FROM guard.evidence_epoch');
$s->ok('UPDATE guard.object SET created_at = NULL');
$s->ok("INSERT INTO guard.evidence_epoch SELECT 'counters', now() - interval '300 days', now() - interval '2 days 4 min', now() - interval '2 days 4 min', 'first',
	now() - interval '300 days', now() - interval '300 days', 1, system_identifier, 15 FROM pg_control_system()");
$s->ok("INSERT INTO guard.evidence_epoch SELECT 'counters', now() - interval '2 days', NULL, now(), 'failover',
	greatest(stats_reset, (SELECT least((SELECT stats_reset FROM pg_stat_archiver), (SELECT stats_reset FROM pg_stat_bgwriter), (SELECT stats_reset FROM pg_stat_wal)))),
	now() - interval '2 days', (SELECT timeline_id FROM pg_control_checkpoint()), system_identifier, 15
	FROM pg_control_system(), pg_database d JOIN pg_stat_database s ON s.datid = d.oid WHERE d.datname = current_database()");
like(status(), qr/^since .* \(299 days\), gaps: 4 min on [0-9: -]+ \(failover\)$/, 'guard.status: only the gap is missing');
is(verdict($s, 'idle_a_idx'), 'allow cold', 'cold: observed time is added up over the epochs');
like(detail('idle_a_idx'), qr/^no use was seen.*Watched since .* Not known: use for 4 min on .* \(failover\)/, 'and the gap is told');

# The month-end report, three times.
my $idle = $s->value("SELECT 'monthly_a_idx'::regclass::oid");
my $insert = "INSERT INTO guard.known_use (relation_oid, table_oid, relation_name, first_use, last_use, uses, longest_pause, pause_ended, days, services, segment_uses, scans, unexplained, unexplained_days)
	VALUES ('monthly_a_idx'::regclass, 'monthly'::regclass, 'monthly_a_idx', now() - interval '82 days', now() - interval '20 days', 6, extract(epoch FROM interval '31 days') * 1000000,
	now() - interval '20 days', 3, 'report', 0, 0, 0, 0)";
$s->ok($insert);
refused($s->query('DROP INDEX monthly_a_idx'), qr/report use it 6 times, last 20 days ago/, 'the month-end report of 20 days ago keeps its index');
$s->ok("UPDATE guard.known_use SET last_use = now() - interval '46 days', first_use = now() - interval '108 days' WHERE relation_name = 'monthly_a_idx'");
is(verdict($s, 'monthly_a_idx'), 'block hot', 'for 46 quiet days');
$s->ok("UPDATE guard.known_use SET last_use = now() - interval '47 days', first_use = now() - interval '109 days' WHERE relation_name = 'monthly_a_idx'");
is(verdict($s, 'monthly_a_idx'), 'allow stopped', 'then it has stopped');
$s->ok("UPDATE guard.evidence_epoch SET until = now() - interval '45 days' WHERE until IS NOT NULL");
is(verdict($s, 'monthly_a_idx'), 'allow unknown', 'unless nobody was there meanwhile');
like($s->value("SELECT detail FROM guard.check('monthly_a_idx')"), qr/use for 43 days on .*\(failover\)/, 'which is told');
$s->ok("SET guard.rebuild_limit = 0");
refused($s->query('DROP INDEX monthly_a_idx'), qr/report use it 6 times, last 47 days ago, but nothing is known of 43 days since/, 'in the refusal, too');
$s->ok('RESET guard.rebuild_limit');

# ---- a clock that was ahead

$s->ok("UPDATE guard.evidence_epoch SET seen_at = now() + interval '10 years' WHERE until IS NULL");
snapshot('by a clock that went back');
unlike(status(), qr/\(\d{4} days\)/, 'the future is not observed');

# ---- identity

$s->ok("UPDATE guard.known_use SET last_use = now() - interval '20 days', first_use = now() - interval '82 days' WHERE relation_name = 'monthly_a_idx'");
$s->ok('REINDEX INDEX CONCURRENTLY monthly_a_idx');
is(verdict($s, 'monthly_a_idx'), 'block hot', 'REINDEX CONCURRENTLY: history goes along');
is($s->value("SELECT relation_oid = 'monthly_a_idx'::regclass FROM guard.known_use WHERE relation_name = 'monthly_a_idx'"), 't', 'under the new OID');
$s->ok('DELETE FROM guard.departed');
$s->ok('ALTER TABLE monthly ALTER COLUMN a TYPE bigint');
is(verdict($s, 'monthly_a_idx'), 'block hot', 'ALTER TYPE: history goes along');
$s->ok('DELETE FROM guard.departed');
is($s->value("SELECT relation_oid = 'monthly_a_idx'::regclass FROM guard.known_use WHERE relation_name = 'monthly_a_idx'"), 't', 'under the new OID');
$s->ok("SET guard.mode = 'off'");
$s->ok('REINDEX INDEX CONCURRENTLY monthly_a_idx');
$s->ok('RESET guard.mode');
is(verdict($s, 'monthly_a_idx'), 'block hot', 'REINDEX CONCURRENTLY unseen: the name leads to it');
snapshot('after it');
is($s->value("SELECT relation_oid = 'monthly_a_idx'::regclass FROM guard.known_use WHERE relation_name = 'monthly_a_idx'"), 't', 'and the next snapshot notes the OID');
$s->ok('ALTER INDEX monthly_a_idx RENAME TO monthly_by_a');
is(verdict($s, 'monthly_by_a'), 'block hot', 'RENAME: the OID leads to it');

# An heir inherits, pauses and all: without them the look-back would have ended it.
$s->ok("UPDATE guard.known_use SET last_use = now() - interval '40 days', first_use = now() - interval '102 days' WHERE relation_name = 'monthly_a_idx'");
$s->ok('CREATE INDEX monthly_a_idx2 ON monthly (a)');
$s->ok('DROP INDEX monthly_by_a');
is(verdict($s, 'monthly_a_idx2'), 'block hot', 'the replacement inherits what history knows');
is($s->value("SELECT count(*) FROM guard.known_use WHERE relation_name LIKE 'monthly_%a'"), 0, 'the dropped one is forgotten');
is($s->value("SELECT count(*) FROM guard.hourly_use WHERE relation_id NOT IN (SELECT id FROM guard.known_use)"), 0, 'hours and all');
$s->ok("SET guard.mode = 'off'");
$s->ok('REINDEX INDEX CONCURRENTLY used_a_idx');
$s->ok('RESET guard.mode');
snapshot('after an index with counters was rebuilt unseen');
is($s->value("SELECT count(*) = 1 AND bool_and(relation_oid = 'used_a_idx'::regclass AND uses >= 60) FROM guard.known_use WHERE relation_name = 'used_a_idx'"),
	't', 'it has one row, with its past');
$s->ok("UPDATE guard.known_use SET last_use = now() + interval '10 years', pause_ended = now() + interval '10 years', longest_pause = 1e15 WHERE relation_name = 'used_a_idx'");
snapshot('by a clock that went back');
is($s->value("SELECT last_use <= now() AND longest_pause IS NULL FROM guard.known_use WHERE relation_name = 'used_a_idx'"), 't', 'no use is dated into the future for long');
$s->ok("INSERT INTO guard.known_use (relation_oid, table_oid, relation_name, first_use, last_use, uses, days, segment_uses, scans, unexplained, unexplained_days)
	VALUES ('young_a_idx'::regclass, 'young'::regclass, 'young_a_idx', now(), now(), 6, 3, 0, 0, 0, 0)");
is(verdict($s, 'young_a_idx'), 'block hot', 'used here');
$s->ok("SET guard.mode = 'off'");
$s->ok('DROP TABLE used');
is($s->value('SELECT guard.snapshot()'), 'f', 'guard.mode = off: no snapshot');
$s->ok('RESET guard.mode');
snapshot('after a drop unseen');
is($s->value("SELECT count(*) FROM guard.known_use WHERE relation_name LIKE 'used%'"), 0, 'what was dropped unseen is forgotten, too');

# A copy of the database has the same OIDs, and other traffic.
$s->close;
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$s = session($node, dbname => 'copy');
is(seen($_, 'history') . seen($_, 'counted history'), '', "the history of the template is not the copy's: $_") foreach qw(idle_a_idx young_a_idx monthly_a_idx2);
is(seen('idle_a_idx', 'history'), '', 'the history of the template is not the copy\'s');
snapshot('of the copy');
is($s->value('SELECT count(*) FROM guard.evidence_epoch WHERE since < now() - interval \'100 days\''), 0, 'and is forgotten');
again();

$s->ok("DELETE FROM guard.known_use WHERE relation_name = 'young_a_idx'");

# ---- nobody waits

my $other = session($node, 'other');
$other->ok('BEGIN');
is($other->value('SELECT guard.snapshot()'), 't', 'a snapshot in an open transaction');
is($s->value('SELECT guard.snapshot()'), 'f', 'a second one does not wait for it');
$other->ok('ROLLBACK');
$other->ok('BEGIN');
$other->ok('LOCK TABLE guard.known_use');
is($s->value('SELECT guard.snapshot()'), 'f', 'nor for a locked table');
is(seen('idle_a_idx', 'history'), 'unknown', 'and a reader does not know');
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'so unknown it is');
$other->ok('ROLLBACK');

# Rows that the one has locked, the other leaves alone.
$user = session($node, 'auth');
$user->ok('SELECT c FROM twin WHERE a = 1; SELECT pg_stat_force_next_flush()');
$user->close;
$s->ok("SET guard.mode = 'observe'");
wait_until($s, "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'twin_a_idx'");
$other->ok('BEGIN');
is($other->value('SELECT guard.snapshot()'), 't', 'a snapshot in an open transaction that has something to write');
passed($s->query('DROP INDEX twin_a_idx'), 'a drop does not wait for it');
is($s->value("SELECT count(*) FROM guard.audit_log WHERE index_name = 'public.twin_a_idx' AND verdict IS NOT NULL"), 1, 'and its books are written');
$other->ok('COMMIT');
snapshot('after both');
is($s->value("SELECT count(*) FROM guard.known_use WHERE relation_name = 'twin_a_idx'"), 0, 'the next one forgets what the drop had to leave');
$s->ok('RESET guard.mode');
$other->ok('BEGIN');
$other->ok('DROP INDEX idle_a_idx');
$user = session($node, 'auth');
$user->ok('SELECT c FROM young WHERE a = 1; SELECT pg_stat_force_next_flush()');
$user->close;
undef $user;
wait_until($s, "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'young_a_idx'");
snapshot('beside an open drop does not wait either');
$other->ok('ROLLBACK');
$other->close;
failed($s->query('BEGIN READ ONLY; SELECT guard.snapshot()'), '25006', qr/cannot execute guard.snapshot\(\) in a read-only/, 'not in a read-only transaction');
$s->ok('ROLLBACK');

# ---- hours become days, and say what the busiest was

my $peak = "SELECT hour_peak FROM guard.index_facts WHERE index_name = 'young_a_idx'";
my $days = "SELECT string_agg(hours || ' ' || h.scans || ' ' || coalesce(h.peak::text, '-'), ', ' ORDER BY hour) FROM guard.hourly_use h JOIN guard.known_use k ON k.id = relation_id
	WHERE relation_name = 'young_a_idx' AND hour < now() - interval '15 days'";
$s->ok("INSERT INTO guard.hourly_use (relation_id, hour, hours, scans, uses) SELECT id, date_trunc('day', now(), 'UTC') - interval '20 days' + g * interval '1 h', 1, g * 100, 0
	FROM guard.known_use, generate_series(1, 5) g WHERE relation_name = 'young_a_idx'");
is($s->value($peak), 500, 'the peak is the busiest hour');
$s->ok("UPDATE guard.evidence_epoch SET seen_at = seen_at - interval '1 day' WHERE until IS NULL");
snapshot('of the next day');
is($s->value($days), '24 1500 500', 'five hours are one day, with the most of an hour');
is($s->value($peak), 500, 'and the peak stays what it was');
$s->ok("INSERT INTO guard.hourly_use (relation_id, hour, hours, scans, uses) SELECT id, date_trunc('day', now(), 'UTC') - interval '20 days' + interval '7 h', 1, 10, 600
	FROM guard.known_use WHERE relation_name = 'young_a_idx'");
$s->ok("UPDATE guard.evidence_epoch SET seen_at = seen_at - interval '1 day' WHERE until IS NULL");
snapshot('of the day after');
is($s->value($days), '24 1510 600', 'an hour that comes late is added to its day');
$s->ok("UPDATE guard.hourly_use SET hour = hour - interval '16 days' WHERE hours = 24");
is($s->value("$peak AND hour_peak < 500"), $s->value("SELECT max(greatest(h.scans, h.uses)) FROM guard.hourly_use h JOIN guard.known_use k ON k.id = relation_id WHERE relation_name = 'young_a_idx' AND hours = 1"),
	'of the last 35 days');

$s->close;
$node->stop;
done_testing();
