"""
The reference leaves nothing open: every public name explains its parameters and shows an example.

Both are read off the docstrings, which the doctests execute, and off the executed pages. Whoever
adds a public name adds both: there is no list of exceptions.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from examples import PAGES, ROOT, blocks
from test_surface import MODULES

EXECUTED = "\n".join(
    block.body
    for page in (*PAGES, ROOT / "README.md")
    for block in blocks(page.read_text("utf-8"))
    if block.language in {"python", "console"} or (block.name or "").endswith(".py")
)
"""The code of the pages that other tests execute."""


def public() -> Iterator[Any]:
    """
    Yield every public function and class, once, by its dotted name.
    """
    met = set()
    for module in ("runstate", *MODULES):
        for name in import_module(module).__all__:
            value = getattr(import_module(module), name)
            if (inspect.isclass(value) or inspect.isroutine(value)) and id(value) not in met:
                met.add(id(value))
                yield pytest.param(value, id=f"{module}.{name}")


PUBLIC = [*public()]


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """
    Yield the public methods that *kind* defines itself, and its constructor.
    """
    for name, value in [*vars(kind).items()]:
        function = getattr(value, "__func__", value)
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


def all_methods(kind: type) -> Iterator[tuple[str, Any]]:
    """
    Yield the public methods of *kind*, those that it has from classes of this package included.
    """
    met: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__module__.startswith("runstate"):
            for name, method in methods(base):
                met.setdefault(name, method)
    yield from met.items()


def explained(value: Any) -> set[str]:
    """
    Return the names that the docstring of *value* explains: as arguments, or within its text.
    """
    text = inspect.getdoc(value) or ""
    found = {*re.findall(r"(?<![*`])\*(\w+)\*", text), *re.findall(r"``(\w+)``", text)}
    section = re.search(r"^Args:\n((?:(?: .*)?\n?)*)", text, re.MULTILINE)
    if section:
        found |= documented(section[1])

    return found


def documented(section: str) -> set[str]:
    """
    Return the names of the arguments of a section ``Args``.
    """
    lines = re.findall(r"^    (\S[^:\n]*):", section, re.MULTILINE)

    return {name.strip(" *`") for line in lines for name in line.split(",")}


def entries(text: str) -> Iterator[tuple[str, str]]:
    """
    Yield the name of each argument in a docstring's section ``Args`` with what is said of it.
    """
    section = re.search(r"^Args:\n((?:(?: .*)?\n?)*)", text, re.MULTILINE)
    for entry in re.split(r"^    (?=\S)", section[1] if section else "", flags=re.MULTILINE):
        name, _, said = " ".join(entry.split()).partition(": ")
        if said:
            yield name, said


def package(value: Any) -> Any:
    """
    Return the public package that *value* belongs to, such as ``runstate.store``.
    """
    return import_module(".".join(value.__module__.split(".")[:2]))


@cache
def attributes(path: str) -> dict[str, set[str]]:
    """
    Return the attributes with a docstring of each class in the file at *path*.
    """
    found: dict[str, set[str]] = {}
    for kind in ast.walk(ast.parse(Path(path).read_text("utf-8"))):
        if isinstance(kind, ast.ClassDef):
            bodies = [
                kind.body,
                *(e.body for e in kind.body if getattr(e, "name", "") == "__init__"),
            ]
            found[kind.name] = {name for body in bodies for name in with_docstring(body)}

    return found


def with_docstring(body: list[ast.stmt]) -> Iterator[str]:
    """
    Yield the attributes of a body that a string follows.
    """
    for statement, text in pairwise(body):
        if isinstance(statement, ast.AnnAssign | ast.Assign) and isinstance(text, ast.Expr):
            targets = getattr(statement, "targets", None) or [statement.target]
            if isinstance(text.value, ast.Constant):
                yield ast.unparse(targets[0]).removeprefix("self.")


def of_class(kind: type) -> set[str]:
    """
    Return the names that a class explains: its attributes, and the arguments of its constructor.
    """
    found = explained(kind) | explained(kind.__init__)
    for base in kind.__mro__:
        if base.__module__.startswith("runstate"):
            found |= attributes(inspect.getsourcefile(base) or "").get(base.__name__, set())

    return found


def parameters(value: Any) -> set[str]:
    """
    Return the names of what a caller may give to *value*.
    """
    if inspect.isclass(value) and issubclass(value, Enum | BaseException | dict):
        # A member is got by its value, a typed dictionary is no call, and errors are raised here.
        value = value.__init__ if "__init__" in vars(value) else None
    if value is None or getattr(value, "_is_protocol", False):
        return set()
    names = {name: each.kind for name, each in inspect.signature(value).parameters.items()}
    if inspect.isclass(value) and issubclass(value, BaseModel):
        names = {name: kind for name, kind in names.items() if kind is not kind.VAR_KEYWORD}

    return {*names} - {"self", "cls"}


@pytest.mark.parametrize("value", PUBLIC)
def test_every_parameter_is_explained(value):
    """
    Of functions and classes, and of the public methods of classes.
    """
    if not inspect.isclass(value):
        assert set() == parameters(value) - explained(value)
        return
    unexplained = {name: parameters(each) - explained(each) for name, each in all_methods(value)}
    unexplained["constructor"] = parameters(value) - of_class(value)

    assert {} == {name: missing for name, missing in unexplained.items() if missing}


@pytest.mark.parametrize("value", PUBLIC)
def test_no_parameter_is_explained_elsewhere(value):
    """
    Whoever reads ``help()`` has the answer there; a reference to another docstring may follow it.
    """
    referred = {}
    inner = [method for _, method in all_methods(value)] if inspect.isclass(value) else []
    for each in [value, *inner, *([value.__init__] if inspect.isclass(value) else [])]:
        for name, text in entries(inspect.getdoc(each) or ""):
            if re.match(
                r"(?:As|See|Like|Of|The same)\b[^.;]*(?::\w+:`|\bthere\b|\bothers\b)", text
            ):
                referred[each.__qualname__, name] = text
        if re.search(
            r"(?:parameters|arguments) (?:and errors )?are those of",
            " ".join((inspect.getdoc(each) or "").split()),
        ):
            referred[each.__qualname__, ""] = "all"

    assert {} == referred


@pytest.mark.parametrize("value", PUBLIC)
def test_no_explained_argument_is_missing(value):
    """
    A section that names what a caller cannot give has been left behind.
    """
    for each in [value] if not inspect.isclass(value) else [m for _, m in methods(value)]:
        section = re.search(r"^Args:\n((?:(?: .*)?\n?)*)", inspect.getdoc(each) or "", re.MULTILINE)
        assert set() == documented(section[1] if section else "") - parameters(each)


@pytest.mark.parametrize("value", PUBLIC)
def test_every_name_is_shown_in_an_executed_example(value):
    """
    In its docstring, in that of one of its methods or of its module, or on a page.
    """
    own = [value, *(each for _, each in methods(value))] if inspect.isclass(value) else [value]
    texts = [inspect.getdoc(each) or "" for each in own]
    module = package(value).__doc__ or ""
    examples = "\n".join(re.findall(r"^ *(?:>>>|\.\.\.) .*$", module, re.MULTILINE))

    assert any(">>>" in text for text in texts) or re.search(
        rf"\b{value.__name__}\b", EXECUTED + examples
    )


BROUGHT_BY = {
    "runstate.store": "store", "sqlalchemy": "store", "runstate.serving": "serving", "runstate.frames": "frames",
    "duckdb": "frames", "polars": "polars", "django": "django", "pyspark": "spark",
    "runstate.telemetry.otel": "otel", "prometheus_client": "prometheus", "hypothesis": "testing",
    "alembic": "alembic", "fastapi": "fastapi", "openai": "openai",
    "statemachine": "python-statemachine",
}  # fmt: skip
"""What a newcomer has to install for an import, beside the core."""

BRINGS = dict.fromkeys(("async", "asyncpg", "postgresql", "mariadb", "serving"), "store") | {
    "delta": "frames"
}
"""The extras that bring another one."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_names_what_its_examples_need(page):
    """
    So that whoever begins with this page can type what it shows.
    """
    text = page.read_text("utf-8")
    needed, named = set(), set()
    for block in blocks(text):
        if block.language == "console" and re.search(
            r"^\$ (?:.*[|;&] )?runstate ", block.body, re.MULTILINE
        ):
            needed.add("cli")
        if block.language == "python" or (block.name or "").endswith(".py"):
            for module in re.findall(r"^\s*(?:from|import) ([\w.]+)", block.body, re.MULTILINE):
                needed |= {
                    x for name, x in BROUGHT_BY.items() if f"{module}.".startswith(f"{name}.")
                }
    for command in re.findall(r"pip install[^`\n]*", text):
        named |= {
            name for extras in re.findall(r"\[([\w,]+)\]", command) for name in extras.split(",")
        }
        named |= {*re.findall(r"(?<=[ '])[\w-]+", command)}

    assert set() == needed - named - {BRINGS[name] for name in named if name in BRINGS}
