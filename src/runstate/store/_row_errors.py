"""
Errors about one row, or one argument, of a store or of a table of the caller's own.
"""

from .._text import printable, shown_value
from ..errors import RunstateError
from ..runs._verdicts import ConcurrentMoveError, StatusMissingError

__all__ = [
    "ClockError",
    "ConcurrentMoveError",
    "StatusMissingError",
    "StoreArgumentError",
    "UnreadableRunError",
    "wrong_argument",
]


class ClockError(RunstateError, ValueError):
    """
    Raised when the database's clock shows a time that no field of a run can hold.

    Nothing was stored. Until the clock is right, ``claim`` and ``sweep`` find nothing.

    Example:
        >>> print(ClockError(12))
        the database's clock shows 12: expected Unix seconds of the years 2000 to 2099; set the clock of the database's machine
    """

    def __init__(self, now: object) -> None:
        self.now = now
        """What the clock shows, in Unix seconds if it is a number."""
        super().__init__(now)

    def _message(self) -> str:
        return (
            f"the database's clock shows {shown_value(self.now, 60)}: expected Unix seconds "
            "of the years 2000 to 2099; set the clock of the database's machine"
        )


class StoreArgumentError(RunstateError, ValueError):
    """
    Raised when an argument of a store's method has the wrong type, or is out of bounds.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     try:
        ...         store.claim("worker-1", seconds=-1)
        ...     except StoreArgumentError as error:
        ...         print(error)
        ...         print(error.argument)
        seconds: expected a positive number of seconds, up to 30 days, got -1
        seconds
    """

    def __init__(self, argument: str, expected: str, found: str) -> None:
        self.argument = argument
        """Name of the argument."""
        self.expected = expected
        """What it must be, in words."""
        self.found = found
        """What it was, as text."""
        super().__init__(argument, expected, found)

    def _message(self) -> str:
        return f"{self.argument}: expected {self.expected}, got {self.found}"


def wrong_argument(argument: str, expected: str, found: object) -> StoreArgumentError:
    """
    Return the error about *argument*, for any value *found*.
    """
    return StoreArgumentError(argument, expected, shown_value(found))


class UnreadableRunError(RunstateError, ValueError):
    """
    Raised when the row of a run cannot be read back as a run.

    Another program, or another version of this one, wrote the row. It concerns this one
    run: every other run is served as usual.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     with store.engine.begin() as connection:
        ...         _ = connection.exec_driver_sql("UPDATE runstate_runs SET document = '{'")
        ...     try:
        ...         store.get(run.id)
        ...     except UnreadableRunError as error:
        ...         print(error)
        run 'run_1' cannot be read: its JSON is not what the store writes (JSONDecodeError); correct its row, or delete it
    """

    def __init__(self, run_id: str, reason: str, noun: str = "run") -> None:
        self.run_id = run_id
        """Id of the run."""
        self.reason = reason
        """What is wrong with the row."""
        self.noun = noun
        """What an object of the store is called."""
        super().__init__(run_id, reason)

    def _message(self) -> str:
        return (
            f"{printable(self.noun)} '{printable(self.run_id)}' cannot be read: {printable(self.reason, 1_000)}; "
            "correct its row, or delete it"
        )
