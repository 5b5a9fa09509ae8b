"""
Hooks of a store: they see a move within its transaction, and undo it by what they raise.
"""

import asyncio
import threading
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from databases import awaited
from runstate import Lifecycle, Transition
from runstate.store import (
    Applied,
    AsyncStore,
    Duplicate,
    Fire,
    Illegal,
    Store,
    StoreArgumentError,
    Superseded,
)

JOB = Lifecycle(
    "job",
    [
        Transition("start", "queued", "running"),
        Transition("finish", "running", "done"),
        Transition("requeue", "running", "queued"),
        Transition("give_up", "running", "failed"),
        Transition("give_up", "queued", "failed"),
    ],
    "queued",
    {"done": "success", "failed": "failure"},
)


class Veto(Exception):
    """
    What a hook of these tests raises.
    """


class Seen:
    """
    Hooks that note what they saw, write a line to an outbox, and raise on demand.
    """

    def __init__(self, url):
        self.engine = sa.create_engine(url)
        self.outbox = sa.Table("outbox", sa.MetaData(), sa.Column("line", sa.String(99)))
        self.outbox.create(self.engine)
        self.events, self.veto = [], None

    def before(self, event):
        """
        Note the event before the move.
        """
        self._note("before", event)

    def after(self, event):
        """
        Note the event after the move.
        """
        self._note("after", event)

    def _note(self, when, event):
        event.connection.execute(self.outbox.insert().values(line=f"{when} {event.trigger}"))
        status = None if event.snapshot is None else event.snapshot.status
        self.events.append((when, event.trigger, event.source, event.target, status))
        if (when, event.trigger) == self.veto:
            raise Veto

    @property
    def lines(self):
        """
        What is in the outbox for good.
        """
        with self.engine.connect() as connection:
            return sorted(connection.execute(sa.select(self.outbox.c.line)).scalars())


@contextmanager
def hooked(url):
    """
    Yield a store with hooks, and what they see.
    """
    seen = Seen(url)
    try:
        with Store.open(url, JOB, before=[seen.before], after=[seen.after]) as store:
            yield store, seen
    finally:
        seen.engine.dispose()


def triggers(store, name):
    """
    Return the moves of one object.
    """
    return [entry.trigger for entry in store.history(name) if entry.kind == "move"]


def test_hooks_see_a_move_before_and_after_it_and_write_in_its_transaction(database_url):
    """
    Snapshot, row, payload, actor and record; a claim and a creation are seen after it.
    """
    with hooked(database_url) as (store, seen):
        store.create(id="a")
        lease = store.claim("worker")
        assert store.fire("a", "finish", token=lease.token, actor="alice").ok
        store.create_many([{"id": "b"}, {"id": "c"}])
        verdicts = store.fire_many([Fire("b", "start"), Fire("c", "start"), Fire("c", "finish")])
        assert [True] * 3 == [each.ok for each in verdicts]

        assert [
            ("after", "create", None, "queued", "queued"),
            ("after", "start", "queued", "running", "running"),
            ("before", "finish", "running", "done", "running"),
            ("after", "finish", "running", "done", "done"),
        ] == seen.events[:4]
        assert len(seen.events) == len(seen.lines) == 12


def test_a_sweep_is_seen_too(database_url):
    """
    As what it is: its actor is the sweep.
    """
    actors = []
    with Store.open(
        database_url, JOB, deadlines={"queued": (0, "give_up")},
        before=[lambda event: actors.append((event.actor, event.trigger))],
    ) as store:  # fmt: skip
        store.create(id="a")
        store.sweep()
        assert "failed" == store.get("a").status

    assert [("sweep", "give_up")] == actors


@pytest.mark.parametrize(
    ("when", "trigger"), [("after", "create"), ("before", "start"), ("after", "finish")]
)
@pytest.mark.parametrize("own", [True, False])
def test_a_hook_that_raises_undoes_the_move(database_url, when, trigger, own):
    """
    Its line, its counts and what hooks wrote, also in a transaction of the caller, which goes on.
    """
    with hooked(database_url) as (store, seen):

        def call(method, *arguments, **options):
            if own:
                return method(*arguments, **options)
            with store.engine.begin() as connection:
                connection.execute(seen.outbox.insert().values(line="mine"))
                try:
                    return method(*arguments, connection=connection, **options)
                finally:
                    connection.execute(seen.outbox.insert().values(line="goes on"))

        steps = {
            "create": lambda: call(store.create, id="a"),
            "start": lambda: call(store.fire, "a", "start"),
            "finish": lambda: call(store.fire, "a", "finish"),
        }
        for name, step in steps.items():
            if name == trigger:
                break
            step()
        moves = len(store.moves().items)
        lines = [line for line in seen.lines if line not in ("mine", "goes on")]
        seen.veto = (when, trigger)
        with pytest.raises(Veto):
            steps[trigger]()
        assert moves == len(store.moves().items)
        assert lines == [line for line in seen.lines if line not in ("mine", "goes on")]
        seen.veto = None
        steps[trigger]()
        assert moves + 1 == len(store.moves().items)
        store.sweep()
        assert 1 == sum(store.counts().values())


def test_a_claim_is_undone_by_its_hook(database_url):
    """
    Nobody holds the object then.
    """
    with hooked(database_url) as (store, seen):
        store.create(id="a")
        seen.veto = ("after", "start")
        for claim in (lambda: store.claim("w"), lambda: store.claim_many("w", 3)):
            with pytest.raises(Veto):
                claim()
        seen.veto = None
        assert 1 == store.claim("w").claims


def test_what_is_refused_leaves_nothing_of_its_hooks(database_url):
    """
    An illegal move calls none; a duplicate and a superseded one leave no line in the outbox.
    """
    with hooked(database_url) as (store, seen):
        store.create(id="a")
        assert isinstance(store.fire("a", "finish"), Illegal)
        assert isinstance(store.fire("a", "start", key="k"), Applied)
        assert isinstance(store.fire("a", "requeue"), Applied)
        lines = seen.lines
        assert isinstance(store.fire("a", "start", key="k"), Duplicate)
        assert lines == seen.lines
        assert isinstance(store.fire("a", "give_up"), Applied)
        lines = seen.lines
        assert isinstance(store.fire("a", "give_up"), Superseded)
        assert lines == seen.lines


def test_a_second_writer_between_the_hooks_waits_or_loses(database_url):
    """
    Four threads end each object at once: one outbox line for each winner, and no other.
    """
    with hooked(database_url) as (store, seen):
        names = [f"job-{n}" for n in range(15)]
        store.create_many([{"id": name} for name in names])
        assert all(each.ok for each in store.fire_many([Fire(n, "start") for n in names]))
        gate, won = threading.Barrier(4), []

        def end(trigger):
            gate.wait()
            for name in names:
                won.extend([name] if store.fire(name, trigger).ok else [])

        threads = [
            threading.Thread(target=end, args=(t,))
            for t in ("finish", "give_up", "finish", "give_up")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        ends = ("after finish", "after give_up")

        assert sorted(names) == sorted(won)
        assert len(names) == sum(line in ends for line in seen.lines)
        assert {3} == {len(triggers(store, name)) for name in names}


def test_a_hook_may_move_another_object_in_the_same_transaction(database_url):
    """
    By the store itself, on the connection of the event: both are moved, or neither.
    """
    with Store.open(database_url, JOB) as plain:
        plain.create(id="parent")
        plain.create(id="child")
        plain.fire("parent", "start")

        def cascade(event):
            if event.trigger == "give_up" and event.snapshot.id == "parent":
                assert plain.fire("child", "give_up", connection=event.connection).ok

        store = Store(plain.engine, JOB, after=[cascade])
        assert store.fire("parent", "give_up").ok
        assert ["failed", "failed"] == [store.get(n).status for n in ("parent", "child")]


def test_coroutine_functions_and_plain_ones_are_hooks_of_a_store_for_asyncio(database_url):
    """
    Each gets a connection that it can use; what either raises undoes the move.
    """
    seen = Seen(database_url)
    kinds = []

    async def before(event):
        assert isinstance(event.connection, AsyncConnection)
        await event.connection.execute(seen.outbox.insert().values(line="awaited"))
        await asyncio.sleep(0)
        kinds.append("awaited")
        if event.trigger == "requeue":
            raise Veto

    async def use():
        async with await AsyncStore.open(
            awaited(database_url), JOB, before=[before], after=[seen.after]
        ) as store:
            await store.create(id="a")
            lease = await store.claim("w")
            with pytest.raises(Veto):
                await store.fire("a", "requeue", token=lease.token)
            assert (await store.fire("a", "finish", token=lease.token)).ok
            return len(await store.history("a"))

    assert 3 == asyncio.run(use())
    assert ["after create", "after finish", "after start", "awaited"] == seen.lines
    assert ["awaited", "awaited"] == kinds
    seen.engine.dispose()


def test_what_cannot_be_a_hook_is_refused(tmp_path):
    """
    When the store is opened: what cannot be called, and what only asyncio awaits.
    """

    async def coroutine(event):
        """
        Wait for nobody.
        """

    with pytest.raises(StoreArgumentError, match="hooks: expected callables"):
        Store.open(f"sqlite:///{tmp_path}/a.db", JOB, before=["no"])
    with pytest.raises(ValueError, match="coroutine function, which only a store for asyncio"):
        Store.open(f"sqlite:///{tmp_path}/a.db", JOB, after=[coroutine])


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hook_that_ends_the_transaction_of_the_move_is_an_error(database_url, when, end):
    """
    The answer never tells of a move that the hook undid.
    """

    def ending(event):
        """
        End what belongs to the move.
        """
        if event.trigger == "start":
            getattr(event.connection, end)()

    with Store.open(database_url, JOB, **{when: [ending]}) as store:
        store.create(id="a")
        with pytest.raises(StoreArgumentError, match="leave the transaction of the move open"):
            store.fire("a", "start")
        committed = (when, end) == ("after", "commit")
        assert (2 if committed else 1) == len(store.history("a"))


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("before", 5, "hooks: expected a list of callables, got 5"),
        ("after", None, "hooks: expected a list of callables, got None"),
        ("prefix", 5, "prefix: expected a text or None, got 5"),
        ("schema", b"x", "schema: expected a text or None"),
        ("columns", None, "columns: expected a mapping of names to types, got None"),
        ("columns", {5: str}, "columns: expected a name of lower-case letters"),
        ("max_claims", 5, "max_claims: expected a number and a trigger"),
        ("max_claims", (5,), "max_claims: expected a number and a trigger"),
        ("max_claims", ("5", "discard"), "max_claims: expected a positive whole number"),
        ("max_claims", (5, "start"), "max_claims: expected a trigger that ends what is 'queued'"),
        ("max_claims", (5, "nope"), "max_claims: expected a trigger that leads out of 'queued'"),
    ],
)
def test_a_wrong_option_is_named(tmp_path, option, value, text):
    """
    By the name of the option, with what it takes and what it got.
    """
    with pytest.raises(ValueError, match=text):
        Store.open(f"sqlite:///{tmp_path}/a.db", JOB, **{option: value})
