"""
Pieces of HTML. Every text passes through :func:`text`, wherever it came from.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from .._text import printable
from ..histories._survey import Dwell, how_long

__all__ = [
    "NONE",
    "code",
    "field",
    "percentiles",
    "section",
    "table",
    "text",
    "took",
]

NONE: Final = '<td class="none">-'
"""A cell with nothing to say."""


def text(words: str, longest: int = 200) -> str:
    """
    Return *words* harmless to show, at most *longest* characters of them, as HTML.
    """
    return escape(printable(printable(words, longest), 2 * longest))


def code(name: str) -> str:
    """
    Return a name, such as that of a status, as HTML.
    """
    return f"<code>{text(name, 100) or '(empty)'}</code>"


def took(seconds: float | None) -> str:
    """
    Return a cell with a duration.
    """
    return NONE if seconds is None else f'<td class="n">{how_long(seconds)}'


def percentiles(dwell: Dwell | None) -> str:
    """
    Return cells with the percentiles 50, 90, 95 and 99 and the longest of *dwell*.
    """
    if dwell is None:
        return NONE * 5

    return "".join(map(took, (*map(dwell.quantile, (0.5, 0.9, 0.95, 0.99)), dwell.longest)))


def table(
    caption: str, heads: Sequence[str], rows: Iterable[str], *, mark: str = "", cards: bool = True
) -> str:
    """
    Return a table of *rows*, each the cells of one; where it is wider than the page, it scrolls.

    The *heads* of columns of numbers end in a number sign. With *cards*, each row of more than
    three cells is a card on a phone, on which every cell has its head.
    """
    names = [head.removesuffix("#") for head in heads]
    columns = "".join(
        f'<th scope="col"{" class=n" if head.endswith("#") else ""}>{name}'
        for head, name in zip(heads, names, strict=True)
    )
    cards = cards and len(heads) > 3
    headed = (_headed(row, names) if cards else row for row in rows)
    body = "".join(row if row.startswith("<tr") else f"<tr>{row}" for row in headed)
    kind = ' class="cards"' if cards else ""

    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f"<table{mark}{kind}><caption>{caption}</caption><thead><tr>{columns}</thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _headed(row: str, names: Sequence[str]) -> str:
    """
    Return *row* whose cells have their heads beside them; texts hold no tag, so a tag is a cell's.
    """
    start, first, *others = row.split("<td")
    cells = (f'<td data-h="{name}"{cell}' for name, cell in zip(names[1:], others, strict=True))

    return "".join((start, "<td", first, *cells))


def field(name: str, label: str, control: str, *, wide: bool = False) -> str:
    """
    Return a control with its label; *name* is its id.
    """
    kind = "field grow" if wide else "field"

    return f'<div class="{kind}"><label for="{name}">{label}</label>{control}</div>'


def section(name: str, heading: str, *parts: str) -> str:
    """
    Return a section of the page, which can be linked to by its *name*.
    """
    body = "\n".join(part for part in parts if part)

    return (
        f'<section id="{name}" aria-labelledby="{name}-heading">\n'
        f'<h2 id="{name}-heading" tabindex="-1">{heading}</h2>\n{body}\n</section>'
    )
