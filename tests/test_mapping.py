"""
Maps of statuses: what is legal in the one lifecycle is told in the other, or said to be lost.
"""

import json
import pickle
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from runstate import (
    RUN,
    DefinitionError,
    Lifecycle,
    LifecycleError,
    Moved,
    Observation,
    StatusMapError,
    Transition,
    check,
)
from runstate.cli import command
from runstate.mapping import MAPS, Becomes, Excepted, StatusMap, load_map
from runstate.presets import PRESETS
from runstate.readers import read
from runstate.telemetry import openlineage_events

DATA = Path(__file__).parent / "data"
LANGGRAPH = MAPS["langgraph-run-to-run"]
DAGSTER = MAPS["dagster-run-to-run"]
LINEAGE = MAPS["run-to-openlineage-run"]

WITHIN = Lifecycle(
    "within",
    [
        Transition("go", "new", "on"),
        Transition("wait", "on", "held"),
        Transition("go", "held", "on"),
        Transition("stop", "on", "done"),
        Transition("break_down", "on", "broken"),
    ],
    "new",
    {"done": "success", "broken": "failure"},
)
BESIDE = Lifecycle(
    "beside",
    [
        Transition("go", "waiting", "working"),
        Transition("stop", "working", "fine"),
        Transition("fail", "working", "bad"),
    ],
    "waiting",
    {"fine": "success", "bad": "error"},
)
ROWS = {
    "new": Becomes("new", "waiting"),
    "on": Becomes("on", "working"),
    "held": Becomes("held", "working", lost="that it is held"),
    "done": Becomes("done", "fine"),
    "broken": Becomes("broken", "bad", lost="whose fault it is"),
}
EACH = pytest.mark.parametrize("map_", MAPS.values(), ids=lambda map_: map_.name)


def a_map(*, exceptions=(), observed="complete", name="within-to-beside", **rows):
    """
    Return a map that is sound but for the *rows* that are given.
    """
    rows = {**ROWS, **{row.status: row for row in rows.values()}}

    return StatusMap(name, WITHIN, BESIDE, rows.values(), exceptions, observed)


@st.composite
def walks(draw, lifecycle, most=25):
    """
    Draw the rows of a legal way, from the beginning, to an end or not.
    """
    rows, status = [], lifecycle.initial
    for _ in range(draw(st.integers(0, most))):
        following = [row for row in lifecycle if row.source == status]
        if not following:
            break
        rows.append(draw(st.sampled_from(following)))
        status = rows[-1].target

    return rows


def statuses_of(lifecycle, walk):
    """
    Return the statuses on a way.
    """
    return [str(lifecycle.initial), *(str(row.target) for row in walk)]


def excepted(map_, statuses):
    """
    Return how many exceptions are on a way, its beginning among them where every change is seen.
    """
    kept = [status for status in statuses if map_.statuses[status] is not None]
    begun = [(None, *kept[:1])] if map_.observed == "complete" else []
    named = {(each.source, each.target) for each in map_.exceptions}

    return sum(move in named for move in (*begun, *pairwise(kept)))


# -- the law -------------------------------------------------------------------------------


@EACH
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_legal_is_told(map_, data):
    """
    A legal way in the one is legal in the other, but for the exceptions, which are warnings.
    """
    statuses = statuses_of(map_.source, data.draw(walks(map_.source)))
    report = map_.check(statuses)

    assert ["warning"] * excepted(map_, statuses) == [f.severity for f in report.findings]
    assert {f.hint for f in report.findings} <= {each.why for each in map_.exceptions}
    if not report.findings:
        told = [seen.status for seen in map_.history(statuses)]
        assert check(told, map_.target, observed=map_.observed).ok


@EACH
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_legal_with_gaps_is_told(map_, data):
    """
    Polled, a part of a legal way is no error either, whatever was missed.
    """
    statuses = statuses_of(map_.source, data.draw(walks(map_.source)))
    seen = [status for status in statuses if data.draw(st.booleans())]

    assert map_.check(seen, observed="polled").ok


@EACH
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_legal_in_no_order_is_told(map_, data):
    """
    Nor is a part of a legal way in any order, where the map holds in no order.
    """
    statuses = statuses_of(map_.source, data.draw(walks(map_.source)))
    seen = data.draw(st.permutations(statuses))[:5]

    assert () == map_.check(seen, observed="unordered").findings


@EACH
@settings(max_examples=40)
@given(data=st.data())
def test_what_was_recorded_is_told(map_, data):
    """
    A journal of numbered moves is judged by its order, in whatever order it comes.
    """
    walk = data.draw(walks(map_.source, most=8))
    begun = Observation(str(map_.source.initial), "r", source=None, seq=1, trigger="create")
    journal = [
        begun,
        *(
            Observation(str(row.target), "r", source=str(row.source), seq=n, trigger=row.trigger)
            for n, row in enumerate(walk, 2)
        ),
    ]
    report = map_.check(data.draw(st.permutations(journal)))

    assert report.ok
    assert {f.hint for f in report.findings} <= {each.why for each in map_.exceptions}


@EACH
@settings(max_examples=40)
@given(data=st.data())
def test_what_comes_after_an_end_is_found(map_, data):
    """
    An end that is left is an error in the other's words too, where the map has kept both.
    """
    ends = [str(end) for end in map_.source.terminal]
    first, later = data.draw(st.sampled_from(ends)), data.draw(st.sampled_from(ends))
    report = map_.check([first, later], observed="polled")

    assert (map_.statuses[first] == map_.statuses[later]) == report.ok
    for finding in report.findings:
        assert "RS105" == finding.code
        assert finding.message.endswith(f"observed as {first} -> {later}")


# -- what comes with the package -----------------------------------------------------------


@EACH
def test_map_says_where_it_is_from(map_):
    """
    Each row has its source, says what it is, and is named after both of its lifecycles.
    """
    assert {map_.source.name, map_.target.name} <= PRESETS.keys()
    assert f"{map_.source.name}-to-{map_.target.name}" == map_.name
    assert [str(status) for status in map_.source.statuses] == sorted(
        map_.statuses, key=[str(status) for status in map_.source.statuses].index
    )
    assert all(row.citation for row in map_)
    # Few sources compare two systems, and those that do are implementations.
    assert {row.evidence for row in map_} <= {"inferred", "implemented"}


def test_lineage_ends_as_telemetry_does():
    """
    The map and the events that telemetry sends agree on every end.
    """
    for end in map(str, RUN.terminal):
        ended = Moved("run_1", "end", "in_progress", end, 1_700_000_000.0, 1.0, seq=3)
        *_, last = openlineage_events(ended, namespace="n", job="j")
        assert LINEAGE.statuses[end] == last["eventType"]


@EACH
def test_nothing_in_a_map_is_there_for_nothing(map_):
    """
    Without an exception, or as complete where it needs observed='polled', it would be refused.
    """
    for each in map_.exceptions:
        fewer = tuple(other for other in map_.exceptions if other is not each)
        with pytest.raises(StatusMapError, match="and the map has no exception"):
            replace(map_, exceptions=fewer)
    if map_.observed == "polled":
        with pytest.raises(StatusMapError, match="no such move, and the map has no exception"):
            replace(map_, observed="complete")


@pytest.mark.parametrize("recording", ["polled.jsonl", "streams.sse"])
@pytest.mark.parametrize("name", [name for name in MAPS if name.startswith("run-to-")])
def test_no_recording_of_a_live_service_is_an_error_in_other_words(name, recording):
    """
    What really happened is possible there too.
    """
    with (DATA / recording).open("rb") as stream:
        seen = [each for each in read(stream, name=recording) if isinstance(each, Observation)]
    report = MAPS[name].check(seen, observed="polled")

    assert () == tuple(finding for finding in report.findings if finding.severity == "error")
    assert report.runs >= 13


# -- findings ------------------------------------------------------------------------------


def test_finding_names_what_was_observed_and_its_place():
    """
    Both words for each status, and the place in the history as it came.
    """
    (finding,) = LANGGRAPH.check(["pending", "success", "running"]).findings

    assert (
        "RS105",
        "completed -> in_progress: completed is terminal, observed as success -> running",
        3,
    ) == (finding.code, finding.message, finding.line)
    assert (str, str) == (type(finding.source), type(finding.target))


def test_what_is_left_out_moves_no_place():
    """
    A finding's place counts what the map drops.
    """
    history = ["queued", "in_progress", "requires_action", "queued", "completed", "failed"]
    (finding,) = LINEAGE.check(history).findings

    assert ("FAIL", 6) == (finding.target, finding.line)


def test_file_and_line_stay():
    """
    What was read from a file is found there.
    """
    history = [Observation(s, "r", file="f", line=7) for s in ("success", "error")]
    (finding,) = LANGGRAPH.check(history).findings

    assert ("f", 7, "r") == (finding.file, finding.line, finding.run_id)


@pytest.mark.parametrize("status", ["queued", "nonsense", "\x1b[31m"])
def test_status_that_the_map_does_not_know(status):
    """
    It is RS101, also where the other lifecycle has that word; known is what was to be observed.
    """
    (finding,) = LANGGRAPH.check(["pending", status, "running"]).findings

    assert ("RS101", "error", status, 2) == (
        finding.code, finding.severity, finding.target, finding.line
    )  # fmt: skip
    assert finding.hint.startswith("statuses of langgraph-run: pending, running")
    assert finding.message.isprintable()
    assert ["RS101"] == [
        f.code for f in check(LANGGRAPH.history([status]), observed="polled").findings
    ]


@pytest.mark.parametrize("status", ["", None, 5, ["queued"]])
def test_status_that_is_none(status):
    """
    A record without a status is told as ever.
    """
    report = LANGGRAPH.check([{"run_id": "r", "status": status}])

    assert ["RS902"] == [finding.code for finding in report.findings]


def test_exception_is_a_warning_with_its_reason():
    """
    What Dagster's users force is no error, and no secret either.
    """
    (finding,) = DAGSTER.check(["NOT_STARTED", "QUEUED", "CANCELED"]).findings

    assert ("RS103", "warning", DAGSTER.exceptions[0].why) == (
        finding.code, finding.severity, finding.hint
    )  # fmt: skip
    assert not DAGSTER.check(["NOT_STARTED", "SUCCESS"]).ok


def test_run_that_is_created_again_is_an_error():
    """
    Though the move from the one status to the other would be an exception.
    """
    exceptions = (Excepted("on", "new", "x"),)
    again = StatusMap(
        "again",
        WITHIN.with_transitions(Transition("again", "on", "new")),
        BESIDE,
        tuple(ROWS.values()),
        exceptions,
    )
    create = Observation("new", "r", seq=1, trigger="create")
    moved = Observation("on", "r", source="new", seq=2)
    made = create._replace(seq=3)
    report = again.check([create, moved, made])

    assert ["error", "error"] == [finding.severity for finding in report.findings]


def test_fields_stay_behind():
    """
    A snapshot's fields are in its own system's words, and nobody else's rules are for them.
    """
    snapshot = {"run_id": "r", "created_at": "2026-01-01", "updated_at": 5, "completed_at": "x"}
    report = LANGGRAPH.check(
        [snapshot | {"status": "pending"}, snapshot | {"status": "success", "created_at": 7}]
    )

    assert ((), 1, 2) == report[:3]
    assert () == MAPS["azure-run-to-run"].check([{"id": "r", "status": "completed"}]).findings


def test_questions_about_the_end_are_asked_in_the_other_words():
    """
    Limits and what should have ended are the other lifecycle's.
    """
    history = [Observation("running", "r", 0.0)]
    report = LANGGRAPH.check(history, finished=True, limits={"in_progress": 5}, now=9.0)

    assert [("RS302", "in_progress for 9 s, observed as running"),
            ("RS107", "ends in in_progress, observed as running")] == [
        (finding.code, finding.message) for finding in report.findings
    ]  # fmt: skip
    with pytest.raises(ValueError, match="limit given for unknown status 'running'"):
        LANGGRAPH.check(history, limits={"running": 5})


def test_history_comes_as_it_is_asked_for():
    """
    An endless history is mapped without being read to its end.
    """

    def endless():
        while True:
            yield "pending"

    told = LANGGRAPH.history(endless())

    assert ["queued", "queued"] == [next(told).status, next(told).status]


@pytest.mark.parametrize("history", ["pending", {"status": "pending"}, Observation("pending")])
def test_one_item_is_no_history(history):
    """
    As in every check.
    """
    with pytest.raises(TypeError, match="expected an iterable of observations"):
        LANGGRAPH.check(history)


def test_polled_map_is_not_checked_as_complete():
    """
    It would find fault with what is legal.
    """
    with pytest.raises(ValueError, match="needs observed='polled'"):
        LANGGRAPH.monitor(observed="complete")


def test_map_whose_statuses_part_is_not_checked_in_no_order():
    """
    Where both may be of one run, and become what may not, no order excuses it.
    """
    apart = Lifecycle(
        "apart",
        [Transition("a", "waiting", "left"), Transition("b", "waiting", "right"),
         Transition("c", "left", "end"), Transition("d", "right", "end")],
        "waiting", {"end": "success"},
    )  # fmt: skip
    rows = [Becomes("new", "waiting"), Becomes("on", "left"), Becomes("held", "right"),
            Becomes("done", "end"), Becomes("broken", "end", lost="x")]  # fmt: skip
    exceptions = [Excepted("on", "held", "x"), Excepted("held", "on", "x")]
    map_ = StatusMap("apart", WITHIN, apart, rows, exceptions)

    assert map_.check(["new", "on", "held", "on", "done"]).ok
    with pytest.raises(ValueError, match="held and on can occur in one run"):
        map_.monitor(observed="unordered")


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": ""}, "name must have 1 to 210 printable characters, got ''"),
        ({"observed": "unordered"}, "observed must be complete or polled, got 'unordered'"),
        ({"held": Becomes("hold", "working")}, "unknown status 'hold': within does not have it"),
        ({"on": Becomes("on", "busy")}, "on as busy: beside has no such status"),
        ({"on": Becomes("on", "working", "guessed")}, "on as working: evidence must be one of .*, got 'guessed'"),
        ({"done": Becomes("done", "working", lost="x")}, "done is terminal, working is not"),
        ({"held": Becomes("held")}, "held as nothing: lost must say what a dropped status loses"),
        ({"broken": Becomes("broken", "bad")}, "the outcome failure becomes error"),
        ({"held": Becomes("held", "working")}, "on and held all become working: lost must say what is lost, for all of them but"),
        ({"new": Becomes("new", "working", lost="x")}, r"\(begin\) -> new becomes"),
        ({"held": Becomes("held", "waiting", lost="x")}, "on -> held becomes working -> waiting: beside has no such move"),
        ({"held": Becomes("held", "fine", lost="x"), "observed": "polled"}, "held -> on becomes fine -> working: beside has no such path"),
        ({"exceptions": [Excepted("on", "done", "x")]}, "exception on -> done is not needed: it becomes working -> fine"),
        ({"exceptions": [Excepted("new", "done", "x")]}, "exception new -> done: within has no such move"),
        ({"exceptions": [Excepted(None, "on", "x")]}, r"exception \(begin\) -> on: within has no such move"),
        ({"exceptions": [Excepted("on", "done", "")] * 2}, "exception on -> done stands 2 times; .*why must give the reason"),
    ],
)  # fmt: skip
def test_map_that_is_wrong_is_refused(changes, fault):
    """
    Every loss is declared, every move is told or excepted, and no exception is there for nothing.
    """
    with pytest.raises(StatusMapError, match=fault):
        a_map(**changes)


def test_status_that_is_left_out_or_twice_is_refused():
    """
    Each status becomes something exactly once; all faults come at once.
    """
    with pytest.raises(StatusMapError) as caught:
        StatusMap("few", WITHIN, BESIDE, [*list(ROWS.values())[1:], Becomes("on", "working")])

    assert caught.value.faults[:2] == (
        "status 'new' of within has no row",
        "status 'on' has 2 rows",
    )


def test_move_past_what_is_dropped_is_judged():
    """
    What is on either side of a dropped status is a move of its own.
    """
    held = Becomes("held", None, lost="that it is held")
    gone = Becomes("on", None, lost="that it is on")

    assert (None, "new") in a_map(held=held).moves
    with pytest.raises(StatusMapError, match="new -> done becomes waiting -> fine"):
        a_map(held=held, on=gone)
    skipped = a_map(held=held, on=gone, observed="polled")
    assert ((None, "new"), ("new", "done"), ("new", "broken")) == skipped.moves


def test_way_through_what_is_dropped_ends():
    """
    Also where the statuses that are dropped lead to each other, and round again.
    """
    lost = {name: Becomes(name, None, lost="x") for name in ("new", "on", "held")}
    map_ = a_map(observed="polled", exceptions=[
        Excepted(None, "done", "x"), Excepted(None, "broken", "x")], **lost)  # fmt: skip

    assert ((None, "done"), (None, "broken")) == map_.moves


def test_moves_whose_predecessors_never_came_are_told_at_the_end():
    """
    Where the map drops some, numbers close up, and a hole stays a hole.
    """
    first = Observation("in_progress", "r", source="queued", seq=2)
    journal = [first, Observation("completed", "r", source="in_progress", seq=5)]

    assert [("START", 2), ("COMPLETE", 5)] == [
        (seen.status, seen.seq) for seen in LINEAGE.history(journal)
    ]
    create = Observation("queued", "r", seq=1, trigger="create")
    assert [1, 4] == [seen.seq for seen in LINEAGE.history([*journal, create])]


REPEATS = [
    Observation("queued", "r", seq=1, trigger="create"),
    Observation("in_progress", "r", source="queued", seq=2),
    Observation("requires_action", "r", source="in_progress", seq=3),
    Observation("queued", "r", source="requires_action", seq=4),
    Observation("in_progress", "r", source="queued", seq=5),
    Observation("completed", "r", source="in_progress", seq=6),
]


@pytest.mark.parametrize("place", range(1, len(REPEATS) + 1))
@pytest.mark.parametrize("map_", [LINEAGE, MAPS["run-to-langgraph-run"]], ids=str)
def test_what_is_delivered_twice_is_no_finding(map_, place):
    """
    Wherever it comes again, and whatever is left out before it.
    """
    for again in REPEATS[:place]:
        history = [*REPEATS[:place], again, *REPEATS[place:]]
        for each in (history, history[::-1]):
            assert [] == [f for f in map_.check(each).findings if f.severity == "error"]


@pytest.mark.parametrize("name", [name for name in MAPS if name.startswith("run-to-")])
def test_number_that_is_there_twice_is_found(name):
    """
    Also where statuses are left out, and by the number that was observed.
    """
    other = REPEATS[5]._replace(status="failed")
    for history in ([*REPEATS, other], [other, *REPEATS], [*REPEATS[3:], other, *REPEATS[:3]]):
        twice = [f for f in MAPS[name].check(history).findings if f.code == "RS903"]

        assert ["RS903"] == [f.code for f in check(history).findings if f.code == "RS903"]
        assert ["move 6 is there twice"] == [f.message.partition(":")[0] for f in twice]


def test_map_is_a_value():
    """
    Equal and hashed by what it says, pickled, and shown by its name.
    """
    again = pickle.loads(pickle.dumps(LANGGRAPH))

    assert (LANGGRAPH, hash(LANGGRAPH), 6) == (again, hash(again), len(again))
    assert "<StatusMap 'langgraph-run-to-run': langgraph-run as run>" == repr(LANGGRAPH)


def test_status_that_was_mapped_pickles():
    """
    It remembers what it was in another process, too.
    """
    (seen,) = LANGGRAPH.history(["success"])
    status = pickle.loads(pickle.dumps(seen.status))

    assert ("completed", "success") == (status, status.observed)


# -- from files ----------------------------------------------------------------------------

DEFINED = """
name = "ours"
source = "door.toml"
target = "celery"
observed = "polled"
rows = [
    { status = "closed", becomes = "PENDING" },
    { status = "open", lost = "that it is open" },
    { status = "gone", becomes = "SUCCESS" },
]
"""
DOOR = """
name = "door"
initial = "closed"
terminal = ["gone"]
transitions = [
    { trigger = "open", source = "closed", target = "open" },
    { trigger = "go", source = "open", target = "gone" },
]
"""


def test_map_from_a_file(tmp_path):
    """
    Its lifecycles are presets, or files beside it.
    """
    (tmp_path / "door.toml").write_text(DOOR)
    (tmp_path / "map.toml").write_text(DEFINED)
    ours = load_map(tmp_path / "map.toml")

    assert {"closed": "PENDING", "open": None, "gone": "SUCCESS"} == ours.statuses
    assert ours.check(["closed", "open", "gone"]).ok
    assert not ours.check(["gone", "closed"]).ok


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            '"celery"',
            '"celry"',
            "map.toml: target: expected a preset or a lifecycle file in the same folder, got 'celry'",
        ),
        (
            '"door.toml"',
            '"../door.toml"',
            "map.toml: source: expected a preset or a lifecycle file in the same folder, got '../door.toml'",
        ),
        ('"door.toml"', '"door.yaml"', "door.yaml: YAML is not supported: convert it to JSON"),
        ('"door.toml"', '"none.toml"', "none.toml: No such file"),
        ("name =", "nam =", "map.toml: name: Field required"),
        ('becomes = "SUCCESS"', "becomes = 5", r"map.toml: rows\[2\].becomes: Input should be"),
        ('"polled"', '"once"', "map.toml: observed: Input should be"),
        ("name", "= =", "map.toml: invalid TOML"),
    ],
)
def test_file_that_is_no_map_is_refused(tmp_path, old, new, reason):
    """
    In one line that names the file and the key.
    """
    (tmp_path / "door.toml").write_text(DOOR)
    (tmp_path / "map.toml").write_text(DEFINED.replace(old, new, 1))

    with pytest.raises(DefinitionError, match=reason) as caught:
        load_map(tmp_path / "map.toml")
    assert 1 == len(str(caught.value).splitlines())


def test_other_files_are_refused(tmp_path):
    """
    By the ends of their names; and a map of a table that is wrong, by its table.
    """
    with pytest.raises(
        DefinitionError, match=r"expected a file name that ends in \.toml or \.json"
    ):
        load_map(tmp_path / "map.scxml")
    (tmp_path / "door.toml").write_text(DOOR.replace('"gone"]', '"going"]'))
    (tmp_path / "map.toml").write_text(DEFINED)
    with pytest.raises(LifecycleError):
        load_map(tmp_path / "map.toml")


def test_the_schema_of_map_files_says_what_can_be_read(tmp_path):
    """
    The command prints it; it explains every key, takes what loads, and refuses what does not.
    """
    printed = CliRunner().invoke(command, ["lifecycles", "--maps", "--schema"]).stdout
    schema = json.loads(printed)
    Draft202012Validator.check_schema(schema)
    valid = Draft202012Validator(schema).is_valid
    definition = {"$schema": "map.schema.json", **tomllib.loads(DEFINED)}
    (tmp_path / "door.toml").write_text(DOOR)
    (tmp_path / "map.json").write_text(json.dumps(definition))

    assert "runstate map" == schema["title"]
    assert all(
        "description" in each
        for part in (schema, *schema["$defs"].values())
        for each in part["properties"].values()
    )
    assert valid(definition)
    assert load_map(tmp_path / "map.json").statuses["open"] is None
    for broken in ({"names": "x"}, {"observed": "once"}, {"rows": [{"becomes": "SUCCESS"}]}):
        assert not valid({**definition, **broken})
        (tmp_path / "map.json").write_text(json.dumps({**definition, **broken}))
        with pytest.raises(DefinitionError):
            load_map(tmp_path / "map.json")
