"""
The stores of this package, made to fit the suite that checks any store.
"""

import asyncio
import threading
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy import orm

from databases import awaited
from runstate.store import AsyncRunStore, RunStore, apply_move
from runstate.testing import CAPABILITIES

BORN = 1_700_000_000
CLOCK = "(SELECT now FROM clock)"
LIMITS = {"in_progress": 300.0, "requires_action": 120.0, "cancelling": 60.0}
DEADLINES = {
    "in_progress": (300, "expire"),
    "requires_action": (120, "expire"),
    "cancelling": (60, "confirm_cancel"),
}
OPTIONS = {"deadlines": DEADLINES, "expires_after": 100_000, "clock": CLOCK, "durable": False}


class Taken(NamedTuple):
    """
    A lease, with its run's id where the suite looks for it.
    """

    run_id: str
    token: int
    lease: Any


def make_clock(url):
    """
    Make the table that the store's clock is read from.
    """
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE clock (now DOUBLE PRECISION NOT NULL)")
        connection.exec_driver_sql(f"INSERT INTO clock VALUES ({BORN})")  # noqa: S608
    engine.dispose()


@contextmanager
def hooked(engine, hook):
    """
    Call *hook* before every statement and every commit on *engine*.
    """

    def before(*_: Any) -> None:
        hook()

    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(engine, event, before)
    try:
        yield
    finally:
        for event in ("before_cursor_execute", "commit"):
            sa.event.remove(engine, event, before)


class Subject:
    """
    A RunStore under test.
    """

    capabilities = frozenset(CAPABILITIES)
    limits = LIMITS

    def __init__(self, url, stack, **own):
        self._url, self._stack, self._own = url, stack, own
        self._callbacks = []
        self.open(url, logger=structlog.wrap_logger(None, processors=[self._tell]))

    def open(self, url, **options):
        """
        Open the store.
        """
        self.store = self._stack.enter_context(RunStore.open(url, **OPTIONS, **options))
        self.engine = self.store.engine

    def _tell(self, _logger, event, facts):
        if facts["event"] == "run.transition":
            for callback in self._callbacks:
                callback(facts["run_id"], facts["target"])
        raise structlog.DropEvent

    def call(self, method, *args, **options):
        """
        Return the answer of the store's method.
        """
        return getattr(self.store, method)(*args, **options, **self._own)

    def create(self):
        """See the protocol."""
        return self.call("create", assistant_id="asst_1").id

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        return self.call("fire", run_id, trigger, **payload)

    def status(self, run_id):
        """See the protocol."""
        return str(self.call("get", run_id).status)

    def fields(self, run_id):
        """See the protocol."""
        return self.call("get", run_id).model_dump(mode="json")

    def history(self, run_id):
        """See the protocol."""
        return self.call("history", run_id)

    def moves(self, *, after=None, limit=100):
        """See the protocol."""
        return self.call("moves", after=after, limit=limit)

    def claim(self, worker, seconds):
        """See the protocol."""
        lease = self.call("claim", worker, seconds)

        return None if lease is None else Taken(lease.run.id, lease.token, lease)

    def heartbeat(self, taken):
        """See the protocol."""
        return self.call("heartbeat", taken.lease)

    def release(self, taken):
        """See the protocol."""
        return self.call("release", taken.lease)

    def sweep(self):
        """See the protocol."""
        return self.call("sweep")

    def peer(self):
        """See the protocol."""
        return type(self)(self._url, self._stack)

    def advance(self, seconds):
        """See the protocol."""
        engine = sa.create_engine(self._url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE clock SET now = now + :s"), {"s": seconds})
        engine.dispose()

    def statements(self, hook):
        """See the protocol."""
        return hooked(self.engine, hook)

    def on_move(self, callback):
        """See the protocol."""
        self._callbacks.append(callback)

    @contextmanager
    def transaction(self):
        """See the protocol."""
        with self.store.engine.begin() as connection:
            yield Within(self, connection)


class Within(Subject):
    """
    The same, in a transaction of the caller's.
    """

    def __init__(self, outer, connection):
        self.store, self._outer = outer.store, outer
        self._own = {"connection": connection}

    def call(self, method, *args, **options):
        """
        Return the answer of the store's method in the transaction.
        """
        return self._outer.call(method, *args, **options, **self._own)


class Loop:
    """
    An event loop in a thread of its own.
    """

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __call__(self, awaitable):
        """
        Return what *awaitable* comes to.
        """
        return asyncio.run_coroutine_threadsafe(_awaited(awaitable), self._loop).result(60)

    def close(self):
        """
        Stop the loop, and wait for its thread.
        """
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _awaited(awaitable):
    return await awaitable


class AsyncSubject(Subject):
    """
    An AsyncRunStore under test, driven by a loop in a thread.
    """

    def open(self, url, **options):
        """
        Open the store in its loop.
        """
        self._await = Loop()
        self._stack.callback(self._await.close)
        own = awaited(url)
        self.store = self._await(AsyncRunStore.open(own, **OPTIONS, **options))
        self._stack.callback(lambda: self._await(self.store.close()))
        self.engine = self.store.engine.sync_engine

    def call(self, method, *args, **options):
        """
        Return what the store's method comes to.
        """
        return self._await(super().call(method, *args, **options))

    @contextmanager
    def transaction(self):
        """See the protocol."""
        begun = self.store.engine.begin()
        connection = self._await(begun.__aenter__())
        try:
            yield Within(self, connection)
        except BaseException as error:
            self._await(begun.__aexit__(type(error), error, None))
            raise
        self._await(begun.__aexit__(None, None, None))


class Base(orm.DeclarativeBase):
    """
    The application's own tables.
    """


class Job(Base):
    """
    An application's own run.
    """

    __tablename__ = "jobs"
    key: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    state: orm.Mapped[str] = orm.mapped_column(default="queued")
    created_at: orm.Mapped[int]
    started_at: orm.Mapped[int | None]
    completed_at: orm.Mapped[int | None]
    failed_at: orm.Mapped[int | None]
    cancelled_at: orm.Mapped[int | None]
    expires_at: orm.Mapped[int | None]
    required_action: orm.Mapped[Any] = orm.mapped_column(sa.JSON(none_as_null=True), nullable=True)
    last_error: orm.Mapped[Any] = orm.mapped_column(sa.JSON(none_as_null=True), nullable=True)
    incomplete_details: orm.Mapped[Any] = orm.mapped_column(
        sa.JSON(none_as_null=True), nullable=True
    )
    usage: orm.Mapped[Any] = orm.mapped_column(sa.JSON(none_as_null=True), nullable=True)


class OwnTable:
    """
    A table of the application's own, moved with ``apply_move``.
    """

    capabilities = frozenset({"fields", "payloads", "peer", "advance", "statements", "transaction"})

    def __init__(self, url, stack, clock=None, session=None):
        self._url, self._stack, self._session = url, stack, session
        self._clock = clock or [BORN]
        self.engine = sa.create_engine(url)
        stack.callback(self.engine.dispose)

    @contextmanager
    def _work(self):
        if self._session is not None:
            yield self._session
            return
        with orm.Session(self.engine) as session, session.begin():
            yield session

    def create(self):
        """See the protocol."""
        with self._work() as session:
            job = Job(created_at=self._clock[0], expires_at=self._clock[0] + 600)
            session.add(job)
            session.flush()
            return str(job.key)

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        # What the agent is given is kept elsewhere in this application.
        payload.pop("outputs", None)
        options = {"columns": {"status": "state"}, "now": self._clock[0], "values": payload}
        with self._work() as session:
            return apply_move(session, Job, _key(run_id), trigger, **options)

    def _job(self, session, run_id):
        return session.get_one(Job, _key(run_id), populate_existing=True)

    def status(self, run_id):
        """See the protocol."""
        with self._work() as session:
            return self._job(session, run_id).state

    def fields(self, run_id):
        """See the protocol."""
        with self._work() as session:
            job = self._job(session, run_id)
            own = {c.name: getattr(job, c.name) for c in Job.__table__.c if c.name != "key"}
            return {"status": own.pop("state"), **own}

    def peer(self):
        """See the protocol."""
        return OwnTable(self._url, self._stack, self._clock)

    def advance(self, seconds):
        """See the protocol."""
        self._clock[0] += seconds

    def statements(self, hook):
        """See the protocol."""
        return hooked(self.engine, hook)

    @contextmanager
    def transaction(self):
        """See the protocol."""
        with orm.Session(self.engine) as session, session.begin():
            yield OwnTable(self._url, self._stack, self._clock, session)


def _key(run_id):
    return int(run_id) if run_id.isdigit() else -1


def subjects(fresh, kind):
    """
    Return what makes a fresh store of a kind, in a database that *fresh* yields.
    """

    @contextmanager
    def make():
        with fresh() as url, ExitStack() as stack:
            if kind is OwnTable:
                engine = sa.create_engine(url)
                Base.metadata.create_all(engine)
                engine.dispose()
            else:
                make_clock(url)
            yield kind(url, stack)

    return make
