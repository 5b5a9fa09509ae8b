"""
Checks of time and of the feed: every move at least once, in the order of its run.
"""

import threading
from collections.abc import Iterator
from typing import Any, Final

from ._harness import Broken, Harness, check
from ._protocols import Line

__all__ = [
    "feed_continues_from_a_cursor",
    "feed_has_every_move",
    "feed_ignores_the_clock",
    "feed_misses_no_late_commit",
    "time_never_runs_backwards",
]

_MOST_PAGES: Final = 10_000
_WAIT: Final = 0.3


def _read(harness: Harness, after: Any = None, limit: int = 1) -> Iterator[tuple[Line, Any]]:
    """
    Yield the moves of the feed after the cursor *after*, each with the cursor of its page.
    """
    for _ in range(_MOST_PAGES):
        page = harness.store.moves(after=after, limit=limit)
        harness.expect(
            len(page.items) <= limit, f"a page has {len(page.items)} items, the limit is {limit}"
        )
        if not page.items:
            return
        after = page.cursor
        for line in page.items:
            yield line, after
    raise Broken(f"the feed does not end within {_MOST_PAGES} pages")


def _expect_all(harness: Harness, runs: list[str], lines: list[Line]) -> None:
    """
    Expect all moves of every run in order; repeats are allowed.
    """
    for run_id in runs:
        found = dict.fromkeys(line.seq for line in lines if line.run_id == run_id)
        moves = [line.seq for line in harness.journal(run_id)]
        harness.same(moves, list(found), f"numbers of the moves of {run_id} in the feed")


def _some_moves(harness: Harness) -> list[str]:
    """
    Move several runs in turn, with refused triggers in between, and return them.
    """
    runs = [harness.store.create() for _ in range(3)]
    for row in harness.round_trip(harness.lifecycle.initial):
        for run_id in runs:
            harness.must(run_id, row.trigger)
    for run_id in runs:
        path = harness.lifecycle.path_to(harness.contested()[0]) or ()
        harness.must(run_id, *(row.trigger for row in path), harness.contested()[1])
        harness.fire(run_id, harness.contested()[2])

    return runs


@check("moves", "history")
def feed_has_every_move(harness: Harness) -> None:
    """
    With any page size, the feed has every move of every run, in the order of the run.
    """
    runs = _some_moves(harness)
    for limit in (1, 2, 1000):
        _expect_all(harness, runs, [line for line, _ in _read(harness, limit=limit)])


@check("moves", "history")
def feed_continues_from_a_cursor(harness: Harness) -> None:
    """
    After the end of the feed come only the moves that were made since.
    """
    runs, cursor, lines = [], None, []
    for _ in range(3):
        runs += _some_moves(harness)
        for line, after in _read(harness, cursor):
            lines.append(line)
            cursor = after
        harness.same([], list(_read(harness, cursor)), "the feed after its end")

    _expect_all(harness, runs, lines)


@check("moves", "history", "advance")
def feed_ignores_the_clock(harness: Harness) -> None:
    """
    The feed misses nothing when the clock steps back.
    """
    runs = _some_moves(harness)
    read = list(_read(harness))
    harness.store.advance(-3600)
    runs += _some_moves(harness)
    lines = [line for line, _ in (*read, *_read(harness, read[-1][1]))]

    _expect_all(harness, runs, lines)


@check("moves", "history", "peer", "transaction")
def feed_misses_no_late_commit(harness: Harness) -> None:
    """
    A move that begins before others and commits after them appears in the feed.
    """
    slow, fast = harness.store.create(), harness.store.create()
    trigger = harness.lifecycle.allowed(harness.lifecycle.initial)[0]
    peer, reader = harness.store.peer(), Harness(harness.store.peer(), harness.lifecycle, {})
    # On a database with a single writer, this thread waits for the slow transaction.
    other = threading.Thread(target=lambda: harness.fire(fast, trigger, to=peer), daemon=True)
    with harness.store.transaction() as within:
        harness.expect(harness.fire(slow, trigger, to=within).ok, f"{trigger} was refused")
        other.start()
        other.join(_WAIT)
        early = list(_read(reader))
    other.join()
    cursor = early[-1][1] if early else None

    _expect_all(harness, [slow, fast], [line for line, _ in (*early, *_read(harness, cursor))])


@check("history", "advance")
def time_never_runs_backwards(harness: Harness) -> None:
    """
    If the clock steps back, the times within a run stay equal instead of decreasing.
    """
    run_id = harness.store.create()
    for step, row in enumerate(harness.round_trip(harness.lifecycle.initial) * 2):
        harness.store.advance(-3600 if step % 2 else 10)
        harness.must(run_id, row.trigger)
    times = [line.at for line in harness.journal(run_id)]

    harness.same(sorted(times), times, "times in the journal")
