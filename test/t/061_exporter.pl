# prometheus-postgres-exporter, as the distribution has it, serves guard.metrics by the query file in doc/.

use strict;
use warnings FATAL => 'all';
use FindBin;
use GuardTest;
use HTTP::Tiny;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($exporter) = grep { -x } map { "$_/prometheus-postgres-exporter" } split(/:/, $ENV{PATH}), '/usr/bin';
plan skip_all => 'prometheus-postgres-exporter is not installed' if !defined $exporter;

my $node = guard_server('main');
my $s = session($node);
$s->ok('SELECT guard.test_alert()');
$s->ok('CREATE ROLE monitor LOGIN IN ROLE pg_monitor');

my $port = PostgreSQL::Test::Cluster::get_free_port();
local $ENV{DATA_SOURCE_NAME} = 'host=' . $node->host . ' port=' . $node->port . ' user=monitor dbname=postgres sslmode=disable';
my $log = '';
my $run = IPC::Run::start([ $exporter, "--web.listen-address=127.0.0.1:$port",
	"--extend.query-path=$FindBin::RealBin/../../doc/postgres_exporter.yml", '--disable-default-metrics', '--disable-settings-metrics' ],
	'<', \undef, '>&', \$log);

my $end = time + $PostgreSQL::Test::Utils::timeout_default;
my $page = '';
until ($page =~ /^pg_up 1$/m or time > $end)
{
	$page = HTTP::Tiny->new->get("http://127.0.0.1:$port/metrics")->{content};
	select(undef, undef, undef, 0.1);
}
like($page, qr/^pg_up 1$/m, 'the exporter sees the server');
like($page, qr/^guard_pool_connections\{[^}]*state="active"[^}]*\} \d+$/m, 'connections by state');
like($page, qr/^guard_audit_entries\{[^}]*verdict="change"[^}]*\} 1$/m, 'the audit log');
like($page, qr/^guard_soft_drops\{[^}]*state="hidden"[^}]*\} 0$/m, 'soft drops');
like($page, qr/^guard_hidden_indexes(\{[^}]*\})? 0$/m, 'hidden indexes');
like($page, qr/^guard_capture_capacity\{[^}]*\} \d/m, 'capture');
like($page, qr/^pg_exporter_last_scrape_error(\{[^}]*\})? 0$/m, 'without an error');
$run->kill_kill;
diag $log unless Test::More->builder->is_passing;
done_testing();
