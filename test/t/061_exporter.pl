# One list of metrics: guard.metrics, the exporter's query file, the rules and the dashboard agree; and a Prometheus that scrapes the
# exporter, both as the distribution has them, answers every panel.

use strict;
use warnings FATAL => 'all';
use FindBin;
use GuardTest;
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $doc = "$FindBin::RealBin/../../doc";

# The path of a program, in any of the folders where distributions put one; undefined where there is none.
sub program
{
	my ($name) = @_;

	return (grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/bin')[0];
}

# Ask until the answer is what is wanted; returns the last answer.
sub page_with
{
	my ($url, $wanted) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	my $page = '';

	until ($page =~ $wanted or time > $end)
	{
		$page = HTTP::Tiny->new->get($url)->{content};
		select(undef, undef, undef, 0.1);
	}
	return $page;
}

# ---- a server with something to tell

my $node = guard_server('main', streaming => 1, conf => "guard.whatif_interval = 0\nguard.snapshot_interval = 1s\n");
my $s = session($node);
$s->ok('CREATE EXTENSION pg_stat_statements');
make_table($s, $_) foreach qw(t idle);
$s->ok('INSERT INTO t SELECT g, g, rpad(g::text, 100) FROM generate_series(1001, 100000) g');
$s->ok('VACUUM ANALYZE t');
my $auth = use_index($node, 't');
$auth->ok("SELECT c FROM t WHERE a = $_") foreach 1 .. 50;
$auth->ok('SELECT c FROM idle WHERE a = 42');
$s->ok('SELECT guard.test_alert()');
$s->ok('CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
refused($s->query('DROP INDEX t_a_idx'), qr/t_a_idx/, 'a refusal to count');
$s->ok($_) foreach 'SET guard.mode = observe', 'DROP INDEX idle_a_idx', 'RESET guard.mode';
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('pg-2');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "cluster_name = 'pg-2'\nprimary_conninfo = '" . $node->connstr . " application_name=pg-2'\n");
$standby->start;
wait_until($s, q{SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn IS NOT NULL});
my $there = session($standby);
my $report = $there->value('SELECT guard.node_report()');
$s->ok("SELECT guard.report_node('pg-2', \$report\$$report\$report\$)");
wait_until($s, q{SELECT count(*) = 1 FROM guard.metrics WHERE name = 'guard_predicted_connections'});
wait_until($s, q{SELECT sum(value) = 1 FROM guard.metrics WHERE name = 'guard_refusals_total'});

# ---- the list, and who names what is in it

my %listed;
foreach my $row (@{ $s->ok('SELECT DISTINCT name, help, type, (SELECT string_agg(k, q ORDER BY k) FROM jsonb_object_keys(labels) k), 1'
			. " FROM guard.metrics, (VALUES (' ')) v (q)")->{rows} })
{
	$listed{ $row->[0] } = { help => $row->[1], type => $row->[2], labels => $row->[3] // '' };
}
my %in_source = map { $_ => 1 } slurp_file("$FindBin::RealBin/../../src/sql/76_metrics.sql") =~ /'(guard_[a-z_]+)'/g;
is_deeply([ sort keys %listed ], [ sort keys %in_source ], 'this server has every metric of the list');

my (%served, $space);
foreach my $line (split /\n/, slurp_file("$doc/postgres_exporter.yml"))
{
	if ($line =~ /^(guard\w*):/) { $space = $1; }
	elsif ($line =~ /^    - (\w+): \{usage: "(\w+)", description: "(.*)"\}$/)
	{
		if ($2 eq 'LABEL') { $served{$space}{labels}{$1} = $3; }
		else { $served{$space}{metrics}{"${space}_$1"} = { type => lc $2, help => $3 }; }
	}
}
my %exported;
foreach my $of (values %served)
{
	$exported{$_} = { %{ $of->{metrics}{$_} }, labels => join ' ', sort keys %{ $of->{labels} // {} } } foreach keys %{ $of->{metrics} };
}
is_deeply(\%exported, \%listed, 'the query file has the same ones, with their labels, types and descriptions');

my $dashboard = decode_json(slurp_file("$doc/grafana/guard.json"));
my $rules = slurp_file("$doc/prometheus/guard.rules.yml");
my @queries = map { my $p = $_; map { [ $p->{title}, $_->{expr} ] } @{ $p->{targets} } } @{ $dashboard->{panels} };
push @queries, map { [ $_->{name}, $_->{expr} ] } @{ $dashboard->{annotations}{list} };
my %named = map { $_ => 1 } map { $_->[1] =~ /\b(guard_\w+)/g } @queries;
is_deeply([ sort keys %named ], [ sort keys %listed ], 'the dashboard shows every metric, and no other');
my ($said) = join "\n", $rules =~ /^ +expr:(.*?)^ +(?:for|labels):/msg;
is_deeply([ grep { !$listed{$_} } $said =~ /\b(guard_\w+)/g ], [], 'the rules name none that is not in the list');
is_deeply([ grep { !/^(?:pg_up|node_cpu_seconds_total|node_pressure_cpu_waiting_seconds_total)$/ } "@{[ map { $_->[1] } @queries ]} $said" =~ /\b((?:node|pg)_\w+)/g ],
	[], 'nor of other exporters than those they say');

# ---- the dashboard goes into Grafana as it is

is_deeply([ map { $_->{type} } @{ $dashboard->{templating}{list} } ], [ 'datasource', 'query' ], 'the source of its data is a variable');
my @sources = slurp_file("$doc/grafana/guard.json") =~ /"datasource": \{\s*"type": "prometheus",\s*"uid": "([^"]*)"/g;
is_deeply([ grep { $_ ne '${datasource}' } @sources ], [], 'and nothing has another one');
ok(!exists $dashboard->{__inputs} && !defined $dashboard->{id} && $dashboard->{uid} eq 'guard-postgresql', 'nothing is asked when it is read; its uid is fixed');
is(scalar(grep { !$_->{title} || !$_->{description} } @{ $dashboard->{panels} }), 0, 'every panel says what it shows');
my %panels = map { $_->{id} => 1 } @{ $dashboard->{panels} };
is(scalar keys %panels, scalar @{ $dashboard->{panels} }, 'panels have numbers of their own');

# ---- the rules

SKIP:
{
	my $promtool = program('promtool');

	skip 'promtool is not installed', 1 if !defined $promtool;
	my $output = '';
	IPC::Run::run([ $promtool, 'test', 'rules', "$FindBin::RealBin/../prometheus/guard.test.yml" ], '>&', \$output);
	ok($? == 0, 'every alert fires where it must and nowhere else') or diag($output);
	my %tested = map { $_ => 1 } slurp_file("$FindBin::RealBin/../prometheus/guard.test.yml") =~ /alertname: (\w+)/g;
	is_deeply([ sort keys %tested ], [ sort $rules =~ /- alert: (\w+)/g ], 'each was tried');
}

# ---- the exporter

SKIP:
{
	my $exporter = program('prometheus-postgres-exporter');
	my $prometheus = program('prometheus');

	skip 'prometheus-postgres-exporter is not installed', 1 if !defined $exporter;

	my $port = PostgreSQL::Test::Cluster::get_free_port();
	local $ENV{DATA_SOURCE_NAME} = 'host=' . $node->host . ' port=' . $node->port . ' user=monitor dbname=postgres sslmode=disable';
	my $log = '';
	my $run = IPC::Run::start([ $exporter, "--web.listen-address=127.0.0.1:$port",
		"--extend.query-path=$doc/postgres_exporter.yml", '--disable-default-metrics', '--disable-settings-metrics' ],
		'<', \undef, '>&', \$log);

	my $page = page_with("http://127.0.0.1:$port/metrics", qr/^pg_up 1$/m);
	like($page, qr/^pg_up 1$/m, 'the exporter sees the server');
	like($page, qr/^pg_exporter_last_scrape_error(\{[^}]*\})? 0$/m, 'without an error');
	my %there = map { $_ => 1 } $page =~ /^(guard_\w+)\{/mg;
	is_deeply([ sort keys %there ], [ sort keys %listed ], 'and serves every metric');
	like($page, qr/^# TYPE guard_refusals_total counter$/m, 'counters are counters');
	like($page, qr/^guard_refusals_total\{reason="hot"[^}]*\} 1$/m, 'the refusal');
	like($page, qr/^guard_would_be_refusals_total\{reason="hot"[^}]*\} 1$/m, 'what observe let go');
	like($page, qr/^guard_last_removal_age_seconds\{index="public\.idle_a_idx"[^}]*what="dropped"\} \d/m, 'what went last');
	like($page, qr/^guard_predicted_connections\{index="t_a_idx"[^}]*table="t"\} \d/m, 'what an index would cost');
	like($page, qr/^guard_node_heard\{node="pg-2"[^}]*\} \d$/m, 'the standby');

	skip 'prometheus is not installed', 1 if !defined $prometheus;

	my $folder = PostgreSQL::Test::Utils::tempdir_short;
	my $here = PostgreSQL::Test::Cluster::get_free_port();
	append_to_file("$folder/prometheus.yml", "global: {scrape_interval: 10s, scrape_timeout: 10s, evaluation_interval: 10s}\nrule_files: [$doc/prometheus/guard.rules.yml]\n"
		  . "scrape_configs: [{job_name: postgres, static_configs: [{targets: ['127.0.0.1:$port']}]}]\n");
	my $server = IPC::Run::start([ $prometheus, "--config.file=$folder/prometheus.yml", "--storage.tsdb.path=$folder/data",
		"--web.listen-address=127.0.0.1:$here" ], '<', \undef, '>', \my $out, '2>', \my $err);
	my $ask = "http://127.0.0.1:$here/api/v1/query";
	like(page_with($ask . '?query=count_over_time(guard_mode_info[5m])%20>%201', qr/"result":\[\{/), qr/"result":\[\{/, 'Prometheus has scraped it twice');

	foreach my $query (@queries)
	{
		my ($title, $expr) = @$query;

		$expr =~ s/\$instance/.*/g;
		$expr =~ s/\$__rate_interval/1m/g;
		# nothing was refused, and no index went, since the first scrape
		$expr =~ s/ [<>] \d+$//;
		my $answer = decode_json(HTTP::Tiny->new->post_form($ask, { query => $expr })->{content});
		is($answer->{status}, 'success', "$title: runs") or diag("$expr: $answer->{error}");
		ok($expr =~ /node_/ || @{ $answer->{data}{result} } > 0, "$title: has data") or diag($expr);
	}
	my $loaded = page_with("http://127.0.0.1:$here/api/v1/rules", qr/GuardUnseen/);
	my @states = map { $_->{health} } map { @{ $_->{rules} } } @{ decode_json($loaded)->{data}{groups} };
	is_deeply([ grep { $_ eq 'err' } @states ], [], 'no rule fails on what was scraped');
	$server->kill_kill;
	$run->kill_kill;
	diag $log . $err unless Test::More->builder->is_passing;
}
done_testing();
