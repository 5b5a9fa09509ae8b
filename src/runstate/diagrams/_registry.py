"""
The formats by name.

A format is a module with ``render(lifecycle, overlay) -> bytes``, which is loaded
when it is first asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, NamedTuple

from .._text import printable
from ..lifecycle._table import Lifecycle
from ._figure import Overlay

__all__ = ["FORMATS", "Format", "draw"]


class Format(NamedTuple):
    """
    One way to draw a lifecycle.
    """

    name: str
    """Its name, which is also that of its module."""
    suffixes: tuple[str, ...]
    """Endings of its files, with the dot; the usual one first."""

    def render(self, lifecycle: Lifecycle, overlay: Overlay) -> bytes:
        """
        Return the picture as the bytes of a file; text is UTF-8.
        """
        rendered: bytes = import_module(f".{self.name}", __package__).render(lifecycle, overlay)

        return rendered


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        known.name: known
        for known in (
            Format("mermaid", (".mmd",)),
            Format("dot", (".dot", ".gv")),
            Format("svg", (".svg",)),
            Format("png", (".png",)),
            Format("plantuml", (".puml", ".plantuml")),
            Format("markdown", (".md",)),
            Format("json", (".json",)),
        )
    }
)
"""Every format by name."""

_PLAIN: Final = Overlay()


def draw(lifecycle: Lifecycle, format: str, overlay: Overlay = _PLAIN) -> bytes:  # noqa: A002
    """
    Return the picture of *lifecycle* as the bytes of a file.

    The same arguments give the same bytes. Text is UTF-8 and ends in a line break.

    Args:
        lifecycle: What is drawn; every one of its rows is in the picture.
        format: A key of :data:`FORMATS`.
        overlay: What was observed, drawn on top.

    Raises:
        ValueError: There is no such *format*; the message lists those there are.
    """
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"no format '{printable(format)}' (known: {known})")

    return FORMATS[format].render(lifecycle, overlay)
