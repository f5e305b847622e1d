# An approval is used up with its drop, or the drop does not happen, whatever comes between: locks, errors, cancelled statements,
# revoked approvals, sessions that end or are killed while DROP INDEX CONCURRENTLY waits.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', preload => 'guard', conf => "autovacuum = off\nrestart_after_crash = on\n");
my $s = session($node);
my $n = 0;

# A protected table with two indexes, and one approval for the table, or for its first index.
sub approved
{
	my ($whole) = @_;
	my $t = 't' . ++$n;

	make_table($s, $t);
	$s->ok("CREATE INDEX ${t}_b_idx ON $t (b)");
	$s->ok("SELECT guard.protect('$t', 'needed')");
	$s->ok("SELECT guard.approve('" . ($whole ? $t : "${t}_a_idx") . "', 'once')");
	return $t;
}

sub state_of
{
	my ($t) = @_;

	return $s->value("SELECT string_agg(state, ' ') FROM guard.approvals WHERE table_name = '$t'") // 'none';
}

# The approval was used for the first index: neither serves it for the other one now.
sub is_used
{
	my ($t, $test) = @_;

	is(state_of($t), 'used', "$test: the approval is used up");
	refused($s->query("DROP INDEX ${t}_b_idx"), qr/cannot drop index "public.${t}_b_idx": guard protects it for \w+:/, "$test: and serves nobody else");
}

sub is_unused
{
	my ($t, $test) = @_;

	is(index_state($s, "${t}_a_idx"), 'valid ready live', "$test: the index is as it was");
	unlike(state_of($t), qr/used/, "$test: the approval is not used up");
	is($s->value("SELECT count(*) FROM pg_locks WHERE classid = 'guard.approval'::regclass"), 0, "$test: nobody holds a lock on it");
}

sub wait_for_lock
{
	my ($session) = @_;

	wait_until($s, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $session->{pid}");
}

# A reader keeps DROP INDEX CONCURRENTLY waiting after the index was taken away from the planner; "vacuum" before that.
sub dropping
{
	my ($t, $how) = @_;
	my $blocker = session($node, 'blocker');
	my $dropper = session($node, 'dropper');

	$blocker->ok($how eq 'vacuum' ? "BEGIN; LOCK TABLE $t IN SHARE UPDATE EXCLUSIVE MODE" :
		  "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM $t");
	$dropper->start("DROP INDEX CONCURRENTLY ${t}_a_idx");
	wait_for_lock($dropper);
	return ($blocker, $dropper);
}

foreach my $whole (0, 1)
{
	my $which = $whole ? 'table' : 'index';

	# ---- while it waits for the last readers
	{
		my $t = approved($whole);
		my ($reader, $dropper) = dropping($t, 'reader');

		$s->query("SELECT guard.revoke_approval('" . ($whole ? $t : "${t}_a_idx") . "')");
		$reader->ok('COMMIT');
		passed($dropper->result, "$which: done");
		is_used($t, "$which: revoked meanwhile");
		$dropper->ok('SELECT 1');
		$dropper->close;
		is($s->value("SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'guard.approval'::regclass"), 0,
			'no lock outlives the session');
	}
	foreach my $how ('cancelled', 'terminated', 'killed')
	{
		my $t = approved($whole);
		my ($reader, $dropper) = dropping($t, 'reader');

		if ($how eq 'cancelled')
		{
			$s->ok("SELECT pg_cancel_backend($dropper->{pid})");
			failed($dropper->result, '57014', qr/user request/, "$which: cancelled");
		}
		elsif ($how eq 'terminated')
		{
			$s->ok("SELECT pg_terminate_backend($dropper->{pid}, 60000)");
		}
		else
		{
			kill 'KILL', $dropper->{pid};
			$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $dropper->{pid})");
			$s = session($node);
		}
		is(index_state($s, "${t}_a_idx"), 'not valid ready live', "$which, $how: the index is of no use any more");
		is_used($t, "$which, $how");
	}

	# ---- the table of approvals is locked when it ends, and then there is an error
	{
		my $t = approved($whole);
		my ($reader, $dropper) = dropping($t, 'reader');
		my $locker = session($node, 'locker');

		$locker->ok('BEGIN; LOCK TABLE guard.approval IN SHARE MODE');
		$reader->ok('COMMIT');
		passed($dropper->result, "$which: done, with the table locked");
		failed($dropper->query('SELECT 1/0'), '22012', qr/division/, 'an error');
		$locker->ok('COMMIT');
		is_used($t, "$which: locked at the end");
	}

	# ---- before that: nothing has happened
	{
		my $t = approved($whole);
		my ($vacuum, $dropper) = dropping($t, 'vacuum');

		$s->ok("SELECT pg_cancel_backend($dropper->{pid})");
		failed($dropper->result, '57014', qr/user request/, "$which: cancelled before");
		$vacuum->ok('COMMIT');
		is_unused($t, "$which, cancelled before");
		passed($dropper->query("DROP INDEX CONCURRENTLY ${t}_a_idx"), "$which: and once more");
		is_used($t, "$which: once more");
	}
	{
		my $t = approved($whole);
		my ($vacuum, $dropper) = dropping($t, 'vacuum');

		$s->ok("SELECT guard.revoke_approval('" . ($whole ? $t : "${t}_a_idx") . "')");
		$vacuum->ok('COMMIT');
		refused($dropper->result, qr/could not use the approval by .*: it has been taken back/, "$which: taken back in time");
		is(index_state($s, "${t}_a_idx"), 'valid ready live', 'the index is as it was');
	}
	{
		my $t = approved($whole);
		my ($vacuum, $dropper) = dropping($t, 'vacuum');
		my $locker = session($node, 'locker');

		$locker->ok('BEGIN; LOCK TABLE guard.approval IN SHARE MODE');
		$vacuum->ok('COMMIT');
		failed($dropper->result, '55P03', qr/lock/, "$which: what cannot be written does not happen");
		$locker->ok('COMMIT');
		is_unused($t, "$which: could not be written");
	}

	# ---- two at a time
	{
		my $t = approved($whole);
		my ($vacuum, $dropper) = dropping($t, 'vacuum');
		my $second = session($node, 'second');

		refused($second->query("DROP INDEX ${t}_" . ($whole ? 'b' : 'a') . '_idx'), qr/cannot drop index .*protects it for \w+/,
			"$which: one at a time") if $whole;
		$vacuum->ok('COMMIT');
		passed($dropper->result, "$which: the first has it");
		is_used($t, "$which: two at a time");
	}

	# ---- taken back by a transaction that is prepared: no session holds a lock then, and who cannot have it is refused beforehand
	{
		my $t = approved($whole);
		my $object = $whole ? $t : "${t}_a_idx";

		$s->ok("BEGIN; SELECT guard.revoke_approval('$object'); PREPARE TRANSACTION 'revoke'");
		refused($s->query("DROP INDEX $_ ${t}_a_idx"), qr/cannot drop index "public.${t}_a_idx": guard protects it for \w+:/, "$which, revoked, prepared: $_ refused")
		  foreach '', 'CONCURRENTLY';
		$s->ok("ROLLBACK PREPARED 'revoke'");
		is_unused($t, "$which, not revoked after all");
		passed($s->query("DROP INDEX CONCURRENTLY ${t}_a_idx"), "$which, not revoked after all: passes");
		is_used($t, "$which, not revoked after all");
	}

	# ---- plain: given back by whatever undoes the drop
	{
		my $t = approved($whole);

		$s->ok("BEGIN; DROP INDEX ${t}_a_idx; ROLLBACK");
		$s->ok("BEGIN; SAVEPOINT a; DROP INDEX ${t}_a_idx; ROLLBACK TO a; COMMIT");
		$s->query("BEGIN; DROP INDEX ${t}_a_idx; SELECT 1/0; COMMIT");
		$s->ok('ROLLBACK');
		is_unused($t, "$which: rolled back");
		$s->ok("BEGIN; SAVEPOINT a; DROP INDEX ${t}_a_idx; RELEASE a; COMMIT");
		is_used($t, "$which: plain");
	}
}

# ---- errors in a session that has dropped by approval, and many sessions
unlike(slurp_file($node->logfile), qr/TRAP:|you don't own a lock|terminated by signal (?!9)/, 'no lock that is not owned, no process gone but the killed ones');
$node->stop;
done_testing();
