# Rows of refused drops are written by somebody else, who may be slow to come: none is lost in a flood, nothing fails and
# nothing waits without a limit when no background worker can be had, and guard.status says what is still to be written.  The
# server log has every line at once, and it alone is left after a crash.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $rows = q{(SELECT count(*) FROM guard.audit_log WHERE verdict = 'block')};
my $status = q{SELECT state FROM guard.status WHERE item = 'audit'};

sub lines
{
	my ($node) = @_;

	return scalar(() = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /LOG: .*guard audit: \{.*"verdict":"block"/g);
}

# A table on which every drop is refused, preloaded or not, at once.
sub protected_table
{
	my ($s, $name) = @_;

	make_table($s, $name);
	$s->ok("SELECT guard.protect('$name', 'not this one')");
}

# Keep a background worker busy, if there is one left, until cancel() is called.
sub take_slot
{
	my ($node, $s) = @_;
	my $session = session($node, 'parallel');

	$session->ok(version_of($node) >= 16 ? 'SET debug_parallel_query = on' : 'SET force_parallel_mode = on');
	$session->ok('SET max_parallel_workers_per_gather = 2');
	$session->start('SELECT pg_sleep(3600)');
	wait_until($s, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND " . $session->pid . ' IN (pid, leader_pid)');
	return $session;
}

sub cancel
{
	my ($s, $session) = @_;

	$s->ok('SELECT pg_cancel_backend(' . $session->pid . ')');
	$session->result;
	$session->close;
}

# Four sessions, fifty refusals each, in and outside of transactions.
sub flood
{
	my ($node) = @_;
	my @sessions = map { session($node, "migration $_") } 1 .. 4;

	foreach my $i (1 .. 50)
	{
		$_->start($i % 2 ? 'DROP INDEX t_a_idx' : 'BEGIN; CREATE TABLE undone (); ALTER TABLE t DROP COLUMN a; COMMIT') foreach @sessions;
		foreach (@sessions)
		{
			my $r = $_->result;
			die 'not refused' unless $r->{error} && $r->{error}{C} eq '55006';
			$_->ok('ROLLBACK') unless $i % 2;
		}
	}
	$_->close foreach @sessions;
}

foreach my $preload ('', 'guard')
{
	my $case = $preload ? 'preloaded' : 'not preloaded';
	my $node = guard_server($preload ? 'preloaded' : 'plain', preload => $preload, conf => "restart_after_crash = on\nmax_worker_processes = 4\nmax_parallel_workers = 4\n");
	my $s = session($node);
	protected_table($s, 't');

	# ---- a flood

	flood($node);
	wait_until($s, "SELECT $rows = 200");
	is($s->value("SELECT $rows"), 200, "$case: 200 refusals from four sessions are 200 rows");
	is($s->value(q{SELECT count(DISTINCT question) FROM guard.audit_log WHERE verdict = 'block'}), 200, "$case: and 200 questions");
	is($s->value(q{SELECT string_agg(DISTINCT application || n, ', ' ORDER BY application || n)
		FROM (SELECT application, ' ' || count(*) AS n FROM guard.audit_log WHERE verdict = 'block' GROUP BY 1) t}),
		join(', ', map { "migration $_ 50" } 1 .. 4), "$case: each says whose it was");
	is($s->value(q{SELECT sum(coalesced) FROM guard.audit_log}), 0, "$case: none stands for another");
	is(lines($node), 200, "$case: the server log has 200 lines");
	wait_until($s, "SELECT ($status) = 'nothing waits'");
	ok(1, "$case: and nothing waits");

	# ---- the line in the log is enough to make the row again

	my ($json) = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /guard audit: (\{.*"verdict":"block".*\})/;
	$json =~ s/'/''/g;
	is($s->value("SELECT definition FROM jsonb_populate_record(null::guard.audit_log, '$json')"),
		'CREATE INDEX t_a_idx ON public.t USING btree (a)', "$case: a line in the log has what the row has");

	# ---- another database, from which the writer goes on

	$s->ok('CREATE DATABASE other');
	my $other = session($node, dbname => 'other');
	$other->ok('CREATE EXTENSION guard');
	protected_table($other, 'o');
	foreach my $i (1 .. 10)
	{
		refused($_->[0]->query("DROP INDEX $_->[1]"), qr/not this one/, "$case: refused in $_->[1]") foreach [ $s, 't_a_idx' ], [ $other, 'o_a_idx' ];
	}
	wait_until($s, "SELECT $rows = 210");
	wait_until($other, "SELECT $rows = 10");
	is($other->value(q{SELECT string_agg(DISTINCT database || ' ' || index_name, ' ') FROM guard.audit_log WHERE verdict = 'block'}),
		'other public.o_a_idx', "$case: every database has its own rows");
	$other->close;

	# ---- who holds the lock that the row needs is not waited for

	$s->ok('BEGIN; LOCK TABLE guard.audit_log');
	refused($s->query('DROP INDEX t_a_idx'), qr/not this one/, "$case: refused in a transaction that holds a lock on the audit log");
	$s->ok('ROLLBACK');
	wait_until($s, "SELECT $rows = 211");
	ok(1, "$case: and its row comes");

	# ---- what went, and could not be written when it went

	my $dropped = q{SELECT string_agg(index_name || ' ' || verdict, ', ' ORDER BY at) FROM guard.audit_log WHERE verdict IN ('allow', 'unjudged')};
	make_table($s, 'w');
	$s->ok('CREATE INDEX w_a2 ON w (a); CREATE INDEX w_b ON w (b); CREATE INDEX w_c ON w (c); CREATE INDEX w_d ON w (a, b)');
	my $locker = session($node);
	$locker->ok('BEGIN; LOCK TABLE guard.audit_log');
	$s->ok('BEGIN; DROP INDEX w_d; ROLLBACK');
	$s->ok('BEGIN; SAVEPOINT a; DROP INDEX w_d; ROLLBACK TO a; COMMIT');
	passed($s->query('DROP INDEX w_b'), "$case: the audit log is locked: a drop passes");
	passed($s->query('BEGIN; SAVEPOINT a; DROP INDEX w_a2; RELEASE a; COMMIT'), "$case: in a savepoint");
	passed($s->query('SET guard.mode = off'), "$case: and with guard off");
	passed($s->query('DROP INDEX w_c'), "$case: as well");
	$s->ok('RESET guard.mode');
	is($s->value($status), '3 records wait to be written by a background worker: another session holds a lock on guard.audit_log', "$case: guard.status says what waits, and for what, but not what was rolled back");
	$locker->ok('ROLLBACK');
	$locker->close;
	wait_until($s, "SELECT ($status) = 'nothing waits'");
	is($s->value($dropped), 'public.w_b allow, public.w_a2 allow, public.w_c unjudged', "$case: and they are written");
	$s->ok('DROP TABLE w');

	# ---- more than the ring can hold: what is left says how many are missing

	my $held = session($node);
	$held->ok('BEGIN; LOCK TABLE guard.audit_log');
	my $long = 'DROP INDEX t_a_idx /* ' . 'x' x 4000 . ' */';
	my $refused = grep { $s->query($long)->{error}{C} eq '55006' } 1 .. 500;
	is($refused, 500, "$case: 500 refusals with long texts, while nobody can write");
	$held->ok('ROLLBACK');
	$held->close;
	refused($s->query('DROP INDEX t_a_idx'), qr/not this one/, "$case: and one more");
	wait_until($s, "SELECT ($status) = 'nothing waits'");
	is($s->value(q{SELECT sum(1 + coalesced) FROM guard.audit_log WHERE verdict = 'block'}), 712, "$case: all are accounted for");
	cmp_ok($s->value("SELECT $rows"), '<', 712, "$case: in fewer rows");
	my $known = $s->value("SELECT $rows");

	# ---- no worker to be had

	my @busy = map { take_slot($node, $s) } 1 .. 4;
	my $from = -s $node->logfile;
	refused($s->query('DROP INDEX t_a_idx'), qr/not this one/, "$case: no worker slot is free: refused all the same") foreach 1 .. 3;
	wait_until($s, "SELECT ($status) = '3 records wait to be written by a background worker: max_worker_processes are used up'");
	ok(1, "$case: guard.status says what waits, and for what");
	unlike(substr(PostgreSQL::Test::Utils::slurp_file($node->logfile), $from), qr/WARNING|could not/, "$case: nothing else is said");
	cancel($s, $_) foreach @busy;
	refused($s->query('DROP INDEX t_a_idx'), qr/not this one/, "$case: one more");
	wait_until($s, "SELECT $rows = $known + 4");
	ok(1, "$case: and all are written");

	# ---- a crash: what waited is in the log

	$held = session($node);
	$held->ok('BEGIN; LOCK TABLE guard.audit_log');
	refused($s->query('DROP INDEX t_a_idx'), qr/not this one/, "$case: refused just before a crash");
	my $lines = lines($node);
	my $killed = session($node);
	kill 'KILL', $killed->pid;
	$node->poll_query_until('postgres', q{SELECT state = 'nothing waits' FROM guard.status WHERE item = 'audit'}) or die 'no recovery';
	is(lines($node), $lines, "$case: after a crash the line is in the log, and nothing waits");
	$s = session($node);
	my $before = $s->value("SELECT $rows");
	refused($s->query('DROP INDEX t_a_idx'), qr/not this one/, "$case: refused after the crash");
	wait_until($s, "SELECT $rows = $before + 1");
	ok(1, "$case: and written");

	$node->stop;
}

done_testing();
