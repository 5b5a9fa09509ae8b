"""
What both kinds of store are made of, and what they log.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa

from .._text import printable
from ..lifecycle._rows import BAD_OUTCOMES
from ..lifecycle._table import Lifecycle
from ..runs._engine import RunEngine
from ..runs._log import Moved, MoveLog
from ..runs._models import RunResponse
from ..runs._move import last_move
from ..runs._run import RUN
from ._after_commit import at_commit
from ._operations import Operations
from ._payload import ANSWER
from ._records import check_expires_after
from ._row_errors import UnreadableRunError
from ._sql import CLOCKS, Deadlines
from ._statements import Statements
from ._tables import build_tables
from ._verdicts import Applied, Fire, Illegal, Lease, Superseded, Verdict

__all__ = [
    "Setup",
    "moved_by",
    "new_run_id",
]

DEADLINES: Final[Deadlines] = {"cancelling": (60.0, "confirm_cancel")}
"""A cancel that no worker confirms takes effect after a minute."""


class _NoLog:
    """
    Swallows what the engine would log of a payload: the store logs its own refusals.
    """

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def new_run_id() -> str:
    """
    Return an id that no other run has.
    """
    return f"run_{uuid4().hex}"


class Setup:
    """
    The parts of a store, for one dialect.
    """

    def __init__(
        self,
        dialect: sa.Dialect,
        lifecycle: Lifecycle = RUN,
        *,
        prefix: str = "runstate_",
        expires_after: int | None = None,
        deadlines: Deadlines | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] = new_run_id,
        logger: Any = None,
        adopt_lifecycle: bool = False,
    ) -> None:
        if dialect.name not in CLOCKS:
            raise ValueError(f"a store lives in SQLite or PostgreSQL, not in {dialect.name}")
        check_expires_after(expires_after)
        # A lifecycle that knows no cancel has nobody to wait for.
        ours = {s: due for s, due in DEADLINES.items() if lifecycle.row(due[1], s)}
        deadlines = {**ours, **(deadlines or {})}
        for status, due in deadlines.items():
            _check_deadline(lifecycle, status, *due)
        self.lifecycle = lifecycle
        self.adopt_lifecycle = adopt_lifecycle
        self.immediate = dialect.name == "sqlite"
        self.tables = build_tables(prefix, lifecycle, postgres=dialect.name == "postgresql")
        engine = RunEngine(lifecycle, new_id=new_id, logger=_NoLog())
        self.operations = Operations(
            self.tables,
            lifecycle,
            Statements(self.tables, lifecycle, deadlines, clock, dialect),
            engine,
            expires_after,
            self._unreadable,
        )
        self._log = MoveLog(logger, lifecycle.name)

    def log(self, connection: sa.Connection | None, moved: Iterable[Moved]) -> None:
        """
        Log moves: now, or when the caller's transaction on *connection* is committed.
        """
        for each in moved:
            if connection is None:
                self._say(each)
            else:
                at_commit(connection, partial(self._say, each))

    def _say(self, moved: Moved) -> None:
        bad = self.lifecycle.terminal.get(moved.target) in BAD_OUTCOMES
        if bad or not self._log.silent:
            self._log.moved(moved, bad)

    def _unreadable(self, error: UnreadableRunError) -> None:
        self._log.unreadable(error.run_id, error.reason)

    def refused(self, fire: Fire, verdict: Verdict) -> None:
        """
        Log that nothing was moved.
        """
        status = verdict.status if isinstance(verdict, Superseded | Illegal) else None
        kind = type(verdict).__name__.lower()
        self._log.refused(printable(fire.run_id, 512), fire.trigger, status, kind, None)


def _check_deadline(lifecycle: Lifecycle, status: str, seconds: float, trigger: str) -> None:
    row = lifecycle.row(trigger, status)
    if row is None or not 0 <= seconds < math.inf:
        raise ValueError(
            "deadlines: expected seconds from 0 on and a trigger that leads out of "
            f"{status!r}, got {seconds!r} and {trigger!r}"
        )
    # A sweep that had to make up an error, or an answer, could move nothing at all.
    if trigger == ANSWER or lifecycle.entry(row.target).requires:
        raise ValueError(f"no deadline: {trigger!r} needs a payload, which no sweep has")


def moved_by(answer: Applied | RunResponse | Lease | None) -> list[Moved]:
    """
    Return the move that an operation's answer tells of, if it does.
    """
    if isinstance(answer, Applied):
        return [answer.moved]
    if isinstance(answer, Lease):
        answer = answer.run if answer.attempt == 1 else None
    moved = None if answer is None else last_move(answer)

    return [] if moved is None else [moved]
