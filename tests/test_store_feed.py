"""
The feed of a store: every committed move at least once, those of a run in their order.
"""

import base64
import pickle
from contextlib import closing

import pytest
import sqlalchemy as sa

from runstate.store import (
    CursorError,
    CursorExpiredError,
    CursorForeignError,
    CursorInvalidError,
    RunStore,
)
from stores import ERROR, brought_to, consistent

_ROWS_READ = sa.text(
    "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
    "WHERE relname = 'runstate_journal'"
)


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
    "", "x", "1|2|3", "-1", "'", "1:1:|", "9" * 30, "2.", "2.x", "2.\u0661", "3.cHww", "\x00",
    "\ud800", "2." + "A" * 200_000, 5, b"2.cHww", 0, False,
]  # fmt: skip
INSIDE = [
    "", "p", "p|1|", "p|0|AAAAAAAAAAAA", "p|-1|", "x|5:3:||0|0||", "x|1:1:,,||0|0||",
    "x|0:1:||0|0||", "x|1:5:7||0|9|1:1|AAAAAAAAAAAA", "x|9:9:||0|8||", "x|1:1:||0|0|1:1|",
    "x|1:1:|9:9:|0|0||", "q|1|AAAAAAAAAAAA", "\xff",
]  # fmt: skip


def test_what_is_not_a_cursor_is_refused(store):
    """
    The error says what to give instead; the caller's transaction goes on.
    """
    packed = [base64.urlsafe_b64encode(each.encode("latin-1")).decode() for each in INSIDE]
    with store.engine.begin() as connection:
        for garbage in (*GARBAGE, *(f"2.{each.rstrip('=')}" for each in packed)):
            with pytest.raises(CursorError) as caught:
                store.moves(after=garbage, connection=connection)
            assert isinstance(caught.value, CursorInvalidError | CursorForeignError)
            assert garbage is caught.value.cursor or "characters" in caught.value.reason
            assert len(str(caught.value)) < 500
        store.create(id="after", connection=connection)

    assert "queued" == store.get("after").status


@pytest.mark.parametrize("cursor", ["0", "30", "1:1:||0", "5677:5677:||0", "7:9:7|9:9:|12"])
def test_a_cursor_of_format_1_has_expired(store, cursor):
    """
    It proves no history. The error says so, and how to go on.
    """
    with pytest.raises(CursorExpiredError, match=r"format 1.*read the feed from the beginning"):
        store.moves(after=cursor)


def test_errors_about_cursors_keep_their_facts(store):
    """
    They are ValueErrors, as before, of a class of their own, and pickle.
    """
    with pytest.raises(CursorError) as caught:
        store.moves(after="0")
    again = pickle.loads(pickle.dumps(caught.value))

    assert isinstance(again, ValueError)
    assert (type(caught.value), "0", str(caught.value)) == (type(again), again.cursor, str(again))


def test_a_cursor_of_the_other_database_is_refused(store):
    """
    A consumer that moved from one to the other reads from the beginning.
    """
    by_position, by_snapshot = "2.cHwxfEFBQUFBQUFBQUFBQQ", "2.eHwxOjE6fHwwfDB8fA"
    own = store.moves().cursor
    assert own in ("2.cHwwfA", by_snapshot)

    with pytest.raises(CursorForeignError, match="another kind of database"):
        store.moves(after=by_position if own == by_snapshot else by_snapshot)


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


def _forget(store, run_id):
    """
    Take a run's last move out of the journal, as a failover or a restore would.
    """
    last = store.history(run_id)[-1].position
    with store.engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM runstate_journal WHERE position = :last"), {"last": last}
        )


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_cursor_from_a_lost_future_is_refused_for_good(store, limit):
    """
    Before the new history has reached its place, and after it has grown past it.
    """
    run_ids = [store.create().id for _ in range(3)]
    _, shared = delivered(store, limit)
    store.start(run_ids[0])
    _, lost = delivered(store, limit, shared)
    _forget(store, run_ids[0])

    assert ([], shared) == delivered(store, limit, shared)
    for _ in range(3):
        with pytest.raises(CursorForeignError, match="waiting does not help"):
            store.moves(after=lost, limit=limit)
        store.create()
        store.request_cancel(run_ids[1])
    again, _ = delivered(store, limit, shared)
    assert 4 == len(again)


def test_a_cursor_in_the_midst_of_a_page_proves_its_history(store):
    """
    Also one that has more behind it.
    """
    run_ids = [store.create().id for _ in range(5)]
    half = store.moves(limit=3).cursor
    _forget(store, run_ids[0])
    _forget(store, run_ids[4])

    # On SQLite one move follows the other, so that the last one proves all before it.
    if store.engine.dialect.name == "postgresql":
        assert [f"{run_ids[3]}:1"] == events(store.moves(after=half))
    _forget(store, run_ids[2])
    with pytest.raises(CursorForeignError):
        store.moves(after=half)


def test_a_feed_that_has_delivered_nothing_claims_nothing(database_url):
    """
    Its cursor is that of the beginning, whatever else was written meanwhile.
    """
    with RunStore.open(database_url) as store, RunStore.open(database_url, prefix="b_") as other:
        cursor = store.moves().cursor
        other.create()
        assert cursor == store.moves(after=cursor).cursor
        run_id = store.create().id
        assert [f"{run_id}:1"] == events(store.moves(after=cursor))


def test_a_cursor_of_another_store_is_refused(database_url):
    """
    Also of one in the same database, with as many moves.
    """
    with RunStore.open(database_url) as store, RunStore.open(database_url, prefix="b_") as other:
        for each in (store, other):
            each.create()
        with pytest.raises(CursorForeignError):
            other.moves(after=store.moves().cursor)


def test_what_a_transaction_writes_after_its_poll_is_not_taken_for_delivered(postgresql_database):
    """
    A transaction that reads the feed and moves on does not pass over its own moves.
    """
    with RunStore.open(postgresql_database) as store:
        with store.engine.begin() as connection:
            first = store.create(connection=connection).id
            store.create(id="beside")
            page = store.moves(connection=connection)
            second = store.create(connection=connection).id
        rest, _ = delivered(store, 10, page.cursor)

        assert ["beside:1"] == events(page)
        assert {f"{first}:1", f"{second}:1"} == {line.event_id for line in rest}


def test_lines_that_are_no_moves_do_not_pile_up_behind_an_idle_cursor(postgresql_database):
    """
    After a thousand transactions a cursor moves on to the last of them, and proves the history by it.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = store.create().id
        store.claim("a", 0.001)
        _, cursor = delivered(store, 10)
        for _ in range(5):
            lease = store.claim("b", 0.001)
            while lease is None:
                lease = store.claim("b", 0.001)
        near = store.moves(after=cursor)
        with store.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for _ in range(1_001):
                connection.exec_driver_sql("SELECT pg_current_xact_id()")
        page = store.moves(after=cursor)
        last = store.history(run_id)[-1]

        assert () == near.items == page.items
        assert page.cursor == store.moves(after=page.cursor).cursor
        store.complete(run_id)
        assert [f"{run_id}:3"] == events(store.moves(after=page.cursor))
        line = sa.text("DELETE FROM runstate_journal WHERE position = :position")
        with store.engine.begin() as connection:
            assert 1 == connection.execute(line, {"position": last.position}).rowcount
        for before in (cursor, near.cursor):
            assert [f"{run_id}:3"] == events(store.moves(after=before))
        with pytest.raises(CursorForeignError):
            store.moves(after=page.cursor)


def test_a_transaction_that_sees_an_older_state_takes_a_newer_cursor(postgresql_database):
    """
    To it, nothing has happened yet; and nothing is delivered twice.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = store.create().id
        serial = store.engine.execution_options(isolation_level="REPEATABLE READ")
        with serial.connect() as before:
            assert 1 == len(store.moves(connection=before).items)
            store.start(run_id)
            cursor = store.moves().cursor
            page = store.moves(after=cursor, connection=before)
        assert ((), cursor) == (page.items, page.cursor)
        store.complete(run_id)

        assert ["complete"] == [line.trigger for line in store.moves(after=page.cursor).items]


def test_a_page_of_the_feed_reads_little_besides_what_it_gives(postgresql_database):
    """
    Neither an open write transaction nor a backlog makes PostgreSQL read the journal again.
    """

    def poll(cursor):
        with reader.begin():
            before = reader.execute(_ROWS_READ).scalar_one()
            page = store.moves(after=cursor, limit=100, connection=reader)

            return page, reader.execute(_ROWS_READ).scalar_one() - before

    with (
        RunStore.open(postgresql_database) as store,
        RunStore.open(postgresql_database) as other,
        store.engine.connect() as reader,
    ):
        cursor = store.moves().cursor
        with other.engine.begin() as open_one:
            late = other.create(connection=open_one).id
            for _ in range(3):
                store.create_many([{}] * 1_000)
            with store.engine.begin() as connection:
                connection.exec_driver_sql("ANALYZE runstate_journal")
            pages = []
            while not pages or pages[-1][0].items:
                pages.append(poll(cursor))
                cursor = pages[-1][0].cursor
            # PostgreSQL plans a statement anew five times, and then perhaps no more.
            idle = [poll(cursor) for _ in range(15)]
        last, _ = poll(cursor)

    assert 3_000 == sum(len(page.items) for page, _ in pages)
    # The first page sorts the backlog, and the last one finds its end.
    assert all(rows < 300 for _, rows in pages[1:-1])
    assert all(page.items == () and rows < 10 for page, rows in idle)
    assert [late] == [entry.run_id for entry in last.items]
