"""
The layout: where the statuses and arrows of a figure stand.
"""

from typing import Final, Literal

from .._figure import Figure
from .._scene import Scene
from .fit import FITS, ROOMY
from .grid import Grid, make_grid
from .ladder import place_ladder
from .place import least_height, least_width, place_columns

__all__ = ["Direction", "lay_out"]

Direction = Literal["lr", "tb"]
"""From left to right in columns, or from top to bottom."""

FEWEST_COLUMNS: Final = 3
"""With fewer, arrows from top to bottom are easier to follow."""
HIGHEST: Final = 1_400.0
"""Of columns that had to be joined, in pixels; beyond, too many arrows share a gap."""


def lay_out(
    figure: Figure, width: float | None = None, direction: Direction | None = None
) -> Scene:
    """
    Return *figure* with a place for everything.

    Args:
        figure: What is drawn.
        width: Pixels that the picture should be no wider than; None for as wide as it likes.
        direction: The way to read it; None for columns where they fit, else from top to bottom.
    """
    if width is None:
        return (
            place_ladder(figure, ROOMY) if direction == "tb" else place_columns(make_grid(figure))
        )
    grid = None if direction == "tb" else _columns(figure, width, narrow=direction == "lr")

    return _ladder(figure, width) if grid is None else place_columns(grid, width)


def _columns(figure: Figure, width: float, *, narrow: bool) -> Grid | None:
    """
    Return the roomiest grid that fits into *width*, else None, or the narrowest if *narrow*.
    """
    grid = make_grid(figure)
    whole = len(grid.columns) // 2 + 1
    fewest = 2 if narrow else min(whole, FEWEST_COLUMNS)
    for columns in range(whole, fewest - 1, -1):
        for fit in FITS:
            grid = make_grid(figure, fit, columns)
            if least_width(grid) <= width:
                fits = narrow or columns == whole or least_height(grid) <= HIGHEST
                return grid if fits else None

    return grid if narrow else None


def _ladder(figure: Figure, width: float) -> Scene:
    """
    Return the roomiest ladder that fits into *width*, else the narrowest.
    """
    for fit in FITS:
        scene = place_ladder(figure, fit)
        if scene.width <= width:
            return scene

    return place_ladder(figure, FITS[-1], width)
