"""
``runstate dashboard``: a Grafana dashboard and Prometheus alert rules.
"""

import json
from typing import Final

import click

from ..telemetry.dashboards import alert_rules, grafana_dashboard
from ._shared import lifecycle_named

__all__ = ["dashboard"]

_FORMATS: Final = {"grafana": grafana_dashboard, "alerts": alert_rules}


@click.command()
@click.argument("lifecycle_name", metavar="[LIFECYCLE]", default="run")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="grafana",
    show_default=True,
    help="A dashboard for Grafana, or a rule file for Prometheus.",
)
def dashboard(lifecycle_name: str, form: str) -> int:
    """
    Print a dashboard or alert rules for the metrics of LIFECYCLE, as JSON.

    The queries name the metrics of runstate.telemetry.prometheus. Prometheus reads the rules as
    they are, since JSON is YAML.

    \b
    Examples:
      runstate dashboard run
      runstate dashboard mine.toml --format alerts
    """
    lifecycle = lifecycle_named(lifecycle_name)
    click.echo(json.dumps(_FORMATS[form](lifecycle), indent=2))

    return 0
