"""
``runstate dashboard``: a Grafana dashboard and Prometheus alert rules.
"""

import json

import click

from ._shared import lifecycle_named

__all__ = ["dashboard"]


@click.command()
@click.argument("lifecycle_name", metavar="[LIFECYCLE]", default="run")
@click.option(
    "--format",
    "form",
    type=click.Choice(["grafana", "alerts"]),
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
    from ..telemetry.dashboards import alert_rules, grafana_dashboard  # noqa: PLC0415  for this alone

    made = grafana_dashboard if form == "grafana" else alert_rules
    click.echo(json.dumps(made(lifecycle_named(lifecycle_name)), indent=2))

    return 0
