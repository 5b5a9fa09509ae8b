"""
The guard of a model's table, and how it is installed and removed through Django.
"""

from typing import Any, Final

from django.apps import apps as current_apps
from django.core.exceptions import FieldDoesNotExist
from django.db import NotSupportedError

from ..ddl import DIALECTS, TableGuard
from ._status_field import StatusField

__all__ = ["current_field", "dialect_of", "guard_of", "removal"]

_DIALECT_NAMES: Final = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mariadb"}
_DROPS: Final = {
    "trigger": "DROP TRIGGER {name}",
    "constraint": "ALTER TABLE {table} DROP CONSTRAINT {name}",
    "function": "DROP FUNCTION {name}()",
    "table": "DROP TABLE {name}",
}
"""How the parts of a guard are dropped, in an order that respects what needs what."""


def current_field(app: str, model: str, field: str) -> StatusField | None:
    """
    Return the status field of the code as it is now; None where the code no longer has it.
    """
    try:
        found = current_apps.get_model(app, model)._meta.get_field(field)  # noqa: SLF001  Django's public name
    except (LookupError, FieldDoesNotExist):
        return None

    return found if isinstance(found, StatusField) else None


def dialect_of(connection: Any) -> str | None:
    """
    Return the name that :mod:`runstate.ddl` has for the database; None if guards do not support it.
    """
    name = _DIALECT_NAMES.get(connection.vendor)

    return name if name in DIALECTS else None


def guard_of(model: Any, field: StatusField, connection: Any) -> TableGuard:
    """
    Return the guard of the table of *model*.

    Args:
        model: The model whose table it is; in a migration, the historical one.
        field: The status field of the code, which knows the lifecycle.
        connection: Django's connection.

    Raises:
        NotSupportedError: Guards do not support this database.
        ValueError: A name cannot be guarded, or the table lacks the column of the attempts.
    """
    dialect = dialect_of(connection)
    if dialect is None:
        raise NotSupportedError(
            f"expected one of the databases {', '.join(DIALECTS)}, got {connection.vendor}: "
            "guards do not support it; leave InstallGuards out of the migrations"
        )
    meta = model._meta  # noqa: SLF001
    columns = {each.name: each.column for each in meta.local_concrete_fields}

    return TableGuard(
        field.lifecycle,
        dialect,  # type: ignore[arg-type]
        table=meta.db_table,
        column=columns[field.name],
        key=meta.pk.column,
        attempt=columns.get(field.lifecycle.attempt_field) if field.lifecycle.reopenings else None,
    )


def removal(guard: TableGuard, model: Any, connection: Any) -> list[str]:
    """
    Return the statements that drop those parts of *guard* that the database has.
    """
    quoted = connection.ops.quote_name
    table = quoted(model._meta.db_table)  # noqa: SLF001
    on_table = f" ON {table}" if connection.vendor == "postgresql" else ""
    there = [part for part in guard.check(connection) if part.state != "missing"]
    statements = []
    for kind, drop in _DROPS.items():
        for part in there:
            if part.kind == kind:
                statement = drop.format(name=quoted(part.name), table=table)
                statements.append(statement + (on_table if kind == "trigger" else ""))

    return statements
