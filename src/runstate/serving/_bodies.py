"""
The bodies of requests: bounded, parsed and checked before the store sees any of it.
"""

import json
import math
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request

from ._refusals import Refusal, invalid, missing

__all__ = ["body_of", "outputs_in", "wants_stream"]

_MOST_BYTES: Final = 2_000_000
"""Size of the largest body that is accepted: room for 256,000 characters of instructions."""
_MOST_NESTED: Final = 100
"""Most objects and arrays inside each other; pydantic cannot write out much more than 200."""


async def body_of(request: Request) -> dict[str, Any]:
    """
    Return the body of *request*, without the parameters that are null: null is as absent.

    Raises:
        Refusal: The body is too large, not JSON, nested too deeply, or not an object.
    """
    try:
        content = await _bytes_of(request)
        body = json.loads(content, parse_constant=_constant, parse_float=_finite)
        too_deep = _is_deeper(body, _MOST_NESTED)
    except RecursionError:
        too_deep = True
    except ValueError:
        raise Refusal("The body is not JSON in UTF-8, or has a number that is too large.") from None
    if too_deep:
        raise Refusal(f"The body is nested too deeply: at most {_MOST_NESTED} levels are accepted.")
    if not isinstance(body, dict):
        raise Refusal("The body must be a JSON object.")

    return {name: value for name, value in body.items() if value is not None}


async def _bytes_of(request: Request) -> bytes:
    """
    Return the bytes of the body, of which no more than the limit is ever held in memory.
    """
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            # What is too much is read and dropped: many clients read no answer while they send.
            if size <= _MOST_BYTES:
                parts.append(part)
            else:
                parts.clear()
    except ClientDisconnect:
        # No failure of the server, which would log it with a traceback.
        raise Refusal("The connection was closed before the end of the body.") from None
    if size > _MOST_BYTES:
        message = f"The body is too large: at most {_MOST_BYTES:,} bytes are accepted."
        raise Refusal(message, status_code=413)

    return b"".join(parts)


def _constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    """
    Return *text* as a number, of which the run's JSON would say null if it were infinite.
    """
    number = float(text)
    if math.isinf(number):
        raise ValueError("the number is too large")

    return number


def _is_deeper(value: Any, levels: int) -> bool:
    inner = [value]
    for _ in range(levels):
        inner = [
            each
            for outer in inner
            if isinstance(outer, dict | list)
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, dict | list)
        ]
    return bool(inner)


def wants_stream(body: dict[str, Any]) -> bool:
    """
    Return whether *body* asks for a stream.
    """
    stream = body.get("stream", False)
    if not isinstance(stream, bool):
        raise invalid("stream", "true or false")

    return stream


def outputs_in(body: dict[str, Any]) -> dict[str, str]:
    """
    Return the tool outputs in *body*, by the id of their call.

    Raises:
        Refusal: They are missing, have another form, or answer a call twice.
    """
    if "tool_outputs" not in body:
        raise missing("tool_outputs")
    given = body["tool_outputs"]
    if not isinstance(given, list):
        raise invalid("tool_outputs", "a list of objects with tool_call_id and output")
    outputs: dict[str, str] = {}
    for place, each in enumerate(given):
        where = f"tool_outputs[{place}]"
        if not isinstance(each, dict):
            raise invalid(where, "an object with tool_call_id and output")
        for name in ("tool_call_id", "output"):
            if not isinstance(each.get(name), str):
                raise invalid(f"{where}.{name}", "a string")
        if each["tool_call_id"] in outputs:
            raise invalid(f"{where}.tool_call_id", "one output per call")
        outputs[each["tool_call_id"]] = each["output"]

    return outputs
