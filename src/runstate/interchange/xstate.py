"""
XState's JSON: the configuration that ``createMachine`` reads.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .._text import printable
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ._common import (
    FACTS,
    actions_in,
    begins_of,
    condition_names,
    expect,
    facts_of,
    made,
    outcome_of,
    refuse,
)

__all__ = ["from_xstate", "to_xstate"]

_NOT_FLAT: Final = ("states", "always", "after", "invoke", "onDone")
"""Keys of a state for automatic transitions or nested states."""
_OF_ALL: Final = ("always", "after", "invoke")
"""Keys of the machine for transitions from every state."""
_ACTIONS: Final = frozenset({"entry", "exit", "tags", "description", "meta", "output"})
"""Keys without transitions, which are dropped."""
_STATE: Final = _ACTIONS | {"on", "type", "id", "key", *_NOT_FLAT}
_MACHINE: Final = _ACTIONS | {
    "id", "key", "initial", "states", "on", "type", "version", "context", "schemas", "types",
    "strict", "predictableActionArguments", "preserveActionOrder", "delimiter", "onDone", *_OF_ALL,
}  # fmt: skip
_MOVE: Final = frozenset({
    "target", "guard", "cond", "actions", "meta", "description", "internal", "reenter", "event",
    "source", "eventType",
})  # fmt: skip
_NO_KEY: Final = re.compile(r"^#|[.\\]")
_NO_EVENT: Final = re.compile(r"\*")
_NO_STATUS: Final = ("parallel", "history")
"""Types of states that a flat machine cannot have."""


def to_xstate(lifecycle: Lifecycle) -> dict[str, Any]:
    """
    Return *lifecycle* as XState's configuration; what XState lacks is in its ``meta``.

    Args:
        lifecycle: What is written.

    Raises:
        ValueError: XState would read a status or a trigger as something else: one with a
            dot or a backslash as a path, one that begins with ``#`` as an id, one with
            ``*`` as a wildcard.

    Example:
        >>> from runstate import RUN
        >>> to_xstate(RUN)["states"]["queued"]["on"]["start"]["target"]
        'in_progress'
    """
    for kind, names, others in (
        ("status", lifecycle.statuses, _NO_KEY), ("trigger", [row.trigger for row in (*lifecycle, *lifecycle.reopenings)], _NO_EVENT),
    ):  # fmt: skip
        for name in names:
            if others.search(name):
                raise ValueError(f"{kind} {str(name)!r} is a path, an id or a wildcard in XState")
    states: dict[str, Any] = {}
    for status in lifecycle.statuses:
        if lifecycle.is_terminal(status):
            outcome = lifecycle.terminal[status]
            ways = _moves(row for row in lifecycle.reopenings if row.source == status)
            # XState's final states have no way out.
            way_out: dict[str, Any] = {"on": ways} if ways else {"type": "final"}
            states[str(status)] = {**way_out, "meta": {"outcome": outcome}}
            continue
        states[str(status)] = {"on": _moves(row for row in lifecycle if row.source == status)}

    begins = [str(status) for status in lifecycle.initial_statuses]
    meta = {"meta": {"initial": begins}} if len(begins) > 1 else {}

    return {"id": lifecycle.name, "initial": begins[0], **meta, "states": states}


def _moves(rows: Iterable[Transition]) -> dict[str, Any]:
    moves: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        move = {"target": str(row.target), **_guard(row), "meta": facts_of(row)}
        moves.setdefault(str(row.trigger), []).append(move)

    for trigger, each in moves.items():
        if any("guard" not in move for move in each[:-1]):
            raise ValueError(
                f"trigger {trigger!r}: XState needs one condition in when on every row but the last"
            )

    return {trigger: each if len(each) > 1 else each[0] for trigger, each in moves.items()}


def _guard(row: Transition) -> dict[str, str]:
    """
    Return XState's guard of a row with one condition in *when*; others are in ``meta``.
    """
    return {"guard": row.when[0]} if len(row.when) == 1 and not row.unless else {}


def from_xstate(config: Mapping[str, Any], origin: str = "<xstate>") -> Lifecycle:
    """
    Return the lifecycle that *config* describes, without its actions.

    A guard becomes a condition of its row, by its name. One with parameters has them in its name,
    because it answers for these alone. ``left_behind`` lists the actions, the context and the output.

    Args:
        config: The configuration, as ``json.load`` gives it.
        origin: Where it comes from, for error messages.

    Raises:
        DefinitionError: It is not a configuration; it has nested states, moves of its
            own accord, a key that is not known here, or a target that a lifecycle cannot
            name; or a state has no move and does not say that it is an end, by
            ``type: final`` or an outcome in its ``meta``.
        LifecycleError: The table contradicts itself.
    """
    config = expect(config, dict, origin, "")
    name = str(config.get("id") or "machine")
    states = expect(config.get("states"), dict, origin, "states")
    _known(config, _MACHINE, origin, "")
    if config.get("on"):
        refuse(origin, "on", "applies to every state; write it in each state that it leaves")
    for key in _OF_ALL:
        if config.get(key):
            refuse(
                origin, key, "has automatic transitions; in a lifecycle a trigger makes every move"
            )
    if config.get("type") == "parallel":
        refuse(origin, "type", "is parallel; a lifecycle is in one status at a time")
    rows: list[dict[str, Any]] = []
    terminal: dict[str, str] = {}
    left_behind = [*_listed(config, "machine")]
    for status, each in states.items():
        place = f"states.{status}"
        state = expect(each, dict, origin, place)
        _expect_flat(state, origin, place)
        moves = [*_rows(str(status), state.get("on") or {}, name, origin, place, left_behind)]
        left_behind += _listed(state, printable(f"state {status}"))
        rows += moves
        meta = state.get("meta")
        said = meta.get("outcome") if isinstance(meta, dict) else None
        reopened = said is not None and all(move.get("reopens") for move in moves)
        if state.get("type") == "final" or reopened:
            terminal[str(status)] = outcome_of(said)
        elif not moves:
            refuse(origin, place, "has no way out: mark an end with type: final")

    initial = expect(config.get("initial"), str, origin, "initial")
    meta = config.get("meta")
    said = meta.get("initial") if isinstance(meta, dict) else None

    return made(origin, name, begins_of(said, initial), terminal, rows, left_behind)


def _listed(part: Mapping[str, Any], where: str) -> Iterator[str]:
    """
    Yield a line for each action of a state or the machine, and for its data.
    """
    yield from actions_in(part, ("entry", "exit"), where)
    yield from (f"{where}: {key}" for key in ("context", "output") if part.get(key))


def _expect_flat(state: Mapping[str, Any], origin: str, place: str) -> None:
    """
    Refuse a state with nested states, automatic transitions or an unknown key.
    """
    _known(state, _STATE, origin, place)
    for key in _NOT_FLAT:
        if key in state and state[key] not in ((), [], None) and state[key] != _EMPTY.get(key):
            refuse(origin, f"{place}.{key}", "cannot be held by a lifecycle, which is flat")
    if state.get("type") in _NO_STATUS:
        refuse(origin, f"{place}.type", f"is {state['type']}; a lifecycle is flat")


_EMPTY: Final[Mapping[str, Any]] = {"states": {}, "after": {}}
"""Values without a transition under a key that could hold one."""


def _known(given: Mapping[str, Any], keys: frozenset[str], origin: str, place: str) -> None:
    """
    Refuse a key that may hold a transition, which would be lost.
    """
    for key in given:
        if key not in keys:
            where = f"{place}.{key}".lstrip(".")
            refuse(
                origin,
                where,
                f"is not a key of XState that is read here: {', '.join(sorted(keys))}",
            )


def _rows(
    status: str, on: Any, name: str, origin: str, place: str, left_behind: list[str]
) -> Iterator[dict[str, Any]]:
    for event, moves in expect(on, dict, origin, f"{place}.on").items():
        at = f"{place}.on.{event}"
        if "*" in event or not event:
            refuse(origin, at, "is a wildcard; name the events")
        for move in moves if isinstance(moves, list) else [moves]:
            move = move if isinstance(move, dict) else {"target": move}  # noqa: PLW2901
            _known(move, _MOVE, origin, at)
            target = _target(move.get("target"), status, name, origin, at)
            where = printable(f"{status} -{event}-> {target}")
            meta = move.get("meta")
            known = meta if isinstance(meta, dict) else {}
            facts: dict[str, Any] = {key: known[key] for key in FACTS if key in known}
            if "when" not in facts and "unless" not in facts:
                guards = _guards(move, origin, at)
                facts["when"] = condition_names(guards, where, left_behind)
            left_behind += actions_in(move, ("actions",), where)
            yield {"trigger": event, "source": status, "target": target, **facts}


def _guards(move: Mapping[str, Any], origin: str, place: str) -> list[str]:
    """
    Return the name of XState's guard, with its parameters; none if *move* has no guard.
    """
    guard = move.get("guard", move.get("cond"))
    if guard is None or isinstance(guard, str):
        return [guard] if guard else []
    kind = expect(guard, dict, origin, f"{place}.guard").get("type")
    others = {key: value for key, value in guard.items() if key != "type" and value}
    name = expect(kind, str, origin, f"{place}.guard.type")

    return [f"{name} {json.dumps(others)}" if others else name]


def _target(target: Any, status: str, name: str, origin: str, place: str) -> str:
    """
    Return the status that *target* names; without a target, the transition stays in its state.
    """
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    if target is None:
        return status
    beside = str(expect(target, str, origin, f"{place}.target")).removeprefix(f"#{name}.")
    if beside.startswith(("#", ".")):
        refuse(origin, f"{place}.target", f"leads to '{beside}', which is not a sibling state")

    return beside
