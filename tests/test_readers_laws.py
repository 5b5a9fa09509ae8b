"""
Laws that hold for every input: nothing raises, nothing unprintable, and portions do not matter.
"""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reader_limits import lower
from runstate import RULES, RUN, Finding, Observation
from runstate.readers import FORMATS, Columns, read

EVERY = ("auto", *FORMATS)
FIRST_SECOND = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
LAST_SECOND = int(datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

FRAGMENTS = [
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\n", b"\r", b"\r\n", b" ", b"\x00"),
    *(
        b'"id"',
        b'"run_id"',
        b'"status"',
        b'"object"',
        b'"at"',
        b'"event"',
        b'"source"',
        b'"target"',
    ),
    *(b'"queued"', b'"thread.run"', b'"list"', b'"data"', b"null", b"true", b"NaN", b"1e999"),
    *(b"1700000000", b"1700000000000", b"1" * 5_000, b'"\\ud800"', b'"\\u0000"', b"\xff", b'""'),
    *(b'{"id": "a", "status": "queued"}', b'{"id": "a", "status": "x", "status": "y"}'),
    *(b"event: thread.run.queued", b"data: ", b"data: [DONE]", b": x", b"id,status,at\n", b"a,b,"),
    *(b'"event": "run.transition", ', b"\xef\xbb\xbf", b"\xff\xfe", b"\x1b[2J", b"[" * 300),
    *("\u202e".encode(), "\u2028".encode(), "é".encode(), b'"created_at": ', b'"CreatedAt": '),
]
anything = st.binary(max_size=60) | st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join)
columns = st.sampled_from([Columns(), Columns("id", "data.status", "at"), Columns(at="timestamp")])


class Trickle(io.RawIOBase):
    """
    A stream that gives its bytes in portions of its own choice.
    """

    def __init__(self, data, portions):
        self._data, self._portions = io.BytesIO(data), portions

    def readable(self):
        """Say that it can be read."""
        return True

    def readinto(self, buffer):
        """Give as much as the next portion is, at most."""
        size = min(len(buffer), self._portions.pop() if self._portions else 1)
        return self._data.readinto(memoryview(buffer)[:size])


@given(data=anything, form=st.sampled_from(EVERY), columns=columns, capped=st.booleans())
@settings(max_examples=600, deadline=None)
@example(data=b'{"id": "a", "status": "\\ud83d"}', form="json", columns=Columns(), capped=False)
def test_nothing_raises(data, form, columns, capped):
    """
    Whatever the bytes, reading yields observations and findings that can be shown anywhere.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        lower(monkeypatch, record=64 if capped else 16 << 20)
        found = list(read(io.BytesIO(data), format=form, columns=columns))
    for item in found:
        assert item.line >= 1
        if isinstance(item, Finding):
            assert item.code in {"RS901", "RS902", "RS903", "RS904"}
            assert RULES[item.code].severity == item.severity
            assert item.message.isprintable()
            assert 0 < len(item.message) < 2_100
        else:
            assert item.run_id.isprintable()
            assert 0 < len(item.status) <= 200
            assert item.at is None or FIRST_SECOND <= item.at < LAST_SECOND + 1


@given(data=anything, form=st.sampled_from(EVERY), portions=st.lists(st.integers(1, 9)))
@settings(max_examples=400, deadline=None)
def test_portions_do_not_matter(data, form, portions):
    """
    A stream that gives its bytes by ones and twos says the same as one that gives them at once.
    """
    whole = list(read(io.BytesIO(data), format=form))
    trickle = Trickle(data, portions)
    buffered = io.BufferedReader(Trickle(data, [*portions]), buffer_size=3)

    assert repr(whole) == repr(list(read(trickle, format=form)))
    assert repr(whole) == repr(list(read(buffered, format=form)))


@given(bad=anything.filter(lambda data: b"\n" not in data))
@settings(max_examples=300, deadline=None)
def test_bad_line_stays_in_its_line(bad):
    """
    Whatever one line of JSON lines is, the lines around it say what they say without it.
    """
    good = b'{"id": "run_9", "status": "queued"}'
    data = b"\n".join([good, bad, good])
    found = [item for item in read(io.BytesIO(data), format="jsonl") if item.line != 2]

    assert [("queued", "run_9", 1), ("queued", "run_9", 3)] == [
        (item.status, item.run_id, item.line) for item in found
    ]


# -- round trips -------------------------------------------------------------

visible = st.characters(exclude_categories=["C", "Z"]) | st.just(" ")
names = st.text(visible, min_size=1, max_size=20).filter(str.isprintable)
seconds = st.integers(FIRST_SECOND, LAST_SECOND)
details = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.none(), max_size=2)
snapshots = st.builds(
    lambda status, run_id, at, fields: Observation(
        status, run_id, at, {"status": status, **fields}
    ),
    status=st.sampled_from(RUN.statuses) | names,
    run_id=names,
    at=st.none() | st.floats(FIRST_SECOND, LAST_SECOND) | seconds.map(float),
    fields=st.fixed_dictionaries(
        {}, optional={"created_at": seconds, "failed_at": seconds, "usage": details}
    ),
)
moves = st.builds(
    lambda status, run_id, at, source, seq: Observation(status, run_id, at, {}, source, seq),
    status=names,
    run_id=names,
    at=st.none() | st.floats(FIRST_SECOND, LAST_SECOND),
    source=st.none() | names,
    seq=st.none() | st.integers(1, 2**63),
)


def as_record(seen):
    """
    Return the record that says what *seen* says.
    """
    record = {"run_id": seen.run_id, "at": seen.at, **seen.fields}
    if not seen.fields:
        record |= {"source": seen.source, "target": seen.status, "seq": seen.seq}

    return record


def as_csv(seen):
    """
    Return a table of *seen*, with objects as JSON in their cells.
    """
    records = [as_record(one) for one in seen]
    text = io.StringIO()
    table = csv.DictWriter(text, sorted({key for record in records for key in record}))
    table.writeheader()
    for record in records:
        table.writerow(
            {
                key: json.dumps(value) if isinstance(value, dict) else value
                for key, value in record.items()
            }
        )

    return text.getvalue()


WRITERS = {
    "jsonl": lambda seen: "\n".join(json.dumps(as_record(one)) for one in seen),
    "json": lambda seen: json.dumps([as_record(one) for one in seen], indent=1),
    "sse": lambda seen: "".join(f"data: {json.dumps(as_record(one))}\n\n" for one in seen),
    "csv": as_csv,
}


@pytest.mark.parametrize("form", WRITERS)
@given(seen=st.lists(snapshots, min_size=1, max_size=4) | st.lists(moves, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_round_trip(form, seen):
    """
    What is written in a format is read back from it.
    """
    data = io.BytesIO(WRITERS[form](seen).encode())

    assert seen == [
        item._replace(file=None, line=None) for item in read(data, format=form, name="x")
    ]
