-- Unleash's schema as its own migrations make it (test/histories), rows and questions of our own.
SET session_replication_role = replica;
INSERT INTO projects (id, name) SELECT 'project-' || n, 'Project ' || n FROM generate_series(1, 40) n;
INSERT INTO environments (name, type, sort_order) SELECT unnest(ARRAY['staging', 'live', 'qa']), 'production', 1 ON CONFLICT DO NOTHING;
INSERT INTO features (name, description, type, stale, project, created_at, archived_at, archived) SELECT 'feature-' || n, 'd', CASE WHEN n % 7 = 0 THEN 'experiment' ELSE 'release' END, n % 9 = 0, 'project-' || 1 + (random() ^ 2 * 39)::int,
	now() - random() * interval '2 years', CASE WHEN n % 4 = 0 THEN now() - random() * interval '1 year' END, n % 4 = 0 FROM generate_series(1, 5000) n;
INSERT INTO feature_environments (environment, feature_name, enabled) SELECT e, 'feature-' || n, (n * 7 + length(e)) % 3 > 0 FROM generate_series(1, 5000) n, unnest(ARRAY['staging', 'live', 'qa']) e;
INSERT INTO feature_strategies (id, feature_name, project_name, environment, strategy_name, parameters, constraints, sort_order) SELECT 's' || n, 'feature-' || 1 + n % 5000, 'project-1', (ARRAY['staging', 'live', 'qa'])[1 + n % 3], CASE WHEN n % 5 = 0 THEN 'userWithId' ELSE 'flexibleRollout' END, '{}', '[]', 1 FROM generate_series(1, 20000) n;
INSERT INTO events (created_at, type, created_by, project, environment, feature_name, announced, created_by_user_id) SELECT now() - (60000 - n) * interval '11 minutes', (ARRAY['feature-created', 'feature-updated', 'strategy-added', 'feature-environment-enabled', 'segment-updated'])[1 + (random() ^ 2 * 4)::int],
	'user' || n % 50, 'project-' || 1 + n % 40, (ARRAY['staging', 'live', NULL])[1 + n % 3], CASE WHEN n % 3 > 0 THEN 'feature-' || 1 + (random() ^ 2 * 4999)::int END, n < 59990, n % 50 FROM generate_series(1, 60000) n;
INSERT INTO client_metrics_env (feature_name, app_name, environment, timestamp, yes, no) SELECT 'feature-' || f, 'app-' || f % 12, 'live', date_trunc('hour', now()) - h * interval '1 hour', (random() ^ 2 * 1000)::int, 5 FROM generate_series(1, 1200) f, generate_series(0, 90) h;
-- @ queries; dropped: feature_name_idx
SELECT name, type, stale FROM features WHERE project = 'project-3' AND archived_at IS NULL ORDER BY created_at;
SELECT f.name, e.environment, e.enabled FROM features f JOIN feature_environments e ON e.feature_name = f.name WHERE f.name = 'feature-77';
SELECT f.name, s.strategy_name, s.parameters FROM features f JOIN feature_environments e ON e.feature_name = f.name LEFT JOIN feature_strategies s ON s.feature_name = f.name AND s.environment = e.environment WHERE e.environment = 'live' AND e.enabled AND NOT f.archived;
SELECT id, type FROM events WHERE feature_name = 'feature-1' ORDER BY created_at DESC LIMIT 100;
SELECT id FROM events WHERE feature_name = 'feature-4800' ORDER BY created_at DESC LIMIT 100;
SELECT * FROM events WHERE announced = false ORDER BY created_at;
SELECT max(id) FROM events WHERE feature_name IS NOT NULL OR type IN ('segment-updated', 'feature_import', 'features-imported');
SELECT type, count(*) FROM events WHERE created_at > now() - interval '7 days' GROUP BY type;
SELECT count(*) FROM events WHERE project = 'project-9' AND type = 'feature-created';
SELECT feature_name, sum(yes), sum(no) FROM client_metrics_env WHERE feature_name = 'feature-500' AND timestamp >= now() - interval '24 hours' GROUP BY feature_name;
SELECT app_name, count(DISTINCT feature_name) FROM client_metrics_env WHERE timestamp > now() - interval '2 hours' GROUP BY app_name;
DELETE FROM client_metrics_env WHERE timestamp <= now() - interval '72 hours';
SELECT p.id, count(f.name) FROM projects p LEFT JOIN features f ON f.project = p.id AND NOT f.archived GROUP BY p.id ORDER BY p.id;
UPDATE feature_environments SET enabled = false WHERE feature_name = 'feature-10' AND environment = 'live';
UPDATE events SET announced = true WHERE announced = false;
SELECT f.name FROM features f WHERE f.type = 'experiment' AND f.stale AND f.created_at < now() - interval '500 days';
SELECT created_by_user_id, count(*) FROM events WHERE created_by_user_id = 7 AND environment = 'live' GROUP BY created_by_user_id;
INSERT INTO events (type, created_by, project, feature_name, created_by_user_id) VALUES ('feature-updated', 'user3', 'project-4', 'feature-9', 3);
