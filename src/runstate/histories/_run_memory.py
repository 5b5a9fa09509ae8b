"""
What is remembered of one run between its observations.
"""

from collections.abc import Iterable
from typing import Any

from ._records import Finding, Observation

__all__ = ["Brief", "RunMemory"]

Brief = tuple[str, float | None, bool, str | None, int | None]
"""
What is remembered of a run in which nothing was unusual so far: its status, when it was seen last,
whether anything is decided, and the file and line of that. A seventh of the room of a
:class:`RunMemory`.
"""


class RunMemory:
    """
    What is remembered of one run: a constant amount, whatever its length.
    """

    __slots__ = (
        "ahead", "at", "attempt", "backwards", "decided", "due", "ended", "file", "headless", "kept", "last", "line", "misplaced",
        "overdue", "reopened", "seen", "seq", "since", "status", "stuck", "tied", "tied_at",
    )  # fmt: skip

    def __init__(self) -> None:
        self.status: str | None = None
        self.ended: str | None = None
        """The terminal status that it is in."""
        self.at: float | None = None
        """When it was seen last."""
        self.attempt: int | None = None
        """The largest attempt that was seen."""
        self.reopened = 0
        """How often it was reopened."""
        self.since: float | None = None
        """When it was first seen in its status."""
        self.due: float | None = None
        """When it expires."""
        self.kept: dict[str, Any] = {}
        """The last values of the fields that the next snapshot is compared with."""
        self.seen: dict[int | None, frozenset[str]] = {}
        """Statuses by attempt, where they come in no order."""
        self.seq = 0
        """The number of the last numbered move."""
        self.last: tuple[str | None, str] | None = None
        """Source and target of the last numbered move."""
        self.ahead: dict[int, Observation] = {}
        """Numbered moves that wait for the one before them, by number."""
        self.backwards = False
        """Whether an observation without a number came behind a later one."""
        self.misplaced = False
        """Whether a finding depends on the order of its observations."""
        self.tied: int = 0
        """How many of its observations share their time with another one."""
        self.tied_at: float | None = None
        """The last such time."""
        self.decided = False
        """Whether enough was seen of it to find anything wrong."""
        self.headless: Finding | None = None
        """The finding about its first snapshot, which waits for a second one."""
        self.overdue = False
        """Whether it was found to have gone on after it was due."""
        self.stuck = False
        """Whether it was found to have been in its status for too long."""
        self.file: str | None = None
        self.line: int | None = None

    def reopen(self, identity: Iterable[str]) -> None:
        """
        Count that the run was reopened; *identity* are the fields that never change.
        """
        self.reopened += 1
        self.ended = None
        # What the row clears, and which moves nobody saw after it, is not known.
        self.kept = {name: self.kept[name] for name in identity if name in self.kept}
