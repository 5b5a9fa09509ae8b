"""
Pictures of a lifecycle, drawn from its table.

Everything that is drawn is worked out here: no program has to be installed, and
nothing is fetched. ``png`` alone needs Pillow, and loads it when it is asked for.
"""

from ._figure import Overlay
from ._inline import Inline, inline, inline_colours, inline_style
from ._observed import overlay_of
from ._registry import FORMATS, Format, draw
from .layout import Direction

__all__ = [
    "FORMATS", "Direction", "Format", "Inline", "Overlay", "draw", "inline", "inline_colours", "inline_style",
    "overlay_of",
]  # fmt: skip
