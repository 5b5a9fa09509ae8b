"""
Pictures in the width that there is; ``test_diagram_browser`` measures what they look like.
"""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import picture_of
from runstate import RUN
from runstate.diagrams import draw
from test_diagram_layout import faults, lifecycles, moves_of, overlays
from test_report_command import command  # noqa: F401  a fixture

WIDTHS = (1440, 1280, 1024, 830, 390)


@settings(max_examples=25)
@given(st.data(), st.integers(300, 2_000), st.sampled_from(["lr", "tb", None]))
def test_nothing_overlaps_at_any_width(data, width, direction):
    """
    Whatever the lifecycle, the width and the direction: nothing overlaps, and every arrow is drawn once.
    """
    lifecycle = data.draw(lifecycles())
    overlay = data.draw(overlays(lifecycle))
    picture = picture_of(lifecycle, overlay, width, direction)

    assert [] == faults(picture)
    assert moves_of(lifecycle, overlay) == sorted((a.source, a.target) for a in picture.arrows)


def test_a_picture_is_as_roomy_as_its_width_allows():
    """
    Where the whole picture fits nothing changes; narrower ones get higher, never wider than asked for.
    """
    sizes = [picture_of(RUN, width=width) for width in (1_500, *WIDTHS)]

    assert draw(RUN, "svg") == draw(RUN, "svg", width=1_500)
    assert all(size.width <= width for size, width in zip(sizes[1:], WIDTHS, strict=True))
    assert all(one.height <= other.height for one, other in pairwise(sizes))


def test_from_top_to_bottom():
    """
    From top to bottom statuses stand below each other, the first status first and the ends last.
    """
    boxes = picture_of(RUN, way="tb").boxes
    tops = {box.status: box.rect.y for box in boxes}

    assert 1 == len({box.rect.x for box in boxes})
    assert "queued" == min(tops, key=tops.__getitem__)
    assert {*RUN.terminal} == {*sorted(tops, key=tops.__getitem__)[-5:]}


def test_from_left_to_right_where_that_does_not_fit():
    """
    Asked for columns, a picture is as narrow as columns can be, and reads to the right.
    """
    picture = picture_of(RUN, width=100, way="lr")

    assert 100 < picture.width < 700
    assert 2 == len({box.rect.x for box in picture.boxes})
    assert [] == faults(picture)


@pytest.mark.parametrize("direction", ["lr", "tb"])
def test_labels_stand_right_after_the_source(direction):
    """
    Each label begins nearer to the end of its arrow at the source than to any other status.
    """
    picture = picture_of(RUN, way=direction)
    for arrow in picture.arrows:
        x, _ = arrow.curve[0][0]
        middle, half = arrow.label.middle[0], arrow.label.width / 2
        source = picture.by_status[arrow.source].rect
        leaves_left = x == source.x
        away = abs(x - middle) - half

        assert leaves_left or x == pytest.approx(source.right)
        assert away < 190
        assert leaves_left == (middle < x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be a positive number of pixels, got 0"),
        ({"width": math.nan}, "width must be a positive number of pixels, got nan"),
        ({"direction": "up\x1b"}, r"direction must be lr or tb, got 'up\x1b'"),
    ],
)
def test_a_size_that_cannot_be_is_refused(options, message):
    """
    What is wrong is named, harmless to show.
    """
    with pytest.raises(ValueError, match=r"^\w+ must be") as caught:
        draw(RUN, "svg", **options)

    assert message == str(caught.value)


@pytest.mark.parametrize("form", ["mermaid", "dot", "json"])
def test_formats_that_others_lay_out_take_no_size(form):
    """
    A width for Mermaid is refused, and the error names those that take one.
    """
    with pytest.raises(ValueError, match=f"^{form} takes no width: svg and png do$"):
        draw(RUN, form, width=830)


def test_the_command_draws_for_a_width(command):  # noqa: F811
    """
    ``draw --width --direction`` draws what Python draws; a format that takes no size is refused.
    """
    command("draw", "run", "-o", "readme.svg", "--width", "830", "--direction", "tb")
    refused = command("draw", "run", "--width", "830")

    assert draw(RUN, "svg", width=830, direction="tb") == Path("readme.svg").read_bytes()
    assert 2 == refused[0]
    assert "--width needs --format svg or png; mermaid is laid out elsewhere" in refused[2]
