"""
A figure with very many arrows, without those that were observed least.
"""

from collections.abc import Iterable
from dataclasses import replace

from ._figure import Arrow, Figure

__all__ = ["without_rare"]


def without_rare(figure: Figure, most: int) -> Figure:
    """
    Return *figure* without the legal moves observed least often, if it has more than *most*.

    What is illegal is always drawn, and so is the most frequent move into each status.
    """
    legal = [arrow for arrow in figure.arrows if arrow.rows]
    if len(legal) <= most or all(arrow.count is None for arrow in legal):
        return figure
    counts = sorted(map(_often, legal), reverse=True)
    least = counts[most] + 1
    if counts[most] and 2 * sum(count >= least for count in counts) < most:
        # Most were observed equally often, so that none of these is rare.
        least = counts[most]
    kept = {id(arrow) for arrow in legal if _often(arrow) >= least}
    kept |= {id(arrow) for arrow in _main(legal)}
    arrows = tuple(arrow for arrow in figure.arrows if not arrow.rows or id(arrow) in kept)

    return replace(figure, arrows=arrows, rare=len(figure.arrows) - len(arrows), least=least)


def _main(arrows: Iterable[Arrow]) -> Iterable[Arrow]:
    """
    Return the most frequent arrow into each status.
    """
    main: dict[int, Arrow] = {}
    for arrow in arrows:
        known = main.get(arrow.target)
        if arrow.source != arrow.target and (known is None or _often(arrow) > _often(known)):
            main[arrow.target] = arrow

    return main.values()


def _often(arrow: Arrow) -> int:
    return arrow.count or 0
