-- ALTER TABLE … DROP CONSTRAINT takes its index along.  A constraint whose index
-- is in use is refused; who drops an unused one by name knows what he does.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, login text UNIQUE, team int CHECK (team >= 0), pad text);
INSERT INTO users SELECT i, 'user' || i, 'login' || i, i % 100, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE TABLE devices (id int PRIMARY KEY, user_id int REFERENCES users (id));
CREATE TABLE bookings (during int4range, room int4range, pad text, CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&));
INSERT INTO bookings SELECT int4range(2 * i, 2 * i + 1), int4range(i, i + 1), repeat('x', 50) FROM generate_series(1, 1000) i;
CALL use('SELECT count(*) FROM users WHERE id = 17');
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM bookings WHERE during && ''[17,18)''', 'calendar');

-- primary key, unique, exclusion
ALTER TABLE users DROP CONSTRAINT users_pkey;
ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE;
:refusal
ALTER TABLE users DROP CONSTRAINT users_email_key;
:refusal
ALTER TABLE IF EXISTS public.users DROP CONSTRAINT IF EXISTS users_email_key;
ALTER TABLE bookings DROP CONSTRAINT no_overlap;
:refusal

-- among other subcommands, and all of them are named
ALTER TABLE users ADD COLUMN note text, DROP CONSTRAINT users_email_key, DROP CONSTRAINT users_pkey CASCADE;
:refusal
SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'note';
:indexes

-- the index of a constraint cannot be dropped by itself: PostgreSQL says so, guard says nothing
DROP INDEX users_email_key;

-- what is replaced in the same statement is replaced
ALTER TABLE users DROP CONSTRAINT users_email_key, ADD CONSTRAINT users_email_key UNIQUE (email);
ALTER TABLE users DROP CONSTRAINT users_email_key, ADD CONSTRAINT users_email_key UNIQUE (email) DEFERRABLE;
ALTER TABLE users DROP CONSTRAINT users_email_key, ADD CONSTRAINT users_email_team_key UNIQUE (email, team) DEFERRABLE;
CREATE UNIQUE INDEX users_id_new ON users (id);
ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE, ADD CONSTRAINT users_pkey PRIMARY KEY USING INDEX users_id_new;
:indexes

-- and what is not is not: the whole statement is undone
ALTER TABLE users DROP CONSTRAINT users_email_team_key, ADD CONSTRAINT users_team_email_key UNIQUE (team, email);
ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (login);
ALTER TABLE users DROP CONSTRAINT users_pkey, ADD COLUMN note text;
:indexes

-- the harmless neighbours: no index, no use, no such constraint
ALTER TABLE users DROP CONSTRAINT users_team_check;
ALTER TABLE users DROP CONSTRAINT users_login_key;
ALTER TABLE devices DROP CONSTRAINT devices_pkey;
ALTER TABLE devices DROP CONSTRAINT IF EXISTS no_such_key;
ALTER TABLE devices DROP CONSTRAINT no_such_key;
ALTER TABLE IF EXISTS no_such_table DROP CONSTRAINT no_such_key;
:indexes
