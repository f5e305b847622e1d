-- Service devices: a device reports in, and the list of its owner's devices.
\set id random(1, :rows)
UPDATE auth.devices SET last_seen = now() WHERE id = :id;
SELECT id, name, last_seen FROM auth.devices WHERE user_id = :id;
