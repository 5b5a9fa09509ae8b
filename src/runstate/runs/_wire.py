"""
The parts of a run, and the scalars they are made of.

Every serializer writes the names of the wire, which are snake_case as in Python. The
reference's PascalCase names are accepted on input, and :meth:`WireModel.to_pascal_case`
gives them. Unknown keys are kept.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import core_schema

from ._writable import JsonValue, Text, why_unwritable

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
"""The earliest valid time, 2000-01-01T00:00:00Z."""
LAST_SECOND: Final = 4_102_444_799
"""The latest valid time, 2099-12-31T23:59:59Z. Milliseconds are far larger."""


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


def _either(name: str, reference: str | None = None) -> AliasChoices:
    """
    Return the names that the field *name* is read by: the wire's first, then the reference's.

    The first one is the name that a JSON schema shows for input.
    """
    return AliasChoices(name, reference or to_pascal(name))


def _is_null(value: object) -> bool:
    """
    Return whether *value* is None: where a key is for some parts alone, the wire has no null.
    """
    return value is None


class WireModel(BaseModel):
    """
    Snake_case on the wire, PascalCase accepted on input, unknown keys kept.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        # An alias for input alone: every serializer writes the name of the field itself,
        # also those that ask for aliases, as FastAPI does.
        alias_generator=AliasGenerator(validation_alias=_either),
        validate_by_name=True,
        validate_by_alias=True,
        # Built on first use: an import that only reads the table does not pay for it.
        defer_build=True,
        extra="allow",
        # The wire's "model" and "model_..." names do not clash with pydantic's own.
        protected_namespaces=(),
    )

    __pydantic_extra__: dict[Text, JsonValue]

    def to_pascal_case(self, *, exclude_unset: bool = False) -> dict[str, Any]:
        """
        Return the wire format with the PascalCase names of the reference, at every depth.

        Unknown keys and the user's own, such as those of ``metadata``, stay as they are.

        Args:
            exclude_unset: Whether to leave out fields that were never set.

        Returns:
            A dictionary that ``json.dumps`` takes, and that ``model_validate`` reads back.

        Example:
            >>> Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7).to_pascal_case()
            {'PromptTokens': 3, 'CompletionTokens': 4, 'TotalTokens': 7}
        """
        dumped = self.model_dump(mode="json", exclude_unset=exclude_unset)
        renamed: dict[str, Any] = _in_pascal_case(self, dumped, nulls=not exclude_unset)

        return renamed

    @model_validator(mode="before")
    @classmethod
    def _one_spelling_a_field(cls, data: Any) -> Any:
        """
        Refuse a field that is given under both of its names, because they may differ.
        """
        if isinstance(data, Mapping):
            names = reference_names(cls)
            if not names.keys().isdisjoint(data):
                for reference in names.keys() & data.keys():
                    if names[reference] in data:
                        raise ValueError(f"both {names[reference]!r} and {reference!r} are given")

        return data

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> core_schema.CoreSchema:
        schema = handler(source)
        if cls.__module__ in _TYPED:
            return schema

        # A field that an application adds may be any ``str``: the model is checked as a whole.
        return core_schema.no_info_after_validator_function(_writable_model, schema)


_TYPED: Final = frozenset({__name__, __name__.replace("_wire", "_models")})
"""Modules whose models have no text that is not a :data:`Text`."""


def _writable_model(model: WireModel) -> WireModel:
    for name, field in type(model).model_fields.items():
        if not field.exclude:
            reason = why_unwritable(getattr(model, name))
            if reason:
                raise ValueError(f"{name}: {reason}")

    return model


@cache
def reference_names(model: type[BaseModel]) -> dict[str, str]:
    """
    Return the names of the fields of *model* by the reference's PascalCase names.
    """
    return {
        choice: name
        for name, field in model.model_fields.items()
        if isinstance(field.validation_alias, AliasChoices)
        for choice in field.validation_alias.choices[1:]
        if isinstance(choice, str)
    }


def _in_pascal_case(value: Any, dumped: Any, *, nulls: bool) -> Any:
    """
    Return *dumped*, which was made of *value*, with the models' own keys in PascalCase.

    With *nulls* it has those too that the wire leaves out: the reference names every property.
    """
    if isinstance(value, BaseModel):
        names = {name: reference for reference, name in reference_names(type(value)).items()}
        held = {**value.__dict__, **(value.__pydantic_extra__ or {})}
        fields = type(value).model_fields.items() if nulls else ()
        absent = {name: None for name, field in fields if field.exclude_if and name not in dumped}
        return {
            names.get(key, key): _in_pascal_case(held.get(key), each, nulls=nulls)
            for key, each in {**dumped, **absent}.items()
        }
    if isinstance(value, list | tuple):
        return [_in_pascal_case(*pair, nulls=nulls) for pair in zip(value, dumped, strict=True)]

    return dumped


class _Part(WireModel):
    """
    A part of a run. It is frozen: a move replaces a detail of a run as a whole.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


class Error(_Part):
    """
    Why the service refused a request.

    Example:
        >>> from runstate import RunResponse
        >>> body = {"error": {"code": "invalid_value", "message": "No such assistant.", "param": "assistant_id"}}
        >>> answer = RunResponse.from_http(400, body)
        >>> answer.error.code, answer.error.param
        ('invalid_value', 'assistant_id')
    """

    # Some servers send the status code as the error's code.
    model_config: ClassVar[ConfigDict] = ConfigDict(coerce_numbers_to_str=True)

    code: Text | None = None
    """Machine-readable reason, such as ``invalid_thread``; often null."""
    type: Text | None = Field(None, validation_alias=_either("type", "ErrorType"))
    """Class of the error, such as ``invalid_request_error``."""
    message: Text | None = None
    """Human-readable reason."""
    param: Text | None = None
    """Name of the request's parameter at fault, if it was one."""


class Function(_Part):
    """
    A function that a tool offers, or one call of it.

    Example:
        >>> schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        >>> Function(name="weather", description="Of a city.", parameters=schema).parameters["type"]
        'object'
        >>> Function(name="weather", arguments='{"city": "Oslo"}').arguments
        '{"city": "Oslo"}'
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """At most 64 characters."""
    description: Text | None = Field(None, exclude_if=_is_null)
    """What it does, for the model to choose by; not on the wire if it is None."""
    parameters: JsonValue = Field(None, exclude_if=_is_null)
    """JSON Schema of its parameters; not on the wire if it is None."""
    arguments: Text | None = Field(None, exclude_if=_is_null)
    """In a call: the arguments, as a string of JSON that the model wrote. A tool has none."""


class Tool(_Part):
    """
    A tool that the assistant may use.

    Example:
        >>> Tool(type="code_interpreter").function is None
        True
        >>> Tool.for_function(Function(name="weather")).model_dump_json(exclude_unset=True)
        '{"type":"function","function":{"name":"weather"}}'
    """

    type: Text = Field(validation_alias=_either("type", "ToolType"))
    """``function``, ``code_interpreter``, ``file_search``, or a service's own."""
    function: Function | None = Field(
        None, validation_alias=_either("function", "ToolFunction"), exclude_if=_is_null
    )
    """The function, where *type* is ``function``; not on the wire of other tools."""

    @classmethod
    def code_interpreter(cls) -> Self:
        """Return the tool ``code_interpreter``."""
        return cls(type="code_interpreter")

    @classmethod
    def file_search(cls) -> Self:
        """Return the tool ``file_search``."""
        return cls(type="file_search")

    @classmethod
    def for_function(cls, function: Function) -> Self:
        """Return a tool that calls *function*."""
        return cls(type="function", function=function)


class ToolCall(_Part):
    """
    One call that the model wants made.

    Example:
        >>> import json
        >>> call = ToolCall(id="call_1", function=Function(name="weather", arguments='{"city": "Oslo"}'))
        >>> call.type, call.function.name, json.loads(call.function.arguments)
        ('function', 'weather', {'city': 'Oslo'})
    """

    id: Identifier
    """What its output must be submitted under."""
    type: Text = Field("function", validation_alias=_either("type", "ToolType"))
    """``function``; services add their own."""
    function: Function
    """Which function, with which arguments."""


class SubmitToolOutputs(_Part):
    """
    The calls whose outputs a run waits for.

    Example:
        >>> call = ToolCall(id="call_1", function=Function(name="weather", arguments="{}"))
        >>> action = RequiredAction(submit_tool_outputs=SubmitToolOutputs(tool_calls=[call]))
        >>> [each.id for each in action.submit_tool_outputs.tool_calls]
        ['call_1']
    """

    tool_calls: tuple[ToolCall, ...]
    """Each must be answered, all in one submission."""


class RequiredAction(_Part):
    """
    What a run in ``requires_action`` waits for.
    """

    type: Text = Field(
        "submit_tool_outputs", validation_alias=_either("type", "RequiredActionType")
    )
    """``submit_tool_outputs``; Azure adds ``submit_tool_approval``."""
    submit_tool_outputs: SubmitToolOutputs | None = Field(None, exclude_if=_is_null)
    """The calls to answer, where *type* is ``submit_tool_outputs``; not on the wire otherwise."""


class LastError(_Part):
    """
    Why a run failed.

    Example:
        >>> import structlog
        >>> from runstate import RunEngine
        >>> with structlog.testing.capture_logs():
        ...     engine = RunEngine()
        ...     run = engine.create(assistant_id="asst_1", thread_id="thread_1")
        ...     _ = engine.start(run)
        ...     _ = engine.fail(run, last_error=LastError(code="server_error", message="The model is down."))
        >>> run.last_error.code, run.last_error.message
        ('server_error', 'The model is down.')
    """

    code: Text
    """``server_error``, ``rate_limit_exceeded`` or ``invalid_prompt``; Azure has its own."""
    message: Text
    """Human-readable reason."""


class IncompleteDetails(_Part):
    """
    Why a run ended ``incomplete``.

    Example:
        >>> import structlog
        >>> from runstate import RunEngine
        >>> with structlog.testing.capture_logs():
        ...     engine = RunEngine()
        ...     run = engine.create(assistant_id="asst_1", thread_id="thread_1")
        ...     _ = engine.start(run)
        ...     _ = engine.stop_incomplete(run, "max_completion_tokens")
        >>> run.status.value, run.incomplete_details.reason
        ('incomplete', 'max_completion_tokens')
    """

    reason: Text | None = None
    """``max_completion_tokens`` or ``max_prompt_tokens``; optional on the wire."""


class Usage(_Part):
    """
    Tokens a run has used, over all its legs.

    Example:
        >>> Usage.model_validate_json(b'{"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}')
        Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7)
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

    Example:
        >>> TruncationStrategy().type
        'auto'
        >>> TruncationStrategy(type="last_messages", last_messages=10).model_dump_json()
        '{"type":"last_messages","last_messages":10}'
    """

    type: Literal["auto", "last_messages"] = Field(
        "auto", validation_alias=_either("type", "StrategyType")
    )
    """``auto`` drops from the middle; ``last_messages`` keeps the newest."""
    last_messages: Annotated[int, Field(ge=1)] | None = None
    """How many to keep, at least 1; None under ``auto``."""


class ToolChoice(_Part):
    """
    A tool the model must call.

    Example:
        >>> choice = ToolChoice(type="function", function=Function(name="weather"))
        >>> choice.model_dump_json(exclude_unset=True)
        '{"type":"function","function":{"name":"weather"}}'
    """

    type: Text
    """``function``, ``code_interpreter`` or ``file_search``."""
    function: Function | None = Field(None, exclude_if=_is_null)
    """Which function, where *type* is ``function``; not on the wire otherwise."""


class ResponseFormat(_Part):
    """
    The format the model must answer in.

    Example:
        >>> ResponseFormat(type="json_object").model_dump_json()
        '{"type":"json_object"}'
        >>> schema = {"name": "weather", "schema": {"type": "object"}}
        >>> ResponseFormat(type="json_schema", json_schema=schema).model_dump_json()
        '{"type":"json_schema","json_schema":{"name":"weather","schema":{"type":"object"}}}'
    """

    type: Literal["text", "json_object", "json_schema"]
    """``json_schema`` brings its schema under the key of that name."""
