"""
What a map of statuses is made of: its rows, and the moves that it cannot tell as such.
"""

from dataclasses import dataclass

from ..lifecycle._rows import Evidence

__all__ = ["Becomes", "Excepted"]


@dataclass(frozen=True, slots=True)
class Becomes:
    """
    One row of a map: what a *status* becomes in the other lifecycle.
    """

    status: str
    becomes: str | None = None
    """None where the other lifecycle cannot say it: who observes it, observes nothing."""
    evidence: Evidence = "inferred"
    """How this row is known; few sources compare two systems."""
    citation: str = ""
    """Where that can be read."""
    lost: str = ""
    """What cannot be told any more afterwards, in words; empty if nothing is lost."""

    def __str__(self) -> str:
        return f"{self.status} as {self.becomes if self.becomes is not None else 'nothing'}"


@dataclass(frozen=True, slots=True)
class Excepted:
    """
    A legal move that becomes none: a check tells it as a warning, with the reason.
    """

    source: str | None
    """The status before; None for the beginning of a run."""
    target: str
    why: str
    """Why the other lifecycle has no such move, and what to make of it."""

    def __str__(self) -> str:
        return f"{'(begin)' if self.source is None else self.source} -> {self.target}"
