"""
The one counter: counters of different runs add up to that of all, however they are merged.
"""

import pickle
from itertools import groupby
from math import floor, log2
from operator import attrgetter

from hypothesis import given, settings
from hypothesis import strategies as st

from runstate import RUN, Monitor, Observation, histories
from runstate.histories._counts import Counts, Durations, Verdict, judged_alone
from runstate.histories._packed import packed, unpacked

MODELS = ("complete", "polled", "unordered")
STATUSES = (*map(str, RUN.statuses), "paused")
LIMIT, SAMPLES = 3, 4

rows = st.builds(
    Observation,
    st.sampled_from(STATUSES),
    st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]),
    st.one_of(st.none(), st.floats(0, 100)),
    fields=st.just(Observation("queued").fields),
    source=st.one_of(st.none(), st.none(), st.sampled_from(STATUSES)),
    seq=st.one_of(st.none(), st.none(), st.integers(1, 4)),
    attempt=st.one_of(st.none(), st.integers(1, 2)),
)


def histories_of(history):
    """
    The rows of each run, by the run's id.
    """
    by_run = sorted(history, key=attrgetter("run_id"))

    return [[*each] for _, each in groupby(by_run, key=attrgetter("run_id"))]


def counted(runs, observed):
    """
    Counts of *runs*, judged one after the other.
    """
    monitor, counts = Monitor(observed=observed), empty()
    for each in runs:
        place = (each[0].run_id,)
        counts.add(judged_alone(monitor, each, place, finished=True), monitor)

    return counts


def empty():
    """
    Counts of nothing that keep little.
    """
    counts = Counts(LIMIT)
    counts.timelines.most = SAMPLES

    return counts


@st.composite
def parts(draw):
    """
    A history, and its runs dealt out to parts in any order.
    """
    runs = draw(st.permutations(histories_of(draw(st.lists(rows, max_size=40)))))
    numbers = draw(st.lists(st.integers(0, 3), min_size=len(runs), max_size=len(runs)))

    return runs, [[run for run, n in zip(runs, numbers, strict=True) if n == k] for k in range(4)]


@settings(max_examples=150)
@given(parts(), st.sampled_from(MODELS), st.randoms(use_true_random=False))
def test_counters_of_parts_add_up_to_that_of_the_whole(dealt, observed, chance):
    """
    Any division of the runs, merged in any order and in any grouping, gives what one pass gives.

    The counters cross to other processes on the way.
    """
    runs, divided = dealt
    whole = counted(sorted(runs, key=lambda run: run[0].run_id), observed)
    counters = [pickle.loads(pickle.dumps(counted(part, observed))) for part in divided]
    chance.shuffle(counters)
    while len(counters) > 1:
        one = counters.pop(chance.randrange(len(counters)))
        counters[chance.randrange(len(counters))].merge(one)

    assert whole == empty().merge(counters[0])
    assert whole.survey() == counters[0].survey()


@settings(max_examples=100)
@given(st.lists(rows, max_size=30), st.sampled_from(MODELS))
def test_one_run_at_a_time_counts_what_one_pass_over_all_rows_counts(history, observed):
    """
    Judged run by run or as its rows come in order, a history has the same counts.
    """
    history = [each._replace(at=float(n), seq=None, attempt=None) for n, each in enumerate(history)]
    alone = counted(histories_of(history), observed).survey()
    streamed = histories.survey(history, observed=observed, finished=True)
    same = "runs observations undecided tally errors seen ends moves dwell began ended recorded tied reopened"

    assert {name: getattr(streamed, name) for name in same.split()} == {
        name: getattr(alone, name) for name in same.split()
    }


@given(parts(), st.sampled_from(MODELS))
def test_a_counter_crosses_as_text(dealt, observed):
    """
    Written as JSON and read again, a counter is the same.
    """
    runs, _ = dealt
    whole = counted(runs, observed)

    assert whole == unpacked(packed(whole))
    assert empty() == unpacked(packed(empty()))


@given(parts(), st.integers(0, 5))
def test_a_history_counted_several_times_is_a_multiple(dealt, times):
    """
    Many runs with the same history are counted by counting one of them so many times.
    """
    runs, _ = dealt
    one = counted(runs, "polled")
    often = Counts(0)
    for _ in range(times):
        often.merge(one)

    assert often == Counts(0).merge(one, times) or times == 0


def test_durations_are_whole_microseconds():
    """
    Sums of times do not depend on the order in which they are added.
    """
    monitor, counts = Monitor(), Counts()
    ways = [
        [Observation("queued", str(n), 0.1 * n), Observation("failed", str(n), 0.1 * n + 0.3)]
        for n in range(9)
    ]
    for way in ways:
        counts.add(judged_alone(monitor, way), monitor)

    expected = Durations(9, 2_700_000, 300_000, {1 + floor(16 * log2(300_000)): 9})
    assert {("queued", "failed"): expected} == counts.dwell
    assert 2.7 == counts.survey().dwell["queued", "failed"].total


def test_a_monitor_that_judges_runs_alone_remembers_none():
    """
    Each verdict is about its own run: what is tied, reopened or undecided in it, and no other.
    """
    monitor = Monitor(observed="polled")
    tied = judged_alone(monitor, [Observation(s, "a", 1.0) for s in ("queued", "in_progress")])
    lone = judged_alone(monitor, [Observation("queued", "b", 1.0)])

    assert (2, 0, 0) == (tied.tied, lone.tied, monitor.runs)
    assert (False, True) == (tied.undecided, lone.undecided)
    assert Verdict(None, [], []) == judged_alone(monitor, [])
    nothing = Counts()
    nothing.add(Verdict(None, [], []), monitor)
    assert (1, {}, None) == (nothing.runs, nothing.ends, nothing.survey().began)


def test_rows_without_a_status_are_observations_of_none():
    """
    A row whose status is missing or no text is a finding, and no state of its run.
    """
    monitor, counts = Monitor(), Counts()
    run = [Observation(None, "a", 1.0), Observation("", "a", 2.0), Observation("queued", "a", 3.0)]
    counts.add(judged_alone(monitor, run), monitor)

    assert {"RS902": 2} == counts.tally
    assert (3, {"queued": 1}, {"queued": 1}, 3.0) == (
        counts.observations,
        counts.seen,
        counts.ends,
        counts.began,
    )
