"""
What operation asks of a store: a cursor for now, watching, pruning, erasing, and poison objects.
"""

import asyncio
import pickle
import threading

import pytest
import sqlalchemy as sa

from databases import CLOCK, awaited
from runstate import Lifecycle, Transition
from runstate.presets import PRESETS
from runstate.store import (
    AsyncRunStore,
    CursorExpiredError,
    CursorForeignError,
    CursorInvalidError,
    RunExistsError,
    RunNotFoundError,
    RunStore,
    Store,
    StoreArgumentError,
)
from stores import brought_to

JOB = Lifecycle(
    "job",
    [
        Transition("start", "queued", "running"),
        Transition("finish", "running", "done"),
        Transition("requeue", "running", "queued"),
        Transition("discard", "queued", "dead"),
        Transition("discard", "running", "dead"),
    ],
    "queued",
    {"done": "success", "dead": "failure"},
)


def ended(store, *names):
    """
    Take runs through their whole life.
    """
    for name in names:
        store.create(id=name)
        assert store.start(name).ok
        assert store.complete(name).ok


def named(page):
    """
    Return what a page of the feed is about.
    """
    return [(entry.run_id, entry.trigger) for entry in page.items]


# -- now -------------------------------------------------------------------------------------


def test_a_cursor_for_now_passes_over_the_past_and_nothing_else(store):
    """
    Of an empty store it is the beginning; it is proven as every other cursor.
    """
    first = store.cursor()
    assert () == store.moves(after=first).items
    ended(store, "a")
    assert 3 == len(store.moves(after=first).items)
    now = store.cursor()
    assert () == store.moves(after=now).items
    ended(store, "b")
    store.claim("nobody")
    page = store.moves(after=now)
    assert [("b", "create"), ("b", "start"), ("b", "complete")] == named(page)
    assert named(store.moves(after=page.cursor)) == named(store.moves(after=store.cursor())) == []


def test_a_cursor_for_now_waits_for_open_transactions(server_database):
    """
    What is written and not yet committed comes after it, whatever is committed meanwhile.
    """
    with RunStore.open(server_database) as store:
        ended(store, "a")
        with store.engine.connect() as slow:
            store.create(id="slow", connection=slow)
            store.create(id="quick")
            now = store.cursor()
            store.create(id="later")
            assert [("later", "create")] == named(store.moves(after=now))
            slow.commit()
        page = store.moves(after=now)
        assert [("later", "create"), ("slow", "create")] == sorted(named(page))
        store.create(id="last")
        assert [("last", "create")] == named(store.moves(after=page.cursor))


def test_cursors_for_now_miss_nothing_while_others_write(store):
    """
    A consumer that begins with one while three threads write gets every move from then on.
    """
    gate = threading.Barrier(4)

    def write(writer):
        gate.wait()
        for number in range(15):
            store.create(id=f"{writer}-{number}")
            store.start(f"{writer}-{number}")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in "abc"]
    for thread in threads:
        thread.start()
    gate.wait()
    cursors = []
    while any(thread.is_alive() for thread in threads) and len(cursors) < 20:
        before = {entry.event_id for entry in every(store, None)}
        cursor = store.cursor()
        cursors.append((cursor, before, {entry.event_id for entry in every(store, None)}))
    for thread in threads:
        thread.join(60)
    all_moves = {entry.event_id for entry in every(store, None)}

    assert 90 == len(all_moves)
    for cursor, before, seen_next in cursors:
        after = {entry.event_id for entry in every(store, cursor)}
        # What was not committed when the next one looked, was not when the cursor was made.
        assert all_moves - seen_next <= after
        assert before.isdisjoint(after)


def every(store, after, limit=100):
    """
    Return all moves behind a cursor.
    """
    found = []
    while (page := store.moves(after=after, limit=limit)).items:
        found += page.items
        after = page.cursor

    return found


# -- watch -----------------------------------------------------------------------------------


def test_watching_yields_what_happens_and_never_an_empty_page(store):
    """
    Pages in order, each with the cursor to go on from.
    """
    ended(store, "a")
    pages = store.watch(after=store.cursor(), every=0.01, limit=2)
    threading.Timer(0.1, ended, (store, "b", "c")).start()
    seen, cursor = [], None
    while len(seen) < 6:
        page = next(pages)
        assert 0 < len(page.items) <= 2
        seen += named(page)
        cursor = page.cursor
    pages.close()

    assert ["create", "start", "complete"] * 2 == [trigger for _, trigger in seen]
    assert () == store.moves(after=cursor).items


def test_watching_for_asyncio_lets_others_run(database_url):
    """
    A task waits for moves that another one makes; bounds that make no sense are refused.
    """

    async def use():
        async with await AsyncRunStore.open(awaited(database_url)) as store:
            with pytest.raises(StoreArgumentError, match="every: expected a positive"):
                await anext(store.watch(every=0))

            async def wait():
                pages = store.watch(every=0.01)
                return named(await anext(pages))

            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.05)
            await store.create(id="a")
            return await asyncio.wait_for(waiting, 10)

    assert [("a", "create")] == asyncio.run(use())


# -- prune -----------------------------------------------------------------------------------


def test_pruning_deletes_what_ended_long_ago_and_keeps_counts_true(timed, now):
    """
    With journal and keys; what is active, younger, or of another status stays.
    """
    ended(timed, "old", "older")
    brought = brought_to(timed, "failed")
    timed.create(id="active")
    now.step(100)
    ended(timed, "young")
    assert 2 == timed.prune(50, status="completed")
    timed.sweep()
    assert {"queued": 1, "completed": 1, "failed": 1} == {
        status: count for status, count in timed.counts().items() if count
    }
    with pytest.raises(RunNotFoundError):
        timed.history("old")
    assert 1 == timed.prune(50)
    assert 0 == timed.prune(50)
    with pytest.raises(RunNotFoundError):
        timed.get(brought)
    timed.create(id="old")
    with pytest.raises(RunExistsError):
        timed.create(id="young")
    now.step(100)
    ended(timed, "last")
    assert 1 == timed.prune(50)
    timed.sweep()
    assert {"queued": 2, "completed": 1} == {s: n for s, n in timed.counts().items() if n}


def test_a_cursor_that_has_not_passed_what_was_pruned_expires(store):
    """
    One that has, goes on; the end of the feed can always be proven.
    """
    ended(store, "a")
    behind = store.moves(limit=2).cursor
    passed = store.moves(limit=3).cursor
    ended(store, "b")
    current = store.moves(after=passed).cursor
    assert 1 == store.prune(0, limit=1)
    with pytest.raises(CursorExpiredError, match="pruned before they were delivered"):
        store.moves(after=behind)
    assert () == store.moves(after=current).items
    ended(store, "c")
    assert 3 == len(store.moves(after=current).items)
    assert 1 == store.prune(0)
    assert 0 == store.prune(0)
    with pytest.raises(CursorExpiredError):
        store.moves(after=current)
    now = store.cursor()
    ended(store, "d")
    assert 3 == len(store.moves(after=now).items)
    assert 6 == len(every(store, None))


def test_late_outcomes_and_claims_of_what_is_pruned_expire_no_cursor(store):
    """
    Only moves are delivered: lines of another kind are missed by nobody.
    """
    store.create(id="a")
    lease = store.claim("w")
    assert store.complete("a", token=lease.token).ok
    ended(store, "b")
    current = store.moves().cursor
    store.fail("a", {"code": "server_error", "message": "late"})
    assert 1 == store.prune(0, limit=1)
    ended(store, "c")
    assert 3 == len(store.moves(after=current).items)


def test_pruning_is_shared_by_several_and_loses_to_no_writer(store):
    """
    Four prune at once while runs end: each run goes once, and counts are those that are left.
    """
    names = [f"run-{n}" for n in range(24)]
    ended(store, *names[:16])
    gate, pruned = threading.Barrier(5), []

    def prune():
        gate.wait()
        pruned.extend(store.prune(0, limit=3) for _ in range(4))

    threads = [threading.Thread(target=prune) for _ in range(4)]
    for thread in threads:
        thread.start()
    gate.wait()
    ended(store, *names[16:])
    for thread in threads:
        thread.join(60)
    store.sweep()
    left = len(store.list(limit=100).items)

    assert 24 - left == sum(pruned)
    assert left == store.counts()["completed"] >= 1
    assert 3 * left == len(every(store, None))


# -- prune for known consumers ---------------------------------------------------------------


def test_pruning_keeps_what_a_known_consumer_has_not_passed(store):
    """
    And what proves its cursor: the run of the line that it stands behind. Of several, the slowest counts.
    """
    ended(store, "a", "b")
    slow = store.moves().cursor
    ended(store, "c")
    quick = store.moves(after=slow, limit=1).cursor
    ended(store, "d")
    assert 1 == store.prune(0, keep_after=slow)
    assert 0 == store.prune(0, keep_after=(quick, slow))
    assert ["c"] * 3 + ["d"] * 3 == [name for name, _ in named(store.moves(after=slow))]
    assert 1 == store.prune(0, keep_after=quick)
    assert ["c"] * 2 + ["d"] * 3 == [entry.run_id for entry in every(store, quick)]
    with pytest.raises(CursorExpiredError):
        store.moves(after=slow)
    assert 1 == store.prune(0, keep_after=())


def test_a_late_outcome_that_a_consumer_has_not_passed_keeps_its_run(store):
    """
    Whatever line of the journal it is.
    """
    ended(store, "a", "b")
    cursor = store.moves().cursor
    assert not store.fail("a", {"code": "server_error", "message": "late"}).ok
    assert 0 == store.prune(0, keep_after=cursor)
    ended(store, "c")
    assert 2 == store.prune(0, keep_after=store.moves(after=cursor).cursor)


def test_a_known_consumer_gets_every_move_while_others_write_and_prune(store):
    """
    Three threads end runs; after each page of two moves everything is pruned that may go.
    """
    names = [[f"{writer}-{number}" for number in range(6)] for writer in "abc"]
    threads = [threading.Thread(target=ended, args=(store, *each)) for each in names]
    for thread in threads:
        thread.start()
    seen, pruned, cursor = [], 0, None
    while True:
        writing = any(thread.is_alive() for thread in threads)
        page = store.moves(after=cursor, limit=2)
        cursor = page.cursor
        seen += page.items
        pruned += store.prune(0, keep_after=cursor)
        if not (page.items or writing):
            break
    for thread in threads:
        thread.join(60)

    assert {(name, seq) for each in names for name in each for seq in (1, 2, 3)} == {
        (entry.run_id, entry.seq) for entry in seen
    }
    assert len(seen) == 54
    assert 12 <= pruned < 18


def test_a_consumer_that_began_after_a_pruning_protects_everything_until_it_has_passed_it(store):
    """
    One more pruning would have its cursor expire.
    """
    store.create(id="open")
    ended(store, "a", "b", "c")
    assert 2 == store.prune(0)
    begun = store.moves(limit=1)
    assert [("open", "create")] == named(begun)
    ended(store, "d")
    assert 0 == store.prune(0, keep_after=begun.cursor)
    assert ["c"] * 3 + ["d"] * 3 == [entry.run_id for entry in every(store, begun.cursor)]
    end = store.moves(after=store.moves(after=begun.cursor).cursor).cursor
    assert 1 == store.prune(0, keep_after=end)
    assert () == store.moves(after=end).items


def test_a_consumer_at_the_beginning_protects_everything(store):
    """
    Its cursor of an empty store has passed nothing.
    """
    cursors = [store.moves().cursor, store.cursor()]
    ended(store, "a", "b")
    assert 0 == store.prune(0, keep_after=cursors)
    assert [6, 6] == [len(every(store, cursor)) for cursor in cursors]
    assert 1 == store.prune(0)
    for cursor in cursors:
        with pytest.raises(CursorExpiredError):
            store.prune(0, keep_after=cursor)


def test_pruning_for_asyncio_keeps_what_a_known_consumer_has_not_passed(database_url):
    """
    The same on an event loop.
    """

    async def use():
        async with await AsyncRunStore.open(awaited(database_url)) as store:
            for name in "abc":
                await store.create(id=name)
                assert (await store.start(name)).ok
                assert (await store.complete(name)).ok
            second = (await store.moves(limit=100)).cursor
            await store.create(id="d")
            assert 2 == await store.prune(0, keep_after=second)
            return named(await store.moves(after=second))

    assert [("d", "create")] == asyncio.run(use())


@pytest.mark.parametrize(
    ("cursor", "error", "text"),
    [
        ("nonsense", CursorInvalidError, "does not have format 2"),
        ("17", CursorExpiredError, "has format 1"),
        ("2.eHwxOjE6fHwwfDB8fA", CursorForeignError, "a feed on another kind of database"),
        (7, StoreArgumentError, "keep_after: expected a cursor, or several"),
        ([None], StoreArgumentError, "keep_after: expected a cursor, or several"),
        ([7], CursorInvalidError, "it is of type int"),
    ],
)
def test_a_cursor_that_protects_nothing_is_refused(tmp_path, cursor, error, text):
    """
    As by the feed, before anything is deleted; that of another history as well.
    """
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        ended(store, "a", "b")
        with pytest.raises(error, match=text):
            store.prune(0, keep_after=cursor)
        with RunStore.open(f"sqlite:///{tmp_path}/others.db") as others:
            ended(others, "x", "y")
            with pytest.raises(CursorForeignError):
                store.prune(0, keep_after=others.cursor())
        assert 2 == store.counts()["completed"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((-1,), "older_than: expected a number"),
        (("x",), "older_than: expected a number"),
        ((0, "queued"), "status: expected statuses that are terminal"),
        ((0, "asleep"), "status: expected a status of run"),
        ((0, ()), "status: expected a status, or several"),
    ],
)
def test_what_cannot_be_pruned_is_refused(tmp_path, arguments, text):
    """
    Before anything is deleted.
    """
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        ended(store, "a", "b")
        with pytest.raises(StoreArgumentError, match=text):
            store.prune(arguments[0], **({"status": arguments[1]} if arguments[1:] else {}))
        assert 2 == store.counts()["completed"]


# -- erase -----------------------------------------------------------------------------------


def test_a_history_says_which_moves_are_missing(store):
    """
    Whichever lines were deleted, up to all of them; claims, which move nothing, are never missing.
    """
    journal = store._setup.tables.journal
    for number in range(2**3):
        run_id = store.create(id=f"run_{number}").id
        lease = store.claim("worker")
        assert store.release(lease)
        assert store.complete(run_id).ok
        whole = store.history(run_id)
        assert (4, ()) == (len(whole), whole.missing)
        gone = [seq for seq in (1, 2, 3) if number & 2 ** (seq - 1)]
        with store.engine.begin() as connection:
            connection.execute(
                journal.delete().where(journal.c.run_id == run_id, journal.c.seq.in_(gone))
            )
        rest = store.history(run_id)
        assert tuple(line for line in whole if line.seq not in gone) == rest
        assert tuple(gone) == rest.missing == pickle.loads(pickle.dumps(rest)).missing
    with store.engine.begin() as connection:
        connection.execute(journal.delete())

    assert ((), (1, 2, 3)) == (store.history("run_0"), store.history("run_0").missing)
    with pytest.raises(RunNotFoundError):
        store.history("run_9")


def test_lines_whose_run_was_deleted_are_still_a_history(store):
    """
    What was made after the last of them is not known.
    """
    ended(store, "a")
    tables = store._setup.tables
    with store.engine.begin() as connection:
        connection.execute(tables.journal.delete().where(tables.journal.c.seq == 1))
        connection.execute(tables.runs.delete())

    assert [2, 3] == [line.seq for line in store.history("a")]
    assert (1,) == store.history("a").missing


def test_erasing_takes_what_came_with_the_moves_and_leaves_the_history(store):
    """
    Statuses, times, keys and cursors stay, and the text is nowhere in the database.
    """
    store.create(id="a", key="made")
    store.start("a", actor="secret", reason="secret")
    store.fail("a", {"code": "server_error", "message": "secret"}, key="k")
    store.create(id="b")
    with pytest.raises(StoreArgumentError, match="run_id: expected a run that has ended"):
        store.erase("b")
    cursor = store.moves().cursor
    run = store.erase("a")
    assert ("failed", None) == (run.status.value, run.last_error)
    assert ["create", "start", "fail"] == [entry.trigger for entry in store.history("a")]
    assert {None} == {entry.actor for entry in store.history("a")}
    assert () == store.moves(after=cursor).items
    assert (
        "Duplicate"
        == type(store.fail("a", {"code": "server_error", "message": "x"}, key="k")).__name__
    )
    assert "a" == store.create(id="a", key="made").id
    with store.engine.connect() as connection:
        for table in store._setup.tables:
            assert "secret" not in str(connection.execute(sa.select(table)).all())
    with pytest.raises(RunNotFoundError):
        store.erase("nobody")


# -- poison ----------------------------------------------------------------------------------


def test_an_object_that_was_claimed_too_often_is_ended_by_a_sweep(database_url, now):
    """
    Counted across re-queues and lost leases; nobody gets it once more, and who holds it keeps it.
    """
    with Store.open(database_url, JOB, clock=CLOCK, max_claims=(3, "discard")) as store:
        store.create(id="poison")
        store.claim("w", 10)
        now.step(11)
        lease = store.claim("w", 10)
        assert store.fire("poison", "requeue", token=lease.token).ok
        lease = store.claim("w", 10)
        assert 3 == lease.claims
        assert () == store.sweep()
        assert store.heartbeat(lease).ok
        now.step(11)
        store.create(id="fine")
        assert ["fine"] == [each.id for each in store.claim_many("w", 5, 10)]
        assert store.claim("w") is None
        assert [("poison", "discard")] == [(m.run_id, m.trigger) for m in store.sweep()]
        assert "dead" == store.get("poison").status


def test_an_object_that_waits_after_its_last_claim_is_ended_too(database_url):
    """
    Eight sweepers end it once.
    """
    with Store.open(database_url, JOB, max_claims=(1, "discard")) as store:
        store.create(id="a")
        lease = store.claim("w")
        assert store.fire("a", "requeue", token=lease.token).ok
        assert store.claim("w") is None
        moved = []
        threads = [threading.Thread(target=lambda: moved.extend(store.sweep())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert ["discard"] == [each.trigger for each in moved]


@pytest.mark.parametrize("wrong", [(0, "discard"), (True, "discard"), (3, "finish"), (3, "nap")])
def test_a_limit_of_claims_that_no_sweep_can_carry_out_is_refused(tmp_path, wrong):
    """
    When the store is opened, and for a trigger that needs a payload as well.
    """
    with pytest.raises(ValueError, match=r"(max_claims|deadlines): expected"):
        Store.open(f"sqlite:///{tmp_path}/jobs.db", JOB, max_claims=wrong)
    with pytest.raises(ValueError, match="expected"):
        Store.open(f"sqlite:///{tmp_path}/jobs.db", PRESETS["oban-job"], max_claims=(3, "nap"))


def test_a_store_that_was_pruned_is_read_from_the_beginning_page_by_page(store):
    """
    What is left before the horizon is delivered, until a later pruning takes of it.
    """
    store.create(id="open")
    ended(store, "a", "b", "c")
    assert 2 == store.prune(0)
    page = store.moves(limit=1)
    assert [("open", "create")] == named(page)
    rest = every(store, page.cursor, limit=1)
    assert ["create", "start", "complete"] == [entry.trigger for entry in rest]
    assert store.start("open").ok
    assert 1 == store.prune(0)
    with pytest.raises(CursorExpiredError):
        store.moves(after=page.cursor)


def test_a_cursor_of_an_empty_store_expires_when_moves_behind_it_are_pruned(store):
    """
    It had not passed them; the beginning as such, None, is always there.
    """
    cursors = [store.cursor(), store.moves().cursor]
    ended(store, "a", "b")
    assert [("a", "create")] == named(store.moves(after=cursors[0], limit=1))
    assert 1 == store.prune(0)
    for cursor in cursors:
        with pytest.raises(CursorExpiredError):
            store.moves(after=cursor)
    assert 3 == len(every(store, None))


def test_pruning_between_the_statements_of_a_poll_is_noticed(store, monkeypatch):
    """
    The proof of the cursor is read before the page: what goes in between is not passed over.
    """
    ended(store, "a", "b")
    cursor = store.moves(limit=1).cursor
    feed = type(store._do._feed)
    read = feed._read

    def late(self, *args):
        """
        Prune before the page is read.
        """
        monkeypatch.undo()
        store.prune(0)
        return read(self, *args)

    monkeypatch.setattr(feed, "_read", late)
    with pytest.raises(CursorExpiredError):
        store.moves(after=cursor)
