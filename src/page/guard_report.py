#!/usr/bin/python3
"""guard_report tells what guard knows of a database as one page for people.

Usage:
  guard_report [OPTION]... > report.html
  guard_report --markdown [OPTION]... > ticket.md

What can go, and what that saves; what is needed, and by whom; drops in stages;
use by hour of day; what was refused; how old the evidence is, and its gaps;
how the database differs from an imported profile; standbys.
The page needs no network and no other file.

Options:
  --markdown               Markdown in place of HTML, without pictures
  --days=N                 how far back (14)
  --rows=N                 so many rows a table, at most (25)
  --statements             with the texts of statements, as
                           pg_stat_statements has them
Connection:
  -d, --dbname=DBNAME      database to connect to, or a connection string
  -h, --host=HOST          server to connect to
  -p, --port=PORT          its port
  -U, --username=USERNAME  role to connect as
  --help                   show this help
  --version                show the version

The role has to be a member of pg_monitor; a superuser is not needed. Nothing is
changed in the database.

Environment:
  All variables of libpq count: PGHOST, PGSERVICE, PGPASSFILE, PGOPTIONS, ...

Exit status:
  0  done
  2  wrong usage, or something cannot be read or reached
"""
import datetime
import html
import os
import re
import sys

try:
    import psycopg2
    import psycopg2.extras
except ImportError:
    psycopg2 = None             # --help, and so the manual page, does without it

VERSION = '@VERSION@'
CONNECTION = {'-d': 'dbname', '--dbname': 'dbname', '-h': 'host', '--host': 'host', '-p': 'port', '--port': 'port', '-U': 'user', '--username': 'user'}


class Problem(Exception):
    """What ends the program with status 2."""


# ---- words: how figures are said, the same in both forms

def clean(value):
    """Text of the database on one line; what could rule a terminal or turn the line around is replaced."""
    return re.sub('[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+', ' ', str(value))


def size(n):
    """Bytes."""
    if n is None:
        return 'not known'
    for unit in ('B', 'kB', 'MB', 'GB'):
        if n < 1024:
            break
        n /= 1024
    else:
        unit = 'TB'
    return ('%.0f %s' if n >= 10 or unit == 'B' else '%.1f %s') % (n, unit)


def count(n, noun, plural=None):
    return '1 ' + noun if n == 1 else '%s %s' % (number(n), plural or noun + 's')


def number(n):
    """A figure that somebody reads: three places count."""
    if n is None:
        return ''
    if n >= 1e6:
        return '%.3g million' % (n / 1e6)
    if n >= 100 or n == int(n):
        return '{:,.0f}'.format(n)
    return '%.3g' % n if n >= 0.01 else 'under 0.01'


def rate(per_day):
    """Scans, in the unit in which they are a number above one."""
    if not per_day:
        return '0' if per_day == 0 else ''
    for seconds, unit in ((1, 's'), (60, 'min'), (3600, 'h')):
        if per_day * seconds / 86400 >= 1:
            return '%s/%s' % (number(per_day * seconds / 86400), unit)
    return number(per_day) + '/day'


def span(seconds):
    """How long."""
    for length, unit in ((86400, 'days'), (3600, 'h'), (60, 'min')):
        if seconds >= 2 * length:
            return '%.0f %s' % (seconds / length, unit)
    return '%.0f s' % seconds


def moment(at):
    return at.strftime('%Y-%m-%d %H:%M') if at else ''


# ---- the parts that a page is made of

class Table:
    """Columns are names, or (name, 'n') for figures; the first says what a row is about."""

    def __init__(self, columns, rows, more=0):
        self.columns = [c if isinstance(c, tuple) else (c, '') for c in columns]
        self.rows, self.more = rows, more


class Chart:
    """A picture, which HTML alone has."""

    def __init__(self, svg, legend=()):
        self.svg, self.legend = svg, legend


class Note:
    def __init__(self, text):
        self.text = text


class Section:
    """The title says what is seen."""

    def __init__(self, name, title, *parts):
        self.name, self.title, self.parts = name, title, [p for p in parts if p]


def e(value):
    """For HTML, within an attribute as well."""
    return html.escape(clean(value), quote=True)


# ---- pictures: widths are shares of the page's, heights and letters are not, so they are readable on a telephone

def svg(height, label, body):
    return '<svg class="chart" width="100%%" height="%d" role="img" aria-label="%s">%s</svg>' % (height, e(label), ''.join(body))


def rect(x, y, width, height, kind, title, more=''):
    return '<rect class="%s" x="%.2f%%" y="%d" width="%.2f%%" height="%d" %s><title>%s</title></rect>' % (kind, x, y, max(width, 0.15), height, more, e(title))


def text(x, y, words, anchor='start', kind='label'):
    return '<text class="%s" x="%.2f%%" y="%d" text-anchor="%s">%s</text>' % (kind, x, y, anchor, e(words))


def short(name, said):
    """A name as long as a telephone has room for beside what is said at its end; its ends tell more than its middle."""
    name, room = clean(name), max(44 - len(said), 16)
    return name if len(name) <= room else name[:room // 2] + '\u2026' + name[1 - room // 2:]


def bars(rows, label, say):
    """A bar a row, its name above: (name, value)."""
    most = max(value for _, value in rows) or 1
    body, y = [], 0
    for name, value in rows:
        body += [text(0, y + 12, short(name, say(value))), text(100, y + 12, say(value), 'end', 'value'),
                 rect(0, y + 18, 100 * value / most, 10, 'bar', '%s: %s' % (name, say(value)))]
        y += 40
    return Chart(svg(y, label, body))


class Axis:
    """Time from left to right."""

    def __init__(self, start, end):
        self.start, self.end = start, end
        self.length = max((end - start).total_seconds(), 1)

    def at(self, when):
        return min(max(100 * (when - self.start).total_seconds() / self.length, 0), 100)

    def ticks(self, y):
        form = '%m-%d' if self.length > 3 * 86400 else '%m-%d %H:%M' if self.length > 86400 else '%H:%M'
        found = []
        for n, anchor in ((0, 'start'), (1, 'middle'), (2, 'middle'), (3, 'end')):
            x = 100 * n / 3
            found.append('<line class="grid" x1="%.2f%%" x2="%.2f%%" y1="0" y2="%d"/>' % (x, x, y - 14))
            found.append(text(x, y, (self.start + datetime.timedelta(seconds=self.length * n / 3)).strftime(form), anchor, 'tick'))
        return found


def lanes(axis, rows, label, legend):
    """Spans of time, a lane each: (name, what is said at its end, [(from, to, kind, title)])."""
    body, y = [], 0
    for name, said, spans in rows:
        body += [text(0, y + 12, short(name, said)), text(100, y + 12, said, 'end', 'value')]
        body += [rect(axis.at(a), y + 18, axis.at(b) - axis.at(a), 12, kind, title) for a, b, kind, title in spans]
        y += 44
    return Chart(svg(y + 16, label, axis.ticks(y + 12) + body), legend)


def heat(rows, label):
    """A row of 24 cells an index: (name, what is said at its end, {hour: value}).  All have one scale, and dark is much."""
    most = max(max(hours.values()) for _, _, hours in rows) or 1
    body, y = [text(100 * h / 24, 10, '%02d:00' % h, 'start', 'tick') for h in (0, 6, 12, 18)], 16
    for name, said, hours in rows:
        body += [text(0, y + 12, short(name, said)), text(100, y + 12, said, 'end', 'value')]
        for hour in range(24):
            value = hours.get(hour, 0)
            # a tenth is seen, since use spans magnitudes
            shade = 'style="fill-opacity:%.3f"' % (0.08 + 0.92 * (value / most) ** 0.4) if value else ''
            body.append(rect(100 * hour / 24, y + 18, 100 / 24 - 0.3, 18, 'cell' if value else 'none', '%s, %02d:00 to %02d:59: %s uses an hour' % (name, hour, hour, number(value)), shade))
        y += 46
    return Chart(svg(y, label, body), [('none', 'no use'), ('cell low', 'few'), ('cell', '%s uses an hour' % number(most))])


def days_chart(days, label):
    """Two kinds of columns beside each other: [(day, refused, let go)]."""
    most, height = max(max(r, o) for _, r, o in days) or 1, 110
    body = ['<line class="grid" x1="0" x2="100%%" y1="%d" y2="%d"/>' % (height + 14, height + 14), text(0, 10, number(most), 'start', 'tick'),
            '<line class="grid" x1="0" x2="100%" y1="14" y2="14"/>']
    wide = 100 / len(days)
    for n, (day, refused, let_go) in enumerate(days):
        for value, kind, shift, what in ((refused, 'bar', 0.12, 'refused'), (let_go, 'warn', 0.5, 'let go by observe')):
            if value:
                tall = max(round(height * value / most), 2)
                body.append(rect(wide * (n + shift), 14 + height - tall, wide * 0.36, tall, kind, '%s: %s %s' % (day.strftime('%m-%d'), number(value), what)))
        if n in (0, len(days) - 1) or (n == len(days) // 2 and len(days) > 4):
            anchor = 'start' if n == 0 else 'end' if n == len(days) - 1 else 'middle'
            body.append(text(wide * (n + (0 if n == 0 else 1 if n == len(days) - 1 else 0.5)), height + 28, day.strftime('%m-%d'), anchor, 'tick'))
    return Chart(svg(height + 32, label, body), [('bar', 'refused'), ('warn', 'let go by observe: enforce would refuse')])


# ---- the database

def connect(words):
    if psycopg2 is None:
        raise Problem('psycopg2 is missing: install python3-psycopg2')
    try:
        db = psycopg2.connect(' '.join(words), application_name='guard_report', cursor_factory=psycopg2.extras.NamedTupleCursor)
        db.set_session(readonly=True, autocommit=True)
        # bytes of any encoding come through where the server knows of none
        db.set_client_encoding('LATIN1' if db.get_parameter_status('server_encoding') == 'SQL_ASCII' else 'UTF8')
    except psycopg2.Error as error:
        raise Problem(str(error).strip()) from None
    return db


class Database:
    def __init__(self, words, options):
        self.db = connect(words)
        self.days, self.most = options['days'], options['rows']
        self.ask("SET search_path = pg_catalog; SET lock_timeout = '2s'; SET datestyle = ISO; SET intervalstyle = postgres")
        self.me = self.one("""
            SELECT current_database() AS name, current_setting('server_version') AS server, now() AS now, current_setting('TimeZone') AS zone, current_user AS role,
                   (SELECT extversion FROM pg_extension WHERE extname = 'guard') AS guard, pg_has_role('pg_monitor', 'USAGE') AS monitor,
                   pg_is_in_recovery() AS standby""")
        if self.me.guard is None:
            raise Problem('guard is not in database "%s": CREATE EXTENSION guard;' % self.me.name)
        if not self.me.monitor:
            raise Problem('role "%s" would see too little: GRANT pg_monitor TO %s;' % (self.me.role, self.me.role))

    def ask(self, sql, values=None):
        with self.db.cursor() as cursor:
            try:
                cursor.execute(sql, values)
                return cursor.fetchall() if cursor.description else []
            except psycopg2.Error as error:
                raise Problem(str(error).strip()) from None

    def one(self, sql, values=None):
        return self.ask(sql, values)[0]

    def since(self):
        return self.me.now - datetime.timedelta(days=self.days)

    def cut(self, rows):
        """Those that are shown, and how many are not."""
        return rows[:self.most], max(len(rows) - self.most, 0)


# What can go is what guard.clean_up() has in its script.
INDEXES = """
    SELECT f.index::text AS name, x.indrelid::regclass::text AS heap, f.verdict, f.reason, f.detail, COALESCE(f.keep_instead, f.redundant_with) AS instead,
           f.size_bytes AS size, f.scans_per_day AS scans, f.hour_peak AS peak, f.predicted_connections AS busy, f.services, f.last_use, f.index::oid AS oid, f.hidden,
           f.verdict = 'allow' AND f.reason NOT IN ('approved', 'unknown') AND f.enforces IS NULL AND NOT (f.reason = 'harmless' AND f.size_bytes <= 131072)
           AND (NOT f.hidden OR h.hidden_at + current_setting('guard.trial_period')::interval <= now()) AS can_go,
           CASE WHEN d.stats_reset < now() - interval '1 hour'
                THEN (s.n_tup_ins + s.n_tup_upd - s.n_tup_hot_upd) * 86400 / extract(epoch FROM now() - d.stats_reset) END::float8 AS writes
      FROM guard.index_facts f JOIN pg_index x ON x.indexrelid = f.index
      LEFT JOIN guard.hidden_indexes h ON h.index = f.index
      LEFT JOIN pg_stat_all_tables s ON s.relid = x.indrelid
      LEFT JOIN pg_stat_database d ON d.datname = current_database()
     WHERE f.index_name !~ '^guard_drop_[0-9]+$'
     ORDER BY f.size_bytes DESC NULLS LAST, 1"""


def needed_by(row):
    return clean(row.services) if row.services else ''


# ---- the sections

def what_can_go(base, indexes):
    rows = [r for r in indexes if r.can_go]
    if not indexes:
        return Section('go', 'There is no index yet')
    if not rows:
        return Section('go', 'No index can go', Note('Of %s none is known to be without use, or wins anything.' % count(len(indexes), 'index', 'indexes')))
    won = sum(r.size or 0 for r in rows)
    writes = sum(r.writes or 0 for r in rows)
    shown, more = base.cut(rows)
    return Section('go', '%s of %d can go: that saves %s' % (count(len(rows), 'index', 'indexes'), len(indexes), size(won)),
                   Note('All of them together, as guard judged them just now. SELECT guard.clean_up(); writes it as a script, with the way back.'
                        + (' Without them about %s entries of indexes a day need not be written.' % number(writes) if writes >= 1 else '')),
                   bars([(r.name, r.size) for r in shown[:10] if r.size], 'Sizes of the largest indexes that can go', size) if won else None,
                   Table(['Index', 'Table', ('Size', 'n'), 'Why', 'Stays instead'],
                         [(r.name, r.heap, size(r.size), '%s: %s' % (r.reason, r.detail) if r.detail else r.reason, r.instead or '') for r in shown], more))


def what_is_needed(base, indexes, statements):
    rows = sorted((r for r in indexes if r.verdict in ('block', 'delay')), key=lambda r: (-(r.busy or 0), -(r.scans or 0), r.name))
    if not rows:
        return Section('hot', 'No index is known to be needed', Note('Nothing would be refused: no traffic was seen to use an index, or tables are too small for it to matter.') if indexes else None)
    shown, more = base.cut(rows)
    dearest = [r for r in rows if r.busy]
    first = dearest[0] if dearest else rows[0]
    title = '%s %s needed' % (count(len(rows), 'index', 'indexes'), 'is' if len(rows) == 1 else 'are')
    if dearest and first.busy >= 0.1:
        title += ': without %s its statements would keep %s busy' % (first.name, count(first.busy, 'connection'))
    parts = [Note('A drop of these is refused, or carried out in stages. Connections are what their statements would keep busy without the index, by estimate.')]
    if dearest:
        parts.append(bars([(r.name, r.busy) for r in dearest[:10]], 'Connections that would be busy without the index', lambda v: count(v, 'connection')))
    parts.append(Table(['Index', 'Table', 'Who needs it', ('Scans', 'n'), ('Busiest hour', 'n'), 'Last use', ('Connections without it', 'n'), 'Why'],
                       [(r.name, r.heap, needed_by(r), rate(r.scans), number(r.peak), moment(r.last_use), number(r.busy), r.reason) for r in shown], more))
    if statements:
        found = [(r.name, number(s.calls_per_second), number(s.mean_time), number(s.predicted_time), s.query) for r in shown[:10] for s in base.ask(
            'SELECT calls_per_second, mean_time, predicted_time, query FROM guard.index_statements(%s::oid::regclass) WHERE query IS NOT NULL LIMIT 3', (r.oid,))]
        if found:
            parts.append(Table(['Index', ('Calls/s', 'n'), ('ms now', 'n'), ('ms without it', 'n'), 'Statement'], found))
    return Section('hot', title, *parts)


def use_by_hour(base, indexes):
    hours = {}
    for row in base.ask("""SELECT u.relation::oid AS oid, extract(hour FROM u.hour)::int AS hour, sum(u.uses)::float8 AS uses
                             FROM guard.use_by_hour u WHERE u.hours = 1 AND u.hour >= date_trunc('hour', %s::timestamptz) GROUP BY 1, 2""", (base.since(),)):
        hours.setdefault(row.oid, {})[row.hour] = row.uses
    first = base.one("SELECT greatest(min(hour), date_trunc('hour', %s::timestamptz)) AS at FROM guard.use_by_hour WHERE hours = 1", (base.since(),)).at
    days = min(max((base.me.now - first).total_seconds() / 86400 if first else 1, 1), 14)
    rows = sorted(((r, {h: n / days for h, n in hours[r.oid].items()}) for r in indexes if hours.get(r.oid)), key=lambda p: -sum(p[1].values()))[:12]
    if not rows:
        return Section('hours', 'No use by hour of day is written down yet', Note('A snapshot writes it down: guard\'s worker, where guard is preloaded, or SELECT guard.snapshot(); from cron.'))
    together = {}
    for _, mine in rows:
        for hour, n in mine.items():
            together[hour] = together.get(hour, 0) + n
    peak = max(together, key=together.get)
    return Section('hours', 'Most use comes from %02d:00 to %02d:59' % (peak, peak),
                   Note('Uses an hour, by hour of day (%s), on average over %s. The %s.' % (base.me.zone, count(round(days), 'day'), 'busiest index' if len(rows) == 1 else '%d busiest indexes' % len(rows))),
                   heat([(r.name, '%s a day' % number(sum(mine.values())), mine) for r, mine in rows], 'Use of indexes by hour of day'),
                   Table(['Index', ('Uses a day', 'n'), 'Busiest hour'], [(r.name, number(sum(m.values())), '%02d:00' % max(m, key=m.get)) for r, m in rows]))


def soft_drops(base):
    rows = base.ask("""SELECT index_name, state, state_since, next_step, next_at, dropped_by, dropped_at, hidden_at, attempts, last_error
                         FROM guard.soft_drops WHERE state IN ('waiting', 'hidden') OR state_since >= %s ORDER BY dropped_at DESC""", (base.since(),))
    if not rows:
        return Section('soft', 'No index is being dropped in stages')
    now, shown = base.me.now, base.cut(rows)[0]
    axis = Axis(min(max(r.dropped_at, base.since()) for r in shown), now)

    def spans(r):
        over = r.state_since if r.state in ('dropped', 'restored') else now
        hidden = r.hidden_at or over
        yield r.dropped_at, min(hidden, over), 'wait', 'renamed, and waits, from %s' % moment(r.dropped_at)
        if r.hidden_at:
            yield r.hidden_at, over, 'bar', 'hidden from %s' % moment(r.hidden_at)
        if r.state == 'restored':
            yield r.state_since, now, 'good', 'given back %s' % moment(r.state_since)
        elif r.state == 'dropped':
            yield r.state_since, now, 'none', 'dropped %s' % moment(r.state_since)
    going = sum(r.state in ('waiting', 'hidden') for r in rows)
    back = sum(r.state == 'restored' for r in rows)
    return Section('soft', '%s dropped in stages%s' % (count(going, 'index is being', 'indexes are being'), ', %s given back' % (count(back, 'was', 'were')) if back else ''),
                   lanes(axis, [(r.index_name, r.state, list(spans(r))) for r in shown], 'Drops in stages over time',
                         [('wait', 'waits for the code'), ('bar', 'hidden, on trial'), ('good', 'given back'), ('none', 'dropped')]),
                   Table(['Index', 'State', 'Since', 'Dropped by', 'Next step', 'Not before', 'Trouble'],
                         [(r.index_name, r.state, moment(r.state_since), r.dropped_by, r.next_step or '', moment(r.next_at),
                           '%s: %s' % (count(r.attempts, 'attempt'), r.last_error) if r.last_error else '') for r in shown], len(rows) - len(shown)))


def refusals(base):
    rows = base.ask("""SELECT at, verdict, COALESCE(index_name, object) AS name, reason, command, login_role, application, detail
                         FROM guard.audit_log WHERE verdict IN ('block', 'observe') AND at >= %s ORDER BY at DESC, id DESC""", (base.since(),))
    if not rows:
        return Section('refused', 'Nothing was refused in the last %s' % count(base.days, 'day'))
    refused, shown = sum(r.verdict == 'block' for r in rows), base.cut(rows)[0]
    let_go = len(rows) - refused
    days = [(base.me.now - datetime.timedelta(days=n)).date() for n in range(base.days, -1, -1)]
    zone = base.me.now.tzinfo
    said = {}
    for r in rows:
        said.setdefault(r.at.astimezone(zone).date(), [0, 0])[r.verdict == 'observe'] += 1
    title = ' and '.join([count(refused, 'drop was', 'drops were') + ' refused'] * bool(refused) + [count(let_go, 'drop was', 'drops were') + ' let go that enforce would refuse'] * bool(let_go))
    return Section('refused', title, days_chart([(d, *said.get(d, (0, 0))) for d in days], 'Refused drops by day'),
                   Table(['Index', 'When', 'What', 'Reason', 'Who', 'With', 'Evidence'],
                         [(r.name, moment(r.at), 'refused' if r.verdict == 'block' else 'let go', r.reason or '', r.login_role, r.application or '', r.detail or '') for r in shown], len(rows) - len(shown)))


def evidence(base, status):
    said = {s.item: s for s in status}
    rows = base.ask('SELECT source, since, until, goes_on, began FROM guard.evidence_spans ORDER BY since')
    notes = [Note('%s: %s' % (item, said[item].state)) for item in ('evidence', 'counters', 'capture', 'history') if item in said]
    if not rows:
        return Section('evidence', 'Nothing is written down of when use was observed', *notes)
    now = base.me.now
    axis = Axis(min(r.since for r in rows), now)
    gaps, tracks, holes, seen_until = [], [], 0, axis.start
    for r in rows:
        holes += (r.since - seen_until).total_seconds() >= 1
        seen_until = max(seen_until, now if r.goes_on else r.until)
    for source in sorted({r.source for r in rows}):
        mine = [r for r in rows if r.source == source]
        spans = [(r.since, now if r.goes_on else r.until, 'bar', 'observed from %s to %s, since: %s' % (moment(r.since), 'now' if r.goes_on else moment(r.until), r.began)) for r in mine]
        for a, b in zip(mine, mine[1:]):
            gap = (b.since - a.until).total_seconds()
            if gap >= 1:
                gaps.append((source, moment(a.until), span(gap), b.began))
        tracks.append((source, span(sum((b - a).total_seconds() for a, b, *_ in spans)), spans))
    total = max((now - r.since).total_seconds() for r in rows)
    return Section('evidence', 'Use has been observed for %s%s' % (span(total), ', with %s' % count(holes, 'gap') if holes else ', without a gap'),
                   lanes(axis, tracks, 'When use was observed', [('bar', 'observed'), ('none', 'nobody saw: unknown, never unused')]),
                   Table(['Source', 'Gap from', ('Length', 'n'), 'Because of'], gaps[-base.most:], max(len(gaps) - base.most, 0)) if gaps else None, *notes)


def drift(base):
    profiles = base.ask('SELECT source, exported_at, imported_at, indexes, indexes_here, statements FROM guard.profiles ORDER BY source')
    if not profiles:
        return Section('drift', 'No profile of another server is imported')
    rows = base.ask("""SELECT source, drift, format('%%I.%%I', table_schema, index_name) AS name, format('%%I.%%I', table_schema, table_name) AS heap, verdict, reason, definition
                         FROM guard.profile_drift ORDER BY source, drift, verdict = 'block' DESC NULLS LAST, 3""", ())
    needed = sum(r.drift == 'missing here' and r.verdict == 'block' for r in rows)
    shown, more = base.cut(rows)
    return Section('drift', '%s from %s%s' % (count(len(rows), 'index differs', 'indexes differ'), count(len(profiles), 'profile'), ': %s needed there' % count(needed, 'missing one is', 'missing ones are') if needed else ''),
                   Table(['Profile', 'Exported', ('Indexes', 'n'), ('Of them here', 'n'), ('Statements', 'n')],
                         [(p.source, moment(p.exported_at), number(p.indexes), number(p.indexes_here), number(p.statements)) for p in profiles]),
                   Table(['Index', 'Table', 'Profile', 'Here', 'Verdict there', 'Definition'],
                         [(r.name, r.heap, r.source, r.drift, ' '.join(w for w in (r.verdict, r.reason) if w), r.definition or '') for r in shown], more) if rows else None)


def nodes(base):
    rows = base.ask('SELECT name, attached, last_report, extract(epoch FROM age)::float8 AS age, watched_since, upstream, lacks FROM guard.nodes ORDER BY name')
    if not rows:
        return Section('nodes', 'No standby reads beside this server')
    silent = [r for r in rows if r.lacks]
    return Section('nodes', '%s of %s %s not tell what is used there' % (len(silent), count(len(rows), 'standby'), 'does' if len(silent) == 1 else 'do') if silent
                   else '%s what is used there' % count(len(rows), 'standby reports', 'standbys report'),
                   Note('As long as one is silent nothing is taken for unused.') if silent else None,
                   Table(['Standby', 'Attached', 'Last report', ('Ago', 'n'), 'Watched since', 'Fed by', 'What lacks'],
                         [(r.name, 'yes' if r.attached else 'no', moment(r.last_report), span(r.age) if r.age is not None else '', moment(r.watched_since), r.upstream or 'this server', r.lacks or '') for r in rows]))


def health(status):
    bad = [s for s in status if s.health != 'ok']
    return Section('status', '%s to look at' % count(len(bad), 'thing') if bad else 'Everything works',
                   Table(['What', 'State', 'What to do'], [(s.item, s.state, s.what_to_do or '') for s in bad]) if bad else None)


def gather(base, statements):
    """Head figures, and sections in the order in which they are read."""
    status = base.ask('SELECT item, health, what_to_do, state FROM guard.status')
    indexes = base.ask(INDEXES)
    go = [r for r in indexes if r.can_go]
    mode = next((s.state for s in status if s.item == 'mode'), '')
    last = base.ask("SELECT labels ->> 'index' AS name, labels ->> 'what' AS what, value FROM guard.metrics WHERE name = 'guard_last_removal_age_seconds'")
    heads = [('can go', '%d of %d' % (len(go), len(indexes)), size(sum(r.size or 0 for r in go)) + ' to be won'),
             ('are needed', str(sum(r.verdict in ('block', 'delay') for r in indexes)), 'a drop is refused, or comes in stages'),
             ('last went', '%s ago' % span(last[0].value) if last else 'none yet', '%s, %s' % (last[0].name, last[0].what) if last else 'no drop, hiding or move is known'),
             ('guard.mode', mode, 'drops are judged' if not mode.startswith('off') else 'nothing is judged')]
    return heads, [health(status), what_can_go(base, indexes), what_is_needed(base, indexes, statements), use_by_hour(base, indexes), soft_drops(base), refusals(base),
                   evidence(base, status), drift(base), nodes(base)]


# ---- HTML

STYLE = """
:root { color-scheme: light dark; --page: #f7f7f5; --card: #ffffff; --ink: #1c1c1a; --soft: #5c5b57; --line: #dddcd6; --blue: #2a6fc9; --pale: #a9c7ec; --orange: #c2560c; --green: #18804f; --none: #ecebe6; }
@media (prefers-color-scheme: dark) {
  :root { --page: #161615; --card: #201f1e; --ink: #f2f1ec; --soft: #b3b1a9; --line: #3b3a37; --blue: #5b9bec; --pale: #3d5f8a; --orange: #ee8a45; --green: #45b884; --none: #2f2e2b; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; line-height: 1.35; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 0 0 12px; color: var(--soft); overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px; margin: 16px 0; }
.heads { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 16px 0; }
.heads div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; min-width: 0; }
.heads b { display: block; font-size: 22px; line-height: 1.3; font-weight: 600; }
.heads span { display: block; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 14px; }
a { color: var(--blue); }
table { width: 100%; border-collapse: collapse; font-size: 14px; margin: 8px 0 0; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; vertical-align: bottom; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); }
td { vertical-align: top; overflow-wrap: anywhere; }
td.s { white-space: nowrap; }
th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.n { white-space: normal; }
td:first-child { font-weight: 600; min-width: 11em; }
details summary { cursor: pointer; color: var(--blue); }
.chart { display: block; margin: 8px 0; overflow: hidden; }
.chart text { fill: var(--ink); font-size: 13px; }
.chart .tick, .chart .value { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--line); stroke-width: 1; }
.bar, .cell { fill: var(--blue); } .wait { fill: var(--pale); } .good { fill: var(--green); } .warn { fill: var(--orange); } .none { fill: var(--none); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft); margin: 0 0 8px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 6px; vertical-align: -1px; }
i.bar, i.cell { background: var(--blue); } i.low { opacity: 0.3; } i.wait { background: var(--pale); } i.good { background: var(--green); } i.warn { background: var(--orange); } i.none { background: var(--none); }
footer { color: var(--soft); font-size: 13px; }
@media (max-width: 900px) {
  table, tbody, tr, td { display: block; } thead { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: 8px 0; }
  td, td.n, td.s { border: 0; padding: 1px 0; text-align: left; white-space: normal; }
  td:empty { display: none; }
  td:not(:first-child)::before { content: attr(data-label) ": "; color: var(--soft); }
}
"""

# What is cut to be unfolded, and what is not to be broken.
LONG, SHORT = 160, 17


def html_cell(value, name, kind):
    value = clean(value)
    said = e(value)
    if len(value) > LONG:
        said = '<details><summary>%s \u2026</summary>%s</details>' % (e(value[:LONG - 60]), said)
    kind = kind or ('s' if len(value) <= SHORT else '')
    return '<td%s data-label="%s">%s</td>' % (kind and ' class="%s"' % kind, e(name), said)


def html_part(part):
    if isinstance(part, Note):
        return '<p>%s</p>' % e(part.text)
    if isinstance(part, Chart):
        legend = ''.join('<span><i class="%s"></i>%s</span>' % (kind, e(words)) for kind, words in part.legend)
        return part.svg + ('<div class="legend">%s</div>' % legend if legend else '')
    head = ''.join('<th%s>%s</th>' % (' class="n"' if kind else '', e(name)) for name, kind in part.columns)
    rows = ''.join('<tr>%s</tr>\n' % ''.join(html_cell(v, *c) for v, c in zip(row, part.columns)) for row in part.rows)
    return '<table><thead><tr>%s</tr></thead><tbody>\n%s</tbody></table>%s' % (head, rows, '<p>\u2026 and %s more: --rows shows them.</p>' % number(part.more) if part.more else '')


NAMES = {'status': 'Health', 'go': 'Can go', 'hot': 'Needed', 'hours': 'By hour', 'soft': 'In stages', 'refused': 'Refused', 'evidence': 'Evidence', 'drift': 'Drift', 'nodes': 'Standbys'}


def as_html(base, heads, sections):
    title = 'Indexes of %s' % base.me.name
    page = ['<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">\n'
            '<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>%s</h1>\n<p>%s</p>\n' % (e(title), STYLE, e(title), e(about(base)))]
    page.append('<div class="heads">%s</div>\n' % ''.join('<div><span>%s</span><b>%s</b><span>%s</span></div>' % (e(name), e(figure), e(words)) for name, figure, words in heads))
    page.append('<nav>%s</nav>\n' % ''.join('<a href="#%s">%s</a>' % (s.name, e(NAMES[s.name])) for s in sections))
    for s in sections:
        page.append('<section id="%s">\n<h2>%s</h2>\n%s\n</section>\n' % (s.name, e(s.title), '\n'.join(html_part(p) for p in s.parts)))
    page.append('<footer>guard_report %s. What is not known is unknown, never unused.</footer>\n</main>\n</body>\n</html>\n' % e(VERSION))
    return ''.join(page)


def about(base):
    return 'PostgreSQL %s, guard %s, as of %s (%s)%s; the last %s.' % (base.me.server, base.me.guard, moment(base.me.now), base.me.zone,
                                                                      ', on a standby' if base.me.standby else '', count(base.days, 'day'))


# ---- Markdown

def plain(value):
    """Text that is neither Markdown nor HTML, in a cell of a table or outside."""
    return re.sub(r'([\\`*\[\]|~@]|(?<!\w)_|_(?!\w))', r'\\\1', clean(value)).replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')


def markdown_part(part):
    if isinstance(part, Note):
        return plain(part.text) + '\n'
    if isinstance(part, Chart):
        return ''
    lines = ['| %s |' % ' | '.join(name for name, _ in part.columns), '|%s|' % '|'.join('--:' if kind else '---' for _, kind in part.columns)]
    lines += ['| %s |' % ' | '.join(plain(v) for v in row) for row in part.rows]
    return '\n'.join(lines) + ('\n\n\u2026 and %s more.' % number(part.more) if part.more else '') + '\n'


def as_markdown(base, heads, sections):
    page = ['# %s\n\n%s\n\n' % (plain('Indexes of %s' % base.me.name), plain(about(base)))]
    page.append('\n'.join('- **%s** %s: %s' % (plain(name), plain(figure), plain(words)) for name, figure, words in heads) + '\n')
    for s in sections:
        page.append('\n## %s\n' % plain(s.title))
        page += ['\n' + said for said in map(markdown_part, s.parts) if said]
    return ''.join(page)


# ---- the program

def conninfo(name, value):
    """A word of a connection string; of a connection string as the database's name the whole."""
    if name == 'dbname' and ('=' in value or '://' in value):
        return value
    return "%s='%s'" % (name, value.replace('\\', '\\\\').replace("'", "\\'"))


def usage(words):
    raise Problem(words + '; see guard_report --help')


def parse(words):
    options, connection = {'days': 14, 'rows': 25, 'markdown': False, 'statements': False}, []
    while words:
        name, equals, value = words.pop(0).partition('=')
        if name in ('--markdown', '--statements') and not equals:
            options[name[2:]] = True
        elif name in CONNECTION or name in ('--days', '--rows'):
            if not equals:
                if not words:
                    usage(name + ' needs a value')
                value = words.pop(0)
            if name in CONNECTION:
                connection.append(conninfo(CONNECTION[name], value))
            elif re.fullmatch('[1-9][0-9]{0,3}', value):
                options[name[2:]] = int(value)
            else:
                usage(name + ' takes a number from 1 to 9999')
        elif name.startswith('-'):
            usage('no such option: ' + name)
        else:
            connection.append(conninfo('dbname', name))
    return options, connection


def main(words):
    if '--help' in words:
        print(__doc__.strip())
        return
    if '--version' in words:
        print('guard_report ' + VERSION)
        return
    options, connection = parse(words)
    base = Database(connection, options)
    heads, sections = gather(base, options['statements'])
    page = (as_markdown if options['markdown'] else as_html)(base, heads, sections)
    sys.stdout.buffer.write(page.encode('utf-8', 'replace'))


try:
    main(sys.argv[1:])
    sys.stdout.flush()
except Problem as problem:
    print('guard_report: %s' % problem, file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:
    sys.exit(130)
except BrokenPipeError:
    # nobody reads any more; nor does Python's own last look
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)
