# What can go wrong while drops are carried out in stages: visitors killed, the server crashed, in every state; no worker slot; the
# database renamed and dropped; fifty at once.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $conf = "guard.hot_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1h\nrestart_after_crash = on\n";
my $node = guard_server('main', conf => $conf);
my ($s, $auth);

sub connect_again
{
	# The old ones may have ended with the server.
	$s = session($node);
	$s->ok("SET guard.quiet_period = '1h'");
	$auth = session($node, 'auth');
}
connect_again();
$s->ok('CREATE EXTENSION pg_stat_statements');

# A table of which others have used the index, as often as it takes for its end to be noticed.
sub make_used_table
{
	my ($name) = @_;

	make_table($s, $name);
	$auth->ok("SELECT c FROM $name WHERE a = $_") foreach 1 .. 30;
	until ($s->value("SELECT sum(uses) FROM guard.index_statements('${name}_a_idx')") >= 30)
	{
		$auth->ok('SELECT 1');
		usleep(50_000);
	}
}

sub wait_for_state
{
	my ($name, $state) = @_;

	wait_until($s, "SELECT state = '$state' AND NOT (next_step ~ 'name' IS TRUE) FROM guard.soft_drops
		WHERE index_name = 'public.${name}_a_idx' ORDER BY dropped_at DESC LIMIT 1");
}

sub column
{
	my ($name, $column) = @_;

	return $s->value("SELECT $column FROM guard.soft_drops WHERE index_name = 'public.${name}_a_idx' ORDER BY dropped_at DESC LIMIT 1");
}

# The process of a visitor, as soon as one is there.
sub visitor
{
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	my $pid;

	until ($pid = $s->value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard worker' AND datname = current_database()"))
	{
		die 'no visitor came' if time > $end;
		$s->ok("SELECT guard.restore('ask_a_idx')");
		usleep(20_000);
	}
	return $pid;
}

sub is_hidden
{
	my ($name) = @_;

	return join("\n", map { $_->[0] } @{ $s->ok("EXPLAIN (COSTS OFF) SELECT c FROM $name WHERE a = 42")->{rows} }) =~ /Seq Scan/ ? 1 : 0;
}

# The server restarts all its processes when one is killed.
sub kill_visitor
{
	my $pid = visitor();

	kill 'KILL', $pid;
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	connect_again();
}

# Only there to have visitors come.
make_used_table('ask');
$s->ok('DROP INDEX ask_a_idx');
wait_for_state('ask', 'hidden');

# ---- a visitor is killed, and the server crashes, while one waits and one is hidden

make_used_table('hidden');
$s->ok('DROP INDEX hidden_a_idx');
wait_for_state('hidden', 'hidden');
make_used_table('waiting');
$s->ok("SELECT guard.add_dependency('waiting_a_idx', 'auth')");
$s->ok('DROP INDEX waiting_a_idx');
wait_until($s, "SELECT next_at IS NOT NULL FROM guard.soft_drops WHERE index_name = 'public.waiting_a_idx'");
foreach my $fault ('a visitor is killed', 'the server crashes')
{
	my $watched = $s->value("SELECT watched FROM guard.soft_drop WHERE index_name = 'hidden_a_idx'");

	if ($fault =~ /killed/) { kill_visitor(); }
	else
	{
		$node->stop('immediate');
		$node->start;
		connect_again();
	}
	is(column('waiting', 'state'), 'waiting', "$fault: what waits goes on waiting");
	is(column('hidden', 'state'), 'hidden', "$fault: what is hidden is still a soft drop");
	ok(is_hidden('hidden'), "$fault: and hidden");
	wait_until($s, "SELECT watched > $watched FROM guard.soft_drop WHERE index_name = 'hidden_a_idx'");
	ok(1, "$fault: another visitor goes on watching");
	wait_until($s, "SELECT count(*) = 0 FROM guard.soft_drops WHERE last_error IS NOT NULL");
}

# ---- killed, and crashed, in the drop itself, which waits for a reader

foreach my $fault ('a visitor is killed', 'the server crashes')
{
	my $name = $fault =~ /killed/ ? 'dropping_1' : 'dropping_2';

	make_used_table($name);
	my $reader = session($node, 'reader');
	$s->ok("DROP INDEX ${name}_a_idx");
	wait_for_state($name, 'hidden');
	$s->ok("UPDATE guard.soft_drop SET trial = 0 WHERE index_name = '${name}_a_idx'");

	# One that begins just before the drop, and is too young to be waited for.
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	do
	{
		die 'the drop never met the reader' if time > $end;
		$reader->ok("ROLLBACK; BEGIN; SELECT count(*) FROM $name");
		usleep(300_000);
	} until ($s->value("SELECT count(*) FROM pg_index i JOIN guard.soft_drop s ON s.index_oid = i.indexrelid
		WHERE s.index_name = '${name}_a_idx' AND NOT i.indisvalid"));
	is(column($name, 'next_step'), 'being dropped now', "$fault in the drop: it is under way");
	if ($fault =~ /killed/)
	{
		kill 'KILL', $s->value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'guard builder'");
		$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'reader')");
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	connect_again();
	wait_for_state($name, 'dropped');
	is($s->value("SELECT count(*) FROM pg_index WHERE indrelid = '$name'::regclass"), 0, "$fault in the drop: the next visitor finishes it");
}

# ---- its drop has begun, and waits for a reader, when a person wants it back: it goes, and is created again

make_used_table('regretted');
{
	my $reader = session($node, 'reader');
	$s->ok('DROP INDEX regretted_a_idx');
	wait_for_state('regretted', 'hidden');
	$s->ok("UPDATE guard.soft_drop SET trial = 0 WHERE index_name = 'regretted_a_idx'");
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	do
	{
		die 'the drop never met the reader' if time > $end;
		$reader->ok('ROLLBACK; BEGIN; SELECT count(*) FROM regretted');
		usleep(300_000);
	} until ($s->value("SELECT count(*) FROM pg_index i JOIN guard.soft_drop s ON s.index_oid = i.indexrelid
		WHERE s.index_name = 'regretted_a_idx' AND NOT i.indisvalid"));
	like($s->value("SELECT guard.restore('regretted_a_idx')"), qr/a background worker/, 'wanted back while it is being dropped');
	$reader->ok('COMMIT');
	$reader->close;
}
wait_for_state('regretted', 'restored');
is(index_state($s, 'regretted_a_idx'), 'valid ready live', 'and it is back');

# ---- created again, and the server crashes in it

$s->ok("BEGIN; LOCK TABLE dropping_1 IN SHARE MODE");
my $other = session($node, 'other');
$other->ok("SELECT guard.restore('dropping_1_a_idx')");
wait_until($other, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'guard builder' AND wait_event_type = 'Lock')");
$node->stop('immediate');
$node->start;
undef $other;
connect_again();
wait_for_state('dropping_1', 'restored');
is(index_state($s, 'dropping_1_a_idx'), 'valid ready live', 'a crash while it is created again: the next visitor creates it');

# ---- old transactions on the table: the drop does not begin, so the index stays valid

make_used_table('held');
$other = session($node, 'other');
$other->ok('BEGIN; SELECT count(*) FROM held');
$s->ok('DROP INDEX held_a_idx');
wait_for_state('held', 'hidden');
$s->ok("UPDATE guard.soft_drop SET trial = 0 WHERE index_name = 'held_a_idx'");
wait_until($s, "SELECT next_step ~ 'older transactions' FROM guard.soft_drops WHERE index_name = 'public.held_a_idx'");
is($s->value("SELECT indisvalid FROM pg_index i JOIN guard.soft_drop s ON s.index_oid = i.indexrelid WHERE s.index_name = 'held_a_idx'"),
	't', 'an old transaction on the table: the drop waits, with the index valid');
$other->ok('COMMIT');
wait_for_state('held', 'dropped');
ok(1, 'and goes on when it has ended');
$other->close;

# ---- a person's transaction brings one back and stays open: nobody else waits for it, and its word is the last

make_used_table($_) foreach 'mine', 'theirs';
$s->ok('DROP INDEX mine_a_idx, theirs_a_idx');
wait_for_state($_, 'hidden') foreach 'mine', 'theirs';
$other = session($node, 'other');
my $log_before = -s $node->logfile;
$other->ok("BEGIN; SELECT guard.restore('mine_a_idx')");
my $since = $s->value('SELECT clock_timestamp()');
wait_until($s, "SELECT last_visit > '$since'::timestamptz + interval '2 seconds' FROM guard.soft_drop WHERE index_name = 'theirs_a_idx'");
$s->ok("UPDATE guard.soft_drop SET trial = 0 WHERE index_name = 'theirs_a_idx'");
wait_for_state('theirs', 'dropped');
is(column('mine', 'state'), 'hidden', 'another one is watched and dropped meanwhile');
$other->ok('COMMIT');
unlike(slurp_file($node->logfile, $log_before), qr/lock timeout/, 'and no visitor waits');
is(column('mine', "state || coalesce(next_step, '')"), 'restored', 'what a person brought back stays');
is(index_state($s, 'mine_a_idx'), 'valid ready live', 'under its old name');
$other->close;

# ---- fifty at once

$s->ok("CREATE TABLE many (" . join(', ', map { "c$_ int" } 1 .. 50) . ", c text)");
$s->ok("INSERT INTO many SELECT " . join(', ', map { 'g' } 1 .. 50) . ", rpad('x', 500) FROM generate_series(1, 500) g");
$s->ok("CREATE INDEX many_${_}_idx ON many (c$_)") foreach 1 .. 50;
$s->ok('VACUUM ANALYZE many');
foreach my $i (1 .. 50)
{
	$auth->ok("SELECT c FROM many WHERE c$i = $_") foreach 1 .. 25;
}
wait_until($s, "SELECT count(*) = 50 FROM guard.check('many') WHERE reason = 'hot'");
until ($s->value("SELECT sum(n) FROM (SELECT uses AS n FROM generate_series(1, 50) g, guard.index_statements(format('many_%s_idx', g)::regclass)) x") >= 1250)
{
	$auth->ok('SELECT 1');
	usleep(50_000);
}
$s->ok('DROP INDEX ' . join(', ', map { "many_${_}_idx" } 1 .. 50));
wait_until($s, "SELECT count(*) = 50 FROM guard.soft_drops WHERE table_name = 'public.many' AND state = 'hidden'");
ok(1, 'fifty at once: all hidden');
$s->ok("UPDATE guard.soft_drop SET trial = 0 WHERE table_name = 'many'");
wait_until($s, "SELECT count(*) = 50 FROM guard.soft_drops WHERE table_name = 'public.many' AND state = 'dropped'");
is($s->value("SELECT count(*) FROM pg_index WHERE indrelid = 'many'::regclass"), 0, 'fifty at once: all dropped, one after the other');
is($s->value("SELECT max(attempts) FROM guard.soft_drops"), 0, 'without a failure');

# ---- a database with soft drops is renamed, and dropped

$s->ok('CREATE DATABASE shop');
my $shop = session($node, dbname => 'shop');
$shop->ok("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION guard; SET guard.quiet_period = '1h'");
make_table($shop, 't');
my $user = session($node, dbname => 'shop', application_name => 'auth');
$user->ok("SELECT c FROM t WHERE a = $_") foreach 1 .. 30;
until ($shop->value("SELECT sum(uses) FROM guard.index_statements('t_a_idx')") >= 30)
{
	$user->ok('SELECT 1');
	usleep(50_000);
}
$shop->ok('DROP INDEX t_a_idx');
wait_until($shop, "SELECT state = 'hidden' FROM guard.soft_drops");
$_->close foreach $shop, $user;
passed($s->query('ALTER DATABASE shop RENAME TO store'), 'a database in which an index is being watched can be renamed');
$shop = session($node, dbname => 'store');
wait_until($shop, "SELECT last_visit > state_since + interval '1 second' FROM guard.soft_drop");
is($shop->value('SELECT state FROM guard.soft_drops'), 'hidden', 'and its soft drops go on');
$shop->close;
passed($s->query('DROP DATABASE store'), 'and dropped');

# ---- no worker slot

$s->ok("ALTER SYSTEM SET max_worker_processes = 1");
$node->restart;
connect_again();
make_used_table('slot');
$s->ok('DROP INDEX slot_a_idx');
like($s->value("SELECT string_agg(item || ': ' || state, ', ') FROM guard.status"), qr/worker/, 'without a worker slot guard.status speaks of workers');
is(column('slot', 'state'), 'waiting', 'it stays as it is, and usable');
like($s->value("SELECT guard.restore('slot_a_idx')"), qr/is back/, 'and a person gets it back');
$s->ok("ALTER SYSTEM RESET max_worker_processes");
$node->restart;
connect_again();

$node->stop;
done_testing();
