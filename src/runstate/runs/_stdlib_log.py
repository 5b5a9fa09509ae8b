"""
The log of moves for applications that configure the standard library's logging, and not structlog.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

__all__ = ["NAME", "StdlibLogger", "fall_back"]

NAME: Final = "runstate"
"""The name of the logger. Like every library's, it stays silent until an application adds a handler."""

logging.getLogger(NAME).addHandler(logging.NullHandler())


class StdlibLogger:
    """
    Writes events as lines ``event key=value …`` to a logger of the standard library.

    Values are written as Python literals, so that no text can forge a line or drive a terminal.

    Args:
        logger: The logger to write to.
        context: Returns facts that every line gets, such as those of ``structlog.contextvars``.
        bound: Facts that every line of this logger gets.
    """

    def __init__(
        self,
        logger: Any,
        context: Callable[[], Mapping[str, Any]] = dict,
        bound: Mapping[str, Any] | None = None,
    ) -> None:
        self._logger, self._context, self._bound = logger, context, dict(bound or {})

    def hears(self, level: int) -> bool:
        """Return whether events of *level* are written."""
        return bool(self._logger.isEnabledFor(level))

    def bind(self, **facts: Any) -> Self:
        """Return a logger that adds *facts* to every line."""
        return type(self)(self._logger, self._context, {**self._bound, **facts})

    def info(self, event: str, **facts: Any) -> None:
        """Write *event* with its *facts* at level INFO."""
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Write *event* with its *facts* at level WARNING."""
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """Write *event* with its *facts* at level ERROR."""
        self._write(logging.ERROR, event, facts)

    def _write(self, level: int, event: str, facts: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        error = facts.pop("exc_info", None)
        known = {**self._context(), **self._bound, **facts}
        line = " ".join(f"{key}={value!r}" for key, value in known.items())
        self._logger.log(level, "%s %s", event, line, exc_info=error)


def fall_back(message: str) -> None:
    """
    Report that the log failed: to the logger's handlers, or to standard error if it has none.

    Args:
        message: One harmless line.
    """
    logger = logging.getLogger(NAME)
    if _has_handler(logger):
        logger.error("%s", message)
    elif logging.lastResort is not None:
        record = logger.makeRecord(NAME, logging.ERROR, __file__, 0, message, (), None)
        logging.lastResort.handle(record)


def _has_handler(logger: logging.Logger) -> bool:
    here: logging.Logger | None = logger
    while here is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in here.handlers):
            return True
        here = here.parent if here.propagate else None

    return False
