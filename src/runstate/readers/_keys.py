"""
Where in a record things are: keys, dotted paths, spellings, and keys given twice.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any, Final

from .._text import printable
from ._parse import Doubled
from ._values import BadRecordError

__all__ = ["found", "missing", "refuse_doubled", "wire_keys"]

_MOST_NAMES: Final = 12
_LONGEST_NAME: Final = 40
_MOST_COMPARED: Final = 500
"""Names that one is compared with to guess what was meant; a header may have a million."""


def found(record: dict[str, Any], key: str) -> tuple[dict[str, Any], str] | None:
    """
    Return the object in *record* that holds *key*, and the key in it; None if there is none.

    *key* is a key of *record*, dots and all; else a path of keys with dots between.

    Raises:
        BadRecordError: A key on the way is given twice.
    """
    if key in record:
        refuse_doubled(record, {key})
        return record, key
    level: Any = record
    *way, last = key.split(".")
    for part in way:
        refuse_doubled(level, {part})
        level = level.get(part)
        if not isinstance(level, dict):
            return None
    refuse_doubled(level, {last})

    return (level, last) if last in level else None


def refuse_doubled(record: dict[str, Any], keys: AbstractSet[str]) -> None:
    """
    Pass a record that gives each of *keys* once at most.

    Raises:
        BadRecordError: It gives one of them more than once.
    """
    if type(record) is Doubled and record.twice & keys:
        names = ", ".join(f"'{printable(key, 60)}'" for key in sorted(record.twice & keys))
        raise BadRecordError("RS903", f"given more than once: {names}")


def wire_keys(record: dict[str, Any], pascal: Mapping[str, str]) -> dict[str, Any]:
    """
    Return *record* with the wire's keys beside the reference's spelling of them.

    *pascal* has the wire's key by the reference's.

    Raises:
        BadRecordError: Both are there, with different values.
    """
    if pascal.keys().isdisjoint(record):
        return record
    both = dict(record)
    for theirs, ours in pascal.items():
        if theirs in record:
            both.setdefault(ours, record[theirs])
            if both[ours] != record[theirs]:
                raise BadRecordError("RS903", f"'{ours}' and '{theirs}' are given and differ")

    return both


def missing(wanted: Iterable[str], there: Iterable[str], noun: str, option: str) -> str:
    """
    Return the sentence that none of the keys *wanted* is *there*, and what may be meant.

    *noun* is what *there* lists, ``keys`` or ``columns``; *option* names another one.
    """
    wanted, names = list(wanted), [*map(str, there)]
    comparable = [name for name in names[:_MOST_COMPARED] if len(name) <= 2 * _LONGEST_NAME]
    sought = " or ".join(f"'{printable(key, 60)}'" for key in wanted)
    close = next((c for key in wanted for c in get_close_matches(key, comparable, n=1)), None)
    listed = ", ".join(printable(name, _LONGEST_NAME) for name in names[:_MOST_NAMES])
    rest = ", …" if len(names) > _MOST_NAMES else ""
    guess = f"did you mean '{printable(close, 60)}'? " if close and close not in wanted else ""

    return f"no {sought} ({guess}{noun}: {listed or 'none'}{rest}; {option} names another)"
