"""
Times of every spelling that logs and exports use, as Unix seconds.

A number counts seconds, milliseconds, microseconds or nanoseconds: the years 2000 to 2099 tell
them apart. A text is ISO 8601, what BigQuery, GitLab and Go print (``2026-02-23 02:41:37 UTC``,
``+0000 UTC``), a date of RFC 1123, or a number in digits.
"""

import re
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple

from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._values import LONGEST_TIME, BadRecordError, shown

__all__ = ["Moment", "Times", "moment", "unix_seconds"]

_END: Final = LAST_SECOND + 1
_UNITS: Final = (1, 1_000, 1_000_000, 1_000_000_000)
"""How many of each unit a second has."""
_NUMBER: Final = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_SPOKEN: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?) ?([+-]\d\d:?\d\d)? ?(?:[A-Z]{2,5})?",
    re.ASCII,
)
"""A date, a time, an offset and the name of a zone, as Go and BigQuery print them."""
_UTC_NAMES: Final = ("UTC", "GMT", "Z")
_RFC_1123: Final = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} .*", re.ASCII)


class Moment(NamedTuple):
    """
    A time, and whether its zone is known.
    """

    seconds: float
    """Unix seconds; of a time without a zone, as if it were UTC."""
    zoned: bool = True


def moment(value: object, key: str, zone: tzinfo | None = None) -> Moment:
    """
    Return the time that *value* says, under *key*.

    Args:
        value: A number, or a text.
        key: Where it stands, for the message.
        zone: What a time without a zone is in; None if that is not known.

    Raises:
        BadRecordError: It says no time, or none of the years 2000 to 2099.
    """
    if type(value) is str:
        text = value.strip() if len(value) <= LONGEST_TIME else ""
        if _NUMBER.fullmatch(text):
            return Moment(_seconds(float(text) if "." in text else int(text), key))
        when = _from_text(text)
        if when is None:
            reason = f"{key} {shown(value)} is neither Unix seconds nor ISO 8601"
            raise BadRecordError("RS901", reason, about=key)
        zoned = when.tzinfo is not None or zone is not None
        try:
            seconds = (when if when.tzinfo else when.replace(tzinfo=zone or UTC)).timestamp()
        except (OverflowError, ValueError):
            raise BadRecordError("RS901", _outside(value, key), about=key) from None
        if not FIRST_SECOND <= seconds < _END:
            raise BadRecordError("RS901", _outside(value, key), about=key)
        return Moment(seconds, zoned)
    if type(value) is int or type(value) is float:
        return Moment(_seconds(value, key))

    reason = f"{key} must be Unix seconds or ISO 8601, not {shown(value)}"
    raise BadRecordError("RS901", reason, about=key)


def _seconds(number: float, key: str) -> float:
    for unit in _UNITS:
        if FIRST_SECOND * unit <= number < _END * unit:
            return float(number) if unit == 1 else number / unit

    raise BadRecordError("RS901", _outside(number, key), about=key)


def _outside(value: object, key: str) -> str:
    return f"{key} {shown(value)} is not between the years 2000 and 2099"


def _from_text(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        if _RFC_1123.fullmatch(text):
            from email.utils import parsedate_to_datetime  # noqa: PLC0415  it brings sockets

            return parsedate_to_datetime(text)
        spoken = _SPOKEN.fullmatch(text)
        if spoken is None:
            return None
        offset = spoken[2] or ("+00:00" if text.endswith(_UTC_NAMES) else None)
        # An abbreviation other than UTC means several zones.
        return None if offset is None else datetime.fromisoformat(spoken[1] + offset)
    except ValueError:
        return None


class Times:
    """
    Reads the times of one input, and remembers which columns have a zone.
    """

    def __init__(self, zone: tzinfo | None) -> None:
        """
        Take times without a zone to be in *zone*; None if their zone is not known.
        """
        self._zone = zone
        self._naive: dict[str, int] = {}
        """The line of the first time without a zone, by column."""
        self._zoned: dict[str, int] = {}

    @property
    def naive(self) -> tuple[str, ...]:
        """The columns that hold times without a zone."""
        return tuple(self._naive)

    def seconds(self, value: object, key: str, line: int) -> float:
        """
        Return the Unix seconds that *value* says, which stands in *line* under *key*.

        Raises:
            BadRecordError: It says no time; or it has a zone and others of its column have none,
                or the other way round.
        """
        if type(value) is str:
            if key in self._zoned and not self._naive and len(value) <= LONGEST_TIME:
                # What nearly all texts are: a time like those before it, with its zone.
                try:
                    when = datetime.fromisoformat(value)
                    if when.tzinfo is not None and FIRST_SECOND <= (at := when.timestamp()) < _END:
                        return at
                except (OverflowError, ValueError):
                    pass  # which is told below
        elif (type(value) is int or type(value) is float) and FIRST_SECOND <= value < _END:
            return float(value)
        found = moment(value, key, self._zone)
        if type(value) is str and self._zone is None:
            self._remember(key, line, zoned=found.zoned)

        return found.seconds

    def _remember(self, key: str, line: int, *, zoned: bool) -> None:
        mine, others = (self._zoned, self._naive) if zoned else (self._naive, self._zoned)
        mine.setdefault(key, line)
        if key in others:
            without, having = self._naive[key], self._zoned[key]
            raise BadRecordError(
                "RS901",
                f"{key} mixes times without a zone (line {without}) and with one (line {having})",
                about=f"{key} mixed",
                hint="--zone NAME says which zone those without are in",
            )


def unix_seconds(value: object, key: str, assume_utc: bool) -> float:
    """
    Return the Unix seconds that *value* says, for an engine that cannot read times without a zone.

    Raises:
        BadRecordError: It says no time, or has no zone without *assume_utc*.
    """
    found = moment(value, key, UTC if assume_utc else None)
    if not found.zoned:
        raise BadRecordError(
            "RS901",
            f"{key} {shown(value)} has no time zone",
            about=f"{key} naive",
            hint="end it with Z, or pass --assume-utc",
        )

    return found.seconds
