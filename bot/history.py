"""Reads a conversation so far from a file, for `lorebot ask --history`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.settings import SettingsError
from connectors.conversation import Turn


class Exchange(BaseModel):
    """One earlier question with its answer, as files hold it."""

    question: str
    answer: str


def read_history(path: Path) -> tuple[Turn, ...]:
    """Read a JSON list of {"question", "answer"}, oldest first. Raises `SettingsError`."""
    try:
        exchanges = TypeAdapter(list[Exchange]).validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"the history {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise SettingsError(
            f'the history {path} is not a JSON list of {{"question", "answer"}}: {error.errors()[0]["msg"]}'
        ) from error
    return tuple(Turn(exchange.question, exchange.answer) for exchange in exchanges)
