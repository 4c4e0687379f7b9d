"""The log of a running Lorebot: lines for people on a terminal, JSON for machines otherwise."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO

from connectors.reference import current_request, reference_of

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "pretty"]
Line = MutableMapping[str, Any]

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def open_log(
    stream: TextIO,
    level: LogLevel,
    log_format: LogFormat = "auto",
    clean: Callable[[str], str] = str,
    notice: Callable[[Mapping[str, Any]], None] = lambda line: None,
) -> FilteringBoundLogger:
    """A logger that writes to `stream` what has at least this level (https://www.structlog.org).

    "auto" is pretty on a terminal and JSON otherwise. Every line about one thing that a person asked for has
    its `reference`. `clean` gets each line as it will be written, `notice` each line's fields.
    """
    import structlog

    pretty = log_format == "pretty" or (log_format == "auto" and stream.isatty())
    as_text: Processor = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), sort_keys=False, pad_event_to=0
    )
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S" if pretty else "iso", utc=not pretty),
            _with_reference,
            _noticed(notice),
            _one_line,
            as_text if pretty else structlog.processors.JSONRenderer(),
            _cleaned(clean),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    return logger


@contextmanager
def forwarding(log: FilteringBoundLogger) -> Iterator[None]:
    """Have what libraries say to Python's own logging, from warnings on, in the log during the block."""
    root, handler = logging.getLogger(), _Forwarding(log)
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)


class _Forwarding(logging.Handler):
    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        note = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        note(record.getMessage(), logger=record.name, **({"trace": trace} if trace else {}))


def _with_reference(logger: object, method: str, event: Line) -> Line:
    """What a line is about: the request that this task works on, or the delivery that the line names."""
    request, key = current_request(), event.get("key")
    if request is not None:
        event.setdefault("reference", request.reference)
    elif isinstance(key, str):
        event.setdefault("reference", reference_of(key))
    return event


def _noticed(notice: Callable[[Mapping[str, Any]], None]) -> Callable[[object, str, Line], Line]:
    def pass_on(logger: object, method: str, event: Line) -> Line:
        notice(event)
        return event

    return pass_on


def _cleaned(clean: Callable[[str], str]) -> Callable[[object, str, Any], str]:
    return lambda logger, method, line: clean(line)


def _one_line(logger: object, method: str, event: Line) -> Line:
    """The event first; and what a source says neither breaks a line nor steers the terminal."""
    ordered = {name: event.pop(name) for name in ("timestamp", "level", "event")} | dict(event)
    return {
        name: _CONTROL_CHARACTERS.sub(" ", value) if isinstance(value, str) else value
        for name, value in ordered.items()
    }
