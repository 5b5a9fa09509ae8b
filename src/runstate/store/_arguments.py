"""
What a store's methods and options take, where a wrong type would fail far from its cause.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ._row_errors import wrong_argument

__all__ = ["check_flag", "mapping", "merged", "several"]

_T = TypeVar("_T")


def mapping(argument: str, value: Any) -> Mapping[str, Any]:
    """
    Return *value* if it is a mapping whose keys are texts.

    Raises:
        StoreArgumentError: It is something else.
    """
    if not isinstance(value, Mapping):
        raise wrong_argument(argument, "a mapping of names to values", value)
    for name in value:
        if not isinstance(name, str):
            raise wrong_argument(argument, "names that are texts", name)

    return value


def merged(data: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the fields of an object that are given as a mapping and as keywords.
    """
    return {**mapping("data", data), **fields}


def several(argument: str, kind: type, expected: str, values: Iterable[_T]) -> tuple[_T, ...]:
    """
    Return *values*, each of which is a *kind*; *expected* says what they are, in words.

    Raises:
        StoreArgumentError: They are not several, or one of them is something else.
    """
    # A mapping or one tuple of fields is iterable too, and says nothing about several.
    if isinstance(values, (str, bytes, Mapping, kind)) or not isinstance(values, Iterable):
        raise wrong_argument(argument, f"a list of {expected}", values)
    listed = tuple(values)
    for at, each in enumerate(listed):
        if not isinstance(each, kind):
            raise wrong_argument(f"{argument}[{at}]", f"one of {expected}", each)

    return listed


def check_flag(name: str, value: Any) -> None:
    """
    Refuse what is neither True nor False: a text such as "no" would pass for True.
    """
    if not isinstance(value, bool):
        raise wrong_argument(name, "True or False", value)
