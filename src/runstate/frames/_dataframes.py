"""
The caller's own frame as a source, and findings as a frame of the same kind.
"""

from collections.abc import Sequence
from typing import Any, Final

from ..histories._records import Finding
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._columns import Source, chosen, columns_of, described, wide_columns
from ._duckdb import Engine
from ._errors import needed

__all__ = ["framed", "given", "is_spark"]

_TEXTS: Final = tuple(name for name in Finding._fields if name != "line")


def is_spark(frame: Any) -> bool:
    """
    Return whether *frame* is of PySpark, which has an engine of its own.
    """
    return type(frame).__module__.startswith("pyspark")


def kind_of(frame: Any) -> str:
    """
    Return which kind of frame *frame* is.

    Raises:
        TypeError: It is none that is known.
    """
    library, name = type(frame).__module__.partition(".")[0], type(frame).__name__
    kind = {
        ("polars", "DataFrame"): "polars",
        ("polars", "LazyFrame"): "lazy",
        ("pandas", "DataFrame"): "pandas",
        ("pyarrow", "Table"): "arrow",
        ("pyarrow", "RecordBatchReader"): "reader",
        ("pyarrow", "FileSystemDataset"): "dataset",
        ("pyarrow", "InMemoryDataset"): "dataset",
        ("pyarrow", "UnionDataset"): "dataset",
        ("duckdb", "DuckDBPyRelation"): "relation",
        ("_duckdb", "DuckDBPyRelation"): "relation",
    }.get((library, name))
    if kind is None:
        raise TypeError(
            "a frame of Polars, pandas, Arrow, DuckDB or PySpark is expected, "
            f"not {type(frame).__module__}.{name}"
        )

    return kind


def given(engine: Engine, frame: Any, columns: Columns, lifecycle: Lifecycle) -> Source:
    """
    Return the rows of *frame*, which is not changed; a reader is used up.

    Raises:
        FrameError: It lacks a column, or has one of a type that cannot be used.
    """
    kind = kind_of(frame)
    engine.place = f"<{kind}>"
    names = _names(kind, frame)
    columns = columns_of(names, columns)
    used = chosen(engine.place, names, columns, lifecycle)
    rows = _narrowed(kind, frame, wide_columns(names, used, columns, lifecycle))
    if kind in {"reader", "relation", "dataset"}:
        engine.take("given", rows)
        row = "rowid"
    else:
        engine.show("given", rows)
        row = "row_number() over () - 1"

    return described(engine, "given", columns, lifecycle, row=row)


def _names(kind: str, frame: Any) -> list[str]:
    if kind == "lazy":
        return list(frame.collect_schema().names())
    if kind in {"arrow", "reader", "dataset"}:
        return list(frame.schema.names)

    return [str(name) for name in frame.columns]


def _narrowed(kind: str, frame: Any, names: list[str]) -> Any:
    """
    Return the columns *names* of *frame*, in Arrow.
    """
    if kind == "polars":
        return frame.select(names).to_arrow()
    if kind == "lazy":
        return frame.select(names).collect(engine="streaming").to_arrow()
    if kind == "arrow":
        return frame.select(names)
    if kind == "dataset":
        return frame.scanner(columns=names).to_reader()
    if kind == "pandas":
        return _arrow().Table.from_pandas(frame[names], preserve_index=False)

    return frame.to_arrow_reader() if kind == "relation" else frame


def framed(findings: Sequence[Finding], like: Any) -> Any:
    """
    Return *findings* as a frame of the kind of *like*, one row each: their fields.
    """
    arrow = _arrow()
    columns = {
        name: arrow.array([getattr(finding, name) for finding in findings], arrow.string())
        for name in _TEXTS
    }
    columns["line"] = arrow.array([finding.line for finding in findings], arrow.int64())
    table = arrow.table(columns)
    kind = kind_of(like)
    if kind in {"polars", "lazy"}:
        import polars  # noqa: ICN001, PLC0415  the caller has it

        frame = polars.from_arrow(table)
        return frame.lazy() if kind == "lazy" and isinstance(frame, polars.DataFrame) else frame
    if kind == "pandas":
        return table.to_pandas()
    if kind == "reader":
        return table.to_reader()
    if kind == "dataset":
        from pyarrow.dataset import dataset  # type: ignore[import-untyped]  # noqa: PLC0415

        return dataset(table)
    if kind == "relation":
        import duckdb  # noqa: PLC0415  the caller has it

        return duckdb.from_arrow(table)

    return table


def _arrow() -> Any:
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: ICN001, PLC0415  the extra
    except ModuleNotFoundError:
        raise needed("pyarrow") from None

    return pyarrow
