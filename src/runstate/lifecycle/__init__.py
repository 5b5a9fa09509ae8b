"""
The lifecycle: a table of legal moves, its validation, its files, and its bridge to ``transitions``.
"""

from ._definition import load_lifecycle
from ._rows import Deadline, Deviation, Entry, Transition
from ._table import Lifecycle

__all__ = ["Deadline", "Deviation", "Entry", "Lifecycle", "Transition", "load_lifecycle"]
