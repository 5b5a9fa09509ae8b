"""
Inputs that an engine reads in bulk: which they are, and what it says of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple

import click

from .._text import printable
from .._urls import shown_url
from ..errors import RunstateError
from ..histories._monitor import Monitor
from ..histories._records import ObservationModel
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..readers._formats import DATABASES, PARQUET, TABULAR, suffix_of
from ..readers._paths import PathError, expanded, is_pattern, lake_format, refuse_lakes
from ._input import Reading, working
from ._output import Totals
from ._shared import BadInput, refuse_for_bulk

__all__ = [
    "Scale", "is_unread", "planned", "refuse_with_follow", "scale_options", "surveyed", "totals_of",
]  # fmt: skip

ENGINES: Final = ("auto", "python", "duckdb", "spark")
MOST: Final = 900_000
"""Findings that an engine hands over at most, however many are asked for."""
PAYS: Final = 4 << 20
"""Bytes of text from which on DuckDB is done before Python."""


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
            help="What reads: auto takes duckdb for Parquet and databases, and the faster for text.",
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
    asked: Mapping[str, Any],
) -> Survey | None:
    """
    Return what *engine* says of *paths*; None where the readers are to say it.

    Of large files of text, which are the readers' by ``auto``, DuckDB is asked first: it reads
    most of them in a part of the time. What it refuses, or cannot read, or would not hand over whole,
    the readers read after all.

    Args:
        engine: What :func:`planned` returned.
        paths: Files, tables of a lake and databases.
        lifecycle: The table they are held against.
        observed: What was seen of each run.
        scale: How much is to be read.
        reading: How it is to be read.
        asked: What :func:`runstate.frames.survey_files` takes besides; a *limit* of 0 is none.

    Raises:
        RunstateError: They cannot be read by an engine that was named, or that alone reads them.
        BadInput: Nothing is in them, or a limit is given for an unknown status.
    """
    if engine != "python":
        return _surveyed(engine, paths, lifecycle, observed, scale, reading, asked)
    if scale.engine != "auto" or not _pays(paths):
        return None
    try:
        scale = scale._replace(exact=True)
        survey = _surveyed("duckdb", paths, lifecycle, observed, scale, reading, asked)
    except (RunstateError, BadInput):
        return None
    wanted = min(asked["limit"] or MOST + 1, sum(survey.tally.values()))
    whole = len(survey.findings) >= wanted and totals_of(survey).compared

    return survey if whole and not is_unread(survey) else None


def _pays(paths: Sequence[str]) -> bool:
    """
    Return whether *paths* are files of text, not packed, whose size is worth the start of DuckDB.
    """
    try:
        return (
            all(PurePath(path.lower()).suffix in TABULAR and Path(path).is_file() for path in paths)
            and sum(Path(path).stat().st_size for path in paths) >= PAYS
        )
    except (OSError, ValueError):
        return False


def _surveyed(
    engine: str,
    paths: Sequence[str],
    lifecycle: Lifecycle,
    observed: ObservationModel,
    scale: Scale,
    reading: Reading,
    asked: Mapping[str, Any],
) -> Survey:
    refuse_for_bulk(reading, engine)
    try:
        Monitor(lifecycle, observed=observed, limits=asked["limits"])
    except ValueError as error:
        raise BadInput(printable(str(error), 500)) from None
    wanted: dict[str, Any] = {
        **asked, "limit": min(asked["limit"] or MOST, MOST), "observed": observed,
        "columns": reading.columns, "assume_utc": reading.assume_utc,
    }  # fmt: skip
    if engine == "spark" and wanted.get("keep"):
        raise BadInput("--keep is not supported with --engine spark")
    with working(paths):
        if engine == "spark":
            wanted.pop("keep", None)
            survey = _on_spark(paths, lifecycle, wanted)
        else:
            survey = _embedded(paths, lifecycle, scale, wanted)
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
