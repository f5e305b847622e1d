-- Put a few rows into every table that has none and takes them.  Foreign keys are not looked at.
SET session_replication_role = replica;
SET client_min_messages = warning;
DO $$
DECLARE
  target record;
  names text;
  terms text;
  filled boolean;
BEGIN
  FOR target IN
    SELECT c.oid, c.oid::regclass AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'guard')
    ORDER BY c.oid
  LOOP
    EXECUTE format('SELECT EXISTS (TABLE %s)', target.name) INTO filled;
    CONTINUE WHEN filled;
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum), string_agg(term, ', ' ORDER BY attnum) INTO names, terms
    FROM (SELECT attname, attnum,
                 CASE WHEN t.typtype = 'e' THEN format('(enum_range(NULL::%s))[1]', t.oid::regtype)
                      WHEN t.oid = 'uuid'::regtype THEN 'gen_random_uuid()'
                      WHEN t.oid IN ('json'::regtype, 'jsonb'::regtype) THEN '''[]'''
                      WHEN t.oid = 'bytea'::regtype THEN '''x'''
                      WHEN t.typcategory = 'N' THEN 'g'
                      WHEN t.typcategory = 'B' THEN 'true'
                      WHEN t.typcategory = 'D' THEN 'now()'
                      WHEN t.typcategory = 'T' THEN '''1 day'''
                      WHEN t.typcategory = 'A' THEN '''{}'''
                      WHEN t.typcategory = 'I' THEN '''127.0.0.1'''
                      WHEN t.typcategory = 'S' AND atttypmod > 4 THEN format('right(''row '' || g, %s)', atttypmod - 4)
                      ELSE '''row '' || g'
                 END AS term
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          WHERE attrelid = target.oid AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = '') c;
    CONTINUE WHEN names IS NULL;
    BEGIN
      EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM generate_series(1, 20) AS g', target.name, names, terms);
    EXCEPTION WHEN OTHERS THEN
      NULL;               -- a CHECK, or a type that is not known here
    END;
  END LOOP;
END
$$;
