"""
Cancel and complete in every order, statement by statement: R5 of the reliability bar.
"""

import threading
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from reliability import assert_consistent, chance, figure, open_store, size
from reliability_workers import told
from runstate import RUN

pytestmark = pytest.mark.slow

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
BLOCKED = 0.004
"""Seconds after which a statement is taken to wait for the other's transaction."""


class Steps:
    """
    Lets two threads say one statement at a time, in an order of chance's making.
    """

    def __init__(self):
        self._mine = threading.local()
        self._condition = threading.Condition()
        self._waiting, self._alive = {}, set()

    def watch(self, store):
        """
        Stop whoever is in :meth:`run` before every statement and commit on *store*.
        """
        sa.event.listen(store.engine, "before_cursor_execute", lambda *_: self._gate())
        commit = store.engine.dialect.do_commit

        def committing(connection):
            self._gate()
            commit(connection)

        store.engine.dialect.do_commit = committing

    def _gate(self):
        number = getattr(self._mine, "number", None)
        if number is None:
            return
        with self._condition:
            self._waiting[number] = False
            self._condition.notify_all()
            while not self._waiting[number]:
                self._condition.wait()
            del self._waiting[number]

    def run(self, random, *works):
        """
        Do *works* in threads of their own; return what each returned, and the order of the steps.
        """
        answers, order = [None] * len(works), []
        self._alive = set(range(len(works)))

        def work(number):
            self._mine.number = number
            try:
                self._gate()
                answers[number] = works[number]()
            except BaseException as error:  # noqa: BLE001  the test is to see it
                answers[number] = error
            with self._condition:
                self._alive.discard(number)
                self._condition.notify_all()

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in self._alive]
        for thread in threads:
            thread.start()
        self._schedule(random, order)
        for thread in threads:
            thread.join(30)

        return answers, "".join(map(str, order))

    def _schedule(self, random, order):
        until = time.monotonic() + 60
        with self._condition:
            while self._alive:
                assert time.monotonic() < until, "the threads wait for each other"
                self._condition.wait_for(self._all_are_at_a_gate, timeout=BLOCKED)
                ready = sorted(n for n, passed in self._waiting.items() if not passed)
                if ready:
                    chosen = random.choice(ready)
                    order.append(chosen)
                    self._waiting[chosen] = True
                    self._condition.notify_all()

    def _all_are_at_a_gate(self):
        return all(self._waiting.get(n) is False for n in self._alive)


def _complete(store, run_id, token):
    return [("complete", told(store.complete(run_id, USAGE, token=token, key="end")))]


def _complete_in_mine(store, run_id, token):
    with store.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        verdict = store.complete(run_id, USAGE, token=token, connection=connection)
        connection.commit()

    return [("complete", told(verdict))]


def _cancel(store, run_id, token):
    asked = told(store.request_cancel(run_id, actor="user"))

    return [("request_cancel", asked), ("confirm_cancel", told(store.confirm_cancel(run_id)))]


def _cancel_in_mine(store, run_id, token):
    with store.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        asked = told(store.request_cancel(run_id, connection=connection))
        ended = told(store.confirm_cancel(run_id, connection=connection))
        connection.commit()

    return [("request_cancel", asked), ("confirm_cancel", ended)]


@pytest.mark.parametrize("leased", [True, False], ids=["worker", "anybody"])
def test_r5_cancel_and_complete_end_legally_in_every_order(database_url, leased):
    """
    Each interleaving ends in a status of the table's, each caller knows which, nothing is lost.
    """
    rounds, random = size(75, 5_000), chance(5)
    ends, orders = Counter(), set()
    with open_store(database_url, clock=None) as store:
        steps = Steps()
        steps.watch(store)
        for _ in range(rounds):
            run_id = store.create().id
            lease = store.claim("w", 600)
            assert run_id == lease.run.id
            token = lease.token if leased else None
            complete = random.choice([_complete, _complete_in_mine])
            cancel = random.choice([_cancel, _cancel_in_mine])
            answers, order = steps.run(
                random,
                lambda do=complete, i=run_id, t=token: do(store, i, t),
                lambda do=cancel, i=run_id, t=token: do(store, i, t),
            )
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
            ends[_assert_told(store, run_id, [each for some in answers for each in some])] += 1
            orders.add((complete.__name__, cancel.__name__, order))
        assert rounds == assert_consistent(store)
    figure(
        f"R5 {'worker' if leased else 'anybody'}", database_url,
        f"{rounds} interleavings, {len(orders)} of them different: "
        + ", ".join(f"{n} {end}" for end, n in sorted(ends.items()))
        + "; 0 illegal, 0 callers misled",
    )  # fmt: skip
    assert {"cancelled", "completed, cancel too late"} <= set(ends)


def _assert_told(store, run_id, said):
    """
    Hold what both were told against the journal, and return how it ended.
    """
    lines = store.history(run_id)
    moves = [e for e in lines if e.kind == "move"]
    end = moves[-1]
    assert RUN.is_terminal(end.target)
    assert not any(entry.clock_regressed for entry in lines)
    ended = ("Superseded", end.target, end.trigger, (end.trigger, end.target, end.seq))
    won = {trigger: verdict for trigger, verdict in said if verdict[0] == "Applied"}
    assert {e.trigger: (e.trigger, e.target, e.seq) for e in moves[2:]} == {
        trigger: verdict[3] for trigger, verdict in won.items()
    }
    assert {ended} >= {verdict for trigger, verdict in said if trigger not in won}
    late = [e for e in lines if e.kind == "late"]
    if "complete" not in won:
        assert [("complete", {"usage": USAGE})] == [(e.trigger, e.payload) for e in late]
        return "cancelled"
    assert ["confirm_cancel"] == [e.trigger for e in late]

    return "completed while cancelling" if "request_cancel" in won else "completed, cancel too late"
