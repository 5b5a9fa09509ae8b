"""
Pictures in a real browser, with the fonts it has: whole and legible in the width that there is.
"""

import os

import pytest

from runstate import RUN
from runstate.diagrams import Overlay, draw
from runstate.presets import PRESETS
from test_diagram_fits import WIDTHS
from test_diagram_layout import COUNTS
from test_report_browser import browser  # noqa: F401  a fixture

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MEASURED = WIDTHS if os.environ.get("RUNSTATE_LONG") == "1" else (830, 390)
"""Widths at which all presets are drawn."""
LEAST_LABEL = 11.0
"""Pixels of a label's font."""

MEASURE = """
() => [...document.querySelectorAll("svg")].map((svg) => {
  const frame = svg.getBoundingClientRect();
  const inside = (r) => r.left >= frame.left && r.right <= frame.right
    && r.top >= frame.top && r.bottom <= frame.bottom;
  const meet = (a, b) => a.left + 0.5 < b.right && b.left + 0.5 < a.right
    && a.top + 0.5 < b.bottom && b.top + 0.5 < a.bottom;
  const boxOf = (e) => e.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("g.box")];
  const arrows = [...svg.querySelectorAll("g.arrow")];
  const rects = boxes.map(boxOf);
  const labels = arrows.flatMap((g, of) =>
    [...g.querySelectorAll("text")].map((e) => ({ of, rect: boxOf(e), text: e.textContent })));
  const found = [];
  const named = (g) => g.querySelector("title").textContent;
  for (const g of [...boxes, ...arrows])
    if (!inside(boxOf(g))) found.push(`outside: ${named(g)}`);
  for (const e of svg.querySelectorAll("text")) {
    if (!inside(boxOf(e))) found.push(`cut: ${e.textContent}`);
    const size = parseFloat(getComputedStyle(e).fontSize) * frame.width / svg.viewBox.baseVal.width;
    if (size < LEAST) found.push(`${size} px: ${e.textContent}`);
  }
  labels.forEach((one, at) => {
    for (const other of labels.slice(at + 1))
      if (other.of !== one.of && meet(one.rect, other.rect)) found.push(`${one.text} on ${other.text}`);
    rects.forEach((rect, of) => {
      if (meet(one.rect, rect)) found.push(`${one.text} on ${named(boxes[of])}`);
    });
  });
  for (const g of arrows) {
    const path = g.querySelector("path");
    const length = path.getTotalLength();
    for (let part = 1; part < 60; part += 1) {
      const point = path.getPointAtLength(length * part / 60);
      const [x, y] = [frame.left + point.x * frame.width / svg.viewBox.baseVal.width,
        frame.top + point.y * frame.width / svg.viewBox.baseVal.width];
      if (rects.some((r) => r.left + 2 < x && x < r.right - 2 && r.top + 2 < y && y < r.bottom - 2))
        found.push(`through a status: ${named(g)}`);
    }
  }
  return { name: svg.querySelector("title").textContent, found: found.slice(0, 5),
    statuses: boxes.length, arrows: arrows.length };
})
""".replace("LEAST", str(LEAST_LABEL))


@pytest.fixture(scope="module")
def measured(browser):  # noqa: F811
    """
    Return what measures pictures in a frame: one page for all of a width.
    """
    page = browser.new_page()

    def measure(pictures: list[bytes], width: int) -> list[dict[str, object]]:
        page.set_viewport_size({"width": width, "height": 900})
        style = "<style>body{margin:0}svg{display:block;max-width:100%;height:auto}</style>"
        page.set_content("<!doctype html>" + style + b"".join(pictures).decode())
        return page.evaluate(MEASURE)

    yield measure
    page.close()


@pytest.mark.parametrize("width", MEASURED)
def test_every_preset_is_whole_and_legible(measured, width):
    """
    Every status and every arrow of every preset is in the frame, at each width.

    Labels have at least 11 px, none lies on a label or a status, and no arrow crosses a status.
    """
    found = measured([draw(each, "svg", width=width) for each in PRESETS.values()], width)

    assert [] == [each for each in found if each["found"]]
    assert [
        (len(each.statuses), len({(row.source, row.target) for row in (*each, *each.reopenings)}))
        for each in PRESETS.values()
    ] == [(each["statuses"], each["arrows"]) for each in found]


OBSERVED = {
    "counts": Overlay(counts={**COUNTS, ("completed", "failed"): 270}),
    "many": Overlay(
        counts={(s, t): 10 ** (n % 7) for n, s in enumerate(RUN.statuses) for t in RUN.statuses}
    ),
}
ARROWS = {"counts": 4, "many": 40}
"""How many illegal moves are drawn: all of them, and the most that ever are."""


@pytest.mark.parametrize("name", OBSERVED)
def test_what_was_observed_is_never_out_of_sight(measured, name):
    """
    With counts, and with every illegal move there is, the picture is as whole at each width.
    """
    for width in WIDTHS:
        (found,) = measured([draw(RUN, "svg", OBSERVED[name], width=width)], width)

        assert [] == found["found"]
        assert ARROWS[name] + len({(row.source, row.target) for row in RUN}) == found["arrows"]
