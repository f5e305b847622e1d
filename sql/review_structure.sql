-- guard.review() says what an index that the script creates replaces, as guard
-- does of real ones. What cannot be compared without analyzing it is to be
-- compared by hand.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set ECHO none
\set review :srcdir /sql/include/review.psql
\i :review
SET client_min_messages = warning;
-- the index i, which is hot, dropped after another one was created
CREATE FUNCTION tools.replaces(definition text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT r.verdict || ' ' || r.reason FROM guard.review(definition || '; DROP INDEX i') r WHERE r.target = 'public.i');
END
$$;
RESET client_min_messages;
\set ECHO all
CREATE EXTENSION guard;
CREATE TABLE t AS SELECT i AS id, ('u' || i)::varchar AS email, i % 7 AS team, 'open' AS state, now() AS at, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;

CREATE INDEX i ON t (team, email);
CALL use('SELECT count(*) FROM t WHERE team = 3 AND email = ''u17''');
SELECT replaces('SELECT 1');
SELECT replaces('CREATE INDEX n ON t (team, email)');
SELECT replaces('CREATE INDEX n ON t (team, email, id)');
SELECT replaces('CREATE INDEX n ON t (team)');
SELECT replaces('CREATE INDEX n ON t (email, team)');
SELECT replaces('CREATE INDEX n ON t (team DESC, email DESC)');
SELECT replaces('CREATE INDEX n ON t (team DESC NULLS LAST, email)');
SELECT replaces('CREATE INDEX n ON t (team, email varchar_pattern_ops)');
SELECT replaces('CREATE INDEX n ON t (team, email text_ops)');
SELECT replaces('CREATE INDEX n ON t (team, email COLLATE "C")');
SELECT replaces('CREATE INDEX n ON t USING gist (team, email)');
SELECT replaces('CREATE INDEX n ON t (team, email) WHERE id > 0');
SELECT replaces('CREATE INDEX n ON t (team, lower(email))');
SELECT replaces('CREATE INDEX n ON t (team) INCLUDE (email)');
SELECT replaces('ALTER TABLE t ADD CONSTRAINT n UNIQUE (team, email)');
SELECT replaces('ALTER TABLE t ALTER email TYPE text, ALTER team TYPE bigint; CREATE INDEX n ON t (team, email)');
SELECT replaces('CREATE TYPE e AS ENUM (); ALTER TABLE t ALTER email TYPE e; CREATE INDEX n ON t (team, email)');
SET guard.mode = off;
DROP INDEX i;
RESET guard.mode;

-- expressions and predicates, however they are written
CREATE INDEX i ON t (lower(email)) WHERE state IN ('open', 'waiting') AND at IS NOT NULL;
ANALYZE t;
CALL use('SELECT count(*) FROM t WHERE lower(email) = ''u17'' AND state = ''open'' AND at IS NOT NULL');
SELECT replaces('CREATE INDEX n ON t (lower(email)) WHERE state IN (''open'', ''waiting'') AND at IS NOT NULL');
SELECT replaces('CREATE INDEX n ON t (LOWER(t.email)) WHERE ((at IS NOT NULL)) AND (state = ANY (ARRAY[''open''::text, ''waiting'']))');
SELECT replaces('CREATE INDEX n ON t (pg_catalog.lower(email)) WHERE "at" NOTNULL AND state IN (''open'', ''waiting'')');
SELECT replaces('CREATE INDEX n ON t (lower(email)) WHERE state IN (''waiting'', ''open'') AND at IS NOT NULL');
SELECT replaces('CREATE INDEX n ON t (lower(email))');
SELECT replaces('CREATE INDEX n ON t (upper(email)) WHERE state IN (''open'', ''waiting'') AND at IS NOT NULL');
SELECT replaces('CREATE INDEX n ON t (lower(state)) WHERE state IN (''open'', ''waiting'') AND at IS NOT NULL');
SELECT replaces('CREATE INDEX n ON t (lower(email)) WHERE team = 3');
SELECT replaces('CREATE INDEX n ON t (email) WHERE state IN (''open'', ''waiting'') AND at IS NOT NULL');
SELECT * FROM told('CREATE INDEX n ON t (lower(email)) WHERE state = ''open'' AND at IS NOT NULL; DROP INDEX i');
SELECT * FROM advice('CREATE INDEX n ON t (lower(email)) WHERE state = ''open'' AND at IS NOT NULL; DROP INDEX i');
SET guard.mode = off;
DROP INDEX i;
RESET guard.mode;

CREATE INDEX i ON t ((team + 1), (email || '-' || state), date_trunc('day', at AT TIME ZONE 'UTC')) WHERE id BETWEEN -1 AND 9000 AND state LIKE 'o%' AND NOT team = 4 AND CASE WHEN id > 0 THEN true ELSE false END;
CALL use('SELECT count(*) FROM t WHERE team + 1 = 3 AND id BETWEEN -1 AND 9000 AND state LIKE ''o%'' AND NOT team = 4 AND CASE WHEN id > 0 THEN true ELSE false END');
SELECT replaces('CREATE INDEX n ON t ((team + 1), (email || ''-'' || state), date_trunc(''day'', at AT TIME ZONE ''UTC'')) WHERE state LIKE ''o%'' AND id BETWEEN -1 AND 9000 AND NOT team = 4 AND CASE WHEN id > 0 THEN true ELSE false END');
SELECT replaces('CREATE INDEX n ON t ((team + 2), (email || ''-'' || state), date_trunc(''day'', at AT TIME ZONE ''UTC'')) WHERE state LIKE ''o%'' AND id BETWEEN -1 AND 9000 AND NOT team = 4 AND CASE WHEN id > 0 THEN true ELSE false END');
SET guard.mode = off;
DROP INDEX i;
RESET guard.mode;

-- partial on its own key, and unique
CREATE UNIQUE INDEX i ON t (id) WHERE id IS NOT NULL;
CALL use('SELECT count(*) FROM t WHERE id = 17 AND id IS NOT NULL');
SELECT replaces('CREATE INDEX n ON t (id)');
-- a partitioned table: ON ONLY is not there before it is attached
CREATE TABLE p (id int, a int, pad text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000);
INSERT INTO p SELECT i, i % 9, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE INDEX p_a ON p (a);
CALL use('SELECT count(*) FROM p WHERE a = 3');
SELECT * FROM review('CREATE INDEX n ON p (a); DROP INDEX p_a');
SELECT * FROM review('CREATE INDEX n ON ONLY p (a); DROP INDEX p_a');
SELECT * FROM review('CREATE INDEX n ON ONLY p (a); CREATE INDEX CONCURRENTLY n1 ON p1 (a); ALTER INDEX n ATTACH PARTITION n1; DROP INDEX p_a');
-- in place of a partial index, a full one serves where statistics say that it is about as small
CREATE INDEX few ON t (at) WHERE team = 3;
CREATE INDEX most ON t (email) WHERE state = 'open';
CREATE INDEX odd ON t (pad) WHERE id % 2 = 1;
ANALYZE t;
CALL use('SELECT count(*) FROM t WHERE at > ''2001-01-01'' AND team = 3');
CALL use('SELECT count(*) FROM t WHERE email = ''u17'' AND state = ''open''');
CALL use('SELECT count(*) FROM t WHERE pad = ''y'' AND id % 2 = 1');
SELECT * FROM review('CREATE INDEX n ON t (at); DROP INDEX few; CREATE INDEX m ON t (email); DROP INDEX most; CREATE INDEX o ON t (pad) WHERE id % 2 > 0; DROP INDEX odd');
