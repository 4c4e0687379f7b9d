"""An unexpected failure: the log has all of it, the person a line with the reference to it."""

from __future__ import annotations

import traceback

from connectors.log import Log
from connectors.reference import current_reference


def noted(log: Log, event: str, error: Exception, **fields: str) -> str:
    """Log an error with its trace, and return the reference, 8 hex digits, under which it stands there."""
    reference = current_reference()
    trace = "".join(traceback.format_exception(error))
    log.error(event, reference=reference, error=f"{type(error).__name__}: {error}", trace=trace, **fields)
    return reference


def apology(reference: str) -> str:
    """What a person is told."""
    return f"Something went wrong here (reference {reference}); try again, or tell an admin."
