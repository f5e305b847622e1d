# The recipes that are programs do what they say.

use strict;
use warnings FATAL => 'all';
use FindBin;
use GuardTest;
use IO::Select;
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'python3-psycopg2 is not installed' if system("/usr/bin/python3 -c 'import psycopg2' 2> /dev/null") != 0;

my $node = guard_server('main');
my $s = session($node);
$s->ok('CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
$s->ok('CREATE TABLE "a <b> & c" (a int)');
$s->ok('CREATE INDEX "<i> & co" ON "a <b> & c" (a)');
$s->ok('DROP INDEX "<i> & co"');

# A webhook: what was posted to it, as {path, type, body}; it answers each.
my $hook = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die $!;

sub posted
{
	IO::Select->new($hook)->can_read($PostgreSQL::Test::Utils::timeout_default) or return;
	my $client = $hook->accept or return;
	my $head = '';

	while (my $line = <$client>) { $head .= $line; last if $line eq "\r\n"; }
	my ($length) = $head =~ /^Content-Length: (\d+)/mi;
	read $client, my $body, $length // 0;
	print {$client} "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
	close $client;
	my ($path) = $head =~ /^POST (\S+)/;
	my ($type) = $head =~ /^Content-Type: (\S+?)\r/mi;
	return { path => $path, type => $type, body => decode_json($body) };
}

$s->ok('SELECT guard.test_alert()');        # before it listens: not told
local @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE no_proxy)} = ($node->host, $node->port, "monitor", "postgres", "*");
my ($out, $err) = ('', '');
my $run = IPC::Run::start([ '/usr/bin/python3', "$FindBin::RealBin/../../doc/alert_webhook.py", 'http://127.0.0.1:' . $hook->sockport . '/services/T0' ],
	'<', \undef, '>', \$out, '2>', \$err);
$run->pump until $out =~ /listening/ or !$run->pumpable;
like($out, qr/listening/, 'it listens') or diag($err);

# Anybody may notify; nothing is told of that.
$s->ok(q{NOTIFY guard_alert, '{"alert": "restored", "index": "forged"}'});
$s->ok('SELECT guard.test_alert()');
my $post = posted();
is($post->{path}, '/services/T0', 'the address');
is($post->{type}, 'application/json', 'as JSON');
like($post->{body}{text}, qr/^guard, database postgres: test /, 'the alert that guard raised, and not the forged one');
like($post->{body}{text}, qr/^public\."&lt;i&gt; &amp; co": dropped CREATE INDEX/m, 'what went lately, with the way back, escaped as Slack wants it');
$s->ok('SELECT guard.test_alert()');
like(posted()->{body}{text}, qr/test/, 'and the next one');
ok(!IO::Select->new($hook)->can_read(0), 'each once');
$run->kill_kill;
done_testing();
