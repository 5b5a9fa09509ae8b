"""
What other systems want to hear of a move, each a projection of one :class:`~runstate.Moved`.

Nothing here moves a run, and nothing can fail a move: an engine tells its observers
after the fact, and a store's feed is read by whoever wants to. ``cloudevent`` and
``openlineage_events`` return plain dictionaries, and need nothing installed; the modules
``runstate.telemetry.otel`` and ``runstate.telemetry.prometheus`` each need the extra of
their name.
"""

from ._ages import Store
from ._processors import escape_untrusted, redact
from .cloudevents import cloudevent
from .openlineage import openlineage_events

__all__ = ["Store", "cloudevent", "escape_untrusted", "openlineage_events", "redact"]
