"""
Histograms of durations, by the formula that the documentation of :class:`runstate.histories.Dwell` has.
"""

from collections import Counter
from math import floor, log2

from runstate.histories import Dwell

__all__ = ["bucket_of", "dwell"]


def bucket_of(microseconds: int) -> int:
    """
    Return the bucket of a duration: sixteen to each doubling, and one for none at all.
    """
    return 1 + floor(16 * log2(microseconds)) if microseconds else 0


def dwell(*seconds: float) -> Dwell:
    """
    Return the histogram of *seconds*.
    """
    buckets = Counter(bucket_of(round(each * 1e6)) for each in seconds)

    return Dwell(len(seconds), sum(seconds), max(seconds), dict(buckets))
