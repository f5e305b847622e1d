# guard.import_profile: what production would refuse is refused on a copy of its schema without a row.  Each case is run twice:
# live, where its traffic was, and on the copy, which knows of it by the profile alone.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use JSON::PP;
use Test::More;
use Time::Piece;

# What has no meaning there, and why.
my %no_meaning = (
	'own use' => 'the session that drops made the use itself: that session is not here',
	pipelines => 'how a client sends its statements is no part of what production knows',
	locks => 'who holds a table there holds nothing here',
	sessions => 'which versions are connected, which standbys are attached');
note("without a meaning: $_: $no_meaning{$_}") foreach sort keys %no_meaning;

# A table with rows, by which an index matters, and what uses it.
my $t = 'CREATE TABLE t (a int, b int, c text)';
my $a = 'CREATE INDEX t_a_idx ON t (a)';
my $rows = "INSERT INTO t SELECT g, g % 100, rpad('row ' || g, 100) FROM generate_series(1, 1000) g";
my $by_a = 'SELECT c FROM t WHERE a = 42';
my $pk = 'CREATE TABLE t (id int PRIMARY KEY, b int, c text)';
my $parts = [ 'CREATE TABLE t (a int, b int, c text) PARTITION BY RANGE (a)',
	map { "CREATE TABLE t_$_ PARTITION OF t FOR VALUES FROM (${\(($_ - 1) * 500)}) TO (${\($_ * 500)})" } 1 .. 3 ];
my $fk = [ 'CREATE TABLE p (id int PRIMARY KEY)', 'CREATE TABLE t (a int REFERENCES p, b int, c text)', $a ];
my $fk_rows = [ 'INSERT INTO p SELECT generate_series(1, 1100)', $rows ];

# One that was a partition until its DETACH, and one that became one lately: the copy has never seen it otherwise.
my $part = sub { my ($live, $copy) = @_; return 'DO $$BEGIN EXECUTE CASE current_database() WHEN \'live\' THEN \'' . $live . "' ELSE '$copy' END; END\$\$" };
my $whole = 'CREATE TABLE t (a int, b int, c text) PARTITION BY RANGE (a)';
my $rest = 'CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (500) TO (2000)';
my $in = 'CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (500)';
my $out = 'CREATE TABLE t_1 (a int, b int, c text)';

# name, schema, rows (live only), uses (live only), registered and done afterwards (live only; AS SERVICE: by that), migration, refused or done
my @cases = (
	[ 'a hot index', [ $t, $a ], [$rows], [$by_a], [], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'an idle index', [ $t, $a ], [$rows], [], [], ['DROP INDEX t_a_idx'], 'done' ],
	[ 'a hot index, concurrently', [ $t, $a ], [$rows], [$by_a], [], ['DROP INDEX CONCURRENTLY t_a_idx'], 'refused' ],
	[ 'an idle index, concurrently', [ $t, $a ], [$rows], [], [], ['DROP INDEX CONCURRENTLY t_a_idx'], 'done' ],
	[ 'one of twins', [ $t, $a, 'CREATE INDEX t_a_twin ON t (a)' ], [$rows], [$by_a], [], ['DROP INDEX t_a_idx'], 'done' ],
	[ 'both twins at once', [ $t, $a, 'CREATE INDEX t_a_twin ON t (a)' ], [$rows], [$by_a], [], ['DROP INDEX t_a_idx, t_a_twin'], 'refused' ],
	[ 'twin after twin', [ $t, $a, 'CREATE INDEX t_a_twin ON t (a)' ], [$rows], [$by_a], [], [ 'DROP INDEX t_a_idx', 'DROP INDEX t_a_twin' ], 'refused' ],
	[ 'a wider one stays', [ $t, $a, 'CREATE INDEX t_ab_idx ON t (a, b)' ], [$rows], [$by_a], [], ['DROP INDEX t_a_idx'], 'done' ],
	[ 'a narrower one stays', [ $t, 'CREATE INDEX t_ba_idx ON t (b, a)', 'CREATE INDEX t_b_idx ON t (b)' ], [$rows], ['SELECT c FROM t WHERE a = 42 AND b = 42'], [],
		['DROP INDEX t_ba_idx'], 'refused' ],
	[ 'a hot and an idle one', [ $t, $a, 'CREATE INDEX t_b_idx ON t (b)' ], [$rows], [$by_a], [], ['DROP INDEX t_b_idx, t_a_idx'], 'refused' ],
	[ 'one that is not there', [ $t, $a ], [$rows], [$by_a], [], ['DROP INDEX IF EXISTS t_x_idx'], 'done' ],
	[ 'a hot table', [ $t, $a ], [$rows], [$by_a], [], ['DROP TABLE t'], 'refused' ],
	[ 'an idle table', [ $t, $a ], [$rows], [], [], ['DROP TABLE t'], 'done' ],
	[ 'a table that is read from end to end', [ $t, $a ], [$rows], ['SELECT count(*) FROM t WHERE b = 1'], [], ['DROP TABLE t'], 'refused' ],
	[ 'a table that is written to again and again', [ $t, $a ], [$rows], [ ("INSERT INTO t VALUES (1)") x 21 ], [], ['DROP TABLE t'], 'refused' ],
	[ 'a hot column', [ $t, $a ], [$rows], [$by_a], [], ['ALTER TABLE t DROP COLUMN a'], 'refused' ],
	[ 'an idle column', [ $t, $a, 'CREATE INDEX t_b_idx ON t (b)' ], [$rows], [$by_a], [], ['ALTER TABLE t DROP COLUMN b'], 'done' ],
	[ 'a hot constraint', [$pk], [$rows], ['SELECT c FROM t WHERE id = 42'], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey'], 'refused' ],
	[ 'an idle constraint, by name', [$pk], [$rows], [], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey'], 'done' ],
	[ 'ON CONFLICT (column)', [$pk], [$rows], ['INSERT INTO t VALUES (1) ON CONFLICT (id) DO NOTHING'], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey'], 'refused' ],
	[ 'ON CONFLICT ON CONSTRAINT, a twin stays', [ $pk, 'CREATE UNIQUE INDEX t_twin ON t (id)' ], [$rows],
		['INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT t_pkey DO NOTHING'], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey'], 'refused' ],
	[ 'ON CONFLICT DO NOTHING', [$pk], [$rows], ['INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING'], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey'], 'refused' ],
	[ 'GROUP BY a primary key', [$pk], [$rows], ['SELECT id, b FROM t GROUP BY id'], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey'], 'refused' ],
	[ 'GROUP BY, and it comes again', [$pk], [$rows], ['SELECT id, b FROM t GROUP BY id'], [],
		[ 'BEGIN', 'ALTER TABLE t DROP CONSTRAINT t_pkey', 'ALTER TABLE t ADD PRIMARY KEY (id)', 'COMMIT' ], 'done' ],
	[ 'SET CONSTRAINTS', ['CREATE TABLE t (id int UNIQUE DEFERRABLE, b int, c text)'], [$rows], [ 'BEGIN', 'SET CONSTRAINTS t_id_key DEFERRED', 'UPDATE t SET id = id + 10000 WHERE id = 5', 'COMMIT' ], [],
		['ALTER TABLE t DROP CONSTRAINT t_id_key'], 'refused' ],
	[ 'a type', [ $t, $a ], [$rows], [$by_a], [], ['ALTER TABLE t ALTER a TYPE bigint'], 'done' ],
	[ 'a type, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'ALTER TABLE t ALTER a TYPE bigint', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'REINDEX, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'REINDEX INDEX CONCURRENTLY t_a_idx', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'another name, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'ALTER INDEX t_a_idx RENAME TO x', 'DROP INDEX x' ], 'refused' ],
	[ 'a schema in use', [ $t, $a ], [$rows], [$by_a], [], ['DROP SCHEMA SELF CASCADE'], 'refused' ],
	[ 'an idle schema', [ $t, $a ], [$rows], [], [], ['DROP SCHEMA SELF CASCADE'], 'done' ],
	[ 'a small table', [ $t, $a ], ['INSERT INTO t VALUES (1, 1, 1)'], [ 'SET enable_seqscan = off', $by_a ], [], ['DROP INDEX t_a_idx'], 'done' ],
	[ 'a table swapped for one without', [ $t, $a, 'CREATE TABLE n (LIKE t)' ], [$rows], [$by_a], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT' ], 'refused' ],
	[ 'a table swapped for one like it', [ $t, $a, 'CREATE TABLE n (LIKE t INCLUDING ALL)' ], [$rows], [$by_a], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT' ], 'done' ],
	[ 'swapped, and the old one goes', [ $t, $a, 'CREATE TABLE n (LIKE t INCLUDING ALL)' ], [$rows], [$by_a], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT', 'DROP TABLE o' ], 'done' ],
	[ 'swapped, and the new index goes', [ $t, $a, 'CREATE TABLE n (LIKE t INCLUDING ALL)' ], [$rows], [$by_a], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT', 'DROP TABLE o', 'DROP INDEX n_a_idx' ], 'refused' ],
	[ 'a small table swapped for one without', [ $t, $a, 'CREATE TABLE n (LIKE t)' ], ['INSERT INTO t VALUES (1, 1, 1)'], [ 'SET enable_seqscan = off', $by_a ], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT' ], 'done' ],
	[ 'renamed, then its index', [ $t, $a ], [$rows], [$by_a], [], [ 'ALTER TABLE t RENAME TO o', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'renamed and back', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE o RENAME TO t', 'COMMIT' ], 'done' ],
	[ 'dropped and made again', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'DROP INDEX t_a_idx', 'CREATE INDEX t_new ON t (a)', 'COMMIT' ], 'done' ],
	[ 'dropped and made otherwise', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'DROP INDEX t_a_idx', 'CREATE INDEX t_new ON t (b)', 'COMMIT' ], 'refused' ],
	[ 'dropped and made again, too large for that', [ $t, $a ], [$rows], [$by_a], [], [ "SET guard.rebuild_limit = '64kB'", 'BEGIN', 'DROP INDEX t_a_idx', 'CREATE INDEX t_new ON t (a)', 'COMMIT' ], 'refused' ],
	[ 'in one ALTER TABLE', [$pk], [$rows], ['SELECT c FROM t WHERE id = 42'], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT x PRIMARY KEY (id)'], 'done' ],
	[ 'a savepoint that is taken back', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'SAVEPOINT s', 'DROP INDEX t_a_idx', 'ROLLBACK TO s', 'COMMIT' ], 'done' ],
	[ 'a partitioned index, hot', [ @$parts, $a ], [$rows], [$by_a], [], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'a partitioned index, idle', [ @$parts, $a ], [$rows], [], [], ['DROP INDEX t_a_idx'], 'done' ],
	[ 'a partition that is looked at along with others', [ @$parts, $a ], [$rows], [ ('SELECT count(*) FROM t WHERE b = 1') x 3 ], [], ['DROP TABLE t_1'], 'done' ],
	[ 'a partition that statements aim at', [ @$parts, $a ], [$rows], [ ($by_a) x 25 ], [], ['DROP TABLE t_1'], 'refused' ],
	[ 'detached, and dropped', [ @$parts, $a ], [$rows], [ ('SELECT count(*) FROM t WHERE b = 1') x 3 ], [], [ 'ALTER TABLE t DETACH PARTITION t_1', 'DROP TABLE t_1' ], 'done' ],
	[ 'a partitioned table, hot', [ @$parts, $a ], [$rows], [$by_a], [], ['DROP TABLE t'], 'refused' ],
	[ 'protected', [ $t, $a ], [$rows], [], ["SELECT guard.protect('t_a_idx', 'not this one')"], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'the table is protected', [ $t, $a ], [$rows], [], ["SELECT guard.protect('t', 'not this one')"], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'protected, a new index on that table', [ $t, $a ], [$rows], [], ["SELECT guard.protect('t', 'not this one')"], [ 'CREATE INDEX t_new ON t (b)', 'DROP INDEX t_new' ], 'refused' ],
	[ 'protected, a twin stays', [ $t, $a, 'CREATE INDEX t_a_twin ON t (a)' ], [$rows], [], ["SELECT guard.protect('t_a_idx', 'not this one')"], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'a service needs it', [ $t, $a ], [$rows], [], ["SELECT guard.add_dependency('t_a_idx', 'billing', '2.0')"], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'a service needed it', [ $t, $a ], [$rows], [$by_a], [ "SELECT guard.add_dependency('t_a_idx', 'auth', '2.0')", "SELECT guard.report_deployment('auth', '2.1')" ], ['DROP INDEX t_a_idx'], 'done' ],
	[ 'a service needed it, another uses it', [ $t, $a ], [$rows], [$by_a], [ "SELECT guard.add_dependency('t_a_idx', 'mail', '2.0')", "SELECT guard.report_deployment('mail', '2.1')" ], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'checks of a foreign key', $fk, $fk_rows, ['DELETE FROM p WHERE id = 1100'], [], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'checks of a foreign key that goes along', $fk, $fk_rows, ['DELETE FROM p WHERE id = 1100'], [], [ 'BEGIN', 'ALTER TABLE t DROP CONSTRAINT t_a_fkey', 'DROP INDEX t_a_idx', 'COMMIT' ], 'done' ],
	[ 'checks of a foreign key that went', $fk, $fk_rows, ['DELETE FROM p WHERE id = 1100'], [], [ 'ALTER TABLE t DROP CONSTRAINT t_a_fkey', 'DROP INDEX t_a_idx' ], 'done' ],
	[ 'moved to another schema, and nothing is in its place', [ $t, $a, 'CREATE TABLE n (LIKE t)' ], [$rows], [$by_a], [],
		[ 'BEGIN', 'CREATE SCHEMA SELF_away', 'ALTER TABLE t SET SCHEMA SELF_away', 'ALTER TABLE n RENAME TO t', 'COMMIT' ], 'refused' ],
	[ 'columns change names', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'ALTER TABLE t RENAME a TO x', 'ALTER TABLE t RENAME b TO a', 'COMMIT' ], 'refused' ],
	[ 'columns change names, the index is there', [ $t, $a, 'CREATE INDEX t_b_idx ON t (b)' ], [$rows], [$by_a], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME a TO x', 'ALTER TABLE t RENAME b TO a', 'COMMIT' ], 'done' ],
	[ 'an expression', [ $t, 'CREATE INDEX t_c_idx ON t (lower(c))' ], [$rows], ["SELECT a FROM t WHERE lower(c) = 'x'"], [], ['DROP INDEX t_c_idx'], 'refused' ],
	[ 'a partial index', [ $t, 'CREATE INDEX t_p_idx ON t (a) WHERE b = 1' ], [$rows], ['SELECT c FROM t WHERE a = 42 AND b = 1'], [], ['DROP INDEX t_p_idx'], 'refused' ],
	[ 'a partial index for a whole one', [ $t, 'CREATE INDEX t_p_idx ON t (a) WHERE b = 1', $a ], [$rows], ['SELECT c FROM t WHERE a = 101 AND b = 1'], [], ['DROP INDEX t_p_idx'], 'done' ],
	[ 'a hash index', [ $t, 'CREATE INDEX t_h_idx ON t USING hash (a)' ], [$rows], [$by_a], [], ['DROP INDEX t_h_idx'], 'refused' ],
	[ 'with a function', [ $t, 'CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT upper($1)$$', 'CREATE INDEX t_f_idx ON t (f(c))' ], [$rows], ["SELECT a FROM t WHERE f(c) = 'x'"], [],
		['DROP FUNCTION f(text) CASCADE'], 'refused' ],
	[ 'a materialized view', [ $t, 'CREATE MATERIALIZED VIEW m AS SELECT * FROM t', 'CREATE INDEX m_idx ON m (a)' ], [ $rows, 'REFRESH MATERIALIZED VIEW m' ], ['SELECT c FROM m WHERE a = 42'], [], ['DROP INDEX m_idx'], 'refused' ],
	[ 'REFRESH CONCURRENTLY', [ $t, 'CREATE MATERIALIZED VIEW m AS SELECT * FROM t', 'CREATE UNIQUE INDEX m_idx ON m (a)' ], [ $rows, 'REFRESH MATERIALIZED VIEW m' ], ['REFRESH MATERIALIZED VIEW CONCURRENTLY m'], [],
		['DROP INDEX m_idx'], 'refused' ],
	[ 'a view that leads elsewhere', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [], ['CREATE OR REPLACE VIEW v AS SELECT * FROM n'], 'refused' ],
	[ 'a view that leads to one like it', [ $t, $a, 'CREATE TABLE n (LIKE t INCLUDING ALL)', 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [],
		['CREATE OR REPLACE VIEW v AS SELECT * FROM n'], 'done' ],
	[ 'a view made anew that leads elsewhere', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [],
		[ 'BEGIN', 'DROP VIEW v', 'CREATE VIEW v AS SELECT * FROM n', 'COMMIT' ], 'refused' ],
	[ 'a view made anew that leads where it did', [ $t, $a, 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [],
		[ 'BEGIN', 'DROP VIEW v', 'CREATE VIEW v AS SELECT a, c FROM t', 'COMMIT', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'a view that a view leads to', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE VIEW w AS SELECT * FROM t', 'CREATE VIEW v AS SELECT * FROM w' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [],
		['CREATE OR REPLACE VIEW w AS SELECT * FROM n'], 'refused' ],
	[ 'a view by which nobody came', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], [$by_a], [], ['CREATE OR REPLACE VIEW v AS SELECT * FROM n'], 'done' ],
	[ 'a view that goes, and with it the index', [ $t, $a, 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [], [ 'DROP VIEW v', 'DROP INDEX t_a_idx' ], 'done' ],
	[ 'the same where it was used by name, too', [ $t, $a, 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], [ 'SELECT c FROM v WHERE a = 42', $by_a ], [], [ 'DROP VIEW v', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'a table swapped behind its view', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT' ], 'done' ],
	[ 'the same, and then the index', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'a table swapped behind a function', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE FUNCTION f(int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT c FROM t WHERE a = $1; END' ], [$rows], ['SELECT f(42)'], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT' ], 'done' ],
	[ 'a function that follows its table, and then the index', [ $t, $a, 'CREATE TABLE n (LIKE t)', 'CREATE FUNCTION f(int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT c FROM t WHERE a = $1; END' ], [$rows], ['SELECT f(42)'], [],
		[ 'BEGIN', 'ALTER TABLE t RENAME TO o', 'ALTER TABLE n RENAME TO t', 'COMMIT', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'a view made there since by hand', [ $t, $a, 'CREATE TABLE n (LIKE t)', $part->('CREATE VIEW v AS SELECT * FROM t', 'SELECT 1') ], [$rows], ['SELECT c FROM v WHERE a = 42'], [], ['DROP INDEX t_a_idx'], 'refused' ],
	[ 'in a DO block', [ $t, $a ], [$rows], [$by_a], [], [q{DO $$BEGIN EXECUTE 'DROP INDEX ' || 't_a' || '_idx'; END$$}], 'refused' ],
	[ 'in a loop over the catalog', [ $t, $a, 'CREATE INDEX t_b_idx ON t (b)' ], [$rows], [$by_a], [],
		[q{DO $$DECLARE i regclass; BEGIN FOR i IN SELECT indexrelid FROM pg_index WHERE indrelid = 't'::regclass LOOP EXECUTE format('DROP INDEX %s', i); END LOOP; END$$}], 'refused' ],
	[ 'a table made anew, with the index', [ $t, $a ], [$rows], [$by_a], [],
		[ 'BEGIN', 'CREATE TABLE n AS TABLE t', 'DROP TABLE t', 'ALTER TABLE n RENAME TO t', 'CREATE INDEX t_a_idx ON t (a)', 'COMMIT' ], 'done' ],
	[ 'a table made anew, without', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'CREATE TABLE n AS TABLE t', 'DROP TABLE t', 'ALTER TABLE n RENAME TO t', 'COMMIT' ], 'refused' ],
	[ 'a child of inheritance', [ $t, 'CREATE TABLE k () INHERITS (t)', 'CREATE INDEX k_a_idx ON k (a)' ], [ $rows =~ s/INTO t/INTO k/r ], [$by_a], [], ['DROP INDEX k_a_idx'], 'refused' ],
	[ 'unique, unused, with its column', [ 'CREATE TABLE t (a int UNIQUE, b int, c text)' ], [$rows], [], [], ['ALTER TABLE t DROP COLUMN a'], 'done' ],
	[ 'the same where a rebuild takes long', [ 'CREATE TABLE t (a int UNIQUE, b int, c text)' ], [$rows], [], [], [ "SET guard.rebuild_limit = '64kB'", 'ALTER TABLE t DROP COLUMN a' ], 'refused' ],
	[ 'replica identity', [ 'CREATE TABLE t (a int NOT NULL, b int, c text)', 'CREATE UNIQUE INDEX t_a_idx ON t (a)', 'ALTER TABLE t REPLICA IDENTITY USING INDEX t_a_idx', 'CREATE PUBLICATION SELF FOR TABLE t' ], [$rows], [], [],
		['DROP INDEX t_a_idx'], 'refused' ],
	[ 'an invalid index', [ $t, $a, q{UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a_idx'::regclass} ], [$rows], [], [], ['DROP INDEX t_a_idx'], 'done' ],
	[ 'two uses, of two columns', [ $t, $a, 'CREATE INDEX t_b_idx ON t (b)' ], [$rows], [ $by_a, ('SELECT c FROM t WHERE b = 42') x 2 ], [], ['DROP INDEX t_b_idx'], 'refused' ],
	[ 'an old version at work', [ $t, $a ], [$rows], [], [ "SELECT guard.add_dependency('t_a_idx', 'auth', '2.0')", "SELECT guard.report_deployment('auth', '2.1')", "AS auth/1.9: $by_a" ],
		['DROP INDEX t_a_idx'], 'refused' ],
	[ 'detached there', [ $whole, $part->($in, $out), $rest, $part->('SELECT 1', 'CREATE INDEX t_1_a_idx ON t_1 (a)'), $a ], [$rows], [ ('SELECT count(*) FROM t WHERE b = 1') x 3 ],
		['ALTER TABLE t DETACH PARTITION t_1'], [ "SET guard.rebuild_limit = '16kB'", 'DROP TABLE t_1' ], 'done' ],
	[ 'attached there lately', [ $whole, $part->($out, $in), $rest, $a, $part->('CREATE INDEX t_1_a_idx ON t_1 (a)', 'SELECT 1') ], [ $rows =~ s/INTO t/INTO t_1/r =~ s/1000/400/r =~ s/, 100\)/, 500)/r ],
		[ ('SELECT c FROM t_1 WHERE a = 42') x 3 ], ['ALTER TABLE t ATTACH PARTITION t_1 FOR VALUES FROM (0) TO (500)'], ['DROP TABLE t_1'], 'refused' ],
	# as migration tools and people write it
	[ 'Rails: rename_index', [ $t, $a ], [$rows], [$by_a], [], ['ALTER INDEX "t_a_idx" RENAME TO "index_t_on_a"'], 'done' ],
	[ 'Rails: remove_index', [ $t, $a ], [$rows], [$by_a], [], ['DROP INDEX  "t_a_idx"'], 'refused' ],
	[ 'Rails: rename_column, and remove_index by the new name', [ $t, $a ], [$rows], [$by_a], [], [ 'ALTER TABLE "t" RENAME COLUMN "a" TO "aa"', 'DROP INDEX  "t_a_idx"' ], 'refused' ],
	[ 'Django: RenameIndex, and in another migration RemoveIndex', [ $t, $a ], [$rows], [$by_a], [], [ 'ALTER INDEX "t_a_idx" RENAME TO "t_a_4f2e_idx"', 'BEGIN', 'DROP INDEX IF EXISTS "t_a_4f2e_idx"', 'COMMIT' ], 'refused' ],
	[ 'Django: AlterField', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'ALTER TABLE "t" ALTER COLUMN "a" TYPE bigint USING "a"::bigint', 'DROP INDEX IF EXISTS "t_a_like"', 'COMMIT' ], 'done' ],
	[ 'Flyway: several in a line', [ $t, $a ], [$rows], [$by_a], [], ['CREATE INDEX n ON t (b); DROP INDEX t_a_idx; ALTER TABLE t ADD d int'], 'refused' ],
	[ 'Flyway: turned round, in a line', [ $t, $a ], [$rows], [$by_a], [], ['CREATE INDEX n ON t (a); DROP INDEX t_a_idx'], 'done' ],
	[ 'Flyway: made up for, in a line', [ $t, $a ], [$rows], [$by_a], [], ['DROP INDEX t_a_idx; CREATE INDEX n ON t (a)'], 'done' ],
	[ 'gh-ost: all in a line', [ $t, $a ], [$rows], [$by_a], [], ['CREATE TABLE n (LIKE t INCLUDING ALL); ALTER TABLE t RENAME TO o; ALTER TABLE n RENAME TO t; DROP TABLE o'], 'done' ],
	[ 'the same without the indexes', [ $t, $a ], [$rows], [$by_a], [], ['CREATE TABLE n (LIKE t); ALTER TABLE t RENAME TO o; ALTER TABLE n RENAME TO t; DROP TABLE o'], 'refused' ],
	[ 'by its columns, in a DO block', [ $t, $a ], [$rows], [$by_a], [],
		[q{DO $$DECLARE r record; BEGIN FOR r IN SELECT schemaname, indexname FROM pg_indexes WHERE schemaname = current_schema AND tablename = 't' AND indexdef ~ '\(a\)'
			LOOP EXECUTE format('DROP INDEX IF EXISTS %I.%I CASCADE', r.schemaname, r.indexname); END LOOP; END$$}], 'refused' ],
	[ 'in a function', [ $t, $a ], [$rows], [$by_a], [], [ q{CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN DROP INDEX t_a_idx; END$$}, 'SELECT f()' ], 'refused' ],
	[ 'in a function in SQL', [ $t, $a ], [$rows], [$by_a], [], [ q{CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP INDEX t_a_idx'}, 'SELECT f()' ], 'refused' ],
	[ 'in a procedure that commits', [ $t, $a ], [$rows], [$by_a], [],
		[ q{CREATE PROCEDURE f() LANGUAGE plpgsql AS $$BEGIN ALTER TABLE t ADD d int; COMMIT; EXECUTE 'DROP INDEX t_a_idx'; COMMIT; END$$}, 'CALL f()' ], 'refused' ],
	[ 'in a block that catches every error', [ $t, $a ], [$rows], [$by_a], [], [q{DO $$BEGIN DROP INDEX t_a_idx; EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'well'; END$$}], 'refused' ],
	[ 'IF EXISTS, CASCADE, and a view', [ $t, $a, 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], ['SELECT c FROM v WHERE a = 42'], [], ['DROP TABLE IF EXISTS t CASCADE'], 'refused' ],
	[ 'the view alone', [ $t, $a, 'CREATE VIEW v AS SELECT * FROM t' ], [$rows], [$by_a], [], ['DROP VIEW IF EXISTS v CASCADE'], 'done' ],
	[ 'a materialized view that is read', [ $t, 'CREATE MATERIALIZED VIEW m AS SELECT * FROM t', 'CREATE INDEX m_idx ON m (a)' ], [ $rows, 'REFRESH MATERIALIZED VIEW m' ], ['SELECT c FROM m WHERE a = 42'], [],
		['DROP MATERIALIZED VIEW IF EXISTS m CASCADE'], 'refused' ],
	[ 'a partition changed for a new one', [ @$parts, $a ], [$rows], [ ($by_a) x 25 ], [],
		[ 'CREATE TABLE n (LIKE t INCLUDING DEFAULTS)', 'BEGIN', 'ALTER TABLE t DETACH PARTITION t_1', 'ALTER TABLE t ATTACH PARTITION n FOR VALUES FROM (0) TO (500)', 'COMMIT' ], 'done' ],
	[ 'the same, and the old one goes', [ @$parts, $a ], [$rows], [ ($by_a) x 25 ], [],
		[ 'CREATE TABLE n (LIKE t INCLUDING DEFAULTS)', 'BEGIN', 'ALTER TABLE t DETACH PARTITION t_1', 'ALTER TABLE t ATTACH PARTITION n FOR VALUES FROM (0) TO (500)', 'COMMIT', 'DROP TABLE t_1' ], 'done' ],
	[ 'the partition alone, that statements aim at', [ @$parts, $a ], [$rows], [ ($by_a) x 25 ], [], [ 'ALTER TABLE t DETACH PARTITION t_1', 'DROP TABLE t_1' ], 'done' ],
	[ 'an index on one partition only', [ @$parts, 'CREATE INDEX t_1_a_idx ON t_1 (a)' ], [$rows], [ ($by_a) x 25 ], [], ['DROP INDEX t_1_a_idx'], 'refused' ],
	[ 'two columns', [ $t, $a ], [$rows], [$by_a], [], ['ALTER TABLE t DROP COLUMN b, DROP COLUMN a'], 'refused' ],
	[ 'the second column of an index', [ $t, 'CREATE INDEX t_ab_idx ON t (a, b)' ], [$rows], [$by_a], [], ['ALTER TABLE t DROP COLUMN IF EXISTS b CASCADE'], 'refused' ],
	[ 'the same, and one without it is there', [ $t, 'CREATE INDEX t_ab_idx ON t (a, b)' ], [$rows], [$by_a], [], [ $a, 'ALTER TABLE t DROP COLUMN b' ], 'refused' ],
	[ 'a column of a predicate', [ $t, 'CREATE INDEX t_p_idx ON t (a) WHERE b = 1' ], [$rows], ['SELECT c FROM t WHERE a = 101 AND b = 1'], [], ['ALTER TABLE t DROP COLUMN b'], 'refused' ],
	[ 'a type by USING', [ $t, $a ], [$rows], [$by_a], [], ["ALTER TABLE t ALTER a TYPE text USING a::text || ''"], 'done' ],
	[ 'a type by USING, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'ALTER TABLE t ALTER a TYPE bigint USING a + 0', 'DROP INDEX IF EXISTS t_a_idx' ], 'refused' ],
	[ 'what a role owns', [ $t, $a, 'DO $$BEGIN CREATE ROLE SELF_owner; EXCEPTION WHEN duplicate_object THEN NULL; END$$', 'GRANT ALL ON SCHEMA SELF TO SELF_owner', 'ALTER TABLE t OWNER TO SELF_owner' ], [$rows], [$by_a], [],
		['DROP OWNED BY SELF_owner'], 'refused' ],
	[ 'what a role owned', [ $t, $a, 'DO $$BEGIN CREATE ROLE SELF_owner; EXCEPTION WHEN duplicate_object THEN NULL; END$$', 'GRANT ALL ON SCHEMA SELF TO SELF_owner', 'ALTER TABLE t OWNER TO SELF_owner' ], [$rows], [$by_a], [],
		[ 'REASSIGN OWNED BY SELF_owner TO CURRENT_USER', 'DROP OWNED BY SELF_owner' ], 'done' ],
	[ 'with an extension', [ 'CREATE EXTENSION pg_trgm SCHEMA SELF', $t, 'CREATE INDEX t_c_idx ON t USING gin (c gin_trgm_ops)' ], [$rows], [ 'SET enable_seqscan = off', "SELECT a FROM t WHERE c LIKE '%row 777%'" ], [],
		['DROP EXTENSION IF EXISTS pg_trgm CASCADE'], 'refused' ],
	[ 'with an extension, unused', [ 'CREATE EXTENSION btree_gist SCHEMA SELF', $t, 'CREATE INDEX t_a_gist ON t USING gist (a)' ], [$rows], [], [], ['DROP EXTENSION btree_gist CASCADE'], 'done' ],
	[ 'with a type', [ "CREATE TYPE e AS ENUM ('x', 'y')", 'CREATE TABLE t (a int, b int, c text, d e)', 'CREATE INDEX t_d_idx ON t (d, a)' ], [ $rows =~ s/INTO t/INTO t (a, b, c)/r, "UPDATE t SET d = 'x' WHERE a = 42" ],
		["SELECT c FROM t WHERE d = 'x'"], [], ['DROP TYPE e CASCADE'], 'refused' ],
	[ 'with a domain, unused', [ 'CREATE DOMAIN d AS int', 'CREATE TABLE t (a int, b d, c text)', 'CREATE INDEX t_b_idx ON t (b)' ], [$rows], [], [], ['DROP DOMAIN d CASCADE'], 'done' ],
	[ 'with the function of a predicate', [ $t, 'CREATE FUNCTION f(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN $1 = 1; END$$', 'CREATE INDEX t_p_idx ON t (a) WHERE f(b)' ], [$rows],
		['SELECT c FROM t WHERE a = 101 AND f(b)'], [], ['DROP FUNCTION f CASCADE'], 'refused' ],
	[ 'a key changed for a new one', [$pk], [$rows], ['SELECT c FROM t WHERE id = 42'], [],
		[ 'CREATE UNIQUE INDEX CONCURRENTLY n ON t (id)', 'ALTER TABLE t DROP CONSTRAINT IF EXISTS t_pkey, ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX n' ], 'done' ],
	[ 'a key changed for another column', [$pk], [$rows], ['SELECT c FROM t WHERE id = 42'], [], ['ALTER TABLE t DROP CONSTRAINT t_pkey, ADD COLUMN k serial, ADD CONSTRAINT t_pkey PRIMARY KEY (k)'], 'refused' ],
	[ 'a key that others refer to', $fk, $fk_rows, ['INSERT INTO t VALUES (7)'], [], ['ALTER TABLE p DROP CONSTRAINT p_pkey CASCADE'], 'done' ],
	[ 'a view in the place of a table', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'ALTER TABLE t RENAME TO t_v2', 'CREATE VIEW t AS SELECT a, b, c FROM t_v2', 'COMMIT' ], 'done' ],
	[ 'the same, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'ALTER TABLE t RENAME TO t_v2', 'CREATE VIEW t AS SELECT a, b, c FROM t_v2', 'COMMIT', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'a child that leaves', [ $t, 'CREATE TABLE k () INHERITS (t)', 'CREATE INDEX k_a_idx ON k (a)' ], [ $rows =~ s/INTO t/INTO k/r ], [$by_a], [], [ 'ALTER TABLE k NO INHERIT t', 'DROP TABLE k' ], 'done' ],
	[ 'a temporary one of that name', [ $t, $a ], [$rows], [$by_a], [], [ 'CREATE TEMP TABLE t (a int)', 'CREATE INDEX t_a_idx ON pg_temp.t (a)', 'DROP INDEX t_a_idx', 'DROP TABLE t' ], 'done' ],
	[ 'clustered, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'CLUSTER t USING t_a_idx', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'VACUUM FULL, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'VACUUM FULL t', 'DROP INDEX t_a_idx RESTRICT' ], 'refused' ],
	[ 'IF NOT EXISTS makes nothing', [ $t, $a ], [$rows], [$by_a], [], [ 'CREATE INDEX IF NOT EXISTS t_a_idx ON t (b)', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'emptied, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'TRUNCATE t', 'DROP INDEX t_a_idx' ], 'done' ],
	[ 'emptied and dropped in one transaction', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'TRUNCATE t', 'DROP INDEX t_a_idx', 'COMMIT' ], 'done' ],
	[ 'one INCLUDEs what another has', [ $t, $a ], [$rows], [$by_a], [], [ 'CREATE INDEX n ON t (a) INCLUDE (c)', 'DROP INDEX t_a_idx' ], 'done' ],
	[ 'the other order of columns', [ $t, $a ], [$rows], [$by_a], [], [ 'CREATE INDEX n ON t (a DESC NULLS LAST)', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'a partial one in its place', [ $t, $a ], [$rows], [$by_a], [], [ 'CREATE INDEX n ON t (a) WHERE a > 500', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'unlogged, and then the index', [ $t, $a ], [$rows], [$by_a], [], [ 'ALTER TABLE t SET UNLOGGED', 'DROP INDEX t_a_idx' ], 'refused' ],
	[ 'a column of another name, made anew', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'ALTER TABLE t ADD a_new bigint', 'CREATE INDEX n ON t (a_new)', 'ALTER TABLE t DROP COLUMN a', 'ALTER TABLE t RENAME a_new TO a', 'COMMIT' ], 'done' ],
	[ 'the same without the index', [ $t, $a ], [$rows], [$by_a], [], [ 'BEGIN', 'ALTER TABLE t ADD a_new bigint', 'ALTER TABLE t DROP COLUMN a', 'ALTER TABLE t RENAME a_new TO a', 'COMMIT' ], 'refused' ]);
cmp_ok(scalar @cases, '>=', 130, 'a hundred and thirty cases and more');

my $node = guard_server('main', extension => 0, conf => "pg_stat_statements.track = all\nautovacuum = off\n");
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach 'live', 'copy';

sub in
{
	my ($database, $service) = @_;

	return session($node, application_name => $service // 'migration', database => $database);
}

# One schema a case: c1, c2, ...
my %maker = map { $_ => in($_, 'maker') } 'live', 'copy';
$_->ok('CREATE EXTENSION guard') foreach values %maker;
$maker{live}->ok('CREATE EXTENSION pg_stat_statements');
for my $n (1 .. @cases)
{
	foreach my $database ('live', 'copy')
	{
		$maker{$database}->ok($_ =~ s/SELF/c$n/gr) foreach "CREATE SCHEMA c$n", "SET search_path = c$n", @{ $cases[ $n - 1 ][1] };
	}
	$maker{live}->ok($_) foreach @{ $cases[ $n - 1 ][2] };
}
$maker{live}->ok('VACUUM ANALYZE');
for my $n (1 .. @cases)
{
	my $auth = in('live', 'auth');

	$auth->ok($_) foreach "SET search_path = c$n", @{ $cases[ $n - 1 ][3] };
	$auth->close;
	$maker{live}->ok("SET search_path = c$n");
	foreach (@{ $cases[ $n - 1 ][4] })
	{
		my $session = /^AS (\S+): (.*)/ ? in('live', $1) : $maker{live};

		$session->ok($_) foreach $session == $maker{live} ? $_ : ("SET search_path = c$n", $2);
		$session->close if $session != $maker{live};
	}
}
wait_until($maker{live}, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'auth'");

my $document = $maker{live}->value('SELECT guard.export_profile()');
sub import_it
{
	my ($session, $source, $document) = @_;

	return $session->query("SELECT guard.import_profile('$source', \$guard\$$document\$guard\$)");
}
passed(import_it($maker{copy}, 'prod', $document), 'imported');

# ---- what guard.check says of every index of the cases

sub verdicts
{
	my ($session) = @_;

	return { map { $_->[0] => "$_->[1] $_->[2]" } @{ $session->ok(
		"SELECT x.indexrelid::regclass, c.verdict, c.reason FROM pg_index x JOIN pg_class r ON r.oid = x.indexrelid, LATERAL guard.check(x.indexrelid) c
		  WHERE r.relnamespace::regnamespace::text ~ '^c\\d'")->{rows} } };
}
$_->ok('RESET search_path') foreach values %maker;
my ($live, $copy) = map { verdicts($maker{$_}) } 'live', 'copy';
my @differ = grep { $live->{$_} ne ($copy->{$_} // 'none') } sort keys %$live;
diag("$_: live $live->{$_}, on the copy " . ($copy->{$_} // 'none')) foreach @differ;
cmp_ok(@differ / keys %$live, '<=', 0.01, 'guard.check says the same of ' . (keys(%$live) - @differ) . ' of ' . keys(%$live) . ' indexes');

# ---- and what becomes of each migration

# How far it comes.
sub run
{
	my ($database, $n) = @_;
	my $session = in($database);
	my $outcome = 'done';

	$session->ok("SET search_path = c$n");
	foreach my $statement (@{ $cases[ $n - 1 ][5] })
	{
		my $error = $session->query($statement =~ s/SELF/c$n/gr)->{error};

		next if !defined $error;
		$outcome = $error->{C} eq '55006' ? 'refused' : "$error->{C} $error->{M}";
		diag("$n $database: $statement: $error->{M}") if $ENV{SHOW};
		last;
	}
	$session->query('ROLLBACK');
	$session->close;
	return $outcome;
}
my @other;
for my $n (1 .. @cases)
{
	my ($name, $expected) = @{ $cases[ $n - 1 ] }[ 0, 6 ];
	my ($live, $copy) = map { run($_, $n) } 'live', 'copy';

	is($live, $expected, "$n, $name: live");
	next if $copy eq $live;
	push @other, $name;
	diag("$n, $name: live $live, on the copy $copy");
}
is("@other", '', 'the same verdict in all of ' . @cases . ' cases');

# ---- who says so, and how long ago

my $copy_session = in('copy');
$copy_session->ok('SET search_path = c1');
my $refused = $copy_session->query('DROP INDEX t_a_idx');
refused($refused, qr/^cannot drop index "c1\.t_a_idx": guard saw auth use it once, last [0-9.]+ (s|min) ago \(prod, [0-9.]+ (s|min) ago\)$/, 'source and age');

# ---- what is no profile is not imported, and leaves what was

my $before = $maker{copy}->value('SELECT (source, exported_at, imported_at)::text FROM guard.profile');
foreach my $bad (
	[ q{jsonb_set(d, '{indexes,0,pages}', '"x"')}, '22023', qr/^this is no profile: \$\.indexes\[0\]\.pages must be of type integer$/ ],
	[ q{jsonb_set(d, '{indexes,0,pages}', '1e30')}, '22023', qr/\$\.indexes\[0\]\.pages is out of range/ ],
	[ q{jsonb_set(d, '{relations,3,tuples}', '1e400')}, '22023', qr/\$\.relations\[3\]\.tuples is out of range/ ],
	[ q{d #- '{relations,2,name}'}, '22023', qr/\$\.relations\[2\] lacks member "name"/ ],
	[ q{jsonb_set(d, ARRAY['statements', '0', 'odd"'], '1')}, '22023', qr/\$\.statements\[0\] has member "odd\\"", which the format does not know/ ],
	[ q{jsonb_set(d, '{exported}', '"2026-02-31T00:00:00Z"')}, '22023', qr/\$\.exported is no point in time/ ],
	[ q{jsonb_set(d, '{exported}', '"2998-01-01T00:00:00Z"')}, '22023', qr/\$\.exported is in the future/ ],
	[ q{jsonb_set(d, '{indexes,0,evidence,uses,0,by}', '{"views": [{"name": "v"}]}')}, '22023', qr/\$\.indexes\[0\]\.evidence\.uses\[0\]\.by\.views\[0\] lacks member "last"/ ],
	[ q{jsonb_set(d, '{guard,mode}', '[]')}, '22023', qr/\$\.guard\.mode must be of type string/ ],
	[ q{jsonb_set(d, '{format}', '"guard/profile/2"')}, '0A000', qr{^profile has format guard/profile/2, which is newer than this guard reads$} ],
	[ q{jsonb_set(d, '{format}', '"mysql"')}, '22023', qr{\$\.format is not "guard/profile/1"} ],
	[ q{'[1]'}, '22023', qr/\$\.format is not/ ],
	[ q{'null'}, '22023', qr/\$\.format is not/ ],
	[ q{(repeat('[', 100000) || repeat(']', 100000))::jsonb}, '54001', qr/stack depth/ ])
{
	my ($expression, $code, $message) = @$bad;

	failed($maker{copy}->query("SELECT guard.import_profile('prod', $expression) FROM (SELECT \$guard\$$document\$guard\$::jsonb AS d) d"), $code, $message, $expression);
}
is($maker{copy}->value('SELECT (source, exported_at, imported_at)::text FROM guard.profile'), $before, 'what was there is there');
failed($maker{copy}->query("SELECT guard.import_profile(' ', '{}')"), '22023', qr/a profile needs a source/, 'no source');

# ---- whose it is to import

$node->safe_psql('copy', 'CREATE ROLE someone LOGIN; CREATE ROLE dba LOGIN; GRANT EXECUTE ON FUNCTION guard.import_profile(text, jsonb, boolean), guard.forget_profile(text) TO dba');
my %by = map { $_ => session($node, user => $_, database => 'copy') } 'someone', 'dba';
failed(import_it($by{someone}, 'prod', $document), '42501', qr/permission denied/, 'not anybody');
passed(import_it($by{dba}, 'other', $document), 'whoever may');
is($maker{copy}->value("SELECT imported_by FROM guard.profiles WHERE source = 'other'"), 'dba', 'and it is known who');
is($by{dba}->value("SELECT guard.forget_profile('other')"), 't', 'taken back');
is($by{dba}->value("SELECT guard.forget_profile('other')"), 'f', 'once');

# ---- of several, each may object

my $quiet = JSON::PP->new->decode($document);
$_->{evidence}{uses} = [ grep { $_->{seen} ne 'used' } @{ $_->{evidence}{uses} } ] foreach grep { $_->{evidence} } @{ $quiet->{indexes} };
my $empty = JSON::PP->new->encode($quiet);
passed(import_it($maker{copy}, 'standby', $empty), 'nobody uses anything on the standby');
is(verdict($maker{copy}, 'c1.t_a_idx'), 'block hot', 'used by one: hot');
passed(import_it($maker{copy}, 'prod', $empty), 'nor in production');
isnt(verdict($maker{copy}, 'c1.t_a_idx'), 'block hot', 'by nobody: not hot');
passed(import_it($maker{copy}, 'standby', $document), 'the other way round');
is(verdict($maker{copy}, 'c1.t_a_idx'), 'block hot', 'hot');
passed(import_it($maker{copy}, 'prod', $document), 'as it was');
$maker{copy}->ok("SELECT guard.forget_profile('standby')");

# ---- names that are generated differ; a copy of the copy; what differs

$maker{copy}->ok('ALTER INDEX c3.t_a_idx RENAME TO idx_4711');
$maker{copy}->ok('CREATE INDEX here_alone ON c3.t (b)');
$maker{copy}->ok('SET guard.mode = off; DROP INDEX c4.t_a_idx; RESET guard.mode') if $maker{copy}->value("SELECT to_regclass('c4.t_a_idx')");
passed(import_it($maker{copy}, 'prod', $document), 'imported again');
is(verdict($maker{copy}, 'c3.idx_4711'), 'block hot', 'found by its definition');
is($maker{copy}->value("SELECT string_agg(drift || ' ' || index_name, ', ' ORDER BY drift) FROM guard.profile_drift WHERE table_schema IN ('c3', 'c4')"),
	'missing here t_a_idx, unknown there here_alone', 'what differs');
$_->close foreach $copy_session, values %by, values %maker;
wait_until(session($node), "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'copy'");
$node->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE copy');
my $again = in('again');
is(verdict($again, 'c1.t_a_idx'), 'block hot', 'a copy of the database believes it as well');

# ---- clocks that are an hour apart: ages travel

# All points in time of the document, so much later.
sub later
{
	my ($seconds) = @_;

	return $document =~ s{"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)((?:\.\d+)?(?:Z|\+00:00))"}
		{'"' . (Time::Piece->strptime($1, '%Y-%m-%dT%H:%M:%S') + $seconds)->strftime('%Y-%m-%dT%H:%M:%S') . "$2\""}gre;
}
my $ages = q{SELECT string_agg(format('%s %s %s', p.imported_at - f.last_use, p.imported_at - f.since, extract(epoch FROM p.imported_at) * 1000000 - NULLIF(f.names[1], '0')::bigint), ', ' ORDER BY f.relation_oid, f.observer, f.last_use)
	  FROM guard.profile_fact f JOIN guard.profile p USING (source)};
my %aged;
foreach my $seconds (0, 3600, -3600)
{
	passed(import_it($again, 'prod', later($seconds)), "imported from a clock that is $seconds s ahead");
	$aged{$seconds} = $again->value($ages);
	is($again->value('SELECT count(*) FROM guard.profile_fact WHERE greatest(since, first_use, last_use, known_first) > clock_timestamp()'), 0, 'nothing happened in the future');
	is(verdict($again, 'c1.t_a_idx'), 'block hot', 'hot');
}
is($aged{$_}, $aged{0}, 'as long ago as it was') foreach 3600, -3600;
passed(import_it($again, 'prod', later(3600)), 'from an hour ahead');
$again->ok(q{UPDATE guard.profile SET (exported_at, imported_at) = (exported_at - interval '7 days 1 minute', imported_at - interval '7 days 1 minute')});
is(verdict($again, 'c1.t_a_idx'), 'allow unknown', 'and after a week it is a week old');
passed(import_it($again, 'prod', $document), 'as it was');

# ---- too old

$again->ok("UPDATE guard.profile SET exported_at = exported_at - interval '8 days'");
is(verdict($again, 'c1.t_a_idx'), 'allow unknown', 'a week later it is unknown');
like($again->value("SELECT detail FROM guard.check('c1.t_a_idx')"), qr/^what is known of its use is too old \(prod, 8(\.\d+)? days ago\)/, 'and that is said');
$again->ok("SET guard.rebuild_limit = '64kB'");
is(verdict($again, 'c1.t_a_idx'), 'block unknown', 'which blocks what is large there');
$again->ok('RESET guard.rebuild_limit');
$again->ok("SET guard.min_evidence_age = '30d'");
is(verdict($again, 'c1.t_a_idx'), 'block hot', 'where evidence takes longer, it counts longer');
$again->ok('RESET guard.min_evidence_age');

# ---- a hostile one is wrong about evidence, and nothing else

my $hostile = JSON::PP->new->decode($document);
my $injection = q{x'); DROP TABLE c1.t; SELECT ('"$1\\};
$again->ok(q{CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql AS $$BEGIN CREATE TABLE public.pwned (); RETURN 1; END$$});
foreach my $index (@{ $hostile->{indexes} })
{
	$index->{definition} = "CREATE INDEX $injection";
	next if !$index->{use};
	$index->{use}{services} = [ { service => $injection, registered => JSON::PP::true, until_version => $injection, note => $injection } ];
	$index->{use}{protected} = { reason => $injection, by => $injection };
	foreach my $use ($index->{evidence} ? @{ $index->{evidence}{uses} } : ())
	{
		@$use{qw(count per_second longest_pause_seconds services note not_observed)} = (9e18, 1e300, 1e10, $injection, $injection, $injection);
		$use->{columns} = [$injection];
		$use->{by} = { name => '2999-01-01T00:00:00Z', views => [ map { +{ schema => $injection, name => $_, last => '1900-01-01T00:00:00Z' } } ($injection) x 10 ] };
		$use->{last} = '1900-01-01T00:00:00Z';
	}
}
foreach my $relation (@{ $hostile->{relations} })
{
	@$relation{qw(pages tuples)} = (9_000_000_000_000_000_000, 1e300);
	$relation->{parents} = [ { schema => $relation->{schema}, name => $relation->{name} } ];
}
$_->{text} = 'SELECT public.evil()' foreach @{ $hostile->{statements} };
my $result = import_it($again, 'hostile', JSON::PP->new->encode($hostile) =~ s/9e\+18/9000000000000000000/gr);
passed($result, 'imported');
$again->ok("SELECT guard.forget_profile('prod')");
$again->ok("SELECT count(*) FROM pg_index x JOIN pg_class r ON r.oid = x.indexrelid, LATERAL guard.check(x.indexrelid) c WHERE r.relnamespace::regnamespace::text ~ '^c\\d'");
refused($again->query('DROP INDEX c1.t_a_idx'), qr/^cannot drop index "c1\.t_a_idx"/, 'what it says is believed');
is($again->value("SELECT to_regclass('public.pwned')"), undef, 'nothing of it was run');
is($again->value("SELECT count(*) FROM pg_class WHERE oid = 'c1.t'::regclass"), 1, 'nor lost');
$again->ok("SELECT guard.forget_profile('hostile')");
is(verdict($again, 'c1.t_a_idx'), 'allow harmless', 'and taken back it is as if it had never been there');

# ---- made without guard: what its counters say, and plans

my $bare = JSON::PP->new->decode($document);
delete $bare->{guard};
delete @$_{qw(evidence use)} foreach @{ $bare->{indexes} }, @{ $bare->{relations} };
$_->{scans} = $_->{schema} eq 'c2' ? 1000 : 0 foreach @{ $bare->{indexes} };
$bare->{statements} = [ { text => 'SELECT c FROM c1.t WHERE a = $1', parameters => [], calls => 400_000, calls_per_second => 412, query_ids => ['1'] } ];
passed(import_it($again, 'bare', JSON::PP->new->encode($bare)), 'imported, of a server without guard');
isnt(verdict($again, 'c1.t_a_idx'), 'block hot', 'its counters say that nobody uses it');
is(verdict($again, 'c2.t_a_idx'), 'block hot', 'or that somebody does') if defined $again->value("SELECT to_regclass('c2.t_a_idx')");
$node->safe_psql('again', 'CREATE ROLE planner; GRANT USAGE ON SCHEMA c1 TO planner');
is($again->value("SELECT guard.remember_plans('bare', 'planner')"), 1, 'its statement is planned here');
is(verdict($again, 'c1.t_a_idx'), 'block hot', 'and what its plan uses is in use');
refused($again->query('DROP INDEX c1.t_a_idx'), qr/guard sees 1 statement, by plan, use it 412 times a second \(bare, /, 'by plan, as is said');
isnt(verdict($again, 'c5.t_a_idx'), 'block hot', 'nothing else is') if defined $again->value("SELECT to_regclass('c5.t_a_idx')");

done_testing();
