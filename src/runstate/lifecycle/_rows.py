"""
What a lifecycle is made of: its rows, and what entering a status does to the fields.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

__all__ = [
    "CREATE",
    "EVIDENCE",
    "OUTCOMES",
    "Deadline",
    "Deviation",
    "Entry",
    "Evidence",
    "Outcome",
    "Transition",
]

Evidence = Literal["documented", "observed", "reported", "implemented", "inferred"]
"""How a row is known: the owner's text, a recording, users, another implementation, or reasoning."""
EVIDENCE: Final[tuple[str, ...]] = get_args(Evidence)

Outcome = Literal["success", "failure", "error", "timeout", "cancelled", "incomplete"]
"""What a terminal status means, in words that all lifecycles share."""
OUTCOMES: Final[tuple[str, ...]] = get_args(Outcome)

CREATE: Final = "create"
"""Trigger in the record of a creation, which is not a row of any table."""


@dataclass(frozen=True, slots=True)
class Transition:
    """
    One row of a lifecycle: *trigger* moves a run from *source* to *target*.
    """

    trigger: str
    source: str
    target: str
    evidence: Evidence = "documented"
    """How this row is known."""
    citation: str = ""
    """Where that can be read."""

    def __str__(self) -> str:
        return f"{self.source} -{self.trigger}-> {self.target}"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What entering *status* does to the fields of a run. Fields not named keep their values.
    """

    status: str
    stamps: tuple[str, ...] = ()
    """Set to the time of the move, at every entry."""
    requires: tuple[str, ...] = ()
    """Set from the payload, which must bring them."""
    accepts: tuple[str, ...] = ()
    """Set from the payload, if it brings them."""
    clears: tuple[str, ...] = ()
    """Set to None."""

    @property
    def fields(self) -> frozenset[str]:
        """Every field this entry may touch."""
        return frozenset((*self.stamps, *self.requires, *self.accepts, *self.clears))


@dataclass(frozen=True, slots=True)
class Deadline:
    """
    The field that says when a run expires, set at creation.
    """

    field: str
    seconds: int
    """How long after its creation a run expires, unless the engine is told otherwise."""
    longest: int
    """The longest that any service was seen to grant; a later start is worth a warning."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """
    Something the table excludes that real services are known to do.

    A finding that matches is a warning instead of an error.
    """

    code: str
    """Code of the rule, such as ``RS202``."""
    field: str
    """The field it is about."""
    statuses: frozenset[str] | None = None
    """The statuses it is known in; None for any."""
    evidence: Evidence = "observed"
    citation: str = ""
