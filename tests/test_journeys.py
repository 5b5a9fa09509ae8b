"""
Whole runs, counted: when they begin and end, by which ways, and which are still open.
"""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstate import RUN, Lifecycle, Observation, Transition, histories
from runstate.frames import survey_files
from runstate.histories import OpenRun

DAY = 86_400
START = 1_790_000_000.0


def run(*statuses, run_id="run_1", begins=START, step=1.0):
    """
    Return what was seen of a run, *step* seconds apart.
    """
    return [Observation(s, run_id, begins + n * step) for n, s in enumerate(statuses)]


def journeys_of(history, **options):
    """
    Return the whole runs of *history*, in the order of time.
    """
    in_time = sorted(history, key=lambda each: each.at)

    return histories.survey(in_time, samples=10, **options).journeys


HISTORY = [
    *run("queued", "in_progress", "completed"),
    *run("queued", "in_progress", "completed", run_id="run_2", begins=START + 3 * DAY, step=10),
    *run("queued", "in_progress", run_id="run_3", begins=START + DAY),
    *run("queued", run_id="run_4", begins=START + 2 * DAY),
    *run("queued", "completed", "failed", run_id="run_5", begins=START + 2 * DAY),
]


def test_what_begins_and_what_ends_is_counted_by_period():
    """
    Every run begins in one period; those that have ended end in one, by their last status.
    """
    counted = journeys_of(HISTORY)

    assert 5 == sum(counted.begun.values())
    assert {"completed": 2, "failed": 1} == {s: sum(n.values()) for s, n in counted.ended.items()}
    assert 3_600 == counted.period
    assert {START // 3_600, (START + 3 * DAY) // 3_600} == {*counted.ended["completed"]}


def test_findings_are_counted_when_their_runs_went_wrong():
    """
    Both findings of a run are of the time at which it first went wrong.
    """
    counted = journeys_of(HISTORY)
    period = (START + 2 * DAY) // 3_600

    assert {"RS103": {period: 1}, "RS105": {period: 1}} == counted.found


def test_what_is_open_is_listed_the_longest_unchanged_first():
    """
    A run is open as long as its last status is not terminal.
    """
    assert (
        OpenRun("run_3", "in_progress", START + DAY + 1),
        OpenRun("run_4", "queued", START + 2 * DAY),
    ) == journeys_of(HISTORY).open


def test_ways_are_counted_with_their_durations():
    """
    The commonest way comes first; a way of runs that are open has no duration.
    """
    first, *others = journeys_of(HISTORY).variants

    assert (("queued", "in_progress", "completed"), 2) == first[:2]
    assert (2, 22.0, 20.0) == first.lasted[:3]
    assert [("queued",), ("queued", "completed", "failed"), ("queued", "in_progress")] == [
        each.statuses for each in others
    ]
    assert [None, 1, None] == [each.lasted and each.lasted.times for each in others]
    assert 5 == journeys_of(HISTORY).followed


def test_a_status_that_goes_on_is_one_step():
    """
    Polls that see a status again add nothing, and a run is unchanged since the first of them.
    """
    counted = journeys_of(run("queued", "queued", "in_progress", "in_progress"), observed="polled")

    assert [("queued", "in_progress")] == [each.statuses for each in counted.variants]
    assert (OpenRun("run_1", "in_progress", START + 2),) == counted.open


def test_what_has_no_order_and_what_has_no_time_has_no_journeys():
    """
    Without an order there is no way, without times no period, and without samples nobody asks.
    """
    timeless = [each._replace(at=None) for each in HISTORY]

    assert journeys_of(HISTORY, observed="unordered") is None
    assert histories.survey(timeless, samples=10).journeys is None
    assert histories.survey(HISTORY).journeys is None


def test_runs_without_times_are_counted_without_them():
    """
    In a log with times, a run without any has a way, and neither a beginning nor a duration.
    """
    timeless = [Observation("queued", "run_0"), Observation("failed", "run_0")]
    counted = histories.survey([*timeless, *run("queued")], samples=10).journeys

    assert (1, {}, {}) == (sum(counted.begun.values()), counted.ended, counted.lasted)
    assert [(("queued",), 1, None), (("queued", "failed"), 1, None)] == [
        tuple(each) for each in counted.variants
    ]


def test_ways_are_bounded():
    """
    A run whose way has more than 20,000 steps is counted without it, and so are others with new ones.
    """
    endless = run(*["queued", "in_progress", "requires_action"] * 7_000, "queued", run_id="long")
    late = run("in_progress", "failed", run_id="late", begins=endless[-1].at + 1)
    counted = histories.survey([*HISTORY, *endless, *late], samples=10).journeys

    assert 7 == sum(counted.begun.values())
    assert 5 == sum(each.runs for each in counted.variants)
    assert 4 == sum(each.times for each in counted.lasted.values())


def test_times_of_findings_are_bounded():
    """
    More than 50,000 seconds are not told apart, but the hours they are in; none is lost.
    """
    times = [*(START + n for n in range(50_001)), None, float("inf")]
    wrong = [Observation("completed", f"run_{n}", at) for n, at in enumerate(times)]
    counted = histories.survey(wrong, samples=10, limit=0).journeys
    (found,) = counted.found.values()

    assert 900 == counted.period
    assert (15, 50_001) == (len(found), sum(found.values()))


@settings(max_examples=30)
@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_periods_are_few(one, other):
    """
    From a second to centuries, a log has at most 130 periods, and no fewer than it needs.
    """
    began, ended = sorted((one, other))
    both = [*run("queued", begins=began), *run("queued", run_id="run_2", begins=ended)]
    period = histories.survey(both, samples=10).journeys.period

    assert 1 <= ended // period - began // period + 1 <= 130
    assert period == 1 or ended - began > 12 * period


@pytest.mark.parametrize("observed", ["complete", "polled"])
@pytest.mark.parametrize("seed", range(3))
def test_a_database_counts_what_one_pass_counts(tmp_path, observed, seed):
    """
    DuckDB's counts of whole runs are those of the interpreter, runs with findings included.
    """
    import random

    dice = random.Random(seed)  # noqa: S311
    names = [*map(str, RUN.statuses)]
    rows = []
    for n in range(120):
        way = ["queued", "in_progress", *dice.sample(names, dice.randint(0, 3))]
        at = START + dice.randint(0, 20 * DAY)
        rows += [(at + 7 * k + n / 1_000, f"run_{n}", s) for k, s in enumerate(way)]
    rows.sort()
    kept = [row for at, row in enumerate(rows) if not at or rows[at - 1][1:] != row[1:]]
    path = Path(tmp_path, "log.csv")
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("at", "run_id", "status"), *kept])
    one_pass = histories.survey(
        [Observation(s, r, at, file="log.csv") for at, r, s in kept], observed=observed, samples=400
    ).journeys
    database = survey_files(path, observed=observed, samples=400, measured=True).journeys

    for part in ("period", "begun", "ended", "lasted", "variants", "open", "followed"):
        assert getattr(one_pass, part) == getattr(database, part), part


def test_an_endless_lifecycle_has_only_open_runs(tmp_path):
    """
    Where no status is terminal nothing ends, in either engine.
    """
    lamp = Lifecycle(
        "lamp", (Transition("on", "off", "on"), Transition("off", "on", "off")), "off", {}
    )
    path = Path(tmp_path, "log.csv")
    path.write_text("run_id,status,at\na,off,2026-01-01T00:00:00Z\na,on,2026-01-01T00:00:01Z\n")
    counted = survey_files(path, lamp, samples=5, measured=True).journeys

    assert {} == counted.ended
    assert [("a", "on")] == [each[:2] for each in counted.open]


def test_a_run_that_is_asked_for_is_kept(tmp_path):
    """
    In a log of many, the timeline of any run is kept if it is named; in either engine.
    """
    path = Path(tmp_path, "log.csv")
    rows = [
        (f"run_{n}", s, START + n + k)
        for n in range(60)
        for k, s in enumerate(("queued", "failed"))
    ]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("run_id", "status", "at"), *rows])
    seen = [Observation(s, r, at) for r, s, at in rows]
    asked_for = ["run_17", "it's not there", "run_58"]
    one_pass = histories.survey(seen, samples=4, keep=asked_for).timelines
    database = survey_files(path, samples=4, keep=asked_for).timelines

    for kept in (one_pass, database):
        assert ["run_17", "run_58"] == [run_id for run_id in kept if run_id in asked_for]
        assert ["queued", "failed"] == [each.status for each in kept["run_58"]]
        assert len(kept) <= 6
