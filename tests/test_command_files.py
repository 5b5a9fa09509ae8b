"""
Files that the command writes, and what an interrupt leaves: real processes throughout.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import runstate

SOURCE = Path(runstate.__file__).parent.parent
LOG = "run_id,status\na,queued\na,completed\n"
LIFECYCLE = """
name = "door"
initial = "shut"
terminal = ["open"]
[[transitions]]
trigger = "open"
source = "shut"
target = "open"
"""
FOREVER = (
    "select 'a' || (range % 1000000) as run_id, 'queued' as status, 1.7e9 + range as at "
    "from range(100000000000)"
)
"""A query whose answer takes hours, and more room than the engine is given."""


def start(*arguments: str, folder: Path, limit: int | None = None, **more) -> subprocess.Popen:
    """
    Start the command in *folder*, with temporary files in ``tmp`` there, and files of *limit* bytes.
    """

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(temporary)}
    program = "import sys; from runstate.cli import main; sys.argv[0] = 'runstate'; main()"

    return subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", program, *arguments],
        cwd=folder,
        env=environment,
        preexec_fn=limited,  # noqa: PLW1509  no thread of ours is running
        **{
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **more,
        },
    )


def run(*arguments: str, folder: Path, **more) -> tuple[int, str, str]:
    """
    Run the command to its end; return status, output and errors.
    """
    with start(*arguments, folder=folder, **more) as process:
        out, err = process.communicate(timeout=120)

    return process.returncode, out.decode(), err.decode()


def files(folder: Path) -> set[str]:
    """
    Return the names of everything in *folder* and below, but of the folder of temporary files.
    """
    return {str(path.relative_to(folder)) for path in folder.rglob("*")} - {"tmp"}


@pytest.fixture
def folder(tmp_path):
    """
    A folder with a log, links to it, and a lifecycle.
    """
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "door.toml").write_text(LIFECYCLE)
    (tmp_path / "symlink.csv").symlink_to("log.csv")
    (tmp_path / "hardlink.csv").hardlink_to(tmp_path / "log.csv")
    (tmp_path / "way").mkdir()
    (tmp_path / "alias").symlink_to("way")

    return tmp_path


COMMANDS = {
    "report": lambda name: ["report", name],
    "convert": lambda name: ["convert", name],
    "draw --log": lambda name: ["draw", "--format", "svg", "--log", name],
    "draw --run": lambda name: ["draw", "--format", "svg", "--run", name],
}
SPELLINGS = ["./log.csv", "symlink.csv", "hardlink.csv", "{folder}/alias/../log.csv"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_writes_over_its_own_input(folder, name, spelling):
    """
    An output that is the input by another spelling or link is refused, and the input stays.
    """
    out = spelling.format(folder=folder)
    before = files(folder)
    for read in ("log.csv",):
        status, told, err = run(*COMMANDS[name](read), "-o", out, folder=folder)

        assert (2, "") == (status, told)
        assert f"is the input {read}: name another file with -o" in err
        assert 1 == len(err.splitlines())
    assert LOG == (folder / "log.csv").read_text()
    assert before == files(folder)


def test_standard_input_and_folders_and_lifecycles_are_inputs_too(folder):
    """
    The file behind standard input, one in a folder that is read, and the lifecycle's stay as they are.
    """
    (folder / "way" / "all.json").write_text('{"run_id": "a", "status": "queued"}')
    for arguments in (
        ["report", "way", "-o", "way/all.json"],
        ["report", "way/*.json", "-o", "way/all.json"],
        ["report", "log.csv", "--lifecycle", "door.toml", "-o", "door.toml"],
        ["convert", "log.csv", "--lifecycle", "door.toml", "-o", "door.toml"],
        ["draw", "door.toml", "--format", "json", "-o", "door.toml"],
    ):
        status, _, err = run(*arguments, folder=folder)

        assert 2 == status
        assert "is the input" in err
    for name in ("report", "convert"):
        with (folder / "log.csv").open("rb") as stream:
            status, _, err = run(name, "-", "-o", "log.csv", folder=folder, stdin=stream)

        assert 2 == status
        assert "log.csv is the input standard input" in err
    assert LIFECYCLE == (folder / "door.toml").read_text()
    assert LOG == (folder / "log.csv").read_text()


WRITERS = {
    "report": ["report", "long.csv", "-o", "out.html"],
    "convert": ["convert", "long.csv", "-o", "out.xes"],
    "convert to OCEL": ["convert", "long.csv", "-o", "out.jsonocel"],
    "draw": ["draw", "run", "-o", "out.svg"],
    "draw a PNG": ["draw", "run", "-o", "out.png"],
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_output_that_does_not_fit_leaves_the_one_of_yesterday(folder, name):
    """
    A file that cannot be written whole is not written at all, and the message names it.
    """
    arguments = WRITERS[name]
    out = folder / arguments[-1]
    rows = "".join(f"r{n},queued\nr{n},in_progress\nr{n},completed\n" for n in range(500))
    (folder / "long.csv").write_text("run_id,status\n" + rows)
    out.write_text("yesterday")
    before = files(folder)
    status, _, err = run(*arguments, folder=folder, limit=8192)

    assert 2 == status
    assert f"runstate: {out.name}: File too large\n" == err
    assert "yesterday" == out.read_text()
    assert before == files(folder)

    status, _, err = run(*arguments, folder=folder)

    assert (0, "") == (status, err)
    assert "yesterday" != out.read_bytes()[:9].decode(errors="replace")
    assert before == files(folder)


def test_an_output_keeps_its_link_and_its_permissions(folder):
    """
    A link that is written to stays a link, and the file keeps its permissions; a new one has the usual.
    """
    target = folder / "way" / "real.svg"
    target.write_text("yesterday")
    target.chmod(0o640)
    (folder / "link.svg").symlink_to("way/real.svg")
    assert 0 == run("draw", "run", "-o", "link.svg", folder=folder)[0]
    assert 0 == run("draw", "run", "-o", "new.svg", folder=folder)[0]
    mask = os.umask(0)
    os.umask(mask)

    assert (folder / "link.svg").is_symlink()
    assert target.read_text().startswith("<svg")
    assert 0o640 == target.stat().st_mode & 0o777
    assert 0o666 & ~mask == (folder / "new.svg").stat().st_mode & 0o777


def test_an_output_that_is_not_a_file_is_written_as_it_is(folder):
    """
    Standard output and a null device can be named as outputs.
    """
    status, told, _ = run("draw", "run", "--format", "svg", "-o", "/dev/stdout", folder=folder)

    assert 0 == status
    assert told.startswith("<svg")
    assert 0 == run("draw", "run", "--format", "svg", "-o", "/dev/null", folder=folder)[0]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["report", "log.csv", "-o", ""], "expected a name, got an empty text"),
        (["convert", "log.csv", "-o", ""], "expected a name, got an empty text"),
        (["draw", "run", "-o", ""], "expected a name, got an empty text"),
        (["demo", "-o", ""], "expected a name, got an empty text"),
        (["draw", "run", "-o", "way"], "'way' is a directory"),
        (["draw", "run", "-o", "nowhere/x.svg"], "nowhere/x.svg: No such file or directory"),
        (["check", ""], "expected the name of a file, got an empty text"),
        (["report", ""], "expected the name of a file, got an empty text"),
        (["check", "log.csv", "--engine", "duckdb", "--memory", "0B"], "memory"),
        (["check", "log.csv", "--engine", "duckdb", "--memory", "0.0 GB"], "memory"),
    ],
)
def test_an_empty_or_impossible_name_is_one_line(folder, arguments, reason):
    """
    What cannot be meant is said in one line, with exit status 2.
    """
    before = files(folder)
    status, told, err = run(*arguments, folder=folder)

    assert (2, "") == (status, told)
    assert reason in err
    assert 1 == len(err.splitlines())
    assert before == files(folder)


def test_a_link_out_of_a_folder_is_refused_without_reading_it(folder):
    """
    A folder stands for what is in it: a link that leads elsewhere is named, and its target is not read.
    """
    (folder / "secret.txt").write_text("hunter2:x:0:0\n")
    (folder / "way" / "log.csv").write_text(LOG)
    (folder / "way" / "inside.csv").symlink_to("log.csv")
    assert 1 == run("check", "way", folder=folder)[0]
    for link in ("out.csv", "out"):
        (folder / "way" / link).symlink_to(
            folder / ("secret.txt" if link == "out.csv" else "alias/..")
        )
        status, told, err = run("check", "way", folder=folder)
        (folder / "way" / link).unlink()

        assert (2, "") == (status, told)
        assert f"way/{link}: is a link out of the folder" in err
        assert "hunter2" not in err


# -- interrupts ---------------------------------------------------------------------

SIGNALS = [signal.SIGINT, signal.SIGTERM]


def stopped(process: subprocess.Popen, number: signal.Signals) -> tuple[int, str]:
    """
    Send the signal, and return the exit status and the errors.
    """
    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    return process.returncode, err.decode()


def wait_for(condition: Callable[[], object]) -> None:
    """
    Wait until *condition* holds.
    """
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("output", ["text", "junit"])
def test_an_interrupt_of_a_check_is_one_line(folder, number, output):
    """
    A check that is stopped in the middle says so in one line, with exit status 130.
    """
    arguments = ["check", "-", "--lifecycle", "run", "--output", output]
    with start(*arguments, folder=folder, stdin=subprocess.PIPE) as process:
        # More than a pipe holds, so that some of it was read.
        process.stdin.write(b'{"run_id": "a", "status": "wrong"}\n' * 10_000)
        process.stdin.flush()

        assert (130, "runstate: interrupted\n") == stopped(process, number)
    assert set() == files(folder / "tmp")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "arguments", [["report", "-", "-o", "out.html"], ["convert", "-", "-o", "out.xes"]]
)
def test_an_interrupt_leaves_the_output_of_yesterday(folder, number, arguments):
    """
    A command that is stopped leaves the old output, and no temporary file.
    """
    (folder / arguments[-1]).write_text("yesterday")
    before = files(folder)
    with start(*arguments, folder=folder, stdin=subprocess.PIPE) as process:
        # More than a pipe holds, so that some of it was read.
        process.stdin.write(b'{"run_id": "a", "status": "queued"}\n' * 10_000)
        process.stdin.flush()

        assert (130, "runstate: interrupted\n") == stopped(process, number)
    assert "yesterday" == (folder / arguments[-1]).read_text()
    assert before == files(folder)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", ["check", "report"])
def test_an_interrupt_of_duckdb_leaves_nothing(folder, number, command):
    """
    DuckDB is stopped within seconds in the middle of a query, and its folder is removed.
    """
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(folder / "runs.duckdb")):
        pass
    before = files(folder)
    options = ["--at", "at", "--memory", "100MB"]
    with start(command, "runs.duckdb", "--query", FOREVER, *options, folder=folder) as process:
        wait_for(lambda: files(folder / "tmp"))
        time.sleep(1)

        assert process.poll() is None
        assert (130, "runstate: interrupted\n") == stopped(process, number)
    assert before == files(folder)


def test_a_signal_that_is_ignored_stays_ignored(folder):
    """
    Under nohup, a closed terminal does not stop the command.
    """
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start("check", "-", "--lifecycle", "run", folder=folder, stdin=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGHUP, previous)
    with process:
        process.stdin.write(b'{"run_id": "a", "status": "wrong"}\n' * 10_000)
        process.stdin.flush()
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=60)

    assert b"1 run, 10,000 observations" in out
    assert 1 == process.returncode
