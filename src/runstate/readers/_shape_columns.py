"""
The shapes that records are read by: those of a lifecycle, with the columns that the caller named.
"""

from typing import Any

from ..lifecycle._shape import Shape
from ..lifecycle._table import Lifecycle
from ._record import Columns

__all__ = ["needs_shape", "shapes_for"]


def shapes_for(columns: Columns, lifecycle: Lifecycle) -> tuple[Shape, ...]:
    """
    Return the shapes that records are read by: the lifecycle's, with what the caller named.

    Empty where records have the usual keys, or the columns are such that no shape is needed.

    Args:
        columns: What the caller named. It goes before what a shape says, and who names the id
            or the status says what records are about.
        lifecycle: Whose shapes are meant.

    Raises:
        ValueError: A column is a path that cannot be read.
    """
    own = lifecycle.shapes
    if not own and not needs_shape(columns):
        return ()
    usual = Columns()
    if columns._replace(at=None) == usual and (own and columns == usual):
        return own

    return tuple(
        dict.fromkeys(_with_columns(shape, columns, lifecycle) for shape in own or (Shape(),))
    )


def needs_shape(columns: Columns) -> bool:
    """
    Return whether *columns* say more than a column each of id, status and time.
    """
    named = (columns.run_id, columns.status, columns.at, columns.attempt)

    return columns.source is not None or any(
        mark in name for name in named if name is not None for mark in ",["
    )


def _with_columns(shape: Shape, columns: Columns, lifecycle: Lifecycle) -> Shape:
    about = shape.about if columns.run_id is columns.status is columns.source is None else ()
    named: dict[str, Any] = {"about": about}
    if columns.run_id is not None:
        several = columns.run_id.split(",")
        named["id"] = [columns.run_id, *([several] if len(several) > 1 else [])]
    elif not shape.id and not lifecycle.shapes:
        named["id"] = [lifecycle.id_field, "run_id", "id"]
    if columns.status is not None:
        named |= {"status": columns.status.split(","), "target": (), "source": ()}
    elif columns.source is not None and not (shape.status or shape.target):
        named["target"] = "target"
    if columns.source is not None:
        named["source"] = columns.source.split(",")
    if columns.at is not None:
        named["at"] = columns.at
    if columns.attempt is not None:
        named["attempt"] = columns.attempt
    elif columns.run_id is not None and columns.status is not None and lifecycle.reopenings:
        # No shape is recognised then: the usual key is read, as in tables of databases.
        named["attempt"] = dict.fromkeys((*shape.attempt, lifecycle.attempt_field))

    return Shape(
        **{
            **{name: getattr(shape, name) for name in Shape.__dataclass_fields__},
            **named,
        }
    )
