"""
OCEL 2.0, the object-centric event log of process mining, as JSON and as XML.

An object is a run, and the values that its attribute ``status`` had, each since its time, are
the observations: what OCEL 2.0 calls the changes of an object. They come sorted by time, since
an object's values have no other order. Where the column of the status is ``ocel:activity``, the
events are read instead: each is an observation of every object that it relates to, its type is
the status, and their order is that of the document. The column of the run id is the type of the
objects that are runs; without one, objects of every type are. The first second of 1970 is OCEL's
own way to say that something was so from the beginning: no time is known.

<https://www.ocel-standard.org/>
"""

import re
from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, Final

from ..histories._records import Observation
from ._elements import Cursor, Element, members
from ._keys import missing, refuse_doubled
from ._parse import parse
from ._record import Columns, Interpreter, Read
from ._source import Source
from ._values import BadRecordError, shown
from ._xml import Document

__all__ = ["ACTIVITY", "begins_as_ocel", "read_ocel"]

ACTIVITY: Final = "ocel:activity"
"""The column of the status where it is the type of an event."""
MOST_WAITING: Final = 1_000_000
"""Observations of events that wait, where it is told after them which objects are runs."""

_ID: Final = "ocel:oid"
_TIME: Final = "ocel:timestamp"
_BEGINNING: Final = "1970-01-01T00:00:00"
_PARTS: Final = frozenset({"objects", "events"})
_RECORDS: Final = frozenset({("log", "objects", "object"), ("log", "events", "event")})
_MOST_NAMES: Final = 100
_LONGEST_WAITING: Final = 600
_BEGINS: Final = re.compile(
    rb"""\s*\{\s*"(?:objectTypes|eventTypes)"|[^{]*<(?:\w+:)?(?:object|event)-types\b"""
)


def begins_as_ocel(head: bytes) -> bool:
    """
    Return whether *head* is the beginning of a log whose types come first.
    """
    return _BEGINS.match(head) is not None


def read_ocel(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what the objects of *source* say, or its events.
    """
    log = _Log(interpreter)
    # The places of times are those of the format, whatever the caller named.
    interpreter.unseen.clear()
    is_xml = bytes(source.held).lstrip().startswith(b"<")
    line = 1
    for part, record, line in _of_xml(source) if is_xml else _of_json(source):
        try:
            if isinstance(record, BadRecordError):
                raise record
            yield from log.take(part, record, line)
        except BadRecordError as bad:
            log.found = True
            yield interpreter.refusal(bad, line)
    yield from log.rest(line)


class _Log:
    """
    Which objects are known to be runs, and the records that wait to know it.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._kind = interpreter.columns.run_id
        self._status = interpreter.columns.status or interpreter.status_key
        self._interpreter = interpreter.with_columns(Columns(_ID, self._status, _TIME))
        self._runs: set[str] = set()
        self._waiting: list[tuple[str, Any, Any, int]] = []
        self._kinds: dict[str, None] = {}
        self._names: dict[str, None] = {}
        self._full = False
        self.found = False
        """Whether anything was said of a run yet, if only what is wrong."""

    def take(self, part: str, record: Any, line: int) -> Sequence[Read]:
        """
        Return what an object or an event says, so far.

        Raises:
            BadRecordError: It is none, or there are too many to wait.
        """
        if not isinstance(record, dict):
            raise BadRecordError("RS901", f"{part} must be JSON objects, not {shown(record)}")
        reads = self._object(record, line) if part == "objects" else self._event(record, line)
        self.found = self.found or bool(reads)

        return reads

    def rest(self, line: int) -> Iterator[Read]:
        """
        Yield the records that have waited, and a finding for each object that is missing.
        """
        for run_id, status, time, place in self._waiting:
            if run_id in self._runs:
                self.found = True
                yield from self._observed(run_id, status, time, place)
        if self.found or not self._kinds:
            return
        if self._kind is not None and self._kind not in self._kinds:
            reason = missing([self._kind], self._kinds, "types of objects", "--run-id")
        elif self._status == ACTIVITY:
            reason = "no event relates to a run"
        else:
            reason = missing([self._status], self._names, "attributes of objects", "--status")
            reason += f"; --status {ACTIVITY} takes the types of the events"
        yield self._interpreter.finding("RS902", reason, line)

    def _object(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        refuse_doubled(record, {"id", "type", "attributes"})
        kind, run_id = record.get("type"), record.get("id")
        _note(self._kinds, kind)
        if self._kind is not None and kind != self._kind:
            return ()
        if self._status == ACTIVITY:
            if self._kind is not None and isinstance(run_id, str):
                self._runs.add(run_id)
            return ()
        reads: list[Read] = []
        for each in _listed(record, "attributes"):
            refuse_doubled(each, {"name", "value", "time"})
            _note(self._names, each.get("name"))
            if each.get("name") == self._status and each.get("value") is not None:
                reads += self._observed(run_id, each["value"], each.get("time"), line)
        seen = [read for read in reads if isinstance(read, Observation)]

        if len(seen) == len(reads):
            return sorted(seen, key=_when)

        return reads

    def _event(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        if self._status != ACTIVITY:
            return ()
        refuse_doubled(record, {"type", "time", "relationships"})
        status, time = record.get("type"), record.get("time")
        reads: list[Read] = []
        for run_id in dict.fromkeys(map(_related, _listed(record, "relationships"))):
            if self._kind is None or run_id in self._runs:
                reads += self._observed(run_id, status, time, line)
            elif not self._kinds:
                self._wait(run_id, status, time, line)

        return reads

    def _wait(self, run_id: str, status: Any, time: Any, line: int) -> None:
        """
        Have an observation wait until it is told which objects are runs.

        Raises:
            BadRecordError: It is one too many; those after it are not held either.
        """
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((_short(run_id), _short(status), _short(time), line))
        elif not self._full:
            self._full = True
            raise BadRecordError(
                "RS904",
                f"more than {MOST_WAITING:,} events come before the objects: from here on passed "
                "over; without --run-id none has to wait",
            )

    def _observed(self, run_id: Any, status: Any, time: Any, line: int) -> Sequence[Read]:
        record = {_ID: run_id, self._status: status}
        if not (isinstance(time, str) and time.replace(" ", "T", 1).startswith(_BEGINNING)):
            record[_TIME] = time

        return self._interpreter.observe(record, line)


def _listed(record: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """
    Return the objects in the list under *key*; none if there is none.

    Raises:
        BadRecordError: It is none, or holds something else.
    """
    listed = record.get(key) or []
    if not isinstance(listed, list):
        raise BadRecordError("RS901", f"{key} must be an array, not {shown(listed)}")
    other = [each for each in listed if not isinstance(each, dict)]
    if other:
        raise BadRecordError("RS901", f"{key} must be JSON objects, not {shown(other[0])}")

    return listed


def _related(relationship: dict[str, Any]) -> str:
    refuse_doubled(relationship, {"objectId"})
    run_id = relationship.get("objectId")
    if isinstance(run_id, str):
        return run_id

    raise BadRecordError("RS901", f"objectId must be a string, not {shown(run_id)}")


def _note(names: dict[str, None], name: Any) -> None:
    if isinstance(name, str) and len(names) < _MOST_NAMES:
        names[_short(name)] = None


def _short(value: Any) -> Any:
    """
    Return *value*, or of one that is too much for what it should be, enough to show that.
    """
    if isinstance(value, str):
        return value[:_LONGEST_WAITING]

    return [] if isinstance(value, list | dict) else value


def _when(seen: Observation) -> float:
    return -inf if seen.at is None else seen.at


# -- JSON ------------------------------------------------------------------


def _of_json(source: Source) -> Iterator[tuple[str, Any, int]]:
    """
    Yield each object and event, with the array it is in and its line; or what is wrong there.
    """
    cursor = Cursor(source)
    cursor.blank()
    if not cursor.peek():
        return
    if cursor.peek() != b"{":
        yield (
            "",
            BadRecordError("RS901", "not OCEL: expected an object, got another kind of document"),
            cursor.line,
        )
        return
    try:
        for part, element in members(cursor):
            if element.fault or part in _PARTS:
                yield part, element.fault or _parsed(element), element.line
    except BadRecordError as bad:
        yield "", bad, cursor.line


def _parsed(element: Element) -> Any:
    try:
        return parse(element.text, element.line)
    except BadRecordError as bad:
        return bad


# -- XML -------------------------------------------------------------------


def _of_xml(source: Source) -> Iterator[tuple[str, Any, int]]:
    """
    Yield what :func:`_of_json` does.
    """
    for record, line in _Elements().records(source, "element"):
        part = "" if isinstance(record, BadRecordError) else record.pop("part")
        yield part, record, line


class _Elements(Document):
    """
    Makes of each object and each event what it is in JSON.
    """

    def __init__(self) -> None:
        super().__init__()
        self._record: dict[str, Any] = {}
        self._value: list[str] = []

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """
        Take the beginning of an element.

        Raises:
            BadRecordError: The document is not a log.
        """
        if not self.path and tag != "log":
            raise BadRecordError("RS901", "not OCEL: the document begins with no <log>")
        if (*self.path, tag) in _RECORDS:
            lists: dict[str, Any] = {"attributes": [], "relationships": []}
            self._record = attributes | lists | {"part": self.path[1]}
            self.mark()
        elif self._within() == ["attributes"] and tag == "attribute":
            self._record["attributes"].append(dict(attributes))
            self._value = []
        elif self._within() == ["objects"] and tag == "relationship":
            self._record["relationships"].append({"objectId": attributes.get("object-id")})

    def text(self, text: str) -> None:
        """
        Take text, which is the value of an attribute.
        """
        if self._within() == ["attributes", "attribute"]:
            self._value.append(text)

    def end(self) -> None:
        """
        Take the end of an element.
        """
        within = self._within()
        if within == ["attributes", "attribute"]:
            self._record["attributes"][-1]["value"] = "".join(self._value)
        elif within == []:
            self.hand_out(self._record)

    def _within(self) -> list[str] | None:
        """
        Return the tags that are open within an object or an event; None outside.
        """
        return self.path[3:] if tuple(self.path[:3]) in _RECORDS else None
