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

from itertools import combinations

from .._lifecycle import Lifecycle
from ._engine import Engine
from ._question import Question
from ._screen import Screening

__all__ = ["MOST_STATUSES", "count_odd", "screen_free"]

MOST_STATUSES = 120
"""Statuses that fit into the bits of a whole number, with what is none."""


def screen_free(engine: Engine, asked: Question) -> Screening:
    """
    Return the runs that may be wrong, under the models ``polled`` and ``unordered``.
    """
    row = engine.rows(_statement(asked))[0]
    runs, undecided, number, misfits, suspects, kept, sample = row
    found = Screening(
        runs=runs,
        undecided=undecided,
        observations=number or 0,
        suspects=[(suspect["w"] or 0, suspect["h"]) for suspect in kept or ()],
        sample=list(sample or ()),
        counted=False,
        named=suspects <= asked.limit,
        certain=asked.observed == "unordered" or suspects <= asked.limit,
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


def _statement(asked: Question) -> str:
    codes = asked.codes
    known = sum(1 << number for number in range(1, codes.last + 1))
    bad = sum(1 << number for number in range(codes.unknown, codes.mistimed + 1))
    ordered = asked.observed == "polled"
    parts, order = _order(asked) if ordered else (["min(us) as began"], [])
    conflict = _conflict(asked)
    wrong = " or ".join([f"bits & {bad} <> 0", conflict, *order])
    run = f"bits & {known | 1 << codes.unknown} <> 0"
    sample = f"min(h, {asked.samples}) filter ({run})" if asked.samples else "null"
    bits = "bigint" if codes.mistimed < 63 else "hugeint"
    each = ", ".join(["count(*) as n", f"bit_or(1::{bits} << c) as bits", *parts])

    return (
        f"select count(*) filter ({run}), count(*) filter ({run} and bit_count(bits & {known}) < 2), "
        f"sum(n), count(*) filter ({conflict}), "
        f"count(*) filter ({wrong}), min({{'w': {'0' if ordered else 'began'}, 'h': h}}, "
        f"{max(asked.limit, 1)}) filter ({wrong}), {sample} "
        f"from (select h, {each} from {asked.columns} group by h)"
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


def _order(asked: Question) -> tuple[list[str], list[str]]:
    """
    Return the first and last time of each level, and the conditions that two of them are not in order.
    """
    level = levels(asked.lifecycle)
    numbers: dict[int, list[int]] = {}
    for number, status in enumerate(asked.codes.statuses, 1):
        numbers.setdefault(level[status], []).append(number)
    ranks = sorted(numbers)
    parts = []
    for rank in ranks:
        among = f"filter (c in ({', '.join(map(str, numbers[rank]))}))"
        parts += [f"max(us) {among} as last{rank}"] if rank != ranks[-1] else []
        parts += [f"min(us) {among} as first{rank}"] if rank != ranks[0] else []

    return parts, [f"coalesce(last{a} >= first{b}, false)" for a, b in combinations(ranks, 2)]
