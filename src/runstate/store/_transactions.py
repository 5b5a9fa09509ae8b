"""
The transactions of a store for threads: its own, or the caller's.
"""

import time
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..runs._retries import pauses
from ._conflicts import (
    in_transaction_of_caller,
    readable_again,
    retriable,
    retriable_transaction,
)
from ._engines import (
    begin_immediate,
    check_engine,
    commit,
    drivers,
    engine_options,
    operate,
    set_up,
    set_up_engine,
    store_url,
)
from ._objects import check_caller, check_engine_kind
from ._operations import Operations
from ._poolers import find_pooler
from ._setup import Setup

__all__ = ["Caller", "Engine", "Transactions", "caller_of", "dialect_of"]

_T = TypeVar("_T")
_Object = TypeVar("_Object")
_Store = TypeVar("_Store", bound="Transactions[Any]")

Engine = sa.Engine
"""The engine that a store is opened with."""
Caller = sa.Connection | Session
"""The caller's own transaction."""


class Transactions(Generic[_Object]):
    """
    The engine of a store, and the transactions that its operations are carried out in.
    """

    def __init__(self, engine: sa.Engine, setup: Any) -> None:
        # Any: it is not a type that applications see, and all of its parts would be.
        self.engine = engine
        """Where the store is; for transactions of the caller's own."""
        self._owns_engine = False
        self._setup: Setup[_Object] = setup
        self._do: Operations[_Object] = setup.operations
        check_engine(engine)
        with engine.connect() as connection:
            set_up(connection)
            whole = setup.needs_transaction or find_pooler(connection)
        # A single statement needs no BEGIN and no COMMIT, unless a pooler is in between.
        self._brief = engine if whole else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._transact(engine, setup.install)

    @classmethod
    def _opened(
        cls,
        make: Callable[[sa.Engine], _Store],
        url: str,
        *,
        durable: bool,
        timeout: float,
        pooler: bool | None,
    ) -> _Store:
        """
        Return the store that *make* makes of an engine for *url*.
        """
        parsed = store_url(url, awaited=False)
        with drivers(parsed):
            engine = sa.create_engine(parsed, **engine_options(parsed, timeout, pooler))
        set_up_engine(engine, durable, pooler)
        try:
            store = make(engine)
        except BaseException:
            engine.dispose()
            raise
        store._owns_engine = True  # noqa: SLF001

        return store

    def close(self) -> None:
        """
        Close the unused connections. An engine of the caller's stays open.
        """
        if self._owns_engine:
            self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        own = caller_of(connection)
        if own is not None:
            return in_transaction_of_caller(own, self._setup.database, operation, *args)

        return self._transact(self.engine, operation, *args)

    def _at_once(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        own = caller_of(connection)
        if own is not None:
            return in_transaction_of_caller(own, self._setup.database, operation, *args)

        return self._transact(self._brief, operation, *args)

    def _read(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        own = caller_of(connection)
        if own is not None:
            return in_transaction_of_caller(own, self._setup.database, operation, *args)

        return _retried(readable_again, lambda: self._look(operation, *args))

    def _look(self, operation: Callable[..., _T], *args: Any) -> _T:
        with self._brief.connect() as fresh:
            return operate(fresh, operation, *args)

    def _transact(self, engine: sa.Engine, operation: Callable[..., _T], *args: Any) -> _T:
        # A statement that commits by itself may have been carried out when its connection is lost.
        again = retriable_transaction() if engine is self.engine else retriable

        return _retried(again, lambda: self._once(engine, operation, *args))

    def _once(self, engine: sa.Engine, operation: Callable[..., _T], *args: Any) -> _T:
        with engine.connect() as connection:
            if self._setup.immediate:
                begin_immediate(connection)
            answer = operate(connection, operation, *args)
            commit(connection)

        return answer


def caller_of(connection: Caller | None) -> sa.Connection | None:
    if connection is None:
        return None
    check_caller("connection", connection)

    return connection.connection() if isinstance(connection, Session) else connection


def dialect_of(engine: Engine) -> sa.Dialect:
    """
    Return the dialect of *engine*.

    Raises:
        StoreArgumentError: It is something else than an engine.
    """
    check_engine_kind(engine, awaited=False)

    return engine.dialect


def _retried(again: Callable[[DBAPIError], bool], attempt: Callable[[], _T]) -> _T:
    for pause in pauses():
        try:
            return attempt()
        except DBAPIError as error:
            if not again(error):
                raise
        time.sleep(pause)

    return attempt()
