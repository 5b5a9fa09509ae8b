"""
Histories against the table: every rule, every observation model, and an oracle.
"""

import os
import re
from collections import ChainMap
from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import BORN, fire, run_in
from runstate import (
    RULES,
    RUN,
    Entry,
    Finding,
    Lifecycle,
    Monitor,
    Observation,
    Report,
    RunResponse,
    Transition,
    check,
)
from runstate.readers import read
from test_lifecycle import tables

LONG = os.environ.get("RUNSTATE_LONG") == "1"

MODELS = ("complete", "polled", "unordered")


def codes(report):
    """
    The codes found, in order.
    """
    return [finding.code for finding in report.findings]


# -- the rules, each by its own example ------------------------------------------


@pytest.mark.parametrize(
    "rule", [r for r in RULES.values() if isinstance(r.example, dict)], ids=str
)
def test_every_example_breaks_its_rule_and_no_other(rule):
    """
    The documentation of a rule is true: its example yields it, and nothing else.
    """
    assert {rule.code} == set(codes(check(**rule.example)))


@pytest.mark.parametrize(
    "rule", [r for r in RULES.values() if isinstance(r.example, bytes)], ids=str
)
def test_every_unreadable_example_yields_its_rule(rule):
    """
    The same for records.
    """
    from io import BytesIO

    assert [rule.code] == [f.code for f in read(BytesIO(rule.example), name="x.jsonl")]


def test_every_rule_is_documented_and_has_its_own_code():
    """
    What, why, what to do and the evidence are there for all 23.
    """
    assert list(RULES) == sorted(RULES)
    assert 23 == len(RULES)
    for code, rule in RULES.items():
        assert code == rule.code
        assert all([rule.title, rule.what, rule.why, rule.instead, rule.evidence])
        assert rule.severity in {"error", "warning"}
        assert (rule.example is None) == (code == "RS904")


def test_a_finding_says_what_where_and_what_would_have_been_legal():
    """
    Statuses, place and the shortest legal path are in the finding.
    """
    report = check(["queued", "in_progress", "queued", "completed"])

    assert Report(
        (
            Finding(
                "RS103", "error", "in_progress -> queued: no such move", None, "in_progress", "queued",
                "shortest legal path: in_progress -require_action-> requires_action "
                "-submit_tool_outputs-> queued", None, 3,
            ),
            Finding(
                "RS103", "error", "queued -> completed: no such move", None, "queued", "completed",
                "shortest legal path: queued -start-> in_progress -complete-> completed", None, 4,
            ),
        ),
        1,
        4,
    ) == report  # fmt: skip
    assert not report.ok


@pytest.mark.parametrize(
    ("history", "observed", "expected"),
    [
        (["completed", "in_progress"], "polled",
         ("RS105", "completed -> in_progress: completed is terminal",
          "no legal path leads from completed to in_progress", "completed", "in_progress")),
        (["cancelling", "queued"], "polled",
         ("RS104", "cancelling -> queued: not reachable",
          "no legal path leads from cancelling to queued", "cancelling", "queued")),
        (["failed", "completed"], "unordered",
         ("RS106", "completed and failed cannot belong to one run",
          "neither can be reached from the other", None, "completed")),
        (["quued"], "polled", ("RS101", "unknown status 'quued'", "did you mean queued?", None, "quued")),
        (["\x1b[2J"], "complete",
         ("RS101", "unknown status '\\x1b[2J'", f"known: {', '.join(RUN.statuses)}", None, "\x1b[2J")),
        (["failed"], "complete",
         ("RS102", "begins in failed", "a run begins in queued; is the head missing? then: polled",
          None, "failed")),
    ],
)  # fmt: skip
def test_each_rule_about_statuses_says_what_it_means(history, observed, expected):
    """
    Code, message, hint, source and target of the rules about statuses.
    """
    (finding,) = check(history, observed=observed).findings

    assert expected == (finding.code, finding.message, finding.hint, finding.source, finding.target)
    assert finding.severity == "error"
    assert finding.line == len(history)


def test_repeats_are_nothing():
    """
    Whoever polls sees the same status again, and nobody minds.
    """
    history = ["queued", "queued", "in_progress", "in_progress", "completed", "completed"]

    for observed in MODELS:
        assert () == check(history, observed=observed).findings


def test_an_unknown_status_is_passed_over():
    """
    What is not known breaks no succession.
    """
    assert ["RS101"] == codes(check(["queued", "napping", "in_progress"]))


def test_what_follows_a_fault_is_judged_from_there():
    """
    One mistake is one finding.
    """
    assert ["RS103"] == codes(check(["queued", "completed", "completed"]))
    assert ["RS105"] == codes(check(["queued", "in_progress", "completed", "failed", "failed"]))


def test_statuses_that_cannot_fit_are_told_once():
    """
    The first that does not fit is named, with those it contradicts.
    """
    report = check(["completed", "failed", "expired", "queued"], observed="unordered")

    assert [("RS106", "failed and completed cannot belong to one run")] == [
        (f.code, f.message) for f in report.findings
    ]
    several = check(["cancelling", "completed", "queued", "failed"], observed="unordered")
    assert ["failed and completed cannot belong to one run"] == [
        f.message for f in several.findings
    ]


def test_undecided_is_not_fine():
    """
    One status says nothing under a model with gaps, and the report says so.
    """
    assert Report((), 1, 1, undecided=1) == check(["in_progress"], observed="polled")
    assert Report((), 1, 2, undecided=1) == check(
        ["in_progress", "in_progress"], observed="unordered"
    )
    assert Report((), 1, 1, undecided=0) == check(["queued"])
    assert Report((), 1, 2, undecided=0) == check(["queued", "failed"], observed="polled")
    assert Report((), 0, 0, undecided=0) == check([])
    assert (
        0
        == check([{"id": "r", "status": "failed", "failed_at": None}], observed="polled").undecided
    )
    assert 0 == check(moves((2, "queued", "failed")), observed="polled").undecided
    assert check([Observation("failed", "r"), Observation("queued", "s")], observed="polled") == (
        (), 2, 2, 2, 0, 0,
    )  # fmt: skip


def test_the_long_way_and_the_short_way_count_alike():
    """
    A list of bare statuses is checked at once, anything else one by one: with one result.
    """
    for length in range(4):
        for history in product(("queued", "in_progress", "completed", "failed"), repeat=length):
            for observed in MODELS:
                fast = check(list(history), observed=observed)
                slow = check(iter(history), observed=observed)
                assert slow == fast


@pytest.mark.parametrize(
    ("statuses", "observed", "undecided"),
    [
        (["queued"], "complete", 0),
        (["queued", "queued", "failed"], "complete", 0),
        (["failed"], "polled", 1),
        (["failed", "failed"], "polled", 1),
        (["queued", "failed"], "polled", 0),
        (["queued", "in_progress", "queued"], "polled", 0),
        (["failed", "failed"], "unordered", 1),
        (["failed", "queued"], "unordered", 0),
    ],
)
def test_a_legal_list_of_statuses_has_no_findings(statuses, observed, undecided):
    """
    A list that is right is counted as the same observations one by one are.
    """
    expected = Report((), 1, len(statuses), undecided)

    assert expected == check(statuses, observed=observed)
    assert expected == check(iter(statuses), observed=observed)


@pytest.mark.parametrize(
    ("statuses", "observed"),
    [
        ([], "complete"), (["failed"], "complete"), (["queued", "completed"], "complete"),
        (["asleep"], "polled"), (["failed", "queued"], "polled"),
        (["asleep"], "unordered"), (["failed", "expired"], "unordered"), ([{}], "complete"),
    ],
)  # fmt: skip
def test_a_list_is_judged_as_its_observations_are(statuses, observed):
    """
    A list that is wrong, or empty, has the same findings as the same observations one by one.
    """
    assert check(iter(statuses), observed=observed) == check(statuses, observed=observed)


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
@pytest.mark.parametrize("item", [["queued"], 1], ids=repr)
def test_what_is_not_an_observation_is_refused_in_a_list_too(item, observed):
    """
    The error is that of the same item among observations one by one.
    """
    with pytest.raises(TypeError) as alone:
        check(iter([item]), observed=observed)
    with pytest.raises(TypeError, match=re.escape(str(alone.value))):
        check([item], observed=observed)


def test_a_list_is_judged_with_all_that_is_asked():
    """
    Limits, an end and a time count for a list of statuses as for observations one by one.
    """
    for more in ({"finished": True}, {"limits": {"queued": 1}}, {"now": float(BORN)}):
        assert check(iter(["queued"]), **more) == check(["queued"], **more)
    assert ["RS107"] == codes(check(["queued"], finished=True))
    assert check(["queued"]) == check(("queued",))


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("at", "noon", "Observation.at must be Unix seconds, not str"),
        ("fields", ["id"], "Observation.fields must be a mapping, not list"),
        ("source", 3, "Observation.source must be a status, not int"),
        ("seq", "2", "Observation.seq must be a whole number, not str"),
        ("seq", 2.0, "Observation.seq must be a whole number, not float"),
        ("trigger", b"start", "Observation.trigger must be a name, not bytes"),
    ],
)
def test_a_part_of_the_wrong_type_is_misuse(part, value, expected):
    """
    An observation of wrong parts is refused at the door, by name and type, and not counted.
    """
    monitor = Monitor()
    with pytest.raises(TypeError) as refused:
        monitor.observe(Observation("queued", **{part: value}))

    assert expected == str(refused.value)
    assert (0, 0) == (monitor.observations, monitor.runs)


def test_what_behaves_like_a_part_is_one():
    """
    No fields are none, and numbers and mappings of any kind are what they are.
    """
    assert check([Observation("queued", fields=None)]) == check([Observation("queued")])
    snapshot = Observation("queued", at=Fraction(BORN), fields=ChainMap({"id": "r"}), seq=True)

    assert () == check([snapshot]).findings


def test_what_is_neither_status_nor_snapshot_is_misuse():
    """
    The caller's mistake raises; a record's mistake is found.
    """
    with pytest.raises(
        TypeError, match="a status, a snapshot or an Observation is expected, not int"
    ):
        check([3])
    for one in ("queued", {"id": "r", "status": "queued"}, Observation("queued")):
        with pytest.raises(TypeError, match="a list of what was seen is expected, not one "):
            check(one)
    with pytest.raises(
        ValueError, match="observed is complete, polled or unordered, not 'guessed'"
    ):
        check(["queued", "in_progress"], observed="guessed")
    with pytest.raises(ValueError, match="limit given for unknown status 'asleep'"):
        Monitor(limits={"asleep": 1})
    for nothing in (
        {"id": "r"},
        {"id": "r", "status": None},
        {"id": "r", "status": 3},
        {"status": ""},
    ):
        assert [("RS902", "the record has no status")] == [
            (f.code, f.message) for f in check([nothing]).findings
        ]


# -- many runs, places, time -------------------------------------------------------


def test_interleaved_runs_are_told_apart():
    """
    Each run has its own history, and findings carry its id and their place.
    """
    seen = [
        Observation("queued", "a", file="x.csv", line=2),
        Observation("queued", "b", file="x.csv", line=3),
        Observation("in_progress", "a", file="x.csv", line=4),
        Observation("completed", "b", file="x.csv", line=5),
    ]
    report = check(seen)

    assert [("RS103", "b", "x.csv", 5)] == [
        (f.code, f.run_id, f.file, f.line) for f in report.findings
    ]
    assert (2, 4) == (report.runs, report.observations)


def test_finished_wants_every_run_at_its_end():
    """
    Runs under way are findings only when asked, at the place where they were last seen.
    """
    seen = [
        Observation("queued", "a", file="x", line=1),
        Observation("queued", "b", file="x", line=2),
        Observation("failed", "b", file="x", line=3),
    ]
    (finding,) = check(seen, finished=True).findings

    assert Finding(
        "RS107", "error", "ends in queued", "a", "queued", None,
        "from queued: start, request_cancel, fail, expire", "x", 1,
    ) == finding  # fmt: skip
    assert check(seen).ok
    both = check([*seen[1:], seen[0]], finished=True, now=BORN).findings
    assert [("RS107", "a")] == [(f.code, f.run_id) for f in both]
    assert ["RS107"] == codes(check(["queued"], finished=True))
    assert [] == codes(check(["completed", "queued"], finished=True, observed="unordered"))
    assert ["RS107"] == codes(check(["cancelling", "queued"], finished=True, observed="unordered"))


def test_time_that_runs_backwards_is_a_warning():
    """
    Places never override times; where they contradict them, that is a warning.
    """
    seen = [Observation("in_progress", at=BORN + 1.5), Observation("queued", at=BORN)]
    (finding,) = check(seen).findings

    assert ("RS108", "warning", "seen 1.5 s before the observation that precedes it") == finding[:3]
    assert [] == codes(check(seen, observed="unordered"))
    assert [] == codes(check([seen[0], seen[0]._replace(status="queued")]))
    assert ["RS108"] == codes(check([seen[0], Observation("in_progress"), seen[1]]))


def test_stuck_is_longer_than_the_limit_and_told_once():
    """
    The time in a status counts from when it was first seen there.
    """

    def seen(*times):
        return [Observation("queued", at=BORN + t) for t in times]

    limits = {"queued": 60.0}
    assert [] == codes(check(seen(0, 30, 60), limits=limits))
    (finding,) = check(seen(0, 30, 61, 99), limits=limits).findings
    assert (
        "RS302",
        "warning",
        "queued for 61 s",
        None,
        "queued",
        None,
        "the limit is 60 s",
    ) == finding[:7]
    later = [
        *seen(0),
        Observation("in_progress", at=BORN + 70),
        Observation("in_progress", at=BORN + 999),
    ]
    assert ["RS302"] == codes(check(later, limits=limits))
    assert ["RS302"] == codes(check(seen(0), limits=limits, now=BORN + 100))
    assert [] == codes(check(seen(0), limits=limits, now=BORN + 60))
    assert [] == codes(check([Observation("queued"), *seen(99)], limits=limits))
    again = [*seen(0), Observation("in_progress", at=BORN + 1), *seen(2, 70)]
    assert ["RS103", "RS302"] == codes(check(again, limits=limits))


def test_overdue_is_past_its_deadline_and_not_ended():
    """
    A deadline that was seen is remembered, until it is cleared or the run ends.
    """

    def at(second, status="queued", **fields):
        return Observation(status, at=BORN + second, fields=fields)

    due = {"expires_at": BORN + 600}
    (finding,) = check([at(0, **due), at(601), at(700)]).findings
    assert ("RS301", "warning", "still queued 1 s after it was due") == finding[:3]
    assert [] == codes(check([at(0, **due), at(600)]))
    assert ["RS208"] == codes(check([at(0, **due), at(1, expires_at=None), at(900)]))
    assert [] == codes(check([at(0, **due), at(700, "failed", expires_at=None)]))
    assert ["RS301"] == codes(check([at(0, **due)], now=BORN + 700))
    assert [] == codes(check([at(0, **due), at(2, "failed", expires_at=None)], now=BORN + 700))
    assert ["RS301"] == codes(check([at(0, **due), at(700)], observed="unordered"))
    assert ["RS301"] == codes(check([at(0, **due), at(1), at(700)]))
    assert [] == codes(check([at(0, expires_at="tomorrow"), at(700)]))
    assert [] == codes(check([at(0, **due), at(700, "failed")]))
    overdue_and_stuck = check([at(0, **due)], limits={"queued": 60}, now=BORN + 700)
    assert ["RS301", "RS302"] == codes(overdue_and_stuck)


# -- snapshots ---------------------------------------------------------------------


def snapshot(status, **fields):
    """
    A snapshot as it comes over the wire, whole and right unless *fields* say otherwise.
    """
    live = {"id": "run_1", "object": "thread.run", "created_at": BORN, "expires_at": BORN + 600}
    action = {"type": "submit_tool_outputs"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    by_status = {
        "queued": {},
        "in_progress": {"started_at": BORN + 1},
        "requires_action": {"started_at": BORN + 1, "required_action": action},
        "cancelling": {"started_at": BORN + 1},
        "cancelled": {"started_at": BORN + 1, "cancelled_at": BORN + 9},
        "failed": {"started_at": BORN + 1, "failed_at": BORN + 9, "last_error": {"code": "x"}},
        "completed": {"started_at": BORN + 1, "completed_at": BORN + 9, "usage": usage},
        "incomplete": {
            "started_at": BORN + 1, "completed_at": BORN + 9, "incomplete_details": {"reason": "r"},
        },
        "expired": {"started_at": BORN + 1, "completed_at": BORN + 9},
    }  # fmt: skip
    null = dict.fromkeys((*RUN.stamp_fields, *RUN.detail_fields))
    ended = {"expires_at": None} if RUN.is_terminal(status) else {}

    return {**null, **live, **ended, "status": status, **by_status[status], **fields}


@pytest.mark.parametrize("status", RUN.statuses)
def test_a_right_snapshot_is_silent(status):
    """
    What the recordings show in a status is what the rules expect there.
    """
    for observed in MODELS:
        assert () == check([snapshot(status)], observed=observed).findings


REQUIRED = {
    "queued": "created_at",
    "in_progress": "created_at started_at",
    "requires_action": "created_at started_at required_action",
    "cancelling": "created_at",
    "cancelled": "created_at cancelled_at?",
    "failed": "created_at failed_at last_error",
    "completed": "created_at completed_at",
    "incomplete": "created_at completed_at? incomplete_details?",
    "expired": "created_at completed_at?",
}
"""What may not be null, by status; with a question mark where only a warning is due."""

EXCLUDED = {
    "queued": "completed_at failed_at cancelled_at required_action last_error? incomplete_details? usage?",
    "in_progress": "completed_at failed_at cancelled_at required_action last_error? "
    "incomplete_details? usage?",
    "requires_action": "completed_at failed_at cancelled_at last_error? incomplete_details? usage?",
    "cancelling": "completed_at failed_at cancelled_at? required_action? last_error? "
    "incomplete_details? usage?",
    "cancelled": "completed_at? failed_at expires_at? required_action? last_error? incomplete_details?",
    "failed": "completed_at? cancelled_at? expires_at? required_action? incomplete_details?",
    "completed": "failed_at cancelled_at? expires_at? required_action? last_error? incomplete_details?",
    "incomplete": "failed_at cancelled_at? expires_at? required_action? last_error?",
    "expired": "failed_at cancelled_at? expires_at? required_action? last_error? incomplete_details?",
}
"""What must be null, by status; with a question mark where only a warning is due."""


@pytest.mark.parametrize("status", RUN.statuses)
def test_a_field_that_is_missing_is_found_and_one_that_is_unknown_is_not(status):
    """
    Null where a status requires a value is a finding; an absent key says nothing.
    """
    expected = {
        f.rstrip("?"): "warning" if f.endswith("?") else "error" for f in REQUIRED[status].split()
    }
    for name in (*RUN.stamp_fields, *RUN.detail_fields):
        found = check([snapshot(status, **{name: None})]).findings
        code = "RS201" if name in RUN.stamp_fields else "RS204"
        if name in expected:
            assert [(code, expected[name], f"{name} is null in {status}", status)] == [
                (f.code, f.severity, f.message, f.target) for f in found
            ]
            assert found[0].hint.startswith(f"every way there sets {name}")
        else:
            assert () == found
        absent = snapshot(status)
        del absent[name]
        assert () == check([absent]).findings


@pytest.mark.parametrize("status", RUN.statuses)
def test_a_field_that_does_not_belong_is_found(status):
    """
    A value where a status excludes one is a finding of the rule for its kind.
    """
    expected = {
        f.rstrip("?"): "warning" if f.endswith("?") else "error" for f in EXCLUDED[status].split()
    }
    values = {
        **dict.fromkeys(RUN.stamp_fields, BORN + 9), "expires_at": BORN + 600,
        **{key: {"type": "x"} for key in RUN.detail_fields},
    }  # fmt: skip
    for name, value in values.items():
        if snapshot(status)[name] is not None:
            continue
        found = [
            f for f in check([snapshot(status, **{name: value})]).findings if f.code != "RS203"
        ]
        if name not in expected:
            assert [] == found
            continue
        code = (
            "RS202" if name in RUN.stamp_fields
            else "RS206" if name == "usage" and not RUN.is_terminal(status)
            else "RS205"
        )  # fmt: skip
        shown = f" ({value})" if isinstance(value, int) else ""
        assert [(code, expected[name], f"{name} is set in {status}{shown}")] == [
            (f.code, f.severity, f.message) for f in found
        ]
        assert found[0].hint.startswith(f"no way to {status} leaves {name} set")
        assert (", but: " in found[0].hint) == (expected[name] == "warning")


@pytest.mark.parametrize(
    ("status", "fields", "severity", "message"),
    [
        ("in_progress", {"started_at": BORN - 1}, "error", "started_at is 1 s before created_at"),
        ("completed", {"completed_at": BORN}, "error", "completed_at is 1 s before started_at"),
        ("failed", {"failed_at": BORN}, "error", "failed_at is 1 s before started_at"),
        ("cancelled", {"cancelled_at": BORN}, "error", "cancelled_at is 1 s before started_at"),
        ("queued", {"expires_at": BORN - 5}, "error", "expires_at is 5 s before created_at"),
        ("in_progress", {"started_at": BORN + 601}, "warning", "started_at is 601 s after created_at"),
        ("completed", {"started_at": BORN + 36_001, "completed_at": BORN + 36_002}, "warning",
         "started_at is 36001 s after created_at"),
    ],
)  # fmt: skip
def test_stamps_out_of_order_are_found(status, fields, severity, message):
    """
    Creation, start and end come in this order, and a start before the deadline.
    """
    (finding,) = check([snapshot(status, **fields)]).findings
    assert ("RS203", severity, message) == finding[:3]
    expected = {
        "error": ("created_at comes first", "started_at comes first"),
        "warning": ("by then a run has passed its expires_at",),
    }
    assert finding.hint in expected[severity]


def test_stamps_at_the_bounds_are_in_order():
    """
    Everything may happen within one second, and a start exactly at the deadline.
    """
    for fields in (
        {"started_at": BORN, "completed_at": BORN},
        {"started_at": BORN + 36_000, "completed_at": BORN + 36_000},
        {"created_at": None, "started_at": 5, "completed_at": 5},
        {"started_at": "yesterday", "completed_at": True},
    ):
        assert {"RS201"} >= set(codes(check([snapshot("completed", **fields)])))
    assert [] == codes(check([snapshot("in_progress", started_at=BORN + 600)]))


def test_identity_never_changes():
    """
    Thread, assistant and object stay; an absent key is no change.
    """
    for name in ("thread_id", "assistant_id", "object"):
        seen = [snapshot("queued", **{name: "a"}), snapshot("in_progress", **{name: "b\n"})]
        for observed in MODELS:
            (finding,) = check(seen, observed=observed).findings
            assert ("RS207", "error", f"{name} changed from a to b\\n") == finding[:3]
            assert finding.hint == f"{name} never changes"
        assert [] == codes(check([seen[0], snapshot("in_progress")])) or name == "object"


@pytest.mark.parametrize(
    ("seen", "complete", "polled"),
    [
        # started_at is written on entering in_progress, and only then.
        ([("queued", None), ("in_progress", 1)], [], []),
        ([("in_progress", 1), ("completed", 2)], ["RS208"], []),
        ([("in_progress", 1), ("requires_action", 2)], ["RS208"], []),
        ([("in_progress", 1), ("in_progress", 2)], ["RS208"], []),
        ([("requires_action", 1), ("queued", 2)], ["RS208"], []),
        ([("failed", 1), ("failed", 2)], ["RS208"], ["RS208"]),
        ([("queued", None), ("queued", 1)], ["RS208"], []),
        ([("cancelling", 1), ("completed", 2)], ["RS208"], ["RS208"]),
        ([("cancelling", None), ("completed", None)], [], []),
    ],
)
def test_a_stamp_changes_only_with_its_own_move(seen, complete, polled):
    """
    What may have been rewritten between two snapshots depends on what may lie between them.
    """
    history = [
        snapshot(status, started_at=None if second is None else BORN + second)
        for status, second in seen
    ]
    for observed, expected in (("complete", complete), ("polled", polled), ("unordered", [])):
        found = [c for c in codes(check(history, observed=observed)) if c == "RS208"]
        assert expected == found, observed


def test_a_stamp_grows_and_vanishes_only_where_a_move_clears_it():
    """
    What may be written again is written later, never earlier, and never erased.
    """

    def found(observed, *seconds):
        seen = [
            snapshot("in_progress", started_at=None if s is None else BORN + s) for s in seconds
        ]
        return codes(check(seen, observed=observed))

    assert [] == found("polled", 2, 9)
    assert ["RS208"] == found("polled", 9, 2)
    assert ["RS201", "RS208"] == found("polled", 9, None)
    assert [] == found("unordered", 9, 2)
    erased = [snapshot("in_progress"), snapshot("completed", started_at=None)]
    assert ["RS208"] == codes(check(erased, observed="polled"))


def test_a_known_deviation_is_a_warning_in_a_history_too():
    """
    Who stamps cancelled_at when cancel is asked for is warned, not accused, also later on.
    """
    stamped = {"cancelled_at": BORN + 5}
    for seen in (
        [snapshot("in_progress"), snapshot("cancelling", **stamped)],
        [snapshot("cancelling", **stamped), snapshot("completed", **stamped)],
        [snapshot("cancelling"), snapshot("cancelling", **stamped)],
    ):
        report = check(seen, observed="polled")
        assert report.ok
        assert {"RS202"} == set(codes(report))


def test_created_at_never_changes_under_any_model():
    """
    No move writes it.
    """
    seen = [snapshot("queued"), snapshot("in_progress", created_at=BORN + 1)]
    for observed in MODELS:
        (finding,) = check(seen, observed=observed).findings
        assert ("RS208", "error", f"created_at changed from {BORN} to {BORN + 1}") == finding[:3]
        assert finding.hint == "no move between queued and in_progress writes created_at"


def test_azures_deadline_is_a_warning():
    """
    It moves when the run starts, and to null it may go with the end alone.
    """
    seen = [snapshot("queued"), snapshot("in_progress", expires_at=BORN + 36_000)]

    assert [("RS208", "warning")] == [(f.code, f.severity) for f in check(seen).findings]
    gone = [snapshot("queued"), snapshot("in_progress", expires_at=None)]
    assert f"expires_at changed from {BORN + 600} to null" == check(gone).findings[0].message
    assert [] == codes(check([snapshot("in_progress"), snapshot("completed")], observed="polled"))


def test_one_snapshot_alone_is_no_history():
    """
    Under complete, a beginning is missed only once there is a history; two pages with one run have none.
    """
    seen = [snapshot("completed"), snapshot("completed"), snapshot("failed")]
    assert [] == codes(check(seen[:1]))
    assert [] == codes(check(seen[:2]))
    assert [("RS102", 1), ("RS105", 3)] == [
        (f.code, f.line) for f in check(seen).findings if f.code in {"RS102", "RS105"}
    ]
    assert ["RS102"] == codes(
        check([snapshot("in_progress"), snapshot("in_progress"), snapshot("completed")])
    )


def test_models_and_mappings_are_snapshots_alike(engine):
    """
    A RunResponse says what a mapping of its set fields says.
    """
    run = run_in(engine, "requires_action")
    wrong = RunResponse.model_validate({**run.model_dump(), "completed_at": BORN})

    assert [] == codes(check([run], observed="polled"))
    assert ["RS202"] == codes(check([wrong], observed="polled"))
    assert [] == codes(check([RunResponse(id="r", status="queued", created_at=BORN)]))


def test_a_lifecycle_without_stamps_has_no_field_rules():
    """
    Nothing is derived from entries that are not there.
    """
    bare = Lifecycle("bare", (Transition("end", "on", "off"),), "on", {"off": "success"})

    assert [] == codes(
        check([{"id": 1, "status": "on", "created_at": 7}, {"id": 1, "status": "off"}], bare)
    )


def test_a_self_move_may_write_its_stamp_again():
    """
    A repeat that is a row is a move.
    """
    beat = Lifecycle(
        "beat",
        (Transition("beat", "on", "on"), Transition("end", "on", "off")),
        "on",
        {"off": "success"},
        entries=(Entry("on", stamps=("beat_at",)),),
    )
    seen = [
        {"id": "r", "status": "on", "beat_at": BORN},
        {"id": "r", "status": "on", "beat_at": BORN + 1},
    ]

    assert [] == codes(check(seen, beat))
    assert [] == codes(check(seen, beat, observed="polled"))


# -- recorded moves -----------------------------------------------------------------


def moves(*rows, run_id="r"):
    """
    Observations of numbered moves: (seq, source, target).
    """
    return [Observation(target, run_id, source=source, seq=seq) for seq, source, target in rows]


JOURNAL = moves(
    (1, None, "queued"),
    (2, "queued", "in_progress"),
    (3, "in_progress", "requires_action"),
    (4, "requires_action", "queued"),
    (5, "queued", "in_progress"),
    (6, "in_progress", "completed"),
)


@given(st.permutations(JOURNAL), st.sampled_from(MODELS))
def test_numbered_moves_are_judged_in_the_order_of_their_numbers(journal, observed):
    """
    Whatever order they were logged in, a legal journal is legal.
    """
    assert Report((), 1, 6) == check(journal, observed=observed)


def test_a_move_delivered_twice_counts_once():
    """
    At-least-once delivery repeats; it does not change what happened.
    """
    assert [] == codes(check([*JOURNAL[:3], JOURNAL[1], JOURNAL[2], *JOURNAL[2:]]))


@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_two_moves_under_one_number_are_two_winners(observed):
    """
    A number that comes again with another move is the bug this package exists for.
    """
    winners = moves((3, "in_progress", "completed"), (3, "in_progress", "failed"))
    (finding,) = check([*JOURNAL[:2], *winners], observed=observed).findings
    assert ("RS903", "error", "move 3 is there twice: to completed and to failed") == finding[:3]
    held = check([JOURNAL[0], *winners, JOURNAL[1]], observed=observed)
    assert ["RS903"] == codes(held)
    late = [*JOURNAL, *moves((4, "in_progress", "failed"))]
    (finding,) = check(late, observed=observed).findings
    assert ("RS105", "completed -> failed: completed is terminal") == (
        finding.code,
        finding.message,
    )
    # One that is delivered again, whenever, is no second move.
    assert [] == codes(check([*JOURNAL, *JOURNAL[:5], JOURNAL[5]], observed=observed))


@pytest.mark.parametrize("observed", MODELS)
def test_a_recorded_trigger_must_be_that_of_the_row(observed):
    """
    Whoever records how a move was made is held to it.
    """
    (right,) = moves((2, "queued", "in_progress"))
    assert [] == codes(check([right._replace(trigger="start")], observed=observed))
    (finding,) = check([right._replace(trigger="frob\n")], observed=observed).findings
    assert ("RS103", "queued -frob\\n-> in_progress: no such row") == (
        finding.code,
        finding.message,
    )
    assert ("queued", "in_progress", "that move is made by start") == (
        finding.source, finding.target, finding.hint,
    )  # fmt: skip


def test_a_recorded_creation_is_the_first_move_and_into_the_initial_status():
    """
    Nothing is created in the middle of its life, nor twice.
    """
    born = Observation("queued", "r", trigger="create")
    for observed in MODELS:
        (finding,) = check([born._replace(status="completed")], observed=observed).findings
        assert ("RS102", "completed") == (finding.code, finding.target)
    assert (
        "a run is created in queued"
        == check([born._replace(status="failed")], observed="polled").findings[0].hint
    )
    (finding,) = check([born, born]).findings
    assert ("RS103", "queued -> queued: created again") == (finding.code, finding.message)
    assert ("queued", "queued", "two runs under one id, or two creators") == (
        finding.source, finding.target, finding.hint,
    )  # fmt: skip
    assert [] == codes(check([born, born], observed="unordered"))


def test_a_recorded_move_that_is_no_row_is_illegal_under_every_model():
    """
    Whoever records source and target claims one move.
    """
    for observed in MODELS:
        (finding,) = check(moves((2, "queued", "completed")), observed=observed).findings
        assert ("RS103", "queued", "completed") == (finding.code, finding.source, finding.target)
        assert finding.hint.startswith("shortest legal path: queued -start->")
        assert "RS105" in codes(check(moves((7, "completed", "failed")), observed=observed))


def test_a_move_must_begin_where_the_last_one_ended():
    """
    Two writers leave a journal whose moves do not meet.
    """
    torn = moves((1, None, "queued"), (2, "queued", "in_progress"), (3, "in_progress", "completed"),
                 (4, "in_progress", "failed"))  # fmt: skip
    report = check(torn)

    assert ["RS105"] == codes(report)
    assert "completed -> in_progress: completed is terminal" == report.findings[0].message
    unnumbered = [o._replace(seq=None) for o in torn]
    assert ["RS105"] == codes(check(unnumbered))
    skipped = moves((1, None, "queued"), (2, "in_progress", "completed"))
    (finding,) = check(skipped).findings
    assert ("RS103", "queued -> in_progress: no such move was recorded") == (
        finding.code,
        finding.message,
    )
    assert ("queued", "in_progress") == (finding.source, finding.target)
    assert [] == codes(check(skipped, observed="polled"))


def test_a_gap_in_the_numbers_is_bridged_as_far_as_the_table_allows():
    """
    A missing move is not held against the run, an impossible one is.
    """
    assert [] == codes(check([*JOURNAL[:2], JOURNAL[5]]))
    assert [] == codes(check([JOURNAL[0], JOURNAL[2], JOURNAL[5]]))
    (finding,) = check(
        moves((1, None, "queued"), (2, "queued", "cancelling"), (9, "queued", "failed"))
    ).findings
    assert "cancelling -> queued: no such move" == finding.message
    assert ["RS105"] == codes(
        check(moves((1, None, "queued"), (2, "queued", "failed"), (9, "in_progress", "completed")))
    )


def test_a_journal_whose_head_is_missing_is_no_wrong_start():
    """
    A first number above one says that something came before.
    """
    assert [] == codes(check(JOURNAL[3:]))
    assert ["RS102"] == codes(check(moves((1, "in_progress", "completed"))))


def test_a_move_that_never_arrives_holds_back_a_bounded_number():
    """
    After a thousand, the monitor goes on without it.
    """
    monitor = Monitor()
    monitor.observe(JOURNAL[0])
    states = ["in_progress", "requires_action", "queued"]
    for n in range(1_001):
        source, target = states[(n - 1) % 3], states[n % 3]
        assert [] == monitor.observe(Observation(target, "r", source=source, seq=n + 3))
    held = monitor._runs["r"].ahead

    assert 0 == len(held)
    assert [] == monitor.finish()
    # A thousand are still held back, in case the missing one is merely late.
    patient = Monitor()
    patient.observe(JOURNAL[0])
    for n in range(1_000):
        patient.observe(Observation(states[n % 3], "r", source=states[(n - 1) % 3], seq=n + 3))
    assert 1_000 == len(patient._runs["r"].ahead)
    assert [] == patient.finish()


def test_what_was_held_back_is_judged_in_the_end():
    """
    A fault that waits for its predecessor is told when the monitor finishes, with those of others.
    """
    seen = [
        *moves((1, "in_progress", "completed"), run_id="other"),
        *moves((3, "queued", "completed")),
        Observation("queued", "third"),
    ]

    report = check(seen, finished=True)
    assert [("RS102", "other"), ("RS103", "r"), ("RS107", "third")] == [
        (f.code, f.run_id) for f in report.findings
    ]
    assert 0 == report.undecided


def test_an_unknown_source_is_unknown_too():
    """
    Both statuses of a move must be the lifecycle's.
    """
    assert ["RS101"] == codes(check(moves((2, "asleep", "queued"))))


def test_an_engines_own_moves_are_a_legal_history(engine):
    """
    What observers are told can be checked as it is.
    """
    seen = []
    from runstate import RunEngine

    watched = RunEngine(
        observers=[
            lambda m: seen.append(Observation(m.target, m.run_id, m.at, source=m.source, seq=m.seq))
        ]
    )
    for status in RUN.statuses:
        run = watched.create()
        for row in RUN.shortest_path("queued", status):
            fire(watched, run, row.trigger)

    assert Report((), 9, len(seen)) == check(seen)


# -- the monitor --------------------------------------------------------------------


def test_a_monitor_tells_at_once_and_forgets_on_request():
    """
    Findings come with the observation that brings them; a forgotten run begins anew.
    """
    monitor = Monitor(observed="polled")
    assert [] == monitor.observe(Observation("completed", "r"))
    assert ["RS105"] == [f.code for f in monitor.observe(Observation("queued", "r"))]
    assert (1, 2) == (monitor.runs, monitor.observations)
    monitor.forget("r")
    monitor.forget("never seen")
    assert [] == monitor.observe(Observation("queued", "r"))
    assert (1, 1) == (monitor.runs, monitor.undecided)


def test_a_monitor_keeps_a_constant_amount_a_run():
    """
    A run may go round for ever.
    """
    monitor = Monitor()
    for status in ["queued", *["in_progress", "requires_action", "queued"] * 1_000]:
        assert [] == monitor.observe(Observation(status, "r", at=BORN))
    kept = monitor._runs["r"]

    assert 0 == len(kept.ahead) + len(kept.kept) + len(kept.seen)


# -- the oracle ---------------------------------------------------------------------


def legal_walks(lifecycle, longest):
    """
    Every walk of up to *longest* statuses from the initial one, by brute force.
    """
    walks = [(lifecycle.initial,)]
    for walk in walks:
        if len(walk) < longest:
            walks += [(*walk, row.target) for row in lifecycle if row.source == walk[-1]]

    return walks


def squeezed(history):
    """
    A history without its repeats.
    """
    return tuple(s for n, s in enumerate(history) if n == 0 or history[n - 1] != s)


def subsequences(walks):
    """
    Everything that a poller may see of *walks*.
    """
    return {
        squeezed(tuple(s for s, kept in zip(walk, mask, strict=True) if kept))
        for walk in walks
        for mask in product((False, True), repeat=len(walk))
    }


@pytest.fixture(scope="module")
def oracle():
    """
    What each model allows, found by walking the table and forgetting.
    """
    # Two steps back in a cycle of three need up to three moves between two looks.
    walks = legal_walks(RUN, 11)
    followed = {squeezed(w) for w in legal_walks(RUN, 5)}
    reached = {(a, b) for w in walks for n, a in enumerate(w) for b in w[n + 1 :]}
    sets = {frozenset(w) for w in walks}

    return followed, reached, sets


def test_every_short_history_agrees_with_the_oracle(oracle):
    """
    All 7,380 of the nine statuses up to length four, in each model, against brute force.

    In the long form all 66,429 up to length five.
    """
    followed, reached, sets = oracle
    checked = 0
    for length in range(1, 6 if LONG else 5):
        for history in product(RUN.statuses, repeat=length):
            checked += 1
            seen = squeezed(history)
            complete = seen in followed
            polled = all((a, b) in reached for a, b in pairwise(seen))
            unordered = any(set(history) <= s for s in sets)
            told = [not check(list(history), observed=o).findings for o in MODELS]
            assert [complete, polled, unordered] == told, history
    assert (66_429 if LONG else 7_380) == checked


@given(tables(), st.data())
def test_any_lifecycle_agrees_with_its_own_walks(lifecycle, data):
    """
    A walk of the table is silent under every model, also gapped and shuffled.
    """
    walk = [lifecycle.initial]
    for _ in range(data.draw(st.integers(0, 8))):
        rows = [row for row in lifecycle if row.source == walk[-1]]
        if not rows:
            break
        walk.append(data.draw(st.sampled_from(rows)).target)
    mask = data.draw(st.lists(st.booleans(), min_size=len(walk), max_size=len(walk)))
    gapped = [s for s, kept in zip(walk, mask, strict=True) if kept]
    shuffled = data.draw(st.permutations(gapped))

    assert () == check(walk, lifecycle).findings
    assert () == check(gapped, lifecycle, observed="polled").findings
    assert () == check(shuffled, lifecycle, observed="unordered").findings


@given(tables(), st.data())
def test_a_wrong_step_is_found_in_any_lifecycle(lifecycle, data):
    """
    A pair that is no row, after a legal walk to it, is a finding under complete.
    """
    statuses = lifecycle.statuses
    source = data.draw(st.sampled_from(statuses))
    path = lifecycle.shortest_path(lifecycle.initial, source)
    wrong = [t for t in statuses if t != source and not lifecycle.rows(source, t)]
    if not wrong:
        return
    target = data.draw(st.sampled_from(wrong))
    history = [lifecycle.initial, *(row.target for row in path), target]
    expected = "RS105" if lifecycle.is_terminal(source) else "RS103"

    assert [expected] == codes(check(history, lifecycle))
    far = (source, target) not in lifecycle.seen_later
    assert far == bool(check(history, lifecycle, observed="polled").findings)
