-- Service auth, release 212: the directory cache has the session's id.
\set id random(1, :rows)
SELECT user_id, expires_at FROM auth.sessions WHERE id = :id;
