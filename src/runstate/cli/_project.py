"""
Defaults of options from ``[tool.runstate]`` in the working directory's ``pyproject.toml``.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from .._text import printable
from ._shared import BadInput

__all__ = ["project_defaults"]

_FILE: Final = Path("pyproject.toml")
_TABLE: Final = "tool.runstate"


def project_defaults(commands: Mapping[str, click.Command]) -> dict[str, dict[str, Any]]:
    """
    Return the defaults that the project sets, by command and by parameter.

    ``[tool.runstate.check]`` holds options of ``runstate check`` by their long names, such as
    ``run-id = "job"``. What is typed on the command line wins.

    Args:
        commands: The commands that may have a table, by name.

    Raises:
        BadInput: The file is not TOML, or names a command or an option that does not exist.
    """
    try:
        data = _FILE.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return {}
    # A file of another project is not ours to judge.
    if _TABLE.encode() not in data:
        return {}
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{_FILE}: invalid TOML: {printable(str(error), 200)}") from None
    tool = document.get("tool")
    tables = _table(tool.get("runstate", {}) if isinstance(tool, dict) else {}, _TABLE)

    return {
        name: _options(name, table, commands[_known(name, commands, _TABLE, "command")])
        for name, table in tables.items()
    }


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{_FILE}: {where}: expected a table, got {printable(repr(value), 80)}")

    return value


def _options(name: str, table: Any, command: click.Command) -> dict[str, Any]:
    where = f"{_TABLE}.{name}"
    parameters = {
        option.removeprefix("--"): parameter.name
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.name
    }

    return {
        parameters[_known(key, parameters, where, "option")]: value
        for key, value in _table(table, where).items()
    }


def _known(name: str, known: Mapping[str, Any], where: str, kind: str) -> str:
    if name not in known:
        names = ", ".join(sorted(known))
        raise BadInput(f"{_FILE}: {where}: no {kind} {printable(name, 60)!r} (known: {names})")

    return name
