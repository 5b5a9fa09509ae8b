"""
Calls at random, and clocks that jump: R3 and R12 of the reliability bar.
"""

import copy
import math
import pickle
import time

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from conftest import PAYLOADS
from reliability import (
    BORN,
    PAYLOAD,
    assert_consistent,
    chance,
    figure,
    open_store,
    pass_time,
    set_clock,
    size,
    timed_store,
)
from runstate import RUN, RunstateError
from runstate.store import Applied, Fire, Lease

pytestmark = pytest.mark.slow

EXPECTED = (RunstateError, ValueError, TypeError, ValidationError)
"""What a call may raise that makes no sense. Nothing of the database's is among it."""

TEXTS = (
    "", "x", "run_0", "'; DROP TABLE runstate_runs; --", "\x00", "\ud800", "a\nb", "é", "🙂",
    "%s", "%(id)s", ":id", "?", "{}", "null", "x" * 513, "completed", "1:1:||0", "0", "99999", "-1",
    "9" * 30, "1:1:|2:1:|0",
)  # fmt: skip
ODD = (None, True, 0, -1, 1, 2, 3, 2**31, 2**63, 2**70, 1.5, math.nan, math.inf, b"x", [], {})


class Fuzzer:
    """
    Calls a store's methods with whatever comes to mind.
    """

    def __init__(self, store, seed):
        self.store, self.random = store, chance(seed)
        self.ids, self.leases, self.raised = [], [], {}
        self.calls = [
            self.fire, self.fire, self.fire, self.fire, self.typed, self.many, self.create,
            self.read, self.claim, self.heartbeat, self.release, self.sweep, self.mine,
            self.objects,
        ]  # fmt: skip

    def call(self):
        """
        Make one call, and note what it raised.
        """
        try:
            self.random.choice(self.calls)()
        except EXPECTED as error:
            name = type(error).__name__
            self.raised[name] = self.raised.get(name, 0) + 1

    def some_id(self):
        """
        Return an id, mostly of a run.
        """
        return self.random.choice(
            self.ids if self.ids and self.random.random() < 0.95 else [*TEXTS, *ODD]
        )

    def word(self):
        """
        Return a key, mostly a good one, or none.
        """
        return self.random.choice([None, None, None, "k1", "k2", "k3", *TEXTS])

    def odd(self):
        """
        Return something that is mostly not what is wanted.
        """
        return self.random.choice([*ODD, *TEXTS, {"code": "server_error", "message": "m"}])

    def trigger(self):
        """
        Return a trigger, mostly a known one.
        """
        usual = self.random.random() < 0.97

        return self.random.choice(RUN.triggers if usual else [*TEXTS, "create"])

    def payload(self, trigger):
        """
        Return a payload for *trigger*, mostly a good one.
        """
        payload = dict(PAYLOAD.get(trigger, {}))
        if self.random.random() < 0.1:
            payload[self.random.choice(["usage", "last_error", "outputs", "status"])] = self.odd()
        if self.random.random() < 0.05:
            payload.clear()

        return payload

    def options(self):
        """
        Return options of a fire.
        """
        token = self.random.choice([None, None, None, None, 0, 1, 2, 3, 2**62])
        if self.random.random() < 0.01:
            token = self.odd()

        return {
            "token": token, "key": self.word(), "actor": self.word(), "reason": self.word(),
        }  # fmt: skip

    def fire(self, **more):
        """
        Fire anything.
        """
        trigger = self.trigger()
        self.store.fire(self.some_id(), trigger, **self.options(), **self.payload(trigger), **more)

    def typed(self):
        """
        Fire by a typed method.
        """
        name = self.random.choice(RUN.triggers)
        payload = PAYLOADS.get(name, {}) if self.random.random() < 0.9 else {"usage": self.odd()}
        getattr(self.store, name)(self.some_id(), **payload, **self.options())

    def many(self, **more):
        """
        Fire several.
        """
        fires = []
        for _ in range(self.random.randrange(5)):
            trigger = self.trigger()
            fires.append(
                Fire(self.some_id(), trigger, self.payload(trigger), *self.options().values())
            )
        self.store.fire_many(fires, **more)

    def create(self, **more):
        """
        Create a run, or try to.
        """
        fields = self.random.choice([{}, {}, {}, {"status": "completed"}, {"metadata": self.odd()}])
        run_id = self.random.choice([None, self.some_id()])
        run = self.store.create(id=run_id, thread_id=self.word(), **fields, **more)
        if len(self.ids) < 60:
            self.ids.append(run.id)
        else:
            self.ids[self.random.randrange(60)] = run.id

    def read(self):
        """
        Read by one of the methods that do.
        """
        self.random.choice(
            [
                lambda: self.store.get(self.some_id()),
                lambda: self.store.history(self.some_id()),
                self.store.counts,
                lambda: self.store.stuck({self.random.choice(["queued", *TEXTS]): 1}),
                lambda: self.store.list(
                    status=self.word(), after=self.word(), order=self.random.choice(["asc", "desc"])
                ),
                lambda: self.store.moves(after=self.word(), limit=self.random.randrange(1, 50)),
            ]
        )()

    def claim(self, **more):
        """
        Claim.
        """
        worker = self.random.choice(["w1", "w2", "w3", *TEXTS])
        seconds = self.random.choice([1, 30, 0, -1, math.inf, math.nan])
        lease = self.store.claim(worker, seconds, **more)
        if lease is not None:
            self.leases = [*self.leases[-20:], lease]

    def forged(self):
        """
        Return a lease: an old one, or one that never was.
        """
        if self.leases and self.random.random() < 0.7:
            return self.random.choice(self.leases)
        run = self.store.get(self.random.choice(self.ids))

        return Lease(run, self.random.randrange(4), "forger", BORN, 1, self.random.choice([1, 30]))

    def heartbeat(self):
        """
        Renew any lease.
        """
        self.store.heartbeat(self.forged())

    def release(self):
        """
        Give any lease back.
        """
        self.store.release(self.forged())

    def sweep(self):
        """
        Let time pass, and sweep.
        """
        pass_time(self.store, self.random.choice([0, 1, 20, 100, 700]))
        self.store.sweep(limit=self.random.choice([1, 5, 1000]))

    def mine(self):
        """
        Do some of it in a transaction of the caller's, and maybe take it back.
        """
        with self.store.engine.connect() as connection:
            for _ in range(self.random.randrange(1, 4)):
                call = self.random.choice([self.fire, self.many, self.create, self.claim])
                call(connection=connection)
            if self.random.random() < 0.5:
                connection.commit()

    def objects(self):
        """
        Do to the objects that the store returned what it should not care about.
        """
        run = self.store.get(self.random.choice(self.ids))
        twins = [copy.deepcopy(run), pickle.loads(pickle.dumps(run)), run.model_copy()]
        for twin in twins:
            assert twin == run
            twin.__dict__["status"] = "queued"
        run.status = self.random.choice(["queued", "in_progress"])


def ended(store):
    """
    Return every run that has ended, as the database has it, leases apart.
    """
    runs = store._setup.tables.runs.c
    with store.engine.connect() as connection:
        rows = connection.execute(
            sa.select(*[c for c in runs if not c.name.startswith("lease_")]).where(
                runs.status.in_(list(RUN.terminal))
            )
        ).all()

    return {row.id: tuple(row) for row in rows}


def test_r3_no_call_leads_out_of_an_end(database_url):
    """
    Whatever is called with whatever arguments: a run that has ended stays as it is.
    """
    calls, seen = size(3_000, 1_000_000), 0
    with timed_store(database_url, expires_after=600) as store:
        fuzzer = Fuzzer(store, seed=3)
        fuzzer.ids.append(store.create().id)
        ends = {}
        for number in range(calls):
            fuzzer.call()
            if number % 10 == 9 or number == calls - 1:
                now = ended(store)
                assert ends == {run_id: row for run_id, row in now.items() if run_id in ends}
                ends = now if len(now) < 500 else {}
                seen = max(seen, len(now))
            if seen >= 500:
                assert_consistent(store)
                _forget(store, fuzzer)
                ends, seen = {}, 0
        runs = assert_consistent(store)
    raised = dict(sorted(fuzzer.raised.items()))
    figure("R3", database_url, f"{calls} calls, {runs} runs at last, 0 escapes; raised {raised}")
    assert sum(fuzzer.raised.values()) < 0.8 * calls


def _forget(store, fuzzer):
    """
    Begin anew, so that a long test does not spend its time reading what it has looked at.
    """
    tables = store._setup.tables
    with store.engine.begin() as connection:
        for table in (tables.journal, tables.runs, tables.counts):
            connection.execute(table.delete())
    fuzzer.ids, fuzzer.leases = [store.create().id], []


JUMPS = (
    -3600.0, 3600.0, -0.5, 0.5, -1.0, 1.0, 0.0, -86400.0, 86400.0, 2.0**31 - BORN, -(2.0**31) + BORN,
)  # fmt: skip
"""An hour lost and won, as where summer time is in the clock; smears, leap seconds, 2038."""


def test_r12_a_clock_that_jumps_reorders_no_history(database_url):
    """
    Between any two operations the clock jumps: numbers grow, times do not go back, and it is said.
    """
    rounds, moves, regressed, random = size(150, 5_000), 0, 0, chance(12)
    with timed_store(database_url, expires_after=600) as store:
        now = BORN
        for number in range(rounds):
            run_id = store.create(id=f"run_{number}").id
            last = now
            while not RUN.is_terminal(store.get(run_id).status):
                # Many jumps on end would lead out of the years that a run can be of.
                now = min(max(1e9, now + random.choice(JUMPS)), 4e9)
                set_clock(store, now)
                if random.random() < 0.3:
                    _lease_for_a_moment(store, random)
                trigger = random.choice(RUN.triggers)
                verdict = store.fire(run_id, trigger, **PAYLOAD.get(trigger, {}))
                if isinstance(verdict, Applied):
                    moves += 1
                    regressed += verdict.moved.clock_regressed
                    before = store.history(run_id)
                    moved = [e.moved for e in before if e.kind == "move"]
                    last = moved[-2].at
                    assert (max(now, last), now < last) == (
                        verdict.moved.at,
                        verdict.moved.clock_regressed,
                    )
                    assert verdict.moved.duration_s >= 0
            lines = store.history(run_id)
            assert sorted(e.position for e in lines) == [e.position for e in lines]
        runs = assert_consistent(store)
        figure(
            "R12", database_url,
            f"{runs} runs, {moves} moves, the clock jumped before each: {regressed} steps back "
            "flagged, 0 times out of order, 0 durations below zero",
        )  # fmt: skip
    assert regressed > rounds / 10


def _lease_for_a_moment(store, random):
    lease = store.claim("w", 5.0)
    if lease is not None:
        store.heartbeat(lease)
        if random.random() < 0.5:
            store.release(lease)


def test_r12_no_line_is_earlier_than_the_move_before_it(database_url):
    """
    That holds of claims, releases and late results too, whatever the clock does.
    """
    with timed_store(database_url) as store:
        run_id = store.create().id
        store.claim("w1", 10)
        pass_time(store, 100)
        second = store.claim("w2", 10)
        pass_time(store, -50)
        assert store.release(second)
        third = store.claim("w3", 10)
        pass_time(store, 5)
        assert store.complete(run_id, token=third.token).ok
        for by in (100, -200):
            pass_time(store, by)
            assert not store.fire(run_id, "fail", **PAYLOADS["fail"]).ok
        lines = store.history(run_id)
        assert_consistent(store)

    kinds = ["claim", "release", "claim", "move", "late", "late"]
    assert kinds == [entry.kind for entry in lines[2:]]
    for number, line in enumerate(lines):
        assert line.at >= max(e.at for e in lines[: number + 1] if e.kind == "move")


def test_r12_the_applications_clock_does_not_matter(database_url, monkeypatch):
    """
    Whatever the clock of this process says, nothing expires for it, and nothing is dated by it.
    """
    with open_store(database_url, clock=None, expires_after=600) as store:
        real = time.time()
        for wrong in (0.0, 2.0**40):
            monkeypatch.setattr(time, "time", lambda wrong=wrong: wrong)
            run = store.create()
            lease = store.claim("w", 30)
            assert store.heartbeat(lease).ok
            assert () == store.sweep()
            moved = store.complete(run.id, token=lease.token).moved
            monkeypatch.undo()
            assert abs(moved.at - real) < 60
        assert 2 == assert_consistent(store)


def test_r12_leases_and_deadlines_go_by_the_databases_clock(database_url):
    """
    A deadline is not early by a fraction, and one clock decides for all.
    """
    with timed_store(database_url, expires_after=600) as store:
        run_id = store.create().id
        lease = store.claim("w", 10)
        set_clock(store, BORN + 9.999)
        assert store.claim("v", 10) is None
        set_clock(store, BORN + 10)
        assert 2 == store.claim("v", 1e6).token
        assert not store.heartbeat(lease).ok
        set_clock(store, BORN + 599.999)
        assert () == store.sweep()
        set_clock(store, BORN + 600)
        assert [(run_id, "expire")] == [(m.run_id, m.trigger) for m in store.sweep()]
        assert_consistent(store)
