# Once COMMIT or PREPARE TRANSACTION has begun, guard starts no subtransaction, whatever deferred triggers and held cursors plan
# and execute: a server with assertions would stop, and any other one must not be able to tell.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Sampled at every planning, however long that takes on a busy machine.
my $node = guard_server('main', preload => 'guard', conf => <<'CONF');
guard.whatif_interval = 0
guard.whatif_time_limit = 1h
max_prepared_transactions = 5
autovacuum = off
restart_after_crash = off
CONF
my $s = session($node);

make_table($s, 't');
$s->ok(<<'SQL');
CREATE UNIQUE INDEX t_key ON t (a);
CREATE TABLE child (id int, a int CONSTRAINT child_a REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX child_a_idx ON child (a);
INSERT INTO child SELECT g, g FROM generate_series(1, 1000) g;
ANALYZE child;
-- Plans other statements each time it is called.
CREATE SEQUENCE turn;
CREATE FUNCTION plan_something() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE r record; n int := nextval('turn'); BEGIN
	EXECUTE format('SELECT count(c) AS c%s FROM t WHERE a = %s', n, n) INTO r;
	EXECUTE format('SELECT c AS c%s FROM t WHERE a BETWEEN %s AND %s ORDER BY b LIMIT 1', n, n, n + 10) INTO r;
	FOR r IN EXECUTE format('SELECT t.b AS b%s FROM t JOIN child USING (a) WHERE child.id = %s', n, n) LOOP END LOOP;
	RETURN NULL;
END $$;
CREATE TABLE noted (a int);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION plan_something();
SQL

sub plans
{
	return $s->value(q{SELECT substring(state FROM '(\d+) plans') FROM guard.status WHERE item LIKE 'what-if st%'});
}

my $id = 5000;

# Statements as a client sends them, the last of which ends the transaction; a session of its own, since plans of foreign keys
# are kept.  Returns how many shadow plans the last one made.
sub ends
{
	my ($name, @statements) = @_;
	my $session = session($node);
	my $last = pop @statements;

	$session->ok($_) foreach @statements;
	my $before = plans();
	passed($session->query($last), $name);
	my $after = plans();
	$session->ok('SELECT 1');
	return $after - $before;
}

sub work
{
	$id++;
	return ("INSERT INTO child VALUES ($id, 1)", "DELETE FROM child WHERE id = $id - 1", 'INSERT INTO noted VALUES (1)');
}

# ---- that there is something to be seen
cmp_ok(ends('constraints checked at once', 'BEGIN', work(), 'SET CONSTRAINTS ALL IMMEDIATE'), '>', 0,
	'while statements run, what is deferred is planned once more');

# ---- ends of a block
is(ends('COMMIT', 'BEGIN', work(), 'COMMIT'), 0, 'COMMIT: nothing is planned once more');
is(ends('END', 'BEGIN', work(), 'END'), 0, 'END');
is(ends('COMMIT AND CHAIN', 'BEGIN', work(), 'COMMIT AND CHAIN'), 0, 'COMMIT AND CHAIN');
is(ends('COMMIT in a savepoint', 'BEGIN', 'SAVEPOINT a', work(), 'SAVEPOINT b', work(), 'COMMIT'), 0, 'in a savepoint');
is(ends('PREPARE TRANSACTION', 'BEGIN', work(), q{PREPARE TRANSACTION 'a'}), 0, 'PREPARE TRANSACTION');
$s->ok(q{COMMIT PREPARED 'a'});
is(ends('COMMIT that reads a cursor to its end', 'BEGIN', work(),
		'DECLARE c CURSOR WITH HOLD FOR SELECT count(*) FROM t JOIN child USING (a) WHERE t.b = 3', 'COMMIT'), 0, 'a held cursor');
{
	my $session = session($node);

	$session->ok($_) foreach 'BEGIN', work();
	my $before = plans();
	passed($session->pipeline('COMMIT'), 'COMMIT by the extended protocol');
	is(plans(), $before, 'nothing is planned once more');
}

# ---- no block: commits by itself
foreach (1 .. 3)
{
	my $session = session($node);

	passed($session->query($_), "by itself: $_") foreach work();
	passed($session->query(join('; ', work())), 'several in one message');
	passed($session->query(join('; ', work(), 'COMMIT')), 'with COMMIT in it');
	passed($session->pipeline(work()), 'a pipeline');
	passed($session->query('DO $$ BEGIN FOR n IN 1 .. 3 LOOP INSERT INTO child VALUES (-n, 1); INSERT INTO noted VALUES (1); COMMIT; END LOOP; END $$'),
		'COMMIT in a procedure');
}

# ---- the session goes on as before: also after a COMMIT that was none
{
	my $session = session($node);

	$session->ok('BEGIN');
	failed($session->query('SELECT 1/0'), '22012', qr/division by zero/, 'an error');
	passed($session->query('COMMIT'), 'COMMIT rolls back');
	$session->ok($_) foreach 'BEGIN', work();
	my $before = plans();
	$session->ok('SET CONSTRAINTS ALL IMMEDIATE');
	cmp_ok(plans(), '>', $before, 'then the next transaction is planned once more');
	$session->ok('COMMIT');
}

# ---- DDL in deferred triggers: it is judged, and nothing is left half done
$s->ok(<<'SQL');
CREATE FUNCTION drop_something() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE format('DROP INDEX %I', NEW.name);
	RETURN NULL;
END $$;
CREATE TABLE to_drop (name text);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON to_drop DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION drop_something();
SQL
my @auth;
foreach my $n (1 .. 6)
{
	make_table($s, "d$n");
	$s->ok("CREATE INDEX d${n}_idle ON d$n (b)");
	push @auth, use_index($node, "d$n") if $n > 3;
}
refused($s->query(q{BEGIN; INSERT INTO to_drop VALUES ('d4_a_idx'); COMMIT}), qr/cannot drop index "public.d4_a_idx"/,
	'an index in use, by a deferred trigger: refused');
is($s->query('SELECT 1')->{status}, 'I', 'no transaction is left open');
is(index_state($s, 'd4_a_idx'), 'valid ready live', 'the index is there');
refused($s->query(q{BEGIN; INSERT INTO to_drop VALUES ('d4_a_idx'); PREPARE TRANSACTION 'b'}), qr/cannot drop index/, 'by PREPARE TRANSACTION');
refused($s->query(q{INSERT INTO to_drop VALUES ('d4_a_idx')}), qr/cannot drop index/, 'by a statement alone');

foreach my $mode ('enforce', 'observe', 'off')
{
	my $n = { enforce => 1, observe => 2, off => 3 }->{$mode};

	$s->ok("SET guard.mode = $mode");
	passed($s->query("BEGIN; INSERT INTO to_drop VALUES ('d${n}_a_idx'); COMMIT"), "$mode: an idle one goes");
	is(index_state($s, "d${n}_a_idx"), 'gone', 'and is gone');
	passed($s->query("INSERT INTO to_drop VALUES ('d${n}_idle')"), "$mode: by a statement alone");
}
$s->ok('SET guard.mode = observe');
passed($s->query(q{BEGIN; INSERT INTO to_drop VALUES ('d5_a_idx'); COMMIT}), 'observe: one in use goes');
$s->ok('RESET guard.mode');

# ---- what cannot be written while COMMIT begins
# What services need passes to the twin, and later verdicts lean on it: in enforce COMMIT is refused, in observe it passes.  Who
# inherits the use is told from the catalogs: nothing is written for that.
sub with_lock
{
	my ($table, $do) = @_;
	my $locker = session($node, 'locker');

	$locker->ok("BEGIN; LOCK TABLE guard.$table IN SHARE MODE");
	my $result = $do->();
	$locker->ok('COMMIT');
	return $result;
}

$s->ok('CREATE INDEX d6_twin ON d6 (a)');
my $drop = 'BEGIN; DROP INDEX d6_a_idx; COMMIT';
$s->ok("SELECT guard.add_dependency('d6_a_idx', 'billing')");
my $r = with_lock('dependency', sub { $s->query($drop) });
failed($r, '55P03', qr/lock timeout|lock not available/, 'enforce: what a service needs cannot be written down, no COMMIT');
like($r->{error}{W} // '', qr/guard was about to write down what takes the place of an index/, 'and the error says what was about to be done');
is($r->{status}, 'I', 'the transaction is over');
is(index_state($s, 'd6_a_idx'), 'valid ready live', 'the index is there');
refused($s->query('BEGIN; DROP INDEX d6_twin, d6_a_idx; COMMIT'), qr/cannot drop ind/, 'both cannot go');
$s->ok('SET guard.mode = observe');
passed(with_lock('dependency', sub { $s->query($drop) }), 'observe: passes');
$s->ok('RESET guard.mode');
is(verdict($s, 'd6_twin'), 'block hot', 'and the twin has inherited the use');
$s->ok('SET guard.mode = off');
passed(with_lock('audit_log', sub { $s->query('BEGIN; DROP INDEX d6_twin; COMMIT') }), 'off: passes, though nothing can be written');
passed(with_lock('audit_log', sub { $s->query('DROP INDEX d6_idle') }), 'alone as well');
$s->ok('RESET guard.mode');

ok($s->value('SELECT true'), 'the server has not gone');
unlike(slurp_file($node->logfile), qr/TRAP:|terminated by signal/, 'nor has any process');
$node->stop;

# ---- not preloaded, and loaded by the first DDL of the session, inside COMMIT
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->append_conf('postgresql.conf', "guard.whatif_interval = 0\n");
$node->start;
$s = session($node);
make_table($s, 'late');
foreach my $end ('COMMIT', q{PREPARE TRANSACTION 'c'})
{
	foreach my $first ('', 'SAVEPOINT a; ')
	{
		$s->ok('CREATE INDEX late_b ON late (b)');
		my $session = session($node);
		passed($session->query("BEGIN; ${first}INSERT INTO to_drop VALUES ('late_b'); $end"), "first DDL of a session: $first$end");
		$s->ok(q{COMMIT PREPARED 'c'}) if $end ne 'COMMIT';
		is(index_state($s, 'late_b'), 'gone', 'it is gone');
		passed($session->query('BEGIN; CREATE INDEX late_b ON late (b); DROP INDEX late_b; COMMIT'), 'and the session goes on');
	}
}
unlike(slurp_file($node->logfile), qr/TRAP:|terminated by signal/, 'no process has gone');
$node->stop;

# ---- judged while COMMIT begins: what pg_stat_statements measured cannot be read there, and nobody complains of that
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pg_stat_statements,guard'");
$node->append_conf('postgresql.conf', "guard.whatif_interval = 0\nguard.whatif_time_limit = 1h\n");
$node->start;
$s = session($node);
$s->ok('CREATE EXTENSION pg_stat_statements');
make_table($s, 'moved');
my $from = -s $node->logfile;
foreach my $end ('COMMIT', q{PREPARE TRANSACTION 'm'})
{
	my $user = session($node, 'shop');
	$user->ok('SELECT c FROM moved WHERE a = 7') foreach 1 .. 30;
	my $session = session($node);
	refused($session->query("BEGIN; CREATE TABLE moved_new (LIKE moved); ALTER TABLE moved RENAME TO moved_old; ALTER TABLE moved_new RENAME TO moved; $end"),
		qr/moved_a_idx/, "a swap without the index: $end");
}
unlike(slurp_file($node->logfile, $from), qr/could not/, 'nothing is said to have failed');
$node->stop;
done_testing();
