"""
Pictures as parts of a page, which brings the style sheet and the colours for all of them.
"""

from typing import NamedTuple

from ..lifecycle._table import Lifecycle
from ._figure import Overlay, make_figure, uncounted
from ._paint import Group, paint
from ._palette import PALETTE
from .layout import lay_out

__all__ = ["Inline", "inline", "inline_colours", "inline_style"]


class Inline(NamedTuple):
    """
    An SVG element without style; its boxes and arrows have a ``data-key``.
    """

    element: str
    statuses: tuple[str, ...]
    """Of its boxes: the first is ``b0``. Its texts may come from anywhere."""
    moves: tuple[tuple[int, int], ...]
    """Of its arrows, as places in *statuses*: the first is ``a0``."""
    width: float
    """In pixels, as large as it is meant to be."""
    groups: tuple[Group, ...]


def inline(lifecycle: Lifecycle, overlay: Overlay, *, counted: bool = True) -> Inline:
    """
    Return the picture of *lifecycle* under *overlay*; without counts and times if not *counted*.
    """
    from .svg import elements  # noqa: PLC0415  a format is loaded when it is asked for

    figure = make_figure(lifecycle, overlay)
    scene = lay_out(figure if counted else uncounted(figure))
    groups = tuple(paint(scene))

    return Inline(
        "\n".join(elements(scene, groups)),
        tuple(box.status for box in figure.boxes),
        tuple((arrow.source, arrow.target) for arrow in figure.arrows),
        scene.width,
        groups,
    )


def inline_style(*pictures: Inline) -> str:
    """
    Return the style sheet of *pictures*; colours are the variables of :func:`inline_colours`.
    """
    from .svg import style_of  # noqa: PLC0415

    groups = [group for picture in pictures for group in picture.groups]

    return style_of(groups, lambda colour: f"var(--{colour})")


def inline_colours(*, dark: bool) -> str:
    """
    Return the declarations of all colours as variables of CSS.
    """
    return ";".join(
        f"--{name}:{colour.dark if dark else colour.light}" for name, colour in PALETTE.items()
    )
