"""
Two concurrent writers of one run, compared with both serial orders that the table allows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, cast

from .._text import printable
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._harness import Harness, new_run
from ._protocols import Service, WholeStore
from ._suite import PAYLOADS
from ._trace import Interleaving, interleave

__all__ = ["Conflict", "Interleavings", "interleavings"]

_MOST_PLACES: Final = 200
_WORDS: Final = {True: "granted", False: "refused", None: "answered with an exception"}


class Conflict(NamedTuple):
    """
    A result of two concurrent writers that neither serial order explains.
    """

    row: Transition
    """The transition that the first writer fired."""
    rival: str
    """The trigger that the second writer fired in between."""
    place: str
    """Where the first writer was paused, by function and line."""
    message: str
    """What both were answered, what the run is, and what would have been legal."""

    def __str__(self) -> str:
        return printable(f"{self.row}, with {self.rival} {self.place}: {self.message}", 500)


class Interleavings(NamedTuple):
    """
    The results of all interleavings.
    """

    interleaved: tuple[Transition, ...]
    """Transitions during which a rival acted; empty if the service's code runs in another process."""
    runs: int
    """How many interleavings were tried."""
    conflicts: tuple[Conflict, ...]
    """At most one for each transition."""

    @property
    def ok(self) -> bool:
        """Whether at least one transition was interleaved and there was no conflict."""
        return bool(self.interleaved) and not self.conflicts

    def __str__(self) -> str:
        counts = (
            f"{len(self.interleaved)} transitions, {self.runs} interleavings, "
            f"{len(self.conflicts)} conflicts"
        )

        return "\n".join([*(f"FAILED {each}" for each in self.conflicts), counts])


def interleavings(
    make: Callable[[], AbstractContextManager[Service]],
    *,
    lifecycle: Lifecycle = RUN,
    payloads: Mapping[str, Mapping[str, Any]] = PAYLOADS,
) -> Interleavings:
    """
    Fire every transition while a second writer acts at each line of the service's code.

    Both answers and the final status must equal one of the two serial orders of the table;
    with the capability ``on_move``, the notifications too. This finds a gap between a read
    and the write that relies on it without the capability ``statements``. The second writer
    acts from another thread, through ``peer()`` where the service has that capability.
    Faults that need no second writer are reported by :func:`drive`.

    Args:
        make: Returns a context manager that yields a fresh service.
        lifecycle: The table that the service implements.
        payloads: The payload of each trigger, as keyword arguments of ``fire``.
    """
    with make() as service:
        # Only methods of capabilities that the service declares are called.
        explorer = _Explorer(Harness(cast(WholeStore, service), lifecycle, payloads))
        for row in lifecycle:
            explorer.explore(row)

        return Interleavings(tuple(explorer.interleaved), explorer.runs, tuple(explorer.conflicts))


class _Order(NamedTuple):
    """
    The result of two writers one after the other, by the table.
    """

    granted: tuple[bool, ...]
    """Whether the first writer's trigger moved the run, and whether the second's did."""
    made: tuple[Transition, ...]
    status: str

    def explains(self, answers: tuple[bool | None, ...], status: str) -> bool:
        """
        Return whether this order gives *answers* and *status*; a writer that raised may have moved the run.
        """
        pairs = zip(answers, self.granted, strict=True)

        return status == self.status and all(answer in {None, is_} for answer, is_ in pairs)

    def __str__(self) -> str:
        return f"{self.status} by {', then '.join(row.trigger for row in self.made)}"


class _Explorer:
    """
    Tries interleavings and records their results.
    """

    def __init__(self, harness: Harness) -> None:
        self._harness, self._lifecycle = harness, harness.lifecycle
        self._peer: WholeStore = harness.store.peer() if harness.can("peer") else harness.store
        self._heard: list[tuple[str, str]] = []
        for store in {id(each): each for each in (harness.store, self._peer)}.values():
            if harness.can("on_move"):
                store.on_move(lambda run_id, target: self._heard.append((run_id, str(target))))
        self.interleaved: dict[Transition, None] = {}
        self.runs = 0
        self.conflicts: list[Conflict] = []

    def explore(self, row: Transition) -> None:
        """
        Fire *row* with a rival at the first place of its code, then at the second, and so on.
        """
        rival = self._rival(row)
        for n in range(1, _MOST_PLACES):
            run_id = self._run_in(row.source)
            if run_id is None:
                return
            since = len(self._heard)
            result = interleave(
                lambda at=run_id: self._harness.fire(at, row.trigger),  # type: ignore[misc]
                lambda at=run_id: self._harness.fire(at, rival, to=self._peer),  # type: ignore[misc]
                n,
            )
            if result is None:
                return
            self.interleaved[row] = None
            self.runs += 1
            heard = Counter(to for about, to in self._heard[since:] if about == run_id)
            if message := self._wrong(row, rival, result, run_id, heard):
                self.conflicts.append(Conflict(row, rival, result.place, message))
                return

    def _wrong(
        self, row: Transition, rival: str, result: Interleaving, run_id: str, heard: Counter[str]
    ) -> str:
        """
        Return why neither serial order explains the result; empty if one does.
        """
        try:
            now = str(self._harness.store.status(run_id))
        except Exception as error:  # noqa: BLE001  a service may raise anything
            return f"raised {type(error).__name__}: {error}"
        answers = (_granted(result.mine), _granted(result.other))
        orders = list(self._orders(row.source, (row.trigger, rival)))
        fitting = [order for order in orders if order.explains(answers, now)]
        if not fitting:
            legal = ", or ".join(dict.fromkeys(str(order) for order in orders))
            return (
                f"{row.trigger} was {_WORDS[answers[0]]}, {rival} was {_WORDS[answers[1]]}, "
                f"and the run is {now}; legal: {legal}"
            )
        if all(heard - Counter(str(each.target) for each in order.made) for order in fitting):
            return (
                f"on_move reported {' and '.join(sorted(heard.elements()))}, and the run is {now}"
            )

        return ""

    def _orders(self, status: str, triggers: tuple[str, str]) -> Iterator[_Order]:
        for sequence in ((0, 1), (1, 0)):
            now, made, granted = status, [], [False, False]
            for writer in sequence:
                row = self._lifecycle.row(triggers[writer], now)
                if row is not None:
                    granted[writer], now = True, row.target
                    made.append(row)
            yield _Order(tuple(granted), tuple(made), now)

    def _rival(self, row: Transition) -> str:
        """
        Return a trigger after which *row* is illegal, so that only one of the two can win.
        """
        beating = [
            each.trigger
            for each in self._lifecycle
            if each.source == row.source
            and each != row
            and self._lifecycle.row(row.trigger, each.target) is None
        ]

        return beating[list(self._lifecycle).index(row) % len(beating)] if beating else row.trigger

    def _run_in(self, status: str) -> str | None:
        """
        Return a new run in *status*; None if the service cannot move one there.
        """
        path = self._lifecycle.path_to(status) or ()
        try:
            begin = path[0].source if path else status
            run_id = new_run(self._harness.store, self._lifecycle, begin)
            for row in path:
                self._harness.fire(run_id, row.trigger)
            now = str(self._harness.store.status(run_id))
        except Exception:  # noqa: BLE001  drive() reports it
            return None

        return run_id if now == status else None


def _granted(outcome: Any) -> bool | None:
    return None if isinstance(outcome, Exception) else bool(outcome.ok)
