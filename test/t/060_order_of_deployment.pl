# What the database sees beats what was reported: an old version that is at work keeps its index.  A session that merely bears an
# old name, idle in a pool, does not; so a pool (pgbouncer, in transaction mode) that outlives a deployment is in nobody's way.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $s = session($node);

make_table($s, $_) foreach qw(t other);
$s->ok("SELECT guard.add_dependency('t_a_idx', 'auth', '2.10', 'login')");
$s->ok("SELECT guard.report_deployment('auth', '2.9')");

# ---- through a pool

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
SKIP:
{
	skip 'pgbouncer is not installed', 10 if !defined $pgbouncer;

	my $dir = PostgreSQL::Test::Utils::tempdir_short;
	my $pool = PoolNode->new($dir, PostgreSQL::Test::Cluster::get_free_port());

	append_to_file("$dir/ini", join("\n",
		'[databases]', 'postgres = host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<),
		'[pgbouncer]', "unix_socket_dir = $dir", 'listen_port = ' . $pool->port,
		'auth_type = any', 'pool_mode = transaction', 'default_pool_size = 1', "logfile = $dir/log", "pidfile = $dir/pid", ''));
	system_or_bail($pgbouncer, '-q', '-d', "$dir/ini");

	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	select(undef, undef, undef, 0.01) until -S "$dir/.s.PGSQL." . $pool->port or time > $end;

	my $old = session($pool, 'auth/2.9');
	$old->ok('SELECT c FROM t WHERE a = 42');
	refused($s->query('DROP INDEX t_a_idx'), qr/: guard knows that auth needs it until version 2\.10, and runs 2\.9$/, 'before the deployment');
	$s->ok("SELECT guard.report_deployment('auth', '2.10')");
	is($s->value(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'auth/2.9' AND state = 'idle'}),
		1, 'a session of the pool still bears the old name');
	is(verdict($s, 't_a_idx'), 'allow stopped', 'which keeps nothing');

	my $new = session($pool, 'auth/2.10');
	$new->ok('SELECT c FROM other WHERE a = 42');
	is(verdict($s, 't_a_idx'), 'allow stopped', 'nor does the new version, on other tables');

	$old->ok('SELECT c FROM other WHERE a = 43');
	is(verdict($s, 't_a_idx'), 'allow stopped', 'nor an old client that wakes up, on other tables');
	$old->ok('SELECT c FROM t WHERE b = 43');
	my $result = $s->query('DROP INDEX t_a_idx');
	refused($result, qr/: guard knows that auth needs it until version 2\.10, and version 2\.9 is still at work: role \w+, process \d+, last \S+ s ago$/,
		'on its table it does, whatever it uses there');
	like($result->{error}{D}, qr/Version 2\.10 was reported to run everywhere \S+ s ago; version 2\.9 was seen \d+ times?, last .* Its sessions now: process \d+\./,
		'and is named, with its session');
	like($result->{error}{H}, qr/^Stop what still runs version 2\.9 of auth, and try again 10 minutes later\. .*guard\.approve\('public\.t_a_idx'::regclass, 'reason'\);$/,
		'and the way out');
	$s->ok("SELECT guard.report_deployment('auth', '2.10')");
	is(verdict($s, 't_a_idx'), 'allow stopped', 'reported again, later, it is over');
	$old->ok('SELECT c FROM t WHERE a = 44');
	is(verdict($s, 't_a_idx'), 'block dependency', 'unless it goes on');
	$_->close foreach $old, $new;
	kill 'TERM', slurp_file("$dir/pid") =~ /(\d+)/;
}

# ---- how services name their version

my $named = q{SELECT string_agg(service || ' ' || array_to_string(versions_seen, ','), '; ' ORDER BY service COLLATE "C")
	FROM guard.dependencies WHERE index_name = 'other_b_idx'};
$s->ok('CREATE INDEX other_b_idx ON other (b)');

sub use_as
{
	my ($name) = @_;
	my $session = session($node, $name);

	$session->ok('SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT a FROM other WHERE b = 42');
	$session->close;
}
use_as($_) foreach 'auth/2.9', 'mail 3.2', 'push@7.1', 'cron:1.2', 'worker 12';
is($s->value($named), 'auth 2.9; cron ; mail 3.2; push ; worker ', 'a slash, or a blank before something with a dot');
failed($s->query("ALTER SYSTEM SET guard.application_name_pattern = '$_'"), '22023', qr/application_name_pattern/, "pattern $_")
  foreach '', '%s', '%s%v', '%s/%s', 'x%s/%v', '%s/%v.', '%s%%%v';
foreach ([ '%s@%v', 'ship@8.1', 'ship 8.1' ], [ '%v:%s', '9.1:shop', 'shop 9.1' ], [ '%s-v%v', 'tax-v4', 'tax 4' ])
{
	my ($pattern, $name, $expected) = @$_;

	$s->ok("ALTER SYSTEM SET guard.application_name_pattern = '$pattern'");
	$s->ok('SELECT pg_reload_conf()');
	wait_until($s, "SELECT current_setting('guard.application_name_pattern') = '$pattern'");
	my $session = session($node);
	wait_until($session, "SELECT current_setting('guard.application_name_pattern') = '$pattern'");
	$session->close;
	use_as($name);
	like($s->value($named), qr/\b\Q$expected\E\b/, "$pattern: $name");
}
$node->stop;

# ---- without preloading: what people said holds just as well

$node = guard_server('plain', preload => '');
$s = session($node);
make_table($s, $_) foreach qw(t other);
$s->ok("SELECT guard.add_dependency('t_a_idx', 'auth', '2.10')");
refused(session($node)->query($_), qr/: guard knows that auth needs it until version 2\.10, and no deployment of it was reported$/, "not preloaded: $_")
  foreach 'DROP INDEX t_a_idx', 'DROP INDEX CONCURRENTLY t_a_idx';
refused(session($node)->query('DROP TABLE t'), qr/"public\.t" .*: guard knows that auth needs it until version 2\.10/, 'not preloaded: DROP TABLE');
$s->ok('CREATE INDEX t_b_idx ON t (b)');
$s->ok("SELECT guard.add_dependency('t_b_idx', 'auth', '2.10')");
$s->ok("SELECT guard.approve('t', 'known')");
my $dropper = session($node);
my $reader = session($node);
$reader->ok('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');

# CONCURRENTLY waits for the reader, and is cancelled while it does.
$dropper->start('DROP INDEX CONCURRENTLY t_a_idx');
wait_until($s, 'SELECT wait_event_type IS NOT DISTINCT FROM \'Lock\' FROM pg_stat_activity WHERE pid = ' . $dropper->pid);
is(verdict($s, 't_b_idx'), 'block dependency', 'by then the index is no longer valid, and the approval is used up');
refused($s->query('DROP INDEX CONCURRENTLY t_b_idx'), qr/: guard knows that auth needs it/, 'nobody else can use the approval');
$s->ok('SELECT pg_cancel_backend(' . $dropper->pid . ')');
failed($dropper->result, '57014', qr/canceling/, 'cancelled');
is(verdict($s, 't_a_idx'), 'allow invalid', 'what is left serves nobody');
$reader->ok('COMMIT');
passed(session($node)->query('DROP INDEX CONCURRENTLY t_a_idx'), 'and may go');
is($s->value('SELECT state FROM guard.approvals'), 'used', 'the approval stays used');
$s->ok('CREATE INDEX t_a_idx ON t (a)');
$s->ok("SELECT guard.add_dependency('t_a_idx', 'auth', '2.10')");
refused(session($node)->query('DROP INDEX t_a_idx'), qr/: guard knows that auth needs it/, 'once');

# A session that ends while it holds one gives it back.
$s->ok("SELECT guard.approve('t_a_idx', 'again')");
$dropper = session($node);
$dropper->ok('BEGIN; DROP INDEX t_a_idx');
$s->ok('SELECT pg_terminate_backend(' . $dropper->pid . ')');
wait_until($s, 'SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ' . $dropper->pid);
passed(session($node)->query('DROP INDEX t_a_idx'), 'a session that was ended gave it back');

$node->stop;
done_testing();

# What session() wants to know of a server.
package PoolNode;

sub new { my ($class, $host, $port) = @_; return bless { host => $host, port => $port }, $class }
sub host { return $_[0]->{host} }
sub port { return $_[0]->{port} }
sub name { return 'pgbouncer' }
