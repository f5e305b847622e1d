-- Every setting is there, has a unit and a range, and can only be weakened by a superuser or whom he grants it to.
BEGIN;
SELECT no_plan();

CREATE TEMP VIEW settings AS SELECT * FROM pg_settings WHERE name LIKE 'guard.%';

SELECT set_has(
	$$ SELECT name, vartype, unit, boot_val, context FROM settings $$,
	$$ VALUES
		('guard.mode',				'enum',		NULL,	'enforce',	'superuser'),
		('guard.hot_action',		'enum',		NULL,	'block',	'superuser'),
		('guard.trial_period',		'integer',	's',	(7 * 86400)::text, 'superuser'),
		('guard.restore_factor',	'real',		NULL,	'3',		'superuser'),
		('guard.unknown_action',	'enum',		NULL,	'auto',		'superuser'),
		('guard.application_name_pattern', 'string', NULL, '%s/%v', 'sighup'),
		('guard.two_person',		'bool',		NULL,	'off',		'superuser'),
		('guard.lookback',			'integer',	's',	(35 * 86400)::text, 'superuser'),
		('guard.quiet_period',		'integer',	's',	'86400',	'superuser'),
		('guard.min_evidence_age',	'integer',	's',	(7 * 86400)::text, 'superuser'),
		('guard.min_scans',			'integer',	NULL,	'50',		'superuser'),
		('guard.rebuild_limit',		'integer',	'kB',	(256 * 1024)::text, 'superuser'),
		('guard.without_index',		'string',	NULL,	'',			'user'),
		('guard.whatif',			'bool',		NULL,	'on',		'sighup'),
		('guard.whatif_interval',	'integer',	's',	'3600',		'superuser'),
		('guard.whatif_time_limit',	'integer',	'ms',	'10',		'superuser'),
		('guard.hiding',			'bool',		NULL,	'on',		'sighup'),
		('guard.snapshot_interval',	'integer',	's',	'300',		'sighup'),
		('guard.history_retention',	'integer',	's',	(400 * 86400)::text, 'sighup'),
		('guard.alerts',			'bool',		NULL,	'on',		'sighup'),
		('guard.alert_pool_busy',	'integer',	NULL,	'0',		'sighup'),
		('guard.capture',			'bool',		NULL,	'on',		'sighup') $$,
	'the settings of the design, with their defaults');
SELECT set_has(
	$$ SELECT name, context FROM settings $$,
	$$ VALUES ('guard.max_indexes', 'postmaster'), ('guard.max_statements', 'postmaster') $$,
	'where guard is preloaded, the sizes of its tables as well');
SELECT is((SELECT enumvals FROM settings WHERE name = 'guard.mode'), '{off,observe,enforce}', 'guard.mode');
SELECT ok((SELECT enumvals FROM settings WHERE name = 'guard.unknown_action') @> '{auto,allow,delay,block}', 'guard.unknown_action');
SELECT is((SELECT enumvals FROM settings WHERE name = 'guard.hot_action'), '{block,delay}', 'guard.hot_action');

SELECT is_empty($$ SELECT name FROM settings WHERE context NOT IN ('superuser', 'sighup', 'postmaster') AND name NOT IN ('guard.without_index', 'guard.plan_as') $$,
	'no setting is anybody''s, but those that change plans of whoever sets them');
SELECT is_empty($$ SELECT name FROM settings WHERE short_desc IS NULL OR short_desc !~ '\.$' $$, 'each is described');
SELECT is_empty($$ SELECT name FROM settings WHERE vartype = 'integer' AND unit IS NULL AND name !~ '(min_scans|max_indexes|max_statements|alert_pool_busy)$' $$,
	'times and sizes have a unit, counts and percentages have none');
SELECT is_empty($$ SELECT name FROM settings WHERE vartype IN ('integer', 'real') AND (min_val IS NULL OR max_val IS NULL) $$, 'numbers have a range');
SELECT is_empty($$ SELECT name FROM settings WHERE pending_restart OR source NOT IN ('default', 'configuration file') $$, 'nothing sets them behind our back');

-- Units from seconds to days, as people write them.
SELECT lives_ok(format('SET LOCAL guard.%s = %L', s, v), format('guard.%s takes %s', s, v))
  FROM (VALUES ('lookback', '90s'), ('lookback', '35d'), ('lookback', '12h'), ('quiet_period', '30min'), ('min_evidence_age', '0'),
			   ('rebuild_limit', '100MB'), ('rebuild_limit', '2GB'), ('min_scans', '1'), ('unknown_action', 'block'), ('mode', 'observe')) v (s, v);
SELECT throws_ok(format('SET LOCAL guard.%s = %L', s, v), '22023', NULL, format('guard.%s does not take %s', s, v))
  FROM (VALUES ('lookback', '0'), ('lookback', '-1s'), ('lookback', '5 parsecs'), ('quiet_period', '0'), ('min_evidence_age', '-1'),
			   ('rebuild_limit', '-1'), ('min_scans', '0'), ('unknown_action', ''), ('mode', 'on'), ('mode', 'disabled')) v (s, v);
SELECT throws_ok('SET LOCAL guard.nonsense = 1', '42602', NULL, 'nobody can invent a setting');
SELECT throws_ok(format('SET LOCAL guard.%s = DEFAULT', s), '55P02', NULL, format('guard.%s cannot be changed in a session', s))
  FROM unnest(ARRAY['capture', 'whatif', 'snapshot_interval', 'history_retention', 'max_indexes', 'max_statements']) s;

-- A role without privileges.
CREATE ROLE settings_plain;
SET LOCAL ROLE settings_plain;
SELECT throws_ok(format('SET LOCAL %s = DEFAULT', name), '42501', NULL, name || ': not for a plain role')
  FROM pg_settings WHERE name LIKE 'guard.%' AND context = 'superuser';
SELECT lives_ok(format('SHOW %s', name), name || ': everybody may see it') FROM pg_settings WHERE name LIKE 'guard.%';
RESET ROLE;

SELECT finish();
ROLLBACK;
