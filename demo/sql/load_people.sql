-- Users and their second factors: :rows each, and the indexes the services use.
-- Written in one transaction with a TRUNCATE, so that with wal_level = minimal
-- the rows bypass the WAL.

SET ROLE deploy;

BEGIN;
TRUNCATE auth.users, auth.totp_secrets RESTART IDENTITY;

INSERT INTO auth.users (organisation_id, email, password_hash)
SELECT n % 4000, 'user' || n || '@example.com', '$argon2id$v=19$m=65536,t=3,p=4$' || md5(n::text)
FROM generate_series(1, :rows) n;
ALTER TABLE auth.users ADD PRIMARY KEY (id);
CREATE INDEX users_email_idx ON auth.users (email);
\echo > :rows users

INSERT INTO auth.totp_secrets (user_id, secret)
SELECT n, md5(n::text)
FROM generate_series(1, :rows) n;
ALTER TABLE auth.totp_secrets ADD PRIMARY KEY (id);
CREATE INDEX totp_secrets_user_id_idx ON auth.totp_secrets (user_id);
\echo > :rows TOTP secrets
COMMIT;

VACUUM (ANALYZE) auth.users, auth.totp_secrets;
