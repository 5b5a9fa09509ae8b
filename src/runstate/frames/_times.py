"""
Times of every kind, as whole microseconds; null where a value is none.
"""

from typing import Final

from .._text import printable
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._columns import Source
from ._errors import FrameError

__all__ = ["UNZONED", "microseconds", "value"]

_MICRO: Final = 1_000_000
_WHOLE: Final = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_ZONED: Final = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"})
_DIRECT: Final = _WHOLE | {"DOUBLE", "FLOAT", "VARCHAR", "BOOLEAN"}
"""Types whose values Python has too."""
_NANO: Final = frozenset({"TIMESTAMP_NS", "TIMESTAMPTZ_NS"})
# What the readers take, and DuckDB reads alike; a time in other words is left to the readers.
_NUMBER: Final = r"-?\d{1,19}(\.\d{1,19})?([eE]\+?\d{1,2})?"
_CLOCK: Final = r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_ZONE: Final = r"(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)"
UNZONED: Final = (
    # What ends in Z, or in an offset, or has the digits of a number is passed without an expression.
    "(moment[5] not between '0' and '9' or moment[9] = 'T') and regexp_matches(moment, '[-:T ]') "
    "and (length(moment) < 11 or (moment[-1] <> 'Z' and moment[-6] not in ('+', '-') "
    f"and not regexp_matches(moment, '({_ZONE}| [A-Z]{{2,5}})\\s*$')))"
)
"""The condition that a text is a time without a zone, or nothing that the readers know."""


def microseconds(source: Source, *, assume_utc: bool) -> str:
    """
    Return the expression of a row's time in microseconds since 1970, whatever type it has.

    Raises:
        FrameError: The column's type is no time, or one without a zone.
    """
    return f"case when {_in_years(source, assume_utc)} then {_micro(source, assume_utc)} end"


def value(kind: str, column: str, name: str, *, assume_utc: bool) -> str:
    """
    Return the expression of *column*, whose type is *kind*, as a value that JSON has too.

    A time is seconds since 1970. A structure or a list stays one.

    Raises:
        FrameError: It is a time without a zone, and not *assume_utc*.
    """
    if kind in _DIRECT or kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return column
    if kind.startswith("DECIMAL"):
        return f"{column}::double"
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        _refuse_zoneless(kind, name, assume_utc)
        if kind in _NANO:
            return f"epoch_ns({column}::timestamp_ns) / 1e9"
        return f"epoch_us({column}::{'timestamptz' if kind in _ZONED else 'timestamp'}) / 1e6"

    return f"{column}::varchar"


def _is_number(kind: str) -> bool:
    return kind in _WHOLE or kind in {"DOUBLE", "FLOAT"} or kind.startswith("DECIMAL")


def _micro(source: Source, assume_utc: bool) -> str:
    kind = source.at_kind
    if kind in _WHOLE:
        return f"moment::bigint * {_MICRO}"
    if _is_number(kind):
        return f"round(moment::double * {_MICRO})::bigint"
    if kind == "VARCHAR":
        texts = _from_text(assume_utc)
        number = (
            f"case when regexp_full_match(moment, '{_NUMBER}') "
            f"then try_cast(round(try_cast(moment as double) * {_MICRO}) as bigint) end"
        )
        # No number has a dash there, and no time of a clock anything else.
        return (
            f"case when moment[5] = '-' then {texts} else {number} end" if source.texts else texts
        )
    if kind == '"NULL"':
        return "null::bigint"

    _refuse_zoneless(kind, source.at_name, assume_utc)
    return f"epoch_us(moment::{'timestamptz' if kind in _ZONED else 'timestamp'})"


def _refuse_zoneless(kind: str, name: str, assume_utc: bool) -> None:
    name = printable(name)
    if kind != "DATE" and not kind.startswith("TIMESTAMP"):
        raise FrameError(
            "", f"column '{name}' is {kind}; expected a timestamp, a number or ISO 8601 text"
        )
    if kind not in _ZONED and not assume_utc:
        raise FrameError(
            "", f"column '{name}' is {kind}, which has no time zone; pass --assume-utc if it is UTC"
        )


def _from_text(assume_utc: bool) -> str:
    zone = f"{_ZONE}?" if assume_utc else _ZONE

    return (
        f"case when regexp_full_match(moment, '{_CLOCK}{zone}') "
        "then epoch_us(try_cast(moment as timestamptz)) end"
    )


def _in_years(source: Source, assume_utc: bool) -> str:
    """
    Return the condition that a time lies where times of runs do; null or false where not.
    """
    if _is_number(source.at_kind):
        return f"moment >= {FIRST_SECOND} and moment < {LAST_SECOND + 1}"

    micro = _micro(source, assume_utc)
    return f"{micro} >= {FIRST_SECOND * _MICRO} and {micro} < {(LAST_SECOND + 1) * _MICRO}"
