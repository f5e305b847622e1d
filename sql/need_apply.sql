-- A subscription finds the rows that were changed elsewhere by the key of its
-- table here: no statement ever shows that.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
SELECT format('dbname=%s host=%s port=%s user=%s', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1),
	current_setting('port'), session_user) AS here \gset
CREATE TABLE accounts (id int CONSTRAINT accounts_pkey PRIMARY KEY, email text NOT NULL, note text);
CREATE UNIQUE INDEX accounts_email ON accounts (email);
CREATE INDEX accounts_note ON accounts (note);
INSERT INTO accounts SELECT i, i || '@example.org', repeat('n', 100) FROM generate_series(1, 2000) i;
-- the published table is this one itself, and only for INSERT, lest it need an identity: nothing is ever applied, but it is subscribed
SELECT FROM pg_create_logical_replication_slot('regress_guard_apply', 'pgoutput');
SELECT format('CREATE SUBSCRIPTION regress_guard_apply CONNECTION %L PUBLICATION everything WITH (create_slot = false, copy_data = false, enabled = false)', :'here') AS subscribe \gset
CREATE PUBLICATION everything FOR TABLE accounts WITH (publish = 'insert');
SELECT * FROM verdict('accounts');
\set ECHO none
:subscribe;
\set ECHO all
SELECT * FROM verdict('accounts');
ALTER TABLE accounts DROP CONSTRAINT accounts_pkey;
:refusal
SELECT detail ~ 'a subscription finds the rows of table public\.accounts by it, and could not apply UPDATE and DELETE without it' FROM guard.check('accounts_pkey');
-- a unique index is no key unless it is made one
BEGIN;
ALTER TABLE accounts DROP CONSTRAINT accounts_pkey;
CREATE UNIQUE INDEX accounts_id ON accounts (id);
COMMIT;
:refusal
BEGIN;
ALTER TABLE accounts DROP CONSTRAINT accounts_pkey;
ALTER TABLE accounts ADD CONSTRAINT accounts_key PRIMARY KEY (id);
COMMIT;
:indexes
-- when another index is the identity, rows are found by that
ALTER TABLE accounts REPLICA IDENTITY USING INDEX accounts_email;
SELECT * FROM verdict('accounts');
ALTER TABLE accounts REPLICA IDENTITY DEFAULT;
-- a subscription that ends
ALTER SUBSCRIPTION regress_guard_apply SET (slot_name = NONE);
DROP SUBSCRIPTION regress_guard_apply;
SELECT * FROM verdict('accounts');
ALTER TABLE accounts DROP CONSTRAINT accounts_key;
:indexes
SELECT pg_drop_replication_slot('regress_guard_apply');
