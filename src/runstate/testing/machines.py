"""
A Hypothesis state machine that drives a service with actors whose knowledge is out of date.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._harness import new_run
from ._protocols import Service
from ._suite import PAYLOADS

__all__ = ["service_machine"]

_ACTORS: Final = ("worker", "canceller", "sweeper")


def _begins(lifecycle: Lifecycle) -> list[str]:
    """
    Return the default initial status, and the others that it does not lead to.
    """
    reached = lifecycle.reachable(lifecycle.initial)

    return [s for s in lifecycle.initial_statuses if s == lifecycle.initial or s not in reached]


def service_machine(
    make: Callable[[], AbstractContextManager[Service]],
    lifecycle: Lifecycle = RUN,
    *,
    payloads: Mapping[str, Mapping[str, Any]] = PAYLOADS,
) -> type[RuleBasedStateMachine]:
    """
    Return a state machine of runs and of actors, each of which acts on the status it last saw.

    pytest collects its ``TestCase``. The answers of the service and the statuses of its runs
    must be those of the table. Acts happen one after another; races between two statements
    are the subject of :func:`runstate.testing.conformance`.

    Args:
        make: Returns a context manager that yields a fresh service.
        lifecycle: The table that the service implements.
        payloads: The payload of each trigger, as keyword arguments of ``fire``.
    """

    class ServiceMachine(RuleBasedStateMachine):
        runs = Bundle("runs")

        def __init__(self) -> None:
            super().__init__()
            self._stack = ExitStack()
            self._service = self._stack.enter_context(make())
            self._status: dict[str, str] = {}
            self._seen: dict[tuple[str, str], str] = {}

        @rule(target=runs, status=st.sampled_from(_begins(lifecycle)))
        def create(self, status: str) -> str:
            run_id = new_run(self._service, lifecycle, status)
            assert run_id not in self._status, f"two runs were created as {run_id!r}"  # noqa: S101
            self._status[run_id] = status

            return run_id

        @rule(actor=st.sampled_from(_ACTORS), run_id=runs)
        def look(self, actor: str, run_id: str) -> None:
            self._seen[actor, run_id] = str(self._service.status(run_id))

        @rule(actor=st.sampled_from(_ACTORS), run_id=runs, data=st.data())
        def act(self, actor: str, run_id: str, data: st.DataObject) -> None:
            believed = self._seen.get((actor, run_id), lifecycle.initial)
            choice = lifecycle.allowed(believed) or lifecycle.triggers
            self._fire(run_id, data.draw(st.sampled_from(choice), label=f"{actor} fires"))

        @rule(run_id=runs, trigger=st.sampled_from(lifecycle.triggers))
        def meddle(self, run_id: str, trigger: str) -> None:
            self._fire(run_id, trigger)

        @invariant()
        def runs_are_where_the_table_says(self) -> None:
            actual = {run_id: str(self._service.status(run_id)) for run_id in self._status}
            assert self._status == actual  # noqa: S101

        def teardown(self) -> None:
            self._stack.close()

        def _fire(self, run_id: str, trigger: str) -> None:
            before = self._status[run_id]
            row = lifecycle.row(trigger, before) or lifecycle.reopening(trigger, before)
            answer = self._service.fire(run_id, trigger, **payloads.get(trigger, {}))
            what = f"the answer to {trigger} from {before} was {answer!r}"
            assert answer.ok == (row is not None), what  # noqa: S101
            self._status[run_id] = before if row is None else row.target

    return ServiceMachine
