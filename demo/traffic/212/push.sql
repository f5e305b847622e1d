-- Service push, release 212: the directory cache knows the last question.
\set id random(1, :rows)
SELECT id, created_at FROM auth.push_challenges WHERE id = :id AND answer IS NULL;
INSERT INTO auth.push_challenges (device_id) VALUES (:id);
