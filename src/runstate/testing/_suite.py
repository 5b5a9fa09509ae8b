"""
Run the conformance checks and report their results.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from .._text import printable
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from . import _feed, _journal, _leases, _moves, _races, _sweeps
from ._harness import Broken, Check, Harness, NotApplicable
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
"""The payload of each trigger of :data:`RUN`; a trigger that is absent needs no payload."""


class Failure(NamedTuple):
    """
    A check that the store failed.
    """

    check: str
    """Name of the check."""
    proves: str
    """What the check requires, in one sentence."""
    message: str
    """What the store did instead."""


class Skipped(NamedTuple):
    """
    A check that did not apply.
    """

    check: str
    """Name of the check."""
    why: str
    """Why it did not apply, such as the capabilities that the store lacks."""


class Conformance(NamedTuple):
    """
    The results of the conformance checks.
    """

    passed: tuple[str, ...]
    """Names of the checks."""
    failed: tuple[Failure, ...]
    """The checks that the store failed."""
    skipped: tuple[Skipped, ...]
    """The checks that did not apply."""

    @property
    def ok(self) -> bool:
        """Whether no check failed. Skipped checks prove nothing."""
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
    Run each check against a fresh store and return the results.

    An exception that the store raises counts as a failed check; it does not propagate.

    Args:
        make: Returns a context manager that yields a fresh, empty store; it is entered before
            a check and left after it. A store without ``capabilities`` gets the basic checks.
        only: Names of the checks to run, from :data:`CHECKS`; all by default.
        lifecycle: The table that the store implements.
        payloads: The payload of each trigger, as keyword arguments of ``fire``.

    Raises:
        ValueError: *only* contains an unknown name.
    """
    names = list(CHECKS) if only is None else list(only)
    if unknown := [name for name in names if name not in CHECKS]:
        raise ValueError(f"unknown checks: {', '.join(unknown)}")
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
        # A check calls only the methods of capabilities that the store declares.
        harness = Harness(cast(WholeStore, store), lifecycle, payloads)
        if missing := [need for need in check.needs if not harness.can(need)]:
            raise NotApplicable(f"the store lacks the capabilities: {', '.join(missing)}")
        check.function(harness)


def _short(message: str) -> str:
    return printable(message, 500)
