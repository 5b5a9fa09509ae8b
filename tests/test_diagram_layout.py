"""
Where things are drawn: nothing may overlap, whatever the lifecycle.
"""

import itertools
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pictures import Box, Picture, Point, Rect, picture_of, walk_curve
from runstate import RUN, Lifecycle, Transition
from runstate.diagrams import Overlay, draw
from runstate.diagrams.layout import place
from runstate.diagrams.layout.heights import settle, spread_ports
from runstate.diagrams.layout.order import count_crossings, order_columns

TOUCH = 0.03
"""Pixels that rounding may cost."""

COUNTS = {
    ("queued", "in_progress"): 14_204,
    ("in_progress", "completed"): 9_800,
    ("completed", "failed"): 3,
    ("completed", "weird"): 2,
    ("weird", "queued"): 1,
    ("weird", "weird"): 1,
}
OVERLAYS = {
    "plain": Overlay(),
    "counts": Overlay(counts=COUNTS),
    "path": Overlay(current="failed", path=("queued", "requires_action", "completed", "failed")),
    "lost": Overlay(current="nowhere"),
}

NAMES = st.one_of(
    st.text("abcdefgh_", min_size=1, max_size=100),
    st.text("状態実行中😀é ", min_size=1, max_size=60),
)


@st.composite
def lifecycles(draw: Any, most: int = 7) -> Lifecycle:
    """
    Any lifecycle that passes its own check: with cycles, self-moves, parallel rows, odd names.
    """
    names = draw(st.lists(NAMES, min_size=2, max_size=most, unique=True))
    many = draw(st.integers(1, len(names) - 1))
    live, ends = names[:many], names[many:]
    pairs = [(draw(st.sampled_from(live[:n])), live[n]) for n in range(1, many)]
    pairs += [(draw(st.sampled_from(live)), end) for end in ends]
    pairs += [(status, ends[0]) for status in live]
    more = st.tuples(st.sampled_from(live), st.sampled_from(names))
    pairs += draw(st.lists(more, max_size=2 * most))
    words = draw(st.lists(NAMES, min_size=1, max_size=4))
    rows = (
        Transition(
            f"{words[n % len(words)][:90]}{n}",
            *pair,
            evidence="inferred" if n % 3 == 2 else "documented",
        )
        for n, pair in enumerate(pairs)
    )

    others = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    begins = dict.fromkeys((live[0], *others))

    return Lifecycle("drawn", tuple(rows), begins, dict.fromkeys(ends, "success"))


@st.composite
def overlays(draw: Any, lifecycle: Lifecycle) -> Overlay:
    """
    Anything that may have been observed of *lifecycle*, statuses that it lacks included.
    """
    status = st.sampled_from([*lifecycle.statuses, "lost", "\x00<b>"])

    return Overlay(
        current=draw(st.none() | status),
        path=tuple(draw(st.lists(status, max_size=5))),
        counts=draw(st.dictionaries(st.tuples(status, status), st.integers(0, 10**9), max_size=5)),
    )


def overlap(one: Rect, other: Rect) -> bool:
    """
    Return whether two rectangles share more than a side.
    """
    return (
        one.x < other.right - TOUCH
        and other.x < one.right - TOUCH
        and one.y < other.bottom - TOUCH
        and other.y < one.bottom - TOUCH
    )


def holds(rect: Rect, point: Point) -> bool:
    """
    Return whether *point* lies inside *rect*, its sides not included.
    """
    x, y = point

    return rect.x + TOUCH < x < rect.right - TOUCH and rect.y + TOUCH < y < rect.bottom - TOUCH


def on_side(rect: Rect, point: Point) -> bool:
    """
    Return whether *point* lies on a side of *rect*.
    """
    x, y = point
    within = rect.x - TOUCH < x < rect.right + TOUCH and rect.y - TOUCH < y < rect.bottom + TOUCH

    return within and not holds(rect, point)


def faults(picture: Picture) -> list[str]:
    """
    Return everything that overlaps, sticks out or misses its end.
    """
    boxes = [box.rect for box in picture.boxes]
    labels = [arrow.label for arrow in picture.arrows]
    texts = [*boxes, *labels, *(entry.rect for entry in picture.legend)]
    page = Rect(0, 0, picture.width, picture.height)
    found = [f"{a} on {b}" for a, b in itertools.combinations(texts, 2) if overlap(a, b)]
    found += [f"{rect} sticks out" for rect in texts if not overlap(rect, page)]
    for rect in texts:
        if (
            min(rect.x, rect.y) < -TOUCH
            or rect.right > page.right + TOUCH
            or rect.bottom > page.bottom + TOUCH
        ):
            found.append(f"{rect} is cut")
    found += [
        f"{line!r} is wider than {box}"
        for box in picture.boxes
        for line, width in zip(box.lines, box.widths, strict=True)
        if width > box.rect.width
    ]
    begins = [box.rect for box in picture.boxes if "initial" in box.kinds]
    if len(begins) != len(picture.entries):
        found.append(f"{len(picture.entries)} entries for {len(begins)} initial statuses")
    for rect, (dot, tip) in zip(begins, picture.entries, strict=False):
        if not on_side(rect, tip):
            found.append(f"the entry at {dot} does not end at its box")
        if any(overlap(Rect(dot[0] - 5, dot[1] - 5, 10, 10), text) for text in texts):
            found.append(f"the entry at {dot} covers something")
    by_status = picture.by_status
    for arrow in picture.arrows:
        for point in walk_curve((*arrow.curve, (arrow.tip,)), 40):
            if not (0 < point[0] < page.right and 0 < point[1] < page.bottom):
                found.append(f"{arrow} leaves the page")
            if any(holds(rect, point) for rect in texts):
                found.append(f"{arrow} crosses something at {point}")
        if not on_side(by_status[arrow.source].rect, arrow.curve[0][0]):
            found.append(f"{arrow} does not begin at its source")
        if not on_side(by_status[arrow.target].rect, arrow.tip):
            found.append(f"{arrow} does not end at its target")

    return found


def moves_of(lifecycle: Lifecycle, overlay: Overlay) -> list[tuple[str, str]]:
    """
    Return what a picture has an arrow for: moves by a row, and those that were observed without one.
    """
    rows = {(row.source, row.target) for row in lifecycle}
    path = {(s, t) for s, t in itertools.pairwise(overlay.path) if s != t}
    counted = {pair for pair, count in overlay.counts.items() if count}
    moves = rows | path | counted

    return sorted((as_shown(source), as_shown(target)) for source, target in moves)


def as_shown(status: str) -> str:
    """
    Return *status* as a picture shows it, where it is no name of :data:`NAMES`.
    """
    return status.replace("\x00", "\\x00")


@pytest.mark.parametrize("overlay", OVERLAYS.values(), ids=OVERLAYS)
def test_run_overlaps_nothing(overlay: Overlay) -> None:
    """
    In the picture of a run, no curve meets a text or a box, and no two texts meet.
    """
    assert [] == faults(picture_of(RUN, overlay))


@settings(max_examples=50)
@given(st.data())
def test_nothing_overlaps(data: st.DataObject) -> None:
    """
    The same holds for any lifecycle under any overlay, and every arrow is drawn once.
    """
    lifecycle = data.draw(lifecycles())
    overlay = data.draw(overlays(lifecycle))
    picture = picture_of(lifecycle, overlay)

    assert [] == faults(picture)
    assert moves_of(lifecycle, overlay) == sorted((a.source, a.target) for a in picture.arrows)


def test_forty_statuses_overlap_nothing() -> None:
    """
    Forty statuses and more than a hundred rows, many of them back, are drawn as cleanly.
    """
    live = [f"status_{n}" for n in range(36)]
    ends = {f"end_{n}": "failure" for n in range(4)}
    rows = [Transition(f"step_{n}", live[n // 2], live[n]) for n in range(1, 36)]
    rows += [Transition("end", status, f"end_{n * 7 % 4}") for n, status in enumerate(live)]
    rows += [Transition("jump", s, live[(n * 13 + 5) % 36]) for n, s in enumerate(live)]
    lifecycle = Lifecycle("big", tuple(rows), live[0], ends)  # type: ignore[arg-type]

    assert [] == faults(picture_of(lifecycle))


def columns_of(picture: Picture) -> dict[str, int]:
    """
    Return the column, from 0, in which each status stands.
    """
    lefts = {box.status: box.rect.x for box in picture.boxes}
    columns = {x: number for number, x in enumerate(sorted({*lefts.values()}))}

    return {status: columns[x] for status, x in lefts.items()}


def test_run_reads_from_left_to_right() -> None:
    """
    A run's statuses stand in the order in which it has them, and its ends in one column.
    """
    assert {
        "queued": 0,
        "in_progress": 1,
        "requires_action": 2,
        "cancelling": 3,
        "cancelled": 4,
        "failed": 4,
        "completed": 4,
        "incomplete": 4,
        "expired": 4,
    } == columns_of(picture_of(RUN))


@given(lifecycles())
def test_ranks_follow_the_rows(lifecycle: Lifecycle) -> None:
    """
    Only initial statuses stand first, the ends last; between components rows lead right.
    """
    rank = columns_of(picture_of(lifecycle))
    at = {status: n for n, members in enumerate(lifecycle.components) for status in members}
    first = {status for status in rank if rank[status] == 0}

    assert {lifecycle.initial} <= first <= {*lifecycle.initial_statuses}
    assert {max(rank.values())} == {rank[status] for status in lifecycle.terminal}
    assert all(
        rank[row.source] < rank[row.target] for row in lifecycle if at[row.source] != at[row.target]
    )


@pytest.mark.parametrize("overlay", OVERLAYS.values(), ids=OVERLAYS)
def test_overlay_moves_no_status_out_of_its_column(overlay: Overlay) -> None:
    """
    What was observed adds boxes and leaves the others in their columns.
    """
    plain = columns_of(picture_of(RUN))
    observed = columns_of(picture_of(RUN, overlay))

    assert plain == {status: observed[status] for status in plain}


def test_one_move_to_one_end() -> None:
    """
    The smallest lifecycle is a picture too: two boxes and an arrow.
    """
    lifecycle = Lifecycle(
        "short", (Transition("end", "here", "there"),), "here", {"there": "success"}
    )
    picture = picture_of(lifecycle)

    assert [] == faults(picture)
    assert (2, 1) == (len(picture.boxes), len(picture.arrows))


def test_parallel_rows_share_an_arrow() -> None:
    """
    Rows between the same two statuses are one arrow with a line each, doubt said by the line.
    """
    rows = (Transition("a", "x", "y"), Transition("b", "x", "y", "inferred"))
    lifecycle = Lifecycle("two", rows, "x", {"y": "success"})
    (plain,) = picture_of(lifecycle).arrows
    (counted,) = picture_of(lifecycle, Overlay(counts={("x", "y"): 1_234})).arrows

    assert ("a", "b (inferred)") == plain.lines
    assert ("a", "b (inferred)", "1,234 observed") == counted.lines
    assert "solid" == plain.dash


def crossings_by_force(grid: Any) -> int:
    """
    Count crossings pair by pair.
    """
    place = {at: n for column in grid.columns for n, at in enumerate(column)}
    joints = [
        (slot.column, place[at], place[to])
        for at, slot in enumerate(grid.slots)
        for to in slot.right
    ]

    return sum(
        a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0
        for a, b in itertools.combinations(joints, 2)
    )


def ordered(lifecycle: Lifecycle) -> tuple[int, Any]:
    """
    Draw *lifecycle*; return the crossings before its columns were ordered, and its grid.
    """
    grids = []

    def watched(grid: Any) -> None:
        grids.append((crossings_by_force(grid), grid))
        order_columns(grid)

    with mock.patch.object(place, "order_columns", watched):
        draw(lifecycle, "svg")
    (found,) = grids

    return found


@given(lifecycles())
def test_order_does_not_add_crossings(lifecycle: Lifecycle) -> None:
    """
    The order found has no more crossings than the first one, and they are counted rightly.
    """
    before, grid = ordered(lifecycle)
    after = crossings_by_force(grid)

    assert after == count_crossings(grid.slots, grid.columns)
    assert after <= before


def test_run_has_few_crossings() -> None:
    """
    The picture of a run has six crossings, the fewest that any search has found.
    """
    _, grid = ordered(RUN)

    assert 6 == count_crossings(grid.slots, grid.columns)


WANTED = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=12)


@given(WANTED, st.lists(st.floats(0, 50), min_size=12, max_size=12))
@example([3.0, 2.0, 1.0], [0.0] * 12)
def test_settle_keeps_order_and_distance(wanted: list[float], distances: list[float]) -> None:
    """
    Settled heights keep their distances, and on the whole neither rise nor fall.
    """
    distances = distances[: len(wanted)]
    settled = settle(wanted, [1.0] * len(wanted), distances)
    gaps = zip(itertools.pairwise(settled), distances[1:], strict=True)

    assert all(lower - upper >= distance - 1e-6 for (upper, lower), distance in gaps)
    assert sum(wanted) == pytest.approx(sum(settled), abs=1e-6)


@given(st.lists(st.floats(0, 50), min_size=1, max_size=12))
def test_settle_leaves_what_fits(steps: list[float]) -> None:
    """
    Heights that keep their distances already stay as they are.
    """
    wanted = list(itertools.accumulate(steps))

    assert wanted == pytest.approx(settle(wanted, [1.0] * len(steps), steps))


def test_settle_is_least_squares() -> None:
    """
    Two that want each other's place meet in the middle, nearer to the heavier one.
    """
    assert [2.0, 2.0] == settle([5.0, 1.0], [1.0, 3.0], [0.0, 0.0])


@given(WANTED, st.floats(0, 500))
def test_ports_stay_on_their_side(wanted: list[float], height: float) -> None:
    """
    Ports keep their order, stay within their side, and apart where there is room.
    """
    ports = spread_ports(wanted, 0.0, height)

    assert ports == sorted(ports)
    assert -1e-6 <= ports[0]
    assert ports[-1] <= height + 1e-6


def shown(status: str) -> Box:
    """
    Return what is drawn of a *status* that is observed and unknown.
    """
    return picture_of(RUN, Overlay(current=status)).boxes[-1]


@settings(max_examples=40)
@given(st.text())
@example("")
@example("x" * 999)
@example("\x1b" * 99)
@example("日本語" * 30)
def test_names_are_wrapped_short_and_harmless(status: str) -> None:
    """
    The lines of a name fit into its box and joined are the name, printable and of bounded length.
    """
    box = shown(status)
    text = "".join(box.lines)

    assert all(width <= box.rect.width for width in box.widths)
    assert text == box.status
    assert text.isprintable()
    assert 0 < len(text) <= 100
    assert text == status or not status.isprintable() or not 0 < len(status) <= 100


def test_wrap_breaks_after_separators() -> None:
    """
    A long name breaks where its words end, and a long word where it must.
    """
    assert ("waiting_for_the_", "approval") == shown("waiting_for_the_approval").lines
    assert ("a" * 22, "a" * 8) == shown("a" * 30).lines


def test_wide_characters_take_two_cells() -> None:
    """
    East Asian characters and emoji take two cells, accents of their own none.
    """
    names = ("a", "中", "😀", "é", "e\u0301", "\u2764\ufe0f")
    (cell,) = shown("a").widths

    assert [1, 2, 2, 1, 1, 2] == [round(sum(shown(each).widths) / cell) for each in names]
