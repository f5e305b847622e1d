# Soft drops on other servers: a standby promoted while an index is hidden goes on with it; a dump restored elsewhere has an
# ordinary index, whose comment says what it was; rows that came by replication mean nothing there.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $conf = "guard.hot_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1h\nmax_connections = 50\n";
my $primary = guard_server('primary', streaming => 1, conf => $conf);
my $s = session($primary);
$s->ok('CREATE EXTENSION pg_stat_statements');
$s->ok("SET guard.quiet_period = '1h'");
my $auth = session($primary, 'auth');

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

sub plan_of
{
	my ($session, $name) = @_;

	return join "\n", map { $_->[0] } @{ $session->ok("EXPLAIN (COSTS OFF) SELECT c FROM $name WHERE a = 42")->{rows} };
}

make_used_table($_) foreach qw(t u);
$s->ok("COMMENT ON INDEX u_a_idx IS 'for the login page'");
$s->ok("SELECT guard.add_dependency('u_a_idx', 'auth')");
$s->ok('DROP INDEX t_a_idx; DROP INDEX u_a_idx');
wait_until($s, "SELECT state = 'hidden' FROM guard.soft_drops WHERE index_name = 'public.t_a_idx'");
is($s->value("SELECT state FROM guard.soft_drops WHERE index_name = 'public.u_a_idx'"), 'waiting', 'one is hidden, one waits for its service');

# ---- dump and restore

my $file = $primary->basedir . '/dump';
$primary->command_ok([ 'pg_dump', '--format=custom', '--file', $file, 'postgres' ], 'pg_dump');
my $restored = guard_server('restored', conf => $conf, extension => 0, initdb => 1);
$restored->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', 'postgres', $file ], 'pg_restore');
my $there = session($restored);
like($there->value("SELECT string_agg(obj_description(oid, 'pg_class'), ' ') FROM pg_class WHERE relname LIKE 'guard\\_drop\\_%'"),
	qr/Was index public.u_a_idx until .*ALTER INDEX guard_drop_\d+ RENAME TO u_a_idx/, 'the comment tells what it was');
is($there->value('SELECT count(*) FROM guard.soft_drop'), 0, 'the soft drops themselves are not in the dump');
like(plan_of($there, 't'), qr/Index Scan (using|on) guard_drop_/, 'nothing is hidden there');
failed($there->query("SELECT guard.restore('t_a_idx')"), '42704', qr/no index "t_a_idx" has been dropped in stages/, 'nor known');

passed($there->query('DROP EXTENSION guard'), 'nor in the way');
$there->close;
$restored->stop;

# ---- a standby is promoted

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
my $here = session($standby);
like(plan_of($here, 't'), qr/Seq Scan/, 'hidden on the standby as well');
is($here->value("SELECT state FROM guard.soft_drops WHERE index_name = 'public.t_a_idx'"), 'hidden', 'guard.soft_drops says so there');
failed($here->query("SELECT guard.restore('t_a_idx')"), '25006', qr/cannot execute/, 'a standby cannot restore');
$primary->stop;
$standby->promote;
my $watched = $here->value("SELECT watched FROM guard.soft_drop WHERE index_name = 't_a_idx'");
wait_until($here, "SELECT watched > $watched FROM guard.soft_drop WHERE index_name = 't_a_idx'");
is($here->value("SELECT state FROM guard.soft_drops WHERE index_name = 'public.t_a_idx'"), 'hidden', 'after promotion the trial goes on');
$here->ok("UPDATE guard.soft_drop SET trial = 0 WHERE index_name = 't_a_idx'");
wait_until($here, "SELECT state = 'dropped' FROM guard.soft_drops WHERE index_name = 'public.t_a_idx'");
is($here->value("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass"), 0, 'and ends');
is($here->value("SELECT guard.restore('u_a_idx')"), 'index public.u_a_idx is back', 'what waits can be had back');
is($here->value("SELECT obj_description('u_a_idx'::regclass, 'pg_class')"), 'for the login page', 'as it was');

# ---- DROP SCHEMA

$here->ok('CREATE SCHEMA gone; ALTER TABLE u SET SCHEMA gone');
$here->ok('SELECT guard.remove_dependency(\'gone.u_a_idx\', \'auth\')');
$here->ok("SET guard.hot_action = block; SET guard.unknown_action = delay; SET guard.min_evidence_age = '1d'; UPDATE guard.object SET created_at = NULL");
my $r = $here->query('DROP INDEX gone.u_a_idx');
passed($r, 'DROP INDEX of one of which little is known');
is($here->value("SELECT state || ' ' || reason FROM guard.soft_drops WHERE index_name = 'gone.u_a_idx'"), 'waiting unknown', 'is delayed as well');
passed($here->query('DROP SCHEMA gone CASCADE'), 'DROP SCHEMA takes it along');
is($here->value("SELECT state FROM guard.soft_drops WHERE index_name = 'gone.u_a_idx'"), 'dropped', 'and the soft drop is over');
failed($here->query("SELECT guard.restore('gone.u_a_idx')"), '42P01', qr/its table is gone/, 'it cannot be had back');

$standby->stop;
done_testing();
