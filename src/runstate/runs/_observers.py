"""
Observers: every one hears every move of an object, in the order in which they were made.

An observer may fire the next move, and another thread may make it meanwhile. So a move is
noted while the lock of its commit is held, and told from a queue of its object: by whoever
tells already, or else by the thread that made it.
"""

import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Iterable
from typing import Any

from ._log import Moved, MoveLog, Observer

__all__ = ["Observers"]


class Observers:
    """
    The observers of one engine, and the moves that they have yet to hear of.
    """

    def __init__(self, observers: Iterable[Observer], log: MoveLog) -> None:
        self._observers = tuple(observers)
        self._log = log
        # Taken again by a signal handler that fires while its own thread holds it.
        self._lock = threading.RLock()
        # By the object's id: it is alive for as long as somebody moves it, and no longer here.
        self._queues: dict[int, deque[Moved]] = {}
        self._busy: set[int] = set()
        self._pending: set[Awaitable[Any]] = set()

    def note(self, target: object, moved: Moved) -> None:
        """
        Queue *moved*, a move of *target*. To be called while no other move of it can be made.
        """
        with self._lock:
            self._queues.setdefault(id(target), deque()).append(moved)

    def deliver(self, target: object) -> None:
        """
        Tell every observer of the moves of *target* that are queued.

        Returns at once where they are being told already: then this move is told after
        those before it, by the caller who is at it.

        Raises:
            BaseException: What is no Exception and came out of an observer, such as
                KeyboardInterrupt; all others have heard of the moves by then.
        """
        key = id(target)
        with self._lock:
            if key in self._busy:
                return
            self._busy.add(key)
        raised: BaseException | None = None
        try:
            while (moved := self._next(key)) is not None:
                for observer in self._observers:
                    error = self._tell(observer, moved)
                    if raised is None:
                        raised = error
        except BaseException:
            with self._lock:
                self._busy.discard(key)
            raise
        if raised is not None:
            raise raised

    def _next(self, key: int) -> Moved | None:
        with self._lock:
            queue = self._queues.get(key)
            if queue:
                return queue.popleft()
            self._queues.pop(key, None)
            self._busy.discard(key)

            return None

    def _tell(self, observer: Observer, moved: Moved) -> BaseException | None:
        """
        Tell *observer* of *moved*; return what it raised if that must reach the caller.
        """
        try:
            answer = observer(moved)
            if answer is not None and inspect.isawaitable(answer):
                self._schedule(observer, moved, answer)
        except Exception as error:  # noqa: BLE001  the move stands, whatever an observer does
            self._log.observer_failed(observer, moved, error)
        except BaseException as error:  # noqa: BLE001  raised again once all have heard
            return error

        return None

    def _schedule(self, observer: Observer, moved: Moved, answer: Awaitable[Any]) -> None:
        from asyncio import get_running_loop  # noqa: PLC0415  loaded already where a loop runs

        async def told() -> None:
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
        task = loop.create_task(told())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
