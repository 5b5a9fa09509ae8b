"""
A Grafana dashboard and Prometheus alert rules for the metrics of one lifecycle.

The queries name the metrics of ``runstate.telemetry.prometheus``. Both documents are plain data;
a rule file as JSON is valid YAML, which is what Prometheus reads.
"""

from typing import Any, Final

from ..lifecycle._rows import BAD_OUTCOMES
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN

__all__ = ["alert_rules", "grafana_dashboard"]

_WIDTH: Final = 12
_HEIGHT: Final = 8


def grafana_dashboard(lifecycle: Lifecycle = RUN) -> dict[str, Any]:
    """
    Return a dashboard for Grafana 10 or newer, to import as JSON.

    Args:
        lifecycle: The lifecycle whose metrics are shown; its name is the label ``definition``.

    Example:
        >>> [panel["title"] for panel in grafana_dashboard()["panels"]][:2]
        ['Objects by status', 'Transitions a second']
    """
    of = _of(lifecycle)
    bad, ends = _statuses(lifecycle)
    moved = "runstate_run_transitions_total"
    panels = [
        _panel("Objects by status", f"runstate_run_active{{{of}}}", "{{state}}", "short"),
        _panel(
            "Transitions a second",
            f"sum by (from, to) (rate({moved}{{{of}}}[$__rate_interval]))",
            "{{from}} to {{to}}",
            "ops",
        ),
        _panel(
            "Age of the oldest object in each status",
            f"runstate_run_oldest_seconds{{{of}}}",
            "{{state}}",
            "s",
        ),
        _panel(
            "Time in each status, 95th percentile",
            "histogram_quantile(0.95, sum by (le, state) "
            f"(rate(runstate_run_state_duration_seconds_bucket{{{of}}}[$__rate_interval])))",
            "{{state}}",
            "s",
        ),
        _panel(
            "Refused moves a second",
            f"sum by (kind) (rate(runstate_run_rejections_total{{{of}}}[$__rate_interval]))",
            "{{kind}}",
            "ops",
        ),
    ]
    if bad:
        panels.append(
            _panel("Share of bad ends", _share(of, bad, ends, "1h"), "bad", "percentunit")
        )

    return {
        "title": f"runstate: {lifecycle.name}",
        "uid": f"runstate-{lifecycle.name}"[:40],
        "schemaVersion": 39,
        "tags": ["runstate"],
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_placed(each, place) for place, each in enumerate(panels)],
    }


def alert_rules(
    lifecycle: Lifecycle = RUN, *, stuck_seconds: float = 3600.0, bad_share: float = 0.1
) -> dict[str, Any]:
    """
    Return the alert rules for Prometheus, to write as a rule file.

    Args:
        lifecycle: The lifecycle whose metrics are watched.
        stuck_seconds: How long an object may be in a status that is not an end, in seconds.
        bad_share: Which share of the objects that ended within an hour may have ended badly,
            from 0 to 1: failures, errors and timeouts.

    Raises:
        ValueError: A threshold is out of its range.

    Example:
        >>> [rule["alert"] for rule in alert_rules()["groups"][0]["rules"]]
        ['RunstateStuck', 'RunstateStaleWrites', 'RunstateBadEnds']
    """
    if not stuck_seconds > 0:
        raise ValueError(
            f"stuck_seconds: expected a positive number of seconds, got {stuck_seconds!r}"
        )
    if not 0 <= bad_share <= 1:
        raise ValueError(f"bad_share: expected a share from 0 to 1, got {bad_share!r}")
    of = _of(lifecycle)
    bad, ends = _statuses(lifecycle)
    live = "" if not ends else f",state!~{_quoted('|'.join(ends))}"
    rules = [
        _rule(
            "RunstateStuck",
            f"runstate_run_oldest_seconds{{{of}{live}}} > {stuck_seconds:g}",
            "5m",
            "{{ $labels.definition }}: an object has been {{ $labels.state }} "
            "for {{ $value | humanizeDuration }}",
        ),
        _rule(
            "RunstateStaleWrites",
            f'sum by (definition) (rate(runstate_run_rejections_total{{{of},kind="stale"}}[15m])) > 0',
            "15m",
            "{{ $labels.definition }}: workers write after their leases ran out",
        ),
    ]
    if bad:
        rules.append(
            _rule(
                "RunstateBadEnds",
                f"{_share(of, bad, ends, '1h')} > {bad_share:g}",
                "15m",
                f"{lifecycle.name}: {{{{ $value | humanizePercentage }}}} of what ended in the last "
                "hour ended badly",
            )
        )

    return {"groups": [{"name": f"runstate-{lifecycle.name}", "rules": rules}]}


def _of(lifecycle: Lifecycle) -> str:
    return f"definition={_quoted(lifecycle.name)}"


def _quoted(text: str) -> str:
    """
    Return *text* as a string of PromQL.
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _statuses(lifecycle: Lifecycle) -> tuple[list[str], list[str]]:
    """
    Return the statuses of bad ends and of all ends, each as a regular expression.
    """
    ends = {str(status): outcome for status, outcome in lifecycle.terminal.items()}

    return [_literal(s) for s, how in ends.items() if how in BAD_OUTCOMES], [*map(_literal, ends)]


def _literal(status: str) -> str:
    return "".join(f"\\{c}" if c in r"\.+*?()|[]{}^$" else c for c in status)


def _share(of: str, bad: list[str], ends: list[str], over: str) -> str:
    moved = "runstate_run_transitions_total"
    parts = [
        f"sum(increase({moved}{{{of},to=~{_quoted('|'.join(each))}}}[{over}]))"
        for each in (bad, ends)
    ]

    return " / ".join(parts)


def _rule(alert: str, expression: str, lasting: str, summary: str) -> dict[str, Any]:
    return {
        "alert": alert,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": "warning"},
        "annotations": {"summary": summary},
    }


def _panel(title: str, expression: str, legend: str, unit: str) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}

    return {
        "title": title,
        "type": "timeseries",
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": "A", "datasource": source, "expr": expression, "legendFormat": legend}
        ],
    }


def _placed(panel: dict[str, Any], place: int) -> dict[str, Any]:
    row, column = divmod(place, 2)
    position = {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}

    return {"id": place + 1, "gridPos": position, **panel}
