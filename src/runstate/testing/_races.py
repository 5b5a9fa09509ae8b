"""
Checks of races: one winner, at whatever point the rival acts.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ._harness import Harness, check
from ._protocols import Answer, WholeStore

__all__ = [
    "cancel_and_outcome_may_come_in_either_order",
    "every_answer_is_true_under_load",
    "one_winner_among_threads",
    "one_winner_between_any_statements",
    "retries_at_once_are_one_move",
    "retry_between_any_statements_moves_nothing",
]

_THREADS: Final = 4
_ROUNDS: Final = 10


def _stores(harness: Harness, how_many: int = _THREADS) -> list[WholeStore]:
    return [harness.store, *(harness.store.peer() for _ in range(how_many - 1))]


def _one_winner(
    harness: Harness, run_id: str, status: str, answers: dict[str, list[Answer]]
) -> None:
    """
    Expect that one trigger of *answers* moved the run from *status*, and that every refusal has the final status.
    """
    now = harness.store.status(run_id)
    won = [trigger for trigger, each in answers.items() for answer in each if answer.ok]
    harness.expect(len(won) == 1, f"expected one winner, got {len(won)} ({won}); the run is {now}")
    row = harness.lifecycle.row(won[0], status)
    harness.same(row and row.target, now, f"status after {won[0]} won")
    named = {
        getattr(answer, "status", None)
        for each in answers.values()
        for answer in each
        if not answer.ok
    }
    harness.expect(named <= {now}, f"refusals name {named}; the run is {now}")
    harness.consistent(run_id)


@check("peer")
def one_winner_among_threads(harness: Harness) -> None:
    """
    If several threads end a run at the same time, each on its own connection, one wins.
    """
    status, first, second = harness.contested()
    stores = _stores(harness)
    for _ in range(_ROUNDS):
        run_id = harness.run_in(status)
        triggers = [(first, second)[n % 2] for n in range(len(stores))]
        answers = harness.together(
            *(partial(harness.fire, run_id, t, to=s) for t, s in zip(triggers, stores, strict=True))
        )
        found: dict[str, list[Answer]] = {first: [], second: []}
        for trigger, answer in zip(triggers, answers, strict=True):
            found[trigger].append(answer)
        _one_winner(harness, run_id, status, found)


@check("peer", "statements")
def one_winner_between_any_statements(harness: Harness) -> None:
    """
    If a rival ends a run between any two statements of a move, there is one winner.
    """
    peer = harness.store.peer()
    status, first, second = harness.contested()
    for mine, other in ((first, second), (second, first)):
        for run_id, answer, rival in harness.interrupted(
            lambda: harness.run_in(status),
            lambda at, t=mine: harness.fire(at, t),  # type: ignore[misc]
            lambda at, t=other: harness.fire(at, t, to=peer),  # type: ignore[misc]
        ):
            _one_winner(harness, run_id, status, {mine: [answer], other: [rival]})


@check("peer", "statements")
def cancel_and_outcome_may_come_in_either_order(harness: Harness) -> None:
    """
    If a cancel and an outcome race, every applied trigger is on the run's path to its end.
    """
    peer = harness.store.peer()
    status, outcome, _ = harness.contested()
    cancel = harness.cancel(status)
    orders: list[tuple[str, str]] = [(cancel, outcome), (outcome, cancel)]
    for mine, other in orders:
        for run_id, answer, rival in harness.interrupted(
            lambda: harness.run_in(status),
            lambda at, t=mine: harness.fire(at, t),  # type: ignore[misc]
            lambda at, t=other: harness.fire(at, t, to=peer),  # type: ignore[misc]
        ):
            applied = {t for t, a in ((mine, answer), (other, rival)) if a.ok}
            _on_the_path(harness, run_id, status, applied)


def _on_the_path(harness: Harness, run_id: str, status: str, applied: set[str]) -> None:
    harness.consistent(run_id)
    if harness.can("history"):
        path = harness.lifecycle.path_to(status) or ()
        made = {line.trigger for line in harness.journal(run_id)[len(path) + 1 :]}
        harness.same(applied, made, "applied triggers and those in the journal")
    now = harness.store.status(run_id)
    possible = _statuses_after(harness, status, applied)
    harness.expect(now in possible, f"{sorted(applied)} were applied; the run is {now}")


def _statuses_after(harness: Harness, status: str, triggers: set[str]) -> set[str]:
    """
    Return the statuses that a run can have after all of *triggers*, in any legal order.
    """
    if not triggers:
        return {status}
    found: set[str] = set()
    for trigger in triggers:
        row = harness.lifecycle.row(trigger, status)
        if row is not None:
            found |= _statuses_after(harness, row.target, triggers - {trigger})

    return found


@check("keys", "peer")
def retries_at_once_are_one_move(harness: Harness) -> None:
    """
    If several attempts use one key at the same time, all are accepted and one moves the run.
    """
    stores = _stores(harness)
    status, first, _ = harness.contested()
    for n in range(_ROUNDS):
        run_id = harness.run_in(status)
        before = len(harness.journal(run_id)) if harness.can("history") else 0
        answers = harness.together(
            *(partial(harness.fire, run_id, first, to=store, key=f"k{n}") for store in stores)
        )
        harness.expect(all(a.ok for a in answers), f"attempts under one key: {answers!r}")
        harness.consistent(run_id)
        if harness.can("history"):
            harness.same(before + 1, len(harness.journal(run_id)), "moves in the journal")


@check("keys", "peer", "statements", "history")
def retry_between_any_statements_moves_nothing(harness: Harness) -> None:
    """
    A retry between any two statements of the first attempt is accepted and moves nothing.
    """
    peer = harness.store.peer()
    for row in (harness.round_trip()[0], harness.ends(harness.contested()[0])[0]):
        path = harness.lifecycle.path_to(row.source) or ()
        for run_id, answer, rival in harness.interrupted(
            lambda r=row: harness.run_in(r.source),  # type: ignore[misc]
            lambda at, t=row.trigger: harness.fire(at, t, key="k"),  # type: ignore[misc]
            lambda at, t=row.trigger: harness.fire(at, t, to=peer, key="k"),  # type: ignore[misc]
        ):
            harness.expect(answer.ok and rival.ok, f"under one key: {answer!r} and {rival!r}")
            harness.same(len(path) + 2, len(harness.journal(run_id)), "moves in the journal")
            harness.consistent(run_id)


@check("peer", "history")
def every_answer_is_true_under_load(harness: Harness) -> None:
    """
    If several writers move one run in circles, the journal has one line for each applied trigger.
    """
    stores = _stores(harness)
    row, *_ = around = harness.round_trip()
    run_id = harness.run_in(row.source)
    before = len(harness.journal(run_id))
    answers = harness.together(
        *(
            partial(_go_round, harness, run_id, store, [r.trigger for r in around])
            for store in stores
        )
    )
    harness.consistent(run_id)

    harness.same(before + sum(answers), len(harness.journal(run_id)), "lines in the journal")


def _go_round(harness: Harness, run_id: str, store: WholeStore, triggers: list[str]) -> int:
    fire: Callable[[str], Any] = partial(harness.fire, run_id, to=store)

    return sum(fire(trigger).ok for _ in range(_ROUNDS) for trigger in triggers)
