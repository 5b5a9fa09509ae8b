"""
The Django project of the tests: its settings, and the database that a test puts in place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
import sqlalchemy as sa
from django.conf import settings
from django.db import connections

IN_MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


def configure(database: dict[str, Any] = IN_MEMORY) -> None:
    """
    Set Django up with one database, once a process.
    """
    if settings.configured:
        return
    settings.configure(
        DATABASES={"default": dict(database)},
        INSTALLED_APPS=["django_jobs", "runstate.django"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


def database(url: str) -> dict[str, Any]:
    """
    Return Django's settings for the database at the *url* that SQLAlchemy understands.
    """
    parsed = sa.make_url(url)
    if parsed.drivername.startswith("sqlite"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parsed.database,
            "OPTIONS": {"timeout": 60},
        }
    engine = "postgresql"
    if parsed.drivername.startswith("mysql"):
        import pymysql

        pymysql.install_as_MySQLdb()
        engine = "mysql"

    return {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": parsed.database,
        "USER": parsed.username,
        "HOST": parsed.host,
        "PORT": parsed.port,
    }


@contextmanager
def connected(url: str, **options: Any) -> Iterator[None]:
    """
    Have the database at *url* as Django's default one, and the former one again in the end.
    """
    before = connections.databases["default"]
    _put({**database(url), **options})
    try:
        yield
    finally:
        _put(before)


def _put(wanted: dict[str, Any]) -> None:
    connections["default"].close()
    connections.configure_settings({"default": wanted})
    connections.databases["default"] = wanted
    del connections["default"]
