"""
Faults that many records share, such as a column of times that cannot be read: told once, with a count.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ._records import Finding

__all__ = ["ColumnFaults"]

_Key = tuple[str, str]
_Place = tuple[int, str]


@dataclass
class ColumnFaults:
    """
    The finding on the first record that has each fault, and how many records have it.

    Of records without lines, the first is that of the smallest run id, so that the answer does
    not depend on the order in which they are read.
    """

    first: dict[_Key, tuple[_Place, Finding]] = field(default_factory=dict)
    """By file and column."""
    counts: Counter[_Key] = field(default_factory=Counter)

    def note(
        self,
        about: str,
        file: str | None,
        line: int | None,
        run_id: str | None,
        finding: Callable[[], Finding],
    ) -> None:
        """
        Note that a record has a fault.

        Args:
            about: The column, or what else such records share.
            file: The input.
            line: Where the record is in it; None or 0 where records have no lines.
            run_id: The run of the record.
            finding: Returns the finding, which is asked for if the record is the first so far.
        """
        key, place = (file or "", about), (line or 0, run_id or "")
        self.counts[key] += 1
        known = self.first.get(key)
        if known is None or place < known[0]:
            self.first[key] = place, finding()

    def merge(self, other: "ColumnFaults") -> None:
        """
        Add what *other* noted.
        """
        self.counts.update(other.counts)
        for key, (place, finding) in other.first.items():
            known = self.first.get(key)
            if known is None or place < known[0]:
                self.first[key] = place, finding

    def clear(self) -> None:
        """
        Forget all.
        """
        self.first.clear()
        self.counts.clear()

    def findings(self) -> Iterator[Finding]:
        """
        Yield one finding for each fault, in the order of their first records.
        """
        for key, (_, finding) in sorted(self.first.items(), key=lambda item: (item[1][0], item[0])):
            more = self.counts[key] - 1
            records = "record" if more == 1 else "records"
            count = f" (and so in {more:,} more {records})" if more else ""
            yield finding._replace(message=finding.message + count)
