"""
Where the lifecycles are that have a name: in the files of ``presets/``, and in code.
"""

from pathlib import Path
from typing import Final

from ._table import Lifecycle

__all__ = ["IN_CODE", "preset_files"]

IN_CODE: Final[dict[str, Lifecycle]] = {}
"""The lifecycles that no file defines, by name; their modules add them here."""

_FOLDER: Final = Path(__file__).parent.parent / "presets"


def preset_files() -> dict[str, Path]:
    """
    Return the file of each preset that has one, by the name of the preset, in alphabetical order.
    """
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"), key=lambda path: path.stem)}
