-- guard.profile_scan: a text with a parameter for every literal, without comments, in a form that can be prepared.  What is
-- structure (places of columns, lengths of types) stays; what might be read otherwise than it was written does not leave.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE FUNCTION tools.scan(query text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT COALESCE(s.prepared, 'left out: ' || s.left_out) FROM guard.profile_scan(query) s
$$;
CREATE FUNCTION tools.parameters(query text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', p ->> 'number', p ->> 'role', p ->> 'operator', concat_ws('.', p ->> 'schema', p ->> 'table', p ->> 'column'), p ->> 'list', p ->> 'type')
	  FROM guard.profile_scan(query) s, jsonb_array_elements(s.parameters) p
$$;

-- what needs nothing
SELECT scan('SELECT * FROM users WHERE id = $1');
SELECT scan('SELECT * FROM auth.users u WHERE u.email = $1 -- trace ''12''
	AND u.id > $2 /* user /* 7 */ of ''them'' */ LIMIT $3;');

-- a type in front of a literal is grammar
SELECT scan('SELECT interval $1, interval $2 day, interval $3 hour to second(3), interval(3) $4, date $5 - $6, timestamp with time zone $7');
SELECT scan('SELECT timestamp(3) without time zone ''x'', double precision ''1'', numeric(10,2) ''5'', pg_catalog.date ''x'', "Odd"."Type" ''x'', now() AT TIME ZONE ''utc''');
SELECT scan('SELECT extract($1 FROM a), extract(year FROM b), extract(''day'' FROM c), substring(d FROM $2 FOR $3)');

-- every literal becomes a parameter: text as it was written, when an entry was evicted
SELECT scan($$SELECT 'it''s', E'\'x', U&'d!0061' UESCAPE '!', $x$ a ' $x$, $$ || chr(36) || chr(36) || '''' || chr(36) || chr(36) || $$, N'x', B'101', 'x'
	'y', 5, -5, 1.5, .5e3, 0x1F, 1_000, 12345678901, 99999999999999999999 FROM t$$);
SELECT scan('SELECT a[1], b[2:3], x::int[3], y::varchar(10)[], CAST(z AS numeric(5,1)), w::timestamp(3) FROM t');
SELECT scan('SELECT a+--b
5 FROM t WHERE a=-5 OR b<-7');
SELECT scan('WITH x AS (VALUES (1, ''a'')) SELECT * FROM x FETCH FIRST 5 ROWS ONLY');
SELECT scan('SELECT true, NULL, current_date FROM t');

-- places of columns are structure, but not in a window, nor numbers that are none
SELECT scan('SELECT a, count(*) FROM t GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST LIMIT 5');
SELECT scan('SELECT count(*) OVER (PARTITION BY 5 ORDER BY 3) FROM t GROUP BY ROLLUP (1, 2) ORDER BY 4711');

-- what the parser drops, and pg_stat_statements leaves in clear
SELECT scan('SELECT date_trunc($1, a), b FROM t GROUP BY date_trunc(''day'', a), b ORDER BY date_trunc(''day'', a)');
SELECT scan('SELECT DISTINCT ON (a || ''x'') a || $1 FROM t ORDER BY a || ''x''');
SELECT scan('SELECT a || ''x'', b || ''y'' FROM t GROUP BY b || ''y'', a || ''x''');
SELECT scan('SELECT b FROM t GROUP BY b ORDER BY b || ''z''');

-- what a text does not say for certain does not leave
SELECT scan('SELECT ''a\'' secret \''b''');
SELECT scan('SELECT ''a\'' FROM t');
SELECT scan('SELECT ''open FROM t');
SELECT scan('SELECT 1 /* open /* */ FROM t');
SELECT scan('SELECT \ FROM t');
SELECT scan(chr(36) || 'x' || chr(36) || ' open');
SELECT scan('COPY t FROM stdin');
SELECT scan('CREATE TABLE t AS SELECT ''x''');
SELECT scan('PREPARE q (int, text) AS SELECT * FROM t WHERE a = $1 AND b = ''x''');
SELECT scan('');

-- what parameters are
SELECT parameters('SELECT * FROM a.t WHERE x = $1 AND y IN ($2, $3, $4) AND z NOT LIKE $5 AND $6 < w AND v BETWEEN $7 AND $8 AND lower(u) = $9');
SELECT parameters('SELECT * FROM t AS one JOIN s.t two ON one.x = two.y WHERE one.a = ANY ($1) AND two."B c" >= CAST($2 AS date) AND d = $3 AND one.e IN ($4 /*, ... */)');
SELECT parameters('SELECT j ->> $1, date_trunc($2, x) FROM t WHERE x > now() - interval $3 AND y = $4::uuid OFFSET $5 LIMIT $6');
SELECT parameters('INSERT INTO s.t (a, "b C") VALUES ($1, $2), ($3, $4)');
SELECT parameters('UPDATE t SET a = $1, b = b + $2 WHERE c = $3');
