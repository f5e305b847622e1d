# A crash takes the counters and the capture with it.  What was not seen since is unknown then, never "unused"; a clean restart
# keeps both.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "restart_after_crash = on\n");
my $version = version_of($node);
my $s = session($node);
my $user;

make_table($s, $_) foreach qw(few many idle);
$s->ok("SELECT guard.protect('idle_a_idx', 'written down')");

sub scan
{
	my ($times) = @_;

	$user = session($node, 'auth');
	$user->ok('SELECT c FROM few WHERE a = 42');
	$user->ok("SELECT c FROM many WHERE a = $_") foreach 1 .. $times;
	$user->ok('SELECT pg_stat_force_next_flush()');
	wait_until($s, "SELECT idx_scan >= $times FROM pg_stat_user_indexes WHERE indexrelname = 'many_a_idx'");
}

# After each kind of end, in new sessions.
sub again
{
	$_->close foreach grep { $_ } $s, $user;
	undef $user;
	$s = session($node);
}

scan(60);
is(verdict($s, "${_}_a_idx"), 'block hot', "$_: hot before anything happens") foreach qw(few many);

# ---- a clean restart keeps all that was seen

my $since = "SELECT state FROM guard.status WHERE item = 'capture'";
my $known = 'SELECT services::text FROM guard.index_statements(\'few_a_idx\')';
my $saved = $node->data_dir . '/pg_stat/guard.stat';
my ($since_before, $known_before) = ($s->value($since), $s->value($known));

# also what no scan shows: that it spares a join, and may spare one
$s->ok('CREATE TABLE spared AS SELECT i AS id, i AS nr, i AS code FROM generate_series(1, 5000) i');
$s->ok("CREATE UNIQUE INDEX spared_$_ ON spared ($_)") foreach qw(id nr code);
$s->ok('CREATE FUNCTION untrusted(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$');
$s->ok('VACUUM ANALYZE spared');
$user = session($node, 'auth');
$user->ok("SET guard.whatif_time_limit = '1h'");
$user->ok('SELECT count(*) FROM few LEFT JOIN spared ON spared.id = few.b');
$user->ok('SELECT count(*) FROM few LEFT JOIN spared ON spared.nr = few.b WHERE few.b > untrusted(7)');
my %spared = (id => 'block hot', nr => 'allow unknown', code => 'allow constraint');
is(verdict($s, "spared_$_"), $spared{$_}, "spared by $_: $spared{$_}") foreach sort keys %spared;

again();
$node->restart;
$s = session($node);
is(verdict($s, "${_}_a_idx"), 'block hot', "clean restart: $_ is hot") foreach qw(few many);
is(verdict($s, "spared_$_"), $spared{$_}, "clean restart: spared by $_: $spared{$_}") foreach sort keys %spared;
is($s->value($since), $since_before, 'clean restart: captured since as long as before');
is($s->value($known), $known_before, 'clean restart: statements and services are known');
refused($s->query('DROP INDEX few_a_idx'), qr/cannot drop index "public.few_a_idx": guard s\w+ auth use it once, last .* ago/, 'clean restart: who used it is still said');
ok(!-e $saved, 'the file is removed when it has been read');

# ---- not when anything may have happened in between

again();
$node->stop;
ok(-e $saved, 'there is a file while the server is down');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements'\n");
$node->start;
$node->stop;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements, guard'\n");
$node->start;
$s = session($node);
ok(!-e $saved, 'a file of another shutdown is not kept');
is(verdict($s, 'many_a_idx'), 'block hot', 'after a time without guard the counters are enough');
my $when = $version >= 16 ? qr/, last .* ago/ : qr/ at some time since \d{4}-/;
refused($s->query('DROP INDEX many_a_idx'), qr/cannot drop index "public.many_a_idx": guard saw it scanned \d+ times$when/,
	'and date it as far as this version can');
is(verdict($s, 'few_a_idx'), 'allow unknown', 'too few scans are unknown, not unused');

# ---- nor when the file is damaged

again();
$node->stop;
open my $file, '+<', $saved or die;
seek $file, 100, 0;
print $file 'x';
close $file;
$node->start;
$s = session($node);
is($node->wait_for_log(qr/LOG:  ignoring damaged file "pg_stat\/guard.stat"/) > 0, 1, 'a damaged file is ignored');
is(verdict($s, 'few_a_idx'), 'allow unknown', 'and capture begins anew');

# ---- an immediate shutdown

sub all_unknown
{
	my ($what) = @_;

	is(verdict($s, "${_}_a_idx"), 'allow unknown', "$what: $_ is unknown, not unused") foreach qw(few many);
	is(verdict($s, 'idle_a_idx'), 'block protected', "$what: a registration is still there");
	like($s->value("SELECT detail FROM guard.check('many_a_idx')"), qr/only for the last/, "$what: and says for how long it has looked");
	is( $s->value(
			"SELECT bool_and((f ->> 'since')::timestamptz > (SELECT installed_at FROM guard.installation))
			   FROM guard.check('many_a_idx'), LATERAL jsonb_array_elements(facts -> 'uses') f"),
		't', "$what: nothing claims to have been observed since before");

	# Who drops in the dark is told so, and where the way back is long he is stopped.
	my $r = $s->query('BEGIN; DROP INDEX many_a_idx; ROLLBACK');
	is(scalar(grep { $_->{S} eq 'WARNING' && $_->{M} =~ /many_a_idx" without knowing whether it is used/ } @{ $r->{notices} }),
		1, "$what: a drop in the dark gives a warning");
	$s->ok('SET guard.rebuild_limit = 0');
	refused($s->query('DROP INDEX many_a_idx'), qr/cannot drop index "public.many_a_idx": guard cannot tell whether it is needed: no use was seen, but only for/,
		"$what: where the way back is long it is refused");
	$s->ok('RESET guard.rebuild_limit');

	# Use afterwards is as good evidence as ever.
	$user = use_index($node, 'few');
	is(verdict($s, 'few_a_idx'), 'block hot', "$what: new use is seen");
}

again();
$node->stop('immediate');
$node->start;
$s = session($node);
all_unknown('immediate shutdown');

# ---- a backend is killed, and the server restarts by itself

scan(60);
is(verdict($s, 'many_a_idx'), 'block hot', 'hot again');
my $victim = session($node, 'victim');
my $started = $s->value('SELECT pg_postmaster_start_time()');
kill 'KILL', $victim->pid;
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = \'victim\'');
undef $user;
$s = session($node);
is($s->value('SELECT pg_postmaster_start_time()'), $started, 'the server itself has not restarted');
all_unknown('crash of a backend');

# ---- statistics that were reset, with and without a witness

scan(60);
$s->ok('SELECT pg_stat_reset()');
wait_until($s, "SELECT idx_scan = 0 FROM pg_stat_user_indexes WHERE indexrelname = 'many_a_idx'");
is(verdict($s, 'many_a_idx'), 'block hot', 'pg_stat_reset(): capture has seen it all the same');
make_table($s, 'young');
is(verdict($s, 'young_a_idx'), 'allow cold', 'an index that guard saw being created, never used since');
$s->ok('SELECT pg_stat_reset()');
is(verdict($s, 'young_a_idx'), 'allow cold', 'pg_stat_reset(): capture has watched it since');

$node->stop;
done_testing();
