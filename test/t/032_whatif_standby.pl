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

# A function that, when it is called a second time, by the second planning, waits until recovery wants a lock that the session
# holds, and for a moment longer, in which it is told so.
$p->ok('CREATE TABLE locked (a int)');
$p->ok(q{CREATE FUNCTION waits(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
	DECLARE
		calls int := coalesce(nullif(current_setting('test.calls', true), '')::int, 0) + 1;
	BEGIN
		PERFORM set_config('test.calls', calls::text, false);
		IF calls = 2 THEN
			WHILE pg_last_wal_receive_lsn() <= current_setting('test.lsn')::pg_lsn LOOP
				PERFORM pg_sleep(0.01);
			END LOOP;
			PERFORM pg_sleep(0.2);
		END IF;
		RETURN $1;
	END $$});
$primary->wait_for_catchup($standby);
my $s2 = session($standby);
$s->ok('BEGIN');
$s->ok('SELECT count(*) FROM locked');
$s->ok("SET test.lsn = '" . $s2->value('SELECT pg_last_wal_receive_lsn()') . "'");
$s->start('SELECT c FROM t WHERE a = waits(42)');
wait_until($s2, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
$p->ok('DROP TABLE locked');
my $r = $s->result;
ok(!$r->{error} || $r->{error}{S} eq 'ERROR', 'a conflict with recovery does not end the session')
  || diag("$r->{error}{S} $r->{error}{M}");
$s->query('ROLLBACK');
is($s->value('SELECT count(*) FROM t WHERE a = 42'), 1, 'which goes on');

$_->stop foreach $standby, $primary;
done_testing();
