"""
Server-sent events: the rules of the stream, and what counts as an event about a run.
"""

import json
from io import BytesIO

import pytest

from reader_limits import lower
from runstate import Finding, Lifecycle, Transition
from runstate.readers import Columns, read


def run(run_id, status="queued", **more):
    """
    Return the JSON of a run object.
    """
    return json.dumps({"id": run_id, "object": "thread.run", "status": status, **more})


def told(text, **options):
    """
    Return what *text* says: code, line and message of findings; status, run and line of the rest.
    """
    data = text if isinstance(text, bytes) else text.encode()

    return [
        (item.code, item.line, item.message)
        if isinstance(item, Finding)
        else (item.status, item.run_id, item.line)
        for item in read(BytesIO(data), **{"name": "stream.sse", **options})
    ]


RECORDED = f"""\
event: thread.run.created
data: {run("a")}

event: thread.run.step.created
data: {{"id": "step_1", "object": "thread.run.step", "status": "in_progress"}}

event: thread.message.delta
data: {{"object": "thread.message.delta", "delta": {{}}}}

event: thread.run.completed
data: {run("a", "incomplete")}

event: done
data: [DONE]

"""


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("portion", [1, 2, 1 << 16])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_recorded_stream(monkeypatch, ending, portion, mark):
    """
    A stream gives the runs in its data, whatever ends its lines; an event's name is no status.
    """
    lower(monkeypatch, portion=portion)

    assert [("queued", "a", 2), ("incomplete", "a", 11)] == told(
        mark + RECORDED.replace("\n", ending)
    )


def test_fields_of_the_stream():
    """
    Comments and unknown fields are nothing, a space after the colon is optional, data is joined.
    """
    text = f"""\
: comment
id: 7
retry: 5
x: y
data
data:{{"id": "a",
data: "object": "thread.run",
:
data:  "status": "queued"}}

data:{run("b")}
"""

    assert [("queued", "a", 5), ("queued", "b", 11)] == told(text)


def test_last_event_needs_no_blank_line():
    """
    An event at the end of the input counts, with or without the end of its line.
    """
    text = f"data: {run('a')}"

    assert [("queued", "a", 1)] == told(text) == told(text + "\n") == told(text + "\n\n")


def test_event_without_data():
    """
    An event about a run that has no data is reported, and what follows is read.
    """
    text = f"""\
event: thread.run.completed
{run("a", "completed")}

event: thread.run.step.completed

event: thread.message.completed

event: thread.run.failed\u202e
data:

data: {run("b")}
"""
    expected = [
        ("RS902", 1, "event 'thread.run.completed' has no data line"),
        ("RS902", 9, "event 'thread.run.failed\\u202e' has no data line"),
        ("queued", "b", 11),
    ]

    assert expected == told(text)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("data: [DONE]", []),
        ("event: error\ndata: {", []),
        ("event: error\ndata: " + run("a"), []),
        ("event: done\ndata: 1", []),
        ("data: 1", []),
        ('data: {"delta": 1}', []),
        ("event: thread.message.delta\ndata: {", []),
        ("event: thread.run.step.delta\ndata: {", []),
        ("event: ping\ndata: {}", []),
        ("event: update\ndata: " + run("a"), [("queued", "a", 2)]),
        ("event: thread.run.x\ndata: 1", [("RS901", 2, "a record must be a JSON object, not 1")]),
        ("data: {", [("RS901", 1, "not JSON: it ends in the middle (column 1)")]),
        ("data: {\ndata: \ndata: x", [
            ("RS901", 1, "not JSON: a key is not a string in double quotes (line 3, column 1)"),
        ]),
        (
            "event: thread.run.queued\ndata: {}",
            [("RS902", 2, "no 'run_id' or 'id' (keys: none; --run-id names another)")],
        ),
        ('data: {"id": "a", "status": "x", "status": "y"}', [
            ("RS903", 1, "given more than once: 'status'"),
        ]),
        ("data: \\xff", [("RS901", 1, "not JSON: a value is missing or misspelt (column 1)")]),
    ],
)  # fmt: skip
def test_events_that_say_nothing_or_wrong(event, expected):
    """
    Events about other things say nothing; broken data about a run is one finding.
    """
    after = 2 + event.count("\n")

    assert [*expected, ("queued", "z", after + 1)] == told(f"{event}\n\ndata: {run('z')}\n\n")


def test_bytes_that_are_no_text():
    """
    Data that is not UTF-8 is a finding; a name that is not is just another name.
    """
    text = b'event: \xff\ndata: {"id": "\xff"}\n\nevent: \xfe\ndata: ' + run("a").encode()
    expected = [("RS901", 2, "not JSON: it is not UTF-8 (column 9)"), ("queued", "a", 5)]

    assert expected == told(text)


@pytest.mark.parametrize("lines", [1, 30])
def test_event_beyond_the_cap(monkeypatch, lines):
    """
    An event that is too large, in one line or in many, is reported once and passed over.
    """
    lower(monkeypatch, record=100)
    large = "\n".join(["data: " + "x" * (300 // lines)] * lines)
    text = f"event: thread.run.queued\n{large}\ndata: 1\n\ndata: {run('a')}\n"
    expected = [
        ("RS904", 1 if lines == 1 else 2, "the event is larger than 100 bytes: passed over"),
        ("queued", "a", lines + 4),
    ]

    assert expected == told(text)[:2]


def test_columns():
    """
    Naming a column means that every event is about a run.
    """
    text = 'event: thread.message.x\ndata: {"m": {"id": "a", "s": "queued"}}\n\ndata: {}\n'
    expected = [
        ("queued", "a", 2),
        ("RS902", 4, "no 'm.id' (keys: none; --run-id names another)"),
    ]

    assert expected == told(text, columns=Columns("m.id", "m.s"))


def test_lifecycle_without_a_kind():
    """
    Where runs have no kind, an event's name means nothing.
    """
    door = Lifecycle("door", (Transition("shut", "open", "shut"),), "open", {"shut": "success"})
    text = 'event: thread.run.queued\n\nevent: thread.x\ndata: {"id": "a", "status": "open"}\n'

    assert [("open", "a", 4)] == told(text, lifecycle=door)


def test_records_in_a_list_of_one_event():
    """
    Data that is an array says what each of its records says; one of them may be about something else.
    """
    step = json.dumps({"id": "s", "object": "thread.run.step", "status": "completed"})
    stream = f"data: [{run('a')}, {step}, {run('a', 'in_progress')}]\n\ndata: [1]\n\ndata: []\n\n"

    assert told(stream) == [("queued", "a", 1), ("in_progress", "a", 1)]
