# Nobody gets rights by what guard does in the background.  Indexes are planted whose every part - domain, array, composite, range,
# function, operator, cast, operator class - calls a function that writes down as whom it runs; then they are dropped in stages,
# hidden, watched, dropped, created again, attached, looked at and reviewed.  It must never run as anybody but the table's owner or
# the role whose statement it is in.  And names that look like SQL are names.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main',
	conf => "guard.hot_action = delay\nguard.unknown_action = delay\nguard.quiet_period = 1s\nguard.trial_period = 1s\n"
	  . "guard.whatif_sample_rate = 0\nallow_in_place_tablespaces = on\nlog_min_messages = log\n"
	  . "log_line_prefix = '%m [%p] <%b> '\n");
my $s = session($node);
my $superuser = $s->value('SELECT current_user');
$s->ok('CREATE EXTENSION pg_stat_statements');
# For who drops, use does not end within this test; for the visitors it does.
$s->ok("SET guard.quiet_period = '1h'");
$s->ok('CREATE ROLE app LOGIN');
$s->ok('CREATE ROLE sleeper NOLOGIN');
# What the role has set for itself is not for others.
$s->ok("CREATE ROLE worker LOGIN; ALTER ROLE worker SET search_path = worker, pg_catalog; ALTER ROLE worker SET datestyle = 'SQL, DMY'");
# A database's owner may set this; what was written in one format must not be read in another.
$s->ok("ALTER DATABASE postgres SET intervalstyle = 'iso_8601'");
$s->ok("ALTER DATABASE postgres SET datestyle = 'SQL, MDY'");

# As that role, without logging in.
sub as
{
	my ($role, @statements) = @_;
	my $r;

	$s->ok("SET ROLE $role");
	$r = $s->ok($_) foreach @statements;
	$s->ok('RESET ROLE');
	return $r;
}

# Somebody's traffic, known when the session has ended.
sub use_it
{
	my ($statement) = @_;
	my $app = session($node, user => 'app', application_name => 'auth');
	my $pid = $app->pid;

	$app->ok('SET enable_seqscan = off; SET enable_sort = off');
	$app->ok($statement) foreach 1 .. 30;
	$app->close;
	wait_until($s, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
}

sub wait_for_state
{
	my ($where, $state) = @_;

	wait_until($s, "SELECT coalesce(bool_and(state = '$state' AND NOT (next_step ~ 'name' IS TRUE)), false) FROM guard.soft_drops WHERE $where");
}

sub definition
{
	my ($index) = @_;

	return $s->value(
		"SELECT concat_ws(' | ', pg_get_indexdef(c.oid), spcname, array_to_string(reloptions, ','), indisvalid)
		   FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
		  WHERE c.oid = to_regclass('" . ($index =~ s/'/''/gr) . "')") // 'gone';
}

# ---- one that notices everything

sub plant
{
	my ($o) = @_;

	$s->ok("CREATE SCHEMA $o AUTHORIZATION $o; GRANT USAGE ON SCHEMA $o TO app");
	as($o,
		"CREATE FUNCTION $o.noticed(what text, v int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$
		BEGIN
			BEGIN
				EXECUTE 'RESET ROLE';
				EXECUTE 'RESET SESSION AUTHORIZATION';
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
			RAISE LOG 'noticed: % of % as %', what, '$o', current_user;
			IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
				RAISE LOG 'noticed: a superuser';
			END IF;
			RETURN true;
		END \$\$",
		"CREATE FUNCTION $o.plus(a int, b int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$
		BEGIN PERFORM $o.noticed('expression', a); RETURN a + b; END \$\$",
		"CREATE FUNCTION $o.op(a int, b int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$
		BEGIN PERFORM $o.noticed('operator', a); RETURN a + b; END \$\$",
		"CREATE OPERATOR $o.+# (FUNCTION = $o.op, LEFTARG = int, RIGHTARG = int)",
		"CREATE FUNCTION $o.cmp(a int, b int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$
		BEGIN PERFORM $o.noticed('operator class', a); RETURN pg_catalog.btint4cmp(a, b); END \$\$",
		(map { "CREATE DOMAIN $o.d_$_ AS int CHECK ($o.noticed('$_', VALUE))" } qw(domain array composite range)),
		"CREATE TYPE $o.comp AS (x $o.d_composite)",
		"CREATE TYPE $o.range AS RANGE (subtype = $o.d_range, subtype_opclass = int4_ops)",
		"CREATE TYPE $o.casted AS (y int)",
		"CREATE FUNCTION $o.to_casted(v int) RETURNS $o.casted LANGUAGE plpgsql IMMUTABLE AS \$\$
		BEGIN PERFORM $o.noticed('cast', v); RETURN ROW(v)::$o.casted; END \$\$",
		"CREATE CAST (int AS $o.casted) WITH FUNCTION $o.to_casted(int)",
		"CREATE COLLATION $o.coll (locale = 'C')");
	$s->ok("CREATE OPERATOR CLASS $o.ops FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 $o.cmp(int, int)");
	as($o,
		"CREATE TABLE $o.plain (a int, b int, e text, x $o.d_domain, arr $o.d_array[], c $o.comp, r $o.range)",
		"INSERT INTO $o.plain SELECT g / 2, g % 40, rpad('e', 400) FROM generate_series(1, 600) g",
		"CREATE INDEX plain_idx ON $o.plain (a, b $o.ops, $o.plus(1, 2), $o.plus(b, 1), (a OPERATOR($o.+#) 2), e COLLATE $o.coll)
			WHERE x IS DISTINCT FROM '1'::$o.d_domain AND arr IS DISTINCT FROM '{1}'::$o.d_array[] AND c IS DISTINCT FROM '(1)'::$o.comp
			AND r IS DISTINCT FROM '[1,2)'::$o.range AND $o.noticed('predicate', 1) AND (3::$o.casted) IS NOT NULL",
		"ANALYZE $o.plain",
		"GRANT SELECT ON $o.plain TO app");
	as($o,
		"CREATE TABLE $o.parted (LIKE $o.plain) PARTITION BY RANGE (b)",
		(map { "CREATE TABLE $o.parted_$_ PARTITION OF $o.parted FOR VALUES FROM (" . ($_ * 20) . ') TO (' . ($_ * 20 + 20) . ')' } 0, 1),
		"INSERT INTO $o.parted SELECT * FROM $o.plain",
		$s->value("SELECT pg_get_indexdef('$o.plain_idx'::regclass)") =~ s/plain/parted/gr,
		"ANALYZE $o.parted",
		"GRANT SELECT ON $o.parted TO app");
	foreach my $name ('plain', 'parted')
	{
		use_it("SELECT count(*) FROM $o.$name WHERE a = 1 AND x IS DISTINCT FROM '1'::$o.d_domain AND arr IS DISTINCT FROM '{1}'::$o.d_array[]
			AND c IS DISTINCT FROM '(1)'::$o.comp AND r IS DISTINCT FROM '[1,2)'::$o.range AND $o.noticed('predicate', 1) AND (3::$o.casted) IS NOT NULL");
	}
}

foreach my $o ('sleeper', 'worker')
{
	plant($o);
}
my %before = map { $_ => definition($_) } map { ("$_.plain_idx", "$_.parted_idx") } 'sleeper', 'worker';
my $from = -s $node->logfile;

# Everything that is asked of guard by hand, by a superuser.
$s->ok("SELECT guard.snapshot()");
foreach my $index (sort keys %before)
{
	like($s->value("SELECT verdict FROM guard.check('$index')"), qr/^delay$/, "$index is needed");
	$s->ok("SELECT * FROM guard.index_statements('$index')");
}
$s->ok('SELECT * FROM guard.indexes');

# The owner drops; then everything goes by itself.
as('sleeper', 'DROP INDEX sleeper.plain_idx', 'DROP INDEX sleeper.parted_idx');
as('worker', 'DROP INDEX worker.plain_idx', 'DROP INDEX worker.parted_idx');
wait_for_state('true', 'dropped');
is($s->value("SELECT count(*) FROM pg_class WHERE relname ~ 'plain_idx|parted_idx|parted_._'"), 0, 'dropped in stages');
ok(slurp_file($node->logfile, $from) !~ /<guard (worker|builder)>.*noticed:/, 'hiding, watching and dropping run nothing of an index');

$from = -s $node->logfile;
$s->ok('GRANT EXECUTE ON FUNCTION guard.restore(text) TO worker, sleeper; GRANT USAGE ON SCHEMA guard TO worker, sleeper');
as('worker', "CREATE TABLE worker.parted_2 PARTITION OF worker.parted FOR VALUES FROM (40) TO (60)");
as('sleeper', "SELECT guard.restore('sleeper.plain_idx')", "SELECT guard.restore('sleeper.parted_idx')");
as('worker', "SELECT guard.restore('worker.plain_idx')", "SELECT guard.restore('worker.parted_idx')");
wait_for_state('true', 'restored');
is(definition($_), $before{$_}, "$_ is as it was") foreach sort keys %before;
my $log = slurp_file($node->logfile, $from);
foreach my $o ('sleeper', 'worker')
{
	foreach my $what ('domain', 'array', 'composite', 'range', 'predicate', 'expression', 'operator', 'operator class', 'cast')
	{
		ok($log =~ /<guard builder>.*noticed: $what of $o as $o(?: at character \d+)?\n/, "$what ran as $o when the index was created again");
	}
}
is($s->value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'worker.parted_idx'::regclass"), 3, 'a new partition has its index, too');
is($s->value("SELECT bool_and(rolname = split_part(c.oid::regclass::text, '.', 1)) FROM pg_class c JOIN pg_roles r ON r.oid = relowner WHERE relname ~ 'plain_idx|^parted_'"),
	't', 'and every index belongs to the owner of its table');

# Once more, by hand, at what was created again; and the long step that rebuilds.
$s->ok("SELECT guard.snapshot()");
$s->ok("SELECT guard.hide('sleeper.plain_idx', 'test'); SELECT guard.unhide('sleeper.plain_idx')");
$s->ok("SELECT * FROM guard.check('$_')") foreach sort keys %before;

$log = slurp_file($node->logfile);
ok($log !~ /noticed: a superuser/, 'nothing ever ran as a superuser');
is(join("\n", grep { !/noticed: [a-z ]+ of (\w+) as (?:\1|app)(?: at character \d+)?$/ } $log =~ /^.*LOG:  noticed:.*$/mg), '', 'nor as anybody but the owner and the traffic');

# ---- constants keep their meaning whatever the sessions' formats are

as('worker',
	"CREATE TABLE worker.times (a int, d date, i interval, t text)",
	"INSERT INTO worker.times SELECT g, '2020-03-01', '1 day', rpad('', 400) FROM generate_series(1, 1000) g",
	"GRANT SELECT ON worker.times TO app");
# 19 knows no other strings.
my $strings = version_of($node) < 19 ? 'SET standard_conforming_strings = off; SET escape_string_warning = off;' : '';
$s->ok("SET datestyle = 'SQL, DMY'; $strings SET quote_all_identifiers = on");
as('worker', "CREATE INDEX times_idx ON worker.times (a) WHERE d <> '2020-03-04'::date AND i <> '1 day -2 hours'::interval AND t IS DISTINCT FROM E'a\\\\b\\'c'");
my $times = "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = 'worker.times_idx'::regclass";
my $plain = "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET standard_conforming_strings = on; SET quote_all_identifiers = off";
$s->ok($plain);
my $predicate = $s->value($times);
like($predicate, qr/2020-04-03|2020-03-04/, 'a date in a predicate');
use_it("SELECT count(*) FROM worker.times WHERE a = 1 AND $predicate");
$s->ok("SET datestyle = 'SQL, DMY'; $strings SET quote_all_identifiers = on");
as('worker', 'DROP INDEX worker.times_idx');
$s->ok($plain);
wait_for_state("index_name = 'worker.times_idx'", 'dropped');
$s->ok("SELECT guard.restore('worker.times_idx')");
wait_for_state("index_name = 'worker.times_idx'", 'restored');
is($s->value($times), $predicate, 'dates, intervals and backslashes mean the same when they come back');

# ---- names that look like SQL

my %odd = (
	index => ['public', 'o1', 'a', 'x USING btree (b) --'],
	quote => ['public', 'o2', 'a', "x\" USING \"b' ON public.o1 (b); --"],
	table => ['public', 't USING btree (b) --', 'a', 'o3'],
	schema => ["s\n USING btree (b) --", 'o4', 'a', 'o4_idx'],
	column => ['public', 'o5', "a USING \"b\" --", 'o5_idx'],
	newline => ["S \"1\"", "T\n--", "c\n/*", "i\n;USING ("],
);
my $quote = sub { '"' . ($_[0] =~ s/"/""/gr) . '"' };
$s->ok("CREATE TABLESPACE \"ts \"\"USING btree (b) --\" LOCATION ''");
$s->ok("GRANT CREATE ON TABLESPACE \"ts \"\"USING btree (b) --\" TO sleeper");
my %odd_before;
foreach my $kind (sort keys %odd)
{
	my ($schema, $table, $column, $index) = map { $quote->($_) } @{ $odd{$kind} };

	$s->ok("CREATE SCHEMA IF NOT EXISTS $schema; GRANT ALL ON SCHEMA $schema TO sleeper; GRANT USAGE ON SCHEMA $schema TO app");
	as('sleeper',
		"CREATE TABLE $schema.$table ($column int, b text, k point)",
		"INSERT INTO $schema.$table SELECT g, rpad(g::text, 400) FROM generate_series(1, 1000) g",
		"CREATE INDEX $index ON $schema.$table USING btree ($column DESC NULLS LAST, b text_pattern_ops) INCLUDE (k) WITH (fillfactor = 70)
		TABLESPACE \"ts \"\"USING btree (b) --\" WHERE b <> ' USING btree (b) --'",
		"COMMENT ON INDEX $schema.$index IS 'it''s'",
		"ANALYZE $schema.$table", "GRANT SELECT ON $schema.$table TO app");
	use_it("SELECT count(*) FROM $schema.$table WHERE $column = 1 AND b <> ' USING btree (b) --'");
	$odd_before{$kind} = definition("$schema.$index");
	as('sleeper', "DROP INDEX $schema.$index");
}
wait_for_state("state_since > now() - interval '1 hour' AND index_name !~ '^(worker|sleeper)'", 'dropped');
is($s->value("SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relowner = 'sleeper'::regrole AND relnamespace <> 'sleeper'::regnamespace)
	AND indrelid::regclass::text !~ 'toast'"), 0, 'indexes of odd names are dropped');
foreach my $kind (sort keys %odd)
{
	my $name = join '.', map { $quote->($_) } @{ $odd{$kind} }[ 0, 3 ];

	$s->ok("SELECT guard.restore('" . ($name =~ s/'/''/gr) . "')");
}
wait_for_state("index_name !~ '^(worker|sleeper)'", 'restored');
foreach my $kind (sort keys %odd)
{
	my $name = join '.', map { $quote->($_) } @{ $odd{$kind} }[ 0, 3 ];

	is(definition($name), $odd_before{$kind}, "an odd name of a $kind");
	is($s->value("SELECT obj_description(to_regclass('" . ($name =~ s/'/''/gr) . "'), 'pg_class')"), "it's", 'with its comment');
}
is($s->value("SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indrelid WHERE relowner = 'sleeper'::regrole AND relnamespace <> 'sleeper'::regnamespace AND relkind = 'r'"),
	scalar keys %odd, 'and nothing else was made');

# ---- what the definition names has been taken by somebody else

$s->ok('CREATE SCHEMA lib; GRANT USAGE ON SCHEMA lib TO PUBLIC');
$s->ok("CREATE FUNCTION lib.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT \$1'");
as('sleeper', 'CREATE TABLE sleeper.taken AS SELECT g AS a, rpad(g::text, 400) AS b FROM generate_series(1, 1000) g', 'CREATE INDEX taken_idx ON sleeper.taken (lib.f(a))',
	'ANALYZE sleeper.taken', 'GRANT SELECT ON sleeper.taken TO app');
use_it('SELECT count(*) FROM sleeper.taken WHERE lib.f(a) = 1');
as('sleeper', 'DROP INDEX sleeper.taken_idx');
wait_for_state("index_name = 'sleeper.taken_idx'", 'dropped');
$s->ok('DROP FUNCTION lib.f(int); ALTER SCHEMA lib OWNER TO worker');
as('worker', "CREATE FUNCTION lib.f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RAISE LOG 'caught as %', current_user; RETURN \$1; END \$\$");
$s->ok("SELECT guard.restore('sleeper.taken_idx')");
wait_until($s, "SELECT last_error ~ 'lib.f\\(integer\\), which has been dropped or renamed' FROM guard.soft_drops WHERE index_name = 'sleeper.taken_idx'");
ok(slurp_file($node->logfile) !~ /caught as/, 'who takes the place of a function does not run as the owner');

# ---- names that change between a look and a statement (an event trigger plays the race)

$s->ok('CREATE SCHEMA here AUTHORIZATION sleeper; CREATE SCHEMA there AUTHORIZATION sleeper');
as('sleeper', 'CREATE TABLE here.t AS SELECT g AS a, rpad(g::text, 400) AS b FROM generate_series(1, 1000) g', 'CREATE INDEX swap_idx ON here.t (a)', 'ANALYZE here.t',
	'GRANT SELECT ON here.t TO app; GRANT USAGE ON SCHEMA here TO app');
$s->ok('CREATE TABLE there.victim AS SELECT g AS a, rpad(g::text, 400) AS b FROM generate_series(1, 1000) g');
use_it('SELECT count(*) FROM here.t WHERE a = 1');
$s->ok("CREATE FUNCTION swap() RETURNS event_trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		IF current_setting('application_name') = 'guard builder' AND to_regnamespace('away') IS NULL THEN
			ALTER SCHEMA here RENAME TO away;
			ALTER SCHEMA there RENAME TO here;
		END IF;
	END \$\$");
$s->ok("CREATE EVENT TRIGGER swap ON ddl_command_start WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION swap()");
as('sleeper', 'DROP INDEX here.swap_idx');
my $holding = $s->value("SELECT current_name FROM guard.soft_drops WHERE index_name = 'here.swap_idx'");
$s->ok('CREATE INDEX ' . ($holding =~ s/.*\.//r) . ' ON there.victim (a)');
wait_until($s, "SELECT last_error ~ 'is not the index that was to be dropped' FROM guard.soft_drops WHERE index_name = 'here.swap_idx'");
$s->ok('DROP EVENT TRIGGER swap');
is($s->value("SELECT count(*) FROM pg_index WHERE indrelid = 'there.victim'::regclass"), 1, "somebody else's index of the same name stays");

$node->stop;
done_testing();
