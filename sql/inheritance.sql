-- The index of a parent is the pattern for its children's: it is judged with
-- those of them that have its like.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE m (at int, dev int, pad text);
CREATE INDEX m_dev ON m (dev);
CREATE INDEX m_at ON m (at);
CREATE TABLE m_1 (LIKE m INCLUDING INDEXES) INHERITS (m);
CREATE TABLE m_2 (pad text, dev int, at int) INHERITS (m);
CREATE INDEX m_2_dev ON m_2 (dev);
INSERT INTO m_1 SELECT i, i % 500, repeat('x', 50) FROM generate_series(1, 5000) i;
INSERT INTO m_2 (at, dev, pad) SELECT i, i % 500, repeat('x', 50) FROM generate_series(5001, 10000) i;
CALL use('SELECT count(*) FROM m WHERE dev = 7');
SELECT * FROM verdict('m');
DROP INDEX m_dev;
:refusal
DROP INDEX CONCURRENTLY m_dev;
:refusal
DROP INDEX m_2_dev;
:refusal
-- what they have not, and what nobody needs of them
CREATE INDEX m_pad ON m (pad);
DROP INDEX m_pad;
DROP INDEX m_at;
-- the pattern stays
BEGIN;
DROP INDEX m_dev;
COMMIT;
:refusal
BEGIN;
DROP INDEX m_dev;
CREATE INDEX m_dev_2 ON m (dev);
COMMIT;
CREATE INDEX m_dev_3 ON m (dev);
DROP INDEX m_dev_2;
:indexes
-- by delay nothing would be known of the children
SET guard.hot_action = delay;
DROP INDEX m_dev_3;
:refusal
RESET guard.hot_action;
-- approved for the pattern it goes, for a child's it does not; and what was approved for the pattern lets no child's go alone
SELECT guard.approve('m_2_dev', 'of a child');
DROP INDEX m_dev_3;
:refusal
SELECT guard.revoke_approval('m_2_dev');
SELECT guard.approve('m_dev_3', 'of the pattern');
DROP INDEX m_2_dev;
:refusal
DROP INDEX m_dev_3;
CREATE INDEX m_dev_3 ON m (dev);
SELECT guard.approve('m', 'of the table');
DROP INDEX m_dev_3;
CREATE INDEX m_dev_3 ON m (dev);

-- what an extension does at the drop of the pattern: the same to all that have its name
DROP INDEX m_1_at_idx;
CREATE FUNCTION along() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
	gone record;
BEGIN
	FOR gone IN SELECT object_name FROM pg_event_trigger_dropped_objects() WHERE object_type = 'index' AND original LOOP
		EXECUTE format('DROP INDEX IF EXISTS %I, %I', 'm_1_' || gone.object_name, 'm_2_' || gone.object_name);
	END LOOP;
END
$$;
CREATE EVENT TRIGGER along ON sql_drop EXECUTE FUNCTION along();
CREATE INDEX m_at ON m (at);
CREATE INDEX m_1_m_at ON m_1 (at);
CREATE INDEX m_2_m_at ON m_2 (at);
DROP INDEX CONCURRENTLY m_at;
CREATE INDEX m_at ON m (at);
CREATE INDEX m_1_m_at ON m_1 (at);
CALL use('SELECT count(*) FROM m WHERE at = 7');
DROP INDEX CONCURRENTLY m_at;
:refusal
:indexes
-- retention
DROP TABLE m_1;
DROP EVENT TRIGGER along;
DROP TABLE m CASCADE;
:refusal
