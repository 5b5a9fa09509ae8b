"""
A scene as a few kinds of shapes, which any drawn format can draw.

Shapes come in groups, a group to a box or an arrow, in the order in which they
cover each other. Colours are names in the palette.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor, inf
from typing import Final, Literal

from ._figure import Arrow, Box
from ._marks import mark_curves
from ._scene import (
    EM_PER_CELL,
    HEAD,
    LABEL_LINE,
    LABEL_SIZE,
    NAME_LINE,
    NAME_SIZE,
    Curve,
    Label,
    LegendEntry,
    PlacedArrow,
    PlacedBox,
    Point,
    Rect,
    Scene,
)
from ._words import cells
from .layout.fit import BADGE_APART
from .layout.grid import MARK
from .layout.legend import SAMPLE, UNDRAWN

__all__ = ["Disc", "Group", "Panel", "Polygon", "Shape", "Stroke", "Words", "paint"]

Dash = Literal["solid", "dashed", "dotted"]

THIN: Final = 1.5
THICKEST: Final = 5.0
AIR: Final = 3.0
"""Between two lines side by side, so that they can be told apart."""
HEAD_HALF: Final = 4.0
ASCENT: Final = 0.35
"""How far a line's baseline lies below its middle, in font sizes."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """
    A line along a curve.
    """

    curve: Curve
    colour: str
    width: float = THIN
    dash: Dash = "solid"


@dataclass(frozen=True, slots=True)
class Panel:
    """
    A rectangle with round corners.
    """

    rect: Rect
    radius: float
    fill: str | None
    stroke: str | None = None
    width: float = THIN


@dataclass(frozen=True, slots=True)
class Polygon:
    """
    A filled polygon.
    """

    points: tuple[Point, ...]
    colour: str


@dataclass(frozen=True, slots=True)
class Disc:
    """
    A filled circle.
    """

    middle: Point
    radius: float
    colour: str


@dataclass(frozen=True, slots=True)
class Words:
    """
    One line of text.
    """

    text: str
    place: Point
    """Its middle, or its left end; y is that of the baseline."""
    size: float
    colour: str
    bold: bool = False
    from_left: bool = False
    """Whether *place* is the left end."""

    @property
    def width(self) -> float:
        """Width that is kept free for it."""
        return cells(self.text) * self.size * EM_PER_CELL


Shape = Stroke | Panel | Polygon | Disc | Words


@dataclass(frozen=True, slots=True)
class Group:
    """
    Shapes that belong together.
    """

    kinds: tuple[str, ...]
    """What they are, such as ``box``, ``terminal``, ``success``."""
    title: str
    """What can be told about it; may be empty."""
    shapes: tuple[Shape, ...]
    key: str = ""
    """Which box or arrow of the figure it is, as ``b0`` or ``a0``; empty if it is neither."""


def paint(scene: Scene) -> Iterator[Group]:
    """
    Yield what *scene* is drawn with, the lowest first.
    """
    begins = " or ".join(scene.figure.lifecycle.initial_statuses)
    shapes = tuple(shape for entry in scene.entries for shape in _entry(*entry))
    yield Group(("entry",), f"A run is created {begins}", shapes)
    # Below the arrows, so that their heads stay whole.
    yield from (Group(("ring",), "", (_ring(drawn),)) for drawn in scene.boxes if drawn.box.current)
    numbers = {(arrow.source, arrow.target): n for n, arrow in enumerate(scene.figure.arrows)}
    for placed in scene.arrows:
        arrow = placed.arrow
        kinds = ("arrow", arrow.role, *(["inferred"] if arrow.dash == "dashed" else []))
        key = f"a{numbers[arrow.source, arrow.target]}"
        yield Group(
            kinds, scene.figure.story(arrow), tuple(_arrow_shapes(placed, scene.apart)), key
        )
    for number, drawn in enumerate(scene.boxes):
        shapes = tuple(_box_shapes(drawn))
        yield Group(_box_kinds(drawn.box), _box_title(drawn.box), shapes, f"b{number}")
    for entry in scene.legend:
        yield Group(("legend",), "", tuple(_legend_shapes(entry)))


def _entry(start: Point, tip: Point) -> tuple[Shape, ...]:
    level = start[1] == tip[1]
    direction = (1.0, 0.0) if level else (0.0, -1.0)
    end = (tip[0] - HEAD + 1, tip[1]) if level else (tip[0], tip[1] + HEAD - 1)

    return (
        Disc(start, 5.0, "ink"),
        Stroke(((start,), (end,)), "ink"),
        _head(tip, direction, "ink", HEAD_HALF),
    )


def _head(tip: Point, direction: Point, colour: str, half: float) -> Polygon:
    (x, y), (dx, dy) = tip, direction
    foot_x, foot_y = x - dx * HEAD, y - dy * HEAD

    return Polygon(
        (tip, (foot_x - dy * half, foot_y + dx * half), (foot_x + dy * half, foot_y - dx * half)),
        colour,
    )


def _arrow_colours(arrow: Arrow) -> tuple[str, str]:
    """
    Return the colours of *arrow*'s line and of its text.
    """
    if arrow.role == "faint":
        return "faint", "faint-ink"
    if arrow.role == "plain":
        return "line", "soft"

    return ("illegal", "illegal") if arrow.role == "illegal" else ("path", "path")


def _arrow_width(arrow: Arrow, apart: float) -> float:
    """
    Return the width of *arrow*'s line, to quarters of a pixel, with air to lines *apart* from it.
    """
    least = {"path": 2.5, "illegal": 2.5, "gap": 2.0}.get(arrow.role, THIN)

    width = max(least, round(4 * (THIN + (THICKEST - THIN) * arrow.weight)) / 4)

    return min(width, max(THIN, floor(4 * (apart - AIR)) / 4)) if apart < inf else width


def _arrow_shapes(placed: PlacedArrow, apart: float) -> Iterator[Shape]:
    arrow = placed.arrow
    colour, ink = _arrow_colours(arrow)
    width = _arrow_width(arrow, apart)
    foot = placed.curve[-1][-1]
    gone = (placed.tip[0] - foot[0], placed.tip[1] - foot[1])
    length = abs(gone[0]) + abs(gone[1])
    yield Stroke(placed.curve, colour, width, arrow.dash)
    direction = (gone[0] / length, gone[1] / length)
    yield _head(placed.tip, direction, colour, max(HEAD_HALF, width + 1.5))
    yield from _label_shapes(placed.label, ink, bold=arrow.role in ("path", "illegal"))


def _label_shapes(label: Label, ink: str, *, bold: bool) -> Iterator[Shape]:
    rect = label.rect
    if label.badge:
        width = label.badge_width - BADGE_APART
        pill = Rect(rect.x, rect.y + 0.5, width, LABEL_LINE - 1.5)
        yield Panel(pill, pill.height / 2, ink)
        middle = (pill.middle[0], pill.middle[1] + LABEL_SIZE * ASCENT)
        yield Words(label.badge, middle, LABEL_SIZE, "on-path", bold=True)
    x = rect.x + label.badge_width if label.from_left else rect.middle[0]
    for number, line in enumerate(label.lines):
        y = rect.y + (number + 0.5) * LABEL_LINE + LABEL_SIZE * ASCENT
        yield Words(line, (x, y), LABEL_SIZE, ink, bold, label.from_left)


def _box_kinds(box: Box) -> tuple[str, ...]:
    kinds = ["box", box.role]
    kinds += ["initial"] if box.initial else []
    kinds += ["terminal", box.outcome] if box.outcome else []
    kinds += ["current"] if box.current else []

    return tuple(kinds)


def _box_title(box: Box) -> str:
    kind = f"terminal, {box.outcome}" if box.outcome else "live" if box.known else "unknown status"
    facts = [kind, *(["initial"] if box.initial else []), *(["current"] if box.current else [])]

    return f"{box.name}: {', '.join(facts)}"


def _box_colours(box: Box) -> tuple[str, str, str]:
    """
    Return what fills *box*, what is around it, and the colour of its name.
    """
    if not box.known:
        return "illegal-box", "illegal", "illegal"
    if box.role == "faint" and not box.current:
        return "paper", "faint", "faint-ink"
    if box.outcome:
        return f"{box.outcome}-box", box.outcome, "ink"
    if box.role == "path":
        return "path-box", "path", "ink"

    return "box", "line", "ink"


def _radius(placed: PlacedBox) -> float:
    return min(placed.rect.height / 2, 19.0) if placed.box.outcome else 7.0


def _ring(placed: PlacedBox) -> Shape:
    return Panel(_grown(placed.rect, 2.5), _radius(placed) + 2.5, None, "ink", 3.5)


def _box_shapes(placed: PlacedBox) -> Iterator[Shape]:
    box, rect = placed.box, placed.rect
    fill, line, ink = _box_colours(box)
    radius = _radius(placed)
    yield Panel(rect, radius, fill, line, 2.5 if box.role == "path" else THIN)
    if box.outcome:
        yield Panel(_grown(rect, -3.5), max(radius - 3.5, 1.0), None, line, 1.0)
    yield from _box_words(placed, ink, line if line != "faint" else ink)


def _box_words(placed: PlacedBox, ink: str, accent: str) -> Iterator[Shape]:
    box, (x, y) = placed.box, placed.rect.middle
    caption = LABEL_LINE if box.caption else 0.0
    top = y - (len(placed.lines) * NAME_LINE + caption) / 2
    left = x
    if box.outcome:
        left -= (max(map(cells, placed.lines)) * NAME_SIZE * EM_PER_CELL + MARK) / 2
        for curve in mark_curves(box.outcome, (left + 5, top + len(placed.lines) * NAME_LINE / 2)):
            yield Stroke(curve, accent, 1.75)
        left += MARK
    for number, line in enumerate(placed.lines):
        base = top + (number + 0.5) * NAME_LINE + NAME_SIZE * ASCENT
        yield Words(line, (left, base), NAME_SIZE, ink, bold=True, from_left=bool(box.outcome))
    if box.caption:
        base = top + len(placed.lines) * NAME_LINE + LABEL_LINE / 2 + LABEL_SIZE * ASCENT
        yield Words(box.caption, (x, base), LABEL_SIZE, accent)


def _grown(rect: Rect, by: float) -> Rect:
    return Rect(rect.x - by, rect.y - by, rect.width + 2 * by, rect.height + 2 * by)


def _legend_shapes(entry: LegendEntry) -> Iterator[Shape]:
    rect = entry.rect
    y = rect.middle[1]
    line: Curve = (((rect.x, y),), ((rect.x + 26, y),))
    if entry.sample == "current":
        yield Panel(Rect(rect.x + 3, y - 5, 20, 10), 4, "path-box", "ink", 2.0)
    elif entry.sample == "counted":
        yield Stroke((((rect.x, y),), ((rect.x + 12, y),)), "line", 1.5)
        yield Stroke((((rect.x + 14, y),), ((rect.x + 26, y),)), "line", 4.0)
    elif entry.sample == "time":
        yield Words("2 s", (rect.x, y + LABEL_SIZE * ASCENT), LABEL_SIZE, "soft", from_left=True)
    elif entry.sample not in UNDRAWN:
        yield _SAMPLES[entry.sample](line)
    text = (rect.x + (0 if entry.sample in UNDRAWN else SAMPLE), y + LABEL_SIZE * ASCENT)
    ink = "illegal" if entry.sample in ("illegal", "") else "soft"
    yield Words(entry.text, text, LABEL_SIZE, ink, from_left=True)


_SAMPLES: Final[dict[str, Callable[[Curve], Stroke]]] = {
    "faint": lambda line: Stroke(line, "faint"),
    "gap": lambda line: Stroke(line, "path", 2.0, "dotted"),
    "illegal": lambda line: Stroke(line, "illegal", 2.5),
    "inferred": lambda line: Stroke(line, "line", THIN, "dashed"),
    "path": lambda line: Stroke(line, "path", 2.5),
    "reopens": lambda line: Stroke(line, "line", THIN, "dotted"),
}
