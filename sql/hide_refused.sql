-- What cannot be hidden, and who cannot hide it.  Constraints, ON CONFLICT and
-- foreign keys go on whatever is hidden.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set plan :srcdir /sql/include/plan.psql
\i :plan
CREATE EXTENSION guard;
CREATE EXTENSION btree_gist SCHEMA tools;
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, team int NOT NULL, ident int NOT NULL,
	EXCLUDE USING gist (team WITH =, id WITH =));
INSERT INTO users SELECT i, 'user' || i, i % 100, i FROM generate_series(1, 3000) i;
CREATE UNIQUE INDEX users_ident_idx ON users (ident);
CREATE UNIQUE INDEX users_partial_idx ON users (email) WHERE team > 50;
CREATE UNIQUE INDEX users_ident_key ON users (ident, id);
ALTER TABLE users REPLICA IDENTITY USING INDEX users_ident_key;
CREATE INDEX users_team_idx ON users (team);

-- each with its reason
SELECT guard.hide('users_pkey');
:refusal
SELECT guard.hide('users_email_key');
:refusal
SELECT guard.hide('users_team_id_excl');
:refusal
SELECT guard.hide('users_ident_idx');
:refusal
SELECT guard.hide('users_partial_idx');
:refusal
SELECT guard.hide('users_ident_key');
:refusal
-- what is not valid serves nobody already
INSERT INTO users VALUES (0, NULL, 1, 0);
CREATE FUNCTION fail(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / $1; END $$;
CREATE INDEX CONCURRENTLY users_broken_idx ON users (fail(id));
SELECT guard.hide('users_broken_idx');
:refusal
DROP INDEX users_broken_idx;
-- what is no index, or none of guard's business
SELECT guard.hide(NULL);
:refusal
SELECT guard.unhide(NULL);
:refusal
SELECT guard.hide('users');
:refusal
SELECT guard.unhide('users');
:refusal
SELECT guard.hide('pg_class_oid_index');
:refusal
SELECT guard.hide('guard.audit_log_at_idx');
:refusal
CREATE TEMP TABLE scratch (a int);
CREATE INDEX scratch_a_idx ON scratch (a);
SELECT guard.hide('scratch_a_idx');
:refusal
SELECT guard.hide(4294967295);
:refusal
SELECT guard.unhide(4294967295);
:refusal

-- where rows arrive by replication and have no identity, apply workers may use any index, unseen by the planner
CREATE TABLE copied (a int, b int);
CREATE INDEX copied_a_idx ON copied (a);
CREATE SUBSCRIPTION regress_guard_sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);
INSERT INTO pg_subscription_rel SELECT oid, 'copied'::regclass, 'r', NULL FROM pg_subscription WHERE subname = 'regress_guard_sub';
SELECT guard.hide('copied_a_idx');
:refusal
ALTER TABLE copied ADD PRIMARY KEY (a);
SELECT guard.hide('copied_a_idx');
SELECT guard.unhide('copied_a_idx');
DELETE FROM pg_subscription_rel WHERE srrelid = 'copied'::regclass;
DROP SUBSCRIPTION regress_guard_sub;

-- the owner of the table, and only with EXECUTE
CREATE ROLE regress_guard_owner;
CREATE ROLE regress_guard_other;
GRANT CREATE ON SCHEMA public TO regress_guard_owner;
ALTER TABLE users OWNER TO regress_guard_owner;
SET ROLE regress_guard_owner;
SELECT guard.hide('users_team_idx');
:refusal
RESET ROLE;
GRANT EXECUTE ON FUNCTION guard.hide, guard.unhide TO regress_guard_owner, regress_guard_other;
SET ROLE regress_guard_other;
SELECT guard.hide('users_team_idx');
:refusal
SELECT guard.unhide('users_team_idx');
:refusal
SELECT * FROM guard.hidden_index;
:refusal
INSERT INTO guard.hidden_index SELECT * FROM guard.hidden_index;
:refusal
RESET ROLE;
SET ROLE regress_guard_owner;
SELECT guard.hide('users_team_idx', 'mine');
SELECT index_name, hidden FROM guard.index_facts WHERE hidden;
RESET ROLE;
SELECT index_name, reason FROM guard.hidden_index JOIN guard.object o ON o.id = object;
SELECT command, object, reason FROM guard.audit_log WHERE command ~ 'hide' ORDER BY id;

-- constraints do not ask the planner
CREATE TABLE members (user_id int REFERENCES users (id) ON DELETE CASCADE, tag text);
CREATE INDEX members_user_idx ON members (user_id);
INSERT INTO members SELECT i, 'm' || i FROM generate_series(1, 3000) i;
SELECT guard.hide('members_user_idx');
SELECT plan('SELECT tag FROM members WHERE user_id = 17');
INSERT INTO members VALUES (4000, 'orphan');
INSERT INTO users VALUES (1, 'twice', 1, 9001);
INSERT INTO users VALUES (1, 'twice', 1, 9001) ON CONFLICT (id) DO UPDATE SET email = 'upserted';
INSERT INTO users VALUES (9002, 'user2', 1, 9002) ON CONFLICT ON CONSTRAINT users_email_key DO NOTHING;
DELETE FROM users WHERE id = 17;
SELECT count(*) FROM members WHERE user_id = 17;
-- an index that enforces something cannot slip in under a hidden one's name
SET guard.mode = off;
DROP INDEX members_user_idx;
CREATE UNIQUE INDEX members_user_idx ON members (user_id);
RESET guard.mode;
SELECT plan('SELECT tag FROM members WHERE user_id = 18');
-- the trigger of guard's table is nobody else's
CREATE TABLE elsewhere (a int);
CREATE TRIGGER changed AFTER INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION guard.hidden_index_changed();
INSERT INTO elsewhere VALUES (1);
