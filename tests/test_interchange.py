"""
Lifecycles there and back, and as the other side's own loaders understand them.
"""

import json
from contextlib import suppress
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statemachine import State, StateMachine
from statemachine.io import load
from statemachine.states import States
from transitions.extensions.markup import MarkupMachine
from xstate_statemachine import SyncInterpreter, create_machine

from runstate import RUN, DefinitionError, Engine, Lifecycle, LifecycleError, Transition, check
from runstate.diagrams import draw
from runstate.errors import RunstateError
from runstate.interchange import (
    FORMATS,
    from_markup,
    from_scxml,
    from_statemachine,
    from_statemachine_class,
    from_xstate,
    to_markup,
    to_scxml,
    to_statemachine,
    to_xstate,
)
from runstate.interchange import (
    load as load_file,
)
from runstate.presets import PRESETS

WAYS = {
    "markup": (to_markup, from_markup),
    "scxml": (to_scxml, from_scxml),
    "statemachine": (to_statemachine, from_statemachine),
    "xstate": (to_xstate, from_xstate),
}
HOSTILE = ["it's", 'a"b', "<x>", "&amp;", "a b", "-", "é", "{{x}}", "a.b", "#x", "s0", "%", "s1"]

UNSAID = {"statemachine": ("a b",), "xstate": ("a.b", "#x")}
"""Statuses that a format cannot name, and has no room for elsewhere."""


def moves(lifecycle):
    """
    Return what every format can say of a lifecycle.
    """
    return (
        lifecycle.initial,
        set(lifecycle.terminal),
        {(row.trigger, row.source, row.target) for row in lifecycle},
    )


def there_and_back(lifecycle, way):
    """
    Return the lifecycle as it comes back from a format, by way of JSON where it is data.
    """
    out, back = WAYS[way]
    said = out(lifecycle)

    return back(said if isinstance(said, bytes) else json.loads(json.dumps(said)))


# -- there and back ------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_preset_comes_back(lifecycle, way):
    """
    With its name, its moves, where it begins and ends; evidence and outcomes where there is room.
    """
    back = there_and_back(lifecycle, way)

    assert lifecycle.name == back.name
    assert moves(lifecycle) == moves(back)
    if way in {"scxml", "xstate"}:
        assert lifecycle.initial_statuses == back.initial_statuses
        assert dict(lifecycle.terminal) == dict(back.terminal)
        assert {(r.evidence, r.citation) for r in lifecycle} == {
            (r.evidence, r.citation) for r in back
        }


def chain(statuses, trigger="go"):
    """
    Return the lifecycle in which each of the *statuses* is followed by the next.
    """
    rows = [Transition(trigger, *pair) for pair in zip(statuses, statuses[1:])]  # noqa: B905, RUF007

    return Lifecycle("chain", rows, statuses[0], {statuses[-1]: "failure"})


@pytest.mark.parametrize("way", WAYS)
def test_statuses_of_any_spelling_come_back(way):
    """
    What SCXML cannot name goes by another name, which no other status has; others refuse it.
    """
    lifecycle = chain([name for name in HOSTILE if name not in UNSAID.get(way, ())])

    assert moves(lifecycle) == moves(there_and_back(lifecycle, way))


def test_triggers_of_any_spelling_come_back():
    """
    SCXML separates events by spaces, and ours is kept beside its own.
    """
    lifecycle = chain(["a", "b"], 'request "it"')

    assert moves(lifecycle) == moves(there_and_back(lifecycle, "scxml"))
    with pytest.raises(ValueError, match="not an identifier"):
        to_statemachine(lifecycle)


@pytest.mark.parametrize(
    ("way", "statuses", "trigger"),
    [
        ("statemachine", ["a b", "c"], "go"),
        ("xstate", ["a.b", "c"], "go"),
        ("xstate", ["#a", "c"], "go"),
        ("xstate", ["a\\b", "c"], "go"),
        ("xstate", ["a", "c"], "go.*"),
    ],
)
def test_what_the_other_side_would_misread_is_not_written(way, statuses, trigger):
    """
    A target with a dot is a path to XState, and python-statemachine parts targets by spaces.
    """
    out, _ = WAYS[way]
    with pytest.raises(ValueError, match=r"(status|trigger) '"):
        out(chain(statuses, trigger))


PAIR = (
    Transition("go", "a", "b", when="ready"),
    Transition("go", "a", "c"),
    Transition("stop", "a", "c", unless="busy"),
)
"""The usual pair, one trigger with two targets, and a row that only ``unless`` restricts."""


def pair_of(name):
    """
    Return the usual pair with *name* for its first condition.
    """
    rows = (Transition("go", "a", "b", when=name), *PAIR[1:])

    return Lifecycle("pair", rows, "a", {"b": "success", "c": "success"})


@pytest.mark.parametrize("way", WAYS)
@given(
    name=st.sampled_from([*HOSTILE, "x > 5", "[a]", '["a"]', "[", "!ready", "a b  c", " "])
    | st.text(st.characters(codec="utf-8"), min_size=1, max_size=100).filter(str.isprintable)
)
def test_conditions_of_any_spelling_come_back(way, name):
    """
    By their names, in their order, with nothing left behind, in every format.
    """
    back = there_and_back(pair_of(name), way)

    assert pair_of(name).transitions == back.transitions
    assert () == back.left_behind


@pytest.mark.parametrize("way", ["markup", "scxml", "statemachine"])
def test_several_conditions_of_any_spelling_come_back(way):
    """
    Those of one row that must hold, and those that must not, each by its name.
    """
    row = Transition("go", "a", "b", when=HOSTILE, unless=["[x", "y > 5", "z"])
    lifecycle = Lifecycle("many", [row, *PAIR[1:]], "a", {"b": "success", "c": "success"})

    assert lifecycle.transitions == there_and_back(lifecycle, way).transitions


# -- the other side ------------------------------------------------------------------------


@pytest.mark.parametrize("status", RUN.statuses)
def test_transitions_takes_the_markup(status):
    """
    Its machine allows from every status what the table allows.
    """
    machine = MarkupMachine(markup=to_markup(RUN))
    machine.set_state(str(status))

    assert {*RUN.allowed(status)} == {*machine.get_triggers(str(status))}
    assert moves(RUN) == moves(from_markup(machine.markup))
    assert moves(RUN) == moves(Lifecycle.from_machine(machine))


@pytest.mark.parametrize("format_name", ["json", "scxml"])
def test_python_statemachine_takes_it(format_name):
    """
    It walks the shortest path to every status, and has the same events there.
    """
    said = to_scxml(RUN).decode() if format_name == "scxml" else json.dumps(to_statemachine(RUN))
    kind = load(said, format=format_name)
    for status in RUN.statuses:
        machine = kind()
        for row in RUN.shortest_path(RUN.initial, status):
            machine.send(row.trigger)
        assert {status} == {str(value) for value in machine.configuration_values}
        assert {*RUN.allowed(status)} == {str(event.id) for event in machine.allowed_events}


class Model:
    """
    What a machine of python-statemachine asks for its conditions.
    """

    state = None

    def __init__(self, ready):
        self.ready = ready
        self.busy = False


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("format_name", ["json", "scxml"])
def test_python_statemachine_takes_conditions(format_name, ready):
    """
    It goes to the first target whose condition holds, as our engine does.
    """
    pair = pair_of("ready")
    said = to_scxml(pair).decode() if format_name == "scxml" else json.dumps(to_statemachine(pair))
    machine = load(said, format=format_name)(Model(ready))
    machine.send("go")
    ours = Model(ready)
    ours.status = "a"
    Engine(pair, conditions={"ready": lambda run: run.ready, "busy": lambda run: run.busy}).fire(
        ours, "go"
    )

    assert {ours.status} == {str(value) for value in machine.configuration_values}


def test_python_statemachine_takes_names_that_are_no_identifiers():
    """
    As they are: its JSON has no other place to keep them.
    """
    lifecycle = chain([name for name in HOSTILE if name not in UNSAID["statemachine"]])
    machine = load(json.dumps(to_statemachine(lifecycle)), format="json")

    assert moves(lifecycle) == moves(from_statemachine_class(machine))


@pytest.mark.parametrize("status", RUN.statuses)
def test_xstate_takes_it(status):
    """
    Its interpreter walks the shortest path to every status, and refuses what the table lacks.
    """
    interpreter = SyncInterpreter(create_machine(to_xstate(RUN))).start()
    for row in RUN.shortest_path(RUN.initial, status):
        interpreter.send(row.trigger)

    assert {f"run.{status}"} == set(interpreter.current_state_ids)


class Door(StateMachine):
    """
    A door as somebody else wrote it.
    """

    shut = State(initial=True)
    opened = State(value="ajar")
    broken = State(final=True)

    swing = shut.to(opened) | opened.to(shut)
    kick = shut.to(broken, cond="strong") | opened.to.itself()

    def strong(self):
        """
        A condition, which comes along by its name.
        """
        return True


def test_class_of_python_statemachine_is_read():
    """
    By the values that its states write, with what its conditions allow.
    """
    expected = (
        "shut",
        {"broken"},
        {
            ("swing", "shut", "ajar"), ("swing", "ajar", "shut"),
            ("kick", "shut", "broken"), ("kick", "ajar", "ajar"),
        },
    )  # fmt: skip

    assert expected == moves(from_statemachine_class(Door))
    assert expected == moves(from_statemachine_class(Door()))
    assert check(["shut", "ajar", "shut", "broken"], from_statemachine_class(Door)).ok


class Colour(Enum):
    """
    Statuses whose values are written, and not their names.
    """

    GREEN = "go on"
    RED = 0


@pytest.mark.parametrize("options", [{}, {"use_enum_instance": True}, {"use_enum_instance": False}])
def test_class_made_of_an_enum_writes_its_values(options):
    """
    Whether its states hold the members, as they do by default, or what those hold.
    """

    class Light(StateMachine):
        _ = States.from_enum(Colour, initial=Colour.GREEN, final=Colour.RED, **options)
        stop = _.GREEN.to(_.RED)

    assert ("go on", {"0"}, {("stop", "go on", "0")}) == moves(from_statemachine_class(Light))


# -- what others write ---------------------------------------------------------------------


def test_markup_as_it_is_written_by_hand():
    """
    Lists for dictionaries, several sources, any source, and staying where it is.
    """
    markup = {
        "states": ["a", "b", {"name": "c", "final": True}],
        "transitions": [
            ["go", "a", "b"],
            {"trigger": "end", "source": ["a", "b"], "dest": "c"},
            {"trigger": "stay", "source": "b", "dest": "="},
            {"trigger": "stay", "source": "a", "dest": None},
        ],
    }
    any_source = {"states": ["a", "b"], "transitions": [["reset", "*", "b"]], "initial": "a"}

    assert (
        "a",
        {"c"},
        {("go", "a", "b"), ("end", "a", "c"), ("end", "b", "c"), ("stay", "b", "b"),
         ("stay", "a", "a")},
    ) == moves(from_markup(markup))  # fmt: skip
    endless = ("a", set(), {("reset", "a", "b"), ("reset", "b", "b")})
    assert endless == moves(from_markup(any_source))


def test_xstate_as_it_is_written_by_hand():
    """
    Targets as texts, lists and absolute names; actions and descriptions stay behind.
    """
    config = {
        "id": "light",
        "initial": "green",
        "states": {
            "green": {"on": {"TIMER": "yellow", "STAY": {"actions": "x"}}},
            "yellow": {"on": {"TIMER": [{"target": "#light.red", "guard": "g"}], "NO": ["green"]}},
            "red": {"type": "final", "entry": ["log"], "description": "stop", "states": {}},
        },
    }

    assert (
        "green",
        {"red"},
        {("TIMER", "green", "yellow"), ("STAY", "green", "green"), ("TIMER", "yellow", "red"),
         ("NO", "yellow", "green")},
    ) == moves(from_xstate(config))  # fmt: skip


def test_flags_and_values_of_statemachine():
    """
    A flag may be a word, and a value what is taken for false.
    """
    definition = {
        "states": {
            "on": {"initial": "yes", "final": "false", "value": 0,
                   "transitions": [{"event": "end", "target": "off"}]},
            "off": {"final": "true", "initial": "no", "value": 1},
        }
    }  # fmt: skip

    assert ("0", {"1"}, {("end", "0", "1")}) == moves(from_statemachine(definition))


def test_statemachine_as_it_is_written_by_hand():
    """
    Its shorter form for moves, and several events for one.
    """
    definition = {
        "states": {
            "a": {"initial": True, "on": {"go": "b", "end": [{"target": "c"}]}},
            "b": {"transitions": [{"event": "end stop", "target": "c"}, {"event": "stay"}]},
            "c": {},
        }
    }

    assert (
        "a",
        {"c"},
        {("go", "a", "b"), ("end", "a", "c"), ("end", "b", "c"), ("stop", "b", "c"),
         ("stay", "b", "b")},
    ) == moves(from_statemachine(definition))  # fmt: skip


def document(body, attributes=""):
    """
    Return an SCXML document.
    """
    return f'<scxml xmlns="http://www.w3.org/2005/07/scxml" {attributes}>{body}</scxml>'.encode()


def test_scxml_as_it_is_written_by_hand():
    """
    Content of other namespaces and what runs on the way is passed over.
    """
    body = """
      <datamodel><data id="x" expr="1"/></datamodel>
      <state id="a"><onentry><log expr="x"/></onentry>
        <transition event="go done" target="b" cond="x"/><transition event="stay"/>
        <x:note xmlns:x="urn:x"><x:state id="no"/></x:note></state>
      <final id="b"/>"""

    assert (
        "a", {"b"}, {("go", "a", "b"), ("done", "a", "b"), ("stay", "a", "a")}
    ) == moves(from_scxml(document(body)))  # fmt: skip


class Sorter(StateMachine):
    """
    Conditions of every kind that the library takes, and callbacks at every place.
    """

    a = State(initial=True, enter="greet")
    b = State(final=True)
    c = State(final=True)

    go = a.to(b, cond="ready", unless=["busy"], validators="verify", on="act") | a.to(
        c, cond=["size > 5", lambda: True]
    )
    end = a.to(c, event="end stop")

    @property
    def ready(self):
        """A condition that is a property."""
        return True

    @go.before
    def prepare_it(self):
        """A callback by a decorator."""

    @end.cond
    def late(self):
        """A condition by a decorator."""

    def on_enter_b(self):
        """A callback by its name."""

    def after_stop(self):
        """A callback of one of two events."""

    busy = False
    size = 6

    def greet(self):
        """A callback that is named."""

    verify = act = greet


COMES_ALONG = [
    (
        from_scxml,
        document("""
          <datamodel><data id="x" expr="1"/></datamodel><script>x = 2</script>
          <state id="a">
            <onentry><log expr="x"/><raise event="y"/></onentry><onexit/>
            <transition event="go run" cond="ready" target="b"><assign location="x" expr="2"/>
              <m:mail xmlns:m="urn:mail"/><if cond="q"><log/></if></transition>
            <transition event="go" cond="  x &lt; 5 &amp;&amp; In('a')" target="c"/>
            <transition event="go" target="a"/>
          </state>
          <final id="b"/><final id="c"><onexit><log/></onexit><donedata/></final>"""),
        [
            "a -go [ready]-> b",
            "a -run [ready]-> b",
            "a -go [  x < 5 && In('a')]-> c",
            "a -go-> a",
        ],
        [
            "machine: <datamodel>",
            "machine: <script>",
            "state a: onentry <log>",
            "state a: onentry <raise>",
            "a -go-> b: <assign>",
            "a -run-> b: <assign>",
            "a -go-> b: <mail>",
            "a -run-> b: <mail>",
            "a -go-> b: <if>",
            "a -run-> b: <if>",
            "state c: onexit <log>",
            "state c: <donedata>",
        ],
    ),
    (
        from_xstate,
        {
            "id": "m",
            "initial": "a",
            "context": {"x": 1},
            "exit": "bye",
            "states": {
                "a": {
                    "entry": ["greet", {"type": "log", "params": {}}],
                    "exit": [],
                    "on": {
                        "go": [
                            {"target": "b", "guard": {"type": "over", "params": {"min": 5}}},
                            {"target": "c", "guard": {"type": "over", "params": {"min": 3}}},
                            {"target": "a", "cond": "ready", "actions": [{"type": "act"}]},
                            "c",
                        ]
                    },
                },
                "b": {"type": "final", "output": 1},
                "c": {"type": "final"},
            },
        },
        [
            'a -go [over {"params": {"min": 5}}]-> b',
            'a -go [over {"params": {"min": 3}}]-> c',
            "a -go [ready]-> a",
            "a -go-> c",
        ],
        [
            "machine: exit bye",
            "machine: context",
            "a -go-> a: actions act",
            "state a: entry greet",
            "state a: entry log",
            "state b: output",
        ],
    ),
    (
        from_markup,
        {
            "states": ["a", {"name": "b", "on_enter": "greet", "final": True}, {"name": "c", "on_exit": ["x", "y"]}],
            "transitions": [
                ["go", "a", "b", ["ready"], "busy", "first", None, "prepared"],
                {"trigger": "go", "source": "a", "dest": "c", "after": ["act"]},
            ],
            "finalize_event": ["tidy"],
        },
        ["a -go [ready, not busy]-> b", "a -go-> c"],
        [
            "a -go-> b: prepare prepared",
            "a -go-> b: before first",
            "a -go-> c: after act",
            "state b: on_enter greet",
            "state c: on_exit x",
            "state c: on_exit y",
            "machine: finalize_event tidy",
        ],
    ),
    (
        from_statemachine,
        {
            "datamodel": {"x": 1},
            "states": {
                "a": {
                    "initial": True,
                    "enter": ["greet", {"assign": {"location": "x", "expr": "2"}}],
                    "transitions": [
                        {"event": "go", "target": "b", "cond": ["ready", "x > 5"], "unless": "busy", "on": "act"},
                        {"event": "go", "target": "c", "after": {"log": "done"}},
                    ],
                    "on": {"end": [{"target": "c", "cond": "late"}]},
                },
                "b": {"final": True, "donedata": {"content": "1"}},
                "c": {"final": True},
            },
        },
        ["a -go [ready, x > 5, not busy]-> b", "a -go-> c", "a -end [late]-> c"],
        [
            "a -go-> b: on act",
            "a -go-> c: after log",
            "state a: enter greet",
            "state a: enter assign",
            "state b: donedata",
            "machine: datamodel",
        ],
    ),
    (
        from_statemachine_class,
        Sorter,
        [
            "a -go [ready, not busy]-> b",
            "a -go [size > 5, condition]-> c",
            "a -end [late]-> c",
            "a -stop [late]-> c",
        ],
        [
            "a -go-> b: validator verify",
            "a -go-> b: on act",
            "a -go-> b: before prepare_it",
            "a -go-> c: before prepare_it",
            "a -stop-> c: after after_stop",
            "state a: enter greet",
            "state b: enter on_enter_b",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("read", "written", "rows", "lines"),
    COMES_ALONG,
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_conditions_come_along_and_what_does_not_is_listed(read, written, rows, lines):
    """
    Conditions by their names or texts, so that two targets of a trigger come in; actions by a line.
    """
    lifecycle = read(written)

    assert rows == [str(row) for row in lifecycle]
    assert lines == [*lifecycle.left_behind]


LONG = "x" + " + 1" * 40
"""A condition that is too long for a name."""


@pytest.mark.parametrize(
    ("read", "written"),
    [
        (
            from_scxml,
            document(
                f'<state id="a"><transition event="go" cond="{LONG}" target="b"/>'
                '<transition event="go" target="c"/></state><final id="b"/><final id="c"/>'
            ),
        ),
        (
            from_statemachine,
            {
                "states": {
                    "a": {"on": {"go": [{"target": "b", "cond": LONG}, "c"]}},
                    "b": {},
                    "c": {},
                }
            },
        ),
        (
            from_xstate,
            {
                "initial": "a",
                "states": {
                    "a": {"on": {"go": [{"target": "b", "guard": LONG}, "c"]}},
                    "b": {"type": "final"},
                    "c": {"type": "final"},
                },
            },
        ),
    ],
)
def test_a_condition_too_long_for_a_name_is_shortened_and_listed(read, written):
    """
    The row stays conditional, and the whole text is kept.
    """
    lifecycle = read(written)

    assert [(LONG[:99] + "…",), ()] == [row.when for row in lifecycle]
    assert (f"a -go-> b: condition {LONG}",) == lifecycle.left_behind


@pytest.mark.parametrize("names", ["[", "[1]", "[{}]", "[" * 5_000])
def test_names_in_scxml_that_are_not_a_list_are_refused(names):
    """
    With the line; a name with a space is written as JSON.
    """
    content = document(
        f'<state id="a"><transition event="x" r:unless="{names}"/></state>',
        'xmlns:r="https://pypi.org/project/runstate/"',
    )
    with pytest.raises(DefinitionError, match=r"line 1: .* is not a JSON list of names"):
        from_scxml(content)


@pytest.mark.parametrize("guard", [5, ["a"], {}, {"type": 5}])
def test_a_guard_of_xstate_that_has_no_name_is_refused(guard):
    """
    Without it, its row would hold always.
    """
    config = {
        "initial": "a",
        "states": {"a": {"on": {"go": {"target": "b", "guard": guard}}}, "b": {"type": "final"}},
    }
    with pytest.raises(DefinitionError, match=r"states\.a\.on\.go\.guard"):
        from_xstate(config)


def test_markup_lists_what_its_machine_lists():
    """
    A machine and its markup come in as one lifecycle, and leave the same behind.
    """
    machine = MarkupMachine(
        model=None,
        states=["a", {"name": "b", "on_enter": "greet", "on_exit": "leave"}, "c"],
        initial="a",
        transitions=[
            ["go", "a", "b", "ready", None, "first", "then", "prepared"],
            ["go", "a", "c", None, "busy"],
        ],
        auto_transitions=False,
        prepare_event="prepare",
    )
    whole, read = Lifecycle.from_machine(machine), from_markup(machine.markup)

    assert whole.transitions == read.transitions
    assert 6 == len(read.left_behind)
    assert whole.left_behind == read.left_behind


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"states": {"a": {"on": {"go": "b"}}, "b": {"type": "final", "route": {}}}}, "states.b.route"),
        ({"states": {"a": {"on": {"go": "b"}}, "b": {"type": "final", "always": {}}}}, "states.b.always"),
        ({"states": {"a": {"on": {"go": "b"}, "invoke": {}}, "b": {"type": "final"}}}, "states.a.invoke"),
        ({"states": {"a": {"on": {"go": {"target": "b", "delay": 5}}}, "b": {"type": "final"}}},
         "states.a.on.go.delay"),
        ({"route": {}, "states": {"a": {"on": {"go": "a"}}}}, "route"),
        ({"states": {"a": {"on": {"go": "err"}}, "err": {}}}, "states.err"),
    ],
)  # fmt: skip
def test_what_xstate_says_and_a_lifecycle_cannot_is_refused(change, place):
    """
    An unknown key may hold a move, and a state without one need not be an end: neither is guessed.
    """
    with pytest.raises(DefinitionError) as refused:
        from_xstate({"id": "m", "initial": "a", **change})

    assert place == refused.value.place


def test_a_state_of_scxml_without_a_way_out_is_not_taken_for_a_success():
    """
    Only <final> is an end; a state that was forgotten is named.
    """
    body = '<state id="a"><transition event="go" target="err"/></state><state id="err"/>'
    with pytest.raises(DefinitionError, match="state 'err': has no way out: make an end a <final>"):
        from_scxml(document(body))


# -- what is refused -----------------------------------------------------------------------

BOMB = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><scxml>&b;</scxml>'
DEEP = b'<scxml xmlns="http://www.w3.org/2005/07/scxml">' + b"<onentry>" * 60
WITHIN = '<state id="a"><state id="b"/></state>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "document type"),
        (b'<!DOCTYPE scxml SYSTEM "http://x/y.dtd"><scxml/>', "document type"),
        (DEEP, "deeper"),
        (b"", "no element"),
        (b"<scxml/>", "namespace"),
        (b"\xff\xfe\x00", "line 1"),
        (b'<?xml version="1.0" encoding="nonsense"?><scxml/>', "line 1"),
        (document("<state/>"), "without an id"),
        (document(WITHIN), "nested states"),
        (document("<parallel/>"), "parallel"),
        (document('<state id="a"/><final id="a"/>'), "'a' twice"),
        (
            document(
                '<state id="a" r:status="b"/><final id="b"/>',
                'xmlns:r="https://pypi.org/project/runstate/"',
            ),
            "'b' twice",
        ),
        (document('<state id="a"><transition target="a"/></state>'), "without an event"),
        (document('<state id="a"><transition event="*"/></state>'), "wildcard"),
        (document('<state id="a"><transition event="x" target="a b"/></state>'), "several"),
        (b'<state xmlns="http://www.w3.org/2005/07/scxml"/>', "expected <scxml>"),
        (b" " * ((1 << 20) + 1), "larger"),
        (
            document(
                '<state id="a"><transition event="x" r:evidence="y"/></state>',
                'xmlns:r="https://pypi.org/project/runstate/"',
            ),
            "evidence",
        ),
    ],
)
def test_scxml_that_says_more_or_nothing_is_refused(content, reason):
    """
    In one line, with its place; nothing is expanded and nothing fetched.
    """
    with pytest.raises(DefinitionError, match=reason) as caught:
        from_scxml(content, "x.scxml")

    assert str(caught.value).startswith("x.scxml")
    assert 1 == len(str(caught.value).splitlines())


def test_moves_within_what_others_added_are_none():
    """
    What is in another namespace may hold anything, and none of it is this document's.
    """
    foreign = '<x:y xmlns:x="urn:x"><transition event="no" target="b"/></x:y>'
    content = document(
        f'<state id="a">{foreign}<transition event="go" target="b"/></state><final id="b"/>'
    )

    assert ("a", {"b"}, {("go", "a", "b")}) == moves(from_scxml(content))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ([], "an object"),
        ({}, "states"),
        ({"states": {}}, "initial"),
        ({"initial": "a", "states": {"a": []}}, r"states\.a"),
        ({"initial": "a", "states": {"a": {"states": {"b": {}}}}}, "flat"),
        ({"initial": "a", "states": {"a": {"type": "parallel"}}}, r"states\.a\.type: is parallel"),
        ({"initial": "a", "states": {"a": {"type": "history"}}}, r"states\.a\.type: is history"),
        ({"initial": "a", "states": {"a": {"always": "b"}}}, "flat"),
        ({"initial": "a", "states": {"a": {"after": {"1000": "b"}}}}, "flat"),
        ({"initial": "a", "states": {"a": {"on": {"*": "a"}}}}, "wildcard"),
        ({"initial": "a", "states": {"a": {"on": {"x": "#other.b"}}}}, "not a sibling state"),
        ({"initial": "a", "states": {"a": {"on": {"x": ".b"}}}}, "not a sibling state"),
        ({"initial": "a", "states": {"a": {"on": {"x": 5}}}}, "a text"),
        ({"initial": "a", "states": {}, "type": "parallel"}, "parallel"),
        ({"initial": "a", "states": {}, "on": {"x": "a"}}, "every state"),
        (
            {"initial": "a", "states": {}, "after": {"1000": ".a"}},
            "after: .* automatic transitions",
        ),
    ],
)
def test_xstate_that_says_more_is_refused(config, reason):
    """
    Rather than dropped.
    """
    with pytest.raises(DefinitionError, match=reason):
        from_xstate(config)


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        (5, "an object"),
        ({}, "states"),
        ({"states": [5]}, r"states\[0\]"),
        ({"states": ["a"], "transitions": ["x"]}, r"transitions\[0\]"),
        ({"states": ["a"], "transitions": [{"source": "a"}]}, "trigger"),
        ({"states": ["a"], "transitions": [["x", 5, "a"]]}, "source"),
        ({"states": [{"name": "a", "children": ["b"]}], "transitions": []}, "flat"),
        ({"states": [{"name": "a", "parallel": ["b"]}], "transitions": []}, "flat"),
    ],
)
def test_markup_that_is_none_is_refused(markup, reason):
    """
    With the place of what is wrong.
    """
    with pytest.raises(DefinitionError, match=reason):
        from_markup(markup)


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        (5, "an object"),
        ({}, "states"),
        ({"states": {"a": 5}}, r"states\.a"),
        ({"states": {"a": {"states": {"b": {}}}}}, "flat"),
        ({"states": {"a": {"transitions": [{"target": "a"}]}}}, "without an event"),
        ({"states": {"a": {"on": {"x": 5}}}}, "an object"),
        ({"states": {"a": {"value": 1}, "b": {"value": "1"}}}, r"states\.b\.value: is that of a"),
    ],
)
def test_statemachine_that_says_more_is_refused(definition, reason):
    """
    With the place of what is wrong.
    """
    with pytest.raises(DefinitionError, match=reason):
        from_statemachine(definition)


class Region:
    """
    A class that has the looks of one with states within.
    """

    states = (type("S", (), {"id": "a", "states": ["b"]})(),)


class Eventless:
    """
    A class that has the looks of one that moves by itself.
    """

    states = (
        type("S", (), {"id": "a", "value": "a", "initial": True, "final": False,
                       "transitions": [type("T", (), {"event": ""})()]})(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "reason"),
    [(int, "expected a StateMachine class"), (Region, "flat"), (Eventless, "without an event")],
)
def test_other_classes_are_refused(machine, reason):
    """
    By their name.
    """
    with pytest.raises(DefinitionError, match=f"{machine.__name__}.*{reason}"):
        from_statemachine_class(machine)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(HOSTILE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["states", "transitions", "on", "initial", "name", "a", "target"]),
            inner,
        )
    ),
)


@given(JSON, st.sampled_from([from_markup, from_statemachine, from_xstate]))
def test_nonsense_raises_what_is_promised(data, read):
    """
    Whatever is given, it is a lifecycle, or an error of ours.
    """
    with suppress(DefinitionError, LifecycleError):
        assert isinstance(read(data), Lifecycle)


@given(st.binary(max_size=200) | st.text(max_size=200).map(document))
def test_nonsense_for_scxml_raises_what_is_promised(content):
    """
    Whatever the bytes are.
    """
    with suppress(DefinitionError, LifecycleError):
        assert isinstance(from_scxml(content), Lifecycle)


# -- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("preset", ["run", "celery", "river-job"])
def test_every_notation_is_known_by_what_is_in_it(tmp_path, name, preset):
    """
    A file that is written in a notation is read as that, whatever else ends in .json.
    """
    path = tmp_path / ("x.scxml" if name == "scxml" else "x.json")
    path.write_bytes(FORMATS[name].render(PRESETS[preset]))

    assert moves(PRESETS[preset]) == moves(load_file(path))


def test_our_own_definitions_are_read_too(tmp_path):
    """
    TOML, and the JSON of a picture, stamps and all.
    """
    (tmp_path / "x.json").write_bytes(draw(RUN, "json"))
    (tmp_path / "x.toml").write_text(
        'name = "x"\ninitial = "a"\nterminal = ["b"]\n'
        'transitions = [{ trigger = "go", source = "a", target = "b" }]\n'
    )

    assert RUN == load_file(tmp_path / "x.json")
    assert ("a", {"b"}, {("go", "a", "b")}) == moves(load_file(tmp_path / "x.toml"))


LAUGHS = b"".join(
    [
        b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol0 "lol">',
        *(b'<!ENTITY lol%d "%s">' % (n, b"&lol%d;" % (n - 1) * 10) for n in range(1, 10)),
        b"]><scxml>&lol9;</scxml>",
    ]
)
FETCHES = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><scxml>&f;</scxml>'


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.yaml", b"a: 1", "YAML is not supported: convert it to JSON"),
        ("x.yml", b"a: &a [*a]", "YAML is not supported: convert it to JSON"),
        ("x.xml", b"<scxml/>", r"ends in \.toml, \.json, \.scxml"),
        ("x.scxml", LAUGHS, "document type"),
        ("x.scxml", FETCHES, "document type"),
        ("x.scxml", b"<a>" * 100_000, "expected <scxml>"),
        ("x.scxml", DEEP + b"<onentry>" * 100_000, "deeper"),
        ("x.scxml", b"{}", "invalid XML"),
        ("x.scxml", b" " * ((1 << 20) + 1), "larger"),
        ("x.json", b"<scxml/>", "invalid JSON"),
        ("x.json", b"[" * 100_000, "invalid JSON"),
        ("x.json", b'{"states": ' * 50_000, "invalid JSON"),
        ("x.json", b'{"states": [], "states": {}}', "'states' is repeated"),
        ("x.json", b"[]", "an object"),
        ("x.json", b"{}", "name: Field required"),
        ("x.json", b'{"states": []}', "transitions: must be a list"),
        ("x.json", b'{"states": 5}', "states: must be an object"),
        ("x.json", b"\xff", "invalid JSON"),
        ("none.json", None, "No such file"),
    ],
)
def test_file_that_is_no_lifecycle_is_refused(tmp_path, name, content, reason):
    """
    In one line that names it; nothing is expanded, fetched, or followed to any depth.
    """
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(RunstateError, match=reason) as caught:
        load_file(tmp_path / name)
    assert 1 == len(str(caught.value).splitlines())


KEYS = st.sampled_from(
    ["states", "transitions", "initial", "terminal", "name", "id", "on", "target", "event",
     "source", "dest", "trigger", "type", "final", "meta", "evidence", "outcome", "value", "a"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b", "", "*", "final"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(
    said=st.fixed_dictionaries(
        {"states": st.lists(JSON, max_size=3) | st.dictionaries(KEYS, JSON, max_size=4)},
        optional={"initial": JSON, "transitions": JSON, "name": JSON, "id": JSON},
    )
)
@pytest.mark.parametrize("read", [from_markup, from_statemachine, from_xstate])
def test_whatever_json_says_is_a_lifecycle_or_refused(read, said):
    """
    Never another error, of whatever shape it is.
    """
    with suppress(RunstateError):
        assert isinstance(read(said), Lifecycle)
