"""
Moves of Django models: one winner, decided by the database, in your own transaction.

Add ``"runstate.django"`` to ``INSTALLED_APPS``: the app brings the journal, a system check, and the
commands ``runstate_sweep`` and ``runstate_prune``. Needs the extra ``django``.

* :class:`StatusField` is the column of the status, with choices and default from a lifecycle.
* :func:`move` moves one row by a conditional ``UPDATE`` and writes the journal with it.
* :class:`InstallGuards` is a migration operation: with it, the database refuses illegal moves.
"""

from ..errors import MissingExtraError

try:
    import django.db.models  # noqa: F401
except ImportError as _missing:
    raise MissingExtraError("runstate.django", "Django", "django") from _missing

from ..runs._verdicts import (
    Applied,
    ConcurrentMoveError,
    Illegal,
    RunNotFoundError,
    Stale,
    StatusMissingError,
    Superseded,
)
from ._operations import InstallGuards, RemoveGuards
from ._row_move import move
from ._status_field import StatusField

__all__ = [
    "Applied",
    "ConcurrentMoveError",
    "Illegal",
    "InstallGuards",
    "RemoveGuards",
    "RunNotFoundError",
    "Stale",
    "StatusField",
    "StatusMissingError",
    "Superseded",
    "move",
]
