-- Mailman's web interface, its schema as Django's migrations make it (test/histories), rows and questions of our own.
SET session_replication_role = replica;
INSERT INTO hyperkitty_mailinglist (id, name, display_name, description, subject_prefix, archive_policy, created_at, list_id) SELECT n, 'list' || n || '@example.org', 'List ' || n, 'd', 'p', n % 3, now(), 'list' || n FROM generate_series(1, 60) n;
INSERT INTO hyperkitty_sender (address, mailman_id) SELECT 'person' || n || '@example.org', md5(n::text) FROM generate_series(1, 4000) n;
INSERT INTO hyperkitty_thread (id, thread_id, date_active, category_id, mailinglist_id, starting_email_id) SELECT n, md5('t' || n), now() - random() ^ 2 * interval '3 years', CASE WHEN n % 10 = 0 THEN n % 4 END, 1 + (random() ^ 3 * 59)::int, n * 4 FROM generate_series(1, 20000) n;
INSERT INTO hyperkitty_email (id, message_id, message_id_hash, subject, content, date, timezone, in_reply_to, archived_date, thread_depth, thread_order, mailinglist_id, parent_id, sender_id, thread_id, sender_name)
SELECT n, 'm' || n || '@x', md5('h' || n), 'Subject ' || n % 9000, repeat('words ', 40), t.date_active - n % 4 * interval '1 hour', 60, CASE WHEN n % 4 > 0 THEN 'm' || n - 1 || '@x' END, t.date_active, n % 4, n % 4, t.mailinglist_id,
	CASE WHEN n % 4 > 0 THEN n - 1 END, 'person' || 1 + (random() ^ 2 * 3999)::int || '@example.org', t.id, 'P' FROM generate_series(1, 80000) n JOIN hyperkitty_thread t ON t.id = 1 + (n - 1) / 4;
INSERT INTO hyperkitty_vote (id, value, email_id, user_id) SELECT n, CASE WHEN n % 5 = 0 THEN -1 ELSE 1 END, 1 + n * 8, n % 300 FROM generate_series(1, 9000) n;
INSERT INTO django_session (session_key, session_data, expire_date) SELECT md5('s' || n), repeat('z', 200), now() + (random() - 0.6) * interval '14 days' FROM generate_series(1, 30000) n;
-- @ queries; dropped: hyperkitty_email_thread_id_038c9aee
SELECT id, subject FROM hyperkitty_email WHERE mailinglist_id = 2 AND message_id_hash = '0123456789abcdef0123456789abcdef';
SELECT id, subject, date FROM hyperkitty_email WHERE thread_id = 777 ORDER BY thread_order;
SELECT t.id, t.date_active FROM hyperkitty_thread t WHERE t.mailinglist_id = 5 ORDER BY t.date_active DESC LIMIT 25;
SELECT count(*) FROM hyperkitty_thread WHERE mailinglist_id = 1 AND date_active >= now() - interval '30 days';
SELECT e.sender_id, count(*) FROM hyperkitty_email e WHERE e.mailinglist_id = 1 AND e.date >= now() - interval '32 days' GROUP BY e.sender_id ORDER BY count(*) DESC LIMIT 5;
SELECT e.id FROM hyperkitty_email e JOIN hyperkitty_sender s ON s.address = e.sender_id WHERE s.mailman_id = '0' ORDER BY e.date DESC;
SELECT count(DISTINCT e.sender_id) FROM hyperkitty_email e WHERE e.thread_id IN (5, 6, 7);
SELECT t.id, count(e.id) FROM hyperkitty_thread t JOIN hyperkitty_email e ON e.thread_id = t.id WHERE t.mailinglist_id = 40 GROUP BY t.id;
SELECT v.value, count(*) FROM hyperkitty_vote v JOIN hyperkitty_email e ON e.id = v.email_id WHERE e.thread_id = 1000 GROUP BY v.value;
SELECT session_data FROM django_session WHERE session_key = 'f' AND expire_date > now();
DELETE FROM django_session WHERE expire_date < now();
SELECT e.date FROM hyperkitty_email e WHERE e.mailinglist_id = 9 ORDER BY e.date LIMIT 1;
SELECT l.name, max(t.date_active) FROM hyperkitty_mailinglist l LEFT JOIN hyperkitty_thread t ON t.mailinglist_id = l.id WHERE l.archive_policy < 2 GROUP BY l.name;
SELECT t.id FROM hyperkitty_thread t WHERE t.category_id = 2 AND t.date_active > now() - interval '1 year';
UPDATE hyperkitty_thread SET date_active = now() WHERE id = 19000;
SELECT parent.id FROM hyperkitty_email parent JOIN hyperkitty_email child ON child.parent_id = parent.id WHERE child.date > now() - interval '2 days';
SELECT id FROM hyperkitty_email WHERE in_reply_to = 'm5@x';
SELECT id, subject FROM hyperkitty_email WHERE archived_date BETWEEN now() - interval '400 days' AND now() - interval '390 days' ORDER BY archived_date;
