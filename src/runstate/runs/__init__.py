"""
The OpenAI-shaped run: its models, its table, the engines that move it, and the log of moves.
"""

from ._engine import Engine, RunEngine
from ._log import Moved
from ._models import BaseResponse, ErrorResponse, RunResponse, RunStatus
from ._run import RUN

__all__ = [
    "RUN",
    "BaseResponse",
    "Engine",
    "ErrorResponse",
    "Moved",
    "RunEngine",
    "RunResponse",
    "RunStatus",
]
