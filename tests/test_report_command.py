"""
``runstate report`` and ``runstate check --summary``.
"""

import gzip
import io
import json
import re
import sys
from pathlib import Path

import pytest

from runstate import Observation, cli, histories
from runstate.readers import read
from runstate.report import render_report

WAY = ("queued", "in_progress", "completed")


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """
    Run the command in this process, in a folder of its own; return status, output and errors.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["runstate", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()

        return caught.value.code, out, err

    return run


def log(*runs, name="log.jsonl"):
    """
    Write what was seen of *runs*, each an id and its statuses, a second apart; return the text.
    """
    lines = [
        json.dumps({"run_id": run, "status": status, "at": 1_000_000_000 + n})
        for run, statuses in runs
        for n, status in enumerate(statuses)
    ]
    text = "\n".join(lines) + "\n"
    Path(name).write_text(text, encoding="utf-8")

    return text


def test_report_writes_the_page(command):
    """
    The page is the one on a survey of the log; the exit status is that of a check.
    """
    text = log(("run_1", WAY), ("run_2", ("queued", "completed")))
    done = command("report", "log.jsonl", "-o", "page.html")
    with Path("log.jsonl").open("rb") as stream:
        survey = histories.survey(read(stream, name="log.jsonl"), samples=2_000)

    assert (1, "wrote page.html: 2 runs, 5 observations: 1 error, 0 warnings\n", "") == done
    records = {("log.jsonl", 5): text.splitlines()[4]}
    page = render_report(survey, files=["log.jsonl"], records=records)
    assert page == Path("page.html").read_bytes()


def test_report_reads_standard_input(command):
    """
    Without a name the page is report.html; a minus sign is standard input.
    """
    text = log(("run_1", WAY))
    done = command("report", "-", "--observed", "polled", "--finished", stdin=text)

    assert (0, "wrote report.html: 1 run, 3 observations: nothing wrong\n", "") == done
    assert b"<code>&lt;stdin&gt;</code>" in Path("report.html").read_bytes()


def test_report_says_what_could_not_be_read(command):
    """
    A file that is missing, or a page that cannot be written, is one line and exit status 2.
    """
    log(("run_1", WAY))
    missing = command("report", "log.jsonl", "none.jsonl")
    unwritable = command("report", "log.jsonl", "-o", "no/such/folder.html")
    unlimited = command("report", "log.jsonl", "--limit", "queued=soon")

    assert 2 == missing[0]
    assert "wrote report.html: 1 run, 3 observations: 1 error" in missing[1]
    assert b"none.jsonl" in Path("report.html").read_bytes()
    assert (2, "", "runstate: no/such/folder.html: No such file or directory\n") == unwritable
    assert (2, "") == unlimited[:2]
    assert 1 == unlimited[2].count("\n")
    assert 2 == command("report")[0]


def test_a_run_that_is_kept_is_on_the_page(command):
    """
    ``--keep`` has the timeline of a run on the page; an id that nobody saw is named.
    """
    ids = [f"run_{n}" for n in range(2_060)]
    log(*((run_id, WAY) for run_id in ids))
    command("report", "log.jsonl", "-o", "few.html")
    shown = [run[0] for run in data("few.html")["runs"]]
    wanted = next(run_id for run_id in ids if run_id not in shown)
    done = command("report", "log.jsonl", "--keep", wanted, "--keep", "nobody\x1b")
    runs = data("report.html")["runs"]

    assert 2_000 == len(shown)
    assert wanted == runs[0][0]
    assert 2_060 == data("report.html")["total"]
    assert (0, "runstate: --keep nobody\\x1b: no run of this id was seen\n") == (done[0], done[2])
    refused = command("report", "log.jsonl", "--keep", "run_1", "--engine", "spark")
    assert 2 == refused[0]
    assert "--keep is not supported with --engine spark" in refused[2]


def data(name):
    """
    Return what the page called *name* gives its script.
    """
    page = Path(name).read_text(encoding="utf-8")
    start = page.index('id="data">') + len('id="data">')

    return json.loads(page[start : page.index("</script>", start)])


def test_summary_tells_ends_moves_and_what_never_was(command):
    """
    Tables follow the findings: illegal moves first, with counts and times.
    """
    log(("run_1", WAY), ("run_2", ("queued", "completed")), ("run_3", ("queued", "in_progress")))
    status, out, err = command("check", "log.jsonl", "--summary")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]

    assert (1, "") == (status, err)
    assert out.startswith("log.jsonl:5: RS103 error")
    assert "The commonest illegal move is queued → completed: once.\n1 run had not ended" in out
    assert ["completed", "2"] in rows
    moves = [row for row in rows if len(row) == 9]
    assert ["illegal", "queued", "completed", "1", *["983 ms"] * 4, "1 s"] == moves[0]
    assert ["start", "queued", "in_progress", "2", *["983 ms"] * 4, "1 s"] in moves
    assert ["RS103", "illegal move", "1"] in rows
    assert ["run_3", "in_progress"] in [row[:2] for row in rows]
    assert ["illegal queued -> completed", "1"] in [row[:2] for row in rows]
    assert [["began", "3"], ["ended completed", "2"], ["findings RS103", "1"]] == [
        [row[0], row[2]] for row in rows if len(row) == 3 and set(row[1]) & {*"▁▂▃▄▅▆▇█"}
    ]
    assert ["expire", "cancelling", "expired"] in rows
    assert ["start", "queued", "in_progress"] not in rows


def test_summary_of_many_moves_is_cut(command):
    """
    However many kinds of moves a hostile log has, a screen or two is enough.
    """
    log(*((f"run_{n}", ("queued", f"odd\x1b[31m{n}")) for n in range(100)))
    out = command("check", "log.jsonl", "--summary", "--max", "1")[1]

    assert "... and 40 more" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("engine", ["python", "duckdb"])
def test_the_summary_has_the_facts_of_the_first_screen(command, engine):
    """
    Every figure and every sentence of the page's head is in the terminal, whatever engine reads.
    """
    log(("run_1", WAY), ("run_2", ("queued", "completed")), ("run_3", ("queued", "in_progress")))
    out = command("check", "log.jsonl", "--summary", "--engine", engine)[1]
    command("report", "log.jsonl", "--engine", engine)
    page = Path("report.html").read_text(encoding="utf-8")
    figures = re.findall(r"<div><dt>([^<]*)</dt><dd>([^<]*)</dd></div>", page)[:8]
    rows = [tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in out.splitlines()]
    (lead,) = re.findall(r'<p class="lead">(.*?)</p>', page)

    assert ("Longest open", "1 s") in figures
    assert figures == [row for row in rows if row in figures]
    assert re.sub(r"<[^>]*>", "", lead) in " ".join(out.splitlines())


def test_summary_goes_with_text_alone(command):
    """
    Forms that programs read have no tables.
    """
    log(("run_1", WAY))
    status, out, err = command("check", "log.jsonl", "--summary", "--output", "json")

    assert (2, "") == (status, out)
    assert "runstate: --summary goes with --output text alone\n" == err


def test_page_of_observations_in_memory():
    """
    What Python counted makes a page too, without any file.
    """
    survey = histories.survey([Observation("queued", "a", 1.0), Observation("failed", "a", 2.0)])
    page = render_report(survey)

    assert b"No error in 1 run" in page
    assert b"Read from" not in page


def test_raw_records_of_findings_are_on_the_page(command):
    """
    The line that a finding names is on the page, if it is of the run.
    """
    text = log(("run_1", WAY), ("run_2", ("queued", "completed")))
    command("report", "log.jsonl")

    assert {"0": text.splitlines()[4]} == data("report.html")["raw"]


def test_raw_records_are_of_the_run_alone(command):
    """
    Of a packed file, and of standard input, no line is taken for the record.
    """
    text = log(("run_2", ("queued", "completed")))
    Path("log.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    command("report", "log.jsonl.gz", "-o", "packed.html")
    command("report", "-", "-o", "stdin.html", stdin=text)

    assert {} == data("packed.html")["raw"] == data("stdin.html")["raw"]
