-- Devices, push challenges and sessions: :rows each, and the indexes the
-- services use.  See load_people.sql for the transaction.

SET ROLE deploy;

BEGIN;
TRUNCATE auth.devices, auth.push_challenges, auth.sessions RESTART IDENTITY;

INSERT INTO auth.devices (user_id, name)
SELECT n, 'laptop-' || n
FROM generate_series(1, :rows) n;
ALTER TABLE auth.devices ADD PRIMARY KEY (id);
CREATE INDEX devices_user_id_idx ON auth.devices (user_id);
\echo > :rows devices

INSERT INTO auth.push_challenges (device_id, answer)
SELECT n, 'approved'
FROM generate_series(1, :rows) n;
ALTER TABLE auth.push_challenges ADD PRIMARY KEY (id);
CREATE INDEX push_challenges_device_id_idx ON auth.push_challenges (device_id);
\echo > :rows push challenges

INSERT INTO auth.sessions (user_id, token_hash)
SELECT n, md5(n::text)
FROM generate_series(1, :rows) n;
ALTER TABLE auth.sessions ADD PRIMARY KEY (id);
CREATE INDEX sessions_token_hash_idx ON auth.sessions (token_hash);
\echo > :rows sessions
COMMIT;

VACUUM (ANALYZE) auth.devices, auth.push_challenges, auth.sessions;
