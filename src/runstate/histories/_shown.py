"""
What notebooks show of reports and surveys: tables of HTML, every text of which is escaped.
"""

from collections.abc import Iterable, Sequence

from .._text import printable

__all__ = ["shown", "totals"]

MOST_ROWS = 50


def totals(runs: int, observations: int, errors: int, warnings: int, undecided: int) -> str:
    """
    Return the counts of a check in words.
    """
    counts = {
        "run": runs,
        "observation": observations,
        "error": errors,
        "warning": warnings,
        "undecided run": undecided,
    }

    return ", ".join(f"{n:,} {what}{'' if n == 1 else 's'}" for what, n in counts.items())


def shown(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """
    Return a *title* and a table of the first *rows* as HTML.
    """
    listed = [*rows]
    columns = "".join(f"<th>{_text(head)}</th>" for head in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>"
        for row in listed[:MOST_ROWS]
    )
    more = len(listed) - MOST_ROWS
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    table = f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"

    return f"<div><p><b>{_text(title)}</b></p>{table if listed else ''}{rest}</div>"


def _text(value: object) -> str:
    from html import escape  # noqa: PLC0415  for notebooks alone

    if value is None:
        return ""

    return escape(f"{value:,}" if isinstance(value, int) else printable(str(value), 500))
