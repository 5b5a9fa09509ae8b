"""
Histories that are made: legal ones are never flagged, broken ones always, under every table.
"""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstate import RUN, Lifecycle, Transition, check
from runstate.presets import PRESETS
from runstate.testing.strategies import (
    broken_histories,
    gapped_histories,
    legal_histories,
    legal_paths,
    shuffled_histories,
)

MODELS = ["complete", "polled", "unordered"]
LEGAL = {
    "complete": legal_histories,
    "polled": gapped_histories,
    "unordered": shuffled_histories,
}

some = settings(max_examples=12)


@pytest.fixture(params=[RUN, *(PRESETS[name] for name in PRESETS if name != RUN.name)],
                ids=lambda lifecycle: lifecycle.name)  # fmt: skip
def lifecycle(request):
    """
    Every lifecycle that comes with the package.
    """
    return request.param


@pytest.mark.parametrize("observed", MODELS)
def test_what_may_be_is_never_flagged(lifecycle, observed):
    """
    A run that keeps to its table is legal as it happened, as it was polled, and as it was delivered.
    """

    @some
    @given(LEGAL[observed](lifecycle))
    def law(history):
        assert () == check(history, lifecycle, observed=observed).findings

    law()


@pytest.mark.parametrize("observed", MODELS)
def test_what_cannot_be_is_flagged_where_it_is_and_nowhere_else(lifecycle, observed):
    """
    A history that is broken in one place has the one finding that its strategy read from the table.
    """

    @some
    @given(broken_histories(lifecycle, observed))
    def law(broken):
        found = check(broken.statuses, lifecycle, observed=broken.observed).findings
        assert [(broken.code, broken.line, broken.source, broken.target)] == [
            (finding.code, finding.line, finding.source, finding.target) for finding in found
        ]

    law()


@some
@given(legal_paths(most=7))
def test_a_path_is_rows_that_follow_each_other(path):
    """
    Each move begins where the one before it ended, and there are no more than asked for.
    """
    sources = [RUN.initial, *(row.target for row in path)]

    assert len(path) <= 7
    assert set(path) <= set(RUN)
    assert sources[:-1] == [row.source for row in path]


def seen_of(strategy, what):
    """
    Return what was made in some examples, as a set.
    """
    found = set()

    @settings(max_examples=300)
    @given(strategy)
    def look(made):
        found.update(what(made))

    look()

    return found


def test_nothing_that_may_be_is_left_out():
    """
    Among the histories of a run are all of its moves, repeats and gaps, and orders that are none.
    """
    pairs = {(row.source, row.target) for row in RUN}
    polled = seen_of(gapped_histories(), pairwise)
    orders = seen_of(shuffled_histories(), pairwise)

    assert set(RUN) == seen_of(legal_paths(), set)
    assert ("queued", "queued") in polled
    assert ("queued", "completed") in polled - pairs
    assert ("completed", "queued") in orders - polled


@pytest.mark.parametrize(
    ("observed", "codes"),
    [
        ("complete", {"RS101", "RS102", "RS103", "RS105"}),
        ("polled", {"RS101", "RS104", "RS105"}),
        ("unordered", {"RS101", "RS106"}),
    ],
)
def test_every_way_to_break_a_run_is_taken(observed, codes):
    """
    Under each model every code that bare statuses can break is made.
    """
    assert codes == seen_of(broken_histories(RUN, observed), lambda broken: {broken.code})


def test_a_table_that_can_hardly_be_broken_still_is():
    """
    A lifecycle that allows whatever is seen of it in any order only knows strange words.
    """
    row = Transition("end", "going", "ended")
    only = Lifecycle("only", (row,), "going", {"ended": "success"})

    assert {"RS101"} == seen_of(broken_histories(only, "unordered"), lambda made: {made.code})


@some
@given(st.data())
def test_the_length_is_bounded(data):
    """
    No history has more moves than asked for, but for those that lead to where it breaks.
    """
    assert len(data.draw(legal_histories(most=3))) <= 4
    assert len(data.draw(broken_histories(most=0)).statuses) <= 8
