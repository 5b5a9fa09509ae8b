"""
What can be read can be written: text that JSON cannot hold is refused in every place.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from runstate import BaseResponse, ErrorResponse, PayloadError, RunEngine, RunResponse, Usage

HALF = "\ud800"
"""Half of a surrogate pair, which UTF-8 cannot write."""

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"a": ["b"]}, "arguments": "{}"},
}
FULL: dict[str, Any] = {
    "id": "run_1",
    "status": "queued",
    "created_at": 1_700_000_000,
    "thread_id": "t",
    "assistant_id": "a",
    "model": "m",
    "instructions": "i",
    "tools": [TOOL, {"type": "x_own", "x_more": [{"k": "v"}]}],
    "metadata": {"k": "v"},
    "last_error": {"code": "c", "message": "m", "x_where": "gpu"},
    "incomplete_details": {"reason": "r"},
    "required_action": {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [{"id": "call_1", "type": "t", "function": {"name": "f"}}]},
    },
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s"}},
    "x_own": {"deep": [["v"]]},
}  # fmt: skip
"""A run with every text that there is a place for, unknown keys at every depth included."""


def spoilt(value: Any, text: str) -> Iterator[Any]:
    """
    Yield *value* with *text* in each place that holds a text or a key of no fixed name.
    """
    if isinstance(value, str):
        yield text
        yield value + text
    elif isinstance(value, dict):
        yield {**value, text: 1}
        for key, each in value.items():
            yield from ({**value, key: worse} for worse in spoilt(each, text))
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from ([*value[:n], worse, *value[n + 1 :]] for worse in spoilt(each, text))


SPOILT = list(spoilt(FULL, HALF))


def test_there_are_enough_places():
    """
    The cases below stand for every text of a run.
    """
    RunResponse.model_validate(FULL)

    assert 70 < len(SPOILT)


@pytest.mark.parametrize("body", SPOILT)
def test_text_that_cannot_be_written_is_refused(body):
    """
    In every field, payload, key and unknown key, at every depth, and by a readable reason.
    """
    with pytest.raises(ValidationError) as refused:
        RunResponse.model_validate(body)

    for error in refused.value.errors(include_url=False, include_input=False):
        assert error["msg"].isprintable()


class Own(RunResponse):
    """
    A run of an application, with fields of its own.
    """

    note: str = ""
    notes: list[str] = Field(default_factory=list)
    handle: Any = Field(None, exclude=True)


@pytest.mark.parametrize("change", [{"note": HALF}, {"notes": ["", HALF]}, {"x": HALF}])
def test_fields_of_a_subclass_are_held_to_it(change):
    """
    A plain text of the application's own model is looked at as well.
    """
    with pytest.raises(ValidationError, match=r"lone surrogates|unicode"):
        Own.model_validate({**FULL, **change})
    own = Own(**FULL, handle=object())
    own.note = "fine"
    for name, value in change.items():
        with pytest.raises(ValueError, match=r"lone surrogates|unicode"):
            setattr(own, name, value)

    assert FULL.keys() - json.loads(own.model_dump_json()).keys() == set()


ATTEMPTS: dict[str, Callable[[RunEngine, RunResponse, str], object]] = {
    "fail": lambda e, run, text: e.fail(run, {"code": "server_error", "message": text}),
    "fail, by another key": lambda e, run, text: e.fail(run, {"code": "c", "message": "", "x": text}),
    "usage": lambda e, run, text: e.complete(
        run, {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "x": [text]}
    ),
    "incomplete": lambda e, run, text: e.stop_incomplete(run, text),
    "action": lambda e, run, text: e.require_action(
        run, {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": []}, "x": text}
    ),
    "fire": lambda e, run, text: e.fire(run, "fail", last_error={"code": text, "message": ""}),
}  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_payload_that_cannot_be_written_is_refused(attempt):
    """
    A move that would bring such a text is refused, and the run is as it was.
    """
    engine = RunEngine()
    run = engine.create()
    engine.start(run)
    with pytest.raises(PayloadError) as refused:
        attempt(engine, run, HALF)

    assert str(refused.value).isprintable()
    assert "in_progress" == run.status
    attempt(engine, run, "")


def test_outputs_that_cannot_be_written_are_refused():
    """
    Tool outputs go to a journal: what they hold must be writable, too.
    """
    engine = RunEngine()
    run = engine.create()
    engine.start(run)
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    engine.require_action(run, action)
    for output in (HALF, b"\xff", object(), None, 5):
        with pytest.raises(PayloadError, match="c"):
            engine.submit_tool_outputs(run, {"c": output})  # type: ignore[dict-item]
    engine.submit_tool_outputs(run, {"c": "sunny"})

    assert "queued" == run.status


@pytest.mark.parametrize("name", ["instructions", "model", "metadata", "x_new"])
def test_assigned_text_is_held_to_it(name):
    """
    Assignment and model_copy refuse what validation refuses.
    """
    run = RunResponse.model_validate(FULL)
    value = {"k": HALF} if name == "metadata" else HALF
    with pytest.raises(ValueError, match=r"surrogate|unicode"):
        setattr(run, name, value)
    with pytest.raises(ValueError, match=r"surrogate|unicode"):
        run.model_copy(update={name: value})

    assert run == RunResponse.model_validate(FULL)


def test_refusal_of_a_service_is_read_whatever_it_holds():
    """
    The body of an error is never a reason to raise.
    """
    for body in (
        {"error": {"message": HALF}},
        {"detail": HALF},
        {HALF: {"x": HALF}},
        {"error": HALF},
        {"detail": [HALF]},
    ):
        refusal = RunResponse.from_http(400, body)
        assert isinstance(refusal, ErrorResponse)
        assert "?" in (refusal.error_message or "")
        assert (refusal.error_message or "").encode()


texts = st.text(st.characters(), max_size=4) | st.text(
    st.characters(categories=["Cs", "Cc", "Lu"]), max_size=3
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
text_fields = sorted(
    RunResponse.model_fields.keys()
    - BaseResponse.model_fields.keys()
    - {"id", "object", "created_at", "status"}
)


class Page(BaseModel):
    """
    What an application puts runs into.
    """

    pages: list[list[RunResponse]]


@given(
    given_fields=st.dictionaries(st.sampled_from(text_fields), plain, max_size=2),
    unknown=st.dictionaries(texts.filter(lambda t: t not in RunResponse.model_fields), plain, max_size=2),
    tool=st.fixed_dictionaries(
        {"type": texts}, optional={"function": st.fixed_dictionaries({"name": texts, "parameters": plain})}
    ),
    error=st.fixed_dictionaries({"code": texts, "message": texts, "x": plain}),
)  # fmt: skip
def test_what_is_accepted_can_be_written(given_fields, unknown, tool, error):
    """
    Of any body, either it is refused or the run goes out as JSON by every way.
    """
    least = {"id": "r", "created_at": 1_700_000_000, "status": "queued"}
    body = {**least, "tools": [tool], "last_error": error, **given_fields, **unknown}
    try:
        run = RunResponse.model_validate(body)
    except ValidationError:
        return

    json.loads(run.model_dump_json())
    json.dumps(run.to_pascal_case(), allow_nan=True).encode()
    Page(pages=[[run]]).model_dump_json()
    json.dumps(run.model_dump(mode="json"), ensure_ascii=False).encode()


@pytest.mark.parametrize("depth", [10, 200, 230, 240, 245, 250, 255, 300, 100_000])
def test_what_is_too_deep_is_refused(depth):
    """
    A value that can be kept can be put into a page of runs and be written there.
    """
    value: Any = "leaf"
    for n in range(depth):
        value = [value] if n % 2 else {"k": value}
    for body in (
        {**FULL, "x": value},
        {**FULL, "tools": [{"type": "function", "function": {"name": "f", "parameters": value}}]},
    ):
        try:
            run = RunResponse.model_validate(body)
        except ValidationError as refused:
            assert depth > 200
            assert "nested" in str(refused)
        else:
            assert depth < 250
            Page(pages=[[run]]).model_dump_json()
        finally:
            body.clear()
    while isinstance(
        value, list | dict
    ):  # Let go of it level by level: Python's own stack is short.
        value = value.pop() if isinstance(value, list) else value.popitem()[1]


def test_generator_is_read_once():
    """
    To look at a value never uses it up.
    """
    run = RunResponse.model_validate({**FULL, "tools": (tool for tool in [TOOL])})

    assert ["function"] == [tool.type for tool in run.tools]
    assert 3 == Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3).total_tokens
