"""
Fire every transition of a table at a service, and every trigger that the table refuses.

A transition that fails is avoided afterwards, so that it is reported once. Transitions
that can only be reached through it are reported as never reached, not as faults.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from .._text import printable
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._harness import new_run
from ._protocols import Service
from ._suite import PAYLOADS

__all__ = ["Driven", "Fault", "drive", "summary", "walks"]


_SEEN: Final[dict[tuple[str, str], tuple[Lifecycle, set[Transition]]]] = {}
"""The transitions covered so far, by service and lifecycle; the pytest plugin reports them."""


class Fault(NamedTuple):
    """
    A trigger whose effect differs from the table.
    """

    status: str
    """The status of the run before."""
    trigger: str
    """The trigger that was fired."""
    row: Transition | None
    """The transition that should have happened; None if the trigger should have been refused."""
    message: str
    """What happened instead."""

    def __str__(self) -> str:
        return f"{self.row or f'{self.trigger} from {self.status}'}: {self.message}"


class Driven(NamedTuple):
    """
    The results of :func:`drive`.
    """

    covered: tuple[Transition, ...]
    """Transitions that moved a run as the table says, every time."""
    never: tuple[Transition, ...]
    """Transitions that failed, or whose source no run reached."""
    refused: int
    """Illegal pairs of status and trigger that were refused and left the run unchanged."""
    refusals: int
    """How many illegal pairs of status and trigger the table has."""
    faults: tuple[Fault, ...]
    """The triggers whose effect differs from the table."""

    @property
    def ok(self) -> bool:
        """Whether the service makes every transition of the table and refuses everything else."""
        return not self.faults and not self.never and self.refused == self.refusals

    def __str__(self) -> str:
        rows = f"{len(self.covered)} of {len(self.covered) + len(self.never)} rows"
        never = f"; never: {', '.join(map(str, self.never))}" if self.never else ""
        counts = f"{rows}, {self.refused} of {self.refusals} refusals{never}"

        return "\n".join([*(f"FAILED {fault}" for fault in self.faults), counts])


def walks(lifecycle: Lifecycle = RUN) -> tuple[tuple[Transition, ...], ...]:
    """
    Return, for every row in table order, a shortest path from creation that ends with it.

    Args:
        lifecycle: The table.

    Example:
        >>> [str(row) for row in walks()[6]]
        ['queued -start-> in_progress', 'in_progress -fail-> failed']
    """
    return tuple(
        (*(lifecycle.path_to(row.source) or ()), row) for row in (*lifecycle, *lifecycle.reopenings)
    )


def drive(
    make: Callable[[], AbstractContextManager[Service]],
    *,
    lifecycle: Lifecycle = RUN,
    payloads: Mapping[str, Mapping[str, Any]] = PAYLOADS,
) -> Driven:
    """
    Fire every trigger at a run in every status and return the results.

    Each status is reached by the shortest path that works. An exception that the service
    raises is a fault; it does not propagate.

    Args:
        make: Returns a context manager that yields a fresh service.
        lifecycle: The table that the service implements.
        payloads: The payload of each trigger, as keyword arguments of ``fire``.

    Raises:
        ValueError: *lifecycle* has conditional rows.
    """
    if lifecycle.conditions:
        # Which row fires is for the service's own objects to say.
        raise ValueError(f"{lifecycle.name} has conditional rows, which drive() cannot fire")
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
    Yield one line for each service that this process has driven: the transitions it made, and those it did not.
    """
    for (service, name), (lifecycle, made) in sorted(_SEEN.items(), key=lambda item: item[0]):
        rows = (*lifecycle, *lifecycle.reopenings)
        covered = tuple(row for row in rows if row in made)
        never = tuple(row for row in rows if row not in made)
        yield printable(f"{service} under {name}: {_rows(covered, never)}", 500)


def _rows(covered: tuple[Transition, ...], never: tuple[Transition, ...]) -> str:
    missing = f"; never: {', '.join(map(str, never))}" if never else ""

    return f"{len(covered)} of {len(covered) + len(never)} rows{missing}"


class _Driver:
    """
    Fires triggers at one service and records the results.
    """

    def __init__(
        self, service: Service, lifecycle: Lifecycle, payloads: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._service = service
        self._lifecycle = lifecycle
        self._payloads = payloads
        self._rows = (*lifecycle, *lifecycle.reopenings)
        self._triggers = tuple(dict.fromkeys(row.trigger for row in self._rows))
        self._covered: set[Transition] = set()
        self._refused = 0
        self._faults: dict[tuple[str, str], Fault] = {}

    def driven(self) -> Driven:
        covered = tuple(row for row in self._rows if self._works(row) and row in self._covered)
        pairs = len(self._lifecycle.statuses) * len(self._triggers)

        return Driven(
            covered,
            tuple(row for row in self._rows if row not in covered),
            self._refused,
            pairs - len(self._rows),
            tuple(self._faults.values()),
        )

    def fire_rows(self) -> None:
        for row in self._rows:
            # A transition that fails may have been tried already, on the path to another.
            if self._works(row) and (run_id := self._run_in(row.source)) is not None:
                self._moves(run_id, row)

    def fire_the_rest(self) -> None:
        for status in self._lifecycle.statuses:
            run_id: str | None = None
            for trigger in self._triggers:
                if any((row.trigger, row.source) == (trigger, status) for row in self._rows):
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
        Return a new run, moved to *status* by transitions that work; None if no path is left.
        """
        while (path := self._path(status)) is not None:
            run_id = self._created(path[0].source if path else status)
            if run_id is None:
                return None
            if all(self._moves(run_id, row) for row in path):
                return run_id

        return None

    def _path(self, status: str) -> tuple[Transition, ...] | None:
        paths = (self._path_from(begin, status) for begin in self._lifecycle.initial_statuses)

        return next((path for path in paths if path is not None), None)

    def _path_from(self, begin: str, status: str) -> tuple[Transition, ...] | None:
        ways: dict[str, tuple[Transition, ...]] = {begin: ()}
        reached = [begin]
        for here in reached:
            for row in self._lifecycle:
                if row.source == here and row.target not in ways and self._works(row):
                    ways[row.target] = (*ways[here], row)
                    reached.append(row.target)

        return ways.get(status)

    def _created(self, born: str) -> str | None:
        try:
            run_id = new_run(self._service, self._lifecycle, born)
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
        Return the answer, the status after it, and a description of the exception, if any.
        """
        try:
            answer = self._service.fire(run_id, trigger, **self._payloads.get(trigger, {}))
            # An object without ``ok`` is not an answer; this raises.
            _ = answer.ok
            return answer, str(self._service.status(run_id)), None
        except Exception as error:  # noqa: BLE001  a service may raise anything
            return None, "", _raised(error)

    def _fault(self, status: str, trigger: str, row: Transition | None, message: str) -> None:
        self._faults[status, trigger] = Fault(status, trigger, row, printable(message, 500))


def _raised(error: Exception) -> str:
    return f"raised {type(error).__name__}: {error}"
