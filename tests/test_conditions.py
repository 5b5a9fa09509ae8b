"""
Conditional rows: one trigger with several targets, told apart by named conditions.
"""

import pickle
import re
import sqlite3
from html import unescape
from types import SimpleNamespace

import pytest
import transitions
from transitions.extensions.markup import MarkupMachine

from runstate import (
    RUN,
    Engine,
    IllegalTransitionError,
    Lifecycle,
    LifecycleError,
    RunEngine,
    Transition,
    check,
    load_lifecycle,
)
from runstate.ddl import guard_sql
from runstate.diagrams import draw
from runstate.interchange import (
    from_markup,
    from_scxml,
    from_xstate,
    to_markup,
    to_scxml,
    to_xstate,
)
from runstate.testing import drive

ROWS = (
    Transition("next", "reading", "reading", when="has_more"),
    Transition("next", "reading", "broken", when=["failed", "fatal"], unless="has_more"),
    Transition("next", "reading", "done"),
)


def reader(rows=ROWS):
    """
    Return the lifecycle of something that reads pages.
    """
    return Lifecycle("reader", rows, "reading", {"done": "success", "broken": "failure"})


CONDITIONS = {
    "has_more": lambda run: run.pages > 0,
    "failed": lambda run: run.failed,
    "fatal": lambda run: run.fatal,
}


def reading(**fields):
    """
    Return an object that reads.
    """
    facts = {"status": "reading", "pages": 0, "failed": False, "fatal": False}

    return SimpleNamespace(**(facts | fields))


# -- the table -----------------------------------------------------------------------------


def test_rows_of_one_trigger_stand_in_their_order():
    """
    The table knows them all; which one fires is not for the table to say.
    """
    lifecycle = reader()

    assert ROWS == lifecycle.candidates("next", "reading")
    assert None is lifecycle.row("next", "reading")
    assert ("next",) == lifecycle.allowed("reading")
    assert ("reading",) == lifecycle.sources("next")
    assert {"reading", "broken", "done"} == set(lifecycle.targets("reading"))
    assert ("has_more", "failed", "fatal") == lifecycle.conditions
    assert "reading -next [failed, fatal, not has_more]-> broken" == str(ROWS[1])
    assert lifecycle == pickle.loads(pickle.dumps(lifecycle))
    assert check(["reading", "reading", "done"], lifecycle).ok
    assert ["RS105"] == [f.code for f in check(["reading", "done", "broken"], lifecycle).findings]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ((ROWS[2], ROWS[0], ROWS[1]), "reading -next [has_more]-> reading: clashes with reading"),
        ((*ROWS, Transition("next", "reading", "broken")), "clashes with reading -next-> done"),
        ((*ROWS[:1], *ROWS), "is repeated"),
        (
            (*ROWS, Transition("again", "done", "reading", reopens=True, when="x")),
            "reopens, and takes no conditions",
        ),
        ((*ROWS, Transition("stop", "reading", "done", when="a\nb")), "condition 'a\\nb' is not a"),
    ],
)
def test_rows_that_conditions_do_not_tell_apart(rows, fault):
    """
    A row without conditions comes last, and no two have the same.
    """
    with pytest.raises(LifecycleError, match=re.escape(fault)):
        reader(rows)


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_conditions_in_files(tmp_path, suffix):
    """
    One name or a list; what the JSON picture prints is read back.
    """
    toml = """
name = "reader"
initial = "reading"
terminal = {done = "success", broken = "failure"}
transitions = [
    {trigger = "next", source = "reading", target = "reading", when = "has_more"},
    {trigger = "next", source = "reading", target = "broken", when = ["failed", "fatal"],
     unless = "has_more"},
    {trigger = "next", source = "reading", target = "done"},
]
"""
    path = tmp_path / f"reader.{suffix}"
    content = toml.replace(",\n     unless", ", unless").encode()
    path.write_bytes(content if suffix == "toml" else draw(reader(), "json"))

    assert reader() == load_lifecycle(path)


# -- the engine ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"pages": 1}, "reading"),
        ({"pages": 1, "failed": True, "fatal": True}, "reading"),
        ({"failed": True, "fatal": True}, "broken"),
        ({"failed": True}, "done"),
        ({}, "done"),
    ],
)
def test_the_first_row_whose_conditions_hold_fires(fields, target):
    """
    All of ``when`` and none of ``unless``, in the order of the rows.
    """
    engine, run = Engine(reader(), conditions=CONDITIONS), reading(**fields)

    assert engine.can(run, "next")
    assert target == engine.fire(run, "next").target == run.status


def test_no_unknown_trigger_can_fire():
    """
    A name that is no trigger is answered alike, whether or not rows have conditions.
    """
    plain = (Transition("next", "reading", "done"), Transition("fail", "reading", "broken"))

    assert not Engine(reader(), conditions=CONDITIONS).can(reading(), "nonsense")
    assert not Engine(reader(plain)).can(reading(), "nonsense")


def test_where_no_condition_holds_the_run_stays():
    """
    The error says that it was the conditions; the trigger is still one that the table allows.
    """
    engine = Engine(
        reader((*ROWS[:2], Transition("stop", "reading", "done"))), conditions=CONDITIONS
    )
    run = reading()

    assert not engine.can(run, "next")
    assert ("next", "stop") == engine.allowed(run)
    with pytest.raises(IllegalTransitionError, match="cannot next: no condition held") as refused:
        engine.fire(run, "next")
    assert ("reading", "no condition held") == (run.status, refused.value.reason)
    again = pickle.loads(pickle.dumps(refused.value))
    assert (again.reason, str(again)) == (refused.value.reason, str(refused.value))
    engine.fire(run, "stop")
    with pytest.raises(IllegalTransitionError, match="done is terminal"):
        engine.fire(run, "next")


def test_conditions_are_complete_when_the_engine_is_made():
    """
    A name that is missing, or that no row has, is told at once.
    """
    with pytest.raises(LifecycleError, match="condition 'has_more' is missing"):
        Engine(reader())
    with pytest.raises(LifecycleError, match="no row has the condition 'hasmore'"):
        Engine(reader(), conditions={**CONDITIONS, "hasmore": bool})
    row = Transition("complete", "queued", "completed", when="x")
    with pytest.raises(LifecycleError, match="condition 'x' is missing"):
        RunEngine(RUN.with_transitions(row))
    with pytest.raises(ValueError, match="conditional rows, which drive"):
        drive(lambda: None, lifecycle=reader())


def test_conditions_are_asked_again_where_another_was_faster():
    """
    What held before the other's move says nothing about the run now.
    """
    rows = (
        Transition("go", "a", "b", when="first"),
        Transition("go", "a", "c"),
        Transition("go", "b", "c"),
    )
    engine = Engine(
        Lifecycle("race", rows, "a", {"c": "success"}),
        conditions={"first": lambda run: run.first(run)},
    )

    def overtaken(run):
        run.first = lambda _: False
        engine.fire(run, "go")
        return True

    run = SimpleNamespace(status="a", first=overtaken)
    with pytest.raises(IllegalTransitionError, match="c is terminal"):
        engine.fire(run, "go")
    assert "c" == run.status


# -- transitions and other notations ---------------------------------------------------------


class Door:
    """
    A model of a machine as people write them.
    """

    def __init__(self, locked):
        self.locked = locked

    def is_locked(self):
        """A condition."""
        return self.locked

    def ring(self):
        """A callback."""


def machine_of(door):
    """
    Return a machine with the usual pair: one trigger, two targets, a condition and its opposite.
    """
    machine = transitions.Machine(
        door, states=["shut", {"name": "open", "on_enter": "ring"}, "stuck"], initial="shut",
        auto_transitions=False, after_state_change="ring",
    )  # fmt: skip
    machine.add_transition("push", "shut", "stuck", conditions="is_locked", before="ring")
    machine.add_transition("push", "shut", "open", unless=["is_locked"])

    return machine


@pytest.mark.parametrize("locked", [True, False])
def test_the_usual_pair_comes_in_and_works(locked):
    """
    The lifecycle moves an object where the machine moves its model.
    """
    door = Door(locked)
    lifecycle = Lifecycle.from_machine(machine_of(door))
    engine = Engine(lifecycle, conditions={"is_locked": Door.is_locked})
    ours = Door(locked)
    ours.state = "shut"
    door.push()
    engine.fire(ours, "push")

    assert door.state == ours.state == ("stuck" if locked else "open")
    assert (
        "shut -push-> stuck: before ring",
        "state open: on_enter ring",
        "machine: after_state_change ring",
    ) == lifecycle.left_behind
    again = Door(locked)
    lifecycle.machine(model=again)
    again.push()
    assert door.state == again.state


def test_functions_are_kept_by_names_of_their_own():
    """
    A lambda is a condition; two functions of one name are told apart.
    """
    machine = transitions.Machine(model=None, states=["a", "b", "c", "d"], initial="a",
                                  auto_transitions=False)  # fmt: skip
    machine.add_transition("go", "a", "b", conditions=lambda: True)
    machine.add_transition("go", "a", "c", conditions=[lambda: True, Door.is_locked])
    machine.add_transition("go", "a", "d", unless=Door.is_locked)

    assert [("condition",), ("condition_2", "is_locked"), ()] == [
        row.when for row in Lifecycle.from_machine(machine)
    ]
    assert ("condition", "condition_2", "is_locked") == Lifecycle.from_machine(machine).conditions


def test_markup_keeps_conditions_by_their_names():
    """
    There and back, and its own machine takes them.
    """
    assert ROWS == from_markup(to_markup(reader())).transitions
    door = Door(locked=True)
    pair = Lifecycle.from_machine(machine_of(Door(locked=True)))
    MarkupMachine(markup=to_markup(pair)).add_model(door)
    door.push()
    assert "stuck" == door.state


def test_scxml_and_xstate_keep_conditions_by_their_names():
    """
    XState as its guard, of one condition that must hold; what it cannot say in order is refused.
    """
    assert ROWS == from_scxml(to_scxml(reader())).transitions
    simple = reader((ROWS[0], ROWS[2], Transition("stop", "reading", "broken", unless="has_more")))
    config = to_xstate(simple)
    assert "has_more" == config["states"]["reading"]["on"]["next"][0]["guard"]
    assert simple.transitions == from_xstate(config).transitions
    with pytest.raises(ValueError, match="XState needs one condition in when"):
        to_xstate(reader())
    written = {"id": "x", "initial": "a", "states": {"b": {"type": "final"}, "c": {"type": "final"}, "a": {"on": {"GO": [
        {"target": "b", "guard": {"type": "ready"}}, {"target": "c"}]}}}}  # fmt: skip
    assert [("ready",), ()] == [row.when for row in from_xstate(written)]


# -- pictures and the database -------------------------------------------------------------


def test_pictures_show_conditions_in_brackets():
    """
    Beside the trigger, in each format.
    """
    for form in ("svg", "dot", "markdown"):
        shown = unescape(draw(reader(), form).decode())
        assert "next [has_more]" in shown, form
    assert b"not has_more" in draw(reader(), "svg")


def test_a_guard_allows_the_union_of_the_targets():
    """
    A database does not know what holds; what no row leads to it refuses.
    """
    lifecycle = reader((*ROWS, Transition("skip", "reading", "done")))
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, status TEXT)")
    database.executescript(guard_sql(lifecycle, "sqlite"))
    for target in ("reading", "broken", "done"):
        database.execute("INSERT INTO runs (status) VALUES ('reading')")
        database.execute(
            "UPDATE runs SET status = ? WHERE id = (SELECT max(id) FROM runs)", (target,)
        )
    with pytest.raises(sqlite3.IntegrityError, match="done is terminal"):
        database.execute("UPDATE runs SET status = 'broken'")
