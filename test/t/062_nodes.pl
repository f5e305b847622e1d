# What is used on standbys counts on their primary: they report by themselves, or somebody reports by hand; who is silent makes
# unknown.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = guard_server('primary', streaming => 1, conf => "guard.snapshot_interval = 1s\nguard.min_evidence_age = 0\n");
my $s = session($primary);
make_table($s, $_) foreach qw(t idle late);
$primary->backup('base');

# A standby of $from, called $name.
sub standby
{
	my ($name, $from, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init_from_backup($primary, 'base', has_streaming => 1);
	$node->append_conf('postgresql.conf', "primary_conninfo = '" . $from->connstr . " application_name=$name'\n") if $from != $primary;
	$node->append_conf('postgresql.conf', "cluster_name = '$name'\n" . ($conf // ''));
	$node->start;
	return $node;
}

# Nodes report every second, and more seldom where the machine is busy.
sub becomes
{
	my ($index, $reason, $test) = @_;

	wait_until($s, "SELECT reason = '$reason' FROM guard.check('$index')");
	return pass($test);
}

sub caught_up
{
	my ($node) = @_;

	my $lsn = $primary->lsn('insert');
	my $here = session($node);

	wait_until($here, "SELECT pg_last_wal_replay_lsn() >= '$lsn'");
	$here->close;
	return;
}

# Nodes report to where nobody listens, until they are told otherwise.
my $deaf = "guard.primary_conninfo = 'host=/nonexistent'\n";
my $two = standby('pg-2', $primary, $deaf);
wait_until($s, q{SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'pg-2' AND replay_lsn IS NOT NULL});
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'a standby that has never reported');
is($s->value(q{SELECT concat_ws(' ', name, role, attached, last_report IS NULL, lacks) FROM guard.nodes}),
	'pg-2 standby t t is attached and has never reported what is used there', 'guard.nodes has it');

# ---- by hand

$s->ok("ALTER SYSTEM SET guard.snapshot_interval = '20s'");
$s->ok('SELECT pg_reload_conf()');
wait_until($s, q{SELECT current_setting('guard.snapshot_interval') = '20s'});
caught_up($two);
my $reader = session($two, 'reporting');
$reader->ok('SELECT c FROM t WHERE a = 42');
my $there = session($two);

# The line of the hint, as psql runs it.
sub by_hand
{
	my ($name) = @_;

	my ($sql) = $two->safe_psql('postgres', "SELECT format('SELECT guard.import_profile(%L, %L)', '$name', guard.export_profile())");
	return $s->query($sql);
}

# What it replays is its clock here, so the primary must go on.
$s->ok("INSERT INTO late VALUES (0)");
caught_up($two);
passed(by_hand('pg-2'), 'a report by hand');
is(verdict($s, 't_a_idx'), 'block hot', 'used only on the standby: hot');
refused($s->query('DROP INDEX t_a_idx'), qr/guard saw reporting on pg-2 use it once, last .* ago/, 'naming node and service');
is(verdict($s, 'idle_a_idx'), 'allow cold', 'used nowhere: cold');
is($s->value('SELECT count(*) FROM guard.profile'), 0, 'nothing else of a standby is news here');
$s->ok('CREATE INDEX late_b_idx ON late (b)');
like($s->value(q{SELECT detail FROM guard.check('late_b_idx')}), qr/has not reported since it was created/, 'of what is newer nothing is known yet');
$s->ok('ALTER SYSTEM RESET guard.snapshot_interval');
$s->ok('SELECT pg_reload_conf()');
wait_until($s, q{SELECT count(*) = 1 FROM guard.nodes WHERE lacks ~ '^is attached and has not reported for '});
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'after three intervals it is silent');
is(verdict($s, 't_a_idx'), 'block hot', 'and what was used stays');
is($there->value('SELECT count(*) FROM guard.node_use'), 1, 'the standby has what its primary wrote down, and wrote nothing');

# ---- by itself

$two->append_conf('postgresql.conf', "guard.primary_conninfo = ''\n");
$two->reload;
becomes('idle_a_idx', 'cold', 'by itself: heard again');
$reader->ok('SELECT c FROM late WHERE a = 42');
wait_until($s, q{SELECT reason = 'hot' FROM guard.check('late_a_idx')});
like($s->value(q{SELECT detail FROM guard.check('late_a_idx')}), qr/./, 'within an interval what it uses is hot');
refused($s->query('DROP TABLE late'), qr/reporting on pg-2/, 'also when the table goes');
ok($two->safe_psql('postgres', 'SELECT pg_is_in_recovery()') eq 't', 'it is a standby still');

# ---- figures, for whoever watches the watch

wait_until($s, q{SELECT value = 1 FROM guard.metrics WHERE labels ->> 'node' = 'pg-2' AND name = 'guard_node_heard'});
pass('guard.metrics has the node');
is($s->value(q{SELECT value BETWEEN 0 AND 600 FROM guard.metrics WHERE name = 'guard_node_report_age_seconds'}), 't', 'and how old its last report is');

# ---- the index is built again on the primary: what pg-2 did with the old one counts

my $old = $s->value(q{SELECT 'late_a_idx'::regclass::oid});
$s->ok('REINDEX INDEX CONCURRENTLY late_a_idx');
isnt($s->value(q{SELECT 'late_a_idx'::regclass::oid}), $old, 'REINDEX CONCURRENTLY: another OID');
wait_until($s, q{SELECT count(*) = 1 FROM guard.nodes WHERE lacks IS NULL});
like(verdict($s, 'late_a_idx'), qr/^block/, 'nobody has used it under the new one, and it is needed all the same');
like($s->value(q{SELECT detail FROM guard.check('late_a_idx')}), qr/reporting on pg-2/, 'by whom, is known');
$s->ok('SELECT guard.snapshot()');
$s->ok(q{UPDATE guard.evidence_epoch SET seen_at = seen_at - interval '2 days', since = since - interval '2 days' WHERE until IS NULL});
$s->ok('SELECT guard.snapshot()');
like(verdict($s, 'late_a_idx'), qr/^block/, 'also when history has it');

# ---- a deployment ends the use of an old version there, too

$s->ok("SELECT guard.add_dependency('late_b_idx', 'biller', until_version => '3.0')");
my $biller = session($two, 'biller/2.9');
$biller->ok("SELECT c FROM late WHERE b = 7");
wait_until($s, q{SELECT detail ~ 'biller' AND reason IN ('hot', 'dependency') FROM guard.check('late_b_idx')});
$s->ok("SELECT guard.report_deployment('biller', '3.0')");
isnt(verdict($s, 'late_b_idx'), 'block hot', 'version 3.0 runs everywhere: its old use on pg-2 has ended');
$biller->ok("SELECT c FROM late WHERE b = 8");
wait_until($s, q{SELECT verdict = 'block' FROM guard.check('late_b_idx')});
like($s->value(q{SELECT detail FROM guard.check('late_b_idx')}), qr/biller on pg-2/, 'but what is at work still is seen');
$biller->close;

# ---- the link is cut

$two->append_conf('postgresql.conf', $deaf);
$two->reload;
wait_until($s, q{SELECT count(*) = 1 FROM guard.nodes WHERE lacks ~ 'has not reported for'});
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'link cut: unknown');
ok($two->wait_for_log(qr/could not be reported to its primary: .*\n.*HINT: .*guard\.primary_conninfo/), 'and the standby says why');

# ---- a role that may nothing else

$s->ok('CREATE ROLE replicator LOGIN');
my $as = "guard.primary_conninfo = '" . $primary->connstr . " user=replicator'\n";
$two->append_conf('postgresql.conf', $as);
$two->reload;
ok($two->wait_for_log(qr/GRANT EXECUTE ON FUNCTION guard\.report_node\(text, jsonb\) TO replicator;/), 'what its role lacks is said as a line to run');
$s->ok('GRANT EXECUTE ON FUNCTION guard.report_node(text, jsonb) TO replicator');
wait_until($s, q{SELECT count(*) = 1 FROM guard.nodes WHERE lacks IS NULL});
pass('EXECUTE on one function is enough');

# ---- two of a name, and one that is gone

my $report = $there->value('SELECT guard.node_report()');
(my $other = $report) =~ s/("identity": ")\w+/${1}other/;
failed($s->query("SELECT guard.report_node('pg-2', '$other')"), '42710', qr/two nodes report under the name pg-2/, 'two nodes of one name are refused');
failed($s->query("SELECT guard.report_node('pg-9', '" . ($report =~ s/("system_identifier": ")\d+/${1}1/r) . "')"), '22023', qr/no standby of this server/, "another server's");
failed($there->query("SELECT guard.report_node('pg-9', '$report')"), '25006', qr/a standby itself/, 'a standby takes no report');
failed($s->query("SELECT guard.forget_node('pg-2', '')"), '22023', qr/reason/, 'to forget one takes a reason');

# ---- what one role can use up

$s->ok("CREATE FUNCTION uses(n int, relation text) RETURNS text LANGUAGE sql AS \$\$ SELECT format('[%s]', string_agg(format('{\"relation\":%s,\"way\":%s,\"last\":1}', \$2, g), ',')) FROM generate_series(1, \$1) g \$\$");
failed($s->query("SELECT guard.report_node('pg-2', jsonb_set('$report', '{uses}', uses(51000, '1')::jsonb))"), '54000', qr/too long/, 'more uses than there may be');
failed($s->query("SELECT guard.report_node('pg-2', jsonb_set('$report', '{uses}', uses(26000, '2')::jsonb)); SELECT guard.report_node('pg-2', jsonb_set('$report', '{uses}', uses(26000, '3')::jsonb))"),
	'54000', qr/reported too much/, 'so are they in two reports');
failed($s->query("SELECT guard.report_node(repeat('x', 101), '$report')"), '22023', qr/at most 100 characters/, 'a long name');
failed($s->query("DO \$\$ BEGIN FOR i IN 1 .. 200 LOOP PERFORM guard.report_node('n' || i, '$report'); END LOOP; END \$\$"), '54000', qr/100 nodes already/, 'a hundred nodes are enough');
$s->ok("SELECT guard.report_node('pg-2', jsonb_set('$report', '{lacks}', to_jsonb(repeat('x', 1000000))))");
is($s->value('SELECT max(length(lacks)) FROM guard.node'), 1000, 'a long text is cut');
failed($s->query("SELECT guard.report_node('pg-2', jsonb_set('$report', '{watch}', '{\"counted\": [{\"statement\": \"x\"}]}'))"), '22P02', qr/invalid input syntax/, 'what is no number is refused at the door');

# ---- passwords belong into a passfile

failed($s->query("ALTER SYSTEM SET guard.primary_conninfo = 'host=pg-1 $_'"), '22023', qr/invalid value for parameter "guard.primary_conninfo"/, "'$_' is refused")
  foreach 'password=secret', "password = ''se cret''";
passed($s->query("ALTER SYSTEM SET guard.primary_conninfo = 'host=pg-1 passfile=/etc/guard.pass'"), 'a passfile is not');
$s->ok('ALTER SYSTEM RESET guard.primary_conninfo');

# Its clock is an hour fast, or slow: ages travel.
(my $clock = $report) =~ s/("clock": ")[^"]+/${1}2020-01-01T00:00:00+00:00/;
$s->ok("SELECT guard.report_node('pg-2', '$clock')");
is($s->value(q{SELECT max(last_use) BETWEEN now() - interval '10 minutes' AND now() FROM guard.node_use}), 't', "another clock's time is nobody's affair");

# ---- a cascade

my $three = standby('pg-3', $two, $deaf);
wait_until($s, q{SELECT count(*) = 1 FROM guard.nodes WHERE name = 'pg-3'});
is($s->value(q{SELECT concat_ws(' ', upstream, lacks) FROM guard.nodes WHERE name = 'pg-3'}),
	'pg-2 is attached to pg-2 and has never reported what is used there', 'a cascade is named by who feeds it');
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'and counts');
$as =~ s/user=replicator//;
$three->append_conf('postgresql.conf', $as);
$three->reload;
becomes('idle_a_idx', 'cold', 'until it reports to the primary itself');

# A standby that is cut off altogether may be read all the same: its silence counts until somebody says that it is gone.
$three->append_conf('postgresql.conf', "primary_conninfo = 'host=/nonexistent'\n$deaf");
$three->restart;
wait_until($s, q{SELECT count(*) = 1 FROM guard.nodes WHERE name = 'pg-3' AND NOT attached AND upstream IS NULL AND lacks ~ '^is not attached any more and has not reported for '});
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'cut off altogether: unknown after three intervals');
wait_until($s, q{SELECT state ~ $$ SELECT guard\.forget_node\('pg-3', 'decommissioned'\);$$ FROM guard.status WHERE item = 'standbys'});
pass('and what to do about it is said');
$three->stop;
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'also when it has stopped: nobody here can tell the difference');
is($s->value(q{SELECT guard.forget_node('pg-3', 'decommissioned')}), 't', 'until it is forgotten');
becomes('idle_a_idx', 'cold', 'then it does not count');
$s->ok(q{INSERT INTO guard.node (name, role, reported_at, since) VALUES ('pg-3', 'standby', now() - interval '25 hours', now())});
becomes('idle_a_idx', 'cold', 'nor after a day');
is($s->value(q{SELECT counts FROM guard.nodes WHERE name = 'pg-3'}), 'f', 'as guard.nodes says');
is($s->value(q{SELECT string_agg(name, ',') FROM guard.metrics WHERE labels ->> 'node' = 'pg-3'}), 'guard_node_report_age_seconds', 'and guard.metrics');

# ---- promotion

$_->close foreach $there, $s;
$primary->stop;
$two->promote;
my $new = session($two);
refused($new->query('DROP INDEX t_a_idx'), qr/reporting/, 'promoted: what was read there keeps its index');
my $locker = session($two);
$locker->ok('BEGIN; LOCK TABLE guard.node');
refused($new->query('DROP INDEX t_a_idx'), qr/could not judge .*"guard\.node"/, 'not to know which nodes there were is not to be able to judge');
$locker->ok('ROLLBACK');
$locker->close;
wait_until($new, q{SELECT state LIKE 'running%' FROM guard.status() WHERE item = 'worker'});
is($new->value(q{SELECT count(*) FROM guard.nodes WHERE name = 'pg-2'}), 0, 'it is no standby of itself');
is($new->value(q{SELECT guard.forget_node('pg-3', 'decommissioned')}), 't', 'a node is forgotten');
is($new->value(q{SELECT reason FROM guard.audit_log WHERE command = 'forget_node' ORDER BY id DESC LIMIT 1}), 'decommissioned', 'and the audit log knows');
$two->stop;
done_testing();
