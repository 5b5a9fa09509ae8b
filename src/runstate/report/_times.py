"""
How long runs were in each status: a histogram each, on one scale, and the figures.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ..histories._survey import OCTAVE, Dwell, how_long
from ._html import code, percentiles, section, table, text, took
from ._subject import Subject

__all__ = ["times"]

WIDE: Final = 340.0
HIGH: Final = 150.0
LEFT: Final = 8.0
TOP: Final = 34.0
FOOT: Final = 24.0
"""Room below the bars, for the scale."""
MOST_BARS: Final = 60
MOST_SHOWN: Final = 40
"""Statuses with a histogram; those that were left most often."""

_MARKS: Final = (
    1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000, 8_640_000,
)  # fmt: skip
"""Durations that the scale names, in seconds."""


def times(subject: Subject) -> str:
    """
    Return the section on times in each status.
    """
    measured = {
        status: dwell for status in subject.statuses if (dwell := subject.made.dwell_in(status))
    }
    if not measured:
        return ""
    most = sorted(measured, key=lambda status: -measured[status].times)[:MOST_SHOWN]
    shown = {status: dwell for status, dwell in measured.items() if status in most}
    scale = _Scale(tuple(shown.values()))
    charts = "".join(_chart(status, dwell, scale) for status, dwell in shown.items())
    heads = (
        "Status", "Left#", "p50#", "p90#", "p95#", "p99#", "Longest#", "In all#",
    )  # fmt: skip

    return section(
        "times",
        "Time in each status",
        '<p class="note">From the first sight of a status to that of the next, on one scale of '
        "logarithms. Bars are numbers of visits; the lines are median and 95th percentile.</p>",
        f'<div class="charts">{charts}</div>',
        table("Times in each status", heads, (_row(*each) for each in shown.items())),
    )


def _row(status: str, dwell: Dwell) -> str:
    return f'<td>{code(status)}<td class="n">{dwell.times:,}{percentiles(dwell)}{took(dwell.total)}'


class _Scale:
    """
    The scale that all histograms share: from bucket to bar to place.
    """

    def __init__(self, dwells: Sequence[Dwell]) -> None:
        buckets = [bucket for dwell in dwells for bucket in dwell.buckets if bucket]
        self.first = min(buckets, default=1)
        self.each = max(1, -(-(max(buckets, default=1) - self.first + 1) // MOST_BARS))
        """Buckets to a bar."""
        self.bars = max(8, (max(buckets, default=1) - self.first) // self.each + 1)
        self.zero = any(0 in dwell.buckets for dwell in dwells)
        """Whether there is a bar, the first, for no time at all."""
        self.step = (WIDE - 2 * LEFT) / (self.bars + self.zero * 2)
        self.start = LEFT + self.zero * 2 * self.step

    def heights(self, dwell: Dwell) -> dict[float, int]:
        """
        Return how many durations each bar has, by its left side.
        """
        bars: dict[float, int] = {}
        for bucket, count in dwell.buckets.items():
            place = LEFT
            if bucket:
                place = self.start + (bucket - self.first) // self.each * self.step
            bars[place] = bars.get(place, 0) + count

        return bars

    def x(self, seconds: float) -> float:
        """
        Return the place of a duration.
        """
        from math import log2  # noqa: PLC0415

        if seconds <= 0:
            return LEFT + self.step / 2

        return self.start + (1 + OCTAVE * log2(seconds * 1e6) - self.first) / self.each * self.step

    def marks(self) -> Iterator[tuple[float, str]]:
        """
        Yield the places that the scale names, not too close to each other.
        """
        last = -WIDE
        if self.zero:
            last = LEFT + self.step / 2
            yield last, "0"
        for seconds in _MARKS:
            x = self.x(seconds)
            if self.start <= x <= WIDE - LEFT - 12 and x - last > 46:
                last = x
                yield x, how_long(seconds)


def _chart(status: str, dwell: Dwell, scale: _Scale) -> str:
    half, most = dwell.quantile(0.5), dwell.quantile(0.95)
    often = "once" if dwell.times == 1 else f"{dwell.times:,} times"
    said = f"{often}; median {how_long(half)}, p95 {how_long(most)}"
    name = text(status, 40) or "(empty)"
    parts = "".join(
        (*_bars(dwell, scale), *_axis(scale), _line(scale, half, "p50"), _line(scale, most, "p95"))
    )

    return (
        f'<figure class="chart"><figcaption>{code(status)} <span>{said}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" role="img"><title>Time in {name}</title>'
        f"<desc>{said}, longest {how_long(dwell.longest)}</desc>{parts}</svg></figure>"
    )


def _bars(dwell: Dwell, scale: _Scale) -> Iterator[str]:
    heights = scale.heights(dwell)
    tallest, room = max(heights.values()), HIGH - TOP - FOOT
    for x, count in sorted(heights.items()):
        high = max(1.0, room * count / tallest)
        yield (
            f'<rect class="col" x="{x:.2f}" y="{HIGH - FOOT - high:.2f}" '
            f'width="{max(scale.step - 0.75, 0.5):.2f}" height="{high:.2f}"/>'
        )


def _axis(scale: _Scale) -> Iterator[str]:
    foot = HIGH - FOOT
    yield f'<path class="axis" d="M{LEFT:g} {foot + 0.5:g}H{WIDE - LEFT:g}"/>'
    for x, name in scale.marks():
        yield f'<path class="axis" d="M{x:.2f} {foot:g}v4"/>'
        yield f'<text x="{x:.2f}" y="{HIGH - 7:g}">{name}</text>'


def _line(scale: _Scale, seconds: float, name: str) -> str:
    x = min(max(scale.x(seconds), LEFT), WIDE - LEFT)
    y = TOP - 16 if name == "p50" else TOP - 4
    side = ' class="end"' if x > WIDE - 32 else ""
    text_x = x - 4 if side else x + 4

    return (
        f'<path class="mark {name}" d="M{x:.2f} {y - 9:g}V{HIGH - FOOT:g}"/>'
        f'<text{side or " class=start"} x="{text_x:.2f}" y="{y:g}">{name}</text>'
    )
