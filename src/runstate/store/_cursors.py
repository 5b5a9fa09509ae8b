"""
Cursors of feeds, format 2: opaque texts that prove which history they belong to.

A cursor is ``2.`` and a text in base64url. The text's first field says how the feed
counts, so that one kind of feed never takes the cursor of another:

* ``p|position|digest|times``: everything up to *position*, for feeds whose positions are
  committed in their order.
* ``x|seen|upto|position|top|witnesses|digest|times``: everything that the snapshot *seen* sees,
  and of what *upto* sees beyond it everything up to *position*; for PostgreSQL.

*times* says how often the store had been pruned when the reading began at the beginning; it
is left out, with its bar, if that was never.

The digest is that of the *witnesses*: lines of the journal which can only be present if
everything that was delivered is. A feed reads them again with every page.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ._cursor_errors import CursorExpiredError, CursorForeignError, CursorInvalidError
from ._transaction_sets import NOTHING, TransactionSet, parse_set

__all__ = ["PositionCursor", "SnapshotCursor", "digest_of", "position_cursor", "snapshot_cursor"]

_FORMAT: Final = "2."
_LONGEST: Final = 100_000
_BODY: Final = re.compile(r"[A-Za-z0-9_-]+")
_FORMAT_1: Final = re.compile(
    r"[0-9]{1,18}|[0-9]+:[0-9]+:[0-9,]*\|([0-9]+:[0-9]+:[0-9,]*)?\|[0-9]+"
)
_NUMBER: Final = r"[0-9]{1,18}"
_DIGEST: Final = r"([A-Za-z0-9_-]{12})?"
_TIMES: Final = rf"(?:\|({_NUMBER}))?"
_POSITIONS: Final = re.compile(rf"p\|({_NUMBER})\|{_DIGEST}{_TIMES}")
_SNAPSHOTS: Final = re.compile(
    rf"x\|([0-9:,]+)\|([0-9:,]*)\|({_NUMBER})\|({_NUMBER})"
    rf"\|((?:{_NUMBER}:{_NUMBER}(?:,{_NUMBER}:{_NUMBER})*)?)\|{_DIGEST}{_TIMES}"
)


class PositionCursor(NamedTuple):
    """
    Everything up to a position.
    """

    position: int = 0
    digest: str = ""
    """Of the line at that position; empty if there is none yet."""
    times: int = 0
    """How often the store had been pruned when the reading began at the beginning."""

    def __str__(self) -> str:
        return _encoded(f"p|{self.position}|{self.digest}" + _times(self.times))


class SnapshotCursor(NamedTuple):
    """
    Everything that a snapshot sees, and a part of what a later one sees beyond it.
    """

    seen: TransactionSet = NOTHING
    upto: TransactionSet | None = None
    """The later snapshot while pages of it are left."""
    position: int = 0
    """Of the last line delivered from between the two."""
    top: int = 0
    """The highest transaction that any delivered line was written by."""
    witnesses: tuple[tuple[int, int], ...] = ()
    """Position and transaction of each line that proves the history."""
    digest: str = ""
    times: int = 0
    """How often the store had been pruned when the reading began at the beginning."""

    def past(self, upto: TransactionSet) -> "SnapshotCursor":
        """
        Return the cursor behind all that *upto* sees.

        It claims nothing above the highest transaction that is proven: where history was
        lost, later numbers are given to other transactions.
        """
        seen = self.seen.either(upto).up_to(self.top)

        return self._replace(seen=seen, upto=None, position=0)

    def __str__(self) -> str:
        upto = "" if self.upto is None else str(self.upto)
        witnesses = ",".join(f"{position}:{txid}" for position, txid in self.witnesses)
        fields = ("x", self.seen, upto, self.position, self.top, witnesses, self.digest)

        return _encoded("|".join(map(str, fields)) + _times(self.times))


def digest_of(lines: Iterable[Any]) -> str:
    """
    Return a digest of what never changes in lines of the journal; empty if there are none.

    Payloads, actors and reasons are left out: they may have to be erased.
    """
    facts = [
        [line.position, line.run_id, line.seq, line.kind, line.trigger, line.source, line.target,
         line.at, getattr(line, "txid", None)]
        for line in lines
    ]  # fmt: skip
    if not facts:
        return ""
    digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=9).digest()

    return base64.urlsafe_b64encode(digest).decode()


def position_cursor(after: object) -> PositionCursor:
    """
    Return the cursor of a feed by positions that *after* is.

    Raises:
        CursorError: It is none, or one of another kind of feed, or one of format 1.
    """
    if after is None:
        return PositionCursor()
    position, digest, times = _fields(after, _POSITIONS)
    if bool(int(position)) != bool(digest):
        raise CursorInvalidError(after, "its parts contradict each other")

    return PositionCursor(int(position), digest or "", int(times or 0))


def snapshot_cursor(after: object) -> SnapshotCursor:
    """
    Return the cursor of a feed by snapshots that *after* is.

    Raises:
        CursorError: It is none, or one of another kind of feed, or one of format 1.
    """
    if after is None:
        return SnapshotCursor()
    seen, upto, position, top, pairs, digest, times = _fields(after, _SNAPSHOTS)
    witnesses = tuple(_pair(each) for each in pairs.split(",") if each)
    try:
        sets = (parse_set(seen), parse_set(upto) if upto else None)
    except ValueError as error:
        raise CursorInvalidError(after, str(error)) from None
    places = (int(position), int(top))
    cursor = SnapshotCursor(*sets, *places, witnesses, digest or "", int(times or 0))
    # Without witnesses nothing was delivered, and nothing can have been seen.
    if bool(witnesses) != bool(digest) or not (witnesses or cursor == SnapshotCursor()):
        raise CursorInvalidError(after, "its parts contradict each other")

    return cursor


def _times(number: int) -> str:
    return f"|{number}" if number else ""


def _pair(text: str) -> tuple[int, int]:
    position, txid = text.split(":")

    return int(position), int(txid)


def _fields(after: object, pattern: re.Pattern[str]) -> Sequence[str]:
    text = _decoded(after)
    found = pattern.fullmatch(text)
    if found is not None:
        return found.groups()
    if _POSITIONS.fullmatch(text) or _SNAPSHOTS.fullmatch(text):
        raise CursorForeignError(after, "it belongs to a feed on another kind of database")

    raise CursorInvalidError(after, "it does not hold what a cursor holds")


def _encoded(text: str) -> str:
    return _FORMAT + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(after: object) -> str:
    if not isinstance(after, str):
        raise CursorInvalidError(after, f"it is of type {type(after).__name__}")
    if len(after) > _LONGEST:
        raise CursorInvalidError(after[:80], f"it has {len(after)} characters")
    if _FORMAT_1.fullmatch(after):
        raise CursorExpiredError(
            after, "it has format 1, which proves no history; this version reads format 2"
        )
    body = after.removeprefix(_FORMAT)
    if body == after or not _BODY.fullmatch(body):
        raise CursorInvalidError(after, "it does not have format 2")
    try:
        return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise CursorInvalidError(after, "it is damaged") from None
