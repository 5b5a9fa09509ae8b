"""
A move in a table that is not the store's: the caller's columns, session and transaction.

One statement decides: ``UPDATE … WHERE key = … AND status IN (<the row's sources>)``.
Whoever is late updates no row, and is told the status that beat it.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from ..errors import PayloadError, UnknownTriggerError
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._run import RUN
from ._sql import word
from ._verdicts import Applied, Illegal, RunNotFoundError, Superseded

__all__ = ["apply_move", "apply_move_async", "guard"]

_LOOKS: Final = 20


def guard(
    status: Any, trigger: str, target: str | None = None, lifecycle: Lifecycle = RUN
) -> sa.ColumnElement[bool]:
    """
    Return the condition under which *trigger* is legal, for a WHERE of the caller's own.

    Args:
        status: The column, or mapped attribute, that holds the status.
        trigger: A trigger of the lifecycle.
        target: Where it should lead, for a trigger that leads to several statuses.
        lifecycle: The table.

    Raises:
        UnknownTriggerError: The lifecycle has no such trigger.

    Example:
        >>> import sqlalchemy as sa
        >>> jobs = sa.table("jobs", sa.column("status"))
        >>> print(guard(jobs.c.status, "complete"))
        jobs.status IN ('in_progress', 'cancelling')
    """
    sources = [r.source for r in lifecycle if r.trigger == trigger and target in (None, r.target)]
    if not sources:
        raise UnknownTriggerError(None, "any", trigger, lifecycle.triggers, ())

    members = _members(getattr(status, "type", None))
    if members:
        # What is stored of a Python enum, by its names or its values, its type knows.
        return status.in_([members[each] for each in sources if each in members])  # type: ignore[no-any-return]

    return sa.type_coerce(status, sa.Text()).in_([word(source) for source in sources])


def _members(kind: Any) -> Mapping[str, Enum]:
    """
    Return the members of a column's Python enum by their values; none if it is of another type.
    """
    members = (kind.enum_class or ()) if isinstance(kind, sa.Enum) else ()

    return {str(member.value): member for member in members}


def _as_word(status: Any) -> str:
    return str(status.value if isinstance(status, Enum) else status)


def apply_move(
    caller: Session | sa.Connection,
    table: Any,
    key: Any,
    trigger: str,
    *,
    lifecycle: Lifecycle = RUN,
    values: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    now: float | None = None,
) -> Applied | Superseded | Illegal:
    """
    Move one row of the caller's own table by *trigger*, in the caller's transaction.

    Sets the status, stamps and clears what the lifecycle says, as far as the table has
    the columns, and sets *values*. Writes no journal; the answer is the record.

    Args:
        caller: The session or connection.
        table: A mapped class or a table, with a primary key of one column.
        key: The row's primary key.
        trigger: A trigger of the lifecycle.
        lifecycle: The table of legal moves.
        values: Other columns to set, by the lifecycle's name of the field.
        columns: Names of columns that differ from the lifecycle's, by field:
            ``{"status": "state"}``.
        now: When, in Unix seconds; the clock of this machine by default. Integer
            columns get whole seconds, date columns UTC.

    Raises:
        RunNotFoundError: There is no such row.
        UnknownTriggerError: The lifecycle has no such trigger.
        PayloadError: *values* lack what the target requires and the table has.
    """
    own = _Own(table, lifecycle, columns or {})
    if trigger not in lifecycle.triggers:
        raise UnknownTriggerError(str(key), "any", trigger, lifecycle.triggers, ())
    at = time.time() if now is None else now
    for _ in range(_LOOKS):
        status = caller.execute(sa.select(own.status).where(own.key == key)).scalar()
        if status is None:
            raise RunNotFoundError(str(key))
        row = lifecycle.row(trigger, _as_word(status))
        if row is None:
            return _refusal(lifecycle, _as_word(status))
        changes = own.changes(row, at, str(key), values or {})
        # Only from the status that was seen: whoever was faster has changed it.
        update = sa.update(own.target).where(own.key == key, own.status == status)
        if caller.execute(update.values(changes)).rowcount == 1:  # type: ignore[attr-defined]
            return Applied(Moved(str(key), trigger, str(row.source), str(row.target), at))
    raise RuntimeError(f"row {key!r} is moved faster than {_LOOKS} looks can follow")


async def apply_move_async(
    caller: AsyncSession | AsyncConnection, table: Any, key: Any, trigger: str, **options: Any
) -> Applied | Superseded | Illegal:
    """
    Do the same on an asynchronous session or connection; see :func:`apply_move`.
    """
    return await caller.run_sync(lambda sync: apply_move(sync, table, key, trigger, **options))


class _Own:
    """
    The caller's table, in the lifecycle's words.
    """

    def __init__(self, table: Any, lifecycle: Lifecycle, columns: Mapping[str, str]) -> None:
        self.target = table
        self._mapper = None if isinstance(table, sa.Table) else sa.inspect(table)
        self._columns = table.c if self._mapper is None else self._mapper.local_table.c
        self._lifecycle, self._names = lifecycle, columns
        keys = [column for column in self._columns if column.primary_key]
        status = self._column(lifecycle.status_field)
        if len(keys) != 1 or status is None:
            raise ValueError(f"{table!r} needs a primary key of one column, and one for the status")
        self.key: Any = keys[0]
        self.status: Any = status

    def _column(self, field: str) -> Any:
        return self._columns.get(self._names.get(field, field))

    def _settable(self, column: Any) -> Any:
        # A mapped attribute need not be called what its column is.
        if self._mapper is None:
            return column

        return self._mapper.get_property_by_column(column).class_attribute

    def changes(
        self, row: Transition, at: float, key: str, values: Mapping[str, Any]
    ) -> dict[Any, Any]:
        """
        Return the new value of every column that the move changes.
        """
        entry = self._lifecycle.entry(row.target)
        for field in entry.requires:
            if values.get(field) is None and self._column(field) is not None:
                allowed = self._lifecycle.allowed(row.source)
                raise PayloadError(
                    key, row.source, row.trigger, row.target, allowed, f"{field!r} is required"
                )
        fields: dict[str, Any] = {
            **dict.fromkeys(entry.clears),
            **dict.fromkeys(entry.stamps, _STAMP),
            **values,
            self._lifecycle.status_field: _members(self.status.type).get(
                row.target, str(row.target)
            ),
        }
        changes = {}
        for field, value in fields.items():
            column = self._column(field)
            if column is not None:
                stamped = _stamp(column.type, at) if value is _STAMP else value
                changes[self._settable(column)] = stamped
            elif field in values:
                raise ValueError(f"the table has no column for {field!r}")

        return changes


_STAMP: Final = object()


def _stamp(kind: sa.types.TypeEngine[Any], at: float) -> Any:
    if isinstance(kind, sa.DateTime):
        moment = datetime.fromtimestamp(at, UTC)
        return moment if kind.timezone else moment.replace(tzinfo=None)

    return int(at) if isinstance(kind, sa.Integer) else at


def _refusal(lifecycle: Lifecycle, status: str) -> Superseded | Illegal:
    if lifecycle.is_terminal(status):
        return Superseded(status, None, None)

    return Illegal(status, lifecycle.allowed(status), None)
