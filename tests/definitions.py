"""
Lifecycles from definitions that a test writes as a dictionary.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runstate import Lifecycle, load_lifecycle

__all__ = ["defined"]


def defined(definition: Mapping[str, Any]) -> Lifecycle:
    """
    Return the lifecycle of *definition*, read from a file as a user's would be.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "mine.json")
        path.write_text(json.dumps(definition), encoding="utf-8")

        return load_lifecycle(path)
