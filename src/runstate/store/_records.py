"""
Rows of the tables, and what they are in Python.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from ..runs._log import Moved
from ..runs._models import LIFECYCLE_FIELDS, RunResponse
from ..runs._move import remember
from ._tables import JSON_FIELDS, SECOND_FIELDS
from ._verdicts import JournalEntry, RunNotFoundError

__all__ = [
    "as_json",
    "as_object",
    "checked",
    "document_of",
    "entry_of",
    "is_word",
    "last_moved",
    "line_of",
    "one_line",
    "run_of",
    "valid_id",
]

_OWN_COLUMNS: Final = ("id", "thread_id", "assistant_id")
_ELSEWHERE: Final = {*LIFECYCLE_FIELDS, *_OWN_COLUMNS}
_WORD: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,512}")
_MOST_BYTES: Final = 1_024
_NO_LINE: Final = dict.fromkeys(name for name in JournalEntry._fields if name != "position")


def valid_id(run_id: str) -> str:
    """
    Return *run_id* if it can be one; what cannot be is not found, and never reaches the database.
    """
    if not is_word(run_id):
        raise RunNotFoundError(run_id)

    return run_id


def one_line(**words: str | None) -> None:
    """
    Refuse a word that is no single line of at most 512 characters and 1,024 bytes.
    """
    for name, word in words.items():
        if word is not None and not is_word(word):
            raise ValueError(
                f"{name} is one line of at most 512 characters and 1,024 bytes, not {word!r}"
            )


def is_word(text: str) -> bool:
    """
    Return whether *text* is a single line of at most 512 characters, as every name in a store is.

    Its bytes are bounded too: what is in an index of PostgreSQL must fit on a part of a page.
    """
    return _WORD.fullmatch(text) is not None and len(text.encode()) <= _MOST_BYTES


def checked(limit: int) -> int:
    """
    Return *limit* if it is one that every database understands alike.
    """
    if not 0 < limit < 2**31:
        raise ValueError(f"limit is a positive number, not {limit!r}")

    return limit


def as_json(value: Any) -> str:
    """
    Return *value* as JSON in ASCII, a model without what it was not given.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)

    return json.dumps(value, separators=(",", ":"))


def as_object(parts: Mapping[str, str]) -> str | None:
    """
    Return a JSON object of *parts*, which are JSON already; None if there are none.
    """
    if not parts:
        return None

    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in parts.items()) + "}"


def document_of(run: RunResponse) -> str:
    """
    Return the part of the wire body that has no columns of its own.
    """
    return as_json(run.model_dump(mode="json", exclude_unset=True, exclude=_ELSEWHERE))


def run_of(row: Any) -> RunResponse:
    """
    Return the run that a row of the table holds.
    """
    values = json.loads(row.document)
    for name in (*_OWN_COLUMNS, "status", *SECOND_FIELDS):
        values[name] = getattr(row, name)
    for name in JSON_FIELDS:
        text = getattr(row, name)
        values[name] = None if text is None else json.loads(text)
    run = RunResponse.model_validate(values)
    remember(run, last_moved(row))

    return run


def last_moved(row: Any) -> Moved:
    """
    Return the last move of the run that a row of the table holds.
    """
    return Moved(
        row.id,
        row.last_trigger,
        row.last_source,
        row.status,
        row.moved_at,
        row.last_duration_s,
        row.version,
        bool(row.clock_regressed),
    )


def line_of(moved: Moved, **more: Any) -> dict[str, Any]:
    """
    Return the journal's line about *moved*, with *more* of its columns.
    """
    return {**_NO_LINE, **moved._asdict(), "kind": "move", **more}


def entry_of(line: Any) -> JournalEntry:
    """
    Return a line of the journal.
    """
    payload = None if line.payload is None else json.loads(line.payload)
    facts = {name: getattr(line, name) for name in JournalEntry._fields}

    return JournalEntry(
        **facts | {"payload": payload, "clock_regressed": bool(line.clock_regressed)}
    )
