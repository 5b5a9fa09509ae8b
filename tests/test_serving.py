"""
The server of runs, driven by OpenAI's own client over real HTTP.
"""

import asyncio
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from io import BytesIO
from typing import Any

import httpx
import openai
import pytest

from databases import BACKENDS, fresh_database
from runstate import RUN, Observation, RunResponse, check
from runstate.readers import read
from runstate.serving import make_app, restart_on_failure, sweep, work
from runstate.serving._stream import Moves
from runstate.store import AsyncRunStore, CursorExpiredError, RunStore, StoreArgumentError
from serving import served

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Assistants API is deprecated:DeprecationWarning"
)

LEASE = 0.6
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
ACTION = {
    "type": "submit_tool_outputs",
    "submit_tool_outputs": {
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": "{}"},
            }
        ]
    },
}


async def model(run: RunResponse, outputs: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """
    Do what the run's instructions say.
    """
    match run.instructions:
        case "tool" if not outputs:
            return "require_action", {"required_action": ACTION}
        case "fail":
            return "fail", {"last_error": {"code": "rate_limit_exceeded", "message": "Too many."}}
        case "long":
            details = {"reason": "max_completion_tokens"}
            return "stop_incomplete", {"incomplete_details": details, "usage": USAGE}
        case "slow":
            await asyncio.sleep(60)
        case "die once" if run.metadata["died"] not in DEAD:
            DEAD.add(run.metadata["died"])
            raise MemoryError
        case "die":
            raise MemoryError
        case "brief":
            await asyncio.sleep(0.03)
        case "second":
            await asyncio.sleep(1)

    return "complete", {"usage": USAGE}


DEAD: set[str] = set()


def strange(part: Any, place: str = "run") -> list[str]:
    """
    Return the keys in an answer that OpenAI's client has no field for, at any depth.
    """
    if isinstance(part, list):
        return [
            key for number, each in enumerate(part) for key in strange(each, f"{place}[{number}]")
        ]
    if not isinstance(part, openai.BaseModel):
        return []
    extra = [f"{place}.{key}" for key in part.model_extra or ()]
    known = [
        key
        for name, each in part
        if name in type(part).model_fields
        for key in strange(each, f"{place}.{name}")
    ]

    return extra + known


class Service:
    """
    The server at work, a client with a thread of its own, and what that client has seen.
    """

    def __init__(self, port: int, store: RunStore, thread_id: str) -> None:
        self.port, self.store, self.thread_id = port, store, thread_id
        self.seen: list[RunResponse] = []
        http = openai.DefaultHttpxClient(trust_env=False, event_hooks={"response": [self._watch]})
        self.client = openai.OpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, http_client=http
        )
        self.runs = self.client.beta.threads.runs

    def _watch(self, response: Any) -> None:
        if response.headers["content-type"] != "application/json":
            return
        body = json.loads(response.read())
        if body.get("object") == "thread.run":
            self.seen.append(RunResponse.model_validate(body))

    def asked(self, instructions: str = "") -> dict[str, Any]:
        """
        Return what a run is created with.
        """
        return {
            "thread_id": self.thread_id,
            "assistant_id": "asst_1",
            "instructions": instructions,
        }

    def new(self, instructions: str = "", **more: Any) -> Any:
        """
        Create a run.
        """
        return self.runs.create(**self.asked(instructions), **more)

    def busy(self) -> Any:
        """
        Return a run that a worker is busy with until it is cancelled.
        """
        run = self.new("slow")
        while run.status != "in_progress":
            time.sleep(0.01)
            run = self.runs.retrieve(run.id, thread_id=self.thread_id)

        return run

    def polled(self, run: Any) -> Any:
        """
        Poll *run* as the client does.
        """
        return self.runs.poll(run.id, thread_id=self.thread_id, poll_interval_ms=10)

    def cancel(self, run: Any) -> Any:
        """
        Return the answer to a cancel, or the refusal.
        """
        try:
            return self.runs.cancel(run.id, thread_id=self.thread_id)
        except openai.BadRequestError as refusal:
            return refusal

    def finish(self) -> None:
        """
        End all that has not ended, and leave.
        """
        for run in self.runs.list(self.thread_id):
            while not RUN.is_terminal(run.status):
                self.cancel(run)
                time.sleep(0.01)
                run = self.polled(run)  # noqa: PLW2901
        self.client.close()


@pytest.fixture(scope="module", params=BACKENDS)
def server(request, tmp_path_factory):
    """
    The server over either database: its port, and its store.
    """
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('server')}/runs.db"
        else:
            url = stack.enter_context(fresh_database(request.getfixturevalue("postgresql_url")))
        store = stack.enter_context(RunStore.open(url))
        served_url = url.replace("sqlite:", "sqlite+aiosqlite:")
        port = stack.enter_context(served(make_app(served_url, model, seconds=LEASE)))
        yield port, store


@pytest.fixture
def service(server, request):
    """
    The server at work; in the end nothing that anybody saw was impossible.
    """
    port, store = server
    service = Service(port, store, "thread_" + re.sub(r"\W", "_", request.node.name))
    yield service
    service.finish()
    moves = [
        Observation(line.target, run_id=line.run_id, seq=line.seq)
        for line in store.moves(limit=10_000).items
    ]

    assert () == check(moves, observed="complete", finished=True).findings
    assert () == check(service.seen, observed="polled").findings


def refusal_of(error: openai.APIStatusError) -> tuple[int, dict[str, Any]]:
    """
    Return the status code and the body's error.
    """
    return error.status_code, error.response.json()["error"]


def worded(message: str) -> dict[str, Any]:
    """
    Return the refusal as the service words it.
    """
    return {"message": message, "type": "invalid_request_error", "param": None, "code": None}


# -- polling ---------------------------------------------------------------------


def test_run_is_created_and_polled(service):
    """
    A run comes to the end that its model gives it.
    """
    ends = {}
    for instructions in ("", "fail", "long"):
        asked = service.asked(instructions)
        run = service.runs.create_and_poll(**asked, metadata={"k": "v"}, poll_interval_ms=10)
        assert asked | {"metadata": {"k": "v"}} == {
            name: getattr(run, name) for name in (*asked, "metadata")
        }
        ends[run.status] = run.usage and run.usage.total_tokens

    assert {"completed": 7, "failed": None, "incomplete": 7} == ends


def test_tools_come_back_with_the_keys_of_the_wire_alone(service):
    """
    A tool has no arguments and a call no parameters, and neither has a null for what it lacks.
    """
    tools = [
        {"type": "code_interpreter"},
        {"type": "file_search", "file_search": {"max_num_results": 5}},
        {"type": "function", "function": {"name": "get_time"}},
        {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}},
    ]
    choice = {"type": "function", "function": {"name": "get_time"}}
    made = service.new("tool", tools=tools, tool_choice=choice)
    waits = service.polled(made)
    listed = service.runs.list(service.thread_id).data
    body = json.loads(service.runs.with_raw_response.retrieve(made.id, thread_id=service.thread_id).text)  # fmt: skip

    assert [[]] * 3 == [strange(run) for run in (made, waits, *listed)]
    assert (tools, choice, ACTION) == (body["tools"], body["tool_choice"], body["required_action"])


def test_tool_outputs_are_submitted_and_polled(service):
    """
    A run asks for tool outputs, is queued again with them, and completes.
    """
    waits = service.polled(service.new("tool"))
    asked = waits.required_action.submit_tool_outputs.tool_calls
    run = service.runs.submit_tool_outputs_and_poll(
        run_id=waits.id,
        thread_id=service.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "sunny"} for call in asked],
        poll_interval_ms=10,
    )

    assert ("requires_action", "completed", None) == (
        waits.status,
        run.status,
        run.required_action,
    )
    assert [{"outputs": {"call_1": "sunny"}}] == [
        line.payload
        for line in service.store.history(run.id)
        if line.trigger == "submit_tool_outputs"
    ]


def test_run_is_cancelled(service):
    """
    A worker that is busy hears of the cancel from its heartbeat, and confirms it.
    """
    run = service.busy()
    asked = service.cancel(run)
    ended = service.polled(run)

    assert asked.status in {"cancelling", "cancelled"}
    assert ("cancelled", None) == (ended.status, ended.expires_at)
    assert ended.cancelled_at is not None


def test_run_that_waits_is_cancelled_by_the_sweep(service):
    """
    Nobody works on a run that waits for tool outputs: the sweep confirms its cancel.
    """
    run = service.polled(service.new("tool"))
    service.runs.cancel(run.id, thread_id=service.thread_id)

    assert "cancelled" == service.polled(run).status
    assert "sweep" == service.store.history(run.id)[-1].actor


def test_list_goes_on_behind_a_cursor(service):
    """
    Runs of one thread, newest first or oldest first, page by page.
    """
    made = [service.new().id for _ in range(5)]
    service.runs.create(thread_id="thread_2", assistant_id="asst_1")
    page = service.runs.list(service.thread_id, limit=2)

    assert made[::-1] == [run.id for run in page]
    assert made == [run.id for run in service.runs.list(service.thread_id, limit=2, order="asc")]
    assert (made[:2:-1], True) == ([run.id for run in page.data], page.has_more)
    assert [made[0]] == [run.id for run in service.runs.list(service.thread_id, after=made[1]).data]
    assert [] == service.runs.list("thread_3").data


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_backwards_are_the_pages_forwards(service, order):
    """
    For every run and size of page, *before* gives the runs right in front of it, in the order asked.
    """
    for _ in range(7):
        service.new()
    ids = [run.id for run in service.runs.list(service.thread_id, order=order)]
    for limit in (1, 2, 3, 7):
        for place, run_id in enumerate(ids):
            page = service.runs.list(service.thread_id, limit=limit, order=order, before=run_id)
            assert ids[max(place - limit, 0) : place] == [run.id for run in page.data]
            assert (place > limit) == page.has_more


def test_cursor_of_another_thread_is_not_found(service):
    """
    A run of another thread is no place in this thread's list.
    """
    other = service.runs.create(thread_id="thread_2", assistant_id="asst_1")
    for cursor in ("after", "before"):
        with pytest.raises(openai.NotFoundError) as refused_:
            service.runs.list(service.thread_id, **{cursor: other.id})
        assert cursor == refused_.value.param


# -- refusals --------------------------------------------------------------------


def test_refusals_are_worded_as_the_service_words_them(service):
    """
    What comes too late, or too early, is a 400 that names the status.
    """
    done, busy = service.polled(service.new()), service.busy()
    outputs = [{"tool_call_id": "call_1", "output": ""}]
    refusals = []
    for call in (
        lambda: service.runs.cancel(done.id, thread_id=service.thread_id),
        lambda: service.runs.submit_tool_outputs(
            done.id, thread_id=service.thread_id, tool_outputs=outputs
        ),
        lambda: service.runs.submit_tool_outputs(
            busy.id, thread_id=service.thread_id, tool_outputs=outputs
        ),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            call()
        refusals.append(refusal_of(refused.value))

    assert refusals == [
        (400, worded("Cannot cancel run with status 'completed'.")),
        (400, worded('Runs in status "completed" do not accept tool outputs.')),
        (400, worded('Runs in status "in_progress" do not accept tool outputs.')),
    ]


def test_what_is_not_there_is_not_found(service):
    """
    An id that nobody has, or that another thread has, is a 404.
    """
    run = service.new("slow")
    for call in (
        lambda: service.runs.retrieve("run_none", thread_id=service.thread_id),
        lambda: service.runs.cancel("run_none", thread_id=service.thread_id),
        lambda: service.runs.retrieve(run.id, thread_id="thread_2"),
        lambda: service.runs.list(service.thread_id, after="run_none"),
    ):
        with pytest.raises(openai.NotFoundError):
            call()


def test_what_makes_no_sense_is_refused(service):
    """
    Bodies and numbers that are none, outputs for calls that were not made: a 400, and nothing moves.
    """
    run = service.polled(service.new("tool"))
    for call in (
        lambda: service.new(temperature=9),
        lambda: service.client.post("/threads/t/runs", body=[], cast_to=object),
        lambda: service.client.get("/threads/t/runs?limit=many", cast_to=object),
        lambda: service.runs.submit_tool_outputs(
            run.id, thread_id=service.thread_id, tool_outputs=[]
        ),
        lambda: service.runs.submit_tool_outputs(
            run.id, thread_id=service.thread_id, tool_outputs=[{"output": "sunny"}]
        ),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            call()
        assert "invalid_request_error" == refused.value.type
    sneaky = service.new(extra_body={"status": "completed", "id": "run_1", "connection": 1})

    assert "queued" == sneaky.status
    assert "run_1" != sneaky.id
    assert "requires_action" == service.store.get(run.id).status


RUNS = "/threads/{}/runs"
BROKEN = [
    ("POST", RUNS, b"{", 400, None),
    ("POST", RUNS, b"", 400, None),
    ("POST", RUNS, b"[]", 400, None),
    ("POST", RUNS, b'"text"', 400, None),
    ("POST", RUNS, b'{"assistant_id": "\xff"}', 400, None),
    ("POST", RUNS, b'{"assistant_id": "a", "temperature": NaN}', 400, None),
    ("POST", RUNS, b'{"assistant_id": "a", "response_format": {"x": 1e999}}', 400, None),
    ("POST", RUNS, b'{"assistant_id": ' + b"9" * 6_000 + b"}", 400, None),
    ("POST", RUNS, b"[" * 100_000 + b"]" * 100_000, 400, None),
    ("POST", RUNS, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, None),
    ("POST", RUNS, b"[" * 100_000, 400, None),
    ("POST", RUNS, b'{"tools":' + b"[" * 100 + b"]" * 100 + b"}", 400, None),
    ("POST", RUNS, b'{"instructions": "' + b"x" * 2_000_000 + b'"}', 413, None),
    ("POST", RUNS, b"{}", 400, "assistant_id"),
    ("POST", RUNS, b'{"assistant_id": null}', 400, "assistant_id"),
    ("POST", RUNS, b'{"assistant_id": ""}', 400, "assistant_id"),
    ("POST", RUNS, b'{"assistant_id": 55555}', 400, "assistant_id"),
    ("POST", RUNS, b'{"assistant_id": "\\ud800"}', 400, "assistant_id"),
    ("POST", RUNS, b'{"assistant_id": "a\\u0000"}', 400, "assistant_id"),
    ("POST", RUNS, b'{"assistant_id": "a", "stream": "false"}', 400, "stream"),
    ("POST", RUNS, b'{"assistant_id": "a", "stream": 1}', 400, "stream"),
    ("POST", RUNS, b'{"assistant_id": "a", "temperature": 55555}', 400, "temperature"),
    ("POST", RUNS, b'{"assistant_id": "a", "metadata": {"s\\n": 55555}}', 400, "metadata"),
    ("POST", RUNS, b'{"assistant_id": "a", "metadata": "55555"}', 400, "metadata"),
    ("POST", RUNS, b'{"assistant_id": "a", "tools": ["55555"]}', 400, "tools[0]"),
    ("POST", RUNS, b'{"assistant_id": "a", "tools": [{"type": 5}]}', 400, "tools[0]"),
    (
        "POST",
        RUNS,
        json.dumps({"assistant_id": "a", "metadata": {str(n): "" for n in range(17)}}).encode(),
        400,
        "metadata",
    ),
    ("POST", RUNS, b'{"assistant_id": "a", "instructions": 5}', 400, "instructions"),
    ("POST", RUNS, b'{"assistant_id": "a", "instructions": "\\ud800"}', 400, "instructions"),
    ("POST", RUNS, b'{"assistant_id": "a", "top_p": 9}', 400, "top_p"),
    ("POST", RUNS, b'{"assistant_id": "a", "top_p": "x"}', 400, "top_p"),
    (
        "POST",
        RUNS,
        b'{"assistant_id": "a", "parallel_tool_calls": "x"}',
        400,
        "parallel_tool_calls",
    ),
    ("POST", RUNS, b'{"assistant_id": "a", "max_prompt_tokens": 1}', 400, "max_prompt_tokens"),
    ("POST", RUNS, b'{"assistant_id": "a", "tool_choice": 5}', 400, "tool_choice"),
    ("POST", RUNS, b'{"assistant_id": "a", "truncation_strategy": 5}', 400, "truncation_strategy"),
    ("POST", "/threads/t%0A%00/runs", b'{"assistant_id": "a"}', 400, "thread_id"),
    ("GET", RUNS + "?limit=many", None, 400, "limit"),
    ("GET", RUNS + "?limit=-1", None, 400, "limit"),
    ("GET", RUNS + "?limit=0", None, 400, "limit"),
    ("GET", RUNS + "?limit=101", None, 400, "limit"),
    ("GET", RUNS + "?limit=1000", None, 400, "limit"),
    ("GET", RUNS + "?limit=" + "9" * 5_000, None, 400, "limit"),
    ("GET", RUNS + "?limit=%D9%A3", None, 400, "limit"),
    ("GET", RUNS + "?order=sideways", None, 400, "order"),
    ("GET", RUNS + "?after=run_none", None, 404, "after"),
    ("GET", RUNS + "?before=run_none", None, 404, "before"),
    ("GET", RUNS + "?before=%00", None, 404, "before"),
    ("GET", RUNS + "?before=a&after=b", None, 400, "before"),
    ("GET", RUNS + "/", None, 404, None),
    ("GET", RUNS + "/run%0A_none", None, 404, None),
    ("GET", RUNS + "/" + "a" * 5_000, None, 404, None),
    ("GET", RUNS + "/run_none/steps", None, 404, None),
    ("POST", RUNS + "/run_none", b'{"metadata": {}}', 404, None),
    ("POST", RUNS + "/run_none/cancel", None, 404, None),
    ("POST", RUNS + "/run_none/submit_tool_outputs", b"{}", 404, None),
    ("GET", RUNS + "/run_none/cancel", None, 405, None),
    ("DELETE", RUNS + "/run_none", None, 405, None),
    ("PUT", RUNS, b"{}", 405, None),
    ("POST", "/threads", b"{}", 404, None),
    ("POST", "/threads/runs", b"{}", 404, None),
    ("GET", "/assistants", None, 404, None),
    ("GET", "/x%0Ay", None, 404, None),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"), BROKEN, ids=[str(n) for n in range(len(BROKEN))]
)
def test_every_error_is_json_in_one_form(service, method, path, body, status, param):
    """
    On every route and method an error is an object that clients read, without a library's text.
    """
    answer = httpx.request(
        method,
        f"http://127.0.0.1:{service.port}/v1" + path.format(service.thread_id),
        content=body,
        headers={"content-type": "application/json"},
        trust_env=False,
        timeout=30,
    )
    error = answer.json()["error"]
    message = error["message"]

    assert (status, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert {"message", "type", "param", "code"} == error.keys()
    assert ("invalid_request_error", param) == (error["type"], error["param"])
    assert message.isprintable()
    assert len(message) < 200
    for leak in (
        "Input should",
        "dictionary",
        "instance of",
        "after validation",
        "parse",
        "pydantic",
        "RunResponse",
        "55555",
        "validation error",
        "codec",
        "char ",
    ):
        assert leak not in message
    assert [] == service.runs.list(service.thread_id).data


def test_a_failure_of_the_server_is_json_too(tmp_path):
    """
    What the server itself gets wrong is a 500 whose body says nothing of the reason.
    """
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/runs.db", model)
    with served(app) as port:
        app.state.store = None
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/threads/t/runs", trust_env=False)

    assert (500, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert {
        "message": "The server had an error while processing your request.",
        "type": "server_error",
        "param": None,
        "code": None,
    } == answer.json()["error"]


def test_null_is_as_absent(service):
    """
    Every parameter of a create but the assistant may be null, as some clients always send it.
    """
    nulls = dict.fromkeys(
        (
            "instructions", "max_completion_tokens", "max_prompt_tokens", "metadata", "model",
            "parallel_tool_calls", "response_format", "stream", "temperature", "tool_choice",
            "tools", "top_p", "truncation_strategy",
        )
    )  # fmt: skip
    plain = service.new("brief")
    run = service.runs.create(
        thread_id=service.thread_id,
        assistant_id="asst_1",
        extra_body=nulls | {"instructions": "brief"},
    )
    alike = {"id", "created_at", "expires_at"}

    assert plain.model_dump(exclude=alike) == run.model_dump(exclude=alike)
    assert 600 == run.expires_at - run.created_at


def test_metadata_is_updated(service):
    """
    Also of a run that has ended; all else stays as it was.
    """
    run = service.polled(service.new(metadata={"a": "b"}))
    updated = service.runs.update(run.id, thread_id=service.thread_id, metadata={"a": "c"})

    assert ({"a": "c"}, run.status) == (updated.metadata, updated.status)
    assert updated == service.runs.retrieve(run.id, thread_id=service.thread_id)
    assert run == service.runs.update(run.id, thread_id=service.thread_id, metadata={"a": "b"})
    with pytest.raises(openai.BadRequestError):
        service.runs.update(run.id, thread_id=service.thread_id, metadata={"a": 1})
    with pytest.raises(openai.NotFoundError):
        service.runs.update("run_none", thread_id=service.thread_id, metadata={})


@pytest.mark.parametrize(
    ("outputs", "param"),
    [
        (None, "tool_outputs"),
        ("text", "tool_outputs"),
        (["text"], "tool_outputs[0]"),
        ([{"output": "x"}], "tool_outputs[0].tool_call_id"),
        ([{"tool_call_id": ["call_1"], "output": "x"}], "tool_outputs[0].tool_call_id"),
        ([{"tool_call_id": "call_1", "output": 55555}], "tool_outputs[0].output"),
        ([{"tool_call_id": "call_1"}], "tool_outputs[0].output"),
        ([{"tool_call_id": "call_1", "output": x} for x in "ab"], "tool_outputs[1].tool_call_id"),
        ([{"tool_call_id": "call_2", "output": "x"}], "tool_outputs"),
        ([{"tool_call_id": "call_1", "output": "\ud800"}], "tool_outputs"),
        ([], "tool_outputs"),
    ],
)
def test_tool_outputs_that_do_not_fit_are_refused(service, outputs, param):
    """
    Outputs that are malformed, or answer a call twice or not at all, move nothing.
    """
    run = service.polled(service.new("tool"))
    with pytest.raises(openai.BadRequestError) as refused_:
        service.client.post(
            f"/threads/{service.thread_id}/runs/{run.id}/submit_tool_outputs",
            content=json.dumps({"tool_outputs": outputs}).encode(),
            options={"headers": {"content-type": "application/json"}},
            cast_to=object,
        )
    _, error = refusal_of(refused_.value)

    assert param == error["param"]
    assert error["message"].isprintable()
    assert "pydantic" not in error["message"]
    assert "requires_action" == service.store.get(run.id).status


# -- streams ---------------------------------------------------------------------


def names_of(stream: Any, snapshots: list[RunResponse]) -> list[str]:
    """
    Return the names of a stream's events, and keep what they carry in *snapshots*.
    """
    names = []
    with stream as events:
        for event in events:
            names.append(event.event.removeprefix("thread.run."))
            if event.event != "thread.run.created":
                snapshots.append(RunResponse.model_validate_json(event.data.to_json()))

    return names


def test_stream_has_the_recorded_order(service):
    """
    Created, then every move, each with the run as it was; the last event is done.
    """
    snapshots: list[RunResponse] = []
    asked = service.asked()
    names = names_of(service.runs.stream(**asked), snapshots)
    raw = service.client.post(
        f"/threads/{service.thread_id}/runs",
        body={"assistant_id": "asst_1", "stream": True},
        cast_to=bytes,
    )

    assert ["created", "queued", "in_progress", "completed"] == names
    assert () == check(snapshots, observed="complete", finished=True).findings
    assert names[1:] == [run.status for run in snapshots]
    assert snapshots[-1] == service.store.get(snapshots[-1].id)
    assert raw.endswith(b"event: done\ndata: [DONE]\n\n")
    assert ((), 1, 4, 0, 0, 0) == check(read(BytesIO(raw), name="s.sse"), observed="complete")


def test_stream_ends_where_a_tool_is_wanted(service):
    """
    One stream until tool outputs are wanted, another from their submission on.
    """
    snapshots: list[RunResponse] = []
    asked = service.asked("tool")
    first = names_of(service.runs.stream(**asked), snapshots)
    second = names_of(
        service.runs.submit_tool_outputs_stream(
            run_id=snapshots[0].id,
            thread_id=service.thread_id,
            tool_outputs=[{"tool_call_id": "call_1", "output": "sunny"}],
        ),
        snapshots,
    )

    assert ["created", "queued", "in_progress", "requires_action"] == first
    assert ["queued", "in_progress", "completed"] == second
    assert () == check(snapshots, observed="complete", finished=True).findings


def test_stream_shows_somebody_elses_cancel(service):
    """
    A cancel that comes from elsewhere is in the stream: asked for, then confirmed.
    """
    snapshots: list[RunResponse] = []
    asked = service.asked("slow")
    with ThreadPoolExecutor(1) as pool:
        streaming = pool.submit(names_of, service.runs.stream(**asked), snapshots)
        while [run.status for run in snapshots][-1:] != ["in_progress"]:
            time.sleep(0.01)
        service.cancel(snapshots[0])
        names = streaming.result(10)

    assert ["created", "queued", "in_progress", "cancelling", "cancelled"] == names
    assert () == check(snapshots, observed="complete", finished=True).findings


def test_streams_share_one_reader(tmp_path, monkeypatch):
    """
    A stream reads its run's journal when the run makes a transition, and not while it waits.
    """
    reads: list[str] = []
    history = AsyncRunStore.history

    async def counted(store: AsyncRunStore, run_id: str, **more: Any) -> Any:
        reads.append(run_id)
        return await history(store, run_id, **more)

    monkeypatch.setattr(AsyncRunStore, "history", counted)
    monkeypatch.setattr("runstate.serving._stream._PATIENCE", 60)

    async def follow(client: openai.AsyncOpenAI, number: int) -> list[str]:
        events = await client.beta.threads.runs.create(
            thread_id=f"thread_{number}", assistant_id="asst_1", instructions="second", stream=True
        )
        return [event.event.removeprefix("thread.run.") async for event in events]

    async def follow_all(port: int) -> list[list[str]]:
        http = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, http_client=http
        ) as client:
            return await asyncio.gather(*(follow(client, number) for number in range(8)))

    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/runs.db", model, workers=8)
    with served(app) as port:
        names = asyncio.run(follow_all(port))
        waiting = app.state.moves._waiting

    assert [["created", "queued", "in_progress", "completed"]] * 8 == names
    # Three transitions and the first look make at most four reads of a stream; a worker reads once.
    assert len(reads) <= 8 * 5
    assert {} == waiting


@pytest.mark.parametrize("passed_by_pruning", [False, True])
def test_streams_are_woken_by_what_happens_from_now_on(tmp_path, monkeypatch, passed_by_pruning):
    """
    A server over a long feed does not read it, and goes on where pruning has passed its cursor.
    """
    delivered: list[str] = []
    moves = AsyncRunStore.moves

    async def recorded(store: AsyncRunStore, **more: Any) -> Any:
        page = await moves(store, **more)
        delivered.extend(line.run_id for line in page.items)
        return page

    async def watch() -> str:
        async with await AsyncRunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
            feed, runs = Moves(store), [await store.create() for _ in range(4)]
            if passed_by_pruning:
                feed._cursor = (await store.moves(limit=1)).cursor
            for old in runs[:3]:
                await store.request_cancel(old.id)
                await store.confirm_cancel(old.id)
            await store.prune(older_than=0)
            if passed_by_pruning:
                with pytest.raises(CursorExpiredError):
                    await store.moves(after=feed._cursor)
            monkeypatch.setattr(AsyncRunStore, "moves", recorded)
            watching = asyncio.create_task(feed.watch())
            await asyncio.sleep(0.2)
            with feed.of(runs[3].id) as moved_on:
                await store.start(runs[3].id)
                await asyncio.wait_for(moved_on.wait(), 5)
            watching.cancel()
            return runs[3].id

    run_id = asyncio.run(watch())

    assert [run_id] == delivered


def test_async_client_creates_polls_streams_and_pages(service):
    """
    OpenAI's asynchronous client is served as its synchronous one.
    """

    async def use() -> tuple[Any, ...]:
        http = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{service.port}/v1",
            api_key="none",
            max_retries=0,
            http_client=http,
        ) as client:
            runs = client.beta.threads.runs
            waits = await runs.create_and_poll(**service.asked("tool"), poll_interval_ms=10)
            done = await runs.submit_tool_outputs_and_poll(
                run_id=waits.id,
                thread_id=service.thread_id,
                tool_outputs=[{"tool_call_id": "call_1", "output": "sunny"}],
                poll_interval_ms=10,
            )
            async with runs.stream(**service.asked()) as events:
                names = [event.event.removeprefix("thread.run.") async for event in events]
            listed = [run.id async for run in runs.list(service.thread_id, limit=1)]
            with pytest.raises(openai.BadRequestError) as refused_:
                await runs.cancel(done.id, thread_id=service.thread_id)
            return waits, done, names, listed, refused_.value

    waits, done, names, listed, refusal = asyncio.run(use())

    assert ("requires_action", "completed") == (waits.status, done.status)
    assert ["created", "queued", "in_progress", "completed"] == names
    assert (2, done.id) == (len(listed), listed[-1])
    assert (400, worded("Cannot cancel run with status 'completed'.")) == refusal_of(refusal)


# -- races -----------------------------------------------------------------------


def test_cancel_races_with_completion(service):
    """
    Whoever wins, the answer to the cancel fits the end of the run.
    """
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: service.new("brief"), range(16)))
        answers = list(pool.map(service.cancel, runs))
        ends = [run.status for run in pool.map(service.polled, runs)]

    assert set(ends) <= {"completed", "cancelled"}
    for answer, end in zip(answers, ends, strict=True):
        if isinstance(answer, openai.BadRequestError):
            expected = (400, worded(f"Cannot cancel run with status '{end}'."))
            assert expected == refusal_of(answer)
        else:
            assert answer.status in {"cancelling", end}


def test_of_two_cancels_one_wins(service):
    """
    One of them is answered with the run, the other with what beat it.
    """
    for _ in range(3):
        run = service.busy()
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(service.cancel, [run, run]))
        service.polled(run)
        refusals = [refusal_of(a) for a in answers if isinstance(a, openai.BadRequestError)]

        assert 1 == len(refusals)
        assert refusals[0] in [
            (400, worded(f"Cannot cancel run with status '{status}'."))
            for status in ("cancelling", "cancelled")
        ]


def test_dead_worker_is_replaced(service):
    """
    A worker dies over a run; when its lease has run out, the run is carried on.
    """
    run = service.polled(service.new("die once", metadata={"died": str(id(service))}))
    lines = service.store.history(run.id)

    assert "completed" == run.status
    assert ["create", "start", "complete"] == [x.trigger for x in lines if x.kind == "move"]
    assert "claim" in {line.kind for line in lines}
    assert lines[1].token < lines[-1].token


def test_run_that_kills_every_worker_fails(service):
    """
    After three attempts the run is given up, and not the workers.
    """
    run = service.polled(service.new("die"))

    assert ("failed", "server_error") == (run.status, run.last_error.code)
    assert 3 <= sum(line.kind == "claim" for line in service.store.history(run.id))
    assert "completed" == service.polled(service.new()).status


# -- wrong use of the module -----------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"workers": -1}, "workers: expected a whole number of workers, or 0 if .*, got -1"),
        ({"workers": True}, "workers: .*, got True"),
        ({"workers": "2"}, "workers: .*, got '2'"),
        ({"seconds": 0}, "seconds: expected a positive number of seconds, up to 30 days, got 0"),
        ({"seconds": float("nan")}, "seconds: .*, got nan"),
        ({"seconds": float("inf")}, "seconds: .*, got inf"),
        ({"seconds": "30"}, "seconds: .*, got '30'"),
        ({"model": None}, "model: expected a coroutine function, got None"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_refused_before_the_server_starts(wrong, message):
    """
    One error names the argument; before, the workers failed over it again and again.
    """
    with pytest.raises(StoreArgumentError, match=message):
        make_app(**{"url": "sqlite://", "model": model} | wrong)


def test_a_sweeper_refuses_to_sweep_without_a_pause(tmp_path):
    """
    No seconds between two sweeps would take all of the processor.
    """

    async def sweep_at_once() -> None:
        async with await AsyncRunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
            await sweep(store, 0)

    with pytest.raises(StoreArgumentError, match="every: expected a positive number of seconds"):
        asyncio.run(sweep_at_once())


async def answered(app: Any, *parts: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Return what *app* sends to a client that creates a run, and sends the *parts* of its body.
    """
    scope = {
        "type": "http", "method": "POST", "path": "/v1/threads/t/runs", "headers": [],
        "query_string": b"",
    }  # fmt: skip
    left, sent = iter(parts), []

    async def receive() -> dict[str, Any]:
        return next(left)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)

    return sent


def test_a_client_that_leaves_while_it_sends_is_no_failure_of_the_server(tmp_path):
    """
    The server would log a failure with a traceback for every connection that broke.
    """
    part = {"type": "http.request", "body": b'{"assistant_id"', "more_body": True}

    async def serve() -> list[dict[str, Any]]:
        app = make_app(f"sqlite:///{tmp_path}/runs.db", model)
        async with app.router.lifespan_context(app):
            return await answered(app, part, {"type": "http.disconnect"})

    start, *_ = asyncio.run(serve())

    assert 400 == start["status"]


def test_a_mounted_server_without_its_lifespan_says_what_is_missing():
    """
    The error is for the log; the client learns that the server had one.
    """
    app = make_app("sqlite://", model)
    body = {"type": "http.request", "body": b'{"assistant_id": "a"}', "more_body": False}

    with pytest.raises(RuntimeError, match=r"lifespan_context\(app\)"):
        asyncio.run(answered(app, body))


# -- models that fail ------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "logged"),
    [
        (LookupError("no such prompt"), "LookupError: no such prompt"),
        (asyncio.CancelledError(), "the model raised CancelledError"),
        (None, "cannot unpack"),
        (("explode", {}), "explode"),
        (("start", {}), "'start' is refused; the run allows require_action"),
        (("complete", {"usage": "a lot"}), "usage"),
        (("complete", {"token": 5}), "token"),
    ],
    ids=repr,
)
def test_a_model_that_fails_fails_its_run_and_not_its_worker(tmp_path, caplog, failure, logged):
    """
    The log names the run and the reason of each attempt, and the worker goes on to the next run.
    """

    async def fails_one(run: RunResponse, _: Any) -> Any:
        if run.instructions != "fail":
            return "complete", {}
        if isinstance(failure, BaseException):
            raise failure
        return failure

    async def serve() -> list[RunResponse]:
        async with await AsyncRunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
            asked = {"assistant_id": "asst_1", "thread_id": "thread_1"}
            runs = [await store.create(**asked, instructions=text) for text in ("fail", "")]
            worker = asyncio.create_task(work(store, "worker-1", fails_one, seconds=0.1))
            async with asyncio.timeout(20):
                while not RUN.is_terminal((await store.get(runs[0].id)).status):
                    await asyncio.sleep(0.01)
            worker.cancel()
            return [await store.get(run.id) for run in runs]

    failed, other = asyncio.run(serve())
    errors = [
        caplog.handler.format(record)
        for record in caplog.records
        if record.name == "runstate.serving"
    ]

    assert ("failed", "server_error") == (failed.status, failed.last_error.code)
    assert "completed" == other.status
    assert 3 == len(errors)
    for attempt, text in enumerate(errors, 1):
        assert f"run {failed.id}, attempt {attempt} of 3: " in text
        assert logged in text


def test_a_database_that_is_down_does_not_flood_the_log(caplog):
    """
    A job that fails is repeated after a second, and not as fast as it can fail.
    """

    async def fails() -> None:
        raise ConnectionError

    async def run_for_a_while() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(restart_on_failure("sweeper", fails), 1.5)

    asyncio.run(run_for_a_while())

    assert ["sweeper failed", "sweeper failed"] == caplog.messages


# -- the end of a server ---------------------------------------------------------


def test_a_server_that_stops_gives_its_runs_back(tmp_path):
    """
    The model is cancelled and may clean up; then another worker gets the run at once.
    """
    done: list[str] = []
    begun = asyncio.Event()

    async def waits(run: RunResponse, _: Any) -> Any:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            done.append(run.id)

    async def serve_and_stop(url: str) -> None:
        app = make_app(url, waits, workers=1, seconds=600)
        async with app.router.lifespan_context(app):
            run = await app.state.store.create(assistant_id="asst_1", thread_id="thread_1")
            await begun.wait()
        assert [run.id] == done

    url = f"sqlite:///{tmp_path}/runs.db"
    asyncio.run(serve_and_stop(url))
    with RunStore.open(url) as store:
        lease = store.claim("another", seconds=30)

    assert lease is not None
    assert done == [lease.run.id]


def test_a_worker_that_is_stopped_at_any_moment_gives_its_run_back(tmp_path):
    """
    Among the moments are those in which the database has granted a lease and not yet said so.
    """

    async def waits(*_: Any) -> Any:
        await asyncio.sleep(60)

    async def stop_after(steps: int, url: str) -> None:
        async with await AsyncRunStore.open(url) as store:
            await store.create(assistant_id="asst_1", thread_id="thread_1")
            worker = asyncio.create_task(work(store, "worker-1", waits, seconds=600))
            for _ in range(steps):
                await asyncio.sleep(0.0005)
            worker.cancel()
            await asyncio.wait({worker})
            lease = await store.claim("another", seconds=30)
            assert lease is not None, f"stopped after {steps} steps"

    for steps in range(60):
        asyncio.run(stop_after(steps, f"sqlite+aiosqlite:///{tmp_path}/{steps}.db"))


def test_workers_stop_where_the_application_around_them_fails(tmp_path):
    """
    An error in the lifespan that the server is mounted in leaves no task behind.
    """

    async def serve_and_fail() -> set[asyncio.Task[Any]]:
        app = make_app(f"sqlite:///{tmp_path}/runs.db", model)
        with pytest.raises(LookupError):
            async with app.router.lifespan_context(app):
                raise LookupError
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert set() == asyncio.run(serve_and_fail())


def test_a_job_stops_though_its_cancellation_became_an_error():
    """
    Drivers of databases may raise an error of their own where they are cancelled.
    """

    async def fails_when_cancelled() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError from None

    async def start_and_stop() -> None:
        job = asyncio.create_task(restart_on_failure("worker-1", fails_when_cancelled))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        job.cancel()
        await asyncio.wait_for(job, 0.5)

    asyncio.run(start_and_stop())
