"""
The rules over Spark Connect, on Sail: another engine, written in Rust, that needs no Java.

CI runs this with ``pyspark-client``, which has nothing of Java's, on other versions of Python.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from runstate.histories import Survey
from spark_logs import MODELS, Row, expected, log

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

SCRIPT = """
import json, os, sys
from pysail.spark import SparkConnectServer
server = SparkConnectServer(ip="127.0.0.1", port=0)
server.start(background=True)
os.environ["SPARK_REMOTE"] = "sc://127.0.0.1:%d" % server.listening_address[1]
from runstate.frames import check_frame, survey_frame
from runstate.frames._spark import session, survey_paths
from test_frames_connect import said
rows, models, path = json.load(sys.stdin)
frame = session().createDataFrame(rows, "run_id string, status string, at double").repartition(3)
found = {name: said(survey_frame(frame, samples=6, **asked)) for name, asked in models.items()}
frame.write.parquet(path)
found["a folder"] = said(survey_paths([path]))
found["a frame"] = [list(row) for row in check_frame(frame, limit=3).collect()]
print(json.dumps(found))
"""


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


def test_sail_agrees_with_the_core(tmp_path: Path):
    """
    Every finding, count, duration and timeline is the core's own, in every model, without Java.
    """
    if find_spec("pysail") is None or find_spec("grpc") is None:
        if os.environ.get("RUNSTATE_SAIL"):
            pytest.fail("pysail or a client of Spark Connect is missing")
        pytest.skip("NO SAIL: the rules over Spark Connect were NOT tested")
    rows: list[Row] = log(1)
    path, script = str(tmp_path / "log.parquet"), tmp_path / "script.py"
    script.write_text(SCRIPT)  # the client takes a script of no file for a doctest of its own
    here = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        input=json.dumps([rows, MODELS, path]),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={
            **os.environ,
            "JAVA_HOME": str(tmp_path),
            "RUST_LOG": "off",
            "PYTHONPATH": os.pathsep.join(filter(None, here)),
        },
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout.splitlines()[-1])

    for name, asked in MODELS.items():
        assert found[name] == json.loads(json.dumps(said(expected(rows, samples=6, **asked)))), name
    whole = expected(rows, observed="complete")
    assert found["a folder"] == json.loads(json.dumps(said(whole)))
    assert found["a frame"] == [list(finding) for finding in whole.findings[:3]]
