"""
Odd files of text: both engines say the same of them, or DuckDB refuses them in one line.
"""

import pytest

from runstate.frames import FrameError, survey_files
from runstate.presets import PRESETS
from runstate.readers import Columns
from test_one_verdict import by_python, verdict

BORN = b"1767225600"
CSV = {
    "semicolon": b"run_id;status\na;queued\na;completed\n",
    "tab": b"run_id\tstatus\na\tqueued\na\tcompleted\n",
    "extra cell": b"run_id,status\na,queued,extra\na,completed\n",
    "short row": b"run_id,status\na\na,queued\n",
    "quote that does not end": b'run_id,status\na,queued\n"a,completed\n',
    "quote and more": b'run_id,status\n"a"b,queued\na,queued\n',
    "quote in the middle": b'run_id,status\na"b,queued\n',
    "carriage returns only": b"run_id,status\ra,queued\ra,completed\r",
    "carriage return in a cell": b"run_id,note,status\na,x\ry,queued\na,,completed\n",
    "byte order mark": b"\xef\xbb\xbfrun_id,status\na,queued\na,completed\n",
    "blank lines": b"run_id,status\n\n\na,queued\n\na,completed\n",
    "blank line first": b"\nrun_id,status\na,queued\na,completed\n",
    "spaces in a line": b"run_id,status\na,queued\n   \na,completed\n",
    "NUL": b"run_id,status\na\x00b,queued\na,queued\n",
    "byte that is not UTF-8": b"run_id,status\n\xff,queued\na,queued\n",
    "UTF-16": "run_id,status\na,queued\n".encode("utf-16"),
    "column twice": b"run_id,run_id,status\na,b,queued\n",
    "spaces": b"run_id,status\n a,queued\na ,completed\n",
    "numbers": b"run_id,status\n1,queued\n01,completed\n1.0,failed\n",
    "words for null": b"run_id,status\nNULL,queued\n,completed\nnull,failed\n",
    "line break in quotes": b'run_id,status,x\na,queued,"l1\nl2"\na,completed,y\n',
    "empty": b"",
    "header only": b"run_id,status\n",
    "comment": b"#c\nrun_id,status\na,queued\n",
    "upper case": b"RUN_ID,Status\na,queued\n",
    "mixed line ends": b"run_id,status\r\na,queued\na,completed\r\n",
    "CRLF": b"run_id,status\r\na,queued\r\na,completed\r\n",
    "words for bool": b"run_id,status\ntrue,queued\nfalse,completed\n",
    "dates for ids": b"run_id,status\n2020-01-01,queued\n2020-01-01 00:00:00,completed\n",
    "large numbers": b"run_id,status\n12345678901234567890123,queued\n12345678901234567890124,completed\n",
    "quotes in quotes": b'run_id,status\n"a""b",queued\n"a\\"b",completed\n',
    "zones": b"run_id,status,at\na,queued,2026-01-01T00:00:00Z\na,completed,2026-01-01T00:00:01+02:00\n",
    "no zone": b"run_id,status,at\na,queued,2026-01-01 00:00:00\na,completed,1\n",
    "times in words": b"run_id,status,at\na,queued,soon\nb,queued,later\nb,completed,never\n",
    "times of every kind": b"run_id,status,at\na,queued,1767225600.5\na,in_progress,1.767225602e9\n"
    b"a,completed,2026-01-01 00:00:05+00\nb,queued,2026-02-30T00:00:00Z\nb,completed,2026-01-01T24:00:00Z\n"
    b"c,queued,2016-12-31T23:59:60Z\nc,completed,2026-01-01T00:00:00+25:00\nd,queued,1767225600000\n"
    b"d,completed,0\ne,queued, 1767225600\ne,completed,2026-01-01T00:00:00.1234567Z\nf,queued,20260101T000000Z\n",
    "trailing comma": b"run_id,status,\na,queued,\n",
    "one row": b"run_id,status\nb,completed\n",
    "one row of a time": b"run_id,status,at\nb,completed," + BORN + b"\n",
    "empty ids": b"run_id,status\n,queued\n,completed\na,queued\n",
    "empty statuses": b"run_id,status\na,queued\na,\na,completed\n",
    "no line feed at the end": b"run_id,status\na,queued\na,completed",
    "a late odd row": b"run_id,status\n" + b"1,queued\n" * 30_000 + b"x9,completed\nx9,queued\n",
    "long id": b"run_id,status\n" + b"x" * 600 + b",queued\na,queued\n",
    "long status": b"run_id,status\na," + b"x" * 300 + b"\na,queued\n",
    "invisible id": "run_id,status\na\u202eb,queued\na\u2028b,completed\nö ü,completed\nö ü,queued\n".encode(),
    "header that does not end": b'run_id,status,"x\na,queued,\na,completed,\n',
    "header with more after a quote": b'run_id,"sta"tus\na,queued\na,completed\n',
    "header in quotes": b'"run_id","status","a""b"\na,queued,\na,completed,\n',
    "header with a long name": b"run_id,status," + b"x" * 140_000 + b"\na,queued,\na,completed,\n",
    "control character": b"run_id,status\na\x07,completed\n",
}  # fmt: skip

LINE = b'{"run_id":"a","status":"queued","at":1767225600}\n'
JSON = {
    "status twice": b'{"run_id":"a","status":"queued","status":"completed"}\n',
    "id twice": b'{"run_id":"a","run_id":"b","status":"queued"}\n',
    "number for id": b'{"run_id":1,"status":"queued"}\n{"run_id":"1","status":"completed"}\n',
    "true for id": b'{"run_id":true,"status":"queued"}\n',
    "null for id": b'{"run_id":null,"status":"queued"}\n',
    "fraction for id": b'{"run_id":1.5,"status":"queued"}\n',
    "no id": LINE + b'{"status":"completed"}\n',
    "empty id": b'{"run_id":"","status":"queued"}\n',
    "object for id": b'{"run_id":{"a":1},"status":"queued"}\n',
    "control in id": b'{"run_id":"a\\u0007","status":"queued"}\n',
    "NUL in id": b'{"run_id":"a\\u0000b","status":"queued"}\n',
    "half a surrogate": b'{"run_id":"\\ud800","status":"queued"}\n',
    "null for status": b'{"run_id":"a","status":null}\n',
    "number for status": b'{"run_id":"a","status":5}\n',
    "list for status": b'{"run_id":"a","status":["queued"]}\n',
    "empty status": b'{"run_id":"a","status":""}\n',
    "text for time": b'{"run_id":"a","status":"queued","at":"soon"}\n',
    "milliseconds": b'{"run_id":"a","status":"queued","at":1767225600000}\n{"run_id":"a","status":"completed","at":1767225601000}\n',
    "no zone": b'{"run_id":"a","status":"queued","at":"2026-01-01T00:00:00"}\n',
    "infinite time": b'{"run_id":"a","status":"queued","at":1e9999}\n',
    "NaN": b'{"run_id":"a","status":"queued","at":NaN}\n',
    "null for time": b'{"run_id":"a","status":"queued","at":null}\n',
    "true for time": b'{"run_id":"a","status":"queued","at":true}\n',
    "number in quotes": b'{"run_id":"a","status":"queued","at":"1767225600"}\n',
    "line that breaks off": LINE + b'{"run_id":"a","sta\n' + LINE,
    "blank lines": LINE + b"\n\n   \n" + LINE.replace(b"queued", b"completed"),
    "byte order mark": b"\xef\xbb\xbf" + LINE,
    "CRLF": LINE.replace(b"\n", b"\r\n") * 2,
    "carriage returns only": LINE.replace(b"\n", b"\r") * 2,
    "byte that is not UTF-8": b'{"run_id":"\xe9","status":"queued"}\n',
    "array": b"[1]\n" + LINE,
    "records in an array": b"[" + LINE.strip() + b"]\n",
    "comment": b"// hi\n" + LINE,
    "comma at the end": b'{"run_id":"a","status":"queued",}\n',
    "two in a line": LINE.strip() + LINE,
    "deep": b'{"run_id":"a","status":"queued","x":' + b"[" * 5000 + b"]" * 5000 + b"}\n",
    "steps": b'{"object":"thread.run.step","id":"s","status":"in_progress","run_id":"a"}\n' + LINE,
    "two ids": b'{"id":"x","run_id":"a","status":"queued"}\n{"id":"y","run_id":"a","status":"completed"}\n',
    "either id": b'{"id":"x","status":"queued"}\n{"run_id":"x","status":"completed"}\n',
    "a key in line 300": b'{"run_id":"b","status":"queued"}\n' * 300
    + b'{"run_id":"a","status":"queued","completed_at":1767225600}\n',
    "a list far below": LINE * 300 + b'{"object":"list","data":[]}\n',
    "a move far below": LINE * 300 + b'{"run_id":"a","source":"queued","target":"completed"}\n',
    "\\x01 in a line": b'{"run_id":"a\x01b","status":"queued"}\n',
}


@pytest.mark.parametrize("observed", ["complete", "polled"])
@pytest.mark.parametrize(
    ("suffix", "name"),
    [*(("csv", name) for name in CSV), *(("jsonl", name) for name in JSON)],
)
def test_odd_text_is_the_same_or_refused(tmp_path, suffix, name, observed):
    """
    DuckDB finds what the readers find, in the same lines, or refuses the file in one line.
    """
    path = tmp_path / f"x.{suffix}"
    path.write_bytes((CSV if suffix == "csv" else JSON)[name])
    try:
        survey = survey_files(path, observed=observed)
    except FrameError as refused:
        assert "\n" not in str(refused)
        return

    if not survey.observations and not survey.findings:
        # Which the command refuses: it holds no record of a run.
        assert not by_python(str(path), observed).observations
        return

    assert verdict(by_python(str(path), observed)) == verdict(survey)


def test_most_regular_text_is_not_refused(tmp_path):
    """
    Line ends of either kind, numbers and times of many kinds are what logs are made of.
    """
    for name in ("CRLF", "zones", "numbers", "one row", "words for null"):
        (tmp_path / "x.csv").write_bytes(CSV[name])

        assert survey_files(tmp_path / "x.csv").runs, name
    for name in ("CRLF", "null for time", "blank lines", "number for id"):
        (tmp_path / "x.jsonl").write_bytes(JSON[name])

        assert survey_files(tmp_path / "x.jsonl").runs, name


# -- columns that are named, under a lifecycle with shapes ------------------------------


def spellings(lifecycle):
    """
    Return statuses as records of *lifecycle* may spell them: its own, those of its shapes, no status.
    """
    own = [str(status) for status in (lifecycle.initial, *lifecycle.terminal)][:2]
    words = [word.rstrip("*") for shape in lifecycle.shapes for word, _ in shape.words][:3]

    return [*own, *(status.swapcase() for status in own[:1]), *words, ""]


def either(path, lifecycle, columns):
    """
    Return what Python says of *path*, and what DuckDB does: the same, or None if it refuses the file.
    """
    seen = by_python(str(path), "complete", lifecycle, columns=columns)
    try:
        said = survey_files(path, lifecycle, columns=columns)
    except FrameError as refused:
        assert "\n" not in str(refused)
        return verdict(seen), None

    return verdict(seen), verdict(said)


@pytest.mark.parametrize("name", [name for name, each in PRESETS.items() if each.shapes])
def test_shapes_spell_statuses_under_both_engines(tmp_path, name):
    """
    Who names the columns has them read as the shapes spell statuses, or is told that DuckDB does not.
    """
    lifecycle = PRESETS[name]
    columns = Columns(run_id="run", status="state")
    path = tmp_path / "x.csv"
    for status in spellings(lifecycle):
        path.write_text(f"run,state\na,{lifecycle.initial}\nb,{status}\n")
        seen, said = either(path, lifecycle, columns)

        assert said is None or seen == said, status
        if status == lifecycle.initial:
            assert said is not None


@pytest.mark.parametrize("name", [name for name, each in PRESETS.items() if each.shapes])
def test_shapes_name_times_and_attempts_under_both_engines(tmp_path, name):
    """
    A column that only a shape knows for the time or the attempt is read by both engines, or refused by DuckDB.
    """
    lifecycle = PRESETS[name]
    first, last = lifecycle.initial, next(iter(lifecycle.terminal))
    others = {path for shape in lifecycle.shapes for path in (*shape.at[:2], *shape.attempt[:1])}
    for other in sorted(path for path in others if not {*path} & {*".[,"}):
        value = "2" if "attempt" in other or "try" in other else "1767225600"
        path = tmp_path / "x.csv"
        path.write_text(f"run,state,{other}\na,{last},{value}\na,{first},{value}\n")
        seen, said = either(path, lifecycle, Columns(run_id="run", status="state"))

        assert said is None or seen == said, other


def test_a_row_has_its_id_in_either_column(tmp_path):
    """
    DuckDB refuses a table of text where a row has its id only in another one of the usual columns.
    """
    path = tmp_path / "x.csv"
    path.write_text("id,status,run_id\na,queued,\na,completed,a\n")

    with pytest.raises(FrameError, match="a row without run_id may have its id in id"):
        survey_files(path)
    path.write_text("id,status,run_id\na,queued,a\na,completed,a\n")

    assert verdict(by_python(str(path), "complete")) == verdict(survey_files(path))
