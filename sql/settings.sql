-- The settings: their units, their bounds, and who may set them.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
SELECT name, boot_val, unit, context FROM pg_settings WHERE name ~ '^guard\.' ORDER BY name COLLATE "C";

-- times in every unit, sizes too
SET guard.lookback = '90s';
SHOW guard.lookback;
SET guard.lookback = '35d';
SHOW guard.lookback;
SET guard.quiet_period = '36h';
SHOW guard.quiet_period;
SET guard.min_evidence_age = '10 min';
SHOW guard.min_evidence_age;
SET guard.rebuild_limit = '1GB';
SHOW guard.rebuild_limit;
SET guard.min_scans = 1;
RESET ALL;

-- out of range, of the wrong kind, unknown
SET guard.mode = maybe;
SET guard.unknown_action = delay_it;
SET guard.lookback = 0;
SET guard.lookback = -1;
SET guard.lookback = '35 parsecs';
SET guard.lookback = '100000000d';
SET guard.quiet_period = 0;
SET guard.min_evidence_age = -1;
SET guard.min_scans = 0;
SET guard.rebuild_limit = -1;
SET guard.rebuild_limit = 'big';
SET guard.no_such_setting = on;
SHOW guard.mode;
SHOW guard.lookback;

-- what needs a reload, what a restart
SET guard.capture = off;
SET guard.max_indexes = 200;

-- whoever could weaken the guard must be trusted to
CREATE ROLE regress_guard_dev;
SET ROLE regress_guard_dev;
SET guard.mode = off;
SET guard.mode = observe;
SET guard.unknown_action = allow;
SET guard.lookback = '1s';
SET guard.quiet_period = '1s';
SET guard.min_evidence_age = 0;
SET guard.min_scans = 1000;
SET guard.rebuild_limit = '1TB';
SELECT set_config('guard.mode', 'off', false);
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql SET guard.mode = off AS 'SELECT 1::text';
ALTER ROLE regress_guard_dev SET guard.mode = off;
SHOW guard.mode;
RESET ROLE;
-- it can be granted
GRANT SET ON PARAMETER guard.mode TO regress_guard_dev;
SET ROLE regress_guard_dev;
SET guard.mode = observe;
SHOW guard.mode;
SET guard.unknown_action = allow;
RESET guard.mode;
RESET ROLE;
REVOKE SET ON PARAMETER guard.mode FROM regress_guard_dev;
