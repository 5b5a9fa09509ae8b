"""
What a store answers: a race that was lost is an answer here, not an exception.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar

from .._text import printable
from ..errors import RunstateError
from ..runs._log import Moved
from ..runs._verdicts import Applied, Illegal, RunNotFoundError, Stale, Superseded
from ._row_errors import UnreadableRunError

__all__ = [
    "AnswerMismatchError",
    "Applied",
    "Duplicate",
    "Fire",
    "Held",
    "History",
    "Illegal",
    "JournalEntry",
    "Lease",
    "LifecycleMismatchError",
    "Page",
    "PageCursor",
    "RunExistsError",
    "RunNotFoundError",
    "Stale",
    "StoreVersionError",
    "Superseded",
    "Verdict",
]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """
    The run was moved under this idempotency key before: the first answer again.
    """

    ok: ClassVar[Literal[True]] = True
    moved: Moved
    """The record of the first move under the key."""

    @property
    def status(self) -> str:
        """The status that the first move led to, as then; the run may have moved on since."""
        return self.moved.target


Verdict = Applied | Duplicate | Superseded | Illegal | Stale
"""What became of a trigger: each has ``ok``, and the run's ``status``."""


class Fire(NamedTuple):
    """
    A trigger to fire at a run, for :meth:`RunStore.fire_many`.
    """

    run_id: str
    """The run to move."""
    trigger: str
    """A trigger of the lifecycle."""
    payload: dict[str, Any] = {}  # noqa: RUF012  never written to
    """The fields that the trigger takes, as for :meth:`RunEngine.fire`."""
    token: int | None = None
    """Token of the worker's lease; None for a caller that is not a worker."""
    key: str | None = None
    """Idempotency key: of any number of attempts of a trigger under one key, one moves the run."""
    actor: str | None = None
    """Who fires, for the journal."""
    reason: str | None = None
    """Why, for the journal."""
    expected_version: int | None = None
    """The version that the run must still have: the ``seq`` of the last move that was seen."""
    not_before: float | None = None
    """When the run may be claimed again, in Unix seconds; not for runs of a RunStore."""


class JournalEntry(NamedTuple):
    """
    One line of the journal of a run; nothing in it ever changes.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     _ = store.request_cancel(run.id, actor="user-7", reason="no longer needed")
        ...     *_, entry = store.history(run.id)
        >>> entry.kind, entry.trigger, entry.source, entry.target, entry.actor, entry.reason
        ('move', 'request_cancel', 'queued', 'cancelling', 'user-7', 'no longer needed')
        >>> entry.event_id
        'run_1:2'
    """

    position: int
    """Grows with every entry of the store; later entries of a run have higher ones."""
    run_id: str
    """The run that the entry is about."""
    seq: int | None
    """Number of the move within its run, creation being 1; None for what moved nothing."""
    kind: str
    """``move``; ``late`` for an outcome that came after the end; ``claim`` and ``release`` of a lease."""
    trigger: str | None
    """
    The trigger that was fired; ``create`` for a creation, None for a claim or a release.

    None too for a move that a store in the application's own table adopted.
    """
    source: str | None
    """The status before; None at creation."""
    target: str | None
    """The status after; None for what moved nothing."""
    at: float
    """When, in Unix seconds by the database's clock; never before the run's last move."""
    duration_s: float | None
    """Seconds spent in *source*; None at creation and for what moved nothing."""
    clock_regressed: bool
    """True if the clock had stepped back, and *at* is the time of the run's last move instead."""
    payload: dict[str, Any] | None
    """What came with the trigger, tool outputs among it."""
    key: str | None
    """The idempotency key that came with the trigger; None if none did."""
    token: int | None
    """The token of the lease; None for a writer that is not a worker."""
    actor: str | None
    """Who fired, as the caller stated it."""
    reason: str | None
    """Why, as the caller stated it."""

    @property
    def event_id(self) -> str:
        """The same for every delivery of a move: ``run_id:seq``."""
        return f"{self.run_id}:{self.seq}"

    @property
    def moved(self) -> Moved:
        """The entry as the record that an engine would have returned."""
        return Moved(
            self.run_id,
            self.trigger or "",
            self.source,
            self.target or "",
            self.at,
            self.duration_s,
            self.seq,
            self.clock_regressed,
            self.actor,
            self.reason,
        )


class History(tuple[JournalEntry, ...]):  # noqa: SLOT001  slots of a tuple must be empty
    """
    What the journal has of one run, oldest first, and which of its moves are missing.

    Args:
        entries: What the journal has, oldest first.
        missing: The numbers of the moves that it does not have.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     _ = store.start(run.id)
        ...     whole = store.history(run.id)
        ...     with store.engine.begin() as connection:
        ...         _ = connection.exec_driver_sql("DELETE FROM runstate_journal WHERE seq = 1")
        ...     rest = store.history(run.id)
        >>> whole.missing, [entry.trigger for entry in rest], rest.missing
        ((), ['start'], (1,))
    """

    missing: tuple[int, ...]
    """The numbers (``seq``) of the moves that were made and whose lines were deleted or pruned."""

    def __new__(cls, entries: Iterable[JournalEntry] = (), missing: Iterable[int] = ()) -> Self:
        """Return a history of *entries*."""
        history = super().__new__(cls, entries)
        history.missing = tuple(missing)

        return history


class PageCursor(str):
    """
    The id of the last run of a page of a list, which knows where that run was.

    As text, such as in JSON, it is the id alone.
    """

    __slots__ = ("born_at",)

    born_at: float

    def __new__(cls, run_id: str, born_at: float = 0.0) -> Self:
        """Return the id of a run that was created at *born_at*, in Unix seconds."""
        cursor = super().__new__(cls, run_id)
        cursor.born_at = born_at

        return cursor


class Page(NamedTuple, Generic[_T]):
    """
    Some of many, in order.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     first = store.moves(limit=100)
        ...     _ = store.request_cancel(run.id)
        ...     then = store.moves(after=first.cursor, limit=100)
        >>> [move.trigger for move in first.items], [move.trigger for move in then.items]
        (['create'], ['request_cancel'])
    """

    items: tuple[_T, ...]
    """The runs of a list, or the moves of a feed."""
    cursor: str | None
    """
    Where to go on: give it back as *after*. None if a list has ended; a feed never does.

    That of a list is the id of its last run. As the object that the page has, it goes on there even if
    the run was deleted since.
    """
    unreadable: tuple[UnreadableRunError, ...] = ()
    """The runs of this page of a list whose rows cannot be read; they are not among the items."""


@dataclass(frozen=True, slots=True)
class Lease(Generic[_T]):
    """
    The right of one worker to carry on one run, for a while.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     lease = store.claim("worker-1", seconds=30)
        ...     verdict = store.complete(lease.id, token=lease.token)
        >>> lease.run.status.value, lease.worker, lease.attempt, lease.seconds
        ('in_progress', 'worker-1', 1, 30)
        >>> verdict.ok
        True
    """

    run: _T
    """The run as it was when it was claimed."""
    token: int
    """Grows with every claim of the run; to be given with every write."""
    worker: str
    """The name that the worker gave to ``claim``."""
    until: float
    """When the lease runs out, in Unix seconds by the database's clock, unless a heartbeat renews it."""
    attempt: int
    """How many workers have claimed the run since it last started, this one included."""
    seconds: float
    """How long the lease lasts from a heartbeat on."""
    id: str = ""
    """Id of the run."""
    claims: int = 0
    """How often it was claimed since it was created or reopened; 0 in a RunStore, which keeps no count."""

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", getattr(self.run, "id"))  # noqa: B009


@dataclass(frozen=True, slots=True)
class Held:
    """
    The lease is still held, and was renewed.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     lease = store.claim("worker-1", seconds=30)
        ...     _ = store.request_cancel(run.id)
        ...     beat = store.heartbeat(lease)
        >>> if beat.ok and beat.cancel_requested:
        ...     print("stop, and confirm the cancel")
        stop, and confirm the cancel
    """

    ok: ClassVar[Literal[True]] = True
    until: float
    """When it runs out now, in Unix seconds by the database's clock."""
    cancel_requested: bool
    """Whether the worker should stop, and confirm the cancel."""


class RunExistsError(RunstateError, ValueError):
    """
    Raised when a run is created under an id that the store has already.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     try:
        ...         store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     except RunExistsError as error:
        ...         print(error)
        the store has a run 'run_1' already
    """

    def __init__(self, run_id: str, noun: str = "run") -> None:
        self.run_id = run_id
        """The id that is taken."""
        self.noun = noun
        """What an object of the store is called."""
        super().__init__(run_id)

    def _message(self) -> str:
        return f"the store has a {printable(self.noun)} '{printable(self.run_id)}' already"


class KeyReusedError(RunstateError, ValueError):
    """
    Raised when an idempotency key moved the run before, by another trigger: it is another request.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     _ = store.request_cancel(run.id, key="request-7")
        ...     try:
        ...         store.confirm_cancel(run.id, key="request-7")
        ...     except KeyReusedError as error:
        ...         print(error)
        run 'run_1': key 'request-7' belongs to request_cancel: confirm_cancel needs a key of its own
    """

    def __init__(self, run_id: str, key: str, trigger: str, first: str, noun: str = "run") -> None:
        self.run_id = run_id
        """The run; another one may use the same key."""
        self.key = key
        """The key that was used already."""
        self.trigger = trigger
        """What was fired under it now."""
        self.first = first
        """What was fired under it then."""
        self.noun = noun
        """What an object of the store is called."""
        super().__init__(run_id, key, trigger, first)

    def _message(self) -> str:
        return (
            f"{printable(self.noun)} '{printable(self.run_id)}': key '{printable(self.key)}' belongs to "
            f"{printable(self.first)}: {printable(self.trigger)} needs a key of its own"
        )


class AnswerMismatchError(RunstateError, RuntimeError):
    """
    Raised when the database answers another statement than the one that was sent.

    A connection pooler that the store did not find has mixed up prepared statements. What the
    other statement did may stand: look at the run's history. Open the store with
    ``pooler=True``.

    Example:
        >>> error = AnswerMismatchError("run_2", asked="complete", trigger="start", target="in_progress")
        >>> error.run_id, error.asked, error.trigger
        ('run_2', 'complete', 'start')
        >>> "open the store with pooler=True" in str(error)
        True
    """

    def __init__(
        self, run_id: str | None, asked: str, trigger: str | None, target: str | None
    ) -> None:
        self.run_id = run_id
        """The run that the answer is about."""
        self.asked = asked
        """The trigger that was sent."""
        self.trigger = trigger
        """The trigger that the database answered for."""
        self.target = target
        """Where it led."""
        super().__init__(run_id, asked, trigger, target)

    def _message(self) -> str:
        return (
            f"sent {printable(self.asked)} to the database, and got the answer to "
            f"{printable(str(self.trigger))} of run '{printable(str(self.run_id))}', which may "
            "have moved: a connection pooler mixes up prepared statements; open the store with "
            "pooler=True, and look at the run's history"
        )


class StoreVersionError(RunstateError):
    """
    Raised when the tables in the database cannot be used by this version of the package.

    Example:
        >>> from runstate.store import RunStore
        >>> try:
        ...     RunStore.open("sqlite://", install=False)
        ... except StoreVersionError as error:
        ...     print(error.found)
        ...     print(error.expected)
        without the table runstate_runs
        execute the statements of runstate.store.schema_sql(), or open it with install=True
    """

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        """What the database holds."""
        self.expected = expected
        """What would have worked."""
        super().__init__(found, expected)

    def _message(self) -> str:
        return f"the store in this database is {printable(self.found)}; {printable(self.expected)}"


class LifecycleMismatchError(StoreVersionError):
    """
    Raised when a store is opened with another lifecycle than the one it was made with.

    Nothing is changed. Open the store with the lifecycle that it was made with; or, if
    yours is to take its place, once with ``adopt_lifecycle=True``, which records it.

    Example:
        >>> import tempfile
        >>> from runstate.presets import PRESETS
        >>> from runstate.store import Store
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     url = f"sqlite:///{folder}/jobs.db"
        ...     Store.open(url, PRESETS["oban-job"], prefix="jobs_").close()
        ...     try:
        ...         Store.open(url, PRESETS["river-job"], prefix="jobs_")
        ...     except LifecycleMismatchError as error:
        ...         print(error.recorded, error.lifecycle, len(error.added), len(error.missing))
        oban-job river-job 14 13
    """

    def __init__(
        self, recorded: str, lifecycle: str, added: tuple[str, ...], missing: tuple[str, ...]
    ) -> None:
        self.recorded = recorded
        """Name of the lifecycle that the store was made with."""
        self.lifecycle = lifecycle
        """Name of the lifecycle that it was opened with."""
        self.added = added
        """Rows that only the latter has, such as ``queued -start-> in_progress``."""
        self.missing = missing
        """Rows that only the former has."""
        super().__init__(recorded, lifecycle)
        self.args: tuple[Any, ...] = (recorded, lifecycle, added, missing)

    def _message(self) -> str:
        rows = [f"+ {row}" for row in self.added] + [f"- {row}" for row in self.missing]
        more = f", and {len(rows) - 3} more" if len(rows) > 3 else ""
        what = f" ({'; '.join(rows[:3])}{more})" if rows else " (only the names differ)"

        return (
            f"the store was made with lifecycle '{printable(self.recorded)}', and opened with "
            f"'{printable(self.lifecycle)}'{printable(what, 500)}: open it with the former, or "
            "once with adopt_lifecycle=True, which records the latter"
        )
