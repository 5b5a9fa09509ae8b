"""
What is pruned goes to an archive first: exactly the lines that are deleted, on disk before they are.
"""

import asyncio
import errno
import json
import os
import stat
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from databases import awaited
from runstate import cli
from runstate.diagrams import draw
from runstate.frames import survey_files
from runstate.presets import PRESETS
from runstate.store import (
    AsyncRunStore,
    JournalEntry,
    RunNotFoundError,
    RunStore,
    Store,
    StoreArgumentError,
    Superseded,
)
from table_racers import JOB, Base, engine_of, opened

ERROR = {"code": "server_error", "message": "late"}


def ended(store, *names):
    """
    Take runs through their whole life, with every kind of line that a journal has.
    """
    for name in names:
        store.create(id=name)
        assert store.release(store.claim("w-1"))
        lease = store.claim("w-2")
        assert store.complete(name, token=lease.token, key="k", reason="done").ok
        assert isinstance(store.fail(name, ERROR), Superseded)


def lines_of(store, *names):
    """
    Return what the journal says of runs, in its order.
    """
    return sorted(line for name in names for line in store.history(name))


class FullError(Exception):
    """
    The archive takes nothing.
    """


def full(_):
    """
    Take nothing.
    """
    raise FullError


# -- the store -------------------------------------------------------------------------------


def test_an_archive_gets_exactly_the_lines_that_are_deleted(store):
    """
    In their order, late outcomes, claims and releases among them; nothing if nothing is deleted.
    """
    ended(store, "a", "b", "c")
    expected = lines_of(store, "a", "b")
    kept = []
    assert 2 == store.prune(0, archive=kept.append)
    assert [tuple(expected)] == kept
    assert {"move", "late", "claim", "release"} == {line.kind for line in expected}
    with pytest.raises(RunNotFoundError):
        store.history("a")
    assert 0 == store.prune(0, archive=kept.append)
    assert 1 == len(kept)


def test_a_line_that_is_written_while_runs_are_pruned_is_not_lost(store):
    """
    A late outcome that comes when the runs are chosen already is deleted with them, and archived.
    """
    ended(store, "a", "b")
    kept, late = [], []

    @sa.event.listens_for(store.engine, "before_cursor_execute")
    def slowly(connection, _cursor, statement, *_):
        if statement.startswith("DELETE FROM runstate_journal") and not late:
            late.append(None)
            late[0] = store.expire("a", connection=connection)

    assert 1 == store.prune(0, archive=kept.extend)
    assert isinstance(late[0], Superseded)
    assert ["fail", "expire"] == [line.trigger for line in kept if line.kind == "late"]


def test_what_an_archive_raises_undoes_the_deletion(store):
    """
    In a transaction of the store's own, and in one of the caller's, which goes on.
    """
    ended(store, "a", "b")
    first = store.moves(limit=1).cursor
    expected = lines_of(store, "a", "b")
    with pytest.raises(FullError):
        store.prune(0, archive=full)
    with store.engine.begin() as connection:
        with pytest.raises(FullError):
            store.prune(0, archive=full, connection=connection)
        store.create(id="c", connection=connection)

    assert expected == lines_of(store, "a", "b")
    assert {"completed": 2, "queued": 1} == {s: n for s, n in store.counts().items() if n}
    page = store.moves(after=first)
    assert 6 == len(page.items) + len(store.moves(after=page.cursor).items)


def test_an_archive_for_asyncio_is_awaited(database_url):
    """
    A coroutine function, and any other; what either raises undoes the deletion.
    """
    kept = []

    async def keep(lines):
        await asyncio.sleep(0)
        kept.append([line.run_id for line in lines])

    async def refuse(lines):
        await asyncio.sleep(0)
        full(lines)

    async def use():
        async with await AsyncRunStore.open(awaited(database_url)) as store:
            for name in "abc":
                await store.create(id=name)
                assert (await store.start(name)).ok
                assert (await store.complete(name)).ok
            for each in (refuse, full):
                with pytest.raises(FullError):
                    await store.prune(0, archive=each)
            assert 1 == await store.prune(0, limit=1, archive=keep)
            assert 1 == await store.prune(
                0, archive=lambda lines: kept.append([line.run_id for line in lines])
            )

    asyncio.run(use())
    assert [["a"] * 3, ["b"] * 3] == kept


@pytest.mark.parametrize("wrong", [7, "folder", []])
def test_what_is_no_archive_is_refused(tmp_path, wrong):
    """
    Before anything is deleted; a coroutine function too, where nothing awaits it.
    """

    async def keep(lines):
        raise AssertionError(lines)

    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        ended(store, "a", "b")
        with pytest.raises(StoreArgumentError, match="archive: expected a function that takes"):
            store.prune(0, archive=wrong)
        with pytest.raises(StoreArgumentError, match="only a store for asyncio awaits"):
            store.prune(0, archive=keep)
        assert 2 == store.counts()["completed"]


def test_lines_of_an_own_table_are_archived_and_its_rows_stay(database_url):
    """
    Which the archive of a store's own tables has as well.
    """
    engine = engine_of(database_url)
    Base.metadata.create_all(engine)
    store = opened(engine)
    ids = [store.create(queue="a").id for _ in range(2)]
    for run_id in ids:
        assert store.fire(run_id, "fail").ok
    expected, kept = store.history(ids[0]), []
    assert 1 == store.prune(0, archive=kept.extend)
    assert [*expected] == kept
    assert "failed" == store.get(ids[0]).status
    engine.dispose()


# -- the command -----------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """
    Run the command in a folder of its own; return status, output and errors.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["runstate", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err

        return caught.value.code, out, err

    return run


@pytest.fixture
def runs(command):
    """
    A store in a file of the command's folder, with four ended runs, one by an illegal move.
    """
    with RunStore.open("sqlite:///runs.db") as store:
        ended(store, "a", "b", "c", "last")
        with store.engine.begin() as connection:
            illegal = "UPDATE runstate_journal SET target = 'queued' WHERE run_id = 'b' AND seq = 2"
            connection.execute(sa.text(illegal))
        yield store


def verdict(done):
    """
    Return exit status and findings of a check, without their places.
    """
    status, out, err = done
    assert "" == err
    found = json.loads(out)["findings"]

    return status, sorted((each["run_id"], each["code"], each["message"]) for each in found)


def checked(command, *arguments):
    """
    Return the verdict of a check.
    """
    return verdict(command("check", *arguments, "--output", "json"))


def journal_checked(command, store):
    """
    Return the verdict of a check of the journal, without the run that is never pruned.

    A copy of it: two SQLite libraries in one process do not notice each other's locks.
    """
    with store.engine.connect() as connection:
        connection.exec_driver_sql("VACUUM INTO 'copy.db'")
    query = "select * from runstate_journal where run_id <> 'last'"

    return checked(command, "sqlite:///copy.db", "--query", query)


PRUNE = ("prune", "sqlite:///runs.db", "--older-than", "0")


@pytest.fixture
def twos(monkeypatch):
    """
    Have the command prune two objects in each transaction, instead of a thousand.
    """
    prune = Store.prune

    def smaller(store, seconds, *, limit, **options):
        assert 1_000 == limit
        return prune(store, seconds, limit=2, **options)

    monkeypatch.setattr(Store, "prune", smaller)


@pytest.mark.usefixtures("twos")
def test_the_archive_is_read_back_with_the_same_verdict(command, runs):
    """
    In batches of two: each is a file of its own, and a half-written one beside them is none.
    """
    before = journal_checked(command, runs)
    expected = lines_of(runs, "a", "b", "c")
    assert before[0] == 1
    assert {"b"} == {run_id for run_id, *_ in before[1]}

    told = "deleted 3 objects of run from sqlite:///runs.db; 18 lines of the journal in 2 files in archive/of\n"
    assert (0, told, "") == command(*PRUNE, "--archive", "archive/of")
    assert ["last"] == [each.id for each in runs.list().items]
    files = sorted(Path("archive/of").iterdir())
    assert [".parquet", ".parquet"] == [each.suffix for each in files]
    rows = [row for each in files for row in pq.read_table(each).to_pylist()]
    back = [
        JournalEntry(**row | {"payload": row["payload"] and json.loads(row["payload"])})
        for row in rows
    ]
    assert expected == sorted(back)
    Path("archive/of/.runstate-half").write_bytes(b"PAR1")
    assert before == checked(command, "archive/of")
    assert before == checked(command, "archive/of", "--lifecycle", "run")
    assert (0, "deleted 0 objects of run from sqlite:///runs.db\n", "") == command(*PRUNE)


def test_a_crash_between_archive_and_deletion_leaves_the_lines_in_both(command, runs, monkeypatch):
    """
    The next command deletes them, and the archive, which has them twice, says the same.
    """
    before = journal_checked(command, runs)

    fsync = os.fsync

    def killed(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise KeyboardInterrupt
        fsync(descriptor)

    Path("archive").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        status, out, err = command(*PRUNE, "--archive", "archive")
    assert (130, "", "runstate: interrupted\n") == (status, out, err)
    assert 4 == runs.counts()["completed"]
    assert before == checked(command, "archive")
    assert 0 == command(*PRUNE, "--archive", "archive")[0]
    assert 1 == len(runs.list().items)
    assert 2 == len([*Path("archive").iterdir()])
    assert before == checked(command, "archive")


def test_a_full_disk_deletes_nothing(command, runs, monkeypatch):
    """
    Says it in one line, and leaves no file behind; so does a folder that cannot be made.
    """

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path("archive").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        status, out, err = command(*PRUNE, "--archive", "archive")
    assert (2, "") == (status, out)
    assert err.startswith("runstate: archive/journal-")
    assert err.endswith(": No space left on device\n")
    assert [] == [*Path("archive").iterdir()]
    Path("file").touch()
    for folder in ("file/below", "file"):
        status, out, err = command(*PRUNE, "--archive", folder)
        assert (2, "", 1) == (status, out, err.count("\n"))
        assert "file" in err
    assert 4 == runs.counts()["completed"]


def test_without_the_library_for_parquet_nothing_is_deleted(command, runs, monkeypatch):
    """
    The extra that brings it is named.
    """
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    status, out, err = command(*PRUNE, "--archive", "archive")
    assert (2, "") == (status, out)
    assert "runstate: pyarrow is not installed: pip install 'runstate[frames]'\n" == err
    assert 4 == runs.counts()["completed"]
    assert 0 == command(*PRUNE)[0]


@pytest.mark.usefixtures("twos")
def test_the_command_prunes_a_store_of_any_lifecycle_on_every_database(command, database_url):
    """
    By status and prefix; in batches until nothing is left.
    """
    lifecycle = PRESETS["oban-job"]
    with Store.open(database_url, lifecycle, prefix="mine_") as store:
        ids = [store.create().id for _ in range(6)]
        for run_id in ids[:5]:
            assert store.fire(run_id, "cancel", expected_version=1).ok
        last = store.create().id
        url = store.engine.url.render_as_string(hide_password=False)
        arguments = ("prune", url, "--lifecycle", "oban-job", "--prefix", "mine_")
        assert "deleted 0 objects" in command(*arguments, "--older-than", "1")[1]
        status = ("--older-than", "0", "--status", "completed")
        assert "deleted 0 objects" in command(*arguments, *status)[1]
        status, out, err = command(*arguments, *status, "--status", "cancelled", "--archive", "a")
        assert (0, "") == (status, err)
        assert out.startswith("deleted 5 objects of oban-job from ")
        assert "; 10 lines of the journal in 3 files in a\n" in out
        assert [ids[5], last] == [each.id for each in store.list(order="asc").items]
    assert (0, []) == checked(command, "a", "--lifecycle", "oban-job")


@pytest.mark.parametrize("name", PRESETS)
def test_the_archive_of_every_lifecycle_is_read_back(command, monkeypatch, name):
    """
    Whatever its records are called elsewhere: one legal history, one that ends too late.
    """
    lifecycle = PRESETS[name]
    first = lifecycle.initial_statuses[0]
    ends = [each for each in lifecycle.terminal if lifecycle.shortest_path(first, each)]
    way = lifecycle.shortest_path(first, ends[0]) if ends else lifecycle.transitions[:0]
    moves = [
        ("create", None, first),
        *((row.trigger, str(row.source), str(row.target)) for row in way),
    ]
    lines = [
        entry(position, run_id, seq, "move", *move)
        for position, (run_id, seq, move) in enumerate(
            (run_id, seq, move) for run_id in ("fine", "wrong") for seq, move in enumerate(moves, 1)
        )
    ]
    lines.append(entry(50, "fine", None, "late", moves[-1][0], moves[-1][2], None))
    lines.append(entry(51, "fine", None, "claim", None, None, None))
    lines.append(entry(52, "wrong", len(moves) + 1, "move", None, moves[-1][2], "nowhere"))
    left, named = [tuple(lines)], [] if name == "run" else [lifecycle]

    def pruned(_store, _seconds, *, archive, **_):
        while left:
            archive(left.pop())
            return 2
        return 0

    monkeypatch.setattr(Store, "prune", pruned)
    (RunStore if name == "run" else Store).open("sqlite:///empty.db", *named).close()
    options = ("--lifecycle", name, "--older-than", "0", "--archive", "journal")
    assert 0 == command("prune", "sqlite:///empty.db", *options)[0]
    survey = survey_files("journal", lifecycle)

    assert {"wrong"} == {finding.run_id for finding in survey.findings}
    assert 2 == survey.runs


def entry(position, run_id, seq, kind, trigger, source, target):
    """
    Return a line of a journal.
    """
    return JournalEntry(
        position, run_id, seq, kind, trigger, source, target, 1_700_000_000.0 + position, None,
        clock_regressed=False, payload=None, key=None, token=None, actor=None, reason=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("sqlite:///none.db", "--older-than", "1"), "there is no such database"),
        (("sqlite:///runs.db", "--older-than", "nan"), "--older-than expects days"),
        (("sqlite:///runs.db", "--older-than", "-1"), "--older-than expects days"),
        (("sqlite:///runs.db", "--older-than", "1", "--status", "queued"), "terminal"),
        (("sqlite:///runs.db", "--older-than", "1", "--prefix", "x_"), "without the table x_runs"),
        (("sqlite:///runs.db", "--older-than", "1", "--schema", "x"), "has no schemas"),
        (("sqlite:///runs.db", "--older-than", "1", "--lifecycle", "runn"), "no lifecycle 'runn'"),
        (("sqlite:///runs.db",), "--older-than"),
        (("postgresql://me:s3cret@127.0.0.1:1/app", "--older-than", "1"), "127.0.0.1"),
    ],
)
def test_what_the_command_cannot_prune_is_one_line(command, runs, arguments, text):
    """
    Without a secret, and before anything is deleted.
    """
    status, out, err = command("prune", *arguments)
    assert (2, "", 1) == (status, out, err.count("\n"))
    assert text in err
    assert "s3cret" not in err
    assert 4 == runs.counts()["completed"]


def test_a_store_beside_an_own_table_is_left_to_the_application(command):
    """
    Whose rows say whether an object is still there.
    """
    Path("job.json").write_bytes(draw(JOB, "json"))
    engine = engine_of("sqlite:///jobs.db")
    Base.metadata.create_all(engine)
    store = opened(engine)
    for _ in range(2):
        assert store.fire(store.create(queue="a").id, "fail").ok
    status, out, err = command(
        "prune", "sqlite:///jobs.db", "--older-than", "0", "--lifecycle", "job.json"
    )
    assert (2, "", 1) == (status, out, err.count("\n"))
    assert "call prune() of its Store(..., table=...)" in err
    assert 2 == store.counts()["failed"]
    engine.dispose()
