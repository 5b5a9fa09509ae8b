"""
Checks of time, and of the feed: every move, once or more, in the order of its run.
"""

import threading
from collections.abc import Iterator
from typing import Any, Final

from ._harness import Bench, Broken, check
from ._protocols import Line

__all__ = [
    "feed_goes_on",
    "feed_has_every_move",
    "feed_knows_no_clock",
    "feed_misses_no_late_commit",
    "time_never_runs_back",
]

_MOST_PAGES: Final = 10_000
_WAIT: Final = 0.3


def _read(bench: Bench, after: Any = None, limit: int = 1) -> Iterator[tuple[Line, Any]]:
    """
    Yield what the feed has behind *after*, each with the cursor behind its page.
    """
    for _ in range(_MOST_PAGES):
        page = bench.store.moves(after=after, limit=limit)
        bench.expect(len(page.items) <= limit, f"a page of {len(page.items)}, {limit} were asked")
        if not page.items:
            return
        after = page.cursor
        for line in page.items:
            yield line, after
    raise Broken(f"a feed that does not end in {_MOST_PAGES} pages")


def _expect_all(bench: Bench, runs: list[str], lines: list[Line]) -> None:
    """
    Expect the moves of every run, each in order; some may have come twice.
    """
    for run_id in runs:
        found = dict.fromkeys(line.seq for line in lines if line.run_id == run_id)
        moves = [line.seq for line in bench.journal(run_id)]
        bench.same(moves, list(found), f"numbers of the moves of {run_id} in the feed")


def _some_moves(bench: Bench) -> list[str]:
    """
    Move several runs in turn, with some that is no move in between, and return them.
    """
    runs = [bench.store.create() for _ in range(3)]
    for row in bench.round_trip(bench.lifecycle.initial):
        for run_id in runs:
            bench.must(run_id, row.trigger)
    for run_id in runs:
        path = bench.lifecycle.shortest_path(bench.lifecycle.initial, bench.contested()[0]) or ()
        bench.must(run_id, *(row.trigger for row in path), bench.contested()[1])
        bench.fire(run_id, bench.contested()[2])

    return runs


@check("moves", "history")
def feed_has_every_move(bench: Bench) -> None:
    """
    Read a page of any size at a time, the feed has every move of every run, and those in order.
    """
    runs = _some_moves(bench)
    for limit in (1, 2, 1000):
        _expect_all(bench, runs, [line for line, _ in _read(bench, limit=limit)])


@check("moves", "history")
def feed_goes_on(bench: Bench) -> None:
    """
    Behind the end of the feed come the moves that were made since, and no others.
    """
    runs, cursor, lines = [], None, []
    for _ in range(3):
        runs += _some_moves(bench)
        for line, after in _read(bench, cursor):
            lines.append(line)
            cursor = after
        bench.same([], list(_read(bench, cursor)), "the feed behind its end")

    _expect_all(bench, runs, lines)


@check("moves", "history", "advance")
def feed_knows_no_clock(bench: Bench) -> None:
    """
    The feed misses nothing when the clock steps back.
    """
    runs = _some_moves(bench)
    read = list(_read(bench))
    bench.store.advance(-3600)
    runs += _some_moves(bench)
    lines = [line for line, _ in (*read, *_read(bench, read[-1][1]))]

    _expect_all(bench, runs, lines)


@check("moves", "history", "twin", "transaction")
def feed_misses_no_late_commit(bench: Bench) -> None:
    """
    A move that was begun before others and committed after them is in the feed behind them.
    """
    slow, fast = bench.store.create(), bench.store.create()
    trigger = bench.lifecycle.allowed(bench.lifecycle.initial)[0]
    twin, reader = bench.store.twin(), Bench(bench.store.twin(), bench.lifecycle, {})
    # Where there is one writer at a time, it waits for the slow one.
    other = threading.Thread(target=lambda: bench.fire(fast, trigger, to=twin), daemon=True)
    with bench.store.transaction() as within:
        bench.expect(bench.fire(slow, trigger, to=within).ok, f"{trigger} was refused")
        other.start()
        other.join(_WAIT)
        early = list(_read(reader))
    other.join()
    cursor = early[-1][1] if early else None

    _expect_all(bench, [slow, fast], [line for line, _ in (*early, *_read(bench, cursor))])


@check("history", "advance")
def time_never_runs_back(bench: Bench) -> None:
    """
    Within a run, time stands still rather than run backwards when the clock steps back.
    """
    run_id = bench.store.create()
    for step, row in enumerate(bench.round_trip(bench.lifecycle.initial) * 2):
        bench.store.advance(-3600 if step % 2 else 10)
        bench.must(run_id, row.trigger)
    times = [line.at for line in bench.journal(run_id)]

    bench.same(sorted(times), times, "times in the journal")
