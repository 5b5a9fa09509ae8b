"""
The order in which the observations of a run are judged: by number, else by time, else by place.
"""

import io
import json
import sys
from itertools import groupby, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstate import RUN, Monitor, Observation, check, histories
from runstate.cli import main
from runstate.histories import _passes

BORN = 1_700_000_000
ORDER_RULES = {"RS102", "RS103", "RS104", "RS105"}


def at(second, status, source=None, **more):
    """
    Return an observation of the run r, *second* seconds after a fixed time.
    """
    return Observation(status, "r", BORN + second, source=source, **more)


def codes(report):
    """
    Return the codes of the findings.
    """
    return [finding.code for finding in report.findings]


def legal_in_this_order(rows, observed):
    """
    Return whether *rows* have no finding about transitions, judged as they come.
    """
    monitor = Monitor(observed=observed)
    found = [finding for row in rows for finding in monitor.observe(row._replace(at=None))]
    return ORDER_RULES.isdisjoint(finding.code for finding in found)


def some_order_is_legal(rows, observed):
    """
    Return whether any order of the rows that times leave open is legal, by trying each.
    """
    by_time = sorted(rows, key=lambda row: row.at)
    sets = [[*group] for _, group in groupby(by_time, key=lambda row: row.at)]
    return any(
        legal_in_this_order([row for part in parts for row in part], observed)
        for parts in product(*map(permutations, sets))
    )


small = st.sampled_from(["queued", "in_progress", "requires_action", "completed", "cancelled"])
coarse = st.lists(st.builds(at, st.integers(0, 2), small), min_size=1, max_size=6)
WALK = ["queued", "in_progress", "requires_action", "queued", "in_progress", "completed"]


@given(rows=coarse, observed=st.sampled_from(["complete", "polled"]))
@settings(max_examples=400, deadline=None)
def test_rows_at_one_time_are_legal_if_some_order_is(rows, observed):
    """
    A history has a finding about its transitions exactly if every order of its ties has one.
    """
    found = codes(check(rows, observed=observed))

    assert some_order_is_legal(rows, observed) == ORDER_RULES.isdisjoint(found)


@given(
    moves=st.lists(
        st.sampled_from([(str(row.source), str(row.target)) for row in RUN]), min_size=1, max_size=5
    ),
    observed=st.sampled_from(["complete", "polled"]),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_recorded_moves_at_one_time_are_chained(moves, observed, data):
    """
    From/to records are put into an order in which each begins where the one before it ended.
    """
    times = data.draw(st.lists(st.integers(0, 1), min_size=len(moves), max_size=len(moves)))
    # Repeats are dropped: a recorded move delivered twice is one.
    distinct = dict.fromkeys(zip(times, moves, strict=True))
    rows = [at(second, target, source) for second, (source, target) in distinct]
    found = codes(check(rows, observed=observed))

    assert some_order_is_legal(rows, observed) == ORDER_RULES.isdisjoint(found)


@given(
    seconds=st.lists(st.integers(0, 3), min_size=6, max_size=6).map(sorted),
    places=st.permutations(range(6)),
    recorded=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_legal_run_is_legal_however_its_rows_are_shuffled(seconds, places, recorded):
    """
    With its times, a run that was legal stays legal in any order of rows, and at any resolution.
    """
    sources = [None, *WALK] if recorded else [None] * 7
    rows = [at(*row) for row in zip(seconds, WALK, sources, strict=False)]

    assert {"RS108"} >= set(codes(check([rows[place] for place in places])))


@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_a_set_without_a_legal_order_is_one_finding(observed):
    """
    It names the set, stands on its first row in table order, and nothing follows from it.
    """
    rows = [
        at(0, "queued"),
        at(1, "in_progress"),
        at(2, "failed"),
        at(2, "completed"),
        at(2, "completed"),
    ]
    (finding,) = check(rows, observed=observed).findings

    assert ("RS105", 3) == (finding.code, finding.line)
    assert "after in_progress: failed, completed at one time: no order of them is legal" == (
        finding.message
    )


def test_what_follows_decides_about_a_set():
    """
    An order that is legal by itself, and leads nowhere, is not taken.
    """
    rows = [at(0, "queued"), at(1, "cancelling"), at(1, "in_progress"), at(2, "cancelled")]
    looped = [at(0, "queued"), at(1, "in_progress"), at(1, "requires_action"), at(1, "queued")]

    assert [] == codes(check(rows))
    assert [] == codes(check([*looped, at(2, "in_progress"), at(3, "completed")]))
    assert ["RS103"] == codes(check([*looped, at(2, "completed")]))


def test_position_decides_where_there_is_no_time():
    """
    Rows without times keep their places; a row without a time stays behind the one before it.
    """
    timeless = [Observation(status, "r") for status in ("queued", "completed", "in_progress")]
    half = [at(5, "completed"), at(0, "queued"), Observation("in_progress", "r")]

    assert ["RS103", "RS105"] == codes(check(timeless))
    assert ["RS108"] == codes(check(half))


def test_a_number_overrides_time():
    """
    Numbered rows are judged by number, and a clock that contradicts the numbers is a warning.
    """
    rows = [at(5, "in_progress", "queued", seq=2), at(9, "queued", seq=1)]

    assert ["RS108"] == codes(check(rows))


def test_a_live_monitor_judges_in_the_order_of_arrival():
    """
    It holds no rows, so an earlier row that arrives late is judged when it arrives.
    """
    monitor = Monitor()
    rows = [at(1, "in_progress"), at(0, "queued")]
    found = [finding.code for row in rows for finding in monitor.observe(row)]

    assert ["RS102", "RS108", "RS103"] == found
    assert {"r"} == monitor.contradicting
    assert ["RS108"] == [f.code for _, found in monitor.observe_history(rows) for f in found]
    assert frozenset() == monitor.contradicting
    assert (2, 1) == (monitor.observations, monitor.runs)


def test_tied_rows_are_counted():
    """
    Rows that share run and time are counted, whether something is wrong with them or not.
    """
    rows = [at(0, "queued"), at(1, "in_progress"), at(1, "completed"), at(1, "completed")]

    assert 3 == check(rows).tied
    assert 3 == check(rows[::-1]).tied
    assert 0 == check([Observation("queued", "a", BORN), Observation("queued", "b", BORN)]).tied


def test_findings_come_in_the_order_of_the_history():
    """
    A run that is judged anew puts its findings where its rows stand, and leaves others alone.
    """
    bad = [Observation("queued", "a", BORN), Observation("completed", "a", BORN + 1)]
    turned = [at(5, "completed"), at(0, "queued")]
    found = check([bad[0], turned[0], bad[1], turned[1]]).findings

    assert [("RS103", "r", 2), ("RS103", "a", 3), ("RS108", "r", 4)] == [
        (finding.code, finding.run_id, finding.line) for finding in found
    ]


def test_many_findings_and_rows_are_held_in_bounded_memory(monkeypatch):
    """
    Findings that wait go to a file, and runs that do not fit are judged in a further pass.
    """
    rows = [
        Observation(status, run, BORN + second)
        for run in "abcdef"
        for second, status in ((3, "failed"), (1, "queued"), (2, "completed"))
    ]
    plain = check(rows)
    monkeypatch.setattr(_passes, "MOST_HELD", 2)
    monkeypatch.setattr(_passes, "MOST_COLLECTED", 7)

    assert plain == check(rows) == check(iter(rows))
    assert 18 == len(plain.findings)


def test_a_hostile_set_is_judged_in_bounded_time():
    """
    A set of every status many times over is judged, without trying all orders.
    """
    rows = [at(0, status) for status in RUN.statuses * 20]

    assert 1 == len(codes(check(rows)))
    assert 180 == len([*Monitor().observe_history(rows)])


# -- on the command line ------------------------------------------------------


LATER_FIRST = b"""\
{"id": "r", "status": "in_progress", "at": 1790000005}
{"id": "r", "status": "queued", "at": 1790000000}
"""
TIED = b"""\
id,status,at
r,queued,1790000000
r,completed,1790000001
r,in_progress,1790000001
"""


@pytest.fixture
def ran(monkeypatch, capsys):
    """
    Run the command ``check``, and return its exit status and what it printed.
    """

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["runstate", "check", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, capsys.readouterr().out

    return run


def test_a_file_is_judged_by_time_and_its_places_if_asked_for(ran, tmp_path):
    """
    The order of time holds unless --order file is given; both say that the places contradict it.
    """
    path = tmp_path / "turned.jsonl"
    path.write_bytes(LATER_FIRST)
    by_time, by_place = ran(path), ran(path, "--order", "file")

    assert (0, 1) == (by_time[0], by_time[1].count("RS108"))
    assert (1, 1, 1, 1) == (by_place[0], *(by_place[1].count(f"RS10{n}") for n in (2, 3, 8)))


def test_standard_input_is_judged_as_the_file_is(ran, tmp_path):
    """
    Standard input is kept until the end, so that runs out of order can be read again.
    """
    path = tmp_path / "turned.jsonl"
    path.write_bytes(LATER_FIRST)
    status, text = ran(path)

    assert (status, text.replace(str(path), "<stdin>")) == ran("-", stdin=LATER_FIRST)


def test_the_summary_counts_tied_rows(ran):
    """
    Coarse times hide faults, so the summary says how many rows they leave the order of open.
    """
    status, text = ran("-", stdin=TIED)
    counts = json.loads(ran("-", "--output", "json", stdin=TIED)[1])

    assert (0, "1 run, 3 observations: nothing wrong (2 rows tied: one run, one time)\n") == (
        status,
        text,
    )
    assert 2 == counts["tied"]


def test_tables_count_moves_in_the_order_that_was_judged():
    """
    What --summary and the page count of a run is what was judged of it.
    """
    rows = [at(5, "in_progress"), at(0, "queued"), at(9, "completed")]
    survey = histories.survey(rows, samples=1)

    assert {("queued", "in_progress"): 1, ("in_progress", "completed"): 1} == survey.moves
    assert [5, 4] == [survey.dwell[pair].longest for pair in survey.moves]
    assert ["queued", "in_progress", "completed"] == [row.status for row in survey.timelines["r"]]


def test_a_list_of_runs_says_that_nothing_was_compared(ran):
    """
    Where each run was seen once, no transition was compared, and the summary says so.
    """
    status, text = ran("-", stdin=b"id,status\na,queued\nb,completed\n")

    assert (0, True) == (status, "no transition was compared: each run was seen once" in text)
