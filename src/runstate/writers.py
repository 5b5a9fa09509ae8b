"""
Observations to the event log of process mining, XES (IEEE 1849).

The XML is made here, since it is four elements; what reads it elsewhere is the tests' matter.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TextIO
from xml.sax.saxutils import quoteattr

from ._history import Observation
from ._text import printable

__all__ = ["write_xes"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <classifier name="Status" keys="concept:name"/>
"""


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
        at = _EPOCH + timedelta(seconds=observation.at)
        yield _attribute("date", "time:timestamp", at.isoformat(timespec="microseconds"), 6)
    if observation.source is not None:
        yield _attribute("string", "source", observation.source, 6)
    if observation.trigger is not None:
        yield _attribute("string", "trigger", observation.trigger, 6)
    if observation.seq is not None:
        yield _attribute("int", "seq", str(observation.seq), 6)


def _attribute(kind: str, key: str, value: str, depth: int) -> str:
    return f"{' ' * depth}<{kind} key={quoteattr(key)} value={quoteattr(_xml(value))}/>\n"


def _xml(text: str) -> str:
    return printable(text, len(text) + 1)
