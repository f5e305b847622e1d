-- An index that serves in place of another lets it go: the same leading keys
-- in the same order, with the same operators, for the same rows.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users (id int, email text, team int, kind int, tags int[], area int4range, pad text);
INSERT INTO users SELECT i, 'user' || i, i % 100, i % 7, ARRAY[i], int4range(i, i + 5), repeat('x', 50) FROM generate_series(1, 5000) i;

-- Is the drop of one index allowed because the other one stays?
CREATE FUNCTION serves(gone text, other text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE regexp_replace('CREATE INDEX gone_idx ON users ' || gone, 'INDEX (.*) UNIQUE', 'UNIQUE INDEX \1');
	EXECUTE regexp_replace('CREATE INDEX other_idx ON users ' || other, 'INDEX (.*) UNIQUE', 'UNIQUE INDEX \1');
	SELECT reason INTO answer FROM guard.check('gone_idx');
	DROP INDEX gone_idx, other_idx;
	RETURN CASE answer WHEN 'replaced' THEN 'yes:' ELSE ' no:' END;
END
$$;

-- keys
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('(email)', '(email)'),
	('(email)', '(email, team)'),
	('(email)', '(team, email)'),
	('(email, team)', '(email)'),
	('(email, team)', '(team, email)'),
	('(email)', '(team)'),
	('(email)', '(email) WITH (fillfactor = 70)')) AS c (gone, other);
-- expressions, collations, operator classes
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('(lower(email))', '(lower(email))'),
	('(lower(email))', '(lower(email), id)'),
	('(lower(email))', '(upper(email))'),
	('(lower(email))', '(email)'),
	('(email)', '(lower(email))'),
	('(email)', '(email COLLATE "C")'),
	('(email COLLATE "C")', '(email COLLATE "C")'),
	('(email)', '(email text_pattern_ops)'),
	('(email text_pattern_ops)', '(email)'),
	('(email text_pattern_ops)', '(email text_pattern_ops, id)')) AS c (gone, other);
-- order
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('(team)', '(team DESC)'),
	('(team, kind)', '(team DESC, kind DESC)'),
	('(team, kind)', '(team, kind DESC)'),
	('(team)', '(team NULLS FIRST)'),
	('(team DESC)', '(team DESC NULLS LAST)')) AS c (gone, other);
-- rows
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('(team) WHERE kind = 1', '(team) WHERE kind = 1'),
	('(team)', '(team) WHERE kind = 1'),
	('(team) WHERE kind = 1', '(team) WHERE kind = 2'),
	('(team) WHERE kind > 3', '(team) WHERE kind > 1 OR kind > 3'),
	('(team) WHERE kind >= 0', '(team)'),
	('(team) WHERE kind = 1', '(team)')) AS c (gone, other);
-- included columns
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('(team) INCLUDE (kind)', '(team) INCLUDE (kind)'),
	('(team) INCLUDE (kind)', '(team, kind)'),
	('(team) INCLUDE (kind)', '(team)'),
	('(team)', '(team) INCLUDE (kind)')) AS c (gone, other);
-- included columns and rows: an index-only scan of the wider index cannot check what the predicate said
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('(team) INCLUDE (id) WHERE kind >= 0', '(team) INCLUDE (id) WHERE kind >= 0'),
	('(team) INCLUDE (id) WHERE kind >= 0', '(team) INCLUDE (id)'),
	('(team) INCLUDE (id) WHERE kind >= 0', '(team, id, kind)'),
	('(team) INCLUDE (id) WHERE team >= 0', '(team) INCLUDE (id)'),
	('(team) WHERE kind >= 0', '(team) INCLUDE (id)')) AS c (gone, other);
-- access methods
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('USING hash (email)', 'USING hash (email)'),
	('USING hash (email)', '(email)'),
	('(email)', 'USING hash (email)'),
	('USING gin (tags)', 'USING gin (tags)'),
	('USING gist (area)', 'USING gist (area)'),
	('USING brin (id)', '(id)'),
	('(id)', 'USING brin (id)'),
	('USING brin (id) WITH (pages_per_range = 128)', 'USING brin (id) WITH (pages_per_range = 16)'),
	('USING brin (id) WITH (pages_per_range = 16)', 'USING brin (id) WITH (pages_per_range = 128)')) AS c (gone, other);
-- uniqueness: a unique index reads as well as any, but what counts on uniqueness needs it (see arbiter)
SELECT serves(gone, other), other, 'in place of', gone FROM (VALUES
	('(id)', 'UNIQUE (id)'),
	('UNIQUE (id)', 'UNIQUE (id)')) AS c (gone, other);

-- for real, with traffic: said in one sentence, whatever the way to drop it
\set VERBOSITY terse
CREATE INDEX a ON users (email);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CREATE INDEX b ON users (email, team);
DROP INDEX a;
CREATE INDEX c ON users (email, team);
DROP INDEX CONCURRENTLY b;
BEGIN;
CREATE INDEX d ON users (email, team);
DROP INDEX c;
COMMIT;
CREATE UNIQUE INDEX e ON users (id);
ALTER TABLE users ADD PRIMARY KEY (id);
CALL use('SELECT count(*) FROM users WHERE id = 17');
CREATE UNIQUE INDEX f ON users (id);
DROP INDEX e;
ALTER TABLE users DROP CONSTRAINT users_pkey;
:indexes

-- one that goes in the same statement, or is not valid, replaces nothing
\set VERBOSITY sqlstate
CREATE INDEX g ON users (email, team);
DROP INDEX d, g;
INSERT INTO users (id, email) VALUES (0, 'user17');
CREATE UNIQUE INDEX CONCURRENTLY h ON users (email);
DROP INDEX g;
SELECT * FROM verdict('users');
:indexes

-- the facts say by which rule of the design: a twin replaces by the fifth, another one by the eighth
CREATE INDEX i ON users (email, team);
SELECT index, reason, facts -> 'rule' FROM guard.check('d');
DROP INDEX i;
CREATE INDEX i ON users (email, team, id);
SELECT index, reason, facts -> 'rule' FROM guard.check('users') ORDER BY index::text;
