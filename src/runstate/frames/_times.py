"""
Times of every kind, as whole microseconds; null where a value is none.
"""

from typing import Final

from .._text import printable
from ..readers._values import BadRecordError, unix_seconds
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._columns import Source
from ._errors import FrameError

__all__ = ["microseconds", "refused", "seconds"]

_MICRO: Final = 1_000_000
_WHOLE: Final = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_ZONED: Final = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"})
_NANO: Final = frozenset({"TIMESTAMP_NS", "TIMESTAMPTZ_NS"})
# A date, a time and a zone; the rest is left to the cast.
_HAS_ZONE: Final = r"\d[T ]\d.*(Z|[+-]\d\d(:?\d\d(:?\d\d(\.\d+)?)?)?)$"


def microseconds(source: Source, *, assume_utc: bool) -> str:
    """
    Return the expression of a row's time in microseconds since 1970, whatever type it has.

    Raises:
        FrameError: The column's type is no time, or one without a zone.
    """
    return f"case when {_in_years(source, assume_utc)} then {_micro(source, assume_utc)} end"


def seconds(source: Source, *, assume_utc: bool) -> str:
    """
    Return the expression of a row's time as Unix seconds, as exact as a double is.
    """
    if _is_number(source.at_kind):
        exact = "moment::double"
    elif source.at_kind in _NANO:
        exact = "epoch_ns(moment::timestamp_ns) / 1e9"
    elif source.texts:
        exact = f"coalesce(try_cast(moment as double), {_from_text(assume_utc)} / 1e6)"
    else:
        exact = f"{_micro(source, assume_utc)} / 1e6"

    return f"case when {_in_years(source, assume_utc)} then {exact} end"


def refused(value: str | None, source: Source, *, assume_utc: bool) -> tuple[str, str]:
    """
    Return the code and the words for a row whose time is *value*, which is none.
    """
    if value is None:
        return "RS902", "the record has no time"
    given: object = value
    if _is_number(source.at_kind) or source.texts:
        try:
            given = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            given = value
    try:
        unix_seconds(given, source.at_name, assume_utc)
    except BadRecordError as bad:
        return bad.code, bad.reason

    return "RS901", f"{source.at_name} '{value}' is no time between the years 2000 and 2099"


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
        number = f"try_cast(round(try_cast(moment as double) * {_MICRO}) as bigint)"
        return f"coalesce({number}, {texts})" if source.texts else texts
    if kind == '"NULL"':
        return "null::bigint"

    _refuse_zoneless(source, assume_utc)
    return f"epoch_us(moment::{'timestamptz' if kind in _ZONED else 'timestamp'})"


def _refuse_zoneless(source: Source, assume_utc: bool) -> None:
    kind, name = source.at_kind, printable(source.at_name)
    if kind != "DATE" and not kind.startswith("TIMESTAMP"):
        raise FrameError("", f"column '{name}' is {kind}, which is no time")
    if kind not in _ZONED and not assume_utc:
        raise FrameError(
            "", f"column '{name}' is {kind}, which has no time zone; pass --assume-utc if it is UTC"
        )


def _from_text(assume_utc: bool) -> str:
    cast = "epoch_us(try_cast(moment as timestamptz))"

    return (
        cast if assume_utc else f"case when regexp_matches(moment, '{_HAS_ZONE}') then {cast} end"
    )


def _in_years(source: Source, assume_utc: bool) -> str:
    """
    Return the condition that a time lies where times of runs do; null or false where not.
    """
    if _is_number(source.at_kind):
        return f"moment >= {FIRST_SECOND} and moment < {LAST_SECOND + 1}"

    micro = _micro(source, assume_utc)
    return f"{micro} >= {FIRST_SECOND * _MICRO} and {micro} < {(LAST_SECOND + 1) * _MICRO}"
