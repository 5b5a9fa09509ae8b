"""
PlantUML, for those whose documents are made with it.

A state diagram. Ids are made up; names stand in labels alone, where whatever might mean
something, to the preprocessor or to Creole, goes by its code point.
"""

from collections.abc import Iterator
from typing import Final

from ..lifecycle._table import Lifecycle
from ._figure import Arrow, Box, Figure, Overlay, make_figure
from ._palette import PALETTE

__all__ = ["render"]

_SAFE_INSIDE: Final = frozenset("_-.,")
"""Mean nothing between two letters or digits."""
_BREAK: Final = r"\n"
_HEAD: Final = (
    "hide empty description",
    "hide stereotype",
    "left to right direction",
    "skinparam shadowing false",
    # Its own arrows may be red, which here is what is illegal.
    f"skinparam ArrowColor {PALETTE['line'].light}",
)


def render(lifecycle: Lifecycle, overlay: Overlay) -> bytes:
    """
    Return the picture as a state diagram of PlantUML.
    """
    figure = make_figure(lifecycle, overlay)
    lines = ["@startuml", *_HEAD, *_styles(figure), *_body(figure), "@enduml"]

    return ("\n".join(lines) + "\n").encode()


def _body(figure: Figure) -> Iterator[str]:
    for number, box in enumerate(figure.boxes):
        label = _BREAK.join(_escape(line) for line in (box.name, box.caption) if line)
        frame = f" ##[bold]{_ink('ink')[1:]}" if box.current else ""
        yield f'state "{label}" as s{number} <<{_class(box)}>>{frame}'
    for number, box in enumerate(figure.boxes):
        if box.initial:
            yield f"[*] --> s{number}"
    for arrow in figure.arrows:
        yield f"s{arrow.source} {_link(arrow)} s{arrow.target} : {_label(arrow)}"
    for number, box in enumerate(figure.boxes):
        if box.outcome:
            yield f"s{number} --> [*]"


def _escape(text: str) -> str:
    """
    Return *text* with the code points of all that might mean something to PlantUML.
    """
    around = f" {text} "

    return "".join(
        char if _is_safe(before, char, after) else f"<U+{ord(char):04X}>"
        for before, char, after in zip(around, text, around[2:], strict=False)
    )


def _is_safe(before: str, char: str, after: str) -> bool:
    if not char.isascii():
        return False
    if char == " ":
        return " " not in (before, after)  # A label of nothing but space is none.
    inside = before.isascii() and before.isalnum() and after.isascii() and after.isalnum()

    return char.isalnum() or (char in _SAFE_INSIDE and inside)


def _class(box: Box) -> str:
    if not box.known:
        return "unknown"

    return "faint" if box.role == "faint" and not box.current else box.outcome or "live"


def _link(arrow: Arrow) -> str:
    """
    Return the arrow itself: its colour, how it is dashed, and how thick it is.
    """
    colour = {"plain": "", "gap": "path"}.get(arrow.role, arrow.role)
    style = [_ink(colour)] if colour else []
    if arrow.dash != "solid":
        style.append(arrow.dash)
    thick = max(2 if arrow.role in ("path", "illegal") else 1, round(1 + 3 * arrow.weight))
    if thick > 1:
        style.append(f"thickness={thick}")

    return f"-[{','.join(style)}]->" if style else "-->"


def _label(arrow: Arrow) -> str:
    label = _BREAK.join(map(_escape, arrow.label()))
    # Its digits and commas mean nothing here, and stay easy to read.
    steps = arrow.badge.replace("…", "...")

    return f"({steps}) {label}" if steps else label


def _styles(figure: Figure) -> Iterator[str]:
    for name in dict.fromkeys(map(_class, figure.boxes)):
        fill, line, ink = _COLOURS.get(name, (f"{name}-box", name, "ink"))
        yield "skinparam state {"
        for part, colour in (("Background", fill), ("Border", line), ("Font", ink)):
            yield f"  {part}Color<<{name}>> {_ink(colour)}"
        yield "}"


_COLOURS: Final = {
    "live": ("box", "line", "ink"),
    "unknown": ("illegal-box", "illegal", "illegal"),
    "faint": ("paper", "faint", "faint-ink"),
}


def _ink(colour: str) -> str:
    return PALETTE[colour].light
