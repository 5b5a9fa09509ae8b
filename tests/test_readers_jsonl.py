"""
JSON lines: what breaks in a line stays in its line.
"""

import json
import os
import threading
from io import BytesIO

import pytest

from reader_limits import lower
from runstate import RULES, Finding
from runstate.readers import FORMATS, read

GOOD = b'{"id": "run_9", "status": "queued"}'
DEEP = 200_000


def told(data, **options):
    """
    Return what *data* says: code, line and message of findings; status, run and line of the rest.
    """
    return [
        (item.code, item.line, item.message)
        if isinstance(item, Finding)
        else (item.status, item.run_id, item.line)
        for item in read(BytesIO(data), **{"name": "log.jsonl", **options})
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[" * DEEP + b"]" * DEEP, "it is nested too deeply (column 202)"),
        (b'{"a":' * DEEP, "it is nested too deeply (column 1006)"),
        (b'{"id": ' + b"1" * 5_000 + b"}", "a number has too many digits (column 4309)"),
        (b'{"id": NaN}', "a value is missing or misspelt (column 8)"),
        (b'{"id": nul}', "a value is missing or misspelt (column 11)"),
        (b'{"id": "\\ud800"}', "an escape is half of a surrogate pair, or incomplete (column 15)"),
        (b'{"id": "\\udc00"}', "an escape is half of a surrogate pair (column 14)"),
        (b'{"id": "\xed\xa0\x80"}', "it is not UTF-8 (column 9)"),
        (b'{"id": "\xff"}', "it is not UTF-8 (column 9)"),
        (b'{"id": "a\x00"}', "a string holds a raw control character (column 10)"),
        (b"\x00\x00\x00", "a value is missing or misspelt (column 1)"),
        (b'{"id": "a"} {"id": "b"}', "something follows the value (column 13)"),
        (b'{"id": "a",}', "something is missing after a comma (column 12)"),
        (b"{'id': 'a'}", "a key is not a string in double quotes (column 2)"),
        (b'{"id": "run_1", "status": ', "it ends in the middle (column 26)"),
        (b'\xef\xbb\xbf{"id": "a"}', "a value is missing or misspelt (column 1)"),
        (b"\x1b[2J", "a value is missing or misspelt (column 1)"),
    ],
    ids=lambda value: repr(value[:16]) if isinstance(value, bytes) else "",
)
def test_broken_line_is_one_finding(line, reason):
    """
    A line that is no JSON is one finding with its reason, and the lines around it are read.
    """
    expected = [
        ("queued", "run_9", 1),
        ("RS901", 2, f"not JSON: {reason}"),
        ("queued", "run_9", 3),
    ]

    assert expected == told(b"\n".join([GOOD, line, GOOD]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"5", "5"),
        (b"-0.5", "-0.5"),
        (b"null", "null"),
        (b"true", "true"),
        (b'"\\u001b[2J"', "'\\x1b[2J'"),
        (b"9" * 4_000, "a number of more than 64 bits"),
    ],
)
def test_value_that_is_no_object(value, shown):
    """
    A line that is JSON but no object is unreadable as a record.
    """
    expected = [
        ("RS901", 1, f"a record must be a JSON object, not {shown}"),
        ("queued", "run_9", 2),
    ]

    assert expected == told(value + b"\n" + GOOD)


def test_array_in_a_line():
    """
    The elements of an array are so many records of its line; one that is no object is not.
    """
    line = b'[{"id": "a", "status": "queued"}, 1, {"id": "b", "status": "failed"}, [{}]]\n'
    expected = [
        ("queued", "a", 1),
        ("RS901", 1, "a record must be a JSON object, not 1"),
        ("failed", "b", 1),
        ("RS901", 1, "a record must be a JSON object, not an array"),
        ("queued", "run_9", 2),
    ]

    assert expected == told(line + GOOD)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_lines_are_counted_as_editors_do(ending):
    """
    Blank lines count and say nothing; the last line needs no end.
    """
    expected = [("queued", "run_9", 3), ("queued", "run_9", 5)]

    assert expected == told(ending.join([b"", b" \t", GOOD, b"", GOOD]))


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\t\r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("form", ["auto", "json", "jsonl", "sse", "csv"])
def test_nothing_says_nothing(data, form):
    """
    An empty or blank input yields nothing, whatever its format.
    """
    assert [] == told(data, format=form, name="x")


@pytest.mark.parametrize("form", ["auto", "json", "jsonl", "sse", "csv"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"7z\xbc\xaf\x27\x1c", "the input is a 7z archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd\x00", "the zstd input ends in the middle"),
    ],
)
def test_input_that_is_no_text(data, reason, form):
    """
    An input that cannot be unpacked is one finding that says so, in every format.
    """
    assert [("RS901", 1, reason)] == told(data, format=form)


def test_byte_order_mark_is_dropped():
    """
    A UTF-8 byte order mark before the first line is no part of it.
    """
    assert [("queued", "run_9", 1)] == told(b"\xef\xbb\xbf" + GOOD)


@pytest.mark.parametrize("portion", [1, 7, 100, 1 << 16])
def test_line_beyond_the_cap(monkeypatch, portion):
    """
    A line that is too large is reported and passed over; one of just the cap is read.
    """
    lower(monkeypatch, record=100, portion=portion)
    expected = [
        ("queued", "run_9", 1),
        ("RS904", 2, "the line is larger than 100 bytes: passed over"),
        ("queued", "run_9", 3),
        ("RS904", 4, "the line is larger than 100 bytes: passed over"),
    ]

    assert expected == told(
        b"\n".join([GOOD.ljust(100), GOOD.ljust(101), GOOD, b"x" * 1_000]), format="jsonl"
    )


def test_largest_record_is_16_mib():
    """
    The cap on a record is 16 MiB, and a line beyond it is not held.
    """
    data = b'"' + b"x" * (16 << 20) + b'"\n' + GOOD
    expected = [
        ("RS904", 1, "the line is larger than 16,777,216 bytes: passed over"),
        ("queued", "run_9", 2),
    ]

    assert expected == told(data)


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if isinstance(rule.example, bytes)], ids=str
)
def test_examples_of_the_rules(rule):
    """
    The example of every rule about records breaks that rule, and no other.
    """
    assert [rule.code] == [item.code for item in read(BytesIO(rule.example), format="jsonl")]


def test_caller_deep_in_recursion(monkeypatch):
    """
    Where the stack is too full for the second parse, that is a finding like any other.
    """

    def overflow(*_, **__):
        raise RecursionError

    monkeypatch.setattr(json.JSONDecoder, "decode", overflow)
    expected = [("RS901", 1, "not JSON: it is nested too deeply"), ("queued", "run_9", 2)]

    assert expected == told(b'{"id": "a", "id": "b"}\n' + GOOD)


def test_pipe_is_read_as_it_fills():
    """
    A line that came through a pipe is told before the next one is written.
    """
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as sink:  # noqa: PTH123
        sink.write(GOOD + b"\n")
        found = read(stream)
        first = next(found)
        writer = threading.Thread(target=lambda: (sink.write(b"5\n"), sink.close()))
        writer.start()
        rest = list(found)
        writer.join()

    assert ("run_9", ["RS901"]) == (first.run_id, [item.code for item in rest])


def test_failure_of_the_stream_is_the_callers():
    """
    An error of the stream itself is raised, after what came before it.
    """

    class Torn(BytesIO):
        def read1(self, size=-1):
            if data := super().read1(size):
                return data
            raise OSError("unplugged")

    found = read(Torn(GOOD + b"\n"), format="jsonl")

    assert "run_9" == next(found).run_id
    with pytest.raises(OSError, match="unplugged"):
        next(found)


def test_stream_that_does_not_block():
    """
    A stream that has nothing yet is the caller's mistake, not the end of the input.
    """

    class Empty:
        def read(self, size=-1):
            return None

    with pytest.raises(BlockingIOError, match="give a blocking one"):
        list(read(Empty()))


def test_unknown_format():
    """
    A format that does not exist is refused at once, with those that do.
    """
    with pytest.raises(
        ValueError,
        match=r"no format 'xml' \(known: auto, json, jsonl, sse, csv, tsv, xes, ocel, logfmt\)",
    ):
        read(BytesIO(b""), format="xml")


class OneByOne(BytesIO):
    """
    A stream that has one byte at a time.
    """

    def read1(self, size=-1):
        """
        Return the next byte.
        """
        return super().read1(min(size, 1))


REST = b'\n{"id": "run_8", "status": \nid=run_7 status=queued\n'
"""Lines that each of JSON, JSON lines and key=value lines reads in its own way."""
NEXT = b"\ndata: " + GOOD + b"\n\n"
ALIKE = {"csv": {"csv", "tsv"}}
"""Both find out how cells are separated."""


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.jsonl", b"[]" + REST, "jsonl"),
        ("a.NDJSON", b"[]" + REST, "jsonl"),
        ("logs/a.log", b"[]" + REST, "jsonl"),
        ("a.json", GOOD + b"\n" + GOOD + REST, "jsonl"),
        ("a.json", GOOD + GOOD, "json"),
        ("a.jsonl", b'{\n"id": "a", "status": "queued"}', "json"),
        ("a.jsonl", b'[\n{"id": "a", "status": "queued"}]', "json"),
        ("a.log", b"id,status\n1,2", "csv"),
        ("a.log", b"id=1 status=queued", "logfmt"),
        ("a.txt", b"web-1  | " + GOOD, "jsonl"),
        ("a.txt", b"id;status\n1;2", "csv"),
        ("a.txt", b"id|status\n1|2", "csv"),
        ("a.txt", b"id\tstatus\n1\t2", "csv"),
        ("a.sse", GOOD + b"\n" + NEXT, "sse"),
        ("a.csv", GOOD + REST, "jsonl"),
        ("<stdin>", b" \n [", "json"),
        ("a.txt", b"\n" + GOOD + b"\n" + GOOD + REST, "jsonl"),
        ("a.txt", GOOD + REST, "jsonl"),
        ("a.txt", b'{\n"id": "a", "status": "queued"}', "json"),
        ("a.txt", b'{"id": \n' + GOOD + REST, "jsonl"),
        ("a.txt", b'{"id": NaN}\n' + GOOD + REST, "jsonl"),
        ("a.txt", b"event: x" + NEXT, "sse"),
        ("a.txt", b"data: x\n" + NEXT + GOOD, "sse"),
        ("a.txt", b"id: x" + NEXT, "sse"),
        ("a.txt", b"retry: 5" + NEXT, "sse"),
        ("a.txt", b": hello" + NEXT, "sse"),
        ("a.txt", b"id,status\n1,2", "csv"),
        ("a.txt", b"\n\xff,\x00", "csv"),
    ],
)
def test_format_is_found(name, data, expected):
    """
    The format is known by how the bytes begin, else by the suffix, however they come.
    """
    found = list(read(BytesIO(data), name=name))
    alike = {form for form in FORMATS if found == list(read(BytesIO(data), name=name, format=form))}

    assert [] != found == list(read(OneByOne(data), name=name))
    assert alike == ALIKE.get(expected, {expected})


PROSE = (
    "neither JSON, JSON lines, server-sent events nor CSV with a header; "
    "runstate's own log is read as JSON lines (structlog's JSONRenderer)"
)
CONSOLE = (
    b"\x1b[2m2025-01-01\x1b[0m [\x1b[32m\x1b[1minfo\x1b[0m] \x1b[1mhello, world\x1b[0m\n",
    b"09:00:00,123 - root - INFO - hello\n",
    b"INFO:     Started server process [1], waiting\n",
    b"Listening on port 80\n",
    b"\x89PNG\r\n\x1a\n",
    b"status\nqueued\n",
)


@pytest.mark.parametrize("data", CONSOLE)
@pytest.mark.parametrize("portion", [1, 1 << 16])
def test_prose_is_taken_for_no_format(monkeypatch, data, portion):
    """
    What is in no format is told once, with the formats that there are, and not taken for CSV.
    """
    lower(monkeypatch, portion=portion)
    expected = [Finding("RS901", "error", PROSE, file="a.txt", line=2)]

    assert expected == list(read(BytesIO(b"\n" + data * 3), name="a.txt"))


def test_what_follows_a_banner_is_read():
    """
    From the first object on, the lines after a banner are JSON lines like all others.
    """
    data = b"Listening on port 80\n\nand 81\n " + GOOD + b"\nbye\n" + GOOD
    told = [(r.line, getattr(r, "message", "seen")) for r in read(BytesIO(data))]

    assert told == [
        (1, PROSE),
        (4, "seen"),
        (5, "not JSON: a value is missing or misspelt (column 1)"),
        (6, "seen"),
    ]


def test_own_log_for_people_is_read():
    """
    A move in a line for people is read where it has its source and target; a broken line is one.
    """
    data = (
        b"2025-01-01 09:00:00 [info     ] run.transition   reason='a, b' run_id=run_1 seq=1\n"
        b"\x1b[2m2025-01-01 09:00:01\x1b[0m [\x1b[32minfo\x1b[0m] run.transition run_id=run_2 source=None target=queued\n"
        b'{"event": "run.transition"\n'
        b"Listening on port 80\n"
    )

    assert [
        "a move without a target",
        "queued",
        "not JSON: it ends in the middle (column 26)",
    ] == [
        getattr(item, "message", None) or item.status for item in read(BytesIO(data), name="a.log")
    ]


def test_nothing_is_no_fault():
    """
    An input of blanks holds nothing, whatever its format would be.
    """
    assert [] == [*read(BytesIO(b"")), *read(BytesIO(b" \n\n"))]
