"""
The wire model of a run.

Every property of the reference API's ``RunResponse`` and ``BaseResponse``, named
in snake_case in Python and on the wire. Every serializer writes the wire's names;
the reference's PascalCase names are accepted on input, and ``to_pascal_case()`` gives
them. Wire keys that this page does not name are kept, and come back out.

Fields that the lifecycle owns refuse assignment: only an engine moves them.

Sources: OpenAI's ``RunObject`` schema (openai/openai-openapi, ``openapi.yaml``),
and class ``RunResponse`` of Aspose.PDF for .NET (aspose-pdf/Aspose.PDF-API-References).
"""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, Field, ValidationError
from pydantic.alias_generators import to_pascal
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import from_json

from ..errors import LifecycleFieldError
from ._wire import (
    Error,
    Identifier,
    IncompleteDetails,
    LastError,
    Metadata,
    RequiredAction,
    ResponseFormat,
    Tool,
    ToolChoice,
    TruncationStrategy,
    UnixSeconds,
    Usage,
    WireModel,
    reference_names,
)
from ._writable import Text, writable

__all__ = [
    "LIFECYCLE_FIELDS",
    "OWNED_NAMES",
    "BaseResponse",
    "ErrorResponse",
    "RunResponse",
    "RunStatus",
]


class RunStatus(StrEnum):
    """
    The status of a run; each member is its own wire value.
    """

    QUEUED = "queued"  #: Waiting for a worker: at first, and again after tool outputs.
    IN_PROGRESS = "in_progress"  #: A worker is on it.
    REQUIRES_ACTION = "requires_action"  #: Waiting for the outputs of its tool calls.
    CANCELLING = "cancelling"  #: Cancel was asked for; it may still end otherwise.
    CANCELLED = "cancelled"  #: Ended: the cancel took effect.
    FAILED = "failed"  #: Ended: see ``last_error``.
    COMPLETED = "completed"  #: Ended well.
    INCOMPLETE = "incomplete"  #: Ended at a token limit: see ``incomplete_details``.
    EXPIRED = "expired"  #: Ended: took longer than ``expires_at``.


class BaseResponse(WireModel):
    """
    The HTTP envelope of a response. None of it is part of the wire body.

    Example:
        >>> run = RunResponse.from_http(200, b'{"id": "run_1", "created_at": 1700000000, "status": "queued"}')
        >>> run.is_successful, run.reason_phrase
        (True, 'OK')
        >>> answer = RunResponse.from_http(404, b'{"detail": "no such run"}')
        >>> answer.is_successful, answer.reason_phrase, answer.error_message
        (False, 'Not Found', 'no such run')
    """

    # No schema shows these: a service neither reads nor writes them in a body.
    http_status_code: SkipJsonSchema[Annotated[int, Field(ge=100, le=599)] | None] = Field(
        None, exclude=True
    )
    """Status code; None if this did not come over HTTP."""
    http_response_headers: SkipJsonSchema[dict[str, str] | None] = Field(None, exclude=True)
    """Headers as they came; None if this did not come over HTTP."""
    error: SkipJsonSchema[Error | None] = Field(None, exclude=True)
    """The body's ``error`` object, if the service refused."""
    detail: SkipJsonSchema[Text | None] = Field(None, exclude=True)
    """The body's ``detail``, which some servers send instead of ``error``."""

    @property
    def is_successful(self) -> bool:
        """True for a 2xx status, and for an object that did not come over HTTP."""
        return self.http_status_code is None or 200 <= self.http_status_code < 300

    @property
    def error_message(self) -> str | None:
        """The error's message, or else *detail*; None if there is neither."""
        return (self.error.message if self.error else None) or self.detail

    @property
    def reason_phrase(self) -> str | None:
        """The standard phrase of the status code, such as ``Not Found``; None if it has none."""
        from http import HTTPStatus  # noqa: PLC0415  asked for seldom, and slow to load

        try:
            return HTTPStatus(self.http_status_code or 0).phrase
        except ValueError:
            return None


class ErrorResponse(BaseResponse):
    """
    A response that carries no run: the service refused, and says why.

    Example:
        >>> body = b'{"error": {"code": "rate_limit_exceeded", "message": "Slow down."}}'
        >>> answer = RunResponse.from_http(429, body, {"retry-after": "20"})
        >>> if isinstance(answer, ErrorResponse):
        ...     print(answer.error_message, answer.error.code, answer.http_response_headers)
        Slow down. rate_limit_exceeded {'retry-after': '20'}
    """

    @classmethod
    def from_body(cls, envelope: dict[str, Any], body: Any) -> Self:
        """
        Read the fields that the usual error bodies share; keep any other body in *detail* as text.

        Args:
            envelope: ``http_status_code`` and ``http_response_headers``.
            body: The body, parsed if it was JSON.

        Raises:
            pydantic.ValidationError: A value of *envelope* does not fit its field. No *body* raises.
        """
        if not isinstance(body, Mapping):
            return cls(**envelope, detail=_text(body))
        error, detail = body.get("error"), body.get("detail")
        if isinstance(error, str):
            error = {"message": error}
        if error is not None or detail is not None:
            try:
                return cls(**envelope, error=error, detail=_text(detail))
            except ValidationError:
                pass

        return cls(**envelope, detail=_text(dict(body)))


LIFECYCLE_FIELDS: Final = frozenset(
    {
        "status",
        "created_at",
        "started_at",
        "completed_at",
        "failed_at",
        "cancelled_at",
        "expires_at",
        "required_action",
        "last_error",
        "incomplete_details",
        "usage",
    }
)
"""Fields of a run that only a move changes."""


# Under its alias an owned field would land among the extra keys, and be read back as itself.
OWNED_NAMES: Final = LIFECYCLE_FIELDS | frozenset(map(to_pascal, LIFECYCLE_FIELDS))
"""The same with the aliases of those fields."""


class RunResponse(BaseResponse):
    """
    A run: one execution of an assistant on a thread.

    The object is the run's identity. An engine moves it in place, so everyone who
    holds it sees the move; ``model_copy()`` takes a snapshot, which later moves do not change.
    """

    # Holds the record of the last move. A slot, so that it is neither dumped,
    # copied nor compared: it is a fact about this object, not about the run.
    __slots__ = ("_last_move",)

    id: Identifier
    """Identifies the run in API endpoints and in every record about it."""
    object: Literal["thread.run"] = "thread.run"
    """Always ``thread.run``."""
    created_at: UnixSeconds
    """When the run was created."""
    thread_id: Identifier | None = None
    """The thread the run executes on."""
    assistant_id: Identifier | None = None
    """The assistant the run executes."""
    status: RunStatus
    """What the run is doing."""
    required_action: RequiredAction | None = None
    """What the run waits for; None unless ``requires_action``."""
    last_error: LastError | None = None
    """Why the run failed; None unless ``failed``."""
    expires_at: UnixSeconds | None = None
    """When the run expires; None once it has ended, and where it never does."""
    started_at: UnixSeconds | None = None
    """When ``in_progress`` was *last* entered; None until it first is."""
    cancelled_at: UnixSeconds | None = None
    """When the cancel took effect; None unless ``cancelled``."""
    failed_at: UnixSeconds | None = None
    """When the run failed; None unless ``failed``."""
    completed_at: UnixSeconds | None = None
    """When the run ended, if ``completed``, ``incomplete`` or ``expired``."""
    incomplete_details: IncompleteDetails | None = None
    """Why the run is ``incomplete``; seen on a ``completed`` one too."""
    model: Text | None = None
    """The model used."""
    instructions: Text | None = None
    """The instructions used; null on the wire where the assistant has none."""
    tools: Annotated[list[Tool], Field(max_length=20)] = Field(default_factory=list)
    """The tools used; at most 20."""
    metadata: Metadata | None = None
    """The user's own pairs."""
    usage: Usage | None = None
    """Tokens used; None until the run has ended."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature, 0 to 2; the service's default is 1."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Nucleus sampling, 0 to 1; the service's default is 1."""
    max_prompt_tokens: Annotated[int, Field(ge=256)] | None = None
    """Most prompt tokens over the whole run, at least 256."""
    max_completion_tokens: Annotated[int, Field(ge=256)] | None = None
    """Most completion tokens over the whole run, at least 256."""
    truncation_strategy: TruncationStrategy | None = None
    """How the thread is cut to fit."""
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    """Whether a tool is called, and which."""
    parallel_tool_calls: bool | None = None
    """Whether several tools may be called at once; true by the service's default."""
    response_format: Literal["auto"] | ResponseFormat | None = None
    """The format of the answer."""

    @classmethod
    def from_http(
        cls,
        status_code: int,
        body: bytes | str | Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> "Self | ErrorResponse":
        """
        Return the run in an HTTP response, or the error that the service answered.

        Both have the envelope, and ``is_successful`` tells them apart. A refusal
        whose body is not JSON keeps that body in ``detail``.

        Args:
            status_code: HTTP status code.
            body: The response's body, as it came or already parsed.
            headers: The response's headers.

        Raises:
            pydantic.ValidationError: The status is 2xx and the body is not a run, or the
                status is not a number from 100 to 599.
        """
        envelope = {
            "http_status_code": status_code,
            "http_response_headers": None if headers is None else dict(headers),
        }
        parsed = _parsed(body)
        if not 200 <= status_code < 300:
            return ErrorResponse.from_body(envelope, parsed)

        return cls.model_validate({**parsed, **envelope} if isinstance(parsed, Mapping) else parsed)

    def __setattr__(self, name: str, value: Any) -> None:
        """
        Validate and set a field; refuse one that only a move changes.
        """
        self._refuse_owned(name)
        if name not in type(self).model_fields:
            self._refuse_alias(name)
            writable({name: value})
            super().__setattr__(name, value)
            return
        # Pydantic's own validate_assignment swaps the whole __dict__, and so would
        # undo a move that another thread makes meanwhile. Validate on a stand-in.
        stand_in = type(self).model_construct(**self.__dict__)
        type(self).__pydantic_validator__.validate_assignment(stand_in, name, value)
        self.__dict__[name] = stand_in.__dict__[name]
        self.__pydantic_fields_set__.add(name)

    def __delattr__(self, name: str) -> None:
        self._refuse_owned(name)
        super().__delattr__(name)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """
        Return a snapshot of the run, with *update* validated and applied to it.

        Args:
            update: New values of fields that the lifecycle does not own.
            deep: Whether to copy the values of the fields as well.

        Raises:
            LifecycleFieldError: *update* names a field that the lifecycle owns.
        """
        copied = super().model_copy(deep=deep)
        for name, value in (update or {}).items():
            setattr(copied, name, value)

        return copied

    def copy(self, **options: Any) -> Self:  # noqa: ARG002
        """
        Refuse pydantic's deprecated ``copy``, whose *update* is not validated.

        Args:
            options: Whatever ``copy`` of pydantic takes.

        Raises:
            TypeError: Always; see :meth:`model_copy`.
        """
        raise TypeError(f"{type(self).__name__} has model_copy(), which validates its update")

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # Of a shallow copy, which is taken in one step: a move made meanwhile is not torn.
        return super(RunResponse, self.__copy__()).__deepcopy__(memo)

    def __reduce__(self) -> tuple[Any, ...]:
        # The envelope is excluded from every dump, so it is packed by hand.
        envelope = {
            name: self.__dict__[name]
            for name in BaseResponse.model_fields.keys() & self.model_fields_set
        }
        if self.error is not None:
            envelope["error"] = self.error.model_dump()

        return type(self).model_validate, ({**self.model_dump(exclude_unset=True), **envelope},)

    def __setstate__(self, state: Any) -> None:
        raise TypeError("a run is unpickled by validating it, never by setting its state")

    @classmethod
    def _refuse_owned(cls, name: str) -> None:
        if name in OWNED_NAMES:
            raise LifecycleFieldError(cls.__name__, name)

    @classmethod
    def _refuse_alias(cls, name: str) -> None:
        # It would land among the extra keys, beside the field that it means.
        field = reference_names(cls).get(name)
        if field is not None:
            raise AttributeError(f"{cls.__name__}.{name} is called {field!r} in Python")


def _init_once(self: RunResponse, /, **data: Any) -> None:
    """
    Create a run from *data*, once: a second call would change the status without an engine.

    Raises:
        LifecycleFieldError: The run has been made already.
    """
    if self.__dict__:
        raise LifecycleFieldError(type(self).__name__, "status")
    BaseModel.__init__(self, **data)


# Set here, not written in the class: type checkers go on reading the fields as parameters, and
# pydantic does not take it for an application's own, which it would call for every body.
setattr(_init_once, "__pydantic_base_init__", True)  # noqa: B010
setattr(RunResponse, "__init__", _init_once)  # noqa: B010  its type is that of the fields


def _parsed(body: bytes | str | Mapping[str, Any]) -> Any:
    """
    Return *body* parsed as JSON; as text if it is not JSON.
    """
    if isinstance(body, Mapping):
        return body
    raw = body.encode("utf-8", "replace") if isinstance(body, str) else body
    try:
        return from_json(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _text(value: Any) -> str | None:
    """
    Return *value* if it is text, else as JSON; None if it is empty.
    """
    if value is None or isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if value else None

    written = json.dumps(value, ensure_ascii=False, default=str)

    # A refusal is read whatever it holds: what UTF-8 cannot write becomes a question mark.
    return written.encode("utf-8", "replace").decode()


def _each(model: type[WireModel]) -> Iterator[type[WireModel]]:
    yield model
    for narrower in model.__subclasses__():
        yield from _each(narrower)


# Building is deferred for these models, not for what others make of them: a TypeAdapter inherits
# the setting, and one that FastAPI makes of a deferred body warns of an alias in its schema.
for _model in _each(WireModel):
    _model.model_config["defer_build"] = False
