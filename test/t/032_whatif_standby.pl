# A hot standby plans statements once more as well, and keeps what it finds to itself.  A conflict with recovery that comes in the
# middle of that cancels a statement at most, and never ends the session.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $primary = guard_server('primary', preload => 'guard', streaming => 1, conf => "guard.whatif_time_limit = 1h\n");
my $p = session($primary);
make_table($p, 't');
$primary->backup('start');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'start', has_streaming => 1);
$standby->append_conf('postgresql.conf', "guard.whatif_interval = 0\nmax_standby_streaming_delay = 0\n");
$standby->start;
$primary->wait_for_catchup($standby);

my $s = session($standby);
$s->ok('SELECT c FROM t WHERE a = 42');
is($s->value(q{SELECT seq_scan FROM guard.what_if('t_a_idx')}), 't', 'known on the standby');
is($p->value(q{SELECT count(*) FROM guard.what_if('t_a_idx')}), 0, 'and only there');

# When it is planned a second time, the statement waits until recovery wants a lock that its session holds.  Both are built in
# functions, so that planning calls them, which planning once more may.
$p->ok('CREATE TABLE locked (a int)');
$p->ok("CREATE FUNCTION sets(text, text, bool) RETURNS text IMMUTABLE LANGUAGE internal AS 'set_config_by_name'");
$p->ok("CREATE FUNCTION setting(text) RETURNS text IMMUTABLE LANGUAGE internal AS 'show_config_by_name'");
$p->ok("CREATE FUNCTION waits(bigint) RETURNS int IMMUTABLE LANGUAGE internal AS 'pg_advisory_lock_int8'");
$primary->wait_for_catchup($standby);
my $s2 = session($standby);
my $locked = $s2->value("SELECT 'locked'::regclass::oid");
$s2->ok('SELECT pg_advisory_lock(2)');
$s->ok('SET test.calls = 0');
$s->ok('BEGIN');
$s->ok('SELECT count(*) FROM locked');
$s->start(q{SELECT c FROM t WHERE a = 42 + waits(sets('test.calls', (setting('test.calls')::int + 1)::text, false)::bigint)});
wait_until($s2, q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
$p->ok('DROP TABLE locked');
wait_until($s2, "SELECT count(*) = 1 FROM pg_locks WHERE relation = $locked AND mode = 'AccessExclusiveLock' AND NOT granted");
$s2->ok('SELECT pg_advisory_unlock(2)');
my $r = $s->result;
ok(!$r->{error} || $r->{error}{S} eq 'ERROR', 'a conflict with recovery does not end the session')
  || diag("$r->{error}{S} $r->{error}{M}");
# Recovery may have asked once more before the lock was gone: then PostgreSQL ends the session, which was idle by then.
is(eval { $s->query('ROLLBACK'); $s->value('SELECT count(*) FROM t WHERE a = 42') } // 1, 1, 'which goes on');

$_->stop foreach $standby, $primary;
done_testing();
