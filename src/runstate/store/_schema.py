"""
The tables of a store for migrations of the application's own, such as Alembic's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect

from ..lifecycle._table import Lifecycle
from ..runs._models import RunResponse
from ..runs._run import RUN
from ._arguments import check_flag
from ._dialects import listed
from ._install import first_statements
from ._row_errors import wrong_argument
from ._setup import rows_of, tables_of
from ._tables import Snapshot, Tables, TransactionId
from ._wake import check_notify

__all__ = ["metadata", "schema_sql"]

_DIALECTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "postgresql": postgresql.dialect,
        "sqlite": sqlite.dialect,
        "mysql": mysql.dialect,
        "mariadb": MariaDBDialect,
    }
)


def metadata(
    dialect: str,
    lifecycle: Lifecycle | None = None,
    *,
    model: type | None = None,
    columns: Mapping[str, type] | Mapping[str, str] = MappingProxyType({}),
    prefix: str | None = None,
    schema: str | None = None,
    table: Any = None,
) -> sa.MetaData:
    """
    Return the tables of a store as SQLAlchemy's metadata, for Alembic's ``target_metadata``.

    Alembic's autogenerate then finds nothing to do where the tables are as this version makes
    them, and drops none of them. Alembic does not write their triggers and first rows: a
    migration that makes the tables executes :func:`schema_sql`.

    Args:
        dialect: The database as SQLAlchemy calls it: ``postgresql``, ``sqlite``, ``mariadb``,
            or ``mysql``, which is not tested.
        lifecycle: The lifecycle of a :class:`Store`; None for the tables of :class:`RunStore`.
        model: The class of the store's objects, as it is opened with. For a :class:`RunStore`
            with a lifecycle of its own, give ``model=RunResponse`` and ``prefix="runstate_"``.
        columns: The application's own columns by name, each with its type: str, int, float or
            bool. With *table*, the names of its columns that differ from the lifecycle's.
        prefix: How the names of the tables begin. By default ``runstate_`` for a
            :class:`RunStore`, and the name of the lifecycle for a :class:`Store`.
        schema: The schema of the tables on PostgreSQL; None for the first of the connection's
            ``search_path``. Other databases have none.
        table: The application's own table, or a mapped class, whose rows are the objects. It is
            not among the tables that are returned, which stand beside it.

    Raises:
        StoreArgumentError: *dialect* is not a text, or *table* is not one of SQLAlchemy.
        ValueError: No store lives in that database, or an option makes no sense.

    Example:
        >>> sorted(metadata("postgresql", schema="app").tables)[0]
        'app.runstate_counts'
    """
    tables = _tables(dialect, lifecycle, model, columns, prefix, schema, table)
    # So that Alembic, which reads the tables back, knows the types of these columns.
    postgresql.base.ischema_names.setdefault("xid8", TransactionId)
    postgresql.base.ischema_names.setdefault("pg_snapshot", Snapshot)

    return tables.meta.metadata


def schema_sql(
    dialect: str,
    lifecycle: Lifecycle | None = None,
    *,
    model: type | None = None,
    columns: Mapping[str, type] | Mapping[str, str] = MappingProxyType({}),
    prefix: str | None = None,
    schema: str | None = None,
    table: Any = None,
    notify: bool = False,
) -> tuple[str, ...]:
    """
    Return the statements that make the tables of a store, with triggers, indexes and first rows.

    For a migration of your own: execute all of them, in this order, in one transaction, and
    open the store with ``install=False``.

    Args:
        dialect: The database as SQLAlchemy calls it: ``postgresql``, ``sqlite``, ``mariadb``,
            or ``mysql``, which is not tested.
        lifecycle: The lifecycle of a :class:`Store`; None for the tables of :class:`RunStore`.
        model: The class of the store's objects, as it is opened with. For a :class:`RunStore`
            with a lifecycle of its own, give ``model=RunResponse`` and ``prefix="runstate_"``.
        columns: The application's own columns by name, each with its type: str, int, float or
            bool. With *table*, the names of its columns that differ from the lifecycle's.
        prefix: How the names of the tables begin. By default ``runstate_`` for a
            :class:`RunStore`, and the name of the lifecycle for a :class:`Store`.
        schema: The schema of the tables on PostgreSQL, which must be there already; None for
            the first of the connection's ``search_path``. Other databases have none.
        table: The application's own table, or a mapped class, whose rows are the objects. No
            statement makes it: it must be there already.
        notify: Whether the commit of a move wakes those who watch, for stores that are opened with
            ``notify=True``; on PostgreSQL.

    Raises:
        StoreArgumentError: *dialect* is not a text, *table* is not one of SQLAlchemy, or *notify*
            is not a bool.
        ValueError: No store lives in that database, or an option makes no sense.

    Example:
        >>> schema_sql("sqlite")[0].splitlines()[0]
        'CREATE TABLE runstate_runs ('
    """
    tables = _tables(dialect, lifecycle, model, columns, prefix, schema, table)

    check_flag("notify", notify)
    if notify:
        check_notify(_dialect(dialect))

    return first_statements(tables, lifecycle or RUN, _dialect(dialect), notify=notify)


def _dialect(name: str) -> sa.Dialect:
    if not isinstance(name, str):
        raise wrong_argument("dialect", "the name of a database, such as 'postgresql'", name)
    if name not in _DIALECTS:
        raise ValueError(f"a store lives in {listed()}, not in {name}")

    # So that no driver takes a percent sign for the beginning of a parameter.
    return cast(sa.Dialect, _DIALECTS[name](paramstyle="named"))


def _tables(
    dialect: str,
    lifecycle: Lifecycle | None,
    model: type | None,
    columns: Mapping[str, Any],
    prefix: str | None,
    schema: str | None,
    table: Any,
) -> Tables:
    if lifecycle is not None:
        own = rows_of(table, lifecycle, columns, _dialect(dialect))
        return tables_of(_dialect(dialect), lifecycle, model, columns, prefix, schema, own)[1]
    if table is not None:
        raise ValueError("table: needs lifecycle=, which the rows of the table go through")
    prefix = "runstate_" if prefix is None else prefix

    return tables_of(_dialect(dialect), RUN, RunResponse, columns, prefix, schema)[1]
