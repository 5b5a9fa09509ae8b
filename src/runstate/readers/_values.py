"""
What single values of a record must be, and what they are then.

The message of every refusal says what was found and what would have worked, on
one line and with nothing in it that acts on a terminal.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from .._text import printable
from ..histories._records import Lagging

__all__ = [
    "TIME_KEYS",
    "BadRecordError",
    "attempt_number",
    "identifier",
    "lagging",
    "sequence_number",
    "shown",
    "status_name",
    "too_large",
    "tried",
]

_T = TypeVar("_T")

TIME_KEYS: Final = ("observed_at", "at", "timestamp")
"""Where the time of an observation is looked for, in this order."""
_MOST_DIGITS: Final = 20
LONGEST_ID: Final = 512
LONGEST_STATUS: Final = 200
LONGEST_TIME: Final = 64
"""Characters of the longest text that is tried as a time."""


class BadRecordError(Exception):
    """
    Stops the reading of one record; becomes a finding and never leaves this package.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        run_id: str | None = None,
        *,
        about: str = "",
        hint: str = "",
    ) -> None:
        self.code = code
        self.reason = reason
        """What is wrong, in one line; made printable where the finding is made."""
        self.run_id = run_id
        """The run, where the record could be read that far."""
        self.about = about
        """What a whole column has in common, so that it is told once; empty for one record's fault."""
        self.hint = hint
        """What to do about it."""
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


def sequence_number(value: object, key: str) -> int:
    """
    Return the whole number from 1 that *value* is.

    Raises:
        BadRecordError: It is none, or has more than 64 bits.
    """
    if type(value) is int and 0 < value < 1 << 64:
        return value

    reason = f"{key} must be a whole number from 1, not {shown(value)}"
    raise BadRecordError("RS901", reason, about=key)


def attempt_number(value: object, key: str) -> int:
    """
    Return the number of an attempt that *value* is; 0 before the first one.

    Raises:
        BadRecordError: It is not a whole number, or has more than 64 bits.
    """
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < _MOST_DIGITS:
        value = int(value)
    if type(value) is int and 0 <= value < 1 << 64:
        return value

    reason = f"{key} must be a whole number, not {shown(value)}"
    raise BadRecordError("RS901", reason, about=key)


def lagging(value: object, key: str) -> Lagging:
    """
    Return the number of an attempt that *value* is, where it may be that of the attempt before.

    Raises:
        BadRecordError: It is not a whole number, or has more than 64 bits.
    """
    return Lagging(attempt_number(value, key))


def tried(
    read: Callable[[Any, str], _T], value: Any, key: str, notes: list[BadRecordError]
) -> _T | None:
    """
    Return what *read* makes of *value*; None if that is wrong, which is added to *notes*.

    Args:
        read: One of the functions above.
        value: The value.
        key: Its key.
        notes: Is given what is wrong.
    """
    try:
        return read(value, key)
    except BadRecordError as bad:
        notes.append(bad)
        return None
