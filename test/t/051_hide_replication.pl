# Hidden on the primary is hidden on its standbys, and after promotion. A subscriber to a publication FOR ALL TABLES hides nothing
# by it.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = guard_server('primary', streaming => 'logical', conf => "wal_level = logical\nmax_connections = 50\n");
my $s = session($primary);

make_table($s, 't');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub caught_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) }

sub service
{
	my ($node) = @_;
	my $session = session($node, 'service');

	$session->ok('SET plan_cache_mode = force_generic_plan');
	$session->ok('PREPARE q(int) AS SELECT c FROM t WHERE a = $1');
	return $session;
}

sub seen
{
	my ($session) = @_;

	return join ' ', map {
		my $r = $session->query("EXPLAIN (COSTS OFF) $_");
		$r->{error} ? $r->{error}{M} : (grep { $_->[0] =~ /t_a_idx/ } @{ $r->{rows} }) ? 'visible' : 'hidden'
	} 'SELECT c FROM t WHERE a = 42', 'EXECUTE q(42)';
}
my ($visible, $hidden) = ('visible visible', 'hidden hidden');

# ---- a hot standby

my $reader = service($standby);
is(seen($reader), $visible, 'standby: visible at first');
$s->ok("SELECT guard.hide('t_a_idx')");
caught_up();
is(seen($reader), $hidden, 'standby: hidden in an open session with a generic plan');
is(seen(service($standby)), $hidden, 'standby: and in a new one');
$s->ok("SELECT guard.unhide('t_a_idx')");
caught_up();
is(seen($reader), $visible, 'standby: undone there as well');
$s->ok("BEGIN; SELECT guard.hide('t_a_idx'); ROLLBACK");
caught_up();
is(seen($reader), $visible, 'standby: a rollback is none of its business');
$s->ok("BEGIN; SELECT guard.hide('t_a_idx'); PREPARE TRANSACTION 'hide'");
caught_up();
is(seen($reader), $visible, 'standby: nor what is prepared');
$s->ok("COMMIT PREPARED 'hide'");
caught_up();
is(seen($reader), $hidden, 'standby: until it is committed');
failed($reader->query("SELECT guard.$_('t_a_idx')"), '25006', qr/cannot execute/, "standby: guard.$_() is for the primary")
  foreach qw(hide unhide);
is($reader->value("SELECT hidden FROM guard.index_facts WHERE index_name = 't_a_idx'"), 't', 'standby: guard.index_facts shows it');

# The lock of a primary's session, replayed: nobody waits for it.
$s->ok('BEGIN; LOCK TABLE guard.hidden_index IN ACCESS EXCLUSIVE MODE');
wait_until($reader, "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'guard.hidden_index'::regclass");
is(seen($reader), $hidden, 'standby: with the registry locked, who knows goes on');
is(seen(service($standby)), $visible, 'standby: and who does not, sees the index, and does not wait');
$s->ok('ROLLBACK');
caught_up();

# ---- a subscriber

my $subscriber = guard_server('subscriber', initdb => 1);
my $there = session($subscriber);
make_table($there, 't');
$there->ok('TRUNCATE guard.audit_log');
$there->ok('ALTER TABLE t ADD PRIMARY KEY (b, a)');
$s->ok('ALTER TABLE t ADD PRIMARY KEY (b, a)');
$s->ok('CREATE PUBLICATION everything FOR ALL TABLES');
my $connection = $primary->connstr . ' dbname=postgres';
$there->ok("CREATE SUBSCRIPTION everything CONNECTION '$connection' PUBLICATION everything WITH (copy_data = false)");
$primary->wait_for_catchup('everything');
my $far = service($subscriber);
passed($s->query("SELECT guard.unhide('t_a_idx')"), 'published registry: unhide works');
passed($s->query("SELECT guard.hide('t_a_idx', 'published')"), 'and so does hide');
$s->ok("INSERT INTO t VALUES (0, 0, 'arrived')");
$primary->wait_for_catchup('everything');
is($there->value('SELECT count(*) FROM t WHERE a = 0'), 1, 'subscriber: rows arrive');
is($there->value('SELECT count(*) FROM guard.hidden_index'), 0, 'but none of the registry: what another server hides means nothing here');
is(seen($far), $visible, 'subscriber: visible');
is($there->value("SELECT hidden FROM guard.index_facts WHERE index_name = 't_a_idx'"), 'f', 'subscriber: and shown so');
$there->ok("SELECT guard.hide('t_a_idx', 'by its own')");
is(seen($far), $hidden, 'subscriber: hidden on its own account');
$s->ok("SELECT guard.unhide('t_a_idx')");
$s->ok("INSERT INTO t VALUES (-1, -1, 'arrived')");
$primary->wait_for_catchup('everything');
is($there->value('SELECT reason FROM guard.hidden_index'), 'by its own', 'subscriber: and not made visible by the other server');
$s->ok("SELECT guard.hide('t_a_idx', 'published')");
$there->ok("SELECT guard.unhide('t_a_idx')");
is(seen($far), $visible, 'subscriber: visible again');
$there->ok('ALTER SUBSCRIPTION everything DISABLE');
$there->ok('ALTER SUBSCRIPTION everything SET (slot_name = NONE)');
$there->ok('DROP SUBSCRIPTION everything');
$_->close foreach $there, $far;
$subscriber->stop;

# ---- promotion

caught_up();
$s->close;
$primary->stop('immediate');
$standby->promote;
is(seen($reader), $hidden, 'promoted: still hidden');
$reader->ok("SELECT guard.unhide('t_a_idx')");
is(seen($reader), $visible, 'promoted: and now it can be undone here');
is(seen(service($standby)), $visible, 'promoted: for everybody');

$standby->stop;
done_testing();
