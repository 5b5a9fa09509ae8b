"""
The bridge to ``transitions``; the only module that imports it.

It knows names, not lifecycles: a table comes in as rows that have a trigger, a
source and a target, and goes out the same way. Statuses are registered by their
wire values, because ``transitions`` looks an Enum member up by its *name*.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import transitions

from .._text import shown_value
from ..errors import WrongObjectError
from ._callback_names import CallbackNames
from ._rows import name_of

__all__ = [
    "OF_MACHINE", "OF_STATE", "OF_TRANSITION", "Dispatcher", "MachineRow", "MachineTable", "TableEvent",
    "build_machine", "read_machine",
]  # fmt: skip

OF_TRANSITION: Final = ("prepare", "before", "after")
"""The callbacks of a transition."""
OF_STATE: Final = ("on_enter", "on_exit")
"""The callbacks of a state."""
OF_MACHINE: Final = (
    "prepare_event",
    "before_state_change",
    "after_state_change",
    "finalize_event",
    "on_exception",
    "on_final",
)
"""The callbacks of a machine."""

_AUTO_PREFIX: Final = "to_"
_USUAL_ATTRIBUTE: Final = "state"


class _Row(Protocol):
    @property
    def trigger(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...


class _ConditionalRow(_Row, Protocol):
    @property
    def when(self) -> tuple[str, ...]: ...
    @property
    def unless(self) -> tuple[str, ...]: ...


_R = TypeVar("_R", bound=_Row)


class MachineTable(NamedTuple):
    """
    The table of a ``transitions.Machine``.
    """

    initial: str | None
    statuses: tuple[str, ...]
    rows: tuple["MachineRow", ...]
    """In the machine's order."""
    attribute: str
    """The attribute of its models that holds the status."""
    left_behind: tuple[str, ...]
    """Its other parts, a line for each."""
    finals: tuple[str, ...]
    """The statuses whose states are marked as final."""


class MachineRow(NamedTuple):
    """
    One transition of a machine, with the names of its conditions.
    """

    trigger: str
    source: str
    target: str
    when: tuple[str, ...]
    unless: tuple[str, ...]


def build_machine(
    rows: Iterable[_ConditionalRow], statuses: Iterable[str], initial: str, **options: Any
) -> transitions.Machine:
    """
    Return a plain ``transitions.Machine`` that encodes *rows*.

    It starts without a model and without the automatic ``to_...`` triggers, which
    would lead out of every terminal status. *options* go to the machine as they are.
    Conditions are looked up by their names in its models.
    """
    machine = transitions.Machine(
        **{
            "model": None,
            "states": [str(status) for status in statuses],
            "initial": str(initial),
            "auto_transitions": False,
            **options,
        }
    )
    for row in rows:
        machine.add_transition(
            str(row.trigger),
            str(row.source),
            str(row.target),
            conditions=[*row.when] or None,
            unless=[*row.unless] or None,
        )

    return machine


def read_machine(machine: transitions.Machine) -> MachineTable:
    """
    Return the table that *machine* encodes, without its automatic triggers.

    A transition that stays where it is without leaving (``dest=None``) is a move
    from its status to itself.

    Raises:
        ValueError: The machine is nested, or a transition names a state that it lacks.
        WrongObjectError: *machine* is not a machine of ``transitions``.
    """
    if not isinstance(machine, transitions.Machine):
        raise WrongObjectError("a Machine of transitions", shown_value(machine))
    if hasattr(machine, "state_cls") and hasattr(machine.state_cls, "separator"):
        raise ValueError("a hierarchical machine has nested states; a lifecycle is flat")
    attribute = machine.model_attribute
    # Under another attribute, the automatic triggers have its name in theirs.
    prefix = _AUTO_PREFIX if attribute == _USUAL_ATTRIBUTE else f"{_AUTO_PREFIX}{attribute}_"
    automatic = {prefix + name for name in machine.states} if machine.auto_transitions else ()
    names = CallbackNames()
    rows, left_behind = [], []
    for trigger, event in machine.events.items():
        if trigger in automatic:
            continue
        for source, moves in event.transitions.items():
            for move in moves:
                row = MachineRow(
                    trigger,
                    _wire_value(machine, source),
                    _wire_value(machine, move.dest or source),
                    tuple(names.of(c.func) for c in move.conditions if c.target),
                    tuple(names.of(c.func) for c in move.conditions if not c.target),
                )
                rows.append(row)
                where = f"{row.source} -{trigger}-> {row.target}"
                left_behind += names.callbacks(where, move, OF_TRANSITION)
    for name, state in machine.states.items():
        where = f"state {_wire_value(machine, name)}"
        left_behind += names.callbacks(where, state, OF_STATE)
    left_behind += names.callbacks("machine", machine, OF_MACHINE)
    initial = machine.initial

    return MachineTable(
        None if initial is None else _wire_value(machine, initial),
        tuple(_wire_value(machine, name) for name in machine.states),
        tuple(rows),
        attribute,
        tuple(left_behind),
        tuple(
            _wire_value(machine, name)
            for name, state in machine.states.items()
            if getattr(state, "final", False)
        ),
    )


def _wire_value(machine: transitions.Machine, name: str) -> str:
    """
    Return the status name of the state *name*: see :func:`name_of`.
    """
    if name not in machine.states:
        raise ValueError(f"a transition names {name!r}, which is not a state of the machine")

    return str(name_of(machine.states[name].value))


class TableEvent(transitions.Event, Generic[_R]):
    """
    An event with its row for each source; a subclass makes the move.

    The library's own ``trigger`` spends about 10 µs on callbacks, which a machine that
    has none never needs. Its extension point, ``event_cls``, lets one lookup replace them.
    """

    def __init__(self, name: str, machine: transitions.Machine) -> None:
        super().__init__(name, machine)
        self.rows: dict[str, _R] = {}
        """The row of this event for each source."""


class Dispatcher(transitions.Machine, Generic[_R]):
    """
    A machine that creates its events with *new_event*.

    It holds no model and no callbacks, so one serves any number of threads.
    """

    events: dict[str, Any]

    def __init__(
        self,
        rows: Iterable[_R],
        statuses: Iterable[str],
        initial: str,
        new_event: Callable[[str, transitions.Machine], TableEvent[_R]],
    ) -> None:
        self._new_event = new_event
        super().__init__(
            model=None,
            states=[str(status) for status in statuses],
            initial=str(initial),
            auto_transitions=False,
        )
        for row in rows:
            self.add_transition(str(row.trigger), str(row.source), str(row.target))
            self.events[str(row.trigger)].rows[str(row.source)] = row

    def _create_event(  # type: ignore[override]
        self, name: str, machine: transitions.Machine
    ) -> TableEvent[_R]:
        return self._new_event(name, machine)
