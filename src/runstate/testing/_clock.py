"""
A clock that a test sets.
"""

from typing import Final

__all__ = ["ManualClock"]

_BORN: Final = 1_700_000_000


class ManualClock:
    """
    A clock whose time changes only when a test changes it.

    Set :attr:`now` to step back, as the clocks of real machines do.

    Args:
        now: The first time, in Unix seconds.

    Example:
        >>> clock = ManualClock()
        >>> clock.advance(2.5)
        >>> clock()
        1700000002.5
    """

    def __init__(self, now: float = _BORN) -> None:
        self.now: float = float(now)
        """The current time, in Unix seconds."""

    def __call__(self) -> float:
        """
        Return the current time, in Unix seconds.
        """
        return self.now

    def advance(self, seconds: float) -> None:
        """
        Move the clock forward by *seconds*.

        Raises:
            ValueError: *seconds* is negative or NaN.
        """
        if not seconds >= 0:
            raise ValueError(
                f"expected seconds of zero or more, got {seconds!r}; set now to step back"
            )
        self.now += seconds
