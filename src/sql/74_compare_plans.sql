-- Comparing plans.  Which statements of a profile a migration makes dearer: their
-- plans before it, and now.

CREATE FUNCTION guard.plan_statement(text text, search_path text, role name,
	OUT cost double precision, OUT plan text, OUT why text, OUT indexes oid[])
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_plan_statement';
COMMENT ON FUNCTION guard.plan_statement(text, text, name) IS
'Plan a text that somebody else wrote, by guard.plan_as, as this role, and never run it; or why not.';
REVOKE ALL ON FUNCTION guard.plan_statement(text, text, name) FROM PUBLIC;

-- As they are planned now.
CREATE FUNCTION guard.plan_statements(source text, OUT number int, OUT cost double precision, OUT plan text, OUT why text, OUT indexes oid[])
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET guard.plan_as = ''
AS $function$
#variable_conflict use_column
DECLARE
	planner name;
BEGIN
	SELECT p.role INTO planner FROM guard.profile p WHERE p.source = plan_statements.source;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'profile "%" does not exist', source USING ERRCODE = 'undefined_object',
			HINT = 'Import it with guard.import_profile().';
	ELSIF planner IS NULL THEN
		RAISE EXCEPTION 'nobody plans the statements of profile "%"', source USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'Name a role to guard.remember_plans() before the migration.';
	END IF;
	PERFORM set_config('guard.plan_as', source, true);
	RETURN QUERY
	SELECT s.number, p.* FROM guard.profile_statement s, guard.profile f,
		   LATERAL guard.plan_statement(s.text, COALESCE(NULLIF(f.server ->> 'search_path', ''), 'public'), planner) p
	 WHERE s.source = plan_statements.source AND f.source = s.source;
END
$function$;
COMMENT ON FUNCTION guard.plan_statements(text) IS
'The plans of the statements of an imported profile, on the schema as it is now.';
REVOKE ALL ON FUNCTION guard.plan_statements(text) FROM PUBLIC;

CREATE FUNCTION guard.remember_plans(source text, role name) RETURNS int
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	planned int;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role) THEN
		RAISE EXCEPTION 'role "%" does not exist', role USING ERRCODE = 'undefined_object';
	ELSIF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls))
		OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = role) THEN
		RAISE EXCEPTION 'role "%" may do more than plan', role USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'Statements of a profile are planned by a role without login, attributes and memberships.',
			HINT = 'CREATE ROLE planner; GRANT USAGE ON SCHEMA ... TO planner;';
	END IF;
	UPDATE guard.profile p SET role = remember_plans.role WHERE p.source = remember_plans.source;
	DELETE FROM guard.profile_plan p WHERE p.source = remember_plans.source;
	INSERT INTO guard.profile_plan SELECT remember_plans.source, p.number, p.cost, p.plan, p.why FROM guard.plan_statements(remember_plans.source) p;
	-- Where nobody captured what statements use, their plans say it: for a drop that says nothing.
	DELETE FROM guard.profile_fact f WHERE f.source = remember_plans.source AND f.note = 'by plan';
	INSERT INTO guard.profile_fact
	SELECT p.source, i.i, 'history', 0, 'used', p.imported_at - (p.exported_at - (p.document ->> 'counting_since')::timestamptz), NULL, p.imported_at,
		   least(sum(s.calls), 9e18)::bigint, COALESCE(sum(s.calls_per_second), 0), NULL, count(*), format('%s %s, by plan,', count(*), CASE count(*) WHEN 1 THEN 'statement' ELSE 'statements' END),
		   0, NULL, 0, NULL, 0, 0, false, 'by plan', NULL, false, false
	  FROM guard.profile p, guard.plan_statements(remember_plans.source) n JOIN guard.profile_statement s ON s.source = remember_plans.source AND s.number = n.number,
		   LATERAL (SELECT DISTINCT u.u FROM unnest(n.indexes) u (u)) i (i)
	 WHERE p.source = remember_plans.source AND p.guard IS NULL
	 GROUP BY p.source, p.imported_at, p.exported_at, p.document, i.i;
	SELECT count(p.cost) INTO planned FROM guard.profile_plan p WHERE p.source = remember_plans.source;
	RETURN planned;
END
$function$;
COMMENT ON FUNCTION guard.remember_plans(text, name) IS
'Plan the statements of an imported profile on the schema as it is now, before a migration, for guard.compare_plans() after it. They are never run, and are planned as that role: one without login, attributes and memberships, which needs USAGE on the schemas that they name and nothing else. Where the profile was made without guard, the indexes in these plans count as used from then on, by plan. Returns how many could be planned. Raises 22023 for a role that may do more, 42704 for a profile or role that does not exist.';
REVOKE ALL ON FUNCTION guard.remember_plans(text, name) FROM PUBLIC;

CREATE FUNCTION guard.compare_plans(source text, OUT statement text, OUT calls_per_second double precision,
	OUT cost_before double precision, OUT cost_now double precision, OUT plan_before text, OUT plan_now text, OUT why text)
RETURNS SETOF record
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.text, s.calls_per_second, b.cost, n.cost, b.plan, n.plan, n.why
	  FROM guard.plan_statements(compare_plans.source) n
	  JOIN guard.profile_plan b ON b.source = compare_plans.source AND b.number = n.number
	  JOIN guard.profile_statement s ON s.source = b.source AND s.number = b.number
	 WHERE b.cost IS NOT NULL AND (n.cost IS NULL OR n.cost > b.cost * current_setting('guard.restore_factor')::float8)
	 ORDER BY (n.cost - b.cost) * COALESCE(s.calls_per_second, 0) DESC NULLS FIRST, s.text COLLATE "C";
END;
COMMENT ON FUNCTION guard.compare_plans(text) IS
'The statements of an imported profile whose plans cost more than guard.restore_factor times what they did when guard.remember_plans() was called, and those that cannot be planned any more (why), with both plans; what costs most a second in all first. The plans are those that the server of the profile would make, generic ones, and nothing is run.';
REVOKE ALL ON FUNCTION guard.compare_plans(text) FROM PUBLIC;
