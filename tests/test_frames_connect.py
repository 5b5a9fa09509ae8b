"""
The rules over Spark Connect, on Sail: another engine, written in Rust, that needs no Java.

CI runs this with ``pyspark-client``, which has nothing of Java's, on other versions of Python.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from runstate import Finding, Lifecycle, Observation, check
from runstate.histories import Survey
from runstate.presets import PRESETS
from spark_logs import MODELS, Row, expected, log

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

SERVER = """
import json, os, sys
from pysail.spark import SparkConnectServer
server = SparkConnectServer(ip="127.0.0.1", port=0)
server.start(background=True)
os.environ["SPARK_REMOTE"] = "sc://127.0.0.1:%d" % server.listening_address[1]
from click.testing import CliRunner
from pyspark.sql import SparkSession
from runstate.cli import command
from runstate.frames import check_frame, survey_frame
from runstate.presets import PRESETS
from runstate.readers import Columns
from test_frames_connect import COLUMNS, of_pairs, said, wrong
"""

A_LOG = """
rows, models, path = json.load(sys.stdin)
def checked(path):
    arguments = ["check", path, "--engine", "spark", "--output", "json"]
    return json.loads(CliRunner().invoke(command, arguments, standalone_mode=False).stdout)

with open("log.csv", "w") as file:
    file.write("run_id,status,at\\na,queued,1767225600\\n")
# The command starts a session, and leaves it to who asks for the active one.
assert 1 == checked("log.csv")["runs"]
frame = SparkSession.getActiveSession().createDataFrame(rows, COLUMNS).repartition(3)
found = {name: said(survey_frame(frame, samples=6, **asked)) for name, asked in models.items()}
frame.write.parquet(path)
found["a folder"] = checked(path)
found["a frame"] = [list(row) for row in check_frame(frame, limit=3).collect()]
print(json.dumps(found))
"""

EVERY_PAIR = """
models = json.load(sys.stdin)
session = SparkSession.builder.getOrCreate()
for name, preset in PRESETS.items():
    frame = session.createDataFrame(of_pairs(preset), COLUMNS)
    for observed in models:
        survey = survey_frame(frame, preset, observed=observed, columns=Columns("run_id", "status", "at"))
        print(json.dumps([name, observed, wrong(survey.findings)]))
"""

COLUMNS = "run_id string, status string, at double"


def said(survey: Survey) -> Any:
    """
    All that a survey says, in what JSON has.
    """
    facts = {
        name: [[repr(key), repr(each)] for key, each in value.items()]
        if isinstance(value, Mapping)
        else value
        for name, value in survey._asdict().items()
    }
    facts["findings"] = sorted(map(repr, survey.findings))

    return {name: sorted(each) if isinstance(each, list) else each for name, each in facts.items()}


def of_pairs(lifecycle: Lifecycle) -> list[Row]:
    """
    Return a run for each pair of statuses, which is in one and then in the other.
    """
    pairs = product(map(str, lifecycle.statuses), repeat=2)

    return [
        (f"{n}", status, 1_767_225_600.0 + n + k)
        for n, pair in enumerate(pairs)
        for k, status in enumerate(pair)
    ]


def wrong(findings: Iterable[Finding]) -> list[list[str]]:
    """
    Return the runs with findings, and the codes of those.
    """
    return sorted([str(each.run_id), each.code] for each in findings)


def on_sail(script: str, asked: Any, folder: Path) -> list[str]:
    """
    Return the lines that *script* prints on a server of its own, without Java.
    """
    if find_spec("pysail") is None or find_spec("grpc") is None:
        if os.environ.get("RUNSTATE_SAIL"):
            pytest.fail("pysail or a client of Spark Connect is missing")
        pytest.skip("NO SAIL: the rules over Spark Connect were NOT tested")
    file = folder / "script.py"
    file.write_text(
        SERVER + script
    )  # the client takes a script of no file for a doctest of its own
    here = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(file)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=folder,
        env={
            **os.environ,
            "JAVA_HOME": str(folder),
            "RUST_LOG": "off",
            "PYTHONPATH": os.pathsep.join(filter(None, here)),
        },
    )
    assert done.returncode == 0, done.stderr[-3_000:]

    return done.stdout.splitlines()


def test_sail_agrees_with_the_core(tmp_path: Path) -> None:
    """
    Every finding, count, duration and timeline is the core's own, in every model.
    """
    rows: list[Row] = log(1)
    asked = [rows, MODELS, str(tmp_path / "log.parquet")]
    found = json.loads(on_sail(A_LOG, asked, tmp_path)[-1])

    for name, asked in MODELS.items():
        assert found[name] == json.loads(json.dumps(said(expected(rows, samples=6, **asked)))), name
    whole = expected(rows, observed="complete")
    folder = found["a folder"]
    assert sorted([*each.values()] for each in folder["findings"]) == sorted(
        [*each] for each in whole.findings
    )
    assert whole[:3] == tuple(folder[name] for name in ("runs", "observations", "undecided"))
    assert whole.errors == folder["errors"]
    assert found["a frame"] == [list(finding) for finding in whole.findings[:3]]


def test_sail_agrees_with_the_core_on_every_pair_of_every_preset(tmp_path: Path) -> None:
    """
    For all pairs of statuses of all presets, in every model.
    """
    models = ["complete", "polled", "unordered"]
    lines = on_sail(EVERY_PAIR, models, tmp_path)

    assert len(PRESETS) * len(models) == len(lines)
    for name, observed, found in map(json.loads, lines):
        lifecycle = PRESETS[name]
        rows = [Observation(status, run_id, at) for run_id, status, at in of_pairs(lifecycle)]
        core = check(rows, lifecycle, observed=observed).findings
        assert wrong(core) == found, (name, observed)
