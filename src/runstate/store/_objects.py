"""
The SQLAlchemy objects that a store takes: engines, connections, sessions, tables and columns.

Objects of another library are refused before anything is done with them, by an error that says
what to pass instead.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import QueryableAttribute, Session

from ._row_errors import StoreArgumentError, wrong_argument

__all__ = [
    "check_caller",
    "check_column",
    "check_condition",
    "check_engine_kind",
    "check_table",
    "wrong_object",
]

_ADVICE: Final = {
    "django": "runstate.django.move(instance, trigger) makes a move in Django's transaction",
    "scoped_session": "calling a scoped_session returns its Session",
    "async_scoped_session": "calling an async_scoped_session returns its AsyncSession",
}
"""What to pass instead, by the library or the class of what was passed."""


def wrong_object(argument: str, expected: str, found: object) -> StoreArgumentError:
    """
    Return the error about *argument*, with what to pass instead of an object like the one *found*.
    """
    kind = found if isinstance(found, type) else type(found)
    words = [each.__module__.partition(".")[0] for each in kind.__mro__]
    words += [each.__name__ for each in kind.__mro__ if each.__module__.startswith("sqlalchemy.")]
    advice = next((_ADVICE[word] for word in words if word in _ADVICE), "")

    return wrong_argument(argument, f"{expected} ({advice})" if advice else expected, found)


def check_caller(argument: str, caller: object, *, awaited: bool = False) -> None:
    """
    Refuse what is not a connection or a session of SQLAlchemy; *awaited*, one of asyncio.
    """
    if awaited and not isinstance(caller, AsyncConnection | AsyncSession):
        raise wrong_object(argument, "an AsyncConnection or AsyncSession", caller)
    if not awaited and not isinstance(caller, sa.Connection | Session):
        raise wrong_object(argument, "a SQLAlchemy Connection or Session", caller)


def check_engine_kind(engine: object, *, awaited: bool) -> None:
    """
    Refuse what is not an engine of SQLAlchemy; *awaited*, one of asyncio.
    """
    if isinstance(engine, AsyncEngine if awaited else sa.Engine):
        return
    if isinstance(engine, str | sa.URL):
        raise wrong_argument("engine", "an engine (open() takes the URL of a database)", engine)
    kind = "a SQLAlchemy AsyncEngine" if awaited else "a SQLAlchemy Engine"
    raise wrong_argument("engine", kind, engine)


def check_table(table: Any) -> None:
    """
    Refuse what is neither a table of SQLAlchemy nor a class that is mapped to one.
    """
    if isinstance(table, sa.Table):
        return
    mapper = sa.inspect(table, raiseerr=False) if isinstance(table, type) else None
    if mapper is None:
        raise wrong_object("table", "a SQLAlchemy Table or a mapped class", table)
    if not isinstance(mapper.local_table, sa.Table):
        raise wrong_argument("table", "a class that is mapped to a table, not to a query", table)


def check_column(argument: str, column: object) -> None:
    """
    Refuse what is neither a column nor a mapped attribute: SQLAlchemy would compare a constant.
    """
    if not isinstance(column, sa.ColumnElement | QueryableAttribute):
        raise wrong_object(argument, "a SQLAlchemy column or a mapped attribute", column)


def check_condition(argument: str, condition: object, table: sa.Table) -> None:
    """
    Refuse what is not a condition on *table*: SQLAlchemy would join every row of another one.
    """
    if not isinstance(condition, sa.ColumnElement):
        raise wrong_object(argument, "a condition of SQLAlchemy, or None", condition)
    other = {
        each for each in sa.select(table).where(condition).get_final_froms() if each is not table
    }
    if other:
        expected = (
            f"a condition on columns of {table.name}, with exists() for those of another table"
        )
        raise wrong_argument(argument, expected, str(condition))
