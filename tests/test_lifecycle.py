"""
The table, its queries, and its self-check.
"""

import itertools
import pickle
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate import (
    RUN,
    Deadline,
    Deviation,
    Entry,
    Lifecycle,
    LifecycleError,
    RunStatus,
    Transition,
    check,
)

ROWS = [
    "",
    "queued -start-> in_progress",
    "queued -request_cancel-> cancelling",
    "queued -fail-> failed",
    "queued -expire-> expired",
    "in_progress -require_action-> requires_action",
    "in_progress -complete-> completed",
    "in_progress -fail-> failed",
    "in_progress -stop_incomplete-> incomplete",
    "in_progress -expire-> expired",
    "in_progress -request_cancel-> cancelling",
    "requires_action -submit_tool_outputs-> queued",
    "requires_action -request_cancel-> cancelling",
    "requires_action -expire-> expired",
    "cancelling -confirm_cancel-> cancelled",
    "cancelling -complete-> completed",
    "cancelling -fail-> failed",
    "cancelling -stop_incomplete-> incomplete",
    "cancelling -expire-> expired",
    "",
][1:-1]


def door(**changes):
    """
    A small lifecycle with a cycle, a self-move and two ends.
    """
    values = {
        "name": "door",
        "transitions": (
            Transition("open", "closed", "opened"),
            Transition("shut", "opened", "closed"),
            Transition("knock", "closed", "closed"),
            Transition("break_down", "opened", "broken"),
            Transition("wall_up", "closed", "walled"),
        ),
        "initial": "closed",
        "terminal": {"broken": "failure", "walled": "success"},
        **changes,
    }
    return Lifecycle(**values)


def test_the_run_table_has_its_eighteen_rows():
    """
    RUN holds exactly the rows of the contract, in their order.
    """
    assert ROWS == [str(row) for row in RUN]
    assert len(RUN) == 18


def test_every_row_of_the_run_table_says_where_it_comes_from():
    """
    No row is without evidence and citation.
    """
    assert [] == [row for row in RUN if not row.citation]
    assert {
        "documented": 10,
        "implemented": 2,
        "inferred": 4,
        "reported": 2,
    } == {
        kind: sum(row.evidence == kind for row in RUN)
        for kind in ("documented", "implemented", "inferred", "reported")
    }


def test_statuses_begin_with_the_initial_and_end_with_the_terminal_ones():
    """
    The order of statuses is that of a run's life.
    """
    assert tuple(RunStatus) != ()
    assert (
        "queued", "in_progress", "requires_action", "cancelling",
        "cancelled", "failed", "completed", "incomplete", "expired",
    ) == RUN.statuses  # fmt: skip
    assert frozenset(RunStatus) == RUN.known


def test_queries_answer_from_the_rows():
    """
    Allowed triggers, targets, sources and rows are read off the table.
    """
    lifecycle = door()

    assert ("open", "shut", "knock", "break_down", "wall_up") == lifecycle.triggers
    assert ("open", "knock", "wall_up") == lifecycle.allowed("closed")
    assert ("opened", "closed", "walled") == lifecycle.targets("closed")
    assert ("closed",) == lifecycle.sources("open")
    assert lifecycle.transitions[0] == lifecycle.row("open", "closed")
    assert lifecycle.row("open", "opened") is None
    assert (lifecycle.transitions[3],) == lifecycle.rows("opened", "broken")
    assert () == lifecycle.rows("broken", "opened")
    assert () == lifecycle.allowed("broken")
    assert () == lifecycle.allowed("nowhere") == lifecycle.targets("nowhere")
    assert lifecycle.is_terminal("broken")
    assert not lifecycle.is_terminal("closed")


def test_reachable_counts_a_status_itself_only_on_a_cycle():
    """
    One move or more: a terminal status reaches nothing, not even itself.
    """
    assert frozenset({"opened", "closed", "broken", "walled"}) == door().reachable("closed")
    assert frozenset() == door().reachable("broken")
    assert frozenset() == door().reachable("nowhere")


def test_the_shortest_path_has_the_fewest_moves():
    """
    Paths are made of rows, are empty from a status to itself, and None where there is no way.
    """
    assert [
        "requires_action -submit_tool_outputs-> queued",
        "queued -start-> in_progress",
        "in_progress -complete-> completed",
    ] != [str(row) for row in RUN.shortest_path("requires_action", "completed")]
    assert [
        "requires_action -request_cancel-> cancelling",
        "cancelling -complete-> completed",
    ] == [str(row) for row in RUN.shortest_path("requires_action", "completed")]
    assert () == RUN.shortest_path("queued", "queued")
    assert RUN.shortest_path("completed", "queued") is None
    assert RUN.shortest_path("nowhere", "queued") is None
    assert RUN.shortest_path("queued", "nowhere") is None


def test_components_come_in_the_order_of_a_run():
    """
    Statuses that reach each other are one component; earlier ones come first.
    """
    assert (
        frozenset({"queued", "in_progress", "requires_action"}),
        frozenset({"cancelling"}),
        frozenset({"cancelled"}),
        frozenset({"failed"}),
        frozenset({"completed"}),
        frozenset({"incomplete"}),
        frozenset({"expired"}),
    ) == RUN.components


def test_what_may_be_seen_in_succession():
    """
    Repeats are always possible; a gap may be bridged only by polling.
    """
    assert ("queued", "completed") not in RUN.seen_next
    assert ("queued", "completed") in RUN.seen_later
    assert ("completed", "completed") in RUN.seen_next & RUN.seen_later
    assert ("completed", "queued") not in RUN.seen_later
    assert len(RUN.seen_next) == 18 + 9


@pytest.mark.parametrize(
    ("statuses", "fits"),
    [
        ([], True),
        (["completed"], True),
        (["completed", "queued", "requires_action"], True),
        (["cancelling", "queued", "completed"], True),
        (["completed", "failed"], False),
        (["completed", "queued", "cancelled"], False),
    ],
)
def test_a_set_of_statuses_fits_one_run_or_not(statuses, fits):
    """
    Statuses fit if one path can pass through all of them; asked twice, the same.
    """
    fresh = RUN.with_transitions()
    assert fits is fresh.fits_one_run(statuses)
    assert fits is fresh.fits_one_run(iter(statuses))


def test_what_is_remembered_of_sets_is_bounded():
    """
    Beyond the bound an answer is worked out anew, and is the same.
    """
    names = [f"s{number}" for number in range(12)]
    rows = [Transition(f"to_{after}", before, after) for before, after in itertools.pairwise(names)]
    ends = [Transition(f"end_{end}", names[-1], end) for end in ("done", "failed")]
    fresh = Lifecycle("steps", [*rows, *ends], names[0], {"done": "success", "failed": "failure"})
    sets = [
        {status for place, status in enumerate(reversed(fresh.statuses)) if number >> place & 1}
        for number in range(10_100, 0, -1)
    ]

    for statuses in [*sets, *sets[-200:], *sets[:200]]:
        assert fresh.fits_one_run(statuses) != ({"done", "failed"} <= statuses)
    assert 10_000 == len(fresh._known_fits)


def test_what_each_status_requires_and_excludes_follows_from_the_entries():
    """
    The field rules agree with the counts of 650 recorded snapshots.
    """
    assert {"created_at", "started_at"} == RUN.required_fields("in_progress")
    assert {"created_at", "started_at", "required_action"} == RUN.required_fields("requires_action")
    # A run that is queued again keeps its old started_at; a new one has none.
    assert "started_at" not in RUN.required_fields("queued") | RUN.excluded_fields("queued")
    # Cancelled before its start, a run may even complete without one.
    assert "started_at" not in RUN.required_fields("completed") | RUN.excluded_fields("completed")
    assert {"created_at", "failed_at", "last_error"} == RUN.required_fields("failed")
    assert {
        "cancelled_at", "completed_at", "failed_at", "incomplete_details", "last_error",
        "required_action", "usage",
    } == RUN.excluded_fields("in_progress")  # fmt: skip
    assert "expires_at" in RUN.excluded_fields("completed")
    assert "usage" not in RUN.excluded_fields("cancelled")


def test_an_entry_that_accepts_a_field_leaves_it_open():
    """
    What a payload may bring is neither required nor excluded, and a clear wipes it.
    """
    lifecycle = door(
        entries=(
            Entry("opened", stamps=("opened_at",), accepts=("by",)),
            Entry("broken", requires=("blame",), clears=("by",)),
        ),
        created=("made_at",),
        deadline=Deadline("due_at", 60, 600),
    )

    assert {"made_at"} == lifecycle.required_fields("closed")
    assert {"blame"} == lifecycle.excluded_fields("closed")
    assert {"made_at", "opened_at"} == lifecycle.required_fields("opened")
    assert {"made_at", "opened_at", "blame"} == lifecycle.required_fields("broken")
    assert {"by"} == lifecycle.excluded_fields("broken")
    assert ("made_at", "opened_at", "due_at") == lifecycle.stamp_fields
    assert ("by", "blame") == lifecycle.detail_fields
    assert Entry("closed") == lifecycle.entry("closed")
    assert frozenset({"opened_at", "by"}) == lifecycle.entry("opened").fields


def test_a_wrong_table_is_refused_with_all_its_faults():
    """
    Every fault is named at once, each in a sentence of its own.
    """
    with pytest.raises(LifecycleError) as refused:
        Lifecycle(
            "wrong",
            (
                Transition("go", "a", "b"),
                Transition("go", "a", "c"),
                Transition("go", "a", "b"),
                Transition("back", "end", "a"),
                Transition("fall", "b", "pit"),
                Transition("sink", "pit", "pit", "guessed"),
                Transition("stop", "c", "end"),
                Transition("float", "island", "end"),
            ),
            "a",
            {"end": "fine"},
            entries=(
                Entry("c", stamps=("x", "x"), clears=("y",)),
                Entry("c"),
                Entry("nowhere"),
            ),
            created=("z",),
            identity=("i",),
            deadline=Deadline("d", 1, 1),
            fields=frozenset({"x"}),
        )

    assert (
        "a -go-> c: clashes with a -go-> b: one trigger has one target from a status",
        "a -go-> b: is repeated: one trigger has one target from a status",
        "end -back-> a: leads out of the terminal status 'end'",
        "pit -sink-> pit: evidence: expected one of documented, observed, reported, "
        "implemented, inferred; got 'guessed'",
        "terminal status 'end': outcome: expected one of success, failure, error, timeout, "
        "cancelled, incomplete; got 'fine'",
        "status 'b' is a trap: no terminal status is reachable from it",
        "status 'pit' is a trap: no terminal status is reachable from it",
        "status 'island' is unreachable from 'a'",
        "entry for 'c': field 'x' is named twice",
        "entry for 'c': no field 'y'",
        "entry for 'c' is repeated",
        "entry for 'nowhere': no such status",
        "creation: no field 'z'",
        "identity: no field 'i'",
        "status_field: no field 'status'",
        "deadline: no field 'd'",
    ) == refused.value.faults
    assert refused.value.lifecycle == "wrong"


def faults_of(**changes):
    """
    Return what a door with *changes* is refused for.
    """
    with pytest.raises(LifecycleError) as refused:
        door(**changes)

    return refused.value.faults


@pytest.mark.parametrize("what", ["stamps", "requires", "accepts", "clears"])
def test_an_entry_touches_no_field_that_is_not_its_own(what):
    """
    The status, the identity and what the creation sets are not for an entry to set or clear.
    """
    names = ("status", "made_at", "owner")
    entries = (Entry("opened", **{what: names}),)

    assert (
        "entry for 'opened': field 'status' holds the status",
        "entry for 'opened': field 'made_at' is set once, at the creation",
        "entry for 'opened': field 'owner' never changes: it is in the identity",
    ) == faults_of(entries=entries, created=("made_at",), identity=("owner",))


def test_the_status_has_a_field_of_its_own():
    """
    The field of the status is one of the fields, and nothing else is kept in it.
    """
    assert (
        "creation: field 'at' holds the status",
        "identity: field 'at' holds the status",
        "deadline: field 'at' holds the status",
    ) == faults_of(
        created=("at",), identity=("at",), deadline=Deadline("at", 1, 1), status_field="at"
    )
    assert ("status_field: no field 'status'",) == faults_of(fields=frozenset({"id"}))
    assert door(fields=frozenset({"state"}), status_field="state").fields == {"state"}


def test_a_deadline_leaves_time_to_run():
    """
    A run is given some time, and the longest is not less than that.
    """
    assert ("deadline: seconds must be positive, got 0",) == faults_of(
        deadline=Deadline("due_at", 0, 600)
    )
    assert (
        "deadline: seconds must be positive, got -5",
        "deadline: longest must be at least -5 s, got -6 s",
    ) == faults_of(deadline=Deadline("due_at", -5, -6))
    assert door(deadline=Deadline("due_at", 1, 1)).deadline == Deadline("due_at", 1, 1)


def test_a_deviation_is_about_what_there_is():
    """
    A deviation has a code of the right shape, and names a field and statuses that exist.
    """
    wrong = (
        Deviation("RS2", "status", frozenset({"opened"})),
        Deviation("RS202", "shut_at", frozenset({"ajar", "opened"})),
        Deviation("xRS202\n", "status", "opened"),
    )

    assert (
        "deviation RS2 of 'status': expected the code of a rule, such as RS202",
        "deviation RS202 of 'shut_at': no field 'shut_at'",
        "deviation RS202 of 'shut_at': no status 'ajar'",
        "deviation xRS202\n of 'status': expected the code of a rule, such as RS202",
        "deviation xRS202\n of 'status': statuses: expected several names, such as ('opened',), "
        "got the text 'opened'",
    ) == faults_of(deviations=wrong, fields=frozenset({"status"}))


def test_a_deviation_goes_with_its_statuses():
    """
    Without a status, what was known of it is gone, and what is known of others stays.
    """
    of_both = Deviation("RS202", "shut_at", frozenset({"broken", "walled"}))
    of_one = Deviation("RS205", "shut_at", frozenset({"walled"}))
    of_any = Deviation("RS206", "shut_at")
    narrowed = door(deviations=(of_both, of_one, of_any)).without(statuses=["walled"])

    assert narrowed.deviations == (
        Deviation("RS202", "shut_at", frozenset({"broken"})),
        of_any,
    )


@pytest.mark.parametrize("what", ["stamps", "requires", "accepts", "clears"])
def test_a_text_is_not_taken_for_the_names_of_its_letters(what):
    """
    One text where names are expected is one fault, and not one for every letter.
    """
    expected = "expected several names, such as ('at',), got the text 'at'"

    assert (f"entry for 'opened': {what}: {expected}",) == faults_of(
        entries=(Entry("opened", **{what: "at"}),), fields=frozenset({"status"})
    )
    assert (f"fields: {expected}", f"creation: {expected}", f"identity: {expected}") == faults_of(
        fields="at", created="at", identity="at"
    )


@pytest.mark.parametrize(
    ("terminal", "shape"), [({"broken"}, "set"), (["broken"], "list"), ("broken", "str")]
)
def test_ends_without_a_meaning_are_refused(terminal, shape):
    """
    Statuses alone do not say what the ends mean, wherever they are given.
    """
    expected = f"terminal: expected a mapping such as {{'completed': 'success'}}, got {shape}"

    assert (expected,) == faults_of(terminal=terminal)
    with pytest.raises(LifecycleError, match="got "):
        door().with_transitions(terminal=terminal)


def test_faults_name_members_by_their_values():
    """
    Statuses that are members of an Enum are named as they are on the wire.
    """
    queued, failed, completed = RunStatus.QUEUED, RunStatus.FAILED, RunStatus.COMPLETED
    with pytest.raises(LifecycleError) as refused:
        Lifecycle(
            "wrong",
            (Transition("go", failed, completed),),
            queued,
            {failed: "failure", completed: "fine"},
            entries=(Entry(RunStatus.EXPIRED),),
            deviations=(Deviation("RS202", "at", frozenset({RunStatus.EXPIRED})),),
        )

    assert (
        "failed -go-> completed: leads out of the terminal status 'failed'",
        "terminal status 'completed': outcome: expected one of success, failure, error, "
        "timeout, cancelled, incomplete; got 'fine'",
        "status 'queued' is a trap: no terminal status is reachable from it",
        "status 'failed' is unreachable from 'queued'",
        "status 'completed' is unreachable from 'queued'",
        "entry for 'expired': no such status",
        "deviation RS202 of 'at': no status 'expired'",
    ) == refused.value.faults
    with pytest.raises(LifecycleError) as refused:
        door().without(statuses=[queued], rows=[("start", queued)])

    assert (
        "cannot leave out: no status 'queued'",
        "cannot leave out: no row ('start', 'queued')",
    ) == refused.value.faults


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 101, "\x1b[31m"])
def test_names_that_could_forge_a_line_are_refused(name):
    """
    Names of lifecycles, statuses and triggers are one visible line.
    """
    with pytest.raises(LifecycleError) as refused:
        Lifecycle(name, (Transition("go", "a", "b"),), "a", {"b": "success"})

    assert (f"lifecycle {name!r} is not a name of 1 to 100 visible characters",) == (
        refused.value.faults
    )
    for kind, trigger, end in (("trigger", name, "b"), ("status", "go", name)):
        with pytest.raises(LifecycleError) as refused:
            Lifecycle("fine", (Transition(trigger, "a", end),), "a", {end: "success"})
        assert (f"{kind} {name!r} is not a name of 1 to 100 visible characters",) == (
            refused.value.faults
        )


def test_names_and_numbers_at_their_bounds_are_taken():
    """
    A hundred characters and 255 statuses are still fine, one more is not.
    """
    assert Lifecycle("x" * 100, (Transition("g", "a", "b"),), "a", {"b": "success"}).known

    def star(ends):
        rows = tuple(Transition(f"t{n}", "a", f"s{n}") for n in range(ends))
        return Lifecycle("star", rows, "a", {f"s{n}": "success" for n in range(ends)})

    assert len(star(254).statuses) == 255
    with pytest.raises(LifecycleError) as refused:
        star(255)

    assert ("expected at most 255 statuses, got 256",) == refused.value.faults


def test_only_keeps_the_rows_of_that_evidence_and_what_they_reach():
    """
    The strict subset is a lifecycle of its own, named after its evidence.
    """
    strict = RUN.only("documented")

    assert strict.name == "run-documented"
    assert [row for row in RUN if row.evidence == "documented"] == list(strict)
    assert RUN.statuses == strict.statuses
    assert RUN.only("documented", name="strict").name == "strict"
    assert RUN.only("documented", "reported").name == "run-documented-reported"
    with pytest.raises(LifecycleError):
        RUN.only("observed")


def test_only_drops_what_is_out_of_reach():
    """
    Statuses that no kept row reaches are gone, with their entries, rows and outcomes.
    """
    lifecycle = door(
        transitions=(
            Transition("open", "closed", "opened", "inferred"),
            Transition("break_down", "opened", "broken"),
            Transition("wall_up", "closed", "walled"),
        ),
        entries=(Entry("broken", stamps=("broken_at",)), Entry("walled", stamps=("walled_at",))),
    )
    strict = lifecycle.only("documented")

    assert ("closed", "walled") == strict.statuses
    assert {"walled": "success"} == dict(strict.terminal)
    assert (Entry("walled", stamps=("walled_at",)),) == strict.entries
    assert (Transition("wall_up", "closed", "walled"),) == strict.transitions


def test_with_transitions_adds_rows_ends_and_entries():
    """
    A lifecycle is widened without touching the one it came from.
    """
    wider = RUN.with_transitions(
        Transition("reject", "queued", "rejected", "implemented", "ours"),
        terminal={"rejected": "error"},
        entries=(Entry("rejected", stamps=("failed_at",)), Entry("queued")),
        name="ours",
    )

    assert len(wider) == 19
    assert wider.name == "ours"
    assert wider.terminal["rejected"] == "error"
    assert Entry("queued") == wider.entry("queued")
    assert "rejected" not in RUN.known
    assert RUN.with_transitions().name == "run"


def test_without_narrows_by_status_trigger_or_row():
    """
    Azure knows no incomplete; others know no cancel; what is named must be there.
    """
    azure = RUN.without(statuses=["incomplete"], name="azure")

    assert "incomplete" not in azure.known
    assert (16, "azure") == (len(azure), azure.name)
    assert RUN.without(rows=[("expire", "queued")]).row("expire", "queued") is None
    assert RUN.without(triggers=["expire"], statuses=["expired"]).name == "run"
    with pytest.raises(LifecycleError) as refused:
        RUN.without(statuses=["done"], triggers=["go"], rows=[("start", "failed")])

    assert (
        "cannot leave out: no status 'done'",
        "cannot leave out: no trigger 'go'",
        "cannot leave out: no row ('start', 'failed')",
    ) == refused.value.faults
    assert refused.value.lifecycle == "run"


def test_a_lifecycle_is_a_value():
    """
    Equal tables are equal, hash alike, and pickle through their own check.
    """
    assert door() == door()
    assert hash(door()) == hash(door()) != hash(door(name="other"))
    listed = door(transitions=list(door()), entries=[Entry("opened")])
    assert (tuple, tuple) == (type(listed.transitions), type(listed.entries))
    assert door() != door(name="other")
    assert RUN == pickle.loads(pickle.dumps(RUN))
    with pytest.raises(AttributeError):
        RUN.name = "other"
    with pytest.raises(TypeError):
        RUN.terminal["queued"] = "success"


@st.composite
def tables(draw):
    """
    Lifecycles of up to six live statuses, each with a way on, and up to three ends.
    """
    live = [f"s{n}" for n in range(draw(st.integers(1, 6)))]
    ends = [f"e{n}" for n in range(draw(st.integers(1, 3)))]
    rows = {(here, there) for here, there in itertools.pairwise(live)}
    rows |= {(draw(st.sampled_from(live)), end) for end in ends} | {(live[-1], ends[0])}
    pairs = st.tuples(st.sampled_from(live), st.sampled_from(live + ends))
    rows |= set(draw(st.lists(pairs, max_size=8)))

    return Lifecycle(
        "drawn",
        tuple(Transition(f"to_{target}", source, target) for source, target in sorted(rows)),
        "s0",
        dict.fromkeys(ends, "success"),
    )


@given(tables())
def test_reachability_is_the_closure_of_the_rows(lifecycle):
    """
    A status is reachable exactly if a shortest path of one move or more leads there.
    """
    for source in lifecycle.statuses:
        direct = set(lifecycle.targets(source))
        closure = direct | {far for near in direct for far in lifecycle.reachable(near)}
        assert closure == lifecycle.reachable(source)
        for target in lifecycle.statuses:
            path = lifecycle.shortest_path(source, target)
            assert (path is not None) == (target in lifecycle.reachable(source) | {source})
            here = source
            for row in path or ():
                assert here == row.source
                here = row.target
            if path:
                assert target == here


@given(tables())
def test_components_partition_the_statuses_in_topological_order(lifecycle):
    """
    Each status is in one component, and no row leads back to an earlier one.
    """
    place = {status: n for n, members in enumerate(lifecycle.components) for status in members}

    assert lifecycle.known == place.keys()
    assert sum(map(len, lifecycle.components)) == len(lifecycle.statuses)
    for row in lifecycle:
        assert place[row.source] <= place[row.target]
    for a in lifecycle.statuses:
        for b in lifecycle.statuses:
            together = a == b or (b in lifecycle.reachable(a) and a in lifecycle.reachable(b))
            assert together == (place[a] == place[b])


def test_a_lifecycle_is_shown_by_its_name_and_size():
    """
    Help texts print it as a default, so it is short.
    """
    assert "<Lifecycle 'run': 18 rows, 9 statuses>" == repr(RUN)


# -- several beginnings ----------------------------------------------------------------


def parcel(**more):
    """
    Return a lifecycle of two beginnings, one of which no row enters.
    """
    values = {
        "name": "parcel",
        "transitions": (
            Transition("pack", "ordered", "packed"),
            Transition("send", "packed", "sent"),
            Transition("hold", "sent", "packed"),
            Transition("arrive", "sent", "there", "inferred"),
            Transition("find", "lost", "packed"),
        ),
        "initial": ["ordered", "packed", "lost"],
        "terminal": {"there": "success"},
        "entries": (
            Entry("packed", stamps=("packed_at",)),
            Entry("sent", stamps=("sent_at",)),
            Entry("there", stamps=("there_at",)),
        ),
        "created": ("ordered_at",),
    }

    return Lifecycle(**(values | more))


def test_the_first_of_several_initial_statuses_is_the_default():
    """
    One status may be given as a text; of several the first is ``initial``, and none is lost.
    """
    one = Lifecycle("one", [Transition("end", "a", "b")], "a", {"b": "success"})

    assert ("a", ("a",)) == (one.initial, one.initial_statuses)
    assert ("ordered", "packed", "lost") == parcel().initial_statuses
    assert ("ordered", "packed", "lost", "sent", "there") == parcel().statuses
    for same in (replace(parcel(), name="post"), pickle.loads(pickle.dumps(parcel()))):
        assert parcel().initial_statuses == same.initial_statuses
    assert ("lost",) == replace(
        parcel().without(statuses=["ordered"]), initial="lost"
    ).initial_statuses


def test_lifecycles_with_other_beginnings_differ():
    """
    Where runs begin is a part of what a lifecycle is.
    """
    other = replace(parcel(), initial_statuses=("ordered", "lost"))

    assert parcel() == parcel() != other
    assert {parcel(), other} == {parcel(), parcel(), other}


def test_a_path_begins_where_it_can():
    """
    From the default where that leads there, else from the next initial status that does.
    """
    assert ["pack", "send"] == [row.trigger for row in parcel().path_to("sent")]
    assert () == parcel().path_to("lost")
    assert ["pack"] == [row.trigger for row in parcel().path_to("packed")]
    assert None is parcel().path_to("burnt")


def test_a_stamp_is_required_if_every_way_from_every_beginning_sets_it():
    """
    A run that begins packed may have been packed by no row: the stamp may be null there, and after.
    """
    assert {"ordered_at"} == parcel().required_fields("packed")
    assert {"ordered_at", "sent_at"} == parcel().required_fields("sent")
    assert {"ordered_at", "packed_at"} == parcel(initial=["ordered", "lost"]).required_fields(
        "packed"
    )
    assert {"packed_at", "sent_at", "there_at"} == parcel().excluded_fields("ordered")
    assert {"there_at"} <= parcel().excluded_fields("packed")


def test_a_terminal_status_may_be_a_beginning():
    """
    A run that is first seen at its end has the stamps of that end.
    """
    whole = parcel(initial=["ordered", "lost", "there"])

    assert {"ordered_at", "there_at"} == whole.required_fields("there")
    assert check(["there"], whole).ok
    assert ["RS105"] == [f.code for f in check(["there", "sent"], whole).findings]


@pytest.mark.parametrize(
    ("initial", "fault"),
    [
        ((), "initial: expected the status"),
        (["ordered", "ordered", "lost"], "initial names 'ordered' twice"),
        (["ordered", "packed"], "status 'lost' is unreachable from 'ordered', 'packed'"),
        (["ordered", "lost", "burnt"], "status 'burnt' is a trap"),
        (["ordered", "lost", ""], "status '' is not a name"),
    ],
)
def test_beginnings_that_contradict_the_table(initial, fault):
    """
    A beginning is a status of the table, each once, and every status can be reached from one.
    """
    with pytest.raises(LifecycleError, match=re.escape(fault)):
        parcel(initial=initial)


def test_narrowing_keeps_the_beginnings_that_remain():
    """
    A beginning goes with its status, or with the last row out of it.
    """
    assert ("ordered", "packed") == parcel().without(statuses=["lost"]).initial_statuses
    assert ("packed", "lost") == parcel().without(statuses=["ordered"]).initial_statuses
    rows = (*parcel().transitions[:3], Transition("arrive", "sent", "there"))
    found = replace(parcel(), transitions=(*rows, Transition("find", "lost", "packed", "inferred")))
    assert ("ordered", "packed") == found.only("documented").initial_statuses
    assert "lost" not in found.only("documented").statuses


@given(data=st.data())
def test_required_and_excluded_fields_hold_on_every_legal_path(data):
    """
    Whatever row a run takes from whatever beginning, a required stamp is set and an excluded is not.
    """
    begins = data.draw(st.lists(st.sampled_from(["ordered", "packed", "sent"]), unique=True))
    lifecycle = parcel(initial=["lost", "ordered", *(b for b in begins if b != "ordered")])
    status = data.draw(st.sampled_from(lifecycle.initial_statuses))
    fields = {*lifecycle.created}
    for _ in range(data.draw(st.integers(0, 6))):
        assert lifecycle.required_fields(status) - set(lifecycle.entry(status).stamps) <= fields
        assert not lifecycle.excluded_fields(status) & fields
        if lifecycle.is_terminal(status):
            break
        status = data.draw(st.sampled_from(lifecycle.targets(status)))
        fields |= {*lifecycle.entry(status).stamps}
        assert lifecycle.required_fields(status) <= fields
