# Planning a statement once more leaves no trace: not in its plan, its result, its errors, the server's counters, or what other
# libraries count; and it stops where it costs too much.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Sampled at every planning, however long that takes on a busy machine.
my $node = guard_server('main', preload => 'pg_stat_statements, guard', conf => <<'CONF');
guard.whatif_interval = 0
guard.whatif_time_limit = 1h
pg_stat_statements.track = all
pg_stat_statements.track_planning = on
pg_stat_statements.track_utility = off
autovacuum = off
CONF
my $version = version_of($node);
my $s = session($node);
$s->ok('CREATE EXTENSION pg_stat_statements');
make_table($s, 't');
$s->ok('CREATE INDEX t_b_idx ON t (b)');
$s->ok('CREATE UNIQUE INDEX t_ab_idx ON t (a, b)');
$s->ok('CREATE INDEX t_expr_idx ON t ((a + b))');
make_table($s, 'u');
$s->ok('VACUUM ANALYZE t, u');

# Built in functions that planning calls: they are declared immutable.
my %internal = (
	'warns(int) RETURNS int' => 'pg_cancel_backend',
	'setting(text) RETURNS text' => 'show_config_by_name',
	'notes(regclass, bigint) RETURNS bigint' => 'setval_oid',
	'sets(text, text, bool) RETURNS text' => 'set_config_by_name',
	'counts(regclass) RETURNS bigint' => 'nextval_oid',
	'waits(bigint) RETURNS int' => 'pg_advisory_lock_int8',
	'sleeps(float8) RETURNS int' => 'pg_sleep');

sub plans
{
	return $s->value(q{SELECT substring(state FROM '(\d+) plans') FROM guard.status WHERE item LIKE 'what-if st%'});
}

sub failures
{
	return $s->value(q{SELECT substring(state FROM '(\d+) failed') FROM guard.status WHERE item LIKE 'what-if st%'});
}

# A setting that every session follows at once.
sub set
{
	my ($name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = $value");
	$node->reload;
	wait_until($s, "SELECT setting = '$value' FROM pg_settings WHERE name = '$name'");
}

# What the server has counted, once the session has told it.
sub counters
{
	my $last = $version >= 16 ? 'last_idx_scan IS NOT NULL' : 'NULL';

	return $s->value(
		"SELECT string_agg(concat_ws(' ', indexrelname, idx_scan, idx_tup_read, idx_tup_fetch, $last), E'\\n' ORDER BY indexrelname)
		   FROM pg_stat_user_indexes WHERE relname = 't'")
	  . "\n"
	  . $s->value('SELECT concat_ws(\' \', idx_blks_read + idx_blks_hit, heap_blks_read + heap_blks_hit) FROM pg_statio_user_tables WHERE relname = \'t\'');
}

# ---- no counter: planning reads the ends of t_a_idx and t_ab_idx to know the range of a
{
	my @seen;

	# What this session has read while it filled the tables is counted before.
	$s->ok('SELECT pg_stat_force_next_flush()');
	$s->ok('SELECT 1');
	foreach my $whatif ('off', 'on')
	{
		set('guard.whatif', $whatif);
		my $user = session($node);
		my $before = plans();

		# Warm: what a session reads but once in its life is not counted.
		$user->ok('SELECT c FROM t WHERE a > 995 AND b = 1');
		$user->ok('SELECT pg_stat_force_next_flush()');
		$user->ok('SELECT 1');
		$s->ok(q{SELECT pg_stat_reset_single_table_counters(oid) FROM pg_class WHERE relname ~ '^t(_|$)'});
		foreach my $a (990 .. 999)
		{
			$user->ok("SELECT c FROM t WHERE a > $a AND b = 1");
			$user->ok("SELECT count(*) FROM t JOIN u USING (a) WHERE u.a > $a");
		}
		$user->ok('SELECT pg_stat_force_next_flush()');
		$user->ok('SELECT 1');
		push @seen, counters();
		cmp_ok(plans() - $before, $whatif eq 'on' ? '>=' : '==', $whatif eq 'on' ? 20 : 0, "counters: what-if is $whatif");
		$user->close;
	}
	like($seen[0], qr/t_ab?_idx [1-9]/, 'counters: planning raises them');
	is($seen[1], $seen[0], 'counters: planning once more does not');
}

# ---- nor those of a transaction that has something pending
{
	my $user = session($node);

	$user->ok('BEGIN');
	$user->ok('UPDATE t SET c = c WHERE a = 1');
	$user->ok('SAVEPOINT s');
	$user->ok('DELETE FROM t WHERE a > 998');
	$user->ok('ROLLBACK TO s');
	$user->ok('UPDATE t SET c = c WHERE a > 998');
	is($user->value(q{SELECT concat_ws(' ', n_tup_ins, n_tup_upd, n_tup_del) FROM pg_stat_xact_user_tables WHERE relname = 't'}),
		'0 3 2', 'transaction: its own counters are right');
	is($user->value(q{SELECT count(*) FROM pg_stat_xact_user_tables WHERE relname = 't' AND idx_scan > 0}), 1, 'transaction: scans are counted');
	$user->ok('ROLLBACK');
	$user->close;
}

# ---- no other plan, no other result
{
	my $user = session($node);
	my @statements = (
		'SELECT * FROM t WHERE a = 7',
		'SELECT max(a), min(b) FROM t',
		'SELECT t.c FROM t JOIN u USING (a) WHERE u.b = 3 ORDER BY 1 LIMIT 5',
		'SELECT count(*) FROM u LEFT JOIN t ON t.a = u.a AND t.b = u.b',
		'WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT t.a + 1 FROM r JOIN t ON t.a = r.a WHERE t.a < 20) SELECT sum(a) FROM r');
	my (%plan, %result);

	foreach my $whatif ('off', 'on')
	{
		set('guard.whatif', $whatif);
		# This is the plan that is executed, not the one that EXPLAIN makes.
		$user->ok("LOAD 'auto_explain'");
		$user->ok('SET auto_explain.log_min_duration = 0');
		$user->ok('SET auto_explain.log_level = notice');
		$user->ok('SET auto_explain.log_timing = off');
		foreach my $statement (@statements)
		{
			my $r = $user->ok($statement);
			my $shown = join "\n", map { $_->{M} } @{ $r->{notices} };

			$shown =~ s/^duration: .*//;
			$plan{$whatif} .= "$shown\n";
			$result{$whatif} .= join("\n", map { join '|', map { $_ // '' } @$_ } @{ $r->{rows} }) . "\n";
		}
		$user->ok('SET auto_explain.log_min_duration = -1');
	}
	is($plan{on}, $plan{off}, 'the same plans');
	like($plan{on}, qr/cost=/, 'with their costs');
	is($result{on}, $result{off}, 'the same results');
	$user->close;
}

# ---- nobody counts twice
{
	my $user = session($node);
	my $before = plans();

	$s->ok('SELECT pg_stat_statements_reset()');
	$user->ok("SELECT c FROM t WHERE a = $_ AND b = 1") foreach 1 .. 5;
	is($s->value(q{SELECT plans || ' ' || calls FROM pg_stat_statements WHERE query LIKE 'SELECT c FROM t WHERE a = %'}),
		'5 5', 'pg_stat_statements counts a statement once');
	cmp_ok(plans() - $before, '>=', 5, 'although it was planned more often');
	$user->close;
}

# ---- what functions in C say and do while planning
{
	my $user = session($node);
	my $failed = failures();
	my $before = plans();
	my $from = -s $node->logfile;

	# Built in ones, as if they were immutable, so that planning calls them: once for the statement, once more for guard.
	$user->ok("CREATE FUNCTION $_ IMMUTABLE LANGUAGE internal AS '$internal{$_}'") foreach sort keys %internal;
	my $r = $user->query('SELECT c FROM t WHERE a = 7 + warns(0)');
	cmp_ok(plans(), '>', $before, 'functions in C: planned once more');
	is(scalar(grep { $_->{M} =~ /not a PostgreSQL/ } @{ $r->{notices} }), 1, 'a message is sent to the client once');
	cmp_ok(scalar(() = slurp_file($node->logfile, $from) =~ /WARNING:  PID 0 is not a PostgreSQL/g), '>', 1, 'no line is kept from the log');
	$user->ok('CREATE SEQUENCE seen MINVALUE 3');
	$user->ok(q{SELECT c FROM t WHERE a = 7 + notes('seen', CASE setting('client_min_messages') WHEN 'error' THEN 7 ELSE 3 END)});
	is($user->value('SELECT last_value FROM seen'), 3, 'no setting tells a function that it is called in vain');

	$user->ok('CREATE SEQUENCE touched');
	$user->ok('BEGIN');
	$r = $user->query(q{SELECT c FROM t WHERE a = 6 + sets('test.touched', counts('touched')::text, true)::int});
	is(scalar @{ $r->{rows} }, 1, 'the result is the first planning\'s');
	is($user->value("SELECT current_setting('test.touched')"), '1', 'what the second planning did is undone');
	$user->ok('COMMIT');
	cmp_ok($user->value('SELECT last_value FROM touched'), '>', 1, 'although it was done');

	# Fails when it is called a second time.
	$user->ok('CREATE SEQUENCE called MINVALUE 0 START 1 MAXVALUE 1');
	$user->ok('BEGIN');
	$r = $user->query(q{SELECT c FROM t WHERE a = 6 + counts('called')});
	passed($r, 'an error of the second planning reaches nobody');
	is(scalar @{ $r->{rows} }, 1, 'nor changes the result');
	$user->ok('COMMIT');
	cmp_ok(failures(), '>', $failed, 'it is counted');
	unlike(slurp_file($node->logfile, $from), qr/reached maximum value of sequence/, 'and not logged');

	# At COMMIT, when foreign keys are checked.
	$user->ok('CREATE TABLE parent (id int PRIMARY KEY)');
	$user->ok('CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)');
	$user->ok('CREATE INDEX child_id_idx ON child (id)');
	$user->ok('BEGIN');
	$user->ok('INSERT INTO child VALUES (1)');
	$user->ok('INSERT INTO parent VALUES (1)');
	passed($user->query('COMMIT'), 'a deferred foreign key is checked');
	$user->ok('BEGIN');
	$user->ok('INSERT INTO child VALUES (2)');
	failed($user->query('COMMIT'), '23503', qr/violates foreign key/, 'and an error of the statement itself is its own');
	$user->close;
}

# ---- a request to cancel is the statement's
{
	my $user = session($node);

	$user->ok('CREATE SEQUENCE slow START 41');
	$s->ok('SELECT pg_advisory_lock(42)');
	$user->start(q{SELECT c FROM t WHERE a = 7 + waits(counts('slow'))});
	wait_until($s, 'SELECT count(*) = 1 FROM pg_locks WHERE locktype = \'advisory\' AND NOT granted');
	$s->ok('SELECT pg_cancel_backend(' . $user->pid . ')');
	failed($user->result, '57014', qr/canceling statement/, 'cancelled while planning once more');
	$s->ok('SELECT pg_advisory_unlock(42)');
	passed($user->query('SELECT c FROM t WHERE a = 7'), 'and the session goes on');
	like($user->value('EXPLAIN (COSTS off) SELECT c FROM t WHERE a = 7'), qr/Index Scan/, 'with all of its indexes');
	$user->close;
}

# ---- parallel query
{
	my $user = session($node);
	my $debug = $version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';

	$user->ok(q{CREATE FUNCTION looks(int) RETURNS bigint STABLE PARALLEL SAFE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t WHERE a = $1); END'});
	$user->ok("SET $debug = on");
	$user->ok('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0');
	is($user->value('SELECT sum(looks(a)) FROM u WHERE a < 50'), 49, 'statements in parallel workers');
	is($user->value('SELECT count(*) FROM t JOIN u USING (a) WHERE t.a > 900'), 100, 'parallel plans');
	$user->close;
}

# ---- a planner that takes too long, a share that is used up
{
	my $user = session($node);

	set('guard.whatif_time_limit', 0);
	my $before = plans();
	$user->ok("SELECT c, $_ FROM t WHERE a = 7") foreach 1 .. 3;
	is(plans(), $before, 'too slow: not planned once more');
	like($s->value(q{SELECT state FROM guard.status WHERE item = 'what-if time'}), qr/ [1-9]\d* too slow/, 'too slow: said');
	set('guard.whatif_time_limit', 3600000);
	$user->ok('SELECT c, 4 FROM t WHERE a = 7');
	cmp_ok(plans(), '>', $before, 'not too slow when it is drawn by lot: planned');

	# Waiting is not working: on a busy machine every planning takes long.
	set('guard.whatif_time_limit', 200);
	$before = plans();
	$user->ok('SELECT a FROM t WHERE a = 8 + sleeps(1)');
	cmp_ok(plans(), '>', $before, 'not too slow when it waits: planned once more');
	set('guard.whatif_time_limit', 3600000);

	# One second of planning is a hundred of waiting; five may be spent at once.
	my $said = q{SELECT state FROM guard.status WHERE item = 'what-if time'};
	for my $n (1 .. 200)
	{
		$user->ok("SELECT b FROM t WHERE a = length(md5(repeat('x', 100000000)))" . ' AND b > 0' x $n);
		last if $s->value($said) =~ / [1-9]\d* statements put off/;
	}
	like($s->value($said), qr/ [1-9]\d* statements put off/, 'share used up: said');
	$before = plans();
	$user->ok('SELECT b, c FROM t WHERE a = 1');
	is(plans(), $before, 'share used up: not planned once more');
	$user->close;
}

# ---- a restart forgets; not preloaded, it says so
$node->restart;
$s = session($node);
is($s->value("SELECT count(*) FROM guard.what_if('t_a_idx')"), 0, 'a restart forgets');
$s->ok('SELECT c FROM t WHERE a = 7');
cmp_ok($s->value("SELECT count(*) FROM guard.what_if('t_ab_idx')") + $s->value("SELECT count(*) FROM guard.what_if('t_a_idx')"), '>', 0, 'and begins anew');

# A database without guard, and template1.
$s->ok('CREATE DATABASE other');
{
	my $user = session($node, application_name => 'x', database => 'other');
	my $before = plans();

	make_table($user, 't');
	$user->ok('SELECT c FROM t WHERE a = 7');
	is(plans(), $before, 'a database without guard is left alone');
	$user->close;
}

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pg_stat_statements'");
$node->restart;
$s = session($node);
$s->ok('SELECT c FROM t WHERE a = 7');
like($s->value(q{SELECT state FROM guard.status WHERE item = 'what-if'}), qr/not available/, 'not preloaded: said');
is($s->value("SELECT count(*) FROM guard.what_if('t_a_idx')"), 0, 'not preloaded: nothing known');

$node->stop;
done_testing();
