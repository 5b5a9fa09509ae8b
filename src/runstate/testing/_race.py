"""
Call functions at the same time.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["race"]


def race(*acts: Callable[[], Any], timeout: float = 30.0) -> list[Any]:
    """
    Call all *acts* at the same time, each in its own thread, and return their results in order.

    No act starts before all threads are ready.

    Args:
        acts: The functions to call. An exception that one raises is returned as its result.
        timeout: Seconds to wait for all of them together.

    Raises:
        TimeoutError: Some acts did not finish within *timeout* seconds. Their daemon threads
            keep running and do not keep the program from exiting.

    Example:
        >>> lock = threading.Lock()
        >>> sum(race(*[lambda: lock.acquire(blocking=False)] * 4))
        1
    """
    barrier = threading.Barrier(max(1, len(acts)))
    answers: dict[int, Any] = {}

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            barrier.wait(timeout)
            answers[number] = act()
        except BaseException as error:  # noqa: BLE001  returned as the result
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
        raise TimeoutError(f"acts did not finish within {timeout:g} s: {', '.join(map(str, late))}")

    return [answers[number] for number in range(len(acts))]
