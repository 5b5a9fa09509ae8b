"""
What all formats share: names that a format accepts, and building a lifecycle from its data.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from .._text import printable
from ..errors import DefinitionError
from ..lifecycle._definition import lifecycle_from
from ..lifecycle._rows import OUTCOMES, Transition
from ..lifecycle._table import Lifecycle

__all__ = [
    "FACTS",
    "PLAIN",
    "begins_of",
    "expect",
    "facts_of",
    "made",
    "names_of",
    "outcome_of",
    "refuse",
]

PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
"""Names that every format accepts unchanged."""
FACTS: Final = ("evidence", "citation", "reopens", "clears", "when", "unless")
"""The attributes of a row that are kept besides trigger, source and target."""


def names_of(names: Iterable[str]) -> dict[str, str]:
    """
    Return a plain name for each of *names*: the name itself if it is plain, else an unused one.
    """
    names = [str(name) for name in names]
    taken = {name for name in names if PLAIN.fullmatch(name)}
    plain: dict[str, str] = {}
    for name in names:
        short = name
        number = len(plain)
        while not PLAIN.fullmatch(short) or (short in taken and short != name):
            short, number = f"s{number}", number + 1
        taken.add(short)
        plain[name] = short

    return plain


def refuse(origin: str, place: str, reason: str) -> NoReturn:
    """
    Raise a ``DefinitionError``: a lifecycle cannot express it, or it is not a definition.

    Raises:
        DefinitionError: Always.
    """
    raise DefinitionError(origin, printable(place), reason)


def expect(data: Any, kind: type, origin: str, place: str) -> Any:
    """
    Return *data*, which must be of the *kind*.

    Raises:
        DefinitionError: It is not.
    """
    if not isinstance(data, kind):
        words = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
        refuse(origin, place, f"must be {words.get(kind, kind.__name__)}")

    return data


def outcome_of(said: Any) -> str:
    """
    Return the outcome that *said* names; ``success`` if it names none.
    """
    return said if isinstance(said, str) and said in OUTCOMES else "success"


def begins_of(said: Any, initial: str) -> str | list[str]:
    """
    Return the initial statuses listed in *said* if *initial* is the first; else *initial* alone.
    """
    names = said if isinstance(said, list) and all(isinstance(s, str) for s in said) else []

    return names if names[:1] == [initial] else initial


def made(
    origin: str,
    name: str,
    initial: str | Sequence[str],
    terminal: Mapping[str, str],
    rows: Iterable[Mapping[str, Any] | tuple[str, str, str]],
) -> Lifecycle:
    """
    Return the lifecycle of *rows* without duplicates.

    Raises:
        DefinitionError: A part is malformed.
        LifecycleError: The table contradicts itself.
    """
    parts = ("trigger", "source", "target")
    each = [dict(zip(parts, row, strict=True)) if isinstance(row, tuple) else row for row in rows]
    # Conditions are lists here, which no key can be.
    once = {
        (*(row[part] for part in parts), str(row.get("when")), str(row.get("unless"))): row
        for row in reversed(each)
    }
    data = {
        "name": name,
        "initial": initial if isinstance(initial, str) else [*initial],
        "terminal": dict(terminal),
        "transitions": [dict(row) for row in reversed(once.values())],
    }

    return lifecycle_from(data, origin)


def facts_of(row: Transition) -> dict[str, Any]:
    """
    Return the evidence of *row* and whether it reopens, without empty values.
    """
    facts = {
        "evidence": str(row.evidence),
        "citation": row.citation,
        "reopens": row.reopens,
        "clears": [*row.clears],
        "when": [*row.when],
        "unless": [*row.unless],
    }

    return {name: fact for name, fact in facts.items() if fact}
