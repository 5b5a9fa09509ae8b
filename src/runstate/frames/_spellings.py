"""
What the shapes of a lifecycle would read in another way than an engine for many rows does.

Who names the columns of the id and the status may have tables checked without shapes. The
readers still apply the rest of a shape then: other spellings of a status, the word for null.
Where that makes a difference, the table is refused.
"""

from collections.abc import Iterable
from typing import Any

from .._text import printable
from ..lifecycle._table import Lifecycle
from ..readers._prepared_shape import spelt
from ._columns import Source, is_journal
from ._duckdb import Engine, listed
from ._errors import FrameError

__all__ = ["refuse_spellings"]


def refuse_spellings(engine: Engine, source: Source, lifecycle: Lifecycle) -> None:
    """
    Pass a table whose rows the shapes of *lifecycle* read as they are.

    Args:
        engine: In which *source* is.
        source: Rows with an id and a status.
        lifecycle: Whose shapes they are.

    Raises:
        FrameError: A shape reads a status, or a missing one, as another one, or passes over a row.
    """
    if is_journal([name for name, _ in source.wide_columns], source.columns):
        return
    if source.texts and lifecycle.shapes:
        # The readers pass over a record that no shape fits, as it is about something else.
        _refuse_rows_without_facts(engine, source)
    table = source.unnumbered or source.table
    if any(shape.words or shape.ignore_case or shape.null for shape in lifecycle.shapes):
        known = listed([str(status) for status in lifecycle.statuses])
        found = engine.rows(
            f"select distinct status from {table} where status is null or status not in {known}"
        )
        _refuse(engine.place, (status for (status,) in found), lifecycle)


def _refuse_rows_without_facts(engine: Engine, source: Source) -> None:
    lacking = "coalesce(trim(id), '') = '' or coalesce(trim(status), '') = ''"
    found = engine.rows(f"select f, r from {source.table} where {lacking} limit 1")
    if found:
        name, line = source.place(*found[0])
        raise FrameError(f"{name}:{line}", "a row without an id or a status: use --engine python")


def _refuse(place: str, statuses: Iterable[Any], lifecycle: Lifecycle) -> None:
    for status in statuses:
        other = spelt(status, lifecycle)
        if other is not None:
            shown = "without a value" if not status else f"'{printable(str(status), 60)}'"
            raise FrameError(
                place,
                f"the shapes of {lifecycle.name!r} read the status {shown} as '{printable(other, 60)}', "
                "which this engine does not: use --engine python, or spell it so in a --query",
            )
