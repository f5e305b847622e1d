# The row of a drop that went through, but whose transaction could not write it, is written later, as those of refused drops are: behind a
# lock on the audit log, or where every INSERT raises.  guard.status counts it until then, from COMMIT on; what was rolled back has none.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;
use Time::HiRes qw(usleep);

my $status = q{SELECT state FROM guard.status WHERE item = 'audit'};

sub rows_of
{
	my ($name) = @_;

	return "(SELECT count(*) FROM guard.audit_log WHERE index_name LIKE 'public.$name%' AND verdict IN ('allow', 'unjudged'))";
}

sub waits
{
	my ($s, $n, $name, $why) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$why //= 'another session holds a lock on guard.audit_log';
	like($s->value($status), $n == 0 ? qr/^nothing waits$/ : qr/^$n records wait to be written by a background worker: $why$/, $name);
}

# Wait until the server log says so.
sub logged
{
	my ($node, $what) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until (PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ $what)
	{
		die "waited in vain for $what" if time > $end;
		usleep(10_000);
	}
}

foreach my $preload ('', 'guard')
{
	my $case = $preload ? 'preloaded' : 'not preloaded';
	my $node = guard_server($preload ? 'preloaded' : 'plain', preload => $preload, conf => "max_prepared_transactions = 2\n");
	my $s = session($node);

	make_table($s, 't');
	$s->ok("CREATE INDEX i_$_ ON t (b)") foreach 1 .. 20;
	$s->ok('CREATE DATABASE other');
	my $other = session($node, dbname => 'other');
	$other->ok('CREATE EXTENSION guard');

	# ---- a lock

	my $held = session($node);
	$held->ok('BEGIN; LOCK TABLE guard.audit_log');
	$s->ok('DROP INDEX i_1');
	waits($s, 1, "$case: dropped behind a lock on the audit log: guard.status counts the row");
	waits($other, 0, "$case: not in another database");
	$s->ok('BEGIN; DROP INDEX i_2');
	waits($s, 1, "$case: not before COMMIT");
	$s->ok('ROLLBACK; BEGIN; SAVEPOINT a; DROP INDEX i_2; ROLLBACK TO a; COMMIT');
	waits($s, 1, "$case: nor what was rolled back");
	$s->ok('BEGIN; DROP INDEX i_3; SAVEPOINT a; DROP INDEX i_4; RELEASE a; COMMIT');
	waits($s, 3, "$case: a transaction of two");
	$s->ok('DROP INDEX CONCURRENTLY i_5');
	waits($s, 4, "$case: CONCURRENTLY");
	$s->ok('DROP INDEX i_6, i_7, i_8');
	waits($s, 7, "$case: three at once");
	$s->ok('SET guard.mode = off; BEGIN; DROP INDEX i_9; DROP INDEX i_10; COMMIT; RESET guard.mode');
	waits($s, 9, "$case: while guard is off");
	$held->ok('ROLLBACK');
	wait_until($s, "SELECT " . rows_of('i\_') . ' = 9');
	wait_until($s, "SELECT ($status) = 'nothing waits'");
	is($s->value("SELECT string_agg(index_name || ' ' || verdict, ', ' ORDER BY length(index_name), index_name) FROM guard.audit_log WHERE index_name LIKE '%i\\_%'"),
		join(', ', (map { "public.i_$_ allow" } 1, 3 .. 8), 'public.i_9 unjudged', 'public.i_10 unjudged'), "$case: each has one row, once it can be written");
	is($s->value("SELECT count(*) FROM guard.audit_log WHERE index_name LIKE '%i\\_%' AND definition LIKE 'CREATE INDEX i\\__% ON public.t%'"), 9, "$case: with what brings it back");

	# ---- every INSERT raises: for the writer as well

	$s->ok(q{CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$});
	$s->ok('CREATE TRIGGER fail BEFORE INSERT ON guard.audit_log FOR EACH ROW EXECUTE FUNCTION fail()');
	$s->ok('DROP INDEX i_11');
	$s->ok("ALTER DATABASE other SET guard.mode = 'observe'");
	waits($s, 2, "$case: where every INSERT raises, a drop and a setting wait", qr/it .*/);
	logged($node, qr/guard could not write down a refused drop: no/);
	waits($s, 2, "$case: also when somebody has tried", qr/it .*/);
	failed($s->query("SELECT guard.protect('t', 'no row, no protection')"), 'P0001', qr/^no$/, "$case: a change of guard's own rules fails");
	$s->ok('ALTER TABLE guard.audit_log DISABLE TRIGGER fail');
	wait_until($s, "SELECT ($status) = 'nothing waits'");
	is($s->value("SELECT string_agg(coalesce(index_name, object), ', ' ORDER BY coalesce(index_name, object)) FROM (SELECT * FROM guard.audit_log ORDER BY id DESC LIMIT 2) AS two WHERE index_name = 'public.i_11' OR object = 'guard.mode'"),
		'guard.mode, public.i_11', "$case: both are written when it can be done");

	# ---- prepared: nobody will say what became of it

	$s->ok('ALTER TABLE guard.audit_log ENABLE TRIGGER fail');
	$s->ok(q{BEGIN; DROP INDEX i_12; PREPARE TRANSACTION 'p'});
	is($s->value($status), 'nothing waits; 1 are in the server log only', "$case: prepared: counted as lost");
	waits($other, 0, "$case: in its own database");
	$s->ok(q{ROLLBACK PREPARED 'p'});
	$s->ok('ALTER TABLE guard.audit_log DISABLE TRIGGER fail');
	is($s->value('SELECT ' . rows_of('i\_12')), 0, "$case: and it has no row");
	$_->close foreach $s, $other, $held;
	$node->stop;
}
done_testing();
