#!/usr/bin/python3
"""guard_profile writes what a PostgreSQL server knows of its indexes, relations and statements as one document, and reads it aloud.

Usage:
  guard_profile [OPTION]... [FILE]     write a profile to FILE, or to standard
                                       output
  guard_profile check FILE             print every string in FILE that is not an
                                       identifier, a keyword or a type
  guard_profile sql                    print guard_profile.sql, for psql alone

Where the database has the extension guard, the profile is what
guard.export_profile() says; elsewhere guard_profile.sql is run, which makes
functions in pg_temp and leaves nothing behind. No value of the data is in it.

Options:
  -d, --dbname=DBNAME      database to connect to, or a connection string
  -h, --host=HOST          server to connect to
  -p, --port=PORT          its port
  -U, --username=USERNAME  role to connect as
  -w, --no-password        never ask for a password
  --literals=all           with the values of the statistics (superusers)
  --help                   show this help
  --version                show the version

Environment:
  All variables of libpq count: PGHOST, PGSERVICE, PGPASSFILE, PGOPTIONS, ...

Exit status:
  0  done; of check: all strings were printed
  1  the server refused, or could not be reached
  2  wrong usage, or FILE is no profile
"""
import json
import os
import re
import subprocess
import sys

VERSION = '@VERSION@'
FORMAT = 'guard/profile/1'
SQL = r"""
@SQL@
"""


def fail(status, message):
    print('guard_profile: ' + message, file=sys.stderr)
    sys.exit(status)


def psql(connection, script, *words):
    """What psql prints; words go in front of the script."""
    command = ['psql', '-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', *connection, *words, '-f', '-']
    try:
        run = subprocess.run(command, input=script, capture_output=True, text=True, encoding='utf-8', errors='surrogateescape',
                             env=dict(os.environ, PGCLIENTENCODING='UTF8'), check=False)
    except FileNotFoundError:
        fail(1, 'psql is not in PATH')
    sys.stderr.write(run.stderr)
    if run.returncode:
        sys.exit(1)
    return run.stdout


def export(connection, literals, path):
    found = psql(connection, "SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'guard';")
    if found.strip() == '1':
        text = psql(connection, "SELECT guard.export_profile('%s');" % literals)
    elif literals != 'none':
        fail(2, 'without the extension guard there are no literals')
    else:
        text = psql(connection, SQL)
    document = json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + '\n'
    if path is None:
        sys.stdout.buffer.write(document.encode('utf-8', 'surrogateescape'))
        return
    # another reader never sees half of it
    with open(path + '.new', 'wb') as file:
        file.write(document.encode('utf-8', 'surrogateescape'))
    os.replace(path + '.new', path)


# ---- check

# Members whose strings are names, kinds of things, times or figures by their definition (doc/profile.schema.json).
PLAIN = {'format', 'exported', 'exporter', 'literals', 'counting_since', 'schema', 'name', 'table', 'column', 'kind', 'method', 'constraint', 'type', 'role',
         'operator', 'query_ids', 'version', 'system_identifier', 'database', 'encoding', 'collation', 'search_path', 'settings', 'service', 'until_version', 'versions_seen',
         'by', 'verdict', 'first_use', 'last_use', 'created', 'since', 'until', 'reported', 'source', 'peak_hour', 'mode', 'instead',
         'redundant_with', 'keep_instead', 'began', 'what'}
CODE = re.compile(r'v?[0-9]+(~[a-z])*|-?[0-9]+(\.[0-9]+)?|-?infinity|NaN|[tf]|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
                  r'|-?[0-9]+:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(\+00)?|[0-9]+(\.[0-9]+){3}|[0-9a-f]{12}|[0-9a-f]{16}|[0-9a-f]+/[0-9a-f]+|\{"v": [0-9]+(, "~[a-z]": 1)*\}', re.I)
LITERAL = re.compile(r"'(?:[^']|'')*'|(?<![\w$.])[0-9]+(?:\.[0-9]+)?(?![\w.])|\$[A-Za-z_]*\$")


def strings(value, path, key):
    """(path, member, string) of each string below value"""
    if isinstance(value, dict):
        for name in sorted(value):
            yield from strings(value[name], path + '.' + name, name)
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from strings(item, '%s[%d]' % (path, n), key)
    elif isinstance(value, str):
        yield path, key, value


def say(found):
    """What a person reads of a string: of SQL the literals alone."""
    path, key, value = found
    if key in ('text', 'definition'):
        return ', '.join(LITERAL.findall(value))
    if key in ('common', 'histogram'):
        return '' if CODE.fullmatch(value) else value
    if '.settings.' in path or key in PLAIN:
        return ''
    return value


def check(path):
    try:
        with open(path, encoding='utf-8', errors='surrogateescape') as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        fail(2, '%s: %s' % (path, error))
    if not isinstance(document, dict) or document.get('format') != FORMAT:
        kind = document.get('format') if isinstance(document, dict) else None
        fail(2, '%s: format is %s; this program knows %s' % (path, kind or 'missing', FORMAT))
    seen = {}
    for found in strings(document, '$', ''):
        words = say(found)
        if words:
            seen.setdefault(words, []).append(found[0])
    for words in sorted(seen):
        more = len(seen[words]) - 1
        print('%s\t%s%s' % (seen[words][0], words, ' (and in %d more places)' % more if more else ''))


def main(words):
    connection, literals, rest = [], 'none', []
    takes = {'-d': '-d', '--dbname': '-d', '-h': '-h', '--host': '-h', '-p': '-p', '--port': '-p', '-U': '-U', '--username': '-U'}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition('=')
        if name.startswith('-') and not name.startswith('--') and len(name) > 2 and name[:2] in takes:
            connection += [name[:2], word[2:]]
        elif name in takes:
            if not equals and not words:
                fail(2, name + ' needs a value')
            connection += [takes[name], value if equals else words.pop(0)]
        elif word in ('-w', '--no-password'):
            connection.append('-w')
        elif name == '--literals' and value in ('none', 'all'):
            literals = value
        elif word == '--help':
            print(__doc__.strip(), flush=True)
            return
        elif word == '--version':
            print('guard_profile ' + VERSION)
            return
        elif word.startswith('-') and word != '-':
            fail(2, 'no such option: %s; see guard_profile --help' % word)
        else:
            rest.append(word)
    if rest[:1] == ['check'] and len(rest) == 2:
        check(rest[1])
    elif rest == ['sql']:
        print(SQL.strip())
    elif len(rest) > 1:
        fail(2, 'too many words; see guard_profile --help')
    else:
        export(connection, literals, rest[0] if rest and rest[0] != '-' else None)


try:
    main(sys.argv[1:])
    sys.stdout.flush()
except BrokenPipeError:
    # nobody reads any more; nor does Python's own last look
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)
