"""
Several callers at once.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["race"]


def race(*acts: Callable[[], Any], timeout: float = 30.0) -> list[Any]:
    """
    Call all *acts* at once, each in a thread of its own, and return what came of them, in order.

    None begins before all threads are there. What an act raises is returned in its place.

    Raises:
        TimeoutError: Some were not done after *timeout* seconds. Their threads are
            left behind, and do not keep the program from ending.

    Example:
        >>> door = threading.Lock()
        >>> sum(race(*[lambda: door.acquire(blocking=False)] * 4))
        1
    """
    barrier = threading.Barrier(max(1, len(acts)))
    answers: dict[int, Any] = {}

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            barrier.wait(timeout)
            answers[number] = act()
        except BaseException as error:  # noqa: BLE001  returned in its place
            answers[number] = error

    threads = [
        threading.Thread(target=partial(run, number, act), daemon=True, name=f"race-{number}")
        for number, act in enumerate(acts)
    ]
    until = time.monotonic() + timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    if late := [number for number in range(len(acts)) if number not in answers]:
        raise TimeoutError(f"not done after {timeout:g} s: {', '.join(map(str, late))}")

    return [answers[number] for number in range(len(acts))]
