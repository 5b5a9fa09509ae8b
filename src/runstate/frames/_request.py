"""
What is asked of a source, in one record.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ..histories._monitor import Monitor
from ..histories._records import ObservationModel
from ..histories._reopened import Reopenings
from ..lifecycle._table import Lifecycle
from ._columns import Source
from ._sort_key import Codes, Key, coded, codes_of, run_key

__all__ = ["Question"]


class Question(NamedTuple):
    """
    What is asked; for each part see :func:`survey_files`.
    """

    source: Source
    lifecycle: Lifecycle
    observed: ObservationModel
    finished: bool
    limits: Mapping[str, float]
    now: float | None
    assume_utc: bool
    measured: bool
    limit: int
    samples: int
    allow_reopen: bool = False
    keep: tuple[str, ...] = ()
    by_id: bool = False
    """Whether runs are told apart by their ids themselves, as collisions of hashes were found."""
    apart: bool = False
    """Whether the runs that are judged one by one are left out."""

    @property
    def codes(self) -> Codes:
        """The statuses by number."""
        return codes_of(self.lifecycle)

    @property
    def waits(self) -> bool:
        """Whether a run may have waited for too long in a status."""
        return bool(self.limits) and self.source.timed

    @property
    def in_order(self) -> bool:
        """Whether the order of a run's rows matters."""
        return self.observed != "unordered"

    @property
    def key(self) -> Key:
        """How rows are numbered."""
        return Key(self.source.ordered)

    @property
    def rows(self) -> str:
        """The statement of all rows as h, what to group by, and t and p, the numbers of the row."""
        key = self.key

        return f"(select h, {key.of(self.codes)} from {coded(self, self.codes, placed=key.placed)})"

    @property
    def rows_apart(self) -> str:
        """The same of the runs alone that are judged one by one."""
        key = self.key
        rows = coded(self, self.codes, placed=key.placed, only=True)

        return f"(select h, {key.of(self.codes)} from {rows})"

    @property
    def columns(self) -> str:
        """The statement of all rows as h, us and c, in no order; see :func:`coded`."""
        return coded(self, self.codes, placed=False)

    @property
    def run_key(self) -> str:
        """What to group a run's rows by."""
        return run_key(exact=self.by_id)

    @property
    def key_kind(self) -> str:
        """Type of what a run's rows are grouped by."""
        return "varchar" if self.by_id else "ubigint"

    def monitor(self) -> Monitor:
        """
        Return what judges a run.
        """
        return Monitor(
            self.lifecycle,
            observed=self.observed,
            limits=self.limits,
            allow_reopen=self.allow_reopen,
        )

    @property
    def counts_reopenings(self) -> bool:
        """Whether the answer depends on where runs were reopened, which only a monitor follows."""
        return bool(self.lifecycle.reopenings) and (
            self.allow_reopen or self.finished or self.waits
        )

    @property
    def legal(self) -> frozenset[tuple[str, str]]:
        """The pairs of statuses that a run may be seen in one after the other."""
        lifecycle = self.lifecycle

        return lifecycle.seen_next if self.observed == "complete" else lifecycle.seen_later

    def wrong(self, before: str, after: str) -> str | None:
        """
        Return the code of the finding that *after* seen after *before* is; None if it is legal.
        """
        if (before, after) in self.legal:
            return None
        if self.lifecycle.is_terminal(before):
            return Reopenings(self.lifecycle, self.observed).code(before, after)

        return "RS103" if self.observed == "complete" else "RS104"
