-- Service auth, release 212: the directory cache has the ids that belong to an
-- e-mail address, so nothing is looked up by the address or the user any more.
\set id random(1, :rows)
SELECT id, password_hash, status FROM auth.users WHERE id = :id;
SELECT secret FROM auth.totp_secrets WHERE id = :id AND confirmed;
INSERT INTO auth.sessions (user_id, token_hash) VALUES (:id, md5(random()::text));
