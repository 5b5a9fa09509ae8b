"""
What a store must offer to be checked, and what more it may offer.

All of it is structural: nothing here is to be inherited, and what a store of this
package answers fits as it is.
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
        "payloads": "a payload that lacks what the status requires raises",
        "keys": "fire() takes an idempotency key",
        "blame": "an answer that refuses says by which trigger the run came where it is",
        "history": "history() returns the journal of a run",
        "late": "an outcome after the end is kept in the journal, under the kind 'late'",
        "moves": "moves() is a feed of all moves with a cursor",
        "leases": "claim(), heartbeat() and release(), and fire() takes a token",
        "sweep": "sweep() ends what is longer in a status than limits say",
        "twin": "twin() returns a second connection to the same data",
        "advance": "advance() moves the clock of the data, which stands still otherwise",
        "statements": "statements() calls a hook before every statement of the store",
        "transaction": "transaction() yields the store within a transaction of the caller's",
        "on_move": "on_move() registers what is told of moves that were made",
    }
)
"""What a store may be able to do beyond ``create``, ``fire`` and ``status``, by name."""


class Answer(Protocol):
    """
    What became of a trigger.

    A refusal also has ``status``, the one that the run has, and with the capability
    ``blame`` ``by``, the trigger that led there.
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
        """The run that it is about."""
        ...

    @property
    def kind(self) -> str:
        """``move``; ``late``; or anything else for what is not checked."""
        ...

    @property
    def seq(self) -> int | None:
        """Number of the move within its run, the creation being 1."""
        ...

    @property
    def trigger(self) -> str | None:
        """What caused it; ``create`` for the creation."""
        ...

    @property
    def source(self) -> str | None:
        """The status before; None at creation."""
        ...

    @property
    def target(self) -> str | None:
        """The status after; None for what moved nothing."""
        ...

    @property
    def at(self) -> float:
        """When, in Unix seconds."""
        ...


class Feed(Protocol):
    """
    Some of the feed.
    """

    @property
    def items(self) -> Sequence[Line]:
        """Moves; empty only where there is none to come yet."""
        ...

    @property
    def cursor(self) -> Any:
        """Where to go on; given back as *after*."""
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
        """To be given with every write; grows with every claim of the run."""
        ...


class Beat(Protocol):
    """
    What a heartbeat is answered; one that is ``ok`` has ``cancel_requested`` too.
    """

    @property
    def ok(self) -> bool:
        """Whether the lease is still held."""
        ...


class Service(Protocol):
    """
    The least that whatever moves runs offers: it is enough to be driven, and to be checked.
    """

    def create(self) -> str:
        """Store a new run, committed, and return its id."""
        ...

    def fire(self, run_id: str, trigger: str, **payload: Any) -> Answer:
        """
        Move a run, committed, or say why not.

        What is no answer but a mistake raises: an unknown run or trigger, or a
        payload that does not fit. *payload* has ``key`` and ``token`` among it only
        where the store is capable of keys or leases.
        """
        ...

    def status(self, run_id: str) -> str:
        """Return the status that is committed; raise if there is no such run."""
        ...


class StoreUnderTest(Service, Protocol):
    """
    A store of runs that says what more it can do.
    """

    @property
    def capabilities(self) -> Collection[str]:
        """What more it offers: names out of :data:`CAPABILITIES`."""
        ...


class WholeStore(StoreUnderTest, Protocol):
    """
    A store that is capable of everything.
    """

    limits: Mapping[str, float]
    """By status, the seconds in it after which a sweep ends the run, unless it has moved on."""

    def fields(self, run_id: str) -> Mapping[str, Any]:
        """Return what the run holds, by the lifecycle's names; stamps in Unix seconds."""
        ...

    def history(self, run_id: str) -> Sequence[Line]:
        """Return the journal of the run, oldest first."""
        ...

    def moves(self, *, after: Any = None, limit: int = 100) -> Feed:
        """Return moves of all runs that were committed since *after*."""
        ...

    def claim(self, worker: str, seconds: float) -> Taken | None:
        """Return a lease on a run that nobody works on; None if there is none."""
        ...

    def heartbeat(self, lease: Any) -> Beat:
        """Renew *lease* for as long as it was claimed for."""
        ...

    def release(self, lease: Any) -> bool:
        """Give *lease* back; False if it was lost already."""
        ...

    def sweep(self) -> Sequence[Any]:
        """End what is overdue, and return the moves: each has a ``run_id``."""
        ...

    def twin(self) -> Self:
        """Return another store on the same data, as another process would open it."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock of the data, back if negative."""
        ...

    def statements(self, hook: Callable[[], None]) -> AbstractContextManager[Any]:
        """Call *hook* before every statement, COMMIT included; what it raises breaks the statement."""
        ...

    def transaction(self) -> AbstractContextManager[Self]:
        """Yield the store within a transaction, committed at the end unless something was raised."""
        ...

    def on_move(self, callback: Callable[[str, str], None]) -> None:
        """Call *callback* with run id and target of every move that was made."""
        ...
