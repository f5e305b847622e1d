#!/usr/bin/python3
"""alert_webhook.py URL: tells a webhook (Slack, Mattermost, ...) what guard raises; libpq's variables say where the database is."""
import html
import json
import select
import sys
import urllib.request

import psycopg2

# A notification only wakes: whoever may connect may send one.  What is told is what guard wrote down.
RAISED = """SELECT id, facts FROM guard.audit_log WHERE command = 'alert' AND at > now() - interval '1 hour' AND id <> ALL (%s) ORDER BY id"""

db = psycopg2.connect('')
db.autocommit = True
cursor = db.cursor()
cursor.execute('LISTEN guard_alert')
cursor.execute(RAISED, ([],))
told = [row[0] for row in cursor.fetchall()]
print('listening', flush=True)
while True:
    select.select([db], [], [], 60)
    db.poll()
    db.notifies.clear()
    cursor.execute(RAISED, (told,))
    for number, alert in cursor.fetchall():
        lines = ['guard, database %s: %s %s' % (alert['database'], alert['alert'], alert.get('index') or ''), alert.get('reason') or '']
        lines += ['%s: %s %s' % (r['index'], r['what'], r.get('undo') or '') for r in alert.get('recent') or []]
        body = json.dumps({'text': html.escape('\n'.join(lines), quote=False)}).encode()
        urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, {'Content-Type': 'application/json'}), timeout=10).close()
        told = (told + [number])[-10000:]
