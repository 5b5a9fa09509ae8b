"""
A draft of a lifecycle, from the histories of objects whose lifecycle nobody wrote down.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ..histories._order import in_order
from ..histories._records import Observation
from ..lifecycle._rows import Outcome, Transition
from ..lifecycle._table import Lifecycle
from ..lifecycle._validation import MOST_STATUSES
from ..readers import Columns
from ..readers._record import NO_TIMES
from ._shared import BadInput

__all__ = ["Draft", "drafted"]

_RARE: Final = 20
"""A move is rare if it is made in less than one of so many times that its source is left or kept."""

_END: Final = 4
"""A status is an end if more than all but one of so many visits of it are the last of a history."""
_MEANINGS: Final[dict[str, Outcome]] = {
    "fail": "failure", "reject": "failure", "den": "failure", "err": "error", "crash": "error",
    "cancel": "cancelled", "abort": "cancelled", "revoked": "cancelled", "terminated": "cancelled",
    "time": "timeout", "expire": "timeout", "incomplete": "incomplete",
}  # fmt: skip
"""What an end means by a part of its name; all else is taken for success."""
_ENDED: Final = re.compile(
    r"(?<![a-z])(success|succeed|succeeded|complete|completed|done|finished|closed|fail|failed|failure|error|"
    r"errored|crashed|cancell?ed|aborted|terminated|expired|timed.?out|skipped|discarded|rejected)(?![a-z])"
)
"""Names of ends in many systems. A status so called that is left may be left by a fault."""

_Move = tuple[str, str]


class Draft(NamedTuple):
    """
    Counts of what was observed, from which a draft lifecycle is made.
    """

    runs: int
    begins: Counter[str]
    """How many runs begin in each status."""
    moves: Counter[_Move]
    """How often each status followed another, in the order in which they were seen first."""
    ends: Counter[str]
    """How many runs were last seen in each status."""
    triggers: dict[_Move, str]
    """What moves are called."""
    rare: frozenset[_Move]
    """The moves that are left out, for a person to judge."""
    initial: tuple[str, ...]
    """The statuses that runs begin in, the most frequent first, without those that are left out."""

    @property
    def kept(self) -> list[_Move]:
        """The moves that are kept."""
        return [move for move in self.moves if move not in self.rare]

    @property
    def terminal(self) -> list[str]:
        """The statuses that no move leads out of."""
        left = {source for source, _ in self.kept}
        reached = dict.fromkeys((*self.initial, *(target for _, target in self.kept)))

        return [status for status in reached if status not in left]

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """What each end may mean, guessed from its name."""
        return {status: _outcome(status) for status in self.terminal}

    def lifecycle(self, name: str) -> Lifecycle:
        """
        Return the lifecycle of what is kept.

        Raises:
            LifecycleError: It is not one.
        """
        rows = [
            Transition(self.triggers[source, target], source, target, "observed")
            for source, target in self.kept
        ]

        return Lifecycle(name, tuple(rows), self.initial, self.outcomes)

    def text(self, name: str, columns: Columns) -> Iterator[str]:
        """
        Yield the lines of its definition in TOML.

        Args:
            name: Of the lifecycle.
            columns: What the caller named; they become the shape of a record.
        """
        yield f"# A draft from {_histories(self.runs)}: judge each row, and what each end means."
        yield f"name = {_quoted(name)}"
        kept = {status: self.begins[status] for status in self.initial}
        yield "initial = [" + ", ".join(map(_quoted, kept)) + "]  # " + _counts(Counter(kept))
        odd = Counter({status: n for status, n in self.begins.items() if status not in kept})
        if odd:
            yield f"# Rare beginnings, which this draft leaves out (is the log cut off?): {_counts(odd)}"
        ends = [f"{_quoted(status)} = {_quoted(means)}" for status, means in self.outcomes.items()]
        yield "terminal = { " + ", ".join(ends) + " }  # guessed from the names"
        for status in self.terminal:
            yield f"# {_comment(status)}: the last status of {_histories(self.ends[status])}"
        for status, count in self.ends.items():
            if status not in self.terminal:
                yield f"# {_comment(status)}: {_histories(count)} ended here, and others went on"
        yield "transitions = ["
        for move in self.kept:
            doubt = "; is it an end? see RS109" if _ENDED.search(move[0].lower()) else ""
            yield f"  {self._row(move)},  # {_times(self.moves[move])}{doubt}"
        yield "]"
        if self.rare:
            yield ""
            yield "# Rare moves, which this draft leaves out: a fault, a reopening (reopens = true, see"
            yield "# runstate check --explain RS109), or a move that belongs above?"
            for move in sorted(self.rare, key=lambda each: -self.moves[each]):
                yield f"# {self._row(move)},  # {_times(self.moves[move])}"
        yield from _shape(columns)

    def _row(self, move: _Move) -> str:
        source, target = move
        trigger = self.triggers[move]
        facts = {"trigger": trigger, "source": source, "target": target, "evidence": "observed"}

        return "{ " + ", ".join(f"{key} = {_quoted(text)}" for key, text in facts.items()) + " }"


def drafted(observations: Iterable[Observation]) -> Draft:
    """
    Return what *observations* are of, in which rare moves are set apart.

    A move is rare if its source is left by it in less than one of twenty times, those included
    in which a history ends there; and if more than three of four of these are ends. A rare one is
    kept if a status is not reached without it, unless its source is an end. So is a rare beginning:
    one of less than one of twenty histories.

    Args:
        observations: Of many runs, in the order of the input; their statuses are held.

    Raises:
        BadInput: There are too many statuses for any lifecycle, or no two of them.
    """
    histories: dict[str | None, list[Observation]] = {}
    statuses: set[str] = set()
    for each in observations:
        statuses.add(each.status)
        if len(statuses) > MOST_STATUSES:
            raise BadInput(
                f"more than {MOST_STATUSES} different statuses: is that the column of the status? "
                "--status names another"
            )
        histories.setdefault(each.run_id, []).append(each._replace(fields={}, file=None))
    begins, moves, ends = Counter[str](), Counter[_Move](), Counter[str]()
    named: dict[_Move, Counter[str]] = {}
    for rows in histories.values():
        ordered = in_order(rows)
        begins[ordered[0].source or ordered[0].status] += 1
        ends[ordered[-1].status] += 1
        for move, trigger in _moves(ordered):
            moves[move] += 1
            if trigger:
                named.setdefault(move, Counter())[trigger] += 1
    if not moves:
        raise BadInput(
            "no run was seen in two statuses: name the column of the run's id with --run-id"
        )

    initial = _initial(begins, moves)
    rare = _rare(initial, moves, ends)

    return Draft(len(histories), begins, moves, ends, _triggers(moves, named), rare, initial)


def _moves(ordered: Sequence[Observation]) -> Iterator[tuple[_Move, str | None]]:
    before: str | None = None
    for each in ordered:
        for status, trigger in ((each.source, None), (each.status, each.trigger)):
            if status is not None and status != before:
                if before is not None:
                    yield (before, status), trigger
                before = status


def _triggers(moves: Iterable[_Move], named: dict[_Move, Counter[str]]) -> dict[_Move, str]:
    """
    Return what each move is called: by the trigger that records name most often, else by its target.
    """
    found: dict[_Move, str] = {}
    taken: set[tuple[str, str]] = set()
    for move in moves:
        source, target = move
        counts = named.get(move)
        trigger = counts.most_common(1)[0][0] if counts else f"to_{target}"
        # One trigger has one target from a status.
        while (trigger, source) in taken:
            trigger = f"{trigger}_to_{target}"
        taken.add((trigger, source))
        found[move] = trigger

    return found


def _initial(begins: Counter[str], moves: Iterable[_Move]) -> tuple[str, ...]:
    """
    Return the statuses in which histories begin, other than rare ones that are reached as well.
    """
    runs, moves = begins.total(), [*moves]
    kept = [status for status, count in begins.most_common() if count * _RARE >= runs]
    kept = kept or [begins.most_common(1)[0][0]]
    for status, _ in begins.most_common():
        if status not in _reached(kept, moves):
            kept.append(status)

    return tuple(kept)


def _rare(begins: Sequence[str], moves: Counter[_Move], ends: Counter[str]) -> frozenset[_Move]:
    visits = Counter(ends)
    for (source, _), count in moves.items():
        visits[source] += count
    ended = {status for status in visits if ends[status] * _END > visits[status] * (_END - 1)}
    rare = {
        move for move, count in moves.items() if move[0] in ended or count * _RARE < visits[move[0]]
    }
    reached = _reached(begins, moves.keys() - rare)
    for move, _ in moves.most_common():
        left = move[0] in reached and move[0] not in ended
        if move in rare and left and move[1] not in reached:
            rare.remove(move)
            reached = _reached(begins, moves.keys() - rare)
    rare |= {move for move in moves if move[0] not in reached}
    while traps := _traps(begins, moves.keys() - rare):
        # Statuses that only lead to each other: the one where most histories stop ends them.
        end = max(sorted(traps), key=lambda status: ends[status])
        rare |= {move for move in moves if move[0] == end}
        reached = _reached(begins, moves.keys() - rare)
        rare |= {move for move in moves if move[0] not in reached}

    return frozenset(rare)


def _traps(begins: Iterable[str], moves: Iterable[_Move]) -> set[str]:
    """
    Return the statuses that lead to no end, where there are ends.
    """
    moves = [*moves]
    reached = _reached(begins, moves)
    ends = reached - {source for source, _ in moves}

    return (
        reached - _reached(ends, [(target, source) for source, target in moves]) if ends else set()
    )


def _reached(begins: Iterable[str], moves: Iterable[_Move]) -> set[str]:
    moves, reached = [*moves], set(begins)
    while new := {target for source, target in moves if source in reached} - reached:
        reached |= new

    return reached


def _shape(columns: Columns) -> Iterator[str]:
    target = columns.source and (columns.status or "target")
    named = {
        "id": _alternative(columns.run_id), "attempt": columns.attempt,
        "status": None if target else _parts(columns.status), "source": _parts(columns.source),
        "target": _parts(target), "at": None if columns.at == NO_TIMES else columns.at,
    }  # fmt: skip
    lines = [f"{key} = {_listed(path)}" for key, path in named.items() if path]
    if lines:
        yield ""
        yield "[[shapes]]"
        yield from lines


def _parts(column: str | None) -> list[str]:
    return column.split(",") if column else []


def _alternative(column: str | None) -> list[str | list[str]]:
    """
    Return *column* as the one alternative of an id; several keys as one of several parts.
    """
    parts = _parts(column)

    return [parts] if len(parts) > 1 else [*parts]


def _listed(paths: str | Sequence[str | list[str]]) -> str:
    return json.dumps([paths] if isinstance(paths, str) else paths, ensure_ascii=False)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{_comment(status)} {count:,}" for status, count in counter.most_common())


def _histories(count: int) -> str:
    return "1 history" if count == 1 else f"{count:,} histories"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _outcome(status: str) -> Outcome:
    word = status.lower()
    for part, outcome in _MEANINGS.items():
        if part in word:
            return outcome

    return "success"


def _comment(text: str) -> str:
    return _quoted(text)[1:-1]


def _quoted(text: str) -> str:
    # A basic string of TOML is one of JSON, but for the character that deletes.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
