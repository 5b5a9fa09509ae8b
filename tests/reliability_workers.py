"""
What the processes of the reliability tests do; importable, so that a process can be given it.
"""

import os
import signal
import threading
import time

import sqlalchemy as sa

from reliability import PAYLOAD, chance, open_store
from runstate.store import Applied, Fire, Illegal, Superseded


def told(verdict):
    """
    Return a verdict as a plain record, the same for equal verdicts.
    """
    moved = getattr(verdict, "moved", None)

    return (
        type(verdict).__name__,
        getattr(verdict, "status", None),
        getattr(verdict, "by", None),
        None if moved is None else (moved.trigger, moved.target, moved.seq),
    )


def in_threads(threads, work):
    """
    Do *work* in as many threads, each with its number; raise what any of them raised.
    """
    raised = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  raised again below
            raised.append(error)

    workers = [threading.Thread(target=guarded, args=(n,), daemon=True) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if raised:
        raise raised[0]


def end_by_many(_, url, ids, gate, first, threads, ways):
    """
    End each run of *ids* in one of four *ways*, in step with all others.

    Returns one list a run of (trigger, what it was told).
    """
    answers = [[] for _ in ids]
    with open_store(url, clock=None) as store:

        def work(number):
            for place, run_id in enumerate(ids):
                way = ways[(first + number + place) % len(ways)]
                gate.wait()
                for trigger in way:
                    verdict = store.fire(run_id, trigger, **PAYLOAD.get(trigger, {}))
                    answers[place].append((trigger, told(verdict)))

        try:
            in_threads(threads, work)
        except BaseException:
            gate.abort()
            raise

    return answers


def complete_with_one_key(_, url, ids, gate, threads):
    """
    Complete each run of *ids* under one key a run, in step with all others.
    """
    answers = [[] for _ in ids]
    with open_store(url, clock=None) as store:

        def work(_):
            for place, run_id in enumerate(ids):
                gate.wait()
                verdict = store.complete(run_id, key=f"key of {run_id}")
                answers[place].append((type(verdict).__name__, verdict.moved))

        try:
            in_threads(threads, work)
        except BaseException:
            gate.abort()
            raise

    return answers


def sweep_until_nothing(_, url, gate, limit):
    """
    Sweep until nothing is left, and return what was swept.
    """
    swept = []
    with open_store(url) as store:
        gate.wait()
        idle = 0
        while idle < 3:
            moved = store.sweep(limit=limit)
            swept += [(each.run_id, each.trigger, each.target, each.seq) for each in moved]
            idle = 0 if moved else idle + 1

    return swept


def complete_all(_, url, gate, ids):
    """
    Complete all runs, and return of each what came of it.
    """
    answers = {}
    with open_store(url) as store:
        gate.wait()
        for run_id in ids:
            verdict = store.complete(run_id)
            assert isinstance(verdict, Applied | Superseded | Illegal)
            answers[run_id] = told(verdict)

    return answers


def stand_still_and_go_on(pipe, url):
    """
    For every word from the other end: claim, stop at the place it names, and try everything after.
    """
    with open_store(url) as store:
        store.counts()
        pipe.send("ready")
        for place, beats in iter(pipe.recv, None):
            lease = store.claim("A", 30)
            for _ in range(beats):
                assert store.heartbeat(lease).ok
            pipe.send((lease.run.id, lease.token))
            pipe.send(_all_after(store, lease, place))

    return "done"


def _all_after(store, lease, place):
    """
    Stop at *place*, and return what every method says of the lease after that.
    """
    run_id, token = lease.run.id, lease.token
    calls = {
        "heartbeat": lambda: store.heartbeat(lease),
        "complete": lambda: store.complete(run_id, token=token, key="A's"),
        "fail": lambda: store.fire(run_id, "fail", **PAYLOAD["fail"], token=token),
        "request_cancel": lambda: store.request_cancel(run_id, token=token),
        "require_action": lambda: store.fire(
            run_id, "require_action", **PAYLOAD["require_action"], token=token
        ),
        "submit": lambda: store.submit_tool_outputs(run_id, {"call_1": "x"}, token=token),
        "release": lambda: store.release(lease),
    }
    answers = []
    if place == "idle":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        # Within the call: it has made up its mind, and not yet said so to the database.
        once = [signal.SIGSTOP]
        sa.event.listen(
            store.engine,
            "before_cursor_execute",
            lambda *_: os.kill(os.getpid(), once.pop()) if once else None,
        )
        answers.append((place, calls[place]()))
    answers += [(name, call()) for name, call in calls.items()]

    return [(name, answer is False or type(answer).__name__) for name, answer in answers]


def consume(pipe, url, delivered, place):
    """
    Read the feed and write down what came, forever; the place in it only after that.
    """
    after = place.read_text() if place.exists() else None
    with open_store(url, clock=None) as store, delivered.open("a") as output:
        output.write("born\n")
        while True:
            page = store.moves(after=after, limit=7)
            for entry in page.items:
                output.write(f"{entry.run_id} {entry.seq} {entry.event_id}\n")
                output.flush()
            if page.cursor != after:
                fresh = place.with_suffix(".new")
                fresh.write_text(page.cursor)
                fresh.replace(place)
                after = page.cursor
            if not page.items and pipe.poll(0.002):
                return pipe.recv()


def produce(pipe, url, seed):
    """
    Move runs until told to stop, some of them in transactions that take their time.
    """
    random, moves = chance(seed), 0
    with open_store(url, clock=None) as store:
        while not pipe.poll(0):
            ids = [store.create().id for _ in range(3)]
            with store.engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                for run_id in ids:
                    store.start(run_id, connection=connection)
                time.sleep(random.choice([0, 0, 0.005]))
                store.fire_many([Fire(each, "complete") for each in ids[:2]], connection=connection)
                if random.random() < 0.8:
                    connection.commit()
            store.fire_many([Fire(each, "request_cancel") for each in ids])
            store.confirm_cancel(ids[2])
            moves += 1
            time.sleep(0.002)

    return moves


def heartbeat_when_told(pipe, url):
    """
    Claim a run and hold it, deaf to what is said of a cancel.
    """
    with open_store(url) as store:
        lease = store.claim("deaf", 30)
        while True:
            pipe.send(type(store.heartbeat(lease)).__name__)
            pipe.recv()
