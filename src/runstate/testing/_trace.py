"""
Pause one writer at a line of its code while a second writer acts on the same run.

This finds the gap between a read and the write that relies on it. The gap is in the
service's own code, which has no hooks for tests. So the first writer runs in its own
thread under ``sys.settrace`` and pauses at the n-th line that it reaches while the
rival acts. A rival that waits for a lock of the first writer continues when the lock
is released.
"""

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from site import getsitepackages, getusersitepackages
from types import FrameType
from typing import Any, Final, NamedTuple

from ._harness import _Rival

__all__ = ["Interleaving", "interleave"]

_PATIENCE: Final = 0.05
"""Seconds to wait for the rival; after that it is assumed to wait for a lock."""
_MOST_CALLS: Final = 3
"""Innermost functions of the call stack that a place names."""

_FOLDERS: Final[tuple[str, ...]] = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *getsitepackages(),
    getusersitepackages(),
    str(Path(__file__).parent.parent),
)
_INSTALLED: Final = tuple(f"{Path(folder)}{os.sep}" for folder in _FOLDERS)
"""Folders whose code is not the service's: Python's, installed packages, and this package."""


class Interleaving(NamedTuple):
    """
    The results of two writers, the second of which acted in the middle of the first.
    """

    mine: Any
    """What the first writer's act returned, or the exception that it raised."""
    other: Any
    """What the rival's act returned, or the exception that it raised."""
    place: str
    """Where the rival acted, by function and line, for example ``before Jobs.complete:12``."""


def interleave(act: Callable[[], Any], rival: Callable[[], Any], n: int) -> Interleaving | None:
    """
    Run *act*, pause it at the *n*-th place of its code, and run *rival* there.

    A place is the start of a line or the return of a function. The same place counts once
    for each call stack that leads to it.

    Args:
        act: The first writer.
        rival: The second writer.
        n: Which place, counted from 1.

    Returns:
        Both results; None if *act* has fewer than *n* places, in which case *rival* did not run.

    Raises:
        Broken: One of them does not finish.
    """
    other = _Rival(lambda: _outcome(rival))
    watch = _Watch(n, lambda: other.start(_PATIENCE))
    first = _Rival(lambda: _outcome(lambda: _watched(act, watch)))
    first.start()
    mine = first.result()

    return Interleaving(mine, other.result(), watch.place) if watch.place else None


def _outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # noqa: BLE001  an exception of the service is judged as its answer
        return error


def _watched(act: Callable[[], Any], watch: "_Watch") -> Any:
    before = sys.gettrace()
    sys.settrace(watch.enter)
    try:
        return act()
    finally:
        sys.settrace(before)


class _Watch:
    """
    A trace function that calls *act* at the n-th place.
    """

    def __init__(self, n: int, act: Callable[[], None]) -> None:
        self._n, self._act = n, act
        self._passed: set[tuple[Any, ...]] = set()
        self.place = ""

    def enter(self, frame: FrameType, event: str, _: Any) -> Any:
        """
        Trace the functions of the service only.
        """
        return self._step if event == "call" and _is_own(frame.f_code.co_filename) else None

    def _step(self, frame: FrameType, event: str, _: Any) -> Any:
        if self.place or event not in {"line", "return"}:
            return self._step
        leaves, stack = event == "return", tuple(_stack(frame))
        # The call stack is part of the place: a read and a write may go through one function.
        self._passed.add((leaves, *stack))
        if len(self._passed) == self._n:
            calls = " > ".join(f"{name}:{line}" for name, line in reversed(stack[:_MOST_CALLS]))
            self.place = f"{'after' if leaves else 'before'} {calls}"
            self._act()

        return self._step


def _stack(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """
    Yield the service's functions on the call stack of *frame* with their lines, innermost first.
    """
    while frame is not None:
        if _is_own(frame.f_code.co_filename):
            yield frame.f_code.co_qualname, frame.f_lineno
        frame = frame.f_back


@cache
def _is_own(file: str) -> bool:
    return not file.startswith((*_INSTALLED, "<frozen ", "<string>"))
