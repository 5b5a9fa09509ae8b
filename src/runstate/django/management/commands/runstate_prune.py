"""
``manage.py runstate_prune --older-than DAYS``.
"""

import math
from datetime import timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from ...models import JournalEntry

__all__ = ["Command"]

_BATCH: Final = 1_000


class Command(BaseCommand):
    """
    Deletes old rows of the journal, a thousand in a transaction.
    """

    help = "Delete the journal's rows that are older than a number of days."

    def add_arguments(self, parser: CommandParser) -> None:
        """
        Declare the options.
        """
        parser.add_argument("--older-than", type=float, required=True, metavar="DAYS")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)

    def handle(self, *_: Any, **options: Any) -> None:
        """
        Delete, and print how many rows.
        """
        days = options["older_than"]
        if not (math.isfinite(days) and 0 < days < 100_000):
            raise CommandError(f"--older-than: expected a positive number of days, got {days}")
        before = timezone.now() - timedelta(days=days)
        old = JournalEntry.objects.using(options["database"]).filter(at__lt=before).order_by("id")
        count = 0
        while keys := list(old.values_list("pk", flat=True)[:_BATCH]):
            count += old.model.objects.using(options["database"]).filter(pk__in=keys).delete()[0]
        self.stdout.write(f"deleted {count} rows of the journal older than {days:g} days")
