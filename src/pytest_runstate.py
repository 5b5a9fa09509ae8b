"""
The pytest plugin of ``runstate``: fixtures for tests of whatever moves runs.

A module of its own beside the package, since pytest loads it in every run of everybody who
has the package installed: it costs them no import of ``runstate`` until a fixture is used.
A fixture of the same name in a test module or ``conftest.py`` comes before the one here.
"""

import sys
from typing import Any

import pytest

__all__ = ["engine", "manual_clock", "moves", "race"]


@pytest.fixture
def manual_clock() -> Any:
    """
    A ``ManualClock``, which stands still until the test moves it.
    """
    from runstate.testing import ManualClock  # noqa: PLC0415

    return ManualClock()


@pytest.fixture
def moves() -> list[Any]:
    """
    What ``engine`` has moved, as a list of ``Moved``, oldest first.
    """
    return []


@pytest.fixture
def engine(manual_clock: Any, moves: list[Any]) -> Any:
    """
    A ``RunEngine`` on ``manual_clock`` that tells ``moves``.
    """
    from runstate import RunEngine  # noqa: PLC0415

    return RunEngine(clock=manual_clock, observers=[moves.append])


@pytest.fixture
def race() -> Any:
    """
    ``runstate.testing.race``: calls functions at once, and returns what came of them.
    """
    from runstate.testing import race as run_at_once  # noqa: PLC0415

    return run_at_once


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """
    Say which rows each service that was driven has made, if any was.
    """
    drives = sys.modules.get("runstate.testing._drive")
    lines = [] if drives is None else list(drives.summary())
    if lines:
        terminalreporter.section("rows of lifecycles")
    for line in lines:
        terminalreporter.write_line(line)
