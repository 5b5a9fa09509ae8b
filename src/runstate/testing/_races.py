"""
Checks of races: one winner, wherever its rival comes in between.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ._harness import Bench, check
from ._protocols import Answer, WholeStore

__all__ = [
    "cancel_and_outcome_may_come_in_either_order",
    "every_answer_is_true_under_load",
    "one_winner_among_threads",
    "one_winner_between_any_statements",
    "retries_at_once_are_one_move",
    "retry_between_any_statements_is_no_move",
]

_THREADS: Final = 4
_ROUNDS: Final = 10


def _stores(bench: Bench, how_many: int = _THREADS) -> list[WholeStore]:
    return [bench.store, *(bench.store.twin() for _ in range(how_many - 1))]


def _one_winner(bench: Bench, run_id: str, status: str, answers: dict[str, list[Answer]]) -> None:
    """
    Expect one trigger of *answers* to have moved the run from *status*, and all losers to know.
    """
    now = bench.store.status(run_id)
    won = [trigger for trigger, each in answers.items() for answer in each if answer.ok]
    bench.expect(len(won) == 1, f"{len(won)} winners, {won}, of a run that is {now}")
    row = bench.lifecycle.row(won[0], status)
    bench.same(row and row.target, now, f"status after {won[0]} won")
    told = {getattr(answer, "status", None) for each in answers.values() for answer in each
            if not answer.ok}  # fmt: skip
    bench.expect(told <= {now}, f"losers were told {told}, and the run is {now}")
    bench.consistent(run_id)


@check("twin")
def one_winner_among_threads(bench: Bench) -> None:
    """
    Of several threads that end a run at once, each on its own connection, one wins.
    """
    status, first, second = bench.contested()
    stores = _stores(bench)
    for _ in range(_ROUNDS):
        run_id = bench.run_in(status)
        triggers = [(first, second)[n % 2] for n in range(len(stores))]
        answers = bench.together(
            *(partial(bench.fire, run_id, t, to=s) for t, s in zip(triggers, stores, strict=True))
        )
        found: dict[str, list[Answer]] = {first: [], second: []}
        for trigger, answer in zip(triggers, answers, strict=True):
            found[trigger].append(answer)
        _one_winner(bench, run_id, status, found)


@check("twin", "statements")
def one_winner_between_any_statements(bench: Bench) -> None:
    """
    A run that is ended by another between any two statements of a move has one winner.
    """
    twin = bench.store.twin()
    status, first, second = bench.contested()
    for mine, other in ((first, second), (second, first)):
        for run_id, answer, rival in bench.interrupted(
            lambda: bench.run_in(status),
            lambda at, t=mine: bench.fire(at, t),  # type: ignore[misc]
            lambda at, t=other: bench.fire(at, t, to=twin),  # type: ignore[misc]
        ):
            _one_winner(bench, run_id, status, {mine: [answer], other: [rival]})


@check("twin", "statements")
def cancel_and_outcome_may_come_in_either_order(bench: Bench) -> None:
    """
    Where a cancel and an outcome meet, whoever is told yes was part of the run's way to its end.
    """
    twin = bench.store.twin()
    status, outcome, _ = bench.contested()
    cancel = bench.cancel(status)
    ways: list[tuple[str, str]] = [(cancel, outcome), (outcome, cancel)]
    for mine, other in ways:
        for run_id, answer, rival in bench.interrupted(
            lambda: bench.run_in(status),
            lambda at, t=mine: bench.fire(at, t),  # type: ignore[misc]
            lambda at, t=other: bench.fire(at, t, to=twin),  # type: ignore[misc]
        ):
            yes = {t for t, a in ((mine, answer), (other, rival)) if a.ok}
            _on_the_way(bench, run_id, status, yes)


def _on_the_way(bench: Bench, run_id: str, status: str, yes: set[str]) -> None:
    bench.consistent(run_id)
    if bench.can("history"):
        path = bench.lifecycle.shortest_path(bench.lifecycle.initial, status) or ()
        made = {line.trigger for line in bench.journal(run_id)[len(path) + 1 :]}
        bench.same(yes, made, "triggers that were told yes, and those in the journal")
    now = bench.store.status(run_id)
    ways = _statuses_after(bench, status, yes)
    bench.expect(now in ways, f"{sorted(yes)} were told yes, and the run is {now}")


def _statuses_after(bench: Bench, status: str, triggers: set[str]) -> set[str]:
    """
    Return where a run may be after all of *triggers*, in some legal order.
    """
    if not triggers:
        return {status}
    found: set[str] = set()
    for trigger in triggers:
        row = bench.lifecycle.row(trigger, status)
        if row is not None:
            found |= _statuses_after(bench, row.target, triggers - {trigger})

    return found


@check("keys", "twin")
def retries_at_once_are_one_move(bench: Bench) -> None:
    """
    Of any number of attempts at once under one key, all are told yes and one moves the run.
    """
    stores = _stores(bench)
    status, first, _ = bench.contested()
    for n in range(_ROUNDS):
        run_id = bench.run_in(status)
        before = len(bench.journal(run_id)) if bench.can("history") else 0
        answers = bench.together(
            *(partial(bench.fire, run_id, first, to=store, key=f"k{n}") for store in stores)
        )
        bench.expect(all(a.ok for a in answers), f"attempts under one key: {answers!r}")
        bench.consistent(run_id)
        if bench.can("history"):
            bench.same(before + 1, len(bench.journal(run_id)), "moves in the journal")


@check("keys", "twin", "statements", "history")
def retry_between_any_statements_is_no_move(bench: Bench) -> None:
    """
    A retry between any two statements of the first attempt is told yes, and moves nothing.
    """
    twin = bench.store.twin()
    for row in (bench.round_trip()[0], bench.ends(bench.contested()[0])[0]):
        path = bench.lifecycle.shortest_path(bench.lifecycle.initial, row.source) or ()
        for run_id, answer, rival in bench.interrupted(
            lambda r=row: bench.run_in(r.source),  # type: ignore[misc]
            lambda at, t=row.trigger: bench.fire(at, t, key="k"),  # type: ignore[misc]
            lambda at, t=row.trigger: bench.fire(at, t, to=twin, key="k"),  # type: ignore[misc]
        ):
            bench.expect(answer.ok and rival.ok, f"under one key: {answer!r} and {rival!r}")
            bench.same(len(path) + 2, len(bench.journal(run_id)), "moves in the journal")
            bench.consistent(run_id)


@check("twin", "history")
def every_answer_is_true_under_load(bench: Bench) -> None:
    """
    When several move one run round and round, the journal has a line for every yes, and no other.
    """
    stores = _stores(bench)
    row, *_ = around = bench.round_trip()
    run_id = bench.run_in(row.source)
    before = len(bench.journal(run_id))
    answers = bench.together(
        *(partial(_go_round, bench, run_id, store, [r.trigger for r in around]) for store in stores)
    )
    bench.consistent(run_id)

    bench.same(before + sum(answers), len(bench.journal(run_id)), "lines in the journal")


def _go_round(bench: Bench, run_id: str, store: WholeStore, triggers: list[str]) -> int:
    fire: Callable[[str], Any] = partial(bench.fire, run_id, to=store)

    return sum(fire(trigger).ok for _ in range(_ROUNDS) for trigger in triggers)
