-- Bad input gets a clear error and changes nothing.
BEGIN;
SELECT no_plan();

CREATE TABLE t (a int PRIMARY KEY);
CREATE VIEW v AS SELECT * FROM t;
CREATE SEQUENCE s;
CREATE TEMP TABLE tmp (a int PRIMARY KEY);
SELECT guard.protect('t_pkey', 'as it was');
CREATE TEMP TABLE before AS SELECT * FROM guard.protection;

SELECT throws_ok($$ SELECT guard.check('no_such_index') $$, '42P01', 'relation "no_such_index" does not exist', 'check: unknown');
SELECT throws_like($$ SELECT guard.check(1234567890) $$, '%1234567890%does not exist', 'check: an OID of nothing');
SELECT throws_ok($$ SELECT guard.check('v') $$, '42809', '"v" is not an index or a table', 'check: a view');
SELECT throws_ok($$ SELECT guard.check('s') $$, '42809', '"s" is not an index or a table', 'check: a sequence');
SELECT is_empty($$ SELECT guard.check(NULL) $$, 'check: null');
SELECT throws_ok($$ SELECT guard.index_statements('t') $$, '42809', '"t" is not an index', 'index_statements: a table');
SELECT throws_ok($$ SELECT guard.index_statements('no_such_index') $$, '42P01', NULL, 'index_statements: unknown');
SELECT is_empty($$ SELECT guard.index_statements(NULL) $$, 'index_statements: null');
SELECT throws_ok($$ SELECT guard.what_if('t') $$, '42809', '"t" is not an index', 'what_if: a table');
SELECT throws_ok($$ SELECT guard.what_if('no_such_index') $$, '42P01', NULL, 'what_if: unknown');
SELECT is_empty($$ SELECT guard.what_if(NULL) $$, 'what_if: null');
SELECT throws_ok($$ SELECT guard.protect('no_such_index', 'why') $$, '42P01', NULL, 'protect: unknown');
SELECT throws_ok($$ SELECT guard.protect(NULL, 'why') $$, '22004', 'object to protect must not be null', 'protect: null');
SELECT throws_ok(format('SELECT guard.protect(''t'', %L)', r), '22023', 'reason must not be empty', 'protect: reason ' || coalesce(to_json(r)::text, 'null'))
  FROM unnest(ARRAY[NULL, '', '   ', E'\n\t']) r;
SELECT throws_ok(format('SELECT guard.protect(%L, ''why'')', o), '42809', NULL, 'protect: ' || o)
  FROM unnest(ARRAY['v', 's', 'tmp', 'pg_temp.tmp_pkey', 'pg_class', 'pg_class_oid_index', 'guard.protection', 'guard.audit_log_id_idx']) o;
SELECT throws_ok($$ SELECT guard.unprotect(NULL) $$, '22004', 'object to unprotect must not be null', 'unprotect: null');
SELECT throws_ok($$ SELECT guard.unprotect('t') $$, '42704', '"t" is not protected', 'unprotect: what is not registered');
SELECT throws_ok($$ SELECT guard.unprotect('no_such_index') $$, '42P01', NULL, 'unprotect: unknown');
SELECT throws_ok($$ SELECT * FROM guard.last_drops('a while') $$, '22007', NULL, 'last_drops: no interval');
SELECT is_empty($$ SELECT * FROM guard.last_drops(NULL) $$, 'last_drops: null');
SELECT throws_ok($$ INSERT INTO guard.indexes DEFAULT VALUES $$, NULL, NULL, 'the views are for reading');

SELECT results_eq('TABLE guard.protection', 'TABLE before', 'nothing of all this has changed a registration');

-- A second call replaces the reason, and is one registration.
SELECT lives_ok($$ SELECT guard.protect('t_pkey', 'as it is') $$, 'protect again');
SELECT results_eq('SELECT reason FROM guard.protection', ARRAY['as it is'], 'one registration, with the new reason');

SELECT finish();
ROLLBACK;
