"""
What a history says about the moves, before it is drawn.
"""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate import RUN, Observation, histories
from runstate.diagrams import FORMATS, Overlay, draw, overlay_of
from runstate.diagrams._figure import make_figure
from runstate.diagrams._rare import without_rare
from runstate.diagrams.layout.legend import legend_texts
from runstate.histories import _reorder as _sequence
from runstate.histories._reorder import in_sequence
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


RUNS = {"a": moves("a"), "b": moves("b", first=3), "c": moves("c")}


@given(st.permutations([each for run in RUNS.values() for each in (*run, *run)]))
def test_numbered_moves_come_in_order_and_once(mixed):
    """
    However the numbered moves of some runs come, they leave in order, and each once.
    """
    taken = list(in_sequence(mixed))

    assert RUNS == {run: [each for each in taken if each.run_id == run] for run in RUNS}


def test_what_has_no_number_stays_in_its_place():
    """
    Observations without a number are not moved.
    """
    seen = polls("queued", "in_progress", "completed")

    assert seen == list(in_sequence(seen))


def test_what_is_held_back_is_bounded(monkeypatch):
    """
    A log without its head is not held back for long.
    """
    monkeypatch.setattr(_sequence, "MOST_AHEAD", 2)
    headless = moves(first=7)
    taken = in_sequence(iter([*headless[:3], *headless]))

    assert headless[0] == next(taken)
    assert headless[1:] == list(taken)


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


def test_a_crowded_picture_leaves_out_rare_moves_and_no_illegal_one():
    """
    Beyond a number of legal moves the least frequent go, but none that is the main one into a status.
    """
    lifecycle = PRESETS["gitlab-pipeline"]
    counts = {(str(row.source), str(row.target)): n + 1 for n, row in enumerate(lifecycle)}
    illegal = ("success", "created")
    figure = make_figure(lifecycle, Overlay(counts={**counts, illegal: 1}))
    thin = without_rare(figure, 40)
    statuses = [box.status for box in thin.boxes]
    drawn = {(statuses[a.source], statuses[a.target]): a for a in thin.arrows}

    assert illegal in drawn
    assert len(figure.arrows) - len(drawn) == thin.rare
    assert 40 <= len(drawn) < 60
    assert {target for _, target in drawn} == {statuses[a.target] for a in figure.arrows}
    assert {pair for pair, count in counts.items() if count >= thin.least} <= {*drawn}
    assert figure.boxes == thin.boxes
    assert figure == without_rare(figure, len(figure.arrows))


@pytest.mark.parametrize(
    ("rare", "least", "said"),
    [(1, 5, "1 move observed fewer than 5 times, not drawn"), (20, 1, "20 moves never observed, not drawn")],
)  # fmt: skip
def test_the_legend_says_how_many_moves_are_left_out(rare, least, said):
    """
    It counts them, and says how rare they are.
    """
    figure = replace(make_figure(RUN, Overlay()), rare=rare, least=least)

    assert said == legend_texts(figure)[-1][1]
