"""
PNG, drawn by Pillow with the font that is inside it: nothing needs installing.

Always on light paper. Twice as many pixels as the SVG has, unless that would be
more than :data:`LONGEST_SIDE` or :data:`MOST_PIXELS`. Lines are drawn larger still
and reduced, in bands, so that smooth lines cost little memory.
"""

import io
import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Final

from ..errors import MissingExtraError
from ..lifecycle._table import Lifecycle
from ._figure import Overlay, make_figure
from ._paint import Disc, Panel, Polygon, Shape, Stroke, Words, paint
from ._palette import PALETTE
from ._scene import Curve, Point, walk_curve
from .layout import Direction, lay_out

try:
    from PIL import Image, ImageDraw, ImageFont
except ImportError as _missing:
    raise MissingExtraError("the format png", "Pillow", "png") from _missing

__all__ = ["render"]

SCALE: Final = 2.0
"""Pixels of the picture for one of the scene."""
LONGEST_SIDE: Final = 12_000
MOST_PIXELS: Final = 40_000_000
SMOOTH: Final = 3
"""How much larger lines are drawn."""
BAND: Final = 256
"""Height of a band, in pixels of the picture."""
SPARE: Final = 6.0
"""Drawn beyond the points of a shape at most, by its width."""
CURVE_STEPS: Final = 24
DASHES: Final = {"dashed": (6.0, 4.5), "dotted": (0.1, 5.0)}

Drawn = Stroke | Polygon | Disc | Panel
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def render(
    lifecycle: Lifecycle,
    overlay: Overlay,
    width: float | None = None,
    direction: Direction | None = None,
) -> bytes:
    """
    Return the picture as a PNG.
    """
    scene = lay_out(make_figure(lifecycle, overlay), width, direction)
    shapes = [shape for group in paint(scene) for shape in group.shapes]
    scale = scale_for(scene.width, scene.height)
    image = _draw_lines(shapes, round(scene.width * scale), round(scene.height * scale), scale)
    pen = ImageDraw.Draw(image)
    for shape in shapes:
        if isinstance(shape, Words):
            _write(pen, shape, scale)
    out = io.BytesIO()
    image.save(out, "PNG")

    return out.getvalue()


def scale_for(width: float, height: float) -> float:
    """
    Return how many pixels one of a scene of *width* and *height* gets.
    """
    return min(SCALE, LONGEST_SIDE / max(width, height), math.sqrt(MOST_PIXELS / (width * height)))


def _draw_lines(shapes: Sequence[Shape], width: int, height: int, scale: float) -> Image.Image:
    """
    Return a picture of everything but the words.
    """
    image = Image.new("RGB", (width, height), _paint_of("paper"))
    drawn = [(shape, *_heights_of(shape)) for shape in shapes if not isinstance(shape, Words)]
    for top in range(0, height, BAND):
        rows = min(BAND, height - top)
        band = Image.new("RGB", (width * SMOOTH, rows * SMOOTH), _paint_of("paper"))
        brush = _Brush(ImageDraw.Draw(band), scale * SMOOTH, top * SMOOTH)
        for shape, high, low in drawn:
            if high * scale < top + rows and low * scale > top:
                brush.draw(shape)
        image.paste(band.reduce(SMOOTH), (0, top))

    return image


def _heights_of(shape: Drawn) -> tuple[float, float]:
    """
    Return between which heights *shape* is drawn, with some to spare.
    """
    match shape:
        case Stroke():
            ys = [y for piece in shape.curve for _, y in piece]
        case Polygon():
            ys = [y for _, y in shape.points]
        case Disc():
            ys = [shape.middle[1] - shape.radius, shape.middle[1] + shape.radius]
        case Panel():
            ys = [shape.rect.y, shape.rect.bottom]

    return min(ys) - SPARE, max(ys) + SPARE


def _paint_of(colour: str) -> str:
    return PALETTE[colour].light


class _Brush:
    """
    Draws shapes on a band that begins *top* pixels down.
    """

    def __init__(self, pen: ImageDraw.ImageDraw, scale: float, top: int) -> None:
        self.pen, self.scale, self.top = pen, scale, top

    def draw(self, shape: Drawn) -> None:
        """
        Draw *shape*.
        """
        match shape:
            case Stroke():
                for line in _dashes(_flat(shape.curve), shape.dash):
                    self._line(line, shape.width, _paint_of(shape.colour))
            case Polygon():
                self.pen.polygon(self._at(shape.points), fill=_paint_of(shape.colour))
            case Disc():
                self._disc(shape.middle, shape.radius, _paint_of(shape.colour))
            case Panel():
                self._panel(shape)

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale - self.top) for x, y in points]

    def _disc(self, middle: Point, radius: float, colour: str) -> None:
        ((x, y),) = self._at([middle])
        r = radius * self.scale
        self.pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def _line(self, points: Sequence[Point], width: float, colour: str) -> None:
        self.pen.line(self._at(points), colour, round(width * self.scale), joint="curve")
        for end in (points[0], points[-1]):
            self._disc(end, width / 2, colour)

    def _panel(self, panel: Panel) -> None:
        rect, half = panel.rect, panel.width / 2 if panel.stroke else 0.0
        corners = self._at(
            [(rect.x - half, rect.y - half), (rect.right + half, rect.bottom + half)]
        )
        self.pen.rounded_rectangle(
            (*corners[0], *corners[1]),
            (panel.radius + half) * self.scale,
            fill=_paint_of(panel.fill) if panel.fill else None,
            outline=_paint_of(panel.stroke) if panel.stroke else None,
            width=round(panel.width * self.scale) if panel.stroke else 0,
        )


def _flat(curve: Curve) -> list[Point]:
    return list(walk_curve(curve, CURVE_STEPS))


def _dashes(points: list[Point], dash: str) -> Iterator[list[Point]]:
    """
    Yield the strokes of a line through *points*.
    """
    if dash not in DASHES:
        yield points
        return
    lengths = DASHES[dash]
    stroke, drawn, left = [points[0]], True, lengths[0]
    for start, end in pairwise(points):
        here, length = start, _length(start, end)
        while length > left:
            here = _towards(here, end, left / length)
            if drawn:
                yield [*stroke, here]
            stroke, drawn, length = [here], not drawn, length - left
            left = lengths[0] if drawn else lengths[1]
        left -= length
        stroke.append(end)
    if drawn and len(stroke) > 1:
        yield stroke


def _length(start: Point, end: Point) -> float:
    return math.dist(start, end)


def _towards(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


@cache
def _font(size: float) -> Font:
    return ImageFont.load_default(size)


def _write(pen: ImageDraw.ImageDraw, words: Words, scale: float) -> None:
    """
    Write *words* in the middle of their place, smaller if they are too wide for it.
    """
    size = words.size * scale
    text = _drawable(words.text)
    bold = 0.2 * scale if words.bold else 0.0
    wide = _font(size).getlength(text) + 2 * bold
    room = words.width * scale
    font = _font(size * min(1.0, room / wide) if wide else size)
    x, y = (value * scale for value in words.place)
    pen.text(
        (x, y),
        text,
        _paint_of(words.colour),
        font,
        anchor="ls" if words.from_left else "ms",
        stroke_width=bold,
    )


def _drawable(text: str) -> str:
    """
    Return *text* with the characters that the font lacks as their escapes.
    """
    return "".join(
        character
        if character == " " or _has_glyph(character)
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


@cache
def _has_glyph(character: str) -> bool:
    font = _font(24.0)

    return bytes(font.getmask(character)) != bytes(font.getmask("\U0010fffd"))
