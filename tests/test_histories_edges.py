"""
Observations at the edges: nothing at all, no time, words that the lifecycle does not know.
"""

import pytest

from runstate import Monitor, Observation


def test_a_history_without_a_row_says_nothing():
    """
    An object of which nothing was seen is not known afterwards either.
    """
    monitor = Monitor()

    assert [] == list(monitor.observe_history([]))
    assert [] == monitor.finish(finished=True)


@pytest.mark.parametrize("status", [None, 7, ""], ids=repr)
def test_an_observation_without_a_status_is_unreadable(status):
    """
    It is told, and changes nothing of what is known about the object.
    """
    found = list(Monitor().observe(Observation(status, run_id="a")))

    assert ["RS902"] == [finding.code for finding in found]


def test_ties_with_unknown_words_are_told_by_their_rows():
    """
    Rows of one time that the table does not know are no set that could be put in order.
    """
    rows = [
        Observation("queued", run_id="a", at=1.0),
        Observation("in_progress", run_id="a", at=2.0, source="nowhere"),
        Observation("elsewhere", run_id="a", at=2.0, source="queued"),
    ]
    codes = [finding.code for _, found in Monitor().observe_history(rows) for finding in found]

    assert ["RS101", "RS101"] == codes


def test_numbered_rows_of_one_history_are_judged_by_their_numbers():
    """
    Read once more as a whole, they are judged as when they came one by one.
    """
    rows = [
        Observation("in_progress", run_id="a", source="queued", seq=2),
        Observation("queued", run_id="a", seq=1),
        Observation("failed", run_id="a", source="completed", seq=3),
    ]
    monitor = Monitor()
    codes = [finding.code for _, found in monitor.observe_history(rows) for finding in found]

    assert ["RS105", "RS103"] == codes
    assert ["queued", "in_progress", "failed"] == [
        row.status for row, _ in Monitor().observe_history(rows)
    ]


def test_a_creation_among_rows_of_one_time_comes_first():
    """
    Nothing may precede it, in whatever order the rows stand.
    """
    rows = [
        Observation("queued", run_id="a", at=1.0),
        Observation("in_progress", run_id="a", at=2.0),
        Observation("queued", run_id="a", at=2.0, trigger="create"),
    ]
    codes = [finding.code for _, found in Monitor().observe_history(rows) for finding in found]
    born = [finding.code for _, found in Monitor().observe_history(rows[1:]) for finding in found]

    assert ["RS103"] == codes
    assert [] == born


def test_a_limit_waits_for_observations_with_a_time():
    """
    Of one without, nobody can say how long it took.
    """
    monitor = Monitor(limits={"queued": 1.0})
    found = [monitor.observe(Observation("queued", run_id="a")) for _ in range(2)]

    assert [[], []] == [list(each) for each in found]
