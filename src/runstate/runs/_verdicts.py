"""
What a move in a database answers, and the errors about the row that it moves.

A race that was lost is an answer here, not an exception. The store and the integration with
Django answer with the same types.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from .._text import printable
from ..errors import RunstateError
from ._log import Moved

__all__ = [
    "Applied",
    "ConcurrentMoveError",
    "Illegal",
    "RunNotFoundError",
    "Stale",
    "StatusMissingError",
    "Superseded",
]


@dataclass(frozen=True, slots=True)
class Applied:
    """
    The move was made, and is committed unless the transaction is the caller's own.
    """

    ok: ClassVar[Literal[True]] = True
    moved: Moved
    """The record of the move."""

    @property
    def status(self) -> str:
        """The status that the move led to."""
        return self.moved.target


@dataclass(frozen=True, slots=True)
class Superseded:
    """
    The run has ended already. A late outcome changes nothing.

    The journal keeps the first 20 late outcomes of a run.
    """

    ok: ClassVar[Literal[False]] = False
    status: str
    """The status that the run ended in."""
    by: str | None
    """The trigger that ended it; None if it was not recorded."""
    moved: Moved | None
    """The move that ended it; None if it was not recorded."""


@dataclass(frozen=True, slots=True)
class Illegal:
    """
    The table has no row for this trigger from the run's status, or no condition of one held.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     verdict = store.complete(run.id)
        >>> verdict.ok, verdict.status, verdict.allowed
        (False, 'queued', ('start', 'request_cancel', 'fail', 'expire'))
    """

    ok: ClassVar[Literal[False]] = False
    status: str
    """The status that the run has, and keeps."""
    allowed: tuple[str, ...]
    """Triggers that the table allows from there."""
    by: str | None
    """The trigger that led there; None if it was not recorded."""
    reason: str = ""
    """``no condition held`` where conditions decided; empty if the table has no row."""


@dataclass(frozen=True, slots=True)
class Stale:
    """
    Fenced out: the lease with this token has run out, somebody else holds the run now, or it moved.
    """

    ok: ClassVar[Literal[False]] = False
    token: int | None
    """The token that was given."""
    version: int | None = None
    """The version that was expected, where the run has another one now."""
    # Not compared: it says what others did, and not why the caller was refused.
    status: str | None = field(default=None, compare=False)
    """
    The status that the run has, and keeps; None from a heartbeat, which does not look, and where
    the caller's own row has NULL.
    """


class RunNotFoundError(RunstateError, LookupError):
    """
    Raised when the store has no run of that id.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     try:
        ...         store.get("run_2")
        ...     except RunNotFoundError as error:
        ...         print(error)
        no run 'run_2' in the store
    """

    def __init__(self, run_id: str, noun: str = "run", advice: str = "") -> None:
        self.run_id = run_id
        """The id that was asked for."""
        self.noun = noun
        """What an object of the store is called."""
        self.advice = advice
        """What to do, where that depends on the call."""
        super().__init__(run_id)

    def _message(self) -> str:
        missing = f"no {printable(self.noun)} '{printable(str(self.run_id))}' in the store"

        return f"{missing}: {self.advice}" if self.advice else missing


class ConcurrentMoveError(RunstateError):
    """
    Raised when another transaction changed the rows that the caller's transaction works on.

    The database cannot show the caller's transaction what the other one did. Roll the
    transaction back and run all of it again; the driver's error is the ``__cause__``.

    Example:
        >>> def finish(attempt):
        ...     if attempt == 1:
        ...         raise ConcurrentMoveError("job_1")
        ...     return "done"
        >>> for attempt in range(1, 4):
        ...     try:
        ...         print(finish(attempt))
        ...         break
        ...     except ConcurrentMoveError as error:
        ...         print(error)
        another transaction changed row 'job_1' at the same time: roll back and run the transaction again
        done
    """

    def __init__(self, run_id: str | None) -> None:
        self.run_id = run_id
        """Id of the run or row; None for an operation on several."""
        super().__init__(run_id)

    def _message(self) -> str:
        what = "the rows" if self.run_id is None else f"row '{printable(self.run_id)}'"

        return (
            f"another transaction changed {what} at the same time: "
            "roll back and run the transaction again"
        )


class StatusMissingError(RunstateError, ValueError):
    """
    Raised when a row's status is NULL, which is not a status of any lifecycle.

    Example:
        >>> import sqlalchemy as sa
        >>> from runstate.store import apply_move
        >>> columns = sa.Column("id", sa.Text, primary_key=True), sa.Column("status", sa.Text)
        >>> jobs = sa.Table("jobs", sa.MetaData(), *columns)
        >>> engine = sa.create_engine("sqlite://")
        >>> with engine.begin() as connection:
        ...     jobs.create(connection)
        ...     _ = connection.execute(jobs.insert().values(id="job_1"))
        ...     try:
        ...         apply_move(connection, jobs, "job_1", "start")
        ...     except StatusMissingError as error:
        ...         print(error)
        row 'job_1' has NULL in jobs.status: set it to a status of the lifecycle, and make the column NOT NULL
        >>> engine.dispose()
    """

    def __init__(self, run_id: str, column: str) -> None:
        self.run_id = run_id
        """Primary key of the row."""
        self.column = column
        """Name of the column that holds the status."""
        super().__init__(run_id, column)

    def _message(self) -> str:
        return (
            f"row '{printable(self.run_id)}' has NULL in {printable(self.column)}: "
            "set it to a status of the lifecycle, and make the column NOT NULL"
        )
