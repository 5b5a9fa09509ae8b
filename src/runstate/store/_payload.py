"""
A trigger looked over: its row, its payload, and what the statement is given.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import PayloadError
from ..lifecycle._table import Lifecycle
from ..runs._engine import RunEngine
from ..runs._log import Moved
from ..runs._models import RunResponse, RunStatus
from ._records import as_json, as_object, line_of, one_line, run_of, valid_id
from ._row_errors import wrong_argument
from ._statements import MoveStatements, Statements
from ._tables import JSON_FIELDS
from ._verdicts import AnswerMismatchError, Fire

__all__ = ["Move", "Preparation"]

ANSWER: Final = "submit_tool_outputs"
_CARRIED: Final = ("payload", "key", "token", "actor", "reason")
_NO_TOKEN: Final = 2**63
_NOTHING: Final = dict.fromkeys((*_CARRIED, "version", *JSON_FIELDS))


class Move:
    """
    A trigger looked over, and what it gives to its statement.
    """

    __slots__ = ("fire", "given", "run_id", "way")

    def __init__(
        self,
        fire: Fire,
        way: MoveStatements,
        values: Mapping[str, Any],
        version: int | None = None,
    ) -> None:
        self.fire, self.way, self.run_id = fire, way, fire.run_id
        parts = {name: as_json(value) for name, value in values.items() if value is not None}
        self.given: dict[str, Any] = {
            **_NOTHING,
            **{name: text for name, text in parts.items() if name in _NOTHING},
            "id": fire.run_id,
            "token": fire.token,
            "version": version,
            "key": fire.key,
            "actor": fire.actor,
            "reason": fire.reason,
            "payload": as_object(parts),
        }

    def at_version(self, version: int) -> "Move":
        """
        Have this move made only while the run is at *version*.
        """
        self.given["version"] = version

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

        return Moved(run_id, trigger, source, target, at, duration_s, seq, bool(regressed))

    def line(self, moved: Moved, **more: Any) -> dict[str, Any]:
        """
        Return the journal's line about *moved*.
        """
        return line_of(moved, **{name: self.given[name] for name in _CARRIED}, **more)


class Preparation:
    """
    Looks triggers over as the engine does, most of them without asking the database.
    """

    def __init__(self, lifecycle: Lifecycle, engine: RunEngine, statements: Statements) -> None:
        self._lifecycle, self._engine, self._sql = lifecycle, engine, statements
        self._targets = {
            trigger: list(dict.fromkeys(r.target for r in lifecycle if r.trigger == trigger))
            for trigger in lifecycle.triggers
        }
        # The payload of most triggers is judged alike, whatever run it is for.
        self._any_run = {
            trigger: RunResponse.model_construct(
                id="", created_at=0, status=RunStatus(lifecycle.sources(trigger)[0])
            )
            for trigger, targets in self._targets.items()
            if trigger != ANSWER and len(targets) == 1
        }

    def needs_the_run(self, fire: Fire) -> bool:
        """
        Return whether *fire* can only be judged beside the run, or is misuse in any case.
        """
        valid_id(fire.run_id)
        one_line(key=fire.key, actor=fire.actor, reason=fire.reason)
        # Not isinstance: True is none, though PostgreSQL alone would say so.
        if fire.token is not None and not (type(fire.token) is int and 0 <= fire.token < _NO_TOKEN):
            raise wrong_argument("token", "the number that a lease came with", fire.token)

        return fire.trigger not in self._any_run

    def move(self, fire: Fire) -> Move:
        """
        Return *fire* looked over.

        Raises:
            PayloadError: The payload does not fit; of which status is not known here.
        """
        return self._judged(fire, self._any_run[fire.trigger])

    def move_of(self, fire: Fire, row: Any) -> Move:
        """
        Return *fire* looked over beside the run that *row* holds, and armed against its version.
        """
        legal = self._lifecycle.row(fire.trigger, row.status)
        if legal is None and fire.trigger in self._targets:
            # The database refuses it, and knows better than this glance by whom it was beaten.
            # Should it be legal by then, it is looked over again, and its payload too.
            return self.unjudged(fire).at_version(row.version)

        return self._judged(fire, run_of(row)).at_version(row.version)

    def ending(self, fire: Fire, status: str) -> Move:
        """
        Return *fire* of a sweep at a run in *status*, which may be one that cannot be read.
        """
        if not self.needs_the_run(fire):
            return self.move(fire)
        row = self._lifecycle.row(fire.trigger, status)
        target = self._targets[fire.trigger][0] if row is None else row.target

        return Move(fire, self._sql.moves[fire.trigger, target], {})

    def unjudged(self, fire: Fire) -> Move:
        """
        Return *fire* without its payload, for a statement that is bound to refuse it.
        """
        return Move(fire, self._sql.moves[fire.trigger, self._targets[fire.trigger][0]], {})

    def _judged(self, fire: Fire, run: RunResponse) -> Move:
        judge = self._engine._prepare  # noqa: SLF001  as the engine judges, so does the store
        plan, changes = judge(run, fire.trigger, self._payload(fire))
        values = {name: changes.get(name) for name in plan.payload}
        if fire.trigger == ANSWER:
            values["outputs"] = dict(fire.payload["outputs"])

        return Move(fire, self._sql.moves[fire.trigger, plan.row.target], values)

    def _payload(self, fire: Fire) -> Mapping[str, Any]:
        """
        Return the payload; the reason of an incomplete end may be given as such, as to an engine.
        """
        name = "incomplete_details"
        target = self._targets.get(fire.trigger, [""])[0]
        if name in fire.payload or name not in self._lifecycle.entry(target).requires:
            return fire.payload
        payload = dict(fire.payload)
        reason = payload.pop("reason", fire.reason)

        return payload if reason is None else {**payload, name: {"reason": reason}}

    def fault(self, error: PayloadError, run_id: str, status: str) -> PayloadError:
        """
        Return *error* with the run's own id and status.
        """
        allowed = self._lifecycle.allowed(status)

        return PayloadError(run_id, status, error.trigger, error.target, allowed, error.reason)
