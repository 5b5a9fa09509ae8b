"""
Keywords: a word that a function does not know is refused, never ignored.
"""

import asyncio
import inspect
import pkgutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from itertools import product
from pathlib import Path
from types import FunctionType
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

import runstate
from django_jobs.models import Offer
from runstate import RUN, Engine, Observation, PayloadError, RunEngine, check
from runstate.django import StatusField
from runstate.django import move as django_move
from runstate.frames import check_frame, survey_files, survey_frame, survey_table
from runstate.readers import Columns, read
from runstate.store import AsyncRunStore, RunStore, apply_move_async

WORD = "xyzzy"
"""A keyword that nothing has."""

FRAME = pa.table({"run_id": ["a", "a"], "status": ["queued", "completed"]})
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ACTION = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [CALL]}}
ERROR = {"code": "server_error", "message": "broken"}


class Job:
    """
    An object with a status.
    """

    status = "queued"


def moved(trigger: str, *values: Any) -> Callable[[Any], Any]:
    """
    Return what calls the method *trigger* of a store with an unknown word, synchronous or not.
    """
    return lambda store: getattr(store, trigger)("run_1", *values, **{WORD: 1})


def saved_offer() -> Any:
    """
    Return an object of Django that looks as if it were saved.
    """
    offer = Offer(pk=1)
    offer._state.adding = False

    return offer


FIRED = {
    "start": (), "require_action": (ACTION,), "submit_tool_outputs": ({"c": "sunny"},), "complete": (),
    "fail": (ERROR,), "stop_incomplete": ("max_completion_tokens",), "request_cancel": (),
    "confirm_cancel": (), "expire": (),
}  # fmt: skip
MOVES = {
    **{trigger: moved(trigger, *values) for trigger, values in FIRED.items()},
    "fire": lambda store: store.fire("run_1", "start", **{WORD: 1}),
    "create": lambda store: store.create(**{WORD: 1}),
}


def listed(store: Any) -> Any:
    """
    List what a column of an unknown name holds.
    """
    return store.list(**{WORD: 1})


STORE_CALLS: dict[str, Callable[[Any], Any]] = {
    "Store.create": MOVES["create"],
    "Store.fire": MOVES["fire"],
    "Store.list": listed,
    "Store.update": lambda store: store.update("run_1", **{WORD: 1}),
}


def on_store(call: Callable[[RunStore], Any]) -> Callable[[], Any]:
    """
    Return what makes *call* on a store with a run that waits for an answer.
    """

    def made() -> Any:
        with RunStore.open("sqlite://") as store:
            store.create(id="run_1")
            store.start("run_1")
            store.require_action("run_1", ACTION)
            return call(store)

    return made


def on_async_store(call: Callable[[Any], Any]) -> Callable[[], Any]:
    """
    Return what makes *call* on an asynchronous store with a run that waits for an answer.
    """

    async def made() -> Any:
        async with await AsyncRunStore.open("sqlite+aiosqlite://") as store:
            await store.create(id="run_1")
            await store.start("run_1")
            await store.require_action("run_1", ACTION)
            return await call(store)

    return lambda: asyncio.run(made())


async def own_row() -> Any:
    """
    Move a row of a table of one's own with an unknown word.
    """
    table = sa.Table("jobs", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
                     sa.Column("status", sa.Text))  # fmt: skip
    engine = create_async_engine("sqlite+aiosqlite://")
    try:
        async with engine.connect() as connection:
            await apply_move_async(connection, table, 1, "start", **{WORD: 1})
    finally:
        await engine.dispose()


def by_path(path: str) -> Callable[[], Any]:
    """
    Return what calls the function at *path*, which looks at its keywords first.
    """
    module, _, name = path.rpartition(".")

    return lambda: getattr(import_module(f"runstate.{module}"), name)(None, **{WORD: 1})


CALLS: dict[str, Callable[[], Any]] = {
    "frames._api.check_frame": lambda: check_frame(FRAME, **{WORD: 1}),
    "frames._api.survey_frame": lambda: survey_frame(FRAME, **{WORD: 1}),
    "frames._api.survey_files": lambda: survey_files("nowhere.csv", **{WORD: 1}),
    "frames._api.survey_table": lambda: survey_table("nowhere.db", table="runs", **{WORD: 1}),
    **{
        path: by_path(path)
        for path in (
            "frames._spark.check_spark",
            "frames._spark.survey_paths",
            "frames._spark.survey_spark",
        )
    },
    "lifecycle._table.Lifecycle.machine": lambda: RUN.machine(**{WORD: 1}),
    "runs._engine.Engine.fire": lambda: Engine(RUN).fire(Job(), "start", **{WORD: 1}),
    "runs._engine.RunEngine.fire": lambda: RunEngine().fire(
        RunEngine().create(), "start", **{WORD: 1}
    ),
    "runs._engine.RunEngine.create": lambda: RunEngine().create(**{WORD: 1}),
    "runs._models.RunResponse.copy": lambda: RunEngine().create().copy(**{WORD: 1}),
    "store.own.apply_move_async": lambda: asyncio.run(own_row()),
    **{f"store._store.{name}": on_store(call) for name, call in STORE_CALLS.items()},
    **{
        f"store._async_store.Async{name}": on_async_store(call)
        for name, call in STORE_CALLS.items()
    },
    **{
        f"store._named_moves.NamedMoves.{name}": on_store(MOVES[name])
        for name in MOVES.keys() - {"create", "fire"}
    },
    "store._named_moves.NamedMoves.fire": on_store(MOVES["fire"]),
    "django._row_move.move": lambda: django_move(saved_offer(), "accept", **{WORD: 1}),
    "django._status_field.StatusField.__init__": lambda: StatusField(RUN, **{WORD: 1}),
}
"""For each public function with ``**``, a call that is right but for one word."""

EXCEPT: dict[str, str] = {
    **dict.fromkeys(
        (f"runs._stdlib_log.StdlibLogger.{name}" for name in ("bind", "info", "warning", "error")),
        "writes facts under any name, for the log of moves alone",
    ),
    **dict.fromkeys(
        (
            "django._status_field.StatusField.check",
            "django._upkeep.check_guards",
            "django._upkeep.restore_guards",
            "django.management.commands.runstate_prune.Command.handle",
            "django.management.commands.runstate_sweep.Command.handle",
        ),
        "Django calls it, with more words in later versions",
    ),
    "cli._write.output_option": "click judges them when the command is made",
    "lifecycle._transitions.build_machine": "transitions judges them; Lifecycle.machine is tried",
    "store._payload.Move.line": "makes a line of the journal, for the store alone",
    "store._records.line_of": "makes a line of the journal, for the store alone",
    "store._records.one_line": "looks at texts under any name, for the store alone",
    **dict.fromkeys(
        (
            *(f"store._mariadb.{name}.run" for name in ("Changing", "Claiming", "Creating")),
            "store._sql.Prepared.change",
            "store._sql.Prepared.run",
        ),
        "binds values to a statement, for the store alone",
    ),
    "store._tables.Snapshot.get_col_spec": "SQLAlchemy calls it",
    "store._tables.TransactionId.get_col_spec": "SQLAlchemy calls it",
    "testing._harness.Harness.fire": "passes them on to the service that is tested",
    "testing._protocols.Service.fire": "is a protocol, whose services judge them",
}
"""Functions with ``**`` that take every word, and why that is right."""


def takers() -> Iterator[str]:
    """
    Yield every function and method of the package, but private ones, that has a ``**`` parameter.
    """
    for module in pkgutil.walk_packages(runstate.__path__, "runstate."):
        if module.name.rpartition(".")[2] == "__main__":
            continue
        loaded = import_module(module.name)
        for holder in [*vars(loaded).values()]:
            if getattr(holder, "__module__", None) != module.name:
                continue
            yield from taking(holder, module.name.removeprefix("runstate."))


def taking(holder: Any, module: str) -> Iterator[str]:
    """
    Yield the names of *holder* and its own methods that have a ``**`` parameter.
    """
    members = [*vars(holder).values()] if inspect.isclass(holder) else [holder]
    for member in members:
        function = inspect.unwrap(getattr(member, "__func__", member))
        if not isinstance(function, FunctionType) or not function.__module__.startswith("runstate"):
            continue
        path = f"{module}.{function.__qualname__}"
        private = any(
            part.startswith("_") and not part.startswith("__")
            for part in function.__qualname__.split(".")
        )
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        if inspect.Parameter.VAR_KEYWORD in kinds and not private and "<locals>" not in path:
            yield path


def test_every_function_that_takes_any_keyword_is_tried():
    """
    A new function with ``**`` has to be added to the calls above, and to refuse a word there.
    """
    assert set() == {*takers()} - CALLS.keys() - EXCEPT.keys()
    assert set() == EXCEPT.keys() - {*takers()}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_an_unknown_keyword_is_refused(name):
    """
    A misspelt keyword is an error that names it, so that no option is ever ignored.
    """
    if "_spark" in name:
        pytest.importorskip("pyspark")
    with pytest.raises((TypeError, ValueError, PayloadError)) as caught:
        CALLS[name]()

    if name != "runs._models.RunResponse.copy":  # which refuses every call
        assert WORD in str(caught.value)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("observd", "observed"), ("finish", "finished"), ("colums", "columns"), ("att", "at")],
)
def test_a_misspelt_keyword_is_told_the_right_one(word, meant):
    """
    The message names the keyword that was meant.
    """
    for ask in (check_frame, survey_frame):
        with pytest.raises(TypeError, match=f"'{word}' .did you mean '{meant}'"):
            ask(FRAME, **{word: "polled"})
    with pytest.raises(TypeError, match=r"'modle' .did you mean 'model'"):
        RunEngine().create(modle="gpt-5")


# -- names of columns ---------------------------------------------------------------

ROWS = {"job": ["a", "a"], "state": ["completed", "queued"], "seen": [1.7e9, 1.8e9]}
NAMES = {"run_id": "job", "status": "state", "at": "seen"}


def asked(tmp_path: Path) -> dict[str, Callable[..., Any]]:
    """
    Return everything that takes names of columns, asked for the codes of findings on the rows.
    """
    log = tmp_path / "log.csv"
    log.write_text("job,state,seen\na,completed,1700000000\na,queued,1800000000\n")
    database = tmp_path / "log.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("create table if not exists log (job text, state text, seen real)")
        connection.execute("delete from log")
        rows = zip(*ROWS.values(), strict=True)
        connection.executemany("insert into log values (?, ?, ?)", rows)
    frame = pa.table(ROWS)

    return {
        "check_frame": lambda **how: check_frame(frame, **how)["code"].to_pylist(),
        "survey_frame": lambda **how: codes(survey_frame(frame, **how).findings),
        "survey_files": lambda **how: codes(survey_files(log, **how).findings),
        "survey_table": lambda **how: codes(
            survey_table(str(database), table="log", **how).findings
        ),
        "read": lambda **how: codes(check(seen(log, **how)).findings),
    }


def seen(log: Path, **how: Any) -> list[Observation]:
    """
    Return what the reader yields.
    """
    with log.open("rb") as stream:
        return [each for each in read(stream, format="csv", **how) if isinstance(each, Observation)]


def codes(findings: Any) -> list[str]:
    """
    Return the codes of *findings*.
    """
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    "ask", ["check_frame", "survey_frame", "survey_files", "survey_table", "read"]
)
def test_columns_are_named_one_by_one_or_together(ask, tmp_path):
    """
    ``run_id=``, ``status=`` and ``at=`` say what ``columns=`` says, in every combination.
    """
    call = asked(tmp_path)[ask]
    for chosen in product([False, True], repeat=3):
        apart = {
            name: column for (name, column), on in zip(NAMES.items(), chosen, strict=True) if on
        }
        rest = {name: column for name, column in NAMES.items() if name not in apart}

        assert ["RS102", "RS105"] == call(columns=Columns(**rest), **apart)


@pytest.mark.parametrize(
    "ask", ["check_frame", "survey_frame", "survey_files", "survey_table", "read"]
)
def test_a_column_that_is_named_twice_is_refused(ask, tmp_path):
    """
    A column that is named in both places is an error, whichever was meant.
    """
    call = asked(tmp_path)[ask]
    for name, column in NAMES.items():
        with pytest.raises(ValueError, match=f"{name} is named twice"):
            call(columns=Columns(**NAMES), **{name: column})
        with pytest.raises(TypeError, match=f"{name} must be the name of a column"):
            call(**{name: 5})
