"""
The workers: each claims a run, calls the model, and fires what the model answers.

Any number of workers in any number of processes may share one store. If a worker dies, its lease
runs out and another worker claims the run.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from .._text import shown_value
from ..runs import RunResponse
from ..store import AsyncRunStore, Illegal, Lease, Stale, StoreArgumentError, Verdict

__all__ = ["Model", "Outcome", "check_seconds", "restart_on_failure", "sweep", "work"]

Outcome = tuple[str, dict[str, Any]]
"""The trigger to fire, and its payload: ``("complete", {"usage": ...})``."""
Model = Callable[[RunResponse, Mapping[str, str]], Awaitable[Outcome]]
"""
Your code: gets a run and its tool outputs so far, by the id of the call, and returns an outcome.

It is cancelled if the run is cancelled, if its worker loses the lease, and if the server stops. If
it raises, or answers what the run does not accept, the log has the reason, and the run gets another
attempt when the lease ends; after the third attempt it fails.
"""

_LONGEST: Final = 30 * 86_400
"""Seconds of the longest lease that a store grants."""
_IDLE: Final = 0.02
_PAUSE: Final = 1.0
"""Seconds from the failure of a job to its next try: a database that is down fails all of them."""
_CLEAN_UP: Final = 1.0
"""Seconds that a model has for its own clean-up when its worker stops."""
_ATTEMPTS: Final = 3
_ERROR: Final = {"code": "server_error", "message": "The run could not be completed."}

_log = logging.getLogger(__package__)


async def work(store: AsyncRunStore, name: str, model: Model, seconds: float) -> None:
    """
    Claim runs without end, one after the other, and let *model* work on each.

    A run is failed after its third attempt, so that one that kills its worker ends.

    Args:
        store: The store to claim from.
        name: The worker's name, for the journal.
        model: Carries a run on; see :data:`Model`.
        seconds: How long a claim lasts without a heartbeat.

    Raises:
        StoreArgumentError: *name* is not a name, or *seconds* is out of bounds.

    Example:
        >>> import structlog, tempfile
        >>> async def model(run, outputs):
        ...     return "complete", {}
        >>> async def serve_one(url):
        ...     async with await AsyncRunStore.open(url) as store:
        ...         run = await store.create(assistant_id="asst_1", thread_id="thread_1")
        ...         worker = asyncio.create_task(work(store, "worker-1", model, seconds=30))
        ...         while (await store.get(run.id)).status.value != "completed":
        ...             await asyncio.sleep(0.01)
        ...         worker.cancel()
        ...         return [entry.actor for entry in await store.history(run.id)]
        >>> with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        ...     actors = asyncio.run(serve_one(f"sqlite+aiosqlite:///{folder}/runs.db"))
        >>> actors
        [None, 'worker-1', 'worker-1']
    """
    while True:
        lease = await _claim(store, name, seconds)
        if lease is None:
            await asyncio.sleep(_IDLE)
        else:
            await _carry_on(store, lease, model)


async def _claim(store: AsyncRunStore, name: str, seconds: float) -> Lease[RunResponse] | None:
    """
    Claim a run; a worker that is stopped meanwhile gives back what it was granted.
    """
    claim = asyncio.ensure_future(store.claim(name, seconds))
    try:
        return await asyncio.shield(claim)
    except asyncio.CancelledError:
        # The database may have granted the lease already: only its answer tells.
        lease = await claim
        if lease is not None:
            await store.release(lease)
        raise


async def _carry_on(store: AsyncRunStore, lease: Lease[RunResponse], model: Model) -> None:
    """
    Call *model* with the run of *lease*, and fire what it answers.
    """
    if lease.attempt > _ATTEMPTS:
        await _fire(store, lease, "fail", last_error=_ERROR)
        return
    answer = asyncio.create_task(_asked(store, lease.run, model))
    try:
        while not (await asyncio.wait({answer}, timeout=lease.seconds / 3))[0]:
            beat = await store.heartbeat(lease)
            if isinstance(beat, Stale):
                return  # Another worker has the run by now.
            if beat.cancel_requested:
                await _fire(store, lease, "confirm_cancel")
                return
        await _conclude(store, lease, answer)
    except asyncio.CancelledError:
        # This worker stops: another one need not wait for the end of the lease.
        answer.cancel()
        await asyncio.wait({answer}, timeout=_CLEAN_UP)
        await store.release(lease)
        raise
    finally:
        answer.cancel()


async def _asked(store: AsyncRunStore, run: RunResponse, model: Model) -> Outcome:
    """
    Return what *model* answers; one that is not a coroutine function fails in here, too.
    """
    return await model(run, await _outputs(store, run.id))


async def _conclude(
    store: AsyncRunStore, lease: Lease[RunResponse], answer: asyncio.Task[Outcome]
) -> None:
    """
    Fire what the model answered; if that cannot be done, the log says why.
    """
    place = f"run {lease.run.id}, attempt {lease.attempt} of {_ATTEMPTS}"
    if answer.cancelled():
        # Its result would raise CancelledError, as if this worker had been told to stop.
        _log.error("%s: the model raised CancelledError", place)
        return
    try:
        trigger, payload = answer.result()
        verdict = await _fire(store, lease, trigger, **payload)
    except Exception:  # noqa: BLE001  whatever the model got wrong
        _log.exception("%s: failed", place)
        return
    if isinstance(verdict, Illegal) and "confirm_cancel" in verdict.allowed:
        # A cancel came first, and the table has no such row from there.
        await _fire(store, lease, "confirm_cancel")
    elif isinstance(verdict, Illegal):
        allowed = ", ".join(verdict.allowed)
        _log.error("%s: %r is refused; the run allows %s", place, trigger, allowed)


async def _fire(
    store: AsyncRunStore, lease: Lease[RunResponse], trigger: str, **payload: Any
) -> Verdict:
    """
    Fire *trigger* with the token of *lease*: a worker whose lease ran out must move nothing.
    """
    return await store.fire(lease.run.id, trigger, token=lease.token, actor=lease.worker, **payload)


async def _outputs(store: AsyncRunStore, run_id: str) -> dict[str, str]:
    """
    Return the submitted outputs of the run's tool calls; the journal keeps them.
    """
    lines = await store.history(run_id)

    return {
        call: output
        for line in lines
        if line.kind == "move" and line.trigger == "submit_tool_outputs"
        for call, output in (line.payload or {})["outputs"].items()
    }


async def sweep(store: AsyncRunStore, every: float) -> None:
    """
    Sweep without end: end the runs that are overdue, and cancelled ones that no worker holds.

    Args:
        store: The store to sweep.
        every: Seconds between two sweeps.

    Raises:
        StoreArgumentError: *every* is not a positive number of seconds, up to 30 days.
    """
    check_seconds("every", every)
    while True:
        await store.sweep()
        await asyncio.sleep(every)


def check_seconds(argument: str, seconds: Any) -> None:
    """
    Refuse what cannot be the length of a lease, or of a pause, before anything waits for it.
    """
    # Not isinstance: True is not a number of seconds. NaN compares false with everything.
    if type(seconds) not in {int, float} or not 0 < seconds <= _LONGEST:
        expected = "a positive number of seconds, up to 30 days"
        raise StoreArgumentError(argument, expected, shown_value(seconds))


async def restart_on_failure(name: str, job: Callable[[], Awaitable[None]]) -> None:
    """
    Do *job*; if it fails, do it again after a second.

    For workers and sweepers in processes of their own: :func:`work` and :func:`sweep` end where
    the database cannot be reached. :func:`make_app` calls this by itself.

    Args:
        name: What the log calls the job.
        job: Starts it. Each failure is logged, to the logger ``runstate.serving``.

    Example:
        >>> async def job():
        ...     done.append("done")
        >>> done = []
        >>> asyncio.run(restart_on_failure("worker-1", job))
        >>> done
        ['done']
    """
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001  a worker must not end
            _log.exception("%s failed", name)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                return  # The failure came in place of the cancellation.
            await asyncio.sleep(_PAUSE)
        else:
            return
