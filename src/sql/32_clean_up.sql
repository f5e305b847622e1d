-- What can go, as a script.

CREATE FUNCTION guard.clean_up() RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- Names and reasons are other people's words: in a comment they must not begin a line.
	WITH words AS (
		SELECT f.index, f.reason, f.size_bytes, f.detail, f.hidden, x.indisvalid, x.indrelid,
			   f.enforces, x.indisunique OR x.indisexclusion AS at_once, c.relkind = 'I' AS partitioned,
			   regexp_replace(f.index::text, '[[:cntrl:]]', '?', 'g') AS name,
			   regexp_replace(CASE c.relkind WHEN 'I' THEN regexp_replace(pg_get_indexdef(f.index), ' ON ONLY ', ' ON ')
							  ELSE pg_get_indexdef(f.index) END, '[[:cntrl:]]+', ' ', 'g') AS definition,
			   -- of what was created just now, and then hidden, nothing would ever be known
			   f.reason = 'cold' AND f.created_at > clock_timestamp() - current_setting('guard.min_evidence_age')::interval AS young,
			   h.hidden_at, h.hidden_at + current_setting('guard.trial_period')::interval AS trial_ends,
			   (SELECT format('ALTER TABLE %s DROP CONSTRAINT %I;', x.indrelid::regclass, k.conname)
				  FROM pg_constraint k WHERE k.conindid = f.index AND k.contype IN ('p', 'u', 'x')) AS by_constraint
		  FROM guard.index_facts f
		  JOIN pg_index x ON x.indexrelid = f.index
		  JOIN pg_class c ON c.oid = f.index
		  LEFT JOIN guard.hidden_indexes h ON h.index = f.index
		 WHERE f.verdict = 'allow' AND f.index_name !~ '^guard_drop_[0-9]+$'
	), sorted AS (
		SELECT w.*, CASE
				WHEN w.reason = 'approved' THEN 'is needed, and approved for whoever asked for it'
				WHEN w.reason = 'unknown' THEN 'too little is known of it'
				WHEN w.enforces IS NOT NULL THEN 'it enforces or identifies something'
				WHEN w.reason = 'harmless' AND w.size_bytes <= 131072 THEN 'its table is too small for anything to be won'
				WHEN w.hidden AND w.hidden_at IS NULL THEN 'a soft drop has it'
				WHEN w.trial_ends > clock_timestamp() THEN format('it is hidden, and on trial until %s', to_char(w.trial_ends, 'YYYY-MM-DD HH24:MI TZH'))
				WHEN w.reason = 'invalid' AND EXISTS (
					SELECT FROM pg_locks l WHERE l.relation = w.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_backend_pid()
					   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
				THEN 'somebody may be building it just now' END AS left_because,
			   CASE
				WHEN w.by_constraint IS NOT NULL THEN 'SET lock_timeout = ''2s''; ' || w.by_constraint || ' RESET lock_timeout;'
				WHEN w.partitioned AND (w.hidden OR w.at_once OR w.young OR NOT w.indisvalid OR NOT can.hide)
				THEN format('SET lock_timeout = ''2s''; DROP INDEX %s; RESET lock_timeout;', w.index)
				WHEN w.hidden OR w.at_once OR w.young OR NOT w.indisvalid OR NOT can.hide
				THEN format('DROP INDEX CONCURRENTLY %s;', w.index)
				ELSE format('SELECT guard.hide(%L, %L);', w.index, 'clean-up: ' || w.reason) END AS command
		  FROM words w, (SELECT bool_or(s.item = 'hiding' AND s.state LIKE 'on,%') AS hide FROM guard.status() s) can
	), numbered AS (
		SELECT s.*, row_number() OVER (ORDER BY s.indisvalid, s.size_bytes DESC NULLS LAST, s.name COLLATE "C") AS n,
			   count(*) OVER () AS steps, sum(s.size_bytes) OVER () AS won
		  FROM sorted s WHERE s.left_because IS NULL
	), script AS (
		SELECT 1 AS part, 0::bigint AS n, format(E'-- guard.clean_up(): database %s, %s; %s%s\n'
				'-- Nothing has been done.  This is for psql -f, one statement after the other, not in a transaction: each drop is judged again when it comes.',
				regexp_replace(current_database(), '[[:cntrl:]]', '?', 'g'), to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI TZH'),
				CASE (SELECT count(*) FROM numbered) WHEN 0 THEN 'nothing to clean up.'
					 WHEN 1 THEN 'one index, ' ELSE (SELECT count(*) FROM numbered) || ' indexes, ' END,
				(SELECT pg_size_pretty(max(m.won)) || ' to be won.' FROM numbered m HAVING count(*) > 0)) AS text
		UNION ALL
		SELECT 2, m.n, format(E'\n-- %s of %s: %s (%s, %s): %s\n-- the way back: %s\n%s', m.n, m.steps, m.name, m.reason,
				COALESCE(pg_size_pretty(m.size_bytes), 'size not known'), regexp_replace(m.detail, '[[:cntrl:]]+', ' ', 'g'),
				CASE WHEN m.command LIKE 'SELECT%' THEN format('SELECT guard.unhide(%L);  Its drop comes with the next guard.clean_up() after %s (guard.trial_period).',
					regexp_replace(m.name, '[[:cntrl:]]', '?', 'g'), current_setting('guard.trial_period'))
					 ELSE m.definition || ';' END, m.command)
		  FROM numbered m
		UNION ALL
		SELECT 3, 0, format(E'\n-- left out, %s %s: %s', count(*), CASE count(*) WHEN 1 THEN 'index' ELSE 'indexes' END, s.left_because)
		  FROM sorted s WHERE s.left_because IS NOT NULL GROUP BY s.left_because
	)
	SELECT string_agg(s.text, E'\n' ORDER BY s.part, s.n, s.text COLLATE "C") || E'\n' FROM script s;
END;
COMMENT ON FUNCTION guard.clean_up() IS
'What can go in this database, as a script for psql: the indexes with verdict allow, right taken together, one at a time, invalid ones first, then the largest, with what each drop wins and the way back. An index that can be hidden is hidden first (guard.hide, for guard.trial_period); run again after that, its drop is in the script. Left out, and counted at the end, is what enforces something, what too little is known of, what is approved but needed, and what wins nothing. Executes nothing. Shows what the caller may ask guard.check about.';
-- example: SELECT guard.clean_up();
