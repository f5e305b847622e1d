# An alert arrives three times over - in the server log, on channel guard_alert, in the audit log - and names what was dropped
# lately; a busy pool is one alert, however long it stays busy.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = guard_server('main',
	conf => "guard.hot_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1h\nlog_min_messages = log\nlog_line_prefix = '%e '\n");
my $s = session($node);
my $listener = session($node, 'listener');
my $auth = session($node, 'auth');
$s->ok('CREATE EXTENSION pg_stat_statements');
$listener->ok('LISTEN guard_alert');

sub configure
{
	my ($name, $value) = @_;

	$s->ok("ALTER SYSTEM SET $name = '$value'");
	$s->ok('SELECT pg_reload_conf()');
	wait_until($_, "SELECT current_setting('$name') = '$value'") foreach $auth, $s;
}

# The next notification of a kind, decoded; others are passed over.
sub heard
{
	my ($kind) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	while (1)
	{
		while (my $got = shift @{ $listener->{notifications} // [] })
		{
			my ($channel, $payload) = @$got;
			die "too long: " . length $payload if length $payload >= 8000;
			my $alert = decode_json($payload);
			return $alert if $channel eq 'guard_alert' && $alert->{alert} eq $kind;
		}
		die "no alert of kind $kind was heard" if time > $end;
		usleep(20_000);
		$listener->ok('SELECT 1');
	}
}

# All lines of the log that are alerts of a kind: SQLSTATE and what they say.
sub logged
{
	my ($kind) = @_;
	my $log = slurp_file($node->logfile);
	my @found;

	while ($log =~ /^(\S+) LOG:  guard alert: (\{.*\})$/mg)
	{
		my ($state, $alert) = ($1, decode_json($2));
		push @found, [ $state, $alert ] if $alert->{alert} eq $kind;
	}
	return @found;
}

sub raised
{
	my ($kind) = @_;

	return $s->value("SELECT count(*) FROM guard.audit_log WHERE command = 'alert' AND facts ->> 'alert' = '$kind'");
}

sub recent
{
	my ($alert) = @_;

	return join ' ', map { "$_->{index}($_->{what})" } sort { $a->{index} cmp $b->{index} } @{ $alert->{recent} };
}

# ---- what it says, and where

make_table($s, $_) foreach qw(gone seen late);
$s->ok('CREATE INDEX gone_b_idx ON gone (b)');
$s->ok("SET guard.mode = 'observe'; DROP INDEX gone_b_idx; RESET guard.mode");
$s->ok("SELECT guard.hide('seen_a_idx')");
is($s->value('SELECT guard.test_alert()'), 't', 'an alert, to see whether it arrives');
my $alert = heard('test');
is($alert->{database}, 'postgres', 'whoever listens hears it');
is(recent($alert), 'public.gone_b_idx(dropped) public.seen_a_idx(hidden)', 'and which indexes went lately');
like($alert->{recent}[1]{undo}, qr/^CREATE INDEX gone_b_idx ON public.gone/, 'with what brings them back');
is($alert->{recent}[0]{undo}, 'SELECT guard.unhide(\'public.seen_a_idx\');', 'each in its way');
my @lines = logged('test');
is(scalar @lines, 1, 'the server log has one line of it');
is($lines[0][0], '01XGA', 'with a SQLSTATE of its own');
is_deeply([ map { $_->{index} } @{ $lines[0][1]{recent} } ], [ map { $_->{index} } @{ $alert->{recent} } ], 'that says the same');
is(raised('test'), 1, 'and the audit log a row');
is($s->value("SELECT count(*) FROM guard.last_drops() WHERE event = 'alert'"), 0, 'which is not taken for a drop');

$s->ok('BEGIN; SELECT guard.test_alert(); ROLLBACK');
is(raised('test'), 1, 'rolled back, row and notification are');
is(scalar(logged('test')), 2, 'the line stays');

# ---- more than a notification can hold

$s->ok("DO \$\$ BEGIN FOR i IN 1 .. 45 LOOP
	EXECUTE format('CREATE INDEX %I ON gone (b) WHERE c <> %L', 'x' || repeat('y', 50) || i, repeat('z', 900));
	EXECUTE format('DROP INDEX %I', 'x' || repeat('y', 50) || i);
END LOOP; END \$\$");
$s->ok('SELECT guard.test_alert()');
$alert = heard('test');
cmp_ok($alert->{recent_left_out}, '>', 30, 'a notification names what there is room for, and says how many more there are');
is(@{ $alert->{recent} } + $alert->{recent_left_out}, 47, 'all of them');
is(scalar @{ (logged('test'))[-1][1]{recent} }, 47, 'the line names them all');

# ---- off

configure('guard.alerts', 'off');
is($s->value('SELECT guard.test_alert()'), 'f', 'none where guard.alerts is off');
is($s->value("SELECT state FROM guard.status WHERE item = 'alerts'"), 'off (guard.alerts)', 'and guard.status says so');
configure('guard.alerts', 'on');

# ---- a soft drop that the watch takes back

$s->ok("SET guard.quiet_period = '1h'");
$s->ok("INSERT INTO late SELECT g, g % 100, rpad('row ' || g, 100) FROM generate_series(1001, 30000) g");
$s->ok('VACUUM ANALYZE late');
$auth->ok("SELECT c FROM late WHERE a = $_") foreach 1 .. 100;
wait_until($auth, "SELECT coalesce(sum(uses), 0) >= 100 FROM guard.index_statements('late_a_idx')");
$s->ok('DROP INDEX late_a_idx');
wait_until($s, "SELECT state = 'hidden' FROM guard.soft_drops");
my $end = time + $PostgreSQL::Test::Utils::timeout_default;
until ($s->value('SELECT state FROM guard.soft_drops') eq 'restored')
{
	die 'the watch saw nothing' if time > $end;
	$auth->ok("SELECT c FROM late WHERE a = $_") foreach 1 .. 5;
}
$alert = heard('restored');
is($alert->{index}, 'public.late_a_idx', 'an index that the watch gives back is an alert');
like($alert->{reason}, qr/^statement -?\d+ .* times the [\d.]+ ms of before/, 'with the reason');
cmp_ok($alert->{facts}{hidden_for_ms}, '>', 0, 'and figures');
is(scalar(grep { $_->{index} eq 'public.late_a_idx' && $_->{what} =~ /^soft drop/ } @{ $alert->{recent} }), 1, 'it is among what went lately');
is(raised('restored'), 1, 'once');
$s->ok('RESET guard.quiet_period');

# ---- a busy pool: six of fifty are 12 %

configure('guard.alert_pool_busy', 10);
is($s->value("SELECT state FROM guard.status WHERE item = 'alerts'"), 'on, also when 10 % of max_connections are busy', 'guard.status says what there are alerts for');
my @busy = map { session($node, "billing/v$_.0") } 1 .. 6;
$_->ok('BEGIN') foreach @busy;
$alert = heard('pool');
like($alert->{reason}, qr/^6 of 50 connections are busy: 0 on CPU, 0 waiting, 6 idle in a transaction/, 'a pool that is busy for some seconds is an alert');
is($alert->{facts}{services}[0]{service}, 'billing', 'that names the services');
like(recent($alert), qr/public.gone_b_idx\(dropped\)|x/, 'and what went lately');
is($s->value("SELECT connections || ' ' || busy || ' ' || idle_in_transaction FROM guard.pool_health WHERE service = 'billing'"), '6 6 6', 'guard.pool_health shows it');
foreach (1 .. 4)
{
	my $since = $s->value('SELECT clock_timestamp()');
	wait_until($s, "SELECT compared_with > '$since' FROM guard.pool_health WHERE service IS NULL");
}
is(raised('pool'), 1, 'one, however many seconds it lasts');
is($s->value("SELECT connections_per_second || ' ' || busy_per_second FROM guard.pool_health WHERE service = 'billing'"), '0 0', 'nothing changes, and the view says so');
$_->ok('COMMIT') foreach @busy;

# ---- nobody comes for it any more

configure('guard.alert_pool_busy', 0);
wait_until($s, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'guard worker'");
pass('once it is off, no visitor stays');

# ---- off is off; at the end, for a session that ran uncaptured makes of counted scans, on 15, a use at no known time

$s->ok("SET guard.mode = 'off'");
is($s->value('SELECT guard.test_alert()'), 'f', 'none where guard.mode is off');
$s->ok('RESET guard.mode');
is(scalar(logged('test')), 3, 'really none');

$node->stop;
done_testing;
