"""
Files, folders and patterns to the names of files.

A name is literal wherever something of that name exists: ``a[1].csv`` is that file, and
never the pattern that would fit ``a1.csv``.
"""

import re
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Final

from ..errors import RunstateError
from ._formats import PARQUET, format_of, suffix_of

__all__ = ["PathError", "expanded", "is_pattern", "lake_format", "refuse_lakes", "why_remote"]

_MAGIC: Final = "*?["
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class PathError(RunstateError, ValueError):
    """
    Raised when a path names nothing that can be read.
    """

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        """The path as it was given."""
        self.reason = reason
        """What is wrong with it, in one line."""
        super().__init__(place, reason)

    def _message(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


def expanded(path: str) -> list[str]:
    """
    Return the files that *path* names: itself, those in it if it is a folder, or those it fits.

    A folder stands for the files in it and below whose suffixes are known. Names that begin
    with a dot or an underscore are left out, as they are by Hive and Spark. A link that
    leads out of the folder is refused. A folder
    that is a table of Delta Lake stands for itself.

    Raises:
        PathError: There is no such file, or it belongs to a table whose log says which
            files count.
    """
    if not path:
        raise PathError("", "expected the name of a file, got an empty text")
    if Path(path).is_dir():
        return _inside(path)
    if not Path(path).is_file() and is_pattern(path):
        fitting = sorted(name for name in glob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207  patterns may be absolute
    else:
        fitting = [path] if Path(path).exists() else []
    if not fitting:
        raise PathError(path, why_remote(path) or "there is no such file")
    for name in fitting:
        _refuse_part(name)

    return fitting


def why_remote(path: str) -> str:
    """
    Return why *path* is not read if it is a URL; an empty text if it is not one.
    """
    if not _URL.match(path):
        return ""

    return (
        "is a URL, and files of this machine are read: pipe what it has into 'runstate check -', "
        "or name it to --engine spark if Spark reads such addresses"
    )


def is_pattern(path: str) -> bool:
    """
    Return whether *path* is a pattern rather than the name of something that exists.
    """
    return any(mark in path for mark in _MAGIC) and not Path(path).exists()


def _inside(folder: str) -> list[str]:
    if lake_format(folder) == "Delta Lake":
        return [folder]
    lake = _lake_around(Path(folder).absolute())
    if lake is not None:
        raise PathError(folder, _is_lake(*lake))
    inside = sorted(_known(Path(folder)))
    if not inside:
        raise PathError(folder, "the folder holds no file whose suffix names a format")
    for name in inside:
        _refuse_part(name)

    return inside


def _known(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if hidden or not (path.is_dir() or (format_of(path.name) and path.is_file())):
            continue
        _refuse_link(path, folder)
        if not path.is_dir():
            yield str(path)


def _refuse_link(path: Path, folder: Path) -> None:
    """
    Pass what is in *folder*: a link may lead to a file that the owner of the folder cannot read.
    """
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise PathError(
            str(path),
            "is a link out of the folder; remove it, or name the files by a pattern such as "
            f"'{folder / '*'}', which follows links",
        )


# -- tables whose log says which of their files count ------------------------------


def lake_format(folder: str) -> str | None:
    """
    Return the format of the table that *folder* is the root of; None if it is no such table.
    """
    root = Path(folder)
    try:
        root.lstat()
    except (OSError, ValueError):
        return None  # opening it gives the reason
    if (root / "_delta_log").is_dir():
        return "Delta Lake"
    if any((root / "metadata").glob("*.metadata.json")):
        return "Iceberg"

    return "Hudi" if (root / ".hoodie").is_dir() else None


def refuse_lakes(path: str) -> None:
    """
    Pass a file, folder or pattern that is no such table, holds none and is part of none.

    Raises:
        PathError: It is, or does.
    """
    found = [path] if Path(path).exists() else glob(path, recursive=True)  # noqa: PTH207
    for name in map(Path, found):
        roots = [name.absolute(), *(p for p in name.rglob("*") if p.is_dir())]
        for folder in roots if name.is_dir() else [name.absolute().parent]:
            lake = _lake_around(folder)
            if lake is not None:
                raise PathError(path, _is_lake(*lake))


def _lake_around(folder: Path) -> tuple[Path, str] | None:
    """
    Return the root and the format of the table that *folder* is in; None if it is in none.
    """
    found = lake_format(str(folder))
    if found is not None:
        return folder, found

    return _lake_around(folder.parent) if folder != folder.parent else None


def _refuse_part(name: str) -> None:
    """
    Pass a file that is not part of a table with a log.

    Such a folder keeps files of rows that were overwritten, until somebody cleans up.
    """
    if suffix_of(name) not in PARQUET:
        return
    lake = _lake_around(Path(name).absolute().parent)
    if lake is not None:
        raise PathError(name, _is_lake(*lake))


def _is_lake(root: Path, kind: str) -> str:
    return (
        f"belongs to the {kind} table {root}, whose log says which files count; {_REMEDIES[kind]}"
    )


_REMEDIES: Final = {
    "Delta Lake": "--engine duckdb reads the table by its folder; or give its rows to check_frame",
    "Iceberg": "give its rows to check_frame, for example table.scan().to_arrow()",
    "Hudi": "give its rows to check_frame",
}
