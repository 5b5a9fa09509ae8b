"""
The journal of a store as Parquet, which all engines of this package read again.
"""

import io
import json
from collections.abc import Sequence
from typing import Any, BinaryIO

from ._errors import needed

__all__ = ["check_writable", "write_journal"]


def check_writable() -> None:
    """
    Raise FrameError if the library that writes Parquet is not installed.
    """
    _arrow()


def write_journal(stream: BinaryIO, entries: Sequence[Any]) -> None:
    """
    Write lines of a store's journal to *stream*, a row each, with payloads as JSON.

    Args:
        stream: What takes the bytes. It gets all of them at once, so that a full disk is its error.
        entries: Such as a store's ``history`` returns.

    Raises:
        FrameError: The library that writes Parquet is not installed.
    """
    pa, parquet = _arrow()
    kinds = {
        "position": pa.int64(), "run_id": pa.string(), "seq": pa.int64(), "kind": pa.string(),
        "trigger": pa.string(), "source": pa.string(), "target": pa.string(),
        "at": pa.float64(), "duration_s": pa.float64(), "clock_regressed": pa.bool_(),
        "payload": pa.string(), "key": pa.string(), "token": pa.int64(), "actor": pa.string(),
        "reason": pa.string(),
    }  # fmt: skip
    columns = {
        name: pa.array([_cell(getattr(entry, name)) for entry in entries], kind)
        for name, kind in kinds.items()
    }
    whole = io.BytesIO()
    parquet.write_table(pa.table(columns), whole, compression="zstd")
    stream.write(whole.getvalue())


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415  an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        raise needed("pyarrow") from None

    return pa, parquet
