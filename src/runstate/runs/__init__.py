"""
The OpenAI-shaped run: its models, its table, the engines that move it, and the log of moves.
"""

from ._engine import Engine, RunEngine
from ._log import Moved, Observer
from ._models import BaseResponse, ErrorResponse, RunResponse, RunStatus
from ._mover import Clock, Condition, Guard
from ._run import RUN

__all__ = [
    "RUN",
    "BaseResponse",
    "Clock",
    "Condition",
    "Engine",
    "ErrorResponse",
    "Guard",
    "Moved",
    "Observer",
    "RunEngine",
    "RunResponse",
    "RunStatus",
]
