r"""
Checks that a value can be written as JSON, before it is stored in a run.

Python holds texts that JSON cannot: half of a surrogate pair, for one, which ``json.loads``
makes of ``"\ud800"``. A run that held one could be stored, and never be sent again.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticSerializationError, to_json

__all__ = ["JsonValue", "Text", "why_unwritable", "writable"]

_ROOM: Final = 10
"""
Levels of nesting that are reserved for the document around a run.

pydantic writes at most 255 levels, and a page of runs is deeper than a run.
"""


def why_unwritable(value: Any) -> str:
    """
    Return why *value* cannot be written as JSON, as the end of a sentence; empty if it can.
    """
    for _ in range(_ROOM):
        value = (value,)
    try:
        to_json(value)
    except (PydanticSerializationError, UnicodeError, ValueError, RecursionError) as error:
        said = str(error)
    else:
        return ""
    if "utf-8" in said:
        return "cannot be written as JSON: expected Unicode text without lone surrogates"
    if "unknown type" in said:
        return "cannot be written as JSON: expected text, numbers, lists and mappings"

    return "cannot be written as JSON: it is nested too deeply, or contains itself"


def writable(value: Any) -> Any:
    """
    Return *value* as it is.

    Raises:
        ValueError: It cannot be written as JSON; says why.
    """
    reason = why_unwritable(value)
    if reason:
        raise ValueError(reason)

    return value


# A limit on the length, even one that refuses nothing, is what makes pydantic look at the text.
Text = Annotated[str, Field(min_length=0), WithJsonSchema({"type": "string"})]
"""Text that can be written as JSON."""

JsonValue = Annotated[Any, AfterValidator(writable)]
"""Anything that can be written as JSON."""
