"""
XES, the event log format of process mining (IEEE 1849): a trace a run, an event an observation.

The run is the trace's ``concept:name``, the status the event's, the time its
``time:timestamp``. Other attributes may be named instead; those of the trace with ``case:``
before them, as process miners write them. A document that declares a document type is
refused: it could make anything of what follows.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final
from xml.parsers import expat

from . import _source
from ._record import Columns, Interpreter, Read
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["read_xes"]

_CASE: Final = "case:"
_COLUMNS: Final = Columns(f"{_CASE}concept:name", "concept:name", "time:timestamp")
_TEXTS: Final = frozenset({"string", "date", "id"})
_DEEPEST: Final = 100


def read_xes(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what each event of *source* says.

    Of XML that is broken, what comes after the break cannot be read.
    """
    usual = (
        ours or by_default for ours, by_default in zip(interpreter.columns, _COLUMNS, strict=True)
    )
    interpreter = interpreter.with_columns(Columns(*usual))
    document = _Document()
    for portion in iter(source.portion, b""):
        yield from document.take(portion, interpreter)
        if document.fault:
            break
    else:
        yield from document.take(b"", interpreter)
    if document.fault:
        yield interpreter.refusal(document.fault, document.line)


class _Document:
    """
    What was read so far: the attributes of one trace and of one event.
    """

    def __init__(self) -> None:
        self.fault: BadRecordError | None = None
        """Why nothing more can be read; None while it can."""
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._path: list[str] = []
        self._case: dict[str, Any] = {}
        self._event: dict[str, Any] = {}
        self._began = 0
        self._bad: BadRecordError | None = None
        self._done = deque[tuple[dict[str, Any] | BadRecordError, int]]()
        self._waiting = 0

    @property
    def line(self) -> int:
        """The line that the parser has come to, from 1."""
        return self._parser.CurrentLineNumber

    def take(self, portion: bytes, interpreter: Interpreter) -> Iterator[Read]:
        """
        Take more bytes in, none at the end, and yield what is whole by now.
        """
        self._waiting += len(portion)
        try:
            self._parser.Parse(portion, not portion)
        except expat.ExpatError as error:
            self.fault = BadRecordError("RS901", f"not XML: {expat.ErrorString(error.code)}")
        except BadRecordError as bad:
            self.fault = bad
        except (ValueError, LookupError) as error:
            self.fault = BadRecordError("RS901", f"not XML: {error}")
        if self.fault is None and self._waiting > _source.LARGEST_RECORD:
            self.fault = too_large("event", _source.LARGEST_RECORD)
        while self._done:
            record, line = self._done.popleft()
            if isinstance(record, BadRecordError):
                yield interpreter.refusal(record, line)
            else:
                yield from interpreter.observe(record, line)

    def _refuse_doctype(self, *_: Any) -> None:
        raise BadRecordError("RS901", "the document declares a type, which a log has no need of")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        # Tools write it with the namespace or a prefix, or without.
        tag = name.rpartition(":")[2]
        if not self._path and tag != "log":
            raise BadRecordError("RS901", "not XES: the document begins with no <log>")
        if len(self._path) == _DEEPEST:
            raise BadRecordError("RS901", f"attributes are nested deeper than {_DEEPEST}")
        if self._path == ["log"] and tag == "trace":
            self._case, self._bad, self._waiting = {}, None, 0
        elif self._path == ["log", "trace"] and tag == "event":
            self._event, self._bad, self._began = {}, None, self.line
        elif self._path == ["log", "trace"]:
            self._keep(self._case, tag, attributes)
        elif self._path == ["log", "trace", "event"]:
            self._keep(self._event, tag, attributes)
        self._path.append(tag)

    def _keep(self, attributes: dict[str, Any], kind: str, given: dict[str, str]) -> None:
        """
        Keep one attribute; of a list or a container, nothing.
        """
        key, value = given.get("key"), given.get("value")
        if key is None or value is None:
            return
        if key in attributes:
            self._bad = BadRecordError("RS903", f"attribute {key} is there twice")
        attributes[key] = value if kind in _TEXTS else _number(value)

    def _end(self, _: str) -> None:
        if self._path == ["log", "trace", "event"]:
            case = {_CASE + key: value for key, value in self._case.items()}
            self._done.append((self._bad or case | self._event, self._began))
            self._bad, self._waiting = None, 0
        self._path.pop()


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text[:400])
        except ValueError:
            continue

    return text
