"""
The order in which the observations of one object are judged.

An observation that has a number (``seq``) comes where its number says, else where its time says,
else where it stands in the input. The input's order never overrides time. Observations of one
object at one time are one set: coarse times leave their order open, so the set is legal if the
rows can be put into an order that is legal after what precedes and before what follows.

Every engine that judges the rows of an object calls :func:`placed`, so that all of them judge
the same rows in the same order.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from math import inf, isnan
from typing import Final, NamedTuple

from ..lifecycle._rows import CREATE
from ..lifecycle._table import Lifecycle
from ._records import Observation, ObservationModel

__all__ = ["Placed", "first_backwards", "in_order", "placed"]

_MOST_STATES: Final = 20_000
"""Steps of the search for an order of one set. Sets of real logs take fewer than a hundred."""


class Placed(NamedTuple):
    """
    One observation in the place where it is judged.
    """

    row: Observation
    follows: bool = True
    """
    Whether its transition is judged. False for the rows of a set that has no legal order, whose
    one finding is about the set, and for a from/to record that repeats another one of its set.
    """
    no_order: tuple[Observation, ...] = ()
    """On the first row of a set that has no legal order: the set, in the order of the input."""
    ends_lifecycle: bool = False
    """Whether such a set leaves a terminal status in every order (RS105)."""


class _Move(NamedTuple):
    """
    What a row says, as far as order is concerned.
    """

    source: str | None
    status: str
    born: bool
    attempt: int | None = None


_Path = tuple[int, ...]
"""Places in a list of moves, in the order in which they are made."""


def in_order(observations: Sequence[Observation]) -> list[Observation]:
    """
    Return the observations of one object by number, else by time, else as they stand.

    At one time, those of an earlier attempt come first. An observation without a time stays behind the one that it follows in the input. Observations
    at one time keep the order of the input.

    Args:
        observations: All of one object, in the order of the input.
    """
    times: list[tuple[float, int]] = []
    at, attempt = -inf, 0
    for row in observations:
        known = _time(row)
        at = at if known is None else known
        attempt = attempt if row.attempt is None else row.attempt
        times.append((at, attempt))
    order = sorted(range(len(times)), key=times.__getitem__)
    numbered = iter(
        sorted((row for row in observations if row.seq is not None), key=lambda row: row.seq or 0)
    )

    # Numbered rows keep to the places that their times give them, and share these by number.
    return [
        next(numbered) if observations[place].seq is not None else observations[place]
        for place in order
    ]


def first_backwards(observations: Sequence[Observation]) -> tuple[Observation, float] | None:
    """
    Return the first row that stands behind a later one, and by how many seconds; None if none does.

    Args:
        observations: All of one object, in the order of the input. Numbered rows are passed over.
    """
    before: float | None = None
    for row in observations:
        at = _time(row)
        if at is None or row.seq is not None:
            continue
        if before is not None and at < before:
            return row, before - at
        before = at

    return None


def placed(
    observations: Sequence[Observation], lifecycle: Lifecycle, observed: ObservationModel
) -> list[Placed]:
    """
    Return the observations of one object in the order in which they are judged.

    Under the model ``unordered`` that is the order of the input. If the order of time, with
    observations at one time as the input has them, is legal throughout, that order is taken.
    Otherwise an order of each set is looked for: From/to records are chained, and each status
    that a set holds is passed through at least once and at most as often as it is there.

    Args:
        observations: All of one object, in the order of the input.
        lifecycle: The table to judge them by.
        observed: What was seen of the object; see :func:`runstate.check`.
    """
    if observed == "unordered":
        return [Placed(row) for row in observations]
    rows = in_order(observations)
    sets = [[*group] for _, group in groupby(enumerate(rows), key=_set_key)]
    if len(sets) == len(rows):
        return [Placed(row) for row in rows]

    found = _searched(rows, sets, _Rules(lifecycle, observed))
    # A row that reopens is taken where no order does without it.
    if lifecycle.reopenings and any(each.no_order for each in found):
        return _searched(rows, sets, _Rules(lifecycle, observed, reopens=True))

    return found


def _searched(
    rows: Sequence[Observation], sets: Sequence[Sequence[tuple[int, Observation]]], rules: "_Rules"
) -> list[Placed]:
    if rules.all_legal(rows):
        return [Placed(row) for row in rows]
    search = _Search(rules)
    for members in sets:
        search.add([row for _, row in members])

    return search.finish()


def _time(row: Observation) -> float | None:
    # NaN is not a time, and sorts nowhere.
    return None if row.at is None or isnan(row.at) else row.at


def _set_key(numbered: tuple[int, Observation]) -> tuple[float, int, int]:
    place, row = numbered
    at = _time(row)

    # A place of its own for what has a number or no time: its order is known.
    return (-inf, place, 0) if at is None or row.seq is not None else (at, -1, row.attempt or 0)


class _Rules:
    """
    Which observation may follow which, as :class:`Monitor` judges it.
    """

    def __init__(
        self, lifecycle: Lifecycle, observed: ObservationModel, *, reopens: bool = False
    ) -> None:
        self.lifecycle = lifecycle
        self.complete = observed == "complete"
        legal = lifecycle.seen_next if self.complete else lifecycle.seen_later
        self._next = legal
        again = lifecycle.seen_reopened if reopens else frozenset[tuple[str, str]]()
        self._again = frozenset(
            (before, after)
            for before, after in again
            if lifecycle.is_terminal(before)
            and not (self.complete and lifecycle.is_terminal(after))
        )

    def move(self, row: Observation) -> _Move | None:
        """
        Return the move that *row* is; None if the lifecycle does not know its statuses.
        """
        known = self.lifecycle.known
        status: object = row.status
        if not isinstance(status, str) or status not in known:
            return None
        if row.source is not None and row.source not in known:
            return None

        born = row.source is None and row.trigger == CREATE

        return _Move(row.source, status, born, row.attempt)

    def begins(self, move: _Move) -> bool:
        """
        Return whether an object may begin with *move*.
        """
        return not self.complete or (move.source or move.status) in self.lifecycle.initial_statuses

    def follows(self, before: str, move: _Move, attempt: int | None = None) -> bool:
        """
        Return whether *move* may come after an observation of the status *before*.

        Args:
            before: The status.
            move: The move.
            attempt: The attempt that *before* was seen in, if that is known.
        """
        if move.born:
            return False
        if (before, move.source or move.status) in self._again:
            return None in (attempt, move.attempt) or attempt != move.attempt
        if move.source is None:
            return (before, move.status) in self._next
        if self.complete:
            return before == move.source

        return (before, move.source) in self._next

    def all_legal(self, rows: Sequence[Observation]) -> bool:
        """
        Return whether *rows* are legal in the order that they have.
        """
        before: _Move | None = None
        for row in rows:
            move = self.move(row)
            if move is None:
                continue
            if before is None:
                legal = self.begins(move)
            else:
                legal = self.follows(before.status, move, before.attempt)
            if not legal:
                return False
            before = move

        return True


class _Step(NamedTuple):
    """
    One set, or one observation alone, and how it may be passed through.
    """

    rows: list[Observation]
    moves: tuple[_Move, ...]
    """Different ones, in the order of the input."""
    ends: dict[str, tuple[str | None, _Path]]
    """The statuses that it may end in, each with the status before it and an order of the moves."""
    possible: bool = True


class _Search:
    """
    Looks for a legal order of several sets, one after another.
    """

    def __init__(self, rules: _Rules) -> None:
        self._rules = rules
        self._steps: list[_Step] = []
        self._begun = False
        self._placed: list[Placed] = []

    def add(self, rows: list[Observation]) -> None:
        """
        Take the next set in.
        """
        rules = self._rules
        known = [(row, move) for row in rows if (move := rules.move(row)) is not None]
        moves = tuple(dict.fromkeys(move for _, move in known))
        if not moves:
            self._steps.append(_Step(rows, (), self._unmoved()))
            return
        counts = tuple(sum(move == each for _, move in known) for each in moves)
        paths = _paths(rules, moves, counts)
        before = [*self._steps[-1].ends] if self._steps and self._begun else [None]
        ends = self._after(before, moves, paths)
        if ends:
            self._steps.append(_Step(rows, moves, ends))
        else:
            self._restart(rows, moves, paths, before)
        self._begun = True

    def _unmoved(self) -> dict[str, tuple[str | None, _Path]]:
        return {end: (end, ()) for end in self._steps[-1].ends} if self._steps else {}

    def _after(
        self, before: Sequence[str | None], moves: tuple[_Move, ...], paths: Sequence[_Path]
    ) -> dict[str, tuple[str | None, _Path]]:
        """
        Return the ends of those *paths* that may follow one of the statuses *before*.
        """
        rules = self._rules
        ends: dict[str, tuple[str | None, _Path]] = {}
        for status in before:
            for path in paths:
                first, last = moves[path[0]], moves[path[-1]].status
                if last not in ends and (
                    rules.begins(first) if status is None else rules.follows(status, first)
                ):
                    ends[last] = (status, path)

        return ends

    def _restart(
        self,
        rows: list[Observation],
        moves: tuple[_Move, ...],
        paths: Sequence[_Path],
        before: Sequence[str | None],
    ) -> None:
        """
        Go on behind a set that may not follow what precedes it.

        A beginning in the wrong status and an observation alone have findings of their own.
        """
        status = before[0]
        alone = len(moves) == 1
        possible = bool(paths) and (alone or status is None)
        ends: dict[str, tuple[str | None, _Path]] = {}
        # After such a set, anything it holds may have been the last: one fault, one finding.
        for path in paths or [_ending(len(moves), last) for last in reversed(range(len(moves)))]:
            ends.setdefault(moves[path[-1]].status, (status, path))
        self._steps.append(_Step(rows, moves, ends, possible))

    def finish(self) -> list[Placed]:
        """
        Return the rows of every set in the order that was found.
        """
        chosen: list[_Path] = []
        end: str | None = None
        befores: list[str | None] = []
        for step in reversed(self._steps):
            if not step.ends:
                chosen.append(())
                befores.append(None)
                continue
            end = end if end in step.ends else next(iter(step.ends))
            before, path = step.ends[end]
            chosen.append(path)
            befores.append(before)
            end = before
        placed: list[Placed] = []
        for step, path, before in zip(
            self._steps, reversed(chosen), reversed(befores), strict=True
        ):
            placed += self._arranged(step, path, before)

        return placed

    def _arranged(self, step: _Step, path: _Path, before: str | None) -> Iterator[Placed]:
        rules = self._rules
        by_move: dict[_Move | None, list[Observation]] = {}
        for row in step.rows:
            by_move.setdefault(rules.move(row), []).append(row)
        unknown = by_move.pop(None, [])
        if not step.possible:
            known = [row for row in step.rows if rules.move(row) is not None]
            ends = self._ends_lifecycle(step, before)
            yield Placed(known[0], follows=False, no_order=tuple(known), ends_lifecycle=ends)
            yield from (Placed(row, follows=False) for row in known[1:])
        else:
            for place, index in enumerate(path):
                rows = by_move[step.moves[index]]
                # Whoever is passed through again leaves a row for that.
                last = index not in path[place + 1 :]
                yield Placed(rows[0])
                rest = rows[1:] if last else []
                yield from (Placed(row, row.source is None) for row in rest)
                by_move[step.moves[index]] = [] if last else rows[1:]
        yield from map(Placed, unknown)

    def _ends_lifecycle(self, step: _Step, before: str | None) -> bool:
        terminal = self._rules.lifecycle.is_terminal
        ended = {move.status for move in step.moves if terminal(move.status)}

        return len(ended) > 1 or (before is not None and terminal(before))


def _ending(count: int, last: int) -> _Path:
    return (*(place for place in range(count) if place != last), last)


def _paths(rules: _Rules, moves: tuple[_Move, ...], counts: tuple[int, ...]) -> Sequence[_Path]:
    """
    Return a way through all *moves* for each pair of a first and a last one that has any.

    Each move is made at least once, and at most as often as *counts* says. The order of the
    moves themselves comes first among the ways that are found.
    """
    if len(moves) == 1:
        return ((0,),)
    after = tuple(
        tuple(
            place
            for place, move in enumerate(moves)
            if rules.follows(each.status, move, each.attempt)
        )
        for each in moves
    )
    # Under "polled" whatever can be reached twice can be reached in one go: nothing is repeated.
    return _walks(after, counts if rules.complete else (1,) * len(moves))


@lru_cache(1_024)  # coarse times make the same few sets again and again
def _walks(after: tuple[_Path, ...], counts: tuple[int, ...]) -> Sequence[_Path]:
    found: dict[tuple[int, int], _Path] = {}
    left = _MOST_STATES
    for first in range(len(after)):
        seen: set[tuple[_Path, int]] = set()
        stack: list[tuple[_Path, _Path]] = [(_taken(counts, first), (first,))]
        while stack and left:
            left -= 1
            remaining, path = stack.pop()
            last = path[-1]
            if (remaining, last) in seen:
                continue
            seen.add((remaining, last))
            if all(now < then for now, then in zip(remaining, counts, strict=True)):
                found.setdefault((first, last), path)
            options = [place for place in after[last] if remaining[place]]
            # Those never passed through yet are tried first, in the order of the input.
            options.sort(key=lambda place: (remaining[place] < counts[place], place))
            stack += [(_taken(remaining, place), (*path, place)) for place in reversed(options)]

    return tuple(sorted(found.values()))


def _taken(counts: _Path, place: int) -> _Path:
    return (*counts[:place], counts[place] - 1, *counts[place + 1 :])
