"""
The primary key of an application's own table, of one column or of several, and its text.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from ._layout import copies_of
from ._row_errors import wrong_argument
from ._sql import Value

__all__ = ["RowKey", "row_id", "told"]

_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")


def told(key: Any) -> str:
    """
    Return a key for a message or an answer: the values of several columns between slashes.
    """
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def row_id(*values: object) -> str:
    """
    Return the id that a store in a table of the application's own has for a primary key.

    Args:
        values: The value of each column of the key, in the order of the table.

    Raises:
        StoreArgumentError: It was called without a value.

    Example:
        >>> row_id(5)
        '5'
        >>> row_id("acme", 5)
        '["acme",5]'
    """
    if not values:
        raise wrong_argument("values", "the value of each column of the primary key", values)
    if len(values) == 1:
        return str(values[0])
    plain = [part if isinstance(part, int) else str(part) for part in values]

    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


class RowKey:
    """
    The columns of a primary key, and what is asked of them.

    The key of one column is its value, the key of several a tuple, in the order of the table.
    """

    def __init__(self, columns: Iterable[Any]) -> None:
        self.columns: tuple[Any, ...] = tuple(columns)

    def __str__(self) -> str:
        return ", ".join(map(str, self.columns))

    def check(self, key: Any) -> None:
        """
        Refuse what cannot be the key of a row.

        Raises:
            StoreArgumentError: It is an object, a tuple of another length, or a text for a column
                of integers.
        """
        several = len(self.columns) > 1
        if several and not (isinstance(key, tuple) and len(key) == len(self.columns)):
            raise wrong_argument("key", f"a tuple of the values of {self}", key)
        if not several and sa.inspect(key, raiseerr=False) is not None:
            raise wrong_argument("key", "the value of the primary key, not an object", key)
        for column, value in zip(self.columns, self.parts(key), strict=True):
            if isinstance(column.type, sa.Integer) and isinstance(value, str | bytes):
                raise wrong_argument("key", f"an integer, as {column} holds", key)

    def check_types(self) -> None:
        """
        Refuse columns whose values have no text that leads back to them.

        Raises:
            StoreArgumentError: One is neither of Integer, nor of String, nor of Uuid.
        """
        for column in self.columns:
            kind = column.type
            plain = isinstance(kind, sa.Integer | sa.Uuid) or (
                isinstance(kind, sa.String) and not isinstance(kind, sa.Enum)
            )
            if not plain:
                raise wrong_argument(
                    "table", f"Integer, String or Uuid as the type of {column}", kind
                )

    # -- statements ------------------------------------------------------------------

    def parts(self, key: Any) -> tuple[Any, ...]:
        """
        Return the value of each column.
        """
        return key if len(self.columns) > 1 else (key,)

    def of(self, values: Sequence[Any]) -> Any:
        """
        Return the key of a row from the *values* of its columns.
        """
        return tuple(values) if len(self.columns) > 1 else values[0]

    def is_whole(self, values: Mapping[Any, Any]) -> bool:
        """
        Return whether *values* have one for each column.
        """
        return len(values) == len(self.columns)

    def equals(self, key: Any) -> Value:
        """
        Return the condition that a row has *key*.
        """
        return sa.and_(*(c == v for c, v in zip(self.columns, self.parts(key), strict=True)))

    def among(self, name: str) -> Value:
        """
        Return the condition that a row has one of the keys bound as *name*.
        """
        keys: Any = sa.bindparam(name, expanding=True)
        these = sa.tuple_(*self.columns) if len(self.columns) > 1 else self.columns[0]

        return these.in_(keys)

    def beside(self, runs: Any) -> Value:
        """
        Return the condition that a row of the store's own copies the key.
        """
        return sa.and_(*(runs.c[n] == c for n, c in zip(self.copies, self.columns, strict=True)))

    @property
    def copies(self) -> tuple[str, ...]:
        """
        The names of the columns that copy the key.
        """
        return copies_of(len(self.columns))

    @property
    def types(self) -> dict[str, Any]:
        """
        The types of the columns that copy the key.
        """
        return dict(zip(self.copies, (c.type for c in self.columns), strict=True))

    def copied(self, key: Any, binding: Callable[[Any], Callable[[Any], Any]]) -> dict[str, Any]:
        """
        Return the values of the columns that copy *key*, as the driver takes them.

        Args:
            key: Of a row.
            binding: Returns, for a type, what makes a driver's value of a Python value.
        """
        parts = zip(self.copies, self.columns, self.parts(key), strict=True)

        return {name: binding(column.type)(value) for name, column, value in parts}

    # -- text ------------------------------------------------------------------------

    def text(self, key: Any) -> str:
        """
        Return *key* as the id of an object: the text of one value, or a JSON array of several.
        """
        return row_id(*self.parts(key))

    def parsed(self, text: str) -> Any:
        """
        Return the key that *text* is the id of; None if it can be none.
        """
        if len(self.columns) == 1:
            return _parsed(self.columns[0].type, text)
        try:
            parts = json.loads(text)
        except ValueError:
            return None
        if not isinstance(parts, list) or len(parts) != len(self.columns):
            return None
        values = [
            _parsed(column.type, str(part)) if type(part) in (int, str) else None
            for column, part in zip(self.columns, parts, strict=True)
        ]

        return None if None in values else tuple(values)


def _parsed(kind: Any, text: str) -> Any:
    """
    Return the value of a column that *text* is the text of; None if it can be none.
    """
    if isinstance(kind, sa.Integer):
        found = int(text) if _WHOLE.fullmatch(text) else None
        return found if found is not None and -(2**63) <= found < 2**63 else None
    if isinstance(kind, sa.Uuid):
        try:
            number = UUID(text)
        except ValueError:
            return None
        return number if kind.as_uuid else str(number)

    # What no database holds, and JSON can spell.
    return None if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text) else text
