"""
A table of the caller's own, in every transaction: the answer is the truth, or a named conflict.
"""

import threading
from collections import Counter
from itertools import count
from typing import ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from runstate import RUN
from runstate.store import (
    Applied,
    ConcurrentMoveError,
    Illegal,
    RunNotFoundError,
    StatusMissingError,
    StoreArgumentError,
    Superseded,
    apply_move,
)
from stores import ERROR

LEVELS = {
    "sqlite": ["SERIALIZABLE"],
    "postgresql": ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"],
    "mariadb": ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"],
}
MARKS = {
    "sqlite": [],
    "postgresql": [pytest.mark.postgres],
    "mariadb": [pytest.mark.mariadb, pytest.mark.xdist_group("mariadb")],
}
PLACES = [
    pytest.param((database, level), marks=MARKS[database], id=f"{database}-{level}")
    for database, levels in LEVELS.items()
    for level in levels
]
VALUES = {"fail": {"last_error": ERROR}}


class Base(DeclarativeBase):
    """
    What the mapped classes here have in common.
    """


class Plain(Base):
    """
    A job without a version.
    """

    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str | None] = mapped_column(sa.String(20))
    last_error: Mapped[dict | None] = mapped_column(sa.JSON)


class Versioned(Base):
    """
    A job whose sessions notice what another one wrote; the attribute is not called as its column.
    """

    __tablename__ = "versioned"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(sa.String(20))
    last_error: Mapped[dict | None] = mapped_column(sa.JSON)
    note: Mapped[str | None] = mapped_column(sa.String(20))
    edition: Mapped[int] = mapped_column("row_version")
    __mapper_args__: ClassVar = {"version_id_col": edition}


_MARKS = count()


class Marked(Base):
    """
    A job whose version is a text that a function of the application makes.
    """

    __tablename__ = "marked"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(sa.String(20))
    last_error: Mapped[dict | None] = mapped_column(sa.JSON)
    note: Mapped[str | None] = mapped_column(sa.String(20))
    mark: Mapped[str] = mapped_column(sa.String(20))
    __mapper_args__: ClassVar = {
        "version_id_col": mark,
        "version_id_generator": lambda _: f"mark-{next(_MARKS)}",
    }


class Parent(Base):
    """
    A version in the table of a base class.
    """

    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(9))
    edition: Mapped[int] = mapped_column()
    __mapper_args__: ClassVar = {"version_id_col": edition, "polymorphic_on": kind}


class Child(Parent):
    """
    A status in the table of the derived one.
    """

    __tablename__ = "children"
    id: Mapped[int] = mapped_column(sa.ForeignKey("parents.id"), primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(20))
    __mapper_args__: ClassVar = {"polymorphic_identity": "child"}


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    """
    An engine at one isolation level of one database.
    """
    database, level = request.param
    if database == "sqlite":
        # What SQLAlchemy documents for SQLite, so that a transaction really begins.
        engine = sa.create_engine(f"sqlite:///{tmp_path}/own.db", connect_args={"timeout": 0.2})
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))
        sa.event.listen(engine, "connect", _leave_transactions_alone)
    else:
        url = request.getfixturevalue(f"{database}_database")
        engine = sa.create_engine(url, isolation_level=level, pool_size=20)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def _leave_transactions_alone(connection, _):
    connection.isolation_level = None


def fresh(place, kind, number, status="in_progress"):
    """
    Commit a row of *kind*.
    """
    with Session(place) as session:
        session.add(kind(id=number, status=status))
        session.commit()


def put(place, kind, number, status):
    """
    Commit that the row has *status*, as another program would.
    """
    with place.begin() as connection:
        connection.execute(sa.update(kind.__table__).where(kind.id == number).values(status=status))


# At MariaDB's SERIALIZABLE, the other program waits until the reader is done.
@pytest.mark.parametrize(
    "place", [p for p in PLACES if p.id != "mariadb-SERIALIZABLE"], indirect=True
)
@pytest.mark.parametrize("kind", [Plain, Versioned])
def test_a_transaction_that_looked_before_gets_the_truth_or_a_named_conflict(place, kind):
    """
    For every status seen first, every status set by another since, and every trigger.

    The answer is what the table says of the status that is there now. Where the database
    cannot show it, the error is ConcurrentMoveError, and running all of it again works.
    """
    conflicts = answers = 0
    for seen in ("queued", "in_progress", "completed"):
        for now in ("queued", "in_progress", "cancelling", "completed"):
            for trigger in ("start", "complete", "fail", "confirm_cancel"):
                fresh(place, kind, 1, seen)
                with Session(place) as session:
                    session.execute(sa.select(kind.__table__)).all()
                    if now != seen:
                        put(place, kind, 1, now)
                    try:
                        verdict = apply_move(session, kind, 1, trigger, values=VALUES.get(trigger))
                    except ConcurrentMoveError as error:
                        conflicts += 1
                        assert ("1", True) == (error.run_id, error.__cause__ is not None)
                        session.rollback()
                        verdict = apply_move(session, kind, 1, trigger, values=VALUES.get(trigger))
                    answers += 1
                    assert expected(now, trigger) == shape(verdict)
                    session.rollback()
                put(place, kind, 1, now)
                with place.begin() as connection:
                    connection.execute(sa.delete(kind.__table__))

    assert 3 * 4 * 4 == answers
    assert can_show_the_winner(place) == (conflicts == 0)


def expected(status, trigger):
    """
    Return what the table says of *trigger* from *status*, in the shape of a verdict.
    """
    row = RUN.row(trigger, status)
    if row is not None:
        return Applied, status, str(row.target)

    return (Superseded if RUN.is_terminal(status) else Illegal), status, None


def shape(verdict):
    """
    Return the kind of *verdict*, the status it names, and the target.
    """
    if isinstance(verdict, Applied):
        return Applied, verdict.moved.source, verdict.moved.target

    return type(verdict), verdict.status, None


def can_show_the_winner(place):
    """
    Whether a transaction at this level can read what was committed after it began.
    """
    return place.dialect.name == "mysql" or level_of(place) == "READ COMMITTED"


def level_of(place):
    """
    Return the isolation level of *place*.
    """
    with place.connect() as connection:
        return connection.get_isolation_level()


@pytest.mark.parametrize("kind", [Plain, Versioned])
def test_of_many_callers_one_wins_and_no_driver_error_reaches_any(place, kind):
    """
    Four triggers at a time, each in a session of its own that has read the row before.

    Every caller that meets a conflict rolls back and runs again, and then gets an answer.
    """
    answers, errors, winners = Counter(), [], Counter()
    rows = 10 if place.dialect.name == "sqlite" else 15
    for number in range(rows):
        fresh(place, kind, number)

    def work(trigger):
        for number in range(rows):
            for _ in range(200):
                try:
                    verdict = once(place, kind, number, trigger)
                except ConcurrentMoveError:
                    answers["ConcurrentMoveError"] += 1
                except SQLAlchemyError as error:
                    errors.append(error)
                    break
                else:
                    answers[type(verdict).__name__] += 1
                    winners[number] += isinstance(verdict, Applied)
                    break

    threads = [
        threading.Thread(target=work, args=(trigger,))
        for trigger in ("complete", "fail", "expire", "complete")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert dict.fromkeys(range(rows), 1) == dict(winners)
    assert (rows, rows * 3) == (answers["Applied"], answers["Superseded"])


def once(place, kind, number, trigger):
    """
    Run a whole transaction of one caller: a look, the move, the commit.
    """
    with Session(place) as session:
        try:
            session.execute(sa.select(kind.__table__.c.status)).all()
        except SQLAlchemyError as error:
            # The caller's own statement: at MariaDB's SERIALIZABLE, a read waits for locks too.
            raise ConcurrentMoveError(None) from error
        verdict = apply_move(session, kind, number, trigger, values=VALUES.get(trigger))
        try:
            session.commit()
        except SQLAlchemyError as error:
            # Only PostgreSQL's SERIALIZABLE and SQLite refuse a commit.
            raise ConcurrentMoveError(None) from error

        return verdict


@pytest.mark.parametrize("kind", [Versioned, Marked])
def test_a_session_that_loaded_the_row_before_a_move_cannot_write_over_it(place, kind):
    """
    The version is raised as the ORM raises it, so that the late session gets StaleDataError.
    """
    fresh(place, kind, 1)
    with Session(place) as session:
        late = session.get(kind, 1)
        session.expunge(late)
    with Session(place) as session:
        assert apply_move(session, kind, 1, "complete").ok
        session.commit()
    with Session(place) as session:
        late.status = "failed"
        session.add(late)
        with pytest.raises(StaleDataError):
            session.commit()
    with Session(place) as session:
        assert "completed" == session.get(kind, 1).status


@pytest.mark.parametrize("kind", [Versioned, Marked])
def test_the_session_that_moved_the_row_goes_on_with_its_object(place, kind):
    """
    The object in the session has the new version, and what it writes next is written.
    """
    fresh(place, kind, 1)
    with Session(place) as session:
        job = session.get(kind, 1)
        assert apply_move(session, kind, 1, "complete").ok
        job.note = "well done"
        session.commit()

        assert ("completed", "well done") == (job.status, job.note)


def test_a_version_that_is_kept_in_the_table_of_a_base_class_is_refused():
    """
    One statement could not raise it; the error names the table.
    """
    engine = sa.create_engine("sqlite://")
    with Session(engine) as session, pytest.raises(ValueError, match="another table, parents"):
        apply_move(session, Child, 1, "start")
    engine.dispose()


def test_a_status_that_is_null_is_named(place):
    """
    The row is there; it is not "not found", and the error says which column to set.
    """
    fresh(place, Plain, 7, None)
    with Session(place) as session:
        with pytest.raises(
            StatusMissingError, match=r"row '7' has NULL in plain\.status"
        ) as caught:
            apply_move(session, Plain, 7, "start")
        with pytest.raises(RunNotFoundError):
            apply_move(session, Plain, 8, "start")

    assert ("7", "plain.status") == (caught.value.run_id, caught.value.column)


def test_a_key_that_no_row_can_have_is_refused_by_name(place):
    """
    An object in place of its key, or a text where the column holds integers.
    """
    fresh(place, Plain, 1)
    with Session(place) as session:
        for key, words in ((session.get(Plain, 1), "not an object"), ("1", "an integer")):
            with pytest.raises(StoreArgumentError, match=words) as caught:
                apply_move(session, Plain, key, "complete")
            assert "key" == caught.value.argument
        assert apply_move(session, Plain, 1, "complete").ok
