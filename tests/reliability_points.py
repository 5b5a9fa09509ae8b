"""
The points at which an operation on a store can be cut off, and the operations to cut off.
"""

import os
import re
import signal

from conftest import PAYLOADS
from reliability import open_store, pass_time
from runstate.store import Fire, RunExistsError

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


class Points:
    """
    Names what a store says to its driver, before and after each call, and acts at each.
    """

    def __init__(self, store, act):
        self.names = []
        self._dialect, self._act = store.engine.dialect, act
        for name in ("do_execute", "do_executemany", "do_commit", "do_rollback"):
            setattr(self._dialect, name, self._watched(name, getattr(self._dialect, name)))

    def _watched(self, name, call):
        def watched(*args):
            self._at("before", name, args)
            call(*args)
            self._at("after", name, args)

        return watched

    def _at(self, when, name, args):
        said = name.removeprefix("do_").upper() if len(args) == 1 else _gist(args[1])
        self.names.append(f"{when} {said}")
        self._act(len(self.names), args[0])

    def gone(self):
        """
        Watch no more.
        """
        for name in ("do_execute", "do_executemany", "do_commit", "do_rollback"):
            delattr(self._dialect, name)


def _gist(statement):
    """
    Return what a statement does, and to which table.
    """
    verb = "MOVE" if statement.startswith("WITH") else statement.split()[0]
    table = re.search(r"(?:UPDATE|INTO|FROM) \"?runstate_(\w+)", statement)

    return f"{verb} {table[1]}" if table else verb


# -- operations: what it does, and what must have been done before ------------------------------


def _create(store, ids, lease):
    try:
        return store.create(id=ids[0], model="m").id
    except RunExistsError as there:
        return there.run_id


def _fire(store, ids, lease):
    return store.complete(ids[0], USAGE, key="once")


def _fire_many(store, ids, lease):
    return store.fire_many(Fire(i, "complete", {"usage": USAGE}, key="once") for i in ids)


def _claim(store, ids, lease):
    return store.claim("victim", 30)


def _heartbeat(store, ids, lease):
    return store.heartbeat(lease)


def _release(store, ids, lease):
    return store.release(lease)


def _sweep(store, ids, lease):
    return store.sweep()


OPERATIONS = {
    "create": _create,
    "fire": _fire,
    "fire, late": _fire,
    "fire_many": _fire_many,
    "claim": _claim,
    "claim again": _claim,
    "heartbeat": _heartbeat,
    "release": _release,
    "sweep": _sweep,
}


def prepare(store, operation, name):
    """
    Return the ids of the runs that *operation* is to be about, and a lease if it needs one.
    """
    many = {"fire_many": 3, "sweep": 3}.get(operation, 1)
    ids = [f"run_{name}_{n}" for n in range(many)]
    if operation == "create":
        return ids, None
    for run_id in ids:
        store.create(id=run_id)
    if operation == "claim":
        return ids, None
    if operation in {"heartbeat", "release", "claim again"}:
        lease = store.claim("owner", 30)
        pass_time(store, 40 if operation == "claim again" else 1)
        return ids, lease
    for run_id in ids:
        store.start(run_id)
    if operation == "fire, late":
        store.fire(ids[0], "fail", **PAYLOADS["fail"])
    if operation == "sweep":
        store.request_cancel(ids[0])
        pass_time(store, 1000)

    return ids, None


def tidy(store, ids):
    """
    End what is left of *ids*, so that nothing else finds it.
    """
    for run_id in ids:
        store.fire(run_id, "fail", **PAYLOADS["fail"])


# -- in a process of its own --------------------------------------------------------------------


def die_at(_, url, durable, operation, ids, lease, place):
    """
    Kill the process at point number *place* of *operation*; return all points if there is none.
    """
    with open_store(url, durable=durable, expires_after=600) as store:

        def act(number, _):
            if number == place:
                os.kill(os.getpid(), signal.SIGKILL)

        points = Points(store, act)
        OPERATIONS[operation](store, ids, lease)

        return points.names


def die_cancelling(_, url, run_id, place):
    """
    Kill the process at point number *place* of a cancel, which it would confirm if it lived.
    """
    with open_store(url) as store:

        def act(number, _):
            if number == place:
                os.kill(os.getpid(), signal.SIGKILL)

        Points(store, act)
        store.request_cancel(run_id)

        return store.confirm_cancel(run_id).ok


def work_until_killed(pipe, url, durable, name):
    """
    Take runs through their lives, and tell of every move that was acknowledged.
    """
    with open_store(url, durable=durable, clock=None) as store:
        for number in range(10**9):
            run_id = store.create(id=f"{name}_{number}").id
            pipe.send((run_id, 1))
            lease = store.claim(name, 30)
            if lease is None:
                continue
            pipe.send((lease.run.id, lease.run._last_move.seq))
            ends = (store.complete, store.expire, store.request_cancel)
            verdict = ends[number % 3](lease.run.id, token=lease.token, key=f"{name} {number}")
            if not verdict.ok:
                # A run whose worker was killed after it had been cancelled, for one.
                continue
            pipe.send((lease.run.id, verdict.moved.seq))
            if number % 3 == 2:
                verdict, _ = store.fire_many(
                    [Fire(lease.run.id, "confirm_cancel", {}, lease.token), Fire(run_id, "expire")]
                )
                if not verdict.ok:
                    continue
                pipe.send((lease.run.id, verdict.moved.seq))
