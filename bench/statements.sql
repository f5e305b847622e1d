-- 5,000 different statements, executed once each; every one uses another index: id, a, b and c of each table.  Indexes d, e, f
-- and g stay idle.  The tables are small, the indexes are to be used all the same.

SET enable_seqscan = off;
SET enable_bitmapscan = off;

SELECT format('SELECT * FROM t%s WHERE %s = 42', n, c)
  FROM generate_series(1, 1250) n, unnest(ARRAY['id', 'a', 'b', 'c']) c \gexec
