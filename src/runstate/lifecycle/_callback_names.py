"""
Names for the conditions and callbacks of a machine that comes in.
"""

from collections.abc import Iterable
from typing import Any

__all__ = ["CallbackNames"]


class CallbackNames:
    """
    Names for the functions of a machine: their own, numbered where two functions share one.
    """

    def __init__(self) -> None:
        self._functions: dict[str, Any] = {}

    def of(self, function: Any) -> str:
        """
        Return the name of *function*, which may be its name already.
        """
        if isinstance(function, str):
            return function
        plain = getattr(function, "__name__", "")
        plain = plain if plain.isidentifier() else "condition"
        name, number = plain, 1
        while self._functions.setdefault(name, function) != function:
            number += 1
            name = f"{plain}_{number}"

        return name

    def callbacks(self, where: str, holder: Any, kinds: Iterable[str]) -> list[str]:
        """
        Return a line for each callback that *holder* has of the *kinds*.
        """
        return [
            f"{where}: {kind} {self.of(function)}"
            for kind in kinds
            for function in getattr(holder, kind, ())
        ]
