"""
Migration operations for the guards of a model.
"""

from typing import Any, ClassVar

from django.db.migrations.operations.base import Operation

from ._model_guards import current_field, guard_of, removal

__all__ = ["GuardOperation", "InstallGuards", "RemoveGuards"]


class GuardOperation(Operation):
    """
    What the two operations share; they are each other's reverse.

    Args:
        model_name: Name of a model of the migration's app.
        field_name: Name of its :class:`StatusField`.
    """

    reversible = True
    reduces_to_sql = True
    installs: ClassVar[bool]
    """Whether the guards are there after the operation."""

    def __init__(self, model_name: str, field_name: str) -> None:
        self.model_name: str = model_name
        """Name of the model."""
        self.field_name: str = field_name
        """Name of its status field."""

    def state_forwards(self, app_label: str, state: Any) -> None:
        """
        Leave the state of the models as it is.

        Args:
            app_label: The app of the migration.
            state: The state of the models.
        """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: Any,
        from_state: Any,  # noqa: ARG002  Django passes it
        to_state: Any,
    ) -> None:
        """
        Execute the operation.

        Args:
            app_label: The app of the migration.
            schema_editor: Django's schema editor.
            from_state: The models before, which are those after it, too.
            to_state: The models after.
        """
        self._run(app_label, schema_editor, to_state, self.installs)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: Any,
        from_state: Any,  # noqa: ARG002  Django passes it
        to_state: Any,
    ) -> None:
        """
        Take the operation back.

        Args:
            app_label: The app of the migration.
            schema_editor: Django's schema editor.
            from_state: The models before, which are those after it, too.
            to_state: The models after.
        """
        self._run(app_label, schema_editor, to_state, not self.installs)

    def _run(self, app_label: str, schema_editor: Any, state: Any, installs: bool) -> None:
        model, connection = (
            state.apps.get_model(app_label, self.model_name),
            schema_editor.connection,
        )
        model._meta.get_field(self.field_name)  # noqa: SLF001  raises where the name is wrong
        field = current_field(app_label, self.model_name, self.field_name)
        # A model that the code no longer has needs no guards: a later migration drops it.
        if field is None or not self.allow_migrate_model(connection.alias, model):
            return
        guard = guard_of(model, field, connection)
        for statement in guard.statements if installs else removal(guard, model, connection):
            schema_editor.execute(statement, params=None)

    def describe(self) -> str:
        """
        Return what ``migrate`` and ``sqlmigrate`` print.
        """
        verb = "Install" if self.installs else "Remove"

        return f"{verb} the guards of {self.model_name}.{self.field_name}"

    @property
    def migration_name_fragment(self) -> str:
        """The end of the name of a migration that has this operation alone."""
        prefix = "guard" if self.installs else "unguard"

        return f"{prefix}_{self.model_name}_{self.field_name}".lower()


class InstallGuards(GuardOperation):
    """
    A migration operation after which the database refuses what the lifecycle does not allow.

    The triggers and constraints of :class:`runstate.ddl.TableGuard` hold for ``save()``,
    ``QuerySet.update()``, raw SQL, and every other program. The lifecycle is that of the
    :class:`StatusField` in the code. ``migrate`` ends by installing the guards again where
    they are missing, as after SQLite has rebuilt the table, or differ from the lifecycle.

    A migration fails with ``LookupError`` if the model is unknown, ``FieldDoesNotExist`` if the
    field is unknown, ``NotSupportedError`` if guards do not support the database, and
    ``IntegrityError`` if a row of the table already breaks the rules.

    Args:
        model_name: Name of a model of the migration's app.
        field_name: Name of its :class:`StatusField`.
    """

    installs = True


class RemoveGuards(GuardOperation):
    """
    A migration operation that removes what :class:`InstallGuards` has installed.

    PostgreSQL refuses to change the type of a guarded column: put this operation before the
    ``AlterField``, and :class:`InstallGuards` after it. Do the same to rename the table or the
    column.

    Args:
        model_name: Name of a model of the migration's app.
        field_name: Name of its :class:`StatusField`.
    """

    installs = False
