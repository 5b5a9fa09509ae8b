"""
What a history says about the moves, before it is drawn.
"""

import json
import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate import RUN, Observation, histories
from runstate.diagrams import FORMATS, Overlay, draw, inline, overlay_of
from runstate.presets import PRESETS

WAY = ("queued", "in_progress", "requires_action", "queued", "in_progress", "completed")


def moves(run_id="run_1", first=1):
    """
    Return the recorded moves of a run, numbered from *first*.
    """
    return [
        Observation(target, run_id, source=source, seq=seq)
        for seq, (source, target) in enumerate(pairwise(WAY), first)
    ]


def overlay(seen, observed="complete"):
    """
    Return what is drawn of what was *seen*.
    """
    return overlay_of(histories.survey(seen, observed=observed), RUN, observed=observed)


def polls(*statuses, run_id="run_1"):
    """
    Return what a poller saw of a run.
    """
    return [Observation(status, run_id) for status in statuses]


@pytest.mark.parametrize(
    ("observed", "counts"),
    [
        ("complete", {("queued", "completed"): 1, ("completed", "queued"): 1}),
        ("polled", {("completed", "queued"): 1}),
        ("unordered", {}),
    ],
)
def test_what_follows_is_a_move_by_what_was_observed(observed, counts):
    """
    A gap is a move where all was seen, and none where something may have been missed.
    """
    seen = polls("queued", "queued", "completed", "queued")

    assert Overlay(counts=counts, seen=frozenset({"queued", "completed"})) == overlay(
        seen, observed
    )


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_a_recorded_move_counts_whatever_was_observed(observed):
    """
    A recorded move is one move under every model, and illegal where no row is.
    """
    illegal = Observation("failed", "run_2", source="completed")
    counts = {
        ("queued", "in_progress"): 2,
        ("in_progress", "requires_action"): 1,
        ("requires_action", "queued"): 1,
        ("in_progress", "completed"): 1,
        ("completed", "failed"): 1,
    }

    assert Overlay(counts=counts) == overlay([*moves(), illegal], observed)


def test_an_unknown_status_is_no_gap():
    """
    A poll of a status that nobody knows is a move that no row allows.
    """
    counts = {("queued", "weird"): 1, ("weird", "completed"): 1}

    assert Overlay(counts=counts) == overlay(polls("queued", "weird", "completed"), "polled")


def test_runs_are_told_apart():
    """
    What one run has does not follow what another one had.
    """
    seen = [*polls("completed", run_id="a"), *polls("queued", run_id="b")]

    assert Overlay(seen=frozenset({"completed", "queued"})) == overlay(seen)


def numbered(run_id, statuses, first=1):
    """
    Return *statuses* of a run as they were logged, numbered from *first*.
    """
    return [Observation(status, run_id, seq=seq) for seq, status in enumerate(statuses, first)]


RUNS = [*numbered("a", WAY), *numbered("b", WAY, first=3), *numbered("c", WAY)]


@given(st.permutations(RUNS + RUNS))
def test_numbered_moves_come_in_order_and_once(mixed):
    """
    However what was numbered comes, it is drawn in its order, and each once.
    """
    assert {pair: 3 * count for pair, count in Counter(pairwise(WAY)).items()} == overlay(
        mixed
    ).counts


def test_what_has_no_number_stays_in_its_place():
    """
    Observations without a number are drawn in the order in which they come.
    """
    assert {("in_progress", "queued"): 1, ("queued", "completed"): 1} == overlay(
        polls("in_progress", "queued", "completed")
    ).counts


@pytest.mark.parametrize(("held", "moves"), [(1_000, 1_000), (1_001, 1_000)])
def test_what_is_held_back_is_bounded(held, moves):
    """
    A log without its head is held back for 1,000 numbers, and what comes later is too late.
    """
    statuses = [("queued", "in_progress")[n % 2] for n in range(held)]
    late = [Observation("requires_action", "run_1", seq=1)]
    counts = overlay([*numbered("run_1", statuses, first=2), *late]).counts

    assert moves == sum(counts.values())
    assert (held == 1_000) == (("requires_action", "queued") in counts)


def test_times_are_drawn_in_every_format():
    """
    How long runs were in a status before a move is at its arrow, and in the tables and the data.
    """
    seen = [Observation(status, "run_1", at) for status, at in (("queued", 0.0), ("failed", 300.0))]
    drawn = {name: draw(RUN, name, overlay(seen)) for name in FORMATS}

    for name in ("svg", "mermaid", "dot"):
        assert b"p95 5 min" in drawn[name], name
    assert b"after 5 min at the median, 5 min at p95, 5 min at most" in drawn["svg"]
    assert b"in the status before the move: median, p95" in drawn["svg"]
    assert b"| 1 | 5 min | 5 min | 5 min |" in drawn["markdown"]
    assert {
        "source": "queued",
        "target": "failed",
        "count": 1,
        "p50_s": pytest.approx(300, rel=0.022),
        "p95_s": pytest.approx(300, rel=0.022),
        "longest_s": 300.0,
    } == json.loads(drawn["json"])["observed"][0]


def drawn(lifecycle, counts, most):
    """
    Return the moves in the picture of at most *most* legal ones, and the last line of its legend.
    """
    picture = inline(lifecycle, Overlay(counts=counts), [2_000], most=most)
    assert lifecycle.statuses == picture.statuses
    legend = re.findall(r"<text[^>]*>([^<]*)</text>", picture.elements[0])[-1]

    return [(picture.statuses[s], picture.statuses[t]) for s, t in picture.moves], legend


def test_a_crowded_picture_leaves_out_rare_moves_and_no_illegal_one():
    """
    Beyond a number of legal moves the least frequent go, but none that is the main one into a status.
    """
    lifecycle = PRESETS["gitlab-pipeline"]
    counts = {(str(row.source), str(row.target)): n + 1 for n, row in enumerate(lifecycle)}
    illegal = ("success", "created")
    every, _ = drawn(lifecycle, {**counts, illegal: 1}, None)
    thin, legend = drawn(lifecycle, {**counts, illegal: 1}, 40)
    left_out, least = map(int, re.findall(r"\d+", legend))

    assert illegal in thin
    assert len(every) - len(thin) == left_out
    assert 40 <= len(thin) < 60
    assert {target for _, target in thin} == {target for _, target in every}
    assert {pair for pair, count in counts.items() if count >= least} <= {*thin}
    assert every == drawn(lifecycle, {**counts, illegal: 1}, len(every))[0]


OFTEN = {(row.source, row.target): 9 for row in RUN}


@pytest.mark.parametrize(
    ("counts", "most", "said"),
    [
        ({**OFTEN, ("in_progress", "failed"): 4}, 17, "1 move observed fewer than 5 times, not drawn"),
        ({("queued", "in_progress"): 4}, 5, "9 moves never observed, not drawn"),
    ],
)  # fmt: skip
def test_the_legend_says_how_many_moves_are_left_out(counts, most, said):
    """
    It counts them, and says how rare they are.
    """
    assert said == drawn(RUN, counts, most)[1]
