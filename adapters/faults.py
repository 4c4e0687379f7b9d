"""What is wrong with a file that pydantic refused, in words for a person."""

from __future__ import annotations

from pydantic import ValidationError


def first_fault(error: ValidationError, whole: str = "the file") -> str:
    """The first field at fault and why; `whole` names what is at fault where no single field is."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or whole
    return f"{field}: {first['msg']}"
