"""
The parts of a status map: its rows, and the moves that it cannot express.
"""

from dataclasses import dataclass

from ..lifecycle._rows import Evidence

__all__ = ["Becomes", "Excepted"]


@dataclass(frozen=True, slots=True)
class Becomes:
    """
    One row of a map: the status of the target lifecycle that *status* becomes.

    Example:
        >>> from runstate.mapping import MAPS
        >>> row = next(row for row in MAPS["langgraph-run-to-run"] if row.status == "interrupted")
        >>> row.becomes, row.lost
        ('cancelled', 'whether somebody cancelled it, or the graph stopped to be resumed by another run')
    """

    status: str
    """A status of the source lifecycle."""
    becomes: str | None = None
    """None if the target lifecycle has no such status: the observation is dropped."""
    evidence: Evidence = "inferred"
    """The kind of evidence for this row; few sources compare two systems."""
    citation: str = ""
    """The source of the evidence."""
    lost: str = ""
    """The information that this row loses, in words; empty if it loses none."""

    def __str__(self) -> str:
        return f"{self.status} as {self.becomes if self.becomes is not None else 'nothing'}"


@dataclass(frozen=True, slots=True)
class Excepted:
    """
    A legal move without a legal counterpart; a check reports it as a warning with the reason.

    Example:
        >>> from runstate.mapping import MAPS
        >>> [each] = MAPS["openai-response-to-run"].exceptions[:1]
        >>> str(each), each.why
        ('(begin) -> in_progress', 'a response that is waited for begins without a queue')
    """

    source: str | None
    """The status before; None for the creation of a run."""
    target: str
    """The status after it."""
    why: str
    """Why the target lifecycle has no such move, and how to read the warning."""

    def __str__(self) -> str:
        return f"{'(begin)' if self.source is None else self.source} -> {self.target}"
