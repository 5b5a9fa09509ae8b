"""
Services as people write them, one for each bug of the track record, and the right one.

Each is a class of a few lines on ``sqlite3``, and knows nothing of any kit. :class:`Adapter`
is all that there is between them and it, the same for all.
"""

import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from typing import NamedTuple

from runstate import RUN
from runstate.testing import ManualClock

SCHEMA = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1,
    deadline REAL, token INTEGER NOT NULL DEFAULT 0, leased_until REAL
)
"""
LIMITS = {"in_progress": 300.0, "requires_action": 120.0, "cancelling": 60.0}
TARGETS = {(row.trigger, row.source): str(row.target) for row in RUN}
TARGET = {row.trigger: str(row.target) for row in reversed(RUN.transitions)}
ENDED = tuple(map(str, RUN.terminal))


class Runs:
    """
    Runs in a table, one writer of which wins: the guard is in the UPDATE, and its count is looked at.
    """

    numbers = count(1)

    def __init__(self, path, clock=time.time):
        self.clock = clock
        self.db = sqlite3.connect(path, timeout=30, check_same_thread=False)
        self.db.row_factory = sqlite3.Row

    def create(self):
        """
        Return the id of a new run.
        """
        run_id = f"run_{next(self.numbers)}"
        with self.db:
            self.db.execute("INSERT INTO runs (id, status) VALUES (?, 'queued')", [run_id])

        return run_id

    def read(self, run_id):
        """
        Return the run.
        """
        run = self.db.execute("SELECT * FROM runs WHERE id = ?", [run_id]).fetchone()
        if run is None:
            raise LookupError(run_id)

        return run

    def move(self, run_id, trigger, token=None):
        """
        Move a run; return whether it was moved, and where it is.
        """
        if trigger not in TARGET:
            raise ValueError(trigger)
        while True:
            run = self.read(run_id)
            target = self.decide(run, trigger)
            if target is None or not self.may_write(run, token):
                return False, run["status"]
            if self.write(run, target):
                return True, target

    def decide(self, run, trigger):
        """
        Return where the run is moved to; None if it is not.
        """
        return TARGETS.get((trigger, run["status"]))

    def may_write(self, run, token):
        """
        Return whether nobody else works on the run.
        """
        return token is None or (token == run["token"] and run["leased_until"] > self.clock())

    def write(self, run, target):
        """
        Write the status, if the run is still as it was read.
        """
        limit = LIMITS.get(target)
        deadline = None if limit is None else self.clock() + limit
        with self.db:
            done = self.db.execute(
                "UPDATE runs SET status = ?, deadline = ?, version = version + 1 "
                "WHERE id = ? AND version = ?",
                [target, deadline, run["id"], run["version"]],
            )

        return done.rowcount == 1


class Dagster(Runs):
    """
    Events of workers are taken for what they say.
    """

    def decide(self, run, trigger):
        """Believe it."""
        return TARGET[trigger]


class Prefect(Runs):
    """
    The table is kept to, but a process that is told to stop has crashed, whatever its run was.
    """

    def decide(self, run, trigger):
        """Believe a crash."""
        return "failed" if trigger == "fail" else super().decide(run, trigger)


class Oban(Runs):
    """
    Read, decide, UPDATE ... WHERE id = ?.
    """

    def write(self, run, target):
        """Write, whatever happened meanwhile."""
        with self.db:
            self.db.execute("UPDATE runs SET status = ? WHERE id = ?", [target, run["id"]])

        return True


class Dbos(Runs):
    """
    The UPDATE has its guard, and nobody asks how many rows it found.
    """

    def write(self, run, target):
        """Write, and say yes."""
        with self.db:
            self.db.execute(
                "UPDATE runs SET status = ? WHERE id = ? AND status = ?",
                [target, run["id"], run["status"]],
            )

        return True


class Queue(Runs):
    """
    Runs that workers take, each under a lease.
    """

    def take(self, seconds):
        """
        Return a run that is queued, or whose worker is gone, with the token of its new worker.
        """
        now = self.clock()
        with self.db:
            return self.db.execute(self.taking, [now + seconds, now]).fetchone()

    taking = """
        UPDATE runs SET token = token + 1, leased_until = ?, version = version + 1,
            status = CASE status WHEN 'queued' THEN 'in_progress' ELSE status END
        WHERE id = (SELECT id FROM runs WHERE status = 'queued' OR (
            leased_until <= ? AND status IN ('in_progress', 'cancelling')) LIMIT 1)
        RETURNING id, token
    """

    def renew(self, run_id, token, seconds):
        """
        Return the status of a run whose lease is renewed for *seconds*; None if it was lost.
        """
        with self.db:
            found = self.db.execute(
                "UPDATE runs SET leased_until = ?, version = version + 1 "
                "WHERE id = ? AND token = ? AND leased_until > ? RETURNING status",
                [self.clock() + seconds, run_id, token, self.clock()],
            ).fetchone()

        return found and found["status"]


class River(Queue):
    """
    The rescuer looks for leases that ran out, and puts their runs back to be worked on.
    """

    def take(self, seconds):
        """Rescue first."""
        with self.db:
            self.db.execute(
                "UPDATE runs SET status = 'queued', leased_until = NULL WHERE leased_until <= ?",
                [self.clock()],
            )

        return super().take(seconds)


class Timeouts(Runs):
    """
    Runs that are expired when their time is up.
    """

    def expire_overdue(self):
        """
        Return the ids of the runs that were expired.
        """
        return [run["id"] for run in self.overdue() if self.write(run, "expired")]

    def overdue(self):
        """
        Return the runs whose time is up.
        """
        return self.db.execute("SELECT * FROM runs WHERE deadline < ?", [self.clock()]).fetchall()


class Airflow(Timeouts):
    """
    The callback is called first, and sets the status when it is done.
    """

    def expire_overdue(self):
        """Call back, and leave the rest to the callback."""
        return [run["id"] for run in self.overdue()]


class Right(Queue, Timeouts):
    """
    All of it, done right.
    """


# -- the adapter -------------------------------------------------------------------------


class Answer(NamedTuple):
    """
    Whether a run was moved, and where it is.
    """

    ok: bool
    status: str


class Lease(NamedTuple):
    """
    A worker's hold on a run.
    """

    run_id: str
    token: int
    seconds: float


class Beat(NamedTuple):
    """
    Answer to a heartbeat.
    """

    ok: bool
    cancel_requested: bool


class Swept(NamedTuple):
    """
    A run that a sweep has ended.
    """

    run_id: str


class Adapter:
    """
    A service, in the words of the kit; says what it is capable of by what methods it has.
    """

    limits = LIMITS

    def __init__(self, kind, path, clock, stack):
        self._path, self._clock, self._stack = path, clock, stack
        self.service = kind(path, clock)
        stack.enter_context(closing(self.service.db)).execute("PRAGMA synchronous=OFF")
        offers = {"leases": "take", "sweep": "expire_overdue"}
        self.capabilities = {"peer", "advance", "statements"} | {
            name for name, method in offers.items() if hasattr(self.service, method)
        }

    def create(self):
        """See the protocol."""
        return self.service.create()

    def fire(self, run_id, trigger, *, token=None, **_):
        """See the protocol."""
        return Answer(*self.service.move(run_id, trigger, token))

    def status(self, run_id):
        """See the protocol."""
        return self.service.read(run_id)["status"]

    def claim(self, worker, seconds):
        """See the protocol."""
        taken = self.service.take(seconds)

        return taken and Lease(*taken, seconds)

    def heartbeat(self, lease):
        """See the protocol."""
        status = self.service.renew(*lease)

        return Beat(status is not None, status == "cancelling")

    def release(self, lease):
        """See the protocol."""
        return self.service.renew(lease.run_id, lease.token, 0) is not None

    def sweep(self):
        """See the protocol."""
        return [Swept(run_id) for run_id in self.service.expire_overdue()]

    def peer(self):
        """See the protocol."""
        return Adapter(type(self.service), self._path, self._clock, self._stack)

    def advance(self, seconds):
        """See the protocol."""
        self._clock.advance(seconds)

    @contextmanager
    def statements(self, hook):
        """See the protocol."""
        self.service.db.set_trace_callback(lambda _: hook())
        try:
            yield
        finally:
            self.service.db.set_trace_callback(None)


def making(kind, folder):
    """
    Return what makes a fresh service of a *kind* in a database of its own, to be driven and checked.
    """

    @contextmanager
    def make():
        path = f"{folder}/{kind.__name__}{next(Runs.numbers)}.db"
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(SCHEMA)
        with ExitStack() as stack:
            yield Adapter(kind, path, ManualClock(), stack)

    return make
