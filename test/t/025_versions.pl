# A library whose SQL in a database is of another version, older or newer: said, and nothing is refused on that account.
# Drops are judged with what is known without guard's tables, whose shape the library may not know, and go as they come.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $versions = q{SELECT state FROM guard.status WHERE item = 'versions'};

# What another version may have: a function that says something else, or none; tables with other columns, or none.
my %others = (
	newer => q{CREATE OR REPLACE FUNCTION guard.sql_id() RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'other'::pg_catalog.text$$},
	older => q{ALTER EXTENSION guard DROP FUNCTION guard.sql_id(); DROP FUNCTION guard.sql_id()});
my $shapes = q{DO $$
DECLARE t text; c text;
BEGIN
	FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'guard'::regnamespace AND relkind = 'r' AND relname <> 'audit_log' LOOP
		EXECUTE format('ALTER TABLE guard.%I RENAME TO %I', t, 'was_' || t);
		EXECUTE format('CREATE TABLE guard.%I (other point)', t);
		EXECUTE format('ALTER EXTENSION guard ADD TABLE guard.%I', t);
	END LOOP;
	ALTER TABLE guard.audit_log ADD COLUMN needed int , ADD CHECK (needed IS NOT NULL) NOT VALID;
END $$};

foreach my $preload ('guard', '')
{
	my $node = guard_server($preload ? 'preloaded' : 'plain', preload => $preload);
	foreach my $other (sort keys %others)
	{
		my $case = "$other SQL, " . ($preload ? 'preloaded' : 'not preloaded');
		my $s = session($node);
		$s->ok('CREATE EXTENSION IF NOT EXISTS guard');
		is($s->value($versions), 'library and SQL belong together', "$case: at first");
		make_table($s, 't');
		$s->ok('CREATE INDEX t_b_idx ON t (b); CREATE INDEX t_c_idx ON t (c)');
		my $auth = use_index($node, 't');
		$auth->ok('SELECT c FROM t WHERE a = 43') foreach 1 .. 60;

		$s->ok("SET guard.mode = off; $others{$other}; RESET guard.mode");
		$s->ok("SET guard.mode = off; $shapes; RESET guard.mode");
		my $from = -s $node->logfile;
		like($s->value($versions), qr/different versions.*ALTER EXTENSION guard UPDATE/, "$case: guard.status says so");
		my $rows = $s->value('SELECT count(*) FROM guard.audit_log');

		passed($s->query('DROP INDEX t_b_idx'), "$case: a drop of what nobody needs");
		passed($s->query('DROP INDEX CONCURRENTLY t_c_idx'), "$case: CONCURRENTLY");
		passed($s->query('CREATE INDEX t_b_idx ON t (b)'), "$case: CREATE INDEX");
		passed($s->query('REINDEX INDEX CONCURRENTLY t_b_idx'), "$case: REINDEX CONCURRENTLY");
		passed($s->query('ALTER TABLE t ALTER COLUMN b TYPE bigint'), "$case: ALTER TYPE");
		passed($s->query('ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t'), "$case: a rename");
		passed($s->query('BEGIN; DROP INDEX t_b_idx; CREATE INDEX t_b_idx ON t (b); COMMIT'), "$case: drop and create in a transaction");
		passed($s->query('BEGIN; DROP INDEX t_a_idx; CREATE INDEX t_a_idx ON t (a); COMMIT'), "$case: what is in use, replaced in a transaction");
		$auth->ok('SELECT c FROM t WHERE a = 44');
		refused($s->query('DROP INDEX t_a_idx'), qr/cannot drop index "public.t_a_idx"/, "$case: what capture has seen in use is refused") if $preload;
		failed($s->query("SELECT guard.protect('t', 'x')"), '55000', qr/different versions/, "$case: guard.protect() fails, and says why");
		ok($s->value(q{SELECT count(*) FROM guard.check('t')}) > 0, "$case: guard.check() answers");
		passed($s->query('ALTER DATABASE postgres SET guard.lookback = 1000; ALTER DATABASE postgres RESET guard.lookback'), "$case: a setting");
		is($s->value('SELECT count(*) FROM guard.audit_log'), $rows, "$case: no row is written");
		my $log = substr(PostgreSQL::Test::Utils::slurp_file($node->logfile), $from);
		like($log, qr/guard audit: \{.*"index_name":"public.$_"/, "$case: but a line for $_") foreach qw(t_b_idx t_c_idx);
		is(scalar(() = $log =~ /are of different versions.*tables are neither/g) - scalar(() = $log =~ /ERROR: .*different versions/g), 1, "$case: the log says it once");
		unlike($log, qr/guard could not|TRAP/, "$case: nothing else fails");

		# An update brings them together, in sessions that are open as well.
		my $open = session($node);
		like($open->value($versions), qr/different/, "$case: another session");
		passed($s->query('DROP EXTENSION guard CASCADE'), "$case: DROP EXTENSION");
		$s->ok('CREATE EXTENSION guard');
		is($_->value($versions), 'library and SQL belong together', "$case: made anew") foreach $s, $open;
		$s->ok(q{CREATE OR REPLACE FUNCTION guard.sql_id() RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'other'::pg_catalog.text$$});
		like($open->value($versions), qr/different/, "$case: seen when it changes");
		$s->ok('DROP EXTENSION guard');
		$s->ok('DROP TABLE t');
		$_->close foreach $open, $auth, $s;
	}
	$node->stop;
}

done_testing();
