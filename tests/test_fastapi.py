"""
Runs out of a FastAPI application: the wire's names in every answer, as OpenAI's client reads them.
"""

from typing import Any

import openai
import pytest
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.testclient import TestClient
from pydantic import BaseModel, RootModel, TypeAdapter

import runstate
from runstate import BaseResponse, RunEngine, RunResponse
from serving import served

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Assistants API is deprecated:DeprecationWarning",
    # Starlette's test client, of its own accord.
    "ignore::DeprecationWarning:starlette.*",
)

ACTION = {
    "type": "submit_tool_outputs",
    "submit_tool_outputs": {
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]
    },
}


class Page(BaseModel):
    """
    A page of runs, as an application declares it.
    """

    object: str = "list"
    data: list[RunResponse]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


class OwnRun(RunResponse):
    """
    A run with a field of the application's.
    """

    tenant: str = "t1"


ENGINE = RunEngine()


def a_run(thread_id: str = "thread_1", run_id: str = "run_1") -> RunResponse:
    """
    Return a run that waits for a tool, so that parts of it are there, too.
    """
    tools = [{"type": "function", "function": {"name": "f"}}]
    run = ENGINE.create(
        id=run_id, assistant_id="asst_1", thread_id=thread_id, tools=tools, metadata={"Key": "v"}
    )
    ENGINE.start(run)
    ENGINE.require_action(run, ACTION)

    return run


def make_app() -> FastAPI:
    """
    Return an application that answers with runs in every way that FastAPI has.
    """
    app = FastAPI()
    runs: dict[str, RunResponse] = {}
    path = "/v1/threads/{thread_id}/runs"

    @app.post(path)
    def create(thread_id: str, body: dict[str, Any]) -> RunResponse:
        run = ENGINE.create(thread_id=thread_id, assistant_id=body["assistant_id"])
        runs[run.id] = run

        return run

    @app.get(path)
    def page(thread_id: str) -> Page:
        return Page(data=[run for run in runs.values() if run.thread_id == thread_id])

    @app.get(path + "/{run_id}", response_model=RunResponse)
    def retrieve(thread_id: str, run_id: str):
        run = runs[run_id]
        if ENGINE.can(run, "start"):
            ENGINE.start(run)

        return run

    @app.get("/annotated")
    def annotated() -> RunResponse:
        return a_run()

    @app.get("/bare")
    def bare():
        return a_run()

    @app.get("/by_model", response_model=RunResponse)
    def by_model():
        return a_run().model_dump()

    @app.get("/inside")
    def inside():
        return {"data": [a_run()]}

    @app.get("/own")
    def own() -> OwnRun:
        return OwnRun(**a_run().model_dump())

    @app.get("/named", response_model_by_alias=False)
    def named() -> RunResponse:
        return a_run()

    @app.post("/echo")
    def echo(run: RunResponse) -> RunResponse:
        return run

    return app


def keys_of(body: Any) -> set[str]:
    """
    Return every key of *body*, at any depth, but those of the user's metadata.
    """
    if isinstance(body, dict):
        within = (keys_of(value) for key, value in body.items() if key != "metadata")
        return set(body).union(*within)
    if isinstance(body, list):
        return set().union(*map(keys_of, body))

    return set()


WIRE = keys_of(a_run().model_dump(mode="json"))


def test_openai_client_reads_runs_of_a_fastapi_application():
    """
    Create, retrieve, list and poll by the real client over real HTTP: status and id are there.
    """
    with served(make_app()) as port:
        client = openai.OpenAI(
            base_url=f"http://127.0.0.1:{port}/v1",
            api_key="none",
            max_retries=0,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        )
        with client:
            runs = client.beta.threads.runs
            made = runs.create(thread_id="thread_1", assistant_id="asst_1")
            seen = runs.retrieve(made.id, thread_id="thread_1")
            listed = runs.list("thread_1").data

    assert made.id.startswith("run_")
    assert ("queued", "in_progress") == (made.status, seen.status)
    assert (made.id, "thread_1", "asst_1") == (seen.id, seen.thread_id, seen.assistant_id)
    assert [made.id] == [run.id for run in listed]
    assert (None, None) == (made.model_extra or None, seen.model_extra or None)


@pytest.mark.parametrize("route", ["annotated", "bare", "by_model", "inside", "own", "named"])
def test_every_way_to_answer_has_the_names_of_the_wire(route):
    """
    By annotation, by response_model, without either, inside of something, and by a subclass.
    """
    body = TestClient(make_app()).get(f"/{route}").json()

    assert WIRE <= keys_of(body)
    assert set() == {key for key in keys_of(body) if key != key.lower()}


def test_schema_has_the_names_of_the_wire():
    """
    A client that is generated from the schema reads and writes what goes over the wire.
    """
    schemas = TestClient(make_app()).get("/openapi.json").json()["components"]["schemas"]
    body = RunResponse.model_fields.keys() - BaseResponse.model_fields.keys()

    # One schema for what is read and what is written, without the envelope of HTTP.
    assert body == schemas["RunResponse"]["properties"].keys()
    assert [] == [
        (name, key)
        for name, schema in schemas.items()
        for key in schema.get("properties", {})
        if key != key.lower()
    ]


def test_pascal_case_is_still_accepted():
    """
    A body by the reference's names is read, and answered by the wire's.
    """
    body = a_run().to_pascal_case()
    answer = TestClient(make_app()).post("/echo", json=body)

    assert 200 == answer.status_code
    assert a_run().model_dump(mode="json", exclude={"created_at", "started_at", "expires_at"}) == {
        key: value
        for key, value in answer.json().items()
        if key not in {"created_at", "started_at", "expires_at"}
    }


@pytest.mark.parametrize("by_alias", [None, True, False])
def test_every_serializer_writes_the_names_of_the_wire(by_alias):
    """
    Whatever dumps a run, and whether it asks for aliases: one spelling.
    """
    run = a_run()
    expected = run.model_dump(mode="json")
    in_page = Page(data=[run])
    adapter = TypeAdapter(dict[str, RunResponse])
    options: dict[str, Any] = {} if by_alias is None else {"by_alias": by_alias}

    assert expected == run.model_dump(mode="json", **options)
    assert expected == RunResponse.model_validate_json(run.model_dump_json(**options)).model_dump(
        mode="json"
    )
    assert expected == in_page.model_dump(mode="json", **options)["data"][0]
    assert expected == adapter.dump_python({"x": run}, mode="json", **options)["x"]
    assert expected == RootModel[RunResponse](run).model_dump(mode="json", **options)
    assert expected == jsonable_encoder(run, **options)


MODELS = [
    named
    for named in map(vars(runstate).get, runstate.__all__)
    if isinstance(named, type) and issubclass(named, BaseModel)
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_no_schema_has_another_spelling(model, mode):
    """
    Each model describes itself by the wire's names, for input and for output.
    """
    schema = model.model_json_schema(mode=mode)
    shown = [schema, *schema.get("$defs", {}).values()]

    assert [] == [key for each in shown for key in each.get("properties", {}) if key != key.lower()]
