"""
The journal: one row for each move, written in the transaction of the move.
"""

from datetime import datetime
from typing import ClassVar

from django.db import models

__all__ = ["JournalEntry"]


class JournalEntry(models.Model):
    """
    One move of one object. Nothing in it ever changes.
    """

    model: "models.CharField[str, str]" = models.CharField(max_length=200)
    """The model, such as ``jobs.job``."""
    object_id: "models.CharField[str, str]" = models.CharField(max_length=255)
    """Primary key of the object, as a text."""
    trigger: "models.CharField[str, str]" = models.CharField(max_length=200)
    source: "models.CharField[str, str]" = models.CharField(max_length=200)
    target: "models.CharField[str, str]" = models.CharField(max_length=200)
    at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(db_index=True)
    """When the move was made, by the clock of the machine that made it."""
    actor: "models.TextField[str | None, str | None]" = models.TextField(null=True)
    """Who made it; null if that was not said."""
    attempt: "models.BigIntegerField[int | None, int | None]" = models.BigIntegerField(null=True)
    """The attempt of the object after the move; null if the model does not count attempts."""

    class Meta:
        """
        How Django keeps and shows it.
        """

        verbose_name_plural = "journal entries"
        ordering: ClassVar[list[str]] = ["id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["model", "object_id"], name="runstate_journal_object")
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.object_id}: {self.source} -{self.trigger}-> {self.target}"
