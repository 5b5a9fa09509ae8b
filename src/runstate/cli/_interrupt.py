"""
An interrupt and a request to terminate: one line, exit status 130, and nothing left behind.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import click

__all__ = ["Interrupted", "InterruptibleGroup", "interruptible"]

STATUS: Final = 130
_TERMINATIONS: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interrupted(click.ClickException):
    """
    The user or the system stopped the command.
    """

    exit_code = STATUS

    def __init__(self) -> None:
        super().__init__("interrupted")


class InterruptibleGroup(click.Group):
    """
    A group of commands whose interrupts are :class:`Interrupted`; click would print an empty line.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """
        Invoke the command that the context names.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Have a request to terminate end the command as an interrupt does, so that it cleans up.

    By default it would end the process on the spot, with temporary files left behind. Handlers
    that somebody else has set, and signals that are ignored, stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [each for each in _TERMINATIONS if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _interrupt)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


def _interrupt(number: int, _: FrameType | None) -> None:
    # A second one must not disturb the cleaning up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
