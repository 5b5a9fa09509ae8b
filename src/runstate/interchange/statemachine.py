"""
python-statemachine: the JSON that its ``load`` reads, and its classes.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from .._text import printable
from ..lifecycle._initial import beginnings
from ..lifecycle._table import Lifecycle
from ._common import PLAIN, expect, made, refuse

__all__ = ["from_statemachine", "from_statemachine_class", "to_statemachine"]

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
"""Words that its loader accepts for True."""


def to_statemachine(lifecycle: Lifecycle) -> dict[str, Any]:
    """
    Return *lifecycle* as the definition that ``statemachine.io.load`` reads as JSON.

    Outcomes, evidence, stamps, further initial statuses and rows that reopen are left out.

    Args:
        lifecycle: What is written.

    Raises:
        ValueError: A trigger is not an identifier, as an event must be; or a status contains
            a space, at which its loader would split it.

    Example:
        >>> from runstate import RUN
        >>> to_statemachine(RUN)["states"]["cancelling"]["transitions"][0]
        {'event': 'confirm_cancel', 'target': 'cancelled'}
    """
    states: dict[str, Any] = {}
    for status in lifecycle.statuses:
        state: dict[str, Any] = {}
        if status == lifecycle.initial:
            state["initial"] = True
        if lifecycle.is_terminal(status):
            state["final"] = True
        moves = [
            {"event": _event(row.trigger), "target": str(row.target)}
            for row in lifecycle
            if row.source == status
        ]
        states[_id(status)] = state | ({"transitions": moves} if moves else {})

    return {"name": lifecycle.name, "states": states}


def _id(status: str) -> str:
    if " " in status:
        raise ValueError(
            f"status {str(status)!r} contains a space, which separates names of states"
        )

    return str(status)


def _event(trigger: str) -> str:
    if not PLAIN.fullmatch(trigger) or not trigger.isidentifier():
        raise ValueError(f"trigger {trigger!r} is not an identifier, as an event must be")

    return trigger


def from_statemachine(definition: Mapping[str, Any], origin: str = "<statemachine>") -> Lifecycle:
    """
    Return the lifecycle that *definition* describes, without conditions and actions.

    A state that no transition leads to is one more initial status.

    Args:
        definition: The dictionary.
        origin: Where it comes from, for error messages.

    Raises:
        DefinitionError: It is not a definition, or has nested states.
        LifecycleError: The table contradicts itself.

    Example:
        >>> definition = {
        ...     "name": "door",
        ...     "states": {
        ...         "closed": {"initial": True, "transitions": [{"event": "force", "target": "broken"}]},
        ...         "broken": {"final": True},
        ...     },
        ... }
        >>> [str(row) for row in from_statemachine(definition)]
        ['closed -force-> broken']
    """
    definition = expect(definition, dict, origin, "")
    states = expect(definition.get("states"), dict, origin, "states")
    words: dict[str, str] = {}
    key_of: dict[str, str] = {}
    for key, each in states.items():
        state = expect(each, dict, origin, f"states.{key}")
        if state.get("states") or _is(state, "parallel") or state.get("history"):
            refuse(origin, f"states.{key}", "has nested states; a lifecycle is flat")
        words[key] = str(key if state.get("value") is None else state["value"])
        if key_of.setdefault(words[key], key) != key:
            refuse(
                origin, f"states.{key}.value", f"is that of {printable(key_of[words[key]])}, too"
            )
    rows = [
        (event, words[key], words.get(target, target))
        for key, state in states.items()
        for event, target in _moves(key, state, origin)
    ]
    begun = [words[key] for key, state in states.items() if _is(state, "initial")]
    if len(begun) < 2:
        pairs = [(source, target) for _, source, target in rows]
        begun = [*beginnings(next(iter(begun), None), [*words.values()], pairs)]
    left = {source for _, source, _ in rows}
    ends = (words[k] for k, state in states.items() if _is(state, "final") or words[k] not in left)

    return made(
        origin,
        str(definition.get("name") or "machine"),
        begun,
        dict.fromkeys(ends, "success"),
        rows,
    )


def _is(state: Mapping[str, Any], flag: str) -> bool:
    """
    Return whether *flag* is set in *state*, as a boolean or as a word.
    """
    said = state.get(flag)

    return said.strip().lower() in _TRUE if isinstance(said, str) else bool(said)


def _moves(key: str, state: Mapping[str, Any], origin: str) -> Iterator[tuple[str, str]]:
    """
    Yield event and target of each transition out of a state, from either of the two notations.
    """
    place = f"states.{key}.transitions"
    for move in expect(state.get("transitions") or [], list, origin, place):
        if not expect(move, dict, origin, place).get("event"):
            refuse(origin, place, "has a transition without an event; a lifecycle needs a trigger")
        yield from _each(move["event"], move, key, origin, place)
    on = state.get("on")
    for event, moves in on.items() if isinstance(on, dict) else ():
        for move in moves if isinstance(moves, list) else [moves]:
            said = {"target": move} if isinstance(move, str) else move
            yield from _each(event, expect(said, dict, origin, place), key, origin, place)


def _each(
    events: Any, move: Mapping[str, Any], key: str, origin: str, place: str
) -> Iterator[tuple[str, str]]:
    for event in expect(events, str, origin, f"{place}.event").split():
        yield event, str(expect(move.get("target") or key, str, origin, f"{place}.target"))


def from_statemachine_class(machine: Any) -> Lifecycle:
    """
    Return the lifecycle of a ``StateMachine`` class, or of an instance of one.

    Statuses are what its states write: their values, and of members of an Enum theirs.

    Args:
        machine: The class, or an instance of it.

    Raises:
        DefinitionError: It is not a StateMachine class, or has nested states.
        LifecycleError: The table contradicts itself.
    """
    kind = machine if isinstance(machine, type) else type(machine)
    origin = kind.__qualname__
    states = [*getattr(machine, "states", ())]
    if not states:
        refuse(origin, "states", "is missing: expected a StateMachine class of python-statemachine")
    rows = []
    for state in states:
        if getattr(state, "states", None) or getattr(state, "parallel", False):
            refuse(origin, state.id, "has nested states; a lifecycle is flat")
        for move in state.transitions:
            if not move.event:
                refuse(
                    origin,
                    state.id,
                    "has a transition without an event; a lifecycle needs a trigger",
                )
            targets = getattr(move, "targets", None) or [move.target or state]
            rows += [
                (event, _wire(state), _wire(target))
                for event in str(move.event).split()
                for target in targets
            ]
    left = {source for _, source, _ in rows}
    begun = [_wire(state) for state in states if state.initial]

    return made(
        origin,
        kind.__name__,
        begun or _wire(states[0]),
        {_wire(s): "success" for s in states if s.final or _wire(s) not in left},
        rows,
    )


def _wire(state: Any) -> str:
    value = state.value

    return str(value.value if isinstance(value, Enum) else value)
