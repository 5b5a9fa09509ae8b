"""
A store for any lifecycle: models, columns, reopening, conditions, beginnings, machines without an end.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import get_args

import pytest
import sqlalchemy as sa
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import make_async_store
from runstate import Deadline, Entry, Lifecycle, LifecycleError, LifecycleFieldError, Transition
from runstate.ddl import TableGuard
from runstate.errors import PayloadError, UnknownTriggerError
from runstate.presets import PRESETS
from runstate.store import (
    Applied,
    AsyncStore,
    Duplicate,
    Fire,
    Illegal,
    LifecycleMismatchError,
    Record,
    RunExistsError,
    RunNotFoundError,
    RunStore,
    Stale,
    Store,
    StoreArgumentError,
    Superseded,
    UnreadableRunError,
    Verdict,
)

JOB = Lifecycle(
    "job",
    [
        Transition("start", ["queued", "retrying"], "running"),
        Transition("succeed", "running", "done"),
        Transition("fail", ["queued", "running"], "failed"),
        Transition("retry_later", "running", "retrying"),
        Transition("time_out", ["queued", "running", "retrying"], "expired"),
        Transition(
            "retry", ["done", "failed", "expired"], "queued", reopens=True,
            clears=["ended_at", "error"],
        ),
    ],
    ["queued", "running"],
    {"done": "success", "failed": "failure", "expired": "timeout"},
    entries=[
        Entry("running", stamps=("startedAt",)),
        Entry("done", stamps=("ended_at",), accepts=("result",)),
        Entry("failed", stamps=("ended_at",), requires=("error",)),
        Entry("expired", stamps=("ended_at",)),
    ],
    created=("made_at",),
    deadline=Deadline("due_at", 60, 600),
    status_field="state",
    attempt_field="attempt",
)  # fmt: skip
COLUMNS = {"queue": str, "tenant": str, "priority": int, "urgent": bool, "weight": float}


class State(Enum):
    """The statuses of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class Model(BaseModel):
    """A job as a model of pydantic."""

    id: str
    state: State
    queue: str = "default"
    made_at: datetime
    ended_at: datetime | None = None
    error: dict[str, str] | None = None
    attempt: int
    version: int
    prompt: str = ""


@dataclass
class Plain:
    """A job as a dataclass."""

    id: str
    state: State
    made_at: datetime
    queue: str | None = None
    attempt: int = 1
    prompt: str = ""
    tags: list[str] = field(default_factory=list)


class Blocking:
    """An AsyncStore whose methods block."""

    def __init__(self, loop, store, engine):
        self._loop, self._store, self.engine = loop, store, engine

    def __getattr__(self, name):
        method = getattr(self._store, name)

        return lambda *args, **options: self._loop.run_until_complete(method(*args, **options))


@contextmanager
def opened(url, lifecycle=JOB, *, awaited=False, **options):
    """
    Yield a store, of either kind behind the same methods.
    """
    options = {"durable": False, **options}
    if not awaited:
        with Store.open(url, lifecycle, **options) as store:
            yield store
        return
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        store = loop.run_until_complete(
            AsyncStore.open(url.replace("+pymysql", ""), lifecycle, **options)
        )
        engine = sa.create_engine(url)
        yield Blocking(loop, store, engine)
        engine.dispose()
        loop.run_until_complete(store.close())


@pytest.fixture(params=[False, True], ids=["threads", "asyncio"])
def jobs(request, database_url):
    """
    A store of jobs.
    """
    with opened(database_url, columns=COLUMNS, awaited=request.param) as store:
        yield store


def ended(store, trigger="fail", **payload):
    """
    Return the id of a job that a worker has ended, with its lease.
    """
    store.create()
    lease = store.claim("w")
    payload = payload or ({"error": {"code": "x"}} if trigger == "fail" else {})
    assert store.fire(lease.id, trigger, token=lease.token, **payload).ok

    return lease.id, lease


# -- one source ------------------------------------------------------------------


def test_the_asyncio_store_is_made_of_the_other_one():
    """
    ``python tests/make_async_store.py`` has been run since the source changed.
    """
    assert make_async_store.made() == make_async_store.TARGET.read_text(encoding="utf-8")


# -- models ----------------------------------------------------------------------


def test_a_plain_record_has_all_that_it_was_created_with(jobs):
    """
    Data, columns and what the lifecycle owns are one dictionary, whose keys are attributes.
    """
    job = jobs.create(
        {"prompt": "\u0000 \U0001f600", "n": [1, {"a": None}]}, id="a", queue="gpu", priority=3,
        urgent=True, weight=2,
    )  # fmt: skip

    assert isinstance(job, Record)
    assert job == jobs.get("a")
    assert ("a", "queued", 1, 1, "gpu", None, 3, True, 2.0) == (
        job.id, job.state, job.attempt, job.version, job.queue, job.tenant, job.priority,
        job.urgent, job.weight,
    )  # fmt: skip
    assert {"prompt": "\u0000 \U0001f600", "n": [1, {"a": None}]} == {
        name: job[name] for name in ("prompt", "n")
    }
    assert (None, None) == (job["startedAt"], job["due_at"])
    assert isinstance(job["made_at"], int)
    with pytest.raises(AttributeError, match="nothing"):
        _ = job.nothing


@pytest.mark.parametrize("model", [Model, Plain])
def test_a_model_is_what_the_store_returns(database_url, model):
    """
    Times, Enums and defaults are as its fields declare them.
    """
    with opened(database_url, model=model, columns={"queue": str}) as store:
        job = store.create({"prompt": "p"}, id="a", queue="gpu")
        lease = store.claim("w", where={"queue": "gpu"})
        store.fire("a", "fail", error={"code": "x"}, token=lease.token)
        after = store.get("a")

        assert (model, State.QUEUED, "p", "gpu", 1) == (
            type(job), job.state, job.prompt, job.queue, job.attempt,
        )  # fmt: skip
        assert isinstance(job.made_at, datetime)
        assert UTC == job.made_at.tzinfo
        assert (State.RUNNING, State.FAILED) == (lease.run.state, after.state)
        assert store.create().prompt == ""
        with pytest.raises(TypeError, match=r"promt.*did you mean 'prompt'"):
            store.create(promt="p")
        with pytest.raises(ValueError, match="prompt"):
            store.create(prompt=[1])
    if model is Model:
        assert ({"code": "x"}, 3) == (after.error, after.version)


def test_a_default_of_the_model_fills_its_column(database_url):
    """
    So that lists and claims find what the object says of itself.
    """
    with opened(database_url, model=Model, columns={"queue": str}) as store:
        store.create(id="a")

        assert ["a"] == [job.id for job in store.list(queue="default").items]


def test_a_model_that_cannot_hold_the_objects_is_refused(tmp_path):
    """
    Before any table is made.
    """

    @dataclass
    class NoStatus:
        id: str

    url = f"sqlite:///{tmp_path}/jobs.db"
    with pytest.raises(ValueError, match="has no field 'state'"):
        Store.open(url, JOB, model=NoStatus)
    with pytest.raises(StoreArgumentError, match=r"model: expected a model of pydantic"):
        Store.open(url, JOB, model=dict)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given_", "error", "match"),
    [
        ({"state": "running"}, LifecycleFieldError, "job.state belongs to the lifecycle"),
        ({"made_at": 1}, LifecycleFieldError, "job.made_at"),
        ({"version": 1}, LifecycleFieldError, "job.version"),
        ({"queue": 1}, StoreArgumentError, "queue: expected one line"),
        ({"queue": "a\nb"}, StoreArgumentError, "queue: expected one line"),
        ({"priority": True}, StoreArgumentError, "priority: expected int"),
        ({"priority": 2**63}, StoreArgumentError, "priority: expected a whole number of 64 bits"),
        ({"urgent": 1}, StoreArgumentError, "urgent: expected bool"),
        ({"weight": "1"}, StoreArgumentError, "weight: expected float"),
        ({"x": object()}, StoreArgumentError, "data: expected what JSON can hold"),
        ({"x": float("nan")}, StoreArgumentError, "data: expected what JSON can hold"),
        ({"id": "a\x00"}, StoreArgumentError, "id: expected one line"),
        ({"status": "done"}, StoreArgumentError, r"status: expected an initial status \(queued, r"),
        ({"not_before": "now"}, StoreArgumentError, "not_before: expected a time"),
    ],
)
def test_what_cannot_be_stored_is_refused(database_url, given_, error, match):
    """
    By the name of the argument, and nothing is stored.
    """
    with opened(database_url, columns=COLUMNS) as store:
        with pytest.raises(error, match=match):
            store.create(**given_)

        assert 0 == sum(store.counts().values())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"columns": {"Queue": str}}, "lower-case"),
        ({"columns": {"status": str}}, "'status' is taken"),
        ({"columns": {"ended_at": str}}, "'ended_at' is taken"),
        ({"columns": {"limit": int}}, "'limit' is taken"),
        ({"columns": {"queue": list}}, "expected one of str, int, float, bool"),
        ({"claim": "succeed"}, "claim: expected a trigger of job"),
        ({"claim": "nothing"}, "claim: expected a trigger of job"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(tmp_path, options, match):
    """
    Before any table is made.
    """
    with pytest.raises(ValueError, match=match):
        Store.open(f"sqlite:///{tmp_path}/jobs.db", JOB, **options)

    assert [] == list(tmp_path.iterdir())


# -- lists and claims --------------------------------------------------------------


def test_lists_are_filtered_by_columns_and_several_statuses(jobs):
    """
    And go on behind an object, or end in front of it.
    """
    for n in range(6):
        jobs.create(id=str(n), queue="gpu" if n % 2 else "cpu", priority=n)
    jobs.fire("1", "fail", expected_version=1, error={})
    jobs.fire("0", "start")

    def ids(**filters):
        return "".join(job.id for job in jobs.list(**filters).items)

    assert "543210" == ids()
    assert "531" == ids(queue="gpu")
    assert "53" == ids(queue="gpu", status="queued")
    assert "10" == ids(status=["failed", "running"])
    assert "4" == ids(priority=4)
    assert "" == ids(queue="a\x00")
    assert ("54", "32") == (ids(before="3", limit=5), ids(after="4", limit=2))
    assert ("43", "12") == (ids(before="2", limit=2), ids(before="3", order="asc", limit=2))
    page = jobs.list(limit=4)
    assert ("2", None) == (page.cursor, jobs.list(after=page.cursor).cursor)
    with pytest.raises(TypeError, match="quue"):
        jobs.list(quue="gpu")
    with pytest.raises(StoreArgumentError, match="priority: expected int"):
        jobs.list(priority=[1])
    with pytest.raises(StoreArgumentError, match="status: expected a status, or several"):
        jobs.list(status=[])
    with pytest.raises(StoreArgumentError, match="before: expected None where after"):
        jobs.list(after="1", before="2")


def test_a_claim_takes_what_its_columns_say(jobs):
    """
    Also when it takes up what another worker left.
    """
    for n, queue in enumerate(("cpu", "gpu", "gpu")):
        jobs.create(id=str(n), queue=queue, tenant="t")
    where = {"queue": "gpu", "tenant": "t"}
    first, second = jobs.claim("w", where=where), jobs.claim("w", where=where)

    assert ("1", "2", None) == (first.id, second.id, jobs.claim("w", where=where))
    assert jobs.release(first)
    assert None is jobs.claim("w", where={"queue": "none"})
    again = jobs.claim("v", where=where)
    assert ("1", 2, 2) == (again.id, again.attempt, again.claims)
    assert "0" == jobs.claim("w").id
    with pytest.raises(TypeError, match="quue"):
        jobs.claim("w", where={"quue": "gpu"})


def test_claims_are_counted_across_queues(jobs):
    """
    A job that comes back to the queue is not a new one.
    """
    jobs.create(id="a")
    for n in range(1, 4):
        lease = jobs.claim("w")
        assert (1, n) == (lease.attempt, lease.claims)
        assert jobs.fire("a", "retry_later", token=lease.token).ok


def test_a_delayed_job_waits(database_url):
    """
    From its creation, and from a move, until the clock says so.
    """
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE clock (now DOUBLE PRECISION NOT NULL)")
        connection.exec_driver_sql("INSERT INTO clock VALUES (1700000000)")

    def at(now):
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE clock SET now = :now"), {"now": now})

    with opened(database_url, clock="(SELECT now FROM clock)") as store:
        store.create(id="a", not_before=1_700_000_010)
        assert None is store.claim("w")
        at(1_700_000_010)
        lease = store.claim("w")
        store.fire("a", "retry_later", token=lease.token, not_before=1_700_000_020.5)
        assert None is store.claim("w")
        at(1_700_000_021)
        assert "a" == store.claim("w").id
    engine.dispose()


def test_a_sweep_ends_what_is_past_its_deadline(database_url):
    """
    By the trigger whose target is a timeout, and only where a deadline was asked for.
    """
    with opened(database_url) as store:
        store.create(id="a", expires_at=1_700_000_000)
        store.create(id="b")
        store.create(id="c", expires_after=0)

        assert ["a", "c"] == sorted(move.run_id for move in store.sweep())
        assert ("expired", "queued") == (store.get("a").state, store.get("b").state)


# -- moves -----------------------------------------------------------------------


def test_a_payload_sets_what_the_target_takes(jobs):
    """
    And nothing else.
    """
    jobs.create(id="a")
    with pytest.raises(PayloadError, match=r"job 'a' is queued: cannot fail: 'error' is required"):
        jobs.fire("a", "fail", expected_version=1)
    with pytest.raises(PayloadError, match=r"job 'a' is queued: cannot start: takes no payload"):
        jobs.fire("a", "start", error=1)
    with pytest.raises(PayloadError, match="'error': expected what JSON can hold"):
        jobs.fire("a", "fail", expected_version=1, error=object())
    with pytest.raises(UnknownTriggerError, match=r"job 'a' is queued: no trigger 'stat'"):
        jobs.fire("a", "stat")
    assert jobs.fire("a", "start", key="k", actor="me", reason="why").ok
    assert Duplicate is type(jobs.fire("a", "start", key="k"))
    assert Illegal is type(jobs.fire("a", "start"))
    assert jobs.fire("a", "succeed", expected_version=2, result={"n": 1}).ok
    job = jobs.get("a")
    assert ({"n": 1}, True, True) == (
        job.result, job["startedAt"] <= job.ended_at, job.made_at <= job["startedAt"],
    )  # fmt: skip
    assert {"result": {"n": 1}} == jobs.history("a")[-1].payload


def test_messages_call_an_object_by_the_name_of_its_lifecycle(jobs):
    """
    Where a RunStore says run.
    """
    jobs.create(id="a")
    with pytest.raises(RunNotFoundError, match="no job 'b' in the store"):
        jobs.get("b")
    with pytest.raises(RunExistsError, match="the store has a job 'a' already"):
        jobs.create(id="a")
    jobs.fire("a", "start", key="k")
    with pytest.raises(ValueError, match=r"job 'a': key 'k' belongs to start"):
        jobs.fire("a", "retry_later", key="k")
    with jobs.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE job_runs SET document = 'no'")
    with pytest.raises(UnreadableRunError, match="job 'a' cannot be read"):
        jobs.get("a")


def test_log_events_have_constant_names_and_the_lifecycle(database_url):
    """
    A log is searched the same way, whatever it is about.
    """
    with structlog.testing.capture_logs() as log, opened(database_url) as store:
        store.create(id="a")
        store.claim("w")
        store.fire("a", "start")

    assert [
        ("run.transition", "create", "job"),
        ("run.transition", "start", "job"),
        ("run.rejected", "start", "job"),
    ] == [(each["event"], each["trigger"], each["lifecycle"]) for each in log]


def test_an_expected_version_refuses_who_saw_less(jobs):
    """
    A writer that read the object before its last move loses, and learns it.
    """
    jobs.create(id="a")
    jobs.fire("a", "start")

    assert Stale(None, 1) == jobs.fire("a", "fail", expected_version=1, error={})
    assert Stale(None, 1) == jobs.fire("a", "retry_later", expected_version=1)
    assert jobs.fire("a", "fail", expected_version=2, error={}).ok
    assert Superseded is type(jobs.fire("a", "succeed", expected_version=2))
    with pytest.raises(StoreArgumentError, match="expected_version: expected the number"):
        jobs.fire("a", "start", expected_version=True)


def test_every_answer_says_the_status_of_the_object(jobs):
    """
    Each kind that a verdict can be: as it is in the store, and of a retry as it was the first time.
    """
    met = set()

    def fired(trigger, **options):
        verdict = jobs.fire("a", trigger, **options)
        met.add(type(verdict))
        first = isinstance(verdict, Duplicate)
        assert verdict.status == (verdict.moved.target if first else jobs.get("a").state)
        return verdict.ok

    jobs.create(id="a")
    lease = jobs.claim("worker-1")
    late = {"token": lease.token + 1}
    assert not fired("start")
    assert not fired("succeed", **late)
    assert not fired("succeed", expected_version=1)
    many = jobs.fire_many([Fire("a", "succeed", **late)] * 2)
    assert [(Stale, "running")] * 2 == [(type(each), each.status) for each in many]
    assert fired("retry_later", token=lease.token, key="k")
    assert fired("start")
    assert fired("retry_later", key="k")
    assert not fired("succeed", token=lease.token)
    assert fired("fail", error={}, expected_version=jobs.get("a").version)
    assert not fired("succeed", expected_version=1)
    assert not fired("succeed", **late)
    assert set(get_args(Verdict)) == met
    assert jobs.heartbeat(lease).status is None


def test_many_are_fired_in_order(jobs):
    """
    Reopening and outcomes among them.
    """
    for name in "ab":
        jobs.create(id=name)
    verdicts = jobs.fire_many(
        [
            Fire("a", "start"), Fire("b", "start"),
            Fire("a", "succeed", expected_version=2), Fire("b", "succeed", expected_version=1),
            Fire("a", "retry"), Fire("b", "retry"),
        ]
    )  # fmt: skip

    assert [Applied, Applied, Applied, Stale, Applied, Illegal] == [*map(type, verdicts)]
    assert ("queued", "running") == (jobs.get("a").state, jobs.get("b").state)


# -- batches, updates, idempotent creation ---------------------------------------------


def test_batches_do_what_single_calls_do(jobs):
    """
    Many are created, claimed and renewed in one statement each; the journal has a line for each.
    """
    made = jobs.create_many(
        [
            {"id": str(n), "queue": "gpu" if n % 2 else "cpu", "n": n, "urgent": True}
            for n in range(6)
        ],
        not_before=1,
    )
    assert [*"012345"] == [job.id for job in made]
    assert [made[0], made[5]] == [jobs.get("0"), jobs.get("5")]
    leases = jobs.claim_many("w", 2, where={"queue": "gpu"})
    assert ["1", "3"] == [lease.id for lease in leases]
    assert [leases[0].run] == [jobs.get("1")]
    rest = jobs.claim_many("w", 100, 50)
    assert ["0", "2", "4", "5"] == sorted(lease.id for lease in rest)
    assert () == jobs.claim_many("w", 5)
    assert jobs.release(rest[0])
    answers = jobs.heartbeat_many([*leases, *rest])
    assert [True, True, False, True, True, True] == [answer.ok for answer in answers]
    assert answers[-1].until > answers[0].until + 10
    (again,) = jobs.claim_many("v", 5)
    assert (rest[0].id, 2) == (again.id, again.attempt)
    kinds = [(line.kind, line.trigger, line.actor) for line in jobs.history(again.id)]
    assert [
        ("move", "create", None), ("move", "start", "w"), ("release", None, "w"),
        ("claim", None, "v"),
    ] == kinds  # fmt: skip
    verdicts = jobs.fire_many(Fire(x.id, "succeed", token=x.token) for x in leases)
    assert all(verdict.ok for verdict in verdicts)
    assert () == jobs.create_many([]) == jobs.heartbeat_many([])
    with pytest.raises(StoreArgumentError, match="limit: expected a positive"):
        jobs.claim_many("w", 0)


def test_a_batch_is_created_whole_or_not_at_all(jobs):
    """
    An id that is taken, or that is in it twice, takes all back.
    """
    jobs.create(id="b")
    for ids in ("ab", "cc"):
        with pytest.raises(RunExistsError, match=r"has a job '[bc]' already"):
            jobs.create_many({"id": each} for each in ids)
    with pytest.raises(LifecycleFieldError):
        jobs.create_many([{"id": "a"}, {"id": "d", "version": 1}])

    assert ["b"] == [job.id for job in jobs.list().items]


def test_a_key_creates_one_object(jobs):
    """
    However often it is sent; other fields under it are another request.
    """
    first = jobs.create({"n": 1}, queue="gpu", key="submit-17")
    jobs.fire(first.id, "start")
    again = jobs.create({"n": 1}, queue="gpu", key="submit-17")

    assert (first.id, "running") == (again.id, again.state)
    assert 1 == len(jobs.list().items)
    with pytest.raises(StoreArgumentError, match="key: expected the same fields"):
        jobs.create({"n": 2}, queue="gpu", key="submit-17")
    named = jobs.create(id="a", key="k")
    assert named == jobs.create(id="a", key="k")
    with pytest.raises(RunExistsError):
        jobs.create(id="a", key="other")
    with pytest.raises(RunExistsError):
        jobs.create(id="a")


def test_fields_that_the_lifecycle_does_not_own_are_replaced(jobs):
    """
    And no others; the object is not moved.
    """
    jobs.create({"n": 1, "m": {"a": 1}}, id="a", queue="gpu")
    before = jobs.history("a")
    job = jobs.update("a", {"n": 2}, queue="cpu", more=[None])

    assert (2, {"a": 1}, "cpu", [None], 1) == (job.n, job.m, job.queue, job.more, job.version)
    assert job == jobs.get("a") == jobs.update("a") == jobs.update("a", n=2)
    assert before == jobs.history("a")
    assert ["a"] == [each.id for each in jobs.list(queue="cpu").items]
    for owned in ("state", "id", "made_at", "error", "attempt", "version"):
        with pytest.raises(LifecycleFieldError, match=owned):
            jobs.update("a", {owned: 1})
    with pytest.raises(RunNotFoundError):
        jobs.update("b", n=1)


def test_updates_of_models_are_checked(database_url):
    """
    By the model, and its defaults are filled in.
    """
    with opened(database_url, model=Model, columns={"queue": str}) as store:
        store.create(id="a", prompt="p")
        assert ("q", "p") == (store.update("a", queue="q").queue, store.get("a").prompt)
        with pytest.raises(ValueError, match="prompt"):
            store.update("a", prompt=[])
        with pytest.raises(TypeError, match="promt"):
            store.update("a", promt="p")


def test_runs_are_updated_too(database_url):
    """
    All but what identifies them, and what the lifecycle owns.
    """
    with RunStore.open(database_url) as store:
        run = store.create(metadata={"a": "b"}, key="once", thread_id="t")
        after = store.update(run.id, metadata={"c": "d"})
        assert ({"c": "d"}, "t") == (after.metadata, after.thread_id)
        assert (
            after
            == store.get(run.id)
            == store.create(metadata={"a": "b"}, key="once", thread_id="t")
        )
        for name in ("status", "thread_id", "id", "expires_at"):
            with pytest.raises(LifecycleFieldError, match=name):
                store.update(run.id, {name: "x"})
        with pytest.raises(TypeError, match="metdata"):
            store.update(run.id, metdata={})
        many = store.create_many([{"thread_id": "u"}, {}], expires_after=5)
        assert [5, 5] == [each.expires_at - each.created_at for each in many]
        assert [many[0].id] == [each.id for each in store.list(thread_id="u").items]
        assert 3 == len(store.claim_many("w", 10))
        with pytest.raises(StoreArgumentError, match="not_before: expected None in a RunStore"):
            store.create(not_before=5)


def test_an_update_loses_no_other_update(database_url):
    """
    Each writer changes a field of its own at the same time; all are there at the end.
    """
    with opened(database_url) as store:
        store.create(id="a")
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda n: store.update("a", {f"n{n}": n}), range(16)):
                pass

        assert set(range(16)) == {store.get("a")[f"n{n}"] for n in range(16)}


# -- reopening -------------------------------------------------------------------


def test_reopening_begins_the_next_attempt(jobs):
    """
    It raises attempt and token, ends the lease, and clears what its row says.
    """
    name, lease = ended(jobs)
    assert jobs.get(name).error == {"code": "x"}
    reopened = jobs.fire(name, "retry", actor="alice")
    job = jobs.get(name)

    assert ("failed", "queued", "retry") == (
        reopened.moved.source, reopened.moved.target, reopened.moved.trigger,
    )  # fmt: skip
    assert (2, None, None, "queued") == (job.attempt, job.error, job.ended_at, job.state)
    assert job["startedAt"] is not None
    again = jobs.claim("v")
    assert (name, 1, 1, 2) == (again.id, again.attempt, again.claims, again.run.attempt)
    assert again.token > lease.token + 1
    assert Illegal is type(jobs.fire(name, "retry"))
    assert Stale(lease.token) == jobs.heartbeat(lease)
    assert not jobs.release(lease)
    assert {"running": 1} == {status: n for status, n in jobs.counts().items() if n}
    assert [1, 2, 3, 4, 5] == [line.seq for line in jobs.history(name)]


def test_a_late_writer_of_an_earlier_attempt_is_refused(jobs):
    """
    With its token, without one, at its version, and by key; before and after the next end.
    """
    name, lease = ended(jobs)
    jobs.fire(name, "retry")
    for _ in range(2):
        assert Stale(lease.token) == jobs.fire(name, "succeed", token=lease.token)
        assert Stale(lease.token) == jobs.fire(name, "succeed", token=lease.token, key="k")
        with pytest.raises(StoreArgumentError, match="token: expected the token of a lease, or"):
            jobs.fire(name, "succeed")
        late = jobs.fire(name, "succeed", expected_version=2)
        assert isinstance(late, Stale | Superseded)
        jobs.fire_many([Fire(name, "succeed", token=lease.token)] * 2)
        job = jobs.get(name)
        if job.state == "queued":
            now = jobs.claim("v")
            jobs.fire(name, "fail", token=now.token, error={"code": "y"})

    assert {"code": "y"} == jobs.get(name).error


def test_a_key_belongs_to_one_attempt(jobs):
    """
    The next attempt may use it again, and a retry of the reopening does not reopen twice.
    """
    name, _ = ended(jobs)
    first = jobs.fire(name, "retry", key="again")
    assert Duplicate(first.moved) == jobs.fire(name, "retry", key="again")
    jobs.fire(name, "start", key="go")
    done = jobs.fire(name, "succeed", key="end", expected_version=jobs.get(name).version)
    assert Duplicate(first.moved) == jobs.fire(name, "retry", key="again")
    assert Duplicate is type(jobs.fire(name, "succeed", key="end", expected_version=1))
    assert "done" == jobs.get(name).state
    assert jobs.fire(name, "retry", key="third").ok
    assert jobs.fire(name, "start", key="go").ok
    version = jobs.get(name).version
    assert Applied is type(jobs.fire(name, "succeed", key="end", expected_version=version))
    assert ["again", "go", "end", "third", "go", "end"] == [
        line.key for line in jobs.history(name) if line.key
    ]
    assert done.ok


def test_the_guard_refuses_who_reopens_without_a_new_attempt(database_url):
    """
    Raw SQL leaves an end only if it raises the attempt; the store goes on.
    """
    with opened(database_url) as store:
        name, _ = ended(store)
        dialect = store.engine.dialect.name
        dialect = "mariadb" if dialect == "mysql" else dialect
        guard = TableGuard(JOB, dialect, table="job_runs", attempt="reopened")
        with store.engine.begin() as connection:
            for statement in guard.statements:
                connection.exec_driver_sql(statement)
        for change in ("status = 'queued'", "status = 'done'"):
            with pytest.raises(sa.exc.DBAPIError), store.engine.begin() as connection:
                connection.exec_driver_sql(f"UPDATE job_runs SET {change}")  # noqa: S608

        assert store.fire(name, "retry").ok
        assert store.claim("w").run.attempt == 2


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["claim", "late", "end", "retry", "later", "sweep"]), max_size=25))
def test_no_lease_outlives_its_attempt(tmp_path_factory, steps):
    """
    Whatever happened: of all leases, only the last may write, and only while its attempt lasts.
    """
    url = f"sqlite:///{tmp_path_factory.mktemp('law')}/jobs.db"
    with opened(url) as store:
        store.create(id="a")
        leases, held = [], None
        for step in steps:
            state = store.get("a").state
            if step == "claim":
                lease = store.claim("w")
                assert (lease is not None) == (state in {"queued", "retrying"})
                if lease:
                    leases.append(lease)
                    held = lease
            elif step == "late":
                for lease in leases:
                    if lease is not held:
                        late = store.fire("a", "succeed", token=lease.token)
                        assert isinstance(late, Stale | Superseded)
            elif step == "end" and held:
                assert store.fire("a", "succeed", token=held.token).ok
                held = None
            elif step == "later" and held:
                assert store.fire("a", "retry_later", token=held.token).ok
                held = None
            elif step == "retry":
                assert (state == "done") == store.fire("a", "retry").ok
            else:
                store.sweep()
        lines = store.history("a")
        assert [*range(1, len(lines) + 1)] == [line.seq for line in lines]
        assert store.get("a").attempt == 1 + sum(line.trigger == "retry" for line in lines)
        assert store.get("a").state == lines[-1].target


# -- conditions, beginnings, machines without an end ---------------------------------

PAGER = Lifecycle(
    "pager",
    [
        Transition("next", "reading", "reading", when="has_more"),
        Transition("next", "reading", "closed", unless="has_more"),
    ],
    "reading",
    {"closed": "success"},
)


def test_conditions_choose_the_row(database_url):
    """
    The first whose conditions hold; where none does, the answer says so.
    """
    conditions = {"has_more": lambda pager: pager.version < 3}
    with opened(database_url, PAGER, conditions=conditions) as store:
        store.create(id="a")
        assert ["reading", "reading", "closed"] == [
            store.fire("a", "next").moved.target for _ in range(3)
        ]
    only = Lifecycle("once", [Transition("go", "a", "b", when="may")], "a", {"b": "success"})
    with opened(database_url, only, conditions={"may": lambda _: False}) as store:
        store.create(id="x")
        assert Illegal("a", ("go",), "create", "no condition held") == store.fire("x", "go")
    for wrong in ({}, {"has_more": bool, "other": bool}):
        with pytest.raises(LifecycleError, match="condition"):
            Store.open(database_url, PAGER, conditions=wrong)


def test_an_object_begins_in_any_initial_status(jobs):
    """
    With what entering that status sets.
    """
    job = jobs.create(status="running")
    assert ("running", job.made_at) == (job.state, job["startedAt"])
    assert "running" == jobs.history(job.id)[0].target
    assert jobs.fire(job.id, "succeed", expected_version=1).ok
    assert 2 == sum(1 for _ in jobs.moves().items)


DOOR = Lifecycle(
    "door",
    [Transition("open", "closed", "opened"), Transition("close", "opened", "closed")],
    "closed",
)


def test_a_machine_without_an_end_goes_on(database_url):
    """
    It has no outcome, and nothing to claim unless a trigger is named for it.
    """
    with opened(database_url, DOOR) as store:
        store.create(id="a")
        for _ in range(3):
            assert store.fire("a", "open").ok
            assert store.fire("a", "close").ok
        assert 7 == store.get("a").version
        assert () == store.sweep()
        with pytest.raises(StoreArgumentError, match="claim: expected a lifecycle with a trigger"):
            store.claim("w")
    with opened(database_url, DOOR, claim="open") as store:
        lease = store.claim("w")
        assert (lease.run.status, None) == ("opened", store.claim("v"))
        assert store.fire("a", "close", token=lease.token).ok


# -- tables ----------------------------------------------------------------------


def test_stores_of_several_lifecycles_share_a_database(database_url):
    """
    Each under the name of its lifecycle, runs among them.
    """
    with (
        opened(database_url) as one,
        opened(database_url, DOOR) as two,
        RunStore.open(database_url) as runs,
    ):
        for store in (one, two, runs):
            store.create(id="a")
        assert [1, 1, 1] == [len(store.moves().items) for store in (one, two, runs)]
        names = sa.inspect(one.engine).get_table_names()
    assert {"job_runs", "door_runs", "runstate_runs"} <= set(names)
    changed = JOB.without(triggers=["retry_later"], statuses=["retrying"])
    with pytest.raises(LifecycleMismatchError, match="lifecycle 'job'"):
        Store.open(database_url, changed)


def test_field_names_that_no_column_can_have_are_kept(database_url):
    """
    In the object they are as the lifecycle says.
    """
    odd = Lifecycle(
        "odd; --", [Transition("end", "a", "b")], "a", {"b": "success"},
        entries=[Entry("b", stamps=("moved_at", "end.Time%", "x" * 90), requires=("version 2",))],
    )  # fmt: skip
    with opened(database_url, odd) as store:
        store.create(id="a")
        assert store.fire("a", "end", **{"version 2": {"%s": ":x"}}).ok
        job = store.get("a")

        assert {"%s": ":x"} == job["version 2"]
        assert None not in {job["moved_at"], job["end.Time%"], job["x" * 90]}


def test_the_source_of_both_stores_says_so():
    """
    Who opens the generated file learns where to change it.
    """
    text = Path(make_async_store.TARGET).read_text(encoding="utf-8")

    assert re.search("do not edit", text[:200])


@pytest.mark.parametrize(
    ("queue", "trigger"),
    [
        ("bullmq-job", "fetch"),
        ("oban-job", "fetch"),
        ("river-job", "fetch"),
        ("sidekiq-job", "start"),
    ],
)
def test_a_new_job_of_a_queue_is_claimed_as_its_workers_take_it(queue, trigger):
    """
    Whatever other rows lead to where a worker has it.
    """
    with Store.open("sqlite://", PRESETS[queue]) as store:
        store.create()
        lease = store.claim("worker-1")

        assert lease is not None
        assert trigger == store.history(lease.id)[-1].trigger
