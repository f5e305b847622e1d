-- What statements need besides reading passes on with the name: what bears it has to
-- have that, too.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE t (id int CONSTRAINT t_pkey PRIMARY KEY, a int, s text, e text, CONSTRAINT t_e_key UNIQUE (e));
INSERT INTO t SELECT i, i % 100, 's' || i, 'e' || i FROM generate_series(1, 5000) i;
CREATE INDEX t_a ON t (a);
CALL use('SELECT id || s || count(*) FROM t WHERE a = 7 GROUP BY id');
CALL use('INSERT INTO t VALUES (1, 1, ''s'', ''e1'') ON CONFLICT ON CONSTRAINT t_e_key DO UPDATE SET a = t.a');
CREATE TABLE n (LIKE t);
INSERT INTO n TABLE t;
CREATE UNIQUE INDEX n_pkey ON n (id);
CREATE UNIQUE INDEX n_e_key ON n (e);
CREATE INDEX n_a ON n (a);
-- unique indexes are neither a primary key nor a constraint of that name
BEGIN;
ALTER TABLE t RENAME TO t_old;
ALTER TABLE n RENAME TO t;
COMMIT;
:refusal
ALTER TABLE n ADD PRIMARY KEY USING INDEX n_pkey;
ALTER TABLE n ADD CONSTRAINT n_e_key UNIQUE USING INDEX n_e_key;
BEGIN;
ALTER TABLE t RENAME TO t_old;
ALTER TABLE n RENAME TO t;
COMMIT;
:refusal
-- nor is either seen through a view
BEGIN;
ALTER TABLE t RENAME TO t_base;
CREATE VIEW t AS SELECT * FROM t_base;
COMMIT;
:refusal
-- it may take the name as well
BEGIN;
ALTER TABLE t RENAME TO t_old;
ALTER TABLE t_old RENAME CONSTRAINT t_e_key TO t_old_e_key;
ALTER TABLE n RENAME TO t;
ALTER TABLE t RENAME CONSTRAINT n_e_key TO t_e_key;
COMMIT;
:refusal
DROP TABLE t_old;
-- who infers it is served by any
CREATE TABLE u (id int, e text);
CREATE UNIQUE INDEX u_e ON u (e);
INSERT INTO u SELECT i, 'e' || i FROM generate_series(1, 5000) i;
CALL use('INSERT INTO u VALUES (1, ''e1'') ON CONFLICT (e) DO UPDATE SET id = u.id');
CREATE TABLE u_new (LIKE u);
CREATE UNIQUE INDEX u_new_e ON u_new (e);
INSERT INTO u_new TABLE u;
BEGIN;
ALTER TABLE u RENAME TO u_old;
ALTER TABLE u_new RENAME TO u;
COMMIT;
DROP TABLE u_old;
BEGIN;
ALTER TABLE u RENAME TO u_base;
CREATE VIEW u AS SELECT * FROM u_base;
COMMIT;
-- plans that rely on a key rely on that of the successor
CREATE TABLE x (id int CONSTRAINT x_pkey PRIMARY KEY, a int, b int);
INSERT INTO x SELECT i, i % 100, i FROM generate_series(1, 5000) i;
CREATE INDEX x_a ON x (a);
CALL use('SELECT count(y.a) FROM x y LEFT JOIN x z ON z.id = y.b WHERE y.a = 7', 'auth', 3);
CREATE TABLE x_new (LIKE x INCLUDING ALL);
INSERT INTO x_new TABLE x;
BEGIN;
ALTER TABLE x RENAME TO x_old;
ALTER TABLE x_new RENAME TO x;
COMMIT;
DROP TABLE x_old;
-- a view is asked where what it shows has the rows
CREATE TABLE p (at int, k int, pad text) PARTITION BY RANGE (at);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (5000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (5000) TO (10000);
INSERT INTO p SELECT i, i % 500, repeat('x', 50) FROM generate_series(0, 9999) i;
CREATE INDEX p1_k ON p1 (k);
CALL use('SELECT count(*) FROM p WHERE k = 7 AND at < 5000');
BEGIN;
ALTER TABLE p RENAME TO p_base;
CREATE VIEW p AS SELECT * FROM p_base;
COMMIT;
DROP INDEX p1_k;
:refusal

-- Where what bears the name serves the need, the reads are a question of their own: another index would do for them at the same cost, of
-- the old table and of the new one alike.
CREATE PROCEDURE tools.copied(t text, VARIADIC others text[]) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %1$I (id int PRIMARY KEY, a int, pad text)', t);
	EXECUTE format('INSERT INTO %I SELECT i, i %% 100, repeat(''x'', 100) FROM generate_series(1, 5000) i', t);
	EXECUTE format('CREATE INDEX %I ON %I (id, a)', t || '_a', t);
	EXECUTE format('CREATE UNIQUE INDEX %I ON %I (id NULLS FIRST) INCLUDE (a)', t || '_first', t);
	COMMIT;
	CALL tools.vacuum(t::regclass);
	CALL tools.plainly(format('SELECT sum(a) FROM %I WHERE id < 50', t));
	CALL tools.use(format('INSERT INTO %I VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET a = excluded.a', t));
	EXECUTE format('CREATE TABLE %I (LIKE %I)', t || '_new', t);
	EXECUTE format('INSERT INTO %I TABLE %I', t || '_new', t);
	FOR i IN 1 .. array_length(others, 1) LOOP
		EXECUTE replace(others[i], 'new', t || '_new');
	END LOOP;
END
$$;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
\c
CALL copied('one', 'CREATE UNIQUE INDEX ON new (id)', 'CREATE INDEX ON new (id, a)');
SELECT * FROM verdict('one');
BEGIN;
ALTER TABLE one RENAME TO one_old;
ALTER TABLE one_new RENAME TO one;
COMMIT;
SELECT to_regclass('one_new') IS NULL AS passed;
-- the need is served, not the reads
CALL copied('two', 'CREATE UNIQUE INDEX ON new (id)');
BEGIN;
ALTER TABLE two RENAME TO two_old;
ALTER TABLE two_new RENAME TO two;
COMMIT;
:refusal
-- the reads are, not the need
CALL copied('three', 'CREATE INDEX ON new (id)', 'CREATE INDEX ON new (id, a)');
BEGIN;
ALTER TABLE three RENAME TO three_old;
ALTER TABLE three_new RENAME TO three;
COMMIT;
:refusal
-- nobody reads it, and the old table goes at once
CREATE TABLE four (id int PRIMARY KEY, a int, pad text);
INSERT INTO four SELECT i, i % 100, repeat('x', 100) FROM generate_series(1, 5000) i;
CREATE UNIQUE INDEX four_first ON four (id NULLS FIRST);
CALL use('INSERT INTO four VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET a = excluded.a');
CREATE TABLE four_new (LIKE four);
INSERT INTO four_new TABLE four;
BEGIN;
DROP TABLE four;
ALTER TABLE four_new RENAME TO four;
COMMIT;
:refusal
ALTER TABLE four_new ADD PRIMARY KEY (id);
BEGIN;
DROP TABLE four;
ALTER TABLE four_new RENAME TO four;
COMMIT;
SELECT to_regclass('four_new') IS NULL AS passed;
