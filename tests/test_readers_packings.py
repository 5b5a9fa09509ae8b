"""
Inputs that are packed with xz, bzip2 or zip, or are no text at all.
"""

import bz2
import io
import lzma
import tarfile
import zipfile

import pytest

from runstate import Finding
from runstate.readers import read

LINES = b'{"id": "a", "status": "queued"}\n' * 3
TABLE = b"id;status\na;queued\n" * 1


def zipped(*files):
    """
    Return a zip of *files*, pairs of name and content.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)

    return stream.getvalue()


PACKED = {
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "two xz in one": lambda data: lzma.compress(data[:7]) + lzma.compress(data[7:]),
    "two bzip2 in one": lambda data: bz2.compress(data[:7]) + bz2.compress(data[7:]),
    "zip": lambda data: zipped(("folder/", b""), ("folder/a.jsonl", data)),
}


def told(data, name="a.jsonl"):
    """
    Return what *data* says: line and message of a finding, line and status of an observation.
    """
    return [
        (each.line, each.message if isinstance(each, Finding) else each.status)
        for each in read(io.BytesIO(data), name=name)
    ]


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("data", [LINES, TABLE, b"", LINES * 10_000], ids=len)
def test_a_packing_changes_nothing(packing, data):
    """
    Law: what is packed says what it says unpacked.
    """
    assert told(data) == told(PACKED[packing](data))


@pytest.mark.parametrize("packing", ["xz", "bzip2"])
def test_a_packed_input_that_breaks_off(packing):
    """
    What came before is used, and the end is named.
    """
    packed = PACKED[packing](LINES)

    assert (1, f"the {packing} input ends in the middle") == told(packed[: len(packed) // 2])[-1]
    broken = packed[:30] + b"\xff" * 20 + packed[50:]
    assert (1, f"the {packing} input is broken from here on") == told(broken)[-1]


def test_archives_say_what_to_do():
    """
    An archive of several files, or a packing that is not read, is one line with its name.
    """
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        member = tarfile.TarInfo("a.jsonl")
        member.size = len(LINES)
        archive.addfile(member, io.BytesIO(LINES))
    several = zipped(("a.jsonl", LINES), ("b.jsonl", LINES))

    assert [(1, "the zip input holds 2 files, and one is expected: unpack it first")] == told(
        several
    )
    assert [(1, "the zip input is broken from here on")] == told(several[:40])
    assert [(1, "the input is a tar archive: unpack it, and name the files in it")] == told(
        tar.getvalue()
    )
    assert [(1, "the input is ORC; write its records as JSON lines or Parquet")] == told(
        b"ORC\x11x"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_read(encoding):
    """
    Text that a spreadsheet or PowerShell wrote is read; what is cut off is not UTF-8.
    """
    mark = "\ufeff" if encoding.endswith("be") else ""
    text = f"{mark}id\tstatus\nä\U0001f600\tqueued\n".encode(encoding)

    assert [("ä\U0001f600", "queued")] == [
        (each.run_id, each.status) for each in read(io.BytesIO(text), name="a.txt")
    ]
    assert (3, "not CSV: it is not UTF-8") == told(text + b"\x00", "a.csv")[-1]
