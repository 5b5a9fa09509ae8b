"""
What can go wrong with a whole input, as one type that carries its facts.
"""

from .._text import printable
from .._urls import shown_url, without_secrets
from ..errors import RunstateError

__all__ = ["FrameError", "needed"]


class FrameError(RunstateError, ValueError):
    """
    Raised when a file, table or frame cannot be used at all.

    Single bad rows are never raised: they are findings.

    Example:
        >>> from runstate.frames import survey_files
        >>> try:
        ...     survey_files("no-such-file.csv")
        ... except FrameError as error:
        ...     print(error.place)
        ...     print(error.reason)
        no-such-file.csv
        there is no such file
    """

    def __init__(self, place: str, reason: str) -> None:
        # A driver's message may quote the URL that it was given.
        reason, place = without_secrets(reason, place), shown_url(place)
        self.place = place
        """The file, table or frame; a URL without its secrets."""
        self.reason = reason
        """What is wrong with it, and what would have worked, in one line."""
        super().__init__(place, reason)

    def _message(self) -> str:
        return printable(": ".join(part for part in (self.place, self.reason) if part), 2_000)


def needed(package: str) -> FrameError:
    """
    Return the error that *package* is not installed, with what to do about it.
    """
    return FrameError("", f"{package} is not installed: pip install 'runstate[frames]'")
