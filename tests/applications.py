"""
An application of tests/apps: its processes, what they print, and its database as others see it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

import runstate

__all__ = ["Application", "ended", "length", "until"]


class Application:
    """
    The application in one folder, over one database.
    """

    def __init__(self, folder: Path, url: str, **environment: str) -> None:
        self.folder, self.url = folder, url
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        package = str(Path(runstate.__file__).parent.parent)
        path = os.pathsep.join([str(folder), package])
        self.environment = {**os.environ, "PYTHONPATH": path, **environment}
        self.processes = []

    def start(self, *arguments, **environment):
        """
        Start Python with *arguments* in the application's folder.
        """
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env={**self.environment, **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.processes.append(process)

        return process

    def said(self, *arguments, **environment):
        """
        Return what Python with *arguments* prints until it ends well, warnings included.
        """
        process = self.start(*arguments, **environment)
        said, errors = process.communicate(timeout=120)
        assert not process.returncode, said + errors

        return said + errors

    def rows(self, statement):
        """
        Return what the database answers to a statement of another program.
        """
        with self.engine.begin() as connection:
            answer = connection.execute(sa.text(statement))
            return [tuple(row) for row in answer] if answer.returns_rows else answer.rowcount

    def close(self):
        """
        End every process.
        """
        for each in self.processes:
            each.kill()
            each.wait()
            for pipe in (each.stdin, each.stdout, each.stderr):
                pipe.close()
        self.engine.dispose()


def until(line, process):
    """
    Read what a process prints up to a line.
    """
    for said in process.stdout:
        if said == f"{line}\n":
            return
    pytest.fail(f"the process never said {line!r}: {process.stderr.read()}")


def ended(process, answer=None):
    """
    Return the lines that a process has printed, once it ends by itself, after an *answer* on its input.
    """
    said, errors = process.communicate(answer, timeout=120)
    assert (0, "") == (process.returncode, errors), errors

    return said.splitlines()


def length(*paths):
    """
    Return how many lines files have that are not empty.
    """
    lines = [line for path in paths for line in path.read_text("utf-8").splitlines()]

    return sum(bool(line.strip()) for line in lines)
