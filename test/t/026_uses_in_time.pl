# A use is known as soon as its statement has ended, also where the shared tables were busy just then and the session does nothing
# more: eight sessions at work keep them busy, one uses 600 indexes once each, and somebody asks at once.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $s = session($node);
my $indexes = 600;

# Who tells late of what he did early is not the last user: the second use of a session is told of when it ends.
make_table($s, 'turns');
my $early = session($node, 'early');
$early->ok('SELECT c FROM turns WHERE a = 42') foreach 1 .. 2;
my $then = $s->value('SELECT clock_timestamp()');
my $late = session($node, 'late');
$late->ok('SELECT c FROM turns WHERE a = 42');
$early->close;
wait_until($s, q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'early')});
is($s->value("SELECT max(last_use) > '$then' FROM guard.index_facts WHERE index_name = 'turns_a_idx'"), 't', 'the last use is the latest, whoever tells last');
$late->close;

make_table($s, 'busy');
$s->ok("CREATE TABLE one (a int, c text); INSERT INTO one SELECT g, rpad('row ' || g, 100) FROM generate_series(1, 1000) g; ANALYZE one");
$s->ok('DO $$ BEGIN FOR i IN 1 .. 600 LOOP EXECUTE format(\'CREATE TABLE one_%s (LIKE one INCLUDING ALL); INSERT INTO one_%s SELECT * FROM one;'
	  . ' CREATE INDEX one_%s_idx ON one_%s (a); ANALYZE one_%s\', i, i, i, i, i); END LOOP; END $$');

# Under a name of its own each time, which publishes each use, and makes and removes records without end.
my $script = $node->basedir . '/work.sql';
append_to_file($script, <<'END');
\set n random(1, 1000)
SELECT set_config('application_name', CASE WHEN :n % 2 = 0 THEN 'even' ELSE 'odd' END, false);
SELECT c FROM busy WHERE a = :n;
SELECT count(*) FROM guard.check('busy_a_idx');
END
my $work = IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-c', 8, '-j', 2, '-T', 600, '-f', $script, $node->connstr('postgres') ],
	'>', \my $out, '2>', \my $err);
wait_until($s, q{SELECT count(*) >= 8 FROM pg_stat_activity WHERE application_name IN ('even', 'odd')});

my @unknown;
my $user = session($node, 'auth');
foreach my $i (1 .. $indexes)
{
	$user->ok("SELECT c FROM one_$i WHERE a = 42");
	push @unknown, $i if verdict($s, "one_${i}_idx") ne 'block hot';
}
is("@unknown", '', "each of $indexes uses is known at once");
$work->kill_kill;
$user->close;

$node->stop;
done_testing();
