"""
The parts of a run, and the scalars they are made of.

Snake_case in Python and on the wire; the reference's PascalCase names are accepted on
input and given on output with ``by_alias=True``. Unknown keys are kept.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic.alias_generators import to_pascal

__all__ = [
    "Error",
    "Function",
    "Identifier",
    "IncompleteDetails",
    "LastError",
    "Metadata",
    "RequiredAction",
    "ResponseFormat",
    "SubmitToolOutputs",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "TruncationStrategy",
    "UnixSeconds",
    "Usage",
    "WireModel",
]

FIRST_SECOND: Final = 946_684_800
"""2000-01-01T00:00:00Z; earlier than any run."""
LAST_SECOND: Final = 4_102_444_799
"""2099-12-31T23:59:59Z; a count of milliseconds lies far beyond it."""


def _unix_seconds(value: int) -> int:
    if FIRST_SECOND <= value <= LAST_SECOND:
        return value
    if FIRST_SECOND <= value // 1000 <= LAST_SECOND:
        raise ValueError("looks like milliseconds; Unix seconds are expected")
    raise ValueError("must be Unix seconds between the years 2000 and 2099")


UnixSeconds = Annotated[int, Field(strict=True), AfterValidator(_unix_seconds)]
"""Whole seconds since 1970-01-01T00:00:00Z, from 2000 to 2099; milliseconds are refused."""


def _one_visible_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must hold no control, invisible or line-breaking character")

    return value


Identifier = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_one_visible_line)]
"""1 to 512 characters, none of them a control, invisible or line-breaking one."""

TokenCount = Annotated[int, Field(ge=0)]

Metadata = Annotated[
    dict[
        Annotated[str, Field(max_length=64)],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=16),
]
"""At most 16 pairs; keys of at most 64, values of at most 512 characters."""


class WireModel(BaseModel):
    """
    Snake_case on the wire, PascalCase as the alias, unknown keys kept.
    """

    model_config = ConfigDict(
        alias_generator=to_pascal,
        validate_by_name=True,
        validate_by_alias=True,
        # Built on first use: an import that only reads the table does not pay for it.
        defer_build=True,
        extra="allow",
        # The wire's "model" and "model_..." names are no clash with pydantic's own.
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def _one_spelling_a_field(cls, data: Any) -> Any:
        """
        Refuse a field that is given under both of its names: which one is meant is a guess.
        """
        if isinstance(data, Mapping):
            for name, field in cls.model_fields.items():
                if field.alias != name and field.alias in data and name in data:
                    raise ValueError(f"both {name!r} and {field.alias!r} are given")

        return data


class _Part(WireModel):
    """
    A part of a run. Frozen: a run's details change by moves, and then as a whole.
    """

    model_config = ConfigDict(frozen=True)


class Error(_Part):
    """
    Why the service refused a request.
    """

    # Some servers send the status code as the error's code.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    code: str | None = None
    """Machine-readable reason, such as ``invalid_thread``; often null."""
    type: str | None = Field(None, alias="ErrorType")
    """Class of the error, such as ``invalid_request_error``."""
    message: str | None = None
    """Human-readable reason."""
    param: str | None = None
    """Name of the request's parameter at fault, if it was one."""


class Function(_Part):
    """
    A function a tool can call, or the call of one.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """At most 64 characters."""
    description: str | None = None
    """What it does, for the model to choose by."""
    parameters: Any = None
    """JSON Schema of its parameters."""
    arguments: str | None = None
    """In a call: the arguments, as a string of JSON that the model wrote."""


class Tool(_Part):
    """
    Something the assistant may use.
    """

    type: str = Field(alias="ToolType")
    """``function``, ``code_interpreter``, ``file_search``, or a service's own."""
    function: Function | None = Field(None, alias="ToolFunction")
    """The function, where *type* is ``function``."""

    @classmethod
    def code_interpreter(cls) -> Self:
        """Return the code interpreter."""
        return cls(type="code_interpreter")

    @classmethod
    def file_search(cls) -> Self:
        """Return the file search."""
        return cls(type="file_search")

    @classmethod
    def for_function(cls, function: Function) -> Self:
        """Return a tool that calls *function*."""
        return cls(type="function", function=function)


class ToolCall(_Part):
    """
    One call that the model wants made.
    """

    id: Identifier
    """What its output must be submitted under."""
    type: str = Field("function", alias="ToolType")
    """``function``; services add their own."""
    function: Function
    """Which function, with which arguments."""


class SubmitToolOutputs(_Part):
    """
    The calls whose outputs a run waits for.
    """

    tool_calls: tuple[ToolCall, ...]
    """Each must be answered, all in one submission."""


class RequiredAction(_Part):
    """
    What a run in ``requires_action`` waits for.
    """

    type: str = Field("submit_tool_outputs", alias="RequiredActionType")
    """``submit_tool_outputs``; Azure adds ``submit_tool_approval``."""
    submit_tool_outputs: SubmitToolOutputs | None = None
    """The calls to answer, where *type* is ``submit_tool_outputs``."""


class LastError(_Part):
    """
    Why a run failed.
    """

    code: str
    """``server_error``, ``rate_limit_exceeded`` or ``invalid_prompt``; Azure has its own."""
    message: str
    """Human-readable reason."""


class IncompleteDetails(_Part):
    """
    Why a run ended ``incomplete``.
    """

    reason: str | None = None
    """``max_completion_tokens`` or ``max_prompt_tokens``; optional on the wire."""


class Usage(_Part):
    """
    Tokens a run has used, over all its legs.
    """

    prompt_tokens: TokenCount
    """Tokens that went in."""
    completion_tokens: TokenCount
    """Tokens that came out."""
    total_tokens: TokenCount
    """Their sum, as the service states it."""


class TruncationStrategy(_Part):
    """
    How a thread is cut to fit the model before a run.
    """

    type: Literal["auto", "last_messages"] = Field("auto", alias="StrategyType")
    """``auto`` drops from the middle; ``last_messages`` keeps the newest."""
    last_messages: Annotated[int, Field(ge=1)] | None = None
    """How many to keep, at least 1; None under ``auto``."""


class ToolChoice(_Part):
    """
    A tool the model must call.
    """

    type: str
    """``function``, ``code_interpreter`` or ``file_search``."""
    function: Function | None = None
    """Which function, where *type* is ``function``."""


class ResponseFormat(_Part):
    """
    The format the model must answer in.
    """

    type: Literal["text", "json_object", "json_schema"]
    """``json_schema`` brings its schema under the key of that name."""
