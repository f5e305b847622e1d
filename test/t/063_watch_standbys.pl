# The watch hears standbys: what an index's statements take there travels with the report.  What becomes slower on a standby alone
# brings the index back, and while one that counts is not heard the trial stands still.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(time usleep);

# For the visitors a use ends after a second, for who drops it does not: he goes by stages.
my $primary = guard_server('primary', streaming => 1,
	conf => "guard.snapshot_interval = 1s\nguard.min_evidence_age = 0\nguard.hot_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1h\nlog_min_messages = log\nwal_receiver_status_interval = 1s\n");
my $s = session($primary);
$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok("SET guard.quiet_period = '1h'");
foreach my $name (qw(slow calm))
{
	$s->ok("CREATE TABLE $name (a int, b int, c text)");
	$s->ok("INSERT INTO $name SELECT g, g, rpad('row ' || g, 100) FROM generate_series(1, 60000) g");
	$s->ok("CREATE INDEX ${name}_a_idx ON $name (a)");
	$s->ok("VACUUM ANALYZE $name");
}
$primary->backup('base');
my $two = PostgreSQL::Test::Cluster->new('pg-2');
$two->init_from_backup($primary, 'base', has_streaming => 1);
$two->append_conf('postgresql.conf', "cluster_name = 'pg-2'\n");
$two->start;
my $reader = session($two, 'reporting');
my $auth = session($primary, 'auth');

sub look
{
	my ($session, $name) = @_;

	$session->ok("SELECT sum(length(c)) FROM $name WHERE a = " . (1 + int(rand(5000))));
}

sub caught_up
{
	my $lsn = $primary->lsn('insert');

	wait_until($reader, "SELECT pg_last_wal_replay_lsn() >= '$lsn'");
	return;
}

sub state_of
{
	my ($name) = @_;

	return $s->value("SELECT state FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx'");
}

sub next_of
{
	my ($name) = @_;

	return $s->value("SELECT next_step FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx'") // '';
}

sub reaches
{
	my ($name, $state) = @_;

	eval { wait_until($s, "SELECT state = '$state' FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx'"); 1 }
	  or die(join "\n", next_of($name), map { $s->value($_) // 'nothing' } "SELECT jsonb_agg(n)::text FROM guard.nodes n", "SELECT jsonb_agg(w)::text FROM guard.node_watch w",
		"SELECT jsonb_agg(c)::text FROM guard.soft_drop c", "SELECT jsonb_agg(c)::text FROM guard.check('guard_drop_' || (SELECT index_oid FROM guard.soft_drop WHERE index_name = '${name}_a_idx')) c");
	return;
}

# Until the standby has told of the table's uses there, which have ended.
sub used_there
{
	my ($name) = @_;

	caught_up();
	look($reader, $name) foreach 1 .. 100;
	until (($s->value("SELECT uses >= 100 FROM guard.node_use WHERE relation_oid = '${name}_a_idx'::regclass") // '') eq 't')
	{
		$reader->ok('SELECT 1');
		usleep(50_000);
	}
	return;
}

# Until all uses of the table here are known; what a session used since it last told comes with its next statement.
sub used_here
{
	my ($name) = @_;

	look($auth, $name) foreach 1 .. 100;
	until (($s->value("SELECT u ->> 'count' FROM guard.check('${name}_a_idx'), jsonb_array_elements(facts -> 'uses') u WHERE u ->> 'source' = 'capture'") // 0) >= 100)
	{
		$auth->ok('SELECT 1');
		usleep(50_000);
	}
	return;
}

# ---- slow on the standby, and nowhere else

used_there('slow');
like($s->value(q{SELECT facts ->> 'uses' FROM guard.check('slow_a_idx')}), qr/"service": "reporting"/, 'who used it there is known by name');
passed($s->query('DROP INDEX slow_a_idx'), 'a drop in stages');
reaches('slow', 'hidden');
is($s->value(q{SELECT string_agg(DISTINCT node || ' ' || kind::text, ',') FROM guard.soft_drop_baseline WHERE node <> ''}), 'pg-2 i',
	'how its statements were on pg-2 is known, and there alone anybody ran any');
my $began = time;
my $waited;
while (state_of('slow') ne 'restored' && time - $began < 180)
{
	look($reader, 'slow');
}
$waited = time - $began;
is(state_of('slow'), 'restored', 'slower on pg-2 only: restored');
note(sprintf('restored after %.1f s', $waited));
like($s->value(q{SELECT state_reason FROM guard.soft_drops WHERE index_name = 'public.slow_a_idx'}),
	qr/^pg-2 slowed down: statement -?\d+ took .* times the .* ms of before/, 'naming pg-2');
caught_up();
like($reader->value("SELECT string_agg(indexname, ',') FROM pg_indexes WHERE tablename = 'slow'"), qr/slow_a_idx/, 'and pg-2 has it back under its name');

# ---- nothing slows down

used_there('calm');
passed($s->query('DROP INDEX calm_a_idx'), 'another one');
reaches('calm', 'hidden');
sub watched { return $s->value(q{SELECT d.watched FROM guard.soft_drop d WHERE d.index_name = 'calm_a_idx'}) }
wait_until($s, q{SELECT d.watched > 3000000 FROM guard.soft_drop d WHERE d.index_name = 'calm_a_idx'});
is(state_of('calm'), 'hidden', 'heard, and nothing is slower: the trial goes on');
is(next_of('calm'), 'dropped, if nothing becomes slower', 'and nothing is in its way');
ok($s->value(q{SELECT count(*) FROM guard.node_watch, jsonb_array_elements(counted)}) > 0, 'what pg-2 counts is there');

# ---- the link is cut

$two->append_conf('postgresql.conf', "guard.primary_conninfo = 'host=/nonexistent'\n");
$two->reload;
wait_until($s, q{SELECT next_step ~ 'standby "pg-2" has not told for .* how its statements are there' FROM guard.soft_drops WHERE index_name = 'public.calm_a_idx'});
my $stands = watched();
$s->ok("ALTER SYSTEM SET guard.trial_period = '1s'");
wait_until($s, q{SELECT count(*) = 1 FROM guard.nodes WHERE lacks ~ 'has not reported for'});
$s->ok("UPDATE guard.soft_drop SET trial = watched + 3000000, due_at = now() WHERE index_name = 'calm_a_idx'");
wait_until($s, q{SELECT last_visit > state_since + interval '5 s' AND last_visit > now() - interval '3 s' FROM guard.soft_drop WHERE index_name = 'calm_a_idx'});
my $visited = $s->value(q{SELECT last_visit FROM guard.soft_drop WHERE index_name = 'calm_a_idx'});
wait_until($s, "SELECT last_visit > '$visited'::timestamptz + interval '4 s' FROM guard.soft_drop WHERE index_name = 'calm_a_idx'");
is(watched(), $stands, 'not heard: the trial stands still');
is(state_of('calm'), 'hidden', 'and nothing is dropped');

# Nothing that is dropped now is hidden before pg-2 tells how its statements are.
$s->ok('CREATE TABLE later (a int, c text)');
$s->ok("INSERT INTO later SELECT g, rpad('row ' || g, 100) FROM generate_series(1, 5000) g");
$s->ok('CREATE INDEX later_a_idx ON later (a)');
$s->ok('VACUUM ANALYZE later');
used_here('later');
passed($s->query('DROP INDEX later_a_idx'), 'a third one');
wait_until($s, q{SELECT next_step ~ '^hidden once' FROM guard.soft_drops WHERE index_name = 'public.later_a_idx'});
is(state_of('later'), 'waiting', 'stays waiting');

# ---- heard again

$two->append_conf('postgresql.conf', "guard.primary_conninfo = ''\n");
$two->reload;
reaches('calm', 'dropped');
pass('heard again: the trial comes to its end');
reaches('later', 'hidden');
pass('and the third one is hidden');

# ---- a standby on which the index is not hidden yet is no witness

caught_up();
$reader->ok('SELECT pg_wal_replay_pause()');
$s->ok('CREATE TABLE held (a int, c text)');
$s->ok("INSERT INTO held SELECT g, rpad('row ' || g, 100) FROM generate_series(1, 5000) g");
$s->ok('CREATE INDEX held_a_idx ON held (a)');
$s->ok('VACUUM ANALYZE held');
used_here('held');
passed($s->query('DROP INDEX held_a_idx'), 'a fourth one, while pg-2 does not replay');
wait_until($s, q{SELECT next_step ~ '^hidden once' FROM guard.soft_drops WHERE index_name = 'public.held_a_idx'});
is(state_of('held'), 'waiting', 'is not hidden before pg-2 knows of it');
$reader->ok('SELECT pg_wal_replay_resume()');
reaches('held', 'hidden');
pass('then it is');

# ---- who is ignored is not waited for

$two->append_conf('postgresql.conf', "guard.primary_conninfo = 'host=/nonexistent'\n");
$two->reload;
wait_until($s, q{SELECT next_step ~ 'has not told' FROM guard.soft_drops WHERE index_name = 'public.held_a_idx'});
$s->ok("ALTER SYSTEM SET guard.ignore_standbys = 'pg-2'");
$s->ok('SELECT pg_reload_conf()');
$s->ok("UPDATE guard.soft_drop SET trial = watched + 1000000, due_at = now() WHERE state = 'hidden'");
wait_until($s, q{SELECT count(*) = 0 FROM guard.soft_drops WHERE state = 'hidden' AND next_step ~ 'has not told'});
pass('ignored, it does not hold anything up');

# ---- guard off on the primary, the primary restarted, guard gone from it and back: reports arrive again, without a flood of lines

sub complaints { return scalar(() = PostgreSQL::Test::Utils::slurp_file($two->logfile) =~ /could not be reported to its primary/g) }

sub heard_after
{
	my ($since) = @_;

	wait_until($s, "SELECT count(*) = 1 FROM guard.node WHERE reported_at > '$since'::timestamptz");
	return;
}

$s->ok("ALTER SYSTEM SET guard.mode = off");
$s->ok('SELECT pg_reload_conf()');
$two->append_conf('postgresql.conf', "guard.primary_conninfo = ''\n");
$two->reload;
heard_after($s->value('SELECT now()'));
pass('a primary with guard.mode = off takes reports');
$s->ok("ALTER SYSTEM RESET guard.mode");
$s->ok('SELECT pg_reload_conf()');
my $before = complaints();
my $from = $s->value('SELECT now()');
$_->close foreach $s, $auth;
$primary->restart;
$s = session($primary);
my $up = $s->value('SELECT now()');
heard_after($up);
pass('restarted: heard again');
my $seconds = $s->value("SELECT ceil(extract(epoch FROM now() - '$from'::timestamptz))");
ok(complaints() - $before <= $seconds + 1, 'a line an interval, while it was not there');
$before = complaints();
$s->ok('DROP EXTENSION guard CASCADE');
caught_up();
# nobody tells a standby that it is there again
wait_until($reader, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'guard worker' AND datname = 'postgres'");
$s->ok('CREATE EXTENSION guard');
$from = $s->value('SELECT now()');
heard_after($from);
ok(complaints() - $before <= 3, 'the extension gone and back: heard again, and next to no word about it');
$two->stop;
done_testing();
