"""
Observers: each is called for every move of an object, in the order of the moves.

An observer may fire the next move, and another thread may make one at the same time. So a move
enters the queue of its object under the lock of its commit. The thread that delivers the queue
already delivers it too; if there is none, the thread that made the move does.
"""

import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Iterable
from typing import Any, Final

from ._log import Moved, MoveLog, Observer

__all__ = ["COMMITS", "Observers"]

COMMITS: Final = threading.RLock()
"""
Held while a move is written to its object and queued. It is reentrant, for a signal handler that
makes a move in between.
"""


class Observers:
    """
    The observers of one engine, and the queue of moves to deliver.
    """

    def __init__(self, observers: Iterable[Observer], log: MoveLog) -> None:
        self._observers = tuple(observers)
        self._log = log
        # By the object's id, which is valid while a move of the object is being delivered.
        self._queues: dict[int, deque[Moved]] = {}
        self._busy: dict[int, object] = {}
        """Of each object that is being told of, the mark of the call that tells."""
        self._pending: set[Awaitable[Any]] = set()

    def note(self, target: object, moved: Moved) -> None:
        """
        Queue *moved*, a move of *target*. The caller holds the lock.
        """
        key, queues = id(target), self._queues
        queue = queues.setdefault(key, deque())
        queue.append(moved)
        # A signal handler may have delivered the queue in between, and removed it.
        queues[key] = queue

    def deliver(self, target: object) -> None:
        """
        Deliver the queued moves of *target* to every observer.

        Returns at once if another call is delivering them: that call delivers this move too, after
        the earlier ones.

        Raises:
            BaseException: An observer raised something that is not an Exception, such as
                KeyboardInterrupt. All other observers have been called by then.
        """
        key, queues, busy = id(target), self._queues, self._busy
        raised: BaseException | None = None
        mine = object()
        try:
            with COMMITS:
                if busy.setdefault(key, mine) is not mine:
                    return
            while True:
                queue = queues.get(key)
                while queue:
                    error = self._tell(queue.popleft())
                    if raised is None:
                        raised = error
                with COMMITS:
                    # In this order: a signal handler tells by itself what it makes from here on.
                    del busy[key]
                    if not queues.get(key):
                        queues.pop(key, None)
                        break
                    busy[key] = mine
        except BaseException:
            with COMMITS:
                if busy.get(key) is mine:
                    del busy[key]
            raise
        if raised is not None:
            raise raised

    def _tell(self, moved: Moved) -> BaseException | None:
        """
        Call all observers with *moved*; return the first exception that must reach the caller.
        """
        raised: BaseException | None = None
        for observer in self._observers:
            try:
                answer = observer(moved)
                if answer is not None and inspect.isawaitable(answer):
                    self._schedule(observer, moved, answer)
            except Exception as error:  # noqa: BLE001  the move stands, whatever an observer does
                self._log.observer_failed(observer, moved, error)
            except BaseException as error:  # noqa: BLE001  raised again once all have heard
                if raised is None:
                    raised = error

        return raised

    def _schedule(self, observer: Observer, moved: Moved, answer: Awaitable[Any]) -> None:
        from asyncio import get_running_loop  # noqa: PLC0415  loaded already where a loop runs

        async def awaited() -> None:
            try:
                await answer
            except Exception as error:  # noqa: BLE001
                self._log.observer_failed(observer, moved, error)

        try:
            loop = get_running_loop()
        except RuntimeError:
            if inspect.iscoroutine(answer):
                answer.close()
            raise
        # The loop itself keeps only a weak reference to a task.
        task = loop.create_task(awaited())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
