"""
Some runs of many, with what was seen of them: those with findings, and a fair sample.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from ._records import NOTHING, Observation

__all__ = ["Samples", "Timelines", "keep"]

ROOM: Final = 200_000
"""Observations kept at any one time, of all runs together."""
RECENT: Final = 100_000
"""Observations kept beside them of runs that began lately, in case something is wrong with them."""
LONGEST: Final = 500
"""Observations kept of one run: the first ones. A status that goes on takes two."""


class Samples:
    """
    Keeps what was seen of some runs, in a bounded amount of memory.

    While there is room, of every run. Then those runs go whose ids have the largest hashes,
    but none with a finding. So what is left is the same for the same log, and is whole. What
    began lately is kept for a while, as most findings come soon after a run began, and what has
    not ended as long as there is room, as operators ask for what is stuck.
    """

    def __init__(
        self,
        most: int,
        asked_for: Iterable[str] = (),
        is_over: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """
        Keep *most* runs in the end, half of them for their findings, and those *asked_for*.

        Args:
            most: How many runs.
            asked_for: Ids of runs that are kept beside them.
            is_over: Returns whether a status ends a run.
        """
        self._is_over = is_over
        self._open: dict[str | None, list[Observation]] = {}
        self._open_size = 0
        self._most = most
        self._asked_for = frozenset(asked_for)
        self._kept: dict[str | None, list[Observation]] = {}
        self._wrong: dict[str | None, None] = {}
        self._recent: dict[str | None, list[Observation]] = {}
        self._size = self._recent_size = 0
        self._bound: int | None = None
        """Runs whose hash is not below this are let go; None while there is room for all."""

    def take(self, observation: Observation, *, begins: bool) -> None:
        """
        Take one more in, the next of its run; *begins* says whether it is the first.
        """
        run = observation.run_id
        if begins:
            fits = self._bound is None or run in self._asked_for or _hash(run) < self._bound
            (self._kept if fits else self._recent)[run] = []
        kept = self._kept.get(run)
        if kept is not None:
            before = len(kept)
            keep(kept, observation)
            self._size += len(kept) - before
            if self._size > ROOM:
                self._make_room()
        elif run in self._recent:
            recent = self._recent[run]
            before = len(recent)
            keep(recent, observation)
            self._recent_size += len(recent) - before
            while self._recent_size > RECENT:
                oldest = next(iter(self._recent))
                rows = self._recent.pop(oldest)
                self._recent_size -= len(rows)
                self._let_go(oldest, rows)
        elif run in self._open:
            self._follow_open(run, observation)

    def _let_go(self, run: str | None, rows: list[Observation]) -> None:
        """
        Forget *run*, unless it has not ended and there is room.
        """
        if rows and not self._is_over(rows[-1].status) and self._open_size < RECENT:
            self._open[run] = rows
            self._open_size += len(rows)

    def _follow_open(self, run: str | None, observation: Observation) -> None:
        rows = self._open[run]
        self._open_size -= len(rows)
        keep(rows, observation)
        if self._is_over(observation.status) or self._open_size + len(rows) > RECENT:
            del self._open[run]
        else:
            self._open_size += len(rows)

    def mark(self, run_id: str | None) -> None:
        """
        Keep the run *run_id*, with which something is wrong.
        """
        if len(self._wrong) >= self._most // 2:
            return
        self._wrong[run_id] = None
        recent = self._recent.pop(run_id, None)
        if recent is not None:
            self._recent_size -= len(recent)
        else:
            recent = self._open.pop(run_id, None)
            self._open_size -= len(recent or ())
        if recent is not None:
            self._kept[run_id] = recent
            self._size += len(recent)

    def _make_room(self) -> None:
        """
        Let runs go until half of the room is free; those that began lately stay for a while.
        """
        lately = {*islice(reversed(self._kept), RECENT // 10)}
        others = sorted(
            (
                (_hash(run), run)
                for run in self._kept
                if run not in self._wrong and run not in self._asked_for
            ),
            key=_first,
        )
        while self._size > ROOM // 2 and others:
            self._bound, run = others.pop()
            rows = self._kept.pop(run)
            self._size -= len(rows)
            if run in lately:
                self._recent[run] = rows
                self._recent_size += len(rows)
            else:
                self._let_go(run, rows)

    @property
    def missed(self) -> frozenset[str | None]:
        """Runs with a finding that were let go before it was found."""
        return frozenset(run for run in self._wrong if run not in self._kept)

    def timelines(
        self,
        found: Mapping[str | None, Iterable[Observation]] = {},
        waiting: Iterable[str | None] = (),
    ) -> dict[str | None, tuple[Observation, ...]]:
        """
        Return what was seen of the runs with findings, then of the *waiting*, then of others.

        *found* holds those of the :attr:`missed` ones that were read once more. Of the runs that
        have not ended only the *waiting* are returned for that reason.
        """
        wrong = [run for run in self._wrong if run in self._kept or run in found]
        fair = sorted(
            ((_hash(run), run) for run in self._kept if run not in self._wrong), key=_first
        )
        asked_for = [run for run in self._kept if run in self._asked_for]
        stuck = [run for run in waiting if run in self._kept or run in self._open]
        others = dict.fromkeys([*wrong, *stuck, *(run for _, run in fair)])
        known = {**self._open, **self._kept}

        return {
            run: tuple(known[run] if run in known else found[run])
            for run in dict.fromkeys([*asked_for, *islice(others, self._most)])
        }


_Timeline = tuple[Any, str | None, tuple[Observation, ...]]
"""What runs are chosen by, the id of one, and its rows."""


@dataclass
class Timelines:
    """
    The rows of some whole runs; what was kept of other runs can be merged in.

    Keeps the runs with the smallest hashes, as :class:`Samples` does, and half as many of those
    whose findings have the smallest places.
    """

    most: int = 0
    """How many runs are chosen in the end."""
    wrong: list[_Timeline] = field(default_factory=list)
    """Runs with findings, by the place of the first."""
    fair: list[_Timeline] = field(default_factory=list)
    """Any runs, by the hash of the id."""

    def __getstate__(self) -> tuple[int, list[_Timeline], list[_Timeline]]:
        # The view of no fields, which all rows share, cannot be pickled.
        return self.most, _with_fields(self.wrong, {}), _with_fields(self.fair, {})

    def __setstate__(self, state: tuple[int, list[_Timeline], list[_Timeline]]) -> None:
        self.most, wrong, fair = state
        self.wrong, self.fair = _with_fields(wrong, NOTHING), _with_fields(fair, NOTHING)

    def takes(self, run_id: str | None, place: Any = None) -> bool:
        """
        Return whether the run *run_id*, whose first finding has this *place*, would be kept.
        """
        if not self.most:
            return False
        wrong = place is not None and _has_room(self.wrong, self.most // 2, place)

        return wrong or _has_room(self.fair, self.most, _key(run_id))

    def take(self, run_id: str | None, rows: Iterable[Observation], place: Any = None) -> None:
        """
        Keep *rows*, all of the run *run_id*, if it is one of those to be kept.
        """
        if not self.takes(run_id, place):
            return
        kept: list[Observation] = []
        for row in rows:
            keep(kept, row)
        if place is not None:
            _put(self.wrong, self.most // 2, (place, run_id, tuple(kept)))
        _put(self.fair, self.most, (_key(run_id), run_id, tuple(kept)))

    def merge(self, other: "Timelines") -> None:
        """
        Take in what was kept of other runs.
        """
        self.wrong = sorted([*self.wrong, *other.wrong], key=_first)[: self.most // 2]
        self.fair = sorted([*self.fair, *other.fair], key=_first)[: self.most]

    def chosen(self) -> dict[str | None, tuple[Observation, ...]]:
        """
        Return what was seen of the runs with findings, and then of as many others as may be.
        """
        runs = {run: rows for _, run, rows in (*self.wrong, *self.fair)}

        return dict(list(runs.items())[: self.most])


def _with_fields(kept: list[_Timeline], fields: Mapping[str, Any]) -> list[_Timeline]:
    return [
        (key, run_id, tuple(row._replace(fields=fields) for row in rows))
        for key, run_id, rows in kept
    ]


def _key(run_id: str | None) -> tuple[int, str]:
    return _hash(run_id), run_id or ""


def _has_room(kept: list[_Timeline], most: int, key: Any) -> bool:
    return len(kept) < most or bool(kept and key < kept[-1][0])


def _put(kept: list[_Timeline], most: int, timeline: _Timeline) -> None:
    insort(kept, timeline, key=_first)
    del kept[most:]


def keep(kept: list[Observation], observation: Observation) -> None:
    """
    Put *observation* at the end of its run's, unless there are too many.
    """
    if _goes_on(kept, observation):
        kept[-1] = _without_fields(observation)
    elif len(kept) < LONGEST:
        kept.append(_without_fields(observation))


def _without_fields(observation: Observation) -> Observation:
    # Not _replace, which takes three times as long: this is called for every row of a log.
    return _new_observation(Observation, (*observation[:3], NOTHING, *observation[4:]))


_first = itemgetter(0)
_new_observation = tuple.__new__


def _hash(run_id: str | None) -> int:
    name = b"" if run_id is None else run_id.encode("utf-8", "surrogatepass")

    return int.from_bytes(blake2b(name, digest_size=8).digest())


def _goes_on(kept: list[Observation], observation: Observation) -> bool:
    """
    Return whether *observation* only says once more that a status goes on.
    """
    return (
        len(kept) > 1
        and observation.source is None
        and kept[-1].source is None
        and kept[-1].status == kept[-2].status == observation.status
    )
