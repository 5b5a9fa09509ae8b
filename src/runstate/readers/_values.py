"""
What single values of a record must be, and what they are then.

The message of every refusal says what was found and what would have worked, on
one line and with nothing in it that acts on a terminal.
"""

from datetime import UTC, datetime
from typing import Final

from .._text import printable
from ..runs._wire import FIRST_SECOND, LAST_SECOND

__all__ = [
    "BadRecordError",
    "identifier",
    "sequence_number",
    "shown",
    "stamp",
    "status_name",
    "too_large",
    "unix_seconds",
]

LONGEST_ID: Final = 512
LONGEST_STATUS: Final = 200
LONGEST_TIME: Final = 64
"""Characters of the longest text that is tried as a time."""

_FINER_UNITS: Final = (
    ("milliseconds", 1_000),
    ("microseconds", 1_000_000),
    ("nanoseconds", 1_000_000_000),
)


class BadRecordError(Exception):
    """
    Stops the reading of one record; becomes a finding and never leaves this package.
    """

    def __init__(self, code: str, reason: str, run_id: str | None = None) -> None:
        self.code = code
        self.reason = reason
        """What is wrong, in one line; made printable where the finding is made."""
        self.run_id = run_id
        """The run, where the record could be read that far."""
        super().__init__(code, reason, run_id)


def too_large(what: str, largest: int) -> BadRecordError:
    """
    Return the refusal of *what*, which has more than *largest* bytes.
    """
    return BadRecordError("RS904", f"the {what} is larger than {largest:,} bytes: passed over")


def shown(value: object) -> str:
    """
    Return a few characters that tell a reader which *value* is meant.
    """
    if isinstance(value, str):
        return f"'{printable(value, 60)}'"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return repr(value)

    return "an array" if isinstance(value, list) else "an object"


def identifier(value: object) -> str:
    """
    Return the run id that *value* is; a whole number becomes its decimal digits.

    Raises:
        BadRecordError: It is neither, or not 1 to 512 visible characters.
    """
    if type(value) is str and 0 < len(value) <= LONGEST_ID and value.isprintable():
        return value
    if type(value) is int and abs(value) < 10**LONGEST_ID:
        return str(value)
    if type(value) is not str:
        raise BadRecordError("RS901", f"run id must be a string, not {shown(value)}")
    if not 0 < len(value) <= LONGEST_ID:
        raise BadRecordError("RS901", f"run id has {len(value)} characters, not 1 to {LONGEST_ID}")

    raise BadRecordError("RS901", f"run id {shown(value)} holds a control or invisible character")


def status_name(value: object, key: str, run_id: str | None) -> str:
    """
    Return the status that *value* is, under *key*; whether a lifecycle knows it is not asked.

    Raises:
        BadRecordError: It is no string of 1 to 200 characters.
    """
    if type(value) is not str:
        raise BadRecordError("RS901", f"{key} must be a string, not {shown(value)}", run_id)
    if not 0 < len(value) <= LONGEST_STATUS:
        raise BadRecordError(
            "RS901", f"{key} has {len(value)} characters, not 1 to {LONGEST_STATUS}", run_id
        )

    return value


def unix_seconds(value: object, key: str, assume_utc: bool) -> float:
    """
    Return the Unix seconds that *value* says: a number of them, or ISO 8601 with a zone.

    Raises:
        BadRecordError: It is neither, has no zone without *assume_utc*, or is no
            time of the years 2000 to 2099.
    """
    if type(value) is float or type(value) is int:
        in_years = FIRST_SECOND <= value < LAST_SECOND + 1
        return float(value) if in_years else _within_the_years(value, key)
    if type(value) is str:
        return _within_the_years(_from_iso(value, key, assume_utc), key)

    raise BadRecordError("RS901", f"{key} must be Unix seconds or ISO 8601, not {shown(value)}")


def stamp(value: object, key: str) -> int:
    """
    Return the whole Unix seconds that *value* is.

    Raises:
        BadRecordError: It is no whole number, or no time of the years 2000 to 2099.
    """
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(_within_the_years(value, key))

    raise BadRecordError("RS901", f"{key} must be whole Unix seconds, not {shown(value)}")


def sequence_number(value: object, key: str) -> int:
    """
    Return the whole number from 1 that *value* is.

    Raises:
        BadRecordError: It is none, or has more than 64 bits.
    """
    if type(value) is int and 0 < value < 1 << 64:
        return value

    raise BadRecordError("RS901", f"{key} must be a whole number from 1, not {shown(value)}")


def _within_the_years(value: float, key: str) -> float:
    if FIRST_SECOND <= value < LAST_SECOND + 1:
        return float(value)
    for unit, factor in _FINER_UNITS:
        if FIRST_SECOND * factor <= value < (LAST_SECOND + 1) * factor:
            raise BadRecordError(
                "RS901", f"{key} {shown(value)} looks like {unit}; Unix seconds are expected"
            )

    raise BadRecordError("RS901", f"{key} {shown(value)} is not between the years 2000 and 2099")


def _from_iso(value: str, key: str, assume_utc: bool) -> float:
    try:
        when = datetime.fromisoformat(value if len(value) <= LONGEST_TIME else "")
        if when.tzinfo is None and assume_utc:
            when = when.replace(tzinfo=UTC)
        if when.tzinfo is not None:
            return when.timestamp()
    except (ValueError, OverflowError):
        raise BadRecordError(
            "RS901", f"{key} {shown(value)} is neither Unix seconds nor ISO 8601"
        ) from None

    raise BadRecordError(
        "RS901", f"{key} {shown(value)} has no time zone; end it with Z, or pass --assume-utc"
    )
