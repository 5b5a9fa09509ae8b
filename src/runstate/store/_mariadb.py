"""
The statements of a store on MariaDB, where an UPDATE answers with nothing but a number.

Each of these takes the place of one :class:`Prepared` and answers with the same rows, in
several statements of one transaction: the UPDATE holds the row until its end, and what is
read behind it is what it wrote.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ._sql import Prepared

__all__ = ["Changing", "Claiming", "Creating", "Repeated"]

_DUPLICATE: Final = 1062
_TRIES: Final = 5
_PAUSE: Final = "DO SLEEP(0.002)"
"""Waits in the database, where no event loop is held up by it."""


class Changing:
    """
    An UPDATE of one row, and the query for what it is then.
    """

    __slots__ = ("_query", "_update")

    def __init__(self, update: Any, query: Any, dialect: sa.Dialect) -> None:
        self._update, self._query = Prepared(update, dialect), Prepared(query, dialect)

    def run(self, connection: sa.Connection, **given: Any) -> Sequence[Any]:
        """
        Return the row if it was changed; nothing if it was not.
        """
        if not self._update.change(connection, **given):
            return ()

        return self._query.run(connection, **given)


class Creating:
    """
    An INSERT of one row, and the query for what it is then.
    """

    __slots__ = ("_insert", "_query")

    def __init__(self, insert: Any, query: Any, dialect: sa.Dialect) -> None:
        self._insert, self._query = Prepared(insert, dialect), Prepared(query, dialect)

    def run(self, connection: sa.Connection, **given: Any) -> Sequence[Any]:
        """
        Return the row if it was inserted; nothing if its id is taken.
        """
        try:
            made = self._insert.change(connection, **given)
        except IntegrityError as error:
            number, text = (*getattr(error.orig, "args", ()), None, "")[:2]
            # Another unique column is the application's own.
            if number != _DUPLICATE or not str(text).endswith("'PRIMARY'"):
                raise
            return ()

        return self._query.run(connection, **given) if made else ()


class Repeated:
    """
    A statement for each of several, given as JSON under the name ``batch``.
    """

    __slots__ = ("_all", "_one")

    def __init__(self, one: Any, *, all_or_none: bool = False) -> None:
        self._one, self._all = one, all_or_none

    def run(self, connection: sa.Connection, *, batch: str) -> Sequence[Any]:
        """
        Return the rows of all of them; where it is all or none, nothing stays if one has no row.
        """
        each = json.loads(batch)
        if not self._all:
            return [row for given in each for row in self._one.run(connection, **given)]
        with connection.begin_nested() as savepoint:
            rows = [row for given in each for row in self._one.run(connection, **given)]
            if len(rows) < len(each):
                savepoint.rollback()

        return rows


class Claiming:
    """
    The queries for what can be claimed, one after the other, and the UPDATE of what they found.

    A query that locked all kinds at once would hide what it does not take from other workers.
    A writer that is about to be refused holds the row for a moment, and hides it as well: what
    can be seen and not be locked is looked for again.
    """

    __slots__ = ("_looks", "_queries", "_row", "_update")

    def __init__(
        self,
        queries: Sequence[Any],
        looks: Sequence[Any],
        update: Any,
        query: Any,
        dialect: sa.Dialect,
    ) -> None:
        self._queries = [Prepared(each, dialect) for each in queries]
        self._looks = [Prepared(each, dialect) for each in looks]
        self._update, self._row = Prepared(update, dialect), Prepared(query, dialect)

    def run(self, connection: sa.Connection, *, most: int | None, **given: Any) -> Sequence[Any]:
        """
        Return the rows that were claimed, as many as *most*; one if None.
        """
        found = self._found(connection, most or 1, given)
        for _ in range(_TRIES):
            if found or not any(q.run(connection, most=1, **given) for q in self._looks):
                break
            connection.exec_driver_sql(_PAUSE)
            found = self._found(connection, most or 1, given)
        claimed = [name for name in found if self._update.change(connection, id=name, **given)]

        return [row for name in claimed for row in self._row.run(connection, id=name)]

    def _found(
        self, connection: sa.Connection, most: int, given: Mapping[str, Any]
    ) -> dict[str, None]:
        """
        Return the ids of what could be locked.
        """
        found: dict[str, None] = {}
        for query in self._queries:
            left = most - len(found)
            if left:
                found |= dict.fromkeys(r.id for r in query.run(connection, most=left, **given))

        return found
