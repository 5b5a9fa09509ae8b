"""
The workers' processes: started, killed, replaced and stopped.
"""

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from ._config import MOST_RUNS, Config, Refused
from ._worker import Report, Worker

__all__ = ["Workers"]


def _work(config: Config, name: str, wire: Connection, hang: int | None) -> None:
    """
    Work until the *wire* sends the end. With *hang*, hang after that many claims.
    """
    full = min(MOST_RUNS, -(-config.runs // config.workers))
    with config.store() as store, suppress(BrokenPipeError):
        worker = Worker(config, store, name)
        while not wire.poll(0):
            if not worker.turn():
                time.sleep(0.005)
            if hang is not None and worker.claims >= hang and len(worker.report.held) >= full:
                break
        wire.send(worker.report)
        # A worker that hangs waits here until it is killed.
        wire.poll(None)


class Workers:
    """
    Starts and stops the processes of the workers.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._spawn = multiprocessing.get_context("spawn")
        self._members: dict[str, tuple[Any, Connection]] = {}
        self.killed: tuple[str, tuple[str, ...]] | None = None
        self.refused: Refused = Counter()
        self.takeovers = 0
        self._start(hang=config.runs // (3 * config.workers))
        for _ in range(config.workers - 1):
            self._start()

    def _start(self, hang: int | None = None) -> None:
        name = f"worker-{len(self._members) + 1 + (self.killed is not None)}"
        # One pipe for each: a worker that is killed while it holds a shared lock would stop the
        # others.
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(
            target=_work, args=(self._config, name, theirs, hang), name=name, daemon=True
        )
        # Ctrl-C reaches the parent only, which ends its workers by the pipe.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()
        self._members[name] = (process, ours)

    def replace_hung(self) -> bool:
        """
        Kill the worker that hangs, and start another; return False if none hangs.

        Raises:
            ChildProcessError: A worker died that was not killed here.
        """
        for name, (_, wire) in self._members.items():
            with _naming(name):
                report = wire.recv() if wire.poll(0) else None
            if report is not None:
                self._add(report)
                self._kill(name)
                self.killed = (name, report.held)
                self._start()
                return True

        return False

    def finish(self) -> None:
        """
        Stop all workers, and collect their reports.
        """
        for name, (_, wire) in self._members.items():
            with _naming(name):
                # Bytes: an object's send that fails leaves Python 3.12.1 a buffer to crash over.
                wire.send_bytes(b"over")
        for name, (_, wire) in [*self._members.items()]:
            with _naming(name):
                self._add(wire.recv())
            self._join(name)

    def _add(self, report: Report) -> None:
        self.refused += report.refused
        self.takeovers += report.takeovers

    def stop(self) -> None:
        """
        Kill the workers that still run.
        """
        for name in [*self._members]:
            self._kill(name)

    def _kill(self, name: str) -> None:
        self._members[name][0].kill()
        self._join(name)

    def _join(self, name: str) -> None:
        process, wire = self._members.pop(name)
        process.join()
        process.close()
        wire.close()


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise ChildProcessError(f"{name} died") from None
