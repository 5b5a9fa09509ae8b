"""
Pictures as parts of a page, which brings the style sheet and the colours for all of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..lifecycle._table import Lifecycle
from ._figure import Overlay, make_figure, uncounted
from ._paint import Group, paint
from ._palette import PALETTE
from ._rare import without_rare
from ._scene import Scene
from .layout import lay_out

__all__ = ["Inline", "inline", "inline_colours", "inline_style"]


class Inline(NamedTuple):
    """
    SVG elements without style, one a width; boxes and arrows have the same ``data-key`` in each.

    Example:
        >>> from runstate import RUN
        >>> picture = inline(RUN, Overlay(), widths=[400, 1_000])
        >>> len(picture.elements), picture.statuses[0]
        (2, 'queued')
    """

    elements: tuple[str, ...]
    """From narrow to wide."""
    widths: tuple[float, ...]
    """Of the elements, in pixels, as large as they are meant to be."""
    statuses: tuple[str, ...]
    """Of the boxes: the first is ``b0``. Its texts may come from anywhere."""
    moves: tuple[tuple[int, int], ...]
    """Of the arrows, as places in *statuses*: the first is ``a0``."""
    groups: tuple[Group, ...]
    """The shapes of all elements, from which :func:`inline_style` makes the style sheet."""


def inline(
    lifecycle: Lifecycle,
    overlay: Overlay,
    widths: Sequence[float],
    *,
    most: int | None = None,
    counted: bool = True,
) -> Inline:
    """
    Return the picture of *lifecycle* as SVG elements for a page, one for each of the *widths*.

    Widths at which the picture looks the same share an element.

    Args:
        lifecycle: What is drawn.
        overlay: What was observed, drawn on top.
        widths: Widths of the frames in pixels, from narrow to wide.
        most: How many legal moves are drawn at most; those observed least often are left out, and
            the legend says how many. None draws all of them.
        counted: Whether to draw the counts and times of *overlay*.

    Example:
        >>> from runstate import RUN
        >>> picture = inline(RUN, Overlay(current="in_progress"), widths=[1_000])
        >>> colours = f":root {{{inline_colours(dark=False)}}}"
        >>> page = f"<style>{colours} {inline_style(picture)}</style>{picture.elements[0]}"
        >>> page.count("<svg"), "in_progress" in page
        (1, True)
    """
    from .svg import elements  # noqa: PLC0415  a format is loaded when it is asked for

    figure = make_figure(lifecycle, overlay)
    if most is not None:
        figure = without_rare(figure, most)
    drawn = figure if counted else uncounted(figure)
    scenes: dict[float, Scene] = {}
    for width in widths:
        scene = lay_out(drawn, width)
        scenes.setdefault(scene.width, scene)
    groups = [tuple(paint(scene)) for scene in scenes.values()]

    return Inline(
        tuple("\n".join(elements(*each)) for each in zip(scenes.values(), groups, strict=True)),
        tuple(scenes),
        tuple(box.status for box in figure.boxes),
        tuple((arrow.source, arrow.target) for arrow in figure.arrows),
        tuple(group for each in groups for group in each),
    )


def inline_style(*pictures: Inline) -> str:
    """
    Return the style sheet of *pictures*; colours are the variables of :func:`inline_colours`.

    Args:
        pictures: All pictures of the page.

    Example:
        >>> from runstate import RUN
        >>> style = inline_style(inline(RUN, Overlay(), widths=[1_000]))
        >>> "var(--" in style
        True
    """
    from .svg import style_of  # noqa: PLC0415

    groups = [group for picture in pictures for group in picture.groups]

    return style_of(groups, lambda colour: f"var(--{colour})")


def inline_colours(*, dark: bool) -> str:
    """
    Return the declarations of all colours as variables of CSS.

    Args:
        dark: Whether to return the colours for a dark page.

    Example:
        >>> inline_colours(dark=False).split(";")[0], inline_colours(dark=True).split(";")[0]
        ('--paper:#ffffff', '--paper:#0d1520')
    """
    return ";".join(
        f"--{name}:{colour.dark if dark else colour.light}" for name, colour in PALETTE.items()
    )
