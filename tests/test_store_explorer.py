"""
The store under every interleaving of small histories, statement by statement, on its real databases.

Two writers are explored in every order there is. Of more actors, the orders are left out that lead to
a state that was met before; where both are feasible, both come to the same outcomes. ``pytest -rP``
prints how many interleavings and states there were.
"""

import base64
import re
import time
from contextlib import contextmanager
from itertools import pairwise
from unittest import mock

import pytest
import sqlalchemy as sa

from databases import MARIADB, POSTGRESQL
from explorer import Explorer, Finding
from explorer_databases import NOW, database
from reliability import LONG, figure
from runstate import RUN
from runstate.store import Applied, ConcurrentMoveError, Duplicate, Illegal, Superseded
from stores import ACTION, USAGE

pytestmark = pytest.mark.slow

# -- the histories -------------------------------------------------------------------------


def overdue(store, named):
    """
    A run that is past its time, while a worker holds it.
    """
    store.create(id=named("r"), expires_after=0)

    return store.claim("w", 60)


def lost(store, named):
    """
    A run whose worker has not been heard of since its lease ran out.
    """
    store.create(id=named("r"))
    lease = store.claim("w", 60)
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE clock SET now = :now"), {"now": NOW + 100})

    return lease


def worker(actor):
    """
    Complete the run, twice under one key, as after an answer that did not arrive.
    """
    for _ in range(2):
        fire(actor, "complete", lease_of(actor), key="end", usage=USAGE)


def late(actor):
    """
    Carry on with a lease that ran out.
    """
    actor.tell("heartbeat", actor.store.heartbeat(lease_of(actor)))
    fire(actor, "complete", lease_of(actor), usage=USAGE)


def user(actor):
    """
    Ask for a cancel, and create another run.
    """
    fire(actor, "request_cancel")
    actor.store.create(id=run_id(actor, "t"))
    actor.forget(actor.told)


def sweeper(actor):
    """
    End what is overdue.
    """
    for moved in actor.store.sweep():
        actor.tell("sweep", Applied(moved))


def reader(actor):
    """
    Read the feed page by page.
    """
    actor.read_on = read_on
    # A page is one statement on SQLite, at least two on PostgreSQL and up to seven on MariaDB.
    for _ in range(4 if actor.database.one_writer else 2):
        read_on(actor, actor.store, 2)
        seen = [(line.run_id, line.seq) for line in actor.pages]
        actor.forget(seen, undigested(actor.cursor))


def undigested(cursor):
    """
    Return the text in *cursor* without the digest of its witnesses.
    """
    body = cursor.removeprefix("2.")
    text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()

    return re.sub(r"[|][A-Za-z0-9_-]{12}(?=([|][0-9]+)?$)", "|", text)


def claimer(actor):
    """
    Claim what can be claimed, and complete it.
    """
    lease = actor.store.claim(actor.name, 60)
    if lease is not None:
        actor.tell("claim", lease)
        fire(actor, "complete", lease, usage=USAGE)


def caller(trigger, **payload):
    """
    Return a history that looks, moves and looks again, in a transaction of the caller's.
    """

    def work(actor):
        while True:
            with actor.store.engine.connect() as connection:
                try:
                    actor.store.get(run_id(actor), connection=connection)
                    verdict = actor.store.fire(
                        run_id(actor), trigger, connection=connection, **payload
                    )
                    actor.store.get(run_id(actor), connection=connection)
                    connection.commit()
                except (ConcurrentMoveError, sa.exc.OperationalError) as error:
                    # A commit is the application's own statement, and so is its error.
                    if not isinstance(error, ConcurrentMoveError) and not broken_off(error):
                        raise
                    connection.rollback()
                else:
                    return actor.tell(trigger, verdict)

    return work


def broken_off(error):
    """
    Return whether the database says that another transaction got in the way.
    """
    return getattr(error.orig, "sqlstate", None) in {"40001", "40P01"}


def run_id(actor, letter="r"):
    """
    Return the id of the run of all actors, or of another one.
    """
    return actor.database.id(letter)


def lease_of(actor):
    """
    Return the lease that was given before the actors began.
    """
    return actor.database.lease


def fire(actor, trigger, lease=None, **options):
    """
    Fire at the run of all actors, and keep the verdict.
    """
    token = None if lease is None else lease.token
    verdict = actor.store.fire(run_id(actor), trigger, token=token, **options)
    actor.tell(trigger, verdict, lease)


def read_on(actor, store, limit):
    """
    Read one more page, and return what is on it.
    """
    page = store.moves(after=actor.cursor, limit=limit)
    actor.pages += page.items
    actor.cursor = page.cursor

    return page.items


HISTORIES = {
    "worker": worker, "user": user, "sweeper": sweeper, "reader": reader, "late": late,
    "claimer": claimer, "other": claimer,
    "completes": caller("complete", usage=USAGE), "cancels": caller("request_cancel"),
}  # fmt: skip

# -- what must hold ------------------------------------------------------------------------


def lines_of(database):
    """
    Return the lines of the journal by run.
    """
    lines = {}
    for line in database.rows(database.tables.journal):
        lines.setdefault(line["run_id"], []).append(line)

    return lines


def always(database, _):
    """
    In every state that is committed: a run's journal is a path of the table that ends in its row.
    """
    lines = lines_of(database)
    for row in database.rows(database.tables.runs):
        moves = [line for line in lines[row["id"]] if line["kind"] == "move"]
        assert list(range(1, len(moves) + 1)) == [line["seq"] for line in moves], "seq has a gap"
        last = moves[-1]
        assert (row["status"], row["version"]) == (last["target"], last["seq"]), (
            f"the row says {row['status']}, and the last line {last['target']}"
        )
        for before, line in pairwise(moves):
            move = RUN.row(line["trigger"], line["source"])
            assert line["source"] == before["target"], "a line does not follow the one before"
            assert move is not None, f"{line['trigger']} from {line['source']} is illegal"
            assert move.target == line["target"]
        tokens = [line["token"] for line in lines[row["id"]] if line["token"] is not None]
        assert tokens == sorted(tokens), "a line with an earlier token follows a later one"


def finally_(database, actors):
    """
    In the end: each was told what the journal says, and the reader has every line once, in order.
    """
    lines = lines_of(database)
    moves = [line for line in lines[database.id("r")] if line["kind"] == "move"]
    applied = []
    for actor in actors:
        for trigger, verdict, lease in actor.told:
            applied += judged(database, moves, trigger, verdict, lease)
    new = [(line["seq"], line["trigger"], line["target"]) for line in moves[2:]]
    assert sorted(applied) == new, f"callers were told of {sorted(applied)}; the journal has {new}"
    for actor in actors:
        if actor.read_on is not None:
            read_to_the_end(actor, database, lines)

    return tuple((a.name, tuple((t, type(v).__name__) for t, v, _ in a.told)) for a in actors)


def judged(database, moves, trigger, verdict, lease):
    """
    Hold one verdict against the journal, and return the move that it claims.
    """
    last = moves[-1]
    if isinstance(verdict, Superseded):
        winner = verdict.by, verdict.status, verdict.moved.seq
        assert (last["trigger"], last["target"], last["seq"]) == winner, "another one has won"
    if isinstance(verdict, Illegal):
        assert RUN.row(trigger, verdict.status) is None
    if isinstance(verdict, Duplicate):
        made = moves[verdict.moved.seq - 1]
        assert (made["trigger"], made["key"]) == (trigger, "end")
    if not isinstance(verdict, Applied):
        return []
    assert lease is None or lease.until > database.now(), "a worker whose lease ran out has written"

    return [(verdict.moved.seq, verdict.moved.trigger, verdict.moved.target)]


def read_to_the_end(actor, database, lines):
    """
    Read what is left of the feed, and hold all that was read against the journal.
    """
    while actor.read_on(actor, database.store, 100):
        pass
    for run, its_lines in lines.items():
        seqs = [line["seq"] for line in its_lines if line["kind"] == "move"]
        read = [line.seq for line in actor.pages if line.run_id == run]
        assert seqs == read, f"of {run[0]} the feed gave {read}, and the journal has {seqs}"
    assert set(lines) == {line.run_id for line in actor.pages}


# -- the explorations ----------------------------------------------------------------------


@contextmanager
def without_pauses():
    """
    Have no actor sleep before it tries again: it waits for its turn anyway.
    """
    with mock.patch("random.uniform", return_value=0.0):
        yield


def explored(url, names, *, reduce=(True,), prepare=overdue, level=None, rewrite=None, switches=None,
             works=None):  # fmt: skip
    """
    Explore the histories called *names*, print the counts, and return what was met.
    """
    histories = HISTORIES | (works or {})
    chosen = {name: histories[name] for name in names}
    reports = []
    with without_pauses(), database(url, prepare, level=level, rewrite=rewrite) as place:
        for each in reduce:
            begun = time.monotonic()
            explorer = Explorer(
                place, chosen, check=always, outcome=finally_, reduce=each, switches=switches
            )
            reports.append(explorer.run())
            said = f"{reports[-1]}, {time.monotonic() - begun:.0f} s"
            figure(f"explored {' x '.join(names)}{f' {level}' if level else ''}", url, said)

    return reports


PAIRS = {
    "sqlite": [("worker", "user"), ("worker", "reader")],
    "postgresql": [("worker", "user"), ("worker", "reader")],
    "mysql": [("completes", "cancels")],
}
CROWDS = {
    "sqlite": [("worker", "user", "sweeper", "reader")],
    "postgresql": [("user", "sweeper"), ("user", "reader")],
    "mysql": [("worker", "user"), ("user", "reader")],
}
"""What the short form explores; the long one explores all four everywhere."""


def backend(url):
    """
    Return the name of the database at *url*.
    """
    return sa.make_url(url).get_backend_name()


def test_two_actors_end_well_in_every_order(database_url):
    """
    No order is left out, and where orders are left out, no outcome is.
    """
    for names in PAIRS[backend(database_url)]:
        every, fewer = explored(database_url, names, reduce=(False, True))

        assert every.outcomes == fewer.outcomes
        assert every.complete == every.executions > fewer.complete


def test_several_actors_end_well_in_every_state(database_url):
    """
    Two writers, a sweeper and a reader of the feed.
    """
    everyone = [("worker", "user", "sweeper", "reader")]
    for names in everyone if LONG else CROWDS[backend(database_url)]:
        (report,) = explored(database_url, names)

        assert report.complete > 1
        assert min(report.longest.values()) >= 4


def test_of_all_that_want_a_lost_run_one_gets_it(database_url):
    """
    Two claims, a sweep, and the worker that lost it, which can write nothing.
    """
    sweeping = ("sweeper",) if LONG or backend(database_url) == "sqlite" else ()
    for names in (("claimer", "other", *sweeping), ("claimer", "late")):
        (report,) = explored(database_url, names, prepare=lost)

        assert report.complete > 1


# Not MariaDB at SERIALIZABLE: which of two that block each other is broken off is not repeatable.
@pytest.mark.parametrize(
    ("database_url", "level"),
    [
        pytest.param(server.values[0], level, marks=server.marks)
        for server, levels in (
            (POSTGRESQL, ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]),
            (MARIADB, ["READ COMMITTED", "REPEATABLE READ"]),
        )
        for level in levels
    ],
    indirect=["database_url"],
)
def test_callers_transactions_end_well_at_each_isolation_level(database_url, level):
    """
    Two that look, move and look again, in every order; one that is broken off begins anew.
    """
    (report,) = explored(database_url, ("completes", "cancels"), level=level, reduce=(False,))

    assert report.complete == report.executions
    assert report.waits
    assert min(report.longest.values()) >= 4


# -- faults --------------------------------------------------------------------------------


def smallest(url, names, said, **faulty):
    """
    Return the fewest switches between actors that show a fault, and print the interleaving.
    """
    for switches in range(5):
        try:
            explored(url, names, reduce=(False,), switches=switches, **faulty)
        except Finding as found:
            print(f"{switches} switches: {found}")
            assert said in str(found)
            return switches

    return pytest.fail("the fault was not found")


def reckless(trigger, **payload):
    """
    Return a history that looks whether the move is legal, and then makes it.
    """

    def work(actor):
        if RUN.row(trigger, actor.store.get(run_id(actor)).status):
            fire(actor, trigger, **payload)

    return work


def test_an_update_that_does_not_compare_the_status_is_found(database_url):
    """
    Both look, and both may move: a run that is being cancelled waits for an answer again.
    """
    compared = re.compile(r"[+]?runstate_runs[.]status (IN [(][^)]*[)]|= '[a-z_]+') AND ")
    works = {
        "asks": reckless("require_action", required_action=ACTION),
        "cancels": reckless("request_cancel"),
    }
    switches = smallest(
        database_url, tuple(works), "is illegal", works=works,
        rewrite=lambda _, sql: compared.sub("", sql, 1) if "UPDATE runstate_runs" in sql else sql,
    )  # fmt: skip

    assert switches == 1


@pytest.mark.parametrize("database_url", ["sqlite", MARIADB], indirect=True)
def test_a_line_in_a_transaction_of_its_own_is_found(database_url):
    """
    Whoever dies in between leaves a row that no line explains. PostgreSQL has one statement for both.
    """

    def alone(connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO runstate_journal"):
            connection.commit()
            connection.begin()

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", alone)
    try:
        switches = smallest(database_url, ("worker", "user"), "the row says")
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", alone)

    assert switches == 0


@pytest.mark.parametrize("database_url", [POSTGRESQL, MARIADB], indirect=True)
def test_a_feed_by_the_highest_number_is_found(database_url):
    """
    A line that is committed after one with a higher number is never read.
    """

    def by_number(actor, store, limit):
        query = sa.text(
            "SELECT position, run_id, seq FROM runstate_journal WHERE kind = 'move' "
            "AND position > :last ORDER BY position LIMIT :most"
        )
        bound = {"last": actor.cursor or 0, "most": limit}
        with store.engine.connect() as connection:
            lines = connection.execute(query, bound).all()
        actor.pages += lines
        actor.cursor = lines[-1].position if lines else actor.cursor

        return lines

    def hasty(actor):
        actor.read_on = by_number
        by_number(actor, actor.store, 100)

    works = {
        "creates": lambda actor: actor.store.create(id=run_id(actor, "t")),
        "completes": lambda actor: fire(actor, "complete", usage=USAGE),
        "hasty": hasty,
    }
    switches = smallest(database_url, tuple(works), "of t the feed gave []", works=works)

    assert switches == 1


def test_a_claim_that_gives_no_new_token_is_found(database_url):
    """
    The worker that lost the run writes under the lease of the one that has it.
    """
    switches = smallest(
        database_url, ("claimer", "late"), "a worker whose lease ran out", prepare=lost,
        rewrite=lambda _, sql: sql.replace(
            "lease_token=(runstate_runs.lease_token + 1)", "lease_token=runstate_runs.lease_token"
        ),
    )  # fmt: skip

    assert switches == 1
