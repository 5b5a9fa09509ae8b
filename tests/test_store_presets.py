"""
Every lifecycle that the package knows opens a store, which passes the conformance kit.
"""

import os
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory

import pytest

from databases import fresh_database
from mariadb_server import fresh_schema
from runstate import RUN
from runstate.presets import PRESETS
from runstate.store import Stale, Store, StoreArgumentError
from runstate.testing import CAPABILITIES, CHECKS, conformance
from stores_under_test import CLOCK, Subject, make_clock

pytestmark = pytest.mark.slow

LONG = os.environ.get("RUNSTATE_LONG") == "1"

LIMIT = 300.0


def limits_of(lifecycle):
    """
    Return a deadline for every status that a trigger ends without a payload.
    """
    return {
        row.source: (LIMIT, row.trigger)
        for row in reversed(lifecycle.transitions)
        if lifecycle.is_terminal(row.target)
        and lifecycle.row(row.trigger, row.source) is not None
        and not lifecycle.entry(row.target).requires
    }


def payloads_of(lifecycle):
    """
    Return what each trigger needs.
    """
    return {
        row.trigger: {name: {"why": "x"} for name in lifecycle.entry(row.target).requires}
        for row in lifecycle
    }


class AnySubject(Subject):
    """
    A Store of any lifecycle under test.
    """

    lifecycle = RUN

    def open(self, url, **options):
        """
        Open the store.
        """
        deadlines = limits_of(self.lifecycle)
        self.store = self._stack.enter_context(
            Store.open(
                url, self.lifecycle, deadlines=deadlines, clock=CLOCK, durable=False, **options
            )
        )
        self.limits = {status: seconds for status, (seconds, _) in deadlines.items()}
        self.engine = self.store.engine

    def create(self, **options):
        """See the protocol."""
        return self.call("create", **options)[self.lifecycle.id_field]

    def fire(self, run_id, trigger, **payload):
        """
        Fire, with the version that was seen where ended objects can be reopened.
        """
        if not self.lifecycle.reopenings or "token" in payload:
            return self.call("fire", run_id, trigger, **payload)
        while True:
            version = self.call("get", run_id)["version"]
            answer = self.call("fire", run_id, trigger, expected_version=version, **payload)
            if not isinstance(answer, Stale):
                return answer

    def status(self, run_id):
        """See the protocol."""
        return self.call("get", run_id)[self.lifecycle.status_field]

    def fields(self, run_id):
        """See the protocol."""
        return {k: v for k, v in self.call("get", run_id).items() if k != "version"}

    def claim(self, worker, seconds):
        """See the protocol."""
        lease = self.call("claim", worker, seconds)

        return None if lease is None else TakenOf(lease)

    @contextmanager
    def transaction(self):
        """See the protocol."""
        with self.store.engine.begin() as connection:
            yield AnyWithin(self, connection)


class AnyWithin(AnySubject):
    """
    The same, in a transaction of the caller's.
    """

    def __init__(self, outer, connection):
        self.store, self.lifecycle = outer.store, outer.lifecycle
        self._own = {"connection": connection}


class TakenOf:
    """
    A lease, with the id of its object where the suite looks for it.
    """

    def __init__(self, lease):
        self.run_id, self.token, self.lease = lease.id, lease.token, lease


def is_claimed_when_new(lifecycle):
    """
    Return whether a worker can claim what was just created.
    """
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/new.db"
        with Store.open(url, lifecycle, durable=False) as store:
            store.create()
            try:
                return store.claim("worker") is not None
            except StoreArgumentError:
                return False


def checked(lifecycle, database, only=None):
    """
    Return what the conformance kit says of a store of *lifecycle*.
    """
    # The kit claims what it has just created.
    missing = set() if is_claimed_when_new(lifecycle) else {"leases"}
    missing |= set() if limits_of(lifecycle) else {"sweep"}
    kind = type(
        "Of", (AnySubject,),
        {"lifecycle": lifecycle, "capabilities": frozenset(CAPABILITIES) - missing},
    )  # fmt: skip

    @contextmanager
    def make():
        with database() as url, ExitStack() as stack:
            make_clock(url)
            yield kind(url, stack)

    return conformance(make, lifecycle=lifecycle, payloads=payloads_of(lifecycle), only=only)


WHOLE = ("oban-job", "celery", "a2a-task", "openai-batch")
"""
The presets that pass all checks in the suite; the others pass those that their table decides, and
in the long form all as well.
"""

BY_TABLE = (
    "new_run_is_initial",
    "every_row_is_a_move",
    "every_other_trigger_is_refused",
    "stamps_and_details_are_as_the_table_says",
    "stamps_are_the_times_of_the_moves",
    "payload_is_required",
    "journal_records_every_transition",
    "refusal_names_the_status",
    "refusal_names_the_winner",
    "ended_runs_stay_as_they_are",
    "cancel_never_sticks",
    "cancel_and_outcome_may_come_in_either_order",
)

SLOW = (
    "between",
    "at_once",
    "sweep",
    "stale",
    "lease",
    "holder",
    "interrupted",
    "heartbeat",
    "claim",
)
QUICK = [name for name in CHECKS if not any(word in name for word in SLOW)]
"""The checks that need no rival."""


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_passes_the_conformance_kit_on_sqlite(name, tmp_path):
    """
    Whatever its statuses, stamps and ends are.
    """
    numbers = iter(range(1_000))
    whole = LONG or name in WHOLE

    @contextmanager
    def database():
        yield f"sqlite:///{tmp_path}/{next(numbers)}.db"

    result = checked(PRESETS[name], database, None if whole else BY_TABLE)

    assert result.ok, str(result)
    assert len(result.passed) >= (37 if name in WHOLE else 5), str(result)


@pytest.mark.parametrize("name", ["oban-job"])
def test_presets_pass_the_conformance_kit_on_postgresql(name, postgresql_url):
    """
    All checks that the lifecycle has a place for.
    """
    result = checked(PRESETS[name], lambda: fresh_database(postgresql_url))

    assert result.ok, str(result)
    assert len(result.passed) >= 45, str(result)


@pytest.mark.parametrize("name", PRESETS if LONG else ["oban-job"])
def test_presets_pass_the_conformance_kit_on_mariadb(name, mariadb_url):
    """
    One passes some of the checks; in the long form, every preset passes all of them.
    """
    result = checked(
        PRESETS[name], lambda: fresh_schema(mariadb_url), None if LONG else BY_TABLE[:4]
    )

    assert result.ok, str(result)
    assert len(result.passed) >= (30 if LONG else 4), str(result)
