-- An index goes with whatever it depends on, however far away the statement
-- begins.  Refused, the statement leaves everything as it was.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE FUNCTION norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE FUNCTION idle_norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE COLLATION names (provider = libc, locale = 'C');
CREATE COLLATION idle_names (provider = libc, locale = 'C');
CREATE TYPE level AS ENUM ('low', 'high');
CREATE DOMAIN email AS text;
CREATE OPERATOR CLASS int_up FOR TYPE int USING btree AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE EXTENSION citext;
CREATE SCHEMA auth;
CREATE SCHEMA idle;
CREATE TABLE auth.users (id int, name text, mail email, level level, nick citext,
						 twice int GENERATED ALWAYS AS (id * 2) STORED, team int, other int, pad text);
INSERT INTO auth.users (id, name, mail, level, nick, team, other, pad)
SELECT i, 'user' || i, 'user' || i, 'low', 'user' || i, i % 100, i, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE TABLE idle.users AS SELECT id, name, pad FROM auth.users;
CREATE INDEX by_norm ON auth.users (norm(name));
CREATE INDEX by_idle_norm ON auth.users (idle_norm(name));
CREATE INDEX by_name ON auth.users (name COLLATE names);
CREATE INDEX by_idle_name ON auth.users (name COLLATE idle_names);
CREATE INDEX by_mail ON auth.users (mail);
CREATE INDEX by_level ON auth.users (level);
CREATE INDEX by_nick ON auth.users (nick);
CREATE INDEX by_twice ON auth.users (twice);
CREATE INDEX by_team ON auth.users (team int_up);
CREATE INDEX by_other ON auth.users (other);
CREATE INDEX idle_id_idx ON idle.users (id);
CREATE MATERIALIZED VIEW auth.names AS SELECT id, name FROM auth.users;
CREATE VIEW auth.teams AS SELECT other FROM auth.users;
CREATE MATERIALIZED VIEW auth.others AS SELECT other FROM auth.teams;
CREATE INDEX others_other_idx ON auth.others (other);
CALL use('SELECT count(*) FROM auth.users WHERE norm(name) = ''user17''');
CALL use('SELECT count(*) FROM auth.users WHERE name COLLATE names = ''user17''');
CALL use('SELECT count(*) FROM auth.users WHERE mail = ''user17''');
CALL use('SELECT count(*) FROM auth.users WHERE level = ''high''');
CALL use('SELECT count(*) FROM auth.users WHERE nick = ''USER17''');
CALL use('SELECT count(*) FROM auth.users WHERE twice = 34');
CALL use('SELECT count(*) FROM auth.users WHERE team = 17');
CALL use('SELECT count(*) FROM auth.others WHERE other = 17');
SELECT * FROM verdict('auth.users');

-- schema, and several at once
DROP SCHEMA auth CASCADE;
:refusal
DROP SCHEMA idle, auth CASCADE;
-- function, collation, operator class and family
DROP FUNCTION norm(text) CASCADE;
:refusal
DROP COLLATION names CASCADE;
:refusal
DROP OPERATOR CLASS int_up USING btree CASCADE;
:refusal
DROP OPERATOR FAMILY int_up USING btree CASCADE;
-- type, domain
DROP TYPE level CASCADE;
:refusal
DROP DOMAIN email CASCADE;
:refusal
-- extension
DROP EXTENSION citext CASCADE;
:refusal
-- generated column
ALTER TABLE auth.users DROP COLUMN id CASCADE;
:refusal
-- view, below which there is a materialized view
DROP VIEW auth.teams CASCADE;
:refusal
:indexes

-- owned by a role
CREATE ROLE regress_guard_owner;
GRANT ALL ON SCHEMA idle TO regress_guard_owner;
ALTER TABLE auth.users OWNER TO regress_guard_owner;
DROP OWNED BY regress_guard_owner CASCADE;
:refusal
ALTER TABLE auth.users OWNER TO CURRENT_USER;
ALTER TABLE idle.users OWNER TO regress_guard_owner;
DROP OWNED BY regress_guard_owner;
:indexes

-- without CASCADE PostgreSQL itself refuses
DROP SCHEMA auth;
DROP FUNCTION norm(text);
DROP TYPE level;
DROP EXTENSION citext;

-- the idle neighbours go
DROP FUNCTION idle_norm(text) CASCADE;
DROP COLLATION idle_names CASCADE;
DROP SCHEMA idle CASCADE;
:indexes
