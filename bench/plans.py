"""Production's plans on an empty copy, statement by statement: what bench/plans runs (see there).

For each schema of schemas: a database with data, its profile, an empty copy of its schema with that profile.  Constants of the
statements are put where the profile has put the values: a constant that is a most common value is that value's code, any other
stands at its place between the codes of its neighbours.  That is what a position says, and no more.
"""
import bisect, json, os, re, subprocess, sys
from fractions import Fraction

here = os.path.dirname(os.path.abspath(__file__))
KEYS = ('Node Type', 'Relation Name', 'Alias', 'Index Name', 'Join Type', 'Strategy', 'Partial Mode', 'Parallel Aware', 'Scan Direction', 'Subplan Name',
        'Workers Planned', 'Subplans Removed', 'Operation', 'Parent Relationship')


def psql(database, script, stop=True):
    """what a script prints, with JSON or texts between marks"""
    r = subprocess.run(['psql', '-X', '-qAt', '-v', 'ON_ERROR_STOP=%d' % stop, '-d', database], input=script, text=True, capture_output=True, env=dict(os.environ, PGTZ='UTC'))
    if stop and r.returncode:
        sys.exit(f'plans: {database}: {r.stderr[:2000]}')
    return r.stdout, r.stderr


def marked(out):
    return dict((int(n), text.strip()) for n, text in re.findall(r'^@@(\d+)\n(.*?)(?=^@@|\Z)', out, re.M | re.S))


def quote(text):
    return "'" + text.replace("'", "''") + "'"


# ---- statements and their constants

LITERAL = re.compile(r"'(?:[^']|'')*'|(?:(?<=[<>=] )-)?(?<![\w.$])\d+(?:\.\d+)?(?![\w.])|\"[^\"]*\"|\w+|.", re.S)


def literals(text):
    """the constants of a statement in their order, without places of columns"""
    found, before = [], []
    for m in LITERAL.finditer(text):
        token = m[0]
        if token.isspace():
            continue
        if token[0] == "'" or token.lstrip('-')[:1].isdigit():
            place = token.isdigit() and re.search(r'\bby\s+(?:[\w.]+(?:\s+(?:asc|desc))?\s*,\s*)*$', text[:m.start()], re.I)
            if not place:
                found.append(token)
    return found


class Column:
    """the values of a column in production, with their codes: those of its table and of whatever inherits from it"""

    def __init__(self, type_):
        self.kind, self.pairs, self.rulers = KIND[type_], {}, []
        self.whole = type_ in ('smallint', 'integer', 'bigint', 'oid')

    def key(self, v):
        if self.kind == 'number':
            return Fraction(v)
        if self.kind == 'time':
            return seconds(v)
        return v.rstrip(' ').encode()

    def code_key(self, c):
        return Fraction(c) if self.kind in ('number', 'time') else c.rstrip(' ').encode()

    def add(self, values, codes, ruler):
        if values and codes and len(values) == len(codes):
            pairs = [(self.key(v), c) for v, c in zip(values, codes)]
            self.pairs.update(pairs)
            if ruler:
                self.rulers.append(pairs)

    def ready(self):
        self.sorted = sorted(self.pairs)

    def between(self, low, high, k):
        """a code between two, at the place of k between theirs"""
        a, b = self.pairs[low], self.pairs[high]
        if self.kind in ('number', 'time'):
            a, b = Fraction(a), Fraction(b)
            return a + (b - a) * (k - low) / (high - low)
        share = scalar(k, low, high)
        p = os.path.commonprefix([a, b])
        x, y = ((s[len(p):] + '0' * 12)[:12] for s in (a, b))
        if not (x + y).isdigit():
            return a + '5'
        return p + ('%012d' % (int(x) + (int(y) - int(x)) * share)).rstrip('0')

    def place(self, value):
        """the code of a constant, and what it is: value, bucket, beyond"""
        k = self.key(value)
        if k in self.pairs:
            return self.pairs[k], 'value'
        if not self.sorted:
            return None, 'none'
        i = bisect.bisect(self.sorted, k)
        if i == 0 or i == len(self.sorted):
            c = self.pairs[self.sorted[0 if i == 0 else -1]]
            if self.kind in ('number', 'time'):
                return str(Fraction(c) + (-1 if i == 0 else 1)), 'beyond'
            return ('' if i == 0 else c + '9'), 'beyond'
        low, high = self.sorted[i - 1], self.sorted[i]
        best = None
        for ruler in self.rulers[:1]:
            ks = [r[0] for r in ruler]
            j = bisect.bisect(ks, k)
            if 0 < j < len(ks):
                best = self.between(ks[j - 1], ks[j], k)
        if best is None or not self.code_key(self.pairs[low]) < self.code_key(str(best)) < self.code_key(self.pairs[high]):
            best = self.between(low, high, k)
        return str(best), 'bucket'


def scalar(s, low, high):
    """as convert_string_to_scalar() has it"""
    first, last = min(low + high or b'\0'), max(low + high or b'\xff')
    for a, b in (b'AZ', b'az', b'09'):
        if first <= b and last >= a:
            first, last = min(first, a), max(last, b)
    if last - first < 9:
        first, last = 32, 127
    while low and high and low[0] == high[0] and s[:1] == low[:1]:
        low, high, s = low[1:], high[1:], s[1:]

    def one(x):
        sum_, base = 0.0, last - first + 1.0
        for c in x[:12]:
            sum_ += (min(max(c, first - 1), last + 1) - first) / base
            base *= last - first + 1.0
        return sum_
    a, b, c = one(low), one(high), one(s)
    return min(max((c - a) / (b - a), 0.0), 1.0) if b > a else 0.5


def seconds(v):
    """of a date or time in UTC, since 2000"""
    import datetime
    m = re.match(r'(\d+)-(\d+)-(\d+)(?:[ T](\d+):(\d+):(\d+)(\.\d+)?)?', v)
    days = (datetime.date(int(m[1]), int(m[2]), int(m[3])) - datetime.date(2000, 1, 1)).days
    return Fraction(days * 86400) + (Fraction(int(m[4]) * 3600 + int(m[5]) * 60 + int(m[6])) + Fraction(m[7] or 0) if m[4] else 0)


KIND = {'smallint': 'number', 'integer': 'number', 'bigint': 'number', 'numeric': 'number', 'real': 'number', 'double precision': 'number', 'oid': 'number',
        'date': 'time', 'timestamp with time zone': 'time', 'timestamp without time zone': 'time',
        'text': 'text', 'character varying': 'text', 'character': 'text', 'name': 'text', 'uuid': 'text'}


def columns_of(database, profile):
    """by (table, column), with what the children of a table say in the parent's as well; the schema's own constants are what they are"""
    constants = set(re.findall(r"'((?:[^']|'')*)'", psql(database, """SELECT string_agg(e, ' ') FROM (SELECT pg_get_expr(conbin, conrelid) e FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0
        UNION ALL SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indpred IS NOT NULL) x WHERE e IS NOT NULL""")[0]))
    stats = json.loads(psql(database, "SELECT COALESCE(json_agg(json_build_array(schemaname, tablename, attname, inherited, most_common_vals::text::text[], histogram_bounds::text::text[])), '[]') "
                                      "FROM pg_stats WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'guard')")[0])
    raw = {(s, t, a, i): (m, h) for s, t, a, i, m, h in stats}
    parents = {(r['schema'], r['name']): [(p['schema'], p['name']) for p in r.get('parents', [])] for r in profile['relations']}
    found = {}
    for r in profile['relations']:
        for name, c in r.get('columns', {}).items():
            up = [(r['schema'], r['name'])]
            for p in up:
                up += parents.get(p, [])
            for which in ('own', 'with_children'):
                if which not in c or c['type'] not in KIND:
                    continue
                m, h = raw.get((r['schema'], r['name'], name, which == 'with_children'), (None, None))
                low_high = c[which].get('ends_from_index')
                for t in up:
                    col = found.setdefault((*t, name), Column(c['type']))
                    col.add(m, c[which].get('common'), False)
                    hist = c[which].get('histogram')
                    if h and hist and low_high and t == up[0]:
                        ends = psql(database, f'SELECT min("{name}"), max("{name}") FROM ONLY "{r["schema"]}"."{r["name"]}"')[0].strip().split('|')
                        h = [ends[0]] + h[1:-1] + [ends[1]]
                    col.add(h, hist, t == up[0])
    for col in found.values():
        if col.kind == 'text':
            col.pairs.update((col.key(c), c) for c in constants if col.key(c) not in col.pairs)
        col.ready()
    return found


def coded(text, given, parameters, columns, exported, why):
    """the text as the profile has it, with codes for its constants"""
    values = {}
    for n, token in enumerate(given, 1):
        p = parameters.get(n, {'role': 'other'})
        raw = token[1:-1].replace("''", "'") if token[0] == "'" else token
        column = columns.get((p.get('schema'), p.get('table'), p.get('column')))
        values[n] = quote(raw)
        if p['role'] in ('compared', 'list') and column is not None and p.get('operator') not in ('like', 'ilike', '~~', '~', '@>', '<@', '&&'):
            code, how = column.place(raw)
            why[how] = why.get(how, 0) + 1
            if code is not None and column.kind == 'time':
                code = time_of(exported, code)
            elif code is not None and column.kind == 'number':
                code = number_of(code, column.whole)
            values[n] = quote(code) if code is not None else values[n]
        elif 'pattern' in p.get('position', {}):
            values[n] = quote(p['position']['pattern'])
        elif p['role'] in ('compared', 'list', 'other'):
            k = p.get('operator') or p['role']
            why[k] = why.get(k, 0) + 1
    return re.sub(r'\$(\d+)', lambda m: values[int(m[1])], text)


def plain(text):
    """without the types that numbers have where pg_stat_statements shows them, and their signs, which it hides"""
    return re.sub(r'(?:(?<=[<>=] )-)?CAST\((\$\d+) AS (integer|bigint|numeric|boolean)\)', r'\1', text)


def squeezed(text):
    """a text with one parameter for each list, as 18 shows it, and which of its parameters that makes each of them"""
    found = {}

    def first(parameters):
        numbers = [int(n) for n in re.findall(r'\d+', parameters)]
        new = found.setdefault(numbers[0], len(set(found.values())) + 1)
        found.update((n, new) for n in numbers)
        return f'${new}'
    return re.sub(r'(\bIN \()(\$\d+(?:, \$\d+)*) ?(?=\))|\$\d+', lambda m: (m[1] or '') + first(m[2] or m[0]), plain(text)), found


def number_of(code, whole):
    f = Fraction(code)
    if whole:
        return str(f.numerator // f.denominator)
    return str(f.numerator) if f.denominator == 1 else '%.6f' % float(f)


def time_of(exported, code):
    import datetime
    t = datetime.datetime.fromisoformat(exported.replace('Z', '+00:00')) + datetime.timedelta(seconds=float(Fraction(code)))
    return t.strftime('%Y-%m-%d %H:%M:%S.%f')


# ---- plans

def shape(plan):
    s = [(k, plan[k]) for k in KEYS if k in plan]
    s += [k for k in sorted(plan) if k.endswith(('Cond', 'Filter', 'Key'))]
    return s, [shape(c) for c in plan.get('Plans', [])]


def outline(plan, depth=3):
    words = ' '.join(str(plan[k]) for k in ('Node Type', 'Join Type', 'Relation Name', 'Index Name', 'Workers Planned') if k in plan)
    return '    ' * depth + f"{words}  {plan['Total Cost']:.1f}  {plan['Plan Rows']} rows\n" + ''.join(outline(c, depth + 1) for c in plan.get('Plans', []))


def plans(database, statements, before='', after=''):
    script = before + ''.join(f'\\echo @@{n}\nEXPLAIN (FORMAT JSON) {s};\n' for n, s in enumerate(statements)) + after
    out, err = psql(database, script, stop=False)
    found = {}
    for n, text in marked(out).items():
        try:
            found[n] = json.loads(text)[0]['Plan']
        except ValueError:
            found[n] = None
    notices = re.findall(r'DETAIL:  (.*?)(?=^psql|\Z)', err, re.M | re.S)
    errors = [e for e in err.split('\n') if 'ERROR' in e]
    return found, errors


def compare(name, what, statements, mine, theirs, details):
    row = [len(statements), 0, 0, 0]
    for n, s in enumerate(statements):
        a, b = theirs.get(n), mine.get(n)
        if a is None or b is None:
            details.append(f'  [{name}, {what}] no plan {"there" if a is None else "here"}: {s[:150]}\n')
            continue
        ratio = b['Total Cost'] / a['Total Cost'] if a['Total Cost'] else 1.0
        same = shape(a) == shape(b)
        for i, good in enumerate((same, abs(ratio - 1) <= 0.01, abs(ratio - 1) <= 0.1), 1):
            row[i] += good
        if not same or abs(ratio - 1) > 0.01:
            details.append(f'  [{name}, {what}] {"same shape" if same else "OTHER SHAPE"}, cost x{ratio:.3f}: {s[:220]}\n' + ('' if same else outline(a) + '            here\n' + outline(b)))
    return row


def read(file):
    """a file of schemas: what fills it, its statements, and the index to be dropped"""
    text = open(file).read()
    data, _, queries = text.partition('-- @ queries')
    head, _, queries = queries.partition('\n')
    return data, [q.strip() for q in re.split(r';\s*\n', queries) if q.strip()], re.search(r'dropped: (\S+)', head)


def fill(live, data, ddl):
    """a database with schema, rows and guard; its search_path"""
    psql('postgres', f'DROP DATABASE IF EXISTS {live}; CREATE DATABASE {live};')
    psql(live, ddl or '', stop=False)
    psql(live, 'SET client_min_messages = warning;\n' + data)
    path = psql(live, "SELECT string_agg(quote_ident(nspname), ', ') || ', public' FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'")[0].strip() or 'public'
    psql('postgres', f'ALTER DATABASE {live} SET search_path = {path}')
    psql(live, 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public; CREATE EXTENSION guard; VACUUM ANALYZE')
    return path


def schema(name, file, ddl):
    """fill, export, copy, compare: rows for the table, and what differs"""
    data, statements, dropped = read(file)
    live, copy = name, name + '_copy'
    path = fill(live, data, ddl)
    psql('postgres', f'DROP DATABASE IF EXISTS {copy}; CREATE DATABASE {copy}; ALTER DATABASE {copy} SET search_path = {path}')
    psql('postgres', f"CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()")
    psql(live, ''.join(f"BEGIN; SET LOCAL statement_timeout = '60s'; {s}; ROLLBACK;\n" for s in statements), stop=False)
    given, details, rows = [literals(s) for s in statements], [], []
    ways = json.loads(psql(live, 'SELECT json_agg(json_build_array(p.prepared, p.parameters) ORDER BY s.n) FROM unnest(ARRAY[' + ', '.join(quote(s) for s in statements) +
                           ']) WITH ORDINALITY s (s, n), LATERAL guard.profile_scan(s.s) p')[0])
    dump = subprocess.run(['pg_dump', '-s', '-x', live], text=True, capture_output=True, check=True).stdout
    dump = '\n'.join(l for l in dump.split('\n') if not re.match(r'(CREATE EXTENSION|COMMENT ON EXTENSION|CREATE EVENT TRIGGER|SET transaction_timeout|CREATE SCHEMA public|\\(un)?restrict)', l))
    psql(copy, 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public; CREATE EXTENSION guard; SET guard.mode = off;' + re.sub(r'^.*EVENT TRIGGER.*$', '', dump, flags=re.M), stop=False)
    for how in os.environ.get('LITERALS', 'all none').split():
        # now() is the export's in all of it
        script = f"BEGIN; SELECT guard.export_profile({quote(how)}) \\g {work}/{name}.json\n"
        theirs, errors = plans(live, statements, script, 'ROLLBACK;' if not dropped else f'\nSET guard.without_index = {quote(dropped[1])};\n')
        less = {}
        if dropped:
            # the same transaction would be needed for now(): so again
            less, _ = plans(live, statements, f'SET guard.without_index = {quote(dropped[1])};\nBEGIN; SELECT guard.export_profile({quote(how)}) \\g {work}/{name}.less.json\n', 'ROLLBACK;')
        profile = json.load(open(f'{work}/{name}.json'))
        can_prepare[name] = preparable(live, profile)
        details += [f'  [{name}] cannot be prepared: {t[:150]}\n' for t in can_prepare[name][2] if how == 'none']
        psql(copy, f"SELECT guard.import_profile({quote(how)}, pg_read_file('{work}/{name}.json')::jsonb)" +
             (f"; SELECT guard.import_profile({quote(how + ' less')}, pg_read_file('{work}/{name}.less.json')::jsonb)" if dropped else ''))
        why = {}
        if how == 'none':
            known = {squeezed(s['text'])[0]: s for s in profile['statements']}
            columns = columns_of(live, profile)
            here_ = []
            for s, lits, (prepared, scanned) in zip(statements, given, ways):
                key, places = squeezed(prepared)
                entry = known.get(key)
                if entry is None:
                    details.append(f'  [{name}] not in the profile: {prepared[:200]}\n')
                    parameters = {p['number']: p for p in scanned}
                else:
                    there = {squeezed(entry['text'])[1].get(p['number']): p for p in entry['parameters']}
                    parameters = {n: there[place] for n, place in places.items() if place in there}
                if len(parameters) != len(lits):
                    sys.exit(f'plans: {len(lits)} constants, {len(parameters)} parameters in {s}\n{prepared}\n{lits}')
                here_.append(coded(entry['text'] if entry and all(a == b for a, b in places.items()) else plain(prepared), lits, parameters, columns, profile['exported'], why))
        else:
            here_ = statements
        mine, errors = plans(copy, here_, f'SET guard.plan_as = {quote(how)};\n')
        details += [f'  [{name}, {how}] {e}\n' for e in errors[:5]]
        rows.append((name, how, *compare(name, how, statements, mine, theirs, details)))
        if dropped:
            mine, errors = plans(copy, here_, f"SET guard.plan_as = {quote(how + ' less')};\nSET guard.without_index = {quote(dropped[1])};\n")
            rows.append((name, how + ', one dropped', *compare(name, how + ', one dropped', statements, mine, less, details)))
        if why and os.environ.get('VERBOSE'):
            print(name, why, file=sys.stderr)
    return rows, details


def preparable(database, profile):
    """how many texts of a profile can be prepared, of how many, and which cannot"""
    texts = [s['text'] for s in profile['statements']]
    out, _ = psql(database, ''.join(f'PREPARE bench_{n} AS {t};\n' for n, t in enumerate(texts)) +
                  "\\echo @@0\nSELECT json_agg(substr(name, 7)::int) FROM pg_prepared_statements WHERE name LIKE 'bench%'", stop=False)
    prepared = json.loads(marked(out)[0])
    return len(prepared), len(texts), [t for n, t in enumerate(texts) if n not in prepared]


can_prepare = {}
work = os.environ.get('WORK', '/tmp')


def ddl_of(name):
    """what makes the tables, where the file of schemas does not; None: it is not at hand"""
    if os.path.exists(f'{os.environ.get("SCHEMAS", "-")}/{name}.sql'):
        # psql's own commands of newer pg_dumps, and settings that older servers do not know
        return re.sub(r'^(\\\\|SET transaction_timeout|CREATE SCHEMA public).*$', '', open(f'{os.environ["SCHEMAS"]}/{name}.sql').read(), flags=re.M)
    if name == 'demo':
        return '\n'.join(l for l in open(here + '/../demo/sql/schema.sql').read().split('\n') if not re.match(r'CREATE ROLE|CREATE EXTENSION|SET ROLE|GRANT|ALTER DEFAULT', l)).replace(' AUTHORIZATION deploy', '')
    return None if name in ('openqa', 'mailman-web', 'unleash') else ''


def main():
    names = sys.argv[1:] or sorted(f[:-4] for f in os.listdir(here + '/schemas') if f.endswith('.sql'))
    total, details = {}, []
    print(f'{"schema":18} {"literals":22} {"statements":>10} {"same shape":>11} {"cost 1 %":>9} {"10 %":>6}')
    for name in names:
        ddl = ddl_of(name)
        if ddl is None:
            print(f'{name:18} left out: its schema is not at hand')
            continue
        rows, more = schema(name.replace('-', '_'), f'{here}/schemas/{name}.sql', ddl)
        details += more
        for n, how, *figures in rows:
            print(f'{n:18} {how:22} {figures[0]:>10} {figures[1]:>11} {figures[2]:>9} {figures[3]:>6}')
            total[how] = [a + b for a, b in zip(total.get(how, [0] * 4), figures)]
    for how, figures in total.items():
        print(f'{"all":18} {how:22} {figures[0]:>10} ' + ' '.join(f'{100 * f / figures[0]:>{w - 2}.1f} %' for f, w in zip(figures[1:], (11, 9, 6))))
    print('\nTexts that can be prepared: ' + ', '.join(f'{name} {n} of {m}' for name, (n, m, _) in can_prepare.items()))
    print('\nWhat differs:\n' + ''.join(details))


if __name__ == '__main__':
    main()
