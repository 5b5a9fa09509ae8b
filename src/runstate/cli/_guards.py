"""
``runstate sql --check``: which parts of a guard a database has.
"""

from typing import Any

import click

from .._text import printable
from .._urls import shown_url
from ..ddl import TableGuard
from ..lifecycle._table import Lifecycle
from ._shared import BadInput

__all__ = ["check_guard"]


def check_guard(url: str, lifecycle: Lifecycle, options: dict[str, Any]) -> int:
    """
    Print every part of the guard with its state in the database at *url*, and return the exit status.

    Raises:
        BadInput: The database, the table or a column cannot be read, or an option is wrong.
    """
    from ..store._inspection import looking_at  # noqa: PLC0415  needs an extra, unlike printing

    try:
        with looking_at(url) as (dialect, connection):
            guard = TableGuard(lifecycle, dialect, **options)
            parts = guard.check(connection)
    except ValueError as error:
        raise BadInput(printable(str(error), 1_000)) from None
    for part in parts:
        click.echo(f"{part.state:<10}  {part.kind:<10}  {part.name}")
    wrong = sum(part.state != "in place" for part in parts)
    where = f"table {options['table']} in {printable(shown_url(url), 500)}"
    if not wrong:
        click.echo(f"{where} is guarded by the lifecycle {printable(lifecycle.name)}")
        return 0
    click.echo(
        f"{where} is not guarded: {wrong} of {len(parts)} parts are missing or different; "
        f"execute what runstate sql --dialect {dialect} prints with the same options"
    )

    return 1
