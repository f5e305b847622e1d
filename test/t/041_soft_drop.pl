# A drop in stages: waiting until nobody needs the index, hidden and watched, dropped; and the ways back from each stage.  Times
# are seconds here, days in life.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = guard_server('main',
	conf => "guard.hot_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 2s\nlog_min_messages = log\n");
my $s = session($node);
my $auth = session($node, 'auth');
$s->ok('CREATE EXTENSION pg_stat_statements');
# For who drops, use does not end within this test; for the visitors it does.
$s->ok("SET guard.quiet_period = '1h'");
my $other = session($node, 'other');

sub configure
{
	my ($name, $value) = @_;

	$s->ok(defined $value ? "ALTER SYSTEM SET $name = '$value'" : "ALTER SYSTEM RESET $name");
	$s->ok('SELECT pg_reload_conf()');
	wait_until($other, "SELECT current_setting('$name') = '$value'") if defined $value;
}

# A table on which a look-up without its index takes milliseconds.
sub make_big_table
{
	my ($name) = @_;

	$s->ok("CREATE TABLE $name (a int, b int, c text)");
	$s->ok("INSERT INTO $name SELECT g, g % 100, rpad('row ' || g, 100) FROM generate_series(1, 30000) g");
	$s->ok("CREATE INDEX ${name}_a_idx ON $name (a)");
	$s->ok("VACUUM ANALYZE $name");
}

# Live traffic that has a rhythm: often enough for its end to be noticed.  Counts are told once a second at most, by the session's
# next statement.
sub traffic
{
	my ($session, $name, $times) = @_;

	$session->ok("SELECT c FROM $name WHERE a = $_") foreach 1 .. $times;
}

sub use_it
{
	my ($name, $times, $statement) = @_;
	my $known = "SELECT coalesce(sum(uses), 0) FROM guard.index_statements('${name}_idx')";
	my $before = $s->value($known);

	$statement //= "SELECT c FROM " . ($name =~ s/_a$//r) . " WHERE a =";
	$auth->ok("$statement $_") foreach 1 .. $times;
	until ($s->value($known) >= $before + $times)
	{
		$auth->ok('SELECT 1');
		usleep(50_000);
	}
}

sub state_of
{
	my ($index) = @_;

	return $s->value("SELECT state FROM guard.soft_drops WHERE index_name = 'public.$index' ORDER BY dropped_at DESC LIMIT 1");
}

sub wait_for_state
{
	my ($index, $state) = @_;

	wait_until($s, "SELECT state = '$state' AND NOT (next_step ~ 'name' IS TRUE) FROM guard.soft_drops
		WHERE index_name = 'public.$index' ORDER BY dropped_at DESC LIMIT 1");
}

sub plan_of
{
	my ($name) = @_;

	return join "\n", map { $_->[0] } @{ $s->ok("EXPLAIN (COSTS OFF) SELECT c FROM $name WHERE a = 42")->{rows} };
}

# What was done comes first, its row in the audit log after it.
sub audited
{
	my ($index, $events, $test) = @_;

	wait_until($s, "SELECT string_agg(event, ' ' ORDER BY at) = '$events' FROM guard.last_drops() WHERE index_name = 'public.$index'");
	return pass($test);
}

# ---- the whole way, and back after the end of it

make_big_table('whole');
$s->ok("COMMENT ON INDEX whole_a_idx IS 'for the login page'");
$s->ok('ALTER TABLE whole CLUSTER ON whole_a_idx');
use_it('whole_a', 30);
is(verdict($s, 'whole_a_idx'), 'delay hot', 'the index is needed');
my $r = $s->query('DROP INDEX whole_a_idx');
passed($r, 'DROP INDEX succeeds');
is(scalar(grep { $_->{S} eq 'WARNING' && $_->{M} =~ /whole_a_idx" will be dropped in stages: auth use/ && $_->{D} =~ /2s/ } @{ $r->{notices} }),
	1, 'with a WARNING that says why, and what happens when');
wait_for_state('whole_a_idx', 'hidden');
like(plan_of('whole'), qr/Seq Scan/, 'when its use has ended, the planner does not see it any more');
like($s->value("SELECT next_step FROM guard.soft_drops WHERE index_name = 'public.whole_a_idx'"), qr/dropped, if nothing becomes slower/,
	'guard.soft_drops says what comes next');
wait_for_state('whole_a_idx', 'dropped');
is($s->value("SELECT count(*) FROM pg_index WHERE indrelid = 'whole'::regclass"), 0, 'at the end of the trial it is gone');
audited('whole_a_idx', 'delay hide dropped', 'the audit log has every step');
is($s->value('SELECT count(*) FROM guard.soft_drop_baseline'), 0, 'and nothing of the trial is left');
like($s->value("SELECT guard.restore('whole_a_idx')"), qr/a background worker creates it again/, 'it can be had back all the same');
wait_for_state('whole_a_idx', 'restored');
is(index_state($s, 'whole_a_idx'), 'valid ready live', 'and is there');
is($s->value("SELECT obj_description('whole_a_idx'::regclass, 'pg_class') || ' ' || indisclustered FROM pg_index WHERE indexrelid = 'whole_a_idx'::regclass"),
	'for the login page true', 'with its comment and its CLUSTER mark');
like(plan_of('whole'), qr/Index Scan using whole_a_idx/, 'the planner uses it');

# ---- an expression index keeps its statistics target

$s->ok('CREATE INDEX whole_x_idx ON whole ((a + b)); ALTER INDEX whole_x_idx ALTER COLUMN 1 SET STATISTICS 777');
use_it('whole_x', 30, 'SELECT c FROM whole WHERE a + b =');
$s->ok('DROP INDEX whole_x_idx');
wait_for_state('whole_x_idx', 'dropped');
$s->ok("SELECT guard.restore('whole_x_idx')");
wait_for_state('whole_x_idx', 'restored');
is($s->value("SELECT attstattarget FROM pg_attribute WHERE attrelid = 'whole_x_idx'::regclass AND attnum = 1"), 777, 'statistics targets come back');

# ---- a partitioned index comes back with all its parts, whatever has its name by then

$s->ok('CREATE TABLE parted (a int, b int) PARTITION BY RANGE (b)');
$s->ok('CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (2)');
$s->ok('CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (2) TO (4) PARTITION BY LIST (b)');
$s->ok("CREATE TABLE parted_2_$_ PARTITION OF parted_2 FOR VALUES IN ($_)") foreach 2, 3;
$s->ok('INSERT INTO parted SELECT g, 1 + g % 3 FROM generate_series(1, 20000) g');
$s->ok('CREATE INDEX parted_x_idx ON parted (a)');
$s->ok('VACUUM ANALYZE parted');
use_it('parted_x', 30, 'SELECT b FROM parted WHERE a =');
$s->ok('DROP INDEX parted_x_idx');
wait_for_state('parted_x_idx', 'dropped');
is($s->value("SELECT count(*) FROM pg_class WHERE relkind IN ('i', 'I') AND relname ~ '^parted'"), 0, 'a partitioned index is dropped with all its parts');
$s->ok('CREATE INDEX parted_x_idx ON parted (b)');
$s->ok('ALTER TABLE parted DETACH PARTITION parted_1');
$s->ok('CREATE TABLE parted_4 PARTITION OF parted FOR VALUES FROM (4) TO (5)');
$s->ok('CREATE TABLE parted_5 PARTITION OF parted FOR VALUES FROM (5) TO (7) PARTITION BY LIST (b)');
$s->ok('CREATE TABLE parted_5_5 PARTITION OF parted_5 FOR VALUES IN (5)');
$s->ok('ALTER TABLE parted RENAME TO parted_now');
$s->ok("SELECT guard.restore('parted_x_idx')");
wait_for_state('parted_x_idx', 'restored');
is($s->value("SELECT count(*) || ' ' || bool_and(indisvalid) FROM pg_partition_tree((SELECT oid FROM pg_class WHERE relname ~ '^guard_drop_' AND relkind = 'I' AND NOT relispartition)) t
	JOIN pg_index i ON i.indexrelid = t.relid"), '7 true',
	'and comes back with them, and for the partitions that there are now');
is($s->value("SELECT count(*) FROM pg_index WHERE indrelid = 'parted_1'::regclass AND indexrelid::regclass::text ~ 'a_idx'"), 0, 'one that was detached meanwhile gets none');
like($s->value("SELECT state_reason FROM guard.soft_drops WHERE index_name = 'public.parted_x_idx'"), qr/created again as guard_drop_\d+, for its old name has been taken/,
	'under another name, if need be');
# what used the index uses it still, for all that is known
$s->ok('SET guard.mode = off; DROP TABLE parted_now, parted_1; RESET guard.mode');

# ---- use does not end: it waits

make_big_table('busy');
use_it('busy_a', 30);
configure('guard.quiet_period', '1h');
$s->ok('DROP INDEX busy_a_idx');
wait_until($s, "SELECT next_at IS NOT NULL FROM guard.soft_drops WHERE index_name = 'public.busy_a_idx'");
is(state_of('busy_a_idx'), 'waiting', 'while its use counts, it waits');
like(plan_of('busy'), qr/Index Scan using guard_drop_/, 'and is used as ever');
is($s->value("SELECT next_at > now() + interval '59 minutes' FROM guard.soft_drops WHERE index_name = 'public.busy_a_idx'"), 't',
	'guard.soft_drops says until when at least');
$s->ok("SELECT guard.protect(current_name::regclass, 'not this one') FROM guard.soft_drops WHERE index_name = 'public.busy_a_idx'");
$s->ok("SELECT guard.restore('whole_a_idx')");    # asks for a visit
wait_for_state('busy_a_idx', 'restored');
like(plan_of('busy'), qr/Index Scan using busy_a_idx/, 'a person says not this one: it is given back');

# ---- a replacement in the same transaction: straight to hidden

$s->ok("SELECT guard.unprotect('busy_a_idx')");
$s->ok('BEGIN; DROP INDEX busy_a_idx; CREATE INDEX busy_a_idx ON busy (a); COMMIT');
wait_for_state('busy_a_idx', 'hidden');
like($s->value("SELECT state_reason FROM guard.soft_drops WHERE index_name = 'public.busy_a_idx' AND state = 'hidden'"),
	qr/^replaced: index public.busy_a_idx serves in its place/, 'a replacement in the same transaction: hidden at once');
like(plan_of('busy'), qr/Index Scan using busy_a_idx/, 'the replacement is used');
wait_for_state('busy_a_idx', 'dropped');
like($s->value("SELECT detail FROM guard.check('busy_a_idx')"), qr/^auth used it 30 times, last \S+ s ago \(before it was rebuilt\)\./, 'and has inherited what was known of the old one');
configure('guard.quiet_period');

# ---- the watch

configure('guard.trial_period', '1h');
make_big_table('watched');
use_it('watched_a', 100);
$s->ok('DROP INDEX watched_a_idx');
wait_for_state('watched_a_idx', 'hidden');
is($s->value("SELECT count(*) FROM guard.soft_drop_baseline WHERE kind = 'i' AND calls = 100"), 1, 'how its statement was before is written down');
my $began = time;
until (state_of('watched_a_idx') eq 'restored')
{
	die 'the watch saw nothing' if time > $began + $PostgreSQL::Test::Utils::timeout_default;
	traffic($auth, 'watched', 5);
}
note sprintf 'restored %.1f s after the first slow calls', time - $began;
like($s->value("SELECT state_reason FROM guard.soft_drops WHERE index_name = 'public.watched_a_idx'"),
	qr/^statement -?\d+ took [\d.]+ ms in its last \d+ calls, [\d.]+ times the [\d.]+ ms of before/,
	'traffic that comes back, and is slow, brings the index back, with figures');
wait_for_state('watched_a_idx', 'restored');
like(plan_of('watched'), qr/Index Scan using watched_a_idx/, 'under its name');
audited('watched_a_idx', 'delay hide restore', 'the audit log has it');

# ---- a statement that has not finished is proof enough

my $join = 'SELECT count(*) FROM watched o, LATERAL (SELECT c FROM watched i WHERE i.a = o.a OFFSET 0) x WHERE o.b <';
$auth->ok("SELECT c FROM watched WHERE a = $_") foreach 1 .. 30;
use_it('watched_a', 30, $join =~ s/o\.b <$/o.b < 40 AND o.a >/r);
$s->ok('DROP INDEX watched_a_idx');
wait_for_state('watched_a_idx', 'hidden');
my $slow = session($node, 'slow');
$slow->start(($join =~ s/o\.b <$/o.b < 40 AND o.a >/r) . ' 0');
wait_until($s, "SELECT state = 'restored' FROM guard.soft_drops WHERE index_name = 'public.watched_a_idx' ORDER BY dropped_at DESC LIMIT 1");
ok(!$slow->answered, 'while it still runs');
like($s->value("SELECT state_reason FROM guard.soft_drops WHERE index_name = 'public.watched_a_idx' ORDER BY dropped_at DESC LIMIT 1"),
	qr/^statement -?\d+ has been running for \d+ ms/, 'the index is back');
$s->ok('SELECT pg_cancel_backend(' . $slow->pid . ')');
$slow->result;
wait_for_state('watched_a_idx', 'restored');

# ---- a person, while it is hidden

use_it('watched_a', 100);
$s->ok('DROP INDEX watched_a_idx');
wait_for_state('watched_a_idx', 'hidden');
is($s->value("SELECT guard.restore('watched_a_idx')"), 'index public.watched_a_idx is back, and the planner uses it again from COMMIT on', 'restore');
like(plan_of('watched'), qr/Index Scan using watched_a_idx/, 'a person gets it back at once');

# who drops it by its new name while nobody needs it wants it gone now
use_it('watched_a', 30);
$s->ok('DROP INDEX watched_a_idx');
wait_for_state('watched_a_idx', 'hidden');
my $holding = $s->value("SELECT current_name FROM guard.soft_drops WHERE index_name = 'public.watched_a_idx' AND state = 'hidden'");
passed($other->query("DROP INDEX $holding"), 'DROP INDEX guard_drop_<oid>');
is(state_of('watched_a_idx'), 'dropped', 'then it is gone at once');

# ---- guard.unhide by hand does not interfere

make_big_table('unhid');
use_it('unhid_a', 30);
$s->ok('DROP INDEX unhid_a_idx');
wait_for_state('unhid_a_idx', 'hidden');
failed($s->query("SELECT guard.unhide(current_name::regclass) FROM guard.soft_drops WHERE index_name = 'public.unhid_a_idx'"),
	'55000', qr/is hidden by a soft drop/, 'guard.unhide leads to guard.restore');

# ---- nothing moves while guard.mode is off

make_big_table('still');
use_it('still_a', 30);
$s->ok('DROP INDEX still_a_idx');
configure('guard.mode', 'off');
my $state = state_of('still_a_idx');
ok($state eq 'waiting' || $state eq 'hidden', 'mode off');
like($s->value("SELECT guard.restore('still_a_idx')"), qr/is back/, 'a person can restore all the same');
configure('guard.mode');

$node->stop;
done_testing();
