-- openQA's schema as its own migrations make it (test/histories), rows and questions of our own.
SET session_replication_role = replica;
INSERT INTO jobs (id, state, priority, result, test, distri, version, flavor, arch, build, machine, group_id, assigned_worker_id, t_started, t_finished, t_created, t_updated, blocked_by_id)
SELECT n, CASE WHEN n > 39800 THEN 'scheduled' WHEN n > 39700 THEN 'running' ELSE 'done' END, 30 + n % 5 * 10, (ARRAY['passed', 'passed', 'softfailed', 'failed', 'incomplete', 'passed'])[1 + (random() * 5)::int],
	'test_' || n % 240, CASE WHEN n % 9 = 0 THEN 'opensuse' ELSE 'sle' END, '15-SP' || n % 6, (ARRAY['DVD', 'NET', 'Online', 'Full'])[1 + n % 4], CASE WHEN n % 5 = 0 THEN 'aarch64' ELSE 'x86_64' END,
	'20' || (100 + n / 200), '64bit', 1 + (random() ^ 2 * 60)::int, CASE WHEN n % 3 = 0 THEN n % 80 END, localtimestamp - (40000 - n) * interval '4 minutes', localtimestamp - (40000 - n) * interval '3 minutes',
	localtimestamp - (40000 - n) * interval '5 minutes', localtimestamp - (40000 - n) * interval '3 minutes', CASE WHEN n % 400 = 0 THEN n - 1 END FROM generate_series(1, 40000) n;
INSERT INTO job_modules (id, job_id, name, script, category, result, t_created, t_updated)
SELECT n, 1 + n / 6, 'module_' || n % 300, 'tests/m' || n % 300 || '.pm', (ARRAY['console', 'x11', 'installation', 'boot'])[1 + n % 4], CASE WHEN n % 40 = 0 THEN 'failed' WHEN n % 900 = 0 THEN 'none' ELSE 'passed' END, localtimestamp, localtimestamp FROM generate_series(1, 200000) n;
INSERT INTO job_settings (id, key, value, job_id, t_created, t_updated)
SELECT n, (ARRAY['ARCH', 'BUILD', 'ISO', 'HDD_1', 'DISTRI', 'WORKER_CLASS'])[1 + n % 6], 'v' || (random() ^ 2 * 900)::int, 1 + n / 6, localtimestamp, localtimestamp FROM generate_series(1, 200000) n;
INSERT INTO comments (id, job_id, user_id, text, t_created, t_updated, flags) SELECT n, n * 20, 1 + n % 30, 'bsc#' || n, localtimestamp - n * interval '1 hour', localtimestamp, 0 FROM generate_series(1, 2000) n;
-- @ queries; dropped: idx_jobs_state
SELECT id, priority FROM jobs WHERE state = 'scheduled' AND blocked_by_id IS NULL ORDER BY priority, id LIMIT 20;
SELECT state, count(*) FROM jobs GROUP BY state;
SELECT id, result FROM jobs WHERE build = '20250' AND group_id = 7 ORDER BY id DESC;
SELECT max(id) FROM jobs WHERE version = '15-SP3' AND distri = 'sle' AND flavor = 'NET' AND test = 'test_63' AND machine = '64bit' AND arch = 'x86_64';
SELECT result, count(*) FROM jobs WHERE t_finished > localtimestamp - interval '1 day' GROUP BY result;
SELECT j.id, m.name FROM jobs j JOIN job_modules m ON m.job_id = j.id WHERE j.result = 'failed' AND m.result = 'failed' AND j.build = '20199';
SELECT count(*) FROM job_modules WHERE result = 'none';
SELECT name, count(*) FROM job_modules WHERE job_id IN (100, 101, 102) GROUP BY name;
SELECT job_id FROM job_settings WHERE key = 'ISO' AND value = 'v3';
SELECT s.key, s.value FROM job_settings s WHERE s.job_id = 12000 ORDER BY s.key;
SELECT j.id FROM jobs j WHERE j.group_id = 3 AND NOT EXISTS (SELECT FROM job_modules m WHERE m.job_id = j.id AND m.result <> 'passed') LIMIT 50;
UPDATE jobs SET state = 'running', t_started = now(), assigned_worker_id = 5 WHERE id = 39900;
UPDATE job_modules SET result = 'passed', t_updated = now() WHERE job_id = 20000 AND name = 'module_7';
DELETE FROM jobs WHERE t_finished < localtimestamp - interval '100 days';
SELECT j.group_id, c.text FROM comments c JOIN jobs j ON j.id = c.job_id WHERE c.t_created > localtimestamp - interval '2 days';
SELECT assigned_worker_id, count(*) FROM jobs WHERE assigned_worker_id IS NOT NULL AND state = 'done' GROUP BY assigned_worker_id ORDER BY count(*) DESC LIMIT 5;
SELECT id FROM jobs WHERE id > 39950 ORDER BY id;
SELECT date_trunc('day', t_created), count(*) FROM jobs WHERE t_created > localtimestamp - interval '30 days' GROUP BY 1 ORDER BY 1;
