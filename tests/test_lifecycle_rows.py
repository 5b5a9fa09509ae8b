"""
Rows of several sources, members of an Enum in every place, and machines that never end.
"""

import sqlite3
from enum import Enum, IntEnum, StrEnum, auto
from types import SimpleNamespace

import pytest
import transitions

from pictures import picture_of
from runstate import (
    Engine,
    Entry,
    Lifecycle,
    LifecycleError,
    Observation,
    Transition,
    check,
    load_lifecycle,
)
from runstate.ddl import guard_sql
from runstate.diagrams import FORMATS, draw
from runstate.frames import survey_files
from runstate.interchange import (
    from_markup,
    from_scxml,
    from_xstate,
    to_markup,
    to_scxml,
    to_xstate,
)
from runstate.store import Store
from test_diagram_layout import faults


def moves(lifecycle):
    """
    Return trigger, source and target of each row.
    """
    return [(row.trigger, row.source, row.target) for row in lifecycle]


BREAKER = Lifecycle(
    name="breaker",
    transitions=(
        Transition("trip", ["closed", "half_open"], "open"),
        Transition("probe", "open", "half_open"),
        Transition("recover", "half_open", "closed"),
    ),
    initial="closed",
    entries=(Entry("open", stamps=("opened_at",)),),
)

# -- several sources ---------------------------------------------------------------------


def test_a_row_of_several_sources_is_a_row_for_each():
    """
    In the order in which the sources stand, each with the evidence and the citation.
    """
    row = Transition("end", ["a", "b"], "c", "reported", "page 3")
    lifecycle = Lifecycle("x", [Transition("go", "a", "b"), row], "a", {"c": "success"})

    assert [("go", "a", "b"), ("end", "a", "c"), ("end", "b", "c")] == moves(lifecycle)
    assert {("reported", "page 3")} == {(r.evidence, r.citation) for r in lifecycle.transitions[1:]}
    assert ("a", "b") == lifecycle.sources("end")
    assert "a, b -end-> c" == str(row)


def test_a_star_is_every_status_that_is_not_terminal():
    """
    Whether another row, the beginning or the star's own target names it.
    """
    lifecycle = Lifecycle(
        "x",
        [
            Transition("go", "a", "b"),
            Transition("kill", "*", "dead"),
            Transition("reset", "*", "idle"),
            Transition("end", "b", "done"),
        ],
        "a",
        {"dead": "error", "done": "success"},
    )

    assert ("a", "b", "idle") == lifecycle.sources("kill") == lifecycle.sources("reset")
    assert "*" not in lifecycle.known


def test_rows_that_clash_after_they_were_expanded_are_refused():
    """
    A star covers a source that has a row of the same trigger: one trigger has one target.
    """
    with pytest.raises(LifecycleError, match="clashes with a -go-> b"):
        Lifecycle(
            "x", [Transition("go", "a", "b"), Transition("go", "*", "c")], "a", {"c": "success"}
        )
    with pytest.raises(ValueError, match="source of 'go': expected a status or several, got none"):
        Transition("go", [], "c")


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_files_take_lists_and_stars(tmp_path, suffix):
    """
    As the constructor does; a list of something else names its place.
    """
    toml = """
name = "x"
initial = "a"
terminal = ["dead"]
transitions = [
    {trigger = "go", source = ["a", "b"], target = "b"},
    {trigger = "kill", source = "*", target = "dead"},
]
"""
    json = """{"name": "x", "initial": "a", "terminal": ["dead"], "transitions": [
    {"trigger": "go", "source": ["a", "b"], "target": "b"},
    {"trigger": "kill", "source": "*", "target": "dead"}]}"""
    path = tmp_path / f"x.{suffix}"
    path.write_text({"toml": toml, "json": json}[suffix])
    expected = [("go", "a", "b"), ("go", "b", "b"), ("kill", "a", "dead"), ("kill", "b", "dead")]

    assert expected == moves(load_lifecycle(path))
    path.write_text({"toml": toml, "json": json}[suffix].replace('"b"]', "5]"))
    with pytest.raises(Exception, match=r"transitions\[0\].source\[1\]"):
        load_lifecycle(path)


# -- members of an Enum ------------------------------------------------------------------


class Word(StrEnum):
    """A text each."""

    READY = "ready"
    DONE = "done"
    KILLED = "killed"


class Text(str, Enum):  # noqa: UP042  what many applications have
    """A text each, whose str() is another."""

    READY = "ready"
    DONE = "done"
    KILLED = "killed"


class Valued(Enum):
    """Values that are texts."""

    READY = "ready"
    DONE = "done"
    KILLED = "killed"


class Numbered(Enum):
    """Values that are not."""

    ready = auto()
    done = auto()
    killed = auto()


class Whole(IntEnum):
    """Numbers."""

    ready = 0
    done = 1
    killed = 2


class Act(Enum):
    """Triggers."""

    finish = auto()
    kill = auto()


KINDS = pytest.mark.parametrize("kind", [Word, Text, Valued, Numbered, Whole])


@KINDS
def test_an_enum_does_in_every_place(kind):
    """
    Rows, beginnings, ends, entries, queries and narrowing take members, and texts still.
    """
    ready, done, killed = kind
    lifecycle = Lifecycle(
        "job",
        [Transition(Act.finish, ready, done), Transition(Act.kill, [ready], killed)],
        initial=ready,
        terminal={done: "success", killed: "error"},
        entries=(Entry(done, stamps=("done_at",)),),
        created=("made_at",),
    )

    assert [("finish", "ready", "done"), ("kill", "ready", "killed")] == moves(lifecycle)
    assert ("ready", ("ready", "done", "killed")) == (lifecycle.initial, lifecycle.statuses)
    assert lifecycle.is_terminal(done)
    assert lifecycle.is_terminal("done")
    assert not lifecycle.is_terminal(ready)
    assert (
        lifecycle.transitions[:1] == lifecycle.rows(ready, done) == lifecycle.rows("ready", "done")
    )
    assert lifecycle.transitions[0] == lifecycle.row(Act.finish, ready)
    assert ("finish", "kill") == lifecycle.allowed(ready) == lifecycle.allowed("ready")
    assert ("done", "killed") == lifecycle.targets(ready)
    assert ("ready",) == lifecycle.sources(Act.finish)
    assert {"done", "killed"} == lifecycle.reachable(ready)
    assert (
        lifecycle.transitions[:1] == lifecycle.shortest_path(ready, done) == lifecycle.path_to(done)
    )
    assert ("done_at",) == lifecycle.entry(done).stamps
    assert {"made_at", "done_at"} == lifecycle.required_fields(done)
    assert ("finish",) == lifecycle.without(statuses=[killed]).triggers
    assert ("finish",) == lifecycle.without(triggers=[Act.kill], statuses=[killed]).triggers
    more = lifecycle.with_transitions(Transition("drop", ready, "gone"), terminal={"gone": "error"})
    assert {"done", "killed", "gone"} == set(more.terminal)
    assert check(["ready", "done"], lifecycle).ok


def shown(histories, lifecycle):
    """
    Return what is found in *histories*, in words.
    """
    return [
        [
            (f.code, f.message, f.hint, type(f.target) in {str, Word})
            for f in check(h, lifecycle).findings
        ]
        for h in histories
    ]


@KINDS
def test_histories_of_members_are_those_of_their_names(kind):
    """
    As statuses where a member is a text, in snapshots and in observations of any Enum; legal or not.
    """
    ready, done, killed = kind
    lifecycle = Lifecycle(
        "job",
        [Transition("finish", ready, done), Transition("kill", ready, killed)],
        initial=ready,
        terminal={done: "success", killed: "error"},
    )

    def histories(ready, done, killed):
        yield [Observation(ready, "a", 1.0), Observation(done, "a", 2.0)]
        yield [Observation(ready, "a", 1.0), Observation(done, "a", 2.0), Observation(killed, "a")]
        yield [Observation(done, "a", 1.0, source=ready), Observation(ready, "a", source=done)]
        yield [
            Observation(done, "a", 2.0),
            Observation(ready, "a", 1.0),
            Observation(killed, "a", 1.0),
        ]
        yield [{"id": "a", "status": each} for each in (ready, done)]
        yield [{"id": "a", "status": each} for each in (done, killed)]
        if isinstance(ready, str):
            yield [ready, done]
            yield [ready, done, killed, ready]
            yield [done]

    plain = histories("ready", "done", "killed")
    for members, words in zip(histories(*kind), plain, strict=False):
        assert shown([words], lifecycle) == shown([members], lifecycle)


@KINDS
def test_engine_and_store_move_objects_of_any_enum(kind):
    """
    The record of a move and the store have the words.
    """
    ready, done, killed = kind
    lifecycle = Lifecycle(
        "job",
        [Transition(Act.finish, ready, done), Transition(Act.kill, ready, killed)],
        initial=ready,
        terminal={done: "success", killed: "error"},
    )
    job = SimpleNamespace(status=ready)
    moved = Engine(lifecycle).fire(job, "finish")
    with Store.open("sqlite://", lifecycle) as store:
        held = store.create()
        answer = store.fire(held["id"], "kill")
        killed_ones = [each["status"] for each in store.list(status=killed).items]

    assert ("ready", "done", done) == (moved.source, moved.target, job.status)
    assert ("ready", "killed", ["killed"]) == (
        answer.moved.source,
        answer.moved.target,
        killed_ones,
    )


@KINDS
def test_from_machine_reads_any_enum(kind):
    """
    Statuses are the values that are texts, and the names of members that have other values.
    """
    ready, done, killed = kind
    machine = transitions.Machine(
        model=None,
        states=kind,
        initial=ready,
        auto_transitions=False,
        transitions=[["finish", ready, done], ["kill", ready, killed]],
    )
    lifecycle = Lifecycle.from_machine(machine, terminal={done: "success", killed: "error"})
    assert [("finish", "ready", "done"), ("kill", "ready", "killed")] == moves(lifecycle)


def test_a_machine_with_a_missing_state_is_refused_in_one_line():
    """
    ``transitions`` finds out when the trigger fires; here the state is named at once.
    """
    machine = transitions.Machine(
        model=None, states=["a"], initial="a", transitions=[["go", "a", "UNKNOWN"]]
    )

    with pytest.raises(ValueError, match=r"^a transition names 'UNKNOWN', which is not a state"):
        Lifecycle.from_machine(machine)


# -- machines that never end -------------------------------------------------------------


def test_an_endless_machine_moves_and_is_checked():
    """
    Engine and check take it; nothing is an end, so RS105 is never told.
    """
    breaker = SimpleNamespace(id="1", status="closed", opened_at=None)
    engine = Engine(BREAKER)
    for trigger in ("trip", "probe", "trip", "probe", "recover"):
        engine.fire(breaker, trigger)

    assert "closed" == breaker.status
    assert not BREAKER.terminal
    assert check(["closed", "open", "half_open", "open", "half_open", "closed"], BREAKER).ok
    assert ["RS103"] == [f.code for f in check(["closed", "half_open"], BREAKER).findings]
    assert ["RS107"] == [f.code for f in check(["closed"], BREAKER, finished=True).findings]


def test_an_endless_machine_still_has_no_traps():
    """
    Without terminal statuses each status needs a way out; with some, a way to one of them.
    """
    with pytest.raises(LifecycleError, match="'b' is a trap: no row leads out of it"):
        Lifecycle("x", [Transition("go", "a", "b")], "a")
    with pytest.raises(LifecycleError, match="'b' is a trap: no terminal status is reachable"):
        Lifecycle(
            "x",
            [Transition("go", "a", "b"), Transition("turn", "b", "b"), Transition("end", "a", "c")],
            "a",
            {"c": "success"},
        )


@pytest.mark.parametrize("form", FORMATS)
def test_an_endless_machine_is_drawn(form):
    """
    Every format draws it, and none says that it ends.
    """
    assert draw(BREAKER, form)
    assert [] == faults(picture_of(BREAKER))
    if form in {"markdown", "svg"}:
        assert b"and never ends." in draw(BREAKER, form)
    if form == "dot":
        assert b"rank=same" not in draw(BREAKER, form)


def test_an_endless_machine_goes_there_and_back():
    """
    Through every notation that it can be written in.
    """
    for back in (
        from_markup(to_markup(BREAKER)),
        from_xstate(to_xstate(BREAKER)),
        from_scxml(to_scxml(BREAKER)),
        Lifecycle.from_machine(BREAKER.machine()),
    ):
        assert set(moves(BREAKER)) == set(moves(back))
        assert not back.terminal


def test_an_endless_machine_is_guarded_by_sql():
    """
    The trigger refuses what is no row, for every pair of statuses.
    """
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, status TEXT)")
    database.executescript(guard_sql(BREAKER, "sqlite"))
    for source in BREAKER.statuses:
        for target in BREAKER.statuses:
            database.execute("REPLACE INTO runs VALUES (NULL, ?)", (source,))
            key = database.execute("SELECT max(id) FROM runs").fetchone()[0]
            try:
                database.execute("UPDATE runs SET status = ? WHERE id = ?", (target, key))
                moved = True
            except sqlite3.IntegrityError:
                moved = False
            assert (source == target or bool(BREAKER.rows(source, target))) == moved


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_an_endless_machine_is_checked_in_files(tmp_path, observed, finished):
    """
    DuckDB finds what Python finds.
    """
    rows = [
        ("1", "closed", 1_788_000_001),
        ("1", "open", 1_788_000_002),
        ("2", "closed", 1_788_000_001),
        ("2", "half_open", 1_788_000_002),
    ]
    path = tmp_path / "log.csv"
    path.write_text("id,status,at\n" + "".join(f"{i},{s},{at}\n" for i, s, at in rows))
    found = [
        finding.code
        for run in "12"
        for finding in check(
            [s for i, s, _ in rows if i == run], BREAKER, observed=observed, finished=finished
        ).findings
    ]
    survey = survey_files([str(path)], lifecycle=BREAKER, observed=observed, finished=finished)

    assert sorted(found) == sorted(
        code for code, number in survey.tally.items() for _ in range(number)
    )
