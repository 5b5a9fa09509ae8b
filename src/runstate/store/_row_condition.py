"""
The condition of a store on the rows of the application's own table: what it may be made of.

The store puts the condition into many statements, some of which are compiled once and sent to the
driver as text. It must mean the same in each, and a move must not change whether a row meets it.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, QueryableAttribute
from sqlalchemy.sql import visitors

from ._objects import wrong_object
from ._row_errors import wrong_argument
from ._sql import Value

__all__ = ["row_condition"]


def row_condition(condition: Any, table: sa.Table, set_by_moves: Collection[Any]) -> Value:
    """
    Return *condition* with the columns of *table* itself in place of a mapped class's attributes.

    Args:
        condition: What the store was given as ``where``.
        table: The application's own.
        set_by_moves: Its columns that a move sets.

    Raises:
        StoreArgumentError: It is not a condition, or is made of what the store cannot keep to.
    """
    if isinstance(condition, QueryableAttribute):
        condition = condition.expression
    # SQLAlchemy gives BETWEEN no type.
    condition_types = sa.Boolean | sa.types.NullType
    if not (
        isinstance(condition, sa.ColumnElement) and isinstance(condition.type, condition_types)
    ):
        expected = f"a SQLAlchemy condition on columns of {table.name}, or None"
        raise wrong_object("where", expected, condition)
    fault = _fault_of(condition, table, set_by_moves)
    if fault is not None:
        expected = f"a condition on columns of {table.name} {fault}"
        raise wrong_argument("where", expected, str(condition))
    found: Value = visitors.replacement_traverse(condition, {}, _columns_of(table))

    return found


def _fault_of(condition: Value, table: sa.Table, set_by_moves: Collection[Any]) -> str | None:
    """
    Return what *condition* must be instead; None if it is made of nothing else than it may be.
    """
    parts = list(visitors.iterate(condition))
    for part in parts:
        fault = (
            _fault_of_column(part, table, set_by_moves)
            if isinstance(part, sa.ColumnClause) and not part.is_literal
            else _fault_of_other(part)
        )
        if fault is not None:
            return fault

    return (
        None
        if any(isinstance(part, sa.Column) for part in parts)
        else "that names at least one of them"
    )


def _fault_of_column(column: Any, table: sa.Table, set_by_moves: Collection[Any]) -> str | None:
    if not table.c.contains_column(column):
        return f"without those of another table, {column}"
    entity = sa.inspect(column.entity_namespace, raiseerr=False)
    if isinstance(entity, Mapper) and entity.inherits is not None:
        # SQLAlchemy may add the criterion of the subclass to a SELECT, and not to an UPDATE.
        return f"without attributes of a subclass, {entity.class_.__name__}.{column.key}"
    own = table.c[column.key]
    if any(own is each for each in set_by_moves):
        return f"without {column}: moves set it, so that one might end the condition"
    if own.onupdate is not None or own.server_onupdate is not None:
        return (
            f"without {column}: it is set by every update, so that a move might end the condition"
        )

    return None


def _fault_of_other(part: Any) -> str | None:
    if isinstance(part, sa.SelectBase):
        return "without a subquery"
    if isinstance(part, sa.Tuple):
        # SQLAlchemy 2.0 cannot expand one IN of tuples twice in a statement for SQLite.
        return "without a tuple of columns"
    if isinstance(part, sa.TextClause | sa.ColumnClause):
        return "without SQL text"
    if isinstance(part, sa.BindParameter) and not (part.unique and part.callable is None):
        return "with its values in place of bind parameters and objects"
    # A function is one of these, too.
    if isinstance(part, sa.FromClause) and not isinstance(part, sa.ColumnElement):
        return f"without another table, {part}"

    return None


def _columns_of(table: sa.Table) -> Any:
    """
    Return what replaces a column, which may be annotated with a mapped class, by that of *table*.
    """

    def replaced(part: Any, **_: Any) -> Any:
        return table.c[part.key] if isinstance(part, sa.Column) else None

    return replaced
