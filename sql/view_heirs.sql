-- Traffic that comes by a view goes where that leads.  An index of what it leads to
-- now has the use of those to which it led before, whoever has asked there since.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %s AS SELECT i AS id, i AS a, i %% 7 AS b, repeat(''x'', 50) AS pad FROM generate_series(1, 5000) i', name);
	EXECUTE format('CREATE INDEX %s_a ON %1$s (a)', name);
END
$$;
CALL make('one');
CALL make('two');
CALL make('three');
CALL make('four');
CALL make('five');
CREATE VIEW shown AS SELECT id, a, pad FROM one;
CALL use('SELECT count(pad) FROM shown WHERE a = 17');

CREATE OR REPLACE VIEW shown AS SELECT id, a, pad FROM two;
SELECT * FROM verdict('one_a');
SELECT * FROM verdict('two_a');
DROP INDEX two_a;
:refusal
-- nothing leads there
DROP INDEX five_a;
-- what it led to goes, and leaves the use to the view
DROP INDEX one_a;
DROP INDEX two_a;
:refusal
-- it leads on, before anybody has asked: two_a has the use of one_a, and three must have its like
DROP INDEX three_a;
CREATE OR REPLACE VIEW shown AS SELECT id, a, pad FROM three;
:refusal
CREATE INDEX three_a ON three (a);
CREATE OR REPLACE VIEW shown AS SELECT id, a, pad FROM three;
DROP TABLE two;
DROP INDEX three_a;
:refusal
-- in one transaction with what it leads to
BEGIN;
DROP VIEW shown;
DROP TABLE three;
CREATE VIEW shown AS SELECT id, a, pad FROM four;
COMMIT;
DROP INDEX four_a;
:refusal

-- dropped, and made anew later, by way of another view
CALL make('six');
CREATE VIEW inner_view AS SELECT a AS x, pad FROM four;
CREATE VIEW outer_view AS SELECT x, pad FROM inner_view;
CALL use('SELECT count(pad) FROM outer_view WHERE x = 17', 'report');
DROP VIEW outer_view;
DROP VIEW inner_view;
CREATE VIEW inner_view AS SELECT a AS x, pad FROM six;
CREATE VIEW outer_view AS SELECT x, pad FROM inner_view;
DROP INDEX six_a;
:refusal
-- rolled back: nothing has changed
CREATE TABLE seven AS SELECT * FROM six;
CREATE INDEX seven_a ON seven (a);
BEGIN;
SAVEPOINT before;
CREATE OR REPLACE VIEW inner_view AS SELECT a AS x, pad FROM seven;
ROLLBACK TO before;
COMMIT;
DROP INDEX seven_a;
DROP INDEX six_a;
:refusal
-- there and back: it is six again
CREATE INDEX seven_a ON seven (a);
CREATE OR REPLACE VIEW inner_view AS SELECT a AS x, pad FROM seven;
CREATE OR REPLACE VIEW inner_view AS SELECT a AS x, pad FROM six;
DROP INDEX seven_a;
DROP INDEX six_a;
:refusal
