"""
What the tests of the store share: runs in every status, and what must hold of them.
"""

from itertools import pairwise

from conftest import PAYLOADS
from runstate import RUN, check

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ERROR = {"code": "server_error", "message": "no"}
ACTION = PAYLOADS["require_action"]["required_action"]


def brought_to(store, status, **fields):
    """
    Return the id of a new run that has come to *status* by the shortest way.
    """
    run_id = store.create(**fields).id
    for row in RUN.shortest_path("queued", status):
        assert store.fire(run_id, row.trigger, **PAYLOADS.get(row.trigger, {})).ok

    return run_id


def consistent(store, run_id):
    """
    Whether the journal of a run folds to its row, and the checker finds nothing in it.
    """
    run, lines = store.get(run_id), store.history(run_id)
    moves = [line for line in lines if line.kind == "move"]
    assert [line.seq for line in moves] == list(range(1, len(moves) + 1))
    assert str(run.status) == moves[-1].target
    assert all(a.target == b.source for a, b in pairwise(moves))
    assert all(a.at <= b.at for a, b in pairwise(lines))
    assert all(line.duration_s >= 0 for line in moves[1:])
    assert check([line.target for line in moves]).ok

    return True


def rows_of(store):
    """
    Return everything that the store's tables hold of runs.
    """
    with store.engine.connect() as connection:
        runs = connection.exec_driver_sql("SELECT * FROM runstate_runs ORDER BY id")
        lines = connection.exec_driver_sql("SELECT * FROM runstate_journal ORDER BY position")

        return runs.all(), lines.all()
