"""
Connection poolers between a store and PostgreSQL, such as PgBouncer.

In transaction pooling every transaction may run in another server process. Statements that
a driver has prepared under a name may then be those of another client, and what ``SET``
says to one transaction holds for the transactions of others. Behind a pooler a store
therefore prepares nothing, sends every operation as one transaction, and sets nothing
beyond it.
"""

from typing import Any, Final

import sqlalchemy as sa

from ..errors import RunstateError

__all__ = [
    "PoolerError",
    "find_pooler",
    "is_pooled",
    "note_pooler",
    "prepare_nothing",
    "unprepared_options",
]

_POOLED: Final = "runstate_pooled"
_PSYCOPG: Final = "prepare_threshold"
_PSYCOPG_2: Final = "get_backend_pid"
_ASYNCPG: Final = "get_server_pid"


class PoolerError(RunstateError, ValueError):
    """
    Raised when a store is given prepared statements through a pooler, which mixes them up.

    ``RunStore.open(url, pooler=True)`` prepares none. For an engine of your own:
    ``create_engine(url, connect_args={"prepare_threshold": None})`` with psycopg, and with
    asyncpg ``statement_cache_size=0, prepared_statement_cache_size=0,
    prepared_statement_name_func=lambda: ""``.

    Example:
        >>> error = PoolerError("psycopg")
        >>> error.driver, "pooler=True" in str(error)
        ('psycopg', True)
    """

    def __init__(self, driver: str) -> None:
        self.driver = driver
        """The name of the driver."""
        super().__init__(driver)

    def _message(self) -> str:
        return (
            f"a connection pooler is between this store and PostgreSQL, and {self.driver} prepares "
            "statements, which a pooler mixes up: use RunStore.open(url, pooler=True), or create "
            "your own engine with connect_args={'prepare_threshold': None} (psycopg)"
        )


def unprepared_options(driver: str) -> dict[str, Any]:
    """
    Return the options without which a driver would prepare statements from the start.
    """
    if driver != "asyncpg":
        return {}

    return {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": str,
    }


def find_pooler(connection: sa.Connection) -> bool:
    """
    Return whether *connection* goes through a pooler; of one that is not known yet, ask.

    Raises:
        PoolerError: It does, and its driver prepares statements under names.
    """
    if connection.dialect.name != "postgresql":
        return False
    fairy: Any = connection.connection
    if _POOLED not in fairy.info:
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        note_pooler(fairy.dbapi_connection, fairy.info, backend, None)
    if fairy.info[_POOLED] and _prepares(fairy.dbapi_connection):
        raise PoolerError(connection.dialect.driver)

    return is_pooled(fairy)


def note_pooler(connection: Any, info: Any, backend: int, pooler: bool | None) -> bool:
    """
    Remember in a pool's *info* whether a driver's *connection* goes through a pooler.

    A pooler invents the process id that it gives to its clients: it is not the *backend*'s.
    What the user says by *pooler* is not questioned.
    """
    if pooler is None:
        pid = _driver_pid(_of_driver(connection))
        pooler = pid is not None and pid != backend
    info[_POOLED] = pooler

    return pooler


def is_pooled(connection: Any) -> bool:
    """
    Return whether a pool's *connection* is known to go through a pooler.
    """
    return bool(connection.info.get(_POOLED))


def prepare_nothing(connection: Any) -> None:
    """
    Have a connection of psycopg prepare no statement, however often it is executed.
    """
    driver = _of_driver(connection)
    if hasattr(driver, _PSYCOPG):
        setattr(driver, _PSYCOPG, None)


def _prepares(connection: Any) -> bool:
    driver = _of_driver(connection)
    if hasattr(driver, _PSYCOPG):
        return getattr(driver, _PSYCOPG) is not None
    if hasattr(driver, _ASYNCPG):
        # SQLAlchemy has asyncpg prepare every statement, under a name that this gives.
        return bool(connection._prepared_statement_name_func() != "")  # noqa: SLF001

    return False


def _of_driver(connection: Any) -> Any:
    return getattr(connection, "driver_connection", connection)


def _driver_pid(driver: Any) -> int | None:
    """
    Return the process id that the driver was told at connect; None if it keeps none.
    """
    if hasattr(driver, _PSYCOPG):
        return int(driver.info.backend_pid)
    for name in (_PSYCOPG_2, _ASYNCPG):
        if hasattr(driver, name):
            return int(getattr(driver, name)())

    return None
