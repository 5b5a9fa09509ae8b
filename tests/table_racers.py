"""
Writers of one table of the application's own: through a store, ``apply_move`` and plain SQL.
"""

import os
import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import OperationalError

from runstate import Entry, Lifecycle, Transition
from runstate.store import Applied, ConcurrentMoveError, Store, apply_move

JOB = Lifecycle(
    "job",
    [
        Transition("start", "queued", "running"),
        Transition("finish", "running", "done"),
        Transition("fail", ["queued", "running"], "failed"),
        Transition("drop", "queued", "failed"),
        Transition("retry_later", "running", "queued"),
    ],
    "queued",
    {"done": "success", "failed": "failure"},
    entries=[
        Entry("running", stamps=("started_at",)),
        Entry("done", stamps=("ended_at",)),
        Entry("failed", stamps=("ended_at",), accepts=("error",)),
    ],
    created=("created_at",),
)
NAMES = {"status": "state"}
TIMED = {"clock": "(SELECT now FROM clock)", "deadlines": {"running": (100, "fail")}}


class State(Enum):
    """
    The statuses of a job; the database holds the names.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Base(orm.DeclarativeBase):
    """
    The application's own tables.
    """


class Job(Base):
    """
    A job with an Enum, dates and a version.
    """

    __tablename__ = "jobs"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    state: orm.Mapped[State] = orm.mapped_column(default=State.QUEUED, index=True)
    queue: orm.Mapped[str | None] = orm.mapped_column(sa.String(20))
    created_at: orm.Mapped[datetime | None]
    started_at: orm.Mapped[datetime | None]
    ended_at: orm.Mapped[datetime | None]
    error: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    edition: orm.Mapped[int] = orm.mapped_column("row_version")
    __mapper_args__ = {"version_id_col": edition}  # noqa: RUF012  as SQLAlchemy has it


def opened(engine, **options):
    """
    Return a store of the jobs in the database of *engine*.
    """
    return Store(engine, JOB, table=Job, columns=NAMES, **options)


def engine_of(url):
    """
    Return an engine on which writers wait for each other.
    """
    own = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}

    return sa.create_engine(url, pool_size=20, **own)


def _by_store(engine, store):
    def move(number, trigger):
        return isinstance(store.fire(str(number), trigger), Applied)

    return move


def _by_apply_move(engine, store):
    def move(number, trigger):
        while True:
            try:
                with orm.Session(engine) as session, session.begin():
                    made = apply_move(session, Job, number, trigger, lifecycle=JOB, columns=NAMES)
                    return isinstance(made, Applied)
            except ConcurrentMoveError:
                continue

    return move


def _by_sql(engine, store):
    def move(number, trigger):
        row = next(row for row in JOB if row.trigger == trigger)
        sources = [State(r.source) for r in JOB if r.trigger == trigger]
        update = sa.update(Job).where(Job.id == number, Job.state.in_(sources))
        while True:
            try:
                with engine.begin() as connection:
                    return connection.execute(update.values(state=State(row.target))).rowcount == 1
            except OperationalError as error:
                if error.orig is None or error.orig.args[0] != DEADLOCK:
                    raise

    return move


DEADLOCK = 1213
"""MariaDB's number of a transaction that it rolled back, as two waited for each other."""
WRITERS = (_by_store, _by_apply_move, _by_sql)


def race(url, numbers, threads, seed):
    """
    Have threads of each kind of writer move all jobs, and return how often each move was won.
    """
    engine = engine_of(url)
    store = opened(engine, install=False)

    def work(at):
        move, order = WRITERS[at % len(WRITERS)](engine, store), list(numbers)
        random.Random(seed * 100 + at).shuffle(order)  # noqa: S311  an order, no secret
        won = Counter()
        for number in order:
            for trigger in ("start", "finish", "fail"):
                won[number, "start" if trigger == "start" else "end"] += move(number, trigger)
        return won

    with ThreadPoolExecutor(threads) as pool:
        found = sum(pool.map(work, range(threads)), Counter())
    engine.dispose()

    return found


def claim_and_die(url):
    """
    Claim a job, and be killed.
    """
    store = opened(engine_of(url), install=False, **TIMED)
    assert store.claim("doomed", 30) is not None
    os.kill(os.getpid(), signal.SIGKILL)
