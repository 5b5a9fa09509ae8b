"""
The suite for any store: ours pass it, and it says so honestly.
"""

import time
from contextlib import contextmanager
from itertools import count

import pytest

from databases import fresh_database
from runstate.testing import CHECKS, conformance
from stores_under_test import AsyncSubject, OwnTable, Subject, subjects


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request, tmp_path):
    """
    A context manager that yields the URL of a fresh database, any number of times.
    """
    number = count()
    server = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else None

    @contextmanager
    def database():
        if server is None:
            yield f"sqlite:///{tmp_path}/{next(number)}.db"
            return
        with fresh_database(server) as url:
            yield url

    return database


@pytest.mark.parametrize("kind", [Subject, AsyncSubject])
def test_our_stores_do_everything(fresh, kind):
    """
    The stores of this package pass every check, and none is skipped.
    """
    before = time.monotonic()
    done = conformance(subjects(fresh, kind))
    print(f"{kind.__name__}: {len(done.passed)} checks in {time.monotonic() - before:.1f} s")

    assert (tuple(CHECKS), (), ()) == done, str(done)


def test_a_table_of_ones_own_does_what_it_can(fresh):
    """
    A mapped class that is moved with apply_move passes every check of what it is capable of.
    """
    done = conformance(subjects(fresh, OwnTable))

    assert () == done.failed, str(done)
    assert len(CHECKS) == len(done.passed) + len(done.skipped)
