"""
Definitions that say what they change in a preset.
"""

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from definitions import defined, printed_schema
from runstate import DefinitionError, LifecycleError, Transition, load_lifecycle
from runstate.diagrams import draw
from runstate.presets import PRESETS, RUN, RUN_DOCUMENTED


def variant(base="celery", **keys):
    """
    Return the lifecycle "mine" that changes *keys* in *base*.
    """
    return defined({"name": "mine", "base": base, **keys})


@pytest.mark.parametrize("name", PRESETS)
def test_a_variant_without_changes_is_its_base(name):
    """
    Only the name differs, whatever the base consists of.
    """
    base = PRESETS[name]

    assert "mine" == variant(name).name
    for key in set(base.__dataclass_fields__) - {"name"}:
        assert getattr(base, key) == getattr(variant(name), key), key


@pytest.mark.parametrize("name", PRESETS)
def test_a_renamed_status_is_renamed_everywhere(name):
    """
    Every status is renamed, and renamed back: nothing else changes, and no old name is left.
    """
    base = PRESETS[name]
    there = {status: f"x {status}" for status in base.statuses}
    new = variant(name, rename=there)
    picture = json.loads(draw(new, "json"))
    back = defined(named_again(picture, {value: key for key, value in there.items()}))

    assert [there[status] for status in base.statuses] == list(new.statuses)
    for key in set(base.__dataclass_fields__) - {"name"}:
        assert getattr(base, key) == getattr(back, key), key


def named_again(value, names):
    """
    Return *value*, a part of a definition, with every text in it renamed as *names* says.
    """
    if isinstance(value, dict):
        return {names.get(key, key): named_again(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [named_again(each, names) for each in value]

    return names.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", PRESETS)
def test_a_variant_drops_what_without_leaves_out(name):
    """
    The two agree on each terminal status, trigger and row: the same lifecycle, or the same refusal.
    """
    base = PRESETS[name]
    drops = [
        *({"statuses": (status,)} for status in base.terminal),
        *({"triggers": (trigger,)} for trigger in base.triggers),
        *({"rows": ((row.trigger, row.source),)} for row in base),
    ]

    def result(make):
        try:
            return make()
        except LifecycleError as error:
            return error.faults

    for drop in drops:
        left = result(lambda drop=drop: base.without(**drop, name="mine"))
        assert left == result(lambda drop=drop: variant(name, drop=drop)), drop


def test_what_a_variant_adds():
    """
    Rows, entries, ends and deviations are added, or replace those of the same key; other keys replace.
    """
    mine = variant(
        drop={"triggers": ["redeliver"]},
        rename={"RETRY": "WAITING"},
        initial="PENDING",
        id_field="uuid",
        terminal={"DEAD": "failure"},
        transitions=[
            {"trigger": "bury", "source": "*", "target": "DEAD"},
            {"trigger": "start", "source": "PENDING", "target": "STARTED", "citation": "ours"},
            {"trigger": "revive", "source": "DEAD", "target": "PENDING", "reopens": True},
        ],
        entries=[{"status": "SUCCESS", "stamps": ["done_at"]}, {"status": "DEAD"}],
        deviations=[{"code": "RS201", "field": "done_at", "statuses": ["SUCCESS"]}],
    )
    celery = PRESETS["celery"]

    assert ("PENDING",) == mine.initial_statuses
    assert {**celery.terminal, "DEAD": "failure"} == mine.terminal
    assert "uuid" == mine.id_field
    assert {"PENDING", "RECEIVED", "STARTED", "WAITING", "REJECTED"} == set(mine.sources("bury"))
    assert "ours" == mine.row("start", "PENDING").citation
    assert len(celery) - 1 + 5 == len(mine)
    assert Transition("revive", "DEAD", "PENDING", reopens=True) == mine.reopening("revive", "DEAD")
    assert ("done_at",) == mine.entry("SUCCESS").stamps
    assert [*(d.code for d in celery.deviations), "RS201"] == [d.code for d in mine.deviations]


def test_what_is_said_of_a_dropped_status_goes_with_it():
    """
    Entries and deviations of a status that was dropped are gone; those of others stay.
    """
    mine = variant("prefect-flow-run", drop={"statuses": ["CRASHED"]})

    assert "CRASHED" not in {entry.status for entry in mine.entries}
    assert [frozenset({"FAILED", "CANCELLED"})] == [d.statuses for d in mine.deviations]
    gone = variant(
        "airflow-task-instance", drop={"statuses": ["failed", "skipped", "upstream_failed"]}
    )
    assert () == gone.deviations


@pytest.mark.parametrize(
    ("definition", "place", "reason"),
    [
        ({"base": "celer"}, "base", "expected the name of a preset, got 'celer'"),
        ({"base": "../presets/celery"}, "base", "expected the name of a preset"),
        ({"base": None}, "base", "valid string"),
        ({"base": "celery", "drop": {"statuses": ["LOST"]}}, "drop", "celery has no status 'LOST'"),
        ({"base": "celery", "drop": {"triggers": ["go"]}}, "drop", "celery has no trigger 'go'"),
        (
            {"base": "celery", "drop": {"rows": [["start", "FAILURE"]]}},
            "drop",
            "celery has no row ('start', 'FAILURE')",
        ),
        ({"base": "celery", "rename": {"LOST": "X"}}, "rename", "celery has no status 'LOST'"),
        ({"base": "celery", "drop": {"state": []}}, "drop.state", "Extra inputs"),
        ({}, "initial", "Field required"),
        (
            {"initial": "a", "terminal": [], "transitions": [], "drop": {}},
            "drop",
            "is for a lifecycle with a base",
        ),
    ],
)
def test_faults_of_variants(definition, place, reason):
    """
    What cannot be dropped, renamed or built upon is refused, with the name of the key.
    """
    with pytest.raises(DefinitionError) as caught:
        defined({"name": "mine", **definition})

    assert place == caught.value.place
    assert reason in str(caught.value)


def test_the_schema_knows_variants():
    """
    A definition has a base, or all of its own; and drops and renames only with a base.
    """
    schema = Draft202012Validator(printed_schema())

    assert schema.is_valid({"name": "mine", "base": "celery"})
    assert schema.is_valid({"name": "mine", "base": "celery", "drop": {"rows": [["a", "b"]]}})
    assert not schema.is_valid({"name": "mine", "initial": "a"})
    whole = {"name": "mine", "initial": "a", "terminal": [], "transitions": []}
    assert schema.is_valid(whole)
    assert not schema.is_valid({**whole, "rename": {"a": "b"}})


def test_a_file_may_be_a_variant_of_the_run(tmp_path):
    """
    The run, which no file defines, is a base as the others are.
    """
    path = tmp_path / "mine.toml"
    rows = [f'["{row.trigger}", "{row.source}"]' for row in RUN if row.evidence != "documented"]
    path.write_text(f'name = "run-documented"\nbase = "run"\ndrop.rows = [{", ".join(rows)}]\n')

    assert RUN_DOCUMENTED == load_lifecycle(path)


def test_no_preset_is_read_before_it_is_asked_for():
    """
    Importing the package, and its list of presets, opens none of the files.
    """
    program = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0])))\n"
        "import runstate, runstate.presets\n"
        "names = [*runstate.presets.PRESETS]\n"
        "before = [path for path in opened if path.endswith('.toml')]\n"
        "runstate.presets.PRESETS['celery']; runstate.presets.PRESETS['celery']\n"
        "print(len(before), len([path for path in opened if path.endswith('.toml')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert b"0 1" == done.stdout.strip()
    assert "celery" in PRESETS
    assert "celer" not in PRESETS
