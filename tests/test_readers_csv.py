"""
CSV: one row's faults stay its own, and an open quotation swallows nothing.
"""

import time
import tracemalloc
from io import BytesIO

import pytest

from reader_limits import lower
from runstate import Finding, Observation
from runstate.readers import Columns, read

NOON = 1_700_000_000


def items(text, **options):
    """
    Return what *text* yields.
    """
    data = text if isinstance(text, bytes) else text.encode()

    # What is wrong with a whole column comes at the end, since it is counted.
    return sorted(
        read(BytesIO(data), **{"name": "runs.csv", **options}),
        key=lambda item: (item.line, not isinstance(item, Finding)),
    )


def told(text, **options):
    """
    Return what *text* says: code, line and message of findings; status, run and line of the rest.
    """
    return [
        (item.code, item.line, item.message)
        if isinstance(item, Finding)
        else (item.status, item.run_id, item.line)
        for item in items(text, **options)
    ]


def test_snapshots():
    """
    Stamps become numbers, objects are parsed, and an empty cell is unknown rather than null.
    """
    text = (
        "run_id,status,at,created_at,failed_at,last_error,usage,thread_id,model\r\n"
        f'a,failed,{NOON}.5,{NOON},{NOON}.0,"{{""code"": ""x,y""}}",null,t_1,gpt\r\n'
        "b,queued,2023-11-14T22:13:20Z,,,,,,\r\n"
    )
    fields = {
        "status": "failed",
        "created_at": NOON,
        "failed_at": NOON,
        "last_error": {"code": "x,y"},
        "thread_id": "t_1",
    }
    expected = [
        Observation("failed", "a", NOON + 0.5, fields, file="runs.csv", line=2),
        Observation("queued", "b", NOON, {"status": "queued"}, file="runs.csv", line=3),
    ]

    assert expected == items(text)


def test_moves():
    """
    Rows with a source and a target are moves; without a source, a creation.
    """
    text = f"run_id,source,target,at,seq\na,,queued,{NOON},1\na,queued,in_progress,{NOON + 1},2\n"
    expected = [
        Observation("queued", "a", NOON, seq=1, file="runs.csv", line=2),
        Observation("in_progress", "a", NOON + 1, {}, "queued", 2, "runs.csv", 3),
    ]

    assert expected == items(text)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_header_is_found(ending):
    """
    A byte order mark, blank lines and the reference's spelling do not hide the columns.
    """
    text = ending.join(["\ufeff", "", "Id,Status,CreatedAt", "", f"a,queued,{NOON}", "", "b,,"])
    expected = [("queued", "a", 5), ("RS902", 7, "status has no value")]

    assert expected == told(text)


@pytest.mark.parametrize(
    ("header", "options", "expected"),
    [
        (
            "id,state",
            {},
            (
                "RS902",
                "no 'status' (did you mean 'state'? columns: id, state; --status names another)",
            ),
        ),
        (
            "job,status",
            {},
            ("RS902", "no 'run_id' or 'id' (columns: job, status; --run-id names another)"),
        ),
        (
            "id,source",
            {},
            ("RS902", "no 'status' (columns: id, source; --status names another)"),
        ),
        (
            "id,status",
            {"columns": Columns(at="when")},
            ("RS902", "no 'when' (columns: id, status; --at names another)"),
        ),
        (
            "id,status",
            {"columns": Columns("run.id", "status")},
            ("RS902", "no 'run.id' (columns: id, status; --run-id names another)"),
        ),
        ("id,status,status", {}, ("RS903", "columns given more than once: status")),
        ("id,status,id,at,at", {}, ("RS903", "columns given more than once: at, id")),
        ('id,"status', {}, ("RS901", "not CSV: a quoted cell begins here and does not end")),
        ("id,status\0", {}, ("RS901", "not CSV: it holds a NUL byte")),
    ],
)
def test_header_that_is_no_use(header, options, expected):
    """
    A header that lacks a column, or names one twice, is one finding, and no row is guessed at.
    """
    code, message = expected

    assert [(code, 1, message)] == told(f"{header}\na,queued\nb,queued\n", **options)


def test_repeated_column_that_does_not_matter():
    """
    A column that nobody reads may be there twice.
    """
    assert [("queued", "a", 2)] == told("id,note,status,note\na,x,queued,y\n")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a", [("RS901", 2, "not CSV: the row has 1 cells, the header 3")]),
        ("a,b,c,d", [("RS901", 2, "not CSV: the row has 4 cells, the header 3")]),
        ("a,,", [("RS902", 2, "status has no value")]),
        (",queued,", [("RS902", 2, "id has no value")]),
        ("a\0,queued,", [("RS901", 2, "not CSV: it holds a NUL byte")]),
        ('"a"b,queued,', [("RS901", 2, "not CSV: something follows a closing quotation mark")]),
        ('"a\x1b",queued,', [
            ("RS901", 2, "run id 'a\\x1b' holds a control or invisible character"),
        ]),
        ("a,queued,noon", [
            ("RS901", 2, "at 'noon' is neither Unix seconds nor ISO 8601"),
            ("queued", "a", 2),
        ]),
        (f"a,queued,{NOON}000", [("queued", "a", 2)]),
        ('a,"que""ued",', [('que"ued', "a", 2)]),
        ('a,5" pipe,', [('5" pipe', "a", 2)]),
        ('"a","queued",""', [("queued", "a", 2)]),
    ],
)  # fmt: skip
def test_one_row(row, expected):
    """
    What is wrong with a row is said of it, and the next row is read.
    """
    assert [*expected, ("queued", "z", 3)] == told(f"id,status,at\n{row}\nz,queued,\n")


def test_row_that_is_not_utf8():
    """
    A row in another encoding is one finding, also where only one of its lines is.
    """
    text = b'id,status\n\xff,queued\n"a\n\xff\nb",queued\nz,queued\n'
    expected = [
        ("RS901", 2, "not CSV: it is not UTF-8"),
        ("RS901", 3, "not CSV: it is not UTF-8"),
        ("queued", "z", 6),
    ]

    assert expected == told(text)


def test_object_cell_that_is_none():
    """
    A broken object in a cell is reported and left out, and a row's observation is kept.
    """
    text = 'id,status,usage\na,queued,{x}\nb,queued,"{""a"": 1}"\n'
    expected = [
        Finding(
            "RS901",
            "error",
            "usage is not JSON: a key is not a string in double quotes (column 2)",
            file="runs.csv",
            line=2,
        ),
        Observation("queued", "a", fields={"id": "a", "status": "queued"}, file="runs.csv", line=2),
        Observation(
            "queued",
            "b",
            fields={"id": "b", "status": "queued", "usage": {"a": 1}},
            file="runs.csv",
            line=3,
        ),
    ]

    assert expected == items(text)


@pytest.mark.parametrize("cell", ["NULL", r"\N"])
def test_null_of_a_database_client(cell):
    """
    What psql and mysql write for null in a column of times is null.
    """
    (seen,) = items(f"id,status,failed_at\na,queued,{cell}\n")

    assert {"id": "a", "status": "queued", "failed_at": None} == seen.fields


@pytest.mark.parametrize("cell", ["x", "1"])
def test_stamp_cell_that_is_none(cell):
    """
    A stamp that is not a time of these years is reported and left out.
    """
    finding, seen = items(f"id,status,failed_at\na,queued,{cell}\n")

    assert ("RS901", 2, "a") == (finding.code, finding.line, finding.run_id)
    assert {"id": "a", "status": "queued"} == seen.fields


def test_quoted_cells_may_span_lines():
    """
    A quoted cell keeps commas, quotation marks and line ends; the row's line is its first.
    """
    text = 'id,status,usage,note\na,queued,"{""a"":\n  ""b,c""\n}","x\n\n"\nz,queued,,\n'

    assert [("queued", "a", 2), ("queued", "z", 7)] == told(text)
    assert {"a": "b,c"} == items(text)[0].fields["usage"]


def test_open_quotation_swallows_nothing():
    """
    A quotation that never ends is reported where it begins, and the next line is a row again.
    """
    rows = [f"r{n},queued" for n in range(3_000)]
    rows[5] = 'r5,"queued'
    expected = [("queued", f"r{n}", n + 2) for n in range(3_000)]
    expected[5] = ("RS901", 7, "not CSV: a quoted cell begins here and does not end")

    assert expected == told("\n".join(["id,status", *rows]))


def test_open_quotation_before_a_good_one():
    """
    A quotation that runs into a later one is reported where it begins.
    """
    text = 'id,status\na,"queued\nb,queued\n"c",queued\nd,queued\n'
    expected = [
        ("RS901", 2, "not CSV: something follows a closing quotation mark"),
        ("queued", "b", 3),
        ("queued", "c", 4),
        ("queued", "d", 5),
    ]

    assert expected == told(text)


def test_quotation_opened_in_a_later_line():
    """
    In a row of several lines, what is reported is the line that the open quotation began in.
    """
    text = 'id,status\n"a\nb","queued\nc,queued\nd,queued\n'
    expected = [
        ("RS901", 3, "not CSV: a quoted cell begins here and does not end"),
        ("queued", "c", 4),
        ("queued", "d", 5),
    ]

    assert expected == told(text)


@pytest.mark.parametrize(("most", "readable"), [(3, True), (2, False)])
def test_lines_of_a_row_are_bounded(monkeypatch, most, readable):
    """
    A row of as many lines as are allowed is read; of one more, it counts as not ending.
    """
    lower(monkeypatch, lines=most)
    text = 'id,status,note\na,queued,"x\ny\nz"\nb,queued,\n'

    assert readable == (("queued", "a", 2) in told(text))
    assert ("queued", "b", 5) == told(text)[-1]


def test_row_that_gets_wider_than_the_header():
    """
    A row that goes on in more and more quoted cells is given up where it is too wide.
    """
    text = "id,status\n" + 'x",y"z,"w\n' * 50

    assert {("RS901", "not CSV: a quoted cell begins here and does not end")} == {
        (code, message) for code, _, message in told(text)
    }


def test_row_beyond_the_cap(monkeypatch):
    """
    A line that is too large is reported and passed over, also where it would end a quotation.
    """
    lower(monkeypatch, record=20)
    large = "x" * 21
    rows = [
        "id,status",
        f"{large},queued",
        'a,"x',
        large,
        "b,queued",
        'c,"0123456789',
        "0123456789",
        '"',
    ]
    unfinished = "not CSV: a quoted cell begins here and does not end"
    expected = [
        ("RS904", 2, "the line is larger than 20 bytes: passed over"),
        ("RS901", 3, unfinished),
        ("RS904", 4, "the line is larger than 20 bytes: passed over"),
        ("queued", "b", 5),
        ("RS901", 6, unfinished),
        ("RS901", 7, "not CSV: the row has 1 cells, the header 2"),
        ("RS901", 8, unfinished),
    ]

    assert expected == told("\n".join(rows))


def test_large_cell():
    """
    A cell may be larger than the 128 KiB at which the standard library gives up.
    """
    text = f'id,status,usage\na,queued,"{{""x"": ""{"y" * 200_000}""}}"\n'

    assert [200_000] == [len(item.fields["usage"]["x"]) for item in items(text)]


def test_columns():
    """
    Columns may be named as they are, dots and all, or lead into the objects of one.
    """
    row = '"{""run"": {""id"": ""a"", ""state"": ""queued""}}",2023-11-14T22:13:20'
    into = Columns("payload.run.id", "payload.run.state", "when")
    plain = Columns("run.id", "run.status", "when")

    assert [("queued", "a", NOON)] == [
        item[:3] for item in items(f"payload,when\n{row}\n", columns=into, assume_utc=True)
    ]
    assert [("queued", "a", NOON)] == [
        item[:3] for item in items(f"when,run.status,run.id\n{NOON},queued,a\n", columns=plain)
    ]


def bounded(text):
    """
    Return what *text* says, the seconds that took, and the most bytes that it took on the way.
    """
    tracemalloc.start()
    begun = time.process_time()
    try:
        found = told(text)
        return found, time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_header_takes_time_in_proportion():
    """
    A header of very many names is refused, or read, in a moment; nothing is compared with each.
    """
    doubled = ",".join(["run_id"] * 50_000) + ",status\n"
    unnamed = ",".join(f"column_{n}" for n in range(200_000)) + "\n"
    (twice,), first, _ = bounded(doubled)
    (missing, *_), second, _ = bounded(unnamed)

    assert ("RS903", "RS902") == (twice[0], missing[0])
    assert max(first, second) < 10


def test_a_great_cell_takes_memory_in_proportion():
    """
    A cell of millions of quotation marks takes a small multiple of its size.
    """
    cell = '""' * 2_000_000
    found, _, most = bounded(f'run_id,status,note\na,queued,"{cell}"\n')

    assert [("queued", "a", 2)] == found
    assert most < 20 * len(cell)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_carriage_returns_alone_end_lines_where_the_header_ends_in_one(delimiter):
    """
    Old spreadsheets write so. Elsewhere, a carriage return is part of the cell that it is in.
    """
    rows = [
        ("id", "note", "status"),
        ("a", "x", "queued"),
        ("", "x", "failed"),
        ("b", '"1\r2"', "failed"),
    ]
    text = "".join(delimiter.join(row) + "\r" for row in rows)
    mixed = f"id{delimiter}status\na{delimiter}x\ry\n"

    assert told(text) == [
        ("queued", "a", 2),
        ("RS902", 3, "id has no value"),
        ("failed", "b", 4),
    ]
    assert told(mixed) == [("x\ry", "a", 2)]


def test_a_header_may_hold_a_carriage_return_in_quotes():
    """
    It ends no line there, in whatever way the lines end.
    """
    for end, line in (("\n", 2), ("\r\n", 2), ("\r", 3)):
        text = f'id,"a\rb",status{end}x,y,queued{end}'
        assert told(text) == [("queued", "x", line)], end
