"""
One table: everybody who reads it says the same.
"""

import json
import os
import re
from itertools import product
from pathlib import Path

import pyarrow as pa
import pytest
import transitions

from conftest import fire, run_in
from runstate import (
    RUN,
    Engine,
    IllegalTransitionError,
    Lifecycle,
    Observation,
    RunEngine,
    check,
)
from runstate.diagrams import draw
from runstate.frames import survey_frame
from runstate.presets import PRESETS
from runstate.readers import Columns

PAIRS = list(product(RUN.statuses, repeat=2))


def allowed_by_table(trigger, source):
    """
    The target that the rows give, or None.
    """
    targets = [row.target for row in RUN if (row.trigger, row.source) == (trigger, source)]

    return targets[0] if targets else None


@pytest.mark.parametrize("source", RUN.statuses)
@pytest.mark.parametrize("trigger", RUN.triggers)
def test_engine_machine_and_table_agree_on_every_trigger(engine, trigger, source):
    """
    For every status and trigger, all who move runs move them the same way, or none does.
    """
    expected = allowed_by_table(trigger, source)
    run = run_in(engine, source)
    assert (expected is not None) == engine.can(run, trigger)
    assert (expected is not None) == (trigger in engine.allowed(run))

    def typed():
        return str(fire(engine, run, trigger).target)

    def generic():
        job = type("Job", (), {"status": source})()
        bare = Lifecycle(RUN.name, RUN.transitions, RUN.initial, RUN.terminal)
        return str(Engine(bare).fire(job, trigger).target)

    def plain():
        model = type("Model", (), {})()
        RUN.machine().add_model(model, initial=str(source))
        getattr(model, trigger)()
        return model.state

    for mover in (typed, generic, plain):
        try:
            moved = mover()
        except (IllegalTransitionError, transitions.MachineError):
            moved = None
        assert expected == moved, mover


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_check_and_table_agree_on_every_pair(source, target):
    """
    For all 81 pairs of statuses, each model allows what the table says.
    """
    path = [row.target for row in RUN.shortest_path("queued", source)]
    one_move = source == target or bool(RUN.rows(source, target))
    some_moves = source == target or RUN.shortest_path(source, target) is not None
    one_run = some_moves or RUN.shortest_path(target, source) is not None

    assert one_move == check(["queued", *path, target]).ok
    assert some_moves == check([source, target], observed="polled").ok
    assert one_run == check([source, target], observed="unordered").ok


@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=lambda preset: preset.name)
@pytest.mark.parametrize(
    "observed",
    ["complete", "polled", *(["unordered"] if os.environ.get("RUNSTATE_LONG") == "1" else [])],
)
def test_check_and_duckdb_and_every_table_agree_on_every_pair(lifecycle, observed):
    """
    For all pairs of statuses of every preset, check allows what the table says, and DuckDB the same.
    """
    names = [str(status) for status in lifecycle.statuses]
    pairs = list(product(names, names))
    rows = [
        (f"{n}", status, 1_767_225_600 + n + k)
        for n, pair in enumerate(pairs)
        for k, status in enumerate(pair)
    ]
    found = check(
        [Observation(status, run_id, at) for run_id, status, at in rows],
        lifecycle,
        observed=observed,
    ).findings
    wrong = {(int(f.run_id), f.code) for f in found if f.code != "RS102"}
    columns = dict(zip(("run_id", "status", "at"), zip(*rows, strict=True), strict=True))
    screened = survey_frame(
        pa.table({name: pa.array(column) for name, column in columns.items()}), lifecycle,
        observed=observed, columns=Columns("run_id", "status", "at"),
    )  # fmt: skip

    assert wrong == {(int(f.run_id), f.code) for f in screened.findings if f.code != "RS102"}
    if observed == "complete":
        legal = {n for n, (a, b) in enumerate(pairs) if a == b or lifecycle.rows(a, b)}
        assert legal == {*range(len(pairs))} - {n for n, _ in wrong}
    if observed == "polled":
        reached = {
            n
            for n, (a, b) in enumerate(pairs)
            if a == b or lifecycle.shortest_path(a, b) is not None
        }
        assert reached == {*range(len(pairs))} - {n for n, _ in wrong}


@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_picture_shows_the_rows_and_no_other(lifecycle):
    """
    Mermaid, DOT, SVG, Markdown and JSON name exactly the moves of the table.
    """
    every = (*lifecycle, *lifecycle.reopenings)
    rows = sorted((row.source, row.trigger, row.target) for row in every)
    pairs = sorted({(row.source, row.target) for row in every})

    data = json.loads(draw(lifecycle, "json"))
    assert rows == sorted((r["source"], r["trigger"], r["target"]) for r in data["transitions"])

    table = draw(lifecycle, "markdown").decode()
    for source, trigger, target in rows:
        assert any(
            all(name in line.replace("\\", "") for name in (source, trigger, target))
            for line in table.splitlines()
        )

    mermaid = draw(lifecycle, "mermaid").decode().replace("#47;", "/")
    named = dict(re.findall(r'^\s+(s\d+)[(\[]+"([^"<]+)', mermaid, re.MULTILINE))
    drawn = re.findall(r'^\s+(s\d+) -\.?->\|"([^"]+)"\| (s\d+)$', mermaid, re.MULTILINE)
    assert rows == sorted(
        (named[a], trigger, named[b]) for a, label, b in drawn for trigger in label.split("<br/>")
    )
    dashed = re.findall(r'^\s+(s\d+) -\.->\|"[^"]+"\| (s\d+)$', mermaid, re.MULTILINE)
    assert sorted((named[a], named[b]) for a, b in dashed) == [
        pair
        for pair in pairs
        if all(
            row.evidence == "inferred" or row.reopens
            for row in every
            if pair == (row.source, row.target)
        )
    ]

    dot = draw(lifecycle, "dot").decode()
    assert len(pairs) == len(set(re.findall(r"\b(s\d+) -> (s\d+)\b", dot)))
    svg = draw(lifecycle, "svg").decode()
    for row in every:
        assert all(name in dot and name in svg for name in (row.source, row.trigger, row.target))


DIAGRAMS = Path(__file__).parent.parent / "diagrams"


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("run.mmd", "mermaid"), ("run.dot", "dot"), ("run.svg", "svg"), ("run.png", "png"),
        ("run.md", "markdown"), ("run.json", "json"),
    ],
)  # fmt: skip
def test_the_committed_diagrams_are_fresh(name, format_name):
    """
    The pictures at the top level are what the table looks like now.
    """
    fresh = draw(RUN, format_name)
    if format_name == "png":
        # Another version of the drawing library may smooth a line or compress differently.
        from io import BytesIO

        from PIL import Image, ImageChops, ImageStat

        with Image.open(DIAGRAMS / name) as committed, Image.open(BytesIO(fresh)) as drawn:
            assert drawn.size == committed.size
            apart = ImageChops.difference(drawn.convert("L"), committed.convert("L"))
            assert ImageStat.Stat(apart).mean[0] < 0.5
    else:
        assert fresh == (DIAGRAMS / name).read_bytes()


def test_the_picture_of_the_readme_is_fresh():
    """
    The README shows a run in the width that a README has.
    """
    shown = DIAGRAMS.parent / "docs" / "_static" / "run.svg"

    assert draw(RUN, "svg", width=830) == shown.read_bytes()


def test_the_typed_methods_are_the_triggers():
    """
    Every trigger of the table is a method of the engine, and no method is without a row.
    """
    public = {name for name in vars(RunEngine) if not name.startswith("_")}

    assert set(RUN.triggers) == public - {"create", "fire"}
