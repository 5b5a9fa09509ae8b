"""
Models with lifecycles of their own.
"""

from django.db import models

from runstate import Deadline, Entry, Lifecycle, Transition
from runstate.django import StatusField

JOB = Lifecycle(
    name="job",
    status_field="state",
    initial="pending",
    terminal={"succeeded": "success", "failed": "failure", "cancelled": "cancelled"},
    transitions=[
        Transition("start", "pending", "running"),
        Transition("requeue", "running", "pending"),
        Transition("succeed", "running", "succeeded"),
        Transition("fail", "running", "failed"),
        Transition("cancel", ["pending", "running"], "cancelled"),
        Transition("retry", "failed", "pending", reopens=True, clears=["error", "finished_at"]),
    ],
    entries=[
        Entry("running", stamps=("started_at",)),
        Entry("succeeded", stamps=("finished_at",)),
        Entry("failed", stamps=("finished_at",), requires=("error",)),
        Entry("cancelled", stamps=("finished_at",)),
    ],
)


class Job(models.Model):
    """
    A job that counts its attempts.
    """

    state = StatusField(JOB)
    attempt = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(null=True)
    note = models.CharField(max_length=60, default="")
    tries = models.IntegerField(default=0)
    parent = models.ForeignKey("self", models.SET_NULL, null=True)
    updated_at = models.DateTimeField(auto_now=True)


DOCUMENT = Lifecycle(
    name="document",
    initial="draft",
    terminal={"withdrawn": "cancelled"},
    transitions=[
        Transition("submit", "draft", "published", when="signed"),
        Transition("submit", "draft", "in review", unless="signed"),
        Transition("publish", "in review", "published", when="signed"),
        Transition("withdraw", "*", "withdrawn"),
    ],
    entries=[Entry("withdrawn", clears=("title",))],
)


class Document(models.Model):
    """
    A document whose next status depends on a condition.
    """

    key = models.CharField(max_length=60, primary_key=True)
    status = StatusField(DOCUMENT, conditions={"signed": lambda document: document.signed})
    signed = models.BooleanField(default=False)
    title = models.CharField(max_length=60, default="")


class Letter(Document):
    """
    A document with a table of its own beside that of its parent.
    """

    to = models.CharField(max_length=60, default="")


OFFER = Lifecycle(
    name="offer",
    initial="open",
    terminal={"accepted": "success", "lapsed": "timeout"},
    transitions=[Transition("accept", "open", "accepted"), Transition("lapse", "open", "lapsed")],
    deadline=Deadline("until", 600, 600),
)


class Offer(models.Model):
    """
    An offer that lapses, whose status may be missing.
    """

    status = StatusField(OFFER, null=True)
    until = models.DateTimeField(null=True)
