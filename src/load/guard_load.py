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
Options of run:
  --peak=FACTOR            so many times production's rate (1)
  --for=TIME               how long: 90s, 5min (60s)
  --migration=FILE         run FILE under psql meanwhile
  --at=TIME                when (a third of the time)
  --connections=N          instead of what production's limits allow
  --writes=commit          commit what is written; otherwise it is rolled back
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
  2  wrong usage, or something cannot be read or reached
  130  interrupted; what was measured until then is kept
"""
import glob
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import psycopg2
except ImportError:
    sys.exit('guard_load: psycopg2 is missing: install python3-psycopg2')

VERSION = '@VERSION@'
FORMAT = 'guard/profile/1'
SCRIPTS = 128                   # pgbench takes no more
SCRIPT_BYTES = 60000            # it reads a script in quadratic time
TRIAL_SECONDS = 6               # for the variants of one statement
NUMBERS = {'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'oid'}
PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([0-9]+)""")
dice = random.Random(11)


class Problem(Exception):
    """Something that the user has to know, and that ends the program or leaves out a statement."""


# ---- staging

def connect(words):
    """A connection of our own, that no setting of the role can stop halfway."""
    try:
        return psycopg2.connect(' '.join(words), application_name='guard_load')
    except psycopg2.Error as error:
        raise Problem(str(error).strip()) from None


def ask(db, sql, values=None):
    """The rows of a query."""
    with db.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def tried(db, sql):
    """How many rows a statement returns or writes; it is undone."""
    with db.cursor() as cursor:
        try:
            cursor.execute("SET LOCAL statement_timeout = '2s'")
            cursor.execute(sql)
            return cursor.rowcount
        finally:
            db.rollback()


def types_of(db, text):
    """The types of a statement's parameters, as staging sees them."""
    try:
        ask(db, 'DEALLOCATE ALL')
        ask(db, 'PREPARE guard_load AS ' + text)
        return [row[0] for row in ask(db, 'SELECT t::text FROM pg_prepared_statements, unnest(parameter_types) WITH ORDINALITY u(t, n) ORDER BY n')]
    except psycopg2.Error as error:
        raise Problem(str(error).splitlines()[0]) from None
    finally:
        db.rollback()


VOLATILE = """SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
              WHERE p.provolatile = 'v' AND p.prokind IN ('f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""


# ---- values

def literal(value, of_type):
    """As a constant that leaves the statement's text as pg_stat_statements has normalized it."""
    if value is None:
        return 'NULL'
    if of_type in NUMBERS and re.fullmatch(r'-?[0-9]+(\.[0-9]+)?', value):
        return '(%s)' % value if value[0] == '-' else value
    value = value.replace("'", "''")
    # pgbench has variables, and looks for them in strings as well
    if ':' in value or '\\' in value:
        return "E'" + value.replace('\\', '\\\\').replace(':', '\\072') + "'"
    return "'" + value + "'"


class Relation:
    """A sample of the rows of one relation of staging, as text."""

    known = {}

    def __init__(self, db, schema, table):
        # a text without a schema means what the search_path of production finds
        name = '.'.join(quoted(part) for part in (schema, table) if part)
        found = ask(db, "SELECT c.oid, c.reltuples, format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    ' WHERE c.oid = to_regclass(%s)', (name,))
        if not found:
            raise Problem('%s is not in staging' % name)
        oid, tuples, self.name = found[0]
        self.columns = {name: (of_type, unique) for name, of_type, unique in ask(db, """
            SELECT a.attname, format_type(a.atttypid, NULL),
                   EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey))
            FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped""", (oid,))}
        some = ' TABLESAMPLE BERNOULLI (%f)' % (100.0 * 10000 / tuples) if tuples > 50000 else ''
        wanted = ', '.join('t.%s::text' % quoted(name) for name in self.columns)
        try:
            rows = ask(db, 'SELECT %s FROM %s t%s ORDER BY random() LIMIT 5000' % (wanted, self.name, some))
        except psycopg2.Error as error:
            db.rollback()
            raise Problem(str(error).splitlines()[0]) from None
        self.rows = [dict(zip(self.columns, row)) for row in rows]

    @classmethod
    def of(cls, db, schema, table):
        """Read once."""
        if (schema, table) not in cls.known:
            cls.known[schema, table] = cls(db, schema, table)
        return cls.known[schema, table]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def fresh(value, of_type):
    """A value that no row has, for a unique column."""
    if of_type == 'uuid':
        return '%08x-0000-4000-8000-%012x' % (dice.getrandbits(32), dice.getrandbits(48))
    if of_type in ('integer', 'bigint', 'numeric'):
        return str(dice.randrange(10 ** 9, 2 * 10 ** 9))
    if of_type == 'smallint':
        return str(dice.randrange(-32768, -1))
    if re.match(r'text|character|citext|name', of_type):
        return '%x%s' % (dice.getrandbits(48), (value or '')[12:])
    return value


def pattern(value, operator):
    """What production compared with by LIKE or a regular expression is not known: the beginning of a value there is."""
    start = (value or 'x')[:3]
    if operator.lstrip('!').startswith('~~') or 'LIKE' in operator.upper():
        return re.sub(r'([%_\\])', r'\\\1', start) + '%'
    return '^' + re.escape(start)


DEFAULTS = {'limit': '10', 'offset': '0', 'interval': '1 day', 'unit': 'day'}
PLAIN = {'boolean': 'true', 'text': 'x', 'date': '2020-01-01', 'uuid': '00000000-0000-4000-8000-000000000000', 'json': '{}', 'jsonb': '{}'}


class Statement:
    """A statement of the profile, and how its parameters get values of staging."""

    def __init__(self, db, entry):
        self.db, self.entry, self.text = db, entry, entry['text'].rstrip().rstrip(';')
        self.parameters = {p['number']: p for p in entry['parameters']}
        self.types = types_of(db, self.text)
        self.guessed = set()
        self.relations = {}
        for p in self.parameters.values():
            if 'table' in p and 'column' in p:
                key = (p.get('schema'), p['table'])
                relation = Relation.of(db, *key)
                if not relation.rows and p['role'] in ('compared', 'list'):
                    raise Problem('%s has no rows in staging' % relation.name)
                self.relations.setdefault(key, []).append(p)

    def type_of(self, number):
        return self.types[number - 1] if number <= len(self.types) else 'text'

    def value(self, p, relation, row):
        """One parameter's value out of a row."""
        of_type, unique = relation.columns.get(p['column'], ('text', False))
        value = row.get(p['column']) if row else None
        operator = p.get('operator', '=')
        if p['role'] == 'inserted' and unique and 'on conflict' not in self.text.lower():
            return fresh(value, of_type)
        if p['role'] == 'compared' and value is not None and ('~' in operator or 'LIKE' in operator.upper()):
            return pattern(value, operator)
        if self.type_of(p['number']).endswith('[]') and not of_type.endswith('[]') and value is not None:
            rows = dice.choices(relation.rows, k=max(1, p.get('list') or 3))
            return '{%s}' % ','.join(json.dumps(r[p['column']]) for r in rows if r[p['column']] is not None)
        return value

    def draw(self):
        """Values by the numbers of the parameters; one row serves all that is compared with its relation."""
        values = {}
        for key, mine in self.relations.items():
            relation = Relation.of(self.db, *key)
            needed = {p['column'] for p in mine if p['role'] in ('compared', 'list')}
            fit = [r for r in dice.choices(relation.rows, k=20) if all(r.get(c) is not None for c in needed)] if relation.rows else []
            row, taken = (fit or relation.rows or [None])[0], set()
            for p in mine:
                # a second value of the same column is another row's
                source = row if p['column'] not in taken or not relation.rows else dice.choice(relation.rows)
                taken.add(p['column'])
                values[p['number']] = self.value(p, relation, source)
            self.sort_ranges(mine, values)
        for number in range(1, len(self.types) + 1):
            if number not in values:
                values[number] = self.guess(number)
        return values

    @staticmethod
    def sort_ranges(mine, values):
        """The lower end of a range is the lower one."""
        for low in mine:
            for high in mine:
                if (low.get('operator', '') in ('>', '>=') and high.get('operator', '') in ('<', '<=') and low['column'] == high['column']):
                    a, b = values[low['number']], values[high['number']]
                    if a is not None and b is not None and sort_key(a) > sort_key(b):
                        values[low['number']], values[high['number']] = b, a

    def guess(self, number):
        """What no column tells: production's rows a call for LIMIT, else something of the type."""
        p, of_type = self.parameters.get(number, {}), self.type_of(number)
        role = p.get('role', 'other')
        if role == 'limit':
            return str(max(1, math.ceil(self.entry.get('rows_per_call', 10))))
        if role not in DEFAULTS:
            self.guessed.add('$%d, %s' % (number, of_type))
        if role in DEFAULTS:
            return DEFAULTS[role]
        if of_type in NUMBERS:
            return '1'
        if of_type.startswith('timestamp'):
            return time.strftime('%Y-%m-%d %H:%M:%S')
        return '{}' if of_type.endswith('[]') else PLAIN.get(of_type)

    def others(self, number):
        """The rest of a list of which pg_stat_statements keeps one place only."""
        p = self.parameters.get(number, {})
        if p.get('role') != 'list' or p.get('list') or 'table' not in p or self.type_of(number).endswith('[]'):
            return []
        relation = Relation.of(self.db, p.get('schema'), p['table'])
        return [row[p['column']] for row in dice.choices(relation.rows, k=2) if row[p['column']] is not None]

    def variant(self):
        """The statement's text with literals in the place of its parameters."""
        values = self.draw()

        def put(found):
            if found.group(1) is None:
                return found.group(0)
            number = int(found.group(1))
            return ', '.join(literal(v, self.type_of(number)) for v in [values.get(number)] + self.others(number))
        return re.sub(r'\s*\n\s*', ' ', PARAMETER.sub(put, self.text))


def sort_key(value):
    """Numbers by size, what PostgreSQL prints of times by their text."""
    try:
        return (0, float(value), '')
    except ValueError:
        return (1, 0.0, value)


def tilted(found, rows, wanted):
    """Of the variants tried, so many that together they return production's rows a call: chosen with weights e^(l * rows)."""
    top = max(max(r for _, r in found), 1)

    def weights(bend):
        return [math.exp(bend * (r / top - 1 if bend > 0 else r / top)) for _, r in found]

    def mean(bend):
        w = weights(bend)
        return sum(a * r for a, (_, r) in zip(w, found)) / sum(w)
    low, high = -60.0, 60.0
    for _ in range(60):
        bend = (low + high) / 2
        low, high = (bend, high) if mean(bend) < rows else (low, bend)
    w = weights((low + high) / 2)
    step, at, chosen = sum(w) / wanted, dice.random() * sum(w) / wanted, []
    for a, (text, _) in zip(w, found):
        while at < a:
            chosen.append(text)
            at += step
        at -= a
    dice.shuffle(chosen)
    return chosen


# ---- make

def nodes(plan):
    yield plan
    for child in plan.get('Plans', []):
        yield from nodes(child)


class Script:
    """A statement's variants, and what staging's planner says of them."""

    def __init__(self, statement, variants, rate):
        self.statement, self.variants, self.rate = statement, variants, rate
        self.query_ids, self.indexes, self.writes = set(), {}, False
        for text in dice.sample(variants, min(20, len(variants))):
            self.look(text)

    def look(self, text):
        plan = ask(self.statement.db, 'EXPLAIN (VERBOSE, FORMAT JSON) ' + text)[0][0][0]
        if 'Query Identifier' in plan:
            self.query_ids.add(str(plan['Query Identifier']))
        for node in nodes(plan['Plan']):
            self.writes = self.writes or node['Node Type'] in ('ModifyTable', 'LockRows')
            if 'Index Name' in node:
                self.indexes[node['Index Name']] = self.indexes.get(node['Index Name'], 0) + 1
        self.statement.db.rollback()

    def sql(self):
        """What a client sends: rolled back in the same message, so that a variant stays good and no time passes between."""
        return ['BEGIN\\;%s\\;ROLLBACK;' % v if self.writes else v + ';' for v in self.variants]

    def told(self):
        """For DIR/load.json."""
        entry = self.statement.entry
        return {'text': entry['text'], 'rate': self.rate, 'mean_time': entry.get('peak', entry).get('mean_time', entry.get('mean_time')),
                'rows_per_call': entry.get('rows_per_call'), 'blocks_read_per_call': entry.get('blocks_read_per_call'),
                'indexes': self.indexes, 'indexes_there': [i['name'] for i in entry.get('indexes', [])],
                'query_ids': sorted(self.query_ids), 'writes': self.writes, 'guessed': sorted(self.statement.guessed)}


def tree(leaves, first):
    """A binary tree of \\if, which reaches one of many variants in few steps."""
    if len(leaves) == 1:
        return leaves[0] + '\n'
    half = len(leaves) // 2
    return '\\if :guard_load < %d\n%s\\else\n%s\\endif\n' % (first + half, tree(leaves[:half], first), tree(leaves[half:], first + half))


def write_script(path, leaves):
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\\set guard_load random(1, %d)\n%s' % (len(leaves), tree(leaves, 1)))


def variants(statement, wanted):
    """Variants that run in staging, chosen so that they return what production returns."""
    found, last, began = [], None, time.monotonic()
    for n in range(2 * wanted):
        if len(found) == wanted * 3 // 2 or time.monotonic() - began > TRIAL_SECONDS:
            break
        if n >= 20 and len(found) < n / 10:
            break
        text = statement.variant()
        try:
            found.append((text, max(0, tried(statement.db, text))))
        except psycopg2.Error as error:
            last = str(error).splitlines()[0]
    if not found or (last and len(found) < 10):
        raise Problem(last or 'no values were found')
    size = max(len(text) for text, _ in found) + 40
    return tilted(found, statement.entry.get('rows_per_call', 0), max(1, min(wanted, SCRIPT_BYTES // size)))


def choose(entries, rate_of):
    """The statements that get a script of their own: those that take most time and come most often, and one for each index in use."""
    by_time = sorted(entries, key=lambda e: -rate_of(e) * e.get('mean_time', 0))
    by_calls = sorted(entries, key=lambda e: -rate_of(e))
    first, seen = [], set()
    for e in by_time:
        new = {i['name'] for i in e.get('indexes', [])} - seen
        if new:
            seen |= new
            first.append(e)
    order = [e for pair in zip(by_time, by_calls) for e in pair]
    own, ids = [], set()
    for e in first[:SCRIPTS // 2] + order:
        if id(e) not in ids and len(own) < SCRIPTS - 1:
            ids.add(id(e))
            own.append(e)
    return own, [e for e in entries if id(e) not in ids]


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


def make(options, connection):
    profile = read_profile(options['profile'])
    folder, wanted = options['out'], int(options.get('variants', 400))
    db = connect(connection)
    if profile['server'].get('search_path'):
        ask(db, "SELECT set_config('search_path', %s, false)", (profile['server']['search_path'],))
    db.commit()
    unsafe = {row[0] for row in ask(db, VOLATILE)}

    def rate_of(entry):
        average = entry.get('calls_per_second', 0)
        return average if options.get('average') else entry.get('peak', {}).get('calls_per_second', average)
    entries = [e for e in profile['statements'] if rate_of(e) > 0]
    own, rest = choose(entries, rate_of)
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(glob.escape(folder), '[0-9][0-9][0-9].sql')):
        os.unlink(old)
    scripts, left = [], []
    for n, entry in enumerate(own + rest):
        progress('%d of %d statements' % (n + 1, len(entries)))
        try:
            called = unsafe & set(re.findall(r'([\w$]+)"?\s*\(', entry['text']))
            if called:
                raise Problem('calls the volatile function %s' % ', '.join(sorted(called)))
            statement = Statement(db, entry)
            many = wanted if rate_of(entry) > sum(map(rate_of, entries)) / 100 else max(1, wanted // 4)
            scripts.append((entry, Script(statement, variants(statement, many if n < len(own) else 10), rate_of(entry))))
        except (Problem, psycopg2.Error) as error:
            db.rollback()
            left.append({'text': entry['text'], 'rate': rate_of(entry), 'mean_time': entry.get('mean_time', 0), 'why': str(error).splitlines()[0],
                         'indexes_there': [i['name'] for i in entry.get('indexes', [])]})
    progress('')
    if not scripts:
        raise Problem('no statement of %s can be run in this database' % options['profile'])
    write_load(folder, profile, scripts, left, {id(e) for e in rest}, rate_of)
    say_coverage(json_of(folder, 'load.json'))


def write_load(folder, profile, scripts, left, common, rate_of):
    """The scripts, how to run them without this program, and what compare wants to know."""
    files, together = [], []
    for entry, script in scripts:
        if id(entry) in common:
            together += [(script.rate, sql) for sql in script.sql()]
            continue
        name = '%03d.sql' % len(files)
        write_script(os.path.join(folder, name), script.sql())
        files.append((name, script.rate))
    if together:
        name = '%03d.sql' % len(files)
        shares = dice.choices([sql for _, sql in together], [rate for rate, _ in together], k=min(400, 4 * len(together)))
        write_script(os.path.join(folder, name), shares)
        files.append((name, sum(s.rate for e, s in scripts if id(e) in common)))
    total = sum(rate for _, rate in files)
    weights = [[name, max(1, round(1e6 * rate / total))] for name, rate in files]
    limits = profile['server']['connections']
    room = [limits['server'] - limits['reserved']] + [n for n in [limits.get('database')] if n is not None and n >= 0]
    pool = min(room + ([sum(limits['roles'].values())] if limits['roles'] else []))
    evidence = {'%s.%s' % (i['schema'], i['name']): i['use']['predicted_connections'] for i in profile['indexes'] if 'predicted_connections' in i.get('use', {})}
    dump(folder, 'load.json', {
        'profile': {'exported': profile['exported'], 'name': profile['server'].get('name', ''), 'database': profile['server']['database']},
        'search_path': profile['server'].get('search_path', ''), 'connections': max(1, pool), 'rate': total, 'scripts': weights,
        'statements': [s.told() for _, s in scripts], 'left': left, 'left_out': profile.get('left_out', []),
        'predicted_connections': evidence, 'indexes': sorted({i['name'] for e in profile['statements'] for i in e.get('indexes', [])})})
    with open(os.path.join(folder, 'run.sh'), 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\n# run.sh [OPTION OF PGBENCH]...: the load at its peak, for a minute.  guard_load run measures as well.\ncd "$(dirname "$0")" || exit\n'
                   'exec pgbench -n -M simple -c %d -j 2 -T 60 -P 1 --rate %.2f \\\n\t%s "$@"\n'
                   % (max(1, pool), total, ' '.join('-f %s@%d' % tuple(w) for w in weights)))
    os.chmod(os.path.join(folder, 'run.sh'), 0o755)


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


def say_coverage(load):
    """What of production's calls, time and indexes is in the load, and what is not, with the reason."""
    made, left = load['statements'], load['left']
    calls, time_of = lambda s: s['rate'], lambda s: s['rate'] * (s['mean_time'] or 0)
    covered = {i for s in made for i in s['indexes_there']}
    print('%d of %d statements: %s of the calls, %s of the time, %d of %d used indexes' % (
        len(made), len(made) + len(left), share(sum(map(calls, made)), sum(map(calls, made + left))),
        share(sum(map(time_of, made)), sum(map(time_of, made + left))), len(covered), len(load['indexes'])))
    if left or load['left_out']:
        print('Cannot be reproduced:')
    for s in sorted(left, key=lambda s: -time_of(s)):
        print('  %8.2f/s  %s\n              %s' % (s['rate'], short(s['text']), s['why']))
    for s in load['left_out']:
        print('  %8d calls whose text did not leave production: %s' % (s['calls'], s['why']))
    for s in made:
        if s['guessed']:
            print('Guessed in %s: %s' % (short(s['text']), '; '.join(s['guessed'])))


def short(text, room=60):
    text = ' '.join(text.split())
    return text if len(text) <= room else text[:room - 3] + '...'


# ---- run

COUNTED = """SELECT s.queryid::text, sum(s.calls)::float8, sum(s.total_exec_time), sum(s.rows)::float8, sum(s.shared_blks_read)::float8
             FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND s.queryid IS NOT NULL GROUP BY 1"""
# a parallel worker is no connection
BUSY = """SELECT count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE wait_event_type = 'Lock')
          FROM pg_stat_activity WHERE application_name = 'guard_load pgbench' AND backend_type = 'client backend'"""
INDEXES = """SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND i.indisvalid"""


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
            found[int(number.group(1)) if number else 0] = path
    if not found:
        raise Problem('pgbench is not in PATH')
    return found[max(found)]


def counters(db):
    """What staging counts of statements; nothing where pg_stat_statements is not there, or in an older shape."""
    try:
        return {row[0]: list(row[1:]) for row in ask(db, COUNTED)}
    except psycopg2.Error:
        db.rollback()
        return {}


def difference(later, sooner):
    return {k: [a - b for a, b in zip(v, sooner.get(k, [0.0] * len(v)))] for k, v in later.items() if v[0] > sooner.get(k, [0.0])[0]}


class Watch(threading.Thread):
    """Looks ten times a second how many connections are busy: between two lines of pgbench the mean of that counts."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.db, self.over, self.seen = connect(connection), threading.Event(), []
        self.db.autocommit = True

    def run(self):
        while not self.over.wait(0.1):
            try:
                self.seen.append(ask(self.db, BUSY)[0])
            except psycopg2.Error:
                return

    def taken(self):
        """What was seen since the last call, as (busy, waiting for locks)."""
        seen, self.seen = self.seen, []
        return tuple(round(sum(part) / len(seen), 1) for part in zip(*seen)) if seen else (0, 0)


class Run:
    """One run: pgbench, the migration beside it, and what is seen each second."""

    def __init__(self, options, connection):
        self.folder, self.connection = options['dir'], connection
        self.load = json_of(self.folder, 'load.json')
        self.peak = float(options.get('peak', 1.0))
        self.length = seconds(options.get('for', '60s'))
        self.file = options.get('migration')
        self.at = seconds(options['at']) if 'at' in options else self.length / 3
        self.clients = int(options.get('connections', self.load['connections']))
        self.commit = options.get('writes') == 'commit'
        self.pgbench = options.get('pgbench') or newest_pgbench()
        self.db = connect(connection)
        self.db.autocommit = True
        self.samples, self.migration, self.migrated, self.ended, self.interrupted = [], None, None, None, False

    def command(self, folder):
        rate = self.load['rate'] * self.peak
        said = subprocess.run([self.pgbench, '--help'], capture_output=True, text=True, check=False).stdout
        command = [self.pgbench, '-n', '-M', 'simple', '-c', str(self.clients), '-j', str(min(self.clients, os.cpu_count() or 1)),
                   '-T', str(max(1, round(self.length))), '-P', '1', '--rate', '%.3f' % rate]
        if '--continue-on-error' in said:
            command.append('--continue-on-error')
        for name, weight in self.load['scripts']:
            command += ['-f', '%s@%d' % (os.path.join(folder, name), weight)]
        return command + [' '.join(self.connection)]

    def scripts(self, scratch):
        """DIR, or a copy of it whose writes are kept."""
        if not self.commit:
            return self.folder
        for name, _ in self.load['scripts']:
            with open(os.path.join(self.folder, name), encoding='utf-8') as file:
                text = re.sub(r'(?m)^BEGIN\\;(.*)\\;ROLLBACK;$', r'\1;', file.read())
            with open(os.path.join(scratch, name), 'w', encoding='utf-8') as file:
                file.write(text)
        return scratch

    def migrate(self, second):
        """Once its time has come."""
        if self.file and self.migration is None and second >= self.at:
            self.before = difference(counters(self.db), self.first)
            self.middle = counters(self.db)
            self.migrated = second
            print('  %5.0f s  %s' % (second, self.file))
            with open(os.path.join(self.folder, 'migration.out'), 'w', encoding='utf-8') as out:
                self.migration = subprocess.Popen(['psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', ' '.join(self.connection), '-f', self.file],
                                                  stdout=out, stderr=subprocess.STDOUT)
        elif self.migration is not None and self.ended is None and self.migration.poll() is not None:
            self.ended = second
            print('  %5.0f s  %s ended with status %d' % (second, self.file, self.migration.returncode))

    def second(self, line, began):
        """A line of pgbench's progress, and who is busy now."""
        found = re.match(r'progress: ([0-9.]+) s, ([0-9.]+) tps, lat ([0-9.]+|NaN) ms', line)
        if not found:
            return
        lag = re.search(r'lag ([0-9.]+) ms', line)
        busy, locked = self.watch.taken()
        now = time.monotonic() - began
        rate = float(found.group(2))
        # nothing answered, no latency
        latency = float(found.group(3)) if rate and found.group(3) != 'NaN' else None
        self.samples.append({'second': round(now, 2), 'rate': rate, 'latency': latency,
                             'lag': float(lag.group(1)) if lag else 0.0, 'busy': busy, 'locked': locked})
        print('  %5.0f s  %7.0f/s  %9s ms  %5.1f of %d busy%s' % (now, rate, figure(latency, '%.1f'), busy, self.clients,
                                                                 ', %.1f wait for locks' % locked if locked else ''), flush=True)
        self.migrate(now)

    def drive(self):
        with tempfile.TemporaryDirectory() as scratch:
            environment = dict(os.environ, PGAPPNAME='guard_load pgbench')
            if self.load['search_path']:
                environment['PGOPTIONS'] = (os.environ.get('PGOPTIONS', '') + ' -c search_path=' + re.sub(r'([\\ ])', r'\\\1', self.load['search_path'])).strip()
            self.first = self.middle = counters(self.db)
            self.before = {}
            self.there = {row[0] for row in ask(self.db, INDEXES)}
            print('%.0f statements a second for %.0f s over %d connections, %s' % (
                self.load['rate'] * self.peak, self.length, self.clients, 'committed' if self.commit else 'writes rolled back'))
            self.watch = Watch(self.connection)
            self.watch.start()
            began, words = time.monotonic(), []
            bench = subprocess.Popen(self.command(self.scripts(scratch)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     start_new_session=True)
            try:
                for line in bench.stdout:
                    words.append(line)
                    self.second(line, began)
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                if bench.poll() is None and self.interrupted:
                    os.killpg(bench.pid, signal.SIGTERM)
                bench.wait()
                self.watch.over.set()
            if self.migration is not None and self.migration.poll() is None:
                self.migration.terminate()
                self.migration.wait()
        with open(os.path.join(self.folder, 'pgbench.out'), 'w', encoding='utf-8') as file:
            file.writelines(words)
        return bench.returncode, ''.join(words)

    def keep(self, status):
        """What compare wants to know."""
        last = counters(self.db)
        if self.migrated is None:
            self.before, self.middle = difference(last, self.first), last
        gone = sorted(self.there - {row[0] for row in ask(self.db, INDEXES)})
        dump(self.folder, 'run.json', {
            'peak': self.peak, 'seconds': self.length, 'connections': self.clients, 'status': status, 'interrupted': self.interrupted,
            'migration': self.file, 'migrated': self.migrated, 'ended': self.ended, 'migration_status': self.migration.returncode if self.migration else None,
            'samples': self.samples, 'before': self.before, 'after': difference(last, self.middle), 'gone': gone, 'cores': os.cpu_count(),
            'writes': 'commit' if self.commit else 'rollback'})


def run(options, connection):
    this = Run(options, connection)
    status, words = this.drive()
    this.keep(status)
    if this.interrupted:
        print('Interrupted; guard_load compare shows what was measured.')
        sys.exit(130)
    lost = re.search(r'Run was aborted|client \d+ (?:script .* )?aborted', words)
    if status or lost:
        errors = re.findall(r'(?:error|ERROR): +(.*)', words)
        print('guard_load: the load lost a connection, so these are no figures: %s' % (errors[0] if errors else 'pgbench ended with status %d' % status), file=sys.stderr)
        sys.exit(1)
    failed = re.search(r'number of failed transactions: ([0-9]+) \(([0-9.]+)%\)', words)
    if failed and int(failed.group(1)):
        print('%s statements failed (%s %%)' % failed.groups())


# ---- compare

def per_call(statement, counted):
    """Calls, time, rows and blocks read of a statement in staging."""
    total = [sum(part) for part in zip(*(counted[i] for i in statement['query_ids'] if i in counted))]
    if not total or not total[0]:
        return None
    return {'calls': total[0], 'mean_time': total[1] / total[0], 'rows': total[2] / total[0], 'blocks': total[3] / total[0]}


def full_since(ran):
    """The first second from which the pool was full, nine tenths of it busy, in three samples running."""
    after = [s for s in ran['samples'] if ran['migrated'] is None or s['second'] >= ran['migrated']]
    for n in range(len(after) - 2):
        if all(s['busy'] >= 0.9 * ran['connections'] for s in after[n:n + 3]):
            return after[n]['second'] - (ran['migrated'] or 0)
    return None


def figure(value, form='%.2f'):
    return '-' if value is None else form % value


def say_statements(load, ran, factor):
    """A line a statement, dearest first; those that became slower than the factor allows are returned."""
    slower, rows = [], []
    for s in load['statements']:
        before, after = per_call(s, ran['before']), per_call(s, ran['after']) if ran['migrated'] is not None else None
        ratio = after['mean_time'] / before['mean_time'] if before and after and before['mean_time'] else None
        # a hundredth of a millisecond more is nobody's outage
        if ratio is not None and ratio > factor and after['mean_time'] - before['mean_time'] > 1:
            slower.append((s, before, after))
        rows.append((s['rate'] * ((after or before or {}).get('mean_time') or 0), s, before, after, ratio))
    print('%-38s %8s %9s %9s %9s %7s %9s' % ('', 'calls/s', 'there ms', 'before', 'after', 'ratio', 'blocks'))
    for _, s, before, after, ratio in sorted(rows, key=lambda r: -r[0]):
        blocks = '%s:%s' % (figure(s['blocks_read_per_call'], '%.1f'), figure(before and before['blocks'], '%.1f'))
        print('%-38s %8.1f %9s %9s %9s %7s %9s' % (short(s['text'], 38), s['rate'], figure(s['mean_time']), figure(before and before['mean_time']),
                                                  figure(after and after['mean_time']), figure(ratio), blocks))
    return slower


def say_distance(load, ran):
    """How far the load is from production's: shares of calls, rows and times, before the migration."""
    pairs = [(s, per_call(s, ran['before'])) for s in load['statements']]
    seen = [(s, c) for s, c in pairs if c]
    if not seen:
        print('Staging does not count statements (pg_stat_statements), or this role may not read it: no times by statement.')
        return
    total, here = sum(s['rate'] for s, _ in seen), sum(c['calls'] for _, c in seen)
    worst = max([abs(c['calls'] / here / (s['rate'] / total) - 1) for s, c in seen if s['rate'] > total / 100] or [0])
    near = sum(s['rate'] for s, c in seen if s['rows_per_call'] is not None and abs(c['rows'] - s['rows_per_call']) <= 0.25 * max(s['rows_per_call'], 0.04))
    same = sum(s['rate'] for s, _ in pairs if set(s['indexes_there']) <= set(s['indexes']))
    print('Distance from production: shares of calls at most %.0f %% off (of those above 1 %%, in %d calls); %s of the calls with rows within 25 %%, %s with the same indexes.'
          % (100 * worst, here, share(near, total), share(same, sum(s['rate'] for s, _ in pairs))))
    if here < 100000:
        print('Fewer than 100,000 calls: up to 15 % of that is dice.')


def picture(folder, load, ran):
    """load.svg, by gnuplot."""
    if not shutil.which('gnuplot'):
        print('No picture: gnuplot is not in PATH.')
        return
    data = '\n'.join('%s %s %s %s' % (s['second'], s['rate'], s['latency'] or '?', s['busy']) for s in ran['samples'])
    mark = ''
    if ran['migrated'] is not None:
        mark = 'set arrow from %s, graph 0 to %s, graph 1 nohead dt 2 lc rgb "#c0392b"\n' % (ran['migrated'], ran['migrated'])
    script = ('set terminal svg size 800,640 font "sans-serif,12" background "#ffffff"\nset output "%s"\nset datafile missing "?"\n$data << EOD\n%s\nEOD\n'
              'set multiplot layout 3,1\nset lmargin 10\nset grid ytics lc rgb "#dddddd"\nset key left top\nset yrange [0:*]\n%s'
              'set title "Answered a second"\nplot %.2f title "asked" lc rgb "#999999" dt 2, $data using 1:2 with lines lw 2 lc rgb "#2471a3" title "answered"\n'
              'set title "Latency from the schedule, ms"\nset logscale y\nset yrange [*:*]\nplot $data using 1:3 with lines lw 2 lc rgb "#ca6f1e" title "mean of a second"\n'
              'unset logscale y\nset yrange [0:%d]\nset title "Busy connections"\nset xlabel "seconds"\n'
              'plot %d title "pool" lc rgb "#999999" dt 2, $data using 1:4 with lines lw 2 lc rgb "#1e8449" title "busy"\nunset multiplot\n'
              % (os.path.join(folder, 'load.svg').replace('"', ''), data, mark, load['rate'] * ran['peak'], round(ran['connections'] * 1.1) + 1, ran['connections']))
    if subprocess.run(['gnuplot'], input=script, text=True, capture_output=True, check=False).returncode == 0:
        print('Picture: %s' % os.path.join(folder, 'load.svg'))


def compare(options, _connection):
    folder, factor = options['dir'], float(options.get('factor', 2.0))
    load, ran = json_of(folder, 'load.json'), json_of(folder, 'run.json')
    say_coverage(load)
    if ran['status'] and not ran['interrupted']:
        raise Problem('the run lost a connection, so it has no figures; %s says why' % os.path.join(folder, 'pgbench.out'))
    print()
    slower = say_statements(load, ran, factor)
    print()
    say_distance(load, ran)
    full = full_since(ran)
    part = [s['busy'] for s in ran['samples'] if ran['migrated'] is None or s['second'] >= ran['migrated']]
    print('Busy connections: %s on average, %s at most, of %d; the pool was %s.' % (
        figure(sum(part) / len(part) if part else None, '%.1f'), round(max(part or [0])), ran['connections'],
        'never full' if full is None else 'full %.0f s after %s' % (max(0, full), 'the migration began' if ran['migrated'] is not None else 'the start')))
    for index in ran['gone']:
        said = load['predicted_connections'].get(index)
        print('%s is gone; guard predicted %s in production without it.' % (index, 'nothing' if said is None else '%.1f busy connections' % said))
    picture(folder, load, ran)
    if full is not None or slower:
        print('Production would not have stood it%s.' % (': %d statements are more than %g times slower' % (len(slower), factor) if slower else ''))
        sys.exit(1)
    print('Production would have stood it.')


# ---- the command line

COMMANDS = {'make': (make, 'profile', {'out', 'variants'}, {'average'}),
            'run': (run, 'dir', {'peak', 'for', 'migration', 'at', 'connections', 'writes', 'pgbench'}, set()),
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


try:
    main(sys.argv[1:])
except Problem as problem:
    print('guard_load: %s' % problem, file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:
    sys.exit(130)
