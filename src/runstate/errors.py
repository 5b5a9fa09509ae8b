"""
What can go wrong, as types that carry their facts.

::

    RunstateError
    ├── LifecycleError              the table itself is wrong; every fault at once
    ├── StatusMapError              a map from one table to another is wrong; every fault at once
    ├── DefinitionError             a lifecycle file cannot be read; names the place
    ├── LifecycleFieldError         only a move may change this field
    ├── MissingExtraError           a library is not installed; names the extra that brings it
    ├── WrongObjectError            an engine got an object that it cannot move
    └── MoveRefusedError            base of the four below: nothing has moved
        ├── IllegalTransitionError  the table has no such row from here
        ├── UnknownTriggerError     the table knows no such trigger at all
        ├── GuardRefusedError       a guard said no, and why
        └── PayloadError            what came with the trigger does not fit it

Misuse by the caller raises one of these. Bad data that comes from elsewhere is
never raised: it is yielded as a :class:`runstate.Finding`.

This module imports only the ground floor of the package, so that every room may raise.
"""

from collections.abc import Iterable
from typing import Any

from ._text import printable

__all__ = [
    "DefinitionError",
    "GuardRefusedError",
    "IllegalTransitionError",
    "LifecycleError",
    "LifecycleFieldError",
    "MissingExtraError",
    "MoveRefusedError",
    "PayloadError",
    "RunstateError",
    "StatusMapError",
    "UnknownTriggerError",
    "WrongObjectError",
]


class RunstateError(Exception):
    """
    Base of everything this package raises.

    The message is derived from the arguments, which are kept as attributes, so
    an error pickles with its facts.

    Example:
        >>> from runstate import RunEngine, RunResponse
        >>> run = RunResponse(id="run_1", created_at=1_700_000_000, status="completed")
        >>> try:
        ...     RunEngine().fire(run, "start")
        ... except RunstateError as error:
        ...     print(type(error).__name__, error)
        IllegalTransitionError run 'run_1' is completed: cannot start (allowed: nothing, completed is terminal)
    """

    def __str__(self) -> str:
        return self._message()

    def _message(self) -> str:
        return super().__str__()


class LifecycleError(RunstateError, ValueError):
    """
    Raised when a lifecycle table contradicts itself.

    Carries every fault found, not only the first.

    Example:
        >>> from runstate import Lifecycle, Transition
        >>> try:
        ...     Lifecycle("job", [Transition("start", "waiting", "runing")], "waiting", {"done": "success"})
        ... except LifecycleError as error:
        ...     for fault in error.faults:
        ...         print(fault)
        status 'waiting' is a trap: no terminal status is reachable from it
        status 'runing' is a trap: no terminal status is reachable from it
        status 'done' is unreachable from 'waiting'
    """

    def __init__(self, lifecycle: str, faults: Iterable[str]) -> None:
        self.lifecycle = lifecycle
        """Name of the lifecycle."""
        self.faults: tuple[str, ...] = tuple(faults)
        """One sentence a fault, in the order of the table."""
        super().__init__(lifecycle, self.faults)

    def _message(self) -> str:
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"

        return printable(
            f"lifecycle '{self.lifecycle}' has {count}: {'; '.join(self.faults)}", 5_000
        )


class StatusMapError(RunstateError, ValueError):
    """
    Raised when a map of statuses is wrong, or does not declare what it loses.

    Carries every fault found, not only the first.

    Example:
        >>> from runstate import RUN
        >>> from runstate.mapping import Becomes, StatusMap
        >>> from runstate.presets import PRESETS
        >>> rows = [Becomes(status, "queued") for status in RUN.statuses if status != "expired"]
        >>> try:
        ...     StatusMap("mine", RUN, PRESETS["openai-response"], rows)
        ... except StatusMapError as error:
        ...     print(len(error.faults), "faults, the first:", error.faults[0])
        6 faults, the first: status 'expired' of run has no row
    """

    def __init__(self, name: str, faults: Iterable[str]) -> None:
        self.name = name
        """Name of the map."""
        self.faults: tuple[str, ...] = tuple(faults)
        """One sentence a fault."""
        super().__init__(name, self.faults)

    def _message(self) -> str:
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"

        return printable(f"map '{self.name}' has {count}: {'; '.join(self.faults)}", 5_000)


class MissingExtraError(RunstateError, ImportError):
    """
    Raised when a feature needs a library that is not installed.

    Example:
        >>> error = MissingExtraError("runstate.store", "SQLAlchemy", "store")
        >>> print(error)
        runstate.store needs SQLAlchemy: pip install 'runstate[store]'
        >>> isinstance(error, ImportError), error.extra
        (True, 'store')
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        self.feature = feature
        """What cannot be used without the library."""
        self.package = package
        """The package that is not installed."""
        self.extra = extra
        """The extra of this package that installs it."""
        super().__init__(feature, package, extra)

    def _message(self) -> str:
        return f"{self.feature} needs {self.package}: pip install 'runstate[{self.extra}]'"


class DefinitionError(RunstateError, ValueError):
    """
    Raised when a lifecycle definition cannot be read.

    Example:
        >>> from runstate import load_lifecycle
        >>> try:
        ...     load_lifecycle("job.yaml")
        ... except DefinitionError as error:
        ...     print(error)
        ...     print(error.reason)
        job.yaml: a lifecycle file ends in .toml or .json
        a lifecycle file ends in .toml or .json
    """

    def __init__(self, origin: str, place: str, reason: str) -> None:
        self.origin = origin
        """File the definition came from, or ``<definition>``."""
        self.place = place
        """Where in it: ``line 3``, ``transitions[2].source``; empty for the whole."""
        self.reason = reason
        """What is wrong there, and what would have worked."""
        super().__init__(origin, place, reason)

    def _message(self) -> str:
        return printable(": ".join(p for p in (self.origin, self.place, self.reason) if p), 5_000)


class LifecycleFieldError(RunstateError, AttributeError):
    """
    Raised when something other than a move changes a field that the lifecycle owns.
    """

    def __init__(self, model: str, field: str) -> None:
        self.model = model
        """Name of the model's class."""
        self.field = field
        """Name of the field that was to be changed."""
        super().__init__(model, field)

    def _message(self) -> str:
        return (
            f"{self.model}.{self.field} belongs to the lifecycle: "
            "fire a trigger on an engine instead of assigning it"
        )


class WrongObjectError(RunstateError, TypeError):
    """
    Raised when an engine is handed something that it cannot move, or no lifecycle where one is needed.

    Example:
        >>> from runstate import RunEngine
        >>> try:
        ...     RunEngine().fire({"status": "queued"}, "start")
        ... except WrongObjectError as error:
        ...     print(error)
        expected a RunResponse, got dict
    """

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        """What was needed, such as ``a RunResponse`` or ``a Lifecycle``."""
        self.found = found
        """What it was handed, by its type; and what that lacks."""
        super().__init__(expected, found)

    def _message(self) -> str:
        return printable(f"expected {self.expected}, got {self.found}", 500)


class MoveRefusedError(RunstateError):
    """
    Base of the errors that say that a run was not moved. It is unchanged.

    Example:
        >>> from runstate import RunEngine, RunResponse
        >>> run = RunResponse(id="run_1", created_at=1_700_000_000, status="queued")
        >>> for trigger in ("complete", "complte", "fail"):
        ...     try:
        ...         RunEngine().fire(run, trigger)
        ...     except MoveRefusedError as refused:
        ...         print(type(refused).__name__, refused.status, refused.allowed)
        IllegalTransitionError queued ('start', 'request_cancel', 'fail', 'expire')
        UnknownTriggerError queued ('start', 'request_cancel', 'fail', 'expire')
        PayloadError queued ('start', 'request_cancel', 'fail', 'expire')
        >>> run.status.value
        'queued'
    """

    noun = "run"
    """What the message calls the object; a store and ``apply_move`` call it by the name of its lifecycle."""

    def __init__(
        self,
        run_id: str | None,
        status: str,
        trigger: str,
        target: str | None,
        allowed: Iterable[str],
    ) -> None:
        self.run_id = run_id
        """Id of the run; None if the object has none."""
        self.status = status
        """Status the run has, and keeps."""
        self.trigger = trigger
        """Trigger that was fired."""
        self.target = target
        """Status it would have led to; None where the table names no single one."""
        self.allowed: tuple[str, ...] = tuple(allowed)
        """Triggers that the table allows from *status*, in its order."""
        super().__init__(run_id, status, trigger, target, self.allowed)

    def _where(self) -> str:
        noun = printable(self.noun)
        who = noun if self.run_id is None else f"{noun} '{printable(self.run_id)}'"

        return f"{who} is {printable(self.status)}"


class IllegalTransitionError(MoveRefusedError):
    """
    Raised when the table has no row for this trigger from the run's status.

    Also what the loser of a race gets: *status* is then the status that beat it,
    and *beaten_by* the trigger that led there.
    """

    def __init__(
        self,
        run_id: str | None,
        status: str,
        trigger: str,
        target: str | None,
        allowed: Iterable[str],
        beaten_by: str | None = None,
        known_status: bool = True,
        reason: str = "",
    ) -> None:
        super().__init__(run_id, status, trigger, target, allowed)
        self.beaten_by = beaten_by
        """Trigger of the run's last move; None if it has not moved in this process."""
        self.known_status = known_status
        """Whether the table has *status* at all."""
        self.reason = reason
        """Why none of the rows fired, such as ``no condition held``; empty if the table has no row."""
        self.args: tuple[Any, ...] = (*self.args, beaten_by, known_status, reason)

    def _message(self) -> str:
        if self.reason:
            return f"{self._where()}: cannot {self.trigger}: {self.reason}"
        what = "terminal" if self.known_status else "no status of the lifecycle"
        allowed = ", ".join(self.allowed) or f"nothing, {printable(self.status)} is {what}"

        return f"{self._where()}: cannot {self.trigger} (allowed: {allowed})"


class UnknownTriggerError(MoveRefusedError):
    """
    Raised when no row of the table has this trigger.

    Example:
        >>> from runstate import RunEngine, RunResponse
        >>> run = RunResponse(id="run_1", created_at=1_700_000_000, status="in_progress")
        >>> try:
        ...     RunEngine().fire(run, "complte")
        ... except UnknownTriggerError as error:
        ...     print(error)
        run 'run_1' is in_progress: no trigger 'complte' (did you mean 'complete'?)
    """

    def __init__(
        self,
        run_id: str | None,
        status: str,
        trigger: str,
        known: Iterable[str],
        allowed: Iterable[str],
    ) -> None:
        super().__init__(run_id, status, trigger, None, allowed)
        self.known: tuple[str, ...] = tuple(known)
        """Every trigger of the lifecycle."""
        self.args: tuple[Any, ...] = (run_id, status, trigger, self.known, self.allowed)

    def _message(self) -> str:
        # The caller may have fired anything at all, an Enum's member for one.
        trigger = str(self.trigger)
        from difflib import get_close_matches  # noqa: PLC0415  for a mistake's sake alone

        close = get_close_matches(trigger, self.known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(self.known)}"

        return f"{self._where()}: no trigger '{printable(trigger)}' ({hint})"


class GuardRefusedError(MoveRefusedError):
    """
    Raised when the table allows a move and a guard does not.
    """

    def __init__(
        self,
        run_id: str | None,
        status: str,
        trigger: str,
        target: str | None,
        allowed: Iterable[str],
        reason: str = "",
    ) -> None:
        super().__init__(run_id, status, trigger, target, allowed)
        self.reason = reason
        """What the guard answered; empty if it only said no."""
        self.args: tuple[Any, ...] = (*self.args, reason)

    def _message(self) -> str:
        why = f": {printable(self.reason)}" if self.reason else ""

        return f"{self._where()}: a guard refused {self.trigger}{why}"


class PayloadError(MoveRefusedError):
    """
    Raised when what came with a trigger is missing, unexpected or malformed.

    Example:
        >>> from runstate import RunEngine, RunResponse
        >>> run = RunResponse(id="run_1", created_at=1_700_000_000, status="in_progress")
        >>> try:
        ...     RunEngine().fire(run, "fail")
        ... except PayloadError as error:
        ...     print(error)
        ...     print(error.reason)
        run 'run_1' is in_progress: cannot fail: 'last_error' is required
        'last_error' is required
    """

    def __init__(
        self,
        run_id: str | None,
        status: str,
        trigger: str,
        target: str | None,
        allowed: Iterable[str],
        reason: str = "",
    ) -> None:
        super().__init__(run_id, status, trigger, target, allowed)
        self.reason = reason
        """What is wrong with the payload, and what would have worked."""
        self.args: tuple[Any, ...] = (*self.args, reason)

    def _message(self) -> str:
        return f"{self._where()}: cannot {self.trigger}: {printable(self.reason, 500)}"
