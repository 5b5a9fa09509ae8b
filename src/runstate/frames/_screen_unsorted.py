"""
Screening without sorting: one aggregate a run, which can only name too many.

Under ``unordered`` a run is legal if no two of its statuses exclude each other.

Two runs whose hashes collide look like one that has the rows of both, and is a suspect
wherever one of them is: a collision hides nothing here.
"""

from typing import Final

from ._duckdb import Engine
from ._request import Question
from ._result import Screening

__all__ = ["MOST_STATUSES", "screen_free"]

MOST_STATUSES: Final = 120
"""Statuses that fit into the bits of a whole number, with what is none."""


_CHEAP: Final = 10_000
"""Runs that are judged in less time than it takes to ask in another way which are wrong."""


def screen_free(engine: Engine, asked: Question) -> Screening:
    """
    Return the runs that may be wrong under the model ``unordered``.
    """
    found = _screened(engine, asked, began=False)
    # Which come first is asked only where not all are kept.
    return found if found.named else _screened(engine, asked, began=True)


def _most(asked: Question) -> int:
    """
    Return how many suspects are kept: many even where few findings are, as judging them is cheap.
    """
    return max(asked.limit, _CHEAP)


def _screened(engine: Engine, asked: Question, *, began: bool) -> Screening:
    runs, undecided, number, misfits, suspects, kept, sample, unplaced, unusable = engine.rows(
        _statement(asked, began=began)
    )[0]
    found = Screening(
        runs=runs,
        undecided=undecided,
        observations=number or 0,
        suspects=[(suspect["w"] or 0, suspect["h"]) for suspect in kept or ()],
        sample=list(sample or ()),
        named=suspects <= _most(asked),
        certain=not unplaced,
    )
    if unusable or not found.named:
        _count_odd(engine, found, asked)
    found.tally["RS106"] += misfits

    return found


def _count_odd(engine: Engine, found: Screening, asked: Question) -> None:
    """
    Count in *found* the rows that are no observations of a run, or of no known status.
    """
    codes = asked.codes
    rows = f"select c from {asked.columns} where c > {codes.last}"
    odd = dict(engine.rows(f"select c, count(*) from ({rows}) group by c"))
    found.unusable = odd.get(codes.unusable, 0)
    found.observations -= found.unusable
    found.tally["RS101"] += odd.get(codes.unknown, 0)


def _statement(asked: Question, *, began: bool) -> str:
    """
    Return the statement of all runs; where *began*, their suspects come in the order of their first times.
    """
    codes = asked.codes
    known = sum(1 << number for number in range(1, codes.last + 1))
    bad = sum(1 << number for number in range(codes.unknown, codes.mistimed + 1))
    unplaced = 1 << codes.timeless | 1 << codes.mistimed
    conflict = _conflict(asked)
    wrong = f"bits & {bad} <> 0 or {conflict}"
    run = f"bits & {known | 1 << codes.unknown} <> 0"
    sample = f"min(h, {asked.samples}) filter ({run})" if asked.samples else "null"
    bits = "bigint" if codes.mistimed < 63 else "hugeint"
    columns = f"h, 1::{bits} << c as bit{', us' if began else ''}"
    parts = f"count(*) as n, bit_or(bit) as bits{', min(us) as began' if began else ''}"
    where = "began" if began else "0"

    return (
        f"select count(*) filter ({run}), count(*) filter ({run} and bits & {known} = 0), "
        f"sum(n), count(*) filter ({conflict}), "
        f"count(*) filter ({wrong}), min({{'w': {where}, 'h': h}}, "
        f"{_most(asked)}) filter ({wrong}), {sample}, "
        f"count(*) filter (bits & {unplaced} <> 0), count(*) filter (bits & {1 << codes.unusable} <> 0) "
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
