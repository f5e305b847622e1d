-- What shadow plans say of an index: what its traffic would take without it,
-- who would take over, and that nobody would notice.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
-- the settings are the server's here, not the client's: only then do plans speak for a drop
ALTER DATABASE guard_regress SET enable_seqscan = off;
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s'' options=''-c client_min_messages=warning''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service)
$$;
CREATE TABLE users (id int, team int, kind int, pad text);
INSERT INTO users SELECT i, i % 1000, i % 7, repeat('x', 100) FROM generate_series(1, 20000) i;
CREATE UNIQUE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CALL vacuum('users');

-- a look-up that would become a scan of 20,000 rows: slower by far, and the estimate says so before anything else
CALL use('SELECT pad FROM users WHERE id = 17', 'auth', 10);
SELECT * FROM verdict('users_id_idx');
SELECT substring(ask FROM '^DETAIL: .* It serves \d') FROM ask('DROP INDEX users_id_idx') WHERE ask ~ '^DETAIL';
SELECT calls_per_second > 0, mean_time > 0, predicted_time > mean_time, predicted_low <= predicted_time,
	predicted_time <= predicted_high, predicted_connections > 0, other_index
  FROM guard.index_statements('users_id_idx');
SELECT facts -> 'what_if' -> 'planned' AS planned, (facts #>> '{what_if,worst_cost_ratio}')::float > 10 AS costly,
	facts #> '{load_without,known}' AS known
  FROM guard.check('users_id_idx');

-- served by another index at the same cost, which its structure would not say: (id) is no longer than (id, kind)
CREATE TABLE members (id int, kind int, pad text);
INSERT INTO members SELECT i, i % 7, repeat('x', 100) FROM generate_series(1, 20000) i;
CREATE INDEX members_id_idx ON members (id);
CREATE INDEX members_id_kind_idx ON members (id, kind);
CALL vacuum('members');
CALL use('SELECT pad FROM members WHERE id = 17 ORDER BY kind', 'auth', 10);
SELECT other_index FROM guard.index_statements('members_id_kind_idx');
SELECT * FROM verdict('members_id_kind_idx');
-- not if that one goes as well
SELECT * FROM ask('DROP INDEX members_id_kind_idx, members_id_idx') WHERE ask !~ '^(DETAIL|HINT)';
-- in a transaction, too, it is asked again at COMMIT whether it is there
SELECT * FROM ask('BEGIN; DROP INDEX members_id_kind_idx; ROLLBACK') WHERE ask !~ '^(DETAIL|HINT)';
SELECT * FROM ask('BEGIN; DROP INDEX members_id_kind_idx; DROP INDEX members_id_idx; COMMIT') WHERE ask !~ '^(DETAIL|HINT)';
-- one statement more, which needs both columns: then it does not serve
CALL use('SELECT count(*) FROM members WHERE id BETWEEN 17 AND 4000 AND kind = 3', 'push', 3);
SELECT * FROM verdict('members_id_kind_idx');

-- a table of more than 8 blocks whose scan costs no more than the index does
CREATE TABLE states (id int, name text, pad text);
INSERT INTO states SELECT i, 'state ' || i, repeat('x', 100) FROM generate_series(1, 600) i;
CREATE INDEX states_id_idx ON states (id);
CALL vacuum('states');
SELECT pg_relation_size('states') / 8192 > 8 AS more_than_8;
CALL use('SELECT count(name) FROM states WHERE id > 0', 'auth', 10);
SELECT * FROM verdict('states_id_idx');
SELECT detail ~ '^its 1 captured statement would cost the same without it' FROM guard.check('states_id_idx');
-- a statement that was not planned without it is not known to be harmless
ALTER SYSTEM SET guard.whatif = off;
SELECT pg_reload_conf();
CALL use('SELECT count(name) FROM states WHERE id = 17', 'auth', 10);
SELECT * FROM verdict('states_id_idx');
-- but a plan of a moment ago speaks for what is executed now, even where each execution should be planned so
ALTER SYSTEM SET guard.whatif_interval = 0;
SELECT pg_reload_conf();
CALL use('SELECT count(name) FROM states WHERE id > 0', 'auth', 1);
SELECT predicted_time IS NOT NULL AS predicted FROM guard.index_statements('states_id_idx') ORDER BY uses DESC LIMIT 1;
ALTER SYSTEM RESET guard.whatif;
ALTER SYSTEM RESET guard.whatif_interval;
SELECT pg_reload_conf();

-- nobody reads it, but its uniqueness spares a join
CREATE TABLE teams (id int, name text, pad text);
INSERT INTO teams SELECT i, 'team ' || i, repeat('x', 100) FROM generate_series(1, 5000) i;
CREATE UNIQUE INDEX teams_id_idx ON teams (id);
CALL vacuum('teams');
CALL use('SELECT count(u.pad) FROM users u LEFT JOIN teams t ON t.id = u.team', 'report', 2);
SELECT * FROM verdict('teams_id_idx');
SELECT * FROM ask('DROP INDEX teams_id_idx') WHERE ask ~ '^ERROR';

-- nobody reads it, but its statistics make the estimate: a tenth of the rows, which without them would be a two-hundredth
CREATE TABLE readings (id int, pad text);
INSERT INTO readings SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i;
CREATE INDEX readings_digit_idx ON readings ((id % 10));
CALL vacuum('readings');
CALL use('SET enable_seqscan = on; SET enable_bitmapscan = off; SET enable_indexscan = off; SELECT pad FROM readings WHERE id % 10 = 3', 'report', 2);
SELECT * FROM verdict('readings_digit_idx');
SELECT * FROM ask('DROP INDEX readings_digit_idx') WHERE ask ~ '^ERROR';

-- the list of what can go is right taken together: of two twins in use one stays
CREATE TABLE twins (id int, pad text);
INSERT INTO twins SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i;
CREATE INDEX twins_a_idx ON twins (id);
CALL vacuum('twins');
CALL use('SELECT pad FROM twins WHERE id = 17', 'auth', 25);
CREATE INDEX twins_b_idx ON twins (id);
CALL use('SELECT pad FROM twins WHERE id = 17', 'auth', 25);
SELECT * FROM verdict('twins');
SELECT index_name, verdict, keep_instead FROM guard.index_facts WHERE table_name = 'twins' ORDER BY 1;

-- one literal for which the table is as good as the index says nothing of the others: 77 is nowhere to be found
CREATE TABLE jobs (id int, state int, pad text);
INSERT INTO jobs SELECT i, i % 10, repeat('x', 50) FROM generate_series(1, 20000) i;
CREATE INDEX jobs_state_idx ON jobs (state);
CALL vacuum('jobs');
CALL use('SELECT pad FROM jobs WHERE state = 5 LIMIT 1', 'auth', 3);
SELECT * FROM verdict('jobs_state_idx');
CALL use('SELECT pad FROM jobs WHERE state = 77 LIMIT 1', 'auth', 3);
SELECT * FROM verdict('jobs_state_idx');
-- and still so when the harmless one is planned last
CALL use('SELECT pad FROM jobs WHERE state = 5 LIMIT 1', 'auth', 3);
SELECT * FROM verdict('jobs_state_idx');
-- an index that is not unique does not spare anybody a join
CREATE TABLE names (id int, pad text);
INSERT INTO names SELECT i, repeat('x', 50) FROM generate_series(1, 20000) i;
CREATE UNIQUE INDEX names_id_idx ON names (id);
CREATE INDEX names_id_too_idx ON names (id);
CALL vacuum('names');
CALL use('SELECT count(*) FROM jobs LEFT JOIN names ON names.id = jobs.id', 'auth', 3);
SELECT * FROM verdict('names');
SELECT * FROM ask('BEGIN; DROP INDEX names_id_idx; COMMIT') WHERE ask !~ '^(DETAIL|HINT)';
CREATE UNIQUE INDEX names_id_pad_idx ON names (id) INCLUDE (pad);
SELECT * FROM verdict('names_id_idx');

-- a sort on the inner side of a loop is begun anew for each row of the outer side, although little of it is read
CREATE TABLE sales (id int, member int, pad text);
INSERT INTO sales SELECT i, i % 500, repeat('x', 100) FROM generate_series(1, 20000) i;
CREATE INDEX sales_member_idx ON sales (member, id);
CALL vacuum('sales');
CALL use('SELECT pad FROM sales WHERE member = 7 ORDER BY id DESC LIMIT 3', 'auth', 10);
CALL use('SELECT s.pad FROM generate_series(1, 8) g, LATERAL (SELECT pad FROM sales WHERE member = g ORDER BY id DESC LIMIT 3) s', 'auth', 10);
-- what is added to what each takes now: that is measured, and takes as long as the machine lets it
SELECT count(*), max(predicted_time - mean_time) > 4 * min(predicted_time - mean_time) AS eight_times FROM guard.index_statements('sales_member_idx');

-- a walk that ends when it has found enough may find it at once, or never
CREATE TABLE tasks (id int, worker int, pad text);
INSERT INTO tasks SELECT i, hashint4(i) & 127, repeat('x', 100) FROM generate_series(1, 20000) i;
CREATE INDEX tasks_id_idx ON tasks (id);
CREATE INDEX tasks_worker_idx ON tasks (worker, id);
CALL vacuum('tasks');
CALL use('SELECT pad FROM tasks WHERE worker = 7 ORDER BY id LIMIT 20', 'auth', 10);
SELECT other_index, predicted_low - mean_time < (predicted_time - mean_time) / 10 AS at_once,
	predicted_high - mean_time > (predicted_time - mean_time) * 4 AS never
  FROM guard.index_statements('tasks_worker_idx');
