"""
Which columns the objects of a lifecycle have in a store.
"""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..lifecycle._table import Lifecycle
from ._row_errors import wrong_argument

__all__ = ["COLUMN_TYPES", "RUN_LAYOUT", "Layout", "copies_of", "layout_of"]

COLUMN_TYPES: Final = (str, int, float, bool)
"""The types that a column of the application's own may have."""

_MOST: Final = 32
"""As many columns as an index of PostgreSQL can have."""


def copies_of(number: int) -> tuple[str, ...]:
    """
    Return the names of the columns that copy a primary key of *number* columns.
    """
    return tuple("table_key" if n == 1 else f"table_key_{n}" for n in range(1, number + 1))


_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_OURS: Final = frozenset(
    {
        "id", "status", "version", "document", "born_at", "moved_at", "last_trigger",
        "last_source", "last_duration_s", "clock_regressed", "deadline_at", "lease_owner",
        "lease_token", "lease_until", "attempt", "reopened", "claims", "not_before", *copies_of(_MOST),
    }
)  # fmt: skip
"""The columns that the store itself has."""
_ARGUMENTS: Final = frozenset(
    {
        "data", "key", "expires_after", "expires_at", "connection", "after", "before", "limit",
        "order",
    }
)  # fmt: skip
"""Names that the methods of a store have already."""


class Layout(NamedTuple):
    """
    The columns of one kind of object.
    """

    noun: str
    """What an object is called in messages."""
    stamps: Mapping[str, str]
    """By field that holds a time, its column: whole Unix seconds."""
    details: Mapping[str, str]
    """By field that a payload sets, its column: JSON."""
    columns: Mapping[str, type]
    """The columns of the application's own, with their types."""
    indexed: tuple[str, ...]
    """Those of them that lists are filtered by."""
    created: tuple[str, ...]
    """The fields that creation stamps."""
    deadline: str | None
    """The field that says when an object expires."""
    extended: bool
    """Whether there are columns for reopening, for the count of claims and for a delay."""
    keys: Mapping[str, Any] = MappingProxyType({})
    """
    The columns that copy the primary key, with their types, where the objects are rows of the
    application's own table.
    """

    @property
    def fields(self) -> dict[str, str]:
        """Every field that the lifecycle owns, with its column."""
        return {**self.stamps, **self.details}


_SECONDS: Final = (
    "created_at", "started_at", "completed_at", "failed_at", "cancelled_at", "expires_at",
)  # fmt: skip
_JSON: Final = ("required_action", "last_error", "incomplete_details", "usage")

RUN_LAYOUT: Final = Layout(
    noun="run",
    stamps={name: name for name in _SECONDS},
    details={name: name for name in _JSON},
    columns={"thread_id": str, "assistant_id": str},
    indexed=("thread_id",),
    created=("created_at",),
    deadline="expires_at",
    extended=False,
)
"""The columns of runs. They stay as they are: databases have them."""


def layout_of(lifecycle: Lifecycle, columns: Mapping[str, Any]) -> Layout:
    """
    Return the columns of objects of *lifecycle*, with *columns* of the application's own.

    Raises:
        ValueError: A column has a name that is taken or unusable, or a type other than those
            of :data:`COLUMN_TYPES`.
    """
    if not isinstance(columns, Mapping):
        raise wrong_argument("columns", "a mapping of names to types", columns)
    owned = {lifecycle.status_field, lifecycle.id_field, lifecycle.attempt_field}
    owned |= {*lifecycle.stamp_fields, *lifecycle.detail_fields}
    for name, kind in columns.items():
        if not _NAME.fullmatch(str(name)):
            raise ValueError(
                f"columns: expected a name of lower-case letters, digits and underscores, "
                f"got {name!r}"
            )
        if name in _OURS | _ARGUMENTS | owned:
            raise ValueError(f"columns: {name!r} is taken by the store; choose another name")
        if kind not in COLUMN_TYPES:
            expected = ", ".join(each.__name__ for each in COLUMN_TYPES)
            raise ValueError(f"columns[{name!r}]: expected one of {expected}, got {kind!r}")

    return Layout(
        noun=lifecycle.name,
        stamps={name: _column(name, columns) for name in lifecycle.stamp_fields},
        details={name: _column(name, columns) for name in lifecycle.detail_fields},
        columns=dict(columns),
        indexed=tuple(columns),
        created=lifecycle.created,
        deadline=lifecycle.deadline.field if lifecycle.deadline else None,
        extended=True,
    )


def _column(field: str, columns: Mapping[str, Any]) -> str:
    """
    Return the name of the column of *field*: its own, or one like it where that is unusable.
    """
    if _NAME.fullmatch(field) and field not in {*_OURS, *columns}:
        return field
    digest = hashlib.blake2b(field.encode(), digest_size=4).hexdigest()

    return re.sub("[^a-z0-9_]", "_", f"f_{field.lower()}")[:30] + f"_{digest}"
