"""
Running the checks, and saying what came of it.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from .._text import printable
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from . import _feed, _journal, _leases, _moves, _races, _sweeps
from ._harness import Bench, Broken, Check, NotApplicable
from ._protocols import Service, WholeStore

__all__ = ["CHECKS", "PAYLOADS", "Conformance", "Failure", "Skipped", "conformance"]

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        each.name: each
        for module in (_moves, _journal, _feed, _races, _leases, _sweeps)
        for each in vars(module).values()
        if isinstance(each, Check)
    }
)
"""Every check by its name, the simplest first."""

PAYLOADS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "require_action": {
            "required_action": {
                "type": "submit_tool_outputs",
                "submit_tool_outputs": {
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ]
                },
            }
        },
        "submit_tool_outputs": {"outputs": {"call_1": "done"}},
        "fail": {"last_error": {"code": "server_error", "message": "broken"}},
        "stop_incomplete": {"incomplete_details": {"reason": "max_completion_tokens"}},
    }
)
"""What the triggers of :data:`RUN` are fired with; those that are not here need nothing."""


class Failure(NamedTuple):
    """
    Something that a store must do, and does not.
    """

    check: str
    proves: str
    """What the store should have done."""
    message: str
    """What it did."""


class Skipped(NamedTuple):
    """
    Something that could not be checked.
    """

    check: str
    why: str


class Conformance(NamedTuple):
    """
    What came of the checks.
    """

    passed: tuple[str, ...]
    """Names of the checks."""
    failed: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed. What was skipped is not vouched for."""
        return not self.failed

    def __str__(self) -> str:
        counts = f"{len(self.passed)} passed, {len(self.failed)} failed"
        failures = (f"FAILED {f.check}: {f.message}" for f in self.failed)
        skips = (f"skipped {s.check}: {s.why}" for s in self.skipped)

        return "\n".join([*failures, *skips, f"{counts}, {len(self.skipped)} skipped"])


def conformance(
    make: Callable[[], AbstractContextManager[Service]],
    *,
    only: Iterable[str] | None = None,
    lifecycle: Lifecycle = RUN,
    payloads: Mapping[str, Mapping[str, Any]] = PAYLOADS,
) -> Conformance:
    """
    Return what came of running each check against a fresh store. Whatever the store does, nothing is raised.

    Args:
        make: Returns a fresh and empty store to be entered, and left when the check is done.
            One that names no ``capabilities`` is checked for the least.
        only: Names of the checks to run, out of :data:`CHECKS`; all by default.
        lifecycle: The table that the store claims to keep to.
        payloads: What each trigger needs, as keyword arguments of ``fire``.

    Raises:
        ValueError: *only* names something that is no check.
    """
    names = list(CHECKS) if only is None else list(only)
    if unknown := [name for name in names if name not in CHECKS]:
        raise ValueError(f"no check: {', '.join(unknown)}")
    passed: list[str] = []
    failed: list[Failure] = []
    skipped: list[Skipped] = []
    for name in names:
        try:
            _run(CHECKS[name], make, lifecycle, payloads)
        except NotApplicable as reason:
            skipped.append(Skipped(name, str(reason)))
        except Broken as broken:
            failed.append(Failure(name, CHECKS[name].proves, _short(str(broken))))
        except Exception as error:  # noqa: BLE001  a store may raise anything
            message = f"raised {type(error).__name__}: {error}"
            failed.append(Failure(name, CHECKS[name].proves, _short(message)))
        else:
            passed.append(name)

    return Conformance(tuple(passed), tuple(failed), tuple(skipped))


def _run(
    check: Check,
    make: Callable[[], AbstractContextManager[Service]],
    lifecycle: Lifecycle,
    payloads: Mapping[str, Mapping[str, Any]],
) -> None:
    with make() as store:
        # Of what it has not got, nothing is asked.
        bench = Bench(cast(WholeStore, store), lifecycle, payloads)
        if missing := [need for need in check.needs if not bench.can(need)]:
            raise NotApplicable(f"the store is not capable of {', '.join(missing)}")
        check.function(bench)


def _short(message: str) -> str:
    return printable(message, 500)
