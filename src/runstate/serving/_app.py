"""
The routes: runs as OpenAI's client expects them, served from a store.

The store decides what a request may do with a run. If it refuses, the answer is an error that
names the run's status.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Literal

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .._text import shown_value
from ..runs import RunResponse
from ..store import (
    Applied,
    AsyncRunStore,
    Illegal,
    Page,
    RunNotFoundError,
    StoreArgumentError,
    Superseded,
)
from ._bodies import body_of, outputs_in, wants_stream
from ._refusals import HANDLERS, invalid, missing, not_found, refused, unacceptable
from ._stream import TAKEN, Moves, events
from ._worker import Model, check_seconds, restart_on_failure, sweep, work

__all__ = ["make_app"]

_EXPIRES_AFTER: Final = 600
"""Seconds from the creation of a run to its end; a store sets no such deadline by itself."""
_MOST_LISTED: Final = 100


def make_app(url: str, model: Model, *, workers: int = 2, seconds: float = 30.0) -> Starlette:
    """
    Return an ASGI application that serves the runs of one store, and works on them.

    It opens the store when the server starts it, and stops its workers when the server ends. It
    has no authentication: put it behind your own, and let each user reach only their own threads.
    It serves runs alone: no threads, messages, steps or assistants. A run ends 600 seconds after
    its creation.

    Mounted in another application, it needs the lifespan of that application:
    ``FastAPI(lifespan=lambda _: app.router.lifespan_context(app))``.

    Args:
        url: The store's URL for SQLAlchemy, such as ``postgresql+psycopg://user@host/database``.
        model: Carries a run on; see :data:`Model`.
        workers: How many runs this process works on at once; 0 if other processes call
            :func:`work`.
        seconds: How long a worker keeps a run without a heartbeat. Heartbeats are sent three
            times as often, and so are sweeps.

    Returns:
        The application, whose routes are those of the Assistants API:
        ``POST`` and ``GET /v1/threads/{thread_id}/runs``, ``GET`` and ``POST .../{run_id}``,
        ``POST .../{run_id}/cancel`` and ``POST .../{run_id}/submit_tool_outputs``.

    Raises:
        StoreArgumentError: *model* cannot be called, or *workers* or *seconds* is out of bounds.
            A wrong *url* is an error when the server starts.
    """
    _check_model(model)
    _check_workers(workers)
    check_seconds("seconds", seconds)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with await AsyncRunStore.open(url, expires_after=_EXPIRES_AFTER) as store:
            app.state.store, app.state.moves = store, Moves(store)
            jobs = {
                "sweeper": partial(sweep, store, seconds / 3),
                "moves": app.state.moves.watch,
            }
            for name in (f"worker-{n + 1}" for n in range(workers)):
                jobs[name] = partial(work, store, name, model, seconds)
            tasks = [asyncio.create_task(restart_on_failure(*each)) for each in jobs.items()]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    runs = "/v1/threads/{thread_id}/runs"
    routes = [
        Route(runs, _create, methods=["POST"]),
        Route(runs, _list_runs),
        Route(runs + "/{run_id}", _retrieve),
        Route(runs + "/{run_id}", _update, methods=["POST"]),
        Route(runs + "/{run_id}/cancel", _cancel, methods=["POST"]),
        Route(runs + "/{run_id}/submit_tool_outputs", _submit_tool_outputs, methods=["POST"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=HANDLERS)
    # A path with one slash too many is an unknown route, and not a redirect without a body.
    app.router.redirect_slashes = False

    return app


def _check_model(model: Any) -> None:
    if not callable(model):
        raise StoreArgumentError("model", "a coroutine function", shown_value(model))


def _check_workers(workers: Any) -> None:
    # Not isinstance: True is not a number of workers.
    if type(workers) is not int or workers < 0:
        expected = "a whole number of workers, or 0 if other processes work"
        raise StoreArgumentError("workers", expected, shown_value(workers))


# -- requests ------------------------------------------------------------------------


async def _create(request: Request) -> Response:
    """
    Queue a run; a worker will find it.
    """
    body = await body_of(request)
    stream = wants_stream(body)
    if not body.get("assistant_id"):
        raise missing("assistant_id")
    given = {name: body[name] for name in TAKEN & body.keys()}
    try:
        run = await _store_of(request).create(thread_id=request.path_params["thread_id"], **given)
    except ValidationError as error:
        raise unacceptable(error) from None

    return _streamed(request, run.id, since=1) if stream else _answer(run)


async def _retrieve(request: Request) -> Response:
    """
    Answer with a run as it is now.
    """
    return _answer(await _run_of(request))


async def _update(request: Request) -> Response:
    """
    Replace the metadata of a run, which may have ended.
    """
    body, run = await body_of(request), await _run_of(request)
    given = {"metadata": body["metadata"]} if "metadata" in body else {}
    try:
        return _answer(await _store_of(request).update(run.id, given))
    except ValidationError as error:
        raise unacceptable(error) from None


async def _list_runs(request: Request) -> Response:
    """
    Answer with a page of a thread's runs.
    """
    page = await _page_of(request)
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


async def _page_of(request: Request) -> Page[RunResponse]:
    """
    Return the page that is asked for: behind the run *after*, or up to the run *before*.
    """
    asked = request.query_params
    order, limit = _order_in(asked.get("order", "desc")), _limit_in(asked.get("limit", "20"))
    ends = [name for name in ("after", "before") if asked.get(name)]
    if len(ends) > 1:
        raise invalid("before", "either 'after' or 'before', got both")
    for name in ends:
        await _run_of(request, asked[name], name)
    backwards = ends == ["before"]
    if backwards:
        # The runs next to *before*: listed the other way round, then turned.
        order = "asc" if order == "desc" else "desc"
    page = await _store_of(request).list(
        thread_id=request.path_params["thread_id"],
        after=asked[ends[0]] if ends else None,
        limit=limit,
        order=order,
    )

    return page._replace(items=page.items[::-1]) if backwards else page


def _order_in(text: str) -> Literal["asc", "desc"]:
    """
    Return *text* as the order of a list.
    """
    match text:
        case "asc" | "desc":
            return text
    raise invalid("order", "'asc' or 'desc'")


def _limit_in(text: str) -> int:
    """
    Return *text* as the size of a page.
    """
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= _MOST_LISTED:
        raise invalid("limit", f"a whole number from 1 to {_MOST_LISTED}")

    return int(text)


async def _cancel(request: Request) -> Response:
    """
    Ask for a cancel; of two such requests, the second is refused.
    """
    run, store = await _run_of(request), _store_of(request)
    match await store.request_cancel(run.id, actor="api"):
        case Illegal(status) | Superseded(status):
            return refused(f"Cannot cancel run with status '{status}'.")

    return _answer(await store.get(run.id))


async def _submit_tool_outputs(request: Request) -> Response:
    """
    Queue a run again with what its tools returned.
    """
    run, store, body = await _run_of(request), _store_of(request), await body_of(request)
    stream = wants_stream(body)
    match await store.submit_tool_outputs(run.id, outputs_in(body), actor="api"):
        case Illegal(status) | Superseded(status):
            return refused(f'Runs in status "{status}" do not accept tool outputs.')
        case Applied(moved) if stream:
            return _streamed(request, run.id, since=moved.seq or 1)

    return _answer(await store.get(run.id))


def _store_of(request: Request) -> AsyncRunStore:
    """
    Return the application's store.
    """
    if not hasattr(request.app.state, "store"):
        raise RuntimeError(
            "the store is not open: the server did not run this application's lifespan; where it "
            "is mounted, FastAPI(lifespan=lambda _: app.router.lifespan_context(app)) does"
        )
    store: AsyncRunStore = request.app.state.store

    return store


async def _run_of(
    request: Request, run_id: str | None = None, param: str | None = None
) -> RunResponse:
    """
    Return the run that the path, or *param* of the query, names, if it is on the path's thread.
    """
    wanted = request.path_params["run_id"] if run_id is None else run_id
    try:
        run = await _store_of(request).get(wanted)
    except RunNotFoundError:
        raise not_found(wanted, param) from None
    if run.thread_id != request.path_params["thread_id"]:
        raise not_found(wanted, param)

    return run


# -- answers -------------------------------------------------------------------------


def _answer(run: RunResponse) -> Response:
    """
    Return *run* as it goes over the wire.
    """
    return Response(run.model_dump_json(), media_type="application/json")


def _streamed(request: Request, run_id: str, since: int) -> Response:
    """
    Return the moves of a run from number *since* on, as they are made.
    """
    moves = events(_store_of(request), request.app.state.moves, run_id, since)

    return StreamingResponse(moves, media_type="text/event-stream")
