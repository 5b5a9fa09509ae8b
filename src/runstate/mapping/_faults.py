"""
The check of a map when it is made.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from ..lifecycle._rows import EVIDENCE
from ..lifecycle._table import Lifecycle
from ._map_rows import Becomes, Excepted

__all__ = ["Map", "faults"]

OBSERVED: Final = ("complete", "polled")
LONGEST_NAME: Final = 210
"""The longest name of a map, in characters: two names of lifecycles and a word between."""

Move = tuple[str | None, str]


class Map(Protocol):
    """
    What the check reads of a map.
    """

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> Lifecycle: ...
    @property
    def target(self) -> Lifecycle: ...
    @property
    def rows(self) -> tuple[Becomes, ...]: ...
    @property
    def exceptions(self) -> tuple[Excepted, ...]: ...
    @property
    def observed(self) -> str: ...
    @property
    def statuses(self) -> Mapping[str, str | None]: ...
    @property
    def moves(self) -> tuple[Move, ...]: ...

    def tells(self, source: str | None, target: str) -> bool:
        """Return whether the move becomes a legal move or a repeated status."""


def faults(map_: Map) -> Iterator[str]:
    """
    Yield one sentence for each fault of *map_*.
    """
    if not (map_.name.isprintable() and 0 < len(map_.name) <= LONGEST_NAME):
        yield f"name must have 1 to {LONGEST_NAME} printable characters, got {map_.name!r}"
    if map_.observed not in OBSERVED:
        yield f"observed must be {' or '.join(OBSERVED)}, got {map_.observed!r}"
    unsound = [*_faulty_rows(map_)]
    yield from unsound
    yield from _undeclared(map_)
    if not unsound:
        # Moves can be mapped only if every status has a sound row.
        yield from _faulty_moves(map_)


def _faulty_rows(map_: Map) -> Iterator[str]:
    rows = Counter(str(row.status) for row in map_.rows)
    for status in map_.source.statuses:
        if not rows[str(status)]:
            yield f"status {str(status)!r} of {map_.source.name} has no row"
    for status, times in rows.items():
        if status not in map_.source.known:
            yield f"unknown status {status!r}: {map_.source.name} does not have it"
        if times > 1:
            yield f"status {status!r} has {times} rows"
    for row in map_.rows:
        if row.becomes is not None and row.becomes not in map_.target.known:
            yield f"{row}: {map_.target.name} has no such status"
        elif _ends(map_, row) and row.becomes is not None and not _is_end(map_, row):
            yield f"{row}: {row.status} is terminal, {row.becomes} is not"
        if row.evidence not in EVIDENCE:
            yield f"{row}: evidence must be one of {', '.join(EVIDENCE)}, got {row.evidence!r}"


def _ends(map_: Map, row: Becomes) -> bool:
    return map_.source.is_terminal(row.status)


def _is_end(map_: Map, row: Becomes) -> bool:
    return row.becomes is not None and map_.target.is_terminal(row.becomes)


def _undeclared(map_: Map) -> Iterator[str]:
    """
    Yield the losses that are not declared.
    """
    for row in map_.rows:
        if row.lost:
            continue
        if row.becomes is None:
            yield f"{row}: lost must say what a dropped status loses"
        elif _ends(map_, row) and _is_end(map_, row):
            was, now = map_.source.terminal[row.status], map_.target.terminal[row.becomes]
            if was != now:
                yield f"{row}: the outcome {was} becomes {now}; lost must say what that loses"
    for becomes, silent in _silent(map_.rows).items():
        if len(silent) > 1:
            yield (
                f"{_listed(silent)} all become {becomes}: "
                "lost must say what is lost, for all of them but one"
            )


def _silent(rows: Iterable[Becomes]) -> dict[str, list[str]]:
    silent: dict[str, list[str]] = {}
    for row in rows:
        if row.becomes is not None and not row.lost:
            silent.setdefault(str(row.becomes), []).append(str(row.status))

    return silent


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _faulty_moves(map_: Map) -> Iterator[str]:
    excepted = Counter((each.source, str(each.target)) for each in map_.exceptions)
    for move, times in excepted.items():
        if times > 1:
            yield f"exception {_text(move)} stands {times} times"
    for each in map_.exceptions:
        if not each.why:
            yield f"exception {each}: why must give the reason"
        if (each.source, each.target) not in map_.moves:
            yield f"exception {each}: {map_.source.name} has no such move"
        elif map_.tells(each.source, each.target):
            yield f"exception {each} is not needed: it becomes {_becomes(map_, each)}"
    for move in map_.moves:
        if move not in excepted and not map_.tells(*move):
            kind = "path" if map_.observed == "polled" else "move"
            becomes = _becomes(map_, Excepted(*move, ""))
            yield (
                f"{_text(move)} becomes {becomes}: {map_.target.name} has no such {kind}, "
                "and the map has no exception for it"
            )


def _text(move: Move) -> str:
    return str(Excepted(*move, ""))


def _becomes(map_: Map, move: Excepted) -> str:
    source = None if move.source is None else map_.statuses[move.source]

    return str(Excepted(source, str(map_.statuses[move.target]), ""))
