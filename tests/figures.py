"""
The figure of a lifecycle, which layouts place.
"""

from typing import Any

from runstate import Lifecycle
from runstate.diagrams import Overlay
from runstate.diagrams._figure import make_figure

__all__ = ["figure_of"]


def figure_of(lifecycle: Lifecycle, overlay: Overlay | None = None) -> Any:
    """
    Return the boxes and arrows of *lifecycle*, with what *overlay* adds.
    """
    return make_figure(lifecycle, Overlay() if overlay is None else overlay)
