"""
The API: runs as OpenAI's client wants them, answered out of a store.

What may be done with a run is not decided here. Every request asks the store, and a
verdict that says no is a refusal that names the status which the run had instead.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runstate import PayloadError, RunResponse
from runstate.store import Applied, AsyncRunStore, Illegal, RunNotFoundError, Superseded

from .stream import TAKEN, events
from .worker import Model, always, sweep, work


def make_app(url: str, model: Model, *, workers: int = 2, seconds: float = 30.0) -> Starlette:
    """
    Return the API over the store at *url*, with *workers* under leases of *seconds*.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # As the API that this one is modelled on: a run ends ten minutes after its creation.
        async with await AsyncRunStore.open(url, expires_after=600) as store:
            app.state.store = store
            jobs = {"sweeper": partial(sweep, store, seconds / 3)}
            for name in (f"worker-{n + 1}" for n in range(workers)):
                jobs[name] = partial(work, store, name, model, seconds)
            tasks = [asyncio.create_task(always(name, job)) for name, job in jobs.items()]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    runs = "/v1/threads/{thread_id}/runs"
    routes = [
        Route(runs, create, methods=["POST"]),
        Route(runs, list_runs),
        Route(runs + "/{run_id}", retrieve),
        Route(runs + "/{run_id}/cancel", cancel, methods=["POST"]),
        Route(runs + "/{run_id}/submit_tool_outputs", submit_tool_outputs, methods=["POST"]),
    ]
    refusals: Any = {RunNotFoundError: not_found, PayloadError: bad, ValueError: bad}

    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=refusals)


# -- requests ------------------------------------------------------------------------


async def create(request: Request) -> Response:
    """
    Queue a run; a worker will find it.
    """
    body = await body_of(request)
    given = {name: body[name] for name in TAKEN & body.keys()}
    run = await store_of(request).create(thread_id=request.path_params["thread_id"], **given)

    return streamed(request, run.id, since=1) if body.get("stream") else answer(run)


async def retrieve(request: Request) -> Response:
    """
    Answer with a run as it is now.
    """
    return answer(await run_of(request))


async def list_runs(request: Request) -> Response:
    """
    Answer with a page of a thread's runs.
    """
    asked = request.query_params
    page = await store_of(request).list(
        thread_id=request.path_params["thread_id"],
        after=asked.get("after"),
        limit=min(max(int(asked.get("limit", 20)), 1), 100),
        order="asc" if asked.get("order") == "asc" else "desc",
    )
    runs = page.items

    return JSONResponse(
        {
            "object": "list",
            "data": [run.model_dump(mode="json") for run in runs],
            "first_id": runs[0].id if runs else None,
            "last_id": runs[-1].id if runs else None,
            "has_more": page.cursor is not None,
        }
    )


async def cancel(request: Request) -> Response:
    """
    Ask for a cancel: of two who do, one is told that the other was faster.
    """
    run, store = await run_of(request), store_of(request)
    match await store.request_cancel(run.id, actor="api"):
        case Illegal(status) | Superseded(status):
            return refused(f"Cannot cancel run with status '{status}'.")

    return answer(await store.get(run.id))


async def submit_tool_outputs(request: Request) -> Response:
    """
    Queue a run again with what its tools returned.
    """
    run, store, body = await run_of(request), store_of(request), await body_of(request)
    match await store.submit_tool_outputs(run.id, outputs_in(body), actor="api"):
        case Illegal(status) | Superseded(status):
            return refused(f'Runs in status "{status}" do not accept tool outputs.')
        case Applied(moved) if body.get("stream"):
            return streamed(request, run.id, since=moved.seq or 1)

    return answer(await store.get(run.id))


def store_of(request: Request) -> AsyncRunStore:
    """
    Return the application's store.
    """
    store: AsyncRunStore = request.app.state.store

    return store


async def run_of(request: Request) -> RunResponse:
    """
    Return the run that the path names, if it is on the thread that the path names.
    """
    thread_id, run_id = request.path_params["thread_id"], request.path_params["run_id"]
    run = await store_of(request).get(run_id)
    if run.thread_id != thread_id:
        raise RunNotFoundError(run_id)

    return run


async def body_of(request: Request) -> dict[str, Any]:
    """
    Return the request's body.
    """
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("the body is no object")  # noqa: TRY004  the client's mistake, not ours

    return body


def outputs_in(body: dict[str, Any]) -> dict[str, str]:
    """
    Return the tool outputs in *body*, by the id of their call.
    """
    try:
        return {each["tool_call_id"]: each["output"] for each in body["tool_outputs"]}
    except (KeyError, TypeError):
        raise ValueError("tool_outputs is a list of tool_call_id and output") from None


# -- answers -------------------------------------------------------------------------


def answer(run: RunResponse) -> Response:
    """
    Return *run* as it goes over the wire.
    """
    return Response(run.model_dump_json(), media_type="application/json")


def refused(message: str, status_code: int = 400) -> Response:
    """
    Return a refusal as the service words it.
    """
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}

    return JSONResponse({"error": error}, status_code)


def streamed(request: Request, run_id: str, since: int) -> Response:
    """
    Return the moves of a run from number *since* on, as they are made.
    """
    moves = events(store_of(request), run_id, since)

    return StreamingResponse(moves, media_type="text/event-stream")


def not_found(_: Request, error: RunNotFoundError) -> Response:
    """
    Refuse what is about a run that is not there.
    """
    return refused(f"No run found with id '{error.run_id}'.", 404)


def bad(_: Request, error: Exception) -> Response:
    """
    Refuse what makes no sense.
    """
    return refused(str(error))
