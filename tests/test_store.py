"""
The store, by hand: what each method answers, on both databases.
"""

import pytest

from runstate.store import Applied, RunStore


@pytest.fixture
def store(database_url):
    """
    A store in a fresh database.
    """
    with RunStore.open(database_url) as opened:
        yield opened


def test_a_run_is_created_claimed_and_completed(store):
    """
    The common way of a run, each move numbered.
    """
    run = store.create(assistant_id="asst_1", thread_id="thread_1", model="m")
    lease = store.claim("worker-1")
    done = store.complete(run.id, token=lease.token)

    assert isinstance(done, Applied)
    assert (3, "completed") == (done.moved.seq, store.get(run.id).status)
    assert [1, 2, 3] == [entry.seq for entry in store.history(run.id)]
