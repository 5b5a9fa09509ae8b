"""
The public surface: whoever writes a type annotation finds every type in a public module.
"""

import ast
import collections.abc
import inspect
import pkgutil
import typing
from importlib import import_module
from textwrap import dedent
from types import ModuleType

import pytest

import runstate

MODULES = [
    *(
        f"runstate.{module.name}"
        for module in pkgutil.iter_modules(runstate.__path__)
        if not module.name.startswith("_") and module.name not in {"cli", "demo"}
    ),
    "runstate.telemetry.dashboards",
    "runstate.telemetry.otel",
    "runstate.telemetry.prometheus",
    "runstate.testing.machines",
    "runstate.testing.strategies",
]
"""What users import from. ``cli`` and ``demo`` are the command's own."""

PUBLIC = {
    id(value): f"{module}.{name}"
    for module in ("runstate", *MODULES)
    for name in import_module(module).__all__
    for value in [getattr(import_module(module), name)]
}
"""Every public object, and a public name of it."""


def annotations(function):
    """
    Yield every name in the annotations of *function*, with what it stands for.
    """
    try:
        tree = ast.parse(dedent(inspect.getsource(function))).body[0]
    except OSError:  # made by dataclass or NamedTuple, of the annotations of a class
        return
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    arguments = [*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs]
    arguments += [each for each in (tree.args.vararg, tree.args.kwarg) if each]
    for part in [*(each.annotation for each in arguments), tree.returns]:
        for node in ast.walk(part) if part else ():
            if isinstance(node, ast.Name) and node.id in function.__globals__:
                yield node.id, function.__globals__[node.id]


def functions(value):
    """
    Yield *value* if it is a function, or its public methods if it is a class.
    """
    if inspect.isclass(value):
        for name, member in inspect.getmembers(value):
            plain = member.fget if isinstance(member, property) else member
            plain = getattr(plain, "__func__", plain)
            if (
                (name == "__init__" or not name.startswith("_"))
                and inspect.isfunction(plain)
                and plain.__module__.startswith("runstate")
            ):
                yield inspect.unwrap(plain)
    elif inspect.isfunction(value):
        yield inspect.unwrap(value)


def is_ours(name, value):
    """
    Whether *value* is a type of this package, or a name that it gives to other types.
    """
    if isinstance(value, type):
        return value.__module__.startswith("runstate")

    return not (
        isinstance(value, ModuleType | typing.TypeVar)
        or hasattr(typing, name)
        or hasattr(collections.abc, name)
    )


@pytest.mark.parametrize("module", ["runstate", *MODULES])
def test_every_type_of_a_public_signature_is_public(module):
    """
    A caller who annotates a parameter or a result imports its type from a public module.
    """
    public = import_module(module)
    missing = {
        f"{name}: {annotation}"
        for name in public.__all__
        for function in functions(getattr(public, name))
        for annotation, value in annotations(function)
        if is_ours(annotation, value) and id(value) not in PUBLIC
    }

    assert set() == missing


@pytest.mark.parametrize(
    "name",
    ["Clock", "Dwell", "Evidence", "Guard", "ObservationModel", "Outcome", "Survey", "survey"],
)
def test_the_types_that_users_asked_for_have_a_public_name(name):
    """
    What a guard, a clock, a survey or a row of the table is made of can be imported.
    """
    assert [] != [module for module in MODULES if name in import_module(module).__all__]
