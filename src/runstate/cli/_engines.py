"""
Inputs that an engine reads in bulk: which they are, and what it says of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from .._text import printable
from .._urls import shown_url
from ..histories._monitor import Monitor
from ..histories._records import ObservationModel
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..readers._formats import DATABASES, PARQUET, suffix_of
from ..readers._paths import PathError, expanded, is_pattern, lake_format, refuse_lakes
from ._input import Reading, working
from ._output import Totals
from ._shared import BadInput

__all__ = [
    "Scale", "is_unread", "planned", "refuse_with_follow", "scale_options", "surveyed", "totals_of",
]  # fmt: skip

ENGINES: Final = ("auto", "python", "duckdb", "spark")
MOST: Final = 900_000
"""Findings that an engine hands over at most, however many are asked for."""


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
            help="What reads: auto takes duckdb for Parquet and databases, python for text.",
        ),
        click.option("--table", metavar="NAME", help="Table of a database."),
        click.option("--query", metavar="SQL", help="Query of a database, instead of a table."),
        click.option("--memory", metavar="SIZE", help="Most that duckdb takes, such as 1GB."),
        click.option("--exact", is_flag=True, help="Rule out that two ids have one hash."),
    )
    for option in reversed(options):
        function = option(function)

    return function


def planned(paths: Sequence[str], scale: Scale, reading: Reading) -> tuple[str, list[str]]:
    """
    Return which engine reads *paths*, and the files, tables of a lake and databases that they name.

    Raises:
        BadInput: An option does not fit the engine, a folder or a pattern names no file, or
            no one engine reads all of the files.
    """
    if scale.engine == "spark":
        names = [name for path in paths for name in _for_spark(path)]
    else:
        names = [name for path in paths for name in _named(path)]
    engine = _engine_of(names, scale, reading) if scale.engine == "auto" else scale.engine
    if engine == "python":
        _refuse(scale, "python", ("table", "query", "memory", "exact"))
        _refuse_bulk(names)
        return engine, names
    if engine == "spark":
        _refuse(scale, "spark", ("table", "query", "memory"))
    if "-" in paths:
        raise BadInput(f"{engine} cannot read standard input; --engine python can")
    if reading.format != "auto":
        raise BadInput(
            f"--format needs --engine python; {engine} takes the format from the file suffix"
        )

    return engine, names


def refuse_with_follow(paths: Sequence[str], scale: Scale, others: Mapping[str, bool]) -> None:
    """
    Pass what --follow can do: one path, read by Python.

    Args:
        paths: The inputs.
        scale: How much is to be read, and by what.
        others: Further options that are not supported, and whether each is used.

    Raises:
        BadInput: An option is not supported with --follow.
    """
    if len(paths) > 1:
        raise BadInput("--follow expects one PATH: start a command for each")
    asked = {
        **others,
        "--query": scale.query, "--memory": scale.memory, "--exact": scale.exact,
        f"--engine {scale.engine}": scale.engine not in ("auto", "python"),
        "--table": scale.table and "://" not in paths[0],
    }  # fmt: skip
    for option, given in asked.items():
        if given:
            raise BadInput(f"{option} is not supported with --follow")


def _named(path: str) -> list[str]:
    """
    Return what *path* names: itself, unless it is a folder or a pattern.
    """
    with _one_line():
        # A file that is not there is reported by whatever opens it.
        alone = path == "-" or "://" in path or not (_exists(path) or is_pattern(path))
        return [path] if alone else expanded(path)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False  # reading it gives the reason, and the other inputs are read as well


def _for_spark(path: str) -> list[str]:
    """
    Return *path*, having made sure that no table's log is passed over.
    """
    with _one_line():
        if path != "-" and "://" not in path and lake_format(path) != "Delta Lake":
            refuse_lakes(path)

    return [path]


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except PathError as error:
        raise BadInput(printable(str(error), 1_000)) from None
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot look for that file: {printable(str(error), 500)}") from None


def _engine_of(names: Sequence[str], scale: Scale, reading: Reading) -> str:
    """
    Return the engine that all of *names* call for.
    """
    if scale.table or scale.query:
        return "duckdb"
    if reading.format != "auto":
        return "python"
    bulk = [name for name in names if _is_bulk(name)]
    if bulk and len(bulk) < len(names):
        text = next(name for name in names if name not in bulk)
        raise BadInput(
            f"{printable(bulk[0], 200)} and {printable(text, 200)} need different engines: "
            "check them in two commands"
        )

    return "duckdb" if bulk else "python"


def _refuse(scale: Scale, engine: str, options: Sequence[str]) -> None:
    for option in options:
        if getattr(scale, option):
            raise BadInput(f"--{option} is not supported by --engine {engine}")


def _refuse_bulk(names: Sequence[str]) -> None:
    for name in names:
        if "://" not in name and (
            suffix_of(name) in PARQUET or (_exists(name) and Path(name).is_dir())
        ):
            raise BadInput(
                f"{printable(name, 500)}: --engine python does not read Parquet; --engine duckdb does"
            )


def _is_bulk(name: str) -> bool:
    return (
        "://" in name
        or name.lower().endswith(DATABASES)
        or suffix_of(name) in PARQUET
        or lake_format(name) is not None
    )


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
    allow_reopen: bool = False,
    keep: Sequence[str] = (),
) -> Survey:
    """
    Return what *engine* says of *paths*.

    Raises:
        RunstateError: They cannot be read.
        BadInput: Nothing is in them, or a limit is given for an unknown status.
    """
    try:
        Monitor(lifecycle, observed=observed, limits=limits)
    except ValueError as error:
        raise BadInput(printable(str(error), 500)) from None
    asked: dict[str, Any] = {
        "observed": observed, "columns": reading.columns, "assume_utc": reading.assume_utc,
        "finished": finished, "limits": limits, "measured": measured,
        "limit": min(limit or MOST, MOST), "samples": samples,
        "allow_reopen": allow_reopen,
    }  # fmt: skip
    if keep:
        if engine == "spark":
            raise BadInput("--keep is not supported with --engine spark")
        asked["keep"] = keep
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
        survey.runs,
        survey.observations,
        survey.undecided,
        survey.errors,
        findings - survey.errors,
        survey.tied,
        survey.observations > survey.runs or bool(survey.recorded) or not survey.runs,
        survey.reopened,
    )


def is_unread(survey: Survey) -> bool:
    """
    Return whether anything could not be read.
    """
    return any(code.startswith("RS9") for code in survey.tally)
