"""
The workers' processes: hired, killed, replaced and sent home.
"""

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from ._config import HANDS, Refused, Stage
from ._worker import Report, Worker

__all__ = ["Crew"]


def _work(stage: Stage, name: str, wire: Connection, hang: int | None) -> None:
    """
    Be a worker until *wire* says that it is over, or, after *hang* claims, hang.
    """
    full = min(HANDS, -(-stage.runs // stage.workers))
    with stage.store() as store, suppress(BrokenPipeError):
        worker = Worker(stage, store, name)
        while not wire.poll(0):
            if not worker.turn():
                time.sleep(0.005)
            if hang is not None and worker.claims >= hang and len(worker.report.held) >= full:
                break
        wire.send(worker.report)
        # Whoever hangs waits here for what never comes.
        wire.poll(None)


class Crew:
    """
    The processes of the workers, seen from outside.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._spawn = multiprocessing.get_context("spawn")
        self._members: dict[str, tuple[Any, Connection]] = {}
        self.killed: tuple[str, tuple[str, ...]] | None = None
        self.refused: Refused = Counter()
        self.takeovers = 0
        self._hire(hang=stage.runs // (3 * stage.workers))
        for _ in range(stage.workers - 1):
            self._hire()

    def _hire(self, hang: int | None = None) -> None:
        name = f"worker-{len(self._members) + 1 + (self.killed is not None)}"
        # A pipe each: what dies with a lock in its hands would stop the others.
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(
            target=_work, args=(self._stage, name, theirs, hang), name=name, daemon=True
        )
        # A worker whose parent is interrupted hears of it by the pipe, and goes in silence.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()
        self._members[name] = (process, ours)

    def tend(self) -> bool:
        """
        Kill the worker that hangs, and hire another; False if nobody did.

        Raises:
            ChildProcessError: A worker has died of itself.
        """
        for name, (_, wire) in self._members.items():
            with _telling(name):
                report = wire.recv() if wire.poll(0) else None
            if report is not None:
                self._add(report)
                self._kill(name)
                self.killed = (name, report.held)
                self._hire()
                return True

        return False

    def go_home(self) -> None:
        """
        Tell all workers that it is over, and hear what happened to them.
        """
        for name, (_, wire) in self._members.items():
            with _telling(name):
                # Bytes: an object's send that fails leaves Python 3.12.1 a buffer to crash over.
                wire.send_bytes(b"over")
        for name, (_, wire) in [*self._members.items()]:
            with _telling(name):
                self._add(wire.recv())
            self._dismiss(name)

    def _add(self, report: Report) -> None:
        self.refused += report.refused
        self.takeovers += report.takeovers

    def stop(self) -> None:
        """
        Kill whoever is still there.
        """
        for name in [*self._members]:
            self._kill(name)

    def _kill(self, name: str) -> None:
        self._members[name][0].kill()
        self._dismiss(name)

    def _dismiss(self, name: str) -> None:
        process, wire = self._members.pop(name)
        process.join()
        process.close()
        wire.close()


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise ChildProcessError(f"{name} died") from None
