"""
Conversion of an application's field values: members of an Enum, and times in several types.

The types are read from what declares them: a mapped class of SQLAlchemy, a model of Django or
pydantic, a dataclass or any other class with annotations. None of those libraries is imported.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from typing import Any, Final, get_args, get_type_hints

from pydantic import AwareDatetime, FutureDatetime, NaiveDatetime, PastDatetime

__all__ = ["holds_seconds", "moment_of", "respelled", "seconds_of", "word_of"]

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
}
"""The function that makes a time for a field, by the declared type of the field."""

_DJANGO: Final[Mapping[str, _Kind]] = {
    "DateField": _day,
    "FloatField": float,
    "DecimalField": Decimal,
    "CharField": _text,
    "TextField": _text,
}
"""The same by the type of a Django field; all others take whole seconds."""


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
    """
    model: Any = type(target)
    kind = _declared(model, field) or _like(getattr(target, field, None)) or _whole
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
        return _of_column(mapper.columns[field].type)
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
    for part in get_args(annotation):
        kind = _of_annotation(part)
        if kind is not None:
            return kind

    return None


def _of_column(kind: Any) -> _Kind | None:
    try:
        made = _KINDS.get(kind.python_type)
    except NotImplementedError:
        return None
    if made is not _either:
        return made

    return _aware if getattr(kind, "timezone", False) else _naive


def _of_django(model: Any, field: str) -> _Kind | None:
    try:
        kind = model._meta.get_field(field).get_internal_type()  # noqa: SLF001  Django's public name
    except Exception:  # noqa: BLE001  FieldDoesNotExist: an attribute that is not a column
        return None
    if kind != "DateTimeField":
        return _DJANGO.get(kind, _whole)

    return _aware if sys.modules["django.conf"].settings.USE_TZ else _local
