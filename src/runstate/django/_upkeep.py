"""
What looks after the guards: the system check, and what puts them back after ``migrate``.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps as current_apps
from django.core import checks
from django.db import connections, router, transaction
from django.db.migrations.loader import MigrationLoader

from ..ddl import TableGuard
from ._model_guards import current_field, dialect_of, guard_of
from ._operations import GuardOperation
from ._status_field import StatusField, status_fields

__all__ = ["check_guards", "restore_guards"]


def check_guards(
    databases: Iterable[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:  # fmt: skip
    """
    Return a warning for each status field whose table has no guards, or others than it should.

    Args:
        databases: The aliases that ``manage.py check --database`` names. Without them, nothing
            is asked.
    """
    return [
        warning
        for alias in databases or ()
        if dialect_of(connections[alias]) is not None
        for model, field in _guardable(alias)
        for warning in _warnings(alias, model, field)
    ]


def _guardable(alias: str) -> Iterator[tuple[Any, StatusField]]:
    tables = set(connections[alias].introspection.table_names())
    for model in current_apps.get_models():
        meta = model._meta  # noqa: SLF001  Django's public name
        if not router.allow_migrate_model(alias, model) or meta.db_table not in tables:
            continue
        for field in status_fields(model):
            if field.model is model:
                yield model, field


def _warnings(alias: str, model: Any, field: StatusField) -> Iterator[checks.CheckMessage]:
    try:
        parts = guard_of(model, field, connections[alias]).check(connections[alias])
        wrong = [f"{part.kind} {part.name} is {part.state}" for part in parts]
        wrong = [each for each in wrong if not each.endswith(" in place")]
    except ValueError as error:
        wrong = [str(error)]
    if wrong:
        yield checks.Warning(
            f"Database {alias!r} does not guard {field.name} of table "
            f"{model._meta.db_table}: {'; '.join(wrong)}.",  # noqa: SLF001
            hint=f"Add InstallGuards({model.__name__!r}, {field.name!r}) to a migration, and migrate.",
            obj=field,
            id="runstate.W001",
        )


def restore_guards(
    *, using: str, apps: Any = None, plan: Any = None, verbosity: int = 1, **options: Any
) -> None:
    """
    Install the guards of applied migrations again, where they are missing or of another lifecycle.

    SQLite drops the triggers of a table that a migration rebuilds. A receiver of
    ``post_migrate``; ``flush`` sends that signal without a plan and changes no table.

    Args:
        using: Alias of the database.
        apps: The models as the migrations left them.
        plan: What ``migrate`` has done; None for ``flush``.
        verbosity: Whether to print what was restored: 1 and more.
        options: What else Django passes to receivers.
    """
    connection = connections[using]
    if plan is None or apps is None or dialect_of(connection) is None:
        return
    for app, model_name, field_name in _installed(connection):
        field = current_field(app, model_name, field_name)
        try:
            model = apps.get_model(app, model_name)
        except LookupError:
            continue
        if field is None or not router.allow_migrate_model(using, model):
            continue
        if _restore(guard_of(model, field, connection), connection) and verbosity >= 1:
            out = options.get("stdout") or sys.stdout
            out.write(f"Installed the guards of {app}.{model_name}.{field_name} again\n")


def _restore(guard: TableGuard, connection: Any) -> bool:
    if all(part.state == "in place" for part in guard.check(connection)):
        return False
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in guard.statements:
            cursor.execute(statement)

    return True


def _installed(connection: Any) -> list[tuple[str, str, str]]:
    """
    Return the app, model and field of all guards that the applied migrations leave installed.
    """
    loader = MigrationLoader(connection)
    plans = (loader.graph.forwards_plan(leaf) for leaf in loader.graph.leaf_nodes())
    found: dict[tuple[str, str, str], None] = {}
    for key in dict.fromkeys(each for plan in plans for each in plan):
        if key not in loader.applied_migrations:
            continue
        for operation in loader.graph.nodes[key].operations:
            if isinstance(operation, GuardOperation):
                place = key[0], operation.model_name, operation.field_name
                found.pop(place, None)
                found |= {place: None} if operation.installs else {}

    return list(found)
