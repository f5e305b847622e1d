-- What the catalog of a database with guard promises, whatever is added later: everything is explained, nothing can be hijacked
-- by a search_path, nothing that changes state is everybody's, and guard cannot be put to sleep by a replication role.
BEGIN;
SELECT no_plan();

CREATE TEMP VIEW members AS
	SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS what
	  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'guard';
CREATE TEMP VIEW functions AS
	SELECT p.* FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
CREATE TEMP VIEW tables AS
	SELECT c.* FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;

-- ---- explained

SELECT is_empty(
	$$ SELECT what FROM members m
		WHERE obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)) IS NULL
		  AND NOT EXISTS (SELECT FROM pg_type t WHERE classid = 'pg_type'::regclass AND t.oid = objid)
		  AND NOT EXISTS (SELECT FROM pg_class c WHERE classid = 'pg_class'::regclass AND c.oid = objid AND relkind IN ('i', 'S'))
		  AND classid NOT IN ('pg_rewrite'::regclass, 'pg_constraint'::regclass) $$,
	'every object has a comment');
SELECT isnt_empty($$ SELECT FROM pg_description WHERE classoid = 'pg_extension'::regclass AND objoid = (SELECT oid FROM pg_extension WHERE extname = 'guard') $$,
	'so has the extension');

-- ---- everything in its own schema

SELECT is_empty(
	$$ SELECT what FROM members m JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid WHERE relnamespace <> 'guard'::regnamespace
	   UNION ALL SELECT what FROM members m JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid WHERE pronamespace <> 'guard'::regnamespace $$,
	'every table, view and function is in schema guard');
SELECT is_empty(
	$$ SELECT oid::regclass FROM pg_class WHERE relnamespace = 'guard'::regnamespace AND relkind <> 'i' AND relkind <> 'S'
		  AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid) $$,
	'and everything there belongs to guard');
SELECT ok((SELECT has_schema_privilege('public', 'guard', 'USAGE') AND NOT has_schema_privilege('public', 'guard', 'CREATE')),
	'everybody may use the schema, nobody may create in it');
SELECT is((SELECT extrelocatable FROM pg_extension WHERE extname = 'guard'), false, 'the extension stays where it is');

-- ---- nothing that a search_path could hijack

SELECT is_empty(
	$$ SELECT functions.oid::regprocedure FROM functions JOIN pg_language l ON l.oid = prolang
		WHERE lanname NOT IN ('c', 'internal') AND prosqlbody IS NULL AND NOT coalesce(proconfig::text ~ 'search_path=pg_catalog, pg_temp', false) $$,
	'functions not written in C pin their search_path, but for those whose body is bound');
SELECT is_empty(
	$$ SELECT functions.oid::regprocedure FROM functions JOIN pg_language l ON l.oid = prolang
		WHERE prosecdef AND (lanname = 'c' OR has_function_privilege('public', functions.oid, 'EXECUTE')
			OR proname NOT IN ('import_profile', 'forget_profile', 'remember_plans', 'compare_plans', 'report_node')) $$,
	'only those that take a profile in and out run with their owner''s rights by themselves, and for nobody who was not granted them');
SELECT is_empty($$ SELECT oid::regprocedure FROM functions WHERE probin IS NOT NULL AND probin <> 'guard' $$, 'C functions are in one library');
SELECT is_empty($$ SELECT oid::regprocedure FROM functions WHERE proparallel <> 'u' AND provolatile = 'v' $$,
	'what depends on the moment does not run in parallel workers');

-- ---- who may do what

SELECT is_empty(
	$$ SELECT oid::regprocedure FROM functions
		WHERE has_function_privilege('public', oid, 'EXECUTE')
		  AND proname NOT IN ('check', 'index_statements', 'indexes', 'status', 'dependencies', 'compare_versions', 'version_parts', 'what_if', 'service_of', 'pool_before', 'clean_up') $$,
	'PUBLIC may execute nothing but questions');
SELECT is_empty(
	$$ SELECT oid::regclass, p FROM tables, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
		WHERE relkind IN ('r', 'v', 'p') AND (has_table_privilege('public', oid, p) OR has_table_privilege('pg_read_all_stats', oid, p)) $$,
	'nobody but the owner writes guard''s tables');
SELECT is_empty(
	$$ SELECT oid::regclass FROM tables WHERE relkind = 'r' AND has_table_privilege('public', oid, 'SELECT') $$,
	'PUBLIC reads none of guard''s tables');
SELECT set_eq(
	$$ SELECT relname::text FROM tables WHERE relkind = 'r' AND has_table_privilege('pg_read_all_stats', oid, 'SELECT') $$,
	ARRAY['audit_log', 'node'], 'pg_read_all_stats reads the audit log and which nodes there are, and no other table');
SELECT set_eq(
	$$ SELECT relname::text FROM tables WHERE relkind = 'v' AND has_table_privilege('public', oid, 'SELECT') $$,
	ARRAY['dependencies', 'hidden_indexes', 'index_facts', 'indexes', 'pool_health', 'soft_drops', 'status'], 'everybody may look at the views');
SELECT is_empty(
	$$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'guard'::regnamespace AND c.relkind = 'v'
		AND NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_barrier' AND option_value IN ('true', 'on')) $$,
	'no view lets its reader''s functions see rows before it has filtered them');

-- ---- the doors

SELECT set_eq(
	$$ SELECT evtname::text, evtevent::text, evtenabled::text, coalesce(array_length(evttags, 1), 0) FROM pg_event_trigger WHERE evtname LIKE 'guard%' $$,
	$$ VALUES ('guard_ddl_command_start', 'ddl_command_start', 'A', 0), ('guard_ddl_command_end', 'ddl_command_end', 'A', 0), ('guard_sql_drop', 'sql_drop', 'A', 0) $$,
	'the event triggers are ENABLE ALWAYS, and without a filter');
SELECT is_empty(
	$$ SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'guard%' AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_event_trigger'::regclass AND objid = pg_event_trigger.oid) $$,
	'and belong to the extension');
SELECT throws_ok('SELECT guard.ddl_command_start()', NULL, NULL, 'their functions cannot be called by hand');

-- ---- what a dump carries

SELECT set_eq(
	$$ SELECT unnest(extconfig)::regclass::text FROM pg_extension WHERE extname = 'guard' $$,
	ARRAY['guard.protection', 'guard.dependency'], 'a dump carries registrations and nothing else');

-- ---- functions are called as the design says

SELECT has_function('guard', 'protect', ARRAY['regclass', 'text'], 'guard.protect');
SELECT has_function('guard', 'unprotect', ARRAY['regclass'], 'guard.unprotect');
SELECT has_function('guard', 'hide', ARRAY['regclass', 'text'], 'guard.hide');
SELECT has_function('guard', 'unhide', ARRAY['regclass'], 'guard.unhide');
SELECT has_function('guard', 'check', ARRAY['regclass'], 'guard.check');
SELECT has_function('guard', 'index_statements', ARRAY['regclass'], 'guard.index_statements');
SELECT has_function('guard', 'last_drops', ARRAY['interval'], 'guard.last_drops');
SELECT has_function('guard', 'restore', ARRAY['text'], 'guard.restore');
SELECT has_function('guard', 'add_dependency', ARRAY['regclass', 'text', 'text', 'text', 'text'], 'guard.add_dependency');
SELECT has_function('guard', 'remove_dependency', ARRAY['regclass', 'text'], 'guard.remove_dependency');
SELECT has_function('guard', 'report_deployment', ARRAY['text', 'text'], 'guard.report_deployment');
SELECT has_function('guard', 'approve', ARRAY['regclass', 'text', 'interval'], 'guard.approve');
SELECT has_function('guard', 'revoke_approval', ARRAY['regclass'], 'guard.revoke_approval');
SELECT has_view('guard', 'approvals', 'guard.approvals');
SELECT has_view('guard', 'dependencies', 'guard.dependencies');
SELECT has_view('guard', 'deployments', 'guard.deployments');
SELECT has_function('guard', 'what_if', ARRAY['regclass'], 'guard.what_if');
SELECT has_view('guard', 'indexes', 'guard.indexes');
SELECT has_view('guard', 'index_facts', 'guard.index_facts');
SELECT has_view('guard', 'hidden_indexes', 'guard.hidden_indexes');
SELECT has_function('guard', 'clean_up', ARRAY[]::text[], 'guard.clean_up');
SELECT has_view('guard', 'soft_drops', 'guard.soft_drops');
SELECT has_view('guard', 'pool_health', 'guard.pool_health');
SELECT has_view('guard', 'metrics', 'guard.metrics');
SELECT has_function('guard', 'test_alert', ARRAY[]::text[], 'guard.test_alert');
SELECT has_view('guard', 'status', 'guard.status');

SELECT finish();
ROLLBACK;
