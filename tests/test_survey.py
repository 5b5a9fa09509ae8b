"""
Counts and durations of many runs.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durations import bucket_of
from durations import dwell as lasting
from runstate import Observation, histories
from runstate.histories import Dwell, Survey


def dwell(*durations):
    """
    Return the histogram of *durations*, in whole microseconds.
    """
    return lasting(*(duration / 1e6 for duration in durations))


@given(st.lists(st.integers(0, 10**15), min_size=1), st.floats(0.01, 1))
def test_quantile_is_within_a_bucket_of_the_exact_one(durations, part):
    """
    A quantile out of the histogram is off by 2.2 % at most.
    """
    exact = sorted(durations)[max(0, -int(-part * len(durations) // 1) - 1)] / 1e6

    assert dwell(*durations).quantile(part) == pytest.approx(exact, rel=0.0225, abs=0)


def test_no_time_at_all_has_a_bucket_of_its_own():
    """
    Durations of nothing are told from those of a microsecond.
    """
    seconds = (0, 1e-6, 2e-6)
    counted = [
        histories.survey([Observation("queued", at=0), Observation("failed", at=at)]).dwell
        for at in seconds
    ]

    assert [{0: 1}, {1: 1}, {17: 1}] == [each["queued", "failed"].buckets for each in counted]
    assert 0.0 == dwell(0, 0, 5).quantile(0.5)


def test_quantile_of_everything_is_never_more_than_the_longest():
    """
    Where rounding leaves the last bucket short, the longest stands in for it.
    """
    assert 3e-6 == Dwell(2, 3e-6, 3e-6, {0: 1}).quantile(1.0)


def test_time_in_a_status_is_that_before_each_move_out_of_it():
    """
    What preceded different moves out of one status adds up.
    """
    before = {
        ("a", "b"): dwell(1_000_000),
        ("a", "c"): dwell(3_000_000, 1_000_000),
        ("b", "c"): dwell(7),
    }
    survey = Survey(2, 5, 0, (), {}, 0, {}, {}, {}, before)
    together = survey.dwell_in("a")

    assert (3, 5.0, 3.0, {bucket_of(1_000_000): 2, bucket_of(3_000_000): 1}) == together
    assert survey.dwell_in("c") is None
