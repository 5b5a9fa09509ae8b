"""
What is packed with gzip, read as it is.
"""

import gzip
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_limits import lower, peak_memory
from runstate import Finding, cli
from runstate.readers import read

LINES = b'{"id": "r", "status": "queued"}\n{"id": "r", "status": "completed"}\n'
TOLD = [("queued", 1), ("completed", 2)]


def told(data, name="log", **options):
    """
    Return what is read: status and line of the observations, code, line and reason of findings.
    """
    return [
        (r.code, r.line, r.message) if isinstance(r, Finding) else (r.status, r.line)
        for r in read(io.BytesIO(data), name=name, **options)
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log", LINES),
        ("log.jsonl.gz", LINES),
        ("log.JSON.GZ", b"[" + LINES.replace(b"\n", b",\n", 1) + b"]"),
        ("log.csv.gz", b"run_id,status\nr,queued\nr,completed\n"),
        ("log.xes.gz", b'<log><trace><string key="concept:name" value="r"/>'
                       b'<event><string key="concept:name" value="queued"/></event>\n'
                       b'<event><string key="concept:name" value="completed"/></event>'
                       b"</trace></log>"),
    ],
)  # fmt: skip
def test_packed_input_is_read_as_what_it_packs(name, text):
    """
    By the suffix before .gz, or by its beginning; a byte order mark is dropped as ever.
    """
    expected = told(text, name.lower().removesuffix(".gz"))

    assert ["queued", "completed"] == [status for status, _ in expected]
    assert expected == told(gzip.compress(text), name)
    assert expected == told(gzip.compress(b"\xef\xbb\xbf" + text), name)


def test_files_appended_to_one_another_are_one():
    """
    As gzip itself has it; padding after them too.
    """
    first, second = LINES.splitlines(keepends=True)

    assert TOLD == told(
        gzip.compress(first) + gzip.compress(b"") + gzip.compress(second) + b"\0" * 9
    )


class Slow(io.RawIOBase):
    """
    Gives a few bytes at a time.
    """

    def __init__(self, data, portion):
        self.data, self.portion = io.BytesIO(data), portion

    def read(self, size=-1):
        """
        Return the next few.
        """
        return self.data.read(min(self.portion, size))


@given(st.integers(1, 40), st.binary(max_size=2_000))
def test_portions_do_not_matter(portion, noise):
    """
    However few bytes come at a time.
    """
    text = LINES + b'{"status": "x", "id": "' + noise.hex().encode() + b'1"}\n'
    stream = Slow(gzip.compress(text), portion)

    assert ["queued", "completed", "x"] == [each.status for each in read(stream)]


def test_break_is_a_finding_after_what_was_whole():
    """
    Cut off anywhere, or followed by something else.
    """
    random.seed(5)
    lines = b"".join(
        b'{"id": "%d", "status": "queued"}\n' % random.getrandbits(60) for _ in range(99)
    )
    packed = gzip.compress(lines)
    for cut in range(4, len(packed), 97):
        *_, last = told(packed[:cut])
        assert ("RS901", "the gzip input ends in the middle") == last[::2]
    assert [*TOLD, ("RS901", 3, "the gzip input is broken from here on")] == told(
        gzip.compress(LINES) + b"more"
    )
    assert [("RS901", 1, "the gzip input is broken from here on")] == told(b"\x1f\x8bnonsense")


@given(st.binary(max_size=300))
def test_nothing_raises(data):
    """
    Whatever the bytes are, what is wrong with them is a finding.
    """
    told(b"\x1f\x8b" + data)
    told(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + data)


def test_bomb_is_unpacked_a_portion_at_a_time(monkeypatch):
    """
    A line of fifty million bytes packed into fifty thousand is passed over, not held.
    """
    lower(monkeypatch, record=1 << 17)
    bomb = gzip.compress(b"0" * 50_000_000 + b"\n" + LINES)

    with peak_memory() as peak:
        found = told(bomb, "log.jsonl.gz")

    assert ["RS904", "queued", "completed"] == [each[0] for each in found]
    assert peak() < 2 << 20


def test_stream_that_does_not_block_is_refused():
    """
    As it is where it is not packed.
    """
    portions = [gzip.compress(LINES)[:20], None]
    stream = io.BytesIO()
    stream.read1 = lambda size: portions.pop(0)
    with pytest.raises(BlockingIOError):
        list(read(stream))


def test_an_archive_inside_is_named():
    """
    What is packed may be no text either.
    """
    inside = gzip.compress(b"7z\xbc\xaf\x27\x1c")

    assert [("RS901", 1, "the input is a 7z archive: unpack it first")] == told(inside)


def test_command_reads_packed_files(tmp_path, capsys):
    """
    Without an engine for many rows too.
    """
    path = tmp_path / "jobs.jsonl.gz"
    path.write_bytes(gzip.compress(LINES))

    assert 1 == cli.command.main(["check", "--engine", "python", str(path)], standalone_mode=False)
    assert "RS103 error: r: queued -> completed" in capsys.readouterr().out
