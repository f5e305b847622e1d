-- Service devices, release 212: the directory cache knows the device's row.
\set id random(1, :rows)
UPDATE auth.devices SET last_seen = now() WHERE id = :id;
SELECT id, name, last_seen FROM auth.devices WHERE id = :id;
