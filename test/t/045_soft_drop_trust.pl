# Whose a soft drop is, and whom it may keep waiting: approvals and guard.two_person hold for it as for a drop; what gives an index
# back succeeds whatever happens to those who are to be told; many of one owner delay nobody; what is not watched is not dropped.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $conf = "guard.hot_action = delay\nguard.quiet_period = 1h\nguard.trial_period = 1h\nguard.two_person = on\nlog_min_messages = log\nrestart_after_crash = on\n";
my $node = guard_server('main', conf => $conf);
my ($s, $auth);

sub connect_again
{
	$s = session($node);
	$auth = session($node, 'auth');
}
connect_again();
$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok("CREATE FUNCTION want_visit(seconds int) RETURNS void LANGUAGE c AS 'guard', 'guard_sql_want_visit'");
$s->ok("CREATE ROLE $_ LOGIN") foreach qw(owner1 owner2 boss);
$s->ok('CREATE SCHEMA o1 AUTHORIZATION owner1; CREATE SCHEMA o2 AUTHORIZATION owner2');
$s->ok('GRANT EXECUTE ON FUNCTION guard.approve(regclass, text, interval) TO owner1, boss; GRANT USAGE ON SCHEMA o1 TO boss');

sub configure
{
	my ($name, $value) = @_;

	$s->ok("ALTER SYSTEM SET $name = '$value'");
	$s->ok('SELECT pg_reload_conf()');
	wait_until($auth, "SELECT current_setting('$name') = '$value'");
}

# A table of which others have used the index; the owner's name is that of the schema.
sub make_used_table
{
	my ($name, $rows) = @_;
	my ($schema, $table) = split /\./, $name;
	my $owner = { o1 => 'owner1', o2 => 'owner2' }->{$schema};

	$rows //= 1000;
	$s->ok("CREATE TABLE $name (a int, b int, c text)");
	$s->ok("INSERT INTO $name SELECT g, g % 100, rpad('row ' || g, 100) FROM generate_series(1, $rows) g");
	$s->ok("CREATE INDEX ${table}_a_idx ON $name (a)");
	$s->ok("VACUUM ANALYZE $name");
	$s->ok("ALTER TABLE $name OWNER TO $owner");
	use_it($name, "${table}_a_idx");
}

sub use_it
{
	my ($name, $index, $statement) = @_;
	my ($schema) = split /\./, $name;
	my $known = "SELECT coalesce(sum(uses), 0) FROM guard.index_statements('$schema.$index')";
	my $before = $s->value($known);

	$statement //= "SELECT c FROM $name WHERE a =";
	$auth->ok("$statement $_") foreach 1 .. 30;
	until ($s->value($known) >= $before + 30)
	{
		$auth->ok('SELECT 1');
		usleep(50_000);
	}
}

sub column
{
	my ($index, $column) = @_;

	return $s->value("SELECT $column FROM guard.soft_drop WHERE index_name = '$index' ORDER BY id DESC LIMIT 1");
}

sub wait_for
{
	my ($index, $condition) = @_;

	wait_until($s, "SELECT $condition FROM guard.soft_drop WHERE index_name = '$index' ORDER BY id DESC LIMIT 1");
}

# Have a visitor look at it once more, from now on.
sub look_again
{
	my ($index) = @_;

	$s->ok("UPDATE guard.soft_drop SET due_at = '-infinity' WHERE index_name = '$index'");
	$s->ok('SELECT want_visit(0)');
	wait_for($index, "due_at > '-infinity'");
}

# ---- two persons

my $owner1 = session($node, user => 'owner1');
my $boss = session($node, user => 'boss');
make_used_table('o1.users');
$owner1->ok('DROP INDEX o1.users_a_idx');
my $holding = column('users_a_idx', "'o1.' || (parts -> 0 ->> 'holding_name')");
passed($owner1->query("SELECT guard.approve('$holding', 'I approve my own drop')"), 'who dropped it approves');
look_again('users_a_idx');
is(column('users_a_idx', 'state'), 'waiting', 'that does not count with guard.two_person');
is($s->value("SELECT count(*) FROM guard.approvals WHERE state = 'valid'"), 1, 'nor is it used up');
$boss->ok("SELECT guard.approve('$holding', 'go ahead')");
wait_for('users_a_idx', "state = 'hidden'");
is($s->value("SELECT string_agg(approved_by || ' for ' || used_by, ', ') FROM guard.approvals WHERE state = 'used'"),
	'boss for owner1', 'what somebody else approves is used up, for who dropped it');
like(column('users_a_idx', 'state_reason'), qr/^approved: /, 'and guard.soft_drops says so');
is($s->value("SELECT reason FROM guard.check('$holding')"), 'approved', 'the own one is still there');
look_again('users_a_idx');
is(column('users_a_idx', 'state'), 'hidden', 'that it is needed was known, so it stays hidden');
$s->ok("SELECT guard.revoke_approval('$holding')");
$s->ok("UPDATE guard.soft_drop SET trial = 0, watched = 600000000 WHERE index_name = 'users_a_idx'");
wait_for('users_a_idx', "state = 'dropped'");
is($s->value("SELECT count(*) FROM pg_class WHERE 'o1.' || relname = '$holding'"), 0, 'and is dropped after its trial');

# ---- an approval of the table: good for one of them

make_used_table('o1.orders');
$s->ok('CREATE INDEX orders_b_idx ON o1.orders (b)');
use_it('o1.orders', 'orders_b_idx', 'SELECT count(*) FROM o1.orders WHERE b =');
$owner1->ok('DROP INDEX o1.orders_a_idx, o1.orders_b_idx');
$boss->ok("SELECT guard.approve('o1.orders', 'one of them')");
wait_until($s, "SELECT count(*) = 1 FROM guard.soft_drop WHERE table_name = 'orders' AND state = 'hidden'");
look_again($_) foreach qw(orders_a_idx orders_b_idx);
is($s->value("SELECT string_agg(state, ' ' ORDER BY state) FROM guard.soft_drop WHERE table_name = 'orders'"), 'hidden waiting',
	'the approval of a table is used up by one of its indexes');
is($s->value("SELECT count(*) FROM guard.approvals WHERE table_name = 'orders' AND state = 'used'"), 1, 'and is gone then');
$s->ok("SELECT guard.restore('o1.orders_a_idx'), guard.restore('o1.orders_b_idx')");

# ---- prepared, and committed later; with a crash between the two

configure('guard.quiet_period', '1s');
$s->ok("SET guard.quiet_period = '1h'");
foreach my $crash (0, 1)
{
	my $name = "prepared_$crash";

	make_used_table("o2.$name");
	$s->ok("BEGIN; DROP INDEX o2.${name}_a_idx; PREPARE TRANSACTION '$name'");
	if ($crash)
	{
		$node->stop('immediate');
		$node->start;
		connect_again();
		$s->ok("SET guard.quiet_period = '1h'");
	}
	$s->ok("COMMIT PREPARED '$name'");
	my $began = $s->value('SELECT clock_timestamp()');
	# when it is due is later from the first look on
	wait_for("${name}_a_idx", "due_at > '$began'");
	note 'looked at ' . $s->value("SELECT clock_timestamp() - '$began'") . ' after COMMIT PREPARED';
	ok(1, 'COMMIT PREPARED' . ($crash ? ' after a crash' : '') . ': somebody comes');
	$s->ok("SELECT guard.restore('o2.${name}_a_idx')");
}

# ---- a name that was taken is given back when it is free

make_used_table('o2.named');
$s->ok('DROP INDEX o2.named_a_idx; CREATE INDEX named_a_idx ON o2.named (b)');
like($s->value("SELECT guard.restore('o2.named_a_idx')"), qr/it keeps the name guard_drop_\d+/, 'the name has been taken');
look_again('named_a_idx');
like(column('named_a_idx', 'next_step'), qr/^called o2.named_a_idx again, as soon as nothing else is$/, 'guard.soft_drops says what will be');
$s->ok('ALTER INDEX o2.named_a_idx RENAME TO named_b_idx');
wait_for('named_a_idx', 'NOT name_wanted');
like($s->value("SELECT pg_get_indexdef('o2.named_a_idx'::regclass)"), qr/\(a\)$/, 'and it is, when the name is free');

# dropped a second time before that
$s->ok('DROP INDEX o2.named_a_idx; ALTER INDEX o2.named_b_idx RENAME TO named_a_idx');
$s->ok("SELECT guard.restore('o2.named_a_idx')");
$holding = column('named_a_idx', "parts -> 0 ->> 'holding_name'");
use_it('o2.named', $holding);
passed($s->query("DROP INDEX o2.$holding"), 'dropped again while its name is taken');
is(column('named_a_idx', 'state'), 'waiting', 'it is a soft drop under the name that it had');
$s->ok('DROP INDEX o2.named_a_idx');
like($s->value("SELECT guard.restore('o2.named_a_idx')"), qr/index o2.named_a_idx is back/, 'and comes back');
like($s->value("SELECT pg_get_indexdef('o2.named_a_idx'::regclass)"), qr/\(a\)$/, 'under that name');

# dropped again before anybody has looked whether it got its name
make_used_table('o2.twice');
$s->ok('DROP INDEX o2.twice_a_idx');
$s->ok("BEGIN; SELECT guard.restore('o2.twice_a_idx'); DROP INDEX o2.twice_a_idx; COMMIT");
look_again('twice_a_idx');
wait_until($s, 'SELECT NOT EXISTS (SELECT FROM guard.soft_drop WHERE name_wanted)');
is(index_state($s, 'o2.twice_a_idx'), 'gone', 'the earlier soft drop gives no name back to an index that is dropped again');
$s->ok("SELECT guard.restore('o2.twice_a_idx')");

# ---- locked for a moment, by a visitor or by anybody

make_used_table('o2.busy');
$s->ok('DROP INDEX o2.busy_a_idx');
my $busy = session($node, 'busy');
$busy->ok('BEGIN; ALTER INDEX o2.' . column('busy_a_idx', "parts -> 0 ->> 'holding_name'") . ' SET (fillfactor = 90)');
$s->start("SELECT guard.restore('o2.busy_a_idx')");
wait_until($auth, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query ~ '^SELECT guard.restore' AND backend_xid IS NOT NULL");
$busy->ok('COMMIT');
like($s->result->{rows}[0][0], qr/^index o2.busy_a_idx is back/, 'a person who wants it back waits for who has it locked');

# ---- its twin is being swapped

make_used_table('o2.swapped');
$s->ok('BEGIN; DROP INDEX o2.swapped_a_idx; CREATE INDEX swapped_a_idx ON o2.swapped (a); COMMIT');
wait_for('swapped_a_idx', "state = 'hidden'");
$s->ok('BEGIN; DROP INDEX o2.swapped_a_idx; CREATE INDEX swapped_a_idx ON o2.swapped (a)');
$auth->ok("UPDATE guard.soft_drop SET due_at = '-infinity' WHERE index_name = 'swapped_a_idx' AND state = 'hidden'");
wait_until($auth, "SELECT bool_and(due_at > '-infinity') FROM guard.soft_drop WHERE index_name = 'swapped_a_idx'");
$s->ok('COMMIT');
look_again('swapped_a_idx');
is($s->value("SELECT count(*) FROM guard.soft_drop WHERE index_name = 'swapped_a_idx' AND state = 'restored'"), 0,
	'while its twin is being swapped in one transaction it does not come back');

# ---- nothing is known of before

make_used_table('o2.blind');
$s->ok('SELECT pg_stat_statements_reset()');
$s->ok('DROP INDEX o2.blind_a_idx');
wait_for('blind_a_idx', "state = 'hidden'");
$s->ok("UPDATE guard.soft_drop SET trial = 0 WHERE index_name = 'blind_a_idx'");
look_again('blind_a_idx');
look_again('blind_a_idx');
is(column('blind_a_idx', 'state'), 'hidden', 'without a baseline it is not dropped when its trial is over');
like(column('blind_a_idx', 'next_step'), qr/^unknown: .*not dropped/, 'and guard.soft_drops says so');
like($s->value("SELECT guard.restore('o2.blind_a_idx')"), qr/is back/, 'it can be had back');

# ---- created again: registrations come back

make_used_table('o2.again');
$s->ok("SELECT guard.add_dependency('o2.again_a_idx', 'billing', '2.0'); SELECT guard.report_deployment('billing', '2.1')");
$s->ok('DROP INDEX o2.again_a_idx');
wait_for('again_a_idx', "state = 'hidden'");
$s->ok("UPDATE guard.soft_drop SET trial = 0, watched = 600000000 WHERE index_name = 'again_a_idx'");
wait_for('again_a_idx', "state = 'dropped'");
$s->ok("SELECT guard.restore('o2.again_a_idx')");
wait_for('again_a_idx', "state = 'restored'");
is($s->value("SELECT count(*) FROM guard.dependency JOIN guard.object o ON o.id = object WHERE index_oid = 'o2.again_a_idx'::regclass AND service = 'billing'"), 1,
	'a dependency comes back with its index');

# ---- giving back comes first: the audit log is locked, then nothing can be written to it

sub slow_until_restored
{
	my ($session, $name, $index) = @_;
	my $began = time;

	until ($session->value("SELECT state = 'restored' AND NOT name_wanted FROM guard.soft_drop WHERE index_name = '$index' ORDER BY id DESC LIMIT 1") eq 't')
	{
		die 'the watch saw nothing' if time > $began + $PostgreSQL::Test::Utils::timeout_default;
		$auth->ok("SELECT c FROM $name WHERE a = $_") foreach 1 .. 5;
	}
	return time - $began;
}

make_used_table("o2.$_", 30000) foreach qw(locked failing);
my $log = -s $node->logfile;
$s->ok('DROP INDEX o2.locked_a_idx');
wait_for('locked_a_idx', "state = 'hidden'");
my $locker = session($node, 'locker');
$locker->ok('BEGIN; LOCK TABLE guard.audit_log IN EXCLUSIVE MODE');
slow_until_restored($s, 'o2.locked', 'locked_a_idx');
ok(1, 'restored, with its name, though the audit log is locked');

# From now on no row can be written, that of the first included: nobody is told later for that.
$locker->ok("CREATE FUNCTION full_log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''the log is full''; END'");
$locker->ok('CREATE TRIGGER full_log BEFORE INSERT ON guard.audit_log FOR EACH ROW EXECUTE FUNCTION full_log(); COMMIT');
$s->ok('DROP INDEX o2.failing_a_idx');
wait_for('failing_a_idx', "state = 'hidden'");
slow_until_restored($s, 'o2.failing', 'failing_a_idx');
ok(1, 'restored, though no row can be written');
my $end = time + $PostgreSQL::Test::Utils::timeout_default;
until (slurp_file($node->logfile, $log) =~ /index o2\.failing_a_idx is restored: statement .* took/) { die 'not in the log' if time > $end; usleep(20_000) }
ok(1, 'the server log says so');
$s->ok('ALTER TABLE guard.audit_log DISABLE TRIGGER full_log');
$s->ok("SELECT guard.hide('o2.failing_a_idx')");
$s->ok('DROP INDEX o2.locked_a_idx');
$s->ok('ALTER TABLE guard.audit_log ENABLE TRIGGER full_log');
passed($s->query("SELECT guard.unhide('o2.failing_a_idx')"), 'guard.unhide, too');
passed($s->query("SELECT guard.restore('o2.locked_a_idx')"), 'and guard.restore');
$s->ok('DROP TRIGGER full_log ON guard.audit_log');

# ---- a thousand of one owner: the others' come back all the same, and he gets no more

make_used_table('o1.many');
make_used_table('o2.alone', 30000);
configure('guard.quiet_period', '1h');
$owner1 = session($node, user => 'owner1');
$owner1->ok('DROP INDEX o1.many_a_idx');
$s->ok("INSERT INTO guard.soft_drop (index_oid, state, table_oid, index_schema, index_name, table_name, partitioned, parts, reason, login_role)
	SELECT s.index_oid, s.state, s.table_oid, s.index_schema, 'copy_' || g, s.table_name, s.partitioned, s.parts, s.reason, s.login_role
	  FROM guard.soft_drop s, generate_series(1, 999) g WHERE s.index_name = 'many_a_idx'");
make_used_table('o1.more');
is($s->value("SELECT verdict || ' ' || reason FROM guard.check('o1.more_a_idx')"), 'block hot', 'the thousand-and-first is judged as if it could not be delayed');
$s->ok('DELETE FROM guard.soft_drop WHERE index_name = \'copy_999\'');
is($s->value("SELECT verdict || ' ' || reason FROM guard.check('o1.more_a_idx')"), 'delay hot', 'the thousandth is delayed');
$s->ok("SET guard.quiet_period = '1h'");
$s->ok('DROP INDEX o2.alone_a_idx');
configure('guard.quiet_period', '1s');
wait_for('alone_a_idx', "state = 'hidden'");
configure('guard.quiet_period', '1h');
$s->ok("UPDATE guard.soft_drop SET due_at = '-infinity' WHERE index_name ~ '^copy' AND state = 'waiting'");
note sprintf 'a restore beside a thousand others: %.1f s', slow_until_restored($s, 'o2.alone', 'alone_a_idx');
ok(1, 'an index comes back while a thousand of another owner wait');

$node->stop;
done_testing();
