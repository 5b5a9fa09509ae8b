"""
Driving a service through every row of its table, and against every wall.

A row that does not work is gone around, so that it is told once: what lies behind it
and has no other way is never reached, and is no fault of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from .._text import printable
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._protocols import Service
from ._suite import PAYLOADS

__all__ = ["Driven", "Fault", "drive", "summary", "walks"]


_SEEN: Final[dict[tuple[str, str], tuple[Lifecycle, set[Transition]]]] = {}
"""By service and lifecycle, the rows that drives have covered; the plugin reports them."""


class Fault(NamedTuple):
    """
    A trigger that did not do what the table says.
    """

    status: str
    """Where the run was."""
    trigger: str
    """What was fired."""
    row: Transition | None
    """The row that should have moved it; None where there is none, and nothing should have."""
    message: str
    """What happened instead."""

    def __str__(self) -> str:
        return f"{self.row or f'{self.trigger} from {self.status}'}: {self.message}"


class Driven(NamedTuple):
    """
    What came of a drive.
    """

    covered: tuple[Transition, ...]
    """Rows that moved a run as the table says, each time."""
    never: tuple[Transition, ...]
    """Rows that did not, or that no run came to."""
    refused: int
    """Pairs of a status and a trigger that are no row, were refused, and left the run as it was."""
    refusals: int
    """How many such pairs the table has."""
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether the service does what the table says, all of it and nothing else."""
        return not self.faults and not self.never and self.refused == self.refusals

    def __str__(self) -> str:
        rows = f"{len(self.covered)} of {len(self.covered) + len(self.never)} rows"
        never = f"; never: {', '.join(map(str, self.never))}" if self.never else ""
        counts = f"{rows}, {self.refused} of {self.refusals} refusals{never}"

        return "\n".join([*(f"FAILED {fault}" for fault in self.faults), counts])


def walks(lifecycle: Lifecycle = RUN) -> tuple[tuple[Transition, ...], ...]:
    """
    Return for every row, in the order of the table, a shortest walk from creation that ends in it.

    Example:
        >>> [str(row) for row in walks()[6]]
        ['queued -start-> in_progress', 'in_progress -fail-> failed']
    """
    return tuple(
        (*(lifecycle.shortest_path(lifecycle.initial, row.source) or ()), row) for row in lifecycle
    )


def drive(
    make: Callable[[], AbstractContextManager[Service]],
    *,
    lifecycle: Lifecycle = RUN,
    payloads: Mapping[str, Mapping[str, Any]] = PAYLOADS,
) -> Driven:
    """
    Return what came of firing every trigger at a run in every status, each reached by the shortest way that works.

    Of the service nothing is raised, whatever it does: what it raises is a fault.

    Args:
        make: Returns a fresh service to be entered, and left when the drive is done.
        lifecycle: The table that the service claims to keep to.
        payloads: What each trigger needs, as keyword arguments of ``fire``.
    """
    with make() as service:
        driver = _Driver(service, lifecycle, payloads)
        driver.fire_rows()
        driver.fire_the_rest()
        driven = driver.driven()
        kind = type(service)
        key = (f"{kind.__module__}.{kind.__qualname__}", lifecycle.name)
        _SEEN.setdefault(key, (lifecycle, set()))[1].update(driven.covered)

        return driven


def summary() -> Iterator[str]:
    """
    Yield a line for every service that this process has driven, with the rows it was seen to make.
    """
    for (service, name), (lifecycle, made) in sorted(_SEEN.items(), key=lambda item: item[0]):
        covered = tuple(row for row in lifecycle if row in made)
        never = tuple(row for row in lifecycle if row not in made)
        yield printable(f"{service} under {name}: {_rows(covered, never)}", 500)


def _rows(covered: tuple[Transition, ...], never: tuple[Transition, ...]) -> str:
    missing = f"; never: {', '.join(map(str, never))}" if never else ""

    return f"{len(covered)} of {len(covered) + len(never)} rows{missing}"


class _Driver:
    """
    Fires at one service, and remembers what came of it.
    """

    def __init__(
        self, service: Service, lifecycle: Lifecycle, payloads: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._service = service
        self._lifecycle = lifecycle
        self._payloads = payloads
        self._covered: set[Transition] = set()
        self._refused = 0
        self._faults: dict[tuple[str, str], Fault] = {}

    def driven(self) -> Driven:
        covered = tuple(row for row in self._lifecycle if self._works(row) and row in self._covered)
        pairs = len(self._lifecycle.statuses) * len(self._lifecycle.triggers)

        return Driven(
            covered,
            tuple(row for row in self._lifecycle if row not in covered),
            self._refused,
            pairs - len(self._lifecycle),
            tuple(self._faults.values()),
        )

    def fire_rows(self) -> None:
        for row in self._lifecycle:
            # One that does not work may have been met on the way to another.
            if self._works(row) and (run_id := self._run_in(row.source)) is not None:
                self._moves(run_id, row)

    def fire_the_rest(self) -> None:
        for status in self._lifecycle.statuses:
            run_id: str | None = None
            for trigger in self._lifecycle.triggers:
                if self._lifecycle.row(trigger, status) is not None:
                    continue
                run_id = run_id or self._run_in(status)
                if run_id is None:
                    break
                if self._refuses(run_id, status, trigger):
                    self._refused += 1
                else:
                    run_id = None

    def _works(self, row: Transition) -> bool:
        return (row.source, row.trigger) not in self._faults

    def _run_in(self, status: str) -> str | None:
        """
        Return a new run, moved to *status* around what does not work; None if there is no way.
        """
        while (way := self._way(status)) is not None:
            run_id = self._created()
            if run_id is None:
                return None
            if all(self._moves(run_id, row) for row in way):
                return run_id

        return None

    def _way(self, status: str) -> tuple[Transition, ...] | None:
        ways: dict[str, tuple[Transition, ...]] = {self._lifecycle.initial: ()}
        reached = [self._lifecycle.initial]
        for here in reached:
            for row in self._lifecycle:
                if row.source == here and row.target not in ways and self._works(row):
                    ways[row.target] = (*ways[here], row)
                    reached.append(row.target)

        return ways.get(status)

    def _created(self) -> str | None:
        born = self._lifecycle.initial
        try:
            run_id = self._service.create()
            now = str(self._service.status(run_id))
        except Exception as error:  # noqa: BLE001  a service may raise anything
            self._fault(born, "create", None, _raised(error))
            return None
        if now != born:
            self._fault(born, "create", None, f"a new run is {now}")
            return None

        return run_id

    def _moves(self, run_id: str, row: Transition) -> bool:
        answer, now, error = self._fire(run_id, row.trigger)
        if error is not None:
            self._fault(row.source, row.trigger, row, error)
        elif not answer.ok:
            self._fault(row.source, row.trigger, row, f"was answered {answer!r}")
        elif now != row.target:
            self._fault(row.source, row.trigger, row, f"the run is {now}")
        else:
            self._covered.add(row)

        return self._works(row)

    def _refuses(self, run_id: str, status: str, trigger: str) -> bool:
        answer, now, error = self._fire(run_id, trigger)
        if error is not None:
            self._fault(status, trigger, None, error)
        elif answer.ok:
            self._fault(status, trigger, None, f"was answered {answer!r}, and the run is {now}")
        elif now != status:
            self._fault(status, trigger, None, f"was refused, and the run is {now}")

        return (status, trigger) not in self._faults

    def _fire(self, run_id: str, trigger: str) -> tuple[Any, str, str | None]:
        """
        Return the answer, the status after it, and what was raised instead.
        """
        try:
            answer = self._service.fire(run_id, trigger, **self._payloads.get(trigger, {}))
            # What is no answer has no ok, and that raises too.
            _ = answer.ok
            return answer, str(self._service.status(run_id)), None
        except Exception as error:  # noqa: BLE001  a service may raise anything
            return None, "", _raised(error)

    def _fault(self, status: str, trigger: str, row: Transition | None, message: str) -> None:
        self._faults[status, trigger] = Fault(status, trigger, row, printable(message, 500))


def _raised(error: Exception) -> str:
    return f"raised {type(error).__name__}: {error}"
