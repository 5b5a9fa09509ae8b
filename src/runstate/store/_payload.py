"""
A trigger looked over: its row, its payload, and what the statement is given.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import PayloadError
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ._arguments import mapping
from ._kinds import Kind
from ._layout import Layout
from ._records import as_json, as_object, is_seconds, line_of, one_line, valid_id
from ._row_errors import wrong_argument
from ._statements import MoveStatements, Statements
from ._verdicts import AnswerMismatchError, Fire

__all__ = ["Move", "Preparation", "check_not_before", "key_of_attempt"]

_CARRIED: Final = ("payload", "key", "token", "actor", "reason")
_NO_TOKEN: Final = 2**63
_NO_VERSION: Final = -1
"""A version that no run has."""


class Move:
    """
    A trigger looked over, and what it gives to its statement.
    """

    __slots__ = ("fire", "given", "reason", "run_id", "way")

    def __init__(
        self,
        fire: Fire,
        way: MoveStatements,
        parts: Mapping[str, str],
        given: dict[str, Any],
    ) -> None:
        self.fire, self.way, self.run_id = fire, way, fire.run_id
        self.reason = ""
        """Why the database need not be asked; empty if it decides."""
        self.given = given
        given["id"] = fire.run_id
        given["token"] = fire.token
        given["version"] = fire.expected_version
        given["key"] = fire.key
        given["actor"] = fire.actor
        given["reason"] = fire.reason
        given["payload"] = as_object(parts)

    def at_version(self, version: int) -> "Move":
        """
        Have this move made only while the run is at *version*.
        """
        if self.given["version"] is None:
            self.given["version"] = version
        elif self.given["version"] != version:
            self.given["version"] = _NO_VERSION

        return self

    def not_made(self, reason: str) -> "Move":
        """
        Have this move not made, because of *reason*.
        """
        self.given["version"], self.reason = _NO_VERSION, reason

        return self

    def moved(self, row: Any) -> Moved:
        """
        Return the record of the move that the statement answered with *row*.

        Raises:
            AnswerMismatchError: It is an answer to another statement.
        """
        run_id, seq, trigger, source, target, at, duration_s, regressed = row
        if (trigger, target) != (self.fire.trigger, self.way.target):
            raise AnswerMismatchError(run_id, self.fire.trigger, trigger, target)

        stated = self.fire.actor, self.fire.reason

        return Moved(run_id, trigger, source, target, at, duration_s, seq, bool(regressed), *stated)

    def line(self, moved: Moved, **more: Any) -> dict[str, Any]:
        """
        Return the journal's line about *moved*.
        """
        return line_of(moved, **{name: self.given[name] for name in _CARRIED}, **more)


class Preparation:
    """
    Looks triggers over as the engine does, most of them without asking the database.
    """

    def __init__(
        self, lifecycle: Lifecycle, layout: Layout, kind: Kind[Any], statements: Statements
    ) -> None:
        self._lifecycle, self._layout = lifecycle, layout
        self._kind, self._sql = kind, statements
        rows = (*lifecycle, *lifecycle.reopenings)
        self._first = {row.trigger: statements.moves.get((row.trigger, row.target)) or
                       statements.reopenings[row.trigger, row.source]
                       for row in reversed(rows)}  # fmt: skip
        """Some statement of each trigger."""
        self._alike = frozenset(t for t in lifecycle.triggers if kind.alike(t))
        self._fenced = frozenset(
            row.trigger for row in lifecycle if lifecycle.is_terminal(row.target)
        ) if lifecycle.reopenings else frozenset()  # fmt: skip
        """The outcomes that a writer of an earlier attempt might bring."""

    def needs_the_run(self, fire: Fire) -> bool:
        """
        Return whether *fire* can only be judged beside the run, or is misuse in any case.
        """
        valid_id(fire.run_id, self._layout.noun)
        if not isinstance(fire.trigger, str):
            raise wrong_argument("trigger", "the name of a trigger, as text", fire.trigger)
        mapping("payload", fire.payload)
        one_line(key=fire.key, actor=fire.actor, reason=fire.reason)
        # Not isinstance: True is none, though PostgreSQL alone would say so.
        if fire.token is not None and not (type(fire.token) is int and 0 <= fire.token < _NO_TOKEN):
            raise wrong_argument("token", "the number that a lease came with", fire.token)
        if fire.expected_version is not None and not (
            type(fire.expected_version) is int and 0 <= fire.expected_version < _NO_TOKEN
        ):
            expected = "the number of the last move that was seen"
            raise wrong_argument("expected_version", expected, fire.expected_version)
        check_not_before(fire.not_before, self._layout)
        if fire.trigger in self._fenced and fire.token is fire.expected_version is None:
            expected = (
                f"the token of a lease, or expected_version= instead: {fire.trigger} ends an "
                "attempt, and a late writer of an earlier one must be refused"
            )
            raise wrong_argument("token", expected, None)

        return fire.trigger not in self._alike

    def move(self, fire: Fire) -> Move:
        """
        Return *fire* looked over.

        Raises:
            PayloadError: The payload does not fit; of which status is not known here.
        """
        return self._judged(fire, None)

    def move_of(self, fire: Fire, row: Any) -> Move:
        """
        Return *fire* looked over beside the run that *row* holds, and armed against its version.
        """
        lifecycle = self._lifecycle
        legal = lifecycle.candidates(fire.trigger, row.status)
        if fire.trigger in self._first and not (
            legal or lifecycle.reopening(fire.trigger, row.status)
        ):
            # The database refuses it, and knows better than this glance by whom it was beaten.
            # Should it be legal by then, it is looked over again, and its payload too.
            return self.unjudged(fire).at_version(row.version)

        return self._judged(fire, row).at_version(row.version)

    def ending(self, fire: Fire, status: str) -> Move:
        """
        Return *fire* of a sweep at a run in *status*, which may be one that cannot be read.
        """
        row = self._lifecycle.row(fire.trigger, status)
        way = None if row is None else self._sql.moves[fire.trigger, row.target]

        return self._move(fire, way or self._first[fire.trigger], {})

    def can_make(self, move: Move, status: str) -> bool:
        """
        Return whether the table has *move* for a run in *status*.
        """
        trigger, target = move.fire.trigger, move.way.target
        rows = self._lifecycle.candidates(trigger, status)
        back = self._lifecycle.reopening(trigger, status)

        return any(row.target == target for row in (*rows, *([back] if back else [])))

    def unjudged(self, fire: Fire) -> Move:
        """
        Return *fire* without its payload, for a statement that is bound to refuse it.
        """
        return self._move(fire, self._first[fire.trigger], {})

    def _judged(self, fire: Fire, row: Any) -> Move:
        found, values = self._kind.judge(fire.trigger, self._payload(fire), row)
        if found is None:
            return self.unjudged(fire).not_made("no condition held")
        way = (
            self._sql.reopenings[fire.trigger, found.source]
            if found.reopens
            else self._sql.moves[fire.trigger, found.target]
        )
        move = self._move(fire, way, values)
        if self._layout.extended and row is not None and fire.key is not None:
            move.given["key"] = key_of_attempt(fire.key, row.reopened + found.reopens)

        return move

    def _move(self, fire: Fire, way: MoveStatements, values: Mapping[str, Any]) -> Move:
        parts = {name: as_json(value) for name, value in values.items() if value is not None}
        given = self._sql.no_values.copy()
        for name, text in parts.items():
            column = self._layout.details.get(name)
            if column is not None:
                given[column] = text
        if self._layout.extended:
            given["not_before"] = fire.not_before

        return Move(fire, way, parts, given)

    def _payload(self, fire: Fire) -> Mapping[str, Any]:
        """
        Return the payload; the reason of an incomplete end may be given as such, as to an engine.
        """
        name = "incomplete_details"
        if self._layout.extended or name in fire.payload or fire.trigger not in self._first:
            return fire.payload
        if name not in self._lifecycle.entry(self._first[fire.trigger].target).requires:
            return fire.payload
        payload = dict(fire.payload)
        reason = payload.pop("reason", fire.reason)

        return payload if reason is None else {**payload, name: {"reason": reason}}

    def fault(self, error: PayloadError, run_id: str, status: str) -> PayloadError:
        """
        Return *error* with the run's own id and status.
        """
        allowed = self._lifecycle.allowed(status)
        named = PayloadError(run_id, status, error.trigger, error.target, allowed, error.reason)
        named.noun = self._layout.noun

        return named


def key_of_attempt(key: str, reopened: int) -> str:
    """
    Return *key* as the journal keeps it: it belongs to one attempt.

    No key has a control character, so that nobody can give one that belongs to another attempt.
    """
    return key if not reopened else f"{key}\x1f{reopened + 1}"


def check_not_before(moment: Any, layout: Layout) -> None:
    """
    Refuse what is neither None nor a time, or a time in a store that has no place for it.
    """
    if moment is None:
        return
    if not layout.extended:
        raise wrong_argument("not_before", "None in a RunStore, which has no column for it", moment)
    if not is_seconds(moment):
        raise wrong_argument("not_before", "a time in Unix seconds", moment)
