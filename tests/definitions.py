"""
Lifecycles from definitions that a test writes as a dictionary, and the schema of definitions.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import CliRunner

from runstate import Lifecycle, load_lifecycle
from runstate.cli import command

__all__ = ["defined", "printed_schema"]


def defined(definition: Mapping[str, Any]) -> Lifecycle:
    """
    Return the lifecycle of *definition*, read from a file as a user's would be.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "mine.json")
        path.write_text(json.dumps(definition), encoding="utf-8")

        return load_lifecycle(path)


def printed_schema() -> dict[str, Any]:
    """
    Return the JSON Schema that ``runstate lifecycles --schema`` prints.
    """
    schema: dict[str, Any] = json.loads(
        CliRunner().invoke(command, ["lifecycles", "--schema"]).stdout
    )

    return schema
