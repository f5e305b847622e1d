-- guard.pool_health counts client connections by service, and tells nobody
-- more of other roles' sessions than pg_stat_activity does.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE ROLE regress_guard_app;
CREATE ROLE regress_guard_monitor IN ROLE pg_read_all_stats;

-- services are folded as captured ones are
SELECT guard.service_of('puma: cluster worker 0: 4711 [app]', 'web') AS puma, guard.service_of('billing/v2.3.1', 'web') AS versioned,
	   guard.service_of('', 'web') AS role, guard.service_of(NULL, 'web') AS nothing;

SET application_name = 'checkout/v7';
SELECT service, connections, busy, active_on_cpu, waiting, waiting_for, idle_in_transaction, longest_statement < interval '5 min' AS statement,
	   longest_transaction >= longest_statement AS transaction
  FROM guard.pool_health WHERE service = 'checkout';
SELECT connection_limit = current_setting('max_connections')::int AS limit, connections > 0 AS some,
	   connections = (SELECT sum(connections) FROM guard.pool_health WHERE service IS NOT NULL) AS sums_up,
	   busy = active_on_cpu + waiting + idle_in_transaction AS busy
  FROM guard.pool_health WHERE service IS NULL;

-- another role's sessions: that they are there, not what they do
SET ROLE regress_guard_app;
SELECT service, connections > 0 AS connections, busy, active_on_cpu, waiting, waiting_for, idle_in_transaction, longest_statement, longest_transaction
  FROM guard.pool_health WHERE coalesce(service, 'checkout') = 'checkout' ORDER BY service NULLS FIRST;
SELECT count(*) FROM guard.pool_before() WHERE busy IS NOT NULL;
SELECT guard.test_alert();
-- guard's own processes are no services
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'guard launcher';
SELECT service FROM guard.pool_health WHERE service LIKE 'guard %';
SET ROLE regress_guard_monitor;
SELECT service, busy FROM guard.pool_health WHERE service = 'checkout';
SELECT service FROM guard.pool_health WHERE service LIKE 'guard %';
RESET ROLE;

-- an alert writes
BEGIN READ ONLY;
SELECT guard.test_alert();
ROLLBACK;
SELECT guard.test_alert();
SELECT command, reason IS NOT NULL AS reason, facts ->> 'alert' AS alert, jsonb_array_length(facts -> 'recent') AS recent FROM guard.audit_log;
SELECT item, state FROM guard.status WHERE item = 'alerts';
DROP ROLE regress_guard_app, regress_guard_monitor;
