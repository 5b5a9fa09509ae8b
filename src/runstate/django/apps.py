"""
The Django app: label, system check, and guards that migrations put back.
"""

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate

__all__ = ["RunstateConfig"]


class RunstateConfig(AppConfig):
    """
    The app ``runstate.django``, whose label is ``runstate_django``.
    """

    name: str = "runstate.django"
    label: str = "runstate_django"
    verbose_name: str = "Runstate"
    default_auto_field: str = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """
        Register the check of the guards, and what puts them back after ``migrate``.
        """
        # Models can be imported by now, and not before.
        from ._upkeep import check_guards, restore_guards  # noqa: PLC0415

        checks.register(check_guards, checks.Tags.database)
        post_migrate.connect(restore_guards, sender=self, dispatch_uid="runstate.guards")
