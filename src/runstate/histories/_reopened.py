"""
What an observation after the end of a run is: a new attempt, a late writer, or not to be told.
"""

from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ._records import Lagging, Observation, ObservationModel

__all__ = ["Reopenings", "with_own_attempt"]


class Reopenings:
    """
    Tells legal reopenings from writes after an end, by the rows of a lifecycle that reopen.
    """

    def __init__(self, lifecycle: Lifecycle, observed: ObservationModel) -> None:
        self._lifecycle = lifecycle
        self._complete = observed == "complete"

    def explained_by(
        self, observation: Observation, attempt: int | None, before: str, after: str
    ) -> bool | None:
        """
        Return whether *observation* shows that its run was reopened; None where it shows neither.

        Args:
            observation: What was seen after *before*.
            attempt: The largest attempt of the run that was seen; None where none was, which is
                the first.
            before: The terminal status that the run was in.
            after: The status that the run was in next: the observed one, or the source of the
                recorded move.
        """
        own = observation.trigger is not None and observation.source in {None, before}
        if own and self._row(observation, before):
            return True
        if observation.attempt is None:
            # A record that names another trigger says that nothing was reopened.
            return False if own else None

        first = 1 if attempt is None else attempt

        return observation.attempt > first and self.may_follow(before, after)

    def unseen(
        self, observation: Observation, attempt: int | None, before: str, after: str
    ) -> bool:
        """
        Return whether a larger attempt shows that the run was reopened since it was seen last.

        Args:
            observation: What was seen after *before*.
            attempt: The largest attempt of the run that was seen; None where none was.
            before: The status that the run was in.
            after: The status that the run was in next.
        """
        return (
            observation.attempt is not None
            and observation.attempt > (attempt or 1)
            and self.may_follow(before, after)
        )

    def is_late(self, own: int, attempt: int | None) -> bool:
        """
        Return whether a record of the attempt *own* comes after one of the later *attempt*.
        """
        return attempt is not None and own < attempt and bool(self._lifecycle.reopenings)

    def may_follow(self, before: str, after: str) -> bool:
        """
        Return whether *after* may be seen after *before* where a row reopened the run in between.
        """
        return (before, after) in self._lifecycle.seen_reopened

    def code(self, before: str, after: str) -> str:
        """
        Return the code for *after* seen after the end *before*, where nothing else is known.
        """
        # Under the model complete, a reopening would have been recorded between two ends.
        two_ends = self._complete and self._lifecycle.is_terminal(after)

        return "RS109" if not two_ends and self.may_follow(before, after) else "RS105"

    def _row(self, observation: Observation, before: str) -> Transition | None:
        row = self._lifecycle.reopening(observation.trigger or "", observation.source or before)

        return row if row is not None and row.target == observation.status else None


def with_own_attempt(observation: Observation, attempt: int | None) -> Observation:
    """
    Return *observation* without a number that may be that of an attempt before.

    Args:
        observation: What was seen.
        attempt: The largest attempt of the run that was seen; None where none was.
    """
    own = observation.attempt
    if type(own) is not Lagging or own > (1 if attempt is None else attempt):
        return observation

    return observation._replace(attempt=None)
