-- A use has come by the name of its table, or by the views that lead to it: what changes under
-- the one is nothing to those who come by the other.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE u1 AS SELECT i AS id, 's' || i AS email, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX u1_email ON u1 (email);
CREATE TABLE u2 AS TABLE u1;
ANALYZE;

-- nobody reads the view: it may lead where it likes
CREATE VIEW v AS SELECT id, email AS mail FROM u1;
CREATE VIEW w AS SELECT * FROM v;
CALL use('SELECT count(*) FROM u1 WHERE email = ''s17''');
CREATE OR REPLACE VIEW v AS SELECT id, email AS mail FROM u2;
BEGIN;
DROP VIEW v CASCADE;
CREATE VIEW v AS SELECT id, email AS mail FROM u2;
CREATE VIEW w AS SELECT * FROM v;
COMMIT;
CREATE OR REPLACE VIEW w AS SELECT id, email AS mail FROM u1;
CREATE OR REPLACE VIEW w AS SELECT id, email AS mail FROM u2;
-- but its own name is read
BEGIN;
ALTER TABLE u1 RENAME TO u1_old;
ALTER TABLE u2 RENAME TO u1;
COMMIT;
:refusal

-- by a view alone, and by one over another
CREATE TABLE t1 AS TABLE u1;
CREATE INDEX t1_email ON t1 (email);
CREATE TABLE t2 AS TABLE u1;
CREATE VIEW inner_v AS SELECT id, email AS mail, team FROM t1 WHERE team >= 0;
CREATE VIEW outer_v AS SELECT mail AS address, team FROM inner_v;
CALL use('SELECT count(*) FROM outer_v JOIN u2 USING (team) WHERE address = ''s17''');
CREATE OR REPLACE VIEW inner_v AS SELECT id, email AS mail, team FROM t2 WHERE team >= 0;
:refusal
CREATE OR REPLACE VIEW outer_v AS SELECT email AS address, team FROM t2;
:refusal
BEGIN;
DROP VIEW inner_v CASCADE;
CREATE VIEW outer_v AS SELECT email AS address, team FROM t2;
COMMIT;
:refusal
-- who else uses the table's name is not asked
CREATE TABLE t3 AS TABLE u1;
BEGIN;
ALTER TABLE t1 RENAME TO t1_old;
ALTER TABLE t3 RENAME TO t1;
COMMIT;
-- the views have followed, so the index is as hot as before, and no other has its use
DROP INDEX t1_email;
:refusal
CREATE INDEX t3_email ON t1 (email);
DROP INDEX t1_email;
:refusal
DROP INDEX t3_email;
-- also in one transaction
BEGIN;
ALTER TABLE t1 RENAME TO t3;
ALTER TABLE t1_old RENAME TO t1;
COMMIT;
BEGIN;
ALTER TABLE t1 RENAME TO t1_old;
ALTER TABLE t3 RENAME TO t1;
CREATE INDEX ON t1 (email);
DROP INDEX t1_email;
COMMIT;
:refusal
-- led elsewhere, where it is served
BEGIN;
CREATE INDEX t2_email ON t2 (email);
CREATE OR REPLACE VIEW inner_v AS SELECT id, email AS mail, team FROM t2 WHERE team >= 0;
DROP INDEX t1_email;
COMMIT;
:indexes

-- both ways: either is missed
CREATE TABLE b1 AS TABLE u1;
CREATE INDEX b1_email ON b1 (email);
CREATE TABLE b2 AS TABLE u1;
CREATE VIEW bv WITH (security_invoker = true) AS SELECT id, email FROM b1;
CALL use('SELECT count(*) FROM bv WHERE email = ''s17''');
CALL use('SELECT count(*) FROM b1 WHERE email = ''s17''');
CREATE OR REPLACE VIEW bv WITH (security_invoker = true) AS SELECT id, email FROM b2;
:refusal
BEGIN;
ALTER TABLE b1 RENAME TO b1_old;
ALTER TABLE b2 RENAME TO b1;
COMMIT;
:refusal
-- led elsewhere in one transaction, the index dropped in the next: its own name needs it
CREATE INDEX b2_email ON b2 (email);
CREATE OR REPLACE VIEW bv AS SELECT id, email FROM b2;
DROP INDEX b1_email;
:refusal

-- written to by a view, in a sublink of one, in a function
CREATE TABLE c1 AS TABLE u1;
CREATE INDEX c1_email ON c1 (email);
CREATE TABLE c2 AS TABLE u1;
CREATE VIEW cv AS SELECT id, email, team FROM c1;
CALL use('WITH c AS (UPDATE cv SET team = 1 WHERE email = ''s17'' RETURNING 1) SELECT count(*) FROM c');
BEGIN;
ALTER TABLE c1 RENAME TO c3;
ALTER TABLE c2 RENAME TO c1;
COMMIT;
CREATE OR REPLACE VIEW cv AS SELECT id, email, team FROM c1;
:refusal
CREATE FUNCTION by_email(text) RETURNS SETOF c1 STABLE LANGUAGE sql AS $$ SELECT * FROM c1 WHERE email = $1 $$;
CREATE INDEX c2_email ON c1 (email);
CALL use('SELECT count(*) FROM by_email(''s17'')');
BEGIN;
ALTER TABLE c1 RENAME TO c4;
CREATE TABLE c1 AS TABLE c4;
COMMIT;
:refusal

-- a view that computes is looked at for the one table that it reads instead
CREATE TABLE d1 AS TABLE u1;
CREATE INDEX d1_email ON d1 (email);
CREATE TABLE d2 AS TABLE u1;
CREATE VIEW dv AS SELECT a.email, count(b.id) AS n FROM d1 a LEFT JOIN u2 b USING (team) GROUP BY a.email;
CALL use('SELECT count(*) FROM dv WHERE email = ''s17''');
CREATE OR REPLACE VIEW dv AS SELECT a.email, count(b.id) AS n FROM d2 a LEFT JOIN u2 b USING (team) GROUP BY a.email;
:refusal
CREATE INDEX d2_email ON d2 (email);
CREATE OR REPLACE VIEW dv AS SELECT a.email, count(b.id) AS n FROM d2 a LEFT JOIN u2 b USING (team) GROUP BY a.email;
SELECT * FROM verdict('d1');
-- where that cannot be told, guard.unknown_action decides
CALL use('SELECT count(*) FROM dv WHERE email = ''s17''');
SET guard.unknown_action = block;
CREATE OR REPLACE VIEW dv AS SELECT a.email, 1::bigint AS n FROM u2 a;
:refusal
SET guard.unknown_action = auto;
CREATE OR REPLACE VIEW dv AS SELECT a.email, 1::bigint AS n FROM u2 a;
RESET guard.unknown_action;

-- what a view shows may be partitioned
CREATE TABLE p (id int, email text, team int) PARTITION BY RANGE (id);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (3000);
CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (3000) TO (6000);
INSERT INTO p SELECT id, email, team FROM u1;
CREATE INDEX p_email ON p (email);
CREATE TABLE q (team int, id int, email text) PARTITION BY RANGE (id);
CREATE TABLE q_1 PARTITION OF q DEFAULT;
INSERT INTO q SELECT team, id, email FROM u1;
CREATE VIEW pv AS SELECT id, email AS mail FROM p;
CALL use('SELECT count(*) FROM pv WHERE mail = ''s17''');
CREATE OR REPLACE VIEW pv AS SELECT id, email AS mail FROM q;
:refusal
BEGIN;
ALTER TABLE p RENAME TO p_old;
ALTER TABLE q RENAME TO p;
COMMIT;
BEGIN;
ALTER TABLE p_old DETACH PARTITION p_1;
CREATE TABLE p_3 PARTITION OF p_old FOR VALUES FROM (0) TO (3000);
DROP INDEX p_email;
COMMIT;
:refusal
BEGIN;
CREATE INDEX ON p (email);
CREATE OR REPLACE VIEW pv AS SELECT id, email AS mail FROM p;
COMMIT;
-- the same table, but other columns of it under the same names
CREATE TABLE sides AS SELECT i AS a, 5000 - i AS b, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX sides_a ON sides (a);
ANALYZE sides;
CREATE VIEW sv AS SELECT a AS k, b AS other, pad FROM sides;
CALL use('SELECT count(pad) FROM sv WHERE k = 17');
CREATE OR REPLACE VIEW sv AS SELECT b AS k, a AS other, pad FROM sides;
:refusal
BEGIN;
DROP VIEW sv;
CREATE VIEW sv AS SELECT b AS k, a AS other FROM sides;
COMMIT;
:refusal
-- in another order, or where nobody asks for it
BEGIN;
DROP VIEW sv;
CREATE VIEW sv AS SELECT pad, b AS other, a AS k FROM sides;
COMMIT;
CREATE OR REPLACE VIEW sv AS SELECT pad, b + 0 AS other, a AS k FROM sides;
CREATE OR REPLACE VIEW sv AS SELECT pad, b AS other, a AS k FROM sides;
-- or with the index that it needs
BEGIN;
CREATE INDEX sides_b ON sides (b);
CREATE OR REPLACE VIEW sv AS SELECT pad, a AS other, b AS k FROM sides;
COMMIT;
-- a column that the view does not show, but asks for itself: the index is needed as far as it does so there
CREATE TABLE cond1 AS SELECT i AS id, i AS at, CASE WHEN i % 50 > 0 THEN 1 END AS gone, i % 100 AS kind, 's' || i AS email, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX cond1_at ON cond1 (at) WHERE gone IS NULL;
CREATE INDEX cond1_kind ON cond1 (kind, at);
CREATE INDEX cond1_email ON cond1 (lower(email));
CREATE TABLE cond2 AS TABLE cond1;
CREATE INDEX cond2_all ON cond2 (at, id);
ANALYZE cond1, cond2;
CREATE VIEW cv_at AS SELECT id, at, pad FROM cond1 WHERE gone IS NULL;
CREATE VIEW cv_kind AS SELECT id, at, pad FROM cond1 WHERE kind = 17;
CREATE VIEW cv_below AS SELECT id, lower(email) AS mail, gone, pad FROM cond1;
CREATE VIEW cv_mail AS SELECT id, mail, pad FROM cv_below WHERE gone > 0;
CALL use('SELECT pad FROM cv_at WHERE at > 17 ORDER BY at LIMIT 5');
CALL use('SELECT count(pad) FROM cv_kind WHERE at < 3000');
CALL use('SELECT count(pad) FROM cv_mail WHERE mail = ''s17''');
CREATE OR REPLACE VIEW cv_at AS SELECT id, at, pad FROM cond2 WHERE gone IS NULL;
:refusal
CREATE OR REPLACE VIEW cv_kind AS SELECT id, at, pad FROM cond2 WHERE kind = 17;
:refusal
CREATE OR REPLACE VIEW cv_mail AS SELECT id, lower(email) AS mail, pad FROM cond2 WHERE gone > 0;
:refusal
-- what it asks for no more is not: here the rows that are left are all there
CREATE TABLE cond3 AS SELECT at, id, pad FROM cond1 WHERE gone IS NULL;
CREATE OR REPLACE VIEW cv_at AS SELECT id, at, pad FROM cond3;
:refusal
CREATE INDEX cond3_at ON cond3 (at);
CREATE OR REPLACE VIEW cv_at AS SELECT id, at, pad FROM cond3;
-- or served
CREATE INDEX cond2_kind ON cond2 (kind, at);
CREATE INDEX cond2_email ON cond2 (lower(email));
CREATE OR REPLACE VIEW cv_kind AS SELECT id, at, pad FROM cond2 WHERE kind = 17;
CREATE OR REPLACE VIEW cv_mail AS SELECT id, lower(email) AS mail, pad FROM cond2 WHERE gone > 0;
DROP INDEX cond2_kind;
:refusal
-- what a view computes now, or compares no more, is unknown
SET guard.unknown_action = block;
CREATE OR REPLACE VIEW cv_kind AS SELECT id, at + 0 AS at, pad FROM cond2 WHERE kind = 17;
:refusal
CREATE OR REPLACE VIEW cv_kind AS SELECT id, at, pad FROM cond3;
:refusal
BEGIN;
ALTER TABLE u1 RENAME TO u1_base;
CREATE VIEW u1 AS SELECT id, lower(email) AS email, team, pad FROM u1_base;
COMMIT;
:refusal
RESET guard.unknown_action;
CREATE OR REPLACE VIEW cv_kind AS SELECT id, at, pad FROM cond3;
-- functions whose body is bound follow their tables, too: planned alone, as part of a statement, or through a view
CREATE TABLE f1 AS TABLE u1;
CREATE INDEX f1_email ON f1 (email);
CREATE TABLE f2 AS TABLE u1;
CREATE FUNCTION f_count(text) RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM f1 WHERE email = $1);
CALL use('SELECT f_count(''s17'')');
BEGIN;
ALTER TABLE f1 RENAME TO f1_old;
ALTER TABLE f2 RENAME TO f1;
COMMIT;
DROP INDEX f1_email;
:refusal
SELECT * FROM verdict('f1_old');
CREATE TABLE g1 AS TABLE u1;
CREATE INDEX g1_email ON g1 (email);
CREATE TABLE g2 AS TABLE u1;
CREATE FUNCTION g_rows(text) RETURNS TABLE (id int) LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM g1 WHERE email = $1; END;
CALL use('SELECT count(*) FROM u2 JOIN g_rows(''s17'') USING (id)');
BEGIN;
ALTER TABLE g1 RENAME TO g1_old;
ALTER TABLE g2 RENAME TO g1;
COMMIT;
DROP INDEX g1_email;
:refusal
CREATE TABLE h1 AS TABLE u1;
CREATE INDEX h1_email ON h1 (email);
CREATE TABLE h2 AS TABLE u1;
CREATE VIEW hv AS SELECT id, email AS mail FROM h1;
CREATE FUNCTION h_rows(text) RETURNS SETOF int LANGUAGE sql BEGIN ATOMIC UPDATE u2 SET pad = pad WHERE false; SELECT id FROM hv WHERE mail = $1; END;
CREATE FUNCTION h_by_text(text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM h_rows($1)); END $$;
CALL use('SELECT h_by_text(''s17'')');
BEGIN;
ALTER TABLE h1 RENAME TO h1_old;
ALTER TABLE h2 RENAME TO h1;
COMMIT;
DROP INDEX h1_email;
:refusal
-- not those whose body is a text, nor what names the table beside them
CREATE TABLE i1 AS TABLE u1;
CREATE INDEX i1_email ON i1 (email);
CREATE TABLE i2 AS TABLE u1;
CREATE FUNCTION i_count(text) RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM i1 WHERE email = $1);
CREATE FUNCTION i_text(text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM i1 WHERE email = $1';
CALL use('SELECT i_count(''s17'') FROM i1 WHERE email = ''s18''');
BEGIN;
ALTER TABLE i1 RENAME TO i1_old;
ALTER TABLE i2 RENAME TO i1;
COMMIT;
:refusal
CREATE TABLE j1 AS TABLE u1;
CREATE INDEX j1_email ON j1 (email);
CREATE TABLE j2 AS TABLE u1;
CREATE FUNCTION j_text(text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM j1 WHERE email = $1';
CALL use('SELECT j_text(''s17'')');
BEGIN;
ALTER TABLE j1 RENAME TO j1_old;
ALTER TABLE j2 RENAME TO j1;
COMMIT;
:refusal
-- one that is bound to the new table goes by the name
CREATE TABLE k1 AS TABLE u1;
CREATE INDEX k1_email ON k1 (email);
CREATE TABLE k2 AS TABLE u1;
CREATE FUNCTION k_count(text) RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM k1 WHERE email = $1);
CALL use('SELECT k_count(''s17'')');
BEGIN;
ALTER TABLE k1 RENAME TO k1_old;
ALTER TABLE k2 RENAME TO k1;
CREATE OR REPLACE FUNCTION k_count(text) RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM k1 WHERE email = $1);
COMMIT;
:refusal
-- a view that is made anew has its traffic, whatever its OID
CREATE TABLE m1 AS TABLE u1;
CREATE INDEX m1_email ON m1 (email);
CREATE TABLE m2 AS TABLE u1;
CREATE VIEW mv AS SELECT id, email FROM m1;
CALL use('SELECT count(*) FROM mv WHERE email = ''s17''');
DROP VIEW mv;
CREATE VIEW mv AS SELECT id, email FROM m1;
DROP INDEX m1_email;
:refusal
CREATE OR REPLACE VIEW mv AS SELECT id, email FROM m2;
:refusal
BEGIN;
ALTER TABLE m1 RENAME TO m1_old;
ALTER TABLE m2 RENAME TO m1;
COMMIT;
DROP INDEX m1_email;
:refusal
DROP VIEW mv;
DROP INDEX m1_email;
-- one that goes with the view by which alone it was used, and not for its table's name or where the view comes back
CREATE TABLE n1 AS TABLE u1;
CREATE INDEX n1_email ON n1 (email);
CREATE VIEW nv AS SELECT id, email FROM n1;
CALL use('SELECT count(*) FROM nv WHERE email = ''s17''');
BEGIN; DROP VIEW nv; DROP INDEX n1_email; CREATE VIEW nv AS SELECT id, email FROM n1; COMMIT;
:refusal
BEGIN; DROP INDEX n1_email; DROP VIEW nv; ROLLBACK;
BEGIN; DROP VIEW nv; DROP INDEX n1_email; COMMIT;
:indexes
CREATE INDEX n1_email ON n1 (email);
CREATE VIEW nv AS SELECT id, email FROM n1;
CALL use('SELECT count(*) FROM nv WHERE email = ''s17''');
CALL use('SELECT count(*) FROM n1 WHERE email = ''s17''');
BEGIN; DROP VIEW nv; DROP INDEX n1_email; COMMIT;
:refusal

-- a view takes the name that the table had, and nobody has come since: its use goes by that, wherever it leads
\set make 'CREATE TABLE plain (id int PRIMARY KEY, email text, pad text); INSERT INTO plain SELECT i, ''e'' || i, repeat(''x'', 50) FROM generate_series(1, 5000) i; CREATE INDEX plain_email ON plain (email); ANALYZE plain; CALL use(''SELECT count(*) FROM plain WHERE email = ''''e17'''''');'
:make
BEGIN;
ALTER TABLE plain RENAME TO plain_base;
CREATE VIEW plain AS SELECT * FROM plain_base;
COMMIT;
BEGIN;
CREATE TABLE plain_new (LIKE plain_base);
CREATE OR REPLACE VIEW plain AS SELECT * FROM plain_new;
COMMIT;
:refusal
BEGIN;
DROP VIEW plain;
CREATE TABLE plain (LIKE plain_base);
COMMIT;
:refusal
BEGIN;
ALTER VIEW plain RENAME COLUMN email TO x;
ALTER VIEW plain RENAME COLUMN pad TO email;
COMMIT;
:refusal
-- by the name of its own that the table has now nobody asks
BEGIN;
CREATE TABLE plain_new (LIKE plain_base);
ALTER TABLE plain_base RENAME TO plain_old;
ALTER TABLE plain_new RENAME TO plain_base;
COMMIT;
DROP TABLE plain_base;
-- with the index it is silent, what showed the rows before may go, and the other one has its use
BEGIN;
CREATE TABLE plain_new (LIKE plain_old INCLUDING INDEXES);
CREATE OR REPLACE VIEW plain AS SELECT * FROM plain_new;
COMMIT;
DROP TABLE plain_old;
DROP INDEX plain_new_email_idx;
:refusal
-- what the view calls a column is what is asked for, whatever the tables below call it
SET guard.mode = off;
DROP VIEW plain;
DROP TABLE plain_new;
RESET guard.mode;
:make
BEGIN;
ALTER TABLE plain RENAME TO plain_base;
ALTER TABLE plain_base RENAME COLUMN email TO mail;
CREATE VIEW plain AS SELECT id, mail AS email FROM plain_base;
COMMIT;
BEGIN;
CREATE TABLE plain_new (id int, post text);
CREATE INDEX plain_new_post ON plain_new (post);
CREATE OR REPLACE VIEW plain AS SELECT id, post AS email FROM plain_new;
COMMIT;
DROP TABLE plain_base;
DROP INDEX plain_new_post;
:refusal
\set ECHO none
