-- In guard.review(), names mean what they mean at that point of the script.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set ECHO none
\set review :srcdir /sql/include/review.psql
\i :review
\set ECHO all
CREATE EXTENSION guard;
CREATE SCHEMA auth;
CREATE TABLE auth.users AS SELECT i AS id, 'u' || i AS email, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON auth.users (email);
CREATE TABLE users AS SELECT i AS id, 'u' || i AS email, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
ALTER TABLE auth.users ADD CONSTRAINT users_id_key UNIQUE (id);
CALL use('SELECT count(*) FROM auth.users WHERE email = ''u17''');
CALL use('SELECT count(*) FROM auth.users WHERE id = 17');

-- search_path is the script's
SELECT * FROM review('DROP INDEX users_email_idx; SET search_path = auth; DROP INDEX users_email_idx');
SELECT * FROM review('SET search_path TO nowhere, auth, public; DROP INDEX users_email_idx; RESET search_path; DROP INDEX users_email_idx');
SELECT * FROM review('BEGIN; SET LOCAL search_path = auth; COMMIT; DROP INDEX users_email_idx');
SELECT * FROM review('BEGIN; SET search_path = auth; ROLLBACK; DROP INDEX users_email_idx');
SELECT * FROM review('BEGIN; SET search_path = auth; COMMIT; DROP INDEX users_email_idx');
SELECT * FROM review($$ SELECT pg_catalog.set_config('search_path', '', false); DROP INDEX users_email_idx; DROP INDEX IF EXISTS users_email_idx $$);
SELECT * FROM review($$ SELECT set_config('search_path', 'auth, public', false); DROP INDEX users_email_idx $$);
-- renamed, moved, and gone
SELECT * FROM review('ALTER INDEX auth.users_email_idx RENAME TO e; DROP INDEX auth.users_email_idx; DROP INDEX auth.e; DROP INDEX auth.e');
SELECT * FROM review('ALTER TABLE auth.users RENAME TO people; ALTER TABLE auth.people RENAME email TO mail; ALTER TABLE auth.people DROP COLUMN email; ALTER TABLE auth.people DROP mail');
SELECT * FROM review('ALTER TABLE users RENAME TO u; ALTER TABLE auth.users SET SCHEMA public; DROP TABLE u; DROP INDEX users_email_idx');
SELECT * FROM review('ALTER SCHEMA auth RENAME TO login; DROP INDEX auth.users_email_idx; DROP INDEX login.users_email_idx');
SELECT * FROM review('ALTER TABLE auth.users RENAME CONSTRAINT users_id_key TO k; ALTER TABLE auth.users DROP CONSTRAINT k');
SELECT * FROM review('ALTER INDEX auth.users_id_key RENAME TO k; ALTER TABLE auth.users DROP CONSTRAINT IF EXISTS users_id_key; ALTER TABLE auth.users DROP CONSTRAINT k');
SELECT * FROM review('DROP SCHEMA auth CASCADE; DROP INDEX auth.users_email_idx');
SELECT * FROM review('DROP SCHEMA auth');
-- two names for the same thing, in and out of a transaction that fails
SELECT * FROM review('BEGIN; ALTER INDEX auth.users_email_idx RENAME TO e; ROLLBACK; DROP INDEX auth.users_email_idx');
-- a renamed column makes no difference to what replaces what
SELECT * FROM review('ALTER TABLE auth.users RENAME email TO mail; CREATE INDEX e ON auth.users (mail); DROP INDEX auth.users_email_idx');
SELECT * FROM review('ALTER TABLE auth.users RENAME email TO mail; ALTER TABLE auth.users ADD email text; CREATE INDEX e ON auth.users (mail); DROP INDEX auth.users_email_idx');
-- what the script creates has no traffic
SELECT * FROM review('CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE, b int); CREATE INDEX ON t (b, a); DROP INDEX t_b_a_idx; ALTER TABLE t DROP CONSTRAINT t_a_key; ALTER TABLE t DROP id; DROP TABLE t');
SELECT * FROM told('CREATE TABLE t (id int PRIMARY KEY); DROP TABLE t');
SELECT * FROM review('DROP TABLE auth.users; CREATE TABLE auth.users (id int, email text); CREATE INDEX users_email_idx ON auth.users (email); DROP INDEX auth.users_email_idx');
SELECT * FROM review('CREATE SCHEMA n CREATE TABLE t (id int) CREATE INDEX t_id ON t (id); DROP INDEX n.t_id');
SELECT * FROM review('CREATE TEMP TABLE users (email text); CREATE INDEX users_email_idx ON users (email); DROP INDEX users_email_idx; DROP TABLE users; SET search_path = auth; DROP INDEX users_email_idx');
-- build, swap, drop: the new table stands in the old one's place, with or without what its traffic needs
SELECT * FROM review('CREATE TABLE auth.users_new (LIKE auth.users INCLUDING ALL); ALTER TABLE auth.users RENAME TO users_old; ALTER TABLE auth.users_new RENAME TO users; DROP TABLE auth.users_old');
SELECT * FROM review('CREATE TABLE auth.users_new (LIKE auth.users); ALTER TABLE auth.users RENAME TO users_old; ALTER TABLE auth.users_new RENAME TO users; DROP TABLE auth.users_old');
SELECT * FROM review('CREATE TABLE auth.users_new (LIKE auth.users INCLUDING ALL); BEGIN; DROP TABLE auth.users; ALTER TABLE auth.users_new RENAME TO users; COMMIT');
SELECT * FROM advice('CREATE TABLE auth.users_new (LIKE auth.users INCLUDING ALL); SET lock_timeout = 1000; BEGIN; DROP TABLE auth.users; ALTER TABLE auth.users_new RENAME TO users; COMMIT');
-- one that is there already is not created again
SELECT * FROM review('CREATE INDEX IF NOT EXISTS users_id_key ON auth.users (email); DROP INDEX auth.users_email_idx');
SELECT * FROM advice('CREATE INDEX IF NOT EXISTS users_id_key ON auth.users (email)');
-- an index that becomes a constraint bears its name
SELECT * FROM review('CREATE UNIQUE INDEX i ON auth.users (id); ALTER TABLE auth.users DROP CONSTRAINT users_id_key, ADD CONSTRAINT k UNIQUE USING INDEX i; ALTER TABLE auth.users DROP CONSTRAINT k');
SELECT * FROM review('ALTER TABLE auth.users DROP CONSTRAINT users_id_key, ADD CONSTRAINT k UNIQUE (id) DEFERRABLE');
-- a materialized view is made anew: its columns are not known, their names are
CREATE MATERIALIZED VIEW auth.m AS SELECT id, email FROM auth.users;
CREATE UNIQUE INDEX m_id ON auth.m (id);
CALL use('SELECT count(*) FROM auth.m WHERE id = 17');
SELECT * FROM review('BEGIN; DROP MATERIALIZED VIEW auth.m; CREATE MATERIALIZED VIEW auth.m AS SELECT id, upper(email) AS email FROM auth.users; CREATE UNIQUE INDEX m_id ON auth.m (id); COMMIT');
SELECT * FROM review('BEGIN; DROP MATERIALIZED VIEW auth.m; CREATE MATERIALIZED VIEW auth.m AS SELECT id, upper(email) AS email FROM auth.users; COMMIT');
-- what serves in another's place goes later, in the same transaction and in the next
SELECT * FROM review('BEGIN; DROP INDEX auth.users_email_idx; CREATE INDEX n ON auth.users (email); COMMIT; DROP INDEX auth.n');
SELECT * FROM review('BEGIN; DROP INDEX auth.users_email_idx; CREATE INDEX n ON auth.users (email); COMMIT; ALTER TABLE auth.users DROP email');
