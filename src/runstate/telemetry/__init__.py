"""
Exporters: each turns a :class:`~runstate.Moved` record into the format of another system.

An exporter never moves a run, and never fails a move: an engine calls its observers after
the move, and the feed of a store is read from outside. ``cloudevent`` and
``openlineage_events`` return plain dictionaries, and need nothing installed; the modules
``runstate.telemetry.otel`` and ``runstate.telemetry.prometheus`` each need the extra of
their name.
"""

from ._ages import Store
from ._processors import escape_untrusted, redact
from .cloudevents import cloudevent
from .openlineage import openlineage_events

__all__ = ["Store", "cloudevent", "escape_untrusted", "openlineage_events", "redact"]
