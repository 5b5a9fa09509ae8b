"""
Tables of Delta Lake, read by their log: only the files that count at its last version.
"""

from typing import Any

from ..readers._paths import lake_format
from ._errors import FrameError

__all__ = ["delta_files", "delta_rows"]


def delta_rows(folder: str) -> Any:
    """
    Return the rows of the Delta table *folder* as a stream of Arrow.

    Raises:
        FrameError: The library ``deltalake`` is not installed, or cannot read the table.
    """
    # Arrow's own stream is what DuckDB takes; the files are opened as it is read.
    return _dataset(folder).scanner().to_reader()


def delta_files(folder: str) -> list[str]:
    """
    Return the files that hold the rows of *folder*; an empty list unless it is a Delta table.

    Raises:
        FrameError: As for :func:`delta_rows`.
    """
    if "://" in folder or lake_format(folder) != "Delta Lake":
        return []

    return [f"{folder}/{name}" for name in _dataset(folder).files]


def _dataset(folder: str) -> Any:
    try:
        from deltalake import DeltaTable  # noqa: PLC0415  an extra of its own
        from deltalake.exceptions import DeltaError  # noqa: PLC0415
    except ModuleNotFoundError:
        raise FrameError(
            folder,
            "is a Delta Lake table, whose log says which files count: "
            "pip install 'runstate[delta]', or give its rows to check_frame",
        ) from None
    try:
        return DeltaTable(folder).to_pyarrow_dataset()
    except (DeltaError, OSError, ValueError) as error:
        raise FrameError(folder, " ".join(str(error).split())) from None
