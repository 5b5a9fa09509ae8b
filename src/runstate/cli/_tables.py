"""
``runstate sql`` and ``runstate lifecycles``: the table as SQL, and as a table.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, Final, cast

import click

from .._text import printable
from ..ddl import (
    DIALECTS,
    QUERY_DIALECTS,
    TRANSLATED_DIALECTS,
    Dialect,
    TableGuard,
    check_query,
)
from ..errors import MissingExtraError
from ..lifecycle._table import Lifecycle
from ..presets import PRESETS
from ._shared import BadInput, lifecycle_named

__all__ = ["lifecycles", "sql"]

_WIDE: Final = 160
_PRINTED: Final = tuple(dict.fromkeys((*DIALECTS, *QUERY_DIALECTS, *TRANSLATED_DIALECTS)))


@click.command()
@click.argument("lifecycle_name", metavar="[LIFECYCLE]", default="run")
@click.option(
    "--dialect",
    type=click.Choice(_PRINTED),
    metavar="NAME",
    help=f"Database to print it for: {', '.join(DIALECTS)}; for --check-query also "
    f"{', '.join(each for each in _PRINTED if each not in DIALECTS)}, and not mariadb.",
)
@click.option(
    "--check",
    "checked",
    metavar="URL",
    help="Say what of it the database at URL has, instead of printing it.",
)
@click.option(
    "--check-query",
    "query",
    is_flag=True,
    help="Print one SELECT that returns the rows of a table of observations that are wrong.",
)
@click.option(
    "--at", default="at", show_default=True, help="For --check-query: column of the time."
)
@click.option("--table", default="runs", show_default=True, help="Your table.")
@click.option("--column", default="status", show_default=True, help="Its column of the status.")
@click.option("--key", default="id", show_default=True, help="Its column that identifies a run.")
@click.option(
    "--stamps",
    metavar="A,B,…",
    default="",
    help="Fields of the lifecycle that it has columns for, to be held to the status too.",
)
@click.option(
    "--attempt",
    metavar="COLUMN",
    help="Its column that counts the attempts, for a lifecycle with rows that reopen.",
)
@click.option(
    "--unfenced-reopen",
    is_flag=True,
    help="Let rows that reopen through without such a column: a late writer passes for one.",
)
def sql(
    lifecycle_name: str,
    dialect: Dialect | None,
    checked: str | None,
    query: bool,
    at: str,
    table: str,
    column: str,
    key: str,
    stamps: str,
    attempt: str | None,
    unfenced_reopen: bool,
) -> int:
    """
    Print SQL that makes the database itself refuse what LIFECYCLE does not allow.

    A status that is unknown, a move that is no row, any way out of a terminal status, and
    --stamps that do not go with the status. It may be run again, and replaces itself.

    A migration that rebuilds an SQLite table drops its triggers. --check lists every part as in
    place, missing or different (such as an older text); give it the options that were given for
    printing. The exit status is 0 if all is in place, 1 if not, 2 if the table cannot be read.

    \b
    Examples:
      runstate sql --dialect postgresql
      runstate sql --dialect sqlite --table jobs --column state
      runstate sql mine.toml --dialect postgresql --stamps started_at,completed_at
      runstate sql --check sqlite:///app.db --table jobs --column state
      runstate sql --check-query --dialect duckdb --table run_events --key run_id
    """
    if (dialect is None) == (checked is None):
        raise click.UsageError("expected either --dialect, to print, or --check, with a URL")
    fields = [field.strip() for field in stamps.split(",")] if stamps else []
    lifecycle = lifecycle_named(lifecycle_name)
    options: dict[str, Any] = {
        "table": table,
        "column": column,
        "key": key,
        "fields": fields,
        "attempt": attempt,
        "unfenced_reopen": unfenced_reopen,
    }
    if query:
        if dialect is None:
            raise click.UsageError("--check-query prints, and needs --dialect instead of --check")
        where = {"table": table, "column": column, "key": key, "at": at}
        _print(lambda: check_query(lifecycle, dialect=str(dialect), **where))
        return 0
    if dialect is not None and dialect not in DIALECTS:
        raise click.UsageError(f"for {dialect} there is --check-query alone")
    if checked is not None:
        from ._guards import check_guard  # noqa: PLC0415  printing opens no database

        return check_guard(checked, lifecycle, options)
    _print(lambda: TableGuard(lifecycle, cast(Dialect, dialect), **options).sql)

    return 0


def _print(statements: Callable[[], str]) -> None:
    try:
        text = statements()
    except (ValueError, MissingExtraError) as error:
        raise BadInput(printable(str(error), 500)) from None
    # As bytes: in SQL, what the terminal's encoding lacks must not be escaped.
    click.echo(text.encode(), nl=False)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--maps", is_flag=True, help="Show maps from one lifecycle to another instead.")
@click.option(
    "--schema",
    is_flag=True,
    help="Print the JSON Schema of lifecycle files instead; with --maps, of map files.",
)
def lifecycles(names: tuple[str, ...], maps: bool, schema: bool) -> int:
    """
    List the presets, or show each lifecycle NAME (a preset or a file) as a table.

    \b
    Examples:
      runstate lifecycles
      runstate lifecycles run-documented
      runstate lifecycles mine.toml
      runstate lifecycles --schema
      runstate lifecycles --maps
      runstate lifecycles --maps langgraph-run-to-run
      runstate lifecycles --maps --schema
    """
    if schema:
        # Each where it is needed: see the first.
        from ..lifecycle._definition_schema import definition_schema  # noqa: PLC0415
        from ..mapping._map_files import map_schema  # noqa: PLC0415

        click.echo(json.dumps(map_schema() if maps else definition_schema(), indent=2))
        return 0
    from rich.console import Console  # noqa: PLC0415  tables are not for every command

    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    if maps:
        _show_maps(console, names)
    elif names:
        # All are read before the first is shown.
        for each in [lifecycle_named(name) for name in names]:
            _show_lifecycle(console, each)
    else:
        _show_presets(console)

    return 0


def _show_presets(console: Any) -> None:
    from rich.table import Column, Table  # noqa: PLC0415

    # One column for the beginning and the ends: some systems' statuses are long.
    table = Table(Column("name", no_wrap=True), "statuses", "rows", "begins in → ends in")
    for each in PRESETS.values():
        way = f"{', '.join(each.initial_statuses)} → {', '.join(each.terminal) or '(endless)'}"
        table.add_row(each.name, str(len(each.statuses)), str(len(each)), way)
    console.print(table)


def _show_lifecycle(console: Any, lifecycle: Lifecycle) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("trigger", "from", "to", "evidence", "source")
    for row in (*lifecycle, *lifecycle.reopenings):
        trigger = f"{row.title} (reopens)" if row.reopens else row.title
        cells = (trigger, row.source, row.target, row.evidence, row.citation)
        table.add_row(*(Text(printable(cell, 500)) for cell in cells))
    console.print(table)


def _show_maps(console: Any, names: tuple[str, ...]) -> None:
    from ._maps import map_named, print_map, print_maps  # noqa: PLC0415

    if not names:
        print_maps(console)
    for each in [map_named(name) for name in names]:
        print_map(console, each)
