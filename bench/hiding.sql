-- The database that hiding is measured in: two tables with ten indexes each, one of which may be hidden, and 5,000 indexes of
-- other tables that may be, too.

CREATE TABLE bystander (id int, a int, b int, c int, d int, e int, f int, g int, h int, i int);
INSERT INTO bystander SELECT n, n, n, n, n, n, n, n, n, n FROM generate_series(1, 5000) n;
CREATE TABLE concerned AS SELECT * FROM bystander;
DO $$
DECLARE
	t text;
	c text;
BEGIN
	FOREACH t IN ARRAY ARRAY['bystander', 'concerned'] LOOP
		FOREACH c IN ARRAY ARRAY['id', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] LOOP
			EXECUTE format('CREATE INDEX %I ON %I (%I)', t || '_' || c || '_idx', t, c);
		END LOOP;
	END LOOP;
	FOR n IN 1 .. 500 LOOP
		EXECUTE format('CREATE TABLE other_%s (id int, v int)', n);
		FOR i IN 1 .. 10 LOOP
			EXECUTE format('CREATE INDEX other_%s_%s_idx ON other_%1$s (id)', n, i);
		END LOOP;
		COMMIT;
	END LOOP;
END
$$;
VACUUM (FREEZE, ANALYZE);

-- Hide one index of the table concerned, and so many of the others.
CREATE PROCEDURE hide_many(others int) LANGUAGE sql AS $$
	DELETE FROM guard.hidden_index;
	INSERT INTO guard.hidden_index
	SELECT id, false, 'hand', now(), session_user, NULL FROM guard.object
	 WHERE index_name IS NOT NULL AND gone_at IS NULL AND table_name LIKE 'other%'
	 ORDER BY index_oid LIMIT others;
	SELECT guard.hide('concerned_i_idx');
$$;

-- What 100 sessions look at: each notes which plan its own statement had.
CREATE TABLE small (a int, b int);
INSERT INTO small SELECT n, n FROM generate_series(1, 2000) n;
CREATE INDEX small_b_idx ON small (b);
CREATE UNLOGGED TABLE seen (session int, began timestamptz, used_index boolean);
VACUUM ANALYZE small;
