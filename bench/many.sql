-- A database with 10,000 indexes: 1,250 tables, each with a primary key and seven more.  Tables are sparse, so that they have
-- the nine blocks that it takes to be of interest to guard, and are still made quickly.

CREATE FUNCTION make_table(number int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t text := 't' || number;
BEGIN
	EXECUTE format('CREATE TABLE %I (id int, a int, b int, c int, d int, e int, f int, g int) WITH (fillfactor = 10)', t);
	EXECUTE format('INSERT INTO %I SELECT i, i, i, i, i, i, i, i FROM generate_series(1, 130) i', t);
	EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (id)', t);
	FOR c IN ascii('a') .. ascii('g') LOOP
		EXECUTE format('CREATE INDEX ON %I (%I)', t, chr(c));
	END LOOP;
END $$;

-- One transaction for each, as they hold many locks.
SELECT format('SELECT make_table(%s)', n) FROM generate_series(1, 1250) n \gexec

VACUUM (FREEZE, ANALYZE);
