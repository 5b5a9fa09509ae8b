"""
The parts of a guard that all databases share: names, statuses, and the fields of each status.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

from .._text import printable
from ..lifecycle._table import Lifecycle

__all__ = ["Guard", "Named", "identifier", "listing", "quoted"]

LONGEST_IDENTIFIER: Final = 63
"""The longest name in bytes; PostgreSQL silently cuts off what is longer."""

Named = tuple[str, str]
"""The kind of a part, such as ``trigger``, and its name."""

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class Guard(ABC):
    """
    The statements of a guard; a subclass writes them in the dialect of its database.
    """

    dialect: str
    """The name of the database, for messages."""
    parts = 1
    """The most parts that a table's name may have, separated by dots."""
    mark = '"'
    """What is around an identifier."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        table: str,
        column: str,
        key: str,
        fields: Sequence[str],
        attempt: str | None = None,
    ) -> None:
        *schema, self.bare = table.split(".")
        if len(schema) >= self.parts:
            raise ValueError(_no_name("table", table))
        self.table = ".".join(self._marked("table", part) for part in (*schema, self.bare))
        self.status, self.key = self._marked("column", column), self._marked("column", key)
        if column == key:
            raise ValueError(f"the status and the key must be two columns; both are {key!r}")
        known = (*lifecycle.stamp_fields, *lifecycle.detail_fields)
        for name in fields:
            if name not in known:
                raise ValueError(
                    f"no field {name!r} to tie to the status (known: {listing(known)})"
                )
        self.fields = {name: self._marked("field", name) for name in fields}
        self.lifecycle = lifecycle
        self.names = (column, key)
        self.attempt = None if attempt is None else self._marked("column", attempt)

    def _marked(self, kind: str, name: str) -> str:
        return self.mark + identifier(kind, name).strip('"') + self.mark

    @abstractmethod
    def blocks(self) -> list[list[str]]:
        """
        Return every statement in order, grouped for a reader.
        """

    @abstractmethod
    def inspect(self, cursor: Any) -> dict[Named, tuple[Any, Any]]:
        """
        Return each part of the guard as expected and as found; None where nothing is found.

        Only names of at most 63 plain characters are in the statements: no parameters, whose
        marks differ between drivers.
        """

    def script(self) -> str:
        """
        Return every statement, with a comment that says what they are.
        """
        blocks = [self.header(), *("\n".join(block) for block in self.blocks())]

        return "\n\n".join(blocks) + "\n"

    def probe(self) -> str:
        """
        Return the query that fails where the table or one of its columns cannot be read.
        """
        # SQLite takes an unknown name in double quotes for a text, unless a table's is before it.
        columns = [self.status, self.key, *self.fields.values()]
        columns += [] if self.attempt is None else [self.attempt]
        listed = listing(f"guarded.{column}" for column in columns)

        return f"SELECT {listed} FROM {self.table} AS guarded WHERE 1 = 0"

    @abstractmethod
    def literal(self, text: str) -> str:
        """
        Return *text* as a literal of this database.
        """

    def listed(self, statuses: Iterable[str]) -> str:
        """
        Return *statuses* as the list of an ``IN`` condition.
        """
        return f"({', '.join(map(self.literal, statuses))})"

    def name(self, what: str) -> str:
        """
        Return a name that is unique to this table and this column.
        """
        # No table and no column has a dollar sign, so that no two pairs share a name.
        name = f"{self.bare}${self.names[0]}${what}"
        if len(name) > LONGEST_IDENTIFIER:
            mark = f"${sha256(name.encode()).hexdigest()[:12]}${what}"
            name = self.bare[: LONGEST_IDENTIFIER - len(mark)] + mark

        return name

    def called(self, what: str) -> str:
        """
        Return that name as an identifier.
        """
        return f"{self.mark}{self.name(what)}{self.mark}"

    def reopened(self, source: str) -> tuple[str, ...]:
        """
        Return the targets of the reopening rows from *source*.
        """
        rows = self.lifecycle.reopenings

        return tuple(dict.fromkeys(row.target for row in rows if row.source == source))

    def raised(self, old: str, new: str) -> str:
        """
        Return the condition that an update raises the attempt; *old* and *new* name its rows.
        """
        if self.attempt is None:
            return "TRUE"

        return f"coalesce({new}{self.attempt} > coalesce({old}{self.attempt}, 0), FALSE)"

    def ties(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """
        Yield each status with the fields that it requires and those that it excludes, if any.
        """
        for status in self.lifecycle.statuses:
            needed = [f for f in self.fields if f in self.lifecycle.required_fields(status)]
            excluded = [f for f in self.fields if f in self.lifecycle.excluded_fields(status)]
            if needed or excluded:
                yield status, needed, excluded

    def header(self) -> str:
        """
        Return a comment that says what this is.
        """
        name = printable(self.lifecycle.name)

        return (
            f"-- What may become of {self.status} in {self.table}: the lifecycle {name}, "
            f"for {self.dialect}.\n-- May be run again, and replaces itself."
        )


def identifier(kind: str, name: str) -> str:
    """
    Return *name* as an identifier.

    Raises:
        ValueError: It is none that needs no quotes, of at most 63 characters.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(_no_name(kind, name))

    return f'"{name}"'


def _no_name(kind: str, name: str) -> str:
    return (
        f"no name of a {kind}: {name!r} (1 to {LONGEST_IDENTIFIER} lower-case letters, digits "
        "and underscores, and no digit first)"
    )


def listing(names: Iterable[str]) -> str:
    """
    Return *names* as they are listed in a sentence.
    """
    return ", ".join(names)


def quoted(text: str) -> str:
    """
    Return *text* as an SQL literal. The lifecycle has checked that it is printable.
    """
    # Joined, a member of an Enum is its value, whatever it calls itself.
    return "'" + "".join((text,)).replace("'", "''") + "'"
