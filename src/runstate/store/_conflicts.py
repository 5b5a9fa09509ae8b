"""
Which errors of a database say that another transaction got in the way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..runs._driver_errors import error_number, is_broken_off, is_busy, sqlstate
from ._dialects import Database, database_of
from ._engines import operate
from ._row_errors import ConcurrentMoveError, wrong_argument
from ._verdicts import Fire, Lease

__all__ = [
    "conflicts_named",
    "in_transaction_of_caller",
    "is_conflict",
    "readable_again",
    "retriable",
    "retriable_transaction",
]

_T = TypeVar("_T")

_UNIQUE: Final = "23505"
_DUPLICATE: Final = 1062


def retriable(error: DBAPIError) -> bool:
    """
    Return whether the server broke the transaction off because of another one.
    """
    state = sqlstate(error.orig)
    if state == _UNIQUE:
        # A statement that waits for a run does not see the lines that were written
        # meanwhile: it looked for its key in vain, and finds it taken.
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        return str(name).endswith("journal_key")

    if error_number(error.orig) == _DUPLICATE:
        return str(error.orig).rstrip("')\"").endswith("journal_key")

    return is_broken_off(error.orig)


def retriable_transaction() -> Callable[[DBAPIError], bool]:
    """
    Return what says whether one call's transaction, which failed with an error, is to be run again.

    Where its connection was lost before COMMIT was sent, the transaction left nothing and is run
    again once: a second loss may be its own doing, such as that of a statement which is too long.
    The error of a COMMIT has no statement: whether it was carried out is unknown.
    """
    losses: list[DBAPIError] = []

    def again(error: DBAPIError) -> bool:
        if not error.connection_invalidated or error.statement is None:
            return retriable(error)
        losses.append(error)

        return len(losses) == 1

    return again


def readable_again(error: DBAPIError) -> bool:
    """
    Return whether a read that failed can be tried again.

    It changes nothing: a lost connection is a reason too.
    """
    return retriable(error) or error.connection_invalidated


def is_conflict(error: DBAPIError) -> bool:
    """
    Return whether the caller's transaction is lost to another one, on any database.
    """
    return retriable(error) or is_busy(error.orig)


@contextmanager
def conflicts_named(run_id: str | None) -> Iterator[None]:
    """
    Raise :class:`ConcurrentMoveError` in place of the driver's error about a conflict.

    Args:
        run_id: Id of the run or row that is worked on; None for several.
    """
    try:
        yield
    except DBAPIError as error:
        if not is_conflict(error):
            raise
        raise ConcurrentMoveError(run_id) from error


def in_transaction_of_caller(
    connection: sa.Connection, database: Database, operation: Callable[..., _T], *args: Any
) -> _T:
    """
    Return what *operation* answers on the caller's *connection*, which only the caller can retry.

    Args:
        connection: The caller's.
        database: Where the store is.
        operation: What is done.
        args: What it is done with.

    Raises:
        StoreArgumentError: *connection* leads to another kind of database.
        ConcurrentMoveError: The transaction is lost to another one.
    """
    if database_of(connection.dialect) != database:
        expected = f"a connection to {database}, where this store is"
        raise wrong_argument("connection", expected, connection.engine)
    subject = args[0] if args else None
    run_id = subject.run_id if isinstance(subject, Fire) else None
    if isinstance(subject, Lease):
        run_id = subject.id
    with conflicts_named(run_id):
        return operate(connection, operation, *args)
