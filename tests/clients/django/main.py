"""Django's database-backed sessions: python main.py create|write|judge|versions ..., as in ../protocol.mjs.

Besides DATABASE_URL: USE_TZ ("True" or "False") and TIME_ZONE of the settings.
"""

import json
import os
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

import django

# From a module, as in a project: only then does Django set the zone of its process.
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402


def expiries(now):
    """Each hour of a day, so that a zone that is taken for another one shows in some of them."""
    hours = [timedelta(hours=hour + 1) for hour in range(24)]
    for kind, list in [
        ("long-expired", [timedelta(days=-400), timedelta(days=-8)]),
        ("expired", [-hour for hour in hours]),
        ("just-expired", [timedelta(seconds=-1)]),
        ("soon", [timedelta(minutes=3)]),
        ("live", [*hours, timedelta(days=7), timedelta(days=30)]),
    ]:
        for ahead in list:
            yield kind, now + ahead


def create():
    call_command("migrate", verbosity=0)


def write():
    now = datetime.now(timezone.utc)
    for kind, expires in expiries(now):
        session = SessionStore()
        session["user"] = "ada"
        # As a sign-in does that is to last so long.
        session.set_expiry(int((expires - now).total_seconds()))
        session.save()
        answer = {"token": session.session_key, "expires": expires.isoformat(timespec="milliseconds"), "kind": kind}
        print(json.dumps(answer))


def judge():
    for token in sys.stdin.read().split():
        print(json.dumps({"token": token, "accepted": SessionStore(token).get("user") == "ada"}))


def versions():
    packages = ["Django", "psycopg", "PyMySQL"]
    print(json.dumps({package: version(package) for package in packages}))


for command in sys.argv[1:]:
    {"create": create, "write": write, "judge": judge, "versions": versions}[command]()
