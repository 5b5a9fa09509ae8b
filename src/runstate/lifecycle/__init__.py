"""
The lifecycle: a table of legal moves, its validation, its files, and its bridge to ``transitions``.
"""

from ._definition import load_lifecycle
from ._rows import Deadline, Deviation, Entry, Evidence, Outcome, Transition
from ._shape import Shape
from ._table import Lifecycle

__all__ = [
    "Deadline",
    "Deviation",
    "Entry",
    "Evidence",
    "Lifecycle",
    "Outcome",
    "Shape",
    "Transition",
    "load_lifecycle",
]
