"""
Processors for structlog: nothing hostile and nothing private goes on.
"""

from collections.abc import Mapping, MutableMapping
from hashlib import sha256
from typing import Any, Final

from .._text import printable

__all__ = ["escape_untrusted", "redact"]

PRIVATE: Final = frozenset(
    {
        "instructions", "additional_instructions", "additional_messages", "metadata", "tools",
        "tool_outputs", "outputs", "output", "arguments", "required_action", "payload",
    }
)  # fmt: skip
"""Keys whose values were written for a model or a user, and for no log."""

_LONGEST = 2_000
_DEEPEST = 8


def escape_untrusted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    r"""
    Make every text in *event* harmless to a terminal and to whoever splits a log by lines.

    Control and bidi characters, line separators and unpaired surrogates become escapes
    such as ``\x1b``. Put it before the renderer.
    """
    for key in [*event]:
        value = _escaped(event.pop(key), 0)
        event[printable(str(key))] = value

    return event


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """
    Replace what was written for a model or a user by its length and the beginning of its hash.
    """
    for key, value in event.items():
        event[key] = _digest(value) if key in PRIVATE else _redacted(value, 0)

    return event


def _escaped(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return printable(value, _LONGEST)
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {printable(str(key)): _escaped(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_escaped(each, depth + 1) for each in value]
    if value is None or isinstance(value, bool | int | float | BaseException):
        return value

    return printable(repr(value), _LONGEST)


def _redacted(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        if depth == _DEEPEST:
            return _digest(value)
        return {
            key: _digest(each) if key in PRIVATE else _redacted(each, depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return (
            [_redacted(each, depth + 1) for each in value] if depth < _DEEPEST else _digest(value)
        )

    return value


def _digest(value: Any) -> Any:
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    return f"(redacted: {len(text)} characters, sha256 {digest})"
