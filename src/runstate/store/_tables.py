"""
The store's tables, and how they come into a database and grow older in it.

``runs`` holds a row a run: the fields that the lifecycle owns in columns of their own,
the rest of the wire document, which no move touches, in ``document``; and the run's
last move, so that whoever loses a race can be told by whom. ``journal`` is only ever
added to, and is the feed at the same time: state, history and event are one commit.
``counts`` are sums over the journal. ``meta`` remembers which version of these tables
it is, and of which lifecycle.
"""

import hashlib
import re
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from ..lifecycle._table import Lifecycle
from ._dialects import LONG, WORD, Database
from ._layout import Layout
from ._row_errors import wrong_argument

__all__ = [
    "COUNTED",
    "PLACED",
    "PRUNED",
    "Snapshot",
    "Tables",
    "TransactionId",
    "build_tables",
    "quoted",
]

PRUNED: Final = "pruned"
"""Name in ``meta`` of the places in the feed up to which moves, and lines, were deleted."""
PLACED: Final = "placed"
"""Name in ``meta`` of the last place in the feed that a line was given, on MariaDB."""
COUNTED: Final = "counted"
"""Name in ``meta`` of the place in the feed up to which ``counts`` are summed."""

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_LONGEST_NAME: Final = 63
_TYPES: Final[dict[type, Any]] = {
    str: WORD, int: sa.BigInteger, float: sa.Double, bool: sa.Boolean,
}  # fmt: skip
"""The types of an application's own columns, in the database."""


class TransactionId(UserDefinedType[int]):
    """
    PostgreSQL's ``xid8``: which transaction wrote a row, so that a feed can tell what it has seen.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class Snapshot(UserDefinedType[str]):
    """
    PostgreSQL's ``pg_snapshot``: which transactions were visible at one time.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_snapshot"


class Tables(NamedTuple):
    """
    The tables of one store.
    """

    runs: sa.Table
    journal: sa.Table
    meta: sa.Table
    counts: sa.Table


def build_tables(
    prefix: str, schema: str | None, lifecycle: Lifecycle, layout: Layout, database: Database
) -> Tables:
    """
    Return the tables under *prefix*, with checks that tie the stamps to the status.

    Raises:
        ValueError: *prefix* or *schema* is not made of lower-case letters, digits and
            underscores, or the database is not PostgreSQL, which alone has schemas.
    """
    for argument, name in (("prefix", prefix), ("schema", schema)):
        if name is not None and not isinstance(name, str):
            raise wrong_argument(argument, "a text or None", name)
    if not _NAME.fullmatch(prefix):
        raise ValueError(f"a prefix is lower-case letters, digits and underscores, not {prefix!r}")
    if schema is not None and not _NAME.fullmatch(schema):
        raise ValueError(
            f"schema: expected lower-case letters, digits and underscores, got {schema!r}"
        )
    if schema is not None and database != "postgresql":
        raise ValueError(f"schema: {database} has no schemas; name the tables apart with prefix=")
    metadata = sa.MetaData(schema=schema)
    # Unix seconds with a fraction; JSON as text, which keeps every character and every digit.
    moment, big, json_text = sa.Double, sa.BigInteger, LONG
    # InnoDB puts the primary key behind every index by itself, and has no room for it twice.
    last = () if database == "mariadb" else ("id",)
    runs = sa.Table(
        f"{prefix}runs",
        metadata,
        sa.Column("id", WORD, primary_key=True),
        sa.Column("status", WORD, nullable=False),
        sa.Column("version", big, nullable=False),
        *(sa.Column(name, _TYPES[kind]) for name, kind in layout.columns.items()),
        sa.Column("document", json_text, nullable=False),
        *(
            sa.Column(column, big, nullable=field not in layout.created)
            for field, column in layout.stamps.items()
        ),
        *(sa.Column(column, json_text) for column in layout.details.values()),
        sa.Column("born_at", moment, nullable=False),
        sa.Column("moved_at", moment, nullable=False),
        sa.Column("last_trigger", LONG, nullable=False),
        sa.Column("last_source", LONG),
        sa.Column("last_duration_s", moment),
        sa.Column("clock_regressed", sa.Boolean, nullable=False),
        sa.Column("deadline_at", moment),
        sa.Column("lease_owner", LONG),
        sa.Column("lease_token", big, nullable=False),
        sa.Column("lease_until", moment),
        sa.Column("attempt", big, nullable=False),
        *(_more_columns() if layout.extended else ()),
        *_key_or_checks(prefix, lifecycle, layout),
        sqlite_with_rowid=True,
    )
    column = runs.c
    sa.Index(f"{prefix}runs_status", column.status, column.born_at, *(column[n] for n in last))
    sa.Index(f"{prefix}runs_born", column.born_at, *(column[n] for n in last))
    for name in layout.indexed:
        # In databases that are there already, it has this name.
        index = f"{prefix}runs_{name.removesuffix('_id') if name == 'thread_id' else name}"
        sa.Index(_short(index), column[name], column.born_at, *(column[n] for n in last))
    deadline = () if layout.deadline is None else (layout.stamps[layout.deadline],)
    for name in ("lease_until", "deadline_at", *deadline):
        due = column[name].is_not(None)
        sa.Index(
            f"{prefix}runs_{name}", column[name], sqlite_where=due, postgresql_where=due
        )  # fmt: skip
    journal = sa.Table(
        f"{prefix}journal",
        metadata,
        # SQLite counts by itself only what is declared INTEGER.
        sa.Column("position", big().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("seq", big),
        sa.Column("kind", LONG, nullable=False),
        sa.Column("trigger", LONG),
        sa.Column("source", LONG),
        sa.Column("target", LONG),
        sa.Column("at", moment, nullable=False),
        sa.Column("duration_s", moment),
        sa.Column("clock_regressed", sa.Boolean, nullable=False),
        sa.Column("payload", json_text),
        sa.Column("key", LONG),
        sa.Column("token", big),
        sa.Column("actor", LONG),
        sa.Column("reason", LONG),
        sqlite_autoincrement=True,
    )
    line = journal.c
    sa.Index(f"{prefix}journal_seq", line.run_id, line.seq, unique=True)
    keyed: Any = line.key
    if database == "mariadb":
        # Where the line is in the feed, which a poll or a sweep says once it is committed.
        journal.append_column(sa.Column("place", big))
        sa.Index(f"{prefix}journal_place", line.place)
        # An index of whole ids and keys would be too long.
        digest = sa.Computed("unhex(sha2(`key`, 256))", persisted=True)
        keyed = sa.Column("key_hash", sa.BINARY(32), digest)
        journal.append_column(keyed)
    sa.Index(
        f"{prefix}journal_key", line.run_id, keyed, unique=True,
        sqlite_where=keyed.is_not(None), postgresql_where=keyed.is_not(None),
    )  # fmt: skip
    if database == "postgresql":
        xid = sa.Column("txid", TransactionId, server_default=sa.text("pg_current_xact_id()"))
        journal.append_column(xid)
        # What the writer saw: of two lines, it tells which was committed before the other.
        journal.append_column(
            sa.Column("snapshot", Snapshot, server_default=sa.text("pg_current_snapshot()"))
        )
        sa.Index(f"{prefix}journal_txid", xid)
    meta = sa.Table(
        f"{prefix}meta",
        metadata,
        sa.Column("name", WORD, primary_key=True),
        sa.Column("value", LONG, nullable=False),
    )

    counts = sa.Table(
        f"{prefix}counts",
        metadata,
        sa.Column("status", WORD, primary_key=True),
        sa.Column("runs", big, nullable=False),
    )

    return Tables(runs, journal, meta, counts)


def _more_columns() -> tuple[sa.Column[Any], ...]:
    """
    Return what runs of a RunStore do not have: their tables stay as they are.
    """
    return (
        sa.Column("reopened", sa.BigInteger, nullable=False),
        sa.Column("claims", sa.BigInteger, nullable=False),
        sa.Column("not_before", sa.Double),
    )


def _key_or_checks(prefix: str, lifecycle: Lifecycle, layout: Layout) -> list[Any]:
    """
    Return the copy of the primary key of the application's own table, or the checks of a store's own.

    A row of the application's may have come to its status by any path.
    """
    if not layout.keys:
        return [*_checks(prefix, lifecycle, layout)]
    copies = [sa.Column(name, kind, nullable=False) for name, kind in layout.keys.items()]

    return [*copies, sa.Index(f"{prefix}runs_table_key", *copies, unique=True)]


def _short(name: str) -> str:
    """
    Return *name* as PostgreSQL takes it: 63 characters at most.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()

    return name if len(name) <= _LONGEST_NAME else f"{name[:54]}_{digest}"


def _checks(prefix: str, lifecycle: Lifecycle, layout: Layout) -> list[sa.CheckConstraint]:
    """
    Return what the lifecycle says about stamps, as checks that an unknown status passes.
    """
    checks = []
    for name, column in layout.stamps.items():
        needed = [s for s in lifecycle.statuses if name in lifecycle.required_fields(s)]
        barred = [s for s in lifecycle.statuses if name in lifecycle.excluded_fields(s)]
        rules = [(needed, "IS NOT NULL"), (barred, "IS NULL")]
        parts = [
            f"(status NOT IN ({', '.join(map(quoted, map(str, which)))}) OR {column} {what})"
            for which, what in rules
            if which
        ]
        if parts:
            fits = _short(f"{prefix}runs_{column}_fits")
            checks.append(sa.CheckConstraint(" AND ".join(parts), name=fits))

    return checks


def quoted(text: str) -> str:
    """
    Return *text* as an SQL literal.
    """
    return "'" + text.replace("'", "''") + "'"
