-- A database with 10,000 indexes of all common types: 1,250 tables, each with a primary key and seven more; every tenth key is referred to.

CREATE FUNCTION make_table(number int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t text := 't' || number;
BEGIN
	EXECUTE format('CREATE TABLE %I (id int, a int, b bigint, c text, d timestamptz, e numeric(12, 2), f uuid, g date, h jsonb, i boolean) WITH (fillfactor = 10)', t);
	EXECUTE format('INSERT INTO %I SELECT n, n / 10, (n * 1234567) %% 99991, md5((n * %s)::text), timestamptz ''2026-01-01'' + n * interval ''1 hour'', n * 1.25, md5(n::text)::uuid,'
				   ' date ''2026-01-01'' + n %% 40, jsonb_build_object(''n'', n), n %% 3 = 0 FROM generate_series(1, 200) n', t, number);
	EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (id)', t);
	FOR c IN ascii('a') .. ascii('g') LOOP
		EXECUTE format('CREATE INDEX ON %I (%I)', t, chr(c));
	END LOOP;
	IF number % 10 <> 0 THEN
		EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY (id) REFERENCES %I', t, 't' || greatest(number / 10 * 10, 10));
	END IF;
END $$;

-- One transaction for each, as they hold many locks; those that others refer to first.
SELECT format('SELECT make_table(%s)', n) FROM generate_series(1, 1250) n ORDER BY n % 10 <> 0, n \gexec

VACUUM (FREEZE, ANALYZE);

CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION guard;
SELECT pg_stat_statements_reset();

-- 5,000 statements, four for each table: by key, by range, by prefix, and by two columns.  Tables are small, indexes are to be used all the same.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT format('SELECT * FROM t%s WHERE %s', n, c)
  FROM generate_series(1, 1250) n, unnest(ARRAY['id = 42', 'b > 500 LIMIT 10', 'c LIKE ''a%'' ORDER BY c LIMIT 5', 'd > now() - interval ''3 days'' AND a = 3']) c \gexec
SELECT guard.snapshot();
