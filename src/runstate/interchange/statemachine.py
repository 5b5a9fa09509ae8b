"""
python-statemachine: the JSON that its ``load`` reads, and its classes.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

from .._text import printable
from ..lifecycle._callback_names import CallbackNames
from ..lifecycle._initial import beginnings
from ..lifecycle._table import Lifecycle
from ._common import PLAIN, actions_in, condition_names, expect, made, refuse

__all__ = ["from_statemachine", "from_statemachine_class", "to_statemachine"]

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
"""Words that its loader accepts for True."""
_OF_TRANSITION: Final = ("before", "on", "after")
_OF_STATE: Final = ("enter", "exit", "invoke")
_DATA: Final = ("datamodel", "donedata")
"""Data of a machine or a state, which a lifecycle cannot hold."""
_ROLES: Final[Mapping[str, str]] = {"cond": "when", "unless": "unless"}
"""What its conditions are called in a row."""


def to_statemachine(lifecycle: Lifecycle) -> dict[str, Any]:
    """
    Return *lifecycle* as the definition that ``statemachine.io.load`` reads as JSON.

    Outcomes, evidence, stamps, further initial statuses and rows that reopen are left out.
    Conditions are written by their names, which its loader looks up in the model.

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
            {
                "event": _event(row.trigger),
                "target": str(row.target),
                **({"cond": [*row.when]} if row.when else {}),
                **({"unless": [*row.unless]} if row.unless else {}),
            }
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
    Return the lifecycle that *definition* describes, without its actions.

    The texts of ``cond`` and ``unless`` become the names of conditions. ``left_behind`` lists the
    actions and the data. A state that no transition leads to is one more initial status.

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
    left_behind: list[str] = []
    rows: list[dict[str, Any]] = []
    for key, state in states.items():
        for event, target, move in _moves(key, state, origin):
            row = {"trigger": event, "source": words[key], "target": words.get(target, target)}
            rows.append({**row, **_conditions(move, row, left_behind, origin)})
            left_behind += actions_in(move, _OF_TRANSITION, _where(row))
        left_behind += _listed(state, printable(f"state {words[key]}"))
    left_behind += _listed(definition, "machine")
    begun = [words[key] for key, state in states.items() if _is(state, "initial")]
    if len(begun) < 2:
        pairs = [(row["source"], row["target"]) for row in rows]
        begun = [*beginnings(next(iter(begun), None), [*words.values()], pairs)]
    left = {row["source"] for row in rows}
    ends = (words[k] for k, state in states.items() if _is(state, "final") or words[k] not in left)

    return made(
        origin,
        str(definition.get("name") or "machine"),
        begun,
        dict.fromkeys(ends, "success"),
        rows,
        left_behind,
    )


def _where(row: Mapping[str, Any]) -> str:
    return printable(f"{row['source']} -{row['trigger']}-> {row['target']}")


def _listed(part: Mapping[str, Any], where: str) -> Iterator[str]:
    """
    Yield a line for each action of a state or the machine, and for its data.
    """
    yield from actions_in(part, _OF_STATE, where)
    yield from (f"{where}: {key}" for key in _DATA if part.get(key))


def _conditions(
    move: Mapping[str, Any], row: Mapping[str, Any], left_behind: list[str], origin: str
) -> dict[str, list[str]]:
    """
    Return the conditions of *move*, whose row is *row*, as a row calls them.
    """
    found = {}
    for role, ours in _ROLES.items():
        texts = move.get(role) or []
        place = f"{_where(row)}: {role}"
        each = [expect(text, str, origin, place) for text in
                (texts if isinstance(texts, list) else [texts])]  # fmt: skip
        found[ours] = condition_names(each, _where(row), left_behind)

    return found


def _is(state: Mapping[str, Any], flag: str) -> bool:
    """
    Return whether *flag* is set in *state*, as a boolean or as a word.
    """
    said = state.get(flag)

    return said.strip().lower() in _TRUE if isinstance(said, str) else bool(said)


def _moves(
    key: str, state: Mapping[str, Any], origin: str
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """
    Yield event, target and all else of each transition out of a state, from either notation.
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
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    target = str(expect(move.get("target") or key, str, origin, f"{place}.target"))
    for event in expect(events, str, origin, f"{place}.event").split():
        yield event, target, move


def from_statemachine_class(machine: Any) -> Lifecycle:
    """
    Return the lifecycle of a ``StateMachine`` class, or of an instance of one.

    Statuses are what its states write: their values, and of members of an Enum theirs. The texts
    of ``cond`` and ``unless``, or the names of their functions, become the names of conditions.
    ``left_behind`` lists the validators and callbacks.

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
    rows: list[dict[str, Any]] = []
    left_behind: list[str] = []
    names = CallbackNames()
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
            for event in str(move.event).split():
                for target in targets:
                    row = {"trigger": event, "source": _wire(state), "target": _wire(target)}
                    rows.append({**row, **_class_conditions(move, row, names, left_behind)})
                    others = {*str(move.event).split()} - {event}
                    left_behind += _callbacks(machine, move, _where(row), names, others)
        left_behind += _callbacks(machine, state, printable(f"state {_wire(state)}"), names)
    left = {row["source"] for row in rows}
    begun = [_wire(state) for state in states if state.initial]

    return made(
        origin,
        kind.__name__,
        begun or _wire(states[0]),
        {_wire(s): "success" for s in states if s.final or _wire(s) not in left},
        rows,
        left_behind,
    )


def _class_conditions(
    move: Any, row: Mapping[str, Any], names: CallbackNames, left_behind: list[str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {ours: [] for ours in _ROLES.values()}
    for spec in getattr(move, "cond", ()):
        role = _ROLES["unless" if spec.expected_value is False else "cond"]
        found[role] += condition_names([_name(spec.func, names)], _where(row), left_behind)

    return found


def _callbacks(
    machine: Any, holder: Any, where: str, names: CallbackNames, other_events: Iterable[str] = ()
) -> Iterator[str]:
    """
    Yield a line for each callback that *holder*, a state or a transition of *machine*, has.

    The library also lists the methods that it would call if the class had them, such as
    ``on_enter_state``, and those that are for *other_events* of the same transition.
    """
    for spec in getattr(holder, "_specs", ()):
        kind, name = spec.group.name.lower(), _name(spec.func, names)
        missing = spec.is_convention and not hasattr(machine, name)
        if kind != "cond" and not missing and name not in {f"{kind}_{e}" for e in other_events}:
            yield f"{where}: {kind} {printable(name)}"


def _name(function: Any, names: CallbackNames) -> str:
    """
    Return the name of *function*, which may be a property.
    """
    return names.of(function.fget if isinstance(function, property) else function)


def _wire(state: Any) -> str:
    value = state.value

    return str(value.value if isinstance(value, Enum) else value)
