-- Profiles: what production knows, as a document that can travel.  What stands
-- in this file asks the catalogs and pg_stat_statements alone: the same text,
-- its functions made in pg_temp, is guard_profile.sql for servers without
-- guard (Makefile).  No value of the data leaves by it.

-- A text is cut into tokens as the server's own lexer cuts it, and neither
-- parsed nor analysed: other people wrote it.  Where the two might differ
-- (standard_conforming_strings may have been off) it stays here.
CREATE FUNCTION guard.profile_scan(query text, OUT prepared text,
	OUT parameters jsonb, OUT relations jsonb, OUT names text[],
	OUT joined jsonb, OUT left_out text)
RETURNS record
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	-- in this order; the longest wins
	pattern constant text :=
		'[ \t\n\r\f\v]+|--[^\n\r]*|/\*(?:[^*/]|/(?!\*)|\*(?!/))*\*/|/\*'	-- blank, comment, one that nests
		'|[eE]''(?:[^''\\]|\\.|'''')*''|(?:[bBxXnN]|[uU]&)?''(?:[^'']|'''')*'''
		'|\$(?:(?:[A-Za-z_]|[^\x01-\x7f])(?:[A-Za-z0-9_]|[^\x01-\x7f])*)?\$|\$[0-9]+'
		'|(?:[uU]&)?"(?:[^"]|"")*"'
		'|(?:[A-Za-z_]|[^\x01-\x7f])(?:[A-Za-z0-9_$]|[^\x01-\x7f])*'
		'|0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+|0[bB][01_]+'
		'|[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][+-]?[0-9]+)?|[0-9][0-9_]*\.(?:[eE][+-]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?'
		'|(?:[~!@#^&|`?+*%<>=]|-(?!-)|/(?!\*))+|::|:=|.';
	-- a value may follow these; behind any other name it belongs to a type
	before_value constant text[] := '{all,and,any,array,between,both,by,case,default,distinct,else,escape,first,for,from,groups,having,ilike,in,'
		'is,leading,like,limit,next,not,offset,on,operator,or,passing,path,placing,preceding,range,return,returning,rows,select,set,similar,some,'
		'symmetric,then,to,trailing,uescape,using,value,values,when,where,zone}';
	typed_names constant text[] := '{bit,char,character,dec,decimal,float,interval,nchar,numeric,second,time,timestamp,varchar,varying}';
	clauses constant text[] := '{except,fetch,for,from,group,having,intersect,limit,offset,on,order,returning,select,set,union,using,values,when,where,window}';
	rest text := query;
	part text[];
	opened int;
	depth int;
	stop int;
	n int := 0;
	t text[] := '{}';				-- tokens, words in lower case
	k text[] := '{}';				-- word, quoted, string, number, $ or other
	shown text[] := '{}';			-- what becomes of them
	blank boolean[] := '{}';
	squeezed boolean[] := '{}';
	number int[] := '{}';			-- which parameter a value becomes
	parameter int := 0;
	is_blank boolean := false;
	token text;
	word text;
	clause text[] := '{}';			-- by depth
	opener int[] := '{}';
	item int[] := '{}';				-- where the element of a list began
	type_at int := 0;				-- a type's name goes on up to here
	first int;
	last int;
	p int;
	c int;
	role text;
	operator text;
	of_type text;
	listed int;
	of_table jsonb;
	lists int[] := '{}';			-- by token: the parenthesis of IN (...)
	lengths int[] := '{}';
	known jsonb[] := '{}';			-- by parameter
	aliases jsonb := '{}';
	columns text[] := '{}';			-- INSERT INTO ... (these)
	nth int := 0;
	inserted text[] := '{}';		-- by token: into which
	equals boolean := false;		-- are there columns that equal each other?
BEGIN
	parameters := '[]';
	relations := '[]';
	names := '{}';
	joined := '[]';
	IF octet_length(query) > 200000 THEN
		left_out := 'too long';
		RETURN;
	END IF;
	-- tokens; a dollar-quoted string and a nested comment end where no regular expression finds it
	WHILE rest <> '' LOOP
		SELECT array_agg(m.m[1]) INTO part FROM regexp_matches(rest COLLATE "C", pattern, 'g') m;
		opened := NULL;
		IF rest ~ '/\*|\$(?![0-9])' THEN
			SELECT min(u.n) INTO opened FROM unnest(part) WITH ORDINALITY u (token, n) WHERE u.token = '/*' OR u.token ~ '^\$[^0-9]';
		END IF;
		IF opened IS NULL THEN
			rest := '';
		ELSE
			token := part[opened];
			part := part[:opened - 1];
			rest := substr(rest, length(array_to_string(part, '')) + 1);
			IF token = '/*' THEN
				depth := 0;
				stop := 0;
				LOOP
					SELECT m.m[1] INTO word FROM regexp_match(substr(rest, stop + 1), '^(?:[^*/]|/(?!\*)|\*(?!/))*(/\*|\*/)') m (m);
					IF word IS NULL THEN
						left_out := 'a comment without an end';
						RETURN;
					END IF;
					stop := stop + length((regexp_match(substr(rest, stop + 1), '^((?:[^*/]|/(?!\*)|\*(?!/))*(?:/\*|\*/))'))[1]);
					depth := depth + CASE word WHEN '/*' THEN 1 ELSE -1 END;
					EXIT WHEN depth = 0;
				END LOOP;
				part := part || ' '::text;
			ELSE
				stop := strpos(substr(rest, length(token) + 1), token);
				IF stop = 0 THEN
					left_out := 'a string without an end';
					RETURN;
				END IF;
				stop := stop + 2 * length(token) - 1;
				part := part || '$$'::text;
			END IF;
			rest := substr(rest, stop + 1);
		END IF;
		FOREACH token IN ARRAY COALESCE(part, '{}') LOOP
			IF token ~ '^([ \t\n\r\f\v]|--|/\*)' THEN
				is_blank := true;
				IF token = '/*, ... */' AND n > 0 THEN
					squeezed[n] := true;
				END IF;
				CONTINUE;
			END IF;
			role := CASE
				WHEN token = '$$' OR token LIKE '%''' AND length(token) > 1 THEN 'string'
				WHEN token LIKE '%"' AND length(token) > 1 THEN 'quoted'
				WHEN token ~ '^\$[0-9]' THEN '$'
				WHEN token ~ '^\.?[0-9]' THEN 'number'
				WHEN token ~ '^[A-Za-z_]' OR token ~ '^[^\x01-\x7f]' THEN 'word'
				WHEN token ~ '^[][(),;:.~!@#^&|`?+*/%<>=-]' THEN 'other' END;
			IF role IS NULL THEN
				left_out := CASE token WHEN '''' THEN 'a string without an end' ELSE 'a character that begins no token' END;
				RETURN;
			ELSIF role = 'string' AND token LIKE '%\\%' AND token !~ '^[eE]' THEN
				left_out := 'a backslash in a string';
				RETURN;
			END IF;
			-- the second half of a string
			CONTINUE WHEN role = 'string' AND n > 0 AND k[n] = 'string';
			n := n + 1;
			t := t || CASE role WHEN 'word' THEN lower(token) ELSE token END;
			k := k || role;
			shown := shown || token;
			blank := blank || is_blank;
			squeezed := squeezed || false;
			number := number || CASE role WHEN '$' THEN substr(token, 2, 9)::int ELSE 0 END;
			parameter := greatest(parameter, number[n]);
			is_blank := false;
		END LOOP;
	END LOOP;
	WHILE n > 0 AND t[n] = ';' LOOP
		n := n - 1;
	END LOOP;

	-- a statement prepared by PREPARE bears its name
	IF t[1] = 'prepare' AND 'as' = ANY (t) THEN
		p := array_position(t, 'as');
		t := t[p + 1:n];
		k := k[p + 1:n];
		shown := shown[p + 1:n];
		blank := blank[p + 1:n];
		squeezed := squeezed[p + 1:n];
		number := number[p + 1:n];
		n := n - p;
	END IF;
	p := 1;
	WHILE t[p] = '(' LOOP
		p := p + 1;
	END LOOP;
	IF n = 0 OR NOT COALESCE(t[p] = ANY ('{select,insert,update,delete,merge,with,values,table}'), false) THEN
		left_out := 'not a query';
		RETURN;
	ELSIF 'json_table' = ANY (t) THEN
		left_out := 'json_table, whose paths must be literals';
		RETURN;
	END IF;

	-- which parameter each literal becomes, what stays, and which relations there are
	depth := 1;
	clause[1] := '';
	item[1] := 1;
	FOR i IN 1 .. n LOOP
		IF k[i] = 'word' AND t[i] = ANY (clauses) AND clause[depth] <> 'over' AND NOT (t[i] = 'from' AND clause[depth] = 'call') AND NOT (t[i] = 'for' AND clause[depth] = 'call')
			AND NOT (t[i] = 'when' AND clause[depth] <> '') AND NOT (t[i] = 'set' AND i > 1 AND t[i - 1] <> 'update' AND clause[depth] NOT IN ('update', ''))
		THEN
			clause[depth] := t[i];
			item[depth] := i + 1;
		ELSIF k[i] = 'word' AND t[i] = 'by' THEN
			clause[depth] := CASE WHEN t[i - 1] = 'partition' OR clause[depth] = 'over' THEN 'over' ELSE 'by' END;
			item[depth] := i + 1;
		ELSIF k[i] = 'word' AND t[i] IN ('update', 'into', 'join') AND NOT COALESCE(t[i] = 'update' AND t[i - 1] IN ('for', 'do', 'key', 'then'), false) THEN
			clause[depth] := t[i];
			item[depth] := i + 1;
		ELSIF t[i] = ',' AND k[i] = 'other' THEN
			item[depth] := i + 1;
			nth := nth + CASE WHEN clause[depth] = 'row' THEN 1 ELSE 0 END;
		ELSIF t[i] IN ('(', '[') THEN
			depth := depth + 1;
			opener[depth] := i;
			item[depth] := i + 1;
			clause[depth] := CASE
				WHEN t[i] = '[' THEN CASE WHEN type_at = i - 1 THEN 'type' ELSE 'array' END
				WHEN i = 1 THEN ''
				WHEN type_at = i - 1 OR k[i - 1] = 'word' AND t[i - 1] = ANY (typed_names) THEN 'type'
				WHEN t[i - 1] = 'in' THEN 'in'
				WHEN t[i - 1] = 'over' OR t[i - 1] = 'as' AND clause[depth - 1] = 'window' THEN 'over'
				WHEN t[i - 1] = 'values' OR clause[depth - 1] = 'values' AND t[i - 1] = ',' THEN 'row'
				WHEN t[i - 1] IN ('rollup', 'cube', 'sets') OR t[i - 1] = 'on' AND t[i - 2] = 'distinct' THEN 'by'
				WHEN clause[depth - 1] = 'into' AND k[i - 1] IN ('word', 'quoted') THEN 'columns'
				WHEN k[i - 1] IN ('word', 'quoted') AND t[i - 1] <> ALL (before_value || '{as,exists,union,except,intersect,lateral,conflict,join,filter}'::text[]) THEN 'call'
				WHEN t[i + 1] IN ('select', 'with', 'values', '(') THEN ''
				ELSE clause[depth - 1] END;
			nth := CASE WHEN clause[depth] = 'row' THEN 1 ELSE nth END;
		ELSIF t[i] IN (')', ']') AND depth > 1 THEN
			IF clause[depth] = 'type' THEN
				type_at := i;
			END IF;
			depth := depth - 1;
		END IF;
		-- a type's name behind :: or CAST(... AS
		IF k[i] IN ('word', 'quoted') AND i > 1 AND (t[i - 1] = '::' OR t[i - 1] = 'as' AND clause[depth] = 'call' AND t[opener[depth] - 1] = 'cast'
			OR type_at = i - 2 AND t[i - 1] = '.' OR type_at = i - 1 AND t[i] IN ('precision', 'varying', 'with', 'without', 'time', 'zone', 'array',
				'year', 'month', 'day', 'hour', 'minute', 'second', 'to')) THEN
			type_at := i;
		END IF;
		-- FROM a, b AS c JOIN d ...: up to the next comma or word of the grammar
		IF k[i] IN ('word', 'quoted') AND (item[depth] = i OR item[depth] = i - 1 AND t[i - 1] IN ('only', 'lateral'))
			AND clause[depth] IN ('from', 'join', 'update', 'into', 'using') AND t[i] NOT IN ('only', 'lateral', 'select') AND COALESCE(t[i + 1], '') <> '(' OR
			k[i] IN ('word', 'quoted') AND item[depth] = i AND clause[depth] = 'into' THEN
			p := i;
			WHILE t[p + 1] = '.' LOOP
				p := p + 2;
			END LOOP;
			word := CASE WHEN k[p] = 'quoted' THEN replace(substr(t[p], 2, length(t[p]) - 2), '""', '"') ELSE t[p] END;
			relations := relations || jsonb_strip_nulls(jsonb_build_object('name', word, 'schema',
				CASE WHEN p > i THEN CASE WHEN k[p - 2] = 'quoted' THEN replace(substr(t[p - 2], 2, length(t[p - 2]) - 2), '""', '"') ELSE t[p - 2] END END));
			aliases := aliases || jsonb_build_object(word, jsonb_array_length(relations) - 1);
			IF t[p + 1] = 'as' THEN
				p := p + 1;
			END IF;
			IF k[p + 1] IN ('word', 'quoted') AND t[p + 1] <> ALL (clauses || '{join,inner,left,right,full,cross,natural,tablesample,as,default,overriding}'::text[]) THEN
				aliases := aliases || jsonb_build_object(CASE WHEN k[p + 1] = 'quoted' THEN replace(substr(t[p + 1], 2, length(t[p + 1]) - 2), '""', '"') ELSE t[p + 1] END,
					jsonb_array_length(relations) - 1);
			END IF;
		END IF;
		IF clause[depth] = 'columns' AND item[depth] = i THEN
			columns := columns || shown[i];
		ELSIF clause[depth] = 'row' AND item[depth] = i AND t[1] = 'insert' THEN
			inserted[i] := columns[nth];
		END IF;
		IF k[i] IN ('word', 'quoted') THEN
			names := names || CASE WHEN k[i] = 'quoted' THEN replace(substr(t[i], 2, length(t[i]) - 2), '""', '"') ELSE t[i] END;
		END IF;

		CONTINUE WHEN k[i] NOT IN ('string', 'number') OR i > 1 AND k[i] = 'string' AND t[i - 1] = 'uescape';
		IF k[i] = 'number' AND (clause[depth] = 'type' OR
			-- the place of a column
			clause[depth] = 'by' AND item[depth] = i AND t[i] ~ '^[0-9]{1,4}$' AND t[i]::int BETWEEN 1 AND 1664
			AND (i = n OR t[i + 1] IN (',', ')', 'asc', 'desc', 'nulls', 'using') OR t[i + 1] = ANY (clauses))) THEN
			k[i] := 'place';
			CONTINUE;
		END IF;
		-- The parser drops a constant of GROUP BY, ORDER BY and DISTINCT ON that the list of SELECT has, too.
		IF clause[depth] IN ('by', 'call') AND 'by' = ANY (clause[:depth]) THEN
			c := depth;
			WHILE clause[c] <> 'by' LOOP
				c := c - 1;
			END LOOP;
			first := item[c];
			last := i;
			c := 0;
			FOR j IN first .. n LOOP
				EXIT WHEN c = 0 AND (t[j] IN (',', ')', 'asc', 'desc', 'nulls', 'using') OR t[j] = ANY (clauses));
				c := c + CASE WHEN t[j] IN ('(', '[') THEN 1 WHEN t[j] IN (')', ']') THEN -1 ELSE 0 END;
				last := j;
			END LOOP;
			<<earlier>>
			FOR s IN 1 .. CASE WHEN last > first THEN n - last + first ELSE 0 END LOOP
				CONTINUE WHEN s BETWEEN first - (last - first) AND last OR number[s + i - first] = 0;
				FOR j IN first .. last LOOP
					CONTINUE earlier WHEN t[s + j - first] <> t[j] AND NOT (k[s + j - first] = '$' AND k[j] IN ('string', 'number'));
				END LOOP;
				number[i] := number[s + i - first];
				EXIT;
			END LOOP;
		END IF;
		IF number[i] = 0 THEN
			parameter := parameter + 1;
			number[i] := parameter;
		END IF;
	END LOOP;

	-- forms that cannot be prepared as they are, and what each parameter is
	FOR i IN 1 .. n LOOP
		CONTINUE WHEN number[i] = 0 OR k[i] = 'place';
		of_type := NULL;
		p := i - 1;
		shown[i] := '$' || number[i];
		first := p;
		-- TYPE 'value'
		IF p > 0 AND t[first] = ')' THEN
			WHILE first > 1 AND t[first] <> '(' LOOP
				first := first - 1;
			END LOOP;
			first := first - 1;
		END IF;
		IF first > 0 AND (k[first] = 'word' AND (t[first] <> ALL (before_value) OR t[first] = 'zone' AND t[first - 1] = 'time' AND t[first - 2] IN ('with', 'without'))
						  OR k[first] = 'quoted') THEN
			IF t[first] = 'zone' THEN
				first := first - 3;
				IF t[first] = ')' THEN
					first := first - 3;
				END IF;
			ELSIF t[first] IN ('precision', 'varying') THEN
				first := first - 1;
			END IF;
			WHILE first > 2 AND t[first - 1] = '.' LOOP
				first := first - 2;
			END LOOP;
			last := i;
			IF t[first] = 'interval' THEN
				WHILE t[last + 1] IN ('year', 'month', 'day', 'hour', 'minute', 'second', 'to') OR t[last] = 'second' AND t[last + 1] = '(' OR
					t[last] = '(' AND t[last - 1] = 'second' OR k[last] = 'place' AND t[last - 1] = '(' LOOP
					last := last + 1;
				END LOOP;
			END IF;
			of_type := '';
			FOR j IN first .. last LOOP
				IF j <> i THEN
					of_type := of_type || CASE WHEN (blank[j] OR j = i + 1) AND of_type <> '' THEN ' ' ELSE '' END || shown[j];
					shown[j] := '';
				END IF;
			END LOOP;
			shown[i] := 'CAST(' || shown[i] || ' AS ' || of_type || ')';
			is_blank := blank[first];
			FOR j IN first .. last LOOP
				blank[j] := j = i AND is_blank;
			END LOOP;
			p := first - 1;
		ELSIF k[i] = 'number' AND t[i - 1] <> ALL ('{limit,offset,first,next}') AND COALESCE(t[i + 1], '') <> '::' THEN
			of_type := CASE WHEN t[i] ~ '[.eE]' AND t[i] !~ '^0[xX]' THEN 'numeric' WHEN length(t[i]) < 10 THEN 'integer'
							WHEN length(t[i]) < 19 AND t[i] ~ '^[0-9]+$' THEN CASE WHEN t[i]::bigint <= 2147483647 THEN 'integer' ELSE 'bigint' END
							ELSE 'numeric' END;
			shown[i] := 'CAST(' || shown[i] || ' AS ' || of_type || ')';
		ELSIF k[i] = 'string' AND t[i] ~ '^[bBxX]' THEN
			of_type := 'bit';
			shown[i] := 'CAST(' || shown[i] || ' AS "bit")';
		END IF;
		IF t[i + 1] = 'uescape' THEN
			shown[i + 1] := '';
			shown[i + 2] := '';
			blank[i + 1] := false;
			blank[i + 2] := false;
		END IF;
		IF t[p] = '(' AND t[p - 1] = 'extract' AND t[i + 1] = 'from' THEN
			shown[p - 1] := 'pg_catalog.extract';
			shown[i + 1] := ',';
			blank[i + 1] := false;
		END IF;
		-- its type
		IF t[i + 1] = '::' OR t[i + 1] = 'as' AND t[p] = '(' AND t[p - 1] = 'cast' THEN
			of_type := shown[i + 2];
			last := i + 2;
			WHILE t[last + 1] = '.' LOOP
				of_type := of_type || '.' || shown[last + 2];
				last := last + 2;
			END LOOP;
			IF t[last + 1] IN ('precision', 'varying') OR t[last + 1] IN ('with', 'without') AND t[last + 2] = 'time' THEN
				of_type := of_type || ' ' || shown[last + 1] || CASE WHEN t[last + 2] = 'time' THEN ' time zone' ELSE '' END;
			END IF;
			IF t[last + 1] = '[' AND t[last + 2] = ']' THEN
				of_type := of_type || '[]';
			END IF;
			IF t[i + 1] = 'as' THEN
				p := p - 2;
			END IF;
		END IF;
		-- what it is compared with: a column in front, or behind
		role := 'other';
		operator := NULL;
		listed := NULL;
		c := 0;
		IF inserted[i] IS NOT NULL OR inserted[p + 1] IS NOT NULL THEN
			role := 'inserted';
		ELSIF t[p] IN ('limit', 'offset') THEN
			role := t[p];
		ELSIF t[p] IN ('first', 'next') AND t[p - 1] = 'fetch' THEN
			role := 'limit';
		ELSIF t[p] IN ('->', '->>', '#>', '#>>', '?', '?|', '?&') THEN
			role := 'key';
		ELSIF of_type ~* '^(pg_catalog\.)?interval' THEN
			role := 'interval';
		ELSIF t[p] = '(' AND t[p - 1] IN ('date_trunc', 'date_part', 'extract', 'to_char') THEN
			role := 'unit';
		ELSE
			-- IN (...): back to the parenthesis, over values and commas
			IF t[p] IN ('(', ',') THEN
				last := CASE WHEN t[p] = '(' THEN p ELSE lists[p - 1] END;
				IF t[last] = '(' AND t[last - 1] = 'in' THEN
					lists[i] := last;
					p := last - 1;
					IF lengths[last] IS NULL THEN
						lengths[last] := CASE WHEN squeezed[i] THEN 0 ELSE 1 END;
						FOR j IN last .. n LOOP
							EXIT WHEN t[j] = ')';
							lengths[last] := lengths[last] + CASE WHEN t[j] = ',' THEN 1 ELSE 0 END;
						END LOOP;
					END IF;
					listed := lengths[last];
				ELSIF t[last] = '(' AND t[last - 1] IN ('any', 'some', 'all') THEN
					p := last - 2;
				ELSIF t[p] = '(' AND (k[p - 1] = 'other' OR t[p - 1] IN ('where', 'and', 'or', 'not')) THEN
					p := p - 1;
				END IF;
			END IF;
			IF t[p] IN ('=', '<', '>', '<=', '>=', '<>', '!=', '@>', '<@', '&&', '@@', '~', '!~', '~*', '!~*', '~~', '^@', 'like', 'ilike', 'in', 'between') THEN
				operator := t[p];
				c := p - 1;
				IF t[c] = 'not' AND k[p] = 'word' THEN
					c := c - 1;
				END IF;
			ELSIF t[p] = 'and' AND p > 3 AND number[p - 1] > 0 AND t[p - 2] = 'between' THEN
				operator := 'between';
				c := CASE WHEN t[p - 3] = 'not' THEN p - 4 ELSE p - 3 END;
			ELSIF t[i + 1] IN ('=', '<', '>', '<=', '>=', '<>', '!=', '<@') AND k[i + 2] IN ('word', 'quoted') AND COALESCE(t[i + 3], '') <> '(' THEN
				operator := translate(t[i + 1], '<>', '><');
				operator := CASE operator WHEN '><' THEN '<>' WHEN '>@' THEN '@>' ELSE operator END;
				c := i + 2;
				WHILE t[c + 1] = '.' LOOP
					c := c + 2;
				END LOOP;
			END IF;
			IF operator IS NOT NULL THEN
				role := CASE WHEN listed IS NULL THEN 'compared' ELSE 'list' END;
			END IF;
		END IF;
		word := CASE role WHEN 'inserted' THEN COALESCE(inserted[i], inserted[p + 1]) END;
		of_table := CASE role WHEN 'inserted' THEN relations -> 0 END;
		IF c > 0 AND k[c] IN ('word', 'quoted') THEN
			word := t[c];
			of_table := CASE WHEN c > 2 AND t[c - 1] = '.' THEN relations -> (aliases ->> t[c - 2])::int
							 WHEN jsonb_array_length(relations) = 1 THEN relations -> 0 END;
			-- UPDATE ... SET column = $1
			IF operator = '=' AND t[1] = 'update' AND (t[CASE WHEN t[c - 1] = '.' THEN c - 3 ELSE c - 1 END] IN ('set', ',')) THEN
				role := 'assigned';
				operator := NULL;
			END IF;
		END IF;
		known[number[i]] := COALESCE(CASE WHEN known[number[i]] ->> 'role' <> 'other' THEN known[number[i]] END, jsonb_strip_nulls(jsonb_build_object('number', number[i], 'role', role, 'operator', operator,
			'column', CASE WHEN word LIKE '"%' THEN replace(substr(word, 2, length(word) - 2), '""', '"') ELSE word END,
			'table', of_table ->> 'name', 'schema', of_table ->> 'schema', 'list', listed, 'type', of_type)));
	END LOOP;

	parameters := to_jsonb(array_remove(known, NULL));
	FOR i IN 2 .. n LOOP
		shown[i] := CASE WHEN blank[i] THEN ' ' ELSE '' END || shown[i];
		equals := equals OR t[i] = '=' AND k[i - 1] IN ('word', 'quoted') AND k[i + 1] IN ('word', 'quoted');
	END LOOP;
	prepared := array_to_string(shown[:n], '');
	-- a.x = b.y, x = y
	IF equals THEN
		SELECT COALESCE(jsonb_agg(DISTINCT jsonb_build_array(
			   COALESCE(CASE WHEN t[i - 2] = '.' THEN relations -> (aliases ->> t[i - 3])::int END, '{}') || jsonb_build_object('column', t[i - 1]),
			   COALESCE(CASE WHEN t[i + 2] = '.' THEN relations -> (aliases ->> t[i + 1])::int END, '{}') || jsonb_build_object('column', t[CASE WHEN t[i + 2] = '.' THEN i + 3 ELSE i + 1 END]))), '[]')
		  INTO joined FROM generate_series(2, n - 1) i
		 WHERE t[i] = '=' AND k[i - 1] IN ('word', 'quoted') AND k[i + 1] IN ('word', 'quoted')
		   AND (CASE WHEN t[i - 2] = '.' THEN aliases ? t[i - 3] ELSE true END) AND COALESCE(t[i + 2], '') <> '('
		   AND (CASE WHEN t[i + 2] = '.' THEN aliases ? t[i + 1] AND COALESCE(t[i + 4], '') <> '(' ELSE true END);
	END IF;
END
$function$;
COMMENT ON FUNCTION guard.profile_scan(text) IS
'A text of pg_stat_statements as it can be prepared again, with a parameter in place of every literal and without comments: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_scan(text) FROM PUBLIC;

CREATE FUNCTION guard.profile_digits(x double precision, digits int) RETURNS numeric
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE		-- so that it becomes part of the query
BEGIN ATOMIC
	SELECT CASE WHEN x = 0 OR x <> x OR x IN ('Infinity', '-Infinity') THEN 0
				ELSE trim_scale(round(x::numeric, greatest(digits - 1 - floor(log(abs(x)))::int, 0))) END;
END;
COMMENT ON FUNCTION guard.profile_digits(double precision, int) IS
'A number to so many significant digits: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_digits(double precision, int) FROM PUBLIC;

-- The types whose values have codes.  Columns of one family may have theirs in
-- common.  Of most a number stands for the value "v" (of times, the distance
-- from $2, the export), and a value is made of the number "c" again, which is a
-- multiple of "unit" between "lowest" and "most"; "literal" is what constants
-- of the schema look like that can be read as such values; the ends of those
-- that have min() and max() can be read from an index ("ends").
CREATE FUNCTION guard.profile_kinds(OUT type text, OUT family text, OUT sorted_as text, OUT number text, OUT code text,
	OUT unit numeric, OUT lowest numeric, OUT most numeric, OUT ends boolean, OUT literal text)
RETURNS SETOF record
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE		-- whose plans are kept
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
	RETURN QUERY WITH figure (type, unit, lowest, most) AS (VALUES ('smallint', 1, -32767, 32767), ('integer', 1, -2147483647, 2147483647), ('bigint', 1, -2147483647, 2147483647),
		('oid', 1, 0, 2147483647), ('numeric', 0.000001, -2147483647, 2147483647), ('real', 0.000001, -2147483647, 2147483647), ('double precision', 0.000001, -2147483647, 2147483647))
	SELECT f.type, 'number', '::numeric', 'v::numeric', 'c', f.unit, f.lowest, f.most, true, '^-?\d+(\.\d+)?$' FROM figure f
	UNION ALL
	SELECT t.type, 'time', '::timestamptz', 'CASE v WHEN ''infinity'' THEN 1e15 WHEN ''-infinity'' THEN -1e15 ELSE extract(epoch FROM v::timestamptz - $2) END', NULL,
		   t.unit, -1e14, 1e14, true, '^\d{4}-\d\d-\d\d([ T][\d:.+-]+)?$'
	  FROM (VALUES ('date', 86400), ('timestamp without time zone', 0.000001), ('timestamp with time zone', 0.000001)) t (type, unit)
	UNION ALL
	SELECT t.type, 'text', NULL, NULL, NULL, 1, 0, 0, true, '' FROM unnest('{text,character varying,character,name}'::text[]) t (type)
	UNION ALL
	-- as convert_network_to_scalar() has it, but that IPv6 begins where IPv4 ends
	SELECT t.type, 'network', '::inet', 'CASE family(v::inet) WHEN 4 THEN host(v::inet)::inet - inet ''0.0.0.0'''
		   ' ELSE 4294967296 + (''x'' || substr(encode(inet_send(v::inet), ''hex''), 9, 10))::bit(40)::bigint END',
		   'host(inet ''0.0.0.0'' + c::bigint)', 1, 0, 4294967295, true, '^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(?!$|/)|(?=$|/))){4}(/(3[0-2]|[12]?\d))?$'
	  FROM unnest('{inet,cidr}'::text[]) t (type)
	UNION ALL VALUES
	-- a year is 360 days where intervals are compared, and 365.25 of an epoch
	('interval', 'interval', '::interval', 'extract(epoch FROM v::interval) - extract(year FROM v::interval) * 453600', 'make_interval(secs => c::float8)::text',
	 1, -2147483647, 2147483647, true, '^(?=.)(-?\d{1,6} (years?|mons?|days?) ?)*(-?\d{1,6}:\d\d:\d\d(\.\d+)?)?$'),
	('time without time zone', 'clock', '::time', 'extract(epoch FROM v::time)', '(time ''00:00'' + make_interval(secs => c::float8))::text',
	 0.000001, 0, 86399.999999, true, '^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?$'),
	('time with time zone', 'clock with zone', '::timetz', 'extract(epoch FROM v::timetz)', '(time ''00:00'' + make_interval(secs => c::float8))::text || ''+00''',
	 0.000001, 0, 86399.999999, true, '^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$'),
	('money', 'money', '::money', 'v::money::numeric', 'c', 1, -2147483647, 2147483647, true, '^-?\$?\d{1,3}(,?\d{3}){0,3}(\.\d\d)?$'),
	('macaddr', 'macaddr', '::macaddr', '(''x'' || replace(v, '':'', ''''))::bit(48)::bigint', 'lpad(to_hex(c::bigint), 12, ''0'')',
	 1, 0, 281474976710655, false, '^([0-9a-f]{2}:){5}[0-9a-f]{2}$'),
	('macaddr8', 'macaddr8', '::macaddr8', '(''x'' || left(replace(v, '':'', ''''), 8))::bit(32)::bigint * 4294967296::numeric + (''x'' || right(replace(v, '':'', ''''), 8))::bit(32)::bigint',
	 'lpad(to_hex(c::bigint), 16, ''0'')', 1, 0, 9223372036854775807, false, '^([0-9a-f]{2}:){7}[0-9a-f]{2}$'),
	('pg_lsn', 'lsn', '::pg_lsn', 'v::pg_lsn - pg_lsn ''0/0''', '(pg_lsn ''0/0'' + c::numeric)::text', 1, 0, 9223372036854775807, true, NULL),
	('uuid', 'uuid', '::uuid', NULL, NULL, 1, 0, 0, false, '^[0-9a-f-]{36}$'),
	('jsonb', 'json', '::jsonb', NULL, NULL, 1, 0, 0, false, NULL),
	('boolean', 'same', NULL, NULL, NULL, 1, 0, 0, false, NULL);
END
$function$;
COMMENT ON FUNCTION guard.profile_kinds() IS
'The types whose values have codes in profiles, and how these are made: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_kinds() FROM PUBLIC;

-- Codes keep the order among the values and with the schema's own constants,
-- which stay what they are, and are bent like the longest histogram of the
-- domain ("ruler"): a bucket and a thousandth of it is all that is left of a
-- value.  Times become seconds from the export, rounded to the finer of a
-- thousandth of their range and three digits.  All domains of one family and
-- collation can be done together.
CREATE FUNCTION guard.profile_codes(collation_name text,
	domains int[], types text[], longests int[], units numeric[],
	domain_of_list int[], lists text[], of_ruler boolean[],		-- arrays of values, as texts
	domain_of_anchor int[], anchors text[], exported timestamptz,
	OUT label int, OUT codes jsonb, OUT no_code text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET intervalstyle = postgres SET timezone = 'UTC' SET extra_float_digits = 1
AS $function$
#variable_conflict use_column
DECLARE
	kind record;
	query text;
	sorted text;
BEGIN
	SELECT k.* INTO kind FROM guard.profile_kinds() k WHERE k.type = types[1];
	-- values and anchors in their order, the numbers that stand for them, and the gaps between anchors; what a gap has in common is found once
	query := $$
		WITH /* guard_profile */ domain AS MATERIALIZED (
			SELECT d.label, d.longest, d.unit, k.lowest, CASE WHEN d.longest > 0 THEN least(10::numeric ^ d.longest - d.unit, 10::numeric ^ 12) ELSE k.most END AS most
			  FROM unnest($1, $3, $4, $5) d (label, type, longest, unit) JOIN guard.profile_kinds() k ON k.type = d.type
		), numbered AS MATERIALIZED (		-- how many anchors and marks of the ruler there are up to each
			SELECT x.*, row_number() OVER w AS n, count(*) FILTER (WHERE x.f) OVER w AS gap, %5$s AS mark
			  FROM (SELECT u.label, u.v, u.x, u.f OR abs(u.x) = 1e15 AND %4$s AS f, u.r AND u.x IS NOT NULL AND NOT %4$s AS r
					  FROM (SELECT w.label, w.v, (%2$s)::numeric AS x, bool_or(w.f) AS f, bool_or(w.r) AS r FROM (SELECT a.label, unnest(a.list::text[]) AS v, false AS f, a.r FROM unnest($6, $7, $8) a (label, list, r)
							UNION ALL SELECT b.label, b.v, true, false FROM unnest($9, $10) b (label, v)) w WHERE w.v IS NOT NULL AND w.v <> ALL (%7$L::text[]) GROUP BY w.label, w.v) u) x WINDOW w AS (PARTITION BY x.label ORDER BY %6$s, x.v)
		), ruler AS MATERIALIZED (
			SELECT r.*, row_number() OVER w AS b, lag(r.x) OVER w AS before, lead(r.x) OVER w AS next
			  FROM (SELECT DISTINCT ON (n.label, n.mark) n.label, n.mark, n.x FROM numbered n WHERE n.r ORDER BY n.label, n.mark) r WINDOW w AS (PARTITION BY r.label ORDER BY r.mark)
		), placed AS MATERIALIZED (
			SELECT s.label, s.gap, s.n, s.v, s.x, s.f, CASE WHEN s.x IS NOT NULL AND NOT %4$s THEN round(CASE
					WHEN COALESCE(r.next, r.before) IS NULL THEN s.n::numeric
					WHEN s.x = r.x THEN r.b - 1
					WHEN s.x < r.x THEN greatest((s.x - r.x) / (r.next - r.x), -100)
					WHEN r.next IS NULL THEN r.b - 1 + least((s.x - r.x) / (r.x - r.before), 100)
					ELSE r.b - 1 + (s.x - r.x) / (r.next - r.x) END, 3) END AS at
			  FROM numbered s LEFT JOIN (SELECT r.*, r.mark AS up_to FROM ruler r UNION ALL SELECT r.*, 0 FROM ruler r WHERE r.b = 1) r ON r.label = s.label AND r.up_to = s.mark
		), fixed AS MATERIALIZED (
			SELECT p.label, p.gap, p.n, p.v, p.x, p.at FROM placed p WHERE p.f
		), gap AS MATERIALIZED (
			SELECT g.*, d.longest, d.unit, d.lowest, d.most, b.size, b.first_at, b.last_at
			  FROM (SELECT f.label, f.gap, f.n AS a, f.v AS a_v, f.x AS a_x, f.at AS a_at, lead(f.n) OVER w AS z, lead(f.v) OVER w AS z_v, lead(f.x) OVER w AS z_x, lead(f.at) OVER w AS z_at
					  FROM (SELECT * FROM fixed UNION ALL SELECT d.label, 0, 0, '', NULL, NULL FROM domain d) f WINDOW w AS (PARTITION BY f.label ORDER BY f.n)) g
			  JOIN (SELECT p.label, p.gap, count(*) AS size, min(p.at) AS first_at, max(p.at) AS last_at FROM placed p WHERE NOT p.f GROUP BY p.label, p.gap) b USING (label, gap)
			  JOIN domain d USING (label)
		)$$;
	IF kind.family IN ('uuid', 'json') THEN
		query := query || CASE kind.family WHEN 'uuid' THEN $$
			SELECT n.label, CASE WHEN NOT bool_or(n.f) THEN jsonb_object_agg(n.v, regexp_replace(lpad(to_hex(n.n * 1000000), 32, '0'), '(.{8})(.{4})(.{4})(.{4})', '\1-\2-\3-\4-')) END,
				   CASE WHEN bool_or(n.f) THEN 'a uuid in the schema' END $$ ELSE $$
			SELECT n.label, jsonb_object_agg(n.v, jsonb_build_object('v', n.n)), NULL::text $$ END || 'FROM numbered n GROUP BY n.label';
	ELSIF kind.number IS NOT NULL THEN
		query := query || $$, outside AS (		-- the slope between the first two anchors goes on beyond them
			SELECT DISTINCT ON (q.label) q.label, (q.x - p.x) / (q.at - p.at) AS slope
			  FROM (SELECT DISTINCT ON (f.label) f.* FROM fixed f ORDER BY f.label, f.n) p JOIN fixed q ON q.label = p.label AND q.at > p.at ORDER BY q.label, q.n
		), reach AS (
			SELECT p.label, (max(p.x) - min(p.x)) / 1000 AS step FROM placed p WHERE %4$s AND abs(p.x) < 1e15 GROUP BY p.label
		), segment AS (
			SELECT g.*, r.step, o.slope AS outside, CASE WHEN g.a > 0 THEN g.a_x WHEN %4$s OR g.z > 0 THEN greatest(g.lowest, -g.most) ELSE 0 END AS low,
				   CASE WHEN g.z > 0 THEN g.z_x ELSE g.most END AS high
			  FROM gap g LEFT JOIN reach r USING (label) LEFT JOIN outside o USING (label)
		), sloped AS MATERIALIZED (
			SELECT s.*, CASE WHEN s.z_at > s.a_at THEN (s.high - s.low) / (s.z_at - s.a_at)
					ELSE least(COALESCE(s.outside, 1000000), (s.high - s.low) / (s.last_at - s.first_at + 2
						+ COALESCE(s.first_at - s.a_at, s.z_at - s.last_at, 0))) END AS slope,
				   CASE WHEN s.unit > 1 THEN extract(epoch FROM $2) ELSE 0 END AS origin,		-- days are whole ones
				   bool_and(s.high - s.low >= s.unit * (s.size + 1)) OVER (PARTITION BY s.label) AS room
			  FROM segment s
		), raw AS (
			SELECT p.label, p.gap, p.n, p.v, p.n - s.a AS i, s.z, s.size, s.low, s.high, s.unit, s.room, CASE WHEN %4$s THEN round((round(p.x / g.grid) * g.grid + s.origin) / s.unit) * s.unit - s.origin
					ELSE floor(CASE WHEN s.a > 0 THEN s.low + s.slope * (p.at - s.a_at) WHEN s.z > 0 THEN s.high - s.slope * (s.z_at - p.at)
									ELSE s.slope * (p.at - s.first_at + 1) END / s.unit) * s.unit END AS code
			  FROM placed p JOIN sloped s USING (label, gap), LATERAL (SELECT greatest(least(s.step, ('1e' || length(floor(abs(p.x))::text) - 3)::numeric), s.unit) AS grid) g WHERE NOT p.f
		), code AS (		-- each at least a unit above the last, and below what is still to come
			SELECT w.label, w.v, w.room, trim_scale(least(CASE WHEN NOT %4$s OR w.z > 0 THEN w.high - w.unit * (w.size + 1 - w.i) END,
					w.i * w.unit + greatest(w.low, max(w.code - w.i * w.unit) OVER (PARTITION BY w.label, w.gap ORDER BY w.n))))::text AS c
			  FROM raw w
		)
		SELECT e.label, CASE WHEN bool_and(e.room) THEN jsonb_object_agg(e.v, e.c) END, CASE WHEN NOT bool_and(e.room) THEN 'no room between constants of the schema' END
		  FROM (SELECT k.label, k.v, k.room, CASE WHEN k.room THEN %3$s END AS c FROM code k
				UNION ALL SELECT f.label, f.v, true, CASE WHEN NOT %4$s OR abs(f.x) = 1e15 THEN f.v ELSE trim_scale(f.x)::text END FROM fixed f) e GROUP BY e.label $$;
	ELSE
		-- texts: digits behind a prefix that has its place between two anchors
		query := query || $$, prefixed AS MATERIALIZED (
			SELECT g.label, g.gap, g.a, p.* FROM gap g LEFT JOIN LATERAL (
				SELECT u.prefix, w.width, s.step
				  FROM unnest(CASE WHEN g.a = 0 AND g.z IS NULL THEN ARRAY['v', ''] WHEN g.a = 0 THEN ARRAY['0', '-', '!', 'A', '']
						ELSE ARRAY[g.a_v, g.a_v || '0', g.a_v || ' ', g.a_v || '!', g.a_v || '-', g.a_v || '_'] END) WITH ORDINALITY u (prefix, n),
					   LATERAL (SELECT least(g.longest - length(u.prefix), 9) AS width) w,
					   LATERAL (SELECT CASE WHEN w.width > 0 THEN least(1000000, floor(10::numeric ^ w.width / (g.size + 1)))::bigint END AS step) s
				 WHERE s.step > 0 AND (g.a_v = '' OR g.a_v < u.prefix || lpad(s.step::text, w.width, '0')%1$s)
				   AND (g.z IS NULL OR u.prefix || lpad((s.step * g.size)::text, w.width, '0') < g.z_v%1$s)
				 ORDER BY u.n LIMIT 1) p ON true
		)
		SELECT e.label, CASE WHEN bool_and(e.c IS NOT NULL) THEN jsonb_object_agg(e.v, e.c) END, CASE WHEN NOT bool_and(e.c IS NOT NULL) THEN 'no room for codes' END
		  FROM (SELECT b.label, b.v, p.prefix || lpad((p.step * (b.n - p.a))::text, p.width, '0') AS c FROM placed b JOIN prefixed p USING (label, gap) WHERE NOT b.f
				UNION ALL SELECT f.label, f.v, f.v FROM fixed f) e GROUP BY e.label $$;
	END IF;
	sorted := COALESCE(kind.sorted_as, ' COLLATE ' || COALESCE(NULLIF(collation_name, ''), '"default"'));
	RETURN QUERY EXECUTE format(query, sorted, COALESCE(kind.number, 'NULL'), COALESCE(kind.code, 'c'), CASE kind.family WHEN 'time' THEN 'true' ELSE 'false' END,
			CASE WHEN kind.number IS NULL THEN '0' ELSE 'count(*) FILTER (WHERE x.r) OVER (PARTITION BY x.label ORDER BY x.x)' END,
			CASE WHEN kind.family IN ('number', 'time') THEN 'x.x' ELSE 'x.v' || sorted END,		-- numbers are in the order of their values, and there already
			CASE WHEN kind.family IN ('number', 'interval') THEN '{NaN,Infinity,-Infinity,infinity,-infinity}' ELSE '{}' END)
		USING domains, exported, types, longests, units, domain_of_list, lists, of_ruler, domain_of_anchor, anchors;
END
$function$;
COMMENT ON FUNCTION guard.profile_codes(text, int[], text[], int[], numeric[], int[], text[], boolean[], int[], text[], timestamptz) IS
'A code for each value of the statistics of columns that belong together: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_codes(text, int[], text[], int[], numeric[], int[], text[], boolean[], int[], text[], timestamptz) FROM PUBLIC;

-- The ends of columns that an index knows better than the statistics: what
-- get_actual_variable_range() would read while planning.  The lock on the
-- table goes with the subtransaction; a table that is locked is left alone.
-- An EXPLAIN is nobody's use of the index, and this is none.
CREATE FUNCTION guard.profile_ends(relation oid, column_names name[], OUT ends jsonb)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET lock_timeout = '10ms' SET row_security = off SET constraint_exclusion = off
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET extra_float_digits = 1 SET enable_seqscan = off SET enable_bitmapscan = off
AS $function$
BEGIN
	EXECUTE (SELECT format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT set_config(''profile.ends'', jsonb_build_array(%s)::text, true)',
						   string_agg(format('(SELECT min(%1$I)::text FROM ONLY %2$s), (SELECT max(%1$I)::text FROM ONLY %2$s)', c.name, relation::regclass), ', ' ORDER BY c.n))
			   FROM unnest(column_names) WITH ORDINALITY c (name, n));
	ends := current_setting('profile.ends');
	RAISE EXCEPTION USING ERRCODE = 'GDEND';
EXCEPTION
	WHEN SQLSTATE 'GDEND' THEN
		RETURN;
	WHEN lock_not_available OR insufficient_privilege OR undefined_table OR undefined_column THEN
		ends := NULL;
END
$function$;
COMMENT ON FUNCTION guard.profile_ends(oid, name[]) IS
'The ends of indexed columns of a table, lowest and highest of each, null where the table is locked: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_ends(oid, name[]) FROM PUBLIC;

-- "patterns": which values of a column's statistics each known pattern matches,
-- and the mark by which their codes show it.
CREATE FUNCTION guard.profile_document(literals text, exporter text, read_ends boolean,
	patterns jsonb DEFAULT '[]')
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' SET standard_conforming_strings = on
SET datestyle = 'ISO, YMD' SET intervalstyle = postgres SET timezone = 'UTC' SET extra_float_digits = 1
SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET work_mem = '64MB'
AS $function$
DECLARE
	exported constant timestamptz := date_trunc('second', transaction_timestamp());
	no_figures constant text[] := '{NaN,Infinity,-Infinity,infinity,-infinity}';
	locked oid[];
	missing jsonb := '[]';
	server jsonb;
	source text;				-- pg_stat_statements
	newer text[];				-- its columns since 17, and 19
	since timestamptz;
	evictions bigint;
	statements jsonb := '[]';
	left_out jsonb;
	relations jsonb;
	indexes jsonb;
	path text[];				-- search_path
	names text[] := '{}';		-- what statements name: anything, and relations
	named text[];
	found record;
	outcome record;
	rels oid[];					-- by column
	atts int2[];
	families text[];
	types text[];
	colls text[];
	longests int[];
	units numeric[];
	leads boolean[];
	lows text[];
	highs text[];
	label int[];				-- the first column of its domain
	a int;
	b int;
BEGIN
	SELECT COALESCE(array_agg(l.relation), '{}') INTO locked FROM pg_locks l JOIN pg_database d ON d.oid = l.database
	 WHERE d.datname = current_database() AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid() AND l.relation IS NOT NULL;

	-- the server
	SELECT jsonb_build_object('version', current_setting('server_version'), 'version_number', current_setting('server_version_num')::int,
		   'role', CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END, 'name', current_setting('cluster_name'),
		   'database', current_database(), 'encoding', getdatabaseencoding(), 'collation', d.datcollate,
		   'search_path', COALESCE((SELECT s.reset_val FROM pg_settings s WHERE s.name = 'search_path'), ''),
		   'connections', jsonb_build_object('server', current_setting('max_connections')::int,
				'free', greatest(current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'client backend'), 0),
				'reserved', current_setting('superuser_reserved_connections')::int + COALESCE(current_setting('reserved_connections', true)::int, 0),
				'database', NULLIF(d.datconnlimit, -1),
				'idle_in_transaction', (SELECT guard.profile_digits(s.idle_in_transaction_time / NULLIF(s.session_time, 0), 4) FROM pg_stat_database s WHERE s.datid = d.oid),
				'roles', COALESCE((SELECT jsonb_object_agg(r.rolname, r.rolconnlimit) FROM pg_roles r WHERE r.rolconnlimit >= 0 AND r.rolcanlogin), '{}')),
		   -- not those of this function
		   'settings', (SELECT jsonb_object_agg(s.name, s.reset_val) FROM pg_settings s
						 WHERE s.category LIKE 'Query Tuning%' OR s.name IN ('work_mem', 'hash_mem_multiplier', 'shared_buffers', 'block_size',
							'default_statistics_target', 'effective_io_concurrency', 'max_parallel_workers', 'max_parallel_workers_per_gather',
							'parallel_leader_participation', 'max_worker_processes', 'track_counts', 'jit')))
	  INTO server FROM pg_database d WHERE d.datname = current_database();
	IF has_function_privilege('pg_control_system()', 'EXECUTE') AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE') THEN
		server := server || jsonb_build_object('system_identifier', (SELECT c.system_identifier::text FROM pg_control_system() c),
			'timeline', (SELECT c.timeline_id FROM pg_control_checkpoint() c));
	END IF;

	path := string_to_array(replace(replace(server ->> 'search_path', ' ', ''), '"', ''), ',');

	-- statements
	SELECT format('%I.pg_stat_statements', x.nspname), ARRAY[CASE WHEN 'stats_since' = ANY (p.proargnames) THEN 's.stats_since' ELSE 'NULL' END,
		   CASE WHEN 'generic_plan_calls' = ANY (p.proargnames) THEN 's.generic_plan_calls' ELSE 'NULL' END]
	  INTO source, newer FROM pg_extension e JOIN pg_namespace x ON x.oid = e.extnamespace
	  LEFT JOIN pg_proc p ON p.pronamespace = x.oid AND p.proname = e.extname WHERE e.extname = 'pg_stat_statements';
	IF source IS NULL OR current_setting('pg_stat_statements.max', true) IS NULL THEN
		missing := missing || jsonb_build_object('what', 'statements', 'why', 'pg_stat_statements is not installed here, or not preloaded');
	ELSE
		BEGIN
			EXECUTE format('SELECT i.stats_reset, i.dealloc FROM %s_info() i', source) INTO since, evictions;
			EXECUTE format($$
				WITH entry AS (
					SELECT s.query, s.queryid, s.calls, s.total_exec_time, s.stddev_exec_time, s.mean_exec_time, s.rows, s.shared_blks_read,
						   %2$s::timestamptz AS since, s.toplevel, CASE WHEN $2 THEN s.plans END AS plans, %3$s::bigint AS generic
					  FROM %1$s(true) s WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND s.calls > 0
					   AND (s.toplevel OR s.query !~ '/\* guard_profile \*/')	-- nor what the export asks itself
				), merged AS (
					SELECT e.query, array_agg(DISTINCT e.queryid) AS ids, sum(e.calls) AS calls, sum(e.total_exec_time) AS total, sum(e.rows) AS rows,
						   sum(e.shared_blks_read) AS blocks, sum(e.calls * (e.stddev_exec_time ^ 2 + e.mean_exec_time ^ 2)) AS squares,
						   min(e.since) AS since, sum(e.calls) FILTER (WHERE NOT e.toplevel) AS nested,
						   COALESCE(sum(e.generic), sum(e.calls) - sum(e.plans)) AS generic
					  FROM entry e GROUP BY e.query
				)
				SELECT COALESCE(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('text', p.prepared, 'parameters', p.parameters, 'left_out', p.left_out,
						   'query_ids', (SELECT jsonb_agg(i::text ORDER BY i) FROM unnest(m.ids) i),
						   'calls', m.calls, 'calls_per_second', guard.profile_digits(m.calls::float8 /
								greatest(extract(epoch FROM $3 - greatest(m.since, $1)), 1)::float8, 4),
						   'mean_time', guard.profile_digits(m.total / m.calls::float8, 4),
						   'stddev_time', guard.profile_digits(sqrt(greatest(m.squares::float8 / m.calls::float8 - (m.total / m.calls::float8) ^ 2, 0)), 4),
						   'rows_per_call', guard.profile_digits((m.rows / m.calls)::float8, 4),
						   'blocks_read_per_call', guard.profile_digits((m.blocks / m.calls)::float8, 4),
						   'nested', guard.profile_digits((m.nested / m.calls)::float8, 4),
						   'generic', guard.profile_digits(NULLIF(greatest(m.generic / m.calls, 0), 0)::float8, 4),
						   'relations', p.relations, 'names', to_jsonb(p.names), 'joined', p.joined))), '[]')
				  FROM merged m, LATERAL guard.profile_scan(m.query) p WHERE p.left_out IS DISTINCT FROM 'not a query' $$,
				source, newer[1], newer[2]) INTO statements USING since, COALESCE(current_setting('pg_stat_statements.track_planning', true)::boolean, false), clock_timestamp();
		EXCEPTION
			-- other people's bytes need be no characters here
			WHEN character_not_in_repertoire OR untranslatable_character OR insufficient_privilege OR undefined_function THEN
				missing := missing || jsonb_build_object('what', 'statements', 'why', 'pg_stat_statements could not be read: ' || SQLSTATE);
		END;
	END IF;
	SELECT jsonb_agg(jsonb_build_object('query_ids', s -> 'query_ids', 'calls', s -> 'calls', 'why', s -> 'left_out') ORDER BY (s -> 'query_ids')::text COLLATE "C")
	  INTO left_out FROM jsonb_array_elements(statements) s WHERE s ? 'left_out';
	SELECT COALESCE(jsonb_agg(s ORDER BY s ->> 'text' COLLATE "C"), '[]') INTO statements FROM jsonb_array_elements(statements) s
	 WHERE s ? 'text' AND NOT EXISTS (	-- what asks the server itself is no load of anybody's
		SELECT FROM jsonb_array_elements(s -> 'relations') r
		 WHERE r ->> 'schema' IN ('pg_catalog', 'information_schema', 'guard') OR r ->> 'name' ~ '^pg_') AND NOT s -> 'names' ? 'guard'
	   -- nor what functions compute without a table, an earlier export among them
	   AND NOT ((s -> 'nested' = '1') IS TRUE AND NOT EXISTS (
		SELECT FROM jsonb_array_elements(s -> 'relations') r
		 WHERE (r ->> 'name' IN (SELECT c.relname::text FROM pg_class c JOIN pg_namespace x ON x.oid = c.relnamespace
								  WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND x.nspname !~ '^(pg_|information_schema$|guard$)')) IS TRUE));
	-- whose column a parameter or a join means, where the text alone does not say it
	WITH named AS MATERIALIZED (
		SELECT s.n, r.r ->> 'name' AS name, r.i, (
				SELECT c.oid FROM pg_class c JOIN pg_namespace x ON x.oid = c.relnamespace
				 WHERE c.relname = r.r ->> 'name' AND c.relkind IN ('r', 'p', 'm') AND (r.r ->> 'schema' IS NULL OR x.nspname = r.r ->> 'schema') AND x.nspname !~ '^pg_'
				 ORDER BY array_position(path, x.nspname::text) NULLS LAST, x.nspname LIMIT 1) AS oid
		  FROM jsonb_array_elements(statements) WITH ORDINALITY s (s, n), jsonb_array_elements(s.s -> 'relations') WITH ORDINALITY r (r, i)
	), wanted AS (
		SELECT s.n, 'p' AS of, p.i, 0 AS side, p.p AS e FROM jsonb_array_elements(statements) WITH ORDINALITY s (s, n), jsonb_array_elements(s.s -> 'parameters') WITH ORDINALITY p (p, i)
		UNION ALL
		SELECT s.n, 'j', j.i, e.i, e.e FROM jsonb_array_elements(statements) WITH ORDINALITY s (s, n), jsonb_array_elements(s.s -> 'joined') WITH ORDINALITY j (j, i),
			   jsonb_array_elements(j.j) WITH ORDINALITY e (e, i)
	), found AS (
		SELECT w.n, w.of, w.i, w.side, w.e || CASE WHEN count(DISTINCT a.attrelid) = 1 THEN (
				SELECT jsonb_build_object('schema', x.nspname, CASE w.of WHEN 'p' THEN 'table' ELSE 'name' END, c.relname)
				  FROM pg_class c JOIN pg_namespace x ON x.oid = c.relnamespace WHERE c.oid = min(a.attrelid)) ELSE '{}' END AS e
		  FROM wanted w LEFT JOIN (named r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0)
			ON r.n = w.n AND a.attname = w.e ->> 'column' AND r.name = COALESCE(w.e ->> CASE w.of WHEN 'p' THEN 'table' ELSE 'name' END, r.name)
		 GROUP BY w.n, w.of, w.i, w.side, w.e
	), parameter AS (
		SELECT f.n, jsonb_agg(f.e ORDER BY f.i) AS parameters FROM found f WHERE f.of = 'p' GROUP BY f.n
	), pair AS (
		SELECT f.n, f.i, jsonb_agg(f.e ORDER BY f.side) AS pair FROM found f WHERE f.of = 'j' GROUP BY f.n, f.i HAVING bool_and(f.e ? 'name')
	), pairs AS (
		SELECT p.n, jsonb_agg(p.pair) AS joined FROM pair p GROUP BY p.n
	)
	SELECT COALESCE(jsonb_agg(s.s || jsonb_build_object('parameters', COALESCE(p.parameters, '[]'), 'joined', COALESCE(j.joined, '[]')) ORDER BY s.n), '[]') INTO statements
	  FROM jsonb_array_elements(statements) WITH ORDINALITY s (s, n) LEFT JOIN parameter p USING (n) LEFT JOIN pairs j USING (n);
	SELECT COALESCE(array_agg(DISTINCT u.name), '{}') INTO names FROM jsonb_array_elements(statements) s, jsonb_array_elements_text(s -> 'names') u (name);
	SELECT COALESCE(array_agg(DISTINCT r ->> 'name'), '{}') INTO named FROM jsonb_array_elements(statements) s, jsonb_array_elements(s -> 'relations') r;

	-- columns whose statistics matter: those that a statement names, and those of indexes
	SELECT array_agg(x.rel ORDER BY x.rel, x.att), array_agg(x.att ORDER BY x.rel, x.att), array_agg(x.family ORDER BY x.rel, x.att),
		   array_agg(x.type ORDER BY x.rel, x.att), array_agg(x.coll ORDER BY x.rel, x.att), array_agg(x.longest ORDER BY x.rel, x.att),
		   array_agg(x.unit ORDER BY x.rel, x.att), array_agg(x.leads ORDER BY x.rel, x.att)
	  INTO rels, atts, families, types, colls, longests, units, leads
	  FROM (
		SELECT c.oid AS rel, a.attnum AS att, format_type(t.oid, NULL) AS type,
			   COALESCE(k.family, CASE WHEN t.typtype = 'e' OR literals = 'all' THEN 'same' ELSE '' END) AS family,
			   COALESCE((SELECT format('%I.%I', ln.nspname, l.collname) FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace
						  WHERE l.oid = a.attcollation AND l.collname <> 'default'), '') AS coll,
			   CASE WHEN t.oid IN ('varchar'::regtype, 'bpchar'::regtype) AND m.typmod > 4 THEN m.typmod - 4
					WHEN t.oid = 'numeric'::regtype AND m.typmod > 4 THEN (((m.typmod - 4) >> 16) & 65535) - ((m.typmod - 4) & 2047)
					WHEN k.family = 'text' THEN 60 ELSE 0 END AS longest,
			   CASE WHEN t.oid = 'numeric'::regtype AND m.typmod > 4 THEN 10::numeric ^ - ((m.typmod - 4) & 2047)
					WHEN t.oid IN ('timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype, 'timetz'::regtype) AND m.typmod BETWEEN 0 AND 6 THEN 10::numeric ^ - m.typmod
					ELSE COALESCE(k.unit, 1) END AS unit,
			   read_ends AND COALESCE(k.ends, false) AND c.relkind = 'r' AND c.oid <> ALL (locked) AND a.attname = ANY (names) AND (c.relispartition OR c.relname = ANY (named)) AND has_column_privilege(c.oid, a.attnum, 'SELECT') AND (c.oid, a.attnum) IN (
					SELECT i.indrelid, i.indkey[0] FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am am ON am.oid = ic.relam
					 WHERE i.indisvalid AND i.indpred IS NULL AND am.amname = 'btree')
			   -- to plan with these would be to run what somebody wrote
			   AND c.oid NOT IN (
					SELECT COALESCE(i.indrelid, e.stxrelid) FROM pg_depend d LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
					  LEFT JOIN pg_statistic_ext e ON d.classid = 'pg_statistic_ext'::regclass AND e.oid = d.objid
					 WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass)
					   AND (i.indrelid IS NOT NULL OR e.stxrelid IS NOT NULL)) AS leads
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^(pg_|information_schema$|guard$)'
		  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		  JOIN pg_type o ON o.oid = a.atttypid
		  JOIN pg_type t ON t.oid = CASE o.typtype WHEN 'd' THEN o.typbasetype ELSE o.oid END
		  LEFT JOIN guard.profile_kinds() k ON k.type = format_type(t.oid, NULL),
			   LATERAL (SELECT CASE o.typtype WHEN 'd' THEN o.typtypmod ELSE a.atttypmod END AS typmod) m
		 WHERE c.relkind IN ('r', 'p', 'm') AND (a.attname = ANY (names) OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)))
			OR c.relkind IN ('i', 'I') AND EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indexprs IS NOT NULL AND i.indkey[a.attnum - 1] = 0)) x;

	-- columns that are compared with each other have their codes in common
	SELECT COALESCE(array_agg(i ORDER BY i), '{}') INTO label FROM generate_subscripts(rels, 1) i;
	FOR found IN
		WITH node AS (
			SELECT u.rel, u.att, u.family, u.coll, u.n::int, c.relname, s.nspname, t.attname
			  FROM unnest(rels, atts, families, colls) WITH ORDINALITY u (rel, att, family, coll, n)
			  JOIN pg_class c ON c.oid = u.rel JOIN pg_namespace s ON s.oid = c.relnamespace
			  JOIN pg_attribute t ON t.attrelid = u.rel AND t.attnum = u.att WHERE u.family <> ''
		), pair AS (
			SELECT f.conrelid AS rel, k.a AS att, f.confrelid AS other_rel, k.b AS other_att FROM pg_constraint f, unnest(f.conkey, f.confkey) k (a, b) WHERE f.contype = 'f'
			UNION ALL
			SELECT i.inhrelid, x.attnum, i.inhparent, y.attnum FROM pg_inherits i JOIN pg_attribute x ON x.attrelid = i.inhrelid
			  JOIN pg_attribute y ON y.attrelid = i.inhparent AND y.attname = x.attname WHERE x.attnum > 0 AND y.attnum > 0
			UNION ALL
			SELECT x.rel, x.att, y.rel, y.att
			  FROM (SELECT DISTINCT j #>> '{0,schema}' AS s1, j #>> '{0,name}' AS t1, j #>> '{0,column}' AS c1,
						   j #>> '{1,schema}' AS s2, j #>> '{1,name}' AS t2, j #>> '{1,column}' AS c2
					  FROM jsonb_array_elements(statements) s, jsonb_array_elements(s -> 'joined') j) j
			  JOIN node x ON x.relname = j.t1 AND x.attname = j.c1 AND (j.s1 IS NULL OR x.nspname = j.s1)
			  JOIN node y ON y.relname = j.t2 AND y.attname = j.c2 AND (j.s2 IS NULL OR y.nspname = j.s2)
		), side AS MATERIALIZED (	-- one after the other: columns of one type are no pairs
			SELECT x.n, x.family, x.coll, p.other_rel, p.other_att FROM pair p JOIN node x ON x.rel = p.rel AND x.att = p.att
		)
		SELECT DISTINCT s.n AS a, y.n AS b FROM side s JOIN node y ON y.rel = s.other_rel AND y.att = s.other_att
		 WHERE s.family = y.family AND s.coll = y.coll AND s.n <> y.n
	LOOP
		a := found.a;
		b := found.b;
		WHILE label[a] <> a LOOP
			label[a] := label[label[a]];
			a := label[a];
		END LOOP;
		WHILE label[b] <> b LOOP
			label[b] := label[label[b]];
			b := label[b];
		END LOOP;
		label[greatest(a, b)] := least(a, b);
	END LOOP;
	FOR i IN 1 .. cardinality(label) LOOP
		label[i] := label[label[i]];	-- the first of all: its own is done already
	END LOOP;
	SELECT array_agg(e.low ORDER BY u.n), array_agg(e.high ORDER BY u.n) INTO lows, highs
	  FROM unnest(rels) WITH ORDINALITY u (rel, n) LEFT JOIN (
		SELECT p.n, e.ends ->> (p.i * 2 - 2)::int AS low, e.ends ->> (p.i * 2 - 1)::int AS high
		  FROM (SELECT l.rel, array_agg(l.n) AS places, array_agg(t.attname) AS names
				  FROM unnest(rels, atts, leads) WITH ORDINALITY l (rel, att, leads, n) JOIN pg_attribute t ON t.attrelid = l.rel AND t.attnum = l.att WHERE l.leads GROUP BY l.rel) t,
			   LATERAL guard.profile_ends(t.rel, t.names) e, unnest(t.places) WITH ORDINALITY p (n, i)) e ON e.n = u.n;

	-- relations with what the planner knows of them: sizes as it sees them, from the file; and codes, of many domains at a time
	WITH node AS MATERIALIZED (
		SELECT u.*, c.relname, s.nspname, t.attname
		  FROM unnest(rels, atts, families, types, colls, longests, units, label, lows, highs)
			   WITH ORDINALITY u (rel, att, family, type, coll, longest, unit, label, low, high, n)
		  JOIN pg_class c ON c.oid = u.rel JOIN pg_namespace s ON s.oid = c.relnamespace JOIN pg_attribute t ON t.attrelid = u.rel AND t.attnum = u.att
	), seen AS MATERIALIZED (
		-- as texts, once
		SELECT p.schemaname, p.tablename, p.attname, p.inherited, p.null_frac, p.avg_width, p.n_distinct, p.correlation, p.most_common_freqs, p.most_common_elem_freqs,
			   p.elem_count_histogram, p.most_common_elems::text::text[] AS elements, p.most_common_vals::text AS common, p.histogram_bounds::text AS bounds,
			   COALESCE(cardinality(p.most_common_vals), 0) AS commons, COALESCE(cardinality(p.histogram_bounds), 0) AS buckets
		  FROM pg_stats p WHERE p.schemaname <> 'pg_catalog'
	), statistic AS MATERIALIZED (
		SELECT d.label, d.rel, d.att, d.family, d.type, d.low, d.high, p.*
		  FROM node d JOIN seen p ON p.schemaname = d.nspname AND p.tablename = d.relname AND p.attname = d.attname
	), domain AS MATERIALIZED (	-- in parts that fit into memory
		SELECT d.label, sum(min(s.size)) OVER (PARTITION BY min(d.family), min(d.coll) ORDER BY d.label)::int / 100000 AS part, min(d.family) AS family, min(d.coll) AS coll, COALESCE(min(NULLIF(d.longest, 0)), 0) AS longest, max(d.unit) AS unit,
			   (array_agg(d.type ORDER BY k.most, d.type))[1] AS type		-- which has the least room
		  FROM node d LEFT JOIN guard.profile_kinds() k ON k.type = d.type
		  JOIN (SELECT s.label, sum(s.commons + s.buckets + num_nonnulls(s.low, s.high)) AS size FROM statistic s GROUP BY s.label) s ON s.label = d.label
		 WHERE d.family NOT IN ('', 'same') AND s.size > 0
		 GROUP BY d.label
	), ruler AS (
		SELECT DISTINCT ON (s.label) s.label, s.rel, s.att, s.inherited FROM statistic s WHERE s.bounds IS NOT NULL ORDER BY s.label, s.buckets DESC, s.inherited DESC
	), own AS (
		SELECT d.family, d.coll, d.part, d.label, l.list, l.of_ruler
		  FROM statistic s JOIN domain d USING (label) LEFT JOIN ruler r USING (label, rel, att, inherited),
			   LATERAL (VALUES (s.common, false), (s.bounds, r.label IS NOT NULL), (ARRAY[s.low, s.high]::text, false)) l (list, of_ruler) WHERE l.list IS NOT NULL
	), expression AS MATERIALIZED (
		SELECT k.conrelid AS rel, pg_get_expr(k.conbin, k.conrelid) AS e FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid <> 0 AND k.conrelid <> ALL (locked)
		UNION ALL
		SELECT i.indrelid, pg_get_expr(i.indpred, i.indrelid) FROM pg_index i WHERE i.indpred IS NOT NULL AND i.indrelid <> ALL (locked)
		UNION ALL
		SELECT c.oid, pg_get_partition_constraintdef(c.oid) FROM pg_class c WHERE c.relispartition AND c.relkind IN ('r', 'p') AND locked = '{}'
	), anchor AS (
		SELECT DISTINCT d.label, l.l AS v
		  FROM node d JOIN expression x ON x.rel = d.rel AND strpos(x.e, quote_ident(d.attname)) > 0 JOIN guard.profile_kinds() k ON k.type = d.type,
			   LATERAL (SELECT COALESCE(replace(m.m[1], '''''', ''''), m.m[2])
						  FROM regexp_matches(x.e, '''((?:[^'']|'''')*)''|(?<![\w.$"])(-?\d+(?:\.\d+)?)(?![\w.])', 'g') m) l (l)
		 WHERE l.l ~ k.literal
	), marked AS (		-- what each value's pattern marks are
		SELECT m.label, jsonb_object_agg(m.v, m.marks) AS marks
		  FROM (SELECT s.label, u.v, string_agg(DISTINCT p.mark, '' ORDER BY p.mark) AS marks
				  FROM (SELECT DISTINCT ON (s.rel, s.att) s.label, s.rel, s.att, s.common::text[] AS common, s.bounds::text[] AS bounds FROM statistic s WHERE s.family IN ('text', 'json') ORDER BY s.rel, s.att, s.inherited DESC) s
				  JOIN jsonb_to_recordset(patterns) p (rel oid, att int2, mark text, matches int[]) ON p.rel = s.rel AND p.att = s.att,
					   unnest(p.matches) n (n), LATERAL (SELECT CASE WHEN n.n <= 100 THEN s.common[n.n] ELSE s.bounds[n.n - 100] END) u (v)
				 WHERE u.v IS NOT NULL GROUP BY s.label, u.v) m GROUP BY m.label
	), part AS (
		SELECT d.*, o.of AS list_of, o.lists, o.of_ruler, COALESCE(h.of, '{}') AS anchor_of, COALESCE(h.vals, '{}') AS anchors
		  FROM (SELECT d.family, d.coll, d.part, array_agg(d.label) AS domains, array_agg(d.type) AS types, array_agg(d.longest) AS longests, array_agg(d.unit) AS units,
					   COALESCE(jsonb_object_agg(d.label, m.marks) FILTER (WHERE m.marks IS NOT NULL), '{}') AS marks
				  FROM domain d LEFT JOIN marked m USING (label) GROUP BY d.family, d.coll, d.part) d
		  JOIN (SELECT x.family, x.coll, x.part, array_agg(x.label) AS of, array_agg(x.list) AS lists, array_agg(x.of_ruler) AS of_ruler FROM own x GROUP BY x.family, x.coll, x.part) o
			USING (family, coll, part)
		  LEFT JOIN (SELECT d.family, d.coll, d.part, array_agg(x.label) AS of, array_agg(x.v) AS vals FROM anchor x JOIN domain d USING (label) GROUP BY d.family, d.coll, d.part) h
			USING (family, coll, part)
	), coded AS MATERIALIZED (
		SELECT c.label, COALESCE(c.codes || m.codes, c.codes) AS codes, c.no_code
		  FROM part p, LATERAL guard.profile_codes(p.coll, p.domains, p.types, p.longests, p.units, p.list_of, p.lists, p.of_ruler, p.anchor_of, p.anchors, exported) c
		  LEFT JOIN LATERAL (
			SELECT jsonb_object_agg(m.v, CASE p.family WHEN 'text' THEN (c.codes ->> m.v) || m.marks
					ELSE ((c.codes ->> m.v)::jsonb || (SELECT jsonb_object_agg('~' || k, 1) FROM regexp_split_to_table(substr(m.marks, 2), '~') k))::text END) AS codes
			  FROM jsonb_each_text(p.marks -> c.label::text) m (v, marks)
			 WHERE NOT EXISTS (SELECT FROM unnest(p.anchor_of, p.anchors) a (label, v) WHERE a.label = c.label AND a.v = m.v)
			   AND (p.family = 'json' OR length(c.codes ->> m.v) + length(m.marks) <= p.longests[array_position(p.domains, c.label)])) m ON true
		 WHERE literals <> 'all'
		UNION ALL
		SELECT o.label, jsonb_object_agg(v, v) FILTER (WHERE v IS NOT NULL), NULL FROM own o, unnest(o.list::text[]) v WHERE literals = 'all' GROUP BY o.label
	), fact AS (		-- the elements of an array come in its order
		SELECT s.rel, s.attname, s.type, s.inherited, (
				SELECT jsonb_object_agg(f.name, f.fact) FILTER (WHERE f.fact IS NOT NULL) FROM (VALUES ('null_fraction', to_jsonb(guard.profile_digits(s.null_frac, 4))),
				   ('width', to_jsonb(s.avg_width)), ('distinct', to_jsonb(guard.profile_digits(s.n_distinct, 4))), ('correlation', to_jsonb(guard.profile_digits(s.correlation, 4))),
				   ('frequencies', (SELECT jsonb_agg(guard.profile_digits(f, 4)) FROM unnest(s.most_common_freqs) f)),
				   -- elements are there in their order
				   ('elements', CASE WHEN literals = 'all' OR s.type = 'tsvector' OR k.family IN ('number', 'text', 'same', 'uuid') THEN (
						SELECT jsonb_agg(CASE WHEN literals = 'all' OR k.family = 'same' THEN e.e WHEN k.family = 'number' THEN (e.n * 10)::text
											WHEN k.family = 'uuid' THEN lpad(to_hex(e.n * 10), 32, '0') ELSE 'e' || lpad((e.n * 10)::text, 6, '0') END ORDER BY e.n)
						  FROM unnest(s.elements) WITH ORDINALITY e (e, n)) END),
				   ('element_frequencies', (SELECT jsonb_agg(guard.profile_digits(f, 4)) FROM unnest(s.most_common_elem_freqs) f)),
				   ('element_counts', (SELECT jsonb_agg(guard.profile_digits(f, 4)) FROM unnest(s.elem_count_histogram) f)),
				   ('no_code', to_jsonb(CASE WHEN s.family = '' THEN 'type ' || s.type ELSE c.no_code END)),
				   ('common', CASE WHEN s.family <> '' AND c.no_code IS NULL THEN (
						SELECT jsonb_agg(COALESCE(c.codes ->> v, CASE WHEN s.family = 'same' OR s.family IN ('number', 'interval') AND v = ANY (no_figures) THEN v END))
						  FROM unnest(s.common::text[]) v) END),
				   ('histogram', CASE WHEN s.family <> '' AND c.no_code IS NULL THEN (
						SELECT jsonb_agg(COALESCE(CASE WHEN s.inherited OR v.n > 1 AND v.n < s.buckets THEN c.codes ->> v.v END,
											CASE WHEN s.family = 'same' OR s.family IN ('number', 'interval') AND v.v = ANY (no_figures) THEN v.v
											WHEN NOT s.inherited THEN c.codes ->> COALESCE(CASE v.n WHEN 1 THEN s.low WHEN s.buckets THEN s.high END, v.v) END))
						  FROM unnest(s.bounds::text[]) WITH ORDINALITY v (v, n)) END),
				   ('ends_from_index', CASE WHEN s.family <> '' AND c.no_code IS NULL AND NOT s.inherited AND s.low IS NOT NULL AND s.bounds IS NOT NULL THEN to_jsonb(true) END)) f (name, fact)) AS facts
		  FROM statistic s LEFT JOIN coded c USING (label) LEFT JOIN guard.profile_kinds() k ON s.type LIKE '%[]' AND k.type = left(s.type, -2)
	), other AS MATERIALIZED (
		SELECT c.oid, s.nspname, c.relname, a.attname, a.atttypid
		  FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		 WHERE c.relkind IN ('r', 'p', 'm') AND (c.relispartition OR c.relname = ANY (named)) AND NOT EXISTS (SELECT FROM node d WHERE d.rel = c.oid AND d.att = a.attnum)
	), beside AS (		-- of a named table's other columns what its rows' width hangs on
		SELECT c.oid AS rel, p.attname, format_type(c.atttypid, NULL) AS type, p.inherited, jsonb_strip_nulls(jsonb_build_object(
				   'null_fraction', guard.profile_digits(p.null_frac, 4), 'width', p.avg_width, 'distinct', guard.profile_digits(p.n_distinct, 4),
				   'correlation', guard.profile_digits(p.correlation, 4), 'no_code', 'no statement names it')) AS facts
		  FROM other c JOIN seen p ON p.schemaname = c.nspname AND p.tablename = c.relname AND p.attname = c.attname
	), columns AS (
		SELECT s.rel, jsonb_build_object('columns', jsonb_object_agg(s.attname, s.facts)) AS columns FROM (
			SELECT s.rel, s.attname, jsonb_build_object('type', min(s.type)) || jsonb_object_agg(CASE WHEN s.inherited THEN 'with_children' ELSE 'own' END, s.facts) AS facts
			  FROM (SELECT * FROM fact UNION ALL SELECT * FROM beside) s GROUP BY s.rel, s.attname) s GROUP BY s.rel
	), file AS MATERIALIZED (
		SELECT c.oid, c.relam, c.relkind, n.nspname, c.relname, c.reltuples, c.relpages, c.relallvisible, c.oid = ANY (locked) AS is_locked,
			   CASE WHEN c.oid = ANY (locked) OR c.relkind IN ('p', 'I') THEN c.relpages::bigint
					ELSE COALESCE(pg_relation_size(c.oid) / current_setting('block_size')::int, c.relpages) END AS pages, k.columns
		  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN columns k ON k.rel = c.oid
		 WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND n.nspname !~ '^(pg_|information_schema$|guard$)'
	), sized AS (
		SELECT f.*, jsonb_strip_nulls(jsonb_build_object('schema', f.nspname, 'name', f.relname, 'pages', f.pages, 'all_visible', NULLIF(f.relallvisible, 0),
			   -- an index's first page has none
			   'tuples', CASE WHEN f.relpages > 0 AND f.reltuples >= 0 THEN guard.profile_digits(CASE WHEN f.relkind = 'i' AND f.relpages > 1
					THEN f.reltuples::float8 / (f.relpages - 1) * greatest(f.pages - 1, 0) ELSE f.reltuples::float8 / f.relpages * f.pages END, 4) END,
			   'locked', NULLIF(f.is_locked, false))) AS facts
		  FROM file f
	)
	SELECT COALESCE(jsonb_agg(s.facts || jsonb_strip_nulls(jsonb_build_object('kind', CASE s.relkind WHEN 'p' THEN 'partitioned table' WHEN 'm' THEN 'materialized view' ELSE 'table' END,
				'parents', h.parents)) || COALESCE(s.columns, '{}')
				ORDER BY s.nspname COLLATE "C", s.relname COLLATE "C") FILTER (WHERE s.relkind NOT IN ('i', 'I')), '[]'),
		   COALESCE(jsonb_agg(s.facts || jsonb_strip_nulls(jsonb_build_object('table', jsonb_build_object('schema', t.nspname, 'name', t.relname), 'method', m.amname,
				'definition', CASE WHEN s.oid = ANY (locked) OR i.indrelid = ANY (locked) THEN NULL ELSE pg_get_indexdef(s.oid) END,
				'unique', NULLIF(i.indisunique, false), 'primary', NULLIF(i.indisprimary, false), 'valid', i.indisvalid,
				'replica_identity', NULLIF(i.indisreplident, false),
				'constraint', k.conname, 'parent', h.parents -> 0, 'scans', pg_stat_get_numscans(s.oid))) || COALESCE(s.columns, '{}')
				ORDER BY s.nspname COLLATE "C", s.relname COLLATE "C") FILTER (WHERE s.relkind IN ('i', 'I')), '[]')
	  INTO relations, indexes
	  FROM sized s LEFT JOIN pg_index i ON i.indexrelid = s.oid LEFT JOIN file t ON t.oid = i.indrelid LEFT JOIN pg_am m ON m.oid = s.relam
	  LEFT JOIN (SELECT c.conindid, min(c.conname::text) AS conname FROM pg_constraint c WHERE c.contype IN ('p', 'u', 'x') GROUP BY c.conindid) k ON k.conindid = s.oid
	  LEFT JOIN (SELECT n.inhrelid, jsonb_agg(jsonb_build_object('schema', p.nspname, 'name', p.relname) ORDER BY n.inhseqno) AS parents
				   FROM pg_inherits n JOIN file p ON p.oid = n.inhparent GROUP BY n.inhrelid) h ON h.inhrelid = s.oid;

	IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema$|guard$)'
			AND NOT (has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid))) THEN
		missing := missing || jsonb_build_object('what', 'statistics', 'why', 'PostgreSQL shows them to whoever may read the columns: pg_read_all_data');
	END IF;
	IF locked <> '{}' THEN
		missing := missing || jsonb_build_object('what', 'relations', 'why', 'some were locked');
	END IF;
	RETURN jsonb_strip_nulls(jsonb_build_object('format', 'guard/profile/1', 'exported', to_char(exported, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'exporter', exporter, 'literals', literals,
		'missing', missing, 'server', server, 'relations', relations, 'indexes', indexes, 'left_out', COALESCE(left_out, '[]'),
		'counting_since', to_char(since, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'evictions', NULLIF(evictions, 0),
		'statements', (SELECT COALESCE(jsonb_agg(s - '{names,joined}'::text[] ORDER BY s ->> 'text' COLLATE "C"), '[]') FROM jsonb_array_elements(statements) s)));
END
$function$;
COMMENT ON FUNCTION guard.profile_document(text, text, boolean, jsonb) IS
'What the catalogs and pg_stat_statements say, as guard.export_profile() begins with it.';
REVOKE ALL ON FUNCTION guard.profile_document(text, text, boolean, jsonb) FROM PUBLIC;
