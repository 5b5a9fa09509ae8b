"""
Records read by the shapes of a lifecycle: the facts are the same wherever they stand.
"""

import csv
import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstate import RUN, Finding, Lifecycle, Shape, Transition
from runstate.cli import main
from runstate.diagrams import draw
from runstate.readers import Columns, read
from runstate.store import RunStore

GOLDEN = Path(__file__).parent / "data" / "golden"

ROWS = (
    Transition("start", "queued", "running"),
    Transition("finish", "running", "done/ok"),
    Transition("fail", "running", "done/bad"),
)


def job(*shapes, **more):
    """
    Return a lifecycle whose ends have a status of two fields.
    """
    ends = {"done/ok": "success", "done/bad": "failure"}

    return Lifecycle("job", ROWS, "queued", ends, shapes=shapes, **more)


HOOK = Shape(
    about=["job"],
    id="job.id",
    status=["job.status", "job.result"],
    at=["job.updated", "sent"],
    trigger="action",
)
PLAIN = Shape(id="id", status=["status", "result"], at="updated")
JOB = job(HOOK, PLAIN)


def told(data, lifecycle=JOB, name="a.jsonl", **options):
    """
    Return what *data* says: id, status, time and trigger, or the code and message of a finding.
    """
    if not isinstance(data, bytes):
        data = "\n".join(json.dumps(record) for record in data).encode()

    return [
        (each.code, each.message)
        if isinstance(each, Finding)
        else (each.run_id, each.status, each.at, each.trigger)
        for each in read(io.BytesIO(data), name=name, lifecycle=lifecycle, **options)
    ]


def test_the_first_shape_that_fits_is_taken():
    """
    Webhooks and rows of the same system stand in one file; the status is joined of two fields.
    """
    records = [
        {
            "action": "queued",
            "job": {"id": 7, "status": "queued", "result": None},
            "sent": 1790000000,
        },
        {"id": 7, "status": "done", "result": "ok", "updated": "2026-09-21T14:13:29Z"},
    ]

    assert [
        ("7", "queued", 1790000000.0, "queued"),
        ("7", "done/ok", 1790000009.0, None),
    ] == told(records)


def test_what_fits_no_shape_is_passed_over_and_counted():
    """
    A record about something else is not a fault; how many there were is said once.
    """
    notices = []
    records = [{"ping": 1}, {"id": "a", "status": "queued"}, {"id": "a"}]

    assert [("a", "queued", None, None)] == told(records, notice=notices.append)
    assert ["a.jsonl: 2 records about something else passed over"] == notices


def test_where_nothing_fits_it_says_what_was_looked_for():
    """
    A file of another system is refused in one line.
    """
    reason = (
        "no record has a shape of 'job' (keys: kind, name; --run-id and --status name others): "
        "looked for job.id and job.status/job.result where job; or id and status/result"
    )

    assert [("RS902", reason)] == told([{"kind": "Pod", "name": "x"}] * 3)


LINES_OF_A_LOG = job(
    Shape(text="line = {at} job {id} is {status}", id="id", status="status", at="at"),
    Shape(text=["msg = {id} ended {status}", "msg = {id}: {status}"], id="id", status="status"),
)


@pytest.mark.parametrize("before", ["", "web-1  | ", "2026-01-01T00:00:00.123456789Z stdout F "])
def test_lines_for_people_are_taken_apart(before):
    """
    A template says where the facts stand in a line of a log; other lines are passed over.
    """
    lines = ["Started", "2026-03-01T10:00:00Z job a is queued", "job a went well", "x=1 y=2"]
    notices = []
    found = told(
        "\n".join(before + line for line in lines).encode(), LINES_OF_A_LOG, name="app.log",
        notice=notices.append,
    )  # fmt: skip

    assert [("a", "queued", 1772359200.0, None)] == found
    assert ["app.log: 3 records about something else passed over"] == notices


def test_a_text_in_a_record_is_taken_apart():
    """
    The first template that fits is taken.
    """
    records = [{"msg": "a ended done/ok"}, {"msg": "b: queued"}, {"msg": "c"}, {"msg": 3}]

    assert [("a", "done/ok", None, None), ("b", "queued", None, None)] == told(
        records, LINES_OF_A_LOG
    )


def test_lines_of_which_none_fits_are_refused():
    """
    A log of another program is refused in one line, which says what can be read.
    """
    assert ["RS902"] == [code for code, _ in told(b"hello\nthere\n", LINES_OF_A_LOG, name="a.log")]


def test_a_document_may_be_one_object():
    """
    Events without an id are of the document that they are in.
    """
    lifecycle = job(Shape(records="events", status="type", id="job", document=True))
    events = [{"type": "queued"}, {"type": "done/ok"}]

    assert [("a.jsonl:2", "queued", None, None), ("a.jsonl:2", "done/ok", None, None)] == told(
        [{"events": []}, {"events": events}], lifecycle
    )[-2:]
    assert ["7", "7"] == [each[0] for each in told([{"job": 7, "events": events}], lifecycle)]
    assert [("RS902",)] == [each[:1] for each in told(events[:1], lifecycle)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("apiVersion: v1\nitems:\n- kind: Job\n", "YAML"),
        ("---\nkind: Job\n", "YAML"),
        ("NAME   STATUS    AGE\na      Running   5m\n", "a table"),
        (" id |  state\n----+-------\n  1 | running\n", "a table"),
        ("| id | state |\n|----|-------|\n| 1 | running |\n", "a table"),
        ("+----+-------+\n| id | state |\n+----+-------+\n", "a table"),
        ("   JOBID PARTITION     NAME     USER ST\n      41      main     test     root  R\n", "a table"),
    ],
)  # fmt: skip
def test_what_is_printed_for_people_is_refused_by_name(text, what):
    """
    One line says what it is, and what to ask for instead.
    """
    ((code, reason),) = told(text.encode(), job(), name="got.txt")

    assert "RS901" == code
    assert reason.startswith(what)
    assert "ask for JSON" in reason


@pytest.mark.parametrize(
    ("record", "code", "message"),
    [
        ({"id": "a", "status": None}, "RS902", "status has no value"),
        (
            {"id": "a", "status": "", "result": "ok"},
            "RS902",
            "status has no value, and result has one",
        ),
        ({"id": "a", "status": "x/y"}, "RS901", "a part of the status holds /: ['x/y']"),
        ({"id": "a", "status": {}}, "RS901", "status must be a string, not an object"),
        ({"id": [], "status": "queued"}, "RS901", "run id must be a string, not an array"),
    ],
)
def test_a_record_that_fits_must_be_readable(record, code, message):
    """
    What is about a run, and cannot be used, is a finding.
    """
    assert [(code, message)] == told([record])


def test_other_spellings():
    """
    Words, beginnings of words, case and null are read as the statuses that they stand for.
    """
    shape = Shape(
        id="id", status="s", null="queued", ignore_case=True,
        words={"OK": "done/ok", "CANCELLED BY *": "done/bad"},
    )  # fmt: skip
    spelt = ["RUNNING", "ok", "Cancelled by 1001", None, "", ["Running"], "other"]

    assert ["running", "done/ok", "done/bad", "queued", "queued", "running", "other"] == [
        status for _, status, *_ in told([{"id": 1, "s": each} for each in spelt], job(shape))
    ]


def test_lists_are_selected_in():
    """
    A member of a list is chosen by a value or by its place, and what is not there fits nothing.
    """
    shape = Shape(
        about=["c[type=Done].status = True | true"], id="m.uid", status="c[type=Done].reason",
        at="t[-1].at",
    )  # fmt: skip
    other = Shape(about="kind = Job", id="m.uid", status="c[type=Done].reason", null="queued")
    lifecycle = job(shape, other)
    done = {"type": "Done", "status": "True", "reason": "done/ok"}
    records = [
        {"kind": "Job", "m": {"uid": "u"}, "c": []},
        {
            "kind": "Job",
            "m": {"uid": "u"},
            "c": [{"type": "x"}, {**done, "status": "False", "reason": None}],
        },
        {"kind": "Job", "m": {"uid": "u"}, "c": [done], "t": [{"at": 1}, {"at": 1790000000}]},
        {"kind": "Pod", "m": {"uid": "u"}, "c": []},
    ]

    assert [
        ("u", "queued", None, None),
        ("u", "queued", None, None),
        ("u", "done/ok", 1790000000.0, None),
    ] == told(records, lifecycle)


def test_moves_between_two_fields():
    """
    A record with a source and a target is a move; one without a target is about something else.
    """
    shape = Shape(id="after.id", source="before.s", target="after.s", trigger="op", at="ts_ms")
    records = [
        {"before": None, "after": {"id": 1, "s": "queued"}, "op": "c", "ts_ms": 1790000000000},
        {
            "before": {"s": "queued"},
            "after": {"id": 1, "s": "running"},
            "op": "u",
            "ts_ms": 1790000001000,
        },
        {"before": {"s": "running"}, "after": None, "op": "d", "ts_ms": 1790000001000},
    ]
    found = list(
        read(io.BytesIO(json.dumps(records).encode()), lifecycle=job(shape), name="a.json")
    )

    assert [
        (None, "queued", "c", 1790000000.0),
        ("queued", "running", "u", 1790000001.0),
    ] == [(each.source, each.status, each.trigger, each.at) for each in found]


def test_ids_of_several_fields_are_never_confused():
    """
    Parts that hold what joins them stay apart; an alternative is taken where it is complete.
    """
    shape = Shape(id=[["a", "b"], "a"], status="status")
    records = [
        {"a": "x/y", "b": "z", "status": "queued"},
        {"a": "x", "b": "y/z", "status": "queued"},
        {"a": "x", "b": None, "status": "queued"},
        {"a": "x%2Fy", "b": 1, "status": "queued"},
    ]
    ids = [each[0] for each in told(records, job(shape))]

    assert ["x%2Fy/z", "x/y%2Fz", "x", "x%252Fy/1"] == ids


def test_objects_by_their_ids():
    """
    The key of an object is its id where it has none of its own.
    """
    shape = Shape(records="status.nodes.*", id="id", status="phase")
    document = {
        "status": {"nodes": {"n1": {"phase": "queued"}, "n2": {"id": "own", "phase": "running"}}}
    }

    assert [("n1", "queued", None, None), ("own", "running", None, None)] == told(
        [document], job(shape)
    )


def test_states_inside_of_their_run():
    """
    The id may stand in the object around the list of states.
    """
    shape = Shape(records="states", id="run_id", status="s", at="t")
    document = {"run_id": "r", "states": [{"s": "queued", "t": 1790000000}, {"s": "running"}]}

    assert [("r", "queued", 1790000000.0, None), ("r", "running", None, None)] == told(
        [document], job(shape)
    )


def test_what_the_user_names_wins():
    """
    A named id, status or time replaces that of every shape, and says what records are about.
    """
    records = [{"key": "k", "word": "queued", "when": 1790000000, "id": "x", "status": "running"}]

    assert [("k", "running", None, None)] == told(records, run_id="key")
    assert [("x", "queued", 1790000000.0, None)] == told(records, status="word", at="when")
    assert [("x", "running", None, None)] == told(records, at="none")


def test_fields_of_the_run_are_judged():
    """
    Stamps stand beside the status or the id; the time of a state is no time of creation.
    """
    lifecycle = job(
        Shape(id="run.id", status="state.s", at="state.created_at"),
        created=("created_at",),
        identity=("owner",),
    )
    record = {
        "run": {"id": "r", "owner": "o"}, "state": {"s": "queued", "created_at": 1790000000, "x": 1},
    }  # fmt: skip
    (seen,) = read(io.BytesIO(json.dumps(record).encode()), lifecycle=lifecycle, name="a.json")

    assert {"owner": "o", "s": "queued", "x": 1} == seen.fields
    assert 1790000000.0 == seen.at


def test_attempts_are_read():
    """
    The number of the attempt stands where the shape says, else in the lifecycle's own field.
    """
    again = Transition("retry", "done/bad", "queued", reopens=True)
    ends = {"done/ok": "success", "done/bad": "failure"}
    records = [
        {"id": 1, "status": "queued", "try": "2", "attempt": 5},
        {"id": 1, "status": "queued", "try": None, "attempt": None},
        {"id": 1, "status": "queued", "try": 1.5, "attempt": "x"},
    ]
    shaped = Lifecycle("job", (*ROWS, again), "queued", ends, shapes=[Shape(attempt="try")])
    plain = Lifecycle("job", (*ROWS, again), "queued", ends)
    lines = "\n".join(map(json.dumps, records)).encode()
    table = b"id,status,try,attempt\n1,queued,2,5\n1,queued,,\n1,queued,1.5,x\n"
    for lifecycle, expected, wrong in ((shaped, 2, "try"), (plain, 5, "attempt")):
        for data in (lines, table):
            found = [*read(io.BytesIO(data), lifecycle=lifecycle, name="a.txt")]
            seen = [each for each in found if not isinstance(each, Finding)]
            (bad,) = (each.message for each in found if isinstance(each, Finding))

            assert [expected, None, None] == [each.attempt for each in seen]
            assert bad.startswith(f"{wrong} must be a whole number, not ")


# -- laws -----------------------------------------------------------------------------

RECORDS = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("abc"), "status": st.sampled_from(["queued", "running"])},
        optional={"result": st.none(), "updated": st.integers(1790000000, 1790000009)},
    ),
    min_size=1,
    max_size=5,
)
ENVELOPES = {
    "array": json.dumps,
    "list under a key": lambda records: json.dumps({"total": 1, "jobs": records}),
    "list two levels down": lambda records: json.dumps({"data": {"logs": {"events": records}}}),
    "documents": lambda records: "".join(json.dumps(each, indent=1) for each in records),
    "pages": lambda records: "".join(json.dumps({"jobs": [each]}) for each in records),
    "CloudEvents": lambda records: json.dumps([{"specversion": "1.0", "data": r} for r in records]),
    "text in a field": lambda records: json.dumps([{"Message": json.dumps(r)} for r in records]),
    "JSON-RPC": lambda records: json.dumps(
        [{"jsonrpc": "2.0", "result": {"task": r}} for r in records]
    ),
    "SSE": lambda records: "".join(f"data: {json.dumps(each)}\n\n" for each in records),
    "table": lambda records: (
        "id;status;result;updated\n"
        + "".join(f"{r['id']};{r['status']};;{r.get('updated', '')}\n" for r in records)
    ),
}
LINES = {
    "plain": lambda line: line,
    "docker": lambda line: json.dumps({"log": line + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"}),
    "compose": lambda line: f"web-1  | {line}",
    "kubectl --prefix": lambda line: f"[pod/web-1/app] {line}",
    "kubectl --timestamps": lambda line: f"2026-01-01T00:00:00.123456789Z {line}",
    "both": lambda line: f"[pod/web-1/app] 2026-01-01T00:00:00.123456789Z {line}",
    "CRI": lambda line: f"2026-01-01T00:00:00.123456789Z stdout F {line}",
    "CRI in parts": lambda line: f"2026-01-01T00:00:00.1Z stdout P {line[:9]}\n2026-01-01T00:00:00.1Z stdout F {line[9:]}",
    "journald": lambda line: json.dumps({"MESSAGE": line, "_PID": "1", "__REALTIME_TIMESTAMP": "1"}),
    "journalctl": lambda line: f"Sep  1 10:00:00 host app[12]: {line}",
    "cloud logging": lambda line: json.dumps({"logName": "x", "jsonPayload": json.loads(line)}),
    "a logger's own prefix": lambda line: f"2026-01-01 00:00:00,123 INFO app: {line}",
}  # fmt: skip


@given(RECORDS, st.sampled_from(sorted(ENVELOPES)))
@settings(deadline=None)
def test_an_envelope_changes_nothing(records, envelope):
    """
    Law: records in any envelope say what they say in lines of their own.
    """
    assert told(records) == told(ENVELOPES[envelope](records).encode(), name="<stdin>")


@given(RECORDS, st.sampled_from(sorted(LINES)), st.booleans())
@settings(deadline=None)
def test_a_collector_of_logs_changes_nothing(records, wrapper, shaped):
    """
    Law: a line says what it says however a collector of logs wrote it, among lines of text.
    """
    lifecycle = JOB if shaped else job()
    wrap = LINES[wrapper]
    lines = [wrap(json.dumps(record)) for record in records]
    if wrapper not in ("plain", "a logger's own prefix"):
        text = wrap('"x"') if wrapper == "cloud logging" else wrap("Started server process")
        lines.insert(1, text)

    found = told("\n".join(lines).encode(), lifecycle, name="app.log")
    if wrapper == "docker":
        # What has no time of its own has that of its line.
        found = [
            (*each[:2], None if mine[2] is None else each[2], *each[3:])
            for each, mine in zip(found, told(records, lifecycle), strict=True)
        ]
    assert told(records, lifecycle) == found


@given(RECORDS, st.sampled_from(["utf-16", "utf-8-sig"]), st.sampled_from(sorted(ENVELOPES)))
@settings(deadline=None)
def test_an_encoding_changes_nothing(records, encoding, envelope):
    """
    Law: text in UTF-16 or with a byte order mark is the same text.
    """
    data = ENVELOPES[envelope](records)

    assert told(data.encode(), name="x") == told(data.encode(encoding), name="x")


def test_a_column_option_may_be_a_path_or_several():
    """
    What a shape can say, an option says for a lifecycle without shapes.
    """
    lifecycle = job()
    records = [{"a": {"k": "x"}, "b": [1, {"s": "queued"}], "old": None}]

    assert [("x/1", "queued", None, None)] == told(
        records, lifecycle, run_id="a.k,b[0]", status="b[1].s"
    )
    assert [("x", "queued", None, None)] == told(
        records, lifecycle, columns=Columns("a.k", "b[1].s", source="old")
    )
    assert ["RS902", "RS902"] == [
        told([{}], lifecycle, run_id="a,b", **skip)[0][0] for skip in ({}, {"skip_others": True})
    ]


def test_skip_others_passes_over_what_lacks_a_key():
    """
    Without a shape, a record that lacks its id or its status is about something else if one says so.
    """
    records = [{"k": "a", "s": "queued"}, {"k": "a"}, {"x": 1}]
    found = told(records, job(), run_id="k", status="s", skip_others=True)

    assert [("a", "queued", None, None)] == found


@pytest.mark.parametrize("name", ["cloudevents", "openlineage"])
@pytest.mark.parametrize("lifecycle", [RUN, JOB], ids=lambda each: each.name)
def test_events_of_this_package_are_moves(name, lifecycle):
    """
    What runstate sends says the same as its log, and under any lifecycle.
    """
    log = [*read(io.BytesIO((GOLDEN / "structlog.jsonl").read_bytes()), name="a.log")]
    moves = [
        (each.run_id, each.source, each.status, each.at, each.seq, each.trigger) for each in log
    ]
    events = [*read(io.BytesIO((GOLDEN / f"{name}.json").read_bytes()), lifecycle=lifecycle)]
    found = [
        (each.run_id, each.source, each.status, each.at, each.seq, each.trigger) for each in events
    ]

    assert found
    assert {*found} <= {*moves}


def test_a_stores_journal_is_read(tmp_path, check):
    """
    The journal as CSV: its moves are moves, and those that came too late are passed over.
    """
    store = RunStore.open(f"sqlite:///{tmp_path / 'runs.db'}")
    run = store.create()
    store.start(run.id)
    store.fail(run.id, last_error={"code": "server_error", "message": "x"})
    store.complete(run.id)
    store.close()
    with closing(sqlite3.connect(tmp_path / "runs.db")) as database:
        rows = database.execute("select * from runstate_journal")
        names = [column[0] for column in rows.description]
        with (tmp_path / "journal.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(names)
            writer.writerows(rows)

    assert (
        0,
        "1 run, 3 observations: nothing wrong (1 record about something else was passed over)",
    ) == check(tmp_path / "journal.csv")


# -- the command ----------------------------------------------------------------------


@pytest.fixture
def check(monkeypatch, capsys):
    """Return what runs the command, and returns its exit status and the last line that it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["runstate", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()

        return ended.value.code, (printed.out or printed.err).strip().splitlines()[-1]

    return run


@pytest.fixture
def definition(tmp_path):
    """Return the path of a definition with shapes."""
    path = tmp_path / "job.json"
    path.write_bytes(draw(JOB, "json"))

    return path


def test_the_command_needs_no_option(tmp_path, check, definition):
    """
    A definition of one's own says where everything stands; others are counted, in one exit status.
    """
    hook = tmp_path / "hooks.json"
    hook.write_text(
        '{"job": {"id": 1, "status": "queued"}}{"ping": 1}{"job": {"id": 1, "status": "running"}}'
    )
    other = tmp_path / "other.json"
    other.write_text('{"ping": 1}')
    totals = "1 run, 2 observations: nothing wrong"

    assert (0, f"{totals} (1 record about something else was passed over)") == check(
        hook, "--lifecycle", definition
    )
    assert (0, f"{totals} (2 records about something else were passed over)") == check(
        other, hook, "--lifecycle", definition
    )
    assert 2 == check(other, "--lifecycle", definition)[0]


def test_an_engine_refuses_shapes_that_it_does_not_apply(tmp_path, check, definition):
    """
    DuckDB says in one line what to do; with the id and the status named, nothing is left to a shape.
    """
    pytest.importorskip("duckdb")
    table = tmp_path / "jobs.csv"
    table.write_text("id,status,result\na,queued,\na,running,\n")
    status, line = check(table, "--lifecycle", definition, "--engine", "duckdb")

    assert 2 == status
    assert "this engine does not apply the shapes of 'job'" in line
    assert (
        0
        == check(
            table,
            "--lifecycle",
            definition,
            "--engine",
            "duckdb",
            "--run-id",
            "id",
            "--status",
            "status",
        )[0]
    )
    assert 0 == check(table, "--lifecycle", definition)[0]
