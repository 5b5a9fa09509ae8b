"""
Pictures of a lifecycle, drawn from its table.

Everything that is drawn is worked out here: no program has to be installed, and
nothing is fetched. ``png`` alone needs Pillow, and loads it when it is asked for.
"""

from ._figure import Overlay
from ._observed import in_sequence, overlay_of
from ._registry import FORMATS, Format, draw

__all__ = ["FORMATS", "Format", "Overlay", "draw", "in_sequence", "overlay_of"]
