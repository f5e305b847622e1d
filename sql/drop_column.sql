-- ALTER TABLE … DROP COLUMN takes every index along that has the column
-- anywhere: as a key, in an expression, in the predicate, in INCLUDE.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS
	SELECT i AS id, 'user' || i AS email, i % 100 AS team, i % 7 AS kind, i % 5 AS tier, 'note' AS note, false AS deleted, i AS spare
	  FROM generate_series(1, 5000) i;
CREATE INDEX users_team_idx ON users (id, team);
CREATE INDEX users_email_idx ON users (lower(email));
CREATE INDEX users_live_idx ON users (kind) WHERE NOT deleted;
CREATE INDEX users_tier_idx ON users (tier) INCLUDE (note);
CREATE INDEX users_spare_idx ON users (spare);
CALL use('SELECT count(*) FROM users WHERE id = 17 AND team = 17');
CALL use('SELECT count(*) FROM users WHERE lower(email) = ''user17''');
CALL use('SELECT count(*) FROM users WHERE kind = 3 AND NOT deleted');
CALL use('SELECT count(note) FROM users WHERE tier = 3');
SELECT * FROM verdict('users');

ALTER TABLE users DROP COLUMN team;
:refusal
ALTER TABLE users DROP COLUMN id;
ALTER TABLE users DROP COLUMN email;
:refusal
ALTER TABLE users DROP COLUMN deleted;
:refusal
ALTER TABLE users DROP COLUMN note CASCADE;
:refusal
ALTER TABLE IF EXISTS users DROP COLUMN IF EXISTS team;

-- among other subcommands, and all of them are named
ALTER TABLE users ADD COLUMN x int, DROP COLUMN spare, DROP COLUMN email, DROP team;
:refusal
:indexes

-- an index that is added meanwhile must serve in its place
ALTER TABLE users DROP COLUMN team, ADD COLUMN team2 int UNIQUE;
:indexes

-- a column of a parent goes from its children, too
CREATE TABLE people (name text, team int);
CREATE TABLE admins (level int) INHERITS (people);
INSERT INTO admins SELECT 'name' || i, i % 100, i FROM generate_series(1, 5000) i;
CREATE INDEX admins_team_idx ON admins (team);
CALL use('SELECT count(*) FROM admins WHERE team = 17');
ALTER TABLE people DROP COLUMN team;
:refusal
ALTER TABLE admins DROP COLUMN team;

-- but not from one that defines it itself, until that drops it
CREATE TABLE things (name text, team int);
CREATE TABLE boxes (team int) INHERITS (things);
INSERT INTO boxes SELECT 'name' || i, i % 100 FROM generate_series(1, 5000) i;
CREATE INDEX boxes_team_idx ON boxes (team);
CALL use('SELECT count(*) FROM boxes WHERE team = 17');
ALTER TABLE things DROP COLUMN team;
SELECT * FROM verdict('boxes');
ALTER TABLE boxes DROP COLUMN team;
:refusal

-- the neighbours: ONLY leaves the children their column; no index, no use, no such column
ALTER TABLE ONLY people DROP COLUMN team;
ALTER TABLE people DROP COLUMN name;
ALTER TABLE users DROP COLUMN spare;
ALTER TABLE users DROP COLUMN IF EXISTS no_such_column;
ALTER TABLE users DROP COLUMN no_such_column;
:indexes

-- a typed table has its columns from its type
CREATE TYPE person AS (name text, team int);
CREATE TABLE typed OF person;
INSERT INTO typed SELECT 'name' || i, i % 100 FROM generate_series(1, 5000) i;
CREATE INDEX typed_team_idx ON typed (team);
CALL use('SELECT count(*) FROM typed WHERE team = 17');
ALTER TYPE person DROP ATTRIBUTE team CASCADE;
:refusal
ALTER TYPE person DROP ATTRIBUTE name CASCADE;
:indexes
