"""
Shapes: where the records of a system keep the facts about a run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, NamedTuple

from ._rows import name_of, names_in

__all__ = [
    "EVERY",
    "Condition",
    "Shape",
    "Step",
    "Template",
    "condition_of",
    "shape_faults",
    "steps_of",
    "template_of",
]

EVERY: Final = "*"
"""A step of ``records``: each value of an object is a record, and its key is the record's id."""

Step = str | int | tuple[str, str]
"""One step of a path: a key, the index of a list, or (key, value) of the list item to select."""

Condition = tuple[tuple[Step, ...], frozenset[str] | None]
"""A path and its allowed values; None if any value will do."""

_STEP: Final = re.compile(
    r"(?P<key>[^.\[\]]+)|\[(?P<index>-?[0-9]{1,6})\]|\[(?P<where>[^=\[\]]+)=(?P<value>[^\[\]]*)\]"
)
_HOLE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*|)\}")
_MISSPELLED: Final = re.compile(r"\{[^{}\s\"]*\}")
"""Braces around something that is not a name, such as {run-id}."""
_CONDITION: Final = re.compile(r"(?P<path>(?:[^\[\]=]|\[[^\]]*\])+?)\s*=(?P<values>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, init=False)
class Shape:
    """
    Where a record of some system keeps the facts about a run.

    A path has dots between its keys, and selects in lists by index or by a value:
    ``metadata.uid``, ``attempts[-1].status``, ``status.conditions[type=Complete].status``. A key
    of the record that is spelled with its dots goes before the path. Text that holds JSON is
    looked into as what it holds.

    Example:
        >>> pod = Shape(
        ...     records="items", about=["kind = Pod"], id="metadata.uid", status="status.phase"
        ... )
        >>> pod.id
        (('metadata.uid',),)
    """

    records: tuple[str, ...]
    """Paths of the records in a document; empty if the document is one record."""
    about: tuple[str, ...]
    """Conditions that a record of this shape meets."""
    id: tuple[tuple[str, ...], ...]
    """Alternatives of the id; one of several paths is joined by ``/``."""
    attempt: tuple[str, ...]
    """Alternatives of the number of the attempt."""
    status: tuple[str, ...]
    """The paths of the status; the values of several are joined by ``/``."""
    at: tuple[str, ...]
    """Alternatives of the time of the observation."""
    source: tuple[str, ...]
    """The paths of the status before, in a record of a move."""
    target: tuple[str, ...]
    """The paths of the status after, in a record of a move."""
    trigger: tuple[str, ...]
    """Alternatives of the trigger."""
    null: str | None
    """The status that a null or missing value stands for; None if it stands for no status."""
    words: tuple[tuple[str, str], ...]
    """Other spellings, each with its status."""
    ignore_case: bool
    """Whether upper and lower case of statuses are the same."""
    text: tuple[str, ...]
    """Texts to split into keys, each with its path and a template."""
    document: bool
    """Whether all records of a document are about one object, which needs no id."""
    attempt_lags: bool
    """Whether a record may still have the number of the attempt before."""

    def __init__(
        self,
        *,
        records: str | Iterable[str] = (),
        about: str | Iterable[str] = (),
        id: str | Iterable[str | Iterable[str]] = (),  # noqa: A002  the key of a definition
        attempt: str | Iterable[str] = (),
        status: str | Iterable[str] = (),
        at: str | Iterable[str] = (),
        source: str | Iterable[str] = (),
        target: str | Iterable[str] = (),
        trigger: str | Iterable[str] = (),
        null: str | Enum | None = None,
        words: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        ignore_case: bool = False,
        text: str | Iterable[str] = (),
        document: bool = False,
        attempt_lags: bool = False,
    ) -> None:
        """
        Create the shape. The lifecycle that contains it checks it.

        Args:
            records: Where the records stand in a document: the path of a list, or alternatives.
                ``nodes.*`` is for an object whose keys are the ids of its records.
            about: What must hold for a record to have this shape: a path that must be present,
                or ``"path = value"``; several values have ``|`` between them.
            id: The path of the id, or alternatives. An alternative that is itself a list is
                several paths, whose values are joined by ``/``. By default the lifecycle's
                ``id_field``.
            attempt: The path of the number of the attempt, or alternatives.
            status: The path of the status, or several whose values are joined by ``/``; empty
                parts at the end are left out. By default the lifecycle's ``status_field``.
            at: The path of the time of the observation, or alternatives.
            source: The path of the status before, where a record is a move.
            target: The path of the status after, in place of *status*.
            trigger: The path of the trigger, or alternatives.
            null: The status that a null, empty or missing one stands for.
            words: Other spellings and the status that each is. A spelling that ends in ``*``
                stands for all that begin so.
            ignore_case: Whether upper and lower case of statuses and words are the same.
            text: A text that is taken apart, or alternatives: ``"msg = node {node} is {phase}"``.
                Each ``{name}`` is a key of the record then, and ``{}`` is passed over. A record
                whose text reads otherwise does not have this shape. ``line`` is the path of a
                whole line of a log.
            document: Whether all records of a document are about one object. If they have no
                id, it is named after the input and the line where the document begins.
            attempt_lags: Whether a record may still have the number of the attempt before, as
                those have that are written before the next attempt begins. Only a larger
                number means something then.
        """
        alternatives = (id,) if isinstance(id, str) else tuple(id)
        pairs = words.items() if isinstance(words, Mapping) else words
        values = {
            "records": names_in(records),
            "about": names_in(about),
            "id": tuple(names_in(each) for each in alternatives),
            "attempt": names_in(attempt),
            "status": names_in(status),
            "at": names_in(at),
            "source": names_in(source),
            "target": names_in(target),
            "trigger": names_in(trigger),
            "null": name_of(null),
            "words": tuple((word, name_of(status)) for word, status in pairs),
            "ignore_case": ignore_case,
            "text": names_in(text),
            "document": document,
            "attempt_lags": attempt_lags,
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    def without(self, statuses: Iterable[str]) -> "Shape":
        """
        Return this shape without its other spellings of *statuses*.
        """
        gone = set(statuses)
        words = tuple((word, status) for word, status in self.words if status not in gone)

        return replace(self, words=words, null=None if self.null in gone else self.null)


def steps_of(path: Any) -> tuple[Step, ...]:
    """
    Return the steps of *path*.

    Raises:
        ValueError: It is not a path.
    """
    steps: list[Step] = []
    place = 0
    while isinstance(path, str) and place < len(path):
        match = _STEP.match(path, place)
        # A key begins the path or follows a dot; a selection follows a key directly.
        begins = place == 0 or path[place - 1] == "."
        if match is None or begins != (match["key"] is not None):
            break
        if match["key"] is not None:
            steps.append(match["key"])
        else:
            steps.append(
                int(match["index"]) if match["index"] else (match["where"], match["value"])
            )
        place = match.end()
        if path[place : place + 1] == "." and place + 1 < len(path):
            place += 1
    if not steps or path[place:]:
        raise ValueError(f"{path!r} is not a path such as status.conditions[type=Complete].status")

    return tuple(steps)


def condition_of(text: str) -> Condition:
    """
    Parse *text*, an item of ``about``: ``path``, or ``path = value | value``.

    Raises:
        ValueError: Its path is not a path.
    """
    match = _CONDITION.fullmatch(str(text))
    if match is None:
        return steps_of(str(text).strip()), None
    values = frozenset(value.strip() for value in match["values"].split("|"))

    return steps_of(match["path"].strip()), values


class Template(NamedTuple):
    """
    A template: the fixed words, and the names of the holes between them.
    """

    path: str
    words: tuple[str, ...]
    """One more than the number of holes; the first and the last may be empty."""
    names: tuple[str, ...]
    """The name of each hole; empty for a hole whose text is not kept."""

    def parts(self, text: str) -> dict[str, str] | None:
        """
        Return the text in each named hole of *text*; None if it does not match the template.

        Each word is sought from the end of the one before, so that no text takes long.
        """
        first, *others = self.words
        if not text.startswith(first):
            return None
        found: dict[str, str] = {}
        place = len(first)
        for number, (name, word) in enumerate(zip(self.names, others, strict=True), 1):
            last = number == len(others)
            end = text.find(word, place) if word and not last else len(text) - len(word)
            if end < place or (last and not text.endswith(word)):
                return None
            if name:
                found[name] = text[place:end]
            place = end + len(word)

        return found if all(found.values()) else None


def template_of(text: str) -> Template:
    """
    Parse *text*, an item of ``text``: ``path = words with {name}``.

    Raises:
        ValueError: It names no path, or has no hole with a name, a name twice, two holes with
            nothing between them, or braces that hold something else than a name.
    """
    path, _, words = text.partition("=")
    steps_of(path.strip())
    pieces = _HOLE.split(words.strip())
    names = tuple(pieces[1::2])
    misspelled = next(filter(None, map(_MISSPELLED.search, pieces[::2])), None)
    if misspelled:
        raise ValueError(f"{text!r}: {misspelled[0]} is not a name: letters, digits and _")
    if not all(pieces[2:-1:2]):
        raise ValueError(f"{text!r}: expected a word or a sign between two names")
    if not any(names) or len({*filter(None, names)}) < len([*filter(None, names)]):
        raise ValueError(f"{text!r} is not a text such as msg = node {{node}} is {{phase}}")

    return Template(path.strip(), tuple(pieces[::2]), names)


def shape_faults(number: int, shape: Shape, known: frozenset[str]) -> Iterator[str]:
    """
    Yield a sentence for each way in which *shape* cannot be used.

    Args:
        number: Which of the shapes it is, from 0.
        shape: The shape.
        known: The statuses of the lifecycle.
    """
    where = f"shapes[{number}]"
    for key in ("records", "attempt", "status", "at", "source", "target", "trigger"):
        yield from _faulty_paths(f"{where}: {key}", getattr(shape, key), wild=key == "records")
    for alternative in shape.id:
        if not alternative:
            yield f"{where}: id: expected a path or several, got none"
        yield from _faulty_paths(f"{where}: id", alternative)
    for text in shape.about:
        try:
            steps, values = condition_of(text)
        except ValueError as error:
            yield f"{where}: about: {error}"
            continue
        if EVERY in steps or values == frozenset({""}):
            yield f"{where}: about: expected 'path' or 'path = value', got {text!r}"
    for text in shape.text:
        try:
            template_of(text)
        except ValueError as error:
            yield f"{where}: text: {error}"
    if shape.status and shape.target:
        yield f"{where}: names both status and target: a move has its status in target"
    yield from _faulty_words(where, shape, known)


def _faulty_paths(where: str, paths: Iterable[str], *, wild: bool = False) -> Iterator[str]:
    for path in paths:
        try:
            steps = steps_of(path)
        except ValueError as error:
            yield f"{where}: {error}"
            continue
        if EVERY in steps[:-1] or (EVERY in steps and not wild):
            yield f"{where}: {path!r}: * is for the end of a path in records"


def _faulty_words(where: str, shape: Shape, known: frozenset[str]) -> Iterator[str]:
    if shape.null is not None and shape.null not in known:
        yield f"{where}: null: no status {str(shape.null)!r}"
    for word, status in shape.words:
        if status not in known:
            yield f"{where}: words: {word!r}: no status {str(status)!r}"
        if not word or word == "*":
            yield f"{where}: words: expected another spelling of {str(status)!r}, got {word!r}"
    if shape.ignore_case and len({status.lower() for status in known}) < len(known):
        yield f"{where}: ignore_case: two statuses differ only in upper and lower case"
