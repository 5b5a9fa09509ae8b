"""
The committed moves of a store, as the command follows them.
"""

from collections.abc import Iterator
from time import sleep
from typing import Final

from .._text import printable
from .._urls import shown_url
from ..histories._records import NOTHING, Observation
from ..lifecycle._table import Lifecycle
from ._shared import BadInput
from ._stores import opened

__all__ = ["moves_of"]

_JOURNAL: Final = "journal"
"""How the name of a journal ends, after what the store was opened with."""
_MOST: Final = 1_000
"""Moves that are read at once."""


def moves_of(
    url: str, lifecycle: Lifecycle, table: str | None, poll: float
) -> Iterator[Observation]:
    """
    Yield the moves of the store at *url*, from its first, as they are committed. Makes no tables.

    Args:
        url: Of a database with a store in it.
        lifecycle: Of the store.
        table: Its journal; None for that of the usual prefix.
        poll: Seconds between two looks for something new.

    Raises:
        BadInput: *url* leads to no store, or *table* is not the journal of one.
    """
    if table is not None and not table.endswith(_JOURNAL):
        raise BadInput(
            f"--table expects a store's journal, NAME_{_JOURNAL}; got '{printable(table)}'"
        )
    prefix = None if table is None else table.removesuffix(_JOURNAL)
    name = shown_url(url)
    with opened(url, lifecycle, prefix=prefix) as store:
        cursor = None
        while True:
            page = store.moves(after=cursor, limit=_MOST)
            cursor = page.cursor
            for entry in page.items:
                if entry.target is not None and entry.seq is not None:
                    yield Observation(
                        entry.target, entry.run_id, entry.at, NOTHING, entry.source, entry.seq,
                        name, entry.position, entry.trigger,
                    )  # fmt: skip
            if not page.items:
                sleep(poll)
