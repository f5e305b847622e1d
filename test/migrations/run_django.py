"""run_django.py APP,APP,...|- each|whole: migrate Django's own applications and these, up and then down.

"each" closes the connection after every migration; "whole" is one "migrate", in which every migration is a transaction, and
one "migrate zero" for each application.  Output and FILL are those of node.js.
"""
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import django
from django.conf import settings

named, manner = sys.argv[1].split(","), sys.argv[2]
CONTRIB = "contenttypes auth sites admin sessions messages flatpages redirects"
rows = os.environ.get("FILL")


settings.configure(
    SECRET_KEY="none",
    USE_TZ=True,
    SITE_ID=1,
    INSTALLED_APPS=[f"django.contrib.{name}" for name in CONTRIB.split()]
    + [app for app in named if app != "-" and importlib.util.find_spec(app)],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
                           "HOST": os.environ["PGHOST"], "USER": os.environ["PGUSER"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    SILENCED_SYSTEM_CHECKS=["*"],
    CONSTANCE_CONFIG={}, CONSTANCE_BACKEND="constance.backends.database.DatabaseBackend",
    Q_CLUSTER={"orm": "default"},
    ANONYMOUS_USER_NAME=None,
    MAILMAN_REST_API_URL="", MAILMAN_REST_API_USER="", MAILMAN_REST_API_PASS="", MAILMAN_ARCHIVER_KEY="",
    MAILMAN_ARCHIVER_FROM=(), HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
)
django.setup()

from django.core.management import call_command  # noqa: E402  (after setup)
from django.db import connection  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402


def psql(file):
    subprocess.run(["psql", "-qXf", Path(os.environ["FILL"]) / file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def attempt(way, name, app, target):
    """One migration, in a session of its own; once more without the rows where it cannot bear them."""
    global rows
    try:
        try:
            call_command("migrate", app, target, verbosity=0)
        except Exception:
            if not rows:
                raise
            rows = None
            connection.close()
            psql("empty.sql")
            call_command("migrate", app, target, verbosity=0)
    except Exception as error:
        print(f"FAIL {way} {name}: " + " ".join(str(error).split()), flush=True)
        sys.exit(1)
    print(way, name, flush=True)
    connection.close()
    if way == "up" and rows:
        psql("fill.sql")


def main():
    loader = MigrationExecutor(connection).loader
    # Django's own applications have a history of their own: "-".
    own = [] if named == ["-"] else CONTRIB.split()
    plan = [(m.app_label, m.name) for m, _ in MigrationExecutor(connection).migration_plan(loader.graph.leaf_nodes())]
    plan = [(app, name) for app, name in plan if app not in own]
    for app in {app for app, _ in loader.graph.leaf_nodes()} & set(own):
        call_command("migrate", app, verbosity=0)
    connection.close()
    if manner == "each":
        for app, name in plan:
            attempt("up", f"{app}.{name}", app, name)
        for at in range(len(plan) - 1, -1, -1) if not os.environ.get("UP_ONLY") else ():
            app, name = plan[at]
            before = [n for a, n in plan[:at] if a == app]
            attempt("down", f"{app}.{name}", app, before[-1] if before else "zero")
        return
    way = "up"
    try:
        call_command("migrate", verbosity=0)
        for app, name in plan:
            print(f"up {app}.{name}", flush=True)
        connection.close()
        way = "down"
        for app in dict.fromkeys(a for a, _ in reversed(plan)):
            call_command("migrate", app, "zero", verbosity=0)
        for app, name in reversed(plan):
            print(f"down {app}.{name}", flush=True)
    except Exception as error:
        print(f"FAIL {way} all: " + " ".join(str(error).split()), flush=True)
        sys.exit(1)


main()
