"""
What a store answers about many runs: lists, counts, and which are stuck.
"""

import pickle
from copy import copy
from itertools import product

import pytest

from runstate import RUN
from runstate.store import Applied, Fire, RunNotFoundError
from stores import USAGE, brought_to

HOSTILE = ["a\x00b", "\ud800", "x" * 600, "a\nb", "'; DROP TABLE runstate_runs; --", "", "\u202e"]
NOT_A_LIMIT = [0, -1, -2, 2**31, 2**70]


def listed(store, **options):
    """
    Return the ids of all pages, in order.
    """
    after, seen = None, []
    while True:
        page = store.list(after=after, **options)
        seen += [run.id for run in page.items]
        after = page.cursor
        if after is None:
            return seen


def test_runs_are_listed_page_by_page(store):
    """
    Each once, in either order, with filters, however the pages are cut.
    """
    ids = [store.create(id=f"run_{n}", thread_id=f"thread_{n % 2}").id for n in range(7)]
    store.start(ids[2])

    for limit in (1, 2, 3, 6, 7, 8, 20):
        assert ids[::-1] == listed(store, limit=limit)
        assert ids == listed(store, limit=limit, order="asc")
    assert ids[5::-2] == listed(store, thread_id="thread_1", limit=2)
    assert [ids[2]] == listed(store, status="in_progress")
    assert [] == listed(store, status="in_progress", thread_id="thread_1")
    assert 6 == len(listed(store, status="queued", limit=4))
    assert ids[2::-1] == [run.id for run in store.list(after=ids[3]).items]


def test_runs_of_the_same_moment_are_listed_each_once(timed):
    """
    Their ids decide, so that no page repeats or loses one; a filter changes nothing of that.
    """
    ids = [timed.create(id=f"run_{n:02}", thread_id="t").id for n in (3, 1, 9, 0, 5, 7, 2)]

    for limit in range(1, 9):
        assert sorted(ids) == listed(timed, limit=limit, order="asc")
        assert sorted(ids)[::-1] == listed(timed, limit=limit, status="queued", thread_id="t")


def test_a_page_in_the_midst_of_which_runs_come_and_move_goes_on_where_it_was(timed, now):
    """
    Every run that was there when the first page was read comes once.
    """
    ids = []
    for n in range(6):
        now.step(1)
        ids.append(timed.create(id=f"run_{n}").id)
    first = timed.list(limit=2)
    now.step(1)
    timed.create(id="later")
    timed.start(first.cursor)
    rest = timed.list(after=first.cursor, limit=10)

    assert (ids[::-1], None) == ([run.id for run in (*first.items, *rest.items)], rest.cursor)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_list_goes_on_while_its_runs_are_cleaned_up(timed, now, order):
    """
    Every run that stays comes once, though the last of each page is deleted before the next is read.
    """
    for n in range(9):
        now.step(n % 2)
        timed.create(id=f"run_{n}")
    runs, seen, page = timed._setup.tables.runs, [], timed.list(limit=2, order=order)
    while page.cursor is not None:
        seen += [run.id for run in page.items]
        with timed.engine.begin() as connection:
            connection.execute(runs.delete().where(runs.c.id == page.items[-1].id))
        cursor = pickle.loads(pickle.dumps(copy(page.cursor)))
        before = timed.list(before=cursor, order=order)
        assert seen[-2] == before.items[-1].id
        page = timed.list(limit=2, order=order, after=cursor)
    seen += [run.id for run in page.items]

    assert sorted(seen, reverse=order == "desc") == seen
    assert 9 == len(set(seen)) == len(seen)


def test_a_list_behind_the_id_of_a_deleted_run_says_what_to_do(store):
    """
    The id alone does not say where the run was.
    """
    store.create(id="a")
    for where in ("after", "before"):
        with pytest.raises(RunNotFoundError, match=r"no run 'gone' in the store: .* beginning"):
            store.list(**{where: "gone"})


def test_a_limit_is_a_positive_number(store):
    """
    Neither database is asked for fewer than one, which they understand differently.
    """
    store.create()
    calls = [store.list, store.moves, store.sweep, lambda limit: store.stuck({}, limit=limit)]
    for call, limit in product(calls, NOT_A_LIMIT):
        with pytest.raises(ValueError, match="limit: expected a positive whole number, got"):
            call(limit=limit)

    assert 1 == len(store.list(limit=2**31 - 1).items)


def test_a_thread_that_cannot_be_has_no_runs(store):
    """
    The answer is empty whatever was asked for, and the caller's transaction goes on.
    """
    store.create(thread_id="thread_1")
    with store.engine.begin() as connection:
        pages = {store.list(thread_id=each, connection=connection) for each in HOSTILE}
        store.create(id="after", connection=connection)

    assert {((), None, ())} == pages
    assert "queued" == store.get("after").status


def test_a_status_that_is_none_of_the_lifecycle_is_a_mistake(store):
    """
    A list and a limit of such a status are refused by name.
    """
    for status in ("asleep", *HOSTILE):
        with pytest.raises(ValueError, match="status: expected a status of run"):
            store.list(status=status)
        with pytest.raises(ValueError, match="status: expected a status of run"):
            store.stuck({"queued": 1, status: 1})


def test_an_order_is_one_of_two(store):
    """
    Anything else is refused instead of being taken for one of them.
    """
    with pytest.raises(ValueError, match="order: expected 'asc' or 'desc', got 'sideways'"):
        store.list(order="sideways")


def test_counts_are_those_of_the_rows_before_and_after_a_sweep(store):
    """
    The journal adds up to what is there.
    """
    for status in RUN.statuses:
        brought_to(store, status)
    counted = store.counts()
    store.sweep()
    store.sweep()
    again = store.counts()
    store.create()

    assert dict.fromkeys(map(str, RUN.statuses), 1) == counted
    assert 9 == sum(again.values())
    assert again["queued"] + 1 == store.counts()["queued"]


def test_counts_are_right_whatever_is_swept_in_between(store):
    """
    After each of many moves and sweeps, they are what counting the rows gives.
    """
    zero = dict.fromkeys(map(str, RUN.statuses), 0)
    assert zero == store.counts()
    ids = [store.create().id for _ in range(6)]
    for n, run_id in enumerate(ids):
        store.fire_many([Fire(run_id, "start"), *[Fire(run_id, "complete")] * (n % 2)])
        if n % 3 == 0:
            store.sweep()
        with store.engine.begin() as connection:
            store.request_cancel(run_id, connection=connection)
            inside = store.counts(connection=connection)
            rows = connection.exec_driver_sql(
                "SELECT status, count(*) FROM runstate_runs GROUP BY 1"
            ).all()
            assert zero | dict(map(tuple, rows)) == inside
            connection.rollback()

    assert zero | {"in_progress": 3, "completed": 3} == store.counts()


def test_runs_that_are_stuck_are_found(timed, now):
    """
    Those that have been in a status for as long as its limit, the longest first.
    """
    ids = []
    for _ in range(3):
        ids.append(brought_to(timed, "in_progress"))
        now.step(10)
    queued = brought_to(timed, "queued")
    now.step(5)

    def stuck(limits, **options):
        return [run.id for run in timed.stuck(limits, **options)]

    assert ids == stuck({"in_progress": 0, "completed": 0})
    assert [ids[0]] == stuck({"in_progress": 0}, limit=1)
    assert ids[:2] == stuck({"in_progress": 25})
    assert ids[:1] == stuck({"in_progress": 25.1})
    assert [*ids[:1], queued] == stuck({"in_progress": 35, "queued": 5})
    assert [] == stuck({"in_progress": 36, "queued": float("inf")}) == stuck({})
    for nonsense in (-1, float("nan")):
        with pytest.raises(ValueError, match="expected a number of seconds"):
            stuck({"queued": nonsense})


def test_reads_take_part_in_the_callers_transaction(store):
    """
    What only the transaction knows is read in it, and by nobody else.
    """
    with store.engine.begin() as connection:
        run = store.create(id="mine", thread_id="t", connection=connection)
        assert isinstance(store.start("mine", connection=connection), Applied)
        read = [
            store.get("mine", connection=connection).status,
            len(store.history("mine", connection=connection)),
            store.counts(connection=connection)["in_progress"],
            [each.id for each in store.stuck({"in_progress": 0}, connection=connection)],
            [each.id for each in store.list(thread_id="t", connection=connection).items],
        ]
        assert store.complete("mine", USAGE, connection=connection).ok

    assert ["in_progress", 2, 1, [run.id], [run.id]] == read
    assert 3 == store.get("mine").usage.total_tokens
