"""
The layout of the package: who may import what, and what every module offers.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

import runstate
from runstate.diagrams import FORMATS
from runstate.presets import PRESETS

SOURCE = Path(runstate.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))


def place(path: Path) -> str:
    """
    Return *path* within the package.
    """
    return path.relative_to(SOURCE).as_posix()


OWNERS = {
    "transitions": {"lifecycle/_transitions.py"},
    "structlog": {"runs/_log.py"},
    "PIL": {"diagrams/png.py"},
    "click": {"cli"},
    "rich": {"cli"},
    "sqlalchemy": {"store"},
    "sqlglot": {"ddl/_sqlglot.py"},
    "django": {"django"},
    "starlette": {"serving"},
    "duckdb": {"frames"},
    "deltalake": {"frames"},
    "zstandard": {"readers/_zstd.py"},
    "pyarrow": {"frames"},
    "polars": {"frames"},
    "adbc_driver_postgresql": {"frames"},
    "pyspark": {"frames"},
    "py4j": set(),
    "opentelemetry": {"telemetry/otel.py"},
    "prometheus_client": {"telemetry/prometheus.py"},
    "hypothesis": {"testing/strategies.py", "testing/machines.py"},
    "pytest": set(),
}
"""The module, or package, that imports each third-party library."""

LIBRARIES = {*OWNERS, "pydantic", "pydantic_core"}

# Not rich: structlog looks for it itself.
NOT_IMPORTED = {
    "click", "PIL", "sqlalchemy", "polars", "duckdb", "pandas", "pyarrow",
    "runstate.cli", "runstate.demo", "runstate.diagrams", "runstate.readers", "runstate.presets",
    "runstate.ddl", "runstate.report", "runstate.store", "runstate.testing", "runstate.telemetry",
    "runstate.interchange", "runstate.mapping", "runstate.django", "django", "runstate.serving", "starlette",
    "opentelemetry", "prometheus_client", "hypothesis", "pytest", "sqlglot",
}  # fmt: skip
"""What ``import runstate`` does not load."""


def tree(path: Path) -> ast.Module:
    """
    Return *path* parsed.
    """
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """
    Yield every module that *path* imports, with the level of a relative import.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield each.name, 0
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


def test_import_loads_no_library_that_is_not_needed():
    """
    Importing the package loads its core: no command, pictures or readers, no heavy library, no log.
    """
    program = "import json, sys, runstate; print(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment
    )
    loaded = set(json.loads(done.stdout))

    assert {"runstate.runs", "transitions", "pydantic"} <= loaded
    assert set() == loaded & {*NOT_IMPORTED, "structlog"}


@pytest.mark.parametrize("library", OWNERS)
def test_library_has_one_owner(library):
    """
    Each third-party library is imported by its owner alone.
    """
    found = {
        place(path)
        for path in MODULES
        for name, level in imports(path)
        if level == 0 and name.partition(".")[0] == library
    }

    assert OWNERS[library] == {
        package if (package := each.split("/")[0]) in OWNERS[library] else each for each in found
    }


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_are_from_within_the_standard_library_or_a_known_library(path):
    """
    A module imports the standard library, known libraries, and its own package relatively.
    """
    named = {name.partition(".")[0] for name, level in imports(path) if level == 0}

    assert set() == named - sys.stdlib_module_names - LIBRARIES
    assert "TYPE_CHECKING" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_data_is_never_executed(path):
    """
    No module unpickles, evaluates, starts a program or opens a connection.
    """
    called = {
        node.func.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    loaded = {name.partition(".")[0] for name, _ in imports(path)}

    # Moves are written out as functions there, from names that are checked and from repr().
    allowed = {"exec", "compile"} if place(path) == "runs/_compiled.py" else set()

    assert allowed == called & {"eval", "exec", "compile", "__import__"}
    assert set() == loaded & {
        "pickle", "marshal", "shelve", "subprocess", "socket", "urllib", "http.client", "ctypes",
    }  # fmt: skip
    assert "os.system" not in path.read_text(encoding="utf-8")


def test_only_the_picture_formats_are_imported_by_name():
    """
    One module imports by name, and the names are those of the package's own formats.
    """
    by_name = {place(path) for path in MODULES for name, _ in imports(path) if name == "importlib"}
    calls = {
        place(path)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func)
    }

    assert {"diagrams/_registry.py"} == calls
    assert calls <= by_name <= calls | {"cli/__init__.py"}
    for name, known in FORMATS.items():
        assert name == known.name
        assert (SOURCE / "diagrams" / f"{name}.py").is_file()


def documented_constants() -> Iterator[str]:
    """
    Yield the name of every module-level constant that a docstring follows.
    """
    for path in MODULES:
        for node, after in pairwise(tree(path).body):
            match node, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str())),
                ):
                    yield name


def test_public_names_exist_sorted_and_documented():
    """
    Every public name exists, once, in order, with a docstring.
    """
    names = runstate.__all__
    constants = {name for name in names if name.isupper()}
    functions = {name for name in names if name[0].islower()}
    classes = {*names} - constants - functions

    assert names == [*sorted(constants), *sorted(classes), *sorted(functions)]
    for name in classes | functions:
        assert (getattr(runstate, name).__doc__ or "").strip(), name
    assert constants <= set(documented_constants())
    assert constants | classes == {name for name in vars(runstate) if name[0].isupper()}


def test_the_package_itself_holds_names_alone():
    """
    ``runstate/__init__.py`` holds imports and names, and no code.
    """
    kinds = {type(node) for node in tree(SOURCE / "__init__.py").body}

    assert kinds == {ast.Expr, ast.ImportFrom, ast.Assign}


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_every_module_names_what_it_offers(path):
    """
    Every module has a docstring, and an ``__all__`` of names that exist.
    """
    inner = place(path).removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")
    if inner == "__main__":
        assert ast.get_docstring(tree(path))
        return
    module = import_module(f"runstate.{inner}".rstrip("."))

    assert (module.__doc__ or "").startswith("\n")
    assert [] == [name for name in module.__all__ if not hasattr(module, name)]


def test_types_are_shipped():
    """
    The package says that it is typed.
    """
    assert (SOURCE / "py.typed").is_file()


def test_every_preset_that_a_test_names_exists():
    """
    Also in the long form, which most runs leave out.
    """
    named = {
        (path.name, name)
        for folder in ("tests", "benchmarks")
        for path in sorted((SOURCE.parent.parent / folder).rglob("*.py"))
        for name in re.findall(r"""PRESETS\[["']([^"']+)["']\]""", path.read_text("utf-8"))
    }

    assert named
    assert [] == sorted((file, name) for file, name in named if name not in PRESETS)


def test_every_file_that_contributing_names_exists():
    """
    CONTRIBUTING.md names files by their paths, or by the ends of them.
    """
    root = Path(__file__).parent.parent
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+\.(?:py|toml|tsv|md|svg|mmd))`", text))
    folders = ("src", "tests", "docs", "diagrams")
    files = [root.glob("*.*"), *((root / folder).rglob("*.*") for folder in folders)]
    known = {f"/{path.relative_to(root).as_posix()}" for each in files for path in each}

    assert len(named) > 30
    assert [] == sorted(
        name
        for name in named
        if not {"NAME", "FOLDER"}.intersection(re.findall("[A-Z]+", name))
        and not any(path.endswith(f"/{name}") for path in known)
    )
