"""
Paths of shapes, and what stands at them in a record.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ..lifecycle._shape import Step, steps_of
from ._envelopes import parsed
from ._keys import refuse_doubled

__all__ = ["MISSING", "Path", "is_nothing", "look_up", "paths_of", "text_of"]

MISSING: Final = object()
"""What stands where a record has nothing, not even a null."""


class Path(NamedTuple):
    """
    A path, as it was written and as its steps.
    """

    text: str
    steps: tuple[Step, ...]


def paths_of(paths: Sequence[str]) -> list[Path]:
    """
    Return the *paths* of a shape with their steps.
    """
    return [Path(path, _steps(path)) for path in paths]


def _steps(path: str) -> tuple[Step, ...]:
    """
    Return the steps of *path*; a name that cannot be parsed as one, such as ``Time [s]``, is one step.
    """
    try:
        return steps_of(path)
    except ValueError:
        return (path,)


def look_up(level: Any, path: Path) -> tuple[Any, Any]:
    """
    Return what stands at *path* in *level*, and the object that its last key is in.

    Raises:
        BadRecordError: A key on the way is given twice.
    """
    if path.text in level:
        refuse_doubled(level, {path.text})
        return level[path.text], level
    holder = None
    for place, step in enumerate(path.steps):
        if type(level) is str:
            level = parsed(level)
        if type(step) is str:
            if not isinstance(level, dict):
                return MISSING, holder
            if step not in level:
                rest = ".".join(map(str, path.steps[place:]))
                return level.get(rest, MISSING), level if rest in level else holder
            refuse_doubled(level, {step})
            holder, level = level, level[step]
        elif not isinstance(level, list):
            return MISSING, holder
        else:
            level = _selected(level, step)

    return level, holder


def _selected(level: list[Any], step: Step) -> Any:
    if isinstance(step, int):
        return level[step] if -len(level) <= step < len(level) else MISSING
    if isinstance(step, str):
        return MISSING
    key, value = step
    of_objects = (each for each in level if isinstance(each, dict) and key in each)

    return next((each for each in of_objects if text_of(each[key]) == value), MISSING)


def is_nothing(value: Any) -> bool:
    """
    Return whether *value* is what a null is, in JSON and in tables.
    """
    return value is None or value is MISSING or value == ""


def text_of(value: Any) -> str:
    """
    Return *value* as a condition spells it: ``true``, ``null``, ``3``.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()

    return str(value) if isinstance(value, int | float) else ""
