"""
What was observed of a lifecycle's runs, made ready to be drawn over its table.

As for a check, what was observed is declared: a poller that sees ``queued`` and then
``completed`` has missed the moves between, and has seen none that is illegal.
"""

from ..histories._records import ObservationModel
from ..histories._survey import Survey, without_gaps
from ..lifecycle._table import Lifecycle
from ._figure import Overlay

__all__ = ["overlay_of"]


def overlay_of(
    survey: Survey, lifecycle: Lifecycle, *, observed: ObservationModel = "complete"
) -> Overlay:
    """
    Return how often each move was made, how long that took, and which statuses were seen.

    A recorded move counts under every model. Statuses that follow each other count
    as a move where every change was seen; where some were missed, unless there are
    legal moves between them; and not at all where they come in no order.
    """
    made = without_gaps(survey, lifecycle, observed)

    return Overlay(counts=made.moves, seen=frozenset(made.seen), dwell=made.dwell)
