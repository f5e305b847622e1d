#!/usr/bin/python3
"""guard_load drives staging with production's load, made from a profile alone.

Usage:
  guard_load make PROFILE --out DIR    look for values in staging and write
                                       pgbench scripts, one a statement, to DIR
  guard_load run DIR                   drive staging with them
  guard_load compare DIR               production beside staging, before and
                                       after the migration, and a picture

Options of make:
  --average                with the rates of all days, not of the peak hour
  --variants=N             different values a statement, at most (400)
  --prepared               as a service that prepares its statements
Options of run:
  --peak=FACTOR            so many times production's rate (1)
  --for=TIME               how long: 90s, 5min (60s)
  --migration=FILE         run FILE under psql meanwhile
  --at=TIME                when (a third of the time)
  --connections=N          instead of what production's limits allow
  --writes=commit          commit what is written; otherwise it is rolled back
  --closed                 each connection waits for its answer and thinks: what
                           most load tests do, and what hides an outage
  --no-vacuum              leave dead rows of earlier runs where they are
  --pgbench=PATH           another pgbench than the newest that is found
Options of compare:
  --factor=FACTOR          how much slower a statement may be (2)
Connection, of make and run:
  -d, --dbname=DBNAME      database to connect to, or a connection string
  -h, --host=HOST          server to connect to
  -p, --port=PORT          its port
  -U, --username=USERNAME  role to connect as
  --help                   show this help
  --version                show the version

It tells whether production would stand a migration. Staging needs the schema
and rows of its own; neither guard nor a superuser.
No value of production is in DIR, since none is in a profile.

Environment:
  All variables of libpq count: PGHOST, PGSERVICE, PGPASSFILE, PGOPTIONS, ...

Exit status:
  0  done; of compare: production would have stood it
  1  of compare: it would not; of run: a connection of the load was lost
  2  wrong usage, or something cannot be read or reached, or is no figure
  130  interrupted; what was measured until then is kept
"""
import datetime
import glob
import json
import math
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:
    psycopg2 = None             # --help, and so the manual page, does without it

VERSION = '@VERSION@'
FORMAT = 'guard/profile/1'
SCRIPTS = 128                   # pgbench takes no more
SCRIPT_BYTES = 60000            # it reads a script in quadratic time
TRIAL_SECONDS = 6               # for the variants of one statement
MAKE_SECONDS = 300              # for those of all, where there are very many
QUEUED = 250                    # ms that a call waits for a connection, where the pool is full and not pgbench late
TICKETS = 1000000               # a script draws one of so many
NUMBERS = {'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'oid'}
WHOLE = {'smallint', 'integer', 'bigint', 'oid'}
TIMES = {'timestamp with time zone', 'timestamp without time zone', 'date'}
PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([0-9]+)""")
dice = random.Random(11)


class Problem(Exception):
    """Something that the user has to know, and that ends the program or leaves out a statement."""


# ---- staging

def patiently(db):
    """Wait for the server as psycopg2 does, but hear Ctrl-C, and let the server hear it."""
    try:
        while True:
            state = db.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            select.select([db] if state == psycopg2.extensions.POLL_READ else [], [db] if state == psycopg2.extensions.POLL_WRITE else [], [])
    except KeyboardInterrupt:
        db.cancel()
        raise


def connect(words, load=None):
    """A connection of our own; for what stands in load with its search_path and its settings of the planner."""
    if psycopg2 is None:
        raise Problem('psycopg2 is missing: install python3-psycopg2')
    psycopg2.extensions.set_wait_callback(patiently)
    try:
        db = psycopg2.connect(' '.join(words), application_name='guard_load')
    except psycopg2.Error as error:
        raise Problem(str(error).strip()) from None
    db.autocommit = True
    for name, value in sorted((load or {}).get('settings', {}).items()):
        ask(db, 'SELECT set_config(%s, %s, false)', (name, value))
    return db


def ask(db, sql, values=None):
    """The rows of a query."""
    with db.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def undone(db, sql, seconds):
    """Run a statement and take it back; its rows, and how many it returned or wrote."""
    with db.cursor() as cursor:
        try:
            cursor.execute("BEGIN; SET LOCAL statement_timeout = '%ds'; %s" % (seconds, sql))
            return cursor.fetchall() if cursor.description else [], max(0, cursor.rowcount)
        finally:
            cursor.execute('ROLLBACK')


def planned(db, sql):
    """The plan, with its query identifier where staging computes one."""
    return ask(db, 'EXPLAIN (VERBOSE, FORMAT JSON) ' + sql)[0][0][0]


def nodes(plan):
    yield plan
    for child in plan.get('Plans', []):
        yield from nodes(child)


def types_of(db, text):
    """The types of a statement's parameters, as staging sees them; None where it cannot be prepared."""
    try:
        ask(db, 'DEALLOCATE ALL')
        ask(db, 'PREPARE guard_load AS ' + text)
        return [row[0] for row in ask(db, 'SELECT t::text FROM pg_prepared_statements, unnest(parameter_types) WITH ORDINALITY u(t, n) ORDER BY n')]
    except psycopg2.Error:
        return None


# Functions that may do what no ROLLBACK takes back: volatile ones of the users', and of PostgreSQL's own all but these.
VOLATILE = r"""SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
               WHERE p.provolatile = 'v' AND p.prokind IN ('f', 'p') AND n.nspname <> 'information_schema' AND NOT (n.nspname = 'pg_catalog' AND p.proname
                     ~ '^(random|random_normal|setseed|gen_random_uuid|uuidv[47]|clock_timestamp|timeofday|nextval|currval|lastval|set_config|pg_notify)$|^pg_(try_)?advisory_xact_lock|^(txid|pg)_current|size$')"""
# A name before a parenthesis, unless it is a table's or a common table expression's.
CALL = re.compile(r'(\binto\s+|\bwith\s+|\brecursive\s+)?(?:(?:"[^"]+"|\w+)\s*\.\s*)?(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\U0010ffff][\w$]*))\s*\(', re.I)


def called(words):
    """The names of the functions that a text may call."""
    return {found.group(2).replace('""', '"') if found.group(2) else found.group(3).lower() for found in CALL.finditer(words) if not found.group(1)}


# ---- values

def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(value, of_type):
    """As a constant that leaves the statement's text as pg_stat_statements has normalized it."""
    if value is None:
        return 'NULL'
    if of_type in NUMBERS and re.fullmatch(r'-?[0-9]+(\.[0-9]+)?', value):
        return '(%s)' % value if value[0] == '-' else value
    value = value.replace("'", "''")
    # pgbench has variables, and looks for them in strings as well; and a command of its ends with the line
    if re.search(r'[:\\\n\r]', value):
        for plain, escaped in (('\\', '\\\\'), (':', '\\072'), ('\n', '\\n'), ('\r', '\\r')):
            value = value.replace(plain, escaped)
        return "E'" + value + "'"
    return "'" + value + "'"


def number_of(value, of_type):
    """A number or a time as a number that can be reckoned with; None for what cannot."""
    try:
        if of_type in NUMBERS:
            return float(value)
        if of_type in TIMES:
            value = re.sub(r'([+-]\d\d)$', r'\1:00', value)
            moment = datetime.datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError):
        pass
    return None


def value_of(number, of_type):
    """The other way round."""
    if of_type in WHOLE:
        return '%d' % number
    if of_type in NUMBERS:
        return '%.6g' % number
    try:
        moment = datetime.datetime.fromtimestamp(number, datetime.timezone.utc)
    except (OverflowError, OSError, ValueError):
        return 'infinity'
    return moment.strftime({'date': '%Y-%m-%d', 'timestamp without time zone': '%Y-%m-%d %H:%M:%S.%f'}.get(of_type, '%Y-%m-%d %H:%M:%S.%f+00'))


def fresh(value, of_type):
    """A value that no row has."""
    if of_type == 'uuid':
        return '%08x-0000-4000-8000-%012x' % (dice.getrandbits(32), dice.getrandbits(48))
    if of_type in NUMBERS - {'smallint'}:
        return str(dice.randrange(10 ** 9, 2 * 10 ** 9))
    if of_type == 'smallint':
        return str(dice.randrange(-32768, -1))
    if of_type.startswith('timestamp'):
        at = number_of(value, of_type)
        return value if at is None else value_of(at + dice.random(), of_type)
    if re.match(r'text|character|citext|name', of_type):
        return ('%x%s' % (dice.getrandbits(48), (value or '')[12:]))[:max(1, len(value or 'x' * 12))]
    return value


def between(quantiles):
    """A number as production's were, by their quantiles."""
    if len(quantiles) == 1:
        return quantiles[0]
    n = dice.randrange(len(quantiles) - 1)
    low, high = quantiles[n:n + 2]
    # far apart there are steps, not slopes
    return low + (high - low) * dice.random() if low > 0 and high < 2 * low else dice.choice((low, high))


def drawn(shares):
    """One of a list of (what, share)."""
    shares = [(what, share) for what, share in shares if share > 0]
    return dice.choices([what for what, _ in shares], [share for _, share in shares])[0] if shares else None


NULL, NEITHER = ('null', 0), ('neither', 0)


def place_drawn(position):
    """Where a value is to lie: NULL is drawn elsewhere, with those that are NULL together."""
    return drawn([(('common', k), share) for k, share in enumerate(position.get('mcv', []))]
                 + [(('tenth', k), share) for k, share in enumerate(position.get('deciles', []))] + [(NEITHER, position.get('none', 0))])


class Relation:
    """A sample of the rows of one relation of staging, as text, and where each value lies among its column's."""

    SAMPLE = 5000

    def __init__(self, db, schema, table, wanted, common_there):
        # a text without a schema means what the search_path finds
        name = '.'.join(quoted(part) for part in (schema, table) if part)
        found = ask(db, """SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), n.nspname, c.relname,
                                  CASE WHEN c.relkind = 'p' THEN (SELECT sum(greatest(p.reltuples, 0)) FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf)
                                       ELSE greatest(c.reltuples, pg_relation_size(c.oid) / 1000) END::float8
                           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)""", (name,))
        if not found:
            raise Problem('%s is not in staging' % name)
        oid, self.name, schema, table, tuples = found[0]
        self.columns = {row[0]: row[1:] for row in ask(db, """
            SELECT a.attname, format_type(a.atttypid, NULL),
                   EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
                   (SELECT typtype = 'e' OR typname = 'bool' FROM pg_type WHERE oid = a.atttypid)
            FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (%s)""", (oid, sorted(wanted)))}
        self.common, bounds, self.distinct = {}, {}, {}
        for column, common, histogram, distinct in ask(db, """
                SELECT attname, most_common_vals::text::text[], histogram_bounds::text, n_distinct FROM pg_stats
                WHERE schemaname = %s AND tablename = %s AND attname = ANY (%s) ORDER BY inherited""", (schema, table, sorted(wanted))):
            self.common[column], bounds[column] = common or [], histogram
            self.distinct[column] = distinct if distinct >= 0 else -distinct * tuples
        self.constants = set(re.findall(r"'((?:[^']|'')*)'|\b(-?\d+)\b", ask(db, """
            SELECT COALESCE(string_agg(e, ' '), '') FROM (SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indrelid = %s AND indpred IS NOT NULL
                UNION ALL SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE contype = 'c' AND conrelid = %s) x (e)""", (oid, oid))[0][0]))
        self.constants = {quoted_one or bare for quoted_one, bare in self.constants}
        self.predicates = {index: (predicate, [quoted_one or bare for quoted_one, bare in re.findall(r"'((?:[^']|'')*)'|\b(-?\d+)\b", predicate)]) for index, predicate in ask(db, """
            SELECT c.relname, pg_get_expr(i.indpred, i.indrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s AND i.indpred IS NOT NULL""", (oid,))}
        self.predicates = {index: found for index, found in self.predicates.items() if found[1]}
        # columns that are unique only together, and those that refer to another table
        self.keys = [tuple(row[0]) for row in ask(db, """
            SELECT (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts)
            FROM pg_index i WHERE i.indrelid = %s AND i.indisunique AND i.indnkeyatts > 1 AND i.indexprs IS NULL""", (oid,))]
        self.references = {row[0] for row in ask(db, """
            SELECT a.attname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) WHERE c.conrelid = %s AND c.contype = 'f'""", (oid,))}
        self.common_there = common_there
        self.read(db, tuples, bounds)
        self.by = {}

    def read(self, db, tuples, bounds):
        """The rows, with the bucket of the histogram that each value is in, in its own collation."""
        names = list(self.columns)
        ranked = [name for name in names if bounds.get(name) and self.is_ranked(db, name, bounds[name])]
        wanted = ['t.%s::text' % quoted(name) for name in names] + ['width_bucket(t.%s, %%s::%s[])' % (quoted(name), self.columns[name][0]) for name in ranked]
        try:
            rows = ask(db, 'SELECT %s FROM %s t%s ORDER BY random() LIMIT %d' % (', '.join(wanted) or '1', self.name.replace('%', '%%'), sample_of(tuples), self.SAMPLE),
                       tuple(bounds[name] for name in ranked))
        except psycopg2.Error as error:
            raise Problem(str(error).splitlines()[0]) from None
        self.rows = [dict(zip(names, row)) for row in rows]
        buckets = {name: len(ask(db, 'SELECT unnest(%s::text[])', (bounds[name],))) - 1 for name in ranked}
        self.tenths = [{name: min(9, 10 * (bucket - 1) // buckets[name]) if bucket and bucket <= buckets[name] + 1 else None
                        for name, bucket in zip(ranked, row[len(names):])} for row in rows]
        self.sorted = {}

    def is_ranked(self, db, name, bounds):
        """Has PostgreSQL buckets for values of this type?  Not for arrays, which are no elements of an array."""
        try:
            return bool(ask(db, 'SELECT width_bucket(NULL::%s, %%s::%s[])' % ((self.columns[name][0],) * 2), (bounds,)))
        except psycopg2.Error:
            return False

    def place(self, n, column):
        """Where a row's value lies, in the words of a position."""
        value = self.rows[n][column]
        if value is None:
            return NULL
        if value in self.common.get(column, []):
            return ('common', self.common[column].index(value))
        tenth = self.tenths[n].get(column)
        return NEITHER if tenth is None else ('tenth', tenth)

    def find(self, want):
        """A row whose values lie at these places; the wishes of the least selective columns are given up first."""
        columns = sorted(want, key=lambda c: -self.distinct.get(c, 0))
        while columns:
            key = tuple(columns)
            if key not in self.by:
                self.by[key] = {}
                for n in range(len(self.rows)):
                    self.by[key].setdefault(tuple(self.place(n, c) for c in columns), []).append(n)
            fit = self.by[key].get(tuple(want[c] for c in columns))
            if fit:
                return self.rows[dice.choice(fit)]
            columns.pop()
        return dice.choice(self.rows) if self.rows else None

    def common_value(self, column, k):
        """The k-th most common value: the schema's own constants are the same here, of others the rank is what they have in common."""
        there = self.common_there.get(column, [])
        if k < len(there) and (self.columns[column][2] or there[k] in self.constants):
            return there[k]
        here = self.common.get(column, [])
        return here[k] if k < len(here) else None

    def ordered(self, column):
        """The column's values as numbers, in their order."""
        if column not in self.sorted:
            numbers = (number_of(row[column], self.columns[column][0]) for row in self.rows)
            self.sorted[column] = sorted(n for n in numbers if n is not None and math.isfinite(n))
        return self.sorted[column]


def pattern(value, operator, prefix):
    """What production compared with by LIKE or a regular expression is not known: a part of a value that there is."""
    value = value or 'x'
    like = operator.lstrip('!').startswith('~~') or 'LIKE' in operator.upper()
    if prefix is None:
        prefix = dice.choice((0, 3, 3, len(value) // 2, len(value)))
    part = value[:int(prefix)] if prefix >= 1 else value[len(value) // 3:][:5]
    part = re.sub(r'([%_\\])', r'\\\1', part) if like else re.escape(part)
    if like:
        return ('%' if prefix < 1 else '') + part + '%'
    return ('^' if prefix >= 1 else '') + part


def within(value, of_type, operator):
    """Of an array an element, of a document a member, of a text search vector a lexeme."""
    try:
        if of_type.endswith('[]'):
            found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)', value)
            one, other = dice.choice(found)
            return re.sub(r'\\(.)', r'\1', one) if one else other
        if of_type == 'jsonb' and operator == '@>':
            key, member = dice.choice(list(json.loads(value).items()))
            return json.dumps({key: member}, ensure_ascii=False)
        if of_type == 'tsvector':
            return dice.choice(re.findall(r"'([^']+)'", value))
    except (TypeError, ValueError, IndexError, AttributeError):
        pass
    return value


class Expressions:
    """What staging's indexes have besides columns: what a statement compares with one may be any value of it; and the lexemes of texts."""

    def __init__(self, db):
        self.db, self.known = db, {}
        # by table and index: the expression, and the relation as it is written
        self.found = [dict(zip(('schema', 'table', 'index', 'expression', 'relation', 'tuples', 'search'), row)) for row in ask(db, """
            SELECT n.nspname, t.relname, c.relname, pg_get_indexdef(i.indexrelid, k::int, true), format('%I.%I', n.nspname, t.relname), greatest(t.reltuples, 0)::float8,
                   COALESCE(a.atttypid = 'tsvector'::regtype, pg_get_indexdef(i.indexrelid, k::int, true) ~* 'to_tsvector')
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace,
                 generate_series(1, i.indnkeyatts) k LEFT JOIN LATERAL (SELECT atttypid FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[k - 1] AND attnum > 0) a ON true
            WHERE i.indisvalid AND NOT t.relispartition AND (i.indkey[k - 1] = 0 OR a.atttypid = 'tsvector'::regtype)""")]

    def values(self, one):
        """A sample of what it is in staging's rows, as text."""
        key = (one['relation'], one['expression'])
        if key not in self.known:
            what = 'unnest(tsvector_to_array(%s))' % one['expression'] if one['search'] else '(%s)::text' % one['expression']
            try:
                self.known[key] = [row[0] for row in ask(self.db, 'SELECT v FROM (SELECT %s AS v FROM %s%s) s WHERE v IS NOT NULL ORDER BY random() LIMIT 5000' % (
                    what, one['relation'], sample_of(one['tuples'])))]
            except psycopg2.Error:
                self.known[key] = []
        return self.known[key]

    def of(self, entry):
        """Those of the relations of a statement."""
        return [one for one in self.found if any(r['name'] == one['table'] and r.get('schema', one['schema']) == one['schema'] for r in entry.get('relations', []))]


def sample_of(tuples):
    """Of a large table, for a FROM: all pages of what is very large are too many."""
    return ' TABLESAMPLE %s (%f)' % ('SYSTEM' if tuples > 2000000 else 'BERNOULLI', min(100, 100.0 * 4 * Relation.SAMPLE / tuples)) if tuples > 10 * Relation.SAMPLE else ''


CONSTANT = re.compile(r"\$([0-9]+)|'((?:[^']|'')*)'|(?<![\w.])([0-9]+(?:\.[0-9]+)?)")


def bare(words):
    """An expression without what PostgreSQL writes otherwise than people: casts, parentheses, qualifiers; constants and parameters are ?."""
    words = re.sub(r'\bcast\s*\((\?) as [\w ]+\)', r'\1', CONSTANT.sub('?', words.lower()))
    words = re.sub(r'::"?\w+"?( (varying|precision|with(out)? time zone))?(\([0-9?,]+\))?(\[\])?', '', words)
    return re.sub(r'[\s"()]|\b\w+\.(?=\w)', '', words)


# What compares an expression with parameters: the operator, what the other side may be wrapped in, and further ones of a list.
COMPARED = re.compile(r'(=any|notin|in|(?:not)?i?like|between|[=<>~!@&|*#-]+)(\w*\[?)\?((?:,\?)*)')


INTERVALS = ('1 minute', '1 hour', '1 day', '7 days', '30 days', '365 days')
ROUND = (1, 2, 3, 5, 10, 20, 25, 50, 100, 200, 500, 1000)
PLAIN = {'boolean': 'true', 'text': 'x', 'date': '2020-01-01', 'uuid': '00000000-0000-4000-8000-000000000000', 'json': '{}', 'jsonb': '{}'}
MORE, LESS = ('>', '>='), ('<', '<=')


class Statement:
    """A statement of the profile, and how its parameters get values of staging."""

    def __init__(self, staging, entry):
        self.db, self.entry, self.text = staging.db, entry, entry['text'].rstrip().rstrip(';')
        self.parameters = {p['number']: dict(p) for p in entry['parameters']}
        ends = [p for p in self.parameters.values() if p.get('operator') == 'between']
        for p in ends:
            # the second of two is the upper one
            p['operator'] = '<=' if any(q['number'] == p['number'] - 1 and q['operator'] == '>=' for q in ends) else '>='
        self.types = types_of(self.db, self.text)
        self.count = len(self.types) if self.types is not None else max([int(n) for n in PARAMETER.findall(self.text) if n] or [0])
        self.rows = entry.get('rows_per_call', 1)
        self.guessed, self.relations, self.miss = set(), [], False
        # what may reach as far as one likes, and nobody knows how far
        self.wide = any('position' not in p and (p['role'] in ('interval', 'list') or p.get('operator', '=') != '=') for p in self.parameters.values())
        by_relation = {}
        for p in self.parameters.values():
            if 'table' in p and 'column' in p:
                by_relation.setdefault((p.get('schema'), p['table']), []).append(p)
        for key, mine in by_relation.items():
            relation = staging.relation(*key)
            mine = [p for p in mine if p['column'] in relation.columns]
            if not relation.rows and any(p['role'] in ('compared', 'list') for p in mine):
                raise Problem('%s has no rows in staging' % relation.name)
            self.relations.append((relation, mine))
        self.sources = self.sources_of(staging.expressions)

    def sources_of(self, expressions):
        """What tells of parameters that are compared with no column, by number: the values of an indexed expression, and the constants in it."""
        found, text = {}, bare(self.text)
        numbers = [int(m.group(1)) if m.group(1) else 0 for m in CONSTANT.finditer(self.text)]
        for one in expressions.of(self.entry):
            expression = bare(one['expression'])
            constants = [m.group(3) if m.group(2) is None else m.group(2) for m in CONSTANT.finditer(one['expression'])]
            for at in (m.start() for m in re.finditer(re.escape(expression), text)):
                inside = text[:at].count('?')
                rest = COMPARED.match(text, at + len(expression))
                found.update((number, [constant]) for number, constant in zip(numbers[inside:], constants) if rest and number)
                if rest and not one['search']:
                    listed = rest.group(3).count('?') if rest.group(1) in ('=any', 'in', 'notin') else rest.group(1) == 'between'
                    mine = numbers[inside + len(constants):][:1 + listed]
                    found.update((number, expressions.values(one)) for number in mine if number and expressions.values(one))
            if one['search'] and '@@' in text and expressions.values(one):
                found.update((n, {'text': expressions.values(one), 'regconfig': constants[:1]}[self.type_of(n)]) for n, p in self.parameters.items()
                             if n not in found and p['role'] == 'other' and (self.type_of(n) == 'text' or self.type_of(n) == 'regconfig' and constants))
        return found

    def type_of(self, number):
        if self.types is not None:
            return self.types[number - 1] if number <= len(self.types) else 'text'
        p = self.parameters.get(number, {})
        for relation, mine in self.relations:
            if p in mine and p['role'] != 'key':
                return p.get('type') or relation.columns[p['column']][0]
        return p.get('type', 'text')

    # -- values by the numbers of the parameters

    def draw(self):
        values = {}
        # some find nothing, where that happens; how many is seen to afterwards
        self.miss = (self.rows < 1 or self.entry.get('empty', 0) > 0) and dice.random() < 0.3
        for relation, mine in self.relations:
            self.draw_row(relation, mine, values)
            self.draw_ranges(relation, mine, values)
        for number in range(1, self.count + 1):
            if number not in values or number in self.sources:
                values[number] = [self.guess(number)]
        for number in self.nulls():
            values[number] = [None]
        return values

    def nulls(self):
        """Those that are NULL in the same call."""
        together = self.entry.get('null_together')
        if together:
            return drawn([(t['parameters'], t['share']) for t in together] + [([], max(0, 1 - sum(t['share'] for t in together)))]) or []
        return [n for n, p in self.parameters.items() if dice.random() < p.get('position', {}).get('null', 0)]

    def draw_row(self, relation, mine, values):
        """One row serves all that is compared with its relation: it is chosen by the places where production's values lay."""
        want = {}
        for p in mine:
            if 'position' in p and p['role'] in ('compared', 'list') and p['column'] not in want:
                place = place_drawn(p['position'])
                if place is not None:
                    want[p['column']] = place
        needed = {p['column'] for p in mine if p['role'] in ('compared', 'list')}
        row = relation.find(want)
        if not want and row is not None:
            row = next((r for r in dice.choices(relation.rows, k=20) if all(r[c] is not None for c in needed)), row)
        taken = set()
        for p in sorted(mine, key=lambda p: p['role'] not in ('compared', 'list')):
            source, place = row, want.get(p['column'])
            if p['column'] in taken and relation.rows:
                # a second value of the same column is another row's
                place = place_drawn(p.get('position', {}))
                source = relation.find({p['column']: place} if place else {})
            taken.add(p['column'])
            values[p['number']] = self.of_row(p, relation, source, place)
        self.make_new(relation, [p for p in mine if p['role'] == 'inserted'], values)
        # what production's partial index is for may be what the statement asks for; whether it is, its plan tells
        partial = [relation.predicates[i['name']] for i in self.entry.get('indexes', []) if i['name'] in relation.predicates]
        if partial and dice.random() < 0.3:
            predicate, constants = dice.choice(partial)
            named = [p for p in mine if p['role'] in ('compared', 'list') and re.search(r'\b%s\b' % re.escape(p['column']), predicate)]
            for p, constant in zip(named, constants):
                values[p['number']] = [constant]

    def make_new(self, relation, inserted, values):
        """What is unique only together: one column that no row has, or, where all of them refer to others, columns of several rows."""
        columns = {p['column'] for p in inserted}
        if 'on conflict' in self.text.lower() and dice.random() < 0.5:
            return
        for key in relation.keys:
            if not columns.issuperset(key) or any(relation.columns[c][1] for c in key):
                continue
            free = [c for c in key if c not in relation.references and fresh('', relation.columns[c][0]) != '']
            for p in inserted:
                if free and p['column'] == free[-1]:
                    values[p['number']] = [fresh(values[p['number']][0], relation.columns[p['column']][0])]
                elif not free and p['column'] in key and relation.rows:
                    values[p['number']] = [dice.choice(relation.rows)[p['column']]]

    def of_row(self, p, relation, row, place):
        """The value, or values, of one parameter."""
        of_type, unique, _ = relation.columns[p['column']]
        value = row[p['column']] if row else None
        operator, position = p.get('operator', '='), p.get('position', {})
        if p['role'] == 'inserted' and unique and not ('on conflict' in self.text.lower() and dice.random() < 0.5):
            return [fresh(value, of_type)]
        if p['role'] == 'key':
            return [self.key(value)]
        if p['role'] not in ('compared', 'list'):
            return [value]
        if place and place[0] == 'common':
            value = relation.common_value(p['column'], place[1]) or value
        if place == NEITHER or (self.miss and operator == '='):
            value = fresh(value, of_type)
        if '~' in operator or 'LIKE' in operator.upper():
            return [pattern(value, operator, between(position['prefix']) if 'prefix' in position else None)]
        mine = self.type_of(p['number'])
        if operator in ('@>', '@@', '?', '=', '&&') and (of_type in ('jsonb', 'tsvector') or of_type.endswith('[]')) and mine != of_type or operator == '@>' and of_type == 'jsonb':
            return [within(value, of_type, operator)]
        listed = mine.endswith('[]') and not of_type.endswith('[]')
        if listed or p['role'] == 'list' and not p.get('list'):
            # of a list pg_stat_statements keeps one place only
            length = between(position['list']) if 'list' in position else p.get('list') or dice.choice((1, 2, 3, 5, 10, max(1, min(1000, math.ceil(self.rows)))))
            rest = [r[p['column']] for r in dice.choices(relation.rows, k=max(0, round(length) - 1))]
            if listed:
                return ['{%s}' % ','.join(json.dumps(v, ensure_ascii=False) for v in [value] + rest if v is not None)] if length >= 1 else ['{}']
            return [v for v in [value] + rest if v is not None] or [None]
        return [value]

    def key(self, document):
        """A key of a document of staging."""
        try:
            keys = list(json.loads(document))
            return str(dice.choice(keys))
        except (TypeError, ValueError, IndexError):
            self.guessed.add('a key of a document')
            return 'x'

    def draw_ranges(self, relation, mine, values):
        """What is compared by < and >: how long ago, and how wide, as far as that is known; else all widths are tried."""
        ranged = {}
        for p in mine:
            if p['role'] == 'compared' and p.get('operator') in MORE + LESS and relation.columns[p['column']][0] in NUMBERS | TIMES:
                ranged.setdefault(p['column'], []).append(p)
        # a comparison of rows takes all of its values from one
        lone = [column for column, ps in ranged.items() if len(ps) == 1]
        for column, ps in ranged.items():
            of_type, numbers = relation.columns[column][0], relation.ordered(column)
            if not numbers:
                continue
            lows, highs = [p for p in ps if p['operator'] in MORE], [p for p in ps if p['operator'] in LESS]
            if len(ps) == 1 and (len(lone) == 1 or 'age' in ps[0].get('position', {})):
                at = self.single(ps[0], numbers, values[ps[0]['number']][0], of_type)
                values[ps[0]['number']] = [value_of(at, of_type)]
            elif lows and highs:
                low, high = self.pair(lows[0], highs[0], numbers, values[lows[0]['number']][0], of_type)
                values[lows[0]['number']], values[highs[0]['number']] = [value_of(low, of_type)], [value_of(high, of_type)]

    @staticmethod
    def single(p, numbers, of_row, of_type):
        position = p.get('position', {})
        if 'age' in position and of_type in TIMES:
            # a copy is as old as its newest row
            return min(time.time(), numbers[-1]) - between(position['age'])
        at = number_of(of_row, of_type)
        if position or dice.random() < 0.5:
            return numbers[-1] if at is None else at
        # new rows are asked for more than old ones
        n = int(len(numbers) ** dice.random()) - 1
        return numbers[-1 - n] if p['operator'] in MORE else numbers[n]

    def pair(self, low, high, numbers, of_row, of_type):
        width = (high.get('position', {}).get('width') or low.get('position', {}).get('width'))
        at = self.single(low, numbers, of_row, of_type)
        if width:
            return at, at + between(width)
        if 'age' in high.get('position', {}) and of_type in TIMES:
            return tuple(sorted((at, self.single(high, numbers, of_row, of_type))))
        reach = (numbers[-1] - numbers[0]) * 10 ** (-5 * dice.random())
        return at, at + (max(1, reach) if of_type in WHOLE else reach)

    def guess(self, number):
        """What no column tells."""
        p, of_type = self.parameters.get(number, {}), self.type_of(number)
        role, position = p.get('role', 'other'), p.get('position', {})
        if number in self.sources:
            value = dice.choice(self.sources[number])
            if of_type.endswith('[]'):
                return '{%s}' % ','.join(json.dumps(v, ensure_ascii=False) for v in dice.choices(self.sources[number], k=max(1, round(between(position['list'])) if 'list' in position else 3)))
            return pattern(value, p['operator'], between(position['prefix']) if 'prefix' in position else None) if '~' in p.get('operator', '') or 'like' in p.get('operator', '').lower() else value
        if 'age' in position and of_type in TIMES:
            return value_of(time.time() - between(position['age']), of_type)
        if 'value' in position:
            value = between(position['value'])
            return '%d seconds' % value if of_type == 'interval' else '%d' % value
        if role == 'limit':
            # production's rows a call, or the round number above it
            return str(next((n for n in ROUND if n >= self.rows), 1000) if self.rows % 1 or self.rows < 1 else int(self.rows))
        if role == 'offset':
            return '0'
        if role == 'interval' or of_type == 'interval':
            return dice.choice(INTERVALS) if dice.random() < 0.3 else '%d seconds' % 10 ** (1 + 6.5 * dice.random())
        if role == 'unit':
            return dice.choice(('hour', 'day', 'month'))
        self.guessed.add('$%d, %s' % (number, of_type))
        if of_type in NUMBERS:
            return str(number)
        if of_type == 'regconfig':
            return ask(self.db, 'SELECT get_current_ts_config()::text')[0][0]
        if of_type.startswith('timestamp'):
            return time.strftime('%Y-%m-%d %H:%M:%S')
        return '{}' if of_type.endswith('[]') else PLAIN.get(of_type)

    # -- texts

    def constants(self, values):
        return {n: ', '.join(literal(v, self.type_of(n)) for v in some) for n, some in values.items()}

    def filled(self, values):
        """The statement's text with constants in the place of its parameters."""
        constants = self.constants(values)
        return PARAMETER.sub(lambda found: found.group(0) if found.group(1) is None else constants[int(found.group(1))], self.one_line())

    def one_line(self):
        return re.sub(r'\s*\n\s*', ' ', self.text)


# ---- variants, as production's calls are on average

INSERT = re.compile(r'\s*insert\s+into\s+((?:(?:"[^"]+"|[\w$]+)\s*\.\s*)?(?:"[^"]+"|[\w$]+))(?:\s+as\s+\w+)?\s+values\s*\(', re.I)
INSERTED = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|\$([0-9]+)|[(),]|\b(?:on|returning)\b""", re.I)


def name_inserted(db, entry):
    """INSERT INTO t VALUES (...) names no columns: those of staging's table, in their order."""
    found = INSERT.match(entry['text'])
    columns = found and ask(db, """SELECT n.nspname, c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                                   WHERE c.oid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum""", (found.group(1),))
    depth, nth, parameters = 1, 0, {p['number']: p for p in entry['parameters']}
    for token in INSERTED.finditer(entry['text'], found.end()) if columns else ():
        if token.group(1) and nth < len(columns) and parameters.get(int(token.group(1)), {}).get('role') == 'other':
            parameters[int(token.group(1))].update(zip(('role', 'schema', 'table', 'column'), ('inserted',) + columns[nth]))
        if not depth and token.group(0).lower() in ('on', 'returning'):
            break
        if not depth:
            nth = 0
        nth += depth == 1 and token.group(0) == ','
        depth += {'(': 1, ')': -1}.get(token.group(0), 0)


class Staging:
    """What make knows of the database that the load is for."""

    def __init__(self, db, profile):
        self.db, self.known, self.wanted = db, {}, {}
        for entry in profile['statements']:
            name_inserted(db, entry)
            for p in entry['parameters']:
                if 'table' in p and 'column' in p:
                    self.wanted.setdefault((p.get('schema'), p['table']), set()).add(p['column'])
        self.common = {(r['schema'], r['name']): {column: (facts.get('with_children') or facts.get('own', {})).get('common', []) for column, facts in r.get('columns', {}).items()}
                       for r in profile['relations']}
        self.unsafe = {row[0] for row in ask(db, VOLATILE)}
        self.expressions = Expressions(db)
        self.whole = dict(ask(db, "SELECT c.relname, r.relname FROM pg_class c JOIN pg_class r ON r.oid = pg_partition_root(c.oid) WHERE c.relispartition AND c.relkind IN ('i', 'I')"))

    def relation(self, schema, table):
        """Read once."""
        if (schema, table) not in self.known:
            self.known[schema, table] = Relation(self.db, schema, table, self.wanted[schema, table], self.common.get((schema, table), {}))
        return self.known[schema, table]

    def harmless(self, words):
        unsafe = self.unsafe & called(words)
        if unsafe:
            raise Problem('calls the volatile function %s' % ', '.join(sorted(unsafe)))


class Variant:
    """A statement with values of staging: what it returns there, and the indexes in its plan."""

    def __init__(self, staging, statement, values):
        self.values, self.text = values, statement.filled(values)
        plan = planned(statement.db, self.text)
        self.plan = plan['Plan']
        self.query_id = plan.get('Query Identifier')
        # as production names them: of a partition, the index of the whole table
        there = {i['name'] for i in statement.entry.get('indexes', [])}
        self.indexes = {index if index in there else staging.whole.get(index, index)
                        for node in nodes(self.plan) for index in [node.get('Index Name')] + node.get('Conflict Arbiter Indexes', []) if index}
        self.writes = any(node['Node Type'] in ('ModifyTable', 'LockRows') for node in nodes(self.plan))
        self.rows, self.weight = 0, 1.0
        self.estimate = max(self.plan['Plan Rows'], *(child['Plan Rows'] for child in self.plan.get('Plans', [])[:1] * 2)) if self.writes else self.plan['Plan Rows']

    def far(self, rows, of_rows, cost):
        """How far from what production has: rows, and the cost of a plan where that is known; squares of logarithms."""
        return math.log((rows + 0.5) / (of_rows + 0.5)) ** 2 + (math.log(max(self.plan['Total Cost'], 0.01) / cost) ** 2 if cost else 0)


def cost_there(entry):
    """What a plan of the statement costs in production."""
    return next((i['without']['cost'] for i in entry.get('indexes', []) if 'without' in i), 0)


def tilt(variants, feature, wanted):
    """Bend the weights by e^(l * feature), so that the mean of the feature is what is wanted, as far as these variants can."""
    values = [feature(v) for v in variants]
    top = max(map(abs, values), default=0)
    if not top or min(values) == max(values):
        return

    def bent(bend):
        return [v.weight * math.exp(bend * (x / top - (bend > 0))) for v, x in zip(variants, values)]
    low, high = -60.0, 60.0
    for _ in range(50):
        bend = (low + high) / 2
        weights = bent(bend)
        low, high = (bend, high) if sum(w * x for w, x in zip(weights, values)) < wanted * sum(weights) else (low, bend)
    weights = bent((low + high) / 2)
    total = sum(weights)
    for v, w in zip(variants, weights):
        v.weight = max(w / total, 1e-12)


def weigh(variants, entry):
    """As many empty results, as many rows a call, and the same indexes as in production, one after the other until all hold."""
    uses = {i['name']: min(1, i['uses'] / entry['calls']) for i in entry.get('indexes', []) if entry.get('calls')}
    if not any('position' in p for p in entry['parameters']):
        # many calls that are like the mean are likelier than few that are far from it
        for v in variants:
            v.weight = max(1e-12, math.exp(-v.far(v.rows, entry.get('rows_per_call', 0), cost_there(entry)) / 4))
    for _ in range(8):
        for index, wanted in uses.items():
            seen = sum(v.weight for v in variants if index in v.indexes) / sum(v.weight for v in variants)
            # counted since another moment than the calls: the share may be larger than it looks, not smaller
            if 0 < seen < wanted:
                tilt(variants, lambda v, i=index: float(i in v.indexes), wanted)
        if 'empty' in entry:
            tilt(variants, lambda v: float(v.rows == 0), entry['empty'])
        tilt(variants, lambda v: v.rows, entry.get('rows_per_call', 0))


def chosen(variants, wanted):
    """So many of them by their weights, evenly; each with how often it was taken."""
    step = sum(v.weight for v in variants) / wanted
    at, taken = dice.random() * step, []
    for v in variants:
        times = 0
        while at < v.weight:
            times += 1
            at += step
        at -= v.weight
        if times:
            taken.append((times, v))
    return taken


def tried(staging, statement, wanted, seconds):
    """Variants that run in staging; half as many again as wanted, so that there is a choice."""
    found, last, began = [], None, time.monotonic()
    timeout = max(2, min(60, round(20 * statement.entry.get('mean_time', 0) / 1000)))
    for n in range(2 * wanted if statement.count else 1):
        if len(found) == wanted * 3 // 2 or (found and time.monotonic() - began > seconds) or (n >= 20 and len(found) < n / 10):
            break
        try:
            variant = Variant(staging, statement, statement.draw())
            if statement.wide and n % 4 != 3:
                # where any width is possible, those that the planner thinks like production's
                variant = min([variant] + [Variant(staging, statement, statement.draw()) for _ in range(3)],
                              key=lambda v: v.far(v.estimate, statement.rows, cost_there(statement.entry)))
            if not n:
                # what views and defaults call stands in the plan only
                staging.harmless(json.dumps(variant.plan))
            _, variant.rows = undone(statement.db, variant.text, timeout)
            found.append(variant)
        except psycopg2.Error as error:
            last = str(error).splitlines()[0]
    if not found:
        raise Problem(last or 'no values were found')
    return found


class Script:
    """A statement's variants, and what the report needs to know of them."""

    def __init__(self, staging, entry, rate, wanted, seconds, prepared):
        text = entry['text'].rstrip().rstrip(';')
        # No text of an export has a comment, or a second statement behind the first, which would run whatever becomes of that one.
        if '\\' in text or re.search(r';|--|/\*', PARAMETER.sub('', text)):
            raise Problem('no single statement without comments')
        staging.harmless(text)
        self.entry, self.rate = entry, rate
        self.statement = Statement(staging, entry)
        found = tried(staging, self.statement, wanted, seconds)
        weigh(found, entry)
        size = max(len(v.text) for v in found) + 60
        self.variants = chosen(found, max(1, min(wanted, SCRIPT_BYTES // size)))
        self.writes = any(v.writes for v in found)
        one_each = all(len(some) == 1 for v in found for some in v.values.values())
        self.prepared = bool(prepared and self.statement.count and self.statement.types is not None and one_each)

    def query_ids(self):
        """As staging will count it: under another identifier where it has parameters."""
        found = {v.query_id for _, v in self.variants}
        if self.prepared:
            types_of(self.statement.db, self.statement.text)
            constants = self.statement.constants(self.variants[0][1].values)
            found = {planned(self.statement.db, 'EXECUTE guard_load(%s)' % ', '.join(constants[n] for n in sorted(constants))).get('Query Identifier')}
        return sorted(str(i) for i in found if i is not None)

    def leaves(self, name):
        """What a client sends: rolled back in the same message, so that a variant stays good and no time passes between."""
        for times, v in self.variants:
            constants = self.statement.constants(v.values) if self.prepared else {}
            sql = 'EXECUTE %s(%s)' % (name, ', '.join(constants[n] for n in sorted(constants))) if self.prepared else v.text
            yield times, 'BEGIN\\;%s\\;ROLLBACK;' % sql if self.writes else sql + ';'

    def told(self):
        """For DIR/load.json."""
        entry, total = self.entry, sum(times for times, _ in self.variants)
        indexes, peak = {}, entry.get('rated', entry)
        for times, v in self.variants:
            for index in v.indexes:
                indexes[index] = indexes.get(index, 0) + times
        return {'text': entry['text'], 'rate': self.rate, 'mean_time': peak.get('mean_time', 0), 'rows_per_call': peak.get('rows_per_call'),
                'blocks_read_per_call': entry.get('blocks_read_per_call'), 'rows_here': sum(times * v.rows for times, v in self.variants) / total,
                'indexes': {index: round(times / total, 4) for index, times in sorted(indexes.items())},
                'indexes_there': sorted({i['name'] for i in entry.get('indexes', [])}),
                'query_ids': self.query_ids(), 'writes': self.writes,
                'variants': len(self.variants), 'prepared': self.prepared, 'guessed': sorted(self.statement.guessed),
                'some': [v.text for _, v in dice.sample(self.variants, min(5, len(self.variants)))]}


# ---- make

def tree(leaves, ends):
    """A binary tree of \\if, which reaches one of many variants in few steps."""
    if len(leaves) == 1:
        return leaves[0] + '\n'
    half = len(leaves) // 2
    return '\\if :guard_load <= %d\n%s\\else\n%s\\endif\n' % (ends[half - 1], tree(leaves[:half], ends[:half]), tree(leaves[half:], ends[half:]))


def write_script(path, leaves, prepare=''):
    """One of the leaves a transaction, by their weights."""
    total, reached, ends = sum(weight for weight, _ in leaves), 0, []
    for weight, _ in leaves:
        reached += weight
        ends.append(max(len(ends) + 1, round(TICKETS * reached / total)))
    with open(path, 'w', encoding='utf-8', errors='surrogateescape') as file:
        file.write('%s\\set guard_load random(1, %d)\n%s' % (prepare, TICKETS, tree([sql for _, sql in leaves], ends)))


def choose(entries, rate_of):
    """The statements that get a script of their own: one for each index in use, those that take most time, and those that come most often."""
    by_time = sorted(entries, key=lambda e: -rate_of(e) * e.get('mean_time', 0))
    by_calls = sorted(entries, key=lambda e: -rate_of(e))
    if len(entries) <= SCRIPTS:
        return by_time, []
    room = SCRIPTS - max(1, min(SCRIPTS // 2, 300 * (len(entries) - SCRIPTS) // SCRIPT_BYTES + 1))
    for_index, seen = [], set()
    for e in by_time:
        new = {i['name'] for i in e.get('indexes', [])} - seen
        if new:
            seen |= new
            for_index.append(e)
    own, ids = [], set()
    for e in for_index[:room // 2] + [e for pair in zip(by_time, by_calls) for e in pair]:
        if id(e) not in ids and len(own) < room:
            ids.add(id(e))
            own.append(e)
    return own, [e for e in by_time if id(e) not in ids]


def read_profile(path):
    try:
        with open(path, encoding='utf-8', errors='surrogateescape') as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        raise Problem('%s: %s' % (path, error)) from None
    kind = document.get('format') if isinstance(document, dict) else None
    if kind != FORMAT:
        raise Problem('%s: format is %s; this program knows %s' % (path, kind or 'missing', FORMAT))
    return document


def rates(profile, average):
    """Calls a second by statement: of the busiest hour where there was one, and of all days for what it lacks."""
    entries = profile['statements']
    # what a trigger, a check or a function calls comes by itself
    top = {id(e): e.get('calls_per_second', 0) * (1 - e.get('nested', 0)) for e in entries}
    peak = {id(e): e['peak']['calls_per_second'] * (1 - e.get('nested', 0)) for e in entries if 'peak' in e}
    busiest = not average and sum(peak.values()) >= sum(top.values())
    for e in entries:
        e['rated'] = dict(e, **e['peak']) if busiest and 'peak' in e else e
    return dict(top, **peak) if busiest else top, busiest


def settings_here(db, profile):
    """Settings of production's planner that staging has otherwise, and that anybody may have in his session."""
    here = {name: (value, context) for name, value, context in ask(db, 'SELECT name, setting, context FROM pg_settings')}
    differ = {name: value for name, value in profile['server'].get('settings', {}).items() if name in here and here[name][0] != value}
    return ({name: value for name, value in differ.items() if here[name][1] == 'user'},
            {name: [value, here[name][0]] for name, value in differ.items() if here[name][1] != 'user' and name in ('shared_buffers', 'block_size', 'max_worker_processes')})


def make(options, connection):
    profile = read_profile(options['profile'])
    folder, wanted = options['out'], int(options.get('variants', 400))
    db = connect(connection)
    settings, fixed = settings_here(db, profile)
    if profile['server'].get('search_path'):
        settings['search_path'] = profile['server']['search_path']
    for name, value in sorted(settings.items()):
        try:
            ask(db, 'SELECT set_config(%s, %s, false)', (name, value))
        except psycopg2.Error:
            del settings[name]
    staging = Staging(db, profile)
    rate_by_id, busiest = rates(profile, options.get('average'))
    entries = [e for e in profile['statements'] if rate_by_id[id(e)] > 0]
    total = sum(rate_by_id[id(e)] for e in entries)
    own, rest = choose(entries, lambda e: rate_by_id[id(e)])
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(glob.escape(folder), '[0-9][0-9][0-9].sql')) + [os.path.join(folder, 'run.json'), os.path.join(folder, 'staging.json')]:
        if os.path.exists(old):
            os.unlink(old)
    seconds = max(0.3, min(TRIAL_SECONDS, MAKE_SECONDS / max(1, len(entries))))
    scripts, common, left = [], [], []
    for n, entry in enumerate(own + rest):
        progress('%d of %d statements' % (n + 1, len(entries)))
        rate = rate_by_id[id(entry)]
        many = 10 if n >= len(own) else wanted if rate > total / 100 else max(1, wanted // 4)
        try:
            script = Script(staging, entry, rate, many, seconds, options.get('prepared') or entry.get('generic', 0) > 0.5)
            script.prepared = script.prepared and n < len(own)
            (scripts if n < len(own) else common).append(script)
        except (Problem, psycopg2.Error) as error:
            left.append({'text': entry['text'], 'rate': rate, 'mean_time': entry['rated'].get('mean_time', 0), 'why': str(error).splitlines()[0],
                         'indexes_there': sorted({i['name'] for i in entry.get('indexes', [])})})
    progress('')
    if not scripts:
        raise Problem('no statement of %s can be run in this database' % options['profile'] + (': ' + left[0]['why'] if left else ''))
    files = write_scripts(folder, scripts, common)
    write_load(folder, profile, db, scripts + common, left, files, {'settings': settings, 'fixed': fixed, 'busiest': busiest})
    say_coverage(json_of(folder, 'load.json'))


def write_scripts(folder, scripts, common):
    """A file each, and the rest together in as few as pgbench can read."""
    files = []
    for n, script in enumerate(scripts):
        name, mark = '%03d.sql' % n, 'guard_load_%03d' % n
        prepare = '\\if :%s = 0\nPREPARE %s AS %s;\n\\set %s 1\n\\endif\n' % (mark, mark, script.statement.one_line(), mark) if script.prepared else ''
        write_script(os.path.join(folder, name), list(script.leaves(mark)), prepare)
        files.append((name, script.rate))
    together, size = [], 0
    for script in common + [None]:
        leaves = [] if script is None else [(script.rate * times, sql) for times, sql in script.leaves('')]
        more = sum(len(sql) + 60 for _, sql in leaves)
        if together and (script is None or size + more > SCRIPT_BYTES and len(files) < SCRIPTS - 1):
            files.append(('%03d.sql' % len(files), sum(weight for weight, _ in together)))
            write_script(os.path.join(folder, files[-1][0]), together)
            together, size = [], 0
        # each has its share of what its statement comes to
        whole = sum(weight for weight, _ in leaves)
        together += [(script.rate * weight / whole, sql) for weight, sql in leaves]
        size += more
    return files


SIZES = """SELECT n.nspname, c.relname, CASE WHEN c.relkind = 'p' THEN (SELECT sum(greatest(p.reltuples, 0)) FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf)
                  ELSE c.reltuples END::float8, pg_relation_size(c.oid) / current_setting('block_size')::int
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm')"""


def smaller(db, profile):
    """Relations of which staging has less than half."""
    here = {(schema, name): (tuples, pages) for schema, name, tuples, pages in ask(db, SIZES)}
    found = []
    for r in profile['relations']:
        tuples, pages = here.get((r['schema'], r['name']), (None, None))
        if tuples is not None and r.get('tuples', 0) > 1000 and tuples < r['tuples'] / 2:
            found.append({'name': '%s.%s' % (r['schema'], r['name']), 'there': r['tuples'], 'here': max(0, tuples)})
    return found


def indexes_used(profile):
    """Those that production uses: by guard's word, or else by its counters."""
    by_statement = {i['name'] for e in profile['statements'] for i in e.get('indexes', [])}
    return by_statement or {i['name'] for i in profile['indexes'] if i.get('scans', 0) > 0}


def write_load(folder, profile, db, scripts, left, files, more):
    """How to run the scripts without this program, and what run and compare want to know."""
    total = sum(rate for _, rate in files)
    weights = [[name, max(1, round(1e6 * rate / total))] for name, rate in files]
    limits = profile['server']['connections']
    room = [limits['server'] - limits['reserved']] + [n for n in [limits.get('database')] if n is not None and n >= 0]
    pool = max(1, min(room + ([sum(limits['roles'].values())] if limits['roles'] else [])))
    version = ask(db, "SELECT current_setting('server_version'), current_setting('server_version_num')::int")[0]
    there = {'%s.%s' % (i['schema'], i['name']) for i in profile['indexes']}
    here = {row[0] for row in ask(db, INDEXES)}
    predicted = {'%s.%s' % (i['schema'], i['name']): i['use']['predicted_connections'] for i in profile['indexes'] if 'predicted_connections' in i.get('use', {})}
    prepared = ['guard_load_%s' % name[:3] for (name, _), script in zip(files, scripts) if script.prepared]
    dump(folder, 'load.json', dict(more, **{
        'profile': {'exported': profile['exported'], 'name': profile['server'].get('name', ''), 'database': profile['server']['database'],
                    'version': profile['server']['version'], 'version_number': profile['server']['version_number'], 'since': profile.get('counting_since'),
                    'evictions': profile.get('evictions', 0), 'peak_hour': profile.get('guard', {}).get('peak_hour'), 'missing': profile['missing'],
                    'idle_in_transaction': limits.get('idle_in_transaction', 0),
                    'guard': 'guard' in profile, 'nested': sum(e.get('calls_per_second', 0) * e.get('nested', 0) for e in profile['statements'])},
        'staging': {'version': version[0], 'version_number': version[1]}, 'smaller': smaller(db, profile), 'not_here': sorted(there - here),
        'connections': pool, 'rate': total, 'scripts': weights, 'prepared': prepared, 'statements': [s.told() for s in scripts], 'left': left, 'left_out': profile['left_out'],
        'predicted_connections': predicted, 'indexes': sorted(indexes_used(profile))}))
    words = ' '.join(['-D %s=0' % name for name in prepared] + ['-f %s@%d' % tuple(w) for w in weights])
    with open(os.path.join(folder, 'run.sh'), 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\n# run.sh [OPTION OF PGBENCH]...: the load at its peak, for a minute.  guard_load run measures as well.\ncd "$(dirname "$0")" || exit\n'
                   'PGOPTIONS="$PGOPTIONS %s"\nexport PGOPTIONS\nexec pgbench -n -M simple -c %d -j 2 -T 60 -P 1 --rate %.2f \\\n\t%s "$@"\n'
                   % (re.sub(r'([\\"$`])', r'\\\1', settings_words(more['settings'])), pool, total, words))
    os.chmod(os.path.join(folder, 'run.sh'), 0o755)


def settings_words(settings):
    """For PGOPTIONS."""
    return ' '.join('-c %s=%s' % (name, re.sub(r'([\\ ])', r'\\\1', value)) for name, value in sorted(settings.items()))


def dump(folder, name, what):
    with open(os.path.join(folder, name), 'w', encoding='utf-8', errors='surrogateescape') as file:
        json.dump(what, file, indent=1, sort_keys=True)
        file.write('\n')


def json_of(folder, name):
    try:
        with open(os.path.join(folder, name), encoding='utf-8', errors='surrogateescape') as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise Problem('%s: %s' % (os.path.join(folder, name), error)) from None


def progress(words):
    if sys.stderr.isatty():
        sys.stderr.write('\r\033[K' + words)
        sys.stderr.flush()


def share(part, whole):
    return '%.1f %%' % (100.0 * part / whole) if whole else '-'


def short(text, room=60):
    text = ' '.join(text.split())
    return text if len(text) <= room else text[:room - 3] + '...'


def listed(names, room=5):
    return ', '.join(names[:room]) + (' and %d more' % (len(names) - room) if len(names) > room else '')


def say_coverage(load):
    """What of production's calls, time and indexes is in the load, and what is not, with the reason."""
    made, left, there = load['statements'], load['left'], load['profile']
    calls, time_of = lambda s: s['rate'], lambda s: s['rate'] * (s['mean_time'] or 0)
    covered = {i for s in made for i in s['indexes']} & set(load['indexes'])
    print('%d of %d statements: %s of the calls, %s of the time, %d of %d used indexes' % (
        len(made), len(made) + len(left), share(sum(map(calls, made)), sum(map(calls, made + left))),
        share(sum(map(time_of, made)), sum(map(time_of, made + left))), len(covered), len(load['indexes'])))
    print('Rates of %s, as of %s' % ('the busiest hour, from ' + (there['peak_hour'] or '?')[:16] if load['busiest'] else 'all that was counted since ' + (there['since'] or '?')[:16],
                                     there['exported'][:16]))
    for s in sorted(left, key=lambda s: -time_of(s)):
        print('Cannot be reproduced: %.2f/s  %s\n    %s' % (s['rate'], short(s['text'], 50), s['why']))
    for s in load['left_out']:
        print('Cannot be reproduced: %d calls whose text did not leave production: %s' % (s['calls'], s['why']))
    for s in made:
        if s['guessed']:
            print('Guessed in %s: %s' % (short(s['text'], 40), '; '.join(s['guessed'])))
    missed = sorted(set(load['indexes']) - covered)
    if missed:
        print('In no plan of the load: %s (checks of foreign keys show in a run only)' % listed(missed))
    say_differences(load)


def say_differences(load):
    """What of production staging has not, and what that falsifies."""
    there, here = load['profile'], load['staging']
    if there['version_number'] // 10000 != here['version_number'] // 10000:
        print('Production is PostgreSQL %s, staging %s: another planner, so plans and times may differ.' % (there['version'].split()[0], here['version'].split()[0]))
    for r in load['smaller']:
        print('%s has %.4g of %.4g rows: plans and times are those of a smaller table, and a scan of it hurts less than in production.' % (r['name'], r['here'], r['there']))
    if load['not_here']:
        print('Indexes of production that staging has not: %s' % listed(load['not_here']))
    for name, (value, other) in sorted(load['fixed'].items()):
        print('%s is %s in production, %s here.' % (name, value, other))
    for missing in there['missing']:
        print('The profile lacks %s: %s' % (missing['what'], missing['why']))
    if there['evictions']:
        print('Production evicted statements %d times since %s: rare ones come too seldom here, or not at all.' % (there['evictions'], (there['since'] or '?')[:16]))
    if there['idle_in_transaction'] > 0.02:
        print('In production sessions are idle in a transaction for %s of their time; here each statement is one, and holds its locks no longer.' % share(there['idle_in_transaction'], 1))
    if there['nested']:
        print('%.1f calls a second come from functions, triggers and checks: here, too, they come by themselves.' % there['nested'])


# ---- run

COUNTED = """SELECT s.queryid::text, sum(s.calls)::float8, sum(s.total_exec_time), sum(s.rows)::float8, sum(s.shared_blks_read)::float8
             FROM %s.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND s.queryid IS NOT NULL AND s.toplevel GROUP BY 1"""
# a partition's index counts for the one of the whole table, too
SCANS = """SELECT n.name, sum(s.idx_scan)::float8 FROM pg_stat_user_indexes s,
           LATERAL (SELECT s.indexrelname UNION SELECT relname FROM pg_class WHERE oid = pg_partition_root(s.indexrelid)) n (name) GROUP BY 1"""
# a parallel worker is no connection
BUSY = """SELECT count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE wait_event_type = 'Lock')
          FROM pg_stat_activity WHERE application_name = 'guard_load pgbench' AND backend_type = 'client backend'"""
ENOUGH = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'guard_load pgbench' AND usename = current_user"""
# names as profiles and plans have them: unquoted
INDEXES = """SELECT n.nspname || '.' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND i.indisvalid"""
ROOM = """SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - count(*)::int - 2
          FROM pg_stat_activity WHERE backend_type = 'client backend'"""
WRITTEN = """SELECT DISTINCT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables WHERE n_dead_tup > 0"""
PROGRESS = re.compile(r'progress: ([0-9.]+) s, ([0-9.]+) tps, lat ([0-9.]+|NaN) ms(?: stddev [^,]+)?(?:, ([0-9]+) failed)?(?:, lag ([0-9.]+) ms)?')


def seconds(words):
    found = re.fullmatch(r'([0-9]+(?:\.[0-9]+)?)\s*(s|min|h)?', words)
    if not found:
        raise Problem('%s is no time; 90s or 5min is' % words)
    return float(found.group(1)) * {None: 1, 's': 1, 'min': 60, 'h': 3600}[found.group(2)]


def newest_pgbench():
    """19's goes on after an error; with any other a load with errors ends by itself."""
    found = {}
    for path in [shutil.which('pgbench')] + glob.glob('/usr/lib/postgresql/*/bin/pgbench') + glob.glob('/usr/pgsql-*/bin/pgbench'):
        if path:
            said = subprocess.run([path, '--version'], capture_output=True, text=True, check=False).stdout
            number = re.search(r'(\d+)', said.partition(')')[2])
            found.setdefault(int(number.group(1)) if number else 0, path)
    if not found:
        raise Problem('pgbench is not in PATH')
    return found[max(found)]


def counters(db):
    """What staging counts of statements and of indexes; nothing where pg_stat_statements is not there."""
    try:
        where = ask(db, "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_stat_statements'")
        found = {row[0]: list(row[1:]) for row in ask(db, COUNTED % where[0])} if where else {}
    except psycopg2.Error:
        found = {}
    return found, {name: [scans] for name, scans in ask(db, SCANS)}


def difference(later, sooner):
    return {k: [a - b for a, b in zip(v, sooner.get(k, [0.0] * len(v)))] for k, v in later.items() if v[0] > sooner.get(k, [0.0])[0]}


class Watch(threading.Thread):
    """Looks ten times a second how many connections are busy."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.db, self.over, self.seen, self.taken = connect(connection), threading.Event(), [], 0

    def run(self):
        while not self.over.wait(0.1):
            try:
                self.seen.append((time.monotonic(), *ask(self.db, BUSY)[0]))
            except psycopg2.Error:
                return

    def mean(self):
        """What was seen since the last call, as (busy, waiting for locks)."""
        new, self.taken = self.seen[self.taken:], len(self.seen)
        return tuple(round(sum(part) / len(new), 1) for part in list(zip(*new))[1:]) if new else (0, 0)

    def since(self, began):
        return [[round(moment - began, 2), busy, locked] for moment, busy, locked in self.seen if moment >= began]


class Run:
    """One run: pgbench, the migration beside it, and what is seen each second."""

    def __init__(self, options, connection):
        self.folder, self.connection = options['dir'], connection
        self.load = json_of(self.folder, 'load.json')
        self.peak = float(options.get('peak', 1.0))
        self.length = seconds(options.get('for', '60s'))
        self.file = options.get('migration')
        if self.file and not os.path.exists(self.file):
            raise Problem('%s: no such file' % self.file)
        self.at = seconds(options['at']) if 'at' in options else self.length / 3
        self.commit, self.closed = options.get('writes') == 'commit', bool(options.get('closed'))
        self.pgbench = options.get('pgbench') or newest_pgbench()
        self.db = connect(connection)
        self.clients = int(options.get('connections', self.load['connections']))
        room = ask(self.db, ROOM)[0][0]
        if self.clients > room:
            print('Production has room for %d connections, this server for %d more: those are taken.' % (self.clients, room))
            self.clients = max(1, room)
        if not options.get('no-vacuum'):
            self.vacuum()
        self.samples, self.migration, self.migrated, self.ended, self.interrupted, self.lost, self.ended_by_clock = [], None, None, None, False, None, False

    def vacuum(self):
        """What was rolled back leaves dead rows."""
        if not any(s['writes'] for s in self.load['statements']):
            return
        for (table,) in ask(self.db, WRITTEN):
            try:
                ask(self.db, 'VACUUM ' + table)
            except psycopg2.Error as error:
                print('VACUUM %s: %s' % (table, str(error).splitlines()[0]))
            for notice in self.db.notices:
                print(notice.strip().splitlines()[0])
            del self.db.notices[:]

    def command(self, folder):
        said = subprocess.run([self.pgbench, '--help'], capture_output=True, text=True, check=False).stdout
        command = [self.pgbench, '-n', '-M', 'simple', '-c', str(self.clients), '-j', str(min(self.clients, os.cpu_count() or 1)),
                   '-T', str(max(1, round(self.length))), '-P', '1']
        if not self.closed:
            command += ['--rate', '%.3f' % (self.load['rate'] * self.peak)]
        if '--continue-on-error' in said:
            command.append('--continue-on-error')
        for name in self.load['prepared']:
            command += ['-D', name + '=0']
        for name, weight in self.load['scripts']:
            command += ['-f', '%s@%d' % (os.path.join(folder, name), weight)]
        return command + [' '.join(self.connection)]

    def scripts(self, scratch):
        """DIR, or a copy of it whose writes are kept, or whose connections think."""
        if not self.commit and not self.closed:
            return self.folder
        think = 1e6 * self.clients / (self.load['rate'] * self.peak)
        for name, _ in self.load['scripts']:
            with open(os.path.join(self.folder, name), encoding='utf-8', errors='surrogateescape') as file:
                text = file.read()
            if self.commit:
                text = re.sub(r'(?m)^BEGIN\\;(.*)\\;ROLLBACK;$', r'\1;', text)
            if self.closed:
                text = '\\sleep %d us\n%s' % (think, text)
            with open(os.path.join(scratch, name), 'w', encoding='utf-8', errors='surrogateescape') as file:
                file.write(text)
        return scratch

    def migrate(self, second):
        """Once its time has come."""
        if self.file and self.migration is None and second >= self.at:
            self.middle = counters(self.db)
            self.migrated = time.monotonic() - self.began
            print('  %5.0f s  %s' % (second, self.file), flush=True)
            with open(os.path.join(self.folder, 'migration.out'), 'w', encoding='utf-8') as out:
                self.migration = subprocess.Popen(['psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', ' '.join(self.connection), '-f', self.file],
                                                  stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        elif self.migration is not None and self.ended is None and self.migration.poll() is not None:
            self.ended = second
            print('  %5.0f s  %s ended with status %d' % (second, self.file, self.migration.returncode), flush=True)

    def cut(self, bench):
        """When the time is over, nobody waits for what is not answered yet."""
        self.ended_by_clock = True
        bench.terminate()
        db = connect(self.connection)
        ask(db, ENOUGH)
        db.close()

    def second(self, found):
        """A line of pgbench's progress, and who is busy now."""
        busy, locked = self.watch.mean()
        now, rate = time.monotonic() - self.began, float(found.group(2))
        # nothing answered, no latency
        latency = float(found.group(3)) if rate and found.group(3) != 'NaN' else None
        self.answered += rate
        waiting = 0 if self.closed else max(0, round(self.load['rate'] * self.peak * (float(found.group(1)) - self.zero) - self.answered))
        failed, lag = int(found.group(4) or 0), float(found.group(5) or 0)
        self.samples.append({'second': round(now, 2), 'rate': rate, 'latency': latency, 'lag': lag, 'busy': busy, 'locked': locked, 'waiting': waiting, 'failed': failed})
        words = ['%.1f of %d busy' % (busy, self.clients)] + ['%.1f on locks' % locked] * (locked > 0) + ['%d wait' % waiting] * (waiting > rate) + ['%d failed' % failed] * (failed > 0)
        print('  %5.0f s  %7.0f/s  %9s ms  %s' % (now, rate, figure(latency, '%.1f'), ', '.join(words)), flush=True)
        self.migrate(now)

    def drive(self):
        with tempfile.TemporaryDirectory() as scratch:
            environment = dict(os.environ, PGAPPNAME='guard_load pgbench')
            environment['PGOPTIONS'] = (os.environ.get('PGOPTIONS', '') + ' ' + settings_words(self.load['settings'])).strip()
            command = self.command(self.scripts(scratch))
            self.first = self.middle = counters(self.db)
            self.there = {row[0] for row in ask(self.db, INDEXES)}
            print('%.0f statements a second for %.0f s over %d connections, %s%s' % (
                self.load['rate'] * self.peak, self.length, self.clients, 'committed' if self.commit else 'writes rolled back',
                '\nin a closed loop: each connection waits for its answers' if self.closed else ''), flush=True)
            self.began, self.answered, words, last = time.monotonic(), 0, [], None
            self.watch = Watch(self.connection)
            self.watch.start()
            bench = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     errors='replace', start_new_session=True)
            try:
                for line in bench.stdout:
                    words.append(line)
                    found = PROGRESS.match(line)
                    if found and last is None:
                        # what comes before is connecting and reading the scripts
                        self.began = time.monotonic() - 1
                        self.zero = float(found.group(1)) - 1
                        last = threading.Timer(self.length + 2, self.cut, (bench,))
                        last.start()
                    if found:
                        self.second(found)
                    # those that are left take over the work, so what follows looks like an overload
                    if self.lost is None and not self.ended_by_clock and re.search(r'client \d+ .*aborted|connection to server .* failed|Run was aborted', line):
                        self.lost = round(time.monotonic() - self.began, 2)
                        bench.terminate()
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                if last is not None:
                    last.cancel()
                if self.interrupted:
                    self.cut(bench)
                bench.wait()
                self.watch.over.set()
                self.watch.join()
            self.end_migration()
        with open(os.path.join(self.folder, 'pgbench.out'), 'w', encoding='utf-8') as file:
            file.writelines(words)
        return 0 if self.ended_by_clock else bench.returncode, ''.join(words)

    def end_migration(self):
        """What still runs when the load has ended is cancelled, as Ctrl-C would."""
        if self.migration is not None and self.migration.poll() is None:
            if not self.interrupted:
                print('%s has not ended: cancelled' % self.file)
            self.migration.send_signal(signal.SIGINT)
            try:
                self.migration.wait(30)
            except subprocess.TimeoutExpired:
                self.migration.kill()
                self.migration.wait()

    def alone(self, gone):
        """What a call takes by itself, when nothing else runs, of those statements that had an index which is gone: milliseconds by text."""
        names, found, until = {index.partition('.')[2] for index in gone}, {}, time.monotonic() + 30
        while ask(self.db, BUSY)[0][0] and time.monotonic() < until:
            time.sleep(0.2)
        db = connect(self.connection, self.load)
        for s in self.load['statements']:
            if not names & set(s['indexes']) or time.monotonic() > until:
                continue
            took = []
            for text in s['some']:
                try:
                    took.append(undone(db, 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' + text, 20)[0][0][0][0]['Execution Time'])
                except psycopg2.Error:
                    continue
            if took:
                found[s['text']] = sorted(took)[len(took) // 2]
        db.close()
        return found

    def keep(self, status):
        """What compare wants to know."""
        last = counters(self.db)
        if self.migrated is None:
            self.middle = last
        gone = sorted(self.there - {row[0] for row in ask(self.db, INDEXES)})
        dump(self.folder, 'run.json', {
            'peak': self.peak, 'seconds': self.length, 'connections': self.clients, 'status': status, 'interrupted': self.interrupted, 'lost': self.lost,
            'migration': self.file, 'migrated': self.migrated, 'ended': self.ended, 'migration_status': self.migration.returncode if self.migration else None,
            'samples': self.samples, 'busy': self.watch.since(self.began), 'before': difference(self.middle[0], self.first[0]), 'after': difference(last[0], self.middle[0]),
            'scans': difference(self.middle[1], self.first[1]), 'gone': gone, 'alone': self.alone(gone) if gone and not self.interrupted else {},
            'pool': max(self.clients, self.load['connections'] if self.closed else 0), 'cores': os.cpu_count(), 'writes': 'commit' if self.commit else 'rollback', 'closed': self.closed})

    def export(self):
        """Staging's own profile, for compare; by the program that makes the others."""
        path = os.path.join(self.folder, 'staging.json')
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'guard_profile')
        program = [sys.executable, beside] if os.path.exists(beside) else [shutil.which('guard_profile')]
        if program[-1] is None:
            print('No profile of staging: guard_profile is neither beside guard_load nor in PATH.')
            return
        done = subprocess.run(program + ['-w', '-d', ' '.join(self.connection), path], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', check=False)
        if done.returncode:
            print('No profile of staging: %s' % (done.stderr.strip().splitlines() or ['guard_profile ended with status %d' % done.returncode])[0])
            if os.path.exists(path):
                os.unlink(path)


def run(options, connection):
    this = Run(options, connection)
    status, words = this.drive()
    this.keep(status)
    if this.interrupted:
        print('Interrupted; guard_load compare shows what was measured.')
        sys.exit(130)
    this.export()
    if status or this.lost is not None:
        errors = re.findall(r'(?:error|ERROR): +(.*)', words)
        print('guard_load: the load lost a connection, so these are no figures: %s' % (errors[0] if errors else 'pgbench ended with status %d' % status), file=sys.stderr)
        sys.exit(1)
    failed = re.search(r'number of failed transactions: ([0-9]+) \(([0-9.]+)%\)', words)
    if failed and int(failed.group(1)):
        print('%s statements failed (%s %%)' % failed.groups())


# ---- compare

def per_call(statement, counted, more):
    """Calls, time, rows and blocks read of a statement in staging: under the identifiers of its plans, and of its text."""
    ids = set(statement['query_ids']) | set(more.get(statement['text'], {}).get('query_ids', []))
    total = [sum(part) for part in zip(*(counted[i] for i in ids if i in counted))]
    if not total or not total[0]:
        return None
    return {'calls': total[0], 'mean_time': total[1] / total[0], 'rows': total[2] / total[0], 'blocks': total[3] / total[0]}


def looks(ran):
    """Each look, as (moment, was the pool full?): nine tenths of it were busy; or half, and most of what calls took, and long, was waiting
    for a connection. That is how it looks where the clients want the cores that the server has filled: they answer it late."""
    late = [(s['second'], s['latency'] and s['lag'] > max(QUEUED, s['latency'] / 2)) for s in ran['samples']]
    n, found = 0, []
    for moment, busy, _ in ran['busy']:
        while n < len(late) - 1 and late[n][0] < moment:
            n += 1
        found.append((moment, busy >= 0.9 * ran['pool'] or bool(late and late[n][1]) and busy >= 0.5 * ran['pool']))
    return found


def full_since(ran):
    """The moment from which the pool was full: in four of five looks of two seconds."""
    # without a migration the first second is for what was due while the scripts were read
    start = 1 if ran['migrated'] is None else ran['migrated']
    after = [look for look in looks(ran) if look[0] >= start]
    for n, (moment, first) in enumerate(after):
        window = [full for t, full in after[n:] if t <= moment + 2]
        if first and len(window) >= 5 and sum(window) >= 0.8 * len(window):
            return moment - start
    return None


def was_full(ran):
    """Before the migration already?"""
    before = [full for t, full in looks(ran) if 1 < t < (ran['migrated'] or 0)]
    return bool(before) and sum(before) > len(before) / 2


def figure(value, form='%.2f'):
    return '-' if value is None else form % value if value < 1000 else '%.0f' % value


def say_statements(load, ran, more, factor):
    """A line a statement, dearest first; those that became slower than the factor allows are returned."""
    slower, rows = [], []
    for s in load['statements']:
        before, after = per_call(s, ran['before'], more), per_call(s, ran['after'], more) if ran['migrated'] is not None else None
        ratio = after['mean_time'] / before['mean_time'] if before and after and before['mean_time'] else None
        # a hundredth of a millisecond more is nobody's outage
        if ratio is not None and ratio > factor and after['mean_time'] - before['mean_time'] > 1:
            slower.append(s)
        rows.append((s['rate'] * ((after or before or {}).get('mean_time') or 0), s, before, after, ratio))
    print('%-25s %7s %8s %8s %8s %6s %9s' % ('', 'calls/s', 'there ms', 'before', 'after', 'ratio', 'blocks'))
    for _, s, before, after, ratio in sorted(rows, key=lambda r: -r[0]):
        blocks = '%s:%s' % (figure(s['blocks_read_per_call'], '%.1f'), figure(before and before['blocks'], '%.1f'))
        print('%-25s %7s %8s %8s %8s %6s %9s' % (short(s['text'], 25), figure(s['rate'], '%.1f'), figure(s['mean_time']), figure(before and before['mean_time']),
                                                figure(after and after['mean_time']), figure(ratio, '%.1f'), blocks))
    return slower


def say_distance(load, ran, more):
    """How far the load is from production's, before the migration: by what staging counted, and by its own profile."""
    pairs = [(s, per_call(s, ran['before'], more)) for s in load['statements']]
    seen = [(s, c) for s, c in pairs if c]
    if not seen:
        print('Staging does not count statements (pg_stat_statements), or this role may not read it: no times by statement.')
        return
    total, here = sum(s['rate'] for s, _ in seen), sum(c['calls'] for _, c in seen)
    worst = max([abs(c['calls'] / here / (s['rate'] / total) - 1) for s, c in seen if s['rate'] > total / 100] or [0])
    near = sum(s['rate'] for s, c in seen if s['rows_per_call'] is not None and abs(c['rows'] - s['rows_per_call']) <= 0.25 * max(s['rows_per_call'], 0.04))
    known = [s for s, _ in pairs if s['indexes_there']]
    same = sum(s['rate'] for s in known if set(s['indexes_there']) <= indexes_of(s, more))
    print('Distance from production: shares of calls at most %.0f %% off (of those\nabove 1 %%, in %.0f calls); %s of the calls with rows within 25 %%,\n%s with the same indexes%s.'
          % (100 * worst, here, share(near, total), share(same, sum(s['rate'] for s in known)) if known else 'nothing known of calls',
             ' (of those whose indexes production knows)' if len(known) < len(pairs) else ''))
    if here < 100000:
        print('Fewer than 100,000 calls: up to 15 % of a share is dice.')
    idle = sorted(set(load['indexes']) - set(ran['scans']))
    print('%d of %d indexes that production uses were used by the load%s' % (
        len(load['indexes']) - len(idle), len(load['indexes']), ': not %s.' % listed(idle) if idle else '.'))
    unseen = [s for s, c in pairs if not c and s['rate'] * ran['seconds'] * ran['peak'] > 20]
    if unseen:
        print('Staging did not count %d statements of the load: %s' % (len(unseen), short(unseen[0]['text'], 50)))


def indexes_of(statement, more):
    """Those that a statement uses here: in the plans of its variants, and as guard in staging saw."""
    return set(statement['indexes']) | {i['name'] for i in more.get(statement['text'], {}).get('indexes', [])}


def say_gone(load, ran):
    """What guard predicted of each index that is gone, beside what a call takes alone and what comes of that."""
    for index in ran['gone']:
        said = load['predicted_connections'].get(index)
        name = index.partition('.')[2]
        alone = [(s, ran['alone'][s['text']]) for s in load['statements'] if name in s['indexes'] and s['text'] in ran['alone']]
        print('%s is gone; guard predicted %s in production without it.' % (index, 'nothing' if said is None else '%.1f busy connections' % said))
        if alone:
            demand = sum(s['rate'] * ms for s, ms in alone) / 1000
            print('  Alone a call takes %s ms here: %.1f busy connections at production\'s rate%s.' % (
                ', '.join(figure(ms, '%.1f') for _, ms in alone), demand, ', times %g' % ran['peak'] if ran['peak'] != 1 else ''))
            if demand * ran['peak'] > ran['cores']:
                print('  That is more than %d cores can do: any pool fills.' % ran['cores'])
    known = [load['predicted_connections'][index] for index in ran['gone'] if index in load['predicted_connections']]
    if len(ran['gone']) > 1 and known and ran['alone']:
        print('All together: guard predicted %.1f busy connections, alone their calls come to %.1f, at production\'s rate; %d cores.' % (
            sum(known), sum(s['rate'] * ran['alone'][s['text']] for s in load['statements'] if s['text'] in ran['alone']) / 1000, ran['cores']))


def picture(folder, load, ran):
    """load.svg, by gnuplot."""
    if not shutil.which('gnuplot'):
        print('No picture: gnuplot is not in PATH.')
        return
    data = '\n'.join('%s %s %s' % (s['second'], s['rate'], s['latency'] or '?') for s in ran['samples'])
    busy = '\n'.join('%s %s' % (t, n) for t, n, _ in ran['busy'])
    mark = ''
    if ran['migrated'] is not None:
        mark = ('set arrow from %s, graph 0 to %s, graph 1 nohead dt 2 lc rgb "#c0392b"\n' % (ran['migrated'], ran['migrated'])
                + 'set label 2 "migration" at %s, graph 1.08 center tc rgb "#c0392b"\n' % ran['migrated'])

    def title(words):
        return 'set label 1 "%s" at graph 0, graph 1.16 left font ",13"\n' % words
    script = ('set terminal svg size 800,640 font "sans-serif,12" background "#ffffff"\nset output "%s"\nset datafile missing "?"\n$data << EOD\n%s\nEOD\n$busy << EOD\n%s\nEOD\n'
              % (os.path.join(folder, 'load.svg').replace('"', ''), data, busy)
              + 'set multiplot layout 3,1\nset lmargin 10\nset rmargin 3\nset tmargin 3\nset border 3\nset tics nomirror\nset grid ytics lc rgb "#dddddd"\nset key right top\n'
              + 'set xrange [0:%g]\nset yrange [0:*]\n%s' % (max([ran['seconds']] + [s['second'] for s in ran['samples']]), mark)
              + title('Answered a second')
              + 'plot %.2f title "asked" lc rgb "#999999" dt 2, $data using 1:2 with lines lw 2 lc rgb "#2471a3" title "answered"\n' % (load['rate'] * ran['peak'])
              + title('Latency, ms' if ran['closed'] else 'Latency from the schedule, ms') + 'set logscale y\nset yrange [*:*]\nset key right bottom\n'
              + 'plot $data using 1:3 with lines lw 2 lc rgb "#ca6f1e" title "mean of a second"\nunset logscale y\n'
              + title('Busy connections') + 'set yrange [0:%d]\nset xlabel "seconds"\n' % (round(ran['connections'] * 1.1) + 1)
              + 'plot %d title "pool" lc rgb "#999999" dt 2, $busy using 1:2 with lines lw 1.5 lc rgb "#1e8449" title "busy"\nunset multiplot\n' % ran['connections'])
    drawn_by = subprocess.run(['gnuplot'], input=script, text=True, capture_output=True, check=False)
    print('Picture: %s' % os.path.join(folder, 'load.svg') if drawn_by.returncode == 0 else 'No picture: %s' % drawn_by.stderr.strip().splitlines()[0])


def migration_error(folder):
    """What psql said of it first."""
    path = os.path.join(folder, 'migration.out')
    with open(path, encoding='utf-8', errors='replace') as file:
        words = file.read()
    found = re.search(r'ERROR: +(.*)', words)
    return found.group(1) if found else 'see ' + path


def compare(options, _connection):
    folder, factor = options['dir'], float(options.get('factor', 2.0))
    load, ran = json_of(folder, 'load.json'), json_of(folder, 'run.json')
    exported = os.path.join(folder, 'staging.json')
    more = {s['text']: s for s in json_of(folder, 'staging.json')['statements']} if os.path.exists(exported) else {}
    say_coverage(load)
    if ran['lost'] is not None and ran['migrated'] is not None and ran['lost'] >= ran['migrated']:
        print('\nThe load lost a connection %.0f s after the migration began; %s says why.' % (ran['lost'] - ran['migrated'], os.path.join(folder, 'pgbench.out')))
        print('Production would not have stood it: statements fail.')
        sys.exit(1)
    if ran['status'] and not ran['interrupted']:
        raise Problem('the run lost a connection, so it has no figures; %s says why' % os.path.join(folder, 'pgbench.out'))
    print()
    slower = say_statements(load, ran, more, factor)
    print()
    say_distance(load, ran, more)
    full = full_since(ran)
    part = [busy for t, busy, _ in ran['busy'] if t >= (ran['migrated'] or 0)]
    print('Busy connections: %s on average, %d at most, of %d%s; the pool was %s.' % (
        figure(sum(part) / len(part) if part else None, '%.1f'), max(part or [0]), ran['connections'],
        ' (production: %d)' % ran['pool'] if ran['pool'] != ran['connections'] else '',
        'never full' if full is None else 'full %.1f s after %s' % (full, 'the migration began' if ran['migrated'] is not None else 'the start')))
    failed = [sum(s['failed'] for s in ran['samples'] if (s['second'] > (ran['migrated'] or 0)) == later) for later in (False, True)]
    say_gone(load, ran)
    if ran['closed']:
        print('This was a closed loop: it asks less where it is answered late, so it hides what an open one shows.')
    picture(folder, load, ran)
    if ran['migration_status'] and not ran['interrupted']:
        raise Problem('the migration failed, so this tells nothing of it: %s' % migration_error(folder))
    if ran['migrated'] is not None and was_full(ran):
        raise Problem('the pool was full before the migration began: this staging is too small for the load, or --peak too high')
    why = ['the pool was full'] * (full is not None) + ['%d statements are more than %g times slower' % (len(slower), factor)] * bool(slower)
    why += ['%d calls failed after the migration began, %d before' % (failed[1], failed[0])] * (ran['migrated'] is not None and failed[1] > 2 * failed[0])
    if why:
        print('Production would not have stood it: %s.' % '; '.join(why))
        sys.exit(1)
    print('Production would have stood it.')


# ---- the command line

COMMANDS = {'make': (make, 'profile', {'out', 'variants'}, {'average', 'prepared'}),
            'run': (run, 'dir', {'peak', 'for', 'migration', 'at', 'connections', 'writes', 'pgbench'}, {'closed', 'no-vacuum'}),
            'compare': (compare, 'dir', {'factor'}, set())}
CONNECTION = {'-d': 'dbname', '--dbname': 'dbname', '-h': 'host', '--host': 'host', '-p': 'port', '--port': 'port', '-U': 'user', '--username': 'user'}


def conninfo(name, value):
    """A word of a connection string; of a connection string as the database's name the whole."""
    if name == 'dbname' and ('=' in value or '://' in value):
        return value
    return "%s='%s'" % (name, value.replace('\\', '\\\\').replace("'", "\\'"))


def usage(words):
    raise Problem(words + '; see guard_load --help')


def parse(words, takes, flags):
    options, connection, rest = {}, [], []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition('=')
        if name in CONNECTION or (name.startswith('--') and name[2:] in takes):
            if not equals:
                if not words:
                    usage(name + ' needs a value')
                value = words.pop(0)
            if name in CONNECTION:
                connection.append(conninfo(CONNECTION[name], value))
            else:
                options[name[2:]] = value
        elif word[2:] in flags and word.startswith('--'):
            options[word[2:]] = True
        elif word.startswith('-'):
            usage('no such option: ' + word)
        else:
            rest.append(word)
    return options, connection, rest


def main(words):
    if '--help' in words:
        print(__doc__.strip())
        return
    if '--version' in words:
        print('guard_load ' + VERSION)
        return
    if not words or words[0] not in COMMANDS:
        usage('make, run or compare is missing')
    what, operand, takes, flags = COMMANDS[words[0]]
    options, connection, rest = parse(words[1:], takes, flags)
    if len(rest) != 1:
        usage('guard_load %s takes one %s' % (words[0], operand.upper()))
    options[operand] = rest[0]
    if what is make and 'out' not in options:
        usage('--out is missing')
    if options.get('writes', 'commit') != 'commit':
        usage('--writes takes commit')
    try:
        for name in ('peak', 'factor', 'variants', 'connections'):
            float(options.get(name, 1))
    except ValueError:
        usage('--%s takes a number' % name)
    what(options, connection)


def interrupted(_signal, _frame):
    raise KeyboardInterrupt


# what is told to end ends as with Ctrl-C: pgbench with it, and whatever the server does for it
signal.signal(signal.SIGTERM, interrupted)
signal.signal(signal.SIGHUP, interrupted)
try:
    main(sys.argv[1:])
    sys.stdout.flush()
except Problem as problem:
    print('guard_load: %s' % problem, file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:
    sys.exit(130)
except BrokenPipeError:
    # nobody reads any more; nor does Python's own last look
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)
