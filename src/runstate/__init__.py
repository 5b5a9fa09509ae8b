"""
Decides what a run's status may become, and makes sure only one writer wins.

One table, :data:`RUN`; everything else reads it. :class:`RunEngine` moves runs in
memory, :func:`check` and :class:`Monitor` validate histories that somebody else
observed, and ``runstate.diagrams`` draws it. Errors are in ``runstate.errors``.
"""

from .errors import (
    DefinitionError,
    GuardRefusedError,
    IllegalTransitionError,
    LifecycleError,
    LifecycleFieldError,
    MissingExtraError,
    MoveRefusedError,
    PayloadError,
    RunstateError,
    StatusMapError,
    UnknownTriggerError,
)
from .histories._check import check
from .histories._monitor import Monitor
from .histories._records import Finding, Observation, Report
from .histories._rules import RULES, Rule
from .lifecycle._definition import load_lifecycle
from .lifecycle._rows import Deadline, Deviation, Entry, Transition
from .lifecycle._shape import Shape
from .lifecycle._table import Lifecycle
from .runs._engine import Engine, RunEngine
from .runs._log import Moved
from .runs._models import BaseResponse, ErrorResponse, RunResponse, RunStatus
from .runs._run import RUN
from .runs._wire import (
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
    "MissingExtraError",
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
    "Shape",
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
