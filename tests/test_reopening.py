"""
Rows that reopen: out of an end, into the next attempt, by one explicit trigger.
"""

import re
import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import pytest
import transitions
from hypothesis import given
from hypothesis import strategies as st

from conftest import BORN
from pictures import picture_of
from runstate import (
    RUN,
    Engine,
    Entry,
    IllegalTransitionError,
    Lifecycle,
    LifecycleError,
    PayloadError,
    RunEngine,
    Transition,
    check,
    load_lifecycle,
)
from runstate.ddl import DIALECTS, guard_sql
from runstate.diagrams import Overlay, draw
from runstate.interchange import (
    from_markup,
    from_scxml,
    from_xstate,
    to_markup,
    to_scxml,
    to_xstate,
)
from runstate.testing import ManualClock, drive
from test_diagram_layout import faults

ROWS = (
    Transition("start", "queued", "running"),
    Transition("finish", "running", "done"),
    Transition("fail", ["queued", "running"], "failed"),
    Transition(
        "retry", ["done", "failed"], "queued", "documented", "page 1", reopens=True,
        clears=["error", "started_at"],
    ),
    Transition("resume", "failed", "running", reopens=True),
)  # fmt: skip


def job(**more):
    """
    Return the lifecycle of a job that can be retried by hand.
    """
    values = {
        "name": "job",
        "transitions": ROWS,
        "initial": "queued",
        "terminal": {"done": "success", "failed": "failure"},
        "entries": (
            Entry("running", stamps=("started_at",)),
            Entry("done", stamps=("ended_at",)),
            Entry("failed", stamps=("ended_at",), requires=("error",)),
        ),
        "created": ("made_at",),
        "attempt_field": "tries",
    }

    return Lifecycle(**(values | more))


def new_job(**more):
    """
    Return an object that was just created.
    """
    fields = {"started_at": None, "ended_at": None, "error": None, "tries": 1}

    return SimpleNamespace(id="1", made_at=BORN, **({"status": "queued"} | fields | more))


# -- the table -----------------------------------------------------------------------------


def test_reopening_rows_stand_apart_from_the_table():
    """
    Queries, reachability and shortest paths leave them out: an end stays an end.
    """
    lifecycle = job()

    assert 4 == len(lifecycle)
    assert ["done -retry-> queued", "failed -retry-> queued", "failed -resume-> running"] == [
        str(row) for row in lifecycle.reopenings
    ]
    assert all(row.reopens for row in lifecycle.reopenings)
    assert not any(row.reopens for row in lifecycle)
    assert lifecycle.is_terminal("failed")
    assert () == lifecycle.allowed("failed") == lifecycle.targets("failed")
    assert frozenset() == lifecycle.reachable("done")
    assert None is lifecycle.shortest_path("failed", "running")
    assert lifecycle.reopenings[0] == lifecycle.reopening("retry", "done")
    assert None is lifecycle.reopening("retry", "running")
    assert None is lifecycle.row("retry", "done")
    assert ["RS109"] == [f.code for f in check(["queued", "failed", "queued"], lifecycle).findings]


def test_other_lifecycles_keep_the_reopening_rows():
    """
    Replaced, pickled, extended and narrowed, as far as their statuses and triggers remain.
    """
    lifecycle = job()

    assert lifecycle == replace(lifecycle)
    assert lifecycle.reopenings == replace(lifecycle, name="x").reopenings
    assert lifecycle.reopenings == lifecycle.with_transitions().reopenings
    assert lifecycle != replace(lifecycle, reopenings=())
    assert ("retry",) == tuple(r.trigger for r in lifecycle.without(statuses=["failed"]).reopenings)
    assert {"resume"} == {r.trigger for r in lifecycle.without(triggers=["retry"]).reopenings}
    assert 2 == len(lifecycle.without(rows=[("retry", "done")]).reopenings)
    assert 3 == len(lifecycle.only("documented").reopenings)
    assert () == job(transitions=[replace(r, evidence="inferred") if r.reopens else r for r in ROWS]
                     ).only("documented").reopenings  # fmt: skip


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (Transition("again", "failed", "queued"), "leads out of the terminal status 'failed'"),
        (Transition("again", "running", "queued", reopens=True), "'running' is not terminal"),
        (Transition("again", "failed", "done", reopens=True), "'done' is terminal"),
        (Transition("again", "failed", "gone", reopens=True), "other rows must name both"),
        (Transition("retry", "failed", "running", reopens=True), "one trigger has one target"),
        (Transition("again", "queued", "running", clears=["error"]), "only rows that reopen"),
        (
            Transition("again", "failed", "queued", reopens=True, clears="e"),
            "expected several names",
        ),
        (Transition("again", "failed", "queued", reopens=True, clears=["made_at"]), "set once"),
        (Transition("again", "failed", "queued", reopens=True, clears=["tries"]), "counts the"),
        (Transition("again", "failed", "queued", reopens=True, clears=["no"]), "no field 'no'"),
    ],
)
def test_a_reopening_row_that_contradicts_the_table(row, fault):
    """
    It is marked, leads from an end to a live status, and clears fields of the lifecycle.
    """
    known = frozenset({"id", "status", "tries", "error", "started_at", "ended_at", "made_at"})
    with pytest.raises(LifecycleError, match=re.escape(fault)):
        job(transitions=(*ROWS, row), fields=known)


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_reopening_rows_in_files(tmp_path, suffix):
    """
    A file says ``reopens`` and ``clears``, and what the JSON picture prints is read back.
    """
    toml = """
name = "job"
initial = "queued"
terminal = {done = "success"}
attempt_field = "tries"
transitions = [
    {trigger = "finish", source = "queued", target = "done"},
    {trigger = "retry", source = "done", target = "queued", reopens = true, clears = ["error"]},
]
entries = [{status = "done", accepts = ["error"]}]
"""
    path = tmp_path / f"job.{suffix}"
    path.write_bytes(toml.encode() if suffix == "toml" else draw(job(), "json"))
    lifecycle = load_lifecycle(path)

    assert "tries" == lifecycle.attempt_field
    if suffix == "json":
        assert job() == lifecycle
    else:
        assert (Transition("retry", "done", "queued", reopens=True, clears=["error"]),) == (
            lifecycle.reopenings
        )


@given(data=st.data())
def test_fields_that_a_status_requires_and_excludes_hold_across_attempts(data):
    """
    A stamp that an earlier attempt has left may be set; one that a reopening clears is not required.
    """
    lifecycle = job()
    status, fields = "queued", {"made_at"}
    for _ in range(data.draw(st.integers(0, 8))):
        rows = [r for r in (*lifecycle, *lifecycle.reopenings) if r.source == status]
        row = data.draw(st.sampled_from(rows))
        entry = lifecycle.entry(row.target)
        fields = (fields - set(row.clears)) | {*entry.stamps, *entry.requires}
        status = row.target
        assert lifecycle.required_fields(status) <= fields
        assert not lifecycle.excluded_fields(status) & fields


# -- the engine ----------------------------------------------------------------------------


def test_the_engine_reopens_by_the_trigger_alone():
    """
    The attempt is raised, what the row clears is cleared, and everything else is kept.
    """
    clock = ManualClock(BORN)
    engine, run = Engine(job(), clock=clock), new_job()
    engine.fire(run, "start")
    clock.now += 5
    engine.fire(run, "fail", error="disk full")

    assert ("retry", "resume") == engine.allowed(run)
    assert engine.can(run, "retry")
    with pytest.raises(IllegalTransitionError, match="failed is terminal"):
        engine.fire(run, "start")
    moved = engine.fire(run, "retry")
    assert ("failed", "queued") == (moved.source, moved.target)
    assert ("queued", 2, None, None, BORN + 5) == (
        run.status, run.tries, run.error, run.started_at, run.ended_at,
    )  # fmt: skip
    engine.fire(run, "fail", error="again")
    engine.fire(run, "resume")
    assert ("running", 3, "again") == (run.status, run.tries, run.error)


def test_an_object_without_a_number_is_in_its_first_attempt():
    """
    None becomes 2, and 0 becomes 1; without a whole number in the field the object stays as it is.
    """
    engine = Engine(job())
    for first, second in ((None, 2), (0, 1), (1, 2)):
        run = new_job(tries=first, status="failed")
        engine.fire(run, "retry")
        assert second == run.tries

    for broken in (new_job(tries="one", status="failed"), new_job(status="failed")):
        if broken.tries == 1:
            del broken.tries
        before = dict(vars(broken))
        with pytest.raises(PayloadError, match="'tries' counts the attempts: expected a whole"):
            engine.fire(broken, "retry")
        assert before == vars(broken)


def test_a_run_of_the_wire_has_no_attempts():
    """
    RunEngine refuses such a lifecycle when it is made: a RunResponse has nowhere to count.
    """
    row = Transition("retry", "failed", "queued", reopens=True)
    with pytest.raises(LifecycleError, match="attempt_field: no field 'attempt'"):
        RUN.with_transitions(row)
    with pytest.raises(LifecycleError, match="use Engine and Store, which take any model"):
        RunEngine(replace(RUN, fields=None, reopenings=(row,)))


class Jobs:
    """
    A service over an engine.
    """

    def __init__(self):
        self.jobs = []
        self.engine = Engine(job())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def create(self):
        """See the protocol."""
        self.jobs.append(new_job())

        return str(len(self.jobs) - 1)

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        try:
            self.engine.fire(self.jobs[int(run_id)], trigger, **payload)
        except IllegalTransitionError:
            return SimpleNamespace(ok=False, status=self.status(run_id))

        return SimpleNamespace(ok=True, status=self.status(run_id))

    def status(self, run_id):
        """See the protocol."""
        return self.jobs[int(run_id)].status


def test_a_drive_fires_the_reopening_rows_too():
    """
    Each is covered, and every other trigger out of an end must be refused.
    """
    driven = drive(Jobs, lifecycle=job(), payloads={"fail": {"error": "x"}})

    assert driven.ok, str(driven)
    assert (*job(), *job().reopenings) == driven.covered
    assert 4 * 5 - 7 == driven.refusals


# -- the bridge and other notations ---------------------------------------------------------


def test_transitions_takes_the_reopening_rows_and_gives_them_back():
    """
    Out of the statuses that are called terminal, by the triggers that are said to reopen.
    """
    machine = job().machine()
    back = Lifecycle.from_machine(machine, terminal=job().terminal, reopens=["retry", "resume"])

    assert {str(row) for row in job()} == {str(row) for row in back}
    assert {str(row) for row in job().reopenings} == {str(row) for row in back.reopenings}
    with pytest.raises(LifecycleError, match="leads out of the terminal status"):
        Lifecycle.from_machine(machine, terminal=job().terminal, reopens=["retry"])
    machine = transitions.Machine(states=["a", "b"], initial="a", auto_transitions=False)
    machine.add_ordered_transitions()
    assert 2 == len(Lifecycle.from_machine(machine, reopens=["next_state"]))


@pytest.mark.parametrize(("out", "back"), [(to_xstate, from_xstate), (to_scxml, from_scxml)])
def test_notations_with_room_keep_the_reopening_rows(out, back):
    """
    With what they clear, how they are known, and the outcomes of the ends that they leave.
    """
    found = back(out(job()))

    assert set(job().reopenings) == set(found.reopenings)
    assert set(job().transitions) == set(found.transitions)
    assert dict(job().terminal) == dict(found.terminal)


def test_markup_leaves_the_reopening_rows_behind():
    """
    Its machine takes no key that it does not know, so an end stays an end there.
    """
    assert () == from_markup(to_markup(job())).reopenings


# -- pictures ------------------------------------------------------------------------------


def test_reopening_rows_are_drawn_dotted_with_their_trigger():
    """
    In every drawn format, with a line of the legend, and without moving a status.
    """
    lifecycle = job()
    picture = picture_of(lifecycle)
    names = [box.status for box in picture.boxes]
    reopened = picture.pairs["failed", "running"]

    assert ("dotted", ("resume",)) == (reopened.dash, reopened.lines)
    assert [] == faults(picture)
    svg = draw(lifecycle, "svg").decode()
    assert "reopens a run that has ended" in svg
    assert "resume: failed -&gt; running (reopens, documented)" in svg
    assert "3 more that reopen" in svg
    number = {name: f"s{at}" for at, name in enumerate(names)}
    line = f'{number["failed"]} -.->|"resume"| {number["running"]}'
    assert line in draw(lifecycle, "mermaid").decode()
    assert f"{number['failed']} -[dotted]-> {number['running']} : resume" in (
        draw(lifecycle, "plantuml").decode()
    )
    (edge,) = [s for s in draw(lifecycle, "dot").decode().splitlines() if '"resume"' in s]
    assert "style=dotted" in edge
    assert "| `resume` (reopens) | `failed` | `running` |" in draw(lifecycle, "markdown").decode()


def test_a_reopening_that_was_observed_is_not_drawn_as_illegal():
    """
    It is counted at its own arrow; a move out of an end that no row makes stays illegal.
    """
    overlay = Overlay(counts={("failed", "queued"): 3, ("done", "failed"): 2})
    picture = picture_of(job(), overlay)
    found = {pair: (a.role, a.count) for pair, a in picture.pairs.items() if a.count}

    assert {("failed", "queued"): ("plain", 3), ("done", "failed"): ("illegal", 2)} == found
    assert [] == faults(picture)


UNQUOTED = str.maketrans("", "", '"`')

# -- the database --------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_guard_needs_the_column_of_the_attempt(dialect):
    """
    Without it a late writer would pass for a reopening; that has to be asked for.
    """
    with pytest.raises(ValueError, match=r"has rows that reopen, such as done -retry-> queued"):
        guard_sql(job(), dialect)
    with pytest.raises(ValueError, match="a column of its own"):
        guard_sql(job(), dialect, attempt="status")
    assert ".tries" in guard_sql(job(), dialect, attempt="tries").translate(UNQUOTED)
    assert "tries" not in guard_sql(job(), dialect, unfenced_reopen=True)
    assert guard_sql(RUN, dialect) == guard_sql(RUN, dialect, unfenced_reopen=True)


def succeeds(database, statement, values):
    """
    Return whether *statement* was not refused.
    """
    try:
        database.execute(statement, values)
    except sqlite3.IntegrityError:
        return False

    return True


def test_a_replace_cannot_reopen():
    """
    It does not say which attempt it was, so that it is refused like any other way out of an end.
    """
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, status TEXT, tries INTEGER)")
    database.executescript(guard_sql(job(), "sqlite", attempt="tries"))
    database.execute("INSERT INTO runs VALUES (1, 'failed', 1)")

    assert not succeeds(database, "REPLACE INTO runs VALUES (1, 'queued', ?)", (2,))
    with pytest.raises(sqlite3.IntegrityError, match="allowed: queued, running in a new attempt"):
        database.execute("UPDATE runs SET status = 'queued'")
