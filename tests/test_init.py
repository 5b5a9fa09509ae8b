# ruff: noqa: F811  a fixture is imported
"""
``runstate init``: a draft that is a lifecycle, and that allows what it kept.
"""

import json
import re
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from runstate import Observation, check, cli, load_lifecycle
from test_cli import command, file, refused  # noqa: F401

NAMES = st.sampled_from(["new", "run ning", 'd"one', "fäiled\\", "a/b", "x=1", "#"])
HISTORIES = st.lists(st.lists(NAMES, min_size=1, max_size=6), min_size=1, max_size=6)
LOGS = st.builds(
    # So that some moves are rare where they are made.
    lambda usual, odd: usual * 25 + odd,
    HISTORIES,
    st.lists(st.lists(NAMES, min_size=1, max_size=6), max_size=3),
)


def seen(histories):
    """
    Return the observations of *histories*, one run after another.
    """
    return [
        Observation(status, f"r{run}")
        for run, history in enumerate(histories)
        for status in history
    ]


def csv(histories, header="run_id,status"):
    """
    Return *histories* as a table.
    """
    rows = [f"{each.run_id},{each.status}" for each in seen(histories)]
    return "\n".join([header, *rows, ""])


class Draft(NamedTuple):
    """
    A draft, as its text says it.
    """

    text: str
    rows: list[tuple[str, str, int]]
    """The moves that are kept, and how often each was made."""
    rare: list[tuple[str, str, int]]
    """The moves that are commented out."""

    @property
    def data(self):
        """The definition."""
        return tomllib.loads(self.text)


def drafted(histories):
    """
    Return the draft of *histories*; None if the command refuses to make one.
    """
    log = "".join(
        json.dumps({"run_id": o.run_id, "status": o.status}) + "\n" for o in seen(histories)
    )
    done = CliRunner().invoke(cli.command, ["init", "-"], input=log)
    if done.exit_code:
        assert "no run was seen in two statuses" in done.stderr
        return None
    rows, rare = [], []
    for line in done.stdout.splitlines():
        found = re.fullmatch(r"(  |# )(\{ trigger.*\}),  # (\d+ times|once).*", line)
        if found:
            row = tomllib.loads(f"row = {found[2]}")["row"]
            times = 1 if found[3] == "once" else int(found[3].split()[0])
            (rare if found[1] == "# " else rows).append((row["source"], row["target"], times))

    return Draft(done.stdout, rows, rare)


def counts_in(draft, *marks):
    """
    Return the numbers in the lines of *draft* that have one of *marks*, in order.
    """
    lines = [each for each in draft.text.splitlines() if any(mark in each for mark in marks)]

    return sorted(int(n) for each in lines for n in re.findall(r" (\d+)(?:,| histor|$)", each))


@given(LOGS)
def test_every_draft_is_a_lifecycle_that_allows_what_it_kept(histories):
    """
    It reads back from TOML as it was; of its histories, only moves that it left out are findings.
    """
    draft = drafted(histories)
    if draft is None:
        assert all(len(set(history)) == 1 for history in histories)
        return
    with NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as stream:
        stream.write(draft.text)
        stream.flush()
        lifecycle = load_lifecycle(stream.name)
    assert [row[:2] for row in draft.rows] == [(row.source, row.target) for row in lifecycle]

    rare = {row[:2] for row in draft.rare}
    for history in histories:
        wrong = {pair for pair in pairwise(history) if pair in rare}
        wrong |= {*history[:1]} - {*lifecycle.initial_statuses}
        findings = check(history, lifecycle).findings
        assert bool(wrong) >= bool(findings)
        if not wrong:
            assert () == findings


@given(LOGS)
def test_counts_are_those_of_a_directly_follows_graph(histories):
    """
    A move is counted as often as a status follows another one; repeats are none.
    """
    counts = Counter(
        pair for history in histories for pair in pairwise(history) if pair[0] != pair[1]
    )
    if counts:
        draft = drafted(histories)
        ends = Counter(history[-1] for history in histories)
        begins = Counter(history[0] for history in histories)

        assert counts == {(source, to): n for source, to, n in (*draft.rows, *draft.rare)}
        assert sorted(ends.values()) == counts_in(draft, ": the last status of", " ended here")
        assert sorted(begins.values()) == counts_in(draft, "initial = ", "# Rare beginnings")


def test_a_rare_move_out_of_an_end_is_left_for_a_person_to_judge(command):
    """
    The draft of a log with one second outcome finds that outcome, and nothing else.
    """
    log = file("jobs.csv", csv([["new", "done"]] * 30 + [["new", "done", "failed"]]))
    done = command("init", log, "-o", "jobs.toml")
    text = Path("jobs.toml").read_text()
    checked = command("check", log, "--lifecycle", "jobs.toml")

    assert (0, "wrote jobs.toml: 2 statuses, 1 move, 1 rare one to judge\n") == (
        done.status,
        done.text,
    )
    assert '{ trigger = "to_done", source = "new", target = "done"' in text
    assert "31 times" in text
    assert '# { trigger = "to_failed", source = "done", target = "failed"' in text
    assert {"done": "success"} == tomllib.loads(text)["terminal"]
    assert (1, 1) == (checked.status, checked.text.count(" error: "))


def test_an_end_that_some_histories_leave_stays_an_end():
    """
    Reopenings by hand are for a person to judge, also where they are not rare.
    """
    draft = drafted([["new", "done"]] * 10 + [["new", "done", "new", "done"]])

    assert {"done": "success"} == draft.data["terminal"]
    assert [("done", "new", 1)] == draft.rare


def test_a_rare_beginning_is_left_for_a_person_to_judge(command):
    """
    Histories of a log that was cut off begin anywhere, and then one status would begin and end.
    """
    whole = [["new", "busy", "done"]] * 40
    log = file(
        "jobs.csv.gz.csv", csv([*whole, ["busy", "done"], ["done"], ["odd", "busy", "done"]])
    )
    done = command("init", log)
    draft = tomllib.loads(done.text)

    assert ("jobs", ["new", "odd"]) == (draft["name"], draft["initial"])
    assert "leaves out (is the log cut off?): busy 1, done 1\n" in done.text
    assert "# A draft from 43 histories" in done.text


@pytest.mark.parametrize("status", ["completed", "FAIL", "job.cancelled", "Timed Out", "SUCCEEDED"])
def test_a_status_that_is_called_an_end_and_left_is_pointed_out(command, status):
    """
    In few histories nothing is rare; a second outcome is still one to judge.
    """
    done = command("init", file("jobs.csv", csv([["new", "unsuccessful", status, "last"]])))
    doubted = [line for line in done.text.splitlines() if "is it an end?" in line]

    assert [f'source = "{status}"'] == [
        line[line.index("source") : line.index(", target")] for line in doubted
    ]


def test_columns_that_were_named_become_the_shape(command):
    """
    So the draft reads its log without options.
    """
    log = file("jobs.csv", csv([["new", "done"]] * 3, "job,state"))
    done = command("init", log, "--run-id", "job", "--status", "state", "-o", "jobs.toml")

    assert 0 == done.status
    assert ["job"] == list(load_lifecycle("jobs.toml").shapes[0].id[0])
    assert 0 == command("check", log, "--lifecycle", "jobs.toml").status


@pytest.mark.parametrize(
    ("header", "options", "row"),
    [
        ("dag,task,state", ("--run-id", "dag,task", "--status", "state"), "d,t{run},{status}"),
        ("id,life,result", ("--run-id", "id", "--status", "life,result"), "{run},{status},x"),
        ("id,old,new", ("--run-id", "id", "--from", "old", "--status", "new"), "{run},{before},{status}"),
        ("id,old,target", ("--run-id", "id", "--from", "old"), "{run},{before},{status}"),
    ],
)  # fmt: skip
def test_several_columns_become_the_shape(command, header, options, row):
    """
    A draft reads its log without options, and finds nothing wrong in it, however the log is laid out.
    """
    rows = [
        row.format(run=run, before=before, status=status)
        for run in range(3)
        for before, status in pairwise(["", "new", "busy", "done"])
    ]
    log = file("jobs.csv", "\n".join([header, *rows, ""]))

    assert 0 == command("init", log, *options, "-o", "jobs.toml").status
    checked = command("check", log, "--lifecycle", "jobs.toml")
    assert (0, "3 runs, 9 observations: nothing wrong\n") == (checked.status, checked.text)


def test_triggers_that_were_recorded_are_kept(command):
    """
    Where one trigger leads to two statuses, the second one is named after its target too.
    """
    moves = [
        f'{{"run_id": "r{n}", "source": "new", "target": "{to}", "trigger": "end"}}'
        for n, to in enumerate(["done", "failed"])
    ]
    done = command("init", file("moves.jsonl", "\n".join(moves)))
    rows = tomllib.loads(done.text)["transitions"]

    assert ["end", "end_to_failed"] == [row["trigger"] for row in rows]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("run_id,status\na,x\nb,y\n", "name the column of the run's id with --run-id"),
        ("a,b\n1,2\n", "no 'id' or 'run_id'"),
        ("", "holds no record of a run"),
        (csv([[f"s{n}" for n in range(1_100)]]), "--status names another"),
    ],
)
def test_what_is_not_a_log_of_histories_is_refused(command, content, reason):
    """
    One line says what is missing.
    """
    assert reason in refused(command("init", file("log.csv", content)))


def test_records_that_cannot_be_read_are_said_to_be(command):
    """
    The draft is written from the others, and the exit status is 2.
    """
    log = '{"id": "a", "status": "x"}\n{"id": "a"}\n{"id": "a", "status": "y"}\n{"id": "b"}\n'
    done = command("init", file("log.jsonl", log))

    assert 2 == done.status
    assert "to_y" in done.text
    assert "log.jsonl:2: no 'status'" in done.err
    assert "(and 1 more)" in done.err


def test_the_log_is_not_replaced_by_its_draft(command):
    """
    Nor by a draft under another spelling of its name.
    """
    log = file("log.csv", csv([["new", "done"]]))

    assert "is the input" in refused(command("init", log, "-o", "./log.csv"))
