"""
Dashboards and alert rules name metrics that exist, and Prometheus accepts them.
"""

import json
import re
import shutil
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from runstate import Lifecycle, Transition
from runstate.presets import PRESETS
from runstate.store import RunStore
from runstate.telemetry.dashboards import alert_rules, grafana_dashboard
from runstate.telemetry.prometheus import RunMetrics, StoreCollector
from servers import missing

ENDLESS = Lifecycle(
    'a "light"', [Transition("go", "a|b", "c.d"), Transition("stop", "c.d", "a|b")], initial="a|b"
)
LIFECYCLES = [*PRESETS.values(), ENDLESS]


def expressions(lifecycle):
    """
    Return every query of both documents.
    """
    panels = grafana_dashboard(lifecycle)["panels"]
    rules = alert_rules(lifecycle)["groups"][0]["rules"]

    return [target["expr"] for panel in panels for target in panel["targets"]] + [
        rule["expr"] for rule in rules
    ]


@pytest.fixture
def promtool():
    """
    Find Prometheus's own checker.
    """
    found = shutil.which("promtool")
    if found is None:
        missing("promtool")

    return found


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda each: each.name)
def test_every_query_names_a_metric_that_is_exported(lifecycle, tmp_path):
    """
    With labels that the metric has.
    """
    registry = CollectorRegistry()
    RunMetrics(registry=registry)
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        StoreCollector(store, registry=registry)
        exported = {each.name for each in registry.collect()}

    for query in expressions(lifecycle):
        names = re.findall(r"runstate_run_[a-z_]+", query)
        assert names
        for name in names:
            assert re.sub(r"_(?:total|bucket)$", "", name) in exported


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda each: each.name)
def test_prometheus_accepts_the_rules(lifecycle, promtool, tmp_path):
    """
    Also where a status or a name has characters that PromQL gives a meaning.
    """
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(alert_rules(lifecycle)))
    done = subprocess.run(
        [promtool, "check", "rules", path], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def test_a_stuck_object_and_bad_ends_raise_alerts_and_ends_do_not(promtool, tmp_path):
    """
    Prometheus evaluates the rules over series as the exporter writes them.
    """
    (tmp_path / "rules.json").write_text(json.dumps(alert_rules(stuck_seconds=600)))
    oldest, moved = "runstate_run_oldest_seconds", "runstate_run_transitions_total"
    series = {
        f'{oldest}{{definition="run",state="cancelling"}}': "700+60x60",
        f'{oldest}{{definition="run",state="completed"}}': "7000+60x60",
        f'{oldest}{{definition="other",state="cancelling"}}': "7000+60x60",
        f'{moved}{{definition="run",from="in_progress",to="failed"}}': "0+2x60",
        f'{moved}{{definition="run",from="in_progress",to="completed"}}': "0+2x60",
    }
    labels = {"definition": "run", "state": "cancelling", "severity": "warning"}
    text = "run: an object has been cancelling for 31m 40s"
    bad = "run: 50% of what ended in the last hour ended badly"
    test = {
        "rule_files": ["rules.json"],
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": name, "values": each} for name, each in series.items()],
            "alert_rule_test": [
                {"eval_time": "20m", "alertname": "RunstateStuck",
                 "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"summary": text}}]},
                {"eval_time": "20m", "alertname": "RunstateBadEnds",
                 "exp_alerts": [{"exp_labels": {"severity": "warning"}, "exp_annotations": {"summary": bad}}]},
                {"eval_time": "20m", "alertname": "RunstateStaleWrites", "exp_alerts": []},
            ],
        }],
    }  # fmt: skip
    (tmp_path / "test.json").write_text(json.dumps(test))
    done = subprocess.run(
        [promtool, "test", "rules", "test.json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def test_panels_do_not_overlap():
    """
    Each has a place and a number of its own.
    """
    panels = grafana_dashboard()["panels"]

    assert [*range(1, len(panels) + 1)] == [each["id"] for each in panels]
    assert len(panels) == len({(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels})


@pytest.mark.parametrize("options", [{"stuck_seconds": 0}, {"bad_share": 2}])
def test_thresholds_out_of_range_are_refused(options):
    """
    The message names the option and its range.
    """
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected .*, got"):
        alert_rules(**options)


@pytest.mark.parametrize(
    ("form", "made"), [("grafana", grafana_dashboard), ("alerts", alert_rules)]
)
def test_the_command_prints_either(form, made):
    """
    As JSON.
    """
    done = subprocess.run(
        [sys.executable, "-m", "runstate", "dashboard", "celery", "--format", form],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (made(PRESETS["celery"]), "", 0) == (
        json.loads(done.stdout),
        done.stderr,
        done.returncode,
    )
