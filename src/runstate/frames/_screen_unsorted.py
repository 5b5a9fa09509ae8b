"""
Screening without sorting: one aggregate a run, which can only name too many.

Of a legal run under ``polled``, all rows of an earlier component of the lifecycle come
before all rows of a later one, and its components can reach each other. Components of
one level cannot; so a run of whose levels the latest time of an earlier one lies before
the earliest time of every later one, and that has no two statuses which exclude each
other, is legal, whatever the order within a level. Where both are at the same time, the
order of the rows decides, which is not known here: the run is a suspect.

Two runs whose hashes collide look like one that has the rows of both, and is a suspect
wherever one of them is: a collision hides nothing here.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

from ..lifecycle._table import Lifecycle
from ._duckdb import Engine
from ._request import Question
from ._result import Screening

__all__ = ["MOST_STATUSES", "count_odd", "screen_free"]

MOST_STATUSES: Final = 120
"""Statuses that fit into the bits of a whole number, with what is none."""


_CHEAP: Final = 10_000
"""Runs that are judged in less time than it takes to ask in another way which are wrong."""


class Order(NamedTuple):
    """
    What is asked about the times of a run.
    """

    columns: Sequence[str]
    """Of each row."""
    times: Sequence[str]
    """Of each run, by those columns."""
    wrong: Sequence[str]
    """Conditions under which the run may be wrong."""


_NO_ORDER: Final = Order((), (), ())
_BEGINNING: Final = Order(("us",), ("min(us) as began",), ())


def screen_free(engine: Engine, asked: Question) -> Screening:
    """
    Return the runs that may be wrong, under the models ``polled`` and ``unordered``.
    """
    found = _screened(engine, asked, _order(asked) if asked.observed == "polled" else _NO_ORDER)
    if asked.observed == "unordered" and not found.named:
        # Which come first is asked only where not all are kept.
        found = _screened(engine, asked, _BEGINNING)

    return found


def _most(asked: Question) -> int:
    """
    Return how many suspects are kept: many even where few findings are, as judging them is cheap.
    """
    return max(asked.limit, _CHEAP)


def _screened(engine: Engine, asked: Question, order: Order) -> Screening:
    runs, undecided, number, misfits, suspects, kept, sample = engine.rows(
        _statement(asked, order)
    )[0]
    found = Screening(
        runs=runs,
        undecided=undecided,
        observations=number or 0,
        suspects=[(suspect["w"] or 0, suspect["h"]) for suspect in kept or ()],
        sample=list(sample or ()),
        counted=False,
        named=suspects <= _most(asked),
        certain=asked.observed == "unordered" or suspects <= _most(asked),
    )
    if asked.observed == "unordered":
        found.tally["RS106"] += misfits

    return found


def count_odd(engine: Engine, found: Screening, asked: Question) -> None:
    """
    Count in *found* the rows that have no place in a run, by reading all once more.
    """
    codes = asked.codes
    rows = f"select c from {asked.columns} where c > {codes.last}"
    odd = dict(engine.rows(f"select c, count(*) from ({rows}) group by c"))
    found.observations -= odd.get(codes.timeless, 0) + odd.get(codes.mistimed, 0)
    found.count_odd(codes, odd)
    found.counted = True


def levels(lifecycle: Lifecycle) -> dict[str, int]:
    """
    Return the level of each status: how many components lead to its own; terminal ones share the last.
    """
    level: dict[str, int] = {}
    for component in lifecycle.components:
        before = [
            level[s]
            for s in level
            if s not in component and not component.isdisjoint(lifecycle.reachable(s))
        ]
        level.update(dict.fromkeys(component, max(before, default=-1) + 1))
    last = max(level.values()) + 1

    return {s: last if lifecycle.is_terminal(s) else number for s, number in level.items()}


def _statement(asked: Question, order: Order) -> str:
    """
    Return the statement of all runs, whose rows are to be in *order*.
    """
    codes = asked.codes
    known = sum(1 << number for number in range(1, codes.last + 1))
    bad = sum(1 << number for number in range(codes.unknown, codes.mistimed + 1))
    conflict = _conflict(asked)
    wrong = " or ".join([f"bits & {bad} <> 0", conflict, *order.wrong])
    run = f"bits & {known | 1 << codes.unknown} <> 0"
    sample = f"min(h, {asked.samples}) filter ({run})" if asked.samples else "null"
    bits = "bigint" if codes.mistimed < 63 else "hugeint"
    columns = ", ".join(["h", f"1::{bits} << c as bit", *order.columns])
    parts = ", ".join(["count(*) as n", "bit_or(bit) as bits", *order.times])
    began = "began" if order is _BEGINNING else "0"

    return (
        f"select count(*) filter ({run}), count(*) filter ({run} and bit_count(bits & {known}) < 2), "
        f"sum(n), count(*) filter ({conflict}), "
        f"count(*) filter ({wrong}), min({{'w': {began}, 'h': h}}, "
        f"{_most(asked)}) filter ({wrong}), {sample} "
        f"from (select h, {parts} from (select {columns} from {asked.columns}) group by h)"
    )


def _conflict(asked: Question) -> str:
    """
    Return the condition that a run has two statuses that exclude each other.
    """
    names, fits = asked.codes.statuses, asked.lifecycle.fits_one_run
    conditions = []
    for number, status in enumerate(names, 1):
        others = sum(
            1 << other
            for other, name in enumerate(names, 1)
            if other > number and not fits({status, name})
        )
        if others:
            conditions.append(f"(bits & {1 << number} <> 0 and bits & {others} <> 0)")

    return f"({' or '.join(conditions)})" if conditions else "false"


def _order(asked: Question) -> Order:
    """
    Return the first and last time of each level, and the conditions that two of them are not in order.
    """
    level = levels(asked.lifecycle)
    numbers: dict[int, list[int]] = {}
    for number, status in enumerate(asked.codes.statuses, 1):
        numbers.setdefault(level[status], []).append(number)
    ranks = sorted(numbers)
    # A column that is null is faster to leave out than a row that is filtered.
    columns = [
        f"case when c in ({', '.join(map(str, numbers[rank]))}) then us end as us{rank}"
        for rank in ranks
    ]
    times = [f"max(us{rank}) as last{rank}" for rank in ranks[:-1]]
    times += [f"min(us{rank}) as first{rank}" for rank in ranks[1:]]

    return Order(
        columns, times, [f"coalesce(last{a} >= first{b}, false)" for a, b in combinations(ranks, 2)]
    )
