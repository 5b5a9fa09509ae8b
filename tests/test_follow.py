"""
``runstate check --follow`` and ``report --follow``: what comes, as it comes, and a clean end.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from runstate.presets import PRESETS
from runstate.store import RunStore, Store

WITHIN = 10


def line(run_id, status, **more):
    """
    Return one record as a line.
    """
    return json.dumps({"run_id": run_id, "status": status, **more}) + "\n"


class Running:
    """
    A command that is running, and the lines that it writes.
    """

    def __init__(self, *arguments, folder, command="check"):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runstate", command, *map(str, arguments)],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, bufsize=1, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self.lines = Queue()
        self.thread = Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for each in self.process.stdout:
            self.lines.put(each.rstrip("\n"))
        self.lines.put(None)

    def until(self, text):
        """
        Return the lines up to the first with *text* in it.
        """
        found = []
        deadline = time.monotonic() + WITHIN
        while True:
            assert time.monotonic() < deadline, found
            found.append(self.lines.get(timeout=WITHIN))
            assert found[-1] is not None, found
            if text in found[-1]:
                return found

    def say(self, text):
        """
        Write *text* to the standard input.
        """
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self, number=None):
        """
        Send the signal *number*, or close the standard input; return the status and the last lines.
        """
        if number is None:
            self.process.stdin.close()
        else:
            self.process.send_signal(number)
        status = self.process.wait(WITHIN)
        rest = []
        while (each := self.lines.get(timeout=WITHIN)) is not None:
            rest.append(each)

        return status, rest


@pytest.fixture
def follow(tmp_path):
    """
    Start ``runstate check --follow``; whatever runs at the end of the test is killed.
    """
    running = []

    def start(*arguments):
        running.append(Running("--follow", *arguments, folder=tmp_path))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.wait()
        with suppress(BrokenPipeError):
            each.process.stdin.close()
        each.thread.join(WITHIN)
        each.process.stdout.close()


def test_findings_come_while_a_file_grows(follow, tmp_path):
    """
    What is written is judged at once, and lines that are half written wait for their end.
    """
    log = tmp_path / "runs.jsonl"
    log.write_text(line("a", "queued"))
    command = follow("runs.jsonl", "--every", 0)
    with log.open("a") as stream:
        half = line("a", "completed")
        stream.write(half[:20])
        stream.flush()
        time.sleep(0.6)
        stream.write(half[20:])
        stream.flush()
        assert ["runs.jsonl:2: RS103"] == [each[:19] for each in command.until("RS103")]
        stream.write(line("a", "failed"))
        stream.flush()
        assert 1 == len(command.until("runs.jsonl:3: RS105"))

    assert (130, ["runstate: interrupted"]) == command.end(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("source", ["-", "runs.jsonl"])
def test_it_ends_in_one_line(follow, tmp_path, number, source):
    """
    An interrupt and a request to terminate end it with one line and status 130.
    """
    (tmp_path / "runs.jsonl").write_text(line("a", "wrong"))
    command = follow(source)
    command.say(line("a", "wrong"))
    command.until("RS101")

    assert (130, ["runstate: interrupted"]) == command.end(number)


@pytest.mark.parametrize(
    ("statuses", "options", "status"),
    [
        (["queued", "in_progress"], [], 0),
        (["queued", "completed"], [], 1),
        (["queued", "completed"], ["--observed", "polled"], 0),
        (["queued", None], [], 2),
        (["queued"], ["--finished"], 1),
    ],
)
def test_the_end_of_a_pipe_gives_the_status_of_a_check(follow, statuses, options, status):
    """
    At the end of standard input, the summary and the exit status are those of a check.
    """
    command = follow("-", *options)
    command.say("".join(line("a", each) for each in statuses))
    ended, lines = command.end()

    assert status == ended
    assert lines[-1].startswith("1 run, ")


def test_a_pipe_is_judged_before_it_ends(follow):
    """
    A finding is written while the writer is still at work.
    """
    command = follow("-")
    command.say(line("a", "queued") + line("a", "completed"))
    command.until("RS103")
    command.say(line("a", "queued"))
    command.until("RS105")

    assert 1 == command.end()[0]


@pytest.mark.parametrize("how", ["replaced", "truncated"])
def test_a_file_that_is_rotated_is_followed(follow, tmp_path, how):
    """
    A new file under the name, and the same one cut short, are said and read from their beginning.
    """
    log = tmp_path / "runs.jsonl"
    log.write_text(line("a", "queued") + line("a", "wrong"))
    command = follow("runs.jsonl")
    command.until("RS101")
    if how == "replaced":
        log.rename(tmp_path / "runs.jsonl.1")
        time.sleep(0.4)  # in between there is no such file
        log.write_text(line("a", "completed"))
    else:
        log.write_text(line("a", "completed"))
    said = command.until("RS103")

    assert f"runstate: runs.jsonl was {how}: reading from the beginning" in said
    assert said[-1].startswith("runs.jsonl:1: ")


def test_what_was_written_before_a_rotation_is_read(follow, tmp_path):
    """
    The last lines of a file that is renamed are judged before those of the next one.
    """
    log = tmp_path / "runs.jsonl"
    log.write_text(line("a", "wrong"))
    command = follow("runs.jsonl")
    command.until("RS101")
    with log.open("a") as stream:
        log.rename(tmp_path / "runs.jsonl.1")
        log.write_text(line("b", "odd"))
        stream.write(line("c", "strange"))

    assert "c: unknown status 'strange'" in command.until("RS101")[-1]
    assert "b: unknown status 'odd'" in command.until("RS101")[-1]


def test_what_is_open_is_reported_at_an_interval(follow):
    """
    Open runs are counted by status, with the one that waits longest, the longest first.
    """
    now = time.time()
    command = follow("-", "--every", 0.5, "--limit", "in_progress=60")
    command.say(
        line("a", "queued", at=now - 500) + line("b", "queued", at=now - 400)
        + line("b", "in_progress", at=now - 300) + line("c", "queued", at=now - 100)
    )  # fmt: skip
    said = command.until("3 runs are open")

    assert "2 queued (longest: a, 50" in said[-1]
    assert said[-1].index("queued") < said[-1].index("in_progress")
    assert ["b: in_progress for 30" in each for each in said if "RS302" in each] == [True]
    command.say("".join(line(each, "cancelling", at=now) for each in "bc"))
    command.say("".join(line(each, "cancelled", at=now + 1) for each in "bc"))
    command.until("1 run is open: 1 queued (longest: a, ")
    assert 0 == command.end()[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("gone.jsonl",), (".",), ("runs.jsonl", "-"), ("runs.jsonl.gz",),
        ("runs.jsonl", "--summary"), ("runs.jsonl", "--output", "junit"),
        ("runs.jsonl", "--engine", "duckdb"), ("runs.jsonl", "--table", "runs_journal"),
        ("sqlite:///gone.db",), ("sqlite:///empty.db",), ("sqlite:///empty.db", "--table", "runs"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_one_line(follow, tmp_path, arguments):
    """
    A missing file, a folder, several inputs and options that need an end are refused, with status 2.
    """
    for name in ("runs.jsonl", "runs.jsonl.gz", "empty.db"):
        (tmp_path / name).touch()
    status, lines = follow(*arguments).end()

    assert (2, 1) == (status, len(lines))
    assert [] == [*tmp_path.glob("gone*")]


def test_a_named_pipe_is_refused_with_what_to_type(follow, tmp_path):
    """
    Whoever reads it holds up whoever writes it; the shell opens it as standard input.
    """
    os.mkfifo(tmp_path / "runs")
    status, (line,) = follow("runs").end()

    assert (2, True) == (status, line.endswith("--follow - < PATH"))


def test_a_known_system_is_named_at_once(follow):
    """
    A stream of another system says what to type, and is not judged as one of runs.
    """
    command = follow("-")
    command.say(json.dumps({"jid": "j", "status": "working"}) + "\n")

    assert "--lifecycle sidekiq-job" in command.until("looks like")[-1]
    assert 2 == command.process.wait(WITHIN)


def test_the_feed_of_a_store_is_followed(follow, tmp_path):
    """
    Moves are judged as they are committed, also those that went around the store.
    """
    url = f"sqlite:///{tmp_path}/runs.db"
    with RunStore.open(url) as store:
        run = store.create(id="r1")
        command = follow(url, "--every", 0.5)
        command.until("1 run is open: 1 queued (longest: r1, ")
        store.start(run.id)
        store.create(id="r2")
        assert "1 in_progress" in command.until("2 runs are open")[-1]

    status, lines = command.end(signal.SIGTERM)
    assert (130, "runstate: interrupted") == (status, lines[-1])


def test_the_feed_of_a_lifecycle_with_tables_of_its_own(follow, tmp_path):
    """
    ``--table`` names the journal, and the lifecycle is that of the store.
    """
    url = f"sqlite:///{tmp_path}/jobs.db"
    with Store.open(url, PRESETS["oban-job"], prefix="jobs_") as store:
        store.create(id="j1")
    command = follow(url, "--table", "jobs_journal", "--lifecycle", "oban-job", "--every", 0.5)

    command.until("1 run is open: 1 available (longest: j1, ")


def test_ended_runs_are_forgotten_and_counted(follow):
    """
    The last ended runs are remembered, and no others; the counts are those of all.
    """
    command = follow("-", "--keep", 3)
    for number in range(50):
        command.say("".join(line(f"r{number}", s) for s in ("queued", "in_progress", "completed")))
    command.say(line("open", "queued") + line("r47", "failed") + line("r46", "queued"))
    status, lines = command.end()

    assert 1 == status
    assert ["<stdin>:152: RS105 error: r47"] == [each.rpartition(":")[0][:29] for each in lines[:1]]
    assert lines[-1].startswith("52 runs, 153 observations: 1 error, 0 warnings")


def test_a_file_that_goes_away_is_waited_for(follow, tmp_path):
    """
    A file that is removed is followed again once it is there, and the command goes on until then.
    """
    log = tmp_path / "runs.jsonl"
    log.write_text(line("a", "wrong"))
    command = follow("runs.jsonl")
    command.until("RS101")
    log.unlink()
    time.sleep(0.6)
    assert command.process.poll() is None
    Path(tmp_path / "next").write_text(line("b", "wrong"))
    (tmp_path / "next").rename(log)

    assert "b: unknown" in command.until("RS101")[-1]


# -- report --follow -------------------------------------------------------------------


@pytest.fixture
def report(tmp_path):
    """
    Start ``runstate report --follow``; whatever runs at the end of the test is killed.
    """
    running = []

    def start(*arguments):
        running.append(
            Running("--follow", "--every", 0.2, *arguments, folder=tmp_path, command="report")
        )
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.wait()
        with suppress(BrokenPipeError):
            each.process.stdin.close()
        each.thread.join(WITHIN)
        each.process.stdout.close()


def page_with(folder, *words):
    """
    Wait until the page holds all of *words*; it is whole whenever it is there.
    """
    page = folder / "report.html"
    deadline = time.monotonic() + 3 * WITHIN
    while True:
        text = page.read_text("utf-8") if page.exists() else ""
        assert not text or text.endswith("</html>\n")
        if text and all(word in text for word in words):
            return text
        assert time.monotonic() < deadline, text[:2_000]
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_written_anew_while_a_file_grows(report, tmp_path, number):
    """
    What is added is on the page soon; an interrupt ends it in one line and leaves a whole page.
    """
    log = tmp_path / "runs.jsonl"
    log.write_text(line("a", "queued"))
    command = report("runs.jsonl")
    page_with(tmp_path, "No error in 1 run<")
    with log.open("a") as stream:
        stream.write(line("a", "completed") + line("b", "queued"))
    page_with(tmp_path, "1 error in 2 runs<")

    assert (130, ["runstate: interrupted"]) == command.end(number)
    page_with(tmp_path, "1 error in 2 runs<")
    assert ["report.html", "runs.jsonl"] == sorted(each.name for each in tmp_path.iterdir())


def test_the_page_of_a_pipe_ends_with_it(report, tmp_path):
    """
    At the end of standard input, page and exit status are those of a report.
    """
    command = report("-")
    command.say(line("a", "queued") + line("a", "completed"))
    page_with(tmp_path, "1 error in 1 run<")
    command.say(line("b", "queued"))
    status, said = command.end()

    assert (1, ["wrote report.html: 2 runs, 3 observations: 1 error, 0 warnings"]) == (status, said)
    page_with(tmp_path, "1 error in 2 runs<")


def test_the_page_follows_a_store(report, tmp_path):
    """
    Moves that are committed come to the page.
    """
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    with RunStore.open(url) as store:
        run = store.create(thread_id="t", assistant_id="a")
        command = report(url)
        page_with(tmp_path, "No error in 1 run<")
        store.fire(run.id, "start")
        page_with(tmp_path, "<dd>2</dd>")

    assert 130 == command.end(signal.SIGINT)[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.jsonl", "b.jsonl"], "--follow expects one PATH"),
        (["a.jsonl", "--engine", "duckdb"], "--engine duckdb is not supported with --follow"),
        (["a.jsonl", "--memory", "1GB"], "--memory is not supported with --follow"),
    ],
)
def test_what_a_followed_report_cannot_do_is_said(report, arguments, said):
    """
    One line says what --follow does not support, and the exit status is 2.
    """
    status, lines = report(*arguments).end()

    assert (2, 1) == (status, len(lines))
    assert said in lines[0]
