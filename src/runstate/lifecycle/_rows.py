"""
The parts of a lifecycle: its rows, and the effects of entering a status on the fields.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, get_args

__all__ = [
    "ANY",
    "BAD_OUTCOMES",
    "CREATE",
    "EVIDENCE",
    "OUTCOMES",
    "Deadline",
    "Deviation",
    "Entry",
    "Evidence",
    "Outcome",
    "Transition",
    "name_of",
    "names_in",
]

Evidence = Literal["documented", "observed", "reported", "implemented", "inferred"]
"""The evidence for a row: the owner's documentation, a recording, users' reports, another
implementation, or reasoning."""
EVIDENCE: Final[tuple[str, ...]] = get_args(Evidence)

Outcome = Literal["success", "failure", "error", "timeout", "cancelled", "incomplete"]
"""The meaning of a terminal status, in terms that all lifecycles share."""
OUTCOMES: Final[tuple[str, ...]] = get_args(Outcome)

BAD_OUTCOMES: Final[frozenset[Outcome]] = frozenset({"failure", "error", "timeout"})
"""Outcomes that the log records as warnings, and traces as errors."""

CREATE: Final = "create"
"""The trigger in the record of a creation, which no table has as a row."""

ANY: Final = "*"
"""As the source of a row: all statuses that are not terminal."""


def name_of(value: Any) -> Any:
    """
    Return the status name of an Enum member: its value if that is a string, else its name.

    Everything else is returned unchanged, and so is a member of a StrEnum, which is a text.
    """
    if not isinstance(value, Enum) or (isinstance(value, str) and str(value) == value):
        return value

    return value.value if isinstance(value.value, str) else value.name


def names_in(values: Any) -> tuple[Any, ...]:
    """
    Return the names in *values*, which is one name, one member of an Enum, or several of them.
    """
    if isinstance(values, str | Enum) or not isinstance(values, Iterable):
        return (name_of(values),)

    return tuple(map(name_of, values))


@dataclass(frozen=True, slots=True, init=False)
class Transition:
    """
    One row of a lifecycle: *trigger* moves a run from *source* to *target*.

    Example:
        >>> str(Transition("fail", ["queued", "running"], "failed"))
        'queued, running -fail-> failed'
    """

    trigger: str
    source: str
    target: str
    evidence: Evidence
    """How this row is known."""
    citation: str
    """The source of the evidence."""
    reopens: bool
    """Whether it leads out of a terminal status, and begins the next attempt."""
    clears: tuple[str, ...]
    """Fields that a reopening row sets to None before the target's ``Entry`` applies."""
    when: tuple[str, ...]
    """Names of conditions that must all hold for the row to fire."""
    unless: tuple[str, ...]
    """Names of conditions none of which may hold."""
    more_sources: tuple[str, ...]
    """Further sources. Empty in the rows of a lifecycle, which has one row for each source."""

    def __init__(
        self,
        trigger: str | Enum,
        source: str | Enum | Iterable[str | Enum],
        target: str | Enum,
        evidence: Evidence = "documented",
        citation: str = "",
        *,
        reopens: bool = False,
        clears: Iterable[str] = (),
        when: str | Iterable[str] = (),
        unless: str | Iterable[str] = (),
        more_sources: Iterable[str] = (),
    ) -> None:
        """
        Name the parts of the row.

        A member of an Enum stands for its value, or its name if the value is not a text.

        Args:
            trigger: What fires the row.
            source: The status before; or several, for a row each; or ``"*"``, for every
                status that is not terminal.
            target: The status after.
            evidence: How the row is known.
            citation: The source of the evidence.
            reopens: Whether the row leads out of a terminal status: a retry, a clear, a
                redrive. It begins the next attempt.
            clears: Fields that a reopening row sets to None.
            when: The name of a condition that must hold, or several that must all hold.
            unless: The name of a condition that must not hold, or several of them.
            more_sources: The attribute of this name, as ``dataclasses.replace`` passes it on.

        Raises:
            ValueError: *source* is empty.
        """
        sources = (*names_in(source), *more_sources)
        if not sources:
            raise ValueError(
                f"source of {name_of(trigger)!r}: expected a status or several, got none"
            )
        set_ = object.__setattr__
        set_(self, "trigger", name_of(trigger))
        set_(self, "source", sources[0])
        set_(self, "target", name_of(target))
        set_(self, "evidence", evidence)
        set_(self, "citation", citation)
        set_(self, "reopens", reopens)
        set_(self, "clears", clears if isinstance(clears, str) else tuple(clears))
        set_(self, "when", (when,) if isinstance(when, str) else tuple(when))
        set_(self, "unless", (unless,) if isinstance(unless, str) else tuple(unless))
        set_(self, "more_sources", sources[1:])

    @property
    def conditional(self) -> bool:
        """Whether conditions decide if the row fires."""
        return bool(self.when or self.unless)

    @property
    def title(self) -> str:
        """The trigger, with the conditions in brackets: ``close [not has_more]``."""
        terms = (*self.when, *(f"not {name}" for name in self.unless))

        return f"{self.trigger} [{', '.join(terms)}]" if terms else str(self.trigger)

    def __str__(self) -> str:
        return f"{', '.join((self.source, *self.more_sources))} -{self.title}-> {self.target}"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    The effects of entering *status* on the fields of a run. All other fields keep their values.
    """

    status: str
    stamps: tuple[str, ...] = ()
    """Set to the time of the move, at every entry."""
    requires: tuple[str, ...] = ()
    """Set from the payload, which must contain them."""
    accepts: tuple[str, ...] = ()
    """Set from the payload if it contains them."""
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

    Example:
        >>> from runstate import Lifecycle, Transition
        >>> moves = [Transition("finish", "open", "done"), Transition("expire", "open", "expired")]
        >>> ends = {"done": "success", "expired": "timeout"}
        >>> in_an_hour = Deadline("expires_at", seconds=3_600, longest=86_400)
        >>> Lifecycle("job", moves, "open", ends, deadline=in_an_hour).deadline.seconds
        3600
    """

    field: str
    """Name of the field, such as ``expires_at``."""
    seconds: int
    """Seconds from the creation of a run to its expiry, unless the engine sets another value."""
    longest: int
    """The most seconds that a service was seen to grant; a later start is a warning."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """
    A deviation from the table that real services are known to show.

    A finding that matches is a warning instead of an error.

    Example:
        >>> from runstate import RUN
        >>> known = RUN.deviations[0]
        >>> known.code, known.field, known.evidence
        ('RS201', 'cancelled_at', 'documented')
    """

    code: str
    """Code of the rule, such as ``RS202``."""
    field: str
    """The field it is about."""
    statuses: frozenset[str] | None = None
    """The statuses in which it is known; None for all."""
    evidence: Evidence = "observed"
    """How it is known; of the same kinds as the evidence of a :class:`Transition`."""
    citation: str = ""
    """Where it was stated or seen."""
