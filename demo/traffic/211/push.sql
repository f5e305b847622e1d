-- Service push: is a question still open on this device?  Then ask one.
\set id random(1, :rows)
SELECT id, created_at FROM auth.push_challenges WHERE device_id = :id AND answer IS NULL;
INSERT INTO auth.push_challenges (device_id) VALUES (:id);
