-- Protecting.  Nothing that changes state is executable by PUBLIC.

CREATE FUNCTION guard.protect(object regclass, reason text) RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_protect';
COMMENT ON FUNCTION guard.protect(regclass, text) IS
'Refuse every drop of this index, or of all indexes of this table, whatever its use. Covers the partitions of a partitioned one, present and future. The reason is shown to whoever is refused. A second call replaces the reason. Raises 22004 for a null object, 22023 for an empty reason, 42501 unless the caller owns the table, 42809 for what is not an index or a table.';
-- example: SELECT guard.protect('auth.users_email_idx', 'sign-in stands still without it');

CREATE FUNCTION guard.unprotect(object regclass) RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_unprotect';
COMMENT ON FUNCTION guard.unprotect(regclass) IS
'Take back what guard.protect() registered for exactly this object. Raises 22004 for null, 42704 when it is not registered, 42501 unless the caller owns the table.';
-- example: SELECT guard.unprotect('auth.users_email_idx');

REVOKE ALL ON FUNCTION guard.protect(regclass, text), guard.unprotect(regclass)
	FROM PUBLIC;
