-- guard.review() knows what the script itself does before and after: an index
-- that it creates replaces one that it drops later; drop first, create
-- afterwards gets the advice to turn the two round.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set ECHO none
\set review :srcdir /sql/include/review.psql
\i :review
\set ECHO all
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'u' || i AS email, i % 7 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CALL use('SELECT count(*) FROM users WHERE email = ''u17''');

-- nothing replaces it; one that is not used may go
SELECT * FROM review('DROP INDEX users_email_idx; DROP INDEX users_team_idx');
-- created first: it is replaced, whatever it is called afterwards
SELECT * FROM review('CREATE INDEX CONCURRENTLY e ON users (email); DROP INDEX CONCURRENTLY users_email_idx; ALTER INDEX e RENAME TO users_email_idx');
SELECT * FROM advice('CREATE INDEX CONCURRENTLY e ON users (email); DROP INDEX CONCURRENTLY users_email_idx; ALTER INDEX e RENAME TO users_email_idx');
SELECT * FROM told('CREATE INDEX CONCURRENTLY e ON users (email); DROP INDEX CONCURRENTLY users_email_idx');
-- another index does not
SELECT * FROM review('CREATE INDEX e ON users (team, email); DROP INDEX users_email_idx');
-- dropped first: refused, and told which two to turn round
SELECT * FROM review('DROP INDEX CONCURRENTLY users_email_idx; SELECT 1; CREATE INDEX CONCURRENTLY e ON users (email)');
SELECT * FROM advice('DROP INDEX CONCURRENTLY users_email_idx; SELECT 1; CREATE INDEX CONCURRENTLY e ON users (email)');
-- under the same name, which must be free again in between
SELECT * FROM advice('DROP INDEX CONCURRENTLY users_email_idx; CREATE INDEX CONCURRENTLY users_email_idx ON users (email)');
-- in one transaction guard lets it pass, but the traffic waits
SELECT * FROM review('BEGIN; DROP INDEX users_email_idx; CREATE INDEX e ON users (email); COMMIT');
SELECT * FROM advice('BEGIN; DROP INDEX users_email_idx; CREATE INDEX e ON users (email); COMMIT');
SELECT verdict, reason FROM guard.review('DROP INDEX users_email_idx; CREATE INDEX e ON users (email)', true);
-- not when the transaction has ended before the new one comes, or is rolled back with it
SELECT * FROM review('BEGIN; DROP INDEX users_email_idx; COMMIT; BEGIN; CREATE INDEX e ON users (email); COMMIT');
SELECT * FROM review('BEGIN; DROP INDEX users_email_idx; SAVEPOINT a; CREATE INDEX e ON users (email); ROLLBACK TO a; COMMIT');
SELECT * FROM review('BEGIN; CREATE INDEX e ON users (email); ROLLBACK; DROP INDEX users_email_idx');
-- nor where the table is so large that it would wait too long
SET guard.rebuild_limit = 0;
SELECT * FROM review('BEGIN; DROP INDEX users_email_idx; CREATE INDEX e ON users (email); COMMIT');
-- ... which guard does not wait to see, so that one is refused though it would be rolled back
SELECT * FROM review('BEGIN; DROP INDEX users_email_idx; ROLLBACK');
RESET guard.rebuild_limit;
-- a drop that is rolled back is none
SELECT * FROM review('BEGIN; DROP INDEX users_email_idx; ROLLBACK; DROP INDEX users_email_idx');
-- one that serves in another's place is as needed as that one
SELECT * FROM review('CREATE INDEX e ON users (email); DROP INDEX users_email_idx; DROP INDEX e');
SELECT * FROM told('CREATE INDEX e ON users (email); DROP INDEX users_email_idx; DROP INDEX e');
SELECT * FROM review('CREATE INDEX e ON users (email); CREATE INDEX f ON users (email); DROP INDEX users_email_idx; DROP INDEX e');
CREATE INDEX users_email_twin ON users (email);
SELECT * FROM review('DROP INDEX users_email_idx; DROP INDEX users_email_twin');
SELECT * FROM told('DROP INDEX users_email_idx; DROP INDEX users_email_twin');
SELECT * FROM review('DROP INDEX users_email_idx, users_email_twin');
DROP INDEX users_email_twin;
-- what a person protects is not made up for
SELECT guard.protect('users_email_idx', 'mine');
SELECT * FROM review('CREATE INDEX e ON users (email); DROP INDEX users_email_idx');
SELECT guard.unprotect('users_email_idx');
-- nothing of all this has happened
:indexes
