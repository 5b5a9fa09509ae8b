"""
A document of XML as a stream of records, with no more than one of them held.

A document that declares a document type is refused: it could make anything of what follows.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Any, Final
from xml.parsers import expat

from . import _source
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["Document"]

Record = dict[str, Any] | BadRecordError

_DEEPEST: Final = 100


class Document(ABC):
    """
    Makes records of elements as they come. Tags are without their prefix.
    """

    def __init__(self) -> None:
        self.path: list[str] = []
        """The tags of the elements that are open, the outermost first."""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self.text
        self._done = deque[tuple[Record, int]]()
        self._began = 1
        self._waiting = 0

    @abstractmethod
    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """
        Take the beginning of an element within :attr:`path`.
        """

    @abstractmethod
    def end(self) -> None:
        """
        Take the end of the last element of :attr:`path`.
        """

    def text(self, text: str) -> None:  # noqa: B027  not every document has text to take
        """
        Take text within :attr:`path`, perhaps not all of it.
        """

    def mark(self) -> None:
        """
        Say that a record begins here.
        """
        self._began, self._waiting = self._parser.CurrentLineNumber, 0

    def hand_out(self, record: Record) -> None:
        """
        Say that *record* is whole, and began where it was marked.
        """
        self._done.append((record, self._began))
        self._waiting = 0

    def records(self, source: Source, noun: str) -> Iterator[tuple[Record, int]]:
        """
        Yield what *source* holds, each with its line; after a break, nothing.

        A record is called *noun* where it is too large.
        """
        for portion in iter(source.portion, b""):
            fault = self._taken(portion, noun)
            yield from self._whole()
            if fault:
                yield fault, self._parser.CurrentLineNumber
                return
        fault = self._taken(b"", noun)
        yield from self._whole()
        if fault:
            yield fault, self._parser.CurrentLineNumber

    def _whole(self) -> Iterator[tuple[Record, int]]:
        while self._done:
            yield self._done.popleft()

    def _taken(self, portion: bytes, noun: str) -> BadRecordError | None:
        """
        Return why no more can be read after *portion*, empty at the end; None if more can.
        """
        self._waiting += len(portion)
        try:
            self._parser.Parse(portion, not portion)
        except expat.ExpatError as error:
            return BadRecordError("RS901", f"not XML: {expat.ErrorString(error.code)}")
        except BadRecordError as bad:
            return bad
        except (ValueError, LookupError) as error:
            return BadRecordError("RS901", f"not XML: {error}")
        largest = _source.LARGEST_RECORD

        return too_large(noun, largest) if self._waiting > largest else None

    def _refuse_doctype(self, *_: Any) -> None:
        raise BadRecordError("RS901", "the document declares a type, which a log has no need of")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        # Tools write it with the namespace or a prefix, or without.
        tag = name.rpartition(":")[2]
        if len(self.path) == _DEEPEST:
            raise BadRecordError("RS901", f"attributes are nested deeper than {_DEEPEST}")
        self.begin(tag, attributes)
        self.path.append(tag)

    def _end(self, _: str) -> None:
        self.end()
        self.path.pop()
