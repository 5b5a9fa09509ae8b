"""
The table of a lifecycle, and all queries on it.

Three rules apply:

1. A lifecycle is its rows. A move without a row is illegal, and no code outside of this file
   decides that by comparing statuses.
2. The effects of entering a status on the fields of a run are written once, in an
   :class:`Entry`. The engine carries it out; what a snapshot must and must not
   hold is *derived* from it.
3. A table that contradicts itself is refused, with all of its faults at once.

Words: a *row* is one legal move; *terminal* statuses have no row out of them; a
*component* is a set of statuses that can each reach the others, so that seeing both of two statuses
does not show their order.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

from .._text import shown_value, suggestion
from ..errors import LifecycleError, WrongObjectError
from ._expand import expanded, without_ends
from ._initial import beginnings
from ._paths import components, grouped, reached, reopened_pairs, shortest_paths
from ._rows import (
    Deadline,
    Deviation,
    Entry,
    Evidence,
    Outcome,
    Transition,
    name_of,
    names_in,
)
from ._set_fields import may_be_set
from ._shape import Shape
from ._transitions import build_machine, read_machine
from ._validation import faults
from ._variants import dropped, not_in

__all__ = ["Lifecycle", "check_lifecycle"]

NOTEBOOK: Final = 940
"""Width of the picture in a notebook, in pixels."""
_MOST_FITS: Final = 10_000

_Part = TypeVar("_Part", Entry, Deviation)


@dataclass(frozen=True, repr=False, init=False)
class Lifecycle:
    """
    A table of legal moves, with the effects of each status on a run's fields.

    Immutable. A table that contradicts itself is refused; see :meth:`__init__`.

    Example:
        >>> door = Lifecycle(
        ...     name="door",
        ...     transitions=(
        ...         Transition("open", "closed", "opened"),
        ...         Transition("shut", "opened", "closed"),
        ...         Transition("break_down", "opened", "broken"),
        ...     ),
        ...     initial="closed",
        ...     terminal={"broken": "failure"},
        ... )
        >>> door.allowed("opened")
        ('shut', 'break_down')
        >>> [str(row) for row in door.shortest_path("closed", "broken")]
        ['closed -open-> opened', 'opened -break_down-> broken']
    """

    name: str
    transitions: tuple[Transition, ...]
    initial_statuses: tuple[str, ...]
    """The statuses that a run may begin in; the first is the default, :attr:`initial`."""
    terminal: Mapping[str, Outcome]
    """The statuses a run ends in, each with what that means."""
    entries: tuple[Entry, ...] = ()
    """The effects of entering a status on the fields; at most one entry for each status."""
    created: tuple[str, ...] = ()
    """Stamps set once, when a run is created."""
    deadline: Deadline | None = None
    identity: tuple[str, ...] = ()
    """Fields that never change during a run."""
    fields: frozenset[str] | None = None
    """Every field a run has; None where that is not known."""
    deviations: tuple[Deviation, ...] = ()
    status_field: str = "status"
    id_field: str = "id"
    kind: str | None = None
    """The value of a run's ``object`` key on the wire; None if it has no such key."""
    attempt_field: str = "attempt"
    """The field that counts the attempts of a run, which a reopening row raises."""
    left_behind: tuple[str, ...] = field(default=(), compare=False)
    """The parts of the original machine that a lifecycle cannot hold; a line for each."""
    reopenings: tuple[Transition, ...] = ()
    """
    The rows out of terminal statuses. All other attributes and methods leave them out, except
    for the fields that a status requires and excludes: a late writer stays visible.
    """
    shapes: tuple[Shape, ...] = ()
    """Where records keep the facts; the first shape that matches is used. Empty: under the usual
    keys."""

    def __init__(
        self,
        name: str,
        transitions: Iterable[Transition],
        initial: str | Enum | Iterable[str | Enum] = (),
        terminal: Mapping[Any, Outcome] = MappingProxyType({}),
        entries: Iterable[Entry] = (),
        created: tuple[str, ...] = (),
        deadline: Deadline | None = None,
        identity: tuple[str, ...] = (),
        fields: frozenset[str] | None = None,
        deviations: Iterable[Deviation] = (),
        status_field: str = "status",
        id_field: str = "id",
        kind: str | None = None,
        *,
        attempt_field: str = "attempt",
        left_behind: Iterable[str] = (),
        reopenings: Iterable[Transition] = (),
        initial_statuses: Iterable[str] = (),
        shapes: Iterable[Shape] = (),
    ) -> None:
        """
        Build the table, and refuse one that contradicts itself.

        Wherever a status or a trigger is expected, a member of an Enum stands for its value,
        or for its name if the value is not a text.

        Args:
            name: Name of the lifecycle, 1 to 100 visible characters.
            transitions: The legal moves. One with several sources, or with the source
                ``"*"``, becomes a row for each source. Those that reopen become
                ``reopenings``.
            initial: The status that a run begins in, or several of which the first is
                the default of ``create``.
            terminal: The statuses that a run ends in, each with its outcome. Empty for a
                machine that never ends, such as a device or a subscription.
            entries: What entering a status does to the fields, at most one a status.
            created: Stamps that are set once, when a run is created.
            deadline: The field that says when a run expires.
            identity: Fields that never change during a run.
            fields: Every field that a run has; None where that is not known.
            deviations: What the table excludes and real services are known to do.
            status_field: The field that holds the status.
            id_field: The field that holds the id of a run.
            kind: The value of the key ``object`` on the wire; None without such a key.
            attempt_field: The field that counts the attempts of a run.
            left_behind: What an import could not keep, a line each.
            reopenings: More rows that reopen, as ``dataclasses.replace`` passes them on.
            initial_statuses: The attribute of this name, as ``dataclasses.replace``
                passes it on. *initial* replaces it.
            shapes: Where the facts about a run stand in a record, in the order in which they
                are tried; the first that fits a record is used.

        Raises:
            LifecycleError: A name is unusable, no status is initial, a status is
                unreachable from the initial ones, cannot reach a terminal one or has
                no way out of it although it is not terminal, a
                trigger has two targets from one status that no condition tells apart, a row
                leads out of a terminal
                status without ``reopens=True``, a reopening row leads elsewhere than from a
                terminal status to one that is not, an entry, the deadline or a deviation names an unknown status or
                field, a shape has a path that cannot be read or names an unknown status, or an entry touches a field that is not its own. One error names
                all faults.
        """
        begins = names_in(initial) or names_in(initial_statuses)
        ends = _frozen(terminal)
        rows = expanded((*transitions, *reopenings), begins, ends)
        values = {
            "name": name,
            "transitions": tuple(row for row in rows if not row.reopens),
            "reopenings": tuple(row for row in rows if row.reopens),
            "attempt_field": attempt_field,
            "left_behind": tuple(left_behind),
            "initial_statuses": begins,
            "terminal": ends,
            "entries": tuple(map(_plain, entries)),
            "created": created,
            "deadline": deadline,
            "identity": identity,
            "fields": fields,
            "deviations": tuple(map(_plain, deviations)),
            "status_field": status_field,
            "id_field": id_field,
            "kind": kind,
            "shapes": tuple(shapes),
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        found = tuple(faults(self))
        if found:
            raise LifecycleError(self.name, found)

    def __repr__(self) -> str:
        return f"<Lifecycle {self.name!r}: {len(self)} rows, {len(self.statuses)} statuses>"

    def _repr_svg_(self) -> str:
        """
        Return the picture of the lifecycle, which notebooks show.
        """
        from ..diagrams import draw  # noqa: PLC0415  only a notebook asks for it

        return draw(self, "svg", width=NOTEBOOK).decode()

    def __hash__(self) -> int:
        return hash((self.name, self.transitions, self.reopenings, self.initial_statuses))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy does not pickle; building again checks again.
        return _rebuild, ({**self._init_values(), "terminal": dict(self.terminal)},)

    def __iter__(self) -> Iterator[Transition]:
        return iter(self.transitions)

    def __len__(self) -> int:
        return len(self.transitions)

    # -- what can be asked -------------------------------------------------

    @property
    def initial(self) -> str:
        """The status that a run begins in unless another initial status is asked for."""
        return self.initial_statuses[0]

    @cached_property
    def statuses(self) -> tuple[str, ...]:
        """Every status: the initial ones, then by first row, the terminal ones last."""
        seen = dict.fromkeys([*self.initial_statuses, *(row.source for row in self.transitions)])
        seen.update(dict.fromkeys(row.target for row in self.transitions))
        live = [status for status in seen if status not in self.terminal]

        return (*live, *self.terminal)

    @cached_property
    def known(self) -> frozenset[str]:
        """Every status, as a set."""
        return frozenset(self.statuses)

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """Every trigger, in the order of the rows."""
        return tuple(dict.fromkeys(row.trigger for row in self.transitions))

    def row(self, trigger: str, source: str) -> Transition | None:
        """
        Return the row that *trigger* fires from *source*; None if there is no such move.

        None also where conditions decide which row fires: see :meth:`candidates`.
        """
        return self._by_trigger.get((name_of(trigger), name_of(source)))

    def candidates(self, trigger: str, source: str) -> tuple[Transition, ...]:
        """
        Return the rows that *trigger* may fire from *source*: the first whose conditions hold does.
        """
        wanted = (name_of(trigger), name_of(source))

        return tuple(row for row in self.transitions if (row.trigger, row.source) == wanted)

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """The names of all conditions, in the order of the rows."""
        rows = (*self.transitions, *self.reopenings)

        return tuple(dict.fromkeys(name for row in rows for name in (*row.when, *row.unless)))

    def reopening(self, trigger: str, source: str) -> Transition | None:
        """
        Return the row that *trigger* fires from the terminal status *source*; None if there is none.
        """
        wanted = (name_of(trigger), name_of(source))

        return next((row for row in self.reopenings if (row.trigger, row.source) == wanted), None)

    def rows(self, source: str, target: str) -> tuple[Transition, ...]:
        """
        Return the rows that lead from *source* to *target* in one move.
        """
        return self._by_pair.get((source, target)) or self._by_pair.get(
            (name_of(source), name_of(target)), ()
        )

    def ways(self, source: str, target: str) -> tuple[Transition, ...]:
        """
        Return the rows that lead from *source* to *target* in one move, those that reopen last.
        """
        pair = name_of(source), name_of(target)

        return (
            *self.rows(source, target),
            *(row for row in self.reopenings if (row.source, row.target) == pair),
        )

    def allowed(self, status: str) -> tuple[str, ...]:
        """
        Return the triggers that may be fired from *status*; empty where it is terminal or unknown.
        """
        return tuple(dict.fromkeys(row.trigger for row in self._outgoing.get(name_of(status), ())))

    def targets(self, status: str) -> tuple[str, ...]:
        """
        Return the statuses one move away from *status*, each once.
        """
        return tuple(dict.fromkeys(row.target for row in self._outgoing.get(name_of(status), ())))

    def sources(self, trigger: str) -> tuple[str, ...]:
        """
        Return the statuses that *trigger* may be fired from.
        """
        trigger = name_of(trigger)

        return tuple(
            dict.fromkeys(row.source for row in self.transitions if row.trigger == trigger)
        )

    def is_terminal(self, status: str) -> bool:
        """
        Return whether a run that has *status* has ended.
        """
        return status in self.terminal or (
            isinstance(status, Enum) and name_of(status) in self.terminal
        )

    def reachable(self, status: str) -> frozenset[str]:
        """
        Return the statuses one or more moves away from *status*; itself too if it is on a cycle.
        """
        return self._reachable.get(name_of(status), frozenset())

    def shortest_path(self, source: str, target: str) -> tuple[Transition, ...] | None:
        """
        Return the fewest moves from *source* to *target*, the earlier rows first.

        Empty where they are the same status; None where there is no way.
        """
        return self._shortest.get(name_of(source), {}).get(name_of(target))

    def path_to(self, target: str) -> tuple[Transition, ...] | None:
        """
        Return the fewest moves from an initial status to *target*.

        They begin in the default initial status where that leads to *target*, and in the
        next one that does otherwise. Empty where only a run that begins in *target* gets
        there; None where *target* is unknown.
        """
        paths = (self.shortest_path(initial, target) for initial in self.initial_statuses)

        return next((path for path in paths if path is not None), None)

    @cached_property
    def components(self) -> tuple[frozenset[str], ...]:
        """
        Strongly connected components, those that come earlier in a run first.

        Whatever reaches a component has more statuses ahead of it, so that sorting
        by how many lie ahead is a topological order.
        """
        return components(self._reachable)

    @cached_property
    def seen_next(self) -> frozenset[tuple[str, str]]:
        """
        Pairs of successive observations that are legal if every change is seen.
        """
        return frozenset((*self._by_pair, *((status, status) for status in self.statuses)))

    @cached_property
    def seen_later(self) -> frozenset[tuple[str, str]]:
        """
        Pairs of successive observations that are legal if changes are missed.
        """
        return frozenset(
            (status, later)
            for status in self.statuses
            for later in {status, *self.reachable(status)}
        )

    @cached_property
    def seen_reopened(self) -> frozenset[tuple[str, str]]:
        """
        Pairs that may be seen one after the other if the run was reopened in between.
        """
        return reopened_pairs(self.statuses, self.targets, self.reopenings)

    def fits_one_run(self, statuses: Iterable[str]) -> bool:
        """
        Return whether some legal path passes through all *statuses*, in any order.

        That is so exactly where of any two of them, one can be reached from the other.
        """
        seen = frozenset(statuses)
        fits = self._known_fits.get(seen)
        if fits is None:
            later = self.seen_later
            fits = all((a, b) in later or (b, a) in later for a in seen for b in seen)
            if len(self._known_fits) < _MOST_FITS:
                self._known_fits[seen] = fits

        return fits

    @cached_property
    def _known_fits(self) -> dict[frozenset[str], bool]:
        return {}

    # -- what a status means for the fields --------------------------------

    def entry(self, status: str) -> Entry:
        """
        Return the entry of *status*; an empty one if the table has none.
        """
        return self._entry_of.get(status) or self._entry_of.get(name_of(status)) or Entry(status)

    @cached_property
    def moment_fields(self) -> tuple[str, ...]:
        """Every field that holds the time of a move or of the creation, those set earlier first."""
        order: dict[str, None] = dict.fromkeys(self.created)
        for component in self.components:
            for status in sorted(component, key=self.statuses.index):
                order.update(dict.fromkeys(self.entry(status).stamps))

        return tuple(order)

    @cached_property
    def stamp_fields(self) -> tuple[str, ...]:
        """Every field that holds a time: those of the moves, and the deadline last."""
        return (*self.moment_fields, *([self.deadline.field] if self.deadline else []))

    @cached_property
    def detail_fields(self) -> tuple[str, ...]:
        """Every field that a payload sets."""
        return tuple(
            dict.fromkeys(
                name for entry in self.entries for name in (*entry.requires, *entry.accepts)
            )
        )

    def required_fields(self, status: str) -> frozenset[str]:
        """
        Return the fields that hold a value in *status*, on every path that leads there.
        """
        return frozenset(f for f, may in self._may_be_set[name_of(status)].items() if may == {True})

    def excluded_fields(self, status: str) -> frozenset[str]:
        """
        Return the fields that are None in *status*, on every path that leads there.
        """
        return frozenset(
            f for f, may in self._may_be_set[name_of(status)].items() if may == {False}
        )

    # -- other lifecycles --------------------------------------------------

    def only(self, *evidence: Evidence, name: str | None = None) -> Self:
        """
        Return the lifecycle of the rows with this *evidence*, and the statuses that they reach.

        Args:
            evidence: The kinds of evidence of the rows to keep.
            name: Name of the result; by default this name and the kinds of evidence.

        Raises:
            LifecycleError: The rest is not a valid lifecycle.
        """
        kept = [row for row in self.transitions if row.evidence in evidence]
        leads = {self.initial, *self.terminal, *(row.source for row in kept)}
        reached = leads & {*self.initial_statuses}
        for _ in kept:
            reached |= {row.target for row in kept if row.source in reached}

        values = {
            **self._init_values(),
            "name": name or f"{self.name}-{'-'.join(evidence)}",
            "transitions": tuple(row for row in kept if row.source in reached),
            "reopenings": tuple(row for row in self.reopenings if row.evidence in evidence),
        }

        return type(self)(**dropped(values, set(self.statuses) - reached, (), ()))

    def with_transitions(
        self,
        *transitions: Transition,
        terminal: Mapping[Any, Outcome] | None = None,
        entries: Iterable[Entry] = (),
        name: str | None = None,
    ) -> Self:
        """
        Return this lifecycle with more rows. An entry in *entries* replaces the one of its status.

        Args:
            transitions: The rows to add.
            terminal: Outcomes by status, for more terminal statuses or for another outcome of
                one.
            entries: Entries to add.
            name: Name of the result; by default this name.

        Raises:
            LifecycleError: The result is not a valid lifecycle.
        """
        if isinstance(terminal, Mapping):
            terminal = {**self.terminal, **_frozen(terminal)}
        merged = {name_of(entry.status): entry for entry in (*self.entries, *entries)}

        return replace(
            self,
            name=name or self.name,
            transitions=(*self.transitions, *transitions),
            terminal=self.terminal if terminal is None else terminal,
            entries=tuple(merged.values()),
        )

    def without(
        self,
        *,
        statuses: Iterable[str] = (),
        triggers: Iterable[str] = (),
        rows: Iterable[tuple[str, str]] = (),
        name: str | None = None,
    ) -> Self:
        """
        Return this lifecycle without some *statuses*, *triggers*, or (trigger, source) *rows*.

        Args:
            statuses: Statuses to leave out, with every row that begins or ends in one.
            triggers: Triggers to leave out, with their rows.
            rows: Pairs of trigger and source, each a row to leave out.
            name: Name of the result; by default this name.

        Raises:
            LifecycleError: Something named here is not in this lifecycle, or what
                results is not a valid lifecycle.
        """
        parts = (
            names_in(statuses),
            names_in(triggers),
            [(name_of(trigger), name_of(source)) for trigger, source in rows],
        )
        values = self._init_values()
        unknown = not_in(values, *parts)
        if unknown:
            raise LifecycleError(self.name, [f"cannot leave out: {what}" for what in unknown])

        return type(self)(**{**dropped(values, *parts), "name": name or self.name})

    def machine(self, **options: Any) -> Any:
        """
        Return a plain ``transitions.Machine`` that encodes this table.

        Args:
            options: Passed to the machine, such as ``model`` or ``after_state_change``.
        """
        return build_machine(
            (*self.transitions, *self.reopenings),
            self.statuses,
            self.initial,
            **{"name": self.name, **options},
        )

    @classmethod
    def from_machine(
        cls,
        machine: Any,
        *,
        terminal: Mapping[Any, Outcome] | None = None,
        name: str | None = None,
        reopens: Iterable[str | Enum] = (),
    ) -> Self:
        """
        Return the lifecycle that an existing ``transitions.Machine`` encodes.

        Its models' attribute for the state is the field of the status. Of states that are
        members of an Enum, the values are taken, or the names of those whose values are not
        texts. Conditions are kept by their names, for an Engine's ``conditions``; a transition
        that stays where it is without leaving (``dest=None``) becomes a row from its status to
        itself. A state that no transition leads to is one more initial status: ``add_model``
        puts models there. The source ``"*"``, or every state as a source, stands for every
        status that is not terminal. What has no place in a lifecycle is listed in
        ``left_behind``: callbacks above all, and the transitions out of terminal statuses that
        come of ``"*"`` alone.

        Args:
            machine: A flat machine; its ``to_...`` triggers are left out.
            terminal: What each terminal status means. Without it, the states that are
                final, and those that no transition leaves, are terminal, and successes.
            name: Name of the lifecycle; the machine's own by default.
            reopens: Triggers whose transitions out of *terminal* statuses reopen; those of
                ``"*"``, too.

        Raises:
            LifecycleError: The table contradicts itself, or *reopens* names a trigger that the
                machine lacks.
            ValueError: The machine is nested, or a transition names a state that it lacks.
            WrongObjectError: *machine* is not a machine of ``transitions``.
        """
        table = read_machine(machine)
        name = name or str(machine.name).rstrip(": ") or "machine"
        sources = {row.source for row in table.rows}
        if terminal is None:
            terminal = {
                status: "success"
                for status in table.statuses
                if status in table.finals or status not in sources
            }

        ends, reopening = set(names_in(terminal)), set(names_in(reopens))
        _expect_triggers(name, reopening, {row.trigger for row in table.rows})
        rows, left_out = without_ends(
            tuple(dict.fromkeys(table.rows)), table.statuses, ends, reopening
        )

        return cls(
            name=name,
            transitions=(
                Transition(**row._asdict(), reopens=row.source in ends and row.trigger in reopening)
                for row in rows
            ),
            initial=beginnings(
                table.initial, table.statuses, ((row.source, row.target) for row in rows)
            ),
            terminal=terminal,
            status_field=table.attribute,
            left_behind=(*table.left_behind, *left_out),
        )

    # -- how it is worked out ----------------------------------------------

    def _init_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @cached_property
    def _by_trigger(self) -> dict[tuple[str, str], Transition]:
        return {
            (row.trigger, row.source): row
            for row in self.transitions
            if not any(other.conditional for other in self._same_move[row.trigger, row.source])
        }

    @cached_property
    def _same_move(self) -> dict[tuple[str, str], tuple[Transition, ...]]:
        return grouped(self.transitions, lambda row: (row.trigger, row.source))

    @cached_property
    def _by_pair(self) -> dict[tuple[str, str], tuple[Transition, ...]]:
        return grouped(self.transitions, lambda row: (row.source, row.target))

    @cached_property
    def _outgoing(self) -> dict[str, tuple[Transition, ...]]:
        rows = grouped(self.transitions, lambda row: row.source)

        return {status: rows.get(status, ()) for status in self.statuses}

    @cached_property
    def _shortest(self) -> dict[str, dict[str, tuple[Transition, ...]]]:
        return {status: shortest_paths(self._outgoing, status) for status in self.statuses}

    @cached_property
    def _entry_of(self) -> dict[str, Entry]:
        return {entry.status: entry for entry in self.entries}

    @cached_property
    def _reachable(self) -> dict[str, frozenset[str]]:
        return {
            status: frozenset(reached(self.targets(status), self.targets))
            for status in self.statuses
        }

    @cached_property
    def _may_be_set(self) -> Mapping[str, Mapping[str, set[bool]]]:
        return may_be_set(self)


def _expect_triggers(name: str, wanted: Iterable[str], known: Collection[str]) -> None:
    faults = [
        f"reopens: no trigger {trigger!r}{suggestion(trigger, known)}"
        for trigger in wanted
        if trigger not in known
    ]
    if faults:
        raise LifecycleError(name, sorted(faults))


def check_lifecycle(found: object) -> None:
    """
    Refuse what is not a lifecycle, such as the name of a preset.

    Raises:
        WrongObjectError: Always then.
    """
    if not isinstance(found, Lifecycle):
        named = f", which PRESETS[{found!r}] may be" if isinstance(found, str) else ""
        raise WrongObjectError(f"a Lifecycle{named}", shown_value(found))


def _frozen(terminal: Any) -> Any:
    # What is not a mapping is left as it is: the check says what was expected in its place.
    if not isinstance(terminal, Mapping):
        return terminal

    return MappingProxyType({name_of(status): outcome for status, outcome in terminal.items()})


def _plain(part: _Part) -> _Part:
    """
    Return *part* with status names in place of Enum members.
    """
    if isinstance(part, Entry):
        return replace(part, status=name_of(part.status))
    statuses = part.statuses
    if statuses is None or isinstance(statuses, str):
        return part

    return replace(part, statuses=frozenset(names_in(statuses)))


def _rebuild(values: dict[str, Any]) -> Lifecycle:
    return Lifecycle(**values)
