"""
How the tables of a store come into a database, and grow older in it.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from ..lifecycle._table import Lifecycle
from ._count_triggers import COUNT_TRIGGERS
from ._counts import recount
from ._dialects import Database, database_of
from ._tables import COUNTED, PLACED, Snapshot, Tables, quoted
from ._verdicts import LifecycleMismatchError, StoreVersionError
from ._wake import NOTIFY_TRIGGERS, notifies

__all__ = ["check_installed", "first_statements", "install"]

VERSION: Final = 2
"""Version of the tables. A later one adds its steps to MIGRATIONS."""

MIGRATIONS: Final[dict[int, dict[Database, tuple[str, ...]]]] = {
    2: {
        "postgresql": (
            "ALTER TABLE {schema}{prefix}journal ADD COLUMN snapshot pg_snapshot",
            "ALTER TABLE {schema}{prefix}journal ALTER COLUMN snapshot SET DEFAULT pg_current_snapshot()",
            *COUNT_TRIGGERS["postgresql"],
        ),
        "sqlite": COUNT_TRIGGERS["sqlite"],
    }
}
"""
By version and dialect, the statements that lead there from the version before.

``{prefix}`` stands for the prefix of the tables, ``{schema}`` for their schema and a dot, if they
have one.
"""

_COUNTS_NOTICE_SINCE: Final = 2
"""The version of the tables from which on triggers take deleted rows out of the counts."""
_NOTHING_COUNTED: Final[dict[Database, str]] = {
    "sqlite": "0",
    "postgresql": "1:1:",
    "mariadb": "0",
}
_LOCK: Final = 0x72756E73
"""Of the advisory lock under which the tables are made: "runs"."""
_LOCK_SECONDS: Final = 60


def install(
    connection: sa.Connection,
    tables: Tables,
    lifecycle: Lifecycle,
    adopt_lifecycle: bool,
    *,
    notify: bool = False,
) -> None:
    """
    Make the tables where they are missing, and bring older ones up to date.

    With *notify*, also make the trigger that wakes watchers. A standby gets it from its primary.

    Several processes may do this at once: one does it, the others wait and find it done.

    Raises:
        StoreVersionError: The tables are of a later version, or hold runs in a status
            that *lifecycle* does not know.
        LifecycleMismatchError: They were made with another lifecycle, which is not replaced
            unless *adopt_lifecycle*.
    """
    database = database_of(connection.dialect)
    with _alone(connection, database, tables):
        _install(connection, database, tables, lifecycle, adopt_lifecycle)
        if notify and not notifies(connection, tables.journal) and not _is_standby(connection):
            for statement in _filled_in(tables, NOTIFY_TRIGGERS):
                connection.exec_driver_sql(statement)


@contextmanager
def _alone(connection: sa.Connection, database: Database, tables: Tables) -> Iterator[None]:
    """
    Have one process at a time make the tables.
    """
    if database == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if database != "mariadb":
        yield
        return
    _check_mode(connection)
    # MariaDB commits every statement that makes something: a transaction holds no lock so long.
    name = sa.func.concat(sa.func.sha1(sa.func.database()), tables.meta.name)
    lock = sa.func.left(name, 64)
    if connection.execute(sa.select(sa.func.get_lock(lock, _LOCK_SECONDS))).scalar() != 1:
        raise TimeoutError(f"another process has been making the tables for {_LOCK_SECONDS} s")
    try:
        yield
        connection.commit()
    finally:
        connection.execute(sa.select(sa.func.release_lock(lock)))


def _check_mode(connection: sa.Connection) -> None:
    mode = str(connection.execute(sa.text("SELECT @@SESSION.sql_mode")).scalar_one())
    if "STRICT_" not in mode:
        raise ValueError(
            "a store needs a strict sql_mode, or MariaDB cuts off what is too long: add "
            f"STRICT_TRANS_TABLES, found {mode!r}"
        )


def _install(
    connection: sa.Connection,
    database: Database,
    tables: Tables,
    lifecycle: Lifecycle,
    adopt_lifecycle: bool,
) -> None:
    meta = tables.meta
    if meta.schema is not None and not sa.inspect(connection).has_schema(meta.schema):
        connection.execute(sa.schema.CreateSchema(meta.schema))
    meta.metadata.create_all(connection)
    known = _known(connection, tables)
    if COUNTED in known and database == "postgresql":
        _take_in(connection, tables)
    ours = _described(lifecycle)
    if not known:
        for statement in _filled_in(tables, COUNT_TRIGGERS[database]):
            connection.exec_driver_sql(statement)
        # At last: where nothing takes tables back, it says that they are as they should be.
        first = _first_rows(database, lifecycle)
        connection.execute(meta.insert(), [{"name": n, "value": v} for n, v in first.items()])
    elif any(known[name] != value for name, value in ours.items()):
        _bring_up_to_date(connection, tables, known, lifecycle)
        if not adopt_lifecycle:
            _check_lifecycle(known["lifecycle"], lifecycle)
        for name, value in ours.items():
            connection.execute(meta.update().where(meta.c.name == name).values(value=value))


def check_installed(
    connection: sa.Connection, tables: Tables, lifecycle: Lifecycle, *, notify: bool = False
) -> None:
    """
    Refuse a database that does not have the tables as this version makes them; change nothing.

    Raises:
        StoreVersionError: A table is missing, or they are of another version.
        LifecycleMismatchError: They were made with another lifecycle.
    """
    there = sa.inspect(connection)
    for table in tables:
        if not there.has_table(table.name, schema=table.schema):
            raise StoreVersionError(
                f"without the table {table.fullname}",
                "execute the statements of runstate.store.schema_sql(), or open it with install=True",
            )
    known = _known(connection, tables)
    if known.get("version") != str(VERSION):
        raise StoreVersionError(
            f"of version {known.get('version', 'unknown')}",
            f"version {VERSION} was expected: open it once with install=True, which migrates it",
        )
    _check_lifecycle(known["lifecycle"], lifecycle)
    if notify and not notifies(connection, tables.journal):
        raise StoreVersionError(
            "without the trigger that notifies those who watch",
            "execute its statements in schema_sql(..., notify=True), or open it with install=True",
        )


def first_statements(
    tables: Tables, lifecycle: Lifecycle, dialect: sa.Dialect, *, notify: bool = False
) -> tuple[str, ...]:
    """
    Return the statements that make the tables in a database that does not have them.
    """
    made: list[Any] = []
    for table in tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made += [sa.schema.CreateTable(table), *map(sa.schema.CreateIndex, indexes)]
    first = ", ".join(
        f"({quoted(name)}, {quoted(value)})"
        for name, value in _first_rows(database_of(dialect), lifecycle).items()
    )
    texts = [str(each.compile(dialect=dialect)).strip() for each in made]
    texts += _filled_in(tables, COUNT_TRIGGERS[database_of(dialect)])
    if notify:
        texts += _filled_in(tables, NOTIFY_TRIGGERS)
    meta = dialect.identifier_preparer.format_table(tables.meta)
    # Quoted words only; no value of it comes from outside of the lifecycle.
    texts.append(f"INSERT INTO {meta} (name, value) VALUES {first}")  # noqa: S608

    return tuple(texts)


def _known(connection: sa.Connection, tables: Tables) -> dict[str, str]:
    """
    Return what the tables remember of themselves.
    """
    return {row.name: row.value for row in connection.execute(sa.select(tables.meta))}


def _first_rows(database: Database, lifecycle: Lifecycle) -> dict[str, str]:
    placed = {PLACED: "0"} if database == "mariadb" else {}

    return _described(lifecycle) | {COUNTED: _NOTHING_COUNTED[database]} | placed


def _take_in(connection: sa.Connection, tables: Tables) -> None:
    """
    Have lines that another cluster's transactions wrote be this transaction's.

    A database that was dumped and restored brings their numbers with it, which here may
    lie in the future: until then its feed would keep silent, and its counts stand still.
    """
    journal, meta = tables.journal, tables.meta
    ahead = sa.text("txid >= pg_snapshot_xmax(pg_current_snapshot())")
    counted = sa.select(sa.cast(meta.c.value, Snapshot())).where(meta.c.name == COUNTED)
    ends = sa.func.pg_snapshot_xmax(counted.scalar_subquery())
    here = sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot())
    foreign = sa.or_(ends > here, sa.exists().where(ahead).select_from(journal))
    if not connection.execute(sa.select(foreign)).scalar():
        return
    own = {"txid": sa.func.pg_current_xact_id()}
    connection.execute(journal.update().where(ahead).values(own))
    nothing = {"value": _NOTHING_COUNTED["postgresql"]}
    connection.execute(meta.update().where(meta.c.name == COUNTED).values(nothing))
    recount(connection, tables)


def _bring_up_to_date(
    connection: sa.Connection, tables: Tables, known: dict[str, str], lifecycle: Lifecycle
) -> None:
    found = int(known["version"])
    if found > VERSION:
        raise StoreVersionError(
            f"of version {found}", f"this package reads up to version {VERSION}"
        )
    if found < VERSION and _is_standby(connection):
        raise StoreVersionError(f"of version {found}", "open it on the primary, which migrates it")
    for version in range(found + 1, VERSION + 1):
        steps = MIGRATIONS[version].get(database_of(connection.dialect), ())
        for statement in _filled_in(tables, steps):
            connection.exec_driver_sql(statement)
    if found < _COUNTS_NOTICE_SINCE:
        # Counts did not notice that rows were deleted.
        recount(connection, tables)
    runs = tables.runs
    unknown = connection.execute(
        sa.select(runs.c.status).where(runs.c.status.not_in(list(lifecycle.statuses))).limit(1)
    ).scalar()
    if unknown is not None:
        raise StoreVersionError(
            f"of a lifecycle with runs that are '{unknown}'",
            f"{lifecycle.name} knows {', '.join(lifecycle.statuses)}: open it with a lifecycle that "
            f"has '{unknown}', or with the later one move or prune those runs first",
        )


def _filled_in(tables: Tables, statements: Sequence[str]) -> list[str]:
    """
    Return *statements* with the prefix and the schema of *tables*.
    """
    prefix, schema = tables.meta.name.removesuffix("meta"), tables.meta.schema
    before = "" if schema is None else f'"{schema}".'

    return [each.replace("{schema}", before).replace("{prefix}", prefix) for each in statements]


def _is_standby(connection: sa.Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return False

    return bool(connection.execute(sa.select(sa.func.pg_is_in_recovery())).scalar_one())


def _check_lifecycle(recorded: str, lifecycle: Lifecycle) -> None:
    """
    Refuse a lifecycle that is not the recorded one.
    """
    if recorded == _described(lifecycle)["lifecycle"]:
        return
    was = json.loads(recorded)
    rows, ours = set(was["rows"]), {str(row) for row in lifecycle}
    raise LifecycleMismatchError(
        was["name"], lifecycle.name, tuple(sorted(ours - rows)), tuple(sorted(rows - ours))
    )


def _described(lifecycle: Lifecycle) -> dict[str, str]:
    """
    Return what the tables remember: their version, and the lifecycle that they are of.
    """
    rows = sorted(str(row) for row in lifecycle)
    known = json.dumps({"name": lifecycle.name, "rows": rows}, sort_keys=True)

    return {"version": str(VERSION), "lifecycle": known}
