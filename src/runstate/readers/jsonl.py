"""
One JSON value a line.

A line is what ends in a line feed, so that the number in a finding is the one an
editor shows. Blank lines are nothing; an array is so many records of one line.
"""

from collections.abc import Iterator

from . import _source
from ._parse import parse
from ._record import Interpreter, Read
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["read_jsonl"]


def read_jsonl(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what each line of *source* says.
    """
    observe = interpreter.observe
    for number, line in enumerate(source.lines(), 1):
        if line is None:
            yield interpreter.refusal(too_large("line", _source.LARGEST_RECORD), number)
        elif line and not line.isspace():
            try:
                value = parse(line)
            except BadRecordError as bad:
                yield interpreter.refusal(bad, number)
            else:
                yield from observe(value, number)
