# Other libraries that hook the same places do their work beside guard, loaded before it or after it.  Those that are not
# installed are skipped by name.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', preload => 'guard', conf => "guard.whatif_time_limit = 1h\n");
my $version = version_of($node);
my $library_dir = $node->config_data('--pkglibdir');

# name of the library, its settings, and what shows that it has done its own work
my @companions = (
	{
		name => 'pg_stat_statements',
		create => 1,
		conf => "pg_stat_statements.track_planning = on\n",
		works => sub {
			$_[0]->value(q{SELECT sum(calls) > 0 AND sum(plans) > 0 AND sum(plans) <= sum(calls) FROM pg_stat_statements WHERE query LIKE 'SELECT c FROM t WHERE a%'}) eq 't';
		},
	},
	{
		name => 'auto_explain',
		conf => "auto_explain.log_min_duration = 0\nauto_explain.log_analyze = on\nauto_explain.log_nested_statements = on\n",
		works => sub { $_[1] =~ /duration: .* plan:\n\s*Query Text: SELECT c FROM t WHERE a = 42\n.*Scan.*t_a_idx.*actual/s },
	},
	{
		name => 'pgaudit',
		create => 1,
		conf => "pgaudit.log = 'ddl, read'\n",
		works => sub { $_[1] =~ /AUDIT: SESSION,.*,DDL,DROP INDEX,INDEX,public.idle_a_idx,/ },
	},
	{
		name => 'pg_hint_plan',
		create => 1,
		works => sub {
			$_[0]->ok('/*+ IndexScan(t t_a_idx) */ SELECT b FROM t WHERE a = 43');
			join(' ', map { $_->[0] } @{ $_[0]->ok('/*+ SeqScan(t) */ EXPLAIN SELECT c FROM t WHERE a = 42')->{rows} }) =~ /Seq Scan on t/;
		},
	},
	{
		name => 'plpgsql_check',
		create => 1,
		works => sub { $_[0]->value("SELECT count(*) FROM plpgsql_check_function('broken()')") > 0 },
	},
	{
		name => 'hypopg',
		create => 1,
		works => sub { $_[0]->value("SELECT indexname LIKE '%btree_t_b' FROM hypopg_create_index('CREATE INDEX ON t (b)')") eq 't' },
	},);

sub check_one
{
	my ($companion, $libraries, @create) = @_;
	my $name = $companion->{name};

	$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'$libraries'");
	$node->restart;
	my $from = -s $node->logfile;
	my $s = session($node);
	$s->ok("CREATE EXTENSION $_") foreach @create;
	$s->ok("SET guard.mode = 'off'");
	$s->ok('DROP TABLE IF EXISTS t, idle; DROP FUNCTION IF EXISTS broken');
	$s->ok('RESET guard.mode');
	make_table($s, $_) foreach qw(t idle);
	$s->ok(q{CREATE FUNCTION broken() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT x FROM nowhere); END'});

	my $auth = use_index($node, 't');
	is($s->value(q{SELECT seq_scan FROM guard.what_if('t_a_idx')}), 't', "$libraries: plans it once more without its index");
	refused($s->query('DROP INDEX t_a_idx'), qr/auth use it/, "$libraries: refuses");
	refused($s->query('DROP INDEX CONCURRENTLY t_a_idx'), qr/auth use it/, "$libraries: refuses CONCURRENTLY");
	is(index_state($s, 't_a_idx'), 'valid ready live', "$libraries: the index is as it was");
	refused($s->query('BEGIN; DROP INDEX t_a_idx; COMMIT'), qr/auth use it/, "$libraries: refuses at COMMIT");
	passed($s->query('BEGIN; DROP INDEX t_a_idx; CREATE INDEX t_a_idx ON t (a); COMMIT'), "$libraries: lets a replacement pass");
	my $r = $s->query('DROP INDEX idle_a_idx');
	passed($r, "$libraries: lets an idle index go");
	is(scalar(grep { $_->{M} =~ /idle_a_idx/ } @{ $r->{notices} }), 0, "$libraries: without a word");
	is($s->value("SELECT count(*) FROM guard.last_drops('1 h') WHERE event = 'dropped' AND index_name = 'public.idle_a_idx' AND at > pg_postmaster_start_time()"),
		1, "$libraries: one row in the audit log");
	$s->ok('SET guard.hot_action = delay');
	passed($s->query('DROP INDEX t_a_idx'), "$libraries: drops in stages what is in use");
	is($s->value("SELECT state FROM guard.soft_drops WHERE index_name = 'public.t_a_idx' ORDER BY dropped_at DESC LIMIT 1"), 'waiting',
		"$libraries: and the index stays");
	is($s->value("SELECT guard.restore('t_a_idx')"), 'index public.t_a_idx is back', "$libraries: and comes back");
	$s->ok('RESET guard.hot_action');
	$auth->ok('EXPLAIN ANALYZE SELECT b FROM t WHERE a = 42');
	ok($companion->{works}->($s, slurp_file($node->logfile, $from)), "$libraries: $name does its work");
	like($s->value("SELECT state FROM guard.status WHERE item = 'capture'"), qr/^since/, "$libraries: captures");

	# Some refuse to work when they are not loaded any more.
	$s->ok("DROP EXTENSION $_") foreach @create;
	$_->close foreach $auth, $s;
}

$node->append_conf('postgresql.conf', $_->{conf}) foreach grep { $_->{conf} } @companions;

my @installed;
foreach my $companion (@companions)
{
  SKIP:
	{
		my $name = $companion->{name};

		skip "$name is not installed", 1 unless -e "$library_dir/$name.so";
		push @installed, $companion;
		check_one($companion, $_, $companion->{create} ? $name : ()) foreach "$name, guard", "guard, $name";
	}
}

# Event triggers of others, that run DDL themselves.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pg_stat_statements, guard'");
$node->restart;
{
	my $s = session($node);

	$s->ok("SET guard.mode = 'off'");
	$s->ok('DROP TABLE IF EXISTS t, idle');
	$s->ok('RESET guard.mode');
	make_table($s, $_) foreach qw(t idle other);
	my $auth = use_index($node, 't');
	$s->ok('CREATE TABLE ddl_log (tag text, what text)');
	$s->ok(<<'SQL');
CREATE FUNCTION log_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ddl_log SELECT tg_tag, object_identity FROM pg_event_trigger_dropped_objects() WHERE object_type = 'index';
	CREATE TABLE IF NOT EXISTS made_by_trigger (a int PRIMARY KEY);
	DROP TABLE made_by_trigger;
END $$;
CREATE FUNCTION also_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF tg_tag = 'COMMENT' THEN
		EXECUTE 'DROP INDEX ' || (SELECT string_agg(w, ', ') FROM wanted);
	END IF;
END $$;
CREATE TABLE wanted (w text);
CREATE EVENT TRIGGER a_first ON sql_drop WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION log_drop();
CREATE EVENT TRIGGER z_last ON ddl_command_end EXECUTE FUNCTION also_drop();
SQL
	refused($s->query('DROP INDEX t_a_idx'), qr/auth use it/, "others' event triggers: refuses");
	is($s->value('SELECT count(*) FROM ddl_log'), 0, "others' event triggers: have not been called");
	passed($s->query('DROP INDEX idle_a_idx'), "others' event triggers: lets an idle index go");
	is($s->value("SELECT string_agg(tag || ' ' || what, ', ') FROM ddl_log"), 'DROP INDEX public.idle_a_idx', "others' event triggers: are called, once");
	$s->ok("INSERT INTO wanted VALUES ('other_a_idx')");
	passed($s->query("COMMENT ON TABLE t IS 'drops an idle one'"), "others' event triggers: may drop an idle index");
	is(index_state($s, 'other_a_idx'), 'gone', "others' event triggers: and it is gone");
	is($s->value("SELECT count(*) FROM guard.last_drops() WHERE event = 'dropped' AND index_name = 'public.other_a_idx'"), 1, "others' event triggers: one row in the audit log");
	$s->ok("UPDATE wanted SET w = 't_a_idx'");
	refused($s->query("COMMENT ON TABLE t IS 'drops one in use'"), qr/auth use it/, "others' event triggers: may not drop one in use");
	is($s->value("SELECT obj_description('t'::regclass)"), 'drops an idle one', "others' event triggers: nor does their statement happen");
	$s->ok('DROP EVENT TRIGGER a_first; DROP EVENT TRIGGER z_last; DROP FUNCTION log_drop, also_drop; DROP TABLE wanted, ddl_log');
	$_->close foreach $auth, $s;
}

# All of them at once, guard first and guard last.
foreach my $at (0, scalar @installed)
{
	my @all = map { $_->{name} } @installed;

	splice @all, $at, 0, 'guard';
	check_one({ name => 'everything', works => sub { 1 } }, join(', ', @all), map { $_->{name} } grep { $_->{create} } @installed);
}

$node->stop;
done_testing();
