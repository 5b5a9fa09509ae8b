"""
Lifecycles to and from the formats of other tools.

SCXML, XState's JSON, the markup of ``transitions``, and the JSON of python-statemachine, in
memory; a class of python-statemachine as it is. What they cannot say of a lifecycle, its
stamps above all, stays behind when it goes out; evidence and outcomes go along where a format
leaves room for them. On the way in, conditions are kept by their names, actions and callbacks are
listed in ``left_behind``, and other things that a lifecycle cannot say, nested states above all,
are refused.
"""

from ._notations import FORMATS, SUFFIXES, Notation, load
from .markup import from_markup, to_markup
from .scxml import from_scxml, to_scxml
from .statemachine import from_statemachine, from_statemachine_class, to_statemachine
from .xstate import from_xstate, to_xstate

__all__ = [
    "FORMATS", "SUFFIXES", "Notation", "from_markup", "from_scxml", "from_statemachine", "from_statemachine_class", "from_xstate",
    "load", "to_markup", "to_scxml", "to_statemachine", "to_xstate",
]  # fmt: skip
