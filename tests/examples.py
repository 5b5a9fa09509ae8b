"""
Executes what a Markdown page shows: the blocks of a page run in order, in one folder.

* ``python``: statements, in one namespace a page. ``# -> value`` claims the value of an
  expression, ``# prints text`` what the block prints.
* ``console``: commands after ``$ ``, in a real shell, with the output that they must have;
  three dots stand for anything.
  A command that stays in the background writes its process id to a file ``*.pid``.
* A ``{code-block}`` with a ``:caption:`` is a file of that name, which later blocks use.

A page that reads ``DATABASE_URL`` from the environment gets a PostgreSQL database.
"""

import ast
import contextlib
import gc
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import structlog

import runstate
from databases import _free_port

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path for path in (ROOT / "docs").rglob("*.md")
    if not path.is_relative_to(ROOT / "docs" / "reference" / "api")
    and not path.is_relative_to(ROOT / "docs" / "reference" / "presets")
    and not path.is_relative_to(ROOT / "docs" / "_build")
    and path.name not in {"cli.md", "findings.md", "maps.md"}
)  # fmt: skip
"""The pages of the site that people write; the others are made from the code."""

PORT = "8765"
"""The port that the servers of pages listen on; each test takes a free one in its place."""

EXECUTED = frozenset({"python", "console"})
SHOWN = frozenset({"sh", "text", "{toctree}", "{image}", "{eval-rst}", "{literalinclude}"})
"""Blocks that are not executed: what installs something, output, and directives."""


class Block(NamedTuple):
    """
    One fenced block.
    """

    language: str
    name: str | None
    """The file that it is; None for what is executed."""
    body: str
    line: int


def blocks(text: str) -> list[Block]:
    """
    Return the fenced blocks of a page, in order.
    """
    found = []
    fence = re.compile(r"^```(\S+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for match in fence.finditer(text):
        language, body = match[1], match[2]
        caption = re.match(r"(?::\w+:[^\n]*\n)*:caption: (\S+)\n(?::\w+:[^\n]*\n)*\n?", body)
        line = text.count("\n", 0, match.start()) + 2
        if language == "{code-block}" and caption:
            found.append(Block(language, caption[1], body[caption.end() :], line))
        else:
            found.append(Block(language, None, body, line))

    return found


def run_page(path: Path, folder: Path) -> None:
    """
    Execute the blocks of the page at *path* in *folder*, the current one.
    """
    namespace: dict[str, Any] = {"__name__": "page"}
    # A port of its own: another suite may execute the page on this machine at the same time.
    text = path.read_text(encoding="utf-8").replace(PORT, str(_free_port()))
    try:
        for block in blocks(text):
            if block.name is not None:
                (folder / block.name).parent.mkdir(parents=True, exist_ok=True)
                (folder / block.name).write_text(block.body, encoding="utf-8")
            elif block.language == "python":
                run_python(block, namespace, path)
            elif block.language == "console":
                run_console(block, folder)
    finally:
        _stop(folder)
        _close(namespace)
        structlog.reset_defaults()


def _stop(folder: Path) -> None:
    """
    End what a page has started in the background and wrote the process id of.
    """
    for path in folder.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.read_text()), signal.SIGKILL)


def _close(namespace: dict[str, Any]) -> None:
    for value in [*namespace.values()]:
        if type(value).__module__.startswith("runstate.store") and hasattr(value, "close"):
            closed = value.close()
            if closed is not None:  # a coroutine of an asyncio store that the page left open
                closed.close()
    namespace.clear()
    gc.collect()


def run_python(block: Block, namespace: dict[str, Any], path: Path) -> None:
    """
    Execute one block, and compare each value that it claims with the value that it has.
    """
    lines = block.body.splitlines()
    claims = 0

    class Watcher(ast.NodeTransformer):
        """
        Turns claims into comparisons.
        """

        def visit_Expr(self, node: ast.Expr) -> ast.AST:
            """
            Compare the value of one statement.
            """
            nonlocal claims
            claim = re.search(r"# -> (.*)$", lines[(node.end_lineno or 1) - 1])
            if claim is None:
                return node
            claims += 1
            call = f"_claim({ast.unparse(node.value)}, {claim[1]!r})"
            return ast.copy_location(ast.parse(call).body[0], node)

    def compare(value: object, expected: str) -> None:
        assert expected == repr(value), f"{path}: shown {expected}, and it is {value!r}"

    tree = ast.fix_missing_locations(Watcher().visit(ast.parse(block.body)))
    ast.increment_lineno(tree, block.line - 1)
    namespace["_claim"] = compare
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, str(path), "exec"), namespace)  # noqa: S102  our own text

    assert claims == block.body.count("# -> "), (
        f"{path}:{block.line}: a claim is not on an expression"
    )
    for shown in re.findall(r"# prints (.*)$", block.body, re.MULTILINE):
        assert shown in printed.getvalue()


def run_console(block: Block, folder: Path) -> None:
    """
    Type each command into a shell, and compare what it writes.
    """
    for typed, expected in commands(block):
        done = subprocess.run(
            ["bash", "-c", typed], cwd=folder, env=_environment(folder),
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        pattern = re.escape(expected).replace(r"\.\.\.", ".*")
        where = f"line {block.line}: {typed}\n{done.stdout}\n{done.stderr}"
        assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), where
        assert "" == done.stderr, where


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """
    Yield each command of a console block, with the output that is shown.
    """
    for entry in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        typed, *rest = entry.splitlines()
        while rest and rest[0].startswith("> "):
            typed += "\n" + rest.pop(0)[2:]
        yield typed, "\n".join(rest).strip()


def _environment(folder: Path) -> dict[str, str]:
    """
    Return an environment in which ``runstate`` and ``python`` are those of the tests.
    """
    binaries = folder / ".bin"
    if not binaries.exists():
        binaries.mkdir()
        main = "from runstate.__main__ import main\nif __name__ == '__main__':\n    main()"
        for name, body in {
            "runstate": f"#!{sys.executable}\n{main}\n",
            "python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
        }.items():
            (binaries / name).write_text(body)
            (binaries / name).chmod(0o755)
    path = os.pathsep.join((str(binaries), str(Path(sys.executable).parent), os.environ["PATH"]))

    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(Path(runstate.__file__).parent.parent),
        "COLUMNS": "200",
    }
