"""
SCXML, the statechart notation of the W3C, without nested states.

A file with a DOCTYPE declaration is refused. Entities are therefore never expanded, and nothing is
fetched.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from xml.parsers import expat

from .._text import attribute, printable
from ..errors import DefinitionError
from ..lifecycle._rows import EVIDENCE
from ..lifecycle._table import Lifecycle
from ._common import FACTS, condition_names, facts_of, made, names_of, outcome_of, refuse

__all__ = ["from_scxml", "to_scxml"]

SCXML: Final = "http://www.w3.org/2005/07/scxml"
OURS: Final = "https://pypi.org/project/runstate/"
"""Namespace of attributes that SCXML lacks: outcomes, evidence, further initial statuses, conditions
but the first, and names that are not identifiers."""

LARGEST: Final = 1 << 20
"""The largest document that is read, in bytes."""
_DEEPEST: Final = 50
_SEPARATOR: Final = "\n"
_STATES: Final = frozenset({"state", "final"})
_WITHIN: Final = frozenset({"parallel", "history", "initial", "invoke"})
_HANDLERS: Final = frozenset({"onentry", "onexit"})
_DATA: Final = frozenset({"datamodel", "donedata", "script"})
"""Elements outside of transitions and handlers that a lifecycle cannot hold."""


def to_scxml(lifecycle: Lifecycle) -> bytes:
    """
    Return *lifecycle* as an SCXML document, without its stamps.

    A status or trigger that is not a valid XML name gets another one, and is kept in an attribute.
    ``cond`` is the first condition of a row in ``when``; attributes of this package's namespace
    hold the others, and those in ``unless``, which other programs do not read.

    Args:
        lifecycle: What is written.
    """
    ids = names_of(str(status) for status in lifecycle.statuses)
    every = (*lifecycle, *lifecycle.reopenings)
    events = names_of(dict.fromkeys(row.trigger for row in every))
    # The null data model has no conditions but In(); the names of others are for the processor's.
    datamodel = "" if lifecycle.conditions else ' datamodel="null"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<scxml xmlns="{SCXML}" xmlns:rs="{OURS}" version="1.0"{datamodel}'
        f"{_attributes({'rs:name': lifecycle.name, 'initial': ids[str(lifecycle.initial)]})}>",
    ]
    for status in lifecycle.statuses:
        about = {"id": ids[str(status)]}
        if ids[str(status)] != status:
            about["rs:status"] = str(status)
        if status in lifecycle.initial_statuses[1:]:
            about["rs:initial"] = "true"
        rows = [row for row in every if row.source == status]
        if lifecycle.is_terminal(status):
            about["rs:outcome"] = lifecycle.terminal[status]
            # A <final> has no way out.
            if not rows:
                lines.append(f"  <final{_attributes(about)}/>")
                continue
        lines.append(f"  <state{_attributes(about)}>")
        for row in rows:
            move = {"event": events[row.trigger], "target": ids[str(row.target)]}
            if events[row.trigger] != row.trigger:
                move["rs:trigger"] = row.trigger
            facts = facts_of(row)
            if row.when:
                move["cond"], *others = row.when
                facts["when"] = others
            move |= {f"rs:{name}": _said(fact) for name, fact in facts.items() if fact}
            lines.append(f"    <transition{_attributes(move)}/>")
        lines.append("  </state>")

    return "\n".join((*lines, "</scxml>\n")).encode()


def _said(fact: Any) -> str:
    if fact is True:
        return "true"

    if not isinstance(fact, list):
        return str(fact)
    # Spaces separate names, so names with a space are written as JSON, as are those like it.
    plain = all(name.split() == [name] and not name.startswith("[") for name in fact)

    return " ".join(fact) if plain else json.dumps(fact, ensure_ascii=False)


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f" {name}={attribute(value)}" for name, value in values.items())


def from_scxml(content: bytes, origin: str = "<scxml>") -> Lifecycle:
    """
    Return the lifecycle that an SCXML document describes, without its actions.

    The text of a ``cond`` becomes the name of a condition. ``left_behind`` lists the actions and
    the data, and each ``cond`` that is too long for a name.

    Args:
        content: The document.
        origin: Where it comes from, for error messages.

    Raises:
        DefinitionError: It is not SCXML, or it has what a lifecycle cannot hold: states
            within states, moves without an event or with a wildcard, a document type, or a
            ``<state>`` without a transition, which is an end only as ``<final>``.
        LifecycleError: The table contradicts itself.

    Example:
        >>> document = b'''<scxml xmlns="http://www.w3.org/2005/07/scxml" name="door" initial="closed">
        ... <state id="closed"><transition event="force" target="broken"/></state>
        ... <final id="broken"/>
        ... </scxml>'''
        >>> [str(row) for row in from_scxml(document)]
        ['closed -force-> broken']
    """
    if len(content) > LARGEST:
        refuse(origin, "", f"is larger than {LARGEST} bytes")
    document = _Document(origin)
    document.read(content)

    return document.lifecycle()


class _Document:
    """
    The parts of a document that were read so far.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self._path: list[str] = []
        self._words: dict[str, str] = {}
        self._met: set[str] = set()
        self._terminal: dict[str, str] = {}
        self._state: str | None = None
        self._rows: list[dict[str, Any]] = []
        self._name = "machine"
        self._initial = ""
        self._begins: list[str] = []
        self._latest: list[dict[str, Any]] = []
        """The rows of the latest <transition>."""
        self._lost: list[tuple[dict[str, Any] | str, str]] = []
        """Elements without a place in a lifecycle, each after its row, the id of its state, or ``""``
        for the machine."""

    def read(self, content: bytes) -> None:
        """
        Read the document.
        """
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        try:
            self._parser.Parse(content, True)  # noqa: FBT003  the parser takes no names
        except DefinitionError:
            raise
        except expat.ExpatError as error:
            place, reason = f"line {error.lineno}", expat.ErrorString(error.code)
        except (ValueError, LookupError) as error:
            place, reason = self._place(), printable(str(error))
        else:
            return
        refuse(self._origin, place, f"invalid XML: {reason}")

    def _place(self) -> str:
        return f"line {self._parser.CurrentLineNumber}"

    def _refuse(self, reason: str) -> None:
        refuse(self._origin, self._place(), reason)

    def _doctype(self, *_: Any) -> None:
        self._refuse("declares a document type, which is refused because it can define entities")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        space, _, tag = name.rpartition(_SEPARATOR)
        if len(self._path) == _DEEPEST:
            self._refuse(f"is nested deeper than {_DEEPEST}")
        self._lose(tag, ours=space == SCXML)
        if space == SCXML:
            self._element(tag, attributes)
        elif not self._path:
            self._refuse("expected <scxml> in the W3C's namespace as the first element")
        self._path.append(tag if space == SCXML else "")

    def _lose(self, tag: str, *, ours: bool) -> None:
        """
        Note an element that a lifecycle cannot hold; actions may be of other namespaces.
        """
        parent, state = "".join(self._path[-1:]), self._state or ""
        if parent in _HANDLERS:
            self._lost.append((state, f"{parent} <{tag}>"))
        elif parent == "transition":
            self._lost += [(row, f"<{tag}>") for row in self._latest]
        elif ours and tag in _DATA and parent in {"scxml", *_STATES}:
            self._lost.append((state, f"<{tag}>"))

    def _end(self, _: str) -> None:
        if self._path.pop() in _STATES:
            self._state = None

    def _element(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path:
            self._root(tag, attributes)
        elif tag in _WITHIN:
            self._refuse(f"has <{tag}>, which a lifecycle cannot hold, because it is flat")
        elif tag in _STATES:
            if self._path[-1] != "scxml":
                self._refuse("has nested states; a lifecycle is flat")
            self._status(tag, attributes)
        elif tag == "transition" and self._path[-1] in _STATES:
            self._move(attributes)

    def _root(self, tag: str, attributes: dict[str, str]) -> None:
        if tag != "scxml":
            self._refuse("expected <scxml> as the first element")
        self._name = (
            attributes.get(f"{OURS}{_SEPARATOR}name") or attributes.get("name") or "machine"
        )
        self._initial = attributes.get("initial", "")

    def _status(self, tag: str, attributes: dict[str, str]) -> None:
        key = attributes.get("id", "")
        if not key:
            self._refuse(f"has a <{tag}> without an id")
        word = attributes.get(f"{OURS}{_SEPARATOR}status", key)
        if key in self._words or word in self._met:
            self._refuse(f"has the state '{printable(word)}' twice")
        self._met.add(word)
        self._state, self._words[key] = key, word
        if attributes.get(f"{OURS}{_SEPARATOR}initial") == "true":
            self._begins.append(key)
        said = attributes.get(f"{OURS}{_SEPARATOR}outcome")
        if tag == "final" or said is not None:
            self._terminal[key] = outcome_of(said)

    def _move(self, attributes: dict[str, str]) -> None:
        events = attributes.get("event", "").split()
        if not events or any("*" in event for event in events):
            self._refuse("has a <transition> without an event, or with a wildcard")
        source = str(self._state)
        targets = attributes.get("target", source).split()
        if len(targets) != 1:
            self._refuse("has a <transition> to several states at once")
        facts: dict[str, Any] = {
            name: value for name in FACTS if (value := attributes.get(f"{OURS}{_SEPARATOR}{name}"))
        }
        if facts.get("evidence", EVIDENCE[0]) not in EVIDENCE:
            self._refuse(f"has unknown evidence; expected one of {', '.join(EVIDENCE)}")
        if "reopens" in facts:
            facts["reopens"] = facts["reopens"] == "true"
        for name in ("clears", "when", "unless"):
            if name in facts:
                facts[name] = self._names(facts[name])
        row = {"source": source, "target": targets[0], "cond": attributes.get("cond"), **facts}
        given = attributes.get(f"{OURS}{_SEPARATOR}trigger")
        self._latest = [{"trigger": given or event, **row} for event in events]
        self._rows += self._latest

    def _names(self, text: str) -> list[str]:
        """
        Return the names in an attribute: see :func:`_said`.
        """
        if not text.startswith("["):
            return text.split()
        try:
            names = json.loads(text)
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._refuse("has an attribute that begins with '[' and is not a JSON list of names")

        return list(names)

    def lifecycle(self) -> Lifecycle:
        """
        Return the lifecycle that was read, with the original names of its statuses.
        """
        word = {**{row["target"]: row["target"] for row in self._rows}, **self._words}
        left = {row["source"] for row in self._rows}
        for key in self._words:
            if key not in self._terminal and key not in left:
                reason = "has no way out: make an end a <final>"
                refuse(self._origin, f"state '{printable(word[key])}'", reason)
        terminal = {word[key]: outcome for key, outcome in self._terminal.items()}
        left_behind: list[str] = []
        rows = [_named(row, word, left_behind) for row in self._rows]
        for place, what in self._lost:
            if isinstance(place, str):
                where = printable(f"state {word[place]}" if place else "machine")
            else:
                where = _where(_named(place, word, []))
            left_behind.append(f"{where}: {printable(what)}")
        initial = self._initial or next(iter(self._words), "")

        begins = [word.get(key, key) for key in dict.fromkeys([initial, *self._begins])]

        return made(self._origin, self._name, begins, terminal, rows, left_behind)


def _named(
    row: Mapping[str, Any], word: Mapping[str, str], left_behind: list[str]
) -> dict[str, Any]:
    """
    Return *row* with the names of its statuses, and its ``cond`` as the first of its conditions.
    """
    named = {**row, "source": word[row["source"]], "target": word[row["target"]]}
    condition = named.pop("cond")
    if condition:
        names = condition_names([condition], _where(named), left_behind)
        named["when"] = [*names, *named.get("when", ())]

    return named


def _where(row: Mapping[str, Any]) -> str:
    return printable(f"{row['source']} -{row['trigger']}-> {row['target']}")
