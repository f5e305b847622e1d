-- Bad input gets a clear error and changes nothing.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users (id int PRIMARY KEY, email text);
CREATE VIEW emails AS SELECT email FROM users;
CREATE SEQUENCE numbers;
CREATE TYPE pair AS (a int, b int);
CREATE TEMP TABLE scratch (id int PRIMARY KEY);
CREATE FOREIGN DATA WRAPPER dummy;
CREATE SERVER dummy FOREIGN DATA WRAPPER dummy;
CREATE FOREIGN TABLE far (id int) SERVER dummy;

-- what is not there
SELECT * FROM guard.check('no_such_idx');
SELECT * FROM guard.check(0);
SELECT * FROM guard.check(4000000000);
SELECT * FROM guard.index_statements('no_such_idx');
SELECT * FROM guard.index_statements(4000000000);
SELECT guard.protect('no_such_idx', 'why');
SELECT guard.protect(4000000000, 'why');
SELECT guard.unprotect('no_such_idx');
SELECT guard.unprotect(4000000000);
-- null
SELECT * FROM guard.check(NULL);
SELECT * FROM guard.index_statements(NULL);
SELECT * FROM guard.last_drops(NULL);
SELECT guard.protect(NULL, 'why');
SELECT guard.protect('users', NULL);
SELECT guard.unprotect(NULL);
-- an empty reason
SELECT guard.protect('users', '');
SELECT guard.protect('users', E' \t\n');
-- neither an index nor a table
SELECT * FROM guard.check('emails');
SELECT * FROM guard.check('numbers');
SELECT * FROM guard.check('pair');
SELECT * FROM guard.check('far');
SELECT guard.protect('emails', 'why');
SELECT guard.protect('numbers', 'why');
SELECT guard.protect('far', 'why');
SELECT guard.unprotect('emails');
-- a table where an index is asked for
SELECT * FROM guard.index_statements('users');
SELECT * FROM guard.index_statements('emails');
-- what guard does not judge
SELECT * FROM guard.check('scratch_pkey');
SELECT guard.protect('scratch_pkey', 'why');
SELECT guard.protect('scratch', 'why');
SELECT * FROM guard.check('pg_class_oid_index');
SELECT guard.protect('pg_class_oid_index', 'why');
SELECT guard.protect('pg_class', 'why');
SELECT guard.protect('guard.audit_log', 'why');
SELECT guard.protect('guard.audit_log_id_idx', 'why');
SELECT count(*) FROM guard.check('scratch');
SELECT count(*) FROM guard.check('pg_class');
-- what is not registered
SELECT guard.unprotect('users');
SELECT guard.unprotect('users_pkey');
-- not to be called by hand
SELECT guard.ddl_command_start();
SELECT guard.sql_drop();
-- more than one line, or words that look like a format, do no harm
SELECT guard.protect('users', E'100%s %n %\nsecond line \\');
INSERT INTO users SELECT i FROM generate_series(1, 5000) i;
ALTER TABLE users DROP CONSTRAINT users_pkey;
SELECT substring(:'LAST_ERROR_MESSAGE' FROM 'protects it for [^:]*(: .*)');
SELECT guard.unprotect('users');
SELECT count(*) FROM guard.last_drops('-1 day');
SELECT count(*) FROM guard.last_drops('1000 years') WHERE verdict <> 'block';
SELECT count(*) FROM guard.protection;
:indexes
