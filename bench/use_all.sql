-- Each of the 10,000 indexes of many.sql is used once.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT format('SELECT %1$I FROM %2$I WHERE %1$I = 17', c, 't' || n)
  FROM generate_series(1, 1250) n, unnest('{id,a,b,c,d,e,f,g}'::text[]) c \gexec
