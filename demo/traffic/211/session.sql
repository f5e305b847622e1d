-- Service auth: is this session still good?  Asked with every page.
\set id random(1, :rows)
SELECT user_id, expires_at FROM auth.sessions WHERE token_hash = md5(':id');
