# No owner of a table keeps guard from its work in a database.  What is created again runs what its owner wrote, and waits for the
# owner's locks: that hangs for as long as they like, and catches every request to stop.  Meanwhile snapshots are taken, refusals
# written down, hidden indexes watched; and when somebody else waits for the same process, it is ended, and theirs comes back.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = guard_server('main',
	conf => "guard.hot_action = delay\nguard.unknown_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1s\n"
	  . "guard.snapshot_interval = 1s\n");
my $s = session($node);
$s->ok('CREATE EXTENSION pg_stat_statements');
# For who drops, use does not end within this test; for the worker it does.
$s->ok("SET guard.quiet_period = '1h'");

# What sleeps is a function of the owner's, that no request to cancel ends.
sub make_owner
{
	my ($o) = @_;

	$s->ok("CREATE ROLE $o LOGIN; CREATE SCHEMA $o AUTHORIZATION $o; GRANT USAGE ON SCHEMA guard TO $o; GRANT EXECUTE ON FUNCTION guard.restore(text) TO $o");
	$s->ok("SET ROLE $o");
	$s->ok("CREATE TABLE $o.sw (slow bool); INSERT INTO $o.sw VALUES (false)");
	$s->ok("CREATE FUNCTION $o.may_sleep(v int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$
		BEGIN
			WHILE (SELECT slow FROM $o.sw) LOOP
				BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END;
			END LOOP;
			RETURN true;
		END \$\$");
	$s->ok("CREATE DOMAIN $o.d AS int CHECK ($o.may_sleep(VALUE))");
	$s->ok('RESET ROLE');
}

# A table with an index that was used, dropped in stages, and is gone.
sub make_dropped
{
	my ($o, $table, $what, $where) = @_;
	my $use = session($node, 'auth');
	my $pid = $use->pid;

	$s->ok("CREATE TABLE $o.$table (a int, b text)");
	$s->ok("INSERT INTO $o.$table SELECT g, rpad(g::text, 400) FROM generate_series(1, 1000) g");
	$s->ok("ALTER TABLE $o.$table OWNER TO $o");
	$s->ok("CREATE INDEX ${table}_idx ON $o.$table $what");
	$s->ok("ANALYZE $o.$table");
	$use->ok('SET enable_seqscan = off');
	$use->ok("SELECT count(*) FROM $o.$table WHERE a = $_ AND " . ($where // 'true')) foreach 1 .. 30;
	$use->close;
	wait_until($s, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	is($s->value("SELECT verdict FROM guard.check('$o.${table}_idx')"), 'delay', "$o.${table}_idx is needed");
	$s->ok("DROP INDEX $o.${table}_idx");
	wait_for($table, "state = 'dropped'");
}

sub wait_for
{
	my ($table, $condition) = @_;

	wait_until($s, "SELECT $condition FROM guard.soft_drop WHERE index_name = '${table}_idx' ORDER BY id DESC LIMIT 1");
}

sub column
{
	my ($table, $column) = @_;

	return $s->value("SELECT $column FROM guard.soft_drop WHERE index_name = '${table}_idx' ORDER BY id DESC LIMIT 1");
}

my $builder = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard builder' AND datname = current_database()";

make_owner($_) foreach qw(o1 o2);
make_dropped('o1', 'domain', '(a) WHERE a IS DISTINCT FROM 2000::o1.d', 'a IS DISTINCT FROM 2000::o1.d');
make_dropped('o1', 'predicate', '(a) WHERE o1.may_sleep(a)', 'o1.may_sleep(a)');
make_dropped('o1', 'expression', '(a, (o1.may_sleep(a)))');
make_dropped('o1', 'locked', '(a)');
make_dropped('o2', $_, '(a)') foreach qw(one two three four);
make_table($s, 'hot');
my $hot = use_index($node, 'hot');

# ---- each hangs in its own way; nothing else does, and who waits for the same gets it

my %other = (domain => 'one', predicate => 'two', expression => 'three', locked => 'four');
my $owner = session($node, user => 'o1');
foreach my $hung (qw(domain predicate expression locked))
{
	my $locker = session($node, user => 'o1', application_name => 'locker');

	if ($hung eq 'locked') { $locker->ok('BEGIN; LOCK TABLE o1.locked'); }
	else { $s->ok('UPDATE o1.sw SET slow = true'); }
	$owner->ok("SELECT guard.restore('o1.${hung}_idx')");
	wait_until($s, "SELECT wait_event IN ('PgSleep', 'relation') FROM pg_stat_activity WHERE backend_type = 'guard builder'");
	my $pid = $s->value($builder);
	is(column($hung, 'attempts'), 1, "$hung: that an attempt was made is written down before it hangs");

	# the ordinary work goes on
	my $now = $s->value('SELECT clock_timestamp()');
	wait_until($s, "SELECT max(seen_at) > '$now' FROM guard.evidence_epoch");
	ok(1, "$hung: a snapshot is taken meanwhile");
	$s->ok("SET guard.hot_action = block");
	my $rows = $s->value("SELECT count(*) FROM guard.audit_log WHERE verdict = 'block'");
	refused($s->query('DROP INDEX hot_a_idx'), qr/hot_a_idx/, "$hung: a refusal");
	wait_until($s, "SELECT count(*) > $rows FROM guard.audit_log WHERE verdict = 'block'");
	ok(1, "$hung: is written down meanwhile");
	is($s->value("SELECT state FROM guard.status WHERE item = 'audit'"), 'nothing waits', "$hung: guard.status says so");
	$s->ok("RESET guard.hot_action");
	is($s->value($builder), $pid, "$hung: nobody waits for it, so it is left alone");

	# somebody else's
	$s->ok("SELECT guard.restore('o2.$other{$hung}_idx')");
	wait_for($other{$hung}, "state = 'restored'");
	ok(1, "$hung: another owner's index comes back all the same");
	is($s->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), 0, "$hung: the process has been ended");
	like(column($hung, 'last_error'), qr/^ended by guard/, "$hung: guard.soft_drops says why");

	# and its own, when it can
	if ($hung eq 'locked') { $locker->ok('ROLLBACK'); }
	else { $s->ok('UPDATE o1.sw SET slow = false'); }
	wait_for($hung, "state = 'restored'");
	is(index_state($s, "o1.${hung}_idx"), 'valid ready live', "$hung: it comes back when nothing holds it any more");
	$locker->close;
}

$node->stop;
done_testing();
