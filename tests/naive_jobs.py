"""
Services as they are written every day: a table of jobs, and methods that move a job.

The first six have one bug each, one that a well-known project had; the last one has none.
They know nothing of this package. What fits them to the kit is :class:`Adapter` alone.
"""

import sqlite3
from contextlib import closing
from itertools import count
from typing import NamedTuple

SCHEMA = "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, state TEXT NOT NULL)"

DAGSTER = {
    "STARTING": ("NOT_STARTED", "QUEUED"),
    "STARTED": ("NOT_STARTED", "STARTING"),
    "QUEUED": ("NOT_STARTED",),
    "CANCELING": ("QUEUED", "STARTING", "STARTED"),
    "CANCELED": ("NOT_STARTED", "QUEUED", "STARTING", "STARTED"),
    "FAILURE": ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING"),
}

RIVER = {
    "fetch": ({"available"}, "running"),
    "complete": ({"running"}, "completed"),
    "error": ({"running"}, "retryable"),
    "error_soon": ({"running"}, "available"),
    "snooze": ({"running"}, "scheduled"),
    "discard": ({"running", "scheduled", "retryable"}, "discarded"),
    "cancel": ({"available", "running", "scheduled", "retryable"}, "cancelled"),
    "schedule": ({"scheduled", "retryable"}, "available"),
    "retry": ({"scheduled", "retryable"}, "available"),
}

OBAN = {
    "fetch": ({"available"}, "executing"),
    "complete": ({"executing"}, "completed"),
    "error": ({"executing"}, "retryable"),
    "snooze": ({"executing"}, "scheduled"),
    "discard": ({"executing"}, "discarded"),
    "rescue": ({"executing"}, "available"),
    "cancel": ({"available", "executing", "scheduled", "retryable"}, "cancelled"),
    "stage": ({"scheduled", "retryable"}, "available"),
    "retry": ({"scheduled", "retryable"}, "available"),
}

ENDS = {"in_progress", "cancelling"}
RUNS = {
    "start": ({"queued"}, "in_progress"),
    "require_action": ({"in_progress"}, "requires_action"),
    "submit_tool_outputs": ({"requires_action"}, "queued"),
    "request_cancel": ({"queued", "in_progress", "requires_action"}, "cancelling"),
    "confirm_cancel": ({"cancelling"}, "cancelled"),
    "complete": (ENDS, "completed"),
    "stop_incomplete": (ENDS, "incomplete"),
    "fail": (ENDS | {"queued"}, "failed"),
    "expire": (ENDS | {"queued", "requires_action"}, "expired"),
}


class Jobs:
    """
    A table of jobs: what all of the services below have in common.
    """

    born = "queued"
    numbers = count(1)

    def __init__(self, path):
        self.path = path
        with closing(self.connect()) as db:
            db.execute(SCHEMA)

    def connect(self):
        """
        Return a connection that commits every statement.
        """
        db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        db.execute("PRAGMA synchronous=OFF")

        return db

    def say(self, sql, *given):
        """
        Execute one statement; return how many rows it changed, and what it found.
        """
        with closing(self.connect()) as db:
            done = db.execute(sql, given)

            return done.rowcount, done.fetchall()

    def add(self):
        """
        Insert a job, and return its id.
        """
        job = f"job_{next(self.numbers)}"
        self.say("INSERT INTO jobs VALUES (?, ?)", job, self.born)

        return job

    def state(self, job):
        """
        Return the state of a job.
        """
        return self.say("SELECT state FROM jobs WHERE id = ?", job)[1][0][0]


class LateSuccess(Jobs):
    """
    Dagster's: whatever event a worker reports sets the status, also after a cancel.
    """

    born = "NOT_STARTED"

    def advance(self, job, state, only_from=None):
        """
        Set the state of a job, unless it is in none that leads there.
        """
        sources = only_from or DAGSTER[state]
        marks = ", ".join("?" * len(sources))
        sql = f"UPDATE jobs SET state = ? WHERE id = ? AND state IN ({marks})"  # noqa: S608

        return self.say(sql, state, job, *sources)[0] == 1

    def cancel(self, job, force=False):
        """
        Ask the worker to stop; or, by force, end the job.
        """
        return self.advance(job, "CANCELED" if force else "CANCELING")

    def report_canceled(self, job):
        """
        Take the worker's word that it has stopped.
        """
        return self.advance(job, "CANCELED", ("CANCELING",))

    def report_success(self, job):
        """
        Take the worker's word that it is done.
        """
        if self.state(job) in {"NOT_STARTED", "QUEUED", "STARTING"}:
            return False

        return self.say("UPDATE jobs SET state = 'SUCCESS' WHERE id = ?", job)[0] == 1


class Rescuer(Jobs):
    """
    River's: what was seen running too long is put back, and its UPDATE has only the id.
    """

    born = "available"
    moves = RIVER

    def move(self, job, name):
        """
        Move a job, if it is where the move begins.
        """
        sources, target = self.moves[name]
        marks = ", ".join("?" * len(sources))
        sql = f"UPDATE jobs SET state = ? WHERE id = ? AND state IN ({marks})"  # noqa: S608

        return self.say(sql, target, job, *sources)[0] == 1

    def rescue(self, job):
        """
        Put a job back that is stuck.
        """
        stuck = [found for (found,) in self.say("SELECT id FROM jobs WHERE state = 'running'")[1]]
        if job not in stuck:
            return False

        return self.say("UPDATE jobs SET state = 'retryable' WHERE id = ?", job)[0] == 1


class StaleExecutor(Jobs):
    """
    Oban's: an executor acknowledges the job that it loaded, whatever became of it since.
    """

    born = "available"
    moves = OBAN

    def move(self, job, name):
        """
        Load the job, decide, and save it.
        """
        sources, target = self.moves[name]
        if self.state(job) not in sources:
            return False
        self.say("UPDATE jobs SET state = ? WHERE id = ?", target, job)

        return True


class RunTable(Jobs):
    """
    A service of runs that has it right: the guard is part of the UPDATE, and its count is read.
    """

    moves = RUNS

    def __init__(self, path):
        super().__init__(path)
        self.callbacks = []

    def move(self, job, name):
        """
        Move a run if it is where the move begins, and tell whoever wants to know.
        """
        sources, target = self.moves[name]
        moved = self.write(job, sources, target)
        if moved:
            self.tell(job, target)

        return moved

    def write(self, job, sources, target):
        """
        Write, and return whether anything was written.
        """
        marks = ", ".join("?" * len(sources))
        sql = f"UPDATE jobs SET state = ? WHERE id = ? AND state IN ({marks})"  # noqa: S608

        return self.say(sql, target, job, *sources)[0] == 1

    def tell(self, job, target):
        """
        Call everybody back.
        """
        for callback in self.callbacks:
            callback(job, target)


class LostCancel(RunTable):
    """
    DBOS's: the UPDATE is guarded, and nobody looks whether it has found its row.
    """

    def write(self, job, sources, target):
        """
        Write, and say that it was written.
        """
        if self.state(job) not in sources:
            return False
        super().write(job, sources, target)

        return True


class LateCrash(RunTable):
    """
    Prefect's: a crash is reported by a signal handler, which knows nothing of the end.
    """

    moves = RUNS | {"fail": (ENDS | {"queued", "completed"}, "failed")}


class CallsBackFirst(RunTable):
    """
    Airflow's: an expiry is told first, and written when it was told.
    """

    def move(self, job, name):
        """
        Expire a run in the wrong order; everything else is right.
        """
        if name != "expire":
            return super().move(job, name)
        sources, target = self.moves[name]
        if self.state(job) not in sources:
            return False
        self.tell(job, target)

        return self.write(job, sources, target)


# -- what fits them to the kit ---------------------------------------------------------


class Answer(NamedTuple):
    """
    Whether a job was moved.
    """

    ok: bool


class Adapter:
    """
    One of the services, by the three names that the kit calls.
    """

    def __init__(self, jobs):
        self.jobs = jobs
        self.create, self.status = jobs.add, jobs.state

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        return Answer(self.jobs.move(run_id, trigger))


class RunsAdapter(Adapter):
    """
    The same for those that call back.
    """

    capabilities = ("on_move",)

    def on_move(self, callback):
        """See the protocol."""
        self.jobs.callbacks.append(callback)


class RescuerAdapter(Adapter):
    """
    The same for the one that has a rescuer.
    """

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        if trigger == "rescue":
            return Answer(self.jobs.rescue(run_id))

        return super().fire(run_id, trigger)


class DagsterAdapter(Adapter):
    """
    The same for the one whose methods have other names.
    """

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        jobs = self.jobs
        calls = {
            "enqueue": lambda: jobs.advance(run_id, "QUEUED"),
            "launch": lambda: jobs.advance(run_id, "STARTING"),
            "start": lambda: jobs.advance(run_id, "STARTED"),
            "fail": lambda: jobs.advance(run_id, "FAILURE"),
            "request_cancel": lambda: jobs.cancel(run_id),
            "force_cancel": lambda: jobs.cancel(run_id, force=True),
            "confirm_cancel": lambda: jobs.report_canceled(run_id),
            "succeed": lambda: jobs.report_success(run_id),
        }

        return Answer(calls[trigger]())
