"""
Decides what a run's status may become, and makes sure only one writer wins.

One table, :data:`RUN`; everything else reads it. :class:`RunEngine` moves runs in
memory, :func:`check` and :class:`Monitor` validate histories that somebody else
observed, and ``runstate.diagrams`` draws it. Errors are in ``runstate.errors``.
"""

from ._check import check
from ._definition import load_lifecycle
from ._engine import Engine, RunEngine
from ._history import Finding, Observation, Report
from ._hooks import Moved
from ._lifecycle import Lifecycle
from ._models import BaseResponse, ErrorResponse, RunResponse, RunStatus
from ._monitor import Monitor
from ._parts import (
    Error,
    Function,
    IncompleteDetails,
    LastError,
    RequiredAction,
    ResponseFormat,
    SubmitToolOutputs,
    Tool,
    ToolCall,
    ToolChoice,
    TruncationStrategy,
    Usage,
)
from ._rows import Deadline, Deviation, Entry, Transition
from ._rules import RULES, Rule
from ._run import RUN
from .errors import (
    DefinitionError,
    GuardRefusedError,
    IllegalTransitionError,
    LifecycleError,
    LifecycleFieldError,
    MoveRefusedError,
    PayloadError,
    RunstateError,
    StatusMapError,
    UnknownTriggerError,
)

__all__ = [
    "RULES",
    "RUN",
    "BaseResponse",
    "Deadline",
    "DefinitionError",
    "Deviation",
    "Engine",
    "Entry",
    "Error",
    "ErrorResponse",
    "Finding",
    "Function",
    "GuardRefusedError",
    "IllegalTransitionError",
    "IncompleteDetails",
    "LastError",
    "Lifecycle",
    "LifecycleError",
    "LifecycleFieldError",
    "Monitor",
    "MoveRefusedError",
    "Moved",
    "Observation",
    "PayloadError",
    "Report",
    "RequiredAction",
    "ResponseFormat",
    "Rule",
    "RunEngine",
    "RunResponse",
    "RunStatus",
    "RunstateError",
    "StatusMapError",
    "SubmitToolOutputs",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "Transition",
    "TruncationStrategy",
    "UnknownTriggerError",
    "Usage",
    "check",
    "load_lifecycle",
]
