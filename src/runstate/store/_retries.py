"""
How often the store tries again what the database broke off, and how long it waits.
"""

import random
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError

from ._conflicts import retriable

__all__ = ["TRIES", "pauses", "readable_again"]

TRIES: Final = 12
"""How often the store tries a transaction of its own."""
_FIRST_SECONDS: Final = 0.005
_LONGEST_SECONDS: Final = 0.25


def pauses() -> Iterator[float]:
    """
    Yield the seconds to wait after each attempt that may be followed by another.

    They double up to the longest, and are drawn at random up to that: two transactions that
    broke each other off do not meet again.
    """
    for attempt in range(TRIES - 1):
        yield random.uniform(0, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2**attempt))  # noqa: S311


def readable_again(error: DBAPIError) -> bool:
    """
    Return whether a read that failed can be tried again.

    It changes nothing: a lost connection is a reason too.
    """
    return retriable(error) or error.connection_invalidated
