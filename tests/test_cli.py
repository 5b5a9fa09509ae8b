"""
The command: what it prints, where, and how it exits.
"""

import errno
import io
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self
from xml.etree import ElementTree as ET

import click
import pytest

from durations import dwell
from runstate import RULES, RUN, cli, demo, histories, load_lifecycle
from runstate.ddl import DIALECTS, guard_sql
from runstate.diagrams import FORMATS, Overlay, draw, overlay_of
from runstate.presets import PRESETS
from runstate.readers import read

BORN = 1_700_000_000

GOOD = [("run_1", "queued"), ("run_1", "in_progress"), ("run_1", "completed")]
BAD = [("run_1", "queued"), ("run_1", "completed")]

DOOR = """
name = "door"
initial = "shut"
terminal = ["broken"]
status_field = "position"
[[transitions]]
trigger = "open"
source = "shut"
target = "open"
[[transitions]]
trigger = "break"
source = "open"
target = "broken"
evidence = "reported"
citation = "the [bold]neighbour[/bold]"
"""


class Done(NamedTuple):
    """
    What came of a command.
    """

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output, as text."""
        return self.out.decode()


Command = Callable[..., Done]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Command:
    """
    Run the command in this process, in a folder of its own, with *stdin* as its input.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["runstate", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsysbinary.readouterr()
        assert b"Traceback" not in err
        assert isinstance(caught.value.code, int)

        return Done(caught.value.code, out, err.decode())

    return run


def lines(*statuses: tuple[str, str], key: str = "status") -> str:
    """
    Return polls of runs as JSON lines.
    """
    return "".join(
        json.dumps({"run_id": run_id, key: status}) + "\n" for run_id, status in statuses
    )


@contextmanager
def pipe(content: bytes) -> Iterator[str]:
    """
    Have *content* written into a pipe in the command's folder; yield the pipe's name.
    """
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_bytes, args=(content,))
    writer.start()
    try:
        yield "pipe"
    finally:
        writer.join(10)
        Path("pipe").unlink()
    assert not writer.is_alive()


def file(name: str, content: "str | bytes") -> str:
    """
    Write *content* to the file called *name* in the command's folder.
    """
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)

    return name


def refused(done: Done) -> str:
    """
    Return the one line in which the command said why it could not do it.
    """
    assert (2, b"") == (done.status, done.out)
    assert re.fullmatch(r"runstate: [^\n]+\n", done.err)
    assert done.err[:-1].isprintable()

    return done.err.removeprefix("runstate: ").rstrip("\n")


# -- check -----------------------------------------------------------------------


def test_check_of_a_good_history(command):
    """
    A history in which every run is possible is counted, and exits 0.
    """
    file("good.jsonl", lines(*GOOD))

    assert command("check", "good.jsonl") == Done(0, b"1 run, 3 observations: nothing wrong\n", "")


def test_check_of_a_bad_history(command):
    """
    A finding of severity error is printed with its place and a hint, and exits 1.
    """
    file("bad.jsonl", lines(*BAD))

    assert command("check", "bad.jsonl") == Done(
        1,
        b"bad.jsonl:2: RS103 error: run_1: queued -> completed: no such move (shortest legal path: "
        b"queued -start-> in_progress -complete-> completed)\n"
        b"1 run, 2 observations: 1 error, 0 warnings\n",
        "",
    )


def test_check_as_polled(command):
    """
    What is impossible for one who saw everything may be possible for a poller.
    """
    file("bad.jsonl", lines(*BAD))

    assert command("check", "bad.jsonl", "--observed", "polled").status == 0


def test_check_goes_on_after_what_cannot_be_read(command):
    """
    A file that is missing, one that is empty, a name that is too long: each is reported, and the rest checked.
    """
    file("empty.jsonl", "")
    file("bad.jsonl", lines(*BAD))
    long = "n" * 300
    done = command("check", "none.jsonl", "empty.jsonl", long, "bad.jsonl")

    assert (2, "") == (done.status, done.err)
    assert [
        "none.jsonl: RS901 error: No such file or directory",
        "empty.jsonl: RS901 error: holds no record of a run",
        f"{long[:199]}…: RS901 error: File name too long",
    ] == done.text.splitlines()[:3]
    assert done.text.splitlines()[3].startswith("bad.jsonl:2: RS103 error: run_1: ")
    assert done.text.splitlines()[4:] == ["1 run, 2 observations: 4 errors, 0 warnings"]


def test_check_reads_standard_input(command):
    """
    A dash is standard input, and is called by that name.
    """
    done = command("check", "-", stdin=lines(*BAD).encode())

    assert done.status == 1
    assert done.text.startswith("<stdin>:2: RS103 error: run_1: ")
    assert command("check", "-").text.startswith("<stdin>: RS901 error: holds no record of a run\n")


def test_records_of_another_kind_are_named_where_nothing_else_is_there(command):
    """
    An input of nothing but another kind of object is refused with its kind, and how to read it.
    """
    batch = '{"id": "b", "object": "vector_store.file_batch", "status": "completed"}\n'
    file("batches.jsonl", batch)
    file("both.jsonl", batch + '{"id": "b", "object": "batch", "status": "completed"}\n')
    named = ("--run-id", "id", "--status", "status")
    options = ("--lifecycle", "openai-batch")
    refused = command("check", "batches.jsonl", *options)

    assert (
        2,
        "batches.jsonl: RS901 error: holds no record of a run: the object of line 1 is "
        "'vector_store.file_batch', not 'batch'; --run-id and --status read it all the same",
    ) == (refused.status, refused.text.splitlines()[0])
    assert 0 == command("check", "batches.jsonl", *options, *named).status
    assert 0 == command("check", "both.jsonl", *options).status


STATES = '{"job": "j", "states": [{"status": "queued"}, {"status": "completed"}]}\n'


@pytest.mark.parametrize("content", [lines(*GOOD), lines(*BAD), STATES, "{}\n", ""])
@pytest.mark.parametrize(
    "arguments",
    [
        ("check",), ("check", "--order", "file"), ("check", "--lifecycle", "run"),
        ("check", "--summary"), ("report", "-o", "page.html"), ("convert", "-o", "log.xes"),
        ("init", "--name", "draft"),
    ],
)  # fmt: skip
def test_a_pipe_says_what_standard_input_says(command, arguments, content):
    """
    What is read more than once is copied, also where the shell hands the output of a program over.
    """
    name, *options = arguments
    expected = command(name, "-", *options, stdin=content.encode())
    with pipe(content.encode()) as piped:
        done = command(name, piped, *options)

    assert (
        expected.status,
        expected.text.replace("<stdin>", "pipe"),
        expected.err.replace("<stdin>", "pipe"),
    ) == (done.status, done.text, done.err)


def test_check_without_standard_input():
    """
    A standard input that is closed cannot be read, like any other input.
    """
    program = f"exec {shlex.quote(sys.executable)} -m runstate check - <&-"
    done = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=False)

    assert (2, "<stdin>: RS901 error: is closed") == (done.returncode, done.stdout.splitlines()[0])


def test_check_by_other_keys(command):
    """
    Columns are named by options; of times without a zone only the differences are used, which is said.
    """
    file("jobs.csv", "job,state,time\nj,queued,2026-01-01T00:00:09\nj,queued,2026-01-01T00:00:01\n")
    options = ("jobs.csv", "--run-id", "job", "--status", "state", "--at", "time")
    assumed = command("check", *options, "--assume-utc")

    naive = command("check", *options)

    assert (0, assumed.out, "") == (naive.status, naive.out, assumed.err)
    assert "without a zone" in naive.err
    assert (
        0,
        "jobs.csv:3: RS108 warning: j: seen 8 s before the observation that precedes it",
    ) == (
        assumed.status,
        assumed.text.splitlines()[0],
    )


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
@pytest.mark.parametrize("option", ["--at", "--attempt", "--from"])
@pytest.mark.parametrize("lifecycle", ["run", "river-job", "slurm-job"])
def test_a_key_that_no_record_has_is_said(command, name, option, lifecycle):
    """
    A mistyped option leaves no record without its time or attempt in silence: exit status 2.
    """
    rows = ["run_id,status", "a,queued", "a,in_progress"]
    lines = [dict(zip(rows[0].split(","), row.split(","), strict=True)) for row in rows[1:]]
    text = "\n".join(rows if name.endswith("csv") else map(json.dumps, lines)) + "\n"
    done = command(
        "check", file(name, text), "--lifecycle", lifecycle, "--run-id", "run_id",
        "--status", "status", option, "gone",
    )  # fmt: skip

    if (lifecycle, option, name) == ("run", "--attempt", "log.jsonl"):
        # A run has one attempt, and no rule asks for its number.
        assert 0 == done.status
        return
    assert 2 == done.status
    assert "'gone'" in done.text
    assert f"{option} names another" in done.text


def test_a_key_that_some_record_has_is_not_missed(command):
    """
    Empty cells, nulls and records without the key are times that are not known.
    """
    for name, text in {
        "log.csv": "run_id,status,when\na,queued,\na,in_progress,\n",
        "log.jsonl": '{"run_id":"a","status":"queued"}\n'
        '{"run_id":"a","status":"in_progress","when":null}\n',
    }.items():
        assert 0 == command("check", file(name, text), "--at", "when").status


@pytest.mark.parametrize("option", ["--run-id", "--status", "--at", "--attempt", "--from"])
@pytest.mark.parametrize("key", ["", " ", ",", "a,,b"])
@pytest.mark.parametrize("name", ["check", "init", "draw"])
def test_an_empty_key_is_refused(command, name, option, key):
    """
    In one line, before anything is read.
    """
    log = ["--log", "gone.csv"] if name == "draw" else ["gone.csv"]

    assert f"{option} expects a column" in refused(command(name, *log, option, key))


@pytest.mark.parametrize("name", ["Time [ms]", "a]b", "x[1", "x[a.b]", "when?", "a.b", "=1"])
def test_a_column_may_be_called_anything(command, name):
    """
    A name that is not a path is that of a column.
    """
    for option, header in {
        "--at": ("run_id", "status", name),
        "--run-id": (name, "status", "at"),
    }.items():
        text = f"{','.join(header)}\n" + "".join(
            f"{1767225600 + n},{status},{1767225600 + n}\n"
            for n, status in enumerate(["queued", "queued"])
        )
        done = command("check", file("log.csv", text), option, name)

        assert (0, "2 runs, 2 observations") == (done.status, done.text[:22])


def test_check_by_format(command):
    """
    A format that is named is used, whatever the file's name says.
    """
    file("good.txt", "[" + ",".join(lines(*GOOD).splitlines()) + "]")

    assert command("check", "good.txt", "--format", "json").status == 0
    assert command("check", "good.txt", "--format", "csv").status == 2


def test_check_of_a_finished_history(command):
    """
    Runs that have not ended are wrong only where the history was declared finished.
    """
    file("live.jsonl", lines(*GOOD[:2]))

    assert command("check", "live.jsonl").status == 0
    assert command("check", "live.jsonl", "--finished").text.splitlines()[0] == (
        "live.jsonl:2: RS107 error: run_1: ends in in_progress (from in_progress: require_action, "
        "complete, fail, stop_incomplete, expire, request_cancel)"
    )


def test_check_against_limits(command):
    """
    Each limit is for one status; a run that kept it longer is a warning.
    """
    moves = [
        {"run_id": "r", "status": status, "at": BORN + at}
        for status, at in (("queued", 0), ("in_progress", 90), ("completed", 99))
    ]
    file("slow.jsonl", "\n".join(map(json.dumps, moves)))
    done = command("check", "slow.jsonl", "--limit", "queued=60", "--limit", "in_progress=60.5")

    assert (0, "slow.jsonl:2: RS302 warning: r: queued for 90 s (the limit is 60 s)") == (
        done.status,
        done.text.splitlines()[0],
    )


def test_check_under_another_lifecycle(command):
    """
    The table may be a preset or come from a file, with a status key of its own.
    """
    file("door.toml", DOOR)
    file("door.jsonl", lines(("d", "shut"), ("d", "open"), ("d", "broken"), key="position"))
    file("cancel.jsonl", lines(("r", "queued"), ("r", "cancelling")))

    assert command("check", "door.jsonl", "--lifecycle", "door.toml").status == 0
    assert command("check", "door.jsonl").status == 2
    assert command("check", "cancel.jsonl").status == 0
    assert command("check", "cancel.jsonl", "--lifecycle", "run-documented").status == 1


@pytest.fixture
def many(tmp_path: Path) -> int:
    """
    Write a log of 150 runs with an unknown status each, and return how many.
    """
    content = lines(*((f"run_{number}", "lost") for number in range(150)))
    (tmp_path / "many.jsonl").write_text(content)

    return 150


def test_check_caps_text_alone(command, many):
    """
    Text shows a hundred findings, other forms all; counts are always of all.
    """
    text = command("check", "--lifecycle", "run", "many.jsonl").text.splitlines()

    assert len(text) == 102
    assert text[-2:] == [
        "... and 50 more findings (--max 0 shows all)",
        "150 runs, 150 observations: 150 errors, 0 warnings (150 undecided: too little was seen)",
    ]
    assert (
        len(
            command(
                "check", "--lifecycle", "run", "many.jsonl", "--output", "github"
            ).text.splitlines()
        )
        == many + 1
    )


@pytest.mark.parametrize(("most", "shown"), [("0", 150), ("1", 1), ("149", 149), ("200", 150)])
def test_check_caps_as_told(command, many, most, shown):
    """
    A cap that is given holds for every form, and 0 is none.
    """
    report = json.loads(
        command("check", "--lifecycle", "run", "many.jsonl", "--output", "json", "--max", most).text
    )
    text = command("check", "--lifecycle", "run", "many.jsonl", "--max", most).text.splitlines()

    assert (shown, many) == (len(report["findings"]), report["errors"])
    assert len(text) == shown + 1 + (shown < many)


def test_check_as_json(command):
    """
    As JSON, one object has the findings and the counts.
    """
    file("bad.jsonl", lines(*BAD))

    assert json.loads(command("check", "bad.jsonl", "--output", "json").text) == {
        "findings": [
            {
                "code": "RS103",
                "severity": "error",
                "message": "queued -> completed: no such move",
                "run_id": "run_1",
                "source": "queued",
                "target": "completed",
                "hint": "shortest legal path: queued -start-> in_progress -complete-> completed",
                "file": "bad.jsonl",
                "line": 2,
            }
        ],
        "runs": 1,
        "observations": 2,
        "undecided": 0,
        "tied": 0,
        "compared": True,
        "reopened": 0,
        "accepted": 0,
        "passed_over": 0,
        "errors": 1,
        "warnings": 0,
    }


def test_check_as_junit(command):
    """
    As JUnit XML, the report parses and has the failure.
    """
    file("bad.jsonl", lines(*BAD))
    suite = ET.fromstring(command("check", "bad.jsonl", "--output", "junit").out)  # noqa: S314

    assert [("run_1", "RS103")] == [
        (case.get("classname"), failure.get("type"))
        for case in suite
        for failure in case.iter("failure")
    ]


@pytest.mark.parametrize("form", ["text", "json", "github", "junit"])
def test_check_of_hostile_input(command, form):
    """
    A log that was made to forge lines or drive a terminal does neither.
    """
    evil = "\x1b[2J\n::error::forged\u202e"
    file("evil.jsonl", json.dumps({"run_id": "r", "status": evil}))
    file("more.jsonl", json.dumps({"run_id": evil, "status": "queued"}))
    done = command("check", "evil.jsonl", "more.jsonl", "--output", form)

    assert (2, "") == (done.status, done.err)
    assert all(line.isprintable() for line in done.text.splitlines())
    assert not any(line.startswith("::error::") for line in done.text.splitlines())


@pytest.mark.parametrize("code", RULES)
def test_explain(command, code):
    """
    Every code is explained: what, why, an example, what to do, and where it is from.
    """
    done = command("check", "--explain", code.lower())
    rule = RULES[code]

    assert (0, "") == (done.status, done.err)
    assert done.text.startswith(f"{code} {rule.title} ({rule.severity})\n\nWhat it looks for\n  ")
    for told in (rule.what, rule.why, rule.instead, rule.evidence):
        assert f"\n  {told}\n" in done.text


# -- what cannot be done ---------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["check"], "name a file to check, or - for standard input"),
        (["check", "--explain", "RS999\x1b"], f"no rule 'RS999\\x1b' (known: {', '.join(RULES)})"),
        (
            ["check", "x", "--lifecycle", "no\nne"],
            "no lifecycle 'no\\nne' (see runstate lifecycles; or name a .toml, .json or .scxml file)",
        ),
        (["check", "x", "--lifecycle", "none.toml"], "none.toml: No such file or directory"),
        (["check", "x", "--limit", "queued"], "--limit takes STATUS=SECONDS, not 'queued'"),
        (["check", "x", "--limit", "queued=x"], "--limit takes STATUS=SECONDS, not 'queued=x'"),
        (["check", "x", "--limit", "queued=nan"], "--limit takes STATUS=SECONDS, not 'queued=nan'"),
        (["check", "x", "--limit", "queued=-1"], "--limit takes STATUS=SECONDS, not 'queued=-1'"),
        (
            ["check", "x", "--limit", "quued=1"],
            "limit given for unknown status 'quued' (lifecycle run)",
        ),
        (
            ["draw", "--format", "gif"],
            "no format 'gif' (known: mermaid, dot, svg, png, plantuml, markdown, json, scxml, xstate, transitions, "
            "statemachine)",
        ),
        (
            ["draw", "-o", "run.gif"],
            "no format for 'run.gif' (known: .mmd, .dot, .gv, .svg, .png, .puml, .plantuml, .md, .json, "
            ".scxml)",
        ),
        (["draw", "-o", "none/run.svg"], "none/run.svg: No such file or directory"),
        (["draw", "--run", "none.jsonl"], "none.jsonl: No such file or directory"),
        (["draw", "--log", "none.jsonl"], "none.jsonl: No such file or directory"),
        (
            ["draw", "none"],
            "no lifecycle 'none' (see runstate lifecycles; or name a .toml, .json or .scxml file)",
        ),
        (
            ["draw", "celry"],
            "no lifecycle 'celry' (did you mean celery? or name a .toml, .json or .scxml file)",
        ),
        (["lifecycles", "none.json"], "none.json: No such file or directory"),
        (
            ["sql", "--dialect", "sqlite", "--table", "a\x1b"],
            "no name of a table: 'a\\x1b' (1 to 63 lower-case letters, digits and underscores, "
            "and no digit first)",
        ),
        (
            ["sql", "--dialect", "sqlite", "--stamps", "created_at,ended_at"],
            "no field 'ended_at' to tie to the status (known: created_at, started_at, "
            "cancelled_at, failed_at, completed_at, expires_at, required_action, usage, last_error, "
            "incomplete_details)",
        ),
        (["sql", "none.toml", "--dialect", "sqlite"], "none.toml: No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line(command, arguments, reason):
    """
    A bad argument or file is told in one line on standard error, and exits 2.
    """
    assert reason == refused(command(*arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "nonsense"),
        (["check", "--nonsense"], "--nonsense"),
        (["check", "x", "--output", "xml"], "'text', 'json', 'github', 'junit'"),
        (["check", "x", "--format", "xml"], "'auto', 'json', 'jsonl', 'sse', 'csv'"),
        (["check", "x", "--observed", "once"], "'complete', 'polled', 'unordered'"),
        (["check", "x", "--max", "-1"], "--max"),
        (["check", "x", "--follow", "--every", "nan"], "--every expects a number of seconds"),
        (["draw", "-o", "."], "is a directory"),
        (["sql"], "--dialect"),
        (["sql", "--dialect", "oracle"], "'postgresql', 'sqlite'"),
        (["demo", "--runs", "0"], "--runs"),
        (["demo", "--workers", "33"], "--workers"),
    ],
    ids=" ".join,
)
def test_bad_arguments_are_one_line(command, arguments, words):
    """
    An argument that is none of those there are is told by its name, in one line too.
    """
    assert words in refused(command(*arguments))


def test_wrong_definition_is_one_line(command):
    """
    A lifecycle file that is malformed or contradicts itself is told by its place and faults.
    """
    file("odd.toml", DOOR.replace('target = "open"', "target = 5"))
    file("trap.toml", DOOR.replace('target = "broken"', 'target = "ajar"'))

    assert refused(command("lifecycles", "odd.toml")) == (
        "odd.toml: transitions[0].target: Input should be a valid string"
    )
    assert refused(command("check", "x", "--lifecycle", "trap.toml")).startswith(
        "lifecycle 'door' has 4 faults: "
    )


def test_interrupt_exits_like_a_shell(command, monkeypatch):
    """
    Ctrl-C ends the command quietly with 130.
    """

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    file("x.toml", DOOR)
    monkeypatch.setattr(tomllib, "loads", interrupted)
    monkeypatch.setattr(tomllib, "load", interrupted)
    done = command("check", "x", "--lifecycle", "x.toml")

    assert (130, b"") == (done.status, done.out)


class Full(io.RawIOBase):
    """
    A device without space.
    """

    full = True

    def writable(self) -> bool:
        """
        Say that it can be written, which is a lie.
        """
        return True

    def write(self, data: Any) -> int:
        """
        Fail, until there is space.
        """
        if self.full:
            raise OSError(errno.ENOSPC, "No space left")

        return len(data)


def test_full_disk_is_one_line(command, monkeypatch):
    """
    An output that cannot be written is told, and exits 2.
    """
    device = Full()
    full = io.TextIOWrapper(io.BufferedWriter(device))
    monkeypatch.setattr(sys, "stdout", full)

    assert refused(command("check", "--explain", "RS101")) == "No space left"
    device.full = False


@pytest.mark.parametrize(
    ("error", "status"), [(BrokenPipeError(), 1), (OSError(errno.ENOSPC, "full"), 2)]
)
def test_what_is_left_at_the_end_is_written(monkeypatch, error, status):
    """
    At the end a closed pipe is no fault, a full disk is one; neither is met again at exit.
    """

    class Unwritten(io.StringIO):
        """
        An output with something left to write.
        """

        def flush(self) -> None:
            """
            Fail.
            """
            raise error

    unwritten = Unwritten()
    monkeypatch.setattr(sys, "stdout", unwritten)
    flushed = cli._flushed(1)
    closed = cli._flushed(0)

    assert (status, 0, None) == (flushed, closed, sys.stdout)
    monkeypatch.setattr(Unwritten, "flush", lambda _: None)


def test_closed_standard_output_is_no_fault(command, monkeypatch):
    """
    With nowhere to print, what is asked for is still done and judged.
    """
    file("bad.jsonl", lines(*BAD))
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        done = command("check", "bad.jsonl")

    assert done == Done(1, b"", "")


def test_error_without_words_is_named():
    """
    An error of the system that says nothing is called by its name.
    """
    assert ["TimeoutError", "why", "f: full", "full"] == [
        cli._reason(error)
        for error in (
            TimeoutError(),
            OSError("why"),
            OSError(errno.ENOSPC, "full", "f"),
            OSError(errno.ENOSPC, "full"),
        )
    ]


def test_encoding_that_lacks_a_character(monkeypatch, tmp_path):
    """
    What the encoding of the output cannot say is escaped.
    """
    path = tmp_path / "a.jsonl"
    path.write_text(lines(("日", "lost")), encoding="utf-8")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    monkeypatch.setattr(sys, "argv", ["runstate", "check", str(path), "--max", "1"])
    with pytest.raises(SystemExit):
        cli.main()

    assert b"RS101 error: \\u65e5: unknown status 'lost'" in raw.getvalue()


# -- help ------------------------------------------------------------------------


def test_no_command_is_a_question(command):
    """
    Without a command, help is shown; nothing was done, so that exits 2.
    """
    done = command()

    assert (2, "") == (done.status, done.err)
    assert done.out == command("--help").out


@pytest.mark.parametrize("name", [None, *cli.command.commands])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_has_examples(command, name, option):
    """
    Every command answers both spellings of help, with examples.
    """
    done = command(*([name] if name else []), option)

    assert (0, "") == (done.status, done.err)
    assert "\n  Examples:\n    runstate" in done.text
    assert max(map(len, done.text.splitlines())) <= 90


def examples() -> Iterator[str]:
    """
    Yield every example of every help text, without its explanation.
    """
    for each in (cli.command, *cli.command.commands.values()):
        for line in (each.help or "").partition("Examples:\n")[2].splitlines():
            if line.strip():
                yield re.split(r"\s{3,}", line.strip())[0].rpartition("| ")[2]


@pytest.mark.parametrize("example", list(examples()))
def test_example_parses(example):
    """
    Every example of a help text is a command that exists, with options that it has.
    """
    program, name, *arguments = example.split()
    context = click.Context(cli.command)

    assert program == "runstate"
    assert cli.command.commands[name].make_context(name, arguments, parent=context)


def test_version(command, monkeypatch):
    """
    The version is that of the package, as far as one is installed.
    """
    monkeypatch.setattr(metadata, "version", lambda name: f"of {name}")
    installed = command("--version")

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)

    assert [Done(0, b"runstate of runstate\n", ""), Done(0, b"runstate (not installed)\n", "")] == [
        installed,
        command("--version"),
    ]


# -- draw ------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_draw_to_standard_output(command, name):
    """
    Every format is drawn to standard output as it is, byte for byte.
    """
    assert command("draw", "--format", name) == Done(0, draw(RUN, name), "")


@pytest.mark.parametrize(
    ("suffix", "name"), [(s, known.name) for known in FORMATS.values() for s in known.suffixes]
)
def test_draw_to_a_file_by_suffix(command, suffix, name):
    """
    A file's suffix says its format, in any case, and nothing else is printed.
    """
    done = command("draw", "run-documented", "-o", f"picture{suffix.upper()}")

    assert done == Done(0, b"", "")
    assert Path(f"picture{suffix.upper()}").read_bytes() == draw(PRESETS["run-documented"], name)


def test_draw_prefers_the_format_named(command):
    """
    A format that is named counts more than the suffix; without both it is Mermaid.
    """
    command("draw", "--format", "dot", "-o", "run.txt")

    assert Path("run.txt").read_bytes() == draw(RUN, "dot")
    assert command("draw").out == draw(RUN, "mermaid")


def test_draw_a_lifecycle_from_a_file(command):
    """
    A lifecycle from a file is drawn like a preset, and its JSON picture is such a file.
    """
    file("door.toml", DOOR)
    command("draw", "door.toml", "-o", "door.json")

    assert command("draw", "door.json").out == command("draw", "door.toml").out


def test_draw_refuses_a_png_on_a_terminal(command, monkeypatch):
    """
    Bytes that are no text are not thrown at a terminal.
    """
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)

    assert (
        refused(command("draw", "--format", "png")) == "PNG is binary: write it to a file with -o"
    )
    assert command("draw", "--format", "dot").status == 0


def move(source: str, target: str, run_id: str = "run_1") -> str:
    """
    Return a line of a log of moves.
    """
    entry = {"event": "run.transition", "run_id": run_id, "source": source, "target": target}

    return json.dumps(entry) + "\n"


MOVES = move("queued", "in_progress") + move("in_progress", "completed")


@pytest.mark.parametrize("content", [MOVES, lines(*GOOD[:2], *GOOD[1:])], ids=["moves", "polls"])
def test_draw_one_run(command, content):
    """
    The way and the status of one run are drawn from its moves, or from polls of it.
    """
    file("one.jsonl", content)
    way = ("queued", "in_progress", "completed")

    assert command("draw", "--run", "one.jsonl").out == draw(
        RUN, "mermaid", Overlay(current="completed", path=way)
    )


def test_draw_one_run_of_several(command):
    """
    A file with more runs than one shows no one's way.
    """
    file("two.jsonl", lines(("a", "queued"), ("b", "queued")))

    assert refused(command("draw", "--run", "two.jsonl")) == (
        "two.jsonl holds 2 runs; --run takes the history of one"
    )


def test_draw_of_half_a_file_is_refused(command):
    """
    A picture is drawn of all that was observed, or not at all; the message says what is wrong.
    """
    file("half.jsonl", MOVES + '{"event": "run.tra\n')

    assert refused(command("draw", "--log", "half.jsonl")).startswith("half.jsonl:3: ")


def test_draw_counts(command):
    """
    A log is drawn with how often each move was made; repeated polls are none.
    """
    polls = lines(("p", "queued"), ("p", "queued"), ("p", "completed"))
    again = move("in_progress", "in_progress", "run_2")
    file("log.jsonl", MOVES + polls + MOVES.replace("run_1", "run_2") + again)
    counts = {
        ("queued", "in_progress"): 2,
        ("in_progress", "completed"): 2,
        ("queued", "completed"): 1,
        ("in_progress", "in_progress"): 1,
    }

    assert command("draw", "--log", "log.jsonl").out == draw(RUN, "mermaid", Overlay(counts=counts))


def mermaid(**overlay) -> bytes:
    """
    Return the Mermaid picture of a run with *overlay* on it.
    """
    return draw(RUN, "mermaid", Overlay(**overlay))


def test_draw_polls(command):
    """
    Under polling a gap is no move, what cannot be reached is one, and a status alone is seen.
    """
    file("log.jsonl", lines(("a", "queued"), ("a", "completed"), ("b", "failed"), ("b", "queued")))
    gap, back = ("queued", "completed"), ("failed", "queued")
    seen = {"queued", "completed", "failed"}

    assert command("draw", "--log", "log.jsonl", "--observed", "polled").out == mermaid(
        counts={back: 1}, seen=seen
    )
    assert command("draw", "--log", "log.jsonl").out == mermaid(counts={gap: 1, back: 1})
    assert command("draw", "--log", "log.jsonl", "--observed", "unordered").out == mermaid(
        seen=seen
    )


def test_draw_reads_what_check_reads(command):
    """
    A table with columns, times and a name of its own is drawn with the options of a check.
    """
    file("jobs.txt", "job,state,when\na,queued,2025-01-01\na,in_progress,2025-01-02\n")
    columns = ("--run-id", "job", "--status", "state", "--at", "when")
    options = ("--input-format", "csv", *columns, "--assume-utc")
    moved = {("queued", "in_progress"): 1}
    day = {("queued", "in_progress"): dwell(86_400)}

    assert command("check", "jobs.txt", *options).status == 0
    assert command("draw", "--log", "jobs.txt", *options).out == mermaid(counts=moved, dwell=day)
    assert command("draw", "--run", "jobs.txt", *options).out == mermaid(
        current="in_progress", path=("queued", "in_progress")
    )
    assert command("draw", "--log", "jobs.txt", *options[:-1]).out == mermaid(
        counts=moved, dwell=day
    )


def numbered(seq: int, source: str | None, target: str) -> str:
    """
    Return a line of a log of moves with its number.
    """
    return json.dumps({**json.loads(move("", target)), "source": source, "seq": seq}) + "\n"


def test_draw_takes_numbered_moves_in_order_and_once(command):
    """
    Moves that are delivered late or twice are drawn in the order of their numbers, once each.
    """
    moves = [
        numbered(2, "queued", "in_progress"),
        numbered(4, "cancelling", "cancelled"),
        numbered(1, None, "queued"),
        numbered(2, "queued", "in_progress"),
        numbered(3, "in_progress", "cancelling"),
        numbered(4, "cancelling", "cancelled"),
    ]
    file("late.jsonl", "".join(moves))
    way = ("queued", "in_progress", "cancelling", "cancelled")
    counts = dict.fromkeys(pairwise(way), 1)

    for observed in ("complete", "polled", "unordered"):
        options = ("--observed", observed)
        assert command("draw", "--log", "late.jsonl", *options).out == mermaid(counts=counts)
        assert command("draw", "--run", "late.jsonl", *options).out == mermaid(
            current="cancelled", path=way
        )


def test_draw_no_way_without_an_order(command):
    """
    Statuses in no order make no way.
    """
    file("one.jsonl", lines(*GOOD))

    assert refused(command("draw", "--run", "one.jsonl", "--observed", "unordered")) == (
        "one.jsonl: in no order and without a seq, --run has no way"
    )


def test_draw_a_recorded_move_in_place(command):
    """
    A recorded move from a status to itself is a step of the way; a repeated poll is none.
    """
    knock = '[[transitions]]\ntrigger = "knock"\nsource = "shut"\ntarget = "shut"\n'
    file("knock.toml", DOOR + knock)
    file("one.jsonl", numbered(1, "shut", "shut") + numbered(2, "shut", "open"))
    lifecycle = load_lifecycle("knock.toml")

    assert command("draw", "knock.toml", "--run", "one.jsonl").out == draw(
        lifecycle, "mermaid", Overlay(current="open", path=("shut", "shut", "open"))
    )


def test_draw_a_run_over_a_log(command):
    """
    One run's way is drawn over what was observed of all; pale is what was in neither.
    """
    file("one.jsonl", MOVES)
    file("log.jsonl", MOVES + move("queued", "cancelling", "run_2"))
    counts = {
        ("queued", "in_progress"): 1,
        ("in_progress", "completed"): 1,
        ("queued", "cancelling"): 1,
    }

    assert command("draw", "--run", "one.jsonl", "--log", "log.jsonl").out == mermaid(
        current="completed", path=("queued", "in_progress", "completed"), counts=counts
    )


# -- lifecycles ------------------------------------------------------------------


def cells(done: Done) -> list[list[str]]:
    """
    Return the cells of the table that was printed, without its head.
    """
    assert (0, "") == (done.status, done.err)
    rows = [line.strip("│").split("│") for line in done.text.splitlines() if line[:1] == "│"]

    return [[cell.strip() for cell in row] for row in rows]


def test_lifecycles_lists_the_presets(command):
    """
    Every preset is listed with its size, its beginning and its ends.
    """
    expected = [
        [
            each.name,
            str(len(each.statuses)),
            str(len(each)),
            f"{', '.join(each.initial_statuses)} → {', '.join(each.terminal)}",
        ]
        for each in PRESETS.values()
    ]
    listed: list[list[str]] = []
    for name, *sizes, way in cells(command("lifecycles")):
        if name:
            listed.append([name, *sizes, way])
        else:
            listed[-1][-1] += f" {way}"

    assert expected == listed


def test_lifecycles_lists_the_presets_in_a_narrow_terminal(command, monkeypatch):
    """
    At 100 columns no name and no status is cut off.
    """
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    shown = click.unstyle(command("lifecycles").text)

    assert 100 == max(map(len, shown.splitlines()))
    for each in PRESETS.values():
        assert all(word in shown for word in (each.name, str(each.initial), *each.terminal))
    assert "…" not in shown


def test_lifecycles_prints_the_schema_of_definitions(command):
    """
    As the package makes it, and without anything around it.
    """
    done = command("lifecycles", "--schema")

    assert 0 == done.status
    assert json.dumps(json.loads(done.text), indent=2) + "\n" == done.text
    assert "https://json-schema.org/draft/2020-12/schema" == json.loads(done.text)["$schema"]


def test_lifecycles_shows_a_preset(command):
    """
    A preset is shown row by row, each with its evidence.
    """
    shown = [row for row in cells(command("lifecycles", "run")) if row[0]]

    assert [row[:4] for row in shown] == [
        [row.trigger, row.source, row.target, row.evidence] for row in RUN
    ]


def test_lifecycles_shows_a_file(command):
    """
    A file is shown like a preset, its texts as they are and not as markup.
    """
    file("door.toml", DOOR)

    assert cells(command("lifecycles", "door.toml")) == [
        ["open", "shut", "open", "documented", ""],
        ["break", "open", "broken", "reported", "the [bold]neighbour[/bold]"],
    ]


# -- sql -------------------------------------------------------------------------


def test_sql_of_a_lifecycle_that_reopens_needs_the_attempt(command):
    """
    Without its column one line says what to name; with it, or told so, the SQL comes.
    """
    reopening = """
name = "job"
initial = "queued"
terminal = ["done"]
transitions = [
    {trigger = "finish", source = "queued", target = "done"},
    {trigger = "retry", source = "done", target = "queued", reopens = true},
]
"""
    file("job.toml", reopening)
    refused = command("sql", "job.toml", "--dialect", "sqlite")

    assert 2 == refused.status
    assert 1 == len(refused.err.splitlines())
    assert "rows that reopen, such as done -retry-> queued" in refused.err
    assert "--attempt" in refused.err
    for options in (["--attempt", "tries"], ["--unfenced-reopen"]):
        assert 0 == command("sql", "job.toml", "--dialect", "postgresql", *options).status


@pytest.mark.parametrize("dialect", DIALECTS)
def test_sql_is_what_the_package_makes(command, dialect):
    """
    Every option reaches the SQL, and nothing is printed around it.
    """
    file("door.toml", DOOR)
    plain = command("sql", "--dialect", dialect)
    options = ["--table", "jobs", "--column", "state", "--key", "job_id", "--stamps", ""]
    door = command("sql", "door.toml", "--dialect", dialect, *options)
    stamped = command("sql", "--dialect", dialect, "--stamps", "failed_at, last_error")

    assert [plain, door, stamped] == [
        Done(0, guard_sql(lifecycle, dialect, **names).encode(), "")
        for lifecycle, names in (
            (RUN, {}),
            (load_lifecycle("door.toml"), {"table": "jobs", "column": "state", "key": "job_id"}),
            (RUN, {"fields": ["failed_at", "last_error"]}),
        )
    ]


# -- demo ------------------------------------------------------------------------


def test_demo(command):
    """
    The demonstration runs, draws what it observed, and finds nothing wrong with it.
    """
    done = command("demo", "--runs", "12", "--workers", "2", "-o", "new/out")
    told = done.text.splitlines()
    log = read(io.BytesIO(Path("new/out/moves.jsonl").read_bytes()))
    observed = overlay_of(histories.survey(log), RUN)

    assert (0, "") == (done.status, done.err)
    assert re.fullmatch(r"12 runs, 2 workers, \d+ moves in \d+\.\d s", told[0])
    assert re.fullmatch(r"12 runs, \d+ observations: nothing wrong", told[-1])
    assert told[-7:-1] == [
        "0 runs ended twice",
        "wrote new/out/observed.svg",
        "wrote new/out/observed.png",
        "wrote new/out/observed.mmd",
        "wrote new/out/report.html",
        "$ runstate check new/out/moves.jsonl --finished",
    ]
    for name, form in (("svg", "svg"), ("png", "png"), ("mmd", "mermaid")):
        picture = Path(f"new/out/observed.{name}").read_bytes()
        assert picture == draw(RUN, form, observed)
    assert command("check", "new/out/moves.jsonl", "--finished").status == 0


def test_demo_into_a_file_is_refused(command):
    """
    A demonstration needs a folder, and says so.
    """
    file("out", "")

    assert refused(command("demo", "-o", "out")) == (
        "Invalid value for '-o' / '--out': Directory 'out' is a file."
    )


def test_demo_without_the_store_says_what_to_install(tmp_path):
    """
    Where SQLAlchemy is not installed, one line says how to come by it.
    """
    program = "import sys; sys.modules['sqlalchemy'] = None; from runstate.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    hint = "runstate: runstate.store needs SQLAlchemy: pip install 'runstate[store]'\n"

    assert (2, "", hint) == (done.returncode, done.stdout, done.stderr)
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.parametrize("url", ["sqlite:////nowhere/runs.db", "nonsense", "mysql://host/db"])
def test_demo_on_a_database_that_cannot_be_opened(command, url):
    """
    A database that is not there, or none at all, is told in one line.
    """
    assert refused(command("demo", "--db", url)).startswith("cannot open the database ")


def test_demo_that_found_a_run_with_two_ends_has_failed(command, monkeypatch):
    """
    Should a run ever end twice, that is said and is the exit status.
    """
    ended = demo.Outcome(Counter(), Counter(), Counter(), 0, None, ("run_1",), 1.0)

    def play(url: str, log: Path, **_: Any) -> demo.Outcome:
        log.write_text("".join(f'{{"run_id": "run_1", "status": "{s}"}}\n' for _, s in GOOD))
        return ended

    monkeypatch.setattr(demo, "run_demo", play)
    done = command("demo", "--runs", "1")

    assert 1 == done.status
    assert "1 runs ended twice" in done.text


# -- progress --------------------------------------------------------------------


class Terminal(io.StringIO):
    """
    An error output that somebody looks at.
    """

    def isatty(self) -> bool:
        """
        Say so.
        """
        return True


def test_progress_on_a_terminal(command, monkeypatch):
    """
    Long reading shows a bar on a terminal's error output; the report is the same.
    """
    padded = {"run_id": "run_1", "status": "queued", "note": "x" * (1 << 20)}
    file("good.jsonl", (json.dumps(padded) + "\n") * 5)
    engine = ("--engine", "python")
    quiet = command("check", "good.jsonl", "good.jsonl", *engine)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    shown = command("check", "good.jsonl", "good.jsonl", *engine)

    assert (quiet.out, "") == (shown.out, quiet.err)
    assert "reading" in terminal.getvalue()


def test_no_progress_for_short_reading(command, monkeypatch):
    """
    What is read at once needs no bar, even on a terminal.
    """
    file("good.jsonl", lines(*GOOD))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    command("check", "good.jsonl")

    assert terminal.getvalue() == ""


class Bar:
    """
    A progress bar that remembers where it stood.
    """

    stood: ClassVar[list[int]] = []

    def __init__(self, **_: Any) -> None:
        self.total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_task(self, _: str, *, total: int) -> None:
        """
        Remember how far it goes.
        """
        self.stood[:] = [total]

    def update(self, _: Any, *, completed: int) -> None:
        """
        Remember.
        """
        self.stood.append(completed)


class Awaiting(io.StringIO):
    """
    An output that takes each finding only after the bar was updated, and notes where the bar stood.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: list[int] = []

    def write(self, text: str) -> int:
        """
        Wait for the second update: the first may be from before the line was read.
        """
        if "RS901" in text:
            seen = len(Bar.stood)
            while len(Bar.stood) < seen + 2:
                time.sleep(0.01)
            self.places.append(Bar.stood[-1])

        return super().write(text)


def test_the_bar_stands_where_the_file_is_being_read(command, monkeypatch):
    """
    It moves along with the file, after what was read before it; a pipe adds nothing to it.
    """
    blank = b" " * 1_023 + b"\n"
    name = file("log.jsonl", b"broken\n" + blank * 5_120 + b"broken\n")
    shown = Awaiting()
    monkeypatch.setattr("rich.progress.Progress", Bar)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", shown)
    options = ("--engine", "python", "--format", "jsonl", "--order", "file", "--lifecycle", "run")
    with pipe(b"broken\n") as piped:
        command("check", name, name, piped, *options)
    size = Path(name).stat().st_size
    near = 1 << 20
    first, last, again, end, piped = shown.places

    assert 2 * size == Bar.stood[0]
    assert [0, size, size, 2 * size, 2 * size] == [
        first // near * near, last, size + (again - size) // near * near, end, piped,
    ]  # fmt: skip
    assert 0 < first < size < again
    assert sorted(Bar.stood[1:]) == Bar.stood[1:]
    assert 5 == shown.getvalue().count("RS901 error: not JSON")


# -- the program -----------------------------------------------------------------


def test_module_is_the_command(monkeypatch, capsys):
    """
    The package can be run as a module, which is the same command.
    """
    monkeypatch.setattr(sys, "argv", ["runstate", "check", "--explain", "RS101"])
    # Another test may have imported it, of which runpy warns.
    monkeypatch.delitem(sys.modules, "runstate.__main__", raising=False)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("runstate", run_name="__main__")

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("RS101 ")


def program(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """
    Start the command as a program of its own.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "runstate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_program_in_a_pipe():
    """
    As a program in a pipe it reads, reports and exits as it should, and shows no bar.
    """
    with program("check", "-", stdin=subprocess.PIPE) as running:
        out, err = running.communicate(lines(*BAD).encode())

    assert (1, b"") == (running.returncode, err)
    assert out.splitlines()[-1] == b"1 run, 2 observations: 1 error, 0 warnings"


def test_program_whose_reader_has_enough(tmp_path):
    """
    A reader that closes the pipe after a line ends the program, without a word of complaint.
    """
    path = tmp_path / "many.jsonl"
    path.write_text(lines(*((f"run_{number}", "lost") for number in range(5_000))))
    with program("check", "--lifecycle", "run", str(path), "--max", "0") as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.stdout.close()
        running.stdout = None
        _, err = running.communicate()

    assert first.startswith(str(path).encode()[:100])
    assert err == b""


def test_project_names_the_command():
    """
    The program that the package installs is this one.
    """
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())

    assert project["project"]["scripts"] == {"runstate": "runstate.__main__:main"}
