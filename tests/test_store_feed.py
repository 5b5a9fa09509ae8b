"""
The feed of a store: every committed move at least once, those of a run in their order.
"""

from contextlib import closing

import pytest

from runstate.store import RunStore
from stores import ERROR, brought_to, consistent


def events(page):
    """
    Return what a page delivers, by event id.
    """
    return [entry.event_id for entry in page.items]


def delivered(store, limit, after=None):
    """
    Read on from *after* until nothing comes, and return all entries and the cursor.
    """
    seen = []
    while True:
        page = store.moves(after=after, limit=limit)
        after = page.cursor
        if not page.items:
            return seen, after
        seen += page.items


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_the_feed_gives_every_move_once_in_the_order_of_its_run(store, limit):
    """
    However the pages are cut, and whatever comes meanwhile; what is no move is left out.
    """
    ids = [brought_to(store, status) for status in ("completed", "cancelled", "requires_action")]
    store.fail(ids[0], ERROR)
    first, cursor = delivered(store, limit)
    ids.append(brought_to(store, "expired"))
    second, end = delivered(store, limit, cursor)
    expected = [line for run_id in ids for line in store.history(run_id) if line.kind == "move"]

    assert sorted(expected) == sorted(first + second)
    assert 2 == len(second)
    for run_id in ids:
        moves = [line for line in first + second if line.run_id == run_id]
        assert list(range(1, len(moves) + 1)) == [line.seq for line in moves]
    assert [] == delivered(store, limit, end)[0]


def test_an_empty_feed_has_a_cursor_to_go_on_from(store):
    """
    Whoever starts early misses nothing.
    """
    page = store.moves()
    again = store.moves(after=page.cursor)
    run_id = store.create().id

    assert () == page.items == again.items
    assert [f"{run_id}:1"] == events(store.moves(after=again.cursor))


GARBAGE = [
    "", "x", "1|2|3", "-1", "'", "1:1:|", "9" * 30, "5:3:||0", "1:1:,,||0", "0:1:||0",
    "1:5:7||0", "1:5:3,2||0", "1:5:5||0", "1:1:||", "1:1:|x|0", "1:1:|5:3:|0", "\x00", "\ud800",
    "1:1:||0\n", "\u0661",
]  # fmt: skip


def test_a_cursor_that_is_none_is_refused(store):
    """
    As a ValueError, before the database sees it; the caller's transaction goes on.
    """
    with store.engine.begin() as connection:
        for garbage in GARBAGE:
            with pytest.raises(ValueError, match="not a cursor of this store"):
                store.moves(after=garbage, connection=connection)
        store.create(id="after", connection=connection)

    assert "queued" == store.get("after").status


def test_a_cursor_of_the_other_database_is_refused(store):
    """
    Whoever moved from one to the other reads from the beginning.
    """
    own = store.moves().cursor

    with pytest.raises(ValueError, match="not a cursor of this store"):
        store.moves(after={"0": "1:1:||0"}.get(own, "0"))


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_transaction_that_writes_first_and_commits_last_is_not_lost(postgresql_database, limit):
    """
    It is delivered once it is committed, behind what was committed before it.
    """
    with RunStore.open(postgresql_database) as store:
        a, b = store.create().id, store.create().id
        _, cursor = delivered(store, limit)
        with closing(store.engine.connect()) as early, closing(store.engine.connect()) as late:
            store.start(b, connection=early)
            store.start(a, connection=late)
            late.commit()
            first, cursor = delivered(store, limit, cursor)
            store.complete(a, connection=early)
            early.commit()
        second, cursor = delivered(store, limit, cursor)

        assert [f"{a}:2"] == [entry.event_id for entry in first]
        assert [f"{b}:2", f"{a}:3"] == [entry.event_id for entry in second]
        assert [] == delivered(store, limit, cursor)[0]


def test_a_page_that_is_cut_in_an_open_transaction_loses_nothing_of_it(postgresql_database):
    """
    What is committed while a page is left over comes after it, and nothing comes twice.
    """
    with RunStore.open(postgresql_database) as store:
        ids = [store.create().id for _ in range(4)]
        _, cursor = delivered(store, 10)
        with closing(store.engine.connect()) as early:
            store.start(ids[0], connection=early)
            for run_id in ids[1:]:
                store.start(run_id)
            pages = [store.moves(after=cursor, limit=2)]
            early.commit()
            store.complete(ids[1])
        for _ in range(3):
            pages.append(store.moves(after=pages[-1].cursor, limit=2))

        assert [
            [f"{ids[1]}:2", f"{ids[2]}:2"], [f"{ids[3]}:2"],
            [f"{ids[0]}:2", f"{ids[1]}:3"], [],
        ] == [events(page) for page in pages]  # fmt: skip


def test_what_is_rolled_back_is_never_delivered(store):
    """
    Neither then nor later, nor does its number come twice.
    """
    run_id = store.create().id
    with store.engine.connect() as connection:
        store.start(run_id, connection=connection)
        connection.rollback()
    store.request_cancel(run_id)
    seen, _ = delivered(store, 1)

    assert [(1, "create"), (2, "request_cancel")] == [(e.seq, e.trigger) for e in seen]
    assert consistent(store, run_id)


def test_runs_that_are_moved_by_turns_in_open_transactions_keep_their_order(postgresql_database):
    """
    Three transactions that overlap, each moving runs that another has moved before it.
    """
    with RunStore.open(postgresql_database) as store:
        a, b, c = (store.create(id=name).id for name in "abc")
        seen, cursor = [], store.moves().cursor
        connections = [store.engine.connect() for _ in range(3)]
        one, two, three = connections
        steps = [
            (one, "start", a), (two, "start", b), (two, None, None), (three, "start", c),
            (three, "complete", b), (one, "complete", a), (three, None, None),
            (two, "fail", c), (one, None, None), (three, "request_cancel", c), (two, None, None),
        ]  # fmt: skip
        for connection, trigger, run_id in steps:
            if trigger is None:
                connection.commit()
            else:
                payload = {"last_error": ERROR} if trigger == "fail" else {}
                store.fire(run_id, trigger, connection=connection, **payload)
            page = store.moves(after=cursor, limit=1)
            seen, cursor = [*seen, *page.items], page.cursor
            if connection is two and trigger == "fail":
                connection.commit()
        for connection in connections:
            connection.close()
        rest, _ = delivered(store, 1, cursor)
        seen += rest

        assert sorted([f"{a}:2", f"{a}:3", f"{b}:2", f"{b}:3", f"{c}:2", f"{c}:3"]) == sorted(
            entry.event_id for entry in seen
        )
        for run_id in (a, b, c):
            assert [2, 3] == [entry.seq for entry in seen if entry.run_id == run_id]


def test_a_cursor_from_the_future_is_refused(store):
    """
    It is another database's, or this one was restored: silence would look like no news.
    """
    store.start(store.create().id)
    cursor = store.moves().cursor
    ahead = str(int(cursor) + 1) if cursor.isdigit() else "1:9000000000:||0"

    assert () == store.moves(after=cursor).items
    with pytest.raises(ValueError, match="not a cursor of this store"):
        store.moves(after=ahead)


def test_a_transaction_that_sees_an_older_state_takes_a_newer_cursor(postgresql_database):
    """
    To it, nothing has happened yet.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = store.create().id
        serial = store.engine.execution_options(isolation_level="REPEATABLE READ")
        with serial.connect() as before:
            assert 1 == len(store.moves(connection=before).items)
            store.start(run_id)
            page = store.moves(after=store.moves().cursor, connection=before)
        assert () == page.items
        store.complete(run_id)

        assert ["start", "complete"] == [
            line.trigger for line in store.moves(after=page.cursor).items
        ]
