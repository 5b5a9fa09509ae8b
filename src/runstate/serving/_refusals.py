"""
Refusals: every error of the API as JSON, in the form that OpenAI's clients read.

A message is one line. It names the parameter where one is at fault. Of what the client sent it repeats
the ids of runs and tool calls alone, and nothing of what a library says about it.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import PayloadError
from ..store import RunNotFoundError

__all__ = ["HANDLERS", "Refusal", "invalid", "missing", "not_found", "refused", "unacceptable"]


_EXPECTED: Final[Mapping[str, str]] = {
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "string": "text",
    "too_long": "at most {max_length} items",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "missing": "all required parts",
}
"""What is expected, by the beginning of pydantic's name of the fault."""


class Refusal(Exception):
    """
    Raised where a request is at fault.
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status_code: int = 400,
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code
        self.status_code = status_code


def missing(param: str) -> Refusal:
    """
    Return the refusal of a request that lacks the required *param*.
    """
    message = f"Missing required parameter: '{param}'."

    return Refusal(message, param=param, code="missing_required_parameter")


def invalid(param: str, expected: str) -> Refusal:
    """
    Return the refusal of a request whose *param* is not what is *expected*.
    """
    return Refusal(f"Invalid '{param}': expected {expected}.", param=param)


def not_found(run_id: str, param: str | None = None) -> Refusal:
    """
    Return the refusal of a request about a run that does not exist.
    """
    return Refusal(f"No run found with id {run_id[:64]!r}.", param=param, status_code=404)


def unacceptable(error: ValidationError) -> Refusal:
    """
    Return the refusal of a run whose fields pydantic did not accept.

    Only the first fault is named, by its field and place in a list. Deeper parts of the place may
    be the client's own text.
    """
    fault = error.errors(include_url=False, include_input=False)[0]
    field, *rest = fault["loc"] or ("body",)
    place = f"[{rest[0]}]" if rest and isinstance(rest[0], int) else ""
    param = f"{field}{place}"
    if fault["type"] == "value_error":
        # The rules of a run say themselves what is wrong.
        return Refusal(f"Invalid '{param}': {fault['ctx']['error']}.", param=param)
    within = " in every value" if rest and not place and "string" in fault["type"] else ""

    return invalid(param, _expected(fault["type"], fault.get("ctx", {})) + within)


def _expected(kind: str, facts: Mapping[str, Any]) -> str:
    """
    Return what pydantic expected, in words of our own.

    Args:
        kind: Pydantic's name of the fault, such as ``string_type``.
        facts: What belongs to it, such as the greatest length.
    """
    for name, words in _EXPECTED.items():
        if kind.startswith(name):
            return words.format(**facts)

    return "another value"


def refused(
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    status_code: int = 400,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """
    Return the response that refuses a request.
    """
    kind = "server_error" if status_code >= 500 else "invalid_request_error"
    line = " ".join(message.split())
    error = {"message": line, "type": kind, "param": param, "code": code}

    return JSONResponse({"error": error}, status_code, headers)


def _on_refusal(_: Request, error: Refusal) -> Response:
    """
    Answer a request that is at fault.
    """
    return refused(error.message, param=error.param, code=error.code, status_code=error.status_code)


def _on_run_not_found(request: Request, error: RunNotFoundError) -> Response:
    """
    Answer a request about a run that does not exist.
    """
    return _on_refusal(request, not_found(error.run_id))


def _on_payload(_: Request, error: PayloadError) -> Response:
    """
    Answer tool outputs that do not fit the calls that the run waits for.
    """
    return refused(f"Invalid 'tool_outputs': {error.reason}.", param="tool_outputs")


def _on_http(request: Request, error: HTTPException) -> Response:
    """
    Answer an unknown route, or a method that a route does not have.
    """
    message = {
        404: "Invalid URL: this API has no such route.",
        405: f"Invalid method: this route does not accept {request.method}.",
    }.get(error.status_code, str(error.detail))

    return refused(message, status_code=error.status_code, headers=error.headers)


def _on_failure(_: Request, __: Exception) -> Response:
    """
    Answer a request over which the server failed; the server's log has the reason.
    """
    return refused("The server had an error while processing your request.", status_code=500)


HANDLERS: Any = {
    Refusal: _on_refusal,
    RunNotFoundError: _on_run_not_found,
    PayloadError: _on_payload,
    HTTPException: _on_http,
    Exception: _on_failure,
}
"""What Starlette calls for which exception."""
