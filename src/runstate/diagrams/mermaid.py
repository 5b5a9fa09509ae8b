"""
Mermaid, as GitHub draws it in Markdown.

A flowchart: its links can be dashed, coloured and widened one by one, which those
of a state diagram cannot. Ids are made up; names stand in labels alone.
"""

from collections.abc import Iterator
from typing import Final

from ..lifecycle._table import Lifecycle
from ._figure import Arrow, Box, Figure, Overlay, make_figure
from ._palette import PALETTE

__all__ = ["render"]

_SAFE_INSIDE: Final = frozenset("_-.,")
"""Mean nothing between two letters or digits."""
_BREAK: Final = "<br/>"


def render(lifecycle: Lifecycle, overlay: Overlay) -> bytes:
    """
    Return the picture as a Mermaid flowchart.
    """
    figure = make_figure(lifecycle, overlay)
    lines = ["flowchart LR", *(f"    {line}" for line in _body(figure))]

    return ("\n".join(lines) + "\n").encode()


def _body(figure: Figure) -> Iterator[str]:
    yield "entry(( )):::entry"
    for number, box in enumerate(figure.boxes):
        yield f"s{number}{_shape(box)}:::{_class(box)}"
    for number, box in enumerate(figure.boxes):
        if box.initial:
            yield f"entry --> s{number}"
    for arrow in figure.arrows:
        yield f's{arrow.source} {_link(arrow)}|"{_label(arrow)}"| s{arrow.target}'
    yield from _styles(figure)


def _escape(text: str) -> str:
    """
    Return *text* with Mermaid's codes for all that might mean something to it.
    """
    around = f" {text} "

    return "".join(
        char if _is_safe(before, char, after) else f"#{ord(char)};"
        for before, char, after in zip(around, text, around[2:], strict=False)
    )


def _is_safe(before: str, char: str, after: str) -> bool:
    if not char.isascii():
        return False
    inside = before.isascii() and before.isalnum() and after.isascii() and after.isalnum()

    return char.isalnum() or char == " " or (char in _SAFE_INSIDE and inside)


def _shape(box: Box) -> str:
    """
    Return the brackets that make *box*'s shape, with its label in them.
    """
    label = _BREAK.join(_escape(line) for line in (box.name, box.caption) if line)

    return f'(["{label}"])' if box.outcome else f'("{label}")'


def _class(box: Box) -> str:
    if not box.known:
        return "unknown"

    return "faint" if box.role == "faint" and not box.current else box.outcome or "live"


def _link(arrow: Arrow) -> str:
    if arrow.dash != "solid":
        return "-.->"

    return "==>" if arrow.role in ("path", "illegal") else "-->"


def _label(arrow: Arrow) -> str:
    label = _BREAK.join(map(_escape, arrow.label()))

    # Its digits and commas mean nothing here, and stay easy to read.
    steps = arrow.badge.replace("…", "...")

    return f"({steps}) {label}" if steps else label


def _styles(figure: Figure) -> Iterator[str]:
    yield f"classDef entry fill:{_ink('ink')},stroke:{_ink('ink')}"
    for name in dict.fromkeys(map(_class, figure.boxes)):
        fill, line, ink = _COLOURS.get(name, (f"{name}-box", name, "ink"))
        double = ",stroke-width:3px" if name in figure.lifecycle.terminal.values() else ""
        yield f"classDef {name} fill:{_ink(fill)},stroke:{_ink(line)},color:{_ink(ink)}{double}"
    for number, box in enumerate(figure.boxes):
        if box.current:
            yield f"style s{number} stroke:{_ink('ink')},stroke-width:5px"
    # The links from the entry come first.
    first = sum(box.initial for box in figure.boxes)
    for number, arrow in enumerate(figure.arrows, first):
        style = _link_style(arrow)
        if style:
            yield f"linkStyle {number} {style}"


_COLOURS: Final = {
    "live": ("box", "line", "ink"),
    "unknown": ("illegal-box", "illegal", "illegal"),
    "faint": ("paper", "faint", "faint-ink"),
}


def _ink(colour: str) -> str:
    return PALETTE[colour].light


def _link_style(arrow: Arrow) -> str:
    """
    Return the style of *arrow*'s link; empty for the default style.
    """
    colour = {"plain": "", "gap": "path"}.get(arrow.role, arrow.role)
    least = 2.5 if arrow.role in ("path", "illegal") else 1.5
    thick = max(least, 1.5 + 3.5 * arrow.weight)
    width = f"stroke-width:{thick:.1f}px" if arrow.count else ""
    ink = f"stroke:{_ink(colour)}" if colour else ""

    return ",".join(filter(None, (ink, width)))
