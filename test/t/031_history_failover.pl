# A standby that is promoted brings its own counters and captures from other traffic.  What the old primary wrote down came along:
# only the time between its last snapshot and the promotion is unknown.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = guard_server('primary', streaming => 1);
my $s = session($primary);

make_table($s, $_) foreach qw(used idle);
$s->ok('UPDATE guard.object SET created_at = NULL');
my $user = session($primary, 'auth');
$user->ok("SELECT c FROM used WHERE a = $_") foreach 1 .. 30;
$user->close;
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot on the primary');
# guard has been here for 300 days
$s->ok("UPDATE guard.evidence_epoch SET since = since - interval '300 days'");

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $reader = session($standby, 'reporting');
$reader->ok('SELECT c FROM idle WHERE a = 42');
is($s->value('SELECT guard.snapshot()'), 't', 'the last snapshot on the primary');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));

my $here = session($standby);
is(verdict($here, 'used_a_idx'), 'block hot', 'the standby knows the history of its primary');
is(verdict($here, 'idle_a_idx'), 'block hot', 'and its own reads');
failed($here->query('SELECT guard.snapshot()'), '25006', qr/cannot execute guard.snapshot\(\)/, 'it cannot write any itself');
$reader->close;
$s->close;

$primary->stop('immediate');
$standby->promote;
wait_until($here, 'SELECT NOT pg_is_in_recovery()');
refused($here->query('DROP INDEX used_a_idx'), qr/auth use it 30 times/, 'after the failover: what was used on the old primary keeps its index');
my $status = "SELECT state FROM guard.status WHERE item = 'evidence'";
like($here->value($status), qr/^since .* \((299|300) days\), gaps: [\d.]+ s on [0-9: -]+ \(failover\)$/, 'after the failover: only the gap is missing');
is($here->value('SELECT guard.snapshot()'), 't', 'a snapshot on the new primary');
like($here->value($status), qr/^since .* \((299|300) days\), gaps: [\d.]+ s on [0-9: -]+ \(failover\)$/, 'and it stays so');
is($here->value("SELECT count(*) FROM guard.evidence_epoch WHERE began = 'failover' AND until IS NULL AND timeline = 2"), 2, 'counters and capture began anew');
is($here->value("SELECT uses FROM guard.known_use WHERE relation_name = 'used_a_idx'"), 30, 'what the primary captured is past');

$here->ok('CREATE TABLE quiet AS SELECT * FROM idle');
$here->ok('CREATE INDEX quiet_a_idx ON quiet (a)');
$here->ok('UPDATE guard.object SET created_at = NULL');
is(verdict($here, 'quiet_a_idx'), 'allow cold', 'observed time is added up over the failover');
like($here->value("SELECT detail FROM guard.check('quiet_a_idx')"), qr/Not known: use for [\d.]+ s on .* \(failover\)/, 'and the gap is told');

# ---- an upgrade: another system identifier, the same database

$here->ok('UPDATE guard.evidence_epoch SET system_identifier = 1, server_version = 14');
$here->close;
$standby->restart;
$here = session($standby);
like($here->value($status), qr/gaps: .*\(upgrade\)/, 'pg_upgrade is a gap');
is($here->value('SELECT guard.snapshot()'), 't', 'which the next snapshot notes');
is($here->value("SELECT count(*) FROM guard.evidence_epoch WHERE began = 'upgrade' AND until IS NULL"), 2, 'under its name');
is(verdict($here, 'used_a_idx'), 'block hot', 'and what was used is remembered');

$here->close;
$standby->stop;
done_testing();
