"""
The colours of a picture, each for light paper and for dark.
"""

from typing import Final, NamedTuple

__all__ = ["PALETTE", "Colour"]


class Colour(NamedTuple):
    """
    One colour by what it is for.
    """

    light: str
    dark: str


PALETTE: Final[dict[str, Colour]] = {
    "paper": Colour("#ffffff", "#0d1520"),
    "ink": Colour("#17212b", "#e8eef4"),
    "soft": Colour("#3d4c5a", "#b9c6d2"),
    "line": Colour("#5c6d7e", "#8b9cad"),
    "box": Colour("#f3f6f9", "#182331"),
    "faint": Colour("#ccd4dc", "#33404e"),
    "faint-ink": Colour("#697683", "#7a8b9c"),
    "path": Colour("#1a66d6", "#5aa2ff"),
    "path-box": Colour("#e6f0ff", "#13294a"),
    "on-path": Colour("#ffffff", "#0d1520"),
    "illegal": Colour("#d3093a", "#ff6484"),
    "illegal-box": Colour("#ffecef", "#3d1420"),
    "success": Colour("#1b7f47", "#4cc38a"),
    "success-box": Colour("#e8f6ee", "#11291d"),
    "failure": Colour("#b4501f", "#ef9562"),
    "failure-box": Colour("#fcefe7", "#301c10"),
    "error": Colour("#a0267f", "#e583cb"),
    "error-box": Colour("#faebf5", "#2f1428"),
    "timeout": Colour("#8f6a08", "#dfb445"),
    "timeout-box": Colour("#fbf4de", "#2b220b"),
    "cancelled": Colour("#4f5f6f", "#a3b3c2"),
    "cancelled-box": Colour("#edf0f3", "#1c2733"),
    "incomplete": Colour("#6a48b8", "#b49cf5"),
    "incomplete-box": Colour("#f2edfc", "#221a3a"),
}
"""Every colour by name; that of an outcome has its name, and ``-box`` is what fills a box."""
