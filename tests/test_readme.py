"""
What the README shows is what happens.
"""

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

import runstate

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """
    The fenced blocks of one *language*, in order.
    """
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run_block(source, namespace):
    """
    Execute a block statement by statement, and hold what ``# ->`` claims against the values.
    """
    lines = source.splitlines()
    claims = []

    def watch(node):
        claim = re.search(r"# -> (.*)$", lines[node.end_lineno - 1])
        if isinstance(node, ast.Expr) and claim:
            claims.append(claim[1])
            check = f"_claim({ast.unparse(node.value)}, {claim[1]!r})"
            return ast.copy_location(ast.parse(check).body[0], node)
        return node

    class Watcher(ast.NodeTransformer):
        """
        Turns claims into assertions.
        """

        def visit_Expr(self, node):
            """
            Look at one statement.
            """
            return watch(node)

    def claim(value, expected):
        assert expected == repr(value)

    tree = ast.fix_missing_locations(Watcher().visit(ast.parse(source)))
    namespace["_claim"] = claim
    exec(compile(tree, "README.md", "exec"), namespace)  # noqa: S102

    return len(claims)


def test_every_python_example_does_what_it_says(tmp_path, monkeypatch):
    """
    The blocks run in order, as one program, and every value is the one shown.
    """
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        claimed = sum(run_block(block, namespace) for block in blocks("python"))

    namespace["store"].close()
    structlog.reset_defaults()
    assert claimed == README.count("# -> ")
    for shown in re.findall(r"# prints (.*)$", README, re.MULTILINE):
        assert shown in printed.getvalue()


@pytest.mark.parametrize("block", blocks("console"))
def test_every_console_example_prints_what_it_shows(block, tmp_path):
    """
    Commands are typed into a real shell; three dots stand for anything.
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(runstate.__file__).parent.parent),
    }
    for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        typed, *rest = entry.splitlines()
        while rest and rest[0].startswith("> "):
            typed += "\n" + rest.pop(0)[2:]
        command = (
            typed.replace("runstate ", f"{sys.executable} -m runstate ", 1)
            if typed.startswith("runstate ")
            else typed.replace("| runstate ", f"| {sys.executable} -m runstate ")
        )
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        expected = re.escape("\n".join(rest)).replace(r"\.\.\.", ".*")
        assert re.fullmatch(expected, done.stdout.strip(), re.DOTALL), (
            typed,
            done.stdout,
            done.stderr,
        )
        assert "" == done.stderr


def test_the_readme_lists_every_module():
    """
    The map of the house names every public module.
    """
    source = Path(runstate.__file__).parent
    rooms = {path.name for path in source.glob("[!_]*.py")} - {"errors.py"}

    assert [] == sorted(name for name in rooms if f"`{name}`" not in README)


def test_every_example_of_the_store_passes_a_strict_type_checker(tmp_path):
    """
    As one program under ``mypy --strict``.
    """
    section = README.split("\n## Keep runs in a database\n")[1].split("\n## ")[0]
    typed = [block for block in blocks("python") if block in section]
    program = tmp_path / "readme.py"
    program.write_text("\n".join(typed), encoding="utf-8")
    checked = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", f"--config-file={os.devnull}",
            f"--cache-dir={tmp_path / 'cache'}", program,
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(runstate.__file__).parent.parent)},
    )  # fmt: skip

    assert len(typed) >= 2
    assert ("Success: no issues found in 1 source file\n", 0) == (
        checked.stdout,
        checked.returncode,
    )
