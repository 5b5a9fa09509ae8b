"""
DOT, for those who have Graphviz.

Ids are made up; names stand in labels alone.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from .._text import printable
from ..lifecycle._table import Lifecycle
from ._figure import Arrow, Box, Figure, Overlay, make_figure
from ._palette import PALETTE

__all__ = ["render"]

_FONT: Final = "Menlo, Consolas, DejaVu Sans Mono, monospace"


def render(lifecycle: Lifecycle, overlay: Overlay) -> bytes:
    """
    Return the picture as a directed graph in DOT.
    """
    figure = make_figure(lifecycle, overlay)
    name = _quoted(lifecycle.name)
    lines = [f"digraph {name} {{", *(f"  {line};" for line in _body(figure)), "}"]

    return ("\n".join(lines) + "\n").encode()


def _body(figure: Figure) -> Iterator[str]:
    yield "rankdir=LR"
    yield f'node [shape=box, style="rounded,filled", fontname="{_FONT}", fontsize=12]'
    yield f'edge [fontname="{_FONT}", fontsize=10]'
    yield 'entry [shape=point, width=0.15, label=""]'
    for number, box in enumerate(figure.boxes):
        yield f"s{number} {_attributes(_box(box))}"
    ends = [f"s{number}" for number, box in enumerate(figure.boxes) if box.outcome]
    if ends:
        yield f"{{rank=same; {'; '.join(ends)}}}"
    for number, box in enumerate(figure.boxes):
        if box.initial:
            yield f"entry -> s{number}"
    for arrow in figure.arrows:
        yield f"s{arrow.source} -> s{arrow.target} {_attributes(_arrow(figure, arrow))}"


def _quoted(*lines: str) -> str:
    r"""
    Return *lines* as one quoted string, in which nothing is an escape or an entity.
    """
    escaped = (
        printable(line, 5_000).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
        for line in lines
    )

    return '"' + "\\n".join(escaped) + '"'


def _attributes(values: Mapping[str, str]) -> str:
    return f"[{', '.join(f'{name}={value}' for name, value in values.items())}]"


def _box(box: Box) -> dict[str, str]:
    fill, line = "box", "line"
    if not box.known:
        fill, line = "illegal-box", "illegal"
    elif box.role == "faint" and not box.current:
        fill, line = "paper", "faint"
    elif box.outcome:
        fill, line = f"{box.outcome}-box", box.outcome
    attributes = {
        "label": _quoted(*(line for line in (box.name, box.caption) if line)),
        "fillcolor": _ink(fill),
        "color": _ink(line),
    }
    if box.outcome:
        attributes["peripheries"] = "2"
        attributes["tooltip"] = _quoted(f"{box.name}: terminal, {box.outcome}")
    if box.current:
        attributes |= {"color": _ink("ink"), "penwidth": "4"}

    return attributes


def _arrow(figure: Figure, arrow: Arrow) -> dict[str, str]:
    lines = arrow.label()
    if arrow.badge:
        lines = (f"({arrow.badge}) {lines[0]}", *lines[1:])
    attributes = {
        "label": _quoted(*lines),
        "tooltip": _quoted(*figure.story(arrow).split("\n")),
    }
    colour = {"plain": "", "gap": "path"}.get(arrow.role, arrow.role)
    if colour:
        text = "faint-ink" if colour == "faint" else colour
        attributes |= {"color": _ink(colour), "fontcolor": _ink(text)}
    if arrow.dash != "solid":
        attributes["style"] = arrow.dash
    if arrow.role != "plain" or arrow.count:
        strong = 2.5 if arrow.role in ("path", "illegal") else 1.0
        attributes["penwidth"] = f"{max(strong, 1 + 4 * arrow.weight):.1f}"
    if not arrow.rows or arrow.reopens:
        # What was observed, or leads back from an end, moves no status out of its rank.
        attributes["constraint"] = "false"

    return attributes


def _ink(colour: str) -> str:
    return f'"{PALETTE[colour].light}"'
