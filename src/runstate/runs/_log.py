"""
The record of a move, and the only door to ``structlog``.

Event names are constant and facts are keys, so that a log can be searched and
counted. Nothing a run carries for its model or its user is ever logged:
no instructions, no metadata, no tool arguments or outputs.
"""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, NamedTuple, TextIO

from .._text import printable
from ..errors import GuardRefusedError, MoveRefusedError, PayloadError
from ..lifecycle._rows import CREATE

__all__ = ["CREATE", "MoveLog", "Moved", "Observer", "json_log"]


class Moved(NamedTuple):
    """
    One move that was made. Its creation is a run's first one, from no status.
    """

    run_id: str | None
    """Id of the run; None if the object has none."""
    trigger: str
    source: str | None
    """Status before; None at creation."""
    target: str
    """Status now."""
    at: float
    """When, in Unix seconds by the engine's clock; never before the run's last move."""
    duration_s: float | None = None
    """Seconds spent in *source*; None at creation, and where nobody saw its beginning."""
    seq: int | None = None
    """Number of the move within its run, creation being 1; None where nobody counted."""
    clock_regressed: bool = False
    """True if the clock had stepped back, and *at* is the run's last time instead."""


_CONFIGURED: Final = ("processors", "wrapper_class", "logger_factory")

Observer = Callable[[Moved], Any]
"""Told of every move after it was made. What it raises is logged; what it awaits is scheduled."""


class MoveLog:
    """
    Writes moves and refusals as structlog events.

    The application's configuration decides what becomes of them. The bound logger
    is kept, and made anew when ``structlog.configure`` was called since, unless the
    application asked to keep loggers for good (``cache_logger_on_first_use``): then
    a move that is filtered out costs next to nothing.

    Nothing here raises: what is logged has happened, and stands. A log that fails is
    told to the logger of the standard library, which ends on standard error.
    """

    def __init__(self, logger: Any = None) -> None:
        self._logger: Any = logger
        self._keeps = logger is not None
        self.silent = False
        """True once it is known for good that the level of a plain move is filtered out."""
        self._config: dict[str, Any] = {}
        self._structlog = _structlog()

    def moved(self, moved: Moved, warn: bool = False) -> None:
        """
        Log ``run.transition``, as a warning if *warn*.
        """
        run_id, trigger, source, target, at, duration_s, seq, regressed = moved
        try:
            logger = self._bound()
            if regressed:
                logger = logger.bind(clock_regressed=True)
            (logger.warning if warn else logger.info)(
                "run.transition",
                run_id=run_id,
                trigger=trigger,
                source=source,
                target=target,
                at=at,
                duration_s=duration_s,
                seq=seq,
            )
        except Exception as error:  # noqa: BLE001  the move stands
            _not_logged("run.transition", error)

    def rejected(self, error: MoveRefusedError) -> None:
        """
        Log ``run.rejected``.
        """
        target = None if error.target is None else str(error.target)
        self.refused(error.run_id, error.trigger, str(error.status), _kind(error), target)

    def refused(
        self, run_id: str | None, trigger: str, status: str | None, kind: str, target: str | None
    ) -> None:
        """
        Log ``run.rejected`` of what was no error.
        """
        self._say(
            "info",
            "run.rejected",
            run_id=run_id,
            trigger=trigger,
            status=status,
            target=target,
            kind=kind,
        )

    def unreadable(self, run_id: str, reason: str) -> None:
        """
        Log ``run.unreadable``, a warning: a store has a row that it cannot read as a run.
        """
        self._say(
            "warning",
            "run.unreadable",
            run_id=printable(run_id, 512),
            reason=printable(reason, 1_000),
        )

    def observer_failed(self, observer: Observer, moved: Moved, error: BaseException) -> None:
        """
        Log ``run.observer_failed``, with the error's type and traceback.
        """
        self._say(
            "error",
            "run.observer_failed",
            run_id=moved.run_id,
            trigger=moved.trigger,
            observer=getattr(observer, "__qualname__", type(observer).__qualname__),
            exc_info=error,
        )

    def _say(self, level: str, event: str, **facts: Any) -> None:
        try:
            getattr(self._bound(), level)(event, **facts)
        except Exception as error:  # noqa: BLE001
            _not_logged(event, error)

    def _bound(self) -> Any:
        if self._keeps:
            return self._logger
        config, known = self._structlog.get_config(), self._config
        # By identity: the processors are a list that capture_logs() changes in place.
        if not known or any(config[key] is not known[key] for key in _CONFIGURED):
            logger = self._structlog.get_logger("runstate").bind()
            enabled = getattr(logger, "is_enabled_for", None)
            # The logger first: another thread may come by between any two of these.
            self._logger = logger
            self._config = config
            self._keeps = config["cache_logger_on_first_use"]
            self.silent = self._keeps and enabled is not None and not enabled(logging.INFO)
            return logger

        return self._logger


def json_log(stream: TextIO) -> Any:
    """
    Return a logger that writes one JSON object a line to *stream*, whatever structlog's configuration.

    All that is not ASCII is escaped, so that no value can forge a line or drive a terminal.
    """
    structlog = _structlog()

    return structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    ).bind()


def _structlog() -> ModuleType:
    # Loaded by who moves runs: who checks histories or draws a lifecycle writes no log.
    import structlog  # noqa: PLC0415

    return structlog


def _kind(error: MoveRefusedError) -> str:
    if isinstance(error, GuardRefusedError):
        return "guard"

    return "payload" if isinstance(error, PayloadError) else "illegal"


def _not_logged(event: str, error: Exception) -> None:
    logging.getLogger("runstate").error("%s was not logged: %s", event, printable(repr(error)))
