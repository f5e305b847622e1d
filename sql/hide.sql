-- guard.hide(): the planner passes the index over, everything else goes on.
-- With its transaction it takes effect, and with it it is undone.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set plan :srcdir /sql/include/plan.psql
\i :plan
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
ALTER TABLE users ADD PRIMARY KEY (id);
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
VACUUM ANALYZE users;

\set email 'SELECT plan($$SELECT id FROM users WHERE email = ''user17''$$)'
\set team 'SELECT plan($$SELECT count(id) FROM users WHERE team = 17$$)'

:email;
SELECT guard.hide('users_email_idx');
:email;
:team;
SELECT index_name, hidden FROM guard.index_facts ORDER BY 1;
SELECT index_name, table_name, kind, hidden_by = session_user AS mine, reason, hidden_at <= clock_timestamp() AS dated FROM guard.hidden_index JOIN guard.object o ON o.id = object;
-- a second call replaces the reason
SELECT guard.hide('users_email_idx', 'is it needed?');
SELECT reason FROM guard.hidden_index;
SELECT guard.unhide('users_email_idx');
:email;
SELECT guard.unhide('users_email_idx');
:refusal

-- transactions, there and back
BEGIN;
SELECT guard.hide('users_email_idx');
:email;
ROLLBACK;
:email;
BEGIN;
SELECT guard.hide('users_email_idx');
SAVEPOINT s;
SELECT guard.unhide('users_email_idx');
SELECT guard.hide('users_team_idx');
:email;
:team;
ROLLBACK TO s;
:email;
:team;
COMMIT;
:email;
:team;
BEGIN;
SELECT guard.unhide('users_email_idx');
:email;
ROLLBACK;
:email;
-- two phases
BEGIN;
SELECT guard.unhide('users_email_idx');
PREPARE TRANSACTION 'unhide';
:email;
COMMIT PREPARED 'unhide';
:email;
BEGIN;
SELECT guard.hide('users_email_idx');
PREPARE TRANSACTION 'hide';
ROLLBACK PREPARED 'hide';
:email;

-- prepared statements, generic plans and functions that have their plan already
SET plan_cache_mode = force_generic_plan;
PREPARE q(text) AS SELECT id FROM users WHERE email = $1;
\set prepared 'SELECT plan($$EXECUTE q(''user17'')$$)'
:prepared;
SELECT guard.hide('users_email_idx');
:prepared;
SELECT guard.unhide('users_email_idx');
:prepared;

-- it is still maintained
SELECT guard.hide('users_email_idx');
INSERT INTO users VALUES (5001, 'new', 1);
UPDATE users SET email = 'changed' WHERE id = 1;
DELETE FROM users WHERE id = 2;
SELECT guard.unhide('users_email_idx');
SELECT id FROM users WHERE email IN ('new', 'changed', 'user1', 'user2') ORDER BY 1;
:email;

-- a covering index, a bitmap, a sort, the end of an index: what the planner does without it is right
SELECT guard.hide('users_team_idx');
SELECT count(*) FROM users WHERE team = 17 OR email = 'user18';
SELECT min(team), max(team) FROM users;
SELECT count(*) FROM (SELECT team FROM users ORDER BY team LIMIT 10) t;
CLUSTER users USING users_team_idx;
:team;
SELECT guard.unhide('users_team_idx');
:team;

-- writing the table is what counts: whatever the way
SELECT guard.hide('users_email_idx');
SELECT guard.hide('users_team_idx');
TRUNCATE guard.hidden_index;
:prepared;
:email;
:team;
-- with the extension it goes
SELECT guard.hide('users_email_idx');
:prepared;
DROP EXTENSION guard;
:prepared;
:email;
CREATE EXTENSION guard;
:email;
SELECT guard.hide('users_email_idx');
:prepared;
BEGIN;
DROP EXTENSION guard;
:prepared;
ROLLBACK;
:prepared;
