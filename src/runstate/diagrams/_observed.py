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

    Args:
        survey: What was observed of the runs.
        lifecycle: The table whose legal moves may hide between two statuses.
        observed: What was seen of each run; see :func:`runstate.check`.

    Example:
        >>> from runstate import RUN, Observation
        >>> from runstate.diagrams import draw
        >>> from runstate.histories import survey
        >>> log = [Observation("queued", "run_1", at=0), Observation("in_progress", "run_1", at=4)]
        >>> overlay = overlay_of(survey(log), RUN)
        >>> overlay.counts
        {('queued', 'in_progress'): 1}
        >>> picture = draw(RUN, "svg", overlay)
    """
    made = without_gaps(survey, lifecycle, observed)

    return Overlay(counts=made.moves, seen=frozenset(made.seen), dwell=made.dwell)
