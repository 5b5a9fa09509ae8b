"""
Tables of Delta Lake, read by their log: only the files that count at its last version.
"""

from typing import Any

from ._errors import FrameError

__all__ = ["delta_rows"]


def delta_rows(folder: str) -> Any:
    """
    Return the rows of the Delta table *folder* as a stream of Arrow.

    Raises:
        FrameError: The library ``deltalake`` is not installed, or cannot read the table.
    """
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
        # Arrow's own stream is what DuckDB takes; the files are opened as it is read.
        return DeltaTable(folder).to_pyarrow_dataset().scanner().to_reader()
    except (DeltaError, OSError, ValueError) as error:
        raise FrameError(folder, " ".join(str(error).split())) from None
