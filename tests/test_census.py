"""
Counting what is observed while it is checked.
"""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durations import dwell
from runstate import RUN, Finding, Observation, check, histories
from runstate.diagrams import Overlay, draw, overlay_of
from runstate.histories import Dwell

MODELS = ("complete", "polled", "unordered")
STATUSES = (*map(str, RUN.statuses), "paused")


def seen(*statuses, run_id="run_1", step=1.0):
    """
    Return what was seen of a run, *step* seconds apart.
    """
    return [Observation(status, run_id, 100 + n * step) for n, status in enumerate(statuses)]


observations = st.builds(
    Observation,
    st.sampled_from([*STATUSES, ""]),
    st.sampled_from(["a", "b", None]),
    st.one_of(st.none(), st.floats(0, 100)),
    fields=st.just({}),
    source=st.one_of(st.none(), st.sampled_from(STATUSES)),
    seq=st.one_of(st.none(), st.integers(1, 6)),
)


@given(st.lists(observations, max_size=30), st.sampled_from(MODELS), st.booleans())
def test_what_is_counted_is_what_is_checked(history, observed, finished):
    """
    A survey has the findings and the counts of a check of the same history.
    """
    report = check(iter(history), observed=observed, finished=finished)
    survey = histories.survey(history, observed=observed, finished=finished, samples=4)

    counted = (
        survey.findings,
        survey.runs,
        survey.observations,
        survey.undecided,
        survey.tied,
        survey.reopened,
    )
    assert report == counted
    assert Counter(finding.code for finding in report.findings) == survey.tally
    assert sum(f.severity == "error" for f in report.findings) == survey.errors
    assert survey.runs == sum(survey.ends.values()) == len({*survey.timelines})
    assert Counter(each.status for each in history if each.status) == survey.seen


def test_moves_and_times():
    """
    A move is from one status to another, after the time since the first sight of the one.
    """
    survey = histories.survey(
        [
            *seen("queued", "queued", "in_progress", "completed"),
            *seen("queued", "failed", run_id="run_2", step=0.25),
        ]
    )

    assert {
        ("queued", "in_progress"): 1,
        ("in_progress", "completed"): 1,
        ("queued", "failed"): 1,
    } == survey.moves
    assert {
        ("queued", "in_progress"): dwell(2.0),
        ("in_progress", "completed"): dwell(1.0),
        ("queued", "failed"): dwell(0.25),
    } == survey.dwell
    assert {"completed": 1, "failed": 1} == survey.ends
    assert (100, 103) == (survey.began, survey.ended)


def test_times_that_are_not_known_are_not_counted():
    """
    A time that is missing or not finite counts the move and no time.
    """
    history = [
        Observation("queued", "a", 10.0),
        Observation("in_progress", "a"),
        Observation("completed", "a", 12.0),
        Observation("queued", "b", float("-inf")),
        Observation("failed", "b", 9.0),
        Observation("queued", "c", 9.0),
        Observation("failed", "c", float("inf")),
    ]
    survey = histories.survey(history)

    assert 4 == sum(survey.moves.values())
    assert {} == survey.dwell
    assert (9.0, 12.0) == (survey.began, survey.ended)


def test_nothing_seen():
    """
    Of nothing there is a survey too.
    """
    survey = histories.survey([])

    assert (0, 0, None, None, {}) == (
        survey.runs,
        survey.observations,
        survey.began,
        survey.ended,
        survey.moves,
    )


def test_recorded_moves_count_as_they_say():
    """
    A recorded move goes from where it says, in the order of its number; a hole has no time.
    """
    way = ("queued", "in_progress", "requires_action", "queued")
    moves = [
        Observation(target, "run_1", 100.0 + seq, source=source, seq=seq)
        for seq, (source, target) in enumerate(pairwise(way), 1)
    ]
    survey = histories.survey([moves[2], moves[1], moves[0], moves[1]])
    holed = histories.survey([moves[0], moves[2]], observed="polled")

    assert survey.moves == survey.recorded == dict.fromkeys(pairwise(way), 1)
    assert {pair: dwell(1.0) for pair in pairwise(way[1:])} == survey.dwell
    assert {("queued", "in_progress"): 1, ("requires_action", "queued"): 1} == holed.moves
    assert {} == holed.dwell


def test_gaps_are_no_moves_unless_recorded():
    """
    Of polls, what legal moves lie between is left out; what was recorded as one move stays.
    """
    recorded = Observation("completed", "run_3", 105.0, source="queued")
    polls = [
        *seen("queued", "completed", "queued"),
        *seen("queued", "completed", run_id="run_2"),
        recorded,
    ]
    survey = histories.survey(polls, observed="polled")
    made = overlay_of(survey, RUN, observed="polled")

    assert {("queued", "completed"): 3, ("completed", "queued"): 1} == survey.moves
    assert {("queued", "completed"): 1, ("completed", "queued"): 1} == made.counts
    assert {("completed", "queued")} == {*made.dwell}
    assert survey.moves == overlay_of(survey, RUN).counts
    assert survey.dwell == overlay_of(survey, RUN).dwell


def test_in_no_order_only_what_was_recorded_is_a_move():
    """
    Without an order nothing follows anything, and a run that was seen to end has ended.
    """
    survey = histories.survey(
        [
            *seen("completed", "queued", "in_progress"),
            *seen("in_progress", "queued", run_id="run_2"),
            Observation("in_progress", "run_3", source="queued"),
        ],
        observed="unordered",
    )

    assert {("queued", "in_progress"): 1} == survey.moves == survey.recorded
    assert {} == survey.dwell
    assert {"completed": 1, "queued": 1, "in_progress": 1} == survey.ends


def test_findings_are_counted_beyond_those_kept():
    """
    All findings are counted, those among the records too; the first ones are kept.
    """
    unread = Finding("RS901", "error", "no JSON", file="log", line=1)
    late = Finding("RS301", "warning", "late")
    survey = histories.survey([unread, late, *seen("queued", "completed", "failed")], limit=2)

    assert (unread, late) == survey.findings
    assert {"RS901": 1, "RS301": 1, "RS103": 1, "RS105": 1} == survey.tally
    assert 3 == survey.errors


def test_timelines_of_runs_with_findings_come_first():
    """
    Of the runs kept, half are for findings, in the order of those; the others are any.
    """
    runs = [seen("queued", "in_progress", run_id=f"run_{n}") for n in range(9)]
    wrong = [seen("queued", "completed", run_id=f"bad_{n}") for n in range(5)]
    history = [each for run in (*runs, *wrong) for each in run]
    survey = histories.survey(history, samples=6)

    assert ["bad_0", "bad_1", "bad_2"] == list(survey.timelines)[:3]
    assert 6 == len(survey.timelines)
    for run_id, line in survey.timelines.items():
        assert tuple(each for each in history if each.run_id == run_id) == line
    assert survey.timelines == histories.survey(history, samples=6).timelines
    assert {} == histories.survey(history).timelines


def test_a_timeline_is_bounded():
    """
    A status that goes on takes two places, and a run 500 at most.
    """
    long = seen(*["queued"] * 50, *["in_progress", "requires_action", "queued"] * 200)
    survey = histories.survey(long, samples=1)

    assert [long[0], long[49], *long[50:548]] == list(survey.timelines["run_1"])


def test_snapshots_are_kept_without_their_fields():
    """
    What is kept of a run is its statuses and times, and none of its contents.
    """
    snapshot = Observation("queued", "run_1", 1.0, {"instructions": "secret"})
    survey = histories.survey([snapshot], samples=1)

    assert (Observation("queued", "run_1", 1.0),) == survey.timelines["run_1"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (2e-6, "2 µs"),
        (0.00034, "340 µs"),
        (0.34, "340 ms"),
        (1.234, "1.2 s"),
        (9.96, "10 s"),
        (99, "99 s"),
        (270, "4.5 min"),
        (5_999, "100 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
        (8.64e9, "100,000 d"),
    ],
)
def test_durations_are_said_in_two_digits_or_three(seconds, said):
    """
    A duration is told in the unit that people would use.
    """
    move = ("queued", "in_progress")
    overlay = Overlay(counts={move: 1}, dwell={move: Dwell(1, seconds, seconds, {})})

    assert f", {said} at p95, {said} at most" in draw(RUN, "svg", overlay).decode()
