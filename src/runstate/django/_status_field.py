"""
The model field of a status.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, cast

from django.core import checks
from django.db import models

from ..lifecycle._table import Lifecycle
from ..runs._engine import check_conditions
from ..runs._mover import Condition

__all__ = ["StatusField", "status_fields", "word"]

_CharField = cast("type[models.CharField[str, str]]", models.CharField)
"""Django's class, which takes its type arguments in stubs alone."""
_SHORTEST: Final = 32
"""Characters of the column at least, so that a longer status seldom changes the column."""


class StatusField(_CharField):  # type: ignore[valid-type,misc]
    """
    A text column whose choices and default come from a lifecycle.

    Migrations record it as a plain ``CharField``, so that they need neither the lifecycle nor
    this package. The field is not editable in forms and the admin: :func:`move` changes it.
    ``save()`` writes it as Django writes every column; the guards of
    :class:`InstallGuards` refuse an old copy that would undo a move.

    Args:
        lifecycle: The table of legal moves.
        conditions: What each name in ``when`` and ``unless`` of the rows stands for: a
            callable that gets the model instance and returns whether the condition holds.
        options: The options of ``CharField``. By default ``choices`` are the statuses of the
            lifecycle, ``default`` is its initial status, ``max_length`` at least 32, and
            ``editable`` is False.

    Raises:
        LifecycleError: *conditions* lacks a name that the rows have, or has one that they
            do not have.

    Example:
        >>> from runstate import RUN
        >>> StatusField(RUN).default
        'queued'
    """

    description: str = "The status of a lifecycle"

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        conditions: Mapping[str, Condition] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        check_conditions(lifecycle, conditions)
        self.lifecycle: Lifecycle = lifecycle
        """The table of legal moves."""
        self.conditions: Mapping[str, Condition] = conditions
        """What the names of conditions in the lifecycle stand for."""
        self.words: tuple[str, ...] = tuple(map(word, lifecycle.statuses))
        """Every status, as the column holds it."""
        options.setdefault("choices", [(each, each) for each in self.words])
        options.setdefault("default", word(lifecycle.initial))
        options.setdefault("max_length", max(_SHORTEST, *map(len, self.words)))
        options.setdefault("editable", False)
        super().__init__(**options)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """
        Return the plain ``CharField`` that migrations record.
        """
        name, _, arguments, options = super().deconstruct()

        return name, "django.db.models.CharField", arguments, options

    def clone(self) -> "StatusField":
        """
        Return a field like this one that belongs to no model.
        """
        *_, options = self.deconstruct()
        options["editable"] = self.editable

        return type(self)(self.lifecycle, conditions=self.conditions, **options)

    def check(self, **options: Any) -> list[checks.CheckMessage]:
        """
        Return what is wrong with the field, for ``manage.py check``.

        Args:
            options: What Django passes to every field.
        """
        return [*super().check(**options), *self._own_faults()]

    def _own_faults(self) -> list[checks.CheckMessage]:
        name = self.lifecycle.name
        chosen = {str(value) for value, _ in self.flatchoices}
        faults: list[checks.CheckMessage] = []
        if chosen != set(self.words):
            differing = ", ".join(sorted(chosen.symmetric_difference(self.words)))
            faults.append(
                checks.Error(
                    f"The choices disagree with the lifecycle {name}: {differing}.",
                    hint="Leave out 'choices', or name each status of the lifecycle once.",
                    obj=self,
                    id="runstate.E001",
                )
            )
        if self.has_default() and self.get_default() not in self.lifecycle.initial_statuses:
            faults.append(
                checks.Error(
                    f"The default {self.get_default()!r} is not an initial status of the lifecycle "
                    f"{name}.",
                    hint=f"Expected one of: {', '.join(self.lifecycle.initial_statuses)}.",
                    obj=self,
                    id="runstate.E002",
                )
            )
        attempt = self.lifecycle.attempt_field
        if self.lifecycle.reopenings and attempt not in _columns(self.model):
            faults.append(
                checks.Error(
                    f"The lifecycle {name} reopens, and the model has no field {attempt!r} that "
                    "counts the attempts.",
                    hint=f"Add {attempt} = models.PositiveIntegerField(default=1).",
                    obj=self,
                    id="runstate.E003",
                )
            )

        return faults


def status_fields(model: Any) -> list[StatusField]:
    """
    Return the status fields of *model*, those that it inherits included.
    """
    return [each for each in model._meta.concrete_fields if isinstance(each, StatusField)]  # noqa: SLF001  Django's public name


def _columns(model: Any) -> set[str]:
    return {each.name for each in model._meta.local_concrete_fields}  # noqa: SLF001


def word(status: Any) -> str:
    """
    Return a status or trigger as the text that a column holds.
    """
    return str(status.value) if isinstance(status, Enum) else str(status)
