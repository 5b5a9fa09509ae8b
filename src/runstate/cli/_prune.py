"""
``runstate prune``: objects that ended long ago leave a store, and their journal goes to an archive.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import click

from .._text import printable
from .._urls import shown_url
from ._shared import BadInput, lifecycle_named, lifecycle_option
from ._stores import opened
from ._write import OutputPath, sync_folder, writing

__all__ = ["prune"]

_DAY: Final = 86_400
_MOST_DAYS: Final = 100_000
_BATCH: Final = 1_000
"""Objects that are deleted in one transaction; their lines are one file of the archive."""


@click.command()
@click.argument("url", metavar="URL")
@click.option(
    "--older-than", "days", type=float, required=True, metavar="DAYS", help="Days since they ended."
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    metavar="STATUS",
    help="Only those that ended in this status; may be given again.",
)
@lifecycle_option
@click.option(
    "--prefix", metavar="NAME_", help="How the names of the tables begin, if not as usual."
)
@click.option("--schema", metavar="NAME", help="Schema of the tables, on PostgreSQL.")
@click.option(
    "--archive",
    "folder",
    type=OutputPath(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder that the lines of the journal are written to first, as Parquet.",
)
def prune(
    url: str,
    days: float,
    statuses: tuple[str, ...],
    lifecycle_name: str,
    prefix: str | None,
    schema: str | None,
    folder: Path | None,
) -> int:
    """
    Delete what ended more than DAYS ago from the store at URL, with its journal.

    A thousand objects go in one transaction. With --archive, the lines of the journal that a
    transaction deletes are on disk, as one file of Parquet, before it is committed. If the
    command is killed in between, they are in both places; the next one deletes them, and writes
    them once more. runstate check reads the folder, and counts a move that is there twice as one.

    A consumer of the feed that has not passed what is deleted has to begin again.

    \b
    Examples:
      runstate prune sqlite:///runs.db --older-than 30
      runstate prune postgresql://localhost/app --older-than 90 --archive journal
      runstate check journal --lifecycle run
    """
    if not (math.isfinite(days) and 0 <= days < _MOST_DAYS):
        raise BadInput(f"--older-than expects days, from 0 to {_MOST_DAYS:,}; got {days:g}")
    lifecycle = lifecycle_named(lifecycle_name)
    archive = None if folder is None else _Archive(folder)
    count = 0
    with opened(url, lifecycle, prefix=prefix, schema=schema) as store:
        _refuse_beside_a_table(store)
        if archive is not None:
            archive.prepare()
        while gone := store.prune(
            days * _DAY,
            status=statuses or None,
            limit=_BATCH,
            archive=None if archive is None else archive.file(),
        ):
            count += gone
    objects = f"{count:,} object{'' if count == 1 else 's'}"
    kept = "" if archive is None else f"; {archive.told()}"
    where = printable(shown_url(url), 500)
    click.echo(f"deleted {objects} of {printable(lifecycle.name)} from {where}{kept}")

    return 0


def _refuse_beside_a_table(store: Any) -> None:
    from ..store._inspection import is_beside_a_table  # noqa: PLC0415  needs an extra

    if is_beside_a_table(store):
        raise BadInput(
            "this store is beside a table of the application's own, which only the application "
            "knows: call prune() of its Store(..., table=...)"
        )


class _Archive:
    """
    A folder of files, one for each transaction that deleted something.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[Path, int] = {}

    def prepare(self) -> None:
        """
        Make the folder, if it is not there.

        Raises:
            OSError: It cannot be made.
            FrameError: The library that writes Parquet is not installed.
        """
        from ..frames._journal import check_writable  # noqa: PLC0415  needs an extra

        check_writable()
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True)
            sync_folder(self._folder.parent)

    def file(self) -> Callable[[tuple[Any, ...]], None]:
        """
        Return what writes the lines that one transaction deletes to a new file.

        If the database breaks the transaction off and it is begun again, the file is replaced.
        """
        from ..frames._journal import write_journal  # noqa: PLC0415  needs an extra

        now = datetime.now(UTC)
        out = self._folder / f"journal-{now:%Y%m%dT%H%M%SZ}-{uuid4().hex}.parquet"

        def write(entries: tuple[Any, ...]) -> None:
            with writing(out) as stream:
                write_journal(stream, entries)
            sync_folder(self._folder)
            self._lines[out] = len(entries)

        return write

    def told(self) -> str:
        """
        Return how much was written.
        """
        files, lines = len(self._lines), sum(self._lines.values())

        return (
            f"{lines:,} line{'' if lines == 1 else 's'} of the journal in {files:,} "
            f"file{'' if files == 1 else 's'} in {printable(str(self._folder), 500)}"
        )
