"""
Conversion of an application's field values: members of an Enum, and times in several types.

The types are read from what declares them: a mapped class of SQLAlchemy, a model of Django or
pydantic, a dataclass or any other class with annotations. None of those libraries is imported.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from typing import Any, Final, NoReturn, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import AwareDatetime, FutureDatetime, NaiveDatetime, PastDatetime

from ..errors import WrongObjectError

__all__ = [
    "holds_seconds",
    "moment_of",
    "no_moment",
    "of_column",
    "respelled",
    "seconds_of",
    "word_of",
]

# -- statuses ------------------------------------------------------------------------


def word_of(status: Any, known: Collection[Any]) -> str:
    """
    Return the name of *status* in the lifecycle: of an Enum member, its value or its name.

    Args:
        status: What the object holds.
        known: The lifecycle's statuses. The value of a member is its word where it is one of
            these; otherwise it is the name, as in ``transitions``.
    """
    if not isinstance(status, Enum):
        word: str = status
        return word
    value = str(status.value)

    return value if value in known else status.name


def respelled(status: Enum, source: str, target: str) -> Any:
    """
    Return *target* in the type of the object: as a member of the Enum of *status*.

    Args:
        status: What the object holds now.
        source: The word of it; see :func:`word_of`.
        target: The word of the new status.

    Raises:
        ValueError: The Enum has no such member.
    """
    kind = type(status)
    by_value = str(status.value) == source
    for member in kind:
        if target == (str(member.value) if by_value else member.name):
            return member
    raise ValueError(f"{kind.__qualname__} has no member for the status {target!r}")


# -- times ---------------------------------------------------------------------------

_Kind = Callable[[float], Any]


def _whole(at: float) -> int:
    return int(at)


def _aware(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _naive(at: float) -> datetime:
    return _aware(at).replace(tzinfo=None)


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at)  # noqa: DTZ006  what Django holds without USE_TZ


def _day(at: float) -> date:
    return _aware(at).date()


def _text(at: float) -> str:
    return _aware(at).isoformat()


def no_moment(at: float) -> NoReturn:
    """
    Refuse to make a time: the type of the field holds none. Compare with it before the call.
    """
    raise TypeError(f"expected a field that holds a time, for {at!r}")


_either: Final = partial(_aware)
"""Marks a datetime field of unknown zone; see :func:`moment_of`."""


_KINDS: Final[Mapping[Any, _Kind]] = {
    datetime: _either,
    AwareDatetime: _aware,
    NaiveDatetime: _naive,
    PastDatetime: _either,
    FutureDatetime: _either,
    date: _day,
    int: _whole,
    float: float,
    Decimal: Decimal,
    str: _text,
    **dict.fromkeys(
        (timedelta, time, bool, bytes, UUID, complex, dict, list, set, tuple), no_moment
    ),
}
"""The function that makes a time for a field, by the declared type of the field."""

_DJANGO: Final[Mapping[str, _Kind]] = {
    "DateField": _day,
    "FloatField": float,
    "DecimalField": Decimal,
    "CharField": _text,
    "TextField": _text,
    **dict.fromkeys(
        ("BinaryField", "BooleanField", "DurationField", "SmallIntegerField",
         "PositiveSmallIntegerField", "TimeField", "UUIDField"),
        no_moment,
    ),
}  # fmt: skip
"""The same by the type of a Django field; all others take whole seconds."""

_TEXT_LENGTH: Final = len(_text(0.5))
_DIGITS: Final = 10
"""How many a number of Unix seconds has."""
_SMALL: Final = frozenset({"small_integer", "smallint", "tinyint", "mediumint"})
"""Columns of integers that hold fewer digits."""
_EXACT: Final = frozenset({"numeric", "decimal"})
_JSON: Final = frozenset({"json", "jsonb", "null"})
"""Columns whose type does not say what they hold."""


def moment_of(target: Any, field: str, at: float, others: Iterable[str]) -> Any:
    """
    Return the time *at* as the *field* of *target* holds it.

    Whole Unix seconds where the field says nothing. A datetime is in UTC; it has no zone where
    the field, or another time of the object, has none.

    Args:
        target: The object.
        field: Name of the field.
        at: Unix seconds.
        others: Fields of the object that hold times, too.

    Raises:
        WrongObjectError: The declared type of the field holds no time.
    """
    model: Any = type(target)
    kind = _declared(model, field) or _like(getattr(target, field, None)) or _whole
    if kind is no_moment:
        raise WrongObjectError(
            f"an object whose {field!r} holds a time: int, float, Decimal, str, date or datetime",
            f"{model.__qualname__}, which declares another type for it",
        )
    if kind is _either:
        found = (_like(getattr(target, name, None)) for name in (field, *others))
        kind = _naive if _naive in found else _aware

    return kind(at)


def seconds_of(target: Any, field: str) -> float | None:
    """
    Return the time that the *field* of *target* holds, in Unix seconds; None if it holds none.
    """
    value = getattr(target, field, None)
    if isinstance(value, int | float):
        return value
    if not isinstance(value, datetime):
        return None
    model: Any = type(target)
    if value.tzinfo is None and _declared(model, field) is not _local:
        value = value.replace(tzinfo=UTC)

    return value.timestamp()


def holds_seconds(kind: type, field: str) -> bool:
    """
    Return whether objects of *kind* hold whole Unix seconds in *field*, or nothing says otherwise.
    """
    return _declared(kind, field) in {None, _whole}


def _like(value: Any) -> _Kind | None:
    """
    Return the function that makes times of the type of *value*; None if *value* is not a time.
    """
    if isinstance(value, datetime):
        return _aware if value.tzinfo else _naive

    return float if isinstance(value, float) else None


@lru_cache(maxsize=1024)
def _declared(model: Any, field: str) -> _Kind | None:
    """
    Return the function that makes times for the *field* of *model*; None if undeclared.
    """
    mapper = getattr(model, "__mapper__", None)
    if mapper is not None and field in mapper.columns:
        return of_column(mapper.columns[field].type)
    if hasattr(model, "_meta") and hasattr(model, "from_db"):
        return _of_django(model, field)
    annotation = getattr(getattr(model, "model_fields", {}).get(field), "annotation", None)
    if annotation is None:
        try:
            annotation = get_type_hints(model).get(field)
        except Exception:  # noqa: BLE001  a name that only a type checker can see
            return None

    return _of_annotation(annotation)


def _of_annotation(annotation: Any) -> _Kind | None:
    if annotation in _KINDS:
        return _KINDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return no_moment
    if get_origin(annotation) in {dict, list, set, tuple}:
        return no_moment
    kinds = [kind for part in get_args(annotation) if (kind := _of_annotation(part)) is not None]

    return next((kind for kind in kinds if kind is not no_moment), kinds[0] if kinds else None)


def of_column(kind: Any) -> _Kind | None:
    """
    Return the function that makes times for a column whose type is *kind*, of SQLAlchemy.

    Returns:
        The function; None if the type does not say what the column holds; :func:`no_moment` if
        it holds no time, or has no room for one.
    """
    try:
        python_type = kind.python_type
    except NotImplementedError:
        python_type = object
    name = str(getattr(kind, "__visit_name__", "")).lower()
    if name in _JSON:
        return None
    decorated = getattr(kind, "impl_instance", None)
    if python_type is object and decorated is not None:
        made = of_column(decorated)
        # A type of the application's own is made to take care of the zone.
        return _aware if made is _naive else made
    if name in _SMALL or hasattr(kind, "enums") or not _has_room(kind, name, python_type):
        return no_moment
    made = _KINDS.get(python_type)
    if made is not _either:
        return made

    return _aware if getattr(kind, "timezone", False) else _naive


def _has_room(kind: Any, name: str, python_type: Any) -> bool:
    """
    Return whether a column can hold as many characters or digits as a time has.
    """
    if python_type is str:
        return kind.length is None or kind.length >= _TEXT_LENGTH
    if name in _EXACT and kind.precision is not None:
        return bool(kind.precision - (kind.scale or 0) >= _DIGITS)

    return True


def _of_django(model: Any, field: str) -> _Kind | None:
    try:
        kind = model._meta.get_field(field).get_internal_type()  # noqa: SLF001  Django's public name
    except Exception:  # noqa: BLE001  FieldDoesNotExist: an attribute that is not a column
        return None
    if kind != "DateTimeField":
        return _DJANGO.get(kind, _whole)

    return _aware if sys.modules["django.conf"].settings.USE_TZ else _local
