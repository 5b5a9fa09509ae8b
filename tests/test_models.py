"""
The run and its parts: names, limits, what is kept, and who may change it.
"""

import copy
import json
import pickle
import sys
import threading
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from runstate import (
    RUN,
    BaseResponse,
    Error,
    ErrorResponse,
    Function,
    IncompleteDetails,
    LastError,
    LifecycleFieldError,
    RequiredAction,
    ResponseFormat,
    RunEngine,
    RunResponse,
    RunStatus,
    SubmitToolOutputs,
    Tool,
    ToolCall,
    ToolChoice,
    TruncationStrategy,
    Usage,
)

BORN = 1_700_000_000
LEAST = {"id": "run_1", "created_at": BORN, "status": "queued"}

OWN_PROPERTIES = {
    "AssistantId", "CancelledAt", "CompletedAt", "CreatedAt", "ExpiresAt", "FailedAt", "Id",
    "IncompleteDetails", "Instructions", "LastError", "MaxCompletionTokens", "MaxPromptTokens",
    "Metadata", "Model", "Object", "RequiredAction", "ResponseFormat", "StartedAt", "Status",
    "Temperature", "ThreadId", "ToolChoice", "Tools", "TopP", "TruncationStrategy", "Usage",
}  # fmt: skip
"""The 26 that the reference's RunResponse declares itself."""

ENVELOPE = {
    "Detail": "detail",
    "Error": "error",
    "ErrorMessage": "error_message",
    "HttpResponseHeaders": "http_response_headers",
    "HttpStatusCode": "http_status_code",
    "IsSuccessful": "is_successful",
    "ReasonPhrase": "reason_phrase",
}
"""The 7 that it inherits from BaseResponse, and what they are called here."""

PARTS: dict[type[BaseModel], tuple[dict[str, Any], set[str]]] = {
    LastError: ({"code": "server_error", "message": "m"}, {"Code", "Message"}),
    IncompleteDetails: ({}, {"Reason"}),
    RequiredAction: ({}, {"RequiredActionType", "SubmitToolOutputs"}),
    SubmitToolOutputs: ({"tool_calls": []}, {"ToolCalls"}),
    ToolCall: ({"id": "call_1", "function": {"name": "f"}}, {"Function", "Id", "ToolType"}),
    Function: ({"name": "f"}, {"Description", "Name", "Parameters", "Arguments"}),
    Usage: (
        {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        {"CompletionTokens", "PromptTokens", "TotalTokens"},
    ),
    TruncationStrategy: ({}, {"LastMessages", "StrategyType"}),
    Tool: ({"type": "function"}, {"ToolFunction", "ToolType"}),
    Error: ({}, {"Code", "ErrorType", "Message", "Param"}),
    ToolChoice: ({"type": "function"}, {"Type", "Function"}),
    ResponseFormat: ({"type": "text"}, {"Type"}),
}
"""The least that each part is made of, and its property names in the reference."""

FULL: dict[str, Any] = {
    "id": "run_1",
    "object": "thread.run",
    "created_at": BORN,
    "thread_id": "thread_1",
    "assistant_id": "asst_1",
    "status": "failed",
    "required_action": {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": 1}', "x_vendor": [1]},
                }
            ]
        },
    },
    "last_error": {"code": "server_error", "message": "broken", "x_where": "gpu"},
    "expires_at": BORN + 600,
    "started_at": BORN + 1,
    "cancelled_at": None,
    "failed_at": BORN + 9,
    "completed_at": None,
    "incomplete_details": {"reason": "max_prompt_tokens"},
    "model": "m",
    "instructions": "be kind",
    "tools": [
        {"type": "code_interpreter"},
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    ],
    "metadata": {"user": "ada"},
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
    "temperature": 0.5,
    "top_p": 1.0,
    "max_prompt_tokens": 256,
    "max_completion_tokens": 1000,
    "truncation_strategy": {"type": "last_messages", "last_messages": 1},
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": True,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s"}},
    "reasoning_effort": "low",
    "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}},
}
"""A run with every field, and with keys that no page names, outside and inside."""


def read(**change: Any) -> RunResponse:
    """
    Return the least run with *change*.
    """
    return RunResponse.model_validate({**LEAST, **change})


def wire(run: BaseModel, *, pascal: bool = False) -> Any:
    """
    Return *run* as it goes over the wire.
    """
    if pascal:
        return run.to_pascal_case(exclude_unset=True)  # type: ignore[attr-defined]

    return json.loads(run.model_dump_json(exclude_unset=True))


# -- names -------------------------------------------------------------------------


def test_every_property_of_the_reference():
    """
    All 33 reference properties are there by name: 26 in the body, 7 around it.
    """
    run = read()

    assert (26, 7) == (len(OWN_PROPERTIES), len(ENVELOPE))
    assert OWN_PROPERTIES | {"ParallelToolCalls"} == run.to_pascal_case().keys()
    assert [] == [name for name in ENVELOPE.values() if not hasattr(run, name)]
    assert run.model_dump().keys() == FULL.keys() - {
        "reasoning_effort",
        "tool_resources",
    }


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_property_of_the_parts(part):
    """
    Each part has the reference's property names on output, and takes them on input.
    """
    least, names = PARTS[part]
    made = part.model_validate(least)
    pascal = made.to_pascal_case()

    assert names == pascal.keys()
    assert made == part.model_validate(pascal)
    assert least.items() <= made.model_dump(mode="json", exclude_unset=True).items()


def test_statuses_are_the_nine_wire_values():
    """
    Each status is a string that is its wire value.
    """
    assert [
        "queued", "in_progress", "requires_action", "cancelling", "cancelled", "failed",
        "completed", "incomplete", "expired",
    ] == list(RunStatus)  # fmt: skip
    assert set(RUN.statuses) == set(RunStatus)
    assert type(read().status) is RunStatus


def test_owned_fields_are_what_the_lifecycle_writes():
    """
    The fields that refuse assignment are exactly those that the table's entries write.
    """
    assert RUN.deadline is not None
    written = {"status", RUN.deadline.field, *RUN.created}

    assert written.union(*(entry.fields for entry in RUN.entries)) == set(OWNED)


def test_tool_makers():
    """
    The reference's ready-made tools are there.
    """
    function = Function(name="f")

    assert [
        {"type": "code_interpreter"},
        {"type": "file_search"},
        {"type": "function", "function": {"name": "f"}},
    ] == [
        wire(tool)
        for tool in (Tool.code_interpreter(), Tool.file_search(), Tool.for_function(function))
    ]


# -- the wire ----------------------------------------------------------------------


def test_full_run_round_trips():
    """
    Whatever came over the wire goes back unchanged, unknown keys at every depth included.
    """
    run = RunResponse.model_validate_json(json.dumps(FULL))

    assert wire(run) == FULL
    assert run == RunResponse.model_validate(wire(run, pascal=True))
    assert run.model_extra == {name: FULL[name] for name in ("reasoning_effort", "tool_resources")}
    assert run.usage is not None
    assert run.usage.model_extra == {"completion_tokens_details": {"reasoning_tokens": 1}}


def test_pascal_case_is_accepted_at_every_depth():
    """
    The reference's spelling says the same as the wire's, also inside of parts.
    """
    run = RunResponse.model_validate(
        {
            "Id": "run_1",
            "CreatedAt": BORN,
            "Status": "requires_action",
            "RequiredAction": {
                "RequiredActionType": "submit_tool_outputs",
                "SubmitToolOutputs": {
                    "ToolCalls": [
                        {"Id": "call_1", "ToolType": "function", "Function": {"Name": "f"}}
                    ]
                },
            },
            "TopP": 0.5,
        }
    )

    assert wire(run) == {
        **LEAST,
        "status": "requires_action",
        "required_action": {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f"}}]
            },
        },
        "top_p": 0.5,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"Status": "completed"},
        {"tools": [{"type": "function", "ToolType": "file_search"}]},
        {"usage": {**PARTS[Usage][0], "TotalTokens": 9}},
    ],
    ids=["run", "tool", "usage"],
)
def test_both_spellings_are_refused(change):
    """
    A field that is given under both of its names is refused, not guessed.
    """
    with pytest.raises(ValidationError, match=r"both '.*' and '.*' are given"):
        read(**change)


def test_keys_that_shadow_methods_are_kept():
    """
    A wire key called like a method of the model is data like any other.
    """
    odd = dict.fromkeys(("model_dump", "__class__", "__dict__", "_last_move", "self"), 1)
    run = RunResponse.model_validate({**LEAST, **odd})

    assert wire(run) == {**LEAST, **odd}
    assert run == pickle.loads(pickle.dumps(run))


def test_mapping_that_is_no_dict_is_read():
    """
    Any mapping will do for a run and for its parts.
    """
    usage = MappingProxyType(PARTS[Usage][0])

    assert read(usage=PARTS[Usage][0]) == RunResponse.model_validate(
        MappingProxyType({**LEAST, "usage": usage})
    )


names = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)
seconds = st.integers(946_684_800, 4_102_444_799)
maybe_seconds = st.none() | seconds
tokens = st.integers(0, 1 << 40)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
functions = st.fixed_dictionaries(
    {"name": names},
    optional={"description": st.none() | st.text(), "parameters": plain, "arguments": st.text()},
)
runs = st.fixed_dictionaries(
    {"id": names, "created_at": seconds, "status": st.sampled_from(RunStatus).map(str)},
    optional={
        "object": st.just("thread.run"),
        "thread_id": st.none() | names,
        "assistant_id": st.none() | names,
        "started_at": maybe_seconds,
        "expires_at": maybe_seconds,
        "completed_at": maybe_seconds,
        "failed_at": maybe_seconds,
        "cancelled_at": maybe_seconds,
        "last_error": st.none() | st.fixed_dictionaries({"code": names, "message": st.text()}),
        "incomplete_details": st.none()
        | st.fixed_dictionaries({}, optional={"reason": st.none() | names}),
        "required_action": st.none()
        | st.fixed_dictionaries(
            {
                "type": names,
                "submit_tool_outputs": st.fixed_dictionaries(
                    {
                        "tool_calls": st.lists(
                            st.fixed_dictionaries(
                                {"id": names, "type": names, "function": functions}
                            ),
                            max_size=2,
                        )
                    }
                ),
            }
        ),
        "usage": st.none()
        | st.fixed_dictionaries(
            {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": tokens}
        ),
        "model": st.none() | st.text(max_size=9),
        "instructions": st.none() | st.text(max_size=9),
        "tools": st.lists(
            st.fixed_dictionaries({"type": names}, optional={"function": functions}), max_size=20
        ),
        "metadata": st.none() | st.dictionaries(names, st.text(max_size=20), max_size=16),
        "temperature": st.none() | st.floats(0, 2),
        "top_p": st.none() | st.floats(0, 1),
        "max_prompt_tokens": st.none() | st.integers(256, 1 << 40),
        "tool_choice": st.sampled_from([None, "none", "auto", "required", {"type": "function"}]),
        "response_format": st.sampled_from([None, "auto", {"type": "text"}]),
        "parallel_tool_calls": st.none() | st.booleans(),
        "x_vendor": plain,
    },
)


def as_written(body):
    """
    Return *body* as the wire has it: in a function, a key that does not apply is absent, not null.
    """
    body = copy.deepcopy(body)
    calls = (body.get("required_action") or {}).get("submit_tool_outputs", {}).get("tool_calls", [])
    for holder in [*body.get("tools", []), *calls]:
        if "function" in holder:
            given = holder["function"].items()
            holder["function"] = {key: value for key, value in given if value is not None}

    return body


@given(runs)
def test_any_run_round_trips(body):
    """
    Every valid body comes back from the model, from its PascalCase and from a pickle.
    """
    run = RunResponse.model_validate_json(json.dumps(body))
    expected = as_written(body)

    assert wire(run) == expected
    assert wire(RunResponse.model_validate_json(json.dumps(wire(run, pascal=True)))) == expected
    for back in (
        RunResponse.model_validate(body),
        RunResponse.model_validate(run.to_pascal_case()),
        pickle.loads(pickle.dumps(run)),
        run.model_copy(),
        copy.deepcopy(run),
    ):
        assert run == back


# -- limits ------------------------------------------------------------------------

WITHIN: list[dict[str, Any]] = [
    {"metadata": {f"{n:064}": "x" * 512 for n in range(16)}},
    {"metadata": {"k": "any\ncharacter\u202e"}},
    {"tools": [{"type": "file_search"}] * 20},
    {"tools": [{"type": "function", "function": {"name": "f" * 64}}]},
    {"max_prompt_tokens": 256, "max_completion_tokens": 256},
    {"temperature": 0},
    {"temperature": 2},
    {"top_p": 0},
    {"top_p": 1},
    {"truncation_strategy": {"type": "last_messages", "last_messages": 1}},
    {"created_at": 946_684_800},
    {"created_at": 4_102_444_799},
    {"id": "x" * 512},
    {"id": "日本 run"},
    {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
    {"http_status_code": 100},
    {"http_status_code": 599},
]

BEYOND: dict[str, list[dict[str, Any]]] = {
    "metadata": [
        {"metadata": {str(n): "x" for n in range(17)}},
        {"metadata": {"k" * 65: "x"}},
        {"metadata": {"k": "x" * 513}},
        {"metadata": {"k": 1}},
        {"metadata": {"k": None}},
    ],
    "tools": [
        {"tools": [{"type": "file_search"}] * 21},
        {"tools": [{"type": "function", "function": {"name": "f" * 65}}]},
        {"tools": [{"type": "function", "function": {"name": ""}}]},
        {"tools": None},
    ],
    "max_prompt_tokens": [{"max_prompt_tokens": 255}],
    "max_completion_tokens": [{"max_completion_tokens": 255}],
    "temperature": [{"temperature": bad} for bad in (-0.1, 2.1, float("nan"), float("inf"))],
    "top_p": [{"top_p": bad} for bad in (-0.1, 1.1, float("nan"))],
    "truncation_strategy": [
        {"truncation_strategy": {"type": "last_messages", "last_messages": 0}},
        {"truncation_strategy": {"type": "first_messages"}},
    ],
    "created_at": [
        {"created_at": bad}
        for bad in (946_684_799, 4_102_444_800, 0, -1, 10**400, 1.7e9, "1700000000", True, None)
    ],
    "started_at": [{"started_at": BORN * 1000}],
    "id": [
        {"id": bad}
        for bad in ("", "x" * 513, "a\0b", "a\nb", "\x1b[2J", "a\u202eb", "a\u2028b", "\u200b", 7)
    ],
    "thread_id": [{"thread_id": "a\tb"}],
    "assistant_id": [{"assistant_id": ""}],
    "status": [{"status": "Queued"}, {"status": "done"}, {"status": None}],
    "object": [{"object": "thread.run.step"}],
    "tool_choice": [{"tool_choice": "any"}],
    "response_format": [{"response_format": "text"}, {"response_format": {"type": "xml"}}],
    "usage": [{"usage": {"prompt_tokens": -1, "completion_tokens": 0, "total_tokens": 0}}],
    "http_status_code": [{"http_status_code": 99}, {"http_status_code": 600}],
}


@pytest.mark.parametrize("change", WITHIN, ids=range(len(WITHIN)))
def test_limits_are_included(change):
    """
    A value at its limit is accepted, and kept as it is.
    """
    run = read(**change)
    values = {name: getattr(run, name) for name in change}

    assert change == {
        name: [wire(one) for one in value]
        if name == "tools"
        else wire(value)
        if isinstance(value, BaseModel)
        else value
        for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("field", "change"),
    [(field, change) for field, changes in BEYOND.items() for change in changes],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_limits_are_enforced(field, change):
    """
    A value beyond its limit is refused, and the error is about its field.
    """
    with pytest.raises(ValidationError) as caught:
        read(**change)

    places = {str(error["loc"][0]) for error in caught.value.errors()}
    assert places <= {field, "".join(word.capitalize() for word in field.split("_"))}


def test_milliseconds_are_called_by_their_name():
    """
    A count of milliseconds is refused as such, never taken for a date or divided.
    """
    with pytest.raises(ValidationError, match="looks like milliseconds; Unix seconds are expected"):
        read(created_at=BORN * 1000)
    with pytest.raises(ValidationError, match="must be Unix seconds between the years"):
        read(created_at=BORN * 1_000_000)


def test_endless_number_in_json_is_refused():
    """
    A number of thousands of digits is an invalid body, not an overflow.
    """
    body = json.dumps(LEAST).replace(str(BORN), "9" * 6000)

    with pytest.raises(ValidationError, match="number out of range"):
        RunResponse.model_validate_json(body)


# -- who may change it -------------------------------------------------------------

OWNED = [
    "cancelled_at", "completed_at", "created_at", "expires_at", "failed_at", "incomplete_details",
    "last_error", "required_action", "started_at", "status", "usage",
]  # fmt: skip
ATTEMPTS: dict[str, Callable[[RunResponse, str], object]] = {
    "assign": lambda run, name: setattr(run, name, None),
    "delete": delattr,
    "copy": lambda run, name: run.model_copy(update={name: None}),
}


def pascal(name: str) -> str:
    """
    Return the reference's spelling of *name*.
    """
    return "".join(word.capitalize() for word in name.split("_"))


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
@pytest.mark.parametrize("name", [*OWNED, *map(pascal, OWNED)])
def test_owned_field_refuses(name, attempt):
    """
    A field of the lifecycle can be neither set nor deleted nor copied over, by either name.
    """
    run = RunResponse.model_validate(FULL)

    with pytest.raises(LifecycleFieldError) as caught:
        attempt(run, name)

    assert ("RunResponse", name) == (caught.value.model, caught.value.field)
    assert wire(run) == FULL


def test_state_cannot_be_set():
    """
    The way by which pickles usually restore an object is closed.
    """
    run = read()

    with pytest.raises(TypeError, match="unpickled by validating it"):
        run.__setstate__({"__dict__": {"status": "completed"}})

    assert wire(run) == LEAST


def test_other_field_can_be_assigned():
    """
    What the lifecycle does not own is assigned, validated, and then part of the body.
    """
    run = read()
    run.metadata = {"user": "ada"}
    run.tools = [{"type": "file_search"}]  # type: ignore[list-item]
    run.x_vendor = [1]
    run.http_status_code = 200
    del run.model

    assert run.tools == [Tool.file_search()]
    assert wire(run) == {
        **LEAST,
        "metadata": {"user": "ada"},
        "tools": [{"type": "file_search"}],
        "x_vendor": [1],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("metadata", {"k" * 65: "x"}), ("temperature", 3), ("id", "a\nb"), ("tools", [{}] * 21)],
)
def test_assignment_is_validated(name, value):
    """
    A value that would not be read is not assigned either, and the run is as it was.
    """
    run = read()

    with pytest.raises(ValidationError):
        setattr(run, name, value)

    assert wire(run) == LEAST


def test_assignment_by_the_reference_name_is_refused():
    """
    The reference's spelling, which would land beside the field, is told the right one.
    """
    run = read()

    with pytest.raises(AttributeError, match=r"^RunResponse\.TopP is called 'top_p' in Python$"):
        run.TopP = 1

    assert wire(run) == LEAST


def test_parts_are_frozen():
    """
    A part changes only as a whole, known keys and unknown ones alike.
    """
    usage = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)

    for name in ("total_tokens", "x_vendor"):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(usage, name, 4)


def test_copies_are_snapshots(engine: RunEngine):
    """
    A copy of any kind stands still while the run moves on, and can be told apart.
    """
    run = engine.create(id="run_1", metadata={"k": "v"})
    before = wire(run)
    copies = [run.model_copy(), run.model_copy(deep=True), copy.copy(run), copy.deepcopy(run)]
    engine.start(run)

    assert [before] * 4 == [wire(each) for each in copies]
    assert wire(run) == {**before, "status": "in_progress", "started_at": BORN}


def test_deep_copy_shares_nothing():
    """
    What a deep copy holds is its own; a shallow one shares it, as copies do.
    """
    run = read(metadata={"k": "v"})
    deep, shallow = copy.deepcopy(run), copy.copy(run)
    assert run.metadata is not None
    run.metadata["k"] = "w"

    assert ({"k": "v"}, {"k": "w"}) == (deep.metadata, shallow.metadata)


def test_copy_may_change_what_is_not_owned():
    """
    A copy takes changes of other fields, validated; the run does not see them.
    """
    run = read()

    assert wire(run.model_copy(update={"model": "m", "x": 1})) == {**LEAST, "model": "m", "x": 1}
    assert wire(run) == LEAST
    with pytest.raises(ValidationError):
        run.model_copy(update={"temperature": 3})


class Torn(dict[str, str]):
    """
    Metadata that moves its run on while it is being copied.
    """

    move: Callable[[], object]

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, str]:
        self.move()
        return dict(self)


def test_deep_copy_is_not_torn_by_a_move(engine: RunEngine):
    """
    A run that moves while it is deep-copied is copied as it was before, whole.
    """
    run = engine.create(id="run_1")
    # Ahead of the status in the run's own order, so that the status is copied after the move.
    run.__dict__["id"] = torn = Torn()
    torn.move = lambda: engine.start(run)

    copied = copy.deepcopy(run)

    assert run.status == "in_progress"
    assert (copied.status, copied.started_at) == ("queued", None)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_round_trips(protocol):
    """
    A pickled run comes back whole, its envelope included, and only what was set is set.
    """
    run = RunResponse.from_http(
        200, {**FULL, "error": {"message": "m", "x_vendor": 1}, "detail": "d"}, {"a": "b"}
    )

    back = pickle.loads(pickle.dumps(run, protocol))

    assert (run, wire(run)) == (back, wire(back))
    assert run.model_fields_set == back.model_fields_set
    assert (200, {"a": "b"}, "m", "d") == (
        back.http_status_code,
        back.http_response_headers,
        back.error_message,
        back.detail,
    )


def test_pickle_validates():
    """
    A pickle whose contents were forged does not become a run.
    """
    forged = pickle.dumps(read(), 0).replace(b"run_1", b"run\\u000a1")

    with pytest.raises(ValidationError, match="control"):
        pickle.loads(forged)


def test_subclass_keeps_its_ways(engine: RunEngine):
    """
    A subclass with a field of its own is moved, copied and pickled as what it is.
    """
    run = TracedRun.model_validate({**LEAST, "trace_id": "t_1"})
    engine.start(run)

    back = pickle.loads(pickle.dumps(run))

    assert (TracedRun, "t_1", "in_progress", run) == (
        type(back),
        back.trace_id,
        back.status,
        copy.deepcopy(run),
    )


class TracedRun(RunResponse):
    """
    A user's run with a field more.
    """

    trace_id: str


def test_assignment_does_not_undo_a_move(engine: RunEngine):
    """
    One thread assigns metadata all the time while another moves runs: every move stands.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        ended = [_moved_while_assigned(engine, f"run_{n}") for n in range(100)]
    finally:
        sys.setswitchinterval(interval)

    assert ended == [("completed", BORN, BORN, {"last": "word"})] * 100


def _moved_while_assigned(engine: RunEngine, run_id: str) -> tuple[object, ...]:
    run = engine.create(id=run_id)
    moved = threading.Event()
    begun = threading.Event()

    def assign() -> None:
        while not moved.is_set():
            run.metadata = {"some": "word"}
            begun.set()
        run.metadata = {"last": "word"}

    thread = threading.Thread(target=assign)
    thread.start()
    begun.wait()
    try:
        engine.start(run)
        engine.complete(run)
    finally:
        moved.set()
        thread.join()

    return run.status, run.started_at, run.completed_at, run.metadata


# -- HTTP --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [FULL, json.dumps(FULL), json.dumps(FULL).encode(), bytearray(json.dumps(FULL).encode())],
    ids=["mapping", "str", "bytes", "bytearray"],
)
def test_from_http_reads_a_run(body):
    """
    A 2xx response with a run is that run, in its envelope, which is not part of the body.
    """
    run = RunResponse.from_http(201, body, {"x-request-id": "req_1"})

    assert isinstance(run, RunResponse)
    assert wire(run) == FULL
    assert (True, 201, "Created", None, {"x-request-id": "req_1"}) == (
        run.is_successful,
        run.http_status_code,
        run.reason_phrase,
        run.error_message,
        run.http_response_headers,
    )
    assert not run.model_dump().keys() & set(ENVELOPE.values())


NOT_JSON = "<html>Bad Gateway</html>"
DEEP = "[" * 100_000

REFUSALS: list[tuple[Any, dict[str, Any] | None, str | None]] = [
    (
        {"error": {"message": "gone", "type": "t", "param": None, "code": "c"}},
        {"message": "gone", "type": "t", "param": None, "code": "c"},
        None,
    ),
    ({"error": {"message": "m", "x": [1]}}, {"message": "m", "x": [1]}, None),
    ({"error": {"Message": "m", "ErrorType": "t"}}, {"message": "m", "type": "t"}, None),
    ({"error": {"message": "m", "code": 429}}, {"message": "m", "code": "429"}, None),
    ({"error": "gone"}, {"message": "gone"}, None),
    ({"error": "gone", "detail": "why"}, {"message": "gone"}, "why"),
    ({"detail": "Not Found"}, None, "Not Found"),
    ({"detail": [{"loc": ["id"], "msg": "é"}]}, None, '[{"loc": ["id"], "msg": "é"}]'),
    ({"detail": {"a": 1}, "other": 2}, None, '{"a": 1}'),
    ({"message": "flat", "code": 400}, None, '{"message": "flat", "code": 400}'),
    ({"error": None}, None, '{"error": null}'),
    ({"error": [1]}, None, '{"error": [1]}'),
    ({"error": {"message": {"a": 1}}}, None, '{"error": {"message": {"a": 1}}}'),
    ({"error": {"code": 1, "Code": 2}}, None, '{"error": {"code": 1, "Code": 2}}'),
    ({}, None, "{}"),
    (MappingProxyType({"error": MappingProxyType({"message": "m"})}), {"message": "m"}, None),
    (NOT_JSON, None, NOT_JSON),
    (NOT_JSON.encode(), None, NOT_JSON),
    (b"\xff\xfe", None, "\ufffd\ufffd"),
    ("\ud800", None, "?"),
    (b'{"detail": "\\ud800"}', None, '{"detail": "\\ud800"}'),
    (b"", None, None),
    ("", None, None),
    ("null", None, None),
    ("[1]", None, "[1]"),
    ('"text"', None, "text"),
    (DEEP, None, DEEP),
    ("9" * 5000, None, "9" * 5000),
]


@pytest.mark.parametrize(("body", "error", "detail"), REFUSALS, ids=range(len(REFUSALS)))
@pytest.mark.parametrize("status_code", [400, 404, 503])
def test_from_http_reads_a_refusal(body, error, detail, status_code):
    """
    A refusal is a response that says why, as far as its body does, and never raises for one.
    """
    refused = RunResponse.from_http(status_code, body, {"retry-after": "1"})

    assert isinstance(refused, ErrorResponse)
    assert isinstance(refused, BaseResponse)
    assert (error, detail) == (refused.error and wire(refused.error), refused.detail)
    assert refused.error_message == ((error or {}).get("message") or detail)
    assert (False, status_code, {"retry-after": "1"}) == (
        refused.is_successful,
        refused.http_status_code,
        refused.http_response_headers,
    )
    assert wire(refused) == {}
    assert refused == pickle.loads(pickle.dumps(refused))


@pytest.mark.parametrize(
    "body", [{}, "[]", "null", "", NOT_JSON, b"\xff", {**LEAST, "status": "done"}], ids=repr
)
def test_from_http_refuses_success_without_a_run(body):
    """
    A 2xx response whose body is no run is a fault of the server's that cannot be passed over.
    """
    with pytest.raises(ValidationError):
        RunResponse.from_http(200, body)


def test_from_http_trusts_the_envelope_not_the_body():
    """
    A body cannot say under which status code it came.
    """
    run = RunResponse.from_http(200, {**LEAST, "http_status_code": 500})

    assert (200, True, None) == (run.http_status_code, run.is_successful, run.http_response_headers)


@pytest.mark.parametrize(
    ("status_code", "successful", "phrase"),
    [
        (None, True, None),
        (100, False, "Continue"),
        (200, True, "OK"),
        (299, True, None),
        (300, False, "Multiple Choices"),
        (404, False, "Not Found"),
        (599, False, None),
    ],
)
def test_envelope_derives(status_code, successful, phrase):
    """
    Success and phrase follow from the status code; without one, nothing was refused.
    """
    response = BaseResponse(http_status_code=status_code)

    assert (successful, phrase) == (response.is_successful, response.reason_phrase)


def test_error_message_prefers_the_error():
    """
    The error's own message comes first, then the detail, then nothing.
    """
    assert ["m", "d", "d", None] == [
        BaseResponse(error=Error(message="m"), detail="d").error_message,
        BaseResponse(error=Error(code="c"), detail="d").error_message,
        BaseResponse(detail="d").error_message,
        BaseResponse().error_message,
    ]


def test_the_old_way_of_copying_is_refused():
    """
    Its update is not validated, so that it could end a run.
    """
    run = RunResponse(id="run_1", created_at=1_700_000_000, status="queued")
    with pytest.raises(TypeError, match=r"has model_copy\(\), which validates its update"):
        run.copy(update={"status": "completed"})
