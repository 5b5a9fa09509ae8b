"""
Processors for structlog that escape hostile text and remove private text.
"""

from collections.abc import Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any, Final

from pydantic import BaseModel

from .._text import printable

__all__ = ["escape_untrusted", "redact"]

PRIVATE: Final = frozenset(
    {
        "instructions", "additional_instructions", "additional_messages", "metadata", "tools",
        "tool_outputs", "outputs", "output", "arguments", "required_action", "payload",
    }
)  # fmt: skip
"""Keys whose values are texts for a model or a user, which do not belong in a log."""

_LONGEST = 2_000
_DEEPEST = 8


def escape_untrusted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    r"""
    Escape every text in *event*, so that it cannot act on a terminal or forge a log line.

    Control and bidi characters, line separators and unpaired surrogates become escapes
    such as ``\x1b``. Put it before the renderer.

    Args:
        _: The logger, which structlog passes; it is not used.
        __: The name of the method, which structlog passes; it is not used.
        event: The event, changed in place.

    Example:
        >>> escape_untrusted(None, "info", {"event": "run created", "thread_id": "t1\n[error] forged"})
        {'event': 'run created', 'thread_id': 't1\\n[error] forged'}
    """
    for key in [*event]:
        value = _escaped(event.pop(key), 0)
        event[printable(str(key))] = value

    return event


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """
    Replace each text for a model or a user by its length and the beginning of its hash.

    Found by its key, at any depth; models of pydantic, dataclasses and named tuples are
    looked into, and go on as dictionaries.

    Args:
        _: The logger, which structlog passes; it is not used.
        __: The name of the method, which structlog passes; it is not used.
        event: The event, changed in place.

    Example:
        >>> redact(None, "info", {"event": "run created", "instructions": "Greet Ada.", "run_id": "run_1"})
        {'event': 'run created', 'instructions': '(redacted: 10 characters, sha256 30a0d1f45394)', 'run_id': 'run_1'}
    """
    for key, value in event.items():
        event[key] = _digest(value) if key in PRIVATE else _redacted(value, 0)

    return event


def _escaped(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return printable(value, _LONGEST)
    if _is_exc_info(value):
        return value
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {printable(str(key)): _escaped(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_escaped(each, depth + 1) for each in value]
    if value is None or isinstance(value, bool | int | float | BaseException):
        return value

    return printable(repr(value), _LONGEST)


def _redacted(value: Any, depth: int) -> Any:
    if _is_exc_info(value):
        return value
    named = _named(value)
    if named is None and not isinstance(value, list | tuple | AbstractSet):
        return value
    if depth == _DEEPEST:
        return _digest(value)
    if named is None:
        return [_redacted(each, depth + 1) for each in value]

    return {
        key: _digest(each) if key in PRIVATE else _redacted(each, depth + 1)
        for key, each in named.items()
    }


def _named(value: Any) -> Mapping[Any, Any] | None:
    """
    Return the fields of *value* by name; None if it has no named fields.
    """
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if is_dataclass(value):
        return {field.name: getattr(value, field.name, None) for field in fields(value)}
    if isinstance(value, BaseModel):
        return {**dict(value), **(value.model_extra or {})}

    return value._asdict() if isinstance(value, tuple) and hasattr(value, "_asdict") else None


def _is_exc_info(value: Any) -> bool:
    """
    Return whether *value* is what ``sys.exc_info()`` returns, which renderers of tracebacks take.
    """
    return isinstance(value, tuple) and len(value) == 3 and isinstance(value[1], BaseException)


def _digest(value: Any) -> Any:
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    return f"(redacted: {len(text)} characters, sha256 {digest})"
