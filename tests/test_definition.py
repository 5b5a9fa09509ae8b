"""
Lifecycles from files: what is read, and what each fault is called.
"""

import json
from pathlib import Path

import pytest

from definitions import defined
from runstate import (
    RUN,
    Deadline,
    DefinitionError,
    Deviation,
    Entry,
    Lifecycle,
    LifecycleError,
    Transition,
    load_lifecycle,
)
from runstate.diagrams import draw
from runstate.presets import PRESETS

TOML = """
name = "job"
initial = "waiting"
created = ["made_at"]
identity = ["owner"]
fields = ["state", "key", "owner", "made_at", "begun_at", "ended_at", "due_at", "why", "cost"]
status_field = "state"
id_field = "key"
kind = "job"

[terminal]
done = "success"
broken = "failure"

[deadline]
field = "due_at"
seconds = 60
longest = 600

[[transitions]]
trigger = "begin"
source = "waiting"
target = "working"
evidence = "observed"
citation = "the worker's log"

[[transitions]]
trigger = "end"
source = "working"
target = "done"

[[transitions]]
trigger = "break"
source = "working"
target = "broken"

[[entries]]
status = "working"
stamps = ["begun_at"]

[[entries]]
status = "broken"
stamps = ["ended_at"]
requires = ["why"]
accepts = ["cost"]
clears = ["due_at"]

[[deviations]]
code = "RS202"
field = "ended_at"
statuses = ["working"]
evidence = "reported"
citation = "ticket 7"

[[deviations]]
code = "RS205"
field = "why"
"""

JOB = Lifecycle(
    name="job",
    transitions=(
        Transition("begin", "waiting", "working", "observed", "the worker's log"),
        Transition("end", "working", "done"),
        Transition("break", "working", "broken"),
    ),
    initial="waiting",
    terminal={"done": "success", "broken": "failure"},
    entries=(
        Entry("working", stamps=("begun_at",)),
        Entry(
            "broken",
            stamps=("ended_at",),
            requires=("why",),
            accepts=("cost",),
            clears=("due_at",),
        ),
    ),
    created=("made_at",),
    deadline=Deadline("due_at", 60, 600),
    identity=("owner",),
    fields=frozenset(
        ["state", "key", "owner", "made_at", "begun_at", "ended_at", "due_at", "why", "cost"]
    ),
    deviations=(
        Deviation("RS202", "ended_at", frozenset({"working"}), "reported", "ticket 7"),
        Deviation("RS205", "why"),
    ),
    status_field="state",
    id_field="key",
    kind="job",
)

SMALL = {
    "name": "door",
    "initial": "shut",
    "terminal": {"open": "success"},
    "transitions": [{"trigger": "push", "source": "shut", "target": "open"}],
}
DOOR = Lifecycle("door", (Transition("push", "shut", "open"),), "shut", {"open": "success"})


def written(folder: Path, content: "str | bytes", name: str = "job.toml") -> Path:
    """
    Return the path of a file in *folder* that holds *content*.
    """
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)

    return path


def refused(path: "str | Path") -> tuple[str, str]:
    """
    Return the place and the reason for which the file at *path* is refused.
    """
    with pytest.raises(DefinitionError) as caught:
        load_lifecycle(path)
    error = caught.value
    assert error.origin == str(path)
    assert str(error).isprintable()

    return error.place, error.reason


def test_toml_with_every_key(tmp_path):
    """
    A TOML file may say everything that a lifecycle has.
    """
    assert load_lifecycle(written(tmp_path, TOML)) == JOB


def test_path_may_be_a_string_with_any_case(tmp_path):
    """
    The path may be a string, and its suffix may shout.
    """
    assert load_lifecycle(str(written(tmp_path, TOML, "JOB.TOML"))) == JOB


def test_json_with_the_least(tmp_path):
    """
    A JSON file needs no more than a name, an initial status, the ends and the rows.
    """
    assert load_lifecycle(written(tmp_path, json.dumps(SMALL), "door.json")) == DOOR


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_byte_order_mark_is_no_fault(tmp_path, suffix):
    """
    A file may begin with a byte order mark, as some editors have it.
    """
    content = TOML if suffix == "toml" else json.dumps(SMALL)
    path = written(tmp_path, b"\xef\xbb\xbf" + content.encode(), f"job.{suffix}")

    assert load_lifecycle(path) == (JOB if suffix == "toml" else DOOR)


def test_terminal_statuses_may_be_a_list():
    """
    Terminal statuses without a meaning are successes.
    """
    assert defined({**SMALL, "terminal": ["open"]}) == DOOR


def test_deviation_in_no_status_is_not_one_in_any():
    """
    An empty list of statuses stays empty, and is not taken for all of them.
    """
    deviations = [{"code": "RS202", "field": "x", "statuses": []}]

    assert defined({**SMALL, "deviations": deviations}).deviations == (
        Deviation("RS202", "x", frozenset()),
    )


@pytest.mark.parametrize("lifecycle", [*PRESETS.values(), JOB, DOOR], ids=lambda each: each.name)
def test_json_picture_loads_back(tmp_path, lifecycle):
    """
    What is drawn as JSON is a definition of the same lifecycle, with everything it says.
    """
    path = written(tmp_path, draw(lifecycle, "json"), "picture.json")

    loaded = load_lifecycle(path)

    assert lifecycle == loaded
    assert lifecycle.statuses == loaded.statuses
    assert lifecycle.deviations == loaded.deviations


def test_run_picture_is_run_again(tmp_path):
    """
    The run's own lifecycle comes back row by row, with its entries and deviations.
    """
    loaded = load_lifecycle(written(tmp_path, draw(RUN, "json"), "run.json"))

    for part in ("statuses", "transitions", "entries", "deviations", "fields", "deadline", "kind"):
        assert getattr(RUN, part) == getattr(loaded, part), part


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        ({"name": None}, "name", "Input should be a valid string"),
        ({"initial": 5}, "initial", "Input should be a name or a list of names"),
        ({"initial": []}, "initial", "Input should be a name or a list of names"),
        ({"initial": ["open", 5]}, "initial[1]", "Input should be a valid string"),
        ({"terminal": 5}, "terminal", "Input should be a valid dictionary"),
        (
            {"terminal": {"open": "great"}},
            "terminal.open",
            "Input should be 'success', 'failure', 'error', 'timeout', 'cancelled' or 'incomplete'",
        ),
        ({"terminal": ["open", 5]}, "terminal[1]", "Input should be a valid string"),
        ({"transitions": "push"}, "transitions", "Input should be a valid tuple"),
        ({"transitions": ["push"]}, "transitions[0]", "must be a table"),
        ({"transitions": [{"trigger": "t"}]}, "transitions[0].source", "Field required"),
        (
            {"transitions": [*SMALL["transitions"], {"trigger": "t", "source": 1, "target": "x"}]},
            "transitions[1].source",
            "Input should be a name or a list of names",
        ),
        (
            {"transitions": [{**SMALL["transitions"][0], "evidence": "gossip"}]},
            "transitions[0].evidence",
            "Input should be 'documented', 'observed', 'reported', 'implemented' or 'inferred'",
        ),
        (
            {"transitions": [{**SMALL["transitions"][0], "guard": "os.system"}]},
            "transitions[0].guard",
            "Extra inputs are not permitted",
        ),
        ({"created": "made_at"}, "created", "Input should be a valid tuple"),
        ({"entries": [{"stamps": []}]}, "entries[0].status", "Field required"),
        (
            {"deadline": {"field": "due", "seconds": "60", "longest": 60}},
            "deadline.seconds",
            "Input should be a valid integer",
        ),
        (
            {"deadline": {"field": "due", "seconds": 60, "longest": 0}},
            "deadline.longest",
            "Input should be greater than 0",
        ),
        (
            {"deviations": [{"code": "202", "field": "x"}]},
            "deviations[0].code",
            r"String should match pattern '^RS\d{3}$'",
        ),
        ({"statuses": []}, "statuses", "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_fault_names_its_place(change, place, reason):
    """
    What is missing, unknown or malformed is named by its key, with what was expected.
    """
    with pytest.raises(DefinitionError) as caught:
        defined({**SMALL, **change})

    error = caught.value
    assert ("mine.json", place, reason) == (Path(error.origin).name, error.place, error.reason)


@pytest.mark.parametrize("key", ["name", "initial", "terminal", "transitions"])
def test_missing_key_is_named(key):
    """
    Each of the four keys that a definition needs is asked for by its name.
    """
    with pytest.raises(DefinitionError, match=rf"mine\.json: {key}: Field required$"):
        defined({name: value for name, value in SMALL.items() if name != key})


def test_hostile_key_is_escaped():
    """
    A key that was made to forge a line of the message does not.
    """
    with pytest.raises(DefinitionError) as caught:
        defined({**SMALL, "a\nb\x1b[2J": 1})

    assert str(caught.value).endswith(r"mine.json: a\nb\x1b[2J: Extra inputs are not permitted")


def test_definition_that_is_no_table(tmp_path):
    """
    A file whose content is a list, or a text, is told to be a table.
    """
    assert refused(written(tmp_path, "[1]", "a.json")) == ("", "must be a table")
    assert refused(written(tmp_path, '"x"', "a.json")) == ("", "must be a table")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.toml", 'name = "x"\ninitial =\n', "invalid TOML: Invalid value (at line 2, column 10)"),
        (
            "a.json",
            '{"name": "x",\n  nope}',
            "invalid JSON: key must be a string at line 2 column 3",
        ),
        ("a.json", '{"name": NaN}', "invalid JSON: expected value at line 1 column 10"),
        ("a.json", "", "invalid JSON: EOF while parsing a value at line 1 column 0"),
    ],
    ids=["toml", "json", "nan", "empty"],
)
def test_bad_syntax_names_the_line(tmp_path, name, content, reason):
    """
    What cannot be parsed is told with the line and column of where it stops.
    """
    assert refused(written(tmp_path, content, name)) == ("", reason)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.toml", b'name = "\xff"'),
        ("a.toml", b"a = " + b"[" * 100_000),
        ("a.toml", b"a = " + b"9" * 5_000),
        ("a.json", b'{"name": "\xff"}'),
        ("a.json", b"[" * 100_000),
        ("a.json", b'{"name": ' + b"9" * 5_000 + b"}"),
        ("a.json", b'{"name": "\\ud800"}'),
    ],
    ids=["utf8", "deep", "digits", "json-utf8", "json-deep", "json-digits", "surrogate"],
)
def test_hostile_file_is_refused(tmp_path, name, content):
    """
    Bad encodings, deep nesting and endless numbers are refused like any other bad syntax.
    """
    place, reason = refused(written(tmp_path, content, name))

    assert place == ""
    assert reason.startswith(f"invalid {name[2:].upper()}: ")


def test_endless_key_is_refused_unparsed(tmp_path):
    """
    A key of very many parts, which would take gigabytes to parse, is refused by its line.
    """
    bomb = 'name = "x"\n' + ".".join("a" * 100_000) + " = 1\n"
    most = 'name = "' + "." * 40 + '"'

    assert refused(written(tmp_path, bomb)) == ("line 2", "has more than 40 dots")
    assert refused(written(tmp_path, most)) == ("initial", "Field required")


def test_large_file_is_refused(tmp_path):
    """
    A file beyond the cap is refused before it is parsed; one at the cap is read.
    """
    content = json.dumps(SMALL).encode()
    at_cap = content + b" " * ((1 << 20) - len(content))

    assert load_lifecycle(written(tmp_path, at_cap, "a.json")) == DOOR
    assert refused(written(tmp_path, at_cap + b" ", "a.json")) == (
        "",
        "is larger than 1048576 bytes",
    )


def test_what_cannot_be_opened_is_told(tmp_path):
    """
    No file, a directory, or a name that no file can have: each is told in a line.
    """
    folder = tmp_path / "folder.toml"
    folder.mkdir()

    assert [
        ("", "No such file or directory"),
        ("", "Is a directory"),
        ("", "embedded null byte"),
    ] == [refused(tmp_path / "none.toml"), refused(folder), refused("a\0b.toml")]


@pytest.mark.parametrize("name", ["door.yaml", "door", "door.toml.bak", ".json"])
def test_other_suffix_is_refused_unopened(tmp_path, name):
    """
    A file is taken for what its suffix says, and only TOML and JSON are said.
    """
    path = written(tmp_path, json.dumps(SMALL), name)

    assert refused(path) == ("", "a lifecycle file ends in .toml or .json")


def test_wrong_table_names_every_fault(tmp_path):
    """
    A table that can be read and contradicts itself raises with all its faults at once.
    """
    rows = [
        {"trigger": "push", "source": "shut", "target": "ajar"},
        {"trigger": "pull", "source": "open", "target": "shut"},
    ]
    path = written(tmp_path, json.dumps({**SMALL, "transitions": rows}), "door.json")

    with pytest.raises(LifecycleError) as caught:
        load_lifecycle(path)

    assert set(caught.value.faults) == {
        "open -pull-> shut: leads out of the terminal status 'open'",
        "status 'shut' is a trap: no terminal status is reachable from it",
        "status 'ajar' is a trap: no terminal status is reachable from it",
        "status 'open' is unreachable from 'shut'",
    }


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    """
    In JSON as in TOML, which of two values is meant is not guessed.
    """
    path = tmp_path / "twice.json"
    path.write_text('{"name": "a", "name": "b"}', encoding="utf-8")
    with pytest.raises(DefinitionError) as refused:
        load_lifecycle(path)

    assert f"{path}: invalid JSON: the key 'name' is repeated" == str(refused.value)
