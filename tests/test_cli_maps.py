"""
``runstate check --map``, ``runstate lifecycles --maps``, and lifecycles in others' notations.
"""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from runstate import RUN, cli
from runstate.interchange import FORMATS, load
from runstate.mapping import MAPS
from runstate.presets import PRESETS


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


def refused(done):
    """
    Return the one line in which the command said why it could not do it.
    """
    status, out, err = done
    assert (2, "") == (status, out)
    assert re.fullmatch(r"runstate: [^\n]+\n", err)

    return err.removeprefix("runstate: ").rstrip("\n")


def polls(*seen, key="run_id"):
    """
    Return polls of runs as JSON lines.
    """
    return "".join(json.dumps({key: run, "status": status}) + "\n" for run, status in seen)


LOG = polls(("a", "pending"), ("a", "running"), ("a", "success"), ("b", "success"),
            ("b", "running"), ("c", "queued"))  # fmt: skip
FOUND = """\
<stdin>:5: RS105 error: b: completed -> in_progress: completed is terminal, observed as success \
-> running (no legal path leads from completed to in_progress)
<stdin>:6: RS101 error: c: unknown status 'queued' (statuses of langgraph-run: pending, running, success, \
error, timeout, interrupted)
3 runs, 6 observations: 2 errors, 0 warnings (1 undecided: too little was seen)
"""
OURS = """
name = "ours"
source = "light.scxml"
target = "celery"
rows = [
    { status = "red", becomes = "PENDING" },
    { status = "green", becomes = "STARTED" },
    { status = "off", becomes = "SUCCESS" },
]
"""
LIGHT = """<scxml xmlns="http://www.w3.org/2005/07/scxml" initial="red">
  <state id="red"><transition event="go" target="green"/></state>
  <state id="green"><transition event="end" target="off"/></state><final id="off"/></scxml>"""


# -- maps ----------------------------------------------------------------------------------


def test_check_of_one_systems_history_as_anothers(command):
    """
    Findings name both words and the place in the file; the map says what must have been seen.
    """
    assert (1, FOUND, "") == command("check", "-", "--map", "langgraph-run-to-run", stdin=LOG)


@pytest.mark.parametrize("output", ["json", "github", "junit"])
def test_every_output_names_what_was_observed(command, output):
    """
    As it names what that became.
    """
    status, out, _ = command(
        "check", "-", "--map", "langgraph-run-to-run", "--output", output, stdin=LOG
    )

    assert 1 == status
    assert "completed is terminal, observed as success -" in out


def test_summary_is_in_the_other_words(command):
    """
    Counted is what the statuses became.
    """
    _, out, _ = command("check", "-", "--map", "langgraph-run-to-run", "--summary", stdin=LOG)

    assert re.search(r"│ start +│ queued +│ in_progress +│ +1 │", out)


def test_exceptions_are_warnings(command):
    """
    A move that is legal where it was observed does not fail a check.
    """
    log = polls(("a", "QUEUED"), ("a", "CANCELED"), key="run_id")
    status, out, _ = command("check", "-", "--map", "dagster-run-to-run", stdin=log)

    assert (0, "1 run, 2 observations: 0 errors, 1 warning") == (status, out.splitlines()[-1])
    assert "observed as QUEUED -> CANCELED (marked as canceled at once" in out


def test_map_is_read_as_its_own_system_is(command):
    """
    Under that system's keys of id and status; what cannot be read is told as ever.
    """
    log = '{"task_id": "t", "status": "PENDING"}\n{"task_id": "t", "sta\n'
    status, out, _ = command("check", "-", "--map", "celery-to-run", stdin=log)

    assert (2, True) == (status, "<stdin>:2: RS901 error" in out)


def test_model_may_be_asked_for(command):
    """
    A map that holds as complete is checked as polled, if that is what was seen.
    """
    log = polls(("a", "NOT_STARTED"), ("a", "SUCCESS"))
    map_ = ("check", "-", "--map", "dagster-run-to-run")

    assert 1 == command(*map_, stdin=log)[0]
    assert 0 == command(*map_, "--observed", "polled", stdin=log)[0]


def test_map_from_a_file(command):
    """
    Whose lifecycle may be in a notation of others, beside it.
    """
    Path("ours.toml").write_text(OURS)
    Path("light.scxml").write_text(LIGHT)
    log = polls(("a", "red"), ("a", "green"), ("a", "off"), ("a", "red"), key="id")
    status, out, _ = command("check", "-", "--map", "ours.toml", stdin=log)

    assert 1 == status
    assert out.startswith("<stdin>:4: RS105 error: a: SUCCESS -> PENDING: SUCCESS is terminal, obs")
    assert "│ green   │ STARTED │" in command("lifecycles", "--maps", "ours.toml")[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--map", "celery-to-runs"], "no map 'celery-to-runs' (did you mean celery-to-run"),
        (["--map", "zzz"], "no map 'zzz' (see runstate lifecycles --maps; or name a .toml or .json file)"),
        (["--map", "none.toml"], "none.toml: No such file or directory"),
        (["--map", "celery-to-run", "--lifecycle", "run"], "--lifecycle is said by --map: celery as run"),
        (["--map", "celery-to-run", "--observed", "complete"], "celery-to-run needs observed='polled'"),
        (["--map", "celery-to-run", "--limit", "PENDING=5"], "limit given for unknown status 'PENDING' (lifecycle run)"),
        (["--map", "celery-to-run", "--engine", "duckdb"], "--map goes with --engine python, and not with duckdb"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_no_map_can_do_is_one_line(command, arguments, reason):
    """
    And exits 2.
    """
    assert refused(command("check", "log.jsonl", *arguments)).startswith(reason)


def test_maps_are_listed_with_their_loss(command):
    """
    Each by its name, what it holds as, every loss and every exception.
    """
    status, out, _ = command("lifecycles", "--maps")
    said = " ".join(re.sub(r"[│┃]", " ", out).split())

    assert 0 == status
    for map_ in MAPS.values():
        assert f"{map_.name} {map_.observed}" in said
        assert all(str(each) in said for each in map_.exceptions)
        assert all(f"{row.status}: " in said for row in map_ if row.lost)


def test_map_is_shown_row_by_row(command):
    """
    With evidence, source and the reasons of its exceptions.
    """
    map_ = MAPS["run-to-a2a-task"]
    status, out, _ = command("lifecycles", "--maps", map_.name)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines()
            if line[:1] == "│"]  # fmt: skip

    assert 0 == status
    assert [[row.status, row.becomes or "(dropped)", row.evidence] for row in map_] == [
        [row[0], row[1], row[3]] for row in rows if row[0]
    ]
    assert out.endswith(f"except requires_action -> queued: {map_.exceptions[0].why}\n")


# -- notations -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_draw_writes_a_notation_that_every_command_reads(command, name):
    """
    Out and in again: check, draw, sql and lifecycles take the file for a lifecycle.
    """
    path = "x.scxml" if name == "scxml" else "x.json"
    assert (0, "", "") == command("draw", "celery", "--format", name, "-o", path)
    log = polls(("t", "PENDING"), ("t", "SUCCESS"), ("t", "STARTED"), key="id")

    assert FORMATS[name].render(PRESETS["celery"]) == Path(path).read_bytes()
    assert 1 == command("check", "-", "--lifecycle", path, stdin=log)[0]
    assert command("draw", path, "--format", "transitions") == command(
        "draw", "celery", "--format", "transitions"
    )
    assert "'PENDING'" in command("sql", path, "--dialect", "sqlite")[1]
    assert "│ redeliver" in command("lifecycles", path)[1]
    assert len(PRESETS["celery"]) == len(load(path))


def test_suffix_says_scxml(command):
    """
    It is the one notation that has an end of its own; what ends in .json is our own.
    """
    command("draw", "run", "-o", "x.scxml")
    command("draw", "run", "-o", "x.json")

    assert FORMATS["scxml"].render(RUN) == Path("x.scxml").read_bytes()
    assert RUN == load("x.json")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["draw", "run", "--format", "xstate", "--log", "x"], "xstate is not a picture: --run and --log need a picture format, such as svg"),
        (["draw", "x.json", "--format", "statemachine"], "trigger 'is it' is not an identifier, as an event must be"),
        (["draw", "x.yaml"], "x.yaml: YAML is not supported: convert it to JSON"),
        (["check", "x", "--lifecycle", "bomb.scxml"], "bomb.scxml: line 1: declares a document type, which is refused because it can define entities"),
        (["draw", "deep.json"], "deep.json: invalid JSON: recursion limit exceeded at line 1 column"),
        (["sql", "within.json", "--dialect", "sqlite"], "within.json: states.a.states: cannot be held by a lifecycle, which is flat"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_file_that_cannot_be_used_is_one_line(command, arguments, reason):
    """
    It names the file and what is wrong in it, and exits 2.
    """
    config = {"initial": "a", "states": {"a": {"on": {"is it": "b"}}, "b": {"type": "final"}}}
    Path("x.json").write_text(json.dumps(config))
    Path("within.json").write_text(
        json.dumps({"initial": "a", "states": {"a": {"states": {"b": {}}}}})
    )
    Path("bomb.scxml").write_text('<!DOCTYPE x [<!ENTITY a "b">]><scxml>&a;</scxml>')
    Path("deep.json").write_text("[" * 10_000)

    assert refused(command(*arguments)).startswith(reason)
