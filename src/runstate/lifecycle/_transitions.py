"""
The only door to ``transitions``.

It knows names, not lifecycles: a table comes in as rows that have a trigger, a
source and a target, and goes out the same way. Statuses are registered by their
wire values, because ``transitions`` looks an Enum member up by its *name*.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import transitions

from ._rows import name_of

__all__ = ["Dispatcher", "MachineTable", "TableEvent", "build_machine", "read_machine"]

_AUTO_PREFIX: Final = "to_"
_USUAL_ATTRIBUTE: Final = "state"


class _Row(Protocol):
    @property
    def trigger(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...


_R = TypeVar("_R", bound=_Row)


class MachineTable(NamedTuple):
    """
    What a ``transitions.Machine`` says about its table.
    """

    initial: str | None
    statuses: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]
    """Trigger, source and target of each, in the machine's order."""
    attribute: str
    """Where its models hold their status."""


def build_machine(
    rows: Iterable[_Row], statuses: Iterable[str], initial: str, **options: Any
) -> transitions.Machine:
    """
    Return a plain ``transitions.Machine`` that encodes *rows*.

    It starts without a model and without the automatic ``to_...`` triggers, which
    would lead out of every terminal status. *options* go to the machine as they are.
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
        machine.add_transition(str(row.trigger), str(row.source), str(row.target))

    return machine


def read_machine(machine: transitions.Machine) -> MachineTable:
    """
    Return the table that *machine* encodes, without its automatic triggers.

    A transition that stays where it is without leaving (``dest=None``) is a move
    from its status to itself.

    Raises:
        ValueError: The machine is nested, or a transition names a state that it lacks.
    """
    if hasattr(machine, "state_cls") and hasattr(machine.state_cls, "separator"):
        raise ValueError("a hierarchical machine has nested states; a lifecycle is flat")
    attribute = machine.model_attribute
    # Under another attribute, the automatic triggers have its name in theirs.
    prefix = _AUTO_PREFIX if attribute == _USUAL_ATTRIBUTE else f"{_AUTO_PREFIX}{attribute}_"
    automatic = {prefix + name for name in machine.states} if machine.auto_transitions else ()
    rows = tuple(
        (name, _wire_value(machine, source), _wire_value(machine, move.dest or source))
        for name, event in machine.events.items()
        if name not in automatic
        for source, moves in event.transitions.items()
        for move in moves
    )
    initial = machine.initial

    return MachineTable(
        None if initial is None else _wire_value(machine, initial),
        tuple(_wire_value(machine, name) for name in machine.states),
        rows,
        attribute,
    )


def _wire_value(machine: transitions.Machine, name: str) -> str:
    """
    Return what the status called *name* writes to its model: see :func:`name_of`.
    """
    if name not in machine.states:
        raise ValueError(f"a transition names {name!r}, which is not a state of the machine")

    return str(name_of(machine.states[name].value))


class TableEvent(transitions.Event, Generic[_R]):
    """
    An event that knows its row from each source, for a subclass to carry out.

    The library's own ``trigger`` spends about 10 µs on callbacks, which a machine that
    has none never needs. Its extension point, ``event_cls``, lets one lookup replace them.
    """

    def __init__(self, name: str, machine: transitions.Machine) -> None:
        super().__init__(name, machine)
        self.rows: dict[str, _R] = {}
        """The row that this event fires, by source."""


class Dispatcher(transitions.Machine, Generic[_R]):
    """
    A machine whose events are made by *new_event*.

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
