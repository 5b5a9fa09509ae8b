"""
Two writers at one run, held against the table: whoever comes first, one after the other.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, cast

from .._text import printable
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._harness import Bench
from ._protocols import Service, WholeStore
from ._suite import PAYLOADS
from ._trace import Meeting, meet

__all__ = ["Conflict", "Meetings", "meetings"]

_MOST_PLACES: Final = 200
_WORDS: Final = {True: "granted", False: "refused", None: "answered by an error"}


class Conflict(NamedTuple):
    """
    What became of two writers, and no order of both explains.
    """

    row: Transition
    """What the first one fired."""
    rival: str
    """The trigger of the one that came in between."""
    place: str
    """Where in the code of the first one, by function and line."""
    message: str

    def __str__(self) -> str:
        return printable(f"{self.row}, met by {self.rival} {self.place}: {self.message}", 500)


class Meetings(NamedTuple):
    """
    What came of letting writers meet.
    """

    met: tuple[Transition, ...]
    """Rows that a rival came in between; none where no line of the service is in this process."""
    times: int
    """How often one did."""
    conflicts: tuple[Conflict, ...]
    """At most one a row."""

    @property
    def ok(self) -> bool:
        """Whether some rows were met, and nothing was wrong with what became of them."""
        return bool(self.met) and not self.conflicts

    def __str__(self) -> str:
        counts = f"{len(self.met)} rows met {self.times} times, {len(self.conflicts)} conflicts"

        return "\n".join([*(f"FAILED {each}" for each in self.conflicts), counts])


def meetings(
    make: Callable[[], AbstractContextManager[Service]],
    *,
    lifecycle: Lifecycle = RUN,
    payloads: Mapping[str, Mapping[str, Any]] = PAYLOADS,
) -> Meetings:
    """
    Return what came of firing every row with another writer coming in at each line of the service's code.

    What both are told, and where the run is then, must be what the table says of one of
    them after the other; with the capability ``on_move``, what was told of it too. So the
    gap between a look and the write that it allowed is found without ``statements``. The
    second writer comes from another thread, or through ``twin`` where there is one. What
    is not right without a rival is for :func:`drive` to tell.

    For the arguments see :func:`drive`.
    """
    with make() as service:
        # Of what it has not got, nothing is asked.
        host = _Host(Bench(cast(WholeStore, service), lifecycle, payloads))
        for row in lifecycle:
            host.meet_at(row)

        return Meetings(tuple(host.met), host.times, tuple(host.conflicts))


class _Order(NamedTuple):
    """
    What the table makes of two writers, one after the other.
    """

    granted: tuple[bool, ...]
    """Whether the first writer's trigger moved the run, and whether the second's did."""
    made: tuple[Transition, ...]
    status: str

    def explains(self, answers: tuple[bool | None, ...], status: str) -> bool:
        """
        Return whether this may be what happened; who raised may have moved the run or not.
        """
        pairs = zip(answers, self.granted, strict=True)

        return status == self.status and all(told in {None, is_} for told, is_ in pairs)

    def __str__(self) -> str:
        return f"{self.status} by {', then '.join(row.trigger for row in self.made)}"


class _Host:
    """
    Lets writers meet, and remembers what came of it.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench, self._lifecycle = bench, bench.lifecycle
        self._twin: WholeStore = bench.store.twin() if bench.can("twin") else bench.store
        self._told: list[tuple[str, str]] = []
        for store in {id(each): each for each in (bench.store, self._twin)}.values():
            if bench.can("on_move"):
                store.on_move(lambda run_id, target: self._told.append((run_id, str(target))))
        self.met: dict[Transition, None] = {}
        self.times = 0
        self.conflicts: list[Conflict] = []

    def meet_at(self, row: Transition) -> None:
        """
        Let a rival come in at the first place of what *row* fires, then at the second.
        """
        rival = self._rival(row)
        for n in range(1, _MOST_PLACES):
            run_id = self._run_in(row.source)
            if run_id is None:
                return
            since = len(self._told)
            met = meet(
                lambda at=run_id: self._bench.fire(at, row.trigger),  # type: ignore[misc]
                lambda at=run_id: self._bench.fire(at, rival, to=self._twin),  # type: ignore[misc]
                n,
            )
            if met is None:
                return
            self.met[row] = None
            self.times += 1
            told = Counter(to for about, to in self._told[since:] if about == run_id)
            if message := self._wrong(row, rival, met, run_id, told):
                self.conflicts.append(Conflict(row, rival, met.place, message))
                return

    def _wrong(
        self, row: Transition, rival: str, met: Meeting, run_id: str, told: Counter[str]
    ) -> str:
        """
        Say why no order of both explains what became of them; empty if one does.
        """
        try:
            now = str(self._bench.store.status(run_id))
        except Exception as error:  # noqa: BLE001  a service may raise anything
            return f"raised {type(error).__name__}: {error}"
        answers = (_granted(met.mine), _granted(met.other))
        orders = list(self._orders(row.source, (row.trigger, rival)))
        fitting = [order for order in orders if order.explains(answers, now)]
        if not fitting:
            legal = ", or ".join(dict.fromkeys(str(order) for order in orders))
            return (
                f"{row.trigger} was {_WORDS[answers[0]]}, {rival} was {_WORDS[answers[1]]}, "
                f"and the run is {now}; legal is {legal}"
            )
        if all(told - Counter(str(each.target) for each in order.made) for order in fitting):
            return f"told of {' and '.join(sorted(told.elements()))}, and the run is {now}"

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
        Return a trigger that leaves *row* illegal, so that only one of both can be; by turns.
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
        Return a new run in *status*; None if the service does not get it there.
        """
        path = self._lifecycle.shortest_path(self._lifecycle.initial, status) or ()
        try:
            run_id = self._bench.store.create()
            for row in path:
                self._bench.fire(run_id, row.trigger)
            now = str(self._bench.store.status(run_id))
        except Exception:  # noqa: BLE001  told by a drive
            return None

        return run_id if now == status else None


def _granted(outcome: Any) -> bool | None:
    return None if isinstance(outcome, Exception) else bool(outcome.ok)
