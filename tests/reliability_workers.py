"""
What the processes of the reliability tests do; importable, so that a process can be given it.
"""

import threading

from reliability import PAYLOAD, open_store
from runstate.store import Applied, Illegal, Superseded


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
