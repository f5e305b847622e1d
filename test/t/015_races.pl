# Races whose outcome bears times and process numbers, and so cannot be told by the isolation tester.  A session that waits for a
# lock is seen to wait before the other one goes on.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main');
my $s = session($node);

# Send a statement and see it wait for a lock.
sub start_waiting
{
	my ($session, $sql) = @_;

	$session->start($sql);
	wait_until($s, 'SELECT cardinality(pg_blocking_pids(' . $session->pid . ')) > 0');
}

sub drop_everything
{
	$s->ok("SET guard.mode = 'off'");
	$s->ok('DROP TABLE IF EXISTS t; DELETE FROM guard.protection');
	$s->ok('RESET guard.mode');
}

# One under a name that no statement has used: what was used under a name speaks for its next bearer.
my ($t, $n) = ('', 0);
sub new_table
{
	drop_everything();
	$t = 'fresh' . ++$n;
	make_table($s, $t);
}

my ($one, $two, $reader, $auth) = map { session($node, $_) } qw(one two reader auth);

# ---- a hot index, behind a long reader

make_table($s, 't');
$auth->ok('SELECT c FROM t WHERE a = 42');
$reader->ok('BEGIN; SELECT count(*) FROM t');
refused($one->query('DROP INDEX t_a_idx'), qr/auth use it/, 'behind a reader: refused');
refused($one->query('DROP INDEX CONCURRENTLY t_a_idx'), qr/auth use it/, 'behind a reader: refused, CONCURRENTLY');
is($s->value("SELECT count(*) FROM pg_locks WHERE relation IN ('t'::regclass, 't_a_idx'::regclass) AND pid <> " . $reader->pid), 0,
	'behind a reader: nobody holds a lock or waits for one');
$two->ok("SET lock_timeout = '1ms'; UPDATE t SET c = 'x' WHERE b = 1; RESET lock_timeout");
$reader->ok('COMMIT');

# With the table locked.
$reader->ok('BEGIN; LOCK TABLE t');
$one->ok("SET lock_timeout = '1ms'");
refused($one->query('DROP INDEX t_a_idx'), qr/auth use it/, 'table locked: refused at once');
refused($one->query('DROP TABLE t'), qr/cannot drop table "public.t"/, 'table locked: DROP TABLE, too');
is(verdict($one, 't_a_idx'), 'block hot', 'table locked: guard.check answers');
passed($one->query("SELECT * FROM guard.$_"), "table locked: guard.$_ answers") foreach qw(indexes status index_statements('t_a_idx'));
$one->ok('RESET lock_timeout');
$reader->ok('COMMIT');

# ---- use between the look before the lock and the lock

# What was unknown is asked for again under the lock.
new_table();
$s->ok('UPDATE guard.object SET created_at = NULL');
is(verdict($s, "${t}_a_idx"), 'allow unknown', 'too little is known');
$reader->ok("BEGIN; SELECT count(*) FROM $t");
start_waiting($one, "DROP INDEX ${t}_a_idx");
$reader->ok("SELECT c FROM $t WHERE a = 42");
$reader->ok('COMMIT');
refused($one->result, qr/reader use it/, 'used while the drop waited for its lock: refused after all');
is(index_state($s, "${t}_a_idx"), 'valid ready live', 'and the index is there');

# So is what seemed cold, and what was registered meanwhile.
new_table();
is(verdict($s, "${t}_a_idx"), 'allow cold', 'nobody has ever used it');
$reader->ok("BEGIN; SELECT count(*) FROM $t");
start_waiting($one, "DROP INDEX ${t}_a_idx");
$reader->ok("SELECT c FROM $t WHERE a = 42");
$reader->ok('COMMIT');
refused($one->result, qr/reader use it/, 'cold, and used while the drop waited: refused after all');
new_table();
$reader->ok("BEGIN; SELECT count(*) FROM $t");
start_waiting($one, "DROP INDEX ${t}_a_idx");
$s->ok("SELECT guard.protect('${t}_a_idx', 'just in time')");
$reader->ok('COMMIT');
refused($one->result, qr/protects it for \w+: just in time/, 'registered while the drop waited: refused after all');

# Nobody has used it: it goes.
new_table();
$s->ok('UPDATE guard.object SET created_at = NULL');
$reader->ok("BEGIN; SELECT count(*) FROM $t");
start_waiting($one, "DROP INDEX ${t}_a_idx");
$reader->ok('COMMIT');
passed($one->result, 'not used while the drop waited: it goes');
is(index_state($s, "${t}_a_idx"), 'gone', 'and is gone');

# ---- twins: each leans on the other

sub twins
{
	drop_everything();
	make_table($s, 't', 'bare');
	$s->ok('CREATE INDEX p ON t (a); CREATE INDEX q ON t (a)');
	$auth->ok('SELECT c FROM t WHERE a = 42');
}

sub remaining
{
	return join ' ', map { $_->[0] } @{ $s->ok("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1")->{rows} };
}

twins();
$one->ok('BEGIN');
passed($one->query('DROP INDEX p'), 'twins: one session drops one');
start_waiting($two, 'DROP INDEX q');
passed($one->query('COMMIT'), 'twins: and commits');
refused($two->result, qr/cannot drop index "public.q"/, 'twins: the other session is refused');
is(remaining(), 'q', 'twins: one remains');
is(verdict($s, 'q'), 'block hot', 'twins: and has inherited the use');

twins();
$one->ok('BEGIN');
$one->ok('DROP INDEX p');
start_waiting($two, 'DROP INDEX q');
$one->ok('ROLLBACK');
passed($two->result, 'twins: after a ROLLBACK the other session may');
is(remaining(), 'p', 'twins: one remains');

twins();
$one->ok('BEGIN; DROP INDEX p');
start_waiting($two, 'DROP INDEX CONCURRENTLY q');
$one->ok('COMMIT');
refused($two->result, qr/cannot drop index "public.q"/, 'twins, CONCURRENTLY: the other session is refused');
is(index_state($s, 'q'), 'valid ready live', 'twins, CONCURRENTLY: the last one is as it was');

# Both in transactions, and both have their drop done before either commits: the second waits for the first.
twins();
$one->ok('BEGIN; DROP INDEX p');
$two->ok('BEGIN');
start_waiting($two, 'DROP INDEX q');
$one->ok('COMMIT');
my $r = $two->result;
$r = $two->query('COMMIT') unless $r->{error};
refused($r, qr/cannot drop index "public.q"/, 'twins in two transactions: the second is refused, at the latest at COMMIT');
$two->query('ROLLBACK');
is(remaining(), 'q', 'twins in two transactions: one remains');

# One after the other, in one session, one transaction, one statement.
twins();
$one->ok('DROP INDEX p');
refused($one->query('DROP INDEX q'), qr/cannot drop index "public.q"/, 'twins, one after the other');
twins();
refused($one->query('DROP INDEX p, q'), qr/cannot drop index "public.[pq]"/, 'twins, in one statement');
is(remaining(), 'p q', 'twins, in one statement: both remain');
twins();
refused($one->query('BEGIN; DROP INDEX p; DROP INDEX q; COMMIT'), qr/cannot drop index "public.[pq]"/, 'twins, in one transaction');
$one->query('ROLLBACK');
is(remaining(), 'p q', 'twins, in one transaction: both remain');

# The replacement is dropped while the drop that leans on it waits.
twins();
$s->ok('DROP INDEX q; CREATE INDEX longer ON t (a, b)');
$one->ok('BEGIN');
passed($one->query('DROP INDEX p'), 'a longer index serves');
start_waiting($two, 'DROP INDEX longer');
$one->ok('COMMIT');
refused($two->result, qr/cannot drop index "public.longer"/, 'and is not dropped by somebody who waited');

# ---- a new index that no query may use yet (PostgreSQL sets indcheckxmin when it finds broken HOT chains)

sub with_hot_chain
{
	drop_everything();
	$s->ok("CREATE TABLE t (a int, b int, c text) WITH (fillfactor = 50)");
	$s->ok("INSERT INTO t SELECT g, g, rpad('row ' || g, 100) FROM generate_series(1, 1000) g");
	$s->ok('CREATE INDEX t_a_idx ON t (a)');
	$s->ok('VACUUM ANALYZE t');
	$auth->ok('SELECT c FROM t WHERE a = 42');
}

with_hot_chain();
$reader->ok('BEGIN; CREATE TEMP TABLE mine (a int)');		# has a transaction ID
$s->ok("UPDATE t SET b = -b WHERE a = 42");
$r = $one->query('BEGIN; DROP INDEX t_a_idx; CREATE INDEX t_b_a_idx ON t (a, b); COMMIT');
refused($r, qr/cannot drop index "public.t_a_idx": guard s\w+ auth/, 'indcheckxmin: a replacement that nobody can use yet is none');
my $pid = $reader->pid;
like($r->{error}{D}, qr/t_b_a_idx would serve.*process $pid has an older transaction open/, 'indcheckxmin: who keeps it from being used is named');
like("$r->{error}{D} $r->{error}{H}", qr/CREATE INDEX CONCURRENTLY/, 'indcheckxmin: and what would do');
is(index_state($s, 't_a_idx'), 'valid ready live', 'indcheckxmin: the index is there');
is($s->value("SELECT to_regclass('t_b_a_idx')"), undef, 'indcheckxmin: the new one is not');

# The replacement comes first, in a transaction of its own: the same holds.
$one->ok('CREATE INDEX t_b_a_idx ON t (a, b)');
is($s->value("SELECT indcheckxmin FROM pg_index WHERE indexrelid = 't_b_a_idx'::regclass"), 't', 'indcheckxmin: set');
$r = $one->query('DROP INDEX t_a_idx');
refused($r, qr/auth/, 'indcheckxmin: nor is one that was created before');
$reader->ok('COMMIT');
passed($one->query('DROP INDEX t_a_idx'), 'indcheckxmin: when the old transaction has ended it serves');

with_hot_chain();
$s->ok("UPDATE t SET b = -b WHERE a = 42");
passed($one->query('BEGIN; DROP INDEX t_a_idx; CREATE INDEX t_a_idx ON t (a, b); COMMIT'),
	'indcheckxmin: without an older transaction the same passes');

# ---- a drop that waits at COMMIT time keeps nobody else's verdict

drop_everything();
make_table($s, 't');
$auth->ok('SELECT c FROM t WHERE a = 42');
$one->ok('BEGIN; DROP INDEX t_a_idx');
start_waiting($two, 'SELECT c FROM t WHERE a = 43');
refused($one->query('COMMIT'), qr/auth use it/, 'refused at COMMIT');
passed($two->result, 'whoever waited for the transaction goes on');

$node->stop;
done_testing();
