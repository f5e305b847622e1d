-- What guard proposes can be done: one at a time where several are refused only together, indexes that a person can keep, nothing
-- that enforces something; and what goes unnoticed with an index is said.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i AS code, i AS pin, i % 50 AS team, i % 100 AS kind, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
VACUUM ANALYZE users;
CALL use('SELECT count(pad) FROM users WHERE team = 17');
CREATE INDEX users_team_kind_idx ON users (team, kind);

-- two at once, either of which serves in place of the other
SELECT * FROM ask('DROP INDEX users_team_idx, users_team_kind_idx');
CREATE INDEX users_team_again ON users (team);
SELECT * FROM ask('DROP INDEX users_team_again, users_team_idx, users_team_kind_idx') WHERE ask !~ '^DETAIL';
-- one of them would be refused alone as well
CALL use('SELECT count(pad) FROM users WHERE kind = 17');
SELECT * FROM ask('DROP INDEX users_team_again, users_team_idx, users_team_kind_idx, users_kind_idx') WHERE ask !~ '^DETAIL';
-- one after the other is allowed as far as it goes
SELECT * FROM ask('DROP INDEX users_team_again');
SELECT * FROM ask('DROP INDEX users_team_idx');
SELECT * FROM ask('DROP INDEX users_team_kind_idx') WHERE ask !~ '^DETAIL';

-- guard.check says what to do as the refusal does, and nothing where there is nothing to do
SELECT mask(hint) FROM guard.check('users_team_kind_idx');
SELECT mask(ask) = 'HINT:  ' || (SELECT mask(hint) FROM guard.check('users_kind_idx')) FROM ask('DROP INDEX users_kind_idx') WHERE ask ~ '^HINT';

-- partitions: the index that a person can keep is named, not one of its parts
CREATE TABLE t (id int, u int, s int) PARTITION BY RANGE (id);
CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (3000);
CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (3000) TO (6000) PARTITION BY RANGE (id);
CREATE TABLE t_2_1 PARTITION OF t_2 FOR VALUES FROM (3000) TO (6000);
INSERT INTO t SELECT i, i % 100, i FROM generate_series(1, 5000) i;
CREATE INDEX t_u ON t (u);
CREATE INDEX t_u_s ON t (u, s);
CREATE INDEX t_2_1_own ON t_2_1 (u);
VACUUM ANALYZE t;
CALL use('SELECT count(*) FROM t WHERE u = 17');
SELECT index_name, verdict, reason, mask(detail), keep_instead, redundant_with FROM guard.index_facts WHERE table_name ~ '^t' AND index_name !~ '_idx' ORDER BY index_name;
BEGIN;
\set VERBOSITY default
DROP INDEX t_2_1_own;
ROLLBACK;
\set VERBOSITY sqlstate
SELECT * FROM ask('DROP INDEX t_u, t_u_s') WHERE ask ~ '^HINT';

-- what enforces something is not offered, used or not, unless its twin enforces it
CREATE TABLE keys AS SELECT i AS id, i AS code, i AS pin, i AS tag, i AS nr, i AS who, int4range(i, i + 1) AS span FROM generate_series(1, 5000) i;
ALTER TABLE keys ADD PRIMARY KEY (id), ADD CONSTRAINT keys_span_excl EXCLUDE USING gist (span WITH &&), ADD CONSTRAINT keys_code_key UNIQUE (code);
CREATE UNIQUE INDEX keys_pin_idx ON keys (pin);
CREATE INDEX keys_pin_plain ON keys (pin);
CREATE UNIQUE INDEX keys_tag_idx ON keys (tag);
CREATE UNIQUE INDEX keys_tag_again ON keys (tag);
CREATE UNIQUE INDEX keys_id_again ON keys (id);
CREATE UNIQUE INDEX keys_nr_idx ON keys (nr);
CREATE UNIQUE INDEX keys_nr_again ON keys (nr);
CREATE TABLE refers (nr int REFERENCES keys (nr));
CREATE INDEX keys_who_idx ON keys (who);
VACUUM ANALYZE keys;
SELECT index_name, verdict, enforces FROM guard.index_facts WHERE table_name = 'keys' ORDER BY index_name COLLATE "C";
SELECT index_name, what_to_do FROM guard.indexes WHERE table_name = 'keys' ORDER BY index_name COLLATE "C";
SET guard.min_evidence_age = 0;
SELECT line FROM regexp_split_to_table(guard.clean_up(), E'\n') line WHERE line ~ 'keys_' AND line !~ '^--';

-- the mark for CLUSTER goes with an index, and without a word from PostgreSQL
CLUSTER keys USING keys_who_idx;
\set VERBOSITY default
DROP INDEX keys_who_idx;
\set VERBOSITY sqlstate
CREATE INDEX keys_who_idx ON keys (who);
ALTER TABLE keys CLUSTER ON keys_who_idx;
DROP TABLE refers, keys;
