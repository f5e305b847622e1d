-- guard_profile.sql: a profile (format guard/profile/1) of a server without guard, by psql alone.
--
--     psql -X -q -At -f guard_profile.sql DATABASE > profile.json
--
-- As a member of pg_read_all_stats and pg_read_all_data, on a primary: its functions are made in pg_temp, in a transaction that
-- is rolled back.  Guard knows more: who uses an index, when last, what a statement would cost without it, the peak hour.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
BEGIN;
SET LOCAL client_min_messages = warning;
@FUNCTIONS@
SELECT pg_temp.profile_document('none', 'guard_profile @VERSION@', NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'guard'));
ROLLBACK;
