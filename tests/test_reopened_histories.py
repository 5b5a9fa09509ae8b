# ruff: noqa: F811  a fixture is imported
"""
Observations after an end: a new attempt, a late writer, or what nobody can tell.
"""

import io
import json
from itertools import permutations, product
from pathlib import Path

import pytest

from runstate import Lifecycle, Monitor, Observation, Shape, Transition, check
from runstate.diagrams import draw
from runstate.histories import survey
from runstate.presets import PRESETS
from runstate.readers import read
from runstate.report import render_report
from test_cli import command  # noqa: F401  a fixture

JOB = Lifecycle(
    "job",
    (
        Transition("start", "queued", "running"),
        Transition("finish", "running", "done"),
        Transition("fail", "running", "failed"),
        Transition("retry", ["failed", "done"], "queued", reopens=True),
    ),
    "queued",
    {"done": "success", "failed": "failure"},
)
NO_RETRY = Lifecycle(JOB.name, JOB.transitions, JOB.initial, JOB.terminal)


def seen(*rows):
    """
    Return observations of one run, a second apart: a status, or a status and its attempt.
    """
    pairs = [row if isinstance(row, tuple) else (row, None) for row in rows]
    return [
        Observation(status, "j", float(at), attempt=attempt)
        for at, (status, attempt) in enumerate(pairs)
    ]


def codes(history, lifecycle=JOB, observed="complete", **more):
    """
    Return the codes of the findings, and how often the run was reopened.
    """
    report = check(history, lifecycle, observed=observed, **more)
    return [finding.code for finding in report.findings], report.reopened


@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_a_larger_attempt_is_a_reopening(observed):
    """
    It is legal, and counted.
    """
    history = seen(
        ("queued", 1), ("running", 1), ("failed", 1), ("queued", 2), ("running", 2), ("done", 2)
    )

    assert ([], 1) == codes(history, observed=observed)


SHAPED = Lifecycle(
    JOB.name,
    JOB.transitions,
    JOB.initial,
    JOB.terminal,
    reopenings=JOB.reopenings,
    shapes=[
        Shape(about="lags", id="job", status="is", attempt="try", attempt_lags=True),
        Shape(id="job", status="is", attempt="try"),
    ],
)


def plain(status, attempt):
    """
    Return a record with the number of its attempt.
    """
    return {"job": "j", "is": status, "try": attempt}


def lagging(status, attempt):
    """
    Return a record whose number may be that of the attempt before.
    """
    return {**plain(status, attempt), "lags": True}


def records(*rows):
    """
    Return what is read of *rows*.
    """
    text = "".join(json.dumps(row) + "\n" for row in rows)

    return [each._replace(line=None) for each in read(io.BytesIO(text.encode()), lifecycle=SHAPED)]


def test_an_attempt_that_lags_is_evidence_only_where_it_is_larger():
    """
    The number of the attempt before shows neither a new attempt nor a late writer.
    """
    ended = [lagging("queued", 1), plain("running", 1), plain("failed", 1)]
    rerun = [plain("running", 2), plain("done", 2)]

    assert ([], 1) == codes(records(*ended, lagging("queued", 2), *rerun))
    assert (["RS109"], 0) == codes(records(*ended, lagging("queued", 1), *rerun))
    assert (["RS105"], 0) == codes(records(*ended, plain("queued", 1), *rerun))


def test_attempts_may_begin_at_zero():
    """
    Where the first attempt is number 0, number 1 is a new one.
    """
    assert ([], 1) == codes(seen(("queued", 0), ("running", 0), ("failed", 0), ("queued", 1)))


def test_a_recorded_move_that_names_the_trigger_is_a_reopening():
    """
    Whatever the attempt says, since a row of the table was fired.
    """
    moves = [
        ("queued", "running", "start"),
        ("running", "failed", "fail"),
        ("failed", "queued", "retry"),
    ]
    history = [Observation(to, "j", source=of, trigger=by, attempt=1) for of, to, by in moves]

    assert ([], 1) == codes(history)
    assert ([], 1) == codes(history, observed="polled")
    assert ([], 1) == codes(history, observed="unordered")
    assert (["RS105"], 0) == codes([*history[:2], history[2]._replace(trigger="finish")])


@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_an_attempt_that_is_not_larger_is_a_late_writer(observed):
    """
    The record of an attempt that has ended is an error.
    """
    assert (["RS105"], 0) == codes(seen(("queued", 1), ("running", 1), ("failed", 1), ("queued", 1)),
                                   observed=observed)  # fmt: skip
    assert (["RS105"], 0) == codes(
        seen("queued", "running", "failed", ("queued", 1)), observed=observed
    )


def test_without_evidence_both_readings_are_told():
    """
    A retry by hand and a late writer look the same: a warning.
    """
    report = check(["queued", "running", "failed", "queued", "running", "done"], JOB)

    assert ["RS109"] == [finding.code for finding in report.findings]
    assert "failed -> queued: reopened (retry), or a late writer" == report.findings[0].message
    assert report.ok
    assert 0 == report.reopened
    assert (["RS109"], 0) == codes(["queued", "failed", "running"], observed="polled")


def test_two_ends_in_a_row_are_two_writers():
    """
    Whoever sees every change would have seen the run being reopened; a poller need not.
    """
    assert (["RS105"], 0) == codes(["queued", "running", "done", "failed"])
    assert (["RS109"], 0) == codes(["queued", "done", "failed"], observed="polled")
    assert (["RS105"], 0) == codes(["queued", "running", "done", "failed"], NO_RETRY)
    assert ([], 1) == codes(seen("queued", "running", ("done", 1), ("failed", 2)))


def test_a_poller_that_missed_the_end_learns_of_it_from_the_attempt():
    """
    Running, then queued under a larger attempt: it has failed in between.
    """
    assert ([], 1) == codes(seen(("running", 1), ("queued", 2)), observed="polled")
    assert (["RS104"], 0) == codes(seen(("running", 1), ("queued", 1)), observed="polled")
    assert (["RS103"], 0) == codes(seen(("queued", 1), ("running", 1), ("queued", 2)))


def test_a_record_of_an_earlier_attempt_is_a_late_writer():
    """
    The table would allow running -> failed; the attempt does not. The run goes on as it was.
    """
    late = seen(("queued", 1), ("failed", 1), ("running", 2), ("failed", 1), ("done", 2))
    report = check(late, JOB, observed="polled")

    assert [("RS105", 4)] == [(finding.code, finding.line) for finding in report.findings]
    assert "failed of attempt 1 after attempt 2 began: a late writer" == report.findings[0].message


def test_after_a_reopening_the_run_is_under_way_again():
    """
    A history that ends there has not ended.
    """
    monitor = Monitor(JOB)
    for each in seen(("queued", 1), ("running", 1), ("failed", 1), ("queued", 2)):
        assert [] == monitor.observe(each)

    assert ["RS107"] == [finding.code for finding in monitor.finish(finished=True)]


def test_outcomes_of_several_attempts_belong_to_one_run():
    """
    In no order, statuses of one attempt must fit together, those of several need not.
    """
    history = seen(("done", 2), ("failed", 1), ("queued", 1))

    assert ([], 0) == codes(history, observed="unordered")
    assert (["RS106"], 0) == codes(seen(("done", 1), ("failed", 1)), observed="unordered")
    assert (["RS106"], 0) == codes(seen("done", "failed"), observed="unordered")


ROWS = (("queued", 1), ("running", 1), ("failed", 1), ("queued", 2), ("running", 2))


@pytest.mark.parametrize("order", [*permutations(range(5))][::7])
def test_at_one_time_an_earlier_attempt_comes_first(order):
    """
    Coarse times leave the order open, and the attempts close it.
    """
    rows = [Observation(ROWS[place][0], "j", 5.0, attempt=ROWS[place][1]) for place in order]

    assert ([], 1) == codes(rows)
    assert ([], 1) == codes(rows, observed="polled")


def test_a_set_is_put_in_order_by_a_row_that_reopens():
    """
    Without attempts, an order that needs no reopening goes before one that does.
    """
    at = [(1.0, "queued"), (2.0, "running"), (3.0, "failed"), (4.0, "running"), (4.0, "queued")]
    rows = [Observation(status, "j", time) for time, status in at]
    tied = [Observation(status, "j", 1.0) for status in ("done", "running", "queued")]

    assert (["RS109"], 0) == codes(rows)
    assert ([], 0) == codes(tied)


def test_a_record_that_names_another_trigger_was_not_reopened():
    """
    It says what was fired, and that is no row that reopens.
    """
    history = [Observation("failed", "j"), Observation("queued", "j", source="failed", trigger="start")]  # fmt: skip

    assert (["RS105"], 0) == codes(history, observed="polled")
    assert (["RS109"], 0) == codes([history[0], history[1]._replace(trigger=None)], observed="polled")  # fmt: skip


@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_the_same_end_under_a_larger_attempt_is_a_reopening(observed):
    """
    Nobody saw the attempt begin, and it ended as the one before.
    """
    assert ([], 1) == codes(seen(("queued", 1), ("running", 1), ("done", 1), ("done", 2), ("done", 2)),
                            observed=observed)  # fmt: skip


def test_reopenings_without_evidence_can_be_allowed():
    """
    They are counted then; two ends in a row, and an attempt that stayed, are errors as before.
    """
    again = ["queued", "running", "failed", "queued", "running", "done"]

    assert ([], 1) == codes(again, allow_reopen=True)
    assert ([], 1) == codes(["failed", "running"], observed="polled", allow_reopen=True)
    assert (["RS105"], 0) == codes(["queued", "running", "done", "failed"], allow_reopen=True)
    assert (["RS105"], 0) == codes(seen(("failed", 1), ("queued", 1)), observed="polled",
                                   allow_reopen=True)  # fmt: skip
    assert (["RS105"], 0) == codes(["done", "queued"], NO_RETRY, "polled", allow_reopen=True)


def test_without_rows_that_reopen_the_attempt_says_nothing():
    """
    Deliveries are counted by many systems; only a row that reopens gives the number a meaning.
    """
    assert ([], 0) == codes(seen(("queued", 2), ("running", 1), ("done", 3)), NO_RETRY)


def test_the_end_of_an_earlier_attempt_may_be_delivered_again():
    """
    Its number was there before: the run has gone on since, and ended once more.
    """
    moves = [("queued", "running"), ("running", "failed"), ("failed", "queued"),
             ("queued", "running"), ("running", "done")]  # fmt: skip
    history = [
        Observation(to, "j", source=of, seq=seq, attempt=1 if seq < 3 else 2)
        for seq, (of, to) in enumerate(moves, 1)
    ]

    assert ([], 1) == codes([*history, history[1]])


def test_in_no_order_a_trigger_parts_what_was_seen():
    """
    Which status belongs to which attempt is not known then, and both ends are legal.
    """
    retried = Observation("queued", "j", source="failed", trigger="retry")

    assert ([], 1) == codes([retried, *seen("done", "failed")], observed="unordered")


def brute(history, lifecycle):
    """
    Judge each pair of statuses of a polled run with attempts by walking the table.
    """
    again = {(row.source, row.target) for row in lifecycle.reopenings}
    rows = {(row.source, row.target) for row in lifecycle}

    def reach(start, *, times):
        found, queue = {(start, 0)}, [(start, 0)]
        for status, used in queue:
            for source, target in rows | again:
                more = used + ((source, target) in again)
                if source == status and more <= times and (target, more) not in found:
                    found.add((target, more))
                    queue.append((target, more))
        return found

    (before, first), (after, second) = history
    if second < first:
        return "RS105"
    plainly = (after, 0) in reach(before, times=0)
    if plainly or (second > first and any((after, n) in reach(before, times=3) for n in (1, 2, 3))):
        return None
    return "RS105" if before in lifecycle.terminal else "RS104"


def test_every_pair_of_statuses_and_attempts_is_judged_as_the_table_says():
    """
    Against a judge that walks the rows one by one.
    """
    for history in product(product(JOB.statuses, (1, 2)), repeat=2):
        expected = brute(history, JOB)
        found, _ = codes(seen(*history), observed="polled")

        assert ([] if expected is None else [expected]) == found, history


def test_a_wrong_attempt_is_refused():
    """
    It is a whole number, or nothing.
    """
    with pytest.raises(TypeError, match=r"attempt must be a whole number, not str"):
        Monitor(JOB).observe(Observation("queued", attempt="2"))


def summary_of(command, history):
    """
    Return what ``check --summary`` prints of *history*.
    """
    Path("job.json").write_bytes(draw(JOB, "json"))
    rows = [f"j,{each.status},{each.attempt}\n" for each in history]
    Path("log.csv").write_text("run_id,status,attempt\n" + "".join(rows))

    return command("check", "log.csv", "--lifecycle", "job.json", "--summary").text


def test_a_row_that_reopens_is_no_illegal_move_in_a_summary_or_a_page(command):
    """
    It is named by its trigger, wherever moves are shown.
    """
    history = seen(("queued", 1), ("running", 1), ("failed", 1), ("queued", 2))
    counted = survey(history, JOB, samples=1)
    printed = summary_of(command, history)
    illegal = render_report(survey(["done", "failed"], JOB), JOB).count(b"llegal")

    assert ["retry"] == [row.trigger for row in JOB.ways("failed", "queued")]
    assert () == JOB.ways("done", "failed")
    assert "retry" in printed
    assert "illegal" not in printed
    assert render_report(counted, JOB).count(b"llegal") < illegal


# -- a snapshot of each attempt --------------------------------------------------


def tries(*ends, first=1):
    """
    Return one snapshot of each attempt, as lists of tries have them.
    """
    return [
        Observation(status, "j", attempt=number, fields={"status": status})
        for number, status in enumerate(ends, first)
    ]


@pytest.mark.parametrize(
    "preset", [name for name in PRESETS if PRESETS[name].reopenings and PRESETS[name].terminal]
)
def test_a_list_of_tries_is_no_history_of_any_of_them(preset):
    """
    One row for each attempt, in whatever status after an end: only the attempts are compared.
    """
    lifecycle = PRESETS[preset]
    pairs = [pair for pair in sorted(lifecycle.seen_reopened) if lifecycle.is_terminal(pair[0])]
    assert pairs
    for before, after in pairs:
        history = tries(before, after)

        assert ([], 1) == codes(history, lifecycle), (before, after)
        assert codes(history, lifecycle, "polled") == codes(history, lifecycle)


def test_the_second_record_of_an_attempt_tells_that_the_beginning_is_missing():
    """
    Of the attempt before, only its end was seen: the head of the history is missing.
    """
    failed = tries("failed", "failed")
    later = [*failed, failed[1]._replace(status="done")]

    assert ([], 1) == codes(failed, JOB)
    assert (["RS102", "RS105"], 1) == codes(later, JOB)
    assert (["RS102", "RS105"], 0) == codes([failed[0], failed[0]._replace(status="done")], JOB)
    assert (["RS105"], 0) == codes([failed[1], failed[0]], JOB)


def test_stamps_of_an_attempt_are_its_own():
    """
    Each attempt begins and ends at times of its own; within one, a stamp stays.
    """
    airflow = PRESETS["airflow-task-instance"]

    def ended(at, attempt):
        fields = {"state": "failed", "start_date": at, "end_date": at + 5}
        return Observation("failed", "j", attempt=attempt, fields=fields)

    assert ([], 2) == codes([ended(10, 1), ended(20, 2), ended(30, 3)], airflow)
    assert "RS208" in codes([ended(10, 1), ended(20, 1)], airflow)[0]


def test_between_two_attempts_no_move_was_seen(command):
    """
    What follows the end of the attempt before is no illegal move; within one attempt it is.
    """
    listed = survey(tries("failed", "done"), JOB, samples=1)
    within = tries("failed", "done", first=2)[:1] + tries("done", first=2)
    late = survey(within, JOB)

    assert {} == dict(listed.moves)
    assert "illegal" not in summary_of(command, tries("failed", "done"))
    assert "illegal" in summary_of(command, within)
    assert {("failed", "done"): 1} == dict(late.moves)
