"""
Which suffix names which format: the only list of them.
"""

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

__all__ = ["DATABASES", "PACKINGS", "PARQUET", "TABULAR", "TEXTS", "format_of", "suffix_of"]

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".json": "json",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".log": "jsonl",
        ".sse": "sse",
        ".csv": "csv",
        ".tsv": "tsv",
        ".xes": "xes",
        ".jsonocel": "ocel",
        ".xmlocel": "ocel",
    }
)
"""The suffixes of the formats that the readers of this package read."""

PARQUET: Final[Mapping[str, str]] = MappingProxyType({".parquet": "parquet", ".pq": "parquet"})

TABULAR: Final[Mapping[str, str]] = MappingProxyType(
    {suffix: TEXTS[suffix] for suffix in (".csv", ".tsv", ".jsonl", ".ndjson")}
)
"""The suffixes of text that a bulk engine reads as well, where it is asked for."""

DATABASES: Final = (".duckdb", ".sqlite", ".sqlite3", ".db")

PACKINGS: Final = (".gz", ".zst")
"""Suffixes that stand after that of the format."""


def suffix_of(name: str) -> str:
    """
    Return the suffix that names the format of the file *name*, in lower case and without a packing.
    """
    path = PurePath(name.lower())

    return PurePath(path.stem).suffix if path.suffix in PACKINGS else path.suffix


def format_of(name: str) -> str | None:
    """
    Return the format that the suffix of *name* names; None if it names none.
    """
    suffix = suffix_of(name)

    return TEXTS.get(suffix) or PARQUET.get(suffix)
