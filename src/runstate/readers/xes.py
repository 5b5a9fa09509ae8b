"""
XES, the event log format of process mining (IEEE 1849): a trace a run, an event an observation.

The run is the trace's ``concept:name``, the status the event's, the time its
``time:timestamp``. Other attributes may be named instead; those of the trace with ``case:``
before them, as process miners write them. A document that declares a document type is
refused: it could make anything of what follows.
"""

from collections.abc import Iterator
from typing import Any, Final

from ._record import Columns, Interpreter, Read
from ._source import Source
from ._values import BadRecordError
from ._xml import Document

__all__ = ["read_xes"]

_CASE: Final = "case:"
_COLUMNS: Final = Columns(f"{_CASE}concept:name", "concept:name", "time:timestamp")
_TEXTS: Final = frozenset({"string", "date", "id"})


def read_xes(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what each event of *source* says.

    Of XML that is broken, what comes after the break cannot be read.
    """
    usual = (
        ours or by_default
        for ours, by_default in zip(interpreter.columns[:3], _COLUMNS[:3], strict=True)
    )
    interpreter = interpreter.with_columns(Columns(*usual))
    document = _Log()
    for record, line in document.records(source, "event"):
        if isinstance(record, BadRecordError):
            yield interpreter.refusal(record, line)
        else:
            yield from interpreter.observe(record, line)


class _Log(Document):
    """
    What was read so far: the attributes of one trace and of one event.
    """

    def __init__(self) -> None:
        super().__init__()
        self._case: dict[str, Any] = {}
        self._event: dict[str, Any] = {}
        self._bad: BadRecordError | None = None
        """What is wrong with the event, or with the trace that it is in."""
        self._bad_case: BadRecordError | None = None

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """
        Take the beginning of an element.

        Raises:
            BadRecordError: The document is not a log.
        """
        if not self.path and tag != "log":
            raise BadRecordError("RS901", "not XES: the document begins with no <log>")
        if self.path == ["log"] and tag == "trace":
            self._case, self._bad_case = {}, None
            self.mark()
        elif self.path == ["log", "trace"] and tag == "event":
            self._event, self._bad = {}, self._bad_case
            self.mark()
        elif self.path == ["log", "trace"]:
            self._bad_case = self._keep(self._case, tag, attributes) or self._bad_case
        elif self.path == ["log", "trace", "event"]:
            self._bad = self._keep(self._event, tag, attributes) or self._bad

    @staticmethod
    def _keep(
        attributes: dict[str, Any], kind: str, given: dict[str, str]
    ) -> BadRecordError | None:
        """
        Keep one attribute, of a list or a container nothing; return what is wrong with it.
        """
        key, value = given.get("key"), given.get("value")
        if key is None or value is None:
            return None
        twice = key in attributes
        attributes[key] = value if kind in _TEXTS else _number(value)

        return BadRecordError("RS903", f"attribute {key} is there twice") if twice else None

    def end(self) -> None:
        """
        Take the end of an element.
        """
        if self.path == ["log", "trace", "event"]:
            case = {_CASE + key: value for key, value in self._case.items()}
            self.hand_out(self._bad or case | self._event)


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text[:400])
        except ValueError:
            continue

    return text
