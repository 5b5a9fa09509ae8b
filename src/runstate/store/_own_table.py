"""
A table of the caller's own, in the lifecycle's words: its columns, and the statement of a move.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .._text import printable
from ..errors import PayloadError, UnknownTriggerError
from ..lifecycle._rows import Transition, name_of
from ..lifecycle._table import Lifecycle
from ..runs._fields import no_moment, of_column
from ._objects import check_condition, check_table
from ._row_errors import StatusMissingError, StoreArgumentError, wrong_argument
from ._row_keys import RowKey, told
from ._sql import Value

__all__ = [
    "FIRST",
    "OwnTable",
    "check_stamp",
    "connection_of",
    "members_of",
    "stamp",
    "unknown_trigger",
    "wrong_attempt",
]

FIRST: Final = 1
"""The attempt of a row without a number."""


def wrong_attempt(lifecycle: Lifecycle, found: object, form: str) -> StoreArgumentError:
    """
    Return the error that an attempt is missing where *lifecycle* reopens, or given where not.
    """
    name = printable(lifecycle.name, 60)
    if lifecycle.reopenings:
        expected = f"the attempt that the writer belongs to, as {form}: {name!r} reopens"
    else:
        expected = f"none, as {name!r} does not reopen"

    return wrong_argument("attempt", expected, found)


def unknown_trigger(lifecycle: Lifecycle, key: str | None, trigger: str) -> UnknownTriggerError:
    """
    Return the error that *lifecycle* has no *trigger* to fire at the row of *key*.
    """
    error = UnknownTriggerError(key, "any", trigger, lifecycle.triggers, ())
    error.noun = lifecycle.name

    return error


def members_of(kind: Any) -> Mapping[str, Enum]:
    """
    Return the members of a column's Python enum by their values; none if it is of another type.
    """
    members = (kind.enum_class or ()) if isinstance(kind, sa.Enum) else ()

    return {_as_word(member): member for member in members}


def _as_word(status: Any) -> str:
    name = name_of(status)

    # str() of a member of a (str, Enum) is "Class.MEMBER", and not its text.
    return name.value if isinstance(name, Enum) else str(name)


def connection_of(caller: Session | sa.Connection) -> sa.Connection:
    return caller.connection() if isinstance(caller, Session) else caller


class OwnTable:
    """
    The caller's table, in the lifecycle's words.
    """

    def __init__(
        self,
        table: Any,
        lifecycle: Lifecycle,
        columns: Mapping[str, str],
        where: Any = None,
    ) -> None:
        check_table(table)
        self._lifecycle, self._names = lifecycle, columns
        self._mapper = None if isinstance(table, sa.Table) else sa.inspect(table)
        self.target = table
        self._columns = table.c if self._mapper is None else self._mapper.local_table.c
        keys = [column for column in self._columns if column.primary_key]
        status = self.column(lifecycle.status_field)
        if not keys or status is None:
            self._refuse_inherited(lifecycle.status_field, "status")
            raise ValueError(f"{table!r} needs a primary key, and a column for the status")
        self.key = RowKey(keys)
        if where is not None:
            check_condition("where", where, status.table)
        self.where: Value = sa.and_(sa.true(), *self._kinds(status.table))
        """What holds of every row that is meant."""
        if where is not None:
            self.where = sa.and_(self.where, where)
        self.status: Any = status
        self.attempt: Any = self.column(lifecycle.attempt_field) if lifecycle.reopenings else None
        if lifecycle.reopenings and self.attempt is None:
            self._refuse_inherited(lifecycle.attempt_field, "attempt")
            raise ValueError(
                f"{table!r} needs a column for the attempt, {lifecycle.attempt_field!r}: "
                f"{lifecycle.name!r} reopens"
            )
        for field in dict.fromkeys(name for entry in lifecycle.entries for name in entry.stamps):
            if (stamped := self.column(field)) is not None:
                check_stamp(stamped)
        self.version: Any = None if self._mapper is None else self._mapper.version_id_col
        self._generator: Any = None if self._mapper is None else self._mapper.version_id_generator
        if self.version is not None and self._columns.get(self.version.key) is not self.version:
            raise ValueError(
                f"{table!r} keeps its version in another table, {self.version.table.name}: "
                "pass the mapped class of that table"
            )

    def _refuse_inherited(self, field: str, what: str) -> None:
        """
        Refuse a mapped class that has the column of *field* in the table of a class it inherits from.
        """
        name = self._names.get(field, field)
        for mapper in () if self._mapper is None else self._mapper.iterate_to_root():
            if name in mapper.local_table.c:
                raise ValueError(
                    f"{self.target!r} keeps its {what} in another table, {mapper.local_table}: "
                    f"pass the mapped class of that table, {mapper.class_.__name__}"
                )

    def _kinds(self, table: sa.Table) -> list[Value]:
        """
        Return the condition that a row of *table* is one of the mapped class, if others are in it.

        SQLAlchemy adds it to an UPDATE of the class, and not to a SELECT of the table.
        """
        mapper = self._mapper
        if mapper is None or not mapper.single or mapper.polymorphic_on is None:
            return []
        classes = [each for each in mapper.self_and_descendants if not each.polymorphic_abstract]
        kinds: Value = mapper.polymorphic_on.in_([each.polymorphic_identity for each in classes])
        if any(each is not table for each in sa.select(table).where(kinds).get_final_froms()):
            raise ValueError(
                f"{self.target!r} shares {table}, and another table says which rows are its own: "
                f"pass the mapped class of {table}"
            )

        return [kinds]

    def check_attempt(self, attempt: int | None) -> None:
        """
        Refuse a missing attempt where the lifecycle reopens, and one where it does not.
        """
        given = type(attempt) is int
        if (attempt is not None) != given or given != bool(self._lifecycle.reopenings):
            raise wrong_attempt(self._lifecycle, attempt, "a whole number")

    def is_trigger(self, trigger: str) -> bool:
        """
        Return whether a row of the lifecycle has *trigger*.
        """
        return trigger in self._lifecycle.triggers or any(
            row.trigger == trigger for row in self._lifecycle.reopenings
        )

    def is_stale(self, seen: Any, attempt: int | None) -> bool:
        """
        Return whether the row that was *seen* is in another attempt.
        """
        if self.attempt is None or seen is None:
            return False

        return (FIRST if seen[-1] is None else seen[-1]) != attempt

    def read(
        self,
        caller: Session | sa.Connection,
        key: Any,
        trigger: str,
        *,
        lock: bool = False,
        is_locked: bool = False,
    ) -> tuple[Any, Transition | None]:
        """
        Return the row's status, version and attempt, and the transition that is legal from there.

        Args:
            caller: Where to read.
            key: Of the row.
            trigger: A trigger of the lifecycle.
            lock: Whether to lock the row, and so to read what others have committed.
            is_locked: Whether the transaction has locked it before.
        """
        wanted = (self.status, self.version, self.attempt)
        columns = [column for column in wanted if column is not None]
        query = sa.select(*columns).where(self.key.equals(key), self.where)
        if lock and not is_locked and connection_of(caller).dialect.name == "sqlite":
            # It ignores FOR UPDATE, and takes its lock for an update of no row as well;
            # it refuses the lock to a transaction whose snapshot is out of date.
            caller.execute(self.nothing().execution_options(synchronize_session=False))
        seen = caller.execute(query.with_for_update() if lock else query).first()
        if seen is None or seen[0] is None:
            return seen, None

        status = _as_word(seen[0])

        return seen, (
            self._lifecycle.row(trigger, status) or self._lifecycle.reopening(trigger, status)
        )

    def nothing(self) -> sa.Update:
        """
        Return an update of no row.
        """
        table = self.status.table

        return sa.update(table).where(sa.false()).values({self.status: self.status})

    def status_of(self, seen: Any, key: str) -> str:
        """
        Return the status that was *seen*.

        Raises:
            StatusMissingError: It is NULL.
        """
        status = self.word_of(seen)
        if status is None:
            raise StatusMissingError(key, str(self.status))

        return status

    def word_of(self, seen: Any) -> str | None:
        """
        Return the status that was *seen*; None if it is NULL.
        """
        return None if seen[0] is None else _as_word(seen[0])

    def update(
        self, key: Any, seen: Any, row: Transition, at: float, values: Mapping[str, Any]
    ) -> sa.Update:
        """
        Return the statement that makes the move, if the row still is as it was *seen*.
        """
        changes = self.changes(row, at, told(key), values)
        same = self.key.equals(key), self.status == seen[0], self.where
        update = sa.update(self.target).where(*same)
        if self.attempt is not None:
            update = update.where(self.attempt.is_not_distinct_from(seen[-1]))
            if row.reopens:
                number = FIRST if seen[-1] is None else seen[-1]
                changes[self._settable(self.attempt)] = number + 1
        if self.version is not None:
            update = update.where(self.version == seen[1])
            changes |= {
                self._settable(column): value
                for column, value in self.next_version(seen[1]).items()
            }

        return update.values(changes)

    def next_version(self, version: Any) -> dict[Any, Any]:
        """
        Return the ORM's column of the version with the value after *version*, if it has one.
        """
        # False where the database raises the version. A mapper without a version has one as well.
        raised = self.version is not None and callable(self._generator)

        return {self.version: self._generator(version)} if raised else {}

    def column(self, field: str) -> Any:
        """
        Return the column of a field of the lifecycle; None if there is none.
        """
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
            if values.get(field) is None and self.column(field) is not None:
                allowed = self._lifecycle.allowed(row.source)
                error = PayloadError(
                    key, row.source, row.trigger, row.target, allowed, f"{field!r} is required"
                )
                error.noun = self._lifecycle.name
                raise error
        fields: dict[str, Any] = {
            **dict.fromkeys((*row.clears, *entry.clears)),
            **dict.fromkeys(entry.stamps, _STAMP),
            **values,
            self._lifecycle.status_field: members_of(self.status.type).get(
                row.target, str(row.target)
            ),
        }
        changes = {}
        for field, value in fields.items():
            column = self.column(field)
            if column is not None:
                stamped = stamp(column.type, at) if value is _STAMP else value
                changes[self._settable(column)] = stamped
            elif field in values:
                raise ValueError(f"the table has no column for {field!r}")

        return changes


_STAMP: Final = object()


def stamp(kind: sa.types.TypeEngine[Any], at: float) -> Any:
    """
    Return a time in Unix seconds as a column of *kind* holds it.
    """
    made = of_column(kind)

    return at if made is None else made(at)


def check_stamp(column: Any, *kinds: type[sa.types.TypeEngine[Any]]) -> None:
    """
    Refuse a column that cannot hold a time, or whose type is one of *kinds*.

    Raises:
        StoreArgumentError: Says which types can.
    """
    made = of_column(column.type)
    # JSON, and a column without a type, take a number.
    unknown = made is None and not isinstance(column.type, sa.JSON | sa.types.NullType)
    if made is no_moment or unknown or isinstance(column.type, kinds):
        dates = "" if sa.Date in kinds else "Date, "
        expected = (
            f"Integer, BigInteger, Float, Numeric of 10 digits before the point, {dates}DateTime, "
            f"JSON, Text, or String of 32 characters as the type of {column}, which holds a time"
        )
        raise wrong_argument("table", expected, column.type)
