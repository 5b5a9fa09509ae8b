"""
Where presets are defined: in the files of ``presets/``, or in code.
"""

from pathlib import Path
from typing import Final

from ._table import Lifecycle

__all__ = ["IN_CODE", "preset_files"]

IN_CODE: Final[dict[str, Lifecycle]] = {}
"""The presets that no file defines, by name; their modules add them here."""

_FOLDER: Final = Path(__file__).parent.parent / "presets"


def preset_files() -> dict[str, Path]:
    """
    Return the files of presets by the name of the preset, in alphabetical order.
    """
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"), key=lambda path: path.stem)}
