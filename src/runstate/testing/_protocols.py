"""
The protocols of a service or store under test.

They are structural: a class under test inherits nothing, and the answers of this
package's own store already fit.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Final, Protocol, Self

__all__ = [
    "CAPABILITIES",
    "Answer",
    "Beat",
    "Feed",
    "Line",
    "Service",
    "StoreUnderTest",
    "Taken",
    "WholeStore",
]

CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fields": "fields() returns the stamps and details of a run",
        "payloads": "fire() raises if the payload lacks what the target status requires",
        "keys": "fire() takes an idempotency key",
        "blame": "a refusal names the trigger that led to the present status",
        "history": "history() returns the journal of a run",
        "late": "an outcome after the end is kept in the journal with kind 'late'",
        "moves": "moves() is a feed of all moves with a cursor",
        "leases": "claim(), heartbeat() and release(), and fire() takes a token",
        "sweep": "sweep() ends runs that exceed the limit of their status",
        "peer": "peer() returns a second connection to the same data",
        "advance": "advance() moves the clock of the data, which otherwise stands still",
        "statements": "statements() calls a hook before every statement of the store",
        "transaction": "transaction() yields the store within the caller's transaction",
        "on_move": "on_move() registers a callback for committed moves",
    }
)
"""What a store may offer beyond ``create``, ``fire`` and ``status``: name and meaning."""


class Answer(Protocol):
    """
    The answer to a trigger.

    A refusal also has ``status``, the present status of the run, and with the capability
    ``blame`` also ``by``, the trigger that led to it.
    """

    @property
    def ok(self) -> bool:
        """Whether the run was moved, now or by the first attempt under this key."""
        ...


class Line(Protocol):
    """
    One line of a journal or of a feed.
    """

    @property
    def run_id(self) -> str:
        """The run of this line."""
        ...

    @property
    def kind(self) -> str:
        """``move`` or ``late``; lines of any other kind are ignored."""
        ...

    @property
    def seq(self) -> int | None:
        """Number of the move within its run; the creation is 1."""
        ...

    @property
    def trigger(self) -> str | None:
        """The trigger; ``create`` for the creation."""
        ...

    @property
    def source(self) -> str | None:
        """The status before; None at creation."""
        ...

    @property
    def target(self) -> str | None:
        """The status after; None if nothing moved."""
        ...

    @property
    def at(self) -> float:
        """The time of the move, in Unix seconds."""
        ...


class Feed(Protocol):
    """
    One page of the feed.
    """

    @property
    def items(self) -> Sequence[Line]:
        """The moves; empty only if there are no further moves yet."""
        ...

    @property
    def cursor(self) -> Any:
        """Where the next page begins; pass it as *after*."""
        ...


class Taken(Protocol):
    """
    A lease.
    """

    @property
    def run_id(self) -> str:
        """The run that was claimed."""
        ...

    @property
    def token(self) -> Any:
        """The fencing token; passed with every write, larger with every claim of the run."""
        ...


class Beat(Protocol):
    """
    The answer to a heartbeat; if ``ok``, it also has ``cancel_requested``.
    """

    @property
    def ok(self) -> bool:
        """Whether the lease is still held."""
        ...


class Service(Protocol):
    """
    The minimum that a service under test offers.
    """

    def create(self) -> str:
        """
        Create a run, commit, and return its id.

        The kit calls ``create(status=...)`` for initial statuses that the default one does
        not lead to.
        """
        ...

    def fire(self, run_id: str, trigger: str, **payload: Any) -> Answer:
        """
        Move a run and commit, or answer with a refusal.

        A mistake of the caller raises: an unknown run, an unknown trigger, or a wrong
        payload.

        Args:
            run_id: The run.
            trigger: A trigger of the table.
            payload: What the trigger needs; contains ``key`` or ``token`` only if the store has
                the capability ``keys`` or ``leases``.
        """
        ...

    def status(self, run_id: str) -> str:
        """Return the committed status of the run *run_id*; raise if it does not exist."""
        ...


class StoreUnderTest(Service, Protocol):
    """
    A store that declares further capabilities.
    """

    @property
    def capabilities(self) -> Collection[str]:
        """Names from :data:`CAPABILITIES`."""
        ...


class WholeStore(StoreUnderTest, Protocol):
    """
    A store with every capability.
    """

    limits: Mapping[str, float]
    """Seconds that a run may stay in a status before a sweep ends it, by status."""

    def fields(self, run_id: str) -> Mapping[str, Any]:
        """Return the fields of the run *run_id* under the lifecycle's names; stamps in Unix seconds."""
        ...

    def history(self, run_id: str) -> Sequence[Line]:
        """Return the journal of the run *run_id*, oldest first."""
        ...

    def moves(self, *, after: Any = None, limit: int = 100) -> Feed:
        """Return the moves of all runs committed after the cursor *after*, at most *limit*."""
        ...

    def claim(self, worker: str, seconds: float) -> Taken | None:
        """Return a lease of *worker* on an unclaimed run for *seconds*; None if there is none."""
        ...

    def heartbeat(self, lease: Any) -> Beat:
        """Renew *lease* for its original duration."""
        ...

    def release(self, lease: Any) -> bool:
        """Release *lease*; return False if it was lost."""
        ...

    def sweep(self) -> Sequence[Any]:
        """End overdue runs and return the moves; each has a ``run_id``."""
        ...

    def peer(self) -> Self:
        """Return a second store on the same data, opened as another process would open it."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock of the data by *seconds*; backwards if negative."""
        ...

    def statements(self, hook: Callable[[], None]) -> AbstractContextManager[Any]:
        """Call *hook* before every statement, COMMIT included; an exception of *hook* fails the statement."""
        ...

    def transaction(self) -> AbstractContextManager[Self]:
        """Yield the store within one transaction: committed at the end, rolled back on an exception."""
        ...

    def on_move(self, callback: Callable[[str, str], None]) -> None:
        """Call *callback* with the run id and the target of every committed move."""
        ...
