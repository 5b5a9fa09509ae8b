"""
The check that a map passes before it exists.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from ..lifecycle._rows import EVIDENCE
from ..lifecycle._table import Lifecycle
from ._rows import Becomes, Excepted

__all__ = ["Map", "faults"]

OBSERVED: Final = ("complete", "polled")
LONGEST_NAME: Final = 210
"""Characters of a map's name: those of two lifecycles, and some between."""

Move = tuple[str | None, str]


class Map(Protocol):
    """
    What is asked of a map to check it.
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
        """Return whether the move becomes one of the other lifecycle, or a stay."""


def faults(map_: Map) -> Iterator[str]:
    """
    Yield a sentence for each way in which *map_* is wrong or says too little.
    """
    if not (map_.name.isprintable() and 0 < len(map_.name) <= LONGEST_NAME):
        yield f"{map_.name!r} is not a name of 1 to {LONGEST_NAME} visible characters"
    if map_.observed not in OBSERVED:
        yield f"observed is {' or '.join(OBSERVED)}, not {map_.observed!r}"
    unsound = [*_faulty_rows(map_)]
    yield from unsound
    yield from _undeclared(map_)
    if not unsound:
        # What a move becomes can be asked only where every status becomes something.
        yield from _faulty_moves(map_)


def _faulty_rows(map_: Map) -> Iterator[str]:
    told = Counter(str(row.status) for row in map_.rows)
    for status in map_.source.statuses:
        if not told[str(status)]:
            yield f"status {str(status)!r} of {map_.source.name} becomes nothing that is said"
    for status, times in told.items():
        if status not in map_.source.known:
            yield f"status {status!r} is none of {map_.source.name}"
        if times > 1:
            yield f"status {status!r} is there {times} times"
    for row in map_.rows:
        if row.becomes is not None and row.becomes not in map_.target.known:
            yield f"{row}: {map_.target.name} has no such status"
        elif _ends(map_, row) and row.becomes is not None and not _is_end(map_, row):
            yield f"{row}: {row.status} is an end, and {row.becomes} is none"
        if row.evidence not in EVIDENCE:
            yield f"{row}: evidence {row.evidence!r} is none of {', '.join(EVIDENCE)}"


def _ends(map_: Map, row: Becomes) -> bool:
    return map_.source.is_terminal(row.status)


def _is_end(map_: Map, row: Becomes) -> bool:
    return row.becomes is not None and map_.target.is_terminal(row.becomes)


def _undeclared(map_: Map) -> Iterator[str]:
    """
    Yield what is lost without a word of it.
    """
    for row in map_.rows:
        if row.lost:
            continue
        if row.becomes is None:
            yield f"{row}: it is dropped, and does not say what is lost"
        elif _ends(map_, row) and _is_end(map_, row):
            was, now = map_.source.terminal[row.status], map_.target.terminal[row.becomes]
            if was != now:
                yield f"{row}: its outcome, {was}, becomes {now}, and it does not say what is lost"
    for becomes, silent in _silent(map_.rows).items():
        if len(silent) > 1:
            yield (
                f"{_listed(silent)} all become {becomes}: "
                "all of them but one have to say what is lost"
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
    told = Counter((each.source, str(each.target)) for each in map_.exceptions)
    for move, times in told.items():
        if times > 1:
            yield f"exception {_said(move)} is there {times} times"
    for each in map_.exceptions:
        if not each.why:
            yield f"exception {each}: it does not say why"
        if (each.source, each.target) not in map_.moves:
            yield f"exception {each}: {map_.source.name} has no such move"
        elif map_.tells(each.source, each.target):
            yield f"exception {each} is not needed: it becomes {_becomes(map_, each)}"
    for move in map_.moves:
        if move not in told and not map_.tells(*move):
            reach = "way" if map_.observed == "polled" else "move"
            yield f"{_said(move)} becomes {_becomes(map_, Excepted(*move, ''))}: {map_.target.name} has no such {reach}, and it is no exception"


def _said(move: Move) -> str:
    return str(Excepted(*move, ""))


def _becomes(map_: Map, move: Excepted) -> str:
    source = None if move.source is None else map_.statuses[move.source]

    return str(Excepted(source, str(map_.statuses[move.target]), ""))
