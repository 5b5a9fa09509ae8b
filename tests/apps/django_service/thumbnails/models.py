"""
A thumbnail to be made, and what workers and people do with it.
"""

import os
from datetime import timedelta
from pathlib import Path

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from runstate import load_lifecycle
from runstate.django import StatusField, move

HERE = Path(__file__).parent.parent
LIFECYCLE = load_lifecycle(os.environ.get("LIFECYCLE", HERE / "lifecycle.toml"))
LEASE = timedelta(seconds=float(os.environ.get("LEASE_SECONDS", "30")))
MOST_ATTEMPTS = 3


class Thumbnail(models.Model):
    """
    One image; ``attempt`` fences out a worker that has lost it.
    """

    state = StatusField(LIFECYCLE)
    attempt = models.PositiveIntegerField(default=1)
    image = models.CharField(max_length=200)
    worker = models.CharField(max_length=100, default="")
    held_until = models.DateTimeField(null=True, db_index=True)
    error = models.TextField(null=True)
    ended_at = models.DateTimeField(null=True)

    @classmethod
    def take(cls, worker):
        """
        Return a waiting thumbnail that now is this worker's; None if there is none.
        """
        with transaction.atomic():
            waiting = cls.objects.select_for_update(skip_locked=True).filter(state="waiting")
            one = waiting.order_by("pk").first()
            until = timezone.now() + LEASE
            if (
                one is None
                or not move(one, "take", actor=worker, worker=worker, held_until=until).ok
            ):
                return None

        return one

    def heartbeat(self):
        """
        Renew the lease, and return whether the worker still has it.
        """
        mine = type(self).objects.filter(pk=self.pk, state="being_made", attempt=self.attempt)

        return mine.update(held_until=timezone.now() + LEASE) == 1

    @classmethod
    def sweep(cls):
        """
        Give back what workers have lost, and end what was lost too often.
        """
        for lost in cls.objects.filter(state="being_made", held_until__lt=timezone.now()):
            if lost.attempt < MOST_ATTEMPTS:
                move(lost, "give_back", actor="sweeper", attempt=F("attempt") + 1)
            else:
                move(lost, "break", actor="sweeper", error="lost by every worker")
