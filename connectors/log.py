"""What a connector needs of a log."""

from __future__ import annotations

from typing import Any, Protocol


class Log(Protocol):
    """Structured lines; structlog's loggers are ones (https://www.structlog.org)."""

    def info(self, event: str, *args: Any, **fields: Any) -> Any:
        """Note something as it should be."""
        ...

    def warning(self, event: str, *args: Any, **fields: Any) -> Any:
        """Note something that a person may want to mend."""
        ...

    def error(self, event: str, *args: Any, **fields: Any) -> Any:
        """Note something that failed."""
        ...
