"""
The tasks of a contributor: ``nox -s test`` while working, ``nox -s check`` before a change is sent.

nox, because whoever has Python can install it with pip, and its sessions are Python as well.
"""

import nox

nox.options.sessions = ["test"]
nox.options.reuse_existing_virtualenvs = True

CORE = [
    f"tests/test_{name}.py"
    for name in (
        "census", "check", "definition", "engine", "errors", "hooks", "house", "lifecycle",
        "machine", "models", "order", "presets", "readers_csv", "readers_json", "readers_jsonl",
        "readers_record", "readers_sse", "surface", "survey", "text",
    )
]  # fmt: skip
"""The tests of what most changes touch. They need neither a server nor a second process."""


@nox.session
def test(session: nox.Session) -> None:
    """
    Run the core tests, in less than half a minute; with arguments, pytest with these.
    """
    session.install("-e", ".[test-core]")
    session.run("pytest", "-q", *(session.posargs or ["-n", "auto", *CORE]))


@nox.session(venv_backend="none")
def check(session: nox.Session) -> None:
    """
    Run everything that CI runs, in environments that it makes itself.
    """
    session.run(".ci/run", external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """
    Check the style, the types and the floor plan.
    """
    session.install("-e", ".[dev]")
    session.run("ruff", "check", "src", "tests", "benchmarks", "docs")
    session.run("ruff", "format", "--check", "src", "tests", "benchmarks", "docs")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """
    Build the site into docs/_build/html; a warning is an error.
    """
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "docs", "docs/_build/html")
