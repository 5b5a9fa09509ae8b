"""
The store, for threads.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._models import RunResponse
from ..runs._run import RUN
from ..runs._wire import LastError, RequiredAction, Usage
from ._conflicts import in_transaction_of_caller, retriable
from ._engines import (
    begin_immediate,
    check_engine,
    commit,
    drivers,
    engine_options,
    operate,
    set_up,
    set_up_engine,
    store_url,
)
from ._install import install
from ._poolers import find_pooler
from ._retries import pauses, readable_again
from ._row_errors import wrong_argument
from ._setup import Setup, moved_by, new_run_id
from ._verdicts import Applied, Fire, Held, JournalEntry, Lease, Page, Stale, Verdict

__all__ = ["RunStore"]

_T = TypeVar("_T")

Caller = sa.Connection | Session
"""The caller's own transaction."""


class RunStore:
    """
    Keeps runs in a database, and moves each by one writer at a time.

    State, journal and feed are one transaction: a store's own, committed when the
    method returns, or the caller's, where one is given as *connection*. Thread-safe.
    Losing a race is an answer, not an exception: see :data:`Verdict`.

    Example:
        >>> import structlog, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        ...     with RunStore.open(f"sqlite:///{folder}/runs.db") as store:
        ...         run = store.create(assistant_id="asst_1", thread_id="thread_1")
        ...         lease = store.claim("worker-1")
        ...         done = store.complete(run.id, token=lease.token)
        ...         late = store.request_cancel(run.id)
        ...         moves = [entry.trigger for entry in store.history(run.id)]
        >>> done.moved.seq, done.ok, late.status, late.by, moves
        (3, True, 'completed', 'complete', ['create', 'start', 'complete'])
    """

    def __init__(
        self,
        engine: sa.Engine,
        lifecycle: Lifecycle = RUN,
        *,
        prefix: str = "runstate_",
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] = new_run_id,
        logger: Any = None,
        adopt_lifecycle: bool = False,
    ) -> None:
        """
        Use *engine*, the caller's own, and make or migrate the tables in its database.

        After a fork, the child must make an engine of its own, as SQLAlchemy requires;
        only a store from :meth:`open` does that by itself.

        Args:
            engine: For SQLite or PostgreSQL. The caller closes it.
            lifecycle: The table; :data:`RUN`, or a narrower or wider one.
            prefix: How the names of the tables begin.
            expires_after: Seconds from a run's creation to its ``expires_at``, at which a
                sweep ends it, also while a worker holds it; None for no such time. One
                run's own is given to :meth:`create`.
            deadlines: By status, the seconds that a run may be in it and the trigger that
                ends it then, besides ``{"cancelling": (60, "confirm_cancel")}``. Every
                process that uses the store should give the same.
            clock: An SQL expression for the time in Unix seconds; the database's own clock
                by default.
            new_id: Makes the id of a run that is created without one.
            logger: A structlog logger.
            adopt_lifecycle: True to record *lifecycle* where the store was made with another.

        Raises:
            ValueError: An option makes no sense, or the engine knows no transactions.
        """
        self.engine = engine
        """Where the store is; for transactions of the caller's own."""
        self._opened = False
        options = {
            "prefix": prefix,
            "expires_after": expires_after,
            "deadlines": deadlines,
            "clock": clock,
            "new_id": new_id,
            "logger": logger,
            "adopt_lifecycle": adopt_lifecycle,
        }
        self._setup = Setup(engine.dialect, lifecycle, **options)
        self._do = self._setup.operations
        check_engine(engine)
        with engine.connect() as connection:
            set_up(connection)
            whole = self._setup.immediate or find_pooler(connection)
        # A single statement needs no BEGIN and no COMMIT, unless a pooler is in between.
        self._brief = engine if whole else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._transact(engine, install, self._setup.tables, lifecycle, self._setup.adopt_lifecycle)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        lifecycle: Lifecycle = RUN,
        durable: bool = True,
        timeout: float = 30.0,
        pooler: bool | None = None,
        prefix: str = "runstate_",
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] = new_run_id,
        logger: Any = None,
        adopt_lifecycle: bool = False,
    ) -> Self:
        """
        Open the store at *url*, and make or migrate its tables.

        Args:
            url: ``sqlite:///runs.db`` or ``postgresql+psycopg://host/database``;
                ``postgres://`` and ``postgresql://`` mean the latter.
            lifecycle: The table; :data:`RUN`, or a narrower or wider one.
            durable: Whether committed moves outlive a power cut, also where the PostgreSQL
                server or role has ``synchronous_commit`` off. If False, moves are faster.
                SQLite then loses none when any process dies, and may lose the last ones
                in a power cut. PostgreSQL may lose those of about the last second when the
                server crashes, and it does so when any one of its backends is killed.
            timeout: Seconds to wait for SQLite's write lock.
            pooler: Whether a connection pooler such as PgBouncer is between the store and
                PostgreSQL; None to find out at connect. Behind one, the store prepares no
                statements and sends every operation as one transaction. False for a pooler
                that gives each client a server connection of its own.
            prefix: How the names of the tables begin.
            expires_after: Seconds from a run's creation to its ``expires_at``, at which a
                sweep ends it, also while a worker holds it; None for no such time. One
                run's own is given to :meth:`create`.
            deadlines: By status, the seconds that a run may be in it and the trigger that
                ends it then, besides ``{"cancelling": (60, "confirm_cancel")}``. Every
                process that uses the store should give the same.
            clock: An SQL expression for the time in Unix seconds; the database's own clock
                by default.
            new_id: Makes the id of a run that is created without one.
            logger: A structlog logger.
            adopt_lifecycle: True to record *lifecycle* where the store was made with another.

        Raises:
            StoreVersionError: The tables are of a later version, or of a lifecycle
                whose statuses this one does not know.
            LifecycleMismatchError: The store was made with another lifecycle.
            ValueError: An option makes no sense.
            ImportError: The database's driver is not installed.
        """
        options: dict[str, Any] = {
            "prefix": prefix,
            "expires_after": expires_after,
            "deadlines": deadlines,
            "clock": clock,
            "new_id": new_id,
            "logger": logger,
            "adopt_lifecycle": adopt_lifecycle,
        }
        parsed = store_url(url, awaited=False)
        with drivers(parsed):
            engine = sa.create_engine(parsed, **engine_options(parsed, timeout, pooler))
        set_up_engine(engine, durable, pooler)
        try:
            store = cls(engine, lifecycle, **options)
        except BaseException:
            engine.dispose()
            raise
        store._opened = True

        return store

    def close(self) -> None:
        """
        Close the unused connections. An engine of the caller's stays open.
        """
        if self._opened:
            self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- runs ----------------------------------------------------------------------

    def create(
        self,
        *,
        id: str | None = None,  # noqa: A002  the wire's own name
        assistant_id: str | None = None,
        thread_id: str | None = None,
        expires_after: int | None = None,
        expires_at: int | None = None,
        connection: Caller | None = None,
        **fields: Any,
    ) -> RunResponse:
        """
        Store a new run in the initial status, and return it.

        Args:
            id: The run's id; a new one by default.
            assistant_id: The assistant to execute.
            thread_id: The thread to execute it on.
            expires_after: Seconds from now to the run's ``expires_at``, at which a sweep
                ends it, also while a worker holds it; None for what the store was opened
                with; by default the run does not expire.
            expires_at: That time itself, in Unix seconds; instead of *expires_after*.
            connection: The caller's transaction.
            fields: Any other field that the lifecycle does not own, such as ``model``.

        Raises:
            RunExistsError: There is a run of that id already.
            LifecycleFieldError: A field is given that only a move may set.
            TypeError: A run has no field of that name.
            pydantic.ValidationError: A field does not hold what it must.
        """
        given = {"id": id, "assistant_id": assistant_id, "thread_id": thread_id, **fields}
        run = self._run(connection, self._do.create, given, expires_after, expires_at)
        self._setup.log(_sync(connection), moved_by(run))

        return run

    def get(self, run_id: str, *, connection: Caller | None = None) -> RunResponse:
        """
        Return the run as it is now: a snapshot, which the store's moves do not change.

        Raises:
            RunNotFoundError: There is no such run.
        """
        return self._read(connection, self._do.get, run_id)

    def history(self, run_id: str, *, connection: Caller | None = None) -> tuple[JournalEntry, ...]:
        """
        Return everything the journal says of a run, oldest first.

        Raises:
            RunNotFoundError: There is no such run.
        """
        return self._read(connection, self._do.history, run_id)

    def counts(self, *, connection: Caller | None = None) -> dict[str, int]:
        """
        Return how many runs are in each status: what the last sweep counted, and every move since.
        """
        return self._read(connection, self._do.counts)

    def stuck(
        self,
        limits: Mapping[str, float],
        *,
        limit: int = 100,
        connection: Caller | None = None,
    ) -> tuple[RunResponse, ...]:
        """
        Return runs that have been in a status for longer than its limit, the longest first.

        Args:
            limits: Seconds by status.
            limit: How many runs at most.
            connection: The caller's transaction.
        """
        return self._read(connection, self._do.stuck, limits, limit)

    def list(
        self,
        *,
        status: str | None = None,
        thread_id: str | None = None,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
        connection: Caller | None = None,
    ) -> Page[RunResponse]:
        """
        Return a page of runs by the time of their creation, the newest first.

        Args:
            status: Only runs in this status.
            thread_id: Only runs on this thread.
            after: Id of the run to go on behind: a page's *cursor*, or any run's.
            limit: How many runs at most.
            order: ``asc`` for the oldest first.
            connection: The caller's transaction.

        Raises:
            RunNotFoundError: There is no run *after*.
        """
        return self._read(connection, self._do.page, status, thread_id, after, limit, order)

    def moves(
        self, *, after: str | None = None, limit: int = 100, connection: Caller | None = None
    ) -> Page[JournalEntry]:
        """
        Return the next committed moves of all runs, each at least once.

        Those of one run come in the order of their numbers. Give the page's *cursor*
        back as *after* once its items are dealt with; :attr:`JournalEntry.event_id` is
        the same at every delivery. On SQLite, a caller's transaction that has moved runs
        sees its own moves too: keep no cursor of it before it is committed.

        A cursor proves that everything delivered before it is still in the database. On a
        hot standby of PostgreSQL a move is delivered once all transactions that began
        before it have ended; a standby that lags behind the cursor delivers nothing yet.

        Args:
            after: The cursor of the page before; None to read from the beginning.
            limit: How many moves at most.
            connection: The caller's transaction.

        Raises:
            CursorInvalidError: *after* is not a cursor of a feed.
            CursorForeignError: Moves that were delivered before *after* are not in this
                database: a failover, a crash or a restore lost them, or they were deleted,
                or the cursor is of another store. Discard what was derived from the feed,
                and read it from the beginning.
            CursorExpiredError: *after* has the format of an earlier version. Read the feed
                from the beginning, and skip the event ids that were dealt with.
        """
        return self._read(connection, self._do.moves, after, limit)

    # -- moves ---------------------------------------------------------------------

    def fire(
        self,
        run_id: str,
        trigger: str,
        /,
        *,
        token: int | None = None,
        key: str | None = None,
        actor: str | None = None,
        reason: str | None = None,
        connection: Caller | None = None,
        **payload: Any,
    ) -> Verdict:
        """
        Move a run by *trigger*, or return why not.

        Args:
            run_id: The run.
            trigger: A trigger of the lifecycle.
            token: Token of the worker's lease; None for a caller that is not a worker.
            key: Idempotency key: of any number of attempts under one key, one moves the
                run, and all get the answer of that one move.
            actor: Who fires, for the journal.
            reason: Why, for the journal.
            connection: The caller's transaction.
            payload: The fields that the trigger takes, as for :meth:`RunEngine.fire`;
                the reason of ``stop_incomplete`` as ``incomplete_details``.

        Raises:
            RunNotFoundError: There is no such run.
            UnknownTriggerError: The table has no such trigger at all.
            PayloadError: The payload lacks, or has, or garbles something.
        """
        fire = Fire(run_id, trigger, payload, token, key, actor, reason)
        verdict = self._at_once(connection, self._do.fire, fire)
        self._tell(connection, fire, verdict)

        return verdict

    def fire_many(
        self, fires: Iterable[Fire], *, connection: Caller | None = None
    ) -> tuple[Verdict, ...]:
        """
        Fire triggers in one transaction, in order; much cheaper than one after the other.

        Neighbours that fire the same trigger at different runs become one statement.
        Either all verdicts stand or, if this raises, nothing has moved; in the caller's
        own transaction, once that is rolled back.
        """
        fires = tuple(fires)
        verdicts = self._run(connection, self._do.fire_many, fires)
        for fire, verdict in zip(fires, verdicts, strict=True):
            self._tell(connection, fire, verdict)

        return verdicts

    def start(self, run_id: str, **options: Any) -> Verdict:
        """
        Move a queued run to ``in_progress``. For *options* see :meth:`fire`.
        """
        return self.fire(run_id, "start", **options)

    def require_action(
        self, run_id: str, required_action: RequiredAction | Mapping[str, Any], **options: Any
    ) -> Verdict:
        """
        Move a run in progress to ``requires_action``, where it waits for tool outputs.
        """
        return self.fire(run_id, "require_action", required_action=required_action, **options)

    def submit_tool_outputs(
        self, run_id: str, outputs: Mapping[str, str], **options: Any
    ) -> Verdict:
        """
        Queue a run again that waits for tool outputs, which the journal keeps by call id.
        """
        return self.fire(run_id, "submit_tool_outputs", outputs=outputs, **options)

    def complete(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> Verdict:
        """
        End a run as ``completed``.
        """
        return self.fire(run_id, "complete", usage=usage, **options)

    def fail(
        self,
        run_id: str,
        last_error: LastError | Mapping[str, Any],
        usage: Usage | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Verdict:
        """
        End a run as failed, because of *last_error*.
        """
        return self.fire(run_id, "fail", last_error=last_error, usage=usage, **options)

    def stop_incomplete(
        self,
        run_id: str,
        reason: str,
        usage: Usage | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Verdict:
        """
        End a run at a token limit: ``max_completion_tokens`` or ``max_prompt_tokens``.
        """
        details = {"reason": reason}

        return self.fire(
            run_id, "stop_incomplete", incomplete_details=details, usage=usage, **options
        )

    def request_cancel(self, run_id: str, **options: Any) -> Verdict:
        """
        Ask for a run to be cancelled. It may still end otherwise, until that is confirmed.
        """
        return self.fire(run_id, "request_cancel", **options)

    def confirm_cancel(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> Verdict:
        """
        End a run that is being cancelled as ``cancelled``.
        """
        return self.fire(run_id, "confirm_cancel", usage=usage, **options)

    def expire(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> Verdict:
        """
        End a run that took too long.
        """
        return self.fire(run_id, "expire", usage=usage, **options)

    # -- leases --------------------------------------------------------------------

    def claim(
        self, worker: str, seconds: float = 30.0, *, connection: Caller | None = None
    ) -> Lease | None:
        """
        Return a lease on a run that no worker holds; None if no run is waiting.

        A run whose lease ran out comes first, and stays in its status; else the oldest
        queued one, which is started.

        Args:
            worker: Who claims, for the journal.
            seconds: How long the lease lasts, from now and from every heartbeat on; up to
                30 days.
            connection: The caller's transaction.
        """
        lease = self._at_once(connection, self._do.claim, worker, seconds)
        self._setup.log(_sync(connection), moved_by(lease))

        return lease

    def heartbeat(self, lease: Lease, *, connection: Caller | None = None) -> Held | Stale:
        """
        Renew *lease*; the answer says whether cancel was asked for, or that the lease is lost.
        """
        return self._at_once(connection, self._do.heartbeat, lease)

    def release(self, lease: Lease, *, connection: Caller | None = None) -> bool:
        """
        Give *lease* back, so that the next claim finds the run; False if it was lost already.
        """
        return self._run(connection, self._do.release, lease)

    def sweep(self, *, limit: int = 1000, connection: Caller | None = None) -> tuple[Moved, ...]:
        """
        End what is overdue, and return the moves that did.

        These are the runs past the deadline of their status, those being cancelled that no
        worker holds, and those past their ``expires_at``. Any number of sweepers
        may do this at once; each run is ended by one. Call it every few seconds.

        Args:
            limit: How many runs at most.
            connection: The caller's transaction.
        """
        moved = self._run(connection, self._do.sweep, limit)
        self._setup.log(_sync(connection), moved)

        return moved

    # -- transactions ----------------------------------------------------------------

    def _tell(self, connection: Caller | None, fire: Fire, verdict: Verdict) -> None:
        if isinstance(verdict, Applied):
            self._setup.log(_sync(connection), moved_by(verdict))
        elif not verdict.ok:
            self._setup.refused(fire, verdict)

    def _run(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        own = _sync(connection)
        if own is not None:
            return in_transaction_of_caller(own, operation, *args)

        return self._transact(self.engine, operation, *args)

    def _at_once(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        own = _sync(connection)
        if own is not None:
            return in_transaction_of_caller(own, operation, *args)

        return self._transact(self._brief, operation, *args)

    def _read(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        own = _sync(connection)
        if own is not None:
            return in_transaction_of_caller(own, operation, *args)

        return _retried(readable_again, lambda: self._look(operation, *args))

    def _look(self, operation: Callable[..., _T], *args: Any) -> _T:
        with self._brief.connect() as fresh:
            return operate(fresh, operation, *args)

    def _transact(self, engine: sa.Engine, operation: Callable[..., _T], *args: Any) -> _T:
        return _retried(retriable, lambda: self._once(engine, operation, *args))

    def _once(self, engine: sa.Engine, operation: Callable[..., _T], *args: Any) -> _T:
        with engine.connect() as connection:
            if self._setup.immediate:
                begin_immediate(connection)
            answer = operate(connection, operation, *args)
            commit(connection)

        return answer


def _sync(connection: Caller | None) -> sa.Connection | None:
    if isinstance(connection, Session):
        return connection.connection()
    if connection is not None and not isinstance(connection, sa.Connection):
        raise wrong_argument("connection", "a SQLAlchemy Connection or Session", connection)

    return connection


def _retried(again: Callable[[DBAPIError], bool], attempt: Callable[[], _T]) -> _T:
    for pause in pauses():
        try:
            return attempt()
        except DBAPIError as error:
            if not again(error):
                raise
        time.sleep(pause)

    return attempt()
