"""
The controls that filter everything on the page, and the bar that says which are set.
"""

from typing import Final

from ._html import field
from ._subject import Subject

__all__ = ["CHIPS", "controls"]

CHIPS: Final = (
    '<div id="chips" class="js" hidden><span id="chosen"></span>'
    '<button type="button" id="all">Show everything</button>'
    '<p id="left" role="status" aria-live="polite"></p></div>'
)
"""What is filtered by; the script fills it."""


def controls(subject: Subject) -> str:
    """
    Return the controls, which the script fills and reads. A click on the page sets them as well.
    """
    if not subject.survey.runs:
        return ""
    time = '<input type="datetime-local" id="{}" step="1">'
    choice = '<select id="{}"><option value="">all</select>'

    return (
        '<form id="only" class="controls js" aria-label="Filter everything">'
        f"{field('move', 'Move', choice.format('move'))}"
        f"{field('end', 'Last status', choice.format('end'))}"
        f"{field('from', 'From (UTC)', time.format('from'))}"
        f"{field('to', 'Until (UTC)', time.format('to'))}"
        '<input type="hidden" id="path">'
        "<p>A click on an arrow, a bar of time or a row of a table filters the page as well.</p>"
        "</form>"
    )
