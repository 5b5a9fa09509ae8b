"""
What all formats share: names that a format accepts, and building a lifecycle from its data.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from .._text import printable
from ..errors import DefinitionError
from ..lifecycle._definition import lifecycle_from
from ..lifecycle._rows import OUTCOMES, Transition
from ..lifecycle._table import Lifecycle
from ..lifecycle._validation import LONGEST_NAME

__all__ = [
    "FACTS",
    "PLAIN",
    "actions_in",
    "begins_of",
    "condition_names",
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
    rows: Iterable[Mapping[str, Any]],
    left_behind: Iterable[str],
) -> Lifecycle:
    """
    Return the lifecycle of *rows* without duplicates, which lists what is *left_behind*.

    Raises:
        DefinitionError: A part is malformed.
        LifecycleError: The table contradicts itself.
    """
    parts = ("trigger", "source", "target")
    # Conditions may be lists here, which no key can be.
    once = {
        (*(row[part] for part in parts), str(row.get("when")), str(row.get("unless"))): row
        for row in reversed([*rows])
    }
    data = {
        "name": name,
        "initial": initial if isinstance(initial, str) else [*initial],
        "terminal": dict(terminal),
        # A row without conditions has no list of them, which must not be empty.
        "transitions": [
            {key: value for key, value in row.items() if value not in ((), [])}
            for row in reversed(once.values())
        ],
    }
    lifecycle, lines = lifecycle_from(data, origin), tuple(left_behind)

    return replace(lifecycle, left_behind=lines) if lines else lifecycle


def condition_names(expressions: Iterable[str], where: str, left_behind: list[str]) -> list[str]:
    """
    Return *expressions* as the names of conditions, for which a function is given later.

    An expression that is too long for a name is shortened, and listed in *left_behind*.

    Args:
        expressions: Names, or texts in a language that is not read here, such as ``x > 5``.
        where: The row that they belong to.
        left_behind: Gets a line for each expression that is shortened.
    """
    names = []
    for expression in expressions:
        escaped = printable(expression, len(expression))
        names.append(printable(escaped, LONGEST_NAME))
        if names[-1] != escaped:
            left_behind.append(f"{where}: condition {escaped}")

    return names


def actions_in(holder: Mapping[str, Any], kinds: Iterable[str], where: str) -> Iterator[str]:
    """
    Yield a line for each action that *holder* has under one of the keys *kinds*.

    Args:
        holder: A state, a transition or a machine, as JSON holds it.
        kinds: Keys of actions. Each holds one action or a list of them: a name, an object that
            has a ``type``, or an object whose first key is the kind of action.
        where: The part of the machine that *holder* is.
    """
    for kind in kinds:
        actions = holder.get(kind)
        for action in actions if isinstance(actions, list) else [actions]:
            if isinstance(action, Mapping):
                action = action.get("type") or next(iter(action), None)  # noqa: PLW2901
            if action:
                yield f"{where}: {kind} {printable(str(action))}"


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
