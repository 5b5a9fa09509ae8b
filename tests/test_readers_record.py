"""
What one record says about a run, whatever format it came in.
"""

import json
from io import BytesIO

import pytest

from runstate import Finding, Lifecycle, Observation, Transition, check
from runstate.presets import PRESETS
from runstate.readers import Columns, read

NOON = 1_700_000_000
GOOD = {"id": "run_9", "status": "queued"}
MOVE = {
    "event": "run.transition",
    "run_id": "run_1",
    "trigger": "start",
    "source": "queued",
    "target": "in_progress",
    "at": NOON + 0.5,
    "duration_s": 1.5,
    "seq": 2,
    "level": "info",
    "timestamp": "2023-11-14T22:13:21Z",
}


def is_about_a_column(item):
    """
    Return whether *item* is the finding about a column of times or numbers.
    """
    return isinstance(item, Finding) and any(
        reason in item.message
        for reason in ("ISO 8601", "is not between the years", "mixes times", "seq must be")
    )


def told(record, **options):
    """
    Return what a line of *record* says, and check that the line after it is read.
    """
    text = record if isinstance(record, bytes) else json.dumps(record).encode()
    data = BytesIO(text + b"\n" + json.dumps(MOVE).encode())
    # What is wrong with a whole column comes at the end, since it is counted.
    *items, last = sorted(
        read(data, **{"name": "log.jsonl", **options}),
        key=lambda item: (item.line, not is_about_a_column(item)),
    )
    columns = options.get("columns", Columns())
    if columns.run_id is None and columns.status is None:
        assert ("in_progress", "run_1", 2) == (last.status, last.run_id, last.line)

    return [
        (item.code, item.line, item.message) if isinstance(item, Finding) else item
        for item in items
    ]


def seen(status, run_id, at=None, fields=None, source=None, seq=None, trigger=None):
    """
    Return the observation that the first line makes.
    """
    return Observation(status, run_id, at, fields or {}, source, seq, "log.jsonl", 1, trigger)


# -- snapshots ---------------------------------------------------------------


def test_snapshot():
    """
    A run object gives its id, its status and its fields, but not when it was looked at.
    """
    run = {
        "id": "run_1",
        "object": "thread.run",
        "created_at": NOON,
        "status": "failed",
        "started_at": None,
        "last_error": {"code": "server_error"},
        "run_id": "not this one",
        "x_vendor": 1,
    }
    fields = {key: value for key, value in run.items() if key not in {"run_id", "x_vendor"}}

    assert [seen("failed", "run_1", fields=fields)] == told(run)


def test_findings_name_file_and_run():
    """
    A finding names the file it is about, and the run where that could be read.
    """
    data = BytesIO(b'{"id": "run_1", "status": 5}')
    expected = Finding(
        "RS901", "error", "status must be a string, not 5", "run_1", file="a.json", line=1
    )

    assert [expected] == list(read(data, name="a.json"))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"id": "a"}, "a"),
        ({"id": "a", "run_id": "b"}, "b"),
        ({"id": "a", "run_id": None}, "a"),
        ({"id": "a", "run_id": "b", "object": "thread.run"}, "a"),
        ({"id": 7}, "7"),
        ({"id": -7}, "-7"),
        ({"id": 10**511}, "1" + "0" * 511),
        ({"id": "run 1 \u00e9\U0001f600"}, "run 1 \u00e9\U0001f600"),
        ({"id": "x" * 512}, "x" * 512),
    ],
)
def test_run_id(keys, expected):
    """
    The id of a run object is its own; other records name the run in run_id, or else in id.
    """
    [item] = told({**keys, "status": "queued"})

    assert expected == item.run_id


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ("RS902", "no 'run_id' or 'id' (keys: status; --run-id names another)")),
        ({"id": None}, ("RS902", "id has no value")),
        ({"id": None, "object": "thread.run"}, ("RS902", "id has no value")),
        (
            {"run_idd": "a"},
            (
                "RS902",
                (
                    "no 'run_id' or 'id' (did you mean 'run_idd'? keys: status, run_idd; "
                    "--run-id names another)"
                ),
            ),
        ),
        ({"id": ""}, ("RS901", "run id has 0 characters, not 1 to 512")),
        ({"id": "x" * 513}, ("RS901", "run id has 513 characters, not 1 to 512")),
        ({"id": "a\0b"}, ("RS901", "run id 'a\\x00b' holds a control or invisible character")),
        (
            {"id": "a\u202eb"},
            ("RS901", "run id 'a\\u202eb' holds a control or invisible character"),
        ),
        ({"id": "a\nb"}, ("RS901", "run id 'a\\nb' holds a control or invisible character")),
        ({"id": True}, ("RS901", "run id must be a string, not true")),
        ({"id": 1.0}, ("RS901", "run id must be a string, not 1.0")),
        ({"id": ["a"]}, ("RS901", "run id must be a string, not an array")),
        ({"id": {}}, ("RS901", "run id must be a string, not an object")),
        (
            {"id": 10**512},
            ("RS901", "run id must be a string, not a number of more than 64 bits"),
        ),
    ],
)
def test_run_id_that_is_none(keys, expected):
    """
    A record whose run cannot be told is not used.
    """
    code, message = expected

    assert [(code, 1, message)] == told({"status": "queued", **keys})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ("RS902", "no 'status' (keys: id; --status names another)")),
        ({"status": None}, ("RS902", "status has no value")),
        (
            {"state": "queued"},
            (
                "RS902",
                "no 'status' (did you mean 'state'? keys: id, state; --status names another)",
            ),
        ),
        (
            {f"k\x1b{n}": 1 for n in range(20)},
            (
                "RS902",
                (
                    "no 'status' (keys: id, k\\x1b0, k\\x1b1, k\\x1b2, k\\x1b3, k\\x1b4, k\\x1b5, "
                    "k\\x1b6, k\\x1b7, k\\x1b8, k\\x1b9, k\\x1b10, …; --status names another)"
                ),
            ),
        ),
        ({"status": ""}, ("RS901", "status has 0 characters, not 1 to 200")),
        ({"status": "x" * 201}, ("RS901", "status has 201 characters, not 1 to 200")),
        ({"status": 200}, ("RS901", "status must be a string, not 200")),
        ({"status": False}, ("RS901", "status must be a string, not false")),
        ({"status": {}}, ("RS901", "status must be a string, not an object")),
    ],
)
def test_status_that_is_none(keys, expected):
    """
    A record without a status is not used; which statuses exist is not for a reader to say.
    """
    code, message = expected

    assert [(code, 1, message)] == told({"id": "a", **keys})


def test_unheard_of_status_is_read():
    """
    A status that no lifecycle knows is an observation like any other.
    """
    record = {"id": "a", "status": "x\u202e" * 100}

    assert [seen(record["status"], "a", fields=record)] == told(record)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (20_000_000_001, "20000000001 is not between the years 2000 and 2099"),
        (0, "0 is not between the years 2000 and 2099"),
        (-1, "-1 is not between the years 2000 and 2099"),
        (946_684_799, "946684799 is not between the years 2000 and 2099"),
        (4_102_444_800, "4102444800 is not between the years 2000 and 2099"),
        (10**30, "a number of more than 64 bits is not between the years 2000 and 2099"),
        (True, "must be Unix seconds or ISO 8601, not true"),
        ("soon", "'soon' is neither Unix seconds nor ISO 8601"),
        ({}, "must be Unix seconds or ISO 8601, not an object"),
    ],
)
def test_stamp_that_is_none(value, reason):
    """
    A stamp that is not a time of these years is reported and left out; the rest is used.
    """
    rest = {"id": "a", "status": "queued", "created_at": NOON, "started_at": None}
    expected = [("RS901", 1, f"failed_at {reason}"), seen("queued", "a", fields=rest)]

    assert expected == told({**rest, "failed_at": value})


def test_infinite_stamp():
    """
    A number beyond what a float holds is no stamp either.
    """
    line = b'{"id": "a", "status": "queued", "failed_at": 1e999}'
    expected = [
        ("RS901", 1, "failed_at inf is not between the years 2000 and 2099"),
        seen("queued", "a", fields={"id": "a", "status": "queued"}),
    ]

    assert expected == told(line)


@pytest.mark.parametrize("value", [946_684_800, NOON, float(NOON), 4_102_444_799])
def test_stamp(value):
    """
    A stamp is a whole number of Unix seconds, also where it is spelt as a float.
    """
    [item] = told({"id": "a", "status": "queued", "failed_at": value})

    assert (int(value), int) == (item.fields["failed_at"], type(item.fields["failed_at"]))


# -- when --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"at": NOON}, float(NOON)),
        ({"at": NOON + 0.25}, NOON + 0.25),
        ({"timestamp": "2023-11-14T22:13:20Z"}, float(NOON)),
        ({"timestamp": "2023-11-14T23:13:20.500+01:00"}, NOON + 0.5),
        ({"observed_at": NOON, "at": NOON + 1, "timestamp": NOON + 2}, float(NOON)),
        ({"observed_at": None, "at": NOON}, float(NOON)),
        ({"at": NOON, "object": "thread.run"}, float(NOON)),
        ({"created_at": NOON}, None),
    ],
)
def test_time_of_observation(keys, expected):
    """
    A record may say when it was made; a stamp of the run's own does not.
    """
    [item] = told({"id": "a", "status": "queued", **keys})

    assert expected == item.at


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1970-01-01T00:00:00Z", "'1970-01-01T00:00:00Z' is not between the years 2000 and 2099"),
        ("noon", "'noon' is neither Unix seconds nor ISO 8601"),
        ("", "'' is neither Unix seconds nor ISO 8601"),
        ("\x1b[2J", "'\\x1b[2J' is neither Unix seconds nor ISO 8601"),
        ("0" * 70, f"'{'0' * 59}…' is neither Unix seconds nor ISO 8601"),
        (10**400, "a number of more than 64 bits is not between the years 2000 and 2099"),
        (True, "must be Unix seconds or ISO 8601, not true"),
        ([], "must be Unix seconds or ISO 8601, not an array"),
    ],
)
def test_time_that_is_none(value, reason):
    """
    A time that cannot be read is reported and left out; what was seen is used.
    """
    rest = {"id": "a", "status": "queued"}
    expected = [("RS901", 1, f"at {reason}"), seen("queued", "a", fields=rest)]

    assert expected == told({**rest, "at": value})


def test_time_without_zone_is_utc_if_assumed():
    """
    With assume_utc, a time without a zone is UTC, and one with a zone keeps it.
    """
    naive = told({**GOOD, "at": "2023-11-14T22:13:20"}, assume_utc=True)
    zoned = told({**GOOD, "at": "2023-11-14T23:13:20+01:00"}, assume_utc=True)

    assert [NOON, NOON] == [item.at for item in (*naive, *zoned)]


# -- moves -------------------------------------------------------------------


def test_own_log():
    """
    A line that runstate logged is a move; from nowhere, it is the run's creation.
    """
    born = {**MOVE, "trigger": "create", "source": None, "target": "queued", "seq": 1}

    assert [
        seen("in_progress", "run_1", NOON + 0.5, source="queued", seq=2, trigger="start")
    ] == told(MOVE)
    assert [seen("queued", "run_1", NOON + 0.5, seq=1, trigger="create")] == told(born)


def test_row_of_a_journal():
    """
    A record with a source and a target, but no status and no event, is a move too.
    """
    row = {"run_id": "run_1", "source": "queued", "target": "in_progress"}

    assert [seen("in_progress", "run_1", source="queued")] == told(row)
    assert ["completed"] == [item.status for item in told({**row, "status": "completed"})]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"target": None}, [("RS902", 1, "a move without a target")]),
        ({"target": 5}, [("RS901", 1, "target must be a string, not 5")]),
        ({"source": 5}, [("RS901", 1, "source must be a string, not 5")]),
        ({"source": ""}, [("RS901", 1, "source has 0 characters, not 1 to 200")]),
        ({"run_id": None}, [("RS902", 1, "run_id has no value")]),
        (
            {"seq": 0, "at": "noon"},
            [
                ("RS901", 1, "at 'noon' is neither Unix seconds nor ISO 8601"),
                ("RS901", 1, "seq must be a whole number from 1, not 0"),
                seen("in_progress", "run_1", source="queued", trigger="start"),
            ],
        ),
        (
            {"seq": True},
            [
                ("RS901", 1, "seq must be a whole number from 1, not true"),
                seen("in_progress", "run_1", NOON + 0.5, source="queued", trigger="start"),
            ],
        ),
        (
            {"seq": None},
            [seen("in_progress", "run_1", NOON + 0.5, source="queued", trigger="start")],
        ),
    ],
)
def test_move_that_is_none(keys, expected):
    """
    A move must say where to, and of which run; a bad number or time is merely left out.
    """
    assert expected == told({**MOVE, **keys})


# -- what is not about a run -------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {"object": "thread.run.step", "id": "step_1", "status": "completed", "run_id": "r"},
        {"object": "thread.message", "id": "msg_1"},
        {"object": "thread", "id": "thread_1"},
        {"object": 5},
        {"Object": "thread.run.step", "Id": "step_1", "Status": "completed"},
        {"event": "run.rejected", "run_id": "r", "status": "queued", "target": "completed"},
        {"event": "run.observer_failed", "run_id": "r"},
        {"event": "http.request", "status": 200, "id": "r"},
        {"event": "job done", "status": "ok"},
        {"event": "done", "data": "[DONE]"},
        {"event": "http.request", "data": {"status": "ok"}},
        {"event": "thread.message.delta", "data": {"object": "thread.message.delta"}},
        {"object": "list", "data": []},
    ],
)
def test_passed_over(record):
    """
    Records about something else say nothing: other objects, other people's log lines.
    """
    assert [] == told(record)


def test_log_line_of_somebody_else_about_a_run():
    """
    Another event that has a run and its status is an observation of it.
    """
    [item] = told({"event": "poll", "run_id": "r", "status": "queued", "at": NOON})

    assert ("queued", "r", NOON) == (item.status, item.run_id, item.at)


def test_stream_event_as_json():
    """
    An event of a stream that was written down as JSON is read for the run in its data.
    """
    run = {"id": "a", "object": "thread.run", "status": "queued"}

    assert [seen("queued", "a", fields=run)] == told({"event": "thread.run.created", "data": run})


def test_list_object():
    """
    A list object is so many records, each for itself; a list within it is none.
    """
    run = {"id": "a", "object": "thread.run", "status": "queued"}
    page = [run, {"object": "thread.message"}, 5, {"object": "list", "data": [run]}, {"id": "b"}]
    expected = [
        seen("queued", "a", fields=run),
        ("RS901", 1, "a record must be a JSON object, not 5"),
        ("RS902", 1, "no 'status' (keys: id; --status names another)"),
        seen("in_progress", "run_1", NOON + 0.5, source="queued", seq=2, trigger="start"),
    ]

    assert expected == told({"object": "list", "data": [*page, MOVE]})


# -- columns -----------------------------------------------------------------


def test_columns_lead_into_nested_objects():
    """
    A dotted column leads into nested objects; the fields are of the object with the status.
    """
    record = {
        "id": "evt_1",
        "object": "event",
        "status": "delivered",
        "when": "2023-11-14T22:13:20Z",
        "payload": {"run": {"ident": "run_1", "state": "failed", "created_at": NOON, "x": 1}},
    }
    columns = Columns("payload.run.ident", "payload.run.state", "when")

    assert [seen("failed", "run_1", NOON, {"created_at": NOON})] == told(
        {**record, "at": 5}, columns=columns
    )


def test_usual_id_is_sought_where_the_status_is():
    """
    Where only the status is named, the run's id is the one beside it, or else the record's.
    """
    columns = Columns(status="data.status")
    beside = {"id": "evt_1", "data": {"id": "run_1", "status": "queued"}}
    above = {"id": "run_2", "data": {"status": "queued"}}

    assert ["run_1", "run_2"] == [
        item.run_id for record in (beside, above) for item in told(record, columns=columns)
    ]


def test_key_with_dots_wins():
    """
    A key that is spelt with dots wins over the path of the same name.
    """
    record = {"id": "a", "run.status": "failed", "run": {"status": "queued"}}

    assert ["failed"] == [
        item.status for item in told(record, columns=Columns(status="run.status"))
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(run_id="x.y"), "no 'x.y' (keys: id, status, x; --run-id names another)"),
        (Columns(run_id="x.z.y"), "no 'x.z.y' (keys: id, status, x; --run-id names another)"),
        (Columns(status="state"), ("no 'state' (did you mean 'status'? keys: id, status, x; "
         "--status names another)")),
    ],
)  # fmt: skip
def test_column_that_is_not_there(columns, message):
    """
    A column that was named is the only place looked at.
    """
    data = BytesIO(json.dumps({"id": "a", "status": "queued", "x": {"z": 1}}).encode())

    assert [("RS902", message)] == [
        (item.code, item.message) for item in read(data, columns=columns)
    ]


def test_naming_a_column_means_every_record():
    """
    Once it is said where runs are found, other objects are runs too; naming the time says nothing.
    """
    step = {"object": "thread.run.step", "id": "step_1", "status": "queued", "at": NOON}

    assert [("queued", "step_1")] == [item[:2] for item in told(step, columns=Columns(run_id="id"))]
    assert [] == told(step, columns=Columns(at="at"))


# -- spellings and repetitions -----------------------------------------------


def test_reference_spelling():
    """
    A snapshot may use the reference's spelling; what comes out has the wire's keys.
    """
    theirs = {"Id": "a", "Object": "thread.run", "Status": "queued", "CreatedAt": NOON, "At": 1}
    ours = {"id": "a", "object": "thread.run", "status": "queued", "created_at": NOON}

    assert [seen("queued", "a", fields=ours)] == told(theirs)
    assert [seen("queued", "a", fields=ours)] == told({**theirs, "Status": "queued", **ours})


def test_spellings_that_differ():
    """
    A field that is given in both spellings with two values is a key given twice.
    """
    record = {"id": "a", "status": "queued", "Status": "completed"}

    assert [("RS903", 1, "'status' and 'Status' are given and differ")] == told(record)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (b'{"id": "a", "status": "queued", "status": "completed"}', "'status'"),
        (b'{"id": "a", "status": "queued", "status": "queued"}', "'status'"),
        (b'{"id": "a", "status": "queued", "\\u0073tatus": "completed"}', "'status'"),
        (b'{"id": "a", "status" : "queued", "status"\t:"completed"}', "'status'"),
        (b'{"id": "a", "status": "queued", "status": "\\u0022"}', "'status'"),
        (b'{"id": "a", "status": "x\\"", "status": "\\u0022\\u0022\\u0022"}', "'status'"),
        (b'{"id": "a", "status": "queued", "id": "b"}', "'id'"),
        (b'{"id": "a", "status": "queued", "at": 1, "at": 1700000000}', "'at'"),
        (b'{"id": "a", "status": "queued", "failed_at": 1, "failed_at": null}', "'failed_at'"),
        (b'{"id": "a", "status": "queued", "usage": {}, "usage": null}', "'usage'"),
        (b'{"id": "a", "Status": "queued", "Status": "completed"}', "'Status'"),
        (b'{"id": "a", "id": "a", "status": "queued", "status": 1}', "'id', 'status'"),
        (b'{"object": "thread.run", "object": "thread", "id": "a", "status": "x"}', "'object'"),
        (b'{"object": "list", "data": [], "data": [{"id": "a", "status": "x"}]}', "'data'"),
        (b'{"event": "x", "event": "run.transition", "run_id": "a", "target": "x"}', "'event'"),
        (b'{"event": "run.transition", "event": "x", "run_id": "a", "target": "x"}', "'event'"),
        (b'{"run_id": "a", "source": "a", "target": "b", "target": "c"}', "'target'"),
        (b'{"event": "x", "data": 1, "data": {"object": "thread.run"}}', "'data'"),
    ],
)
def test_key_given_twice(line, names):
    """
    A record that gives a key twice that matters is not used, however the key is spelt.
    """
    assert [("RS903", 1, f"given more than once: {names}")] == told(line)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'{"id": "a", "p": {"s": "queued"}, "p": {"s": "queued"}}', "p"),
        (b'{"id": "a", "p": {"s": "queued", "s": "failed"}}', "s"),
        (b'{"id": "a", "p": {"s": "queued", "failed_at": 1, "failed_at": 2}}', "failed_at"),
        (b'{"id": "a", "id": "b", "p": {"s": "queued"}}', "id"),
        (b'{"id": "a", "p.s": "queued", "p.s": "failed"}', "p.s"),
    ],
)
def test_key_given_twice_on_the_way(line, name):
    """
    A dotted column minds repetitions on every level that it passes.
    """
    expected = ("RS903", f"given more than once: '{name}'")

    [item] = read(BytesIO(line), format="jsonl", columns=Columns(status="p.s"))

    assert expected == (item.code, item.message)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "a", "status": "queued", "x_vendor": 1, "x_vendor": 2}',
        b'{"id": "a", "status": "queued", "x_vendor": {"status": 1, "status": 2}}',
        b'{"id": "a", "status": "queued", "x_vendor": "\\"status\\": \\u0022 \\u0073tatus"}',
        b'{"object": "thread.message", "status": "x", "status": "y"}',
    ],
)
def test_repetition_that_does_not_matter(line):
    """
    Repeated keys that nobody reads are no finding.
    """
    assert [] == [item for item in told(line) if not isinstance(item, Observation)]


# -- other lifecycles --------------------------------------------------------


def test_other_lifecycle():
    """
    Another lifecycle says which keys are its own; without a kind, objects are not told apart.
    """
    jobs = Lifecycle(
        name="job",
        transitions=(Transition("finish", "open", "shut"),),
        initial="open",
        terminal={"shut": "success"},
        created=("born_at",),
        status_field="phase",
        id_field="job",
    )
    record = {"job": 7, "object": "print", "phase": "open", "born_at": NOON, "x": [1], "id": "no"}
    expected = [
        ("RS901", 1, "born_at 'x' is neither Unix seconds nor ISO 8601"),
        Observation("open", "7", NOON, {**record, "at": NOON}, file="a.jsonl", line=2),
    ]
    data = "\n".join(json.dumps({**record, "at": NOON, **more}) for more in ({"born_at": "x"}, {}))
    _, second, first = read(BytesIO(data.encode()), lifecycle=jobs, name="a.jsonl")

    assert expected == [(first.code, first.line, first.message), second]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 1767225600.0),
        (1767225600.5, 1767225600.5),
        (1767225600, 1767225600),
    ],
)
def test_stamps_elsewhere_are_any_time(written, seconds):
    """
    Without a kind of OpenAI's, a stamp may be a date or a fraction, as other systems write it.
    """
    job = {"id": 1, "kind": "mail", "state": "running", "attempted_at": written}
    (seen,) = read(BytesIO(json.dumps(job).encode()), lifecycle=PRESETS["river-job"])

    assert {**job, "attempted_at": seconds} == seen.fields


def test_an_empty_object_is_as_good_as_none():
    """
    A re-implementation was seen to send one; its runs are runs.
    """
    (one,) = told({"id": "run_1", "object": "", "status": "queued"})

    assert ("queued", "run_1") == (one.status, one.run_id)


def test_a_refusal_in_a_log_of_answers_is_no_run():
    """
    What the service refused with is passed over, like an error event of a stream.
    """
    assert [] == told({"error": {"message": "Cannot cancel run with status 'completed'."}})
    assert ["RS902"] == [found[0] for found in told({"error": "text"})]


def test_a_lone_record_is_judged_alike_whatever_its_columns_are_called():
    """
    One snapshot is no history, also where no field of a run's has the name of one of its columns.
    """
    for key in ("status", "state", "phase"):
        seen = [*read(BytesIO(f"run_id,{key}\nr,failed\n".encode()), columns=Columns(status=key))]

        assert [("failed", "r")] == [each[:2] for each in seen]
        assert () == check(seen).findings
