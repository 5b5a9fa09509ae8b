"""
Observations to the event logs of process mining, XES (IEEE 1849) and OCEL 2.0.

Both are made here, since they are a few elements; what reads them elsewhere is the tests' matter.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from json import dumps
from typing import Any, Final, TextIO

from .._text import attribute
from ..histories._records import Observation

__all__ = ["write_ocel", "write_xes"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <classifier name="Status" keys="concept:name"/>
"""
_MOVE_ATTRIBUTES: Final = [
    {"name": "source", "type": "string"},
    {"name": "trigger", "type": "string"},
    {"name": "seq", "type": "integer"},
]


def write_xes(observations: Iterable[Observation], stream: TextIO) -> int:
    """
    Write *observations* as an XES log: a trace a run, an event an observation; return how many.

    A move's source, trigger and number go along as attributes of its event; what a snapshot
    holds besides does not. XML cannot hold every character: others become visible escapes.

    Args:
        observations: Of many runs, in any order; all are held, since a trace is in one piece.
        stream: Open for text, in UTF-8.
    """
    runs: dict[str | None, list[Observation]] = {}
    for observation in observations:
        runs.setdefault(observation.run_id, []).append(observation)
    stream.write(_HEAD)
    for run_id, history in runs.items():
        stream.write("  <trace>\n")
        stream.write(_attribute("string", "concept:name", run_id or "", 4))
        for observation in history:
            stream.write("    <event>\n")
            stream.writelines(_event(observation))
            stream.write("    </event>\n")
        stream.write("  </trace>\n")
    stream.write("</log>\n")

    return sum(map(len, runs.values()))


def _event(observation: Observation) -> Iterator[str]:
    yield _attribute("string", "concept:name", observation.status, 6)
    if observation.at is not None:
        yield _attribute("date", "time:timestamp", _iso(observation.at), 6)
    if observation.source is not None:
        yield _attribute("string", "source", observation.source, 6)
    if observation.trigger is not None:
        yield _attribute("string", "trigger", observation.trigger, 6)
    if observation.seq is not None:
        yield _attribute("int", "seq", str(observation.seq), 6)


def _attribute(kind: str, key: str, value: str, depth: int) -> str:
    return f"{' ' * depth}<{kind} key={attribute(key)} value={attribute(value)}/>\n"


# -- OCEL ------------------------------------------------------------------


def write_ocel(observations: Iterable[Observation], stream: TextIO) -> int:
    """
    Write *observations* as an OCEL 2.0 log in JSON; return how many.

    A run is an object of the type ``run``, whose attribute ``status`` changes as was observed. An
    observation is an event besides, its type the status, with a move's source, trigger and number
    as attributes; what a snapshot holds besides is left out. OCEL knows nothing without a time:
    where none is known, it is the first second of 1970; of a change behind one whose time is
    known, that time, since the changes of an object are taken by time.

    Args:
        observations: Of many runs, in any order; all are held, since an object is in one piece.
        stream: Open for text, in UTF-8.
    """
    every = list(observations)
    runs: dict[str | None, list[Observation]] = {}
    for observation in every:
        runs.setdefault(observation.run_id, []).append(observation)
    statuses = dict.fromkeys(observation.status for observation in every)
    parts: dict[str, Iterable[dict[str, Any]]] = {
        "objectTypes": [{"name": "run", "attributes": [{"name": "status", "type": "string"}]}],
        "eventTypes": [
            {"name": _utf8(status), "attributes": _MOVE_ATTRIBUTES} for status in statuses
        ],
        "objects": map(_ocel_object, runs, runs.values()),
        "events": map(_ocel_event, count(1), every),
    }
    before = "{"
    for name, records in parts.items():
        stream.write(f'{before}\n"{name}": [')
        stream.writelines(_separated(records))
        before = "\n],"
    stream.write("\n]\n}\n")

    return len(every)


def _separated(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    between = "\n"
    for record in records:
        yield between + dumps(record, ensure_ascii=False, separators=(",", ":"))
        between = ",\n"


def _ocel_object(run_id: str | None, history: Iterable[Observation]) -> dict[str, Any]:
    changes, at = [], 0.0
    for seen in history:
        at = at if seen.at is None else seen.at
        changes.append({"name": "status", "time": _iso(at), "value": _utf8(seen.status)})

    return {"id": _utf8(run_id or ""), "type": "run", "attributes": changes}


def _ocel_event(number: int, seen: Observation) -> dict[str, Any]:
    texts = {"source": seen.source, "trigger": seen.trigger}
    facts: dict[str, Any] = {key: _utf8(text) for key, text in texts.items() if text is not None}
    if seen.seq is not None:
        facts["seq"] = seen.seq

    return {
        "id": f"e{number}",
        "type": _utf8(seen.status),
        "time": _iso(seen.at or 0),
        "attributes": [{"name": key, "value": value} for key, value in facts.items()],
        "relationships": [{"objectId": _utf8(seen.run_id or ""), "qualifier": "run"}],
    }


def _utf8(text: str) -> str:
    """
    Return *text* with what UTF-8 has no bytes for as visible escapes.
    """
    return text.encode(errors="backslashreplace").decode()


def _iso(at: float) -> str:
    return (_EPOCH + timedelta(seconds=at)).isoformat(timespec="microseconds")
