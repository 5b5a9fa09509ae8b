"""
What checks are built from: a store, its table, and ways to interrupt an operation.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from itertools import count
from typing import Any, Final, TypeVar

from ..histories._check import check as check_history
from ..histories._records import Observation
from ..lifecycle._roles import cancelling_rows
from ..lifecycle._rows import CREATE, Transition
from ..lifecycle._table import Lifecycle
from ._protocols import Answer, Line, Service, WholeStore

__all__ = ["Harness", "Broken", "Check", "NotApplicable", "check", "new_run"]

_T = TypeVar("_T")

_MOST_STATEMENTS: Final = 50
"""More statements than a store sends for one operation."""
_PATIENCE: Final = 0.1
"""Seconds to wait for the rival; after that it is assumed to wait for a lock."""
_FOREVER: Final = 60.0


class Broken(Exception):
    """
    Raised by a check that the store fails.
    """


class NotApplicable(Exception):
    """
    Raised by a check that does not apply to the lifecycle.
    """


class Injected(Exception):
    """
    Raised inside an operation, in place of a failure of the database.
    """


@dataclass(frozen=True, slots=True)
class Check:
    """
    One requirement of a store.
    """

    name: str
    """Its name, a key of :data:`CHECKS`."""
    proves: str
    """The requirement, in one sentence."""
    needs: tuple[str, ...]
    """The capabilities that the check uses, from :data:`CAPABILITIES`."""
    function: Callable[["Harness"], None]
    """Raises :class:`Broken` if the store fails the requirement."""


def new_run(service: Service, lifecycle: Lifecycle, status: str) -> str:
    """
    Return the id of a new run that begins in *status*, one of the initial statuses.

    ``create`` is called without arguments for the default initial status, and with
    ``status=`` for any other.
    """
    if status == lifecycle.initial:
        return service.create()
    create: Any = service.create

    return str(create(status=status))


def check(*needs: str) -> Callable[[Callable[["Harness"], None]], Check]:
    """
    Return a decorator that makes a :class:`Check` of a function: its name and its docstring.
    """

    def build(function: Callable[["Harness"], None]) -> Check:
        return Check(function.__name__, cleandoc(function.__doc__ or ""), needs, function)

    return build


class Harness:
    """
    A fresh store under test, with its table and the payloads of its triggers.

    Args:
        store: The store; a check calls only what the store's capabilities offer.
        lifecycle: The table that the store implements.
        payloads: The payload of each trigger, as keyword arguments of ``fire``.
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
        Fire *trigger* with its payload at the store, or at the peer *to*.

        Args:
            run_id: The run.
            trigger: A trigger of the table.
            to: The store that is asked; the store under test by default.
            options: Further keyword arguments of ``fire``, such as ``token`` and ``key``.
        """
        payload = {**self._payloads.get(trigger, {}), **options}

        return (to or self.store).fire(run_id, trigger, **payload)

    def must(self, run_id: str, *triggers: str) -> None:
        """
        Fire *triggers* at the run *run_id* in order; each must be applied.
        """
        for trigger in triggers:
            answer = self.fire(run_id, trigger)
            self.expect(answer.ok, f"{trigger} is legal; the answer was {answer!r}")

    def run_in(self, status: str) -> str:
        """
        Return a new run, moved to *status* by the shortest path.
        """
        path = self.lifecycle.path_to(status) or ()
        run_id = new_run(self.store, self.lifecycle, path[0].source if path else status)
        self.must(run_id, *(row.trigger for row in path))

        return run_id

    def claimed(self, worker: str = "worker-1", seconds: float = 30.0) -> Any:
        """
        Return a lease on a new run, the only one that can be claimed.

        Args:
            worker: Name of the worker.
            seconds: How long the lease lasts.
        """
        run_id = self.store.create()
        lease = self.store.claim(worker, seconds)
        if lease is None:
            raise Broken("claim() returned None although a new run was waiting")
        self.same(run_id, lease.run_id, "the run that was claimed")

        return lease

    # -- reading ---------------------------------------------------------------------

    def journal(self, run_id: str) -> list[Line]:
        """
        Return the moves in the journal of the run *run_id*.
        """
        return [line for line in self.store.history(run_id) if line.kind == "move"]

    def snapshot(self, run_id: str) -> dict[str, Any]:
        """
        Return everything of the run *run_id* that a refused move must leave unchanged.
        """
        snapshot: dict[str, Any] = {"status": str(self.store.status(run_id))}
        if self.can("fields"):
            snapshot["fields"] = dict(self.store.fields(run_id))
        if self.can("history"):
            snapshot["journal"] = [
                (line.seq, line.trigger, line.source, line.target, line.at)
                for line in self.journal(run_id)
            ]

        return snapshot

    def consistent(self, run_id: str) -> None:
        """
        Expect a journal of the run *run_id* that is numbered, legal, and ends in its status.
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
        Raise :class:`Broken` with *message* unless *condition* holds.
        """
        if not condition:
            raise Broken(message)

    def same(self, expected: object, actual: object, what: str) -> None:
        """
        Raise :class:`Broken` unless *actual* equals *expected*.

        Args:
            expected: The value that the table requires.
            actual: The value that the store gave.
            what: What is compared, for the message.
        """
        if expected != actual:
            wanted, found = _difference(expected, actual)
            raise Broken(f"{what}: expected {wanted}, found {found}")

    def raises(self, act: Callable[[], object], what: str) -> None:
        """
        Raise :class:`Broken` unless *act* raises.

        Args:
            act: Calls the store.
            what: What is called, for the message.
        """
        try:
            answer = act()
        except Exception:  # noqa: BLE001  the store chooses its exception
            return
        raise Broken(f"{what}: expected an exception, got the answer {answer!r}")

    # -- queries of the table ------------------------------------------------------------

    @property
    def live(self) -> tuple[str, ...]:
        """Statuses that are not terminal."""
        return tuple(s for s in self.lifecycle.statuses if not self.lifecycle.is_terminal(s))

    def ends(self, status: str) -> tuple[Transition, ...]:
        """
        Return the rows from *status* to a terminal status.
        """
        return tuple(
            row
            for row in self.lifecycle
            if row.source == status and self.lifecycle.is_terminal(row.target)
        )

    def end(self, status: str) -> str:
        """
        Return a trigger that moves a run from *status* to a terminal status.
        """
        for row in self.ends(status):
            return row.trigger
        raise NotApplicable(f"no trigger ends a run in {status}")

    def contested(self) -> tuple[str, str, str]:
        """
        Return a status and two triggers that end a run in it with different outcomes.
        """
        # Checks that fire these call create() without a status.
        begins = {self.lifecycle.initial, *self.lifecycle.reachable(self.lifecycle.initial)}
        for status in (status for status in self.live if status in begins):
            ends = {row.target: row.trigger for row in reversed(self.ends(status))}
            if len(ends) > 1:
                second, first = list(ends.values())[-2:]
                return status, first, second
        raise NotApplicable("no status leads to two terminal statuses")

    def round_trip(self, status: str | None = None) -> tuple[Transition, ...]:
        """
        Return the shortest path from *status* (any status if None) back to itself.
        """
        for row in self.lifecycle:
            back = self.lifecycle.shortest_path(row.target, row.source)
            if back is not None and status in (None, row.source):
                return (row, *back)
        raise NotApplicable("no path leads back to its beginning")

    def cancel(self, status: str) -> str:
        """
        Return the trigger that requests the cancellation of a run in *status*.
        """
        for row in self.lifecycle:
            if row.source == status and row.target in self.cancelling:
                return row.trigger
        raise NotApplicable(f"no trigger requests a cancel in {status}")

    @property
    def cancelling(self) -> tuple[str, ...]:
        """Statuses between the request of a cancel and its confirmation."""
        return tuple(cancelling_rows(self.lifecycle))

    # -- interrupting ---------------------------------------------------------------

    def together(self, *acts: Callable[[], _T]) -> list[_T]:
        """
        Run all *acts* at the same time, each in its own thread, and return their results.
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
        Run *act* with its first statement failing, then with its second, and so on.

        *prepare* makes a run for each attempt. Yields the run with its snapshot from before.
        """
        for n in range(1, _MOST_STATEMENTS):
            run_id = prepare()
            before = self.snapshot(run_id)
            nth = _Nth(n, _fail)
            with self.store.statements(nth):
                try:
                    act(run_id)
                except Exception:  # the store may wrap the injected exception
                    if not nth.reached:
                        raise
            if not nth.reached:
                return
            yield run_id, before

    def interrupted(
        self, prepare: Callable[[], str], act: Callable[[str], _T], rival: Callable[[str], Any]
    ) -> Iterator[tuple[str, _T, Any]]:
        """
        Run *act* with *rival* before its first statement, then before its second, and so on.

        *prepare* makes a run for each attempt. Yields the run with both answers. A rival
        that waits for a lock continues when *act* releases it.
        """
        for n in range(1, _MOST_STATEMENTS):
            run_id = prepare()
            other = _Rival(lambda at=run_id: rival(at))  # type: ignore[misc]
            nth = _Nth(n, lambda other=other: other.start(_PATIENCE))  # type: ignore[misc]
            with self.store.statements(nth):
                answer = act(run_id)
            if not nth.reached:
                return
            yield run_id, answer, other.result()


class _Nth:
    """
    A hook that calls *act* once, at the n-th call.
    """

    def __init__(self, n: int, act: Callable[[], None]) -> None:
        self._n, self._act, self._calls = n, act, count(1)
        self.reached = False

    def __call__(self) -> None:
        if next(self._calls) == self._n:
            self.reached = True
            self._act()


class _Rival:
    """
    A function that runs in its own thread.
    """

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._done: Sequence[Any] = ()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._done = (self._act(),)
        except BaseException as error:  # noqa: BLE001  raised again by result()
            self._error = error

    def start(self, patience: float = 0.0) -> None:
        self._thread.start()
        self._thread.join(patience)

    def result(self) -> Any:
        self._thread.join(_FOREVER)
        if self._error is not None:
            raise self._error
        if not self._done:
            raise Broken(f"the store did not answer within {_FOREVER:g} s")

        return self._done[0]


def _fail() -> None:
    raise Injected("injected by the check")


def _difference(expected: object, actual: object) -> tuple[str, str]:
    """
    Return both as text; of two dictionaries, the first difference.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in (*expected, *actual):
            if expected.get(key, _ABSENT) != actual.get(key, _ABSENT):
                wanted, found = _difference(expected.get(key, _ABSENT), actual.get(key, _ABSENT))
                return f"{key} {wanted}", found

    return _text(expected), _text(actual)


def _text(value: object) -> str:
    # An Enum member is shown as its value.
    return repr(str(value) if isinstance(value, str) else value)


_ABSENT: Final = ()
