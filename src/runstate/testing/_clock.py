"""
A clock that is set by hand.
"""

from typing import Final

__all__ = ["ManualClock"]

_BORN: Final = 1_700_000_000


class ManualClock:
    """
    A clock that stands still until it is moved.

    To step back, as clocks of real machines do, set :attr:`now`.

    Example:
        >>> clock = ManualClock()
        >>> clock.advance(2.5)
        >>> clock()
        1700000002.5
    """

    def __init__(self, now: float = _BORN) -> None:
        self.now = float(now)
        """Unix seconds."""

    def __call__(self) -> float:
        """
        Return the time, in Unix seconds.
        """
        return self.now

    def advance(self, seconds: float) -> None:
        """
        Let *seconds* pass.

        Raises:
            ValueError: *seconds* is negative, or no number.
        """
        if not seconds >= 0:
            raise ValueError(f"time goes on, not back: {seconds!r} s")
        self.now += seconds
