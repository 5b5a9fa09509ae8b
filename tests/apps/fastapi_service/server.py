"""The API: ``uvicorn server:app``."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from agents import TENANTS, stores
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse

from runstate import RUN, RunResponse
from runstate.errors import PayloadError
from runstate.store import AsyncRunStore, RunNotFoundError, Verdict

RUNS = "/v1/threads/{thread_id}/runs"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the stores open while the server runs."""
    async with AsyncExitStack() as until:
        app.state.stores = await stores(until)
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(HTTPException)
@app.exception_handler(RunNotFoundError)
@app.exception_handler(PayloadError)
async def refused(request: Request, error: Any) -> JSONResponse:
    """Answer an error as the client reads it."""
    code = getattr(error, "status_code", 404 if isinstance(error, RunNotFoundError) else 400)

    return JSONResponse({"error": {"message": getattr(error, "detail", str(error))}}, code)


async def store_of(request: Request, authorization: Annotated[str, Header()]) -> AsyncRunStore:
    """Return the store of the tenant whose key the client sent."""
    tenant = TENANTS.get(authorization.removeprefix("Bearer "))
    if tenant is None:
        raise HTTPException(401, "Unknown key.")

    return request.app.state.stores[tenant]


Store = Annotated[AsyncRunStore, Depends(store_of)]


@app.post(RUNS, response_model=None)
async def create(thread_id: str, store: Store, body: Annotated[dict[str, Any], Body()]) -> Any:
    """Queue a run; a worker will find it."""
    since = await store.cursor()
    given = {name: body[name] for name in ("assistant_id", "instructions") if body.get(name)}
    run = await store.create(thread_id=thread_id, **given)
    if body.get("stream"):
        return StreamingResponse(events(store, run.id, since), media_type="text/event-stream")

    return JSONResponse(run.model_dump(mode="json"))


@app.get(RUNS)
async def list_runs(thread_id: str, store: Store, order: str = "desc") -> dict[str, Any]:
    """Answer with the runs of a thread, the newest first."""
    page = await store.list(thread_id=thread_id, order=order)

    return {"object": "list", "data": page.items, "has_more": page.cursor is not None}


@app.get(RUNS + "/{run_id}")
async def retrieve(run_id: str, store: Store) -> RunResponse:
    """Answer with a run as it is now."""
    return await store.get(run_id)


@app.post(RUNS + "/{run_id}/cancel")
async def cancel(run_id: str, store: Store) -> RunResponse:
    """Ask for a cancel, which the worker or a sweep confirms."""
    return await answer(store, run_id, await store.request_cancel(run_id, actor="api"))


@app.post(RUNS + "/{run_id}/submit_tool_outputs")
async def submit(
    run_id: str, store: Store, tool_outputs: Annotated[list[dict[str, str]], Body(embed=True)]
) -> RunResponse:
    """Queue a run again with what its tools returned."""
    outputs = {each["tool_call_id"]: each["output"] for each in tool_outputs}
    verdict = await store.submit_tool_outputs(run_id, outputs, actor="api")

    return await answer(store, run_id, verdict)


async def answer(store: AsyncRunStore, run_id: str, verdict: Verdict) -> RunResponse:
    """Return the run that was moved, or say why it was not."""
    if not verdict.ok:
        raise HTTPException(400, f"The run is {verdict.status}.")

    return await store.get(run_id)


async def events(store: AsyncRunStore, run_id: str, since: str) -> AsyncIterator[str]:
    """Yield the moves of a run as they are committed, each with the run as it is by then."""
    async for page in store.watch(after=since, every=0.1):
        for line in page.items:
            if line.run_id != run_id or line.kind != "move":
                continue
            run = await store.get(run_id)
            yield f"event: thread.run.{line.target}\ndata: {run.model_dump_json()}\n\n"
            if RUN.is_terminal(line.target) or line.target == "requires_action":
                yield "event: done\ndata: [DONE]\n\n"
                return
