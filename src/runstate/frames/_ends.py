"""
Screening of how runs end: which of them have not, where all should have.
"""

from ._duckdb import Engine
from ._request import Question
from ._result import Screening
from ._sort_key import CODE

__all__ = ["count_ends", "screen_ends"]


def screen_ends(engine: Engine, asked: Question, found: Screening) -> None:
    """
    Add to *found* the runs that have not ended: RS107.
    """
    codes = asked.codes
    # An endless lifecycle has none, and an empty list is not SQL.
    terminal = ", ".join(map(str, codes.of(frozenset(asked.lifecycle.terminal)))) or "null"
    ended = f"coalesce(bool_or((p & {CODE}) in ({terminal})), false)"
    runs = (
        f"select h, min({asked.key.where()}) as w, {ended} as is_over from {asked.rows} "
        f"where (p & {CODE}) <= {codes.last} group by h"
    )
    number, kept = engine.rows(
        f"select count(*), min({{'w': w, 'h': h}}, {max(asked.limit, 1)}) from ({runs}) where not is_over"
    )[0]
    found.tally["RS107"] += number
    found.named &= number <= asked.limit
    found.late += [(suspect["w"], suspect["h"]) for suspect in kept or ()]


def count_ends(engine: Engine, asked: Question, found: Screening) -> None:
    """
    Count in *found* in which status each run was seen last, where rows come in no order.
    """
    codes = asked.codes
    # An endless lifecycle has none, and an empty list is not SQL.
    terminal = ", ".join(map(str, codes.of(frozenset(asked.lifecycle.terminal)))) or "null"
    # What has ended stays so, whatever is seen of it later: by place, as rows come in no order of time.
    place = "p" if asked.key.placed else asked.key.where()
    first_end = f"arg_min(p & {CODE}, {place}) filter ((p & {CODE}) in ({terminal}))"
    last = f"coalesce({first_end}, arg_max(p & {CODE}, {place}))::integer as c"
    runs = f"select {last} from {asked.rows} where (p & {CODE}) <= {codes.last} group by h"
    for code, number in engine.rows(f"select c, count(*) from ({runs}) group by 1"):
        found.ends[codes.statuses[code - 1]] += number
