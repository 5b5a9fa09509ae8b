"""
How often a transaction that the database broke off is run again, and how long it waits.
"""

import random
from collections.abc import Iterator
from typing import Final

__all__ = ["TRIES", "pauses"]

TRIES: Final = 12
"""How often the store, or a move of Django, tries a transaction of its own."""
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
