#!/usr/bin/python3
"""guard_review runs migrations on a database without data and says what guard would refuse.

Usage:
  guard_review [OPTION]... [FILE | FOLDER]...
  guard_review [OPTION]... < FILE
  guard_review [OPTION]... --run=COMMAND

Without a file, or where the file is -, standard input is read. Files are run
by psql, one after the other, each in a session of its own; of a folder, its
*.sql files in the order of their names, or, for a sqitch project, those of
deploy/ in the order of the plan. COMMAND is any program that migrates: it finds
the database by PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and DATABASE_URL.

The database is one of a private server that is made for this and removed
again; guard only observes there, so that all is told that would be refused.
The migrations can do what they like as the user who runs guard_review.

The database as it is before the migration:
  --schema=FILE             run FILE first: what pg_dump --schema-only wrote
  --migrations=FOLDER       run first what is in FOLDER and is not judged
  --setup=COMMAND           run COMMAND first, as --run does
  --from=CONNECTION         take schema, roles and profile from this database
  --role=NAME               make this role; those that files name are made
  --data=FILE               run FILE after the schema: rows to begin with
  --profile=[NAME=]FILE     what traffic needs, by guard_profile; may be given
                            several times

The server:
  --server=FOLDER           PostgreSQL's programs, with guard installed
                            (default: the newest that is found)
  -c, --config=NAME=VALUE   a setting of the private server
  --scratch=CONNECTION      a database to run in, in place of a private server:
                            it has guard, and is not cleaned up. What leaves
                            the database is not run there

Options:
  --format=FORMAT           text (default), markdown, json or junit
  -1, --single-transaction  each file runs in one transaction, as most migration
                            tools have it
  -v, --set=NAME=VALUE      a variable that the files use: :NAME as in psql, or
                            ${NAME}
  --strict                  what was judged on empty tables, or not run, is a
                            failure (status 2)
  --all                     in text and markdown, list statements about which
                            there is nothing to say as well
  --help                    show this help
  --version                 show the version

Both ways in one file:
  The way up is run of files for goose, sql-migrate, dbmate, node-pg-migrate,
  tern, Liquibase, MyBatis, Play and of those marked "-- Up" and "-- Down".
  X.down.sql, down.sql, X.rollback.sql, Flyway's U1__x.sql and sqitch's revert/
  and verify/ are left out of a folder, and of a list of files that has the way
  up as well.

Exit status:
  0  nothing would be refused
  1  something would be refused
  2  it could not be judged: an error in a statement, in the schema or the
     profile, no server
"""
import contextlib
import glob
import json
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

VERSION = '@VERSION@'


class Failure(Exception):
    """What ends the review with status 2."""


# ---- which files

# A file, and what psql is given in its place: a copy where lines of it are left out or put in.
class Source:
    def __init__(self, name, path):
        self.name, self.path, self.left_out = name, path, 0


WAY_DOWN = re.compile(r'(^|[._-])down\.sql$|\.(rollback|undo|revert)\.sql$|^U[0-9].*__.*\.sql$')


def is_way_down(name):
    return bool(WAY_DOWN.search(os.path.basename(name)) or re.search(r'(^|/)(revert|verify)/', name))


def way_up_of(name):
    """The way up that belongs to a way down."""
    for pattern, by in ((r'down\.sql$', 'up.sql'), (r'\.(rollback|undo|revert)\.sql$', '.sql'), (r'(^|/)U(?=[0-9][^/]*$)', r'\1V'),
                        (r'(^|/)(revert|verify)/', r'\1deploy/')):
        name, n = re.subn(pattern, by, name, count=1)
        if n:
            return name
    return None


def in_order(name):
    """Numbers in names by their value, as most tools have them; Flyway runs the repeatable ones last."""
    name = re.sub(r'(^|/)R__', r'\1~R__', name)
    return [(0, int(part), '') if part.isdigit() else (1, 0, part) for part in re.split(r'([0-9]+)', name)]


def list_plan(folder):
    """deploy/ of a sqitch project, by its plan."""
    with open(os.path.join(folder, 'sqitch.plan'), encoding='utf-8', errors='replace') as plan:
        changes = [line.split()[0] for line in plan if re.match(r'\s*[^%@#\s]', line)]
    paths = [os.path.join(folder, 'deploy', change + '.sql') for change in changes]
    return [path for path in paths if os.path.isfile(path)]


def list_folder(folder):
    folder = folder.rstrip('/') or '/'
    if os.path.isfile(folder + '/sqitch.plan') and os.path.isdir(folder + '/deploy'):
        return list_plan(folder)
    if os.path.basename(folder) == 'deploy' and os.path.isfile(folder + '/../sqitch.plan'):
        return list_plan(os.path.dirname(folder) or '.')
    if os.path.isdir(folder + '/deploy') and os.path.isdir(folder + '/revert'):
        folder += '/deploy'
    found = [os.path.join(above, name) for above, _, names in os.walk(folder) for name in names if name.endswith('.sql')]
    found = [path for path in found if not is_way_down(os.path.relpath(path, folder))]
    return sorted(found, key=lambda path: in_order(os.path.relpath(path, folder)))


def list_files(given, work):
    sources = []
    for name in given:
        if name == '-':
            path = os.path.join(work, 'stdin.sql')
            with open(path, 'wb') as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            sources.append(Source('standard input', path))
        elif os.path.isdir(name):
            sources += [Source(path, path) for path in list_folder(name)]
        elif is_way_down(name) and way_up_of(name) in given:
            print('guard_review: left out %s, for the way up is judged' % name, file=sys.stderr)
        else:
            sources.append(Source(name, name))
    for source in sources:
        if not os.path.isfile(source.path) or not os.access(source.path, os.R_OK):
            raise Failure('could not read %s' % source.name)
        if b'\0' in read(source.path):
            raise Failure('could not judge %s: it has zero bytes; is it UTF-16?' % source.name)
    return sources


def read(path):
    with open(path, 'rb') as file:
        return file.read()


# The marks of tools that keep both ways in one file: (pattern, way, does the tool run the file in one transaction).
MARKS = [(re.compile(pattern), way, in_one) for pattern, way, in_one in (
    (rb'--\s*\+(goose|migrate)\s+up(?!.*notransaction)', 'up', True),
    (rb'--\s*\+(goose|migrate)\s+up', 'up', False),
    (rb'--\s*\+(goose|migrate)\s+down', 'down', False),
    (rb'--\s*migrate:up(?!.*transaction:\s*false)', 'up', True),
    (rb'--\s*migrate:up', 'up', False),
    (rb'--\s*(migrate:down|rambler\s+down)', 'down', False),
    (rb'--\s*rambler\s+up', 'up', True),
    (rb'--[-=\s]*up\s+migration[-=\s]*$', 'up', True),
    (rb'--[-=\s]*up[-=\s]*$', 'up', False),
    (rb'--[-=\s]*down\s+migration[-=\s]*$', 'down', False),
    (rb'--[-=\s]*down[-=\s]*$', 'down behind up', False),
    (rb'--+\s*create above / drop below', 'down', False),
    (rb'(#|--)\s*(---)?\s*!ups', 'up', False),
    (rb'(#|--)\s*(---)?\s*!downs', 'down', False),
    (rb'--\s*//\s*@undo', 'down', False),
    (rb'--\s*changeset\s', 'up', False),
    (rb'--\s*@?(rollback|undo)\s*:?$', 'down', False))]
NO_TRANSACTION = re.compile(rb'^\s*--\s*(\+goose\s+no\s+transaction|\+migrate.*notransaction|disable-transaction|.*transaction:\s*false)', re.I | re.M)


def mark_of(line, seen_up):
    line = line.strip().lower()
    if line[:1] not in (b'-', b'#'):
        return None, False
    for pattern, way, in_one in MARKS:
        if pattern.match(line) and (way != 'down behind up' or seen_up):
            return way.split()[0], in_one
    return None, False


def prepare(source, options, work):
    """What psql is to run: the way up alone, ${NAME} in place, in one transaction where its tool would; every line where it was."""
    text = read(source.path)
    lines = text.split(b'\n')
    down, seen_up, single = False, False, options.single
    for n, line in enumerate(lines):
        way, in_one = mark_of(line, seen_up)
        if way:
            down, seen_up, single = way == 'down', seen_up or way == 'up', single or in_one
            lines[n] = b''
        elif down:
            source.left_out += bool(line.strip())
            lines[n] = b''
        for name, value in options.variables:
            lines[n] = lines[n].replace(b'${%s}' % name.encode(), value.encode())
    if single and not options.single and NO_TRANSACTION.search(text):
        single = False
    if single:
        lines[0] = b'BEGIN; ' + lines[0].removeprefix(b'\xef\xbb\xbf')
        lines[-1:] = [b'; COMMIT;'] if not lines[-1].strip() else [lines[-1], b'; COMMIT;']
    if lines != text.split(b'\n'):
        source.path = os.path.join(work, '%d.sql' % len(os.listdir(work)))
        with open(source.path, 'wb') as file:
            file.write(b'\n'.join(lines))


# ---- what is shown: nothing that writes over what stands beside it, and no password

INVISIBLE = re.compile('[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff\ufffd]')
SECRET = re.compile(r'passw|pwd|secret|token|credential|connect|api_key|apikey|private_key|://', re.I)
STRING = re.compile(r"[eE]'(?:[^'\\]|\\.|'')*'?|'(?:[^']|'')*'?|\$([A-Za-z_\u0080-\uffff][\w]*)?\$.*?(?:\$\1\$|$)", re.S)


def clean(text):
    return INVISIBLE.sub('?', text.replace('\r\n', '\n'))


def one_line(text):
    return ' '.join(text.split())


def shown(text):
    """A statement as a table's cell can hold it."""
    if SECRET.search(text):
        text = STRING.sub("'***'", text)
    text = one_line(clean(text)).rstrip('; ')
    return text if len(text) <= 200 else text[:200] + '...'


# ---- between the client and the server

# Every statement passes through here, whichever program sends it, and so does all that the server says of it: what guard
# tells of its judgements (guard.review), and what auto_explain tells of statements inside of functions.  To psql a message of
# our own is sent with each statement: psql prefixes it with file and line.

class Statement:
    def __init__(self, text, session, transaction):
        self.text, self.session, self.transaction = text, session, transaction
        self.place = None           # (name, line), once known
        self.number = 0
        self.dropped, self.judged, self.errors, self.plans, self.tags = [], [], [], [], []


class Transaction:
    def __init__(self):
        self.explicit = False


class Session:
    """One connection: what it has sent that was not answered yet, in order."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.server = proxy, client, None
        self.lock = threading.Lock()
        self.waiting, self.parsed, self.portals = [], {}, {}
        self.last, self.last_parsed = None, ''
        self.transaction = Transaction()

    def begin(self, kind, text):
        with self.lock:
            statement = None
            if kind != 'S':
                statement = Statement(text, self, self.transaction)
                self.proxy.statements.append(statement)
                self.last = statement
            self.waiting.append((kind, statement))
        return statement

    def current(self):
        with self.lock:
            if self.waiting and self.waiting[0][1]:
                return self.waiting[0][1]
            return self.last

    # -- from the client

    def from_client(self, kind, body):
        if kind == b'Q':
            text = body[:-1].decode('utf-8', 'replace')
            statement = self.begin('Q', text)
            refusal = self.proxy.refusal(text)
            if refusal:
                return self.refuse(statement, refusal)
            if self.proxy.psql:
                self.send_client(b'N', notice('%s%d' % (self.proxy.nonce, len(self.proxy.statements) - 1)))
            if SETS_GUARD.match(COMMENT.sub(' ', text)):
                body = b'SET guard.review = on\0'
        elif kind == b'P':
            name, text = body.split(b'\0')[:2]
            self.parsed[name] = self.last_parsed = text.decode('utf-8', 'replace')
        elif kind == b'B':
            portal, name = body.split(b'\0')[:2]
            self.portals[portal] = self.parsed.get(name, '')
        elif kind == b'E':
            self.begin('E', self.portals.get(body.split(b'\0')[0], ''))
        elif kind in (b'S', b'F'):
            self.begin('S', None)
        return self.server.sendall(kind + struct.pack('!i', len(body) + 4) + body)

    def refuse(self, statement, why):
        """An answer in the server's place."""
        fields = {'S': 'ERROR', 'V': 'ERROR', 'C': '0LP01', 'M': why}
        statement.errors.append(fields)
        with self.lock:
            self.waiting.pop()
        self.send_client(b'E', pack_fields(fields))
        self.send_client(b'Z', b'E' if self.transaction.explicit else b'I')

    def send_client(self, kind, body):
        with self.proxy.sending:
            self.client.sendall(kind + struct.pack('!i', len(body) + 4) + body)

    # -- from the server

    def from_server(self, kind, body):
        if kind == b'N' and self.note(unpack_fields(body)):
            return
        if kind == b'E':
            self.note_error(unpack_fields(body))
        elif kind in (b'C', b'I', b's'):
            if kind == b'C':
                self.note_tag(body[:-1].decode('utf-8', 'replace'))
            with self.lock:
                if self.waiting and self.waiting[0][0] == 'E':
                    self.waiting.pop(0)
        elif kind == b'Z':
            with self.lock:
                while self.waiting and self.waiting.pop(0)[0] not in 'QS':
                    pass
                if body == b'I':
                    self.transaction = Transaction()
                else:
                    self.transaction.explicit = True
        self.send_client(kind, body)

    def note(self, fields):
        """Was it said to us, not to the client?"""
        message = fields.get('M', '')
        if fields.get('V') != 'INFO':
            return False
        statement = self.current()
        if message.startswith('guard audit: '):
            entry = json.loads(message[len('guard audit: '):])
            entry.update(json.loads(fields.get('D', '{}')))
            statement.dropped.append(entry)
        elif message.startswith('guard judgement: '):
            statement.judged.append(json.loads(message[len('guard judgement: '):]))
        elif message.startswith('duration: ') and '  plan:\n' in message:
            statement.plans.append(message.split('  plan:\n', 1)[1])
        else:
            return False
        return True

    def note_error(self, fields):
        with self.lock:
            head = self.waiting[0] if self.waiting else None
        if head is not None and head[1] is None and self.last_parsed:
            statement = Statement(self.last_parsed, self, self.transaction)
            self.proxy.statements.append(statement)
        else:
            statement = self.current()
        if statement is not None:
            statement.errors.append(fields)

    def note_tag(self, tag):
        statement = self.current()
        if statement is None:
            return
        statement.tags.append(tag)
        if tag == 'BEGIN':
            self.transaction.explicit = True


def pack_fields(fields):
    return b''.join(key.encode() + value.encode() + b'\0' for key, value in fields.items()) + b'\0'


def unpack_fields(body):
    return {part[:1].decode(): part[1:].decode('utf-8', 'replace') for part in body.split(b'\0') if part}


def notice(word):
    """However psql shows messages, it shows how severe they are."""
    return pack_fields({'S': word, 'V': 'NOTICE', 'C': '00000', 'M': 'guard_review'})


def receive(sock, size):
    data = b''
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


COMMENT = re.compile(r'--[^\n]*|/\*.*?(?:\*/|\Z)', re.S)
# A statement that is only that: of several in one string the others must run.
SETS_GUARD = re.compile(r'\s*SET\s+((SESSION|LOCAL)\s+)?"?guard\.[^;]*;?\s*$', re.I)
# What leaves the database: for databases that are not our own.
LEAVES = re.compile(r'(?:^|;)\s*(ALTER\s+SYSTEM|(CREATE|DROP|ALTER)\s+(DATABASE|TABLESPACE)|COPY\b[^;]*\bPROGRAM\b|LOAD)\b', re.I)


class Proxy:
    def __init__(self, database, settings, psql):
        self.database, self.settings, self.psql = database, settings, psql
        self.nonce = 'REVIEW' + secrets.token_hex(8) + '_'
        self.statements = []
        self.sending = threading.Lock()
        self.password = secrets.token_hex(16)
        if psql:
            self.host, self.port = database.folder, 5433
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind('%s/.s.PGSQL.%d' % (self.host, self.port))
        else:
            self.listener = socket.socket(socket.AF_INET)
            self.listener.bind(('127.0.0.1', 0))
            self.host, self.port = self.listener.getsockname()
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()
        if self.psql:
            os.unlink('%s/.s.PGSQL.%d' % (self.host, self.port))

    def refusal(self, text):
        if self.database.private or not LEAVES.search(COMMENT.sub(' ', text)):
            return None
        return 'it leaves the database'

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError, EOFError), client:
            session = Session(self, client)
            startup = self.greet(session)
            if startup is None:
                return
            with self.database.open() as session.server:
                session.server.sendall(startup)
                threading.Thread(target=self.pump, args=(session.server, session.from_server, client), daemon=True).start()
                self.pump(client, session.from_client, session.server)

    def greet(self, session):
        """The startup packet, with settings of ours; None where the client wants none."""
        while True:
            size, code = struct.unpack('!ii', receive(session.client, 8))
            body = receive(session.client, size - 8)
            if code in (80877103, 80877104):
                session.client.sendall(b'N')
                continue
            if code == 80877102:
                with self.database.open() as server:
                    server.sendall(struct.pack('!ii', size, code) + body)
                return None
            break
        words = body.split(b'\0')
        params = dict(zip(words[0::2], words[1::2]))
        params.pop(b'', None)
        if not self.psql and not self.knows_password(session):
            return None
        options = b' '.join(b'-c %s=%s' % (name.encode(), value.encode()) for name, value in self.settings)
        params[b'options'] = (params.get(b'options', b'') + b' ' + options).strip()
        body = b''.join(name + b'\0' + value + b'\0' for name, value in params.items()) + b'\0'
        return struct.pack('!ii', len(body) + 8, code) + body

    def knows_password(self, session):
        """Others on this machine may connect to a port."""
        session.client.sendall(b'R' + struct.pack('!ii', 8, 3))
        kind, size = struct.unpack('!ci', receive(session.client, 5))
        if kind == b'p' and receive(session.client, size - 4).rstrip(b'\0').decode('utf-8', 'replace') == self.password:
            return True
        session.send_client(b'E', pack_fields({'S': 'FATAL', 'V': 'FATAL', 'C': '28P01', 'M': 'wrong password'}))
        return False

    def pump(self, source, take, other):
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, size = struct.unpack('!ci', receive(source, 5))
                take(kind, receive(source, size - 4))
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


# ---- the database

def find_programs(given):
    """The folder with initdb."""
    places = [given] if given else [os.path.dirname(os.path.realpath(shutil.which('initdb') or '/'))]
    if not given:
        places += sorted(glob.glob('/usr/lib/postgresql/*/bin') + glob.glob('/usr/pgsql-*/bin'), key=in_order, reverse=True)
    for place in places:
        if os.access(os.path.join(place, 'initdb'), os.X_OK) and os.access(os.path.join(place, 'postgres'), os.X_OK):
            return place
    raise Failure('no PostgreSQL server is installed here%s; see --server and --scratch' % (' in ' + given if given else ''))


def own_environment():
    """Without what leads to other databases."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith('PG') or key in ('PGCLIENTENCODING', 'PGTZ', 'PGDATESTYLE')}
    keep.setdefault('PGCLIENTENCODING', 'UTF8')
    keep['PGAPPNAME'] = 'guard_review'
    return keep


class Database:
    """Where the migration runs, and psql's way to it."""
    psql_program = 'psql'

    def psql(self, words, script=None, off=False):
        environment = dict(self.environment)
        if off:
            environment['PGOPTIONS'] = '-c guard.mode=off'
        return subprocess.run([self.psql_program, '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', *words, *self.words], input=script, env=environment,
                              capture_output=True, text=True, encoding='utf-8', errors='replace', check=False)

    def ask(self, script, off=False):
        """What psql prints of a script of ours."""
        run = self.psql(['-f', '-'], script, off)
        if run.returncode:
            raise Failure(first_error(run.stderr))
        return run.stdout

    def load(self, what, paths, off=True):
        words = [word for path in paths for word in ('-f', path)]
        run = self.psql(['-o', os.devnull, *words], None, off)
        if run.returncode:
            raise Failure('%s could not be run: %s' % (what, first_error(run.stderr)))


def first_error(text):
    for line in text.splitlines():
        if re.search(r'(ERROR|FATAL|error|fatal): ', line):
            return clean(re.sub(r'^psql:(<stdin>:\d+: )?', '', line).strip())
    return clean(text.strip().split('\n')[-1]) if text.strip() else 'psql failed'


class Private(Database):
    private = True

    def __init__(self, options, work):
        self.folder = os.path.join(work, 'server')
        self.programs = find_programs(options.server)
        self.psql_program = os.path.join(self.programs, 'psql') if os.access(os.path.join(self.programs, 'psql'), os.X_OK) else 'psql'
        self.user = {}
        os.mkdir(self.folder, 0o700)
        if os.geteuid() == 0:       # no server starts as root
            entry = next((pwd.getpwnam(name) for name in ('postgres', 'nobody') if has_user(name)), None)
            if entry is None:
                raise Failure('a server does not start as root, and there is neither user postgres nor nobody')
            self.user = {'user': entry.pw_uid, 'group': entry.pw_gid, 'extra_groups': []}
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            os.chmod(work, 0o711)
        self.environment = own_environment()
        self.start(options)

    def start(self, options):
        data = os.path.join(self.folder, 'data')
        common = dict(self.user, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL)
        made = subprocess.run([self.programs + '/initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
                              capture_output=True, text=True, check=False, **common)
        if made.returncode:
            raise Failure('initdb failed: ' + (made.stderr.strip() or made.stdout.strip()))
        settings = [('listen_addresses', ''), ('unix_socket_directories', self.folder), ('port', '5432'), ('fsync', 'off'), ('full_page_writes', 'off'),
                    ('synchronous_commit', 'off'), ('autovacuum', 'off'), ('max_connections', '50'), ('max_locks_per_transaction', '1024'), ('wal_level', 'logical'),
                    ('jit', 'off'), ('shared_preload_libraries', 'pg_stat_statements, guard'), ('session_preload_libraries', 'auto_explain'),
                    ('auto_explain.log_level', 'info'), ('auto_explain.log_nested_statements', 'on'), ('auto_explain.log_analyze', 'on'),
                    ('auto_explain.log_timing', 'off'), ('auto_explain.log_format', 'json'), ('max_wal_size', '10GB'), ('timezone', 'UTC'), *options.config]
        with open(data + '/postgresql.auto.conf', 'a', encoding='utf-8') as file:
            for name, value in settings:
                file.write("%s = '%s'\n" % (name, value.replace("'", "''")))
        with open(os.path.join(os.path.dirname(self.folder), 'server.log'), 'ab') as log:
            self.process = subprocess.Popen([self.programs + '/postgres', '-D', data], stdout=log, stderr=log, start_new_session=True, **common)
        self.words = ['-h', self.folder, '-U', 'postgres', '-d', 'postgres']
        while self.psql(['-c', 'SELECT 1']).returncode:
            if self.process.poll() is not None:
                raise Failure('the server does not start: ' + self.log_end(log.name))
            time.sleep(0.05)
        self.name = options.database_name
        self.ask('CREATE DATABASE %s TEMPLATE template0;' % ident(self.name) if self.name not in ('postgres', 'template1') else '')
        self.user_name = 'postgres'
        self.words = ['-h', self.folder, '-U', 'postgres', '-d', 'dbname=' + quoted(self.name)]

    @staticmethod
    def log_end(path):
        lines = read(path).decode('utf-8', 'replace').strip().split('\n')
        return clean(next((line for line in lines if 'FATAL' in line or 'ERROR' in line), lines[-1]))

    def settings(self):
        """Of the sessions that are judged."""
        return [('guard.mode', 'observe'), ('guard.review', 'on'), ('auto_explain.log_min_duration', '0')]

    def open(self):
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.folder + '/.s.PGSQL.5432')
        return server

    def close(self):
        if getattr(self, 'process', None) and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()


class Scratch(Database):
    private = False

    def __init__(self, options, work):
        self.folder = work
        self.environment = dict(os.environ, PGAPPNAME='guard_review')
        self.environment.setdefault('PGCLIENTENCODING', 'UTF8')
        self.words = ['-d', options.scratch]
        found = self.ask('\\echo :HOST\n\\echo :PORT\n\\echo :USER\n\\echo :DBNAME\n').split('\n')
        self.host, self.port, self.user_name, self.name = found[0], int(found[1]), found[2], found[3]
        given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(options.scratch).query)) if '://' in options.scratch else dict(
            word.split('=', 1) for word in shlex.split(options.scratch) if '=' in word)
        self.tls = given.get('sslmode') or os.environ.get('PGSSLMODE') or 'prefer'
        self.roots = given.get('sslrootcert') or os.environ.get('PGSSLROOTCERT')
        word = urllib.parse.urlsplit(options.scratch).password if '://' in options.scratch else given.get('password')
        if word:
            self.environment['PGPASSWORD'] = urllib.parse.unquote(word) if '://' in options.scratch else word

    def settings(self):
        return [('guard.mode', 'observe'), ('guard.review', 'on')]

    def open(self):
        if self.host.startswith('/'):
            server = socket.socket(socket.AF_UNIX)
            server.connect('%s/.s.PGSQL.%d' % (self.host, self.port))
            return server
        server = socket.create_connection((self.host, self.port))
        if self.tls in ('disable', 'allow'):
            return server
        server.sendall(struct.pack('!ii', 8, 80877103))
        if receive(server, 1) == b'S':
            context = ssl.create_default_context(cafile=self.roots)
            context.check_hostname = self.tls == 'verify-full'
            context.verify_mode = ssl.CERT_REQUIRED if self.tls.startswith('verify') else ssl.CERT_NONE
            return context.wrap_socket(server, server_hostname=self.host)
        if self.tls != 'prefer':
            raise Failure('the server of --scratch does not know TLS')
        return server

    def close(self):
        pass


def has_user(name):
    try:
        return pwd.getpwnam(name) is not None
    except KeyError:
        return False


def ident(name):
    return '"%s"' % name.replace('"', '""')


def literal(text):
    return "'%s'" % text.replace("'", "''") if '\\' not in text else " E'%s'" % text.replace('\\', '\\\\').replace("'", "''")


def quoted(value):
    """In a connection string."""
    return "'%s'" % value.replace('\\', '\\\\').replace("'", "\\'")


# Where roles are named, and where they are made.
NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$]*)'
NAMES = NAME + r'(?:\s*,\s*' + NAME + ')*'
NAMED = re.compile(r'\b(?:OWNER\s+TO|GRANT\s[^;]*?\sTO|REVOKE\s[^;]*?\sFROM|FOR\s+(?:ROLE|USER)|SET\s+(?:SESSION\s+|LOCAL\s+)?ROLE|AUTHORIZATION|'
                   r'POLICY\s[^;]*?\sTO|OWNED\s+BY|ALTER\s+(?:ROLE|USER))\s+(' + NAMES + ')', re.I)
GRANTED = re.compile(r'\bGRANT\s+(' + NAMES + r')\s+TO\b', re.I)
MADE = re.compile(r'\bCREATE\s+(?:ROLE|USER|GROUP)\s+(' + NAME + ')', re.I)
NO_ROLE = re.compile(r'(public|current_user|current_role|session_user|none|default|all|if|mapping|set|group|pg_.*|postgres|' + NAME + r'\..*)$', re.I)


def roles_in(texts):
    named, made = set(), set()
    for text in texts:
        for pattern, to in ((NAMED, named), (GRANTED, named), (MADE, made)):
            for found in pattern.finditer(text):
                to.update(name[1:-1].replace('""', '"') if name[0] == '"' else name.lower() for name in re.findall(NAME, found.group(1)))
    return {name for name in named - made if not NO_ROLE.match(name)}


def make_roles(database, names):
    for name in sorted(names):
        run = database.psql(['-c', 'CREATE ROLE %s NOLOGIN' % ident(name)])
        if run.returncode and 'already exists' not in run.stderr and database.private:
            raise Failure('could not make a role: ' + first_error(run.stderr))


def dump(options, work):
    """The schema of --from, and its roles; the profile where none is given."""
    schema = os.path.join(work, 'from.sql')
    made = subprocess.run(['pg_dump', '--schema-only', '--no-tablespaces', '--no-subscriptions', '-f', schema, '-d', options.source],
                          capture_output=True, text=True, check=False)
    if made.returncode:
        raise Failure(made.stderr.strip())
    roles = subprocess.run(['psql', '-XqAt', '-d', options.source, '-c', "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'"],
                           capture_output=True, text=True, check=False).stdout.splitlines()
    if not options.profiles:
        path = os.path.join(work, 'from.json')
        program = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'guard_profile')
        if subprocess.run([program, '-d', options.source, path], check=False).returncode:
            raise Failure('guard_profile failed')
        options.profiles.append((None, path))
    options.schema.insert(0, schema)
    options.roles += [role for role in roles if role != 'postgres']


def read_profiles(options):
    documents = []
    for name, path in options.profiles:
        try:
            document = json.loads(read(path))
        except (OSError, ValueError) as error:
            raise Failure('%s: %s' % (path, error)) from None
        document = document if isinstance(document, dict) else {}
        # one of --from is called after its database
        documents.append((name or document.get('server', {}).get('database') or 'from', path, document))
    return documents


def build(database, options, sources, documents):
    """The database as it is before the migration."""
    judged = {os.path.realpath(source.name) for source in sources}
    before = [path for folder in options.migrations for path in list_folder(folder) if os.path.realpath(path) not in judged]
    texts = [read(path).decode('utf-8', 'replace') for path in options.schema + before + options.data + [source.path for source in sources]]
    make_roles(database, roles_in(texts) | set(options.roles))
    if options.schema:
        database.load('the schema', options.schema)
    if before:
        prepared = [Source(path, path) for path in before]
        for each in prepared:
            prepare(each, options, database.work)
        try:
            database.load('what comes before', [each.path for each in prepared])
        except Failure as failure:
            raise Failure(named(str(failure), prepared)) from None
    for command in options.setup:
        run_command(database, command, [('guard.mode', 'off')] if database.private else [])
    if options.data:
        database.load('the data', options.data)
    if database.private:
        database.ask('SET client_min_messages = error; CREATE EXTENSION IF NOT EXISTS guard;')
    elif not database.ask("SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'guard';"):
        raise Failure('guard is not installed in this database: CREATE EXTENSION guard;')
    for name, path, document in documents:
        try:
            database.ask('SET client_min_messages = error; SELECT guard.import_profile(%s, %s);' % (literal(name), literal(json.dumps(document))))
        except Failure as failure:
            raise Failure('%s could not be imported: %s' % (path, failure)) from None


PLANNER = 'guard_review_planner'


def remember_plans(database, documents):
    """How production would plan its statements before the migration, by a role that can do nothing else."""
    if not documents or not database.private or not database.ask("SELECT 1 WHERE pg_catalog.to_regproc('guard.remember_plans') IS NOT NULL;"):
        return []
    database.ask("""SET client_min_messages = error; CREATE ROLE %s NOLOGIN;
        SELECT pg_catalog.format('GRANT USAGE ON SCHEMA %%I TO %s', nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^(pg_|information_schema|guard$)' \\gexec
        """ % (PLANNER, PLANNER))
    for name, _, _ in documents:
        database.ask('SELECT guard.remember_plans(%s, %s);' % (literal(name), literal(PLANNER)))
    return [name for name, _, _ in documents]


def compare_plans(database, names):
    """The statements that the migration made dearer."""
    dearer = []
    for name in names:
        rows = database.ask('SELECT pg_catalog.row_to_json(p) FROM guard.compare_plans(%s) p;' % literal(name))
        for row in (json.loads(line) for line in rows.splitlines()):
            rate = '%.1f calls a second, ' % row['calls_per_second'] if row['calls_per_second'] else ''
            cost = 'it cannot be planned any more: %s' % row['why'] if row['cost_now'] is None else 'cost %.0f before, %.0f now' % (row['cost_before'], row['cost_now'])
            dearer.append({'profile': name, 'statement': shown(row['statement']), 'detail': clean('%s: %s%s.' % (name, rate, cost)),
                           'plan_before': clean(row['plan_before'] or '').rstrip(), 'plan_now': clean(row['plan_now'] or '').rstrip()})
    return dearer


def named(text, sources):
    """Copies have the names of what they are made from."""
    for source in sources:
        text = text.replace(source.path + ':', source.name + ':')
    return text


# ---- the run

OUT = re.compile(r'\\(!|copy\b.*\bprogram\b|setenv\b|cd\b|connect\b|c\b|o\s+\||w\s+\||g\s*\||gx\s*\|)|^\s*\\[^\n]*`', re.I | re.M)


def run_files(database, sources, options):
    """The statements of the files, and what psql itself has to say: (name, line, what)."""
    proxy = Proxy(database, database.settings(), True)
    complaints = []
    for source in sources:
        if not database.private:
            found = OUT.search(read(source.path).decode('utf-8', 'replace'))
            if found:
                line = read(source.path)[:found.start()].count(b'\n') + 1
                complaints.append((source.name, line, len(proxy.statements), 'not run: it leaves the database, so nothing of this file was run'))
                continue
        words = [word for name, value in options.variables for word in ('-v', name + '=' + value)]
        run = subprocess.run([database.psql_program, '-X', '-q', '-o', os.devnull, *words, '-h', proxy.host, '-p', str(proxy.port), '-U', database.user_name,
                              '-d', 'dbname=' + quoted(database.name), '-f', source.path],
                             env=database.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        place_statements(proxy, source, run.stderr.decode('utf-8', 'replace'), complaints)
        if run.returncode == 3:
            complaints.append((source.name, None, len(proxy.statements), 'psql stopped here, for the file sets ON_ERROR_STOP: what follows was not run'))
        elif run.returncode and not any(complaint[0] == source.name for complaint in complaints):
            complaints.append((source.name, None, len(proxy.statements), first_error(run.stderr.decode('utf-8', 'replace'))))
    proxy.close()
    return proxy.statements, complaints


def place_statements(proxy, source, said, complaints):
    behind = next((n for n, statement in enumerate(proxy.statements) if statement.place is None), len(proxy.statements))
    for line in said.split('\n'):
        found = re.match(r'psql:(.*):(\d+): (?:(' + proxy.nonce + r')(\d+): |error: (.*))', line)
        if not found:
            continue
        name = source.name if found.group(1) == source.path else found.group(1)
        if found.group(3):
            behind = int(found.group(4)) + 1
            statement = proxy.statements[behind - 1]
            head = re.match(r'(\s|--[^\n]*(\n|$)|/\*.*?\*/)*', statement.text, re.S).end()
            statement.place = (clean(name), max(1, int(found.group(2)) - statement.text[head:].count('\n')))
        else:
            complaints.append((clean(name), int(found.group(2)), behind, clean(found.group(5))))


def run_command(database, command, settings):
    """A program of somebody else's; returns its statements and exit status."""
    proxy = Proxy(database, settings, False)
    environment = dict(database.environment, PGHOST=proxy.host, PGPORT=str(proxy.port), PGUSER=database.user_name, PGPASSWORD=proxy.password,
                       PGDATABASE=database.name, DATABASE_URL='postgresql://%s:%s@%s:%d/%s' % (
                           urllib.parse.quote(database.user_name), proxy.password, proxy.host, proxy.port, urllib.parse.quote(database.name)))
    environment.pop('PGAPPNAME')
    status = subprocess.run(['/bin/sh', '-c', command], env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode
    proxy.close()
    if status and database.private and ('guard.mode', 'off') in settings:
        raise Failure('%s ended with status %d' % (command, status))
    return proxy.statements, status


# ---- what is made of it

class Row:
    def __init__(self, statement, name, line, command):
        self.statement, self.file, self.line, self.command = statement, name, line, command
        self.number = statement.number if statement else 0
        self.target = self.reason = self.detail = self.advice = ''
        self.verdict = 'allow'
        self.empty = self.waits = False

    def advise(self, text):
        self.advice = (self.advice + ' ' + text).strip()


def where(statement, seen_from):
    name = '' if statement.place[0] == seen_from.place[0] else statement.place[0] + ' '
    return 'statement %d (%sline %s)' % (statement.number, name, statement.place[1]) if statement.place[1] else 'statement %d' % statement.number


class Report:
    def __init__(self, options, sources):
        self.options, self.sources = options, sources
        self.rows, self.statements = [], []
        self.blocked = self.errors = self.not_run = self.delayed = 0
        self.empty_from, self.dearer = None, []
        self.status = 0

    def add(self, row):
        self.rows.append(row)
        self.blocked += row.verdict == 'block'
        self.errors += row.verdict == 'error'
        self.not_run += row.verdict == 'not run'
        self.delayed += row.verdict == 'delay'

    # -- from statements to rows

    def conclude(self, statements, complaints, facts):
        counts = {}
        self.statements = statements
        for statement in statements:
            if statement.place is None:
                statement.place = ('--run', None)
            if statement.text.strip(' \t\r\n;'):
                counts[statement.place[0]] = statement.number = counts.get(statement.place[0], 0) + 1
        for n, statement in enumerate(statements):
            self.tell_complaints(complaints, n)
            if statement.text.strip(' \t\r\n;') or statement.errors:
                self.take(statement, facts)
        self.count = sum(counts.values())
        self.tell_complaints(complaints, None)
        self.status = 1 if self.blocked else 2 if self.errors or self.options.strict and (self.not_run or self.empty_from) else 0

    def tell_complaints(self, complaints, before):
        for complaint in [c for c in complaints if before is None or c[2] is not None and c[2] <= before]:
            complaints.remove(complaint)
            row = Row(None, complaint[0], complaint[1], '')
            row.verdict, row.detail = ('not run' if complaint[3].startswith('not run') else 'error'), complaint[3]
            self.add(row)

    def take(self, statement, facts):
        first = len(self.rows)
        judged = {}
        for judgement in statement.judged:
            judged.setdefault(judgement['index_name'], judgement)
        gone = {entry.get('index_name') for entry in statement.dropped}
        for entry in statement.dropped:
            # what goes with the partitioned index that it belongs to is not told for itself
            if entry['verdict'] != 'change' and entry.get('index_name') and facts['parents'].get(entry['index_name']) not in gone:
                self.take_dropped(statement, entry, judged.pop(entry['index_name'], None), facts)
        for judgement in judged.values():
            if not self.take_late(statement, judgement):
                self.take_judgement(self.row(statement), judgement)
        for error in statement.errors:
            self.take_error(statement, error)
        self.look_at_plans(statement, facts)
        if len(self.rows) == first:
            self.add(self.row(statement))
        if SETS_GUARD.match(COMMENT.sub(' ', statement.text)):
            self.rows[-1].advise('It changes what guard will say when the script runs; the review is made without it.')
        for row in self.rows[first:]:
            row.empty = self.empty_from is not None and self.empty_from[0] is not statement

    def row(self, statement):
        return Row(statement, statement.place[0], statement.place[1], shown(statement.text))

    def take_judgement(self, row, judgement):
        row.target = clean(judgement['index_name'])
        row.verdict, row.reason = judgement['verdict'], judgement.get('reason') or ''
        row.detail = clean(judgement.get('detail') or '')
        if not row.advice:
            row.advise(clean(judgement.get('hint') or ''))
        self.add(row)

    def take_late(self, statement, judgement):
        """COMMIT finds that nothing serves in place of what an earlier statement has dropped: that one is to blame."""
        for row in self.rows:
            if row.waits and row.statement.transaction is statement.transaction and row.target == clean(judgement['index_name']):
                row.verdict, row.reason, row.detail, row.waits = judgement['verdict'], judgement.get('reason') or '', clean(judgement['detail']), False
                row.detail += ' The transaction leaves nothing that serves in its place.'
                if not row.ordered:
                    row.advice = (clean(judgement.get('hint') or '') + ' ' + row.advice).strip()
                self.blocked += row.verdict == 'block'
                return True
        return False

    def take_dropped(self, statement, entry, judgement, facts):
        row = self.row(statement)
        row.target = clean(entry['index_name'])
        advise_order(row, statement, entry, facts, self.statements)
        row.ordered = bool(row.advice)
        if judgement is not None:
            self.take_judgement(row, judgement)
            advise_lock(row, statement, entry, facts)
            return
        advise_lock(row, statement, entry, facts)
        row.reason, row.detail = entry.get('reason') or '', clean(entry.get('detail') or '')
        if entry['verdict'] == 'observe':
            row.waits, row.reason = True, 'replaced' if made_later(statement, entry, facts, self.statements)[0] else ''
            row.detail += '. The transaction makes up for it, or takes it back.'
        elif entry['verdict'] in ('unjudged', 'failed') and entry.get('reason') != 'internal':
            row.verdict, row.detail = 'error', row.detail or 'guard.mode was off: nobody judged it.'
        self.add(row)

    def take_error(self, statement, error):
        row = self.row(statement)
        message = clean(error.get('M', ''))
        code = error.get('C', '')
        row.verdict, row.reason = 'error', 'syntax' if code == '42601' else code
        if code == '25P02' or code == '0LP01' or code == '42501' and not self.options.private:
            row.verdict, row.reason = 'not run', ''
        if SECRET.search(statement.text):
            message = 'syntax error' if code == '42601' else STRING.sub("'***'", message)
        if code == '42601' and error.get('P'):
            before = statement.text[:int(error['P']) - 1]
            line = statement.text[:re.match(r'(\s|--[^\n]*(\n|$)|/\*.*?\*/)*', statement.text, re.S).end()].count('\n')
            message = 'Statement %d, line %s, column %d: %s' % (statement.number, (statement.place[1] or 1) - line + before.count('\n'),
                                                                len(before) - before.rfind('\n'), message)
        row.detail = message + ('.' if not message.endswith('.') else '')
        if error.get('D') and not SECRET.search(statement.text) and code != '25P02':
            row.detail += ' ' + clean(error['D'])
        if code == '25001' and 'CONCURRENTLY' in message:
            row.advise('Take it out of the transaction.')
        elif code == '0A000' and 'concurrently' in message:
            row.advise("CONCURRENTLY does not work on a partitioned index: do it without, after SET lock_timeout = '2s'.")
        elif code in ('22021', '22P05'):
            row.advise('If the file is in another encoding, set PGCLIENTENCODING to it.')
        self.add(row)

    def look_at_plans(self, statement, facts):
        """Did code look at rows that are not here?"""
        if self.empty_from or not statement.plans or not re.match(r'\s*(/\*.*?\*/|--[^\n]*\n|\s)*(DO|CALL|SELECT|WITH|EXECUTE|INSERT|UPDATE|DELETE|MERGE)\b',
                                                                  statement.text, re.I | re.S):
            return
        for text in statement.plans:
            with contextlib.suppress(ValueError):
                plan = json.loads(text)
                query = plan.get('Query Text', '')
                nested = query.strip().rstrip(';') != statement.text.strip().rstrip(';')
                reads = nested or re.match(r'\s*(SELECT|WITH)\b', query, re.I)
                table = reads and 'OPERATOR(pg_catalog.' not in query and self.empty_scan(plan.get('Plan', {}), facts)
                if table:
                    self.empty_from = (statement, table)
                    return

    def empty_scan(self, plan, facts):
        table = (plan.get('Schema', 'public'), plan.get('Relation Name'))
        names = facts['filled'].get(table[1], ())
        if names and (plan.get('Actual Rows') or 0) == 0:
            return '%s.%s' % (names[0], table[1])
        for below in plan.get('Plans', []):
            found = self.empty_scan(below, facts)
            if found:
                return found
        return None


def shape_of(definition):
    """Of an index: unique, method, columns, the rest."""
    found = re.match(r'ALTER TABLE .*? ADD CONSTRAINT .*? (?:UNIQUE|PRIMARY KEY)(?: NULLS NOT DISTINCT)? \((.*?)\)', definition or '', re.S)
    if found:
        return True, 'btree', found.group(1), ''
    found = re.match(r'CREATE (UNIQUE )?INDEX .*? ON (?:ONLY )?.*? USING (\w+) \((.*?)\)( INCLUDE .*?)?( NULLS NOT DISTINCT)?( WITH .*?)?( WHERE .*)?$', definition or '', re.S)
    return found and (bool(found.group(1)), found.group(2), found.group(3), found.group(7) or '')


def advise_order(row, statement, entry, facts, statements):
    """Drop first, create afterwards: between the two there is no index, or the traffic waits."""
    later, index = made_later(statement, entry, facts, statements)
    if later is None or entry['verdict'] != 'observe':
        return
    key = 'CONSTRAINT' in statement.text.upper()
    if later is statement:
        row.advise('The table is locked while %s builds the new index: build it first, by CREATE UNIQUE INDEX CONCURRENTLY, and ADD CONSTRAINT ... USING INDEX.'
                   % where(statement, statement))
        return
    in_one = later.transaction is statement.transaction
    between = ' In between, all traffic of the table waits for this transaction.' if in_one else ' In between, there is no such index.'
    if key:
        row.advise('Build the index before %s, by CREATE UNIQUE INDEX CONCURRENTLY under another name; then, in one transaction, DROP CONSTRAINT and ADD ... USING INDEX.%s'
                   % (where(statement, statement), between))
        return
    row.advise('Turn %s and %s round: create %s first, CONCURRENTLY, then drop %s.%s' % (where(statement, statement), where(later, statement), index, row.target, between))
    if index == row.target:
        row.advise('The new one needs another name until then: ALTER INDEX ... RENAME TO %s afterwards.' % index.split('.')[-1])


def made_later(statement, entry, facts, statements):
    """The statement that makes an index of the same shape afterwards, and its name."""
    shape = shape_of(entry.get('definition'))
    for name, table, definition, _ in facts['new']:
        new = shape_of(definition)
        if not shape or not new or table != entry.get('table_name') or new[1] != shape[1] or new[3] != shape[3] or shape[0] and new[0:3] != shape[0:3]:
            continue
        if new[2] != shape[2] and not new[2].startswith(shape[2] + ','):
            continue
        bare = name.split('.')[-1].strip('"')
        maker = re.compile(r'\b(CREATE\s+(UNIQUE\s+)?INDEX|ADD\b|CREATE\s+TABLE)', re.I)
        for later in statements[statements.index(statement):]:
            if maker.search(later.text) and (bare in later.text or table.split('.')[-1].strip('"') in later.text) and not later.errors:
                return later, name
    return None, None


def advise_lock(row, statement, entry, facts):
    if entry.get('table_name') not in facts['busy'] or entry.get('lock_timeout') or re.search(r'\bCONCURRENTLY\b', statement.text, re.I):
        return
    alone = re.match(r'\s*DROP\s+INDEX\b', statement.text, re.I)
    outside = alone and not statement.transaction.explicit
    row.advise("This waits for every running statement on %s, and all others queue up behind it: %sSET lock_timeout = '2s' first%s." % (
        clean(entry['table_name']), 'use DROP INDEX CONCURRENTLY, or ' if outside else '',
        ', or use DROP INDEX CONCURRENTLY outside the transaction' if alone and not outside else ''))


INDEXES = """SELECT pg_catalog.json_build_array(x.indexrelid, pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.format('%I.%I', tn.nspname, t.relname),
	pg_catalog.pg_get_indexdef(x.indexrelid), (SELECT pg_catalog.format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits i
		JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = x.indexrelid LIMIT 1))
  FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class t ON t.oid = x.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace WHERE x.indisvalid AND c.oid >= 16384;
"""


def list_indexes(database):
    rows = (json.loads(line) for line in database.ask(INDEXES).splitlines())
    return {row[0]: tuple(row[1:]) for row in rows}


def facts_before(database, documents):
    """What advice is made of: tables with traffic, tables with rows in production, indexes."""
    # a server of our own knows no traffic but what a profile tells
    busy = database.ask("SELECT DISTINCT pg_catalog.format('%I.%I', table_schema, table_name) FROM guard.index_facts WHERE last_use IS NOT NULL;"
                        if documents or not database.private else '')
    filled = {}
    for _, _, document in documents:
        for relation in document.get('relations', []):
            if (relation.get('tuples') or 0) > 0:
                filled.setdefault(relation['name'], []).append(relation['schema'])
    before = list_indexes(database)
    return {'busy': set(busy.splitlines()), 'filled': filled, 'before': before, 'parents': {row[0]: row[3] or '' for row in before.values()}}


# ---- told

def cell(text):
    """In a table of Markdown: one line, and nothing that means something there."""
    text = one_line(text).replace('&', '&amp;')
    for char, by in (('<', '&lt;'), ('>', '&gt;'), ('|', '\\|'), ('*', '\\*'), ('@', '&#64;'), ('[', '&#91;'), (']', '&#93;'), ('(', '&#40;'), (')', '&#41;'),
                     ('!', '&#33;'), ('`', '&#96;'), ('~', '&#126;'), ('://', '&#58;//'), ('www.', 'www&#46;'), ('_', '\\_')):
        text = text.replace(char, by)
    return text


def code(text):
    return '`%s`' % one_line(text).replace('`', "'").replace('|', '\\|') if text else ''


def xml(text):
    for char, by in (('&', '&amp;'), ('<', '&lt;'), ('>', '&gt;'), ('"', '&quot;'), ('\n', '&#10;')):
        text = text.replace(char, by)
    return text


def plural(n, one):
    return '%d %s' % (n, one if n == 1 else one + ('es' if one.endswith('x') else 's'))


class Teller:
    """A report in one of the formats."""

    def __init__(self, report, options):
        self.report, self.options = report, options
        self.color = sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb' and not os.environ.get('NO_COLOR')
        self.left_out = [(clean(source.name), source.left_out) for source in report.sources if source.left_out]

    def paint(self, shade, text):
        return '\033[%sm%s\033[0m' % (shade, text) if self.color else text

    def summary(self):
        report = self.report
        words = [plural(report.blocked, 'index') + ' blocked' if report.blocked else 'nothing blocked']
        words += [plural(report.errors, 'error')] if report.errors else []
        words += ['%d not run' % report.not_run] if report.not_run else []
        words += ['%d delayed' % report.delayed] if report.delayed else []
        return ', '.join(words) + ' in ' + plural(report.count, 'statement')

    def notes(self):
        """What holds for the whole of it."""
        if self.report.empty_from:
            statement, table = self.report.empty_from
            line = ':%s' % statement.place[1] if statement.place[1] else ''
            yield 'judged on empty tables from %s%s on: it reads %s, which has rows in production and none here (--data)' % (clean(statement.place[0]), line, clean(table))
        if self.left_out:
            yield 'left out as the way down: ' + ', '.join('%s of %s' % (plural(lines, 'line'), name) for name, lines in self.left_out)

    def worth(self):
        return [row for row in self.report.rows if self.options.all or row.verdict != 'allow' or row.advice or row.target]

    def place(self, row):
        return '%s:%s' % (row.file, row.line) if row.line else row.file

    def text(self):
        for row in self.worth():
            shade = {'allow': '32', 'block': '31', 'error': '31'}.get(row.verdict, '33')
            print('%s%s  %s  %s' % (self.paint(shade + ';1', row.verdict.upper()), ' (%s)' % row.reason if row.reason else '', self.place(row), row.command))
            if row.target:
                print('    ' + row.target)
            for text, tint in ((row.detail, None), (row.advice and '=> ' + row.advice, '36')):
                if text:
                    print(self.paint(tint, wrap(text)) if tint else wrap(text))
            print()
        for dear in self.report.dearer:
            print('%s  %s\n%s' % (self.paint('33;1', 'DEARER'), dear['statement'], wrap(dear['detail'])))
            for when, plan in (('before', dear['plan_before']), ('now', dear['plan_now'])):
                if plan:
                    print('    %s:\n%s' % (when, re.sub('^', '        ', plan, flags=re.M)))
            print()
        print(self.paint(('31' if self.report.status else '32') + ';1', 'guard: ' + self.summary()))
        for note in self.notes():
            print(self.paint('33;1', 'guard: ' + note))

    def markdown(self):
        report = self.report
        print('### guard: %s\n' % ('blocked' if report.blocked else 'not judged in full' if report.status else 'nothing blocked'))
        print(cell(self.summary()) + '.\n')
        for note in self.notes():
            print('**%s**\n' % cell(note))
        rows = self.worth()
        if rows:
            print('| where | statement | index | verdict | what to do |\n|---|---|---|---|---|')
        for row in rows:
            verdict = row.verdict if row.verdict == 'allow' else '**%s**' % row.verdict
            print('| %s | %s | %s | %s%s | %s |' % (cell(self.place(row)), code(row.command[:80]), code(row.target), verdict,
                                                  ' (%s)' % cell(row.reason) if row.reason else '', cell(row.advice)))
        if any(row.detail for row in rows):
            print('\n<details><summary>Evidence</summary>\n')
            for row in rows:
                if row.detail:
                    print('- %s%s: %s' % (cell(self.place(row)), ' ' + code(row.target) if row.target else '', cell(row.detail)))
            print('\n</details>')
        if report.dearer:
            print('\n<details><summary>Statements that became dearer</summary>\n')
            for dear in report.dearer:
                print('- %s: %s' % (code(dear['statement']), cell(dear['detail'])))
                for when, plan in (('before', dear['plan_before']), ('now', dear['plan_now'])):
                    if plan:
                        print('\n  %s:\n\n%s\n' % (when, re.sub('^', '      ', plan, flags=re.M)))
            print('\n</details>')

    def json(self):
        report = self.report
        empty = report.empty_from
        json.dump({
            'verdict': 'block' if report.blocked else 'unknown' if report.status else 'allow', 'statements': report.count, 'blocked': report.blocked,
            'errors': report.errors, 'not_run': report.not_run,
            'on_empty_tables': {'file': clean(empty[0].place[0]), 'line': empty[0].place[1], 'table': clean(empty[1])} if empty else None,
            'rows': [{'file': row.file, 'line': row.line, 'statement': row.number, 'command': row.command or None, 'target': row.target or None, 'verdict': row.verdict,
                      'reason': row.reason or None, 'detail': row.detail or None, 'advice': row.advice or None, 'on_empty_tables': row.empty} for row in report.rows],
            'dearer': report.dearer, 'left_out': [{'file': name, 'lines': lines} for name, lines in self.left_out]}, sys.stdout, indent=1, ensure_ascii=False)
        print()

    def junit(self):
        report = self.report
        print('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite name="guard_review" tests="%d" failures="%d" errors="%d" skipped="%d">' % (
            len(report.rows), report.blocked, report.errors, report.not_run))
        for row in report.rows:
            name = ('line %s: ' % row.line if row.line else '') + row.command + (' [%s]' % row.target if row.target else '')
            line = ' line="%d"' % row.line if row.line else ''
            text = xml('\n'.join(part for part in (row.detail, row.advice) if part))
            print('<testcase classname="%s" name="%s" file="%s"%s>' % (xml(row.file), xml(name), xml(row.file), line), end='')
            if row.verdict == 'block':
                print('<failure type="%s" message="%s">%s</failure>' % (xml(row.reason), xml('cannot drop ' + row.target), text), end='')
            elif row.verdict == 'error':
                print('<error type="error" message="%s">%s</error>' % (xml(row.detail), text), end='')
            elif row.verdict == 'not run':
                print('<skipped message="%s"/>' % xml(row.detail), end='')
            elif row.advice:
                print('<system-out>%s</system-out>' % xml(row.advice), end='')
            print('</testcase>')
        for note in self.notes():
            print('<system-out>%s</system-out>' % xml(note))
        print('</testsuite>\n</testsuites>')


def wrap(text):
    lines, line = [], '   '
    width = min(shutil.get_terminal_size((110, 24)).columns - 1, 110)
    for word in text.split():
        if len(line) + len(word) > width and line.strip():
            lines.append(line)
            line = '   '
        line += ' ' + word
    return '\n'.join(lines + [line])


# ---- options

class Options:
    def __init__(self):
        self.files, self.schema, self.migrations, self.setup, self.data, self.roles, self.profiles, self.config, self.variables = ([] for _ in range(9))
        self.format, self.server, self.scratch, self.source, self.run = 'text', None, None, None, None
        self.single = self.strict = self.all = False
        self.private, self.database_name = True, 'review'


SHORT = {'-c': '--config', '-v': '--set', '--variable': '--set', '-1': '--single-transaction', '-V': '--version', '-?': '--help'}
FLAGS = {'--single-transaction': 'single', '--strict': 'strict', '--all': 'all'}
VALUES = {'--format': 'format', '--server': 'server', '--scratch': 'scratch', '--from': 'source', '--run': 'run'}
LISTS = {'--schema': 'schema', '--migrations': 'migrations', '--setup': 'setup', '--data': 'data', '--role': 'roles', '--profile': 'profiles', '--config': 'config', '--set': 'variables'}
PAIRS = ('--profile', '--config', '--set')


def parse(words):
    options = Options()
    while words:
        word = words.pop(0)
        if word == '--':
            options.files += words
            break
        if word == '-' or not word.startswith('-'):
            options.files.append(word)
            continue
        name, equals, value = word.partition('=')
        name = SHORT.get(name, name)
        if name == '--help':
            print(__doc__.strip(), flush=True)
            sys.exit(0)
        if name == '--version':
            print('guard_review ' + VERSION)
            sys.exit(0)
        if name in FLAGS:
            setattr(options, FLAGS[name], True)
            continue
        if name not in VALUES and name not in LISTS:
            raise Failure('no option %s; see guard_review --help' % name)
        if not equals:
            if not words:
                raise Failure('option %s needs a value; see guard_review --help' % name)
            value = words.pop(0)
        if name in PAIRS:
            key, equals, rest = value.partition('=')
            if name == '--profile' and (not equals or os.path.exists(value)):
                key, rest = re.sub(r'\.json$', '', os.path.basename(value)), value
            elif not equals or not re.fullmatch(r'[A-Za-z_][\w.]*', key):
                raise Failure('not NAME=VALUE: %s' % value)
            value = (key, rest)
        if name in LISTS:
            getattr(options, LISTS[name]).append(value)
        else:
            setattr(options, VALUES[name], value)
    if options.format not in ('text', 'markdown', 'json', 'junit'):
        raise Failure('no format %s: text, markdown, json or junit' % options.format)
    options.private = options.scratch is None
    if not options.files and options.run is None:
        options.files = ['-']
    return options


def review(options, work):
    sources = list_files(options.files, work)
    if not sources and options.run is None:
        raise Failure('no file to judge')
    for source in sources:
        prepare(source, options, work)
    if options.source:
        dump(options, work)
    documents = read_profiles(options)
    for _, _, document in documents:
        options.database_name = document.get('server', {}).get('database') or options.database_name
    database = None
    try:
        database = Private.__new__(Private) if options.private else Scratch.__new__(Scratch)
        database.work = work
        database.__init__(options, work)
        build(database, options, sources, documents)
        facts = facts_before(database, documents)
        planned = remember_plans(database, documents)
        statements, complaints = run_files(database, sources, options) if sources else ([], [])
        if options.run is not None:
            more, status = run_command(database, options.run, database.settings())
            statements = statements + more
            if status:
                complaints.append(('--run', None, None, '%s ended with status %d' % (options.run, status)))
        before = facts['before']
        facts['new'] = [row for oid, row in list_indexes(database).items() if oid not in before]
        report = Report(options, sources)
        report.dearer = compare_plans(database, planned)
        report.conclude(statements, complaints, facts)
        return report
    finally:
        if database is not None:
            database.close()


def main(words):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(2))
    sys.stdout.reconfigure(encoding='utf-8', errors='replace')
    sys.stderr.reconfigure(errors='replace')
    try:
        options = parse(words)
        work = tempfile.mkdtemp(prefix='guard_review.')
        try:
            report = review(options, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except Failure as failure:
        print('guard_review: %s' % clean(str(failure)), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 2
    getattr(Teller(report, options), options.format)()
    return report.status


if __name__ == '__main__':
    try:
        result = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # nobody reads any more; nor does Python's own last look
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        result = 141
    sys.exit(result)
