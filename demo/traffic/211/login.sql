-- Service auth: somebody signs in with password and second factor.
\set id random(1, :rows)
SELECT id, password_hash, status FROM auth.users WHERE email = 'user:id@example.com';
SELECT secret FROM auth.totp_secrets WHERE user_id = :id AND confirmed;
INSERT INTO auth.sessions (user_id, token_hash) VALUES (:id, md5(random()::text));
