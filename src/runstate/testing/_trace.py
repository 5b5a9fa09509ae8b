"""
Two writers at one run, one of which comes in between two lines of the other's.

What has to be found is the gap between a look and the write that it allowed. It is in
the service's own code, which knows nothing of being tested: so the writer runs in a
thread of its own under ``sys.settrace``, and stands still at the n-th line that it
comes to while its rival acts. A rival that has to wait for a lock goes on when it is
let go.
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

__all__ = ["Meeting", "meet"]

_PATIENCE: Final = 0.05
"""Seconds that a rival is given to finish before it is taken to wait for a lock."""
_MOST_CALLS: Final = 3
"""Functions that are named of the way to a place."""

_FOLDERS: Final[tuple[str, ...]] = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *getsitepackages(),
    getusersitepackages(),
    str(Path(__file__).parent.parent),
)
_INSTALLED: Final = tuple(f"{Path(folder)}{os.sep}" for folder in _FOLDERS)
"""Whose lines are not those of the service: Python's, what was installed, and this package's."""


class Meeting(NamedTuple):
    """
    What came of two writers that met.
    """

    mine: Any
    """What the first one's act returned, or the exception that it raised."""
    other: Any
    """The same of its rival."""
    place: str
    """Where the rival came in, by function and line, such as ``before Jobs.complete:12``."""


def meet(act: Callable[[], Any], rival: Callable[[], Any], n: int) -> Meeting | None:
    """
    Do *act*, and *rival* when it comes to the *n*-th place of its code, counted from 1.

    A place is a line that begins or a function that returns, counted once for every way
    there. Returns None if there are fewer: then *act* was done alone.

    Raises:
        Broken: One of them does not come to an end.
    """
    other = _Rival(lambda: _outcome(rival))
    watch = _Watch(n, lambda: other.start(_PATIENCE))
    first = _Rival(lambda: _outcome(lambda: _watched(act, watch)))
    first.start()
    mine = first.result()

    return Meeting(mine, other.result(), watch.place) if watch.place else None


def _outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # noqa: BLE001  what a service raises is judged, not thrown
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
    A trace function that acts at the n-th place.
    """

    def __init__(self, n: int, act: Callable[[], None]) -> None:
        self._n, self._act = n, act
        self._passed: set[tuple[Any, ...]] = set()
        self.place = ""

    def enter(self, frame: FrameType, event: str, _: Any) -> Any:
        """
        Look into the functions of the service alone.
        """
        return self._step if event == "call" and _is_own(frame.f_code.co_filename) else None

    def _step(self, frame: FrameType, event: str, _: Any) -> Any:
        if self.place or event not in {"line", "return"}:
            return self._step
        leaves, way = event == "return", tuple(_way(frame))
        # With the way there: what is read and what is written may go through one function.
        self._passed.add((leaves, *way))
        if len(self._passed) == self._n:
            calls = " > ".join(f"{name}:{line}" for name, line in reversed(way[:_MOST_CALLS]))
            self.place = f"{'after' if leaves else 'before'} {calls}"
            self._act()

        return self._step


def _way(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """
    Yield the service's own functions that led to *frame*, the innermost first, and their lines.
    """
    while frame is not None:
        if _is_own(frame.f_code.co_filename):
            yield frame.f_code.co_qualname, frame.f_lineno
        frame = frame.f_back


@cache
def _is_own(file: str) -> bool:
    return not file.startswith((*_INSTALLED, "<frozen ", "<string>"))
