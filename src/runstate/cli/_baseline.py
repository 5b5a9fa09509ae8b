"""
Findings that are known and accepted, so that an old log can be checked in CI.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import Any, Final

import click

from .._text import printable
from ..histories._records import Finding
from ._shared import BadInput
from ._write import refuse_input, writing_text

__all__ = ["Baseline", "baseline_of", "baseline_options"]

_KIND: Final = "runstate-baseline"
_VERSION: Final = 1

_Key = tuple[str, str | None, str | None, str]
"""Identifies a finding: its code, its run (or its file, if it has no run) and its message."""

_PATH: Final = click.Path(dir_okay=False, path_type=Path)


def baseline_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give a command the options that decide which findings fail it.
    """
    options = (
        click.option(
            "--fail-on",
            type=click.Choice(("warning", "error")),
            default="error",
            show_default=True,
            help="Least severity of a finding that makes the exit status 1.",
        ),
        click.option("--baseline", metavar="FILE", type=_PATH, help="Accept the findings in FILE."),
        click.option(
            "--write-baseline",
            metavar="FILE",
            type=_PATH,
            help="Write the findings to FILE, and accept them.",
        ),
    )
    for option in reversed(options):
        function = option(function)

    return function


class Baseline:
    """
    Accepts the findings that it has, each as often as it has it, and counts them.

    Line numbers and folders do not matter, because a log grows and is checked elsewhere. What
    concerns a whole input, such as a file that is missing, is never accepted.
    """

    def __init__(self, known: Counter[_Key], out: Path | None = None) -> None:
        """
        Accept the findings *known*; with *out*, accept and remember all.
        """
        self._left = Counter(known)
        self._out = out
        self._met: Counter[_Key] = Counter()
        self.accepted: int = 0
        """How many findings were accepted."""

    @property
    def in_use(self) -> bool:
        """Whether any finding may be accepted."""
        return self._out is not None or bool(self._left)

    def accepts(self, finding: Finding) -> bool:
        """
        Return whether *finding* is accepted, and count it if it is.
        """
        if finding.run_id is None and finding.line is None:
            return False
        key = _key(finding)
        if self._out is not None:
            self._met[key] += 1
        elif self._left[key] > 0:
            self._left[key] -= 1
        else:
            return False
        self.accepted += 1

        return True

    def write(self) -> None:
        """
        Write what was accepted, if a file was named for it.

        Raises:
            OSError: It cannot be written.
        """
        if self._out is None:
            return
        lines = [
            json.dumps({"code": code, "run_id": run, "file": file, "message": message, "count": n})
            for (code, run, file, message), n in sorted(
                self._met.items(), key=lambda item: [part or "" for part in item[0]]
            )
        ]
        head = json.dumps({"kind": _KIND, "version": _VERSION})
        with writing_text(self._out) as stream:
            stream.writelines(line + "\n" for line in (head, *lines))


def baseline_of(read: Path | None, out: Path | None, inputs: Iterable[str]) -> Baseline:
    """
    Return the baseline in the file *read*; nothing is known without one.

    Args:
        read: What ``--baseline`` names.
        out: What ``--write-baseline`` names.
        inputs: What is checked, which *out* must not replace.

    Raises:
        BadInput: Both are named, *out* is an input, or *read* is not a baseline.
        OSError: *read* cannot be read.
    """
    if read is not None and out is not None:
        raise BadInput("--baseline reads and --write-baseline writes: give one of them")
    if out is not None:
        refuse_input(out, inputs)
    known: Counter[_Key] = Counter()
    if read is not None:
        for number, line in enumerate(read.read_bytes().splitlines(), 1):
            entry = _entry(line, read, number)
            if number == 1:
                _refuse_others(entry, read)
            else:
                known[_known(entry, read, number)] += entry["count"]
        if not known:
            _refuse_empty(read)

    return Baseline(known, out)


def _refuse_empty(read: Path) -> None:
    if not read.stat().st_size:
        raise BadInput(f"{printable(str(read))}: empty; runstate check --write-baseline writes one")


def _entry(line: bytes, read: Path, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise _not_a_baseline(read, number)

    return entry


def _refuse_others(entry: dict[str, Any], read: Path) -> None:
    if entry.get("kind") != _KIND:
        raise _not_a_baseline(read, 1)
    if entry.get("version") != _VERSION:
        found = printable(repr(entry.get("version")), 40)
        raise BadInput(
            f"{printable(str(read))}: expected a baseline of version {_VERSION}, found {found}: "
            "write it again with --write-baseline"
        )


def _known(entry: dict[str, Any], read: Path, number: int) -> _Key:
    code, run, file, message, count = (
        entry.get(name) for name in ("code", "run_id", "file", "message", "count")
    )
    if (
        isinstance(code, str)
        and isinstance(message, str)
        and isinstance(run, str | None)
        and isinstance(file, str | None)
        and type(count) is int
        and count > 0
    ):
        return code, run, file, message

    raise _not_a_baseline(read, number)


def _not_a_baseline(read: Path, number: int) -> BadInput:
    return BadInput(
        f"{printable(str(read))}:{number}: expected a line that runstate check --write-baseline wrote"
    )


def _key(finding: Finding) -> _Key:
    file = PurePath(finding.file).name if finding.run_id is None and finding.file else None

    return finding.code, finding.run_id, file, finding.message
