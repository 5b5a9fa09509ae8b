"""
Reads lifecycle files, whose content shows the format, and writes them by the name of a format.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..lifecycle._definition import content_of, lifecycle_from, parsed
from ..lifecycle._table import Lifecycle
from ._common import expect, refuse
from .markup import from_markup, to_markup
from .scxml import from_scxml, to_scxml
from .statemachine import from_statemachine, to_statemachine
from .xstate import from_xstate, to_xstate

__all__ = ["FORMATS", "SUFFIXES", "Notation", "load"]

SUFFIXES: Final = (".toml", ".json", ".scxml")
"""Suffixes of lifecycle files."""
_YAML: Final = (".yaml", ".yml")


class Notation(NamedTuple):
    """
    A format of another tool for lifecycles.

    Example:
        >>> from runstate import RUN
        >>> FORMATS["xstate"].render(RUN).splitlines()[:3]
        [b'{', b'  "id": "run",', b'  "initial": "queued",']
        >>> FORMATS["scxml"].suffixes
        ('.scxml',)
    """

    name: str
    """Its name, a key of :data:`FORMATS`."""
    suffixes: tuple[str, ...]
    """Suffixes of its files, with the dot, if it has its own."""
    say: Callable[[Lifecycle], Any]
    """Returns a lifecycle as bytes, or as what JSON can hold."""

    def render(self, lifecycle: Lifecycle) -> bytes:
        """
        Return *lifecycle* as the bytes of a file.

        Args:
            lifecycle: What is written.

        Raises:
            ValueError: The format cannot express the name of a status or a trigger.
        """
        said = self.say(lifecycle)
        if isinstance(said, bytes):
            return said

        return (json.dumps(said, indent=2) + "\n").encode("ascii")


FORMATS: Final[Mapping[str, Notation]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Notation("scxml", (".scxml",), to_scxml),
            Notation("xstate", (), to_xstate),
            Notation("transitions", (), to_markup),
            Notation("statemachine", (), to_statemachine),
        )
    }
)
"""All notations by name."""


def load(path: str | Path) -> Lifecycle:
    """
    Return the lifecycle in the file at *path*, in this package's format or another tool's.

    SCXML, and the JSON of XState, ``transitions`` and python-statemachine are told apart by
    what is in them. YAML is not read.

    Args:
        path: A file of at most 1 MiB whose name ends in ``.toml``, ``.json`` or ``.scxml``.

    Raises:
        DefinitionError: It cannot be opened or parsed, or says what a lifecycle cannot.
        LifecycleError: It can be read, and the table contradicts itself.
    """
    path = Path(path)
    origin, suffix = str(path), path.suffix.lower()
    if suffix in _YAML:
        refuse(origin, "", "YAML is not supported: convert it to JSON")
    if suffix not in SUFFIXES:
        refuse(origin, "", f"expected a file that ends in {', '.join(SUFFIXES)}")
    content = content_of(path)
    if suffix == ".scxml":
        return from_scxml(content, origin)
    data = parsed(content, path)

    return lifecycle_from(data, origin) if suffix == ".toml" else _from_json(data, origin)


def _from_json(data: Any, origin: str) -> Lifecycle:
    states = expect(data, dict, origin, "").get("states")
    if states is None or "terminal" in data:
        return lifecycle_from(data, origin)
    if isinstance(states, list):
        return from_markup(data, origin)
    # Of the two that have states by name, XState alone says beside them where it begins.
    return from_xstate(data, origin) if "initial" in data else from_statemachine(data, origin)
