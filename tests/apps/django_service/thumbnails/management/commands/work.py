"""
``manage.py work NAME``: makes thumbnails until none is left.
"""

import sys
import time

from django.core.management.base import BaseCommand
from thumbnails.models import Thumbnail

from runstate.django import move


class Command(BaseCommand):
    """
    A worker, which prints what it took and what became of it.
    """

    def add_arguments(self, parser):
        """
        Declare the name of the worker.
        """
        parser.add_argument("name")

    def handle(self, *_, name, **__):
        """
        Work, one image at a time.
        """
        while Thumbnail.objects.filter(state__in=["waiting", "being_made"]).exists():
            Thumbnail.sweep()
            one = Thumbnail.take(name)
            if one is None:
                time.sleep(0.05)
                continue
            print("took", one.image, flush=True)
            if one.image == "ask":  # the test says when the work goes on
                sys.stdin.readline()
            if one.image == "bad" and one.attempt == 1:
                answer = move(one, "break", actor=name, error="not an image")
            else:
                answer = move(one, "finish", actor=name)
            print(one.image, type(answer).__name__, flush=True)
