"""
Inputs that an engine reads in bulk: which they are, and what it says of them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from .._text import printable
from .._urls import shown_url
from ..histories._records import ObservationModel
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ._input import Reading, working
from ._output import Totals
from ._shared import BadInput

__all__ = ["Scale", "engine_for", "scale_options", "status_of", "surveyed", "totals_of"]

ENGINES: Final = ("auto", "python", "duckdb", "spark")
MOST: Final = 900_000
"""Findings that an engine hands over at most, however many are asked for."""

_PACKABLE: Final = (".csv", ".tsv", ".jsonl", ".ndjson")
_BULK_SUFFIXES: Final = (
    ".parquet", ".pq", ".duckdb", ".sqlite", ".sqlite3", ".db", ".tsv",
    *(kind + packed for kind in _PACKABLE for packed in (".gz", ".zst")),
)  # fmt: skip


class Scale(NamedTuple):
    """
    How much input is to be read.
    """

    engine: str = "auto"
    table: str | None = None
    query: str | None = None
    memory: str | None = None
    exact: bool = False


def scale_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give a command the options of a :class:`Scale`.
    """
    options = (
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default="auto",
            show_default=True,
            help="What reads: auto takes duckdb for Parquet, folders, patterns and databases.",
        ),
        click.option("--table", metavar="NAME", help="Table of a database."),
        click.option("--query", metavar="SQL", help="Query of a database, instead of a table."),
        click.option("--memory", metavar="SIZE", help="Most that duckdb takes, such as 1GB."),
        click.option("--exact", is_flag=True, help="Rule out that two ids have one hash."),
    )
    for option in reversed(options):
        function = option(function)

    return function


def engine_for(paths: Sequence[str], scale: Scale, reading: Reading) -> str:
    """
    Return which engine reads *paths*: the one that was named, or the one that all of them call for.
    """
    if scale.engine == "auto":
        bulk = scale.table or scale.query or all(map(_is_bulk, paths))
        engine = "duckdb" if bulk and reading.format == "auto" else "python"
    else:
        engine = scale.engine
    if engine == "python":
        _refuse(scale, "python", ("table", "query", "memory", "exact"))
        return engine
    if engine == "spark":
        _refuse(scale, "spark", ("table", "query", "memory"))
    if "-" in paths:
        raise BadInput(f"{engine} reads no standard input; --engine python does")
    if reading.format != "auto":
        raise BadInput(f"{engine} tells formats by the ends of names: --format goes with python")

    return engine


def _refuse(scale: Scale, engine: str, options: Sequence[str]) -> None:
    for option in options:
        if getattr(scale, option):
            raise BadInput(f"--{option} is of no use to the engine {engine}")


def _is_bulk(path: str) -> bool:
    if "://" in path or path.lower().endswith(_BULK_SUFFIXES):
        return True
    try:
        return Path(path).is_dir() or (any(c in path for c in "*?[") and not Path(path).exists())
    except (OSError, ValueError):
        return False  # which reading it will tell


def surveyed(
    engine: str,
    paths: Sequence[str],
    lifecycle: Lifecycle,
    observed: ObservationModel,
    scale: Scale,
    reading: Reading,
    *,
    finished: bool,
    limits: Mapping[str, float],
    measured: bool,
    limit: int,
    samples: int = 0,
) -> Survey:
    """
    Return what *engine* says of *paths*.

    Raises:
        RunstateError: They cannot be read.
        BadInput: Nothing is in them.
    """
    asked: dict[str, Any] = {
        "observed": observed, "columns": reading.columns, "assume_utc": reading.assume_utc,
        "finished": finished, "limits": limits, "measured": measured,
        "limit": min(limit or MOST, MOST), "samples": samples,
    }  # fmt: skip
    with working(paths):
        if engine == "spark":
            survey = _on_spark(paths, lifecycle, asked)
        else:
            survey = _embedded(paths, lifecycle, scale, asked)
    if not (survey.observations or survey.tally):
        raise BadInput(
            f"{printable(', '.join(map(shown_url, paths)), 500)}: holds no record of a run"
        )

    return survey


def _embedded(
    paths: Sequence[str], lifecycle: Lifecycle, scale: Scale, asked: dict[str, Any]
) -> Survey:
    from ..frames import is_database, survey_files, survey_table  # noqa: PLC0415  heavy, and rare

    asked |= {"memory": scale.memory, "exact": scale.exact}
    if not (scale.table or scale.query or any(map(is_database, paths))):
        return survey_files(paths, lifecycle, **asked)
    if len(paths) > 1:
        raise BadInput("a database is read alone: name one")

    return survey_table(paths[0], lifecycle, table=scale.table, query=scale.query, **asked)


def _on_spark(paths: Sequence[str], lifecycle: Lifecycle, asked: dict[str, Any]) -> Survey:
    from ..frames._spark import survey_paths  # noqa: PLC0415  heavy, and rarer

    try:
        return survey_paths(paths, lifecycle, **asked)
    except ValueError as error:
        raise BadInput(str(error)) from None


def totals_of(survey: Survey) -> Totals:
    """
    Return the counts of *survey*.
    """
    findings = sum(survey.tally.values())

    return Totals(
        survey.runs, survey.observations, survey.undecided, survey.errors, findings - survey.errors
    )


def status_of(survey: Survey) -> int:
    """
    Return the exit status: 2 if anything could not be read, else 1 for an error, else 0.
    """
    return 2 if any(code.startswith("RS9") for code in survey.tally) else int(survey.errors > 0)
