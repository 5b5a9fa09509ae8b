"""
The door to transitions, both ways.
"""

from contextlib import suppress
from enum import Enum, StrEnum

import pytest
import transitions
from hypothesis import assume, given
from hypothesis import strategies as st
from transitions.extensions import HierarchicalMachine
from transitions.extensions.markup import MarkupMachine

from runstate import RUN, Lifecycle, LifecycleError, Transition, check
from runstate.interchange import from_markup


class Light(Enum):
    """
    Statuses whose names are not their values.
    """

    RED = "red"
    GREEN = "green"
    OFF = "off"


def test_machine_hands_out_a_plain_machine_of_the_table():
    """
    The machine drives a model of the user's, and has no way out of a terminal status.
    """

    class Job:
        """
        A model with nothing of its own.
        """

    job = Job()
    machine = RUN.machine(model=job)

    assert type(machine) is transitions.Machine
    assert job.state == "queued"
    assert job.start()
    assert job.complete()
    assert job.state == "completed"
    with pytest.raises(transitions.MachineError):
        job.start()
    assert not hasattr(job, "to_queued")
    assert machine.name == "run: "


def test_machine_takes_the_options_of_transitions():
    """
    Options reach the machine, callbacks among them.
    """
    seen = []
    machine = RUN.machine(after_state_change=lambda: seen.append("moved"), name="mine")
    model = type("Job", (), {})()
    machine.add_model(model)
    model.start()

    assert ["moved"] == seen
    assert machine.name == "mine: "


def test_a_machine_made_from_the_table_gives_the_table_back():
    """
    Out and in again, rows, initial and terminal statuses are the same.
    """
    back = Lifecycle.from_machine(RUN.machine(), terminal=RUN.terminal)

    assert sorted(map(str, RUN)) == sorted(map(str, back))
    assert (RUN.initial, set(RUN.statuses), dict(RUN.terminal)) == (
        back.initial,
        set(back.statuses),
        dict(back.terminal),
    )
    assert back.name == "run"


def test_from_machine_reads_an_existing_program():
    """
    Automatic triggers are left out; statuses without a way on are successes, held as a state.
    """
    machine = transitions.Machine(
        states=["draft", "review", "done"],
        initial="draft",
        transitions=[["submit", "draft", "review"], ["pass_", ["draft", "review"], "done"]],
    )
    lifecycle = Lifecycle.from_machine(machine, name="paper")

    assert lifecycle == Lifecycle(
        "paper",
        (
            Transition("submit", "draft", "review"),
            Transition("pass_", "draft", "done"),
            Transition("pass_", "review", "done"),
        ),
        "draft",
        {"done": "success"},
        status_field="state",
    )
    assert Lifecycle.from_machine(machine).name == "machine"


def test_from_machine_reads_enums_by_their_values():
    """
    An Enum's member stands for its value, which is what goes over the wire.
    """
    machine = transitions.Machine(
        states=Light,
        initial=Light.RED,
        transitions=[["go", Light.RED, Light.GREEN], ["stop", Light.GREEN, Light.OFF]],
        auto_transitions=False,
    )

    assert ("red", "green", "off") == Lifecycle.from_machine(machine).statuses


def test_from_machine_reads_where_its_models_hold_their_status():
    """
    The field is the attribute that the machine was told of, which renames its own triggers.
    """
    machine = transitions.Machine(
        states=["a", "b"], initial="a", transitions=[["go", "a", "b"]], model_attribute="phase"
    )
    lifecycle = Lifecycle.from_machine(machine)

    assert "phase" == lifecycle.status_field
    assert ["RS105"] == [f.code for f in check([{"phase": "b"}, {"phase": "a"}], lifecycle,
                                               observed="polled").findings]  # fmt: skip


def test_from_machine_begins_where_the_machine_does():
    """
    The initial status is the machine's, wherever it stands in the list.
    """
    machine = transitions.Machine(
        states=["off", "on"],
        initial="on",
        transitions=[["to_off", "on", "off"]],
        auto_transitions=False,
        name="lamp",
    )
    lifecycle = Lifecycle.from_machine(machine)

    assert ("on", "lamp") == (lifecycle.initial, lifecycle.name)
    # Without automatic triggers, a trigger that is called like one is the user's own.
    assert (Transition("to_off", "on", "off"),) == lifecycle.transitions


def test_from_machine_reads_string_enums_by_their_values():
    """
    The same holds for a StrEnum.
    """

    class Word(StrEnum):
        """
        Statuses that are strings.
        """

        HERE = "here"
        THERE = "there"

    machine = transitions.Machine(
        states=Word, initial=Word.HERE, transitions=[["go", Word.HERE, Word.THERE]]
    )

    assert ("here", "there") == Lifecycle.from_machine(machine).statuses


def test_from_machine_takes_internal_transitions_as_moves_in_place():
    """
    A transition without a destination stays where it is; one said twice is one row.
    """
    machine = transitions.Machine(
        states=["on", "off"],
        initial="on",
        transitions=[["tick", "on", None], ["tick", "on", "on"], ["stop", "on", "off"]],
    )

    assert (
        Transition("tick", "on", "on"),
        Transition("stop", "on", "off"),
    ) == Lifecycle.from_machine(machine).transitions


def test_from_machine_falls_back_on_the_first_status():
    """
    A machine without an initial status begins in its first.
    """
    machine = transitions.Machine(
        model=None, states=["on", "off"], initial=None, transitions=[["stop", "on", "off"]]
    )

    assert Lifecycle.from_machine(machine).initial == "on"


def test_from_machine_begins_also_where_no_transition_leads():
    """
    A model can be put into any state, so what no transition enters is one more beginning.
    """
    machine = transitions.Machine(
        model=None,
        states=["on", "off", "parked", "lent", "lost"],
        initial="on",
        transitions=[
            ["stop", "on", "off"],
            ["wake", "parked", "lent"],
            ["park", "lent", "parked"],
            ["lose", "lent", "lost"],
        ],
    )

    assert ("on", "parked") == Lifecycle.from_machine(machine).initial_statuses


def test_from_machine_refuses_what_is_no_lifecycle():
    """
    A trap is a fault wherever the table came from, and a nested machine is not flat.
    """
    machine = transitions.Machine(
        states=["on", "stuck", "off"],
        initial="on",
        transitions=[["stop", "on", "off"], ["jam", "on", "stuck"], ["rattle", "stuck", "stuck"]],
    )
    with pytest.raises(LifecycleError, match="'stuck' is a trap"):
        Lifecycle.from_machine(machine)
    nested = HierarchicalMachine(states=["a", {"name": "b", "children": ["c"]}], initial="a")
    with pytest.raises(
        ValueError, match=r"^a hierarchical machine has nested states; a lifecycle is flat$"
    ):
        Lifecycle.from_machine(nested)


STATES = ("a", "b", "c", "done")
MOVES = st.tuples(
    st.sampled_from(["go", "next"]),
    st.sampled_from(["*", *STATES[:3]]),
    st.sampled_from(STATES),
    st.sampled_from([None, "ready"]),
)


STEPS = [("step", *pair, None) for pair in zip(STATES, STATES[1:])]  # noqa: B905, RUF007
"""Moves by which every state is reached, and reaches the end."""


@given(st.lists(MOVES, max_size=4).map(lambda moves: STEPS + moves))
def test_any_source_means_in_a_machine_what_it_means_in_a_row(moves):
    """
    Every status that is not terminal, whatever else the machine has; the rest is listed.
    """
    rows = [Transition(*move[:3], when=move[3] or ()) for move in moves]
    expected = None
    with suppress(LifecycleError):
        expected = Lifecycle("machine", rows, "a", {"done": "success"})
    assume(expected)
    machine = MarkupMachine(
        model=None,
        states=[{"name": s, "final": s == "done"} for s in expected.statuses],
        initial="a",
        transitions=[list(move) for move in moves],
        auto_transitions=False,
    )

    left_out = [move for move in moves if move[1] == "*"]
    for found in (
        Lifecycle.from_machine(machine, terminal={"done": "success"}),
        Lifecycle.from_machine(machine),
        from_markup(machine.markup),
    ):
        assert sorted(map(str, expected)) == sorted(map(str, found))
        assert expected.terminal == found.terminal
        assert sorted(
            f"done -{trigger}-> {target}" for trigger, _, target, _ in left_out
        ) == sorted(
            line.partition(": left out, because the source '*'")[0] for line in found.left_behind
        )


def test_from_machine_reads_a_condition_that_any_source_may_fail_by():
    """
    A machine that fails from anywhere, its ends included, comes in with its ends.
    """
    machine = transitions.Machine(
        model=None,
        states=["new", "checked", "done", "failed"],
        initial="new",
        transitions=[["next", "*", "failed", "has_error"], ["next", "new", "checked"],
                     ["next", "checked", "done"], ["touch", "*", "="]],
        auto_transitions=False,
    )  # fmt: skip
    lifecycle = Lifecycle.from_machine(machine, terminal={"done": "success", "failed": "failure"})

    assert [
        "new -next [has_error]-> failed",
        "new -next-> checked",
        "checked -next [has_error]-> failed",
        "checked -next-> done",
        "new -touch-> new",
        "checked -touch-> checked",
    ] == [str(row) for row in lifecycle]
    assert 4 == len(lifecycle.left_behind)
    assert lifecycle.left_behind[0] == (
        "done -next-> failed: left out, because the source '*' stands for every status "
        "that is not terminal"
    )


def test_from_machine_refuses_a_row_out_of_an_end_that_is_named_as_its_source():
    """
    Only any source leaves ends out; a transition of the end's own reopens, or is a fault.
    """
    machine = transitions.Machine(
        model=None,
        states=["a", "b", "end"],
        initial="a",
        transitions=[["go", "a", "b"], ["go", "b", "end"], ["reset", "*", "a"],
                     ["back", ["b", "end"], "a"]],
        auto_transitions=False,
    )  # fmt: skip
    with pytest.raises(LifecycleError, match="end -back-> a: leads out of the terminal status"):
        Lifecycle.from_machine(machine, terminal={"end": "success"})
    reopened = Lifecycle.from_machine(
        machine, terminal={"end": "success"}, reopens=["back", "reset"]
    )

    assert ["end -reset-> a", "end -back-> a"] == [str(row) for row in reopened.reopenings]
    assert () == reopened.left_behind


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"terminal": {"B": "success"}}, r"status 'B' is unreachable .*\(did you mean 'b'\?\)"),
        ({"terminal": {"b": "success"}, "reopens": ["bakc"]},
         r"reopens: no trigger 'bakc' \(did you mean 'back'\?\)"),
    ],
)  # fmt: skip
def test_from_machine_suggests_the_name_that_was_meant(options, reason):
    """
    Of a state whose case differs, and of a trigger that no transition has.
    """
    machine = transitions.Machine(
        model=None,
        states=["a", "b"],
        initial="a",
        transitions=[["go", "a", "b"], ["back", "b", "a"]],
        auto_transitions=False,
    )
    with pytest.raises(LifecycleError, match=reason):
        Lifecycle.from_machine(machine, **options)


def test_the_engines_own_machine_encodes_the_table(engine):
    """
    What dispatches a run's triggers is a transitions machine of the same rows, without a model.
    """
    machine = engine._moves["start"].machine

    assert isinstance(machine, transitions.Machine)
    assert [] == machine.models
    assert not machine.auto_transitions
    assert list(RUN.statuses) == [*machine.states]
    assert {str} == {type(name) for name in machine.states}
    assert ("queued", str) == (machine.initial, type(machine.initial))
    assert list(RUN.triggers) == [*machine.events]
    assert [(row.trigger, row.source, row.target) for row in RUN] == [
        (move.trigger, source, move.target)
        for source, trigger in ((row.source, row.trigger) for row in RUN)
        for move in [machine.events[trigger].rows[source]]
    ]
    back = Lifecycle.from_machine(machine, terminal=RUN.terminal)
    assert sorted(map(str, RUN)) == sorted(map(str, back))
    assert {machine} == {move.machine for move in engine._moves.values()}
    assert machine.events["start"].name == "start"
