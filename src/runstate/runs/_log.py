"""
The record of a move, and the log of moves; the only module that imports ``structlog``.

Event names are constant and facts are keys, so that a log can be searched and
counted. The log never has what a run carries for its model or its user: no
instructions, no metadata, no tool arguments, no outputs.
"""

import logging
from collections.abc import Callable
from functools import partial
from operator import attrgetter, itemgetter
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple, TextIO

from .._text import printable
from ..errors import GuardRefusedError, MoveRefusedError, PayloadError
from ..lifecycle._rows import CREATE
from ._stdlib_log import NAME, StdlibLogger, fall_back

__all__ = ["CREATE", "MoveLog", "Moved", "Observer", "json_log"]


class Moved(NamedTuple):
    """
    One move that was made. The first move of a run is its creation, from no status.
    """

    run_id: str | None
    """Id of the run; None if the object has none."""
    trigger: str
    """The trigger that was fired; ``create`` for a creation."""
    source: str | None
    """Status before; None at creation."""
    target: str
    """Status now."""
    at: float
    """Unix seconds by the engine's clock; never earlier than the run's last move."""
    duration_s: float | None = None
    """Seconds spent in *source*; None at creation, and if the time of entry is unknown."""
    seq: int | None = None
    """Number of the move within its run; the creation is 1. None if moves are not numbered."""
    clock_regressed: bool = False
    """True if the clock had stepped back, and *at* is the run's last time instead."""
    actor: str | None = None
    """Who fired, as the caller stated it; None if nobody did."""
    reason: str | None = None
    """Why, as the caller stated it."""


_CONFIGURED: Final = (
    "default_processors",
    "default_wrapper_class",
    "logger_factory",
    "cache_logger_on_first_use",
)
_PUBLIC: Final = ("processors", "wrapper_class", "logger_factory", "cache_logger_on_first_use")
_Level = Literal["info", "warning", "error"]

Observer = Callable[[Moved], Any]
"""Called after each move. An exception is logged; an awaitable is scheduled."""


class MoveLog:
    """
    Writes moves and refusals as structlog events.

    The application's configuration of structlog decides where they go. As long as structlog
    has its built-in defaults, which print to standard output, they go to the logger
    ``runstate`` of the standard library instead. A later ``structlog.configure`` is followed.
    If the application caches loggers (``cache_logger_on_first_use``), the logger is kept, and
    a move that is filtered out costs next to nothing.

    Nothing here raises: what is logged has happened, and stands. A failure of the log is
    reported to the logger of the standard library, and to standard error if that has no handler.

    Args:
        logger: A logger of structlog or of the standard library; by default the one that
            the configuration gives.
        lifecycle: Name of the lifecycle; every event has it as ``lifecycle``.
    """

    def __init__(self, logger: Any = None, lifecycle: str = "run") -> None:
        self._structlog = _structlog()
        self._logger: Any = self._accepted(logger)
        self._keeps = logger is not None
        self._lifecycle = lifecycle
        self.silent = False
        """Whether the level of a plain move is filtered out for good."""
        self._configured = _configuration(self._structlog)
        self._usual = _built_in(self._structlog)
        self._config: tuple[Any, ...] | None = None
        self._plain = isinstance(self._logger, StdlibLogger)
        """Whether the cached logger is one of the standard library."""
        self._filtered = False
        """Whether the cached structlog logger filters out the level of a plain move."""

    def moved(self, moved: Moved, warn: bool = False) -> None:
        """
        Log ``run.transition``, as a warning if *warn*.
        """
        run_id, trigger, source, target, at, duration_s, seq, regressed, _, _ = moved
        try:
            logger = self._bound()
            if not warn and (self._filtered or (self._plain and not logger.hears(logging.INFO))):
                return
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
                lifecycle=self._lifecycle,
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
        Log ``run.rejected`` for a refusal that is returned instead of raised.
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
        Log the warning ``run.unreadable``: the store cannot read a row as a run.
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

    def _say(self, level: _Level, event: str, **facts: Any) -> None:
        try:
            getattr(self._bound(), level)(event, **facts, lifecycle=self._lifecycle)
        except Exception as error:  # noqa: BLE001
            _not_logged(event, error)

    def _bound(self) -> Any:
        if self._keeps:
            return self._logger
        config = self._configured()
        # By identity, but for the processors: capture_logs() changes their list in place.
        processors, wrapper, factory, caches = config
        known = self._config
        plain = (
            wrapper is self._usual[1] and factory is self._usual[2] and processors == self._usual[0]
        )
        if (
            known is not None
            and plain is self._plain
            and processors is known[0]
            and wrapper is known[1]
            and factory is known[2]
        ):
            return self._logger
        if plain:
            logger: Any = self._accepted(logging.getLogger(NAME))
        else:
            logger = self._structlog.get_logger(NAME).bind()
        enabled = getattr(logger, "is_enabled_for", None)
        filtered = not plain and enabled is not None and not enabled(logging.INFO)
        # The logger first: another thread may come by between any two of these.
        self._logger = logger
        self._config, self._plain, self._filtered = config, plain, filtered
        self._keeps = caches and not plain
        self.silent = self._keeps and filtered

        return logger

    def _accepted(self, logger: Any) -> Any:
        if isinstance(logger, logging.Logger | logging.LoggerAdapter):
            return StdlibLogger(logger, self._structlog.contextvars.get_contextvars)

        return logger


def _configuration(structlog: ModuleType) -> Callable[[], tuple[Any, ...]]:
    """
    Return what tells structlog's processors, wrapper class, logger factory, and whether it caches.
    """
    try:
        # Three times as fast as get_config(), which makes a dict for every move.
        read = partial(attrgetter(*_CONFIGURED), structlog._config._CONFIG)  # noqa: SLF001
        read()
    except AttributeError:
        return lambda: itemgetter(*_PUBLIC)(structlog.get_config())

    return read


def _built_in(structlog: ModuleType) -> tuple[Any, ...]:
    """
    Return the processors, wrapper class and logger factory that structlog has before it is configured.

    Not ``is_configured()``: ``capture_logs`` configures, and leaves that true for good.
    """
    built_in = structlog._config  # noqa: SLF001  it offers no public copy of its defaults
    try:
        return (
            list(built_in._BUILTIN_DEFAULT_PROCESSORS),  # noqa: SLF001
            built_in._BUILTIN_DEFAULT_WRAPPER_CLASS,  # noqa: SLF001
            built_in._BUILTIN_DEFAULT_LOGGER_FACTORY,  # noqa: SLF001
        )
    except AttributeError:
        if structlog.is_configured():
            return None, None, None
        processors, wrapper, factory, _ = itemgetter(*_PUBLIC)(structlog.get_config())

        return list(processors), wrapper, factory


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
    # Loaded when runs are moved: checking histories and drawing need no log.
    import structlog  # noqa: PLC0415

    return structlog


def _kind(error: MoveRefusedError) -> str:
    if isinstance(error, GuardRefusedError):
        return "guard"

    return "payload" if isinstance(error, PayloadError) else "illegal"


def _not_logged(event: str, error: Exception) -> None:
    fall_back(f"{event} was not logged: {printable(repr(error))}")
