"""
SVG that stands alone: one style sheet, no script, no reference, light and dark.
"""

from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Final

from .._text import printable
from ..lifecycle._table import Lifecycle
from ._figure import Overlay, make_figure
from ._paint import Disc, Group, Panel, Polygon, Shape, Stroke, Words, paint
from ._palette import PALETTE
from ._scene import LABEL_SIZE, NAME_SIZE, Curve, Scene
from .layout import Direction, lay_out

__all__ = ["elements", "render", "style_of"]

_FONT: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"


def render(
    lifecycle: Lifecycle,
    overlay: Overlay,
    width: float | None = None,
    direction: Direction | None = None,
) -> bytes:
    """
    Return the picture as an SVG document, to stand alone or inside a page.
    """
    scene = lay_out(make_figure(lifecycle, overlay), width, direction)
    groups = tuple(paint(scene))
    dark = f"@media (prefers-color-scheme:dark){{{_coloured(groups, _dark)}}}"
    style = style_of(groups, _light) + dark

    return ("\n".join(elements(scene, groups, style)) + "\n").encode()


def elements(scene: Scene, groups: Iterable[Group], style: str = "") -> Iterator[str]:
    """
    Yield the lines of the picture; without *style*, its groups say which part they are.
    """
    width, height = _number(scene.width), _number(scene.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="runstate" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    yield f"<title>{_escape(scene.title)}</title>"
    yield f"<desc>{_escape(scene.summary)}</desc>"
    if style:
        yield f"<style>{style}</style>"
    yield f'<rect class="f-paper" width="{width}" height="{height}" rx="10"/>'
    yield from (_group(group, keyed=not style) for group in groups)
    yield "</svg>"


def _escape(text: str) -> str:
    """
    Return *text* as XML that holds nothing XML cannot hold; its line breaks stay.
    """
    return "\n".join(escape(printable(line, 5_000)) for line in text.split("\n"))


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")

    return "0" if text == "-0" else text


def style_of(groups: Iterable[Group], value: Callable[[str], str]) -> str:
    """
    Return the style sheet for what *groups* use, each colour by its *value*.

    Its rules hold inside this picture alone, also where several are in one page.
    """
    groups = tuple(groups)
    shapes = [shape for group in groups for shape in group.shapes]
    fixed = (
        f"text{{font-family:{_FONT};text-anchor:middle;white-space:pre}}",
        ".s{fill:none;stroke-linecap:round;stroke-linejoin:round}",
        ".dashed{stroke-dasharray:6 4.5}",
        ".dotted{stroke-dasharray:.1 5}",
        ".bold{font-weight:600}",
        ".start{text-anchor:start}",
        *(f".w{_name(w)}{{stroke-width:{_number(w)}}}" for w in _widths(shapes)),
        *(f".t{_name(s)}{{font-size:{_number(s)}px}}" for s in (LABEL_SIZE, NAME_SIZE)),
    )

    return "".join(f".runstate {rule}" for rule in fixed) + _coloured(groups, value)


def _coloured(groups: Iterable[Group], value: Callable[[str], str]) -> str:
    shapes = (shape for group in groups for shape in group.shapes)
    used = sorted({"f-paper", *(name for shape in shapes for name in _classes(shape))})
    named = ((name, *name.partition("-")[::2]) for name in used)

    return "".join(
        f".runstate .{name}{{{'fill' if kind == 'f' else 'stroke'}:{value(colour)}}}"
        for name, kind, colour in named
        if colour and kind in ("f", "s")
    )


def _light(colour: str) -> str:
    return PALETTE[colour].light


def _dark(colour: str) -> str:
    return PALETTE[colour].dark


def _widths(shapes: Iterable[Shape]) -> list[float]:
    return sorted({shape.width for shape in shapes if isinstance(shape, Stroke | Panel)})


def _name(number: float) -> str:
    """
    Return *number*, of which quarters are told apart, as a part of a class name.
    """
    return _number(number).replace(".", "-")


def _classes(shape: Shape) -> tuple[str, ...]:
    """
    Return the classes that make *shape* look as it should.
    """
    if isinstance(shape, Stroke):
        dash = () if shape.dash == "solid" else (shape.dash,)
        return ("s", f"s-{shape.colour}", f"w{_name(shape.width)}", *dash)
    if isinstance(shape, Panel):
        fill = (f"f-{shape.fill}",) if shape.fill else ("s",)
        return (*fill, *((f"s-{shape.stroke}", f"w{_name(shape.width)}") if shape.stroke else ()))
    if isinstance(shape, Words):
        bold = ("bold",) if shape.bold else ()
        start = ("start",) if shape.from_left else ()
        return (f"f-{shape.colour}", f"t{_name(shape.size)}", *bold, *start)

    return (f"f-{shape.colour}",)


def _group(group: Group, *, keyed: bool) -> str:
    key = f' data-key="{group.key}"' if keyed and group.key else ""
    title = f"<title>{_escape(group.title)}</title>" if group.title else ""
    shapes = "".join(map(_shape, group.shapes))

    return f'<g class="{" ".join(group.kinds)}"{key}>{title}{shapes}</g>'


def _shape(shape: Shape) -> str:
    look = f'class="{" ".join(_classes(shape))}"'
    match shape:
        case Stroke():
            return f'<path {look} d="{_path(shape.curve)}"/>'
        case Polygon():
            points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
            return f'<polygon {look} points="{points}"/>'
        case Disc():
            x, y = map(_number, shape.middle)
            return f'<circle {look} cx="{x}" cy="{y}" r="{_number(shape.radius)}"/>'
        case Panel():
            x, y, width, height = (
                _number(value)
                for value in (shape.rect.x, shape.rect.y, shape.rect.width, shape.rect.height)
            )
            place = f'x="{x}" y="{y}" width="{width}" height="{height}"'
            return f'<rect {look} {place} rx="{_number(shape.radius)}"/>'
        case Words():
            return _text(shape, look)


def _text(words: Words, look: str) -> str:
    """
    Return *words* as an element, with a fixed width in case a fallback font draws it.
    """
    x, y = map(_number, words.place)
    held = ""
    if not words.text.isascii():
        held = f' textLength="{_number(words.width)}" lengthAdjust="spacingAndGlyphs"'

    return f'<text {look} x="{x}" y="{y}"{held}>{_escape(words.text)}</text>'


def _path(curve: Curve) -> str:
    commands = {1: "L", 3: "C"}
    parts = []
    for number, piece in enumerate(curve):
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in piece)
        parts.append((commands[len(piece)] if number else "M") + points)

    return "".join(parts)
