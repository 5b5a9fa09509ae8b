"""
Shapes: where records keep the facts, as data of a lifecycle.
"""

import copy
import json
import pickle
from dataclasses import replace
from io import BytesIO
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definitions import defined
from runstate import Lifecycle, LifecycleError, Observation, Shape, Transition, load_lifecycle
from runstate.diagrams import draw
from runstate.readers import read

ROWS = (Transition("start", "Waiting", "Running"), Transition("finish", "Running", "Done"))

TOML = """
name = "job"
initial = "Waiting"
terminal = { Done = "success" }
transitions = [
  { trigger = "start", source = "Waiting", target = "Running" },
  { trigger = "finish", source = "Running", target = "Done" },
]

[[shapes]]
records = ["items", "status.nodes.*"]
about = ["kind = Job", "status.conditions[type=Complete].status = True | true"]
id = [["metadata.namespace", "metadata.name"], "metadata.uid"]
attempt = "attempts[-1].number"
status = ["status.phase", "status.reason"]
at = ["status.at", "metadata.created"]
trigger = "reason"
null = "Waiting"
words = { "OK*" = "Done" }
ignore_case = true
text = ["msg = {who} is {what}"]
document = true
attempt_lags = true

[[shapes]]
source = "before.status"
target = "after.status"
id = "after.id"
"""

SHAPES = (
    Shape(
        records=("items", "status.nodes.*"),
        about=["kind = Job", "status.conditions[type=Complete].status = True | true"],
        id=[["metadata.namespace", "metadata.name"], "metadata.uid"],
        attempt="attempts[-1].number",
        status=["status.phase", "status.reason"],
        at=["status.at", "metadata.created"],
        trigger="reason",
        null="Waiting",
        words={"OK*": "Done"},
        ignore_case=True,
        text="msg = {who} is {what}",
        document=True,
        attempt_lags=True,
    ),
    Shape(source="before.status", target="after.status", id="after.id"),
)


def job(*shapes):
    """
    Return a small lifecycle with *shapes*.
    """
    return Lifecycle("job", ROWS, "Waiting", {"Done": "success"}, shapes=shapes)


def faults(*shapes):
    """
    Return what is wrong with *shapes*.
    """
    with pytest.raises(LifecycleError) as refused:
        job(*shapes)

    return refused.value.faults


def statuses(shape, record):
    """
    Return the statuses that *record* has by *shape*; none if it does not have the shape.
    """
    line = json.dumps(record).encode()
    found = read(BytesIO(line), format="jsonl", lifecycle=job(shape))

    return [each.status for each in found if isinstance(each, Observation)]


def nested(steps, value):
    """
    Return what *value* stands in at *steps*, among others of its kind.
    """
    if not steps:
        return value
    step, inner = steps[0], nested(steps[1:], value)
    if isinstance(step, str):
        return {step: inner, f"{step}?": "other"}
    if isinstance(step, int):
        others = ["other"] * (step if step >= 0 else -step - 1)
        return [*others, inner, "other"] if step >= 0 else ["other", inner, *others]

    return [{}, {step[0]: f"{step[1]}?"}, inner | dict([step])]


ID = "id of the job"


def found_at(path, steps, value="Running"):
    """
    Return the status at *path* of a record that has *value* at *steps*.
    """
    return statuses(Shape(id=ID, status=path), nested(steps, value) | {ID: "a"})


def test_shapes_are_read_from_a_definition(tmp_path):
    """
    The keys of a definition are the arguments of Shape.
    """
    path = tmp_path / "job.toml"
    path.write_text(TOML, encoding="utf-8")

    assert SHAPES == load_lifecycle(path).shapes


def test_shapes_come_back_from_a_picture():
    """
    The JSON picture of a lifecycle with shapes is a definition of the same shapes.
    """
    picture = json.loads(draw(job(*SHAPES), "json"))

    assert SHAPES == defined(picture).shapes


def test_a_shape_is_a_value():
    """
    A shape is copied, pickled and compared by its parts, and is a part of its lifecycle's value.
    """
    first, second = SHAPES

    assert first == copy.deepcopy(first) == pickle.loads(pickle.dumps(first)) == replace(first)
    assert hash(first) == hash(replace(first))
    assert first != second
    assert SHAPES == pickle.loads(pickle.dumps(job(*SHAPES))).shapes
    assert job(first) != job(second)


def test_a_lifecycle_without_a_status_has_no_spelling_of_it():
    """
    What is left out of the table is left out of the shapes, as it is of entries and deviations.
    """
    rows = (*ROWS, Transition("drop", "Waiting", "Gone"))
    shape = Shape(null="Gone", words={"away": "Gone", "ok": "Done"})
    table = Lifecycle(
        "job", rows, "Waiting", {"Done": "success", "Gone": "failure"}, shapes=[shape]
    )

    assert (Shape(words={"ok": "Done"}),) == table.without(statuses=["Gone"]).shapes


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("status", ("status",)),
        ("Task Id", ("Task Id",)),
        ("metadata.uid", ("metadata", "uid")),
        ("items[0].id", ("items", 0, "id")),
        ("attempts[-1]", ("attempts", -1)),
        (
            "status.conditions[type=Complete].status",
            ("status", "conditions", ("type", "Complete"), "status"),
        ),
        ("a[k=v.w].b[0]", ("a", ("k", "v.w"), "b", 0)),
        ("a[k=].b", ("a", ("k", ""), "b")),
    ],
)
def test_steps_of_a_path(path, steps):
    """
    Keys have dots between them; brackets select in lists by index or by value.
    """
    assert ["Running"] == found_at(path, steps)
    assert [] == found_at(f"{path}.more", steps)


def test_each_value_of_an_object_is_a_record():
    """
    A path of records that ends in * leads to an object, whose keys are the ids.
    """
    shape = Shape(records="nodes.*", status="phase")
    document = {"nodes": {"a": {"phase": "Running"}, "b": {"phase": "Done"}}}

    assert ["Running", "Done"] == statuses(shape, document)


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "[0]", "a[", "a[]", "a[b]", "a]", "a[0]b", "a.[0]", 5]
)
def test_what_is_not_a_path_is_refused(path):
    """
    The fault names the shape, the key and the path.
    """
    (fault,) = faults(Shape(), Shape(status=[path]))

    assert fault.startswith("shapes[1]: status: ")
    assert repr(path) in fault


TEXTS = st.characters(exclude_characters=".[]", exclude_categories=("Cs",))
KEYS = st.text(TEXTS, min_size=1).filter(ID.__ne__)
STEPS = st.one_of(
    KEYS.map(lambda key: [key]),
    st.integers(-99, 99).map(lambda place: [place]),
    st.tuples(
        st.tuples(
            st.text(
                st.characters(exclude_characters="=[]", exclude_categories=("Cs",)), min_size=1
            ),
            st.text(st.characters(exclude_characters="[]", exclude_categories=("Cs",))),
        ),
        KEYS,
    ).filter(lambda found: found[0][0] != found[1]),
)


@given(KEYS, st.lists(STEPS, max_size=5).map(lambda parts: [*chain(*parts)]))
def test_a_path_is_its_steps(first, others):
    """
    Law: steps that are written as a path are the steps of that path.
    """
    path = first
    for step in others:
        if isinstance(step, str):
            path += f".{step}"
        else:
            path += f"[{step}]" if isinstance(step, int) else f"[{step[0]}={step[1]}]"

    assert ["Running"] == found_at(path, (first, *others))


@pytest.mark.parametrize(
    ("text", "steps", "values"),
    [
        ("kind", ("kind",), None),
        ("kind = Job", ("kind",), ["Job"]),
        ("kind=Job", ("kind",), ["Job"]),
        ("event = running | success", ("event",), ["running", "success"]),
        ("c[type=Done].status = True", ("c", ("type", "Done"), "status"), ["True"]),
        ("c[type=Done]", ("c", ("type", "Done")), None),
        ("a = b = c", ("a",), ["b = c"]),
    ],
)
def test_what_must_hold(text, steps, values):
    """
    A path must be there, or have one of the values.
    """
    shape = Shape(about=text, id=ID, status="phase")
    record = {ID: "a", "phase": "Running"}

    def holds(value):
        inner = value if isinstance(steps[-1], str) else {}
        return statuses(shape, record | nested(steps, inner)) == ["Running"]

    assert all(map(holds, values or ["anything", "else"]))
    assert not any(map(holds, ["anything", f"{values[0]} | {values[-1]}", ""] if values else []))
    assert [] == statuses(shape, record)


def test_a_wrong_shape_names_every_fault():
    """
    Everything that cannot be used is named at once, with its place.
    """
    shape = Shape(
        records="a.*.b",
        about=["", "kind =", "n.*"],
        id=["a..b", []],
        status="a",
        target="b.*",
        null="none",
        words={"ok": "Finished", "": "Done", "*": "Done"},
    )

    assert (
        "shapes[0]: records: 'a.*.b': * is for the end of a path in records",
        "shapes[0]: target: 'b.*': * is for the end of a path in records",
        "shapes[0]: id: 'a..b' is not a path such as status.conditions[type=Complete].status",
        "shapes[0]: id: expected a path or several, got none",
        "shapes[0]: about: '' is not a path such as status.conditions[type=Complete].status",
        "shapes[0]: about: expected 'path' or 'path = value', got 'kind ='",
        "shapes[0]: about: expected 'path' or 'path = value', got 'n.*'",
        "shapes[0]: names both status and target: a move has its status in target",
        "shapes[0]: null: no status 'none'",
        "shapes[0]: words: 'ok': no status 'Finished'",
        "shapes[0]: words: expected another spelling of 'Done', got ''",
        "shapes[0]: words: expected another spelling of 'Done', got '*'",
    ) == faults(shape)


def test_case_is_not_ignored_where_it_tells_statuses_apart():
    """
    Two statuses that are one without their case are refused.
    """
    rows = (Transition("a", "on", "ON"), Transition("b", "ON", "off"))
    with pytest.raises(LifecycleError, match="differ only in upper and lower case"):
        Lifecycle("x", rows, "on", {"off": "success"}, shapes=[Shape(ignore_case=True)])


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("msg = node {n} is {phase}", "node a is Running", {"n": "a", "phase": "Running"}),
        ("msg = node {n} is {phase}", "node a is not is Done", {"n": "a", "phase": "not is Done"}),
        ("msg = {n}: {phase}!", "a: Done!", {"n": "a", "phase": "Done"}),
        ("msg = {n}: {phase}!", "a: Done!?", None),
        ("msg = {n}: {phase}!", "a!", None),
        ("msg = {}[{n}] {phase} in {}", "work[7] done in 3s", {"n": "7", "phase": "done"}),
        ("msg = {}[{n}]", "[7]", {"n": "7"}),
        ("msg = {n} of {m}", " of 3", None),
        ("msg = at {n}", "node a", None),
        ("msg = {n} of {m} of {o}", "a of b", None),
        ("msg = {n}aa", "aa", None),
        ("msg = a{n}a", "a", None),
    ],
)
def test_a_text_is_taken_apart(text, line, expected):
    """
    Each hole is what stands between the words around it; one with a name is not empty.
    """
    names = expected or ["n"]

    assert [[value] for value in (expected or {}).values()] or [[]] == [
        statuses(Shape(text=text, id=ID, status=name), {ID: "a", "msg": line}) for name in names
    ]


@given(st.lists(st.text("abc", min_size=1), min_size=2, max_size=4))
def test_what_was_put_together_is_taken_apart(parts):
    """
    Law: parts without the words between them are found again.
    """
    names = [f"p{number}" for number in range(len(parts))]
    template = "msg = <" + " - ".join(f"{{{name}}}" for name in names) + ">"
    record = {ID: "a", "msg": f"<{' - '.join(parts)}>"}

    assert [[part] for part in parts] == [
        statuses(Shape(text=template, id=ID, status=name), record) for name in names
    ]


def test_a_text_of_any_length_is_taken_apart_at_once():
    """
    Every word is sought once, so that a hostile line takes no longer than its length.
    """
    shape = Shape(text="line = [{a}: {}] {b}[{c}] {d}: {e} in {f}!", id=ID, status="a")

    assert [] == statuses(shape, {ID: "a", "line": "[x: ] y[z] " * 200_000})


@pytest.mark.parametrize(
    "text",
    ["msg = nothing named", "msg = {}", "= {a}", "msg", "m = {a} {a}", "m = {a}{b}", "m = {}{b} x",
     "m = {run-id} is {b}", "m = {1} is {b}"],
)  # fmt: skip
def test_a_text_that_fits_no_line_or_names_nothing_is_refused(text):
    """
    What cannot be taken apart is a fault of the definition.
    """
    with pytest.raises(LifecycleError, match=r"shapes\[0\]: text: "):
        Lifecycle("x", ROWS, "Waiting", {"Done": "success"}, shapes=[Shape(text=text)])
