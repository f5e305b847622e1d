-- What names a constraint fails without one of that name, whatever else
-- enforces the same: ON CONFLICT ON CONSTRAINT, and SET CONSTRAINTS.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE acc (id int PRIMARY KEY, email text NOT NULL, n int DEFAULT 0, CONSTRAINT acc_email_key UNIQUE (email));
INSERT INTO acc SELECT g, 'e' || g, 0 FROM generate_series(1, 20000) g;
CALL use('INSERT INTO acc VALUES (1, ''e7'', 1) ON CONFLICT ON CONSTRAINT acc_email_key DO UPDATE SET n = acc.n + 1');

-- an exact twin is no constraint of that name
CREATE UNIQUE INDEX acc_email_uq ON acc (email);
ALTER TABLE acc DROP CONSTRAINT acc_email_key;
:refusal
-- nor under another name in the same transaction, in whatever order
BEGIN;
ALTER TABLE acc DROP CONSTRAINT acc_email_key;
ALTER TABLE acc ADD CONSTRAINT acc_email_unique UNIQUE USING INDEX acc_email_uq;
COMMIT;
:refusal
-- one of that name is, also by an index that was built before
BEGIN;
ALTER TABLE acc DROP CONSTRAINT acc_email_key;
ALTER TABLE acc ADD CONSTRAINT acc_email_key UNIQUE USING INDEX acc_email_uq;
COMMIT;
CREATE UNIQUE INDEX acc_email_new ON acc (email);
ALTER TABLE acc DROP CONSTRAINT acc_email_key, ADD CONSTRAINT acc_email_key UNIQUE USING INDEX acc_email_new;
-- and is needed as that one was
ALTER TABLE acc DROP CONSTRAINT acc_email_key;
SELECT n.need ->> 'kind' AS kind, n.need -> 'served' AS served
  FROM guard.check('acc_email_key') c, jsonb_array_elements(c.facts -> 'needs') AS n (need);
:indexes

-- by columns any unique index will do
CREATE TABLE by_column (id int PRIMARY KEY, email text CONSTRAINT by_column_key UNIQUE);
CALL use('INSERT INTO by_column VALUES (1, ''e7'') ON CONFLICT (email) DO NOTHING');
CREATE UNIQUE INDEX by_column_uq ON by_column (email);
ALTER TABLE by_column DROP CONSTRAINT by_column_key;

-- of a partitioned table
CREATE TABLE part (id int, email text, CONSTRAINT part_key PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CALL use('INSERT INTO part VALUES (1, ''a'') ON CONFLICT ON CONSTRAINT part_key DO NOTHING');
ALTER TABLE part DROP CONSTRAINT part_key;
BEGIN;
ALTER TABLE part DROP CONSTRAINT part_key;
ALTER TABLE part ADD CONSTRAINT part_pk PRIMARY KEY (id);
COMMIT;
BEGIN;
ALTER TABLE part DROP CONSTRAINT part_key;
ALTER TABLE part ADD CONSTRAINT part_key PRIMARY KEY (id);
COMMIT;

-- SET CONSTRAINTS
CREATE TABLE o (id int PRIMARY KEY, l int, pos int, CONSTRAINT o_pos UNIQUE (l, pos) DEFERRABLE);
INSERT INTO o SELECT g, g / 10, g % 10 FROM generate_series(1, 50000) g;
CALL use('SET CONSTRAINTS o_pos DEFERRED');
CREATE UNIQUE INDEX o_pos_uq ON o (l, pos);
ALTER TABLE o DROP CONSTRAINT o_pos;
:refusal
ALTER TABLE o DROP CONSTRAINT o_pos, ADD CONSTRAINT o_pos UNIQUE (l, pos);
ALTER TABLE o DROP CONSTRAINT o_pos, ADD CONSTRAINT o_pos UNIQUE (l, pos) DEFERRABLE;
-- what is in use and deferrable is replaced by what is deferrable only
CREATE TABLE q (id int PRIMARY KEY, l int, pos int, CONSTRAINT q_pos UNIQUE (l, pos) DEFERRABLE);
INSERT INTO q SELECT g, g / 10, g % 10 FROM generate_series(1, 50000) g;
CALL use('UPDATE q SET pos = pos WHERE l = 77');
CREATE UNIQUE INDEX q_pos_uq ON q (l, pos);
ALTER TABLE q DROP CONSTRAINT q_pos;
:refusal
ALTER TABLE q ADD CONSTRAINT q_pos_too UNIQUE (l, pos) DEFERRABLE;
ALTER TABLE q DROP CONSTRAINT q_pos;
