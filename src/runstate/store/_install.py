"""
How the tables of a store come into a database, and grow older in it.
"""

import json
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from ..lifecycle._table import Lifecycle
from ._count_triggers import COUNT_TRIGGERS
from ._counts import recount
from ._tables import COUNTED, Snapshot, Tables
from ._verdicts import LifecycleMismatchError, StoreVersionError

__all__ = ["install"]

VERSION: Final = 2
"""Version of the tables. A later one adds its steps to MIGRATIONS."""

MIGRATIONS: Final[dict[int, dict[str, tuple[str, ...]]]] = {
    2: {
        "postgresql": (
            "ALTER TABLE {prefix}journal ADD COLUMN snapshot pg_snapshot",
            "ALTER TABLE {prefix}journal ALTER COLUMN snapshot SET DEFAULT pg_current_snapshot()",
            *COUNT_TRIGGERS["postgresql"],
        ),
        "sqlite": COUNT_TRIGGERS["sqlite"],
    }
}
"""
By version and dialect, the statements that lead there from the version before.

``{prefix}`` stands for the prefix of the tables.
"""

_COUNTS_NOTICE_SINCE: Final = 2
"""The version of the tables from which on triggers take deleted rows out of the counts."""
_NOTHING_COUNTED: Final = {"sqlite": "0", "postgresql": "1:1:"}
_LOCK: Final = 0x72756E73
"""Of the advisory lock under which the tables are made: "runs"."""


def install(
    connection: sa.Connection, tables: Tables, lifecycle: Lifecycle, adopt_lifecycle: bool
) -> None:
    """
    Make the tables where they are missing, and bring older ones up to date.

    Several processes may do this at once: one does it, the others wait and find it done.

    Raises:
        StoreVersionError: The tables are of a later version, or hold runs in a status
            that *lifecycle* does not know.
        LifecycleMismatchError: They were made with another lifecycle, which is not replaced
            unless *adopt_lifecycle*.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    tables.meta.metadata.create_all(connection)
    meta = tables.meta
    known = {row.name: row.value for row in connection.execute(sa.select(meta))}
    if COUNTED in known and connection.dialect.name == "postgresql":
        _take_in(connection, tables)
    ours = {"version": str(VERSION), "lifecycle": _described(lifecycle)}
    if not known:
        first = ours | {COUNTED: _NOTHING_COUNTED[connection.dialect.name]}
        connection.execute(meta.insert(), [{"name": n, "value": v} for n, v in first.items()])
        _carry_out(connection, tables, COUNT_TRIGGERS[connection.dialect.name])
    elif any(known[name] != value for name, value in ours.items()):
        _bring_up_to_date(connection, tables, known, lifecycle)
        if not adopt_lifecycle:
            _check_lifecycle(known["lifecycle"], lifecycle)
        for name, value in ours.items():
            connection.execute(meta.update().where(meta.c.name == name).values(value=value))


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
        steps = MIGRATIONS[version].get(connection.dialect.name, ())
        _carry_out(connection, tables, steps)
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
            f"{lifecycle.name} knows {', '.join(lifecycle.statuses)}",
        )


def _carry_out(connection: sa.Connection, tables: Tables, statements: Sequence[str]) -> None:
    prefix = tables.meta.name.removesuffix("meta")
    for statement in statements:
        connection.exec_driver_sql(statement.replace("{prefix}", prefix))


def _is_standby(connection: sa.Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return False

    return bool(connection.execute(sa.select(sa.func.pg_is_in_recovery())).scalar_one())


def _check_lifecycle(recorded: str, lifecycle: Lifecycle) -> None:
    """
    Refuse a lifecycle that is not the recorded one.
    """
    if recorded == _described(lifecycle):
        return
    was = json.loads(recorded)
    rows, ours = set(was["rows"]), {str(row) for row in lifecycle}
    raise LifecycleMismatchError(
        was["name"], lifecycle.name, tuple(sorted(ours - rows)), tuple(sorted(rows - ours))
    )


def _described(lifecycle: Lifecycle) -> str:
    return json.dumps(
        {"name": lifecycle.name, "rows": sorted(str(row) for row in lifecycle)}, sort_keys=True
    )
