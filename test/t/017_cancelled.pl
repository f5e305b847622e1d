# DDL is cancelled and times out at any moment, in every kind: no backend dies of it, guard's error is not the server's, and no
# transaction is left in a state that the next statement meets.
#
# GUARD_CANCELS=N: so many statements in all, 1000 by default.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $all = $ENV{GUARD_CANCELS} // 1000;
my $node = guard_server('main', preload => 'guard', conf => "restart_after_crash = off\nfsync = off\nautovacuum = off\n"
	  . "guard.whatif_interval = 0\nguard.whatif_time_limit = 1h\nmax_prepared_transactions = 5\n");
my $s = session($node);
my $other = session($node, 'other');
srand($ENV{GUARD_SEED} // 1);

$s->ok(<<'SQL');
CREATE TABLE h (a int, b int, c text);
INSERT INTO h SELECT g, g % 100, g::text FROM generate_series(1, 3000) g;
CREATE INDEX h_a ON h (a);
CREATE INDEX h_twin ON h (a);
CREATE INDEX h_b ON h (b);
CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000);
INSERT INTO p SELECT g % 2000, g FROM generate_series(1, 3000) g;
CREATE INDEX p_a ON p (a);
CREATE PROCEDURE several() LANGUAGE plpgsql AS $$ BEGIN
	FOR n IN 1 .. 5 LOOP
		EXECUTE format('CREATE INDEX several_%s ON h (b)', n);
		COMMIT;
		EXECUTE format('DROP INDEX several_%s', n);
	END LOOP;
END $$;
SELECT guard.protect('h_b', 'needed');
SQL
$other->ok('SELECT c FROM h WHERE a = 7');
$other->ok('SELECT count(*) FROM p WHERE a = 7');

# Each is tried again and again; most of them fail for one reason or another, which is all the same.
my @statements = (
	'REINDEX INDEX CONCURRENTLY h_a',
	'REINDEX INDEX CONCURRENTLY h_a',
	'REINDEX TABLE CONCURRENTLY h',
	'REINDEX TABLE h',
	'CREATE INDEX CONCURRENTLY extra ON h (c)',
	'DROP INDEX CONCURRENTLY IF EXISTS extra',
	'CREATE INDEX extra2 ON h (c)',
	'DROP INDEX IF EXISTS extra2',
	'DROP INDEX h_a',
	'DROP INDEX h_b',
	'SET guard.hot_action = delay; DROP INDEX h_a; SELECT guard.restore(\'h_a\')',
	'ALTER TABLE h ALTER a TYPE bigint',
	'ALTER TABLE h ALTER a TYPE int',
	'BEGIN; DROP INDEX h_a; CREATE INDEX h_a ON h (a); COMMIT',
	'BEGIN; DROP INDEX h_a; CREATE INDEX h_a ON h (a); PREPARE TRANSACTION \'p\'',
	'COMMIT PREPARED \'p\'',
	'BEGIN; SAVEPOINT a; DROP INDEX h_a; ROLLBACK TO a; DROP INDEX h_twin; ROLLBACK',
	'CREATE TABLE gone (a int PRIMARY KEY, b int UNIQUE); DROP TABLE gone CASCADE',
	'CREATE SCHEMA sc; CREATE TABLE sc.t (a int PRIMARY KEY); DROP SCHEMA sc CASCADE',
	'ALTER INDEX h_twin RENAME TO h_twin2; ALTER INDEX h_twin2 RENAME TO h_twin',
	'ALTER TABLE p DETACH PARTITION p2',
	'ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY',
	'ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (1000) TO (2000)',
	'ALTER TABLE p DETACH PARTITION p2 FINALIZE',
	'DROP INDEX p_a',
	'CALL several()',
	'VACUUM FULL h',
	'CLUSTER h USING h_twin',
	'SELECT c FROM h WHERE a = 9',
	'SELECT guard.approve(\'h_b\', \'once\', \'1h\'); DROP INDEX CONCURRENTLY h_b',
	'CREATE INDEX IF NOT EXISTS h_b ON h (b); SELECT guard.protect(\'h_b\', \'needed\')',
	'SELECT * FROM guard.check(\'h_a\')');

sub one
{
	my ($sql) = @_;
	my $r;

	if (rand() < 0.5)
	{
		my $timeout = 1 + int(rand(40));

		$s->query("SET statement_timeout = $timeout");
		$r = $s->query($sql);
	}
	else
	{
		$s->query('SET statement_timeout = 0');
		$s->start($sql);
		$other->query("SELECT pg_cancel_backend($s->{pid})") for 1 .. 1 + int(rand(3));
		$r = $s->result;
	}
	return $r;
}

my ($cancelled, $odd) = (0, '');
for my $n (0 .. $all - 1)
{
	my $sql = $statements[ $n % @statements ];

	eval {
		my $r = one($sql);
		$cancelled++ if $r->{error} && $r->{error}{C} eq '57014';

		# A cancel request that comes late is for whatever runs next.
		for (1 .. 3)
		{
			last if !$s->query('ROLLBACK; SET statement_timeout = 0; RESET guard.hot_action')->{error};
		}
		my $next = $s->query('SELECT 1');
		$next = $s->query('SELECT 1') if $next->{error} && $next->{error}{C} eq '57014';
		$odd .= "after $sql: $next->{error}{M}\n" if $next->{error};
		$odd .= "after $sql: state $next->{status}\n" if $next->{status} ne 'I';
		1;
	} or do { $odd .= "$sql: $@"; last; };
}
note("$cancelled of $all were cancelled");
cmp_ok($cancelled, '>', 20, 'many were cancelled');
is($odd, '', 'the next statement always works');
my $log = slurp_file($node->logfile);
unlike($log, qr/TRAP:|terminated by signal|PANIC:/, 'no process has gone');
unlike($log, qr/errstart was not called|unexpected state|leak/, 'nothing odd in the log');
$s->close;
is($other->value("SELECT count(*) FROM pg_locks l WHERE l.pid <> pg_backend_pid() AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid) AND l.pid IS NOT NULL"),
	0, 'no lock without a process');
$node->stop;
done_testing();
