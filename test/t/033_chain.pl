# The evidence of an index that goes is never lost: whatever happens to the statement that drops it, the last index that serves its
# traffic is not let go, and is not called cold.  What takes over traffic is told from the catalogs as they are, so nothing need be
# written for that: a transaction that may not write, a lock on guard's tables, a drop that ends half-way change nothing.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', preload => 'guard', conf => "guard.snapshot_interval = 0\nrestart_after_crash = on\n");
my $s = session($node);
my $n = 0;

# A table with an index that auth uses and, the name of which is returned, an idle twin of it.
sub table_with_twin
{
	my $t = 't' . ++$n;

	make_table($s, $t);
	use_index($node, $t)->close;
	$s->ok("CREATE INDEX ${t}_twin ON $t (a)");
	return $t;
}

# Nothing serves the traffic but this one.
sub last_one
{
	my ($index, $test) = @_;
	my $r = $s->query("SELECT verdict || ' ' || reason, detail FROM guard.check('$index')");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($r->{rows}[0][0], 'block hot', "$test: the twin is hot") || diag($r->{rows}[0][1]);
	refused($s->query("DROP INDEX $index"), qr/cannot drop index "public.$index": guard s\w+ auth/, "$test: and is not let go");
}

# It has taken over nobody's use, though it would if the other one were gone.
sub nobodys_heir
{
	my ($index, $test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($s->value("SELECT verdict || ' ' || reason || ' ' || (facts::text ~ 'inherited') FROM guard.check('$index')"), 'allow replaced false', $test);
}

# ---- transactions that may not write

foreach (
	'BEGIN; DROP INDEX %s_a_idx; SET TRANSACTION READ ONLY; COMMIT',
	'BEGIN; DROP INDEX %s_a_idx; SAVEPOINT s; SET TRANSACTION READ ONLY; RELEASE s; COMMIT',
	'BEGIN; DROP INDEX %s_a_idx; SET transaction_read_only = on; COMMIT',
	"DO \$\$ BEGIN DROP INDEX %s_a_idx; SET TRANSACTION READ ONLY; END \$\$",
	"BEGIN; DROP INDEX %s_a_idx; SET TRANSACTION READ ONLY; PREPARE TRANSACTION 'p'")
{
	my $t = table_with_twin();
	my $sql = sprintf $_, $t;

	passed($s->query($sql), $sql);
	$s->ok("COMMIT PREPARED 'p'") if $sql =~ /PREPARE/;
	last_one("${t}_twin", $sql);
}

my $t = table_with_twin();
$s->ok('SET default_transaction_read_only = on');
$s->ok("REINDEX INDEX CONCURRENTLY ${t}_a_idx");
$s->ok('RESET default_transaction_read_only');
is(verdict($s, "${t}_a_idx"), 'allow replaced', 'REINDEX CONCURRENTLY in a read-only session: there is the twin');
$s->ok("DROP INDEX ${t}_twin");
last_one("${t}_a_idx", 'REINDEX CONCURRENTLY in a read-only session');

# ---- a lock on any of guard's tables

my @ours = split ' ', $s->value(q{SELECT string_agg(oid::regclass::text, ' ') FROM pg_class
	WHERE relnamespace = 'guard'::regnamespace AND relkind = 'r'});
foreach my $drop ('BEGIN; DROP INDEX %s_a_idx; COMMIT', 'DROP INDEX CONCURRENTLY %s_a_idx')
{
	foreach my $mode ('SHARE', 'ACCESS EXCLUSIVE')
	{
		my $t = table_with_twin();
		my $locker = session($node, 'locker');

		$locker->ok('BEGIN; LOCK TABLE ' . join(', ', @ours) . " IN $mode MODE");
		my $r = $s->query(sprintf $drop, $t);
		$locker->ok('COMMIT');
		$s->query('ROLLBACK');
		ok(!$r->{error} || $r->{error}{C} =~ /^(55006|55P03)$/, "$drop under $mode: passes or is refused") || diag($r->{error}{M});
		if (index_state($s, "${t}_a_idx") eq 'gone') { last_one("${t}_twin", "$drop under $mode"); }
		else { nobodys_heir("${t}_twin", "$drop under $mode: the twin is as idle as it was"); }
	}
}

# ---- ends half-way

# CONCURRENTLY waits for a reader of the table, twice: before the index is dead, and after.
foreach my $how ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $t = table_with_twin();
	my $reader = session($node, 'reader');
	my $dba = session($node, 'dba');
	my $pid = $dba->pid;

	$reader->ok("BEGIN; SELECT 1 FROM $t LIMIT 1");
	$dba->start("DROP INDEX CONCURRENTLY ${t}_a_idx");
	wait_until($s, "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = '${t}_a_idx'::regclass");
	# seen by a query, that may not be known to this session's cache yet
	wait_until($s, "SELECT verdict || ' ' || reason = 'block hot' FROM guard.check('${t}_twin')");
	ok(1, "$how: while it is waited for");
	$s->ok("SELECT $how($pid)");
	$how eq 'pg_cancel_backend' ? $dba->result : wait_until($s, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	$reader->ok('COMMIT');
	is(index_state($s, "${t}_a_idx"), 'not valid ready live', "$how: it is not valid");
	last_one("${t}_twin", $how);
	passed($s->query("DROP INDEX ${t}_a_idx"), "$how: it may go");
	last_one("${t}_twin", "$how, and gone");
}

# REINDEX CONCURRENTLY that waits after it has swapped the names.
foreach my $how ('nothing', 'pg_cancel_backend', 'pg_terminate_backend', 'crash')
{
	my $t = 't' . ++$n;
	make_table($s, $t);
	use_index($node, $t)->close;
	my $reader = session($node, 'reader');
	my $dba = session($node, 'dba');
	my $pid = $dba->pid;
	my $old = $s->value("SELECT '${t}_a_idx'::regclass::oid");

	$s->ok('SELECT guard.snapshot()') if $how eq 'crash';
	$reader->ok("BEGIN; SELECT 1 FROM $t LIMIT 1");
	$dba->start("REINDEX INDEX CONCURRENTLY ${t}_a_idx");
	wait_until($s, "SELECT '${t}_a_idx'::regclass::oid <> $old AND EXISTS (SELECT FROM pg_index WHERE indexrelid = $old AND NOT indisvalid)");
	last_one("${t}_a_idx", "REINDEX CONCURRENTLY waits, $how");
	if ($how eq 'crash')
	{
		$node->stop('immediate');
		$node->start;
		$s = session($node);
	}
	else
	{
		$s->ok("SELECT $how($pid)") if $how ne 'nothing';
		$dba->result if $how eq 'pg_cancel_backend';
		wait_until($s, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)") if $how eq 'pg_terminate_backend';
		$reader->ok('COMMIT');
		$dba->result if $how eq 'nothing';
	}
	last_one("${t}_a_idx", "REINDEX CONCURRENTLY, $how");
	$s->ok('SELECT guard.snapshot()');
	$s->ok('SELECT guard.snapshot()');
	last_one("${t}_a_idx", "REINDEX CONCURRENTLY, $how, after two snapshots");
}

# ---- undone

$t = table_with_twin();
$s->ok("BEGIN; DROP INDEX ${t}_a_idx; ROLLBACK");
nobodys_heir("${t}_twin", 'rolled back: nobody has taken over anything');
$s->ok("BEGIN; SAVEPOINT s; DROP INDEX ${t}_a_idx; ROLLBACK TO s; COMMIT");
nobodys_heir("${t}_twin", 'rolled back to a savepoint: nor then');
$s->ok('SELECT guard.snapshot()');
nobodys_heir("${t}_twin", 'nor after a snapshot');
$s->ok("DROP INDEX ${t}_a_idx");
last_one("${t}_twin", 'dropped after all');

# ---- written down, and kept

foreach my $how ('one', 'two', 'clean restart', 'snapshot and crash', 'two and crash')
{
	my $t = table_with_twin();

	$s->ok("DROP INDEX ${t}_a_idx");
	$s->ok('SELECT guard.snapshot()') if $how ne 'clean restart';
	$s->ok('SELECT guard.snapshot()') if $how =~ /two/;
	last_one("${t}_twin", "$how, before") if $how !~ /crash|restart/;
	next if $how !~ /crash|restart/;
	$s->close;
	$node->stop($how =~ /crash/ ? 'immediate' : 'fast');
	$node->start;
	$s = session($node);
	last_one("${t}_twin", $how);
}

# The last snapshot was before the drop.
$t = table_with_twin();
$s->ok('SELECT guard.snapshot()');
$s->ok("DROP INDEX ${t}_a_idx");
$node->stop('immediate');
$node->start;
$s = session($node);
isnt(verdict($s, "${t}_twin"), 'allow cold', 'a crash between the drop and the next snapshot: never cold');

# ---- lost in a crash, and taken over afterwards

# What was used before a crash, and is in no snapshot, nobody knows: neither of the index nor of one that takes its place, by
# whatever way, nor of what takes the place of that.
my $replaced = 'BEGIN; DROP INDEX %t_a_idx; CREATE INDEX %t_heir ON %t (a)';
my $swapped = 'CREATE TABLE %t_new (LIKE %t); INSERT INTO %t_new SELECT * FROM %t; CREATE INDEX %t_heir ON %t_new (a);
	ANALYZE %t_new; BEGIN; ALTER TABLE %t RENAME TO %t_old; ALTER TABLE %t_new RENAME TO %t; COMMIT';
my @ways = (
	[ 'replaced', "$replaced; COMMIT" ],
	[ 'replaced, read only', "$replaced; SET TRANSACTION READ ONLY; COMMIT" ],
	[ 'rebuilt and replaced', 'REINDEX INDEX CONCURRENTLY %t_a_idx', "$replaced; COMMIT" ],
	[ 'replaced twice', 'BEGIN; DROP INDEX %t_a_idx; CREATE INDEX %t_b ON %t (a); COMMIT',
		'BEGIN; DROP INDEX %t_b; CREATE INDEX %t_heir ON %t (a, b); COMMIT' ],
	[ 'hidden', 'CREATE INDEX CONCURRENTLY %t_heir ON %t (a, b)', "SELECT guard.hide('%t_a_idx')" ],
	[ 'table swapped by name', $swapped ],
	[ 'table swapped, and the old one dropped', $swapped, 'DROP TABLE %t_old' ],
	[ 'dropped before', undef, 'CREATE INDEX %t_heir ON %t (a, b)' ],
	[ 'with its table before', undef, 'CREATE TABLE %t (a int, b int); INSERT INTO %t SELECT g, g FROM generate_series(1, 3000) g;
		CREATE INDEX %t_heir ON %t (a); ANALYZE %t' ]);
make_table($s, "lost$_") foreach 0 .. $#ways;
use_index($node, "lost$_")->close foreach 0 .. $#ways;
$s->ok("SET guard.mode = off; DROP INDEX lost7_a_idx; DROP TABLE lost8; RESET guard.mode");
$node->stop('immediate');
$node->start;
$s = session($node);
foreach my $i (0 .. $#ways)
{
	my ($way, @steps) = @{ $ways[$i] };

	foreach my $sql (grep { defined } @steps) { passed($s->query($sql =~ s/%t/lost$i/gr), "after a crash, $way"); }
	is(verdict($s, "lost${i}_heir"), 'allow unknown', "$way: what has taken its place is not known to be unused");
}
$s->ok('SELECT guard.snapshot()');
$s->ok('SELECT guard.snapshot()');
is(verdict($s, "lost${_}_heir"), 'allow unknown', "$ways[$_][0]: nor after two snapshots") foreach 0 .. $#ways;

# Where all is known, an index like one that nobody used is new, whatever crashes later.
make_table($s, 'idle');
$s->ok('DROP INDEX idle_a_idx');
$s->ok('CREATE INDEX idle_heir ON idle (a)');
is(verdict($s, 'idle_heir'), 'allow cold', 'in place of one that nobody used: cold');
$s->ok('DROP INDEX idle_heir');
$s->ok('SELECT guard.snapshot()');
$node->stop('immediate');
$node->start;
$s = session($node);
$s->ok('CREATE INDEX idle_heir ON idle (a)');
is(verdict($s, 'idle_heir'), 'allow cold', 'gone before a crash, and seen to be by a snapshot: cold');

# ---- a table that lost its name while that could not be written down

make_table($s, 'swap');
use_index($node, 'swap')->close;
$s->ok('CREATE TABLE swap_new (LIKE swap); INSERT INTO swap_new SELECT * FROM swap; CREATE INDEX swap_heir ON swap_new (a); ANALYZE swap_new');
my $locker = session($node, 'locker');
$locker->ok('BEGIN; LOCK TABLE guard.moved_table');
$s->ok('BEGIN; ALTER TABLE swap RENAME TO swap_old; ALTER TABLE swap_new RENAME TO swap; COMMIT');
$locker->ok('COMMIT');
last_one('swap_heir', 'swapped while guard.moved_table was locked');
$s->ok('SELECT guard.snapshot()');
$s->ok('SELECT guard.snapshot()');
last_one('swap_heir', 'and after two snapshots');

# A partition whose ATTACH could not be written down is as one that was attached this moment.
$s->ok('CREATE TABLE parts (a int, b int, c text) PARTITION BY RANGE (a)');
make_table($s, 'part');
use_index($node, 'part')->close;
$locker->ok('BEGIN; LOCK TABLE guard.moved_table');
$s->ok('ALTER TABLE parts ATTACH PARTITION part DEFAULT');
$locker->ok('COMMIT');
refused($s->query('DROP TABLE part'), qr/cannot drop partition "public.part"/, 'attached while guard.moved_table was locked: no retention');

# ---- a wider heir, and back

make_table($s, 'devs');
use_index($node, 'devs')->close;
$s->ok('CREATE INDEX CONCURRENTLY devs_b ON devs (a) INCLUDE (b)');
$s->ok('DROP INDEX CONCURRENTLY devs_a_idx');
refused($s->query('DROP INDEX CONCURRENTLY devs_b'), qr/cannot drop index "public.devs_b": guard s\w+ auth/, 'made wider: it is the heir');
$s->ok('CREATE INDEX CONCURRENTLY devs_c ON devs (a)');
is(verdict($s, 'devs_b'), 'allow replaced', 'the narrower one is back: the wider one, idle itself, may go');
passed($s->query('DROP INDEX CONCURRENTLY devs_b'), 'and goes');
last_one('devs_c', 'the narrower one');

# In one transaction, and where the wider one is used as well.
$s->ok('CREATE INDEX devs_b ON devs (a) INCLUDE (b)');
$s->ok('DROP INDEX devs_c');
passed($s->query('BEGIN; DROP INDEX devs_b; CREATE INDEX devs_c ON devs (a); COMMIT'), 'down, drop first');
$s->ok('CREATE INDEX devs_b ON devs (a) INCLUDE (b)');
$s->ok('DROP INDEX devs_c');
$s->ok('VACUUM devs');
session($node, 'report')->ok('SET enable_seqscan = off; SELECT a, b FROM devs WHERE a = 42');
$s->ok('CREATE INDEX devs_c ON devs (a)');
refused($s->query('BEGIN; DROP INDEX devs_b; COMMIT'), qr/cannot drop index "public.devs_b"/, 'used itself, for what the narrower one lacks');

# ---- shared memory is full

$node->append_conf('postgresql.conf', 'guard.max_indexes = 500');
$node->restart;
$s = session($node);
$s->ok("CREATE TABLE many (a int, b int)");
$s->ok("INSERT INTO many SELECT g, g FROM generate_series(1, 3000) g");
my $auth = session($node, 'auth');
$auth->ok('SET enable_seqscan = off');
foreach my $i (1 .. 80)
{
	$s->ok("CREATE INDEX many_$i ON many ((a + $i))");
	$auth->ok("SELECT b FROM many WHERE a + $i = 42");
}
$auth->close;
foreach my $i (1 .. 80)
{
	$s->ok("CREATE INDEX twin_$i ON many ((a + $i)); DROP INDEX many_$i");
}
is( $s->value("SELECT string_agg(DISTINCT verdict || ' ' || reason, ', ') FROM generate_series(1, 80) i, guard.check(('twin_' || i)::regclass)"),
	'block hot', 'more than there is room for: each twin has inherited');

done_testing();
