"""
Pictures read back: what an SVG shows, with its place, as a viewer sees it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from runstate import Lifecycle
from runstate.diagrams import Overlay, draw

__all__ = [
    "Arrow",
    "Box",
    "Picture",
    "Point",
    "Rect",
    "groups",
    "picture_of",
    "texts",
    "walk_curve",
]

SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"t13": 13.0, "t11-5": 11.5}
"""Font size of a text by its class."""
LINE = 15.0
"""Pixels that are kept free for a line of small text."""

Point = tuple[float, float]
Curve = tuple[tuple[Point, ...], ...]


@dataclass(frozen=True)
class Rect:
    """
    A rectangle by its upper left corner and its size.
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """X of its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Y of its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """The point in its middle."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class Box:
    """
    A status.
    """

    status: str
    """As it is shown."""
    role: str
    kinds: tuple[str, ...]
    rect: Rect
    lines: tuple[str, ...]
    """Its name, as it is wrapped."""
    widths: tuple[float, ...]
    """Pixels that each of its lines takes."""


@dataclass(frozen=True)
class Arrow:
    """
    What leads from a status to another.
    """

    source: str
    target: str
    story: str
    """What a pointer over it shows."""
    role: str
    dash: str
    badge: str
    lines: tuple[str, ...]
    """What its label says."""
    label: Rect
    curve: Curve
    tip: Point
    stroke: float
    """How wide its line is."""

    @property
    def illegal(self) -> bool:
        """Whether no row allows it."""
        return self.role in ("illegal", "gap")

    @property
    def count(self) -> int | None:
        """How often it was observed; None where nothing was counted."""
        if "observed once" in self.story:
            return 1
        found = re.search(r"observed ([\d,]+) times", self.story)

        return int(found[1].replace(",", "")) if found else None


@dataclass(frozen=True)
class Legend:
    """
    A line of the legend.
    """

    text: str
    rect: Rect


@dataclass(frozen=True)
class Picture:
    """
    A whole picture.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    entries: tuple[tuple[Point, Point], ...]
    """From each dot that a run comes from to the box it begins in."""
    legend: tuple[Legend, ...]

    @property
    def by_status(self) -> dict[str, Box]:
        """The boxes, by what they show."""
        return {box.status: box for box in self.boxes}

    @property
    def pairs(self) -> dict[tuple[str, str], Arrow]:
        """The arrows, by their two statuses."""
        return {(arrow.source, arrow.target): arrow for arrow in self.arrows}


def picture_of(
    lifecycle: Lifecycle,
    overlay: Overlay | None = None,
    width: float | None = None,
    way: Any = None,
) -> Picture:
    """
    Return what the SVG of *lifecycle* shows, with what *overlay* adds, drawn *way*.
    """
    content = draw(lifecycle, "svg", overlay or Overlay(), width=width, direction=way)
    root = ET.fromstring(content)  # noqa: S314  our own output
    boxes = tuple(_box(group) for group in groups(root, "box"))

    return Picture(
        float(root.attrib["width"]),
        float(root.attrib["height"]),
        boxes,
        tuple(_arrow(group, {box.status for box in boxes}) for group in groups(root, "arrow")),
        tuple(_entries(*groups(root, "entry"))),
        tuple(_legend(group) for group in groups(root, "legend")),
    )


def groups(picture: str | ET.Element, *kinds: str) -> list[ET.Element]:
    """
    Return the groups of an SVG that have all the classes *kinds*.
    """
    root = ET.fromstring(picture) if isinstance(picture, str) else picture  # noqa: S314  our own

    return [each for each in root.iter(f"{SVG}g") if set(kinds) <= set(_kinds(each))]


def texts(group: ET.Element) -> list[str]:
    """
    Return the lines of text that are drawn in *group*.
    """
    return [text.text or "" for text in group.iter(f"{SVG}text")]


def walk_curve(curve: Curve, steps: int) -> Iterator[Point]:
    """
    Yield the points of *curve*, *steps* to each cubic piece.
    """
    (here,) = curve[0]
    yield here
    for piece in curve[1:]:
        if len(piece) == 1:
            yield piece[0]
        else:
            yield from (_bend((here, *piece), k / steps) for k in range(1, steps + 1))
        here = piece[-1]


def _bend(points: tuple[Point, ...], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)

    return (
        sum(weight * x for weight, (x, _) in zip(weights, points, strict=True)),
        sum(weight * y for weight, (_, y) in zip(weights, points, strict=True)),
    )


def _kinds(element: ET.Element) -> list[str]:
    return element.attrib["class"].split()


def _numbers(element: ET.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


def _rect(element: ET.Element) -> Rect:
    return Rect(*_numbers(element, "x", "y", "width", "height"))


def _curve(path: ET.Element) -> Curve:
    pieces = re.findall("[MLC]([^MLC]+)", path.attrib["d"])

    return tuple(
        tuple((float(x), float(y)) for x, y in (p.split(",") for p in piece.split()))
        for piece in pieces
    )


def _tip(group: ET.Element) -> Point:
    x, y = group.findall(f"{SVG}polygon")[0].attrib["points"].split()[0].split(",")

    return float(x), float(y)


def _width(text: ET.Element) -> float:
    """
    Return the width that is kept free for *text*: ASCII takes a cell of 0.6 em a character.
    """
    (size,) = (SIZES[kind] for kind in _kinds(text) if kind in SIZES)

    return float(text.attrib.get("textLength", len(text.text or "") * size * 0.6))


def _small(lines: list[ET.Element]) -> Rect:
    """
    Return where *lines* of small text stand.
    """
    start = "start" in _kinds(lines[0])
    wide = max(map(_width, lines))
    x, y = _numbers(lines[0], "x", "y")

    return Rect(
        x if start else x - wide / 2, y - SIZES["t11-5"] * 0.35 - LINE / 2, wide, LINE * len(lines)
    )


def _around(one: Rect, other: Rect) -> Rect:
    x, y = min(one.x, other.x), min(one.y, other.y)

    return Rect(x, y, max(one.right, other.right) - x, max(one.bottom, other.bottom) - y)


def _box(group: ET.Element) -> Box:
    title = group[0].text or ""
    names = [text for text in group.iter(f"{SVG}text") if "t13" in _kinds(text)]

    return Box(
        title.rpartition(": ")[0],
        _kinds(group)[1],
        tuple(_kinds(group)),
        _rect(group.findall(f"{SVG}rect")[0]),
        tuple(text.text or "" for text in names),
        tuple(map(_width, names)),
    )


def _arrow(group: ET.Element, statuses: set[str]) -> Arrow:
    story = group[0].text or ""
    first = story.split("\n")[0]
    ((source, target),) = (
        (one, other)
        for one in statuses
        for other in statuses
        if f": {one} -> {other} (" in first or first.startswith(f"{one} -> {other}: ")
    )
    pills, lines = group.findall(f"{SVG}rect"), group.findall(f"{SVG}text")
    badge = [lines.pop(0).text or ""] if pills else []
    label = _small(lines)
    line = group.findall(f"{SVG}path")[0]
    (stroke,) = (kind for kind in _kinds(line) if re.fullmatch(r"w[\d-]+", kind))

    return Arrow(
        source,
        target,
        story,
        _kinds(group)[1],
        next((kind for kind in _kinds(line) if kind in ("dashed", "dotted")), "solid"),
        "".join(badge),
        tuple(each.text or "" for each in lines),
        _around(label, _rect(pills[0])) if pills else label,
        _curve(line),
        _tip(group),
        float(stroke[1:].replace("-", ".")),
    )


def _entries(group: ET.Element) -> Iterator[tuple[Point, Point]]:
    dots, heads = group.findall(f"{SVG}circle"), group.findall(f"{SVG}polygon")
    for dot, head in zip(dots, heads, strict=True):
        x, y = head.attrib["points"].split()[0].split(",")
        yield (float(dot.attrib["cx"]), float(dot.attrib["cy"])), (float(x), float(y))


def _legend(group: ET.Element) -> Legend:
    *_, text = group.findall(f"{SVG}text")
    rect = _small([text])
    for sample in group.findall(f"{SVG}path"):
        points = [point for piece in _curve(sample) for point in piece]
        rect = _around(rect, Rect(points[0][0], points[0][1], points[-1][0] - points[0][0], 0))
    for sample in group.findall(f"{SVG}rect"):
        rect = _around(rect, _rect(sample))

    return Legend(text.text or "", rect)
