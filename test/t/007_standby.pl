# What a silent standby reads is not known to its primary, so it takes nothing for unused.  The standby itself answers questions about its own
# use, in recovery, and nothing is written there.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = guard_server('primary', streaming => 'logical', conf => "wal_level = logical\nmax_connections = 50\n");
my $s = session($primary);

make_table($s, $_) foreach qw(t idle);
like($s->value("SELECT detail FROM guard.check('idle_a_idx')"), qr/^(?!.*standby)/s, 'no standby is named where there is none');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\n");
$standby->start;
wait_until($s, "SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn IS NOT NULL");
my $name = $s->value('SELECT application_name FROM pg_stat_replication');

my $silence = qr/standby "\Q$name\E" is attached and has never reported/;
is(verdict($s, 'idle_a_idx'), 'allow unknown', 'an idle index is not cold');
like($s->value("SELECT detail FROM guard.check('idle_a_idx')"), $silence, 'and its verdict says why');
is($s->value("SELECT facts ->> 'standbys_not_included' FROM guard.check('idle_a_idx')"), qq{"$name"}, 'as a fact, too');
like($s->value("SELECT state FROM guard.status WHERE item = 'standbys'"), $silence, 'guard.status says so');
my @ways = (qr/guard\.import_profile\(%L, %L\)', '\Q$name\E', guard\.export_profile\(\)/,
	qr/ALTER SYSTEM SET guard\.ignore_standbys = '\Q$name\E'; SELECT pg_reload_conf\(\);/);
like($s->value("SELECT state FROM guard.status WHERE item = 'standbys'"), $_, 'and a way out') foreach @ways;
$s->ok("SET guard.rebuild_limit = 0");
my $refusal = $s->query('DROP INDEX idle_a_idx');
refused($refusal, qr/guard cannot tell whether it is needed: no use was seen here, but $silence/, 'where it takes long to rebuild, it is refused');
like($refusal->{error}{H}, $_, 'and the hint has a way out') foreach @ways;
$s->ok("SET guard.ignore_standbys = 'somebody, $name'");
is(verdict($s, 'idle_a_idx'), 'allow cold', 'ignored, it does not count');
$s->ok('RESET guard.ignore_standbys; RESET guard.rebuild_limit');
$s->ok('CREATE UNLOGGED TABLE here (a int); INSERT INTO here SELECT generate_series(1, 5000); CREATE INDEX here_idx ON here (a)');
is(verdict($s, 'here_idx'), 'allow cold', 'an unlogged table cannot be read there');
$s->ok('BEGIN; CREATE INDEX idle_b_idx ON idle (b)');
is(verdict($s, 'idle_b_idx'), 'allow cold', 'nor what is not committed');
$s->ok('ROLLBACK');

# A role that may not see other sessions' names sees the same verdict, and may not say who counts.
$s->ok('CREATE ROLE plain LOGIN; GRANT CREATE ON SCHEMA public TO plain; ALTER TABLE idle OWNER TO plain');
my $plain = session($primary, user => 'plain');
like($plain->value("SELECT detail FROM guard.check('idle_a_idx')"), $silence, 'to a role without privileges as well');
failed($plain->query("SET guard.ignore_standbys = '$name'"), '42501', qr/permission denied/, 'who counts is not for everybody to say');
my $r = $plain->query('BEGIN; DROP INDEX idle_a_idx; ROLLBACK');
passed($r, 'the drop of a small one is allowed');
like(join("\n", map { join ' ', $_->{S}, $_->{M}, $_->{H} // '' } @{ $r->{notices} }), qr/WARNING .*$silence.*ignore_standbys/s, 'with a warning that says how to know');
$plain->close;

# A backup is no standby.
my $base = session($primary, application_name => 'backup', replication => 'database');
unlike($s->value("SELECT detail FROM guard.check('idle_a_idx')"), qr/"backup"/, 'a connection of another kind is not named');
$base->close;

# ---- on the standby

$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
my $reader = session($standby, 'reporting');
$reader->ok('SELECT c FROM t WHERE a = 42');
my $here = session($standby);
is(verdict($here, 't_a_idx'), 'block hot', 'the standby knows what is used there');
like($here->value("SELECT detail FROM guard.check('t_a_idx')"), qr/reporting use[sd] it/, 'and by whom');
like(verdict($here, 'idle_a_idx'), qr/^allow/, 'and what is not');
is(verdict($s, 't_a_idx'), 'allow unknown', 'the primary does not know');
passed($here->query("SELECT * FROM guard.$_"), "guard.$_ answers in recovery") foreach qw(indexes status last_drops() index_statements('t_a_idx'));
is($here->value("SELECT count(*) FROM guard.indexes WHERE index_name IN ('t_a_idx', 'idle_a_idx')"), 2, 'with every index');

my $lsn = $here->value('SELECT pg_last_wal_receive_lsn()');
failed($here->query($_), '25006', qr/cannot execute .* (in a read-only transaction|during recovery)/, "$_: PostgreSQL's own error on a standby")
  foreach 'DROP INDEX t_a_idx', 'DROP INDEX CONCURRENTLY t_a_idx', 'DROP INDEX idle_a_idx', 'ALTER TABLE t DROP COLUMN a', 'DROP TABLE t';
failed($here->query($_), '25006', qr/cannot execute/, "$_: not on a standby")
  foreach "SELECT guard.protect('t_a_idx', 'why')", "SELECT guard.unprotect('t_a_idx')";
is($here->value('SELECT count(*) FROM guard.audit_log'), $s->value('SELECT count(*) FROM guard.audit_log'), 'nothing is in the books but what the primary wrote');

# The same in a read-only transaction of the primary.
my $auth = use_index($primary, 't');
failed($s->query('BEGIN READ ONLY; DROP INDEX t_a_idx'), '25006', qr/cannot execute DROP INDEX in a read-only transaction/,
	"a read-only transaction gets PostgreSQL's own error");
$s->ok('ROLLBACK');
$s->ok('SET default_transaction_read_only = on');
failed($s->query('DROP INDEX t_a_idx'), '25006', qr/cannot execute DROP INDEX in a read-only transaction/, 'so does a statement alone');
$s->ok('RESET default_transaction_read_only');
$s->ok('BEGIN READ ONLY');
passed($s->query("SELECT * FROM guard.check('t_a_idx')"), 'but may ask');
$s->ok('COMMIT');

# ---- a registration made on the primary is known after promotion, with its OIDs

$s->ok("SELECT guard.protect('idle_a_idx', 'needed after a failover')");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is(verdict($here, 'idle_a_idx'), 'block protected', 'the standby knows of a registration');
$_->close foreach $auth, $s;
$primary->stop;
$standby->promote;
refused($here->query('DROP INDEX idle_a_idx'), qr/protects it for \w+: needed after a failover/, 'after promotion it refuses');
refused($here->query('DROP INDEX t_a_idx'), qr/reporting use it/, 'what was read on the standby keeps its index');

$standby->stop;
done_testing();
