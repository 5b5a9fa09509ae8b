"""
The markup of ``transitions``: the dictionary that its ``MarkupMachine`` writes and reads.
"""

from collections.abc import Mapping
from typing import Any

from .._text import printable
from ..lifecycle._expand import without_ends
from ..lifecycle._initial import beginnings
from ..lifecycle._table import Lifecycle
from ..lifecycle._transitions import OF_MACHINE, OF_STATE, OF_TRANSITION, MachineRow
from ._common import actions_in, expect, made, refuse

__all__ = ["from_markup", "to_markup"]

_ANY = "*"
_WITHIN = ("children", "states", "parallel")
_TRANSITION = ("trigger", "source", "dest", "conditions", "unless", "before", "after", "prepare")
"""The parts of a transition that is a list, in the order of ``Machine.add_transition``."""


def to_markup(lifecycle: Lifecycle) -> dict[str, Any]:
    """
    Return *lifecycle* as the markup that ``MarkupMachine(markup=...)`` takes.

    Its machine takes no key that it does not know: outcomes, evidence, stamps,
    further initial statuses and rows that reopen are left out.

    Args:
        lifecycle: What is written.

    Example:
        >>> from runstate import RUN
        >>> markup = to_markup(RUN)
        >>> markup["initial"], markup["transitions"][0]
        ('queued', {'trigger': 'start', 'source': 'queued', 'dest': 'in_progress'})
    """
    return {
        "name": lifecycle.name,
        "initial": str(lifecycle.initial),
        "auto_transitions": False,
        "states": [
            {"name": str(status), "final": True}
            if lifecycle.is_terminal(status)
            else {"name": str(status)}
            for status in lifecycle.statuses
        ],
        "transitions": [
            {
                "trigger": str(row.trigger),
                "source": str(row.source),
                "dest": str(row.target),
                **({"conditions": [*row.when]} if row.when else {}),
                **({"unless": [*row.unless]} if row.unless else {}),
            }
            for row in lifecycle
        ],
        "queued": False,
    }


def from_markup(markup: Mapping[str, Any], origin: str = "<markup>") -> Lifecycle:
    """
    Return the lifecycle that *markup* describes, without its callbacks.

    Conditions are kept by their names; ``left_behind`` lists the callbacks.

    States that are final, or that no transition leaves, are terminal. The source ``"*"`` stands
    for every status that is not final; ``left_behind`` lists what it leaves out. A state that no
    transition leads to is one more initial status.

    Args:
        markup: The dictionary.
        origin: Where it comes from, for error messages.

    Raises:
        DefinitionError: It is not markup, or the markup of a nested machine.
        LifecycleError: The table contradicts itself.

    Example:
        >>> door = {
        ...     "name": "door",
        ...     "initial": "closed",
        ...     "states": ["closed", {"name": "broken", "final": True}],
        ...     "transitions": [{"trigger": "force", "source": "closed", "dest": "broken"}],
        ... }
        >>> [str(row) for row in from_markup(door)]
        ['closed -force-> broken']
    """
    markup = expect(markup, dict, origin, "")
    states = [_state(state, origin, number) for number, state in
              enumerate(expect(markup.get("states"), list, origin, "states"))]  # fmt: skip
    names = [name for name, _ in states]
    written: list[MachineRow] = []
    left_behind: list[str] = []
    moves = expect(markup.get("transitions"), list, origin, "transitions")
    for number, move in enumerate(moves):
        written += _rows(move, names, origin, f"transitions[{number}]", left_behind)
    for name, state in zip(names, markup["states"], strict=True):
        if isinstance(state, dict):
            left_behind += actions_in(state, OF_STATE, f"state {printable(name)}")
    left_behind += actions_in(markup, OF_MACHINE, "machine")
    rows, left_out = without_ends(written, names, {name for name, final in states if final})
    left = {row.source for row in rows}
    initial = markup.get("initial") or (names[0] if names else "")

    return made(
        origin,
        str(markup.get("name") or "machine").rstrip(": ") or "machine",
        beginnings(
            expect(initial, str, origin, "initial"),
            names,
            [(row.source, row.target) for row in rows],
        ),
        {s: "success" for s, final in states if final or s not in left},
        [row._asdict() for row in rows],
        [*left_behind, *left_out],
    )


def _state(state: Any, origin: str, number: int) -> tuple[str, bool]:
    place = f"states[{number}]"
    if isinstance(state, str):
        return state, False
    state = expect(state, dict, origin, place)
    if any(state.get(key) for key in _WITHIN):
        refuse(origin, place, "has nested states; a lifecycle is flat")

    return expect(state.get("name"), str, origin, f"{place}.name"), bool(state.get("final"))


def _condition_names(said: Any, origin: str, place: str) -> tuple[str, ...]:
    names = said if isinstance(said, list) else [] if said is None else [said]

    return tuple(expect(name, str, origin, f"{place}[{at}]") for at, name in enumerate(names))


def _rows(
    move: Any, names: list[str], origin: str, place: str, left_behind: list[str]
) -> list[MachineRow]:
    if isinstance(move, list) and len(move) >= 3:
        move = dict(zip(_TRANSITION, move, strict=False))
    move = expect(move, dict, origin, place)
    trigger = expect(move.get("trigger"), str, origin, f"{place}.trigger")
    sources = move.get("source")
    if sources == _ANY:
        sources = names
    elif not isinstance(sources, list):
        sources = [sources]
    dest = move.get("dest")
    rows = [
        MachineRow(
            trigger,
            expect(source, str, origin, f"{place}.source"),
            # No destination, or "=": it stays where it is.
            source if dest in (None, "=") else expect(dest, str, origin, f"{place}.dest"),
            _condition_names(move.get("conditions"), origin, f"{place}.conditions"),
            _condition_names(move.get("unless"), origin, f"{place}.unless"),
        )
        for source in sources
    ]
    for row in rows:
        where = printable(f"{row.source} -{trigger}-> {row.target}")
        left_behind += actions_in(move, OF_TRANSITION, where)

    return rows
