-- The demonstration's schema (demo/sql), with less in it, and with organisations of every size.
SET search_path = auth, public;
INSERT INTO users (organisation_id, email, password_hash, status)
SELECT (random() ^ 3 * 800)::int, 'user' || n || '@example.com', md5(n::text), CASE WHEN n % 97 = 0 THEN 'locked' WHEN n % 31 = 0 THEN 'invited' ELSE 'active' END FROM generate_series(1, 120000) n;
INSERT INTO totp_secrets (user_id, secret, confirmed) SELECT n, md5(n::text), n % 20 <> 0 FROM generate_series(1, 90000) n;
INSERT INTO devices (user_id, name, last_seen)
SELECT 1 + (random() ^ 2 * 119000)::int, 'laptop-' || n, now() - random() ^ 2 * interval '400 days' FROM generate_series(1, 150000) n;
INSERT INTO push_challenges (device_id, created_at, answer)
SELECT 1 + (random() ^ 2 * 149000)::int, now() - random() * interval '30 days', CASE WHEN n % 50 = 0 THEN NULL WHEN n % 9 = 0 THEN 'denied' ELSE 'approved' END FROM generate_series(1, 200000) n;
INSERT INTO sessions (user_id, token_hash, expires_at)
SELECT 1 + (random() * 119000)::int, md5('s' || n), now() + (random() - 0.7) * interval '8 hours' FROM generate_series(1, 180000) n;
ALTER TABLE users ADD PRIMARY KEY (id);
ALTER TABLE totp_secrets ADD PRIMARY KEY (id);
ALTER TABLE devices ADD PRIMARY KEY (id);
ALTER TABLE push_challenges ADD PRIMARY KEY (id);
ALTER TABLE sessions ADD PRIMARY KEY (id);
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX totp_secrets_user_id_idx ON totp_secrets (user_id);
CREATE INDEX devices_user_id_idx ON devices (user_id);
CREATE INDEX push_challenges_device_id_idx ON push_challenges (device_id);
CREATE INDEX sessions_token_hash_idx ON sessions (token_hash);
-- @ queries; dropped: devices_user_id_idx
SELECT id, password_hash FROM users WHERE email = 'user77@example.com';
SELECT id, password_hash FROM users WHERE email = 'user118003@example.com' AND status = 'active';
SELECT secret FROM totp_secrets WHERE user_id = 4711 AND confirmed;
SELECT id, name, last_seen FROM devices WHERE user_id = 9000 ORDER BY last_seen DESC;
SELECT count(*) FROM devices WHERE last_seen > now() - interval '1 hour';
SELECT count(*) FROM devices WHERE last_seen < now() - interval '390 days';
SELECT id, answer FROM push_challenges WHERE device_id = 12000 ORDER BY created_at DESC LIMIT 1;
SELECT p.id, d.name FROM push_challenges p JOIN devices d ON d.id = p.device_id WHERE d.user_id = 300 AND p.answer IS NULL;
SELECT u.email, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = md5('s77');
SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.organisation_id = 3 AND s.expires_at > now();
SELECT u.organisation_id, count(*) FROM users u JOIN devices d ON d.user_id = u.id WHERE u.status = 'locked' GROUP BY u.organisation_id ORDER BY count(*) DESC LIMIT 10;
SELECT u.id FROM users u WHERE u.organisation_id = 700 AND NOT EXISTS (SELECT FROM totp_secrets t WHERE t.user_id = u.id);
SELECT d.user_id, max(p.created_at) FROM devices d JOIN push_challenges p ON p.device_id = d.id WHERE p.created_at > now() - interval '2 hours' AND p.answer = 'denied' GROUP BY d.user_id;
UPDATE sessions SET expires_at = now() + interval '8 hours' WHERE token_hash = '1234';
UPDATE devices SET last_seen = now() WHERE id = 500;
DELETE FROM sessions WHERE expires_at < now() - interval '5 hours';
SELECT status, count(*) FROM users WHERE organisation_id IN (1, 2, 3, 500) GROUP BY status;
SELECT id FROM users WHERE id BETWEEN 5000 AND 5050 ORDER BY id;
