-- Names are PostgreSQL's: of any case, with any character, in any schema, as the
-- search_path has them.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION guard;
CREATE SCHEMA "Auth Service";
CREATE SCHEMA auth;
CREATE TABLE "Auth Service"."Users" AS SELECT i AS id, i AS "Team", i AS a, i AS b, i AS c, i AS d FROM generate_series(1, 5000) i;
SET search_path = "Auth Service", tools;
CREATE INDEX "Users_Id_Idx" ON "Users" (id);
CREATE INDEX users_id_idx ON "Users" ("Team");
CREATE INDEX "select" ON "Users" (a);
CREATE INDEX "per cent %s %d %n, ""quoted"" 'and' so on; -- ünïcode" ON "Users" (b);
CREATE INDEX a23456789012345678901234567890123456789012345678901234567890123 ON "Users" (c);
CREATE INDEX idle ON "Users" (d);
CALL use('SELECT count(*) FROM "Auth Service"."Users" WHERE id = 17');
CALL use('SELECT count(*) FROM "Auth Service"."Users" WHERE a = 17');
CALL use('SELECT count(*) FROM "Auth Service"."Users" WHERE b = 17');
CALL use('SELECT count(*) FROM "Auth Service"."Users" WHERE c = 17');
SELECT * FROM verdict('"Users"');

DROP INDEX "Users_Id_Idx";
:refusal
DROP INDEX "Auth Service"."Users_Id_Idx";
DROP INDEX users_ID_idx;
DROP INDEX Users_Id_Idx;
DROP INDEX "select";
:refusal
DROP INDEX "per cent %s %d %n, ""quoted"" 'and' so on; -- ünïcode";
:refusal
DROP INDEX a23456789012345678901234567890123456789012345678901234567890123;
-- longer than a name can be: cut by PostgreSQL, with a NOTICE
DROP INDEX a23456789012345678901234567890123456789012345678901234567890123456;
DROP INDEX guard_regress."Auth Service"."select";
DROP INDEX elsewhere."Auth Service"."select";
ALTER TABLE "Users" DROP COLUMN "b";
SELECT guard.protect('"per cent %s %d %n, ""quoted"" ''and'' so on; -- ünïcode"', 'odd');
SELECT index_name, reason FROM guard.index_facts WHERE protected;
DROP INDEX "per cent %s %d %n, ""quoted"" 'and' so on; -- ünïcode";
SELECT guard.unprotect('"per cent %s %d %n, ""quoted"" ''and'' so on; -- ünïcode"');
-- what the hint says can be run
SELECT split_part(ask, 'What uses it: ', 2) AS command
  FROM ask('DROP INDEX "Auth Service"."per cent %s %d %n, ""quoted"" ''and'' so on; -- ünïcode"') WHERE ask ~ '^HINT' \gset
SELECT :'command';
SELECT queryid <> 0 AS known, uses FROM guard.index_statements('"Auth Service"."per cent %s %d %n, ""quoted"" ''and'' so on; -- ünïcode"');

-- of several of one name, the first in the search_path is meant, by PostgreSQL and by guard
SET search_path = auth, tools;
CREATE TABLE users AS SELECT i AS id FROM generate_series(1, 5000) i;
CREATE INDEX "Users_Id_Idx" ON users (id);
SET search_path = "Auth Service", auth, tools;
DROP INDEX "Users_Id_Idx";
SET search_path = auth, "Auth Service", tools;
DROP INDEX "Users_Id_Idx";
DROP INDEX "Users_Id_Idx";
:refusal
-- a temporary one comes before all
CREATE TEMP TABLE t AS SELECT i AS id FROM generate_series(1, 5000) i;
CREATE INDEX "Users_Id_Idx" ON t (id);
DROP INDEX "Users_Id_Idx";
DROP INDEX "Users_Id_Idx";
-- a path set for the moment counts
BEGIN;
SET LOCAL search_path = tools;
DROP INDEX "Users_Id_Idx";
ROLLBACK;
SELECT set_config('search_path', '', false);
DROP INDEX "Users_Id_Idx";
DROP INDEX "Auth Service"."Users_Id_Idx";
SELECT tools.mask(:'LAST_ERROR_MESSAGE');
SET search_path = tools;
:indexes
