"""
``manage.py runstate_sweep``.
"""

import time
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, models, router

from ....lifecycle._roles import timeout_rows
from ....runs._fields import moment_of
from ..._row_move import move
from ..._status_field import StatusField, status_fields

__all__ = ["Command"]


class Command(BaseCommand):
    """
    Ends the objects whose deadline is over, each in a transaction of its own.
    """

    help = (
        "End every object whose deadline is over: of each lifecycle that names a deadline and a "
        "status with the outcome timeout, in each model that has the deadline's field."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """
        Declare the options.
        """
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)

    def handle(self, *_: Any, **options: Any) -> None:
        """
        Sweep every model, and print how many objects were ended.
        """
        alias = options["database"]
        for model in apps.get_models():
            for field in status_fields(model):
                if field.model is model and router.allow_migrate_model(alias, model):
                    self._sweep(alias, model, field)

    def _sweep(self, alias: str, model: type[models.Model], field: StatusField) -> None:
        ended = sum(
            move(instance, trigger, actor="runstate_sweep", using=alias).ok
            for instance, trigger in _overdue(alias, model, field)
        )
        if field.lifecycle.deadline is not None:
            self.stdout.write(f"{model._meta.label_lower}: ended {ended}")  # noqa: SLF001


def _overdue(alias: str, model: Any, field: StatusField) -> Iterator[tuple[models.Model, str]]:
    """
    Yield each overdue object with the trigger that ends it.
    """
    deadline, names = field.lifecycle.deadline, {each.name for each in model._meta.concrete_fields}  # noqa: SLF001
    if deadline is None or deadline.field not in names:
        return
    now = moment_of(model(), deadline.field, time.time(), ())
    for status, trigger in timeout_rows(field.lifecycle).items():
        overdue = {field.name: status, f"{deadline.field}__lte": now}
        for instance in list(model._base_manager.using(alias).filter(**overdue)):  # noqa: SLF001
            yield instance, trigger
