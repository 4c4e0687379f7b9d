"""The log of a running Lorebot: lines for people on a terminal, JSON for machines otherwise."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

LogLevel = Literal["debug", "info", "warning", "error"]

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def open_log(stream: TextIO, level: LogLevel) -> FilteringBoundLogger:
    """A logger that writes to `stream` what has at least this level (https://www.structlog.org)."""
    import structlog

    as_text = structlog.dev.ConsoleRenderer(colors=True, sort_keys=False, pad_event_to=0)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(
                fmt="%Y-%m-%d %H:%M:%S" if stream.isatty() else "iso", utc=not stream.isatty()
            ),
            _one_line,
            as_text if stream.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    return logger


def _one_line(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event first; and what a source says neither breaks a line nor steers the terminal."""
    ordered = {name: event.pop(name) for name in ("timestamp", "level", "event")} | dict(event)
    return {
        name: _CONTROL_CHARACTERS.sub(" ", value) if isinstance(value, str) else value
        for name, value in ordered.items()
    }
