"""
Sets of finished transactions, as PostgreSQL's ``pg_snapshot`` describes them.

A snapshot ``xmin:xmax:running`` sees every transaction below ``xmax`` that is not among
those that were still running. The feed compares, joins and cuts such sets.
"""

import re
from typing import Final, NamedTuple

__all__ = ["NOTHING", "TransactionSet", "below_all_running", "parse_set"]

_TEXT: Final = re.compile(r"[0-9]{1,18}:[0-9]{1,18}:(?:[0-9]{1,18}(?:,[0-9]{1,18})*)?")


class TransactionSet(NamedTuple):
    """
    The transactions below *end* that are not in *running*.
    """

    end: int
    running: frozenset[int]

    def __contains__(self, transaction: object) -> bool:
        return (
            isinstance(transaction, int)
            and transaction < self.end
            and transaction not in self.running
        )

    def __str__(self) -> str:
        """Return the text that PostgreSQL reads as a ``pg_snapshot``."""
        running = sorted(self.running)
        first = running[0] if running else self.end

        return f"{first}:{self.end}:{','.join(map(str, running))}"

    def both(self, other: "TransactionSet") -> "TransactionSet":
        """
        Return the transactions that are in both sets.
        """
        end = min(self.end, other.end)

        return TransactionSet(end, frozenset(t for t in self.running | other.running if t < end))

    def either(self, other: "TransactionSet") -> "TransactionSet":
        """
        Return the transactions that are in one of the sets, or in both.
        """
        unseen = {t for t in self.running if t not in other}
        unseen |= {t for t in other.running if t not in self}

        return TransactionSet(max(self.end, other.end), frozenset(unseen))

    def up_to(self, last: int) -> "TransactionSet":
        """
        Return the transactions of the set that are not above *last*.
        """
        return self.both(TransactionSet(last + 1, frozenset()))

    def without(self, transaction: int) -> "TransactionSet":
        """
        Return the set without one transaction.
        """
        if transaction >= self.end:
            return self

        return TransactionSet(self.end, self.running | {transaction})


NOTHING: Final = TransactionSet(1, frozenset())
"""No transaction at all: PostgreSQL numbers them from 1."""


def parse_set(text: str) -> TransactionSet:
    """
    Return the set that a ``pg_snapshot`` describes.

    Raises:
        ValueError: PostgreSQL would not read *text* as a snapshot.
    """
    if not _TEXT.fullmatch(text):
        raise ValueError(f"expected a pg_snapshot such as 10:20:10,14, got {text!r}")
    first, end, running = text.split(":")
    between = [int(each) for each in running.split(",") if each]
    places = [int(first), *between, int(end)]
    if places != sorted(places) or places[0] < 1 or int(end) in between:
        raise ValueError(f"expected a pg_snapshot in ascending order, got {text!r}")

    return TransactionSet(int(end), frozenset(between))


def below_all_running(text: str) -> TransactionSet:
    """
    Return the transactions below every one that a ``pg_snapshot`` describes as running.

    On a standby a snapshot does not list the running ones: only its ``xmin`` says which
    is the first of them.
    """
    return parse_set(text).up_to(int(text.split(":", maxsplit=1)[0]) - 1)
