"""
Rows of the tables, and what they are in Python.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ..runs._log import Moved
from ..runs._models import LIFECYCLE_FIELDS, RunResponse
from ..runs._move import remember
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._layout import RUN_LAYOUT
from ._row_errors import UnreadableRunError, wrong_argument
from ._verdicts import JournalEntry, RunNotFoundError

__all__ = [
    "as_json",
    "as_object",
    "check_expires_after",
    "check_expires_at",
    "checked",
    "creation_of",
    "document_of",
    "entry_of",
    "is_seconds",
    "is_word",
    "last_moved",
    "line_of",
    "one_line",
    "run_of",
    "valid_id",
]

_OWN_COLUMNS: Final = ("id", "thread_id", "assistant_id")
_PLAIN: Final = (*_OWN_COLUMNS, "status", *RUN_LAYOUT.stamps)
_ELSEWHERE: Final = {*LIFECYCLE_FIELDS, *_OWN_COLUMNS}
_WORD: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,512}")
_LARGEST: Final = 1e15
_LONGEST: Final = 10**9
_MOST_BYTES: Final = 1_024
_NO_LINE: Final = dict.fromkeys(name for name in JournalEntry._fields if name != "position")


def valid_id(run_id: str, noun: str = "run") -> str:
    """
    Return *run_id* if an object can have it; a text that none can have never reaches the database.

    Raises:
        RunNotFoundError: No object can have that text as its id.
        StoreArgumentError: It is not a text.
    """
    if not isinstance(run_id, str):
        raise wrong_argument("run_id", f"the id of a {noun}, as text", run_id)
    if not is_word(run_id):
        raise RunNotFoundError(run_id, noun)

    return run_id


def one_line(**words: object) -> None:
    """
    Refuse what is neither None nor a single line of at most 512 characters and 1,024 bytes.
    """
    for name, word in words.items():
        if word is not None and not (isinstance(word, str) and is_word(word)):
            raise wrong_argument(
                name, "one line of text of at most 512 characters and 1,024 bytes", word
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
    # Not isinstance: True is not a number of rows.
    if type(limit) is not int or not 0 < limit < 2**31:
        raise wrong_argument("limit", "a positive whole number", limit)

    return limit


def check_expires_after(seconds: Any) -> None:
    """
    Refuse what is neither None nor a whole number of seconds, of at most thirty years.
    """
    # Not isinstance: True is not a number of seconds.
    if seconds is not None and not (type(seconds) is int and 0 <= seconds < _LONGEST):
        raise wrong_argument("expires_after", "a whole number of seconds, or None", seconds)


def check_expires_at(moment: Any, seconds: Any) -> None:
    """
    Refuse what is neither None nor a time that a run can hold, or given beside *seconds*.
    """
    if moment is None:
        return
    if seconds is not None:
        raise wrong_argument("expires_at", "no time where expires_after is given", moment)
    if type(moment) is not int or not FIRST_SECOND <= moment <= LAST_SECOND:
        raise wrong_argument("expires_at", "whole Unix seconds of the years 2000 to 2099", moment)


def is_seconds(value: Any) -> bool:
    """
    Return whether *value* is a number that a column of times can hold.
    """
    # Not isinstance: True is not a number of seconds. NaN compares false with everything.
    return type(value) in {int, float} and -_LARGEST < value < _LARGEST


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

    Raises:
        UnreadableRunError: Another program, or another version of this one, wrote the row.
    """
    try:
        run = _parsed(row)
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableRunError(str(row.id), _reason(error)) from error
    remember(run, last_moved(row))

    return run


def _parsed(row: Any) -> RunResponse:
    values = json.loads(row.document)
    for name in _PLAIN:
        values[name] = getattr(row, name)
    for name in RUN_LAYOUT.details:
        text = getattr(row, name)
        values[name] = None if text is None else json.loads(text)

    return RunResponse.model_validate(values)


def _reason(error: Exception) -> str:
    """
    Return what is wrong with a row, without the values in it.
    """
    if not isinstance(error, ValidationError):
        return f"its JSON is not what the store writes ({type(error).__name__})"
    faults = error.errors(include_url=False, include_input=False, include_context=False)

    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])


def creation_of(row: Any) -> Moved:
    """
    Return the first move of the new run that a row of the table holds.
    """
    return Moved(row.id, row.last_trigger, None, row.status, row.moved_at, None, 1)


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
    Return a line of the journal; without its payload if another program wrote one that is not JSON.
    """
    payload = None if line.payload is None else _payload_of(line.payload)
    facts = {name: getattr(line, name) for name in JournalEntry._fields}
    if facts["key"] is not None:
        # Behind the control character is the attempt that the key belongs to.
        facts["key"] = facts["key"].partition("\x1f")[0]

    return JournalEntry(
        **facts | {"payload": payload, "clock_regressed": bool(line.clock_regressed)}
    )


def _payload_of(text: str) -> dict[str, Any] | None:
    try:
        payload = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None

    return payload if isinstance(payload, dict) else None
