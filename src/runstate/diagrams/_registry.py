"""
The formats by name.

A format is a module with ``render(lifecycle, overlay) -> bytes``, which is loaded
when it is first asked for.
"""

import math
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

from .._text import printable
from ..lifecycle._table import Lifecycle, check_lifecycle
from ._figure import Overlay
from .layout import Direction

__all__ = ["FORMATS", "Format", "draw"]


class Format(NamedTuple):
    """
    One way to draw a lifecycle.

    Example:
        >>> FORMATS["svg"].suffixes, FORMATS["svg"].sized, FORMATS["mermaid"].sized
        (('.svg',), True, False)
    """

    name: str
    """Its name, which is also that of its module."""
    suffixes: tuple[str, ...]
    """Endings of its files, with the dot; the usual one first."""

    sized: bool = False
    """Whether it is drawn here, and so takes a width and a direction."""

    def render(
        self,
        lifecycle: Lifecycle,
        overlay: Overlay,
        width: float | None = None,
        direction: Direction | None = None,
    ) -> bytes:
        """
        Return the picture as the bytes of a file; text is UTF-8.

        Args:
            lifecycle: What is drawn.
            overlay: What was observed, drawn on top.
            width: Pixels that the picture should be no wider than; None for as wide as is most
                readable. Ignored unless the format is *sized*.
            direction: ``lr`` from left to right, ``tb`` from top to bottom; None for left to
                right where that fits into *width*. Ignored unless the format is *sized*.
        """
        module = import_module(f".{self.name}", __package__)
        size = (width, direction) if self.sized else ()
        rendered: bytes = module.render(lifecycle, overlay, *size)

        return rendered


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        known.name: known
        for known in (
            Format("mermaid", (".mmd",)),
            Format("dot", (".dot", ".gv")),
            Format("svg", (".svg",), sized=True),
            Format("png", (".png",), sized=True),
            Format("plantuml", (".puml", ".plantuml")),
            Format("markdown", (".md",)),
            Format("json", (".json",)),
        )
    }
)
"""Every format by name."""

_PLAIN: Final = Overlay()


def draw(
    lifecycle: Lifecycle,
    format: str,  # noqa: A002
    overlay: Overlay = _PLAIN,
    *,
    width: float | None = None,
    direction: Direction | None = None,
) -> bytes:
    """
    Return the picture of *lifecycle* as the bytes of a file.

    The same arguments give the same bytes. Text is UTF-8 and ends in a line break.

    Args:
        lifecycle: What is drawn; every one of its rows is in the picture.
        format: A key of :data:`FORMATS`.
        overlay: What was observed, drawn on top.
        width: Pixels that the picture should be no wider than, with texts in full size; for
            ``svg`` and ``png``. None for as wide as is most readable. A picture that cannot be
            as narrow is as narrow as it can be.
        direction: ``lr`` from left to right, ``tb`` from top to bottom; for ``svg`` and ``png``.
            None for left to right where that fits into *width*.

    Raises:
        ValueError: *format* or *direction* is unknown, *width* is not a positive number, or a
            size was given for a *format* that has none. The message says what is expected.
    """
    check_lifecycle(lifecycle)
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"no format '{printable(format)}' (known: {known})")
    asked = "width" if width is not None else "direction" if direction is not None else None
    if asked and not FORMATS[format].sized:
        sized = " and ".join(known.name for known in FORMATS.values() if known.sized)
        raise ValueError(f"{format} takes no {asked}: {sized} do")
    if width is not None and not (math.isfinite(width) and width > 0):
        raise ValueError(f"width must be a positive number of pixels, got {width}")
    if direction is not None and direction not in get_args(Direction):
        raise ValueError(f"direction must be lr or tb, got '{printable(str(direction))}'")

    return FORMATS[format].render(lifecycle, overlay, width, direction)
