"""
A table of the caller's own: one guard, one winner, and stamps in whatever columns there are.
"""

import asyncio
import enum
import re
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import ClassVar

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    with_loader_criteria,
)

from conftest import BORN, PAYLOADS
from databases import awaited
from runstate import (
    RUN,
    Deadline,
    Entry,
    Lifecycle,
    Moved,
    PayloadError,
    RunStatus,
    Transition,
    UnknownTriggerError,
)
from runstate.presets import RUN_DOCUMENTED
from runstate.store import (
    Applied,
    ConcurrentMoveError,
    Illegal,
    RunNotFoundError,
    Stale,
    Store,
    StoreArgumentError,
    Superseded,
    apply_move,
    apply_move_async,
    guard,
)
from stores import ACTION, ERROR


class Base(DeclarativeBase):
    """
    What the mapped classes here have in common.
    """

    # MariaDB wants the length of each text.
    type_annotation_map: ClassVar = {str: sa.String(200)}


class Job(Base):
    """
    A job as an application would have mapped it long ago.
    """

    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(20), default="queued")
    started_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    completed_at: Mapped[datetime | None] = mapped_column(sa.DateTime)
    failed_at: Mapped[int | None]
    cancelled_at: Mapped[float | None]
    expires_at: Mapped[int | None]
    last_error: Mapped[dict | None] = mapped_column(sa.JSON)
    note: Mapped[str | None]


class Task(Base):
    """
    One that calls everything otherwise, in its columns and again in its attributes.
    """

    __tablename__ = "tasks"
    key: Mapped[str] = mapped_column("task_key", primary_key=True)
    state: Mapped[str] = mapped_column("task_state", default="queued")
    begun: Mapped[float | None] = mapped_column("task_begun")


class Pair(Base):
    """
    One whose key is two columns.
    """

    __tablename__ = "pairs"
    left: Mapped[int] = mapped_column(primary_key=True)
    right: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


class Bare(Base):
    """
    One without a status.
    """

    __tablename__ = "bare"
    id: Mapped[int] = mapped_column(primary_key=True)


class Work(Base):
    """
    One that counts its attempts, in a column of another name.
    """

    __tablename__ = "works"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(20), default="queued")
    tries: Mapped[int | None] = mapped_column(default=1)
    error: Mapped[str | None] = mapped_column(sa.String(20))


WORK = Lifecycle(
    "work",
    (
        Transition("start", "queued", "running"),
        Transition("finish", "running", "done"),
        Transition("fail", ["queued", "running"], "failed"),
        Transition("retry", ["done", "failed"], "queued", reopens=True, clears=["error"]),
    ),
    "queued",
    {"done": "success", "failed": "failure"},
)
TRIES = {"columns": {"attempt": "tries"}, "lifecycle": WORK}

TASK = {"status": "task_state", "started_at": "task_begun"}


@pytest.fixture
def database(database_url):
    """
    A fresh database with the tables.
    """
    engine = sa.create_engine(database_url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(database):
    """
    A session on it.
    """
    with Session(database) as opened:
        yield opened


def add(session, *jobs):
    """
    Commit *jobs*.
    """
    session.add_all(jobs)
    session.commit()


@pytest.mark.parametrize("target", [Job, Job.__table__], ids=["mapped", "table"])
def test_a_guard_finds_exactly_the_rows_that_may_move(session, target):
    """
    For every trigger, of the table and of the mapped class, in a SELECT and an UPDATE.
    """
    add(session, *(Job(id=n, status=str(status)) for n, status in enumerate(RUN.statuses)))
    column = target.status if target is Job else target.c.status
    for trigger in RUN.triggers:
        condition = guard(column, trigger)
        found = session.execute(sa.select(column).where(condition).order_by(sa.text("id")))
        changed = session.execute(sa.update(target).where(condition).values(note=trigger)).rowcount
        expected = [s for s in RUN.statuses if RUN.row(trigger, s)]
        assert (expected, len(expected)) == (list(found.scalars()), changed)


def test_a_guard_knows_its_lifecycle_and_refuses_what_that_does_not():
    """
    A narrower table has fewer rows; a trigger, or a target, that it lacks is unknown.
    """
    wide, narrow = guard(Job.status, "fail"), guard(Job.status, "fail", lifecycle=RUN_DOCUMENTED)

    assert "jobs.status IN ('queued', 'in_progress', 'cancelling')" == str(wide)
    assert "jobs.status IN ('in_progress')" == str(narrow)
    assert str(wide) == str(guard(Job.status, "fail", "failed"))
    for trigger, target in (("jump", None), ("fail", "completed"), ("'; --", None)):
        with pytest.raises(UnknownTriggerError):
            guard(Job.status, trigger, target)


def test_every_pair_is_decided_by_the_table(database):
    """
    Applied exactly if there is a row; the row then has its status, and else its old one.
    """
    jobs = Job.__table__
    values = {"fail": {"last_error": ERROR}}
    with database.connect() as connection:
        for status in RUN.statuses:
            for trigger in RUN.triggers:
                connection.execute(jobs.insert().values(id=1, status=str(status)))
                verdict = apply_move(
                    connection, jobs, 1, trigger, values=values.get(trigger), now=BORN
                )
                row = RUN.row(trigger, status)
                assert connection.execute(sa.select(jobs.c.status)).scalar() == verdict.status
                if row is not None:
                    moved = Moved("1", trigger, str(status), str(row.target), BORN)
                    assert Applied(moved) == verdict
                elif RUN.is_terminal(status):
                    assert Superseded(str(status), None, None) == verdict
                else:
                    assert Illegal(str(status), RUN.allowed(status), None) == verdict
                now = connection.execute(sa.select(jobs.c.status)).scalar_one()
                assert (status if row is None else row.target) == now
                connection.rollback()


def test_a_mapped_object_in_the_session_is_refreshed(session):
    """
    Stamps in date columns with and without a zone, whole seconds in integers, others as they are.
    """
    moment = BORN + 0.75
    add(session, *(Job(id=n, expires_at=BORN + 600) for n in range(3)))
    jobs = [session.get(Job, n) for n in range(3)]
    for job in jobs:
        assert apply_move(session, Job, job.id, "start", now=moment).ok
    more = {"last_error": ERROR, "note": "no"}
    assert apply_move(session, Job, 0, "fail", values=more, now=moment).ok
    assert apply_move(session, Job, 1, "complete", now=moment).ok
    assert apply_move(session, Job, 2, "request_cancel", now=moment).ok
    assert apply_move(session, Job, 2, "confirm_cancel", now=moment).ok
    seen = [
        (j.status, j.completed_at, j.failed_at, j.cancelled_at, j.expires_at, j.last_error, j.note)
        for j in jobs
    ]
    naive = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    expected = [
        ("failed", None, BORN, None, None, ERROR, "no"),
        ("completed", naive, None, None, None, None, None),
        ("cancelled", None, None, moment, None, None, None),
    ]

    assert expected == seen
    session.commit()
    session.expire_all()
    started = [job.started_at.replace(tzinfo=UTC) for job in jobs]
    assert [datetime.fromtimestamp(moment, UTC)] * 3 == started
    assert [row[0] for row in expected] == [job.status for job in jobs]


def test_a_rollback_of_the_caller_takes_the_move_back(session):
    """
    It is the caller's transaction.
    """
    add(session, Job(id=1))
    assert apply_move(session, Job, 1, "start").ok
    session.rollback()

    assert "queued" == session.get(Job, 1).status


def test_columns_may_be_called_otherwise(session):
    """
    In the table and again in the mapped class; what the table lacks is left out.
    """
    add(session, Task(key="a'b"))
    task = session.get(Task, "a'b")
    verdict = apply_move(session, Task, "a'b", "start", columns=TASK, now=BORN)
    first = (task.state, task.begun)
    apply_move(session, Task, "a'b", "complete", columns=TASK)

    assert Applied(Moved("a'b", "start", "queued", "in_progress", BORN)) == verdict
    assert (("in_progress", BORN), "completed") == (first, task.state)


def test_what_the_target_requires_must_be_given_if_the_table_has_it(session):
    """
    The error names the row's status; nothing has changed.
    """
    add(session, Job(id=1), Task(key="t"))
    with pytest.raises(PayloadError, match=r"'1' is queued: cannot fail: 'last_error' is required"):
        apply_move(session, Job, 1, "fail")
    assert "queued" == session.get(Job, 1).status

    assert apply_move(session, Task, "t", "fail", columns=TASK).ok


def test_misuse_is_refused_by_name(session):
    """
    An unknown trigger, row or column; a part of a key; a table without a status.
    """
    add(session, Job(id=1), Pair(left=1, right=2, status="queued"), Bare(id=1))
    with pytest.raises(UnknownTriggerError, match="no trigger 'jump'"):
        apply_move(session, Job, 1, "jump")
    with pytest.raises(RunNotFoundError, match="no run '2'"):
        apply_move(session, Job, 2, "start")
    with pytest.raises(ValueError, match="the table has no column for 'usage'"):
        apply_move(session, Job, 1, "start", values={"usage": {}})
    for pair in (Pair, Pair.__table__):
        with pytest.raises(
            StoreArgumentError, match="key: expected a tuple of the values of pairs"
        ):
            apply_move(session, pair, 1, "start")
    with pytest.raises(ValueError, match="needs a primary key, and a column for the status"):
        apply_move(session, Bare, 1, "start")

    assert "queued" == session.get(Job, 1).status


def test_of_two_sessions_on_one_row_one_wins(postgresql_database):
    """
    Who waits for the other's commit is told the status that beat it.
    """
    engine = sa.create_engine(postgresql_database)
    Base.metadata.create_all(engine)
    with Session(engine) as one, Session(engine) as two:
        add(one, Job(id=1, status="in_progress"))
        assert apply_move(one, Job, 1, "complete").ok

        async def race():
            waiting = asyncio.to_thread(apply_move, two, Job, 1, "expire")
            task = asyncio.create_task(waiting)
            await asyncio.sleep(0.2)
            assert not task.done()
            one.commit()
            return await task

        lost = asyncio.run(race())
    engine.dispose()

    assert Superseded("completed", None, None) == lost


def test_who_loses_to_a_status_from_which_the_move_is_legal_makes_it(database):
    """
    The second look sees the status that won, and the move goes on from there.
    """
    jobs = Job.__table__
    with database.begin() as connection:
        connection.execute(jobs.insert().values(id=1, status="queued"))
    with closing(database.connect()) as connection:
        taken = []

        @sa.event.listens_for(connection, "before_execute")
        def overtake(_, statement, *__):
            if isinstance(statement, sa.Update) and not taken:
                taken.append(statement)
                connection.execute(jobs.update().values(status="requires_action"))

        verdict = apply_move(connection, jobs, 1, "request_cancel", now=BORN)
        connection.rollback()

    assert Applied(Moved("1", "request_cancel", "requires_action", "cancelling", BORN)) == verdict


def test_a_row_that_never_stands_still_is_given_up(database):
    """
    After twenty reads, the caller must begin again.
    """
    jobs = Job.__table__
    with closing(database.connect()) as connection:
        connection.execute(jobs.insert().values(id=1, status="queued"))
        other = {"queued": "requires_action", "requires_action": "queued"}

        @sa.event.listens_for(connection, "before_execute")
        def overtake(_, statement, *__):
            if isinstance(statement, sa.Update) and "CASE" not in str(statement):
                flip = sa.case(other, value=jobs.c.status)
                connection.execute(jobs.update().values(status=flip))

        with pytest.raises(
            ConcurrentMoveError, match="changed row '1' at the same time: roll back"
        ):
            apply_move(connection, jobs, 1, "request_cancel")
        connection.rollback()


def test_the_same_on_an_asynchronous_session_and_connection(database, database_url):
    """
    Verdicts, stamps and errors are those of the other.
    """
    url = awaited(database_url)

    async def use():
        engine = create_async_engine(url)
        async with AsyncSession(engine) as session, session.begin():
            session.add(Job(id=1))
            await session.flush()
            job = await session.get(Job, 1)
            first = await apply_move_async(session, Job, 1, "start", now=BORN)
            seen = job.status
        async with engine.begin() as connection:
            second = await apply_move_async(connection, Job, 1, "start")
            with pytest.raises(RunNotFoundError):
                await apply_move_async(connection, Job, 2, "start")
        await engine.dispose()

        return first, seen, second

    first, seen, second = asyncio.run(use())

    assert Applied(Moved("1", "start", "queued", "in_progress", BORN)) == first
    assert "in_progress" == seen
    assert Illegal("in_progress", RUN.allowed("in_progress"), None) == second


def test_payloads_of_the_suite_are_those_that_rows_want():
    """
    What a run waits for is a value like any other where the table has the column.
    """
    table = sa.Table(
        "waits", sa.MetaData(), sa.Column("id", sa.Text, primary_key=True),
        sa.Column("status", sa.Text), sa.Column("required_action", sa.JSON(none_as_null=True)),
    )  # fmt: skip
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(table.insert().values(id="a", status="in_progress"))
        assert apply_move(
            connection, table, "a", "require_action", values=PAYLOADS["require_action"]
        ).ok
        kept = connection.execute(sa.select(table.c.required_action)).scalar_one()
        assert apply_move(connection, table, "a", "submit_tool_outputs").ok
        left = connection.execute(sa.select(table.c.required_action)).scalar_one()
    engine.dispose()

    assert (ACTION, None) == (kept, left)


class Phase(enum.Enum):
    """
    A status as an application would have written it, that is no text.
    """

    WAITING = "queued"
    WORKING = "in_progress"
    DONE = "completed"


class TextPhase(str, enum.Enum):  # noqa: UP042  what applications have, whose str() is not its text
    """
    A status that is a text and a member of an Enum.
    """

    WAITING = "queued"
    WORKING = "in_progress"
    DONE = "completed"


class Typed(Base):
    """
    Statuses by type, of which SQLAlchemy stores the names unless it is told otherwise.
    """

    __tablename__ = "typed"
    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[RunStatus]
    named: Mapped[Phase] = mapped_column(default=Phase.WAITING)
    text: Mapped[TextPhase] = mapped_column(default=TextPhase.WAITING)
    valued: Mapped[Phase] = mapped_column(
        sa.Enum(Phase, name="valued", values_callable=lambda phases: [p.value for p in phases]),
        default=Phase.WAITING,
    )


@pytest.mark.parametrize(
    ("column", "first", "last"),
    [
        ("status", RunStatus.QUEUED, RunStatus.COMPLETED),
        ("named", Phase.WAITING, Phase.DONE),
        ("text", TextPhase.WAITING, TextPhase.DONE),
        ("valued", Phase.WAITING, Phase.DONE),
    ],
)
def test_a_status_that_is_a_python_enum_is_guarded_and_moved(database_url, column, first, last):
    """
    Whatever the database stores of it, the lifecycle knows it by its value.
    """
    engine = sa.create_engine(database_url)
    Base.metadata.create_all(engine)
    status = getattr(Typed, column)
    with Session(engine) as session:
        session.add(Typed(id="a", status=RunStatus.QUEUED))
        session.flush()
        legal = [
            session.scalar(sa.select(status).where(guard(status, trigger)))
            for trigger in ("start", "complete")
        ]
        moves = [
            apply_move(session, Typed, "a", trigger, columns={"status": column}, now=BORN)
            for trigger in ("start", "complete", "start")
        ]
        found = session.scalar(sa.select(status))
    engine.dispose()

    assert ([first, None], last) == (legal, found)
    assert [
        Applied(Moved("a", "start", "queued", "in_progress", BORN)),
        Applied(Moved("a", "complete", "in_progress", "completed", BORN)),
        Superseded("completed", None, None),
    ] == moves


# -- rows that reopen ------------------------------------------------------------------


def run_to_attempt_two(session, name=1, **fields):
    """
    Return the outcome of each move of a row into its second attempt, in which it runs.
    """
    add(session, Work(id=name, **fields))
    moves = [("start", 1), ("fail", 1), ("retry", 1), ("start", 2)]
    answers = [apply_move(session, Work, name, each, attempt=a, **TRIES) for each, a in moves]
    session.commit()

    return answers


@pytest.mark.parametrize("fields", [{}, {"tries": None}], ids=["numbered", "without a number"])
def test_a_row_reopens_into_the_next_attempt(session, fields):
    """
    By its trigger alone; the attempt is raised, and what the row clears is cleared.
    """
    answers = run_to_attempt_two(session, error="e", **fields)
    work = session.get(Work, 1)

    assert all(isinstance(each, Applied) for each in answers)
    assert ("running", 2, None) == (work.status, work.tries, work.error)
    assert isinstance(apply_move(session, Work, 1, "retry", attempt=2, **TRIES), Illegal)


@pytest.mark.parametrize("trigger", ["finish", "fail", "start", "retry"])
def test_a_late_writer_of_an_earlier_attempt_changes_nothing(session, trigger):
    """
    By apply_move and by a statement with guard, while the next attempt runs and once it has ended.
    """
    run_to_attempt_two(session)
    for status in ("running", "done"):
        answer = apply_move(session, Work, 1, trigger, attempt=1, **TRIES)
        assert (Stale(1), status) == (answer, answer.status)
        legal = guard(Work.status, trigger, lifecycle=WORK, attempt=(Work.tries, 1))
        late = session.execute(sa.update(Work).where(Work.id == 1, legal).values(error="late"))
        assert 0 == late.rowcount
        work = session.get(Work, 1, populate_existing=True)
        assert (status, 2, None) == (work.status, work.tries, work.error)
        apply_move(session, Work, 1, "finish", attempt=2, **TRIES)


def test_guard_of_an_attempt_finds_the_rows_that_may_move(session):
    """
    Every status and attempt, the trigger that reopens among the others.
    """
    cases = [(status, tries) for status in WORK.statuses for tries in (None, 1, 2)]
    add(session, *(Work(id=n, status=s, tries=t) for n, (s, t) in enumerate(cases, 1)))
    for trigger in ("start", "finish", "fail", "retry"):
        for attempt in (1, 2):
            legal = guard(Work.status, trigger, lifecycle=WORK, attempt=(Work.tries, attempt))
            found = set(session.scalars(sa.select(Work.id).where(legal)))
            assert found == {
                number
                for number, (status, tries) in enumerate(cases, 1)
                if (WORK.row(trigger, status) or WORK.reopening(trigger, status))
                and (tries or 1) == attempt
            }


def test_a_lifecycle_that_reopens_needs_the_attempt(session):
    """
    From guard, from apply_move and from the table; and no other lifecycle takes one.
    """
    add(session, Work(id=1), Job(id=1))
    for wrong in (None, "1", True):
        with pytest.raises(StoreArgumentError, match="attempt: expected the attempt that the"):
            apply_move(session, Work, 1, "start", attempt=wrong, **TRIES)
    with pytest.raises(StoreArgumentError, match="'work' reopens"):
        guard(Work.status, "start", lifecycle=WORK)
    with pytest.raises(ValueError, match="needs a column for the attempt, 'attempt'"):
        apply_move(session, Work, 1, "start", lifecycle=WORK, attempt=1)
    with pytest.raises(StoreArgumentError, match="expected none, as 'run' does not reopen"):
        apply_move(session, Job, 1, "start", attempt=1)
    with pytest.raises(StoreArgumentError, match="expected none"):
        guard(Job.status, "start", attempt=(Job.id, 1))


def test_a_late_writer_meets_the_reopening_of_another_transaction(postgresql_database):
    """
    It has read the first attempt before the other one commits, and still changes nothing.
    """
    engine = sa.create_engine(postgresql_database)
    Base.metadata.create_all(engine)
    with Session(engine) as late, Session(engine) as other:
        add(other, Work(id=1))
        for trigger in ("start", "fail"):
            apply_move(other, Work, 1, trigger, attempt=1, **TRIES)
        other.commit()
        assert "failed" == late.get(Work, 1).status
        apply_move(other, Work, 1, "retry", attempt=1, **TRIES)
        apply_move(other, Work, 1, "start", attempt=2, **TRIES)
        other.commit()

        assert Stale(1) == apply_move(late, Work, 1, "finish", attempt=1, **TRIES)
    engine.dispose()


def test_what_apply_move_refuses_is_called_by_the_name_of_its_lifecycle(session):
    """
    As a store calls it; for every error that names the row.
    """
    noun = Lifecycle(
        "parcel",
        (Transition("send", "queued", "sent"),),
        "queued",
        {"sent": "success"},
        entries=(Entry("sent", requires=("note",)),),
    )
    add(session, Job(id=1))
    for key, trigger, kind, text in (
        (1, "lose", UnknownTriggerError, "parcel '1' is any: no trigger 'lose'"),
        (1, "send", PayloadError, "parcel '1' is queued: cannot send: 'note' is required"),
        (2, "send", RunNotFoundError, "no parcel '2' in the store"),
    ):
        with pytest.raises(kind, match=re.escape(text)):
            apply_move(session, Job, key, trigger, lifecycle=noun)
    with pytest.raises(UnknownTriggerError, match=r"^parcel is any: no trigger 'lose'"):
        guard(Job.status, "lose", lifecycle=noun)


# -- classes that inherit ----------------------------------------------------------------------


class Shape(Base):
    """
    The root of classes that share a table, and of one that has another besides.
    """

    __tablename__ = "shapes"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(sa.String(9))
    status: Mapped[str] = mapped_column(sa.String(20), default="queued")
    attempt: Mapped[int] = mapped_column(default=1)
    __mapper_args__: ClassVar = {"polymorphic_on": kind, "polymorphic_identity": "shape"}


class Square(Shape):
    """
    In the same table.
    """

    __mapper_args__: ClassVar = {"polymorphic_identity": "square"}


class Tile(Square):
    """
    In the same table, of a class that is.
    """

    __mapper_args__: ClassVar = {"polymorphic_identity": "tile"}


class Circle(Shape):
    """
    In the same table, beside the others.
    """

    __mapper_args__: ClassVar = {"polymorphic_identity": "circle"}


class Solid(Shape):
    """
    In a table of its own, joined to the other, and without a status there.
    """

    __tablename__ = "solids"
    id: Mapped[int] = mapped_column(sa.ForeignKey("shapes.id"), primary_key=True)
    faces: Mapped[int] = mapped_column(default=6)
    __mapper_args__: ClassVar = {"polymorphic_identity": "solid"}


class Parcel(Base):
    """
    The root of classes whose status is in their own table.
    """

    __tablename__ = "parcels"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(sa.String(9))
    __mapper_args__: ClassVar = {"polymorphic_on": kind, "polymorphic_identity": "parcel"}


class Letter(Parcel):
    """
    With a status in its own table.
    """

    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(sa.ForeignKey("parcels.id"), primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(20), default="queued")
    __mapper_args__: ClassVar = {"polymorphic_identity": "letter"}


class Postcard(Letter):
    """
    In the same table as letters, though a third one says which of these it is.
    """

    __mapper_args__: ClassVar = {"polymorphic_identity": "postcard"}


SHAPES = [Shape, Square, Tile, Circle, Solid]


def in_session(database, table, *options, **more):
    """
    Make a move in a session, and roll it back.
    """
    with Session(database) as session:
        return apply_move(session, table, *options, **more)


def in_connection(database, table, *options, **more):
    """
    Make a move in a connection, and roll it back.
    """
    with database.connect() as connection:
        return apply_move(connection, table, *options, **more)


def in_async_session(database, table, *options, **more):
    """
    Make a move in an asynchronous session, and roll it back.
    """

    async def made():
        engine = create_async_engine(awaited(database.url.render_as_string(hide_password=False)))
        try:
            async with AsyncSession(engine) as session:
                return await apply_move_async(session, table, *options, **more)
        finally:
            await engine.dispose()

    return asyncio.run(made())


@pytest.mark.parametrize(
    "call",
    [in_session, in_connection, in_async_session],
    ids=["session", "connection", "session-of-asyncio"],
)
@pytest.mark.parametrize("table", [Shape, Square, Tile, Circle])
def test_a_row_is_moved_by_its_class_and_those_it_inherits_from_alone(database, table, call):
    """
    For every class, status and trigger. For any other class it is not there, also once it has ended.
    """
    statuses = ("queued", "in_progress", "completed")
    triggers = ("start", "complete")
    for kind in SHAPES:
        for status in statuses:
            with Session(database) as session:
                add(session, kind(id=1, status=status))
            for trigger in triggers:
                fired = partial(call, database, table, 1, trigger)
                if issubclass(kind, table):
                    assert (RUN.row(trigger, status) is not None) == fired().ok
                    continue
                with pytest.raises(RunNotFoundError, match="'1'"):
                    fired()
            with Session(database) as session:
                session.delete(session.get(kind, 1))
                session.commit()


@pytest.mark.parametrize(
    ("table", "lifecycle", "advice"),
    [
        (Solid, RUN, "keeps its status in another table, shapes: pass .* that table, Shape"),
        (Solid, WORK, "keeps its status in another table, shapes: pass .* that table, Shape"),
        (Postcard, RUN, "shares letters, .* pass the mapped class of letters"),
    ],
)
def test_a_class_whose_columns_are_in_another_table_is_refused_with_the_one_to_pass(
    session, table, lifecycle, advice
):
    """
    And the class that is named moves the row.
    """
    add(session, table(id=1))
    with pytest.raises(ValueError, match=advice):
        apply_move(session, table, 1, "start", lifecycle=lifecycle, attempt=1)
    named = Shape if table is Solid else Letter
    again = {"attempt": 1} if lifecycle is WORK else {}
    assert apply_move(session, named, 1, "start", lifecycle=lifecycle, **again).ok
    session.commit()
    assert session.get(table, 1).status in {"in_progress", "running"}


def test_a_row_that_the_update_alone_does_not_match_is_not_found(session):
    """
    Here by a criterion of the session; running the transaction again would not help.
    """
    add(session, Job(id=1), Job(id=2, note="visible"))

    @sa.event.listens_for(session, "do_orm_execute")
    def restrict(state):
        if state.is_update:
            state.statement = state.statement.options(
                with_loader_criteria(Job, Job.note == "visible")
            )

    with pytest.raises(RunNotFoundError, match="'1'"):
        apply_move(session, Job, 1, "start")
    assert apply_move(session, Job, 2, "start").ok


# -- the types of stamps -----------------------------------------------------------------------


class Moment(sa.types.TypeDecorator[datetime]):
    """
    A time with a zone, as applications store it in a column without one.
    """

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value, dialect):
        """Take only times with a zone."""
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value, dialect):
        """Return it with its zone."""
        return value and value.replace(tzinfo=UTC)


DAY = Lifecycle(
    "day",
    (Transition("start", "queued", "running"), Transition("finish", "running", "done")),
    "queued",
    {"done": "success"},
    entries=(Entry("queued", stamps=("made_at",)), Entry("running", stamps=("begun_at",))),
)
AT = 1_700_000_000.75
TIME = datetime.fromtimestamp(AT, UTC)
WRITTEN = {
    "Integer": (sa.Integer(), 1_700_000_000),
    "BigInteger": (sa.BigInteger(), 1_700_000_000),
    "Double": (sa.Double(), AT),
    "Numeric": (sa.Numeric(14, 2), Decimal("1700000000.75")),
    "Date": (sa.Date(), date(2023, 11, 14)),
    "DateTime": (sa.DateTime(), TIME.replace(tzinfo=None)),
    "Moment": (Moment(), TIME),
    "Text": (sa.Text(), TIME.isoformat()),
    "String32": (sa.String(32), TIME.isoformat()),
    "JSON": (sa.JSON(), AT),
}
REFUSED = {
    "Time": sa.Time(), "Interval": sa.Interval(), "Boolean": sa.Boolean(),
    "SmallInteger": sa.SmallInteger(), "Numeric8": sa.Numeric(8, 2), "String31": sa.String(31),
    "Uuid": sa.Uuid(), "LargeBinary": sa.LargeBinary(), "Enum": sa.Enum("a"),
    "PickleType": sa.PickleType(),
}  # fmt: skip


def days_of(kind):
    """
    Return a table whose stamps are of *kind*.
    """
    return sa.Table(
        "days", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(20)), sa.Column("begun_at", kind), sa.Column("made_at", kind),
    )  # fmt: skip


# MariaDB keeps whole seconds in a DATETIME, and SQLite has no Decimal.
@pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")
@pytest.mark.parametrize("kind", WRITTEN)
def test_a_stamp_is_written_in_the_type_of_its_column(database, kind):
    """
    By a move in the caller's transaction, and by a store in the table at creation and at a move.
    """
    column, expected = WRITTEN[kind]
    days = days_of(column)
    days.create(database)
    with database.begin() as connection:
        connection.execute(days.insert().values(id=1, status="queued"))
        assert apply_move(connection, days, 1, "start", lifecycle=DAY, now=AT).ok
        stamped = connection.execute(sa.select(days.c.begun_at)).scalar()
    whole = isinstance(expected, datetime) and database.dialect.name == "mysql"
    assert (expected.replace(microsecond=0) if whole else expected) == (
        stamped.replace(microsecond=0) if whole else stamped
    )
    with structlog.testing.capture_logs():
        store = Store(database, DAY, table=days)
        store.create(id="2")
        assert store.fire("2", "start").ok
        made = store.get("2")
    assert {type(expected)} == {type(made["made_at"]), type(made["begun_at"])}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_column_that_cannot_hold_a_stamp_is_refused_by_name(kind):
    """
    Before the row is looked at, by a move and by a store.
    """
    days, engine = days_of(REFUSED[kind]), sa.create_engine("sqlite://")
    for refused in (
        partial(in_connection, engine, days, 1, "start", lifecycle=DAY),
        partial(in_session, engine, days, 1, "start", lifecycle=DAY),
        partial(Store, engine, DAY, table=days),
    ):
        with pytest.raises(
            StoreArgumentError, match=r"the type of days\.\w+_at, which holds a time"
        ):
            refused()
    engine.dispose()


def test_a_deadline_in_a_column_of_days_is_refused():
    """
    A store would end the row when the day begins, which may be long before the moment.
    """
    engine = sa.create_engine("sqlite://")
    days = days_of(sa.Integer())
    days.append_column(sa.Column("due_at", sa.Date()))
    moves = (Transition("finish", "open", "done"), Transition("expire", "open", "expired"))
    ends = {"done": "success", "expired": "timeout"}
    due = Lifecycle("due", moves, "open", ends, deadline=Deadline("due_at", 60, longest=60))
    with pytest.raises(StoreArgumentError, match=r"DateTime, .* the type of days\.due_at"):
        Store(engine, due, table=days)
    engine.dispose()
