"""
What checks are made of: a store on the bench, a table, and a way to come in between.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from itertools import count
from typing import Any, Final, TypeVar

from ..histories._check import check as check_history
from ..histories._records import Observation
from ..lifecycle._rows import CREATE, Transition
from ..lifecycle._table import Lifecycle
from ._protocols import CAPABILITIES, Answer, Line, WholeStore

__all__ = ["Bench", "Broken", "Check", "NotApplicable", "check"]

_T = TypeVar("_T")

_MOST_STATEMENTS: Final = 50
"""More than a store sends for one operation."""
_PATIENCE: Final = 0.1
"""Seconds that a rival is given to finish before it is taken to wait for a lock."""
_FOREVER: Final = 60.0


class Broken(Exception):
    """
    Raised by a check when the store does not do what it proves.
    """


class NotApplicable(Exception):
    """
    Raised by a check that the lifecycle gives nothing to do.
    """


class Injected(Exception):
    """
    Raised in the midst of an operation, in place of whatever breaks a database.
    """


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing that a store must do.
    """

    name: str
    proves: str
    """In a sentence."""
    needs: tuple[str, ...]
    """Capabilities that the store must have for it, out of :data:`CAPABILITIES`."""
    function: Callable[["Bench"], None]
    """Raises if the store does not do it."""


def check(*needs: str) -> Callable[[Callable[["Bench"], None]], Check]:
    """
    Make a check of a function, which is named by it and proves what its docstring says.
    """
    if unknown := set(needs) - CAPABILITIES.keys():
        raise ValueError(f"no capability: {', '.join(sorted(unknown))}")

    def build(function: Callable[["Bench"], None]) -> Check:
        return Check(function.__name__, cleandoc(function.__doc__ or ""), needs, function)

    return build


class Bench:
    """
    A fresh store, with the table that it is held against.
    """

    def __init__(
        self, store: WholeStore, lifecycle: Lifecycle, payloads: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.store = store
        self.lifecycle = lifecycle
        self._payloads = payloads

    def can(self, capability: str) -> bool:
        """
        Return whether the store has *capability*.
        """
        return capability in getattr(self.store, "capabilities", ())

    # -- moving ----------------------------------------------------------------------

    def fire(
        self, run_id: str, trigger: str, *, to: WholeStore | None = None, **options: Any
    ) -> Answer:
        """
        Fire *trigger*, with what it needs, at the store or at a twin of it.
        """
        payload = {**self._payloads.get(trigger, {}), **options}

        return (to or self.store).fire(run_id, trigger, **payload)

    def must(self, run_id: str, *triggers: str) -> None:
        """
        Fire *triggers*, all of which are legal.
        """
        for trigger in triggers:
            answer = self.fire(run_id, trigger)
            self.expect(answer.ok, f"{trigger} is legal, and was answered {answer!r}")

    def run_in(self, status: str) -> str:
        """
        Return a new run, moved to *status* by the shortest path.
        """
        run_id = self.store.create()
        path = self.lifecycle.shortest_path(self.lifecycle.initial, status) or ()
        self.must(run_id, *(row.trigger for row in path))

        return run_id

    def claimed(self, worker: str = "worker-1", seconds: float = 30.0) -> Any:
        """
        Return a lease on a new run, the only one that there is to claim.
        """
        run_id = self.store.create()
        lease = self.store.claim(worker, seconds)
        if lease is None:
            raise Broken("a new run was not given to the worker that claimed")
        self.same(run_id, lease.run_id, "the run that was claimed")

        return lease

    # -- looking ---------------------------------------------------------------------

    def journal(self, run_id: str) -> list[Line]:
        """
        Return the moves in the journal.
        """
        return [line for line in self.store.history(run_id) if line.kind == "move"]

    def photo(self, run_id: str) -> dict[str, Any]:
        """
        Return everything that a refused move must leave as it is.
        """
        photo: dict[str, Any] = {"status": str(self.store.status(run_id))}
        if self.can("fields"):
            photo["fields"] = dict(self.store.fields(run_id))
        if self.can("history"):
            photo["journal"] = [
                (line.seq, line.trigger, line.source, line.target, line.at)
                for line in self.journal(run_id)
            ]

        return photo

    def consistent(self, run_id: str) -> None:
        """
        Expect a journal that is numbered, legal and ends where the run is.
        """
        if not self.can("history"):
            return
        lines = self.journal(run_id)
        self.same([*range(1, len(lines) + 1)], [line.seq for line in lines], "numbers of the moves")
        self.same(CREATE, lines[0].trigger, "first trigger in the journal")
        seen = [
            Observation(
                str(line.target), run_id, source=line.source, seq=line.seq, trigger=line.trigger
            )
            for line in lines
        ]
        wrong = [finding.message for finding in check_history(seen, self.lifecycle).findings]
        self.same([], wrong, "findings in the journal")
        self.same(self.store.status(run_id), lines[-1].target, "status that the journal leads to")

    def expect(self, condition: object, message: str) -> None:
        """
        Raise Broken with *message* unless *condition* holds.
        """
        if not condition:
            raise Broken(message)

    def same(self, expected: object, actual: object, what: str) -> None:
        """
        Raise Broken unless *actual* is what is *expected*.
        """
        if expected != actual:
            wanted, found = _difference(expected, actual)
            raise Broken(f"{what}: expected {wanted}, found {found}")

    def raises(self, act: Callable[[], object], what: str) -> None:
        """
        Raise Broken unless *act* raises.
        """
        try:
            answer = act()
        except Exception:  # noqa: BLE001  which error is the store's own business
            return
        raise Broken(f"{what} must raise, and was answered {answer!r}")

    # -- what the table has ------------------------------------------------------------

    @property
    def live(self) -> tuple[str, ...]:
        """Statuses that are not terminal."""
        return tuple(s for s in self.lifecycle.statuses if not self.lifecycle.is_terminal(s))

    def ends(self, status: str) -> tuple[Transition, ...]:
        """
        Return the rows from *status* to an end.
        """
        return tuple(
            row
            for row in self.lifecycle
            if row.source == status and self.lifecycle.is_terminal(row.target)
        )

    def end(self, status: str) -> str:
        """
        Return a trigger that ends a run in *status*.
        """
        for row in self.ends(status):
            return row.trigger
        raise NotApplicable(f"no trigger ends a run that is {status}")

    def contested(self) -> tuple[str, str, str]:
        """
        Return a status, and two triggers that end a run in it differently.
        """
        for status in self.live:
            ways = {row.target: row.trigger for row in reversed(self.ends(status))}
            if len(ways) > 1:
                second, first = list(ways.values())[-2:]
                return status, first, second
        raise NotApplicable("no status has two ends")

    def round_trip(self, status: str | None = None) -> tuple[Transition, ...]:
        """
        Return the shortest way from *status*, or from any, to itself.
        """
        for row in self.lifecycle:
            back = self.lifecycle.shortest_path(row.target, row.source)
            if back is not None and status in (None, row.source):
                return (row, *back)
        raise NotApplicable("no way leads back")

    def cancel(self, status: str) -> str:
        """
        Return the trigger that asks for a run in *status* to be cancelled.
        """
        for row in self.lifecycle:
            if row.source == status and row.target in self.giving_up:
                return row.trigger
        raise NotApplicable(f"a run that is {status} cannot be asked to stop")

    @property
    def giving_up(self) -> tuple[str, ...]:
        """Statuses of a run that was asked to stop, and has not."""
        ends = self.lifecycle.terminal

        return tuple(row.source for row in self.lifecycle if ends.get(row.target) == "cancelled")

    # -- coming in between ---------------------------------------------------------------

    def together(self, *acts: Callable[[], _T]) -> list[_T]:
        """
        Do all *acts* at once, each in a thread of its own, and return what they did.
        """
        barrier = threading.Barrier(len(acts))

        def waiting(act: Callable[[], _T]) -> Callable[[], _T]:
            return lambda: (barrier.wait(_FOREVER), act())[1]

        rivals = [_Rival(waiting(act)) for act in acts]
        for rival in rivals:
            rival.start()

        return [rival.result() for rival in rivals]

    def broken_off(
        self, prepare: Callable[[], str], act: Callable[[str], object]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """
        Do *act* with its first statement failing, then with its second, and so on.

        *prepare* makes the run for each; yields it, with its photo from before.
        """
        for n in range(1, _MOST_STATEMENTS):
            run_id = prepare()
            before = self.photo(run_id)
            nth = _Nth(n, _fail)
            with self.store.statements(nth):
                try:
                    act(run_id)
                except Exception:  # the store may wrap what it was thrown
                    if not nth.met:
                        raise
            if not nth.met:
                return
            yield run_id, before

    def interrupted(
        self, prepare: Callable[[], str], act: Callable[[str], _T], rival: Callable[[str], Any]
    ) -> Iterator[tuple[str, _T, Any]]:
        """
        Do *act* with *rival* before its first statement, then before its second, and so on.

        *prepare* makes the run for each; yields it, with the answers of both. A rival
        that has to wait for a lock goes on when *act* has let go of it.
        """
        for n in range(1, _MOST_STATEMENTS):
            run_id = prepare()
            other = _Rival(lambda at=run_id: rival(at))  # type: ignore[misc]
            nth = _Nth(n, lambda other=other: other.start(_PATIENCE))  # type: ignore[misc]
            with self.store.statements(nth):
                answer = act(run_id)
            if not nth.met:
                return
            yield run_id, answer, other.result()


class _Nth:
    """
    A hook that acts at the n-th call, once.
    """

    def __init__(self, n: int, act: Callable[[], None]) -> None:
        self._n, self._act, self._calls = n, act, count(1)
        self.met = False

    def __call__(self) -> None:
        if next(self._calls) == self._n:
            self.met = True
            self._act()


class _Rival:
    """
    Something that happens in a thread of its own.
    """

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._done: Sequence[Any] = ()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._done = (self._act(),)
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            self._error = error

    def start(self, patience: float = 0.0) -> None:
        self._thread.start()
        self._thread.join(patience)

    def result(self) -> Any:
        self._thread.join(_FOREVER)
        if self._error is not None:
            raise self._error
        if not self._done:
            raise Broken(f"a store did not answer for {_FOREVER:g} s")

        return self._done[0]


def _fail() -> None:
    raise Injected("broken off by the check")


def _difference(expected: object, actual: object) -> tuple[str, str]:
    """
    Return both as text; of records, what differs.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in (*expected, *actual):
            if expected.get(key, _ABSENT) != actual.get(key, _ABSENT):
                wanted, found = _difference(expected.get(key, _ABSENT), actual.get(key, _ABSENT))
                return f"{key} {wanted}", found

    return _text(expected), _text(actual)


def _text(value: object) -> str:
    # A status that is a member of an enumeration reads as what it holds.
    return repr(str(value) if isinstance(value, str) else value)


_ABSENT: Final = ()
