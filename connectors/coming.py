"""Messages whose turn has not come yet: what becomes of them until then counts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from connectors.asking import Questions

Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Coming:
    text: str | None = None
    is_deleted: bool = False


class Coming:
    """Notes edits and deletions before a question begins; afterwards they are told to the questions."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._coming: dict[str, _Coming] = {}

    def awaiting(self, key: str, work: Work) -> Coroutine[Any, Any, None]:
        """Work on the message of a key, what becomes of which is noted from now on."""
        self._coming.setdefault(key, _Coming())

        async def awaited() -> None:
            try:
                await work()
            finally:
                self._coming.pop(key, None)

        return awaited()

    def edited(self, key: str, text: str) -> None:
        """A message was edited; it counts until the answer to it begins."""
        if key in self._coming:
            self._coming[key].text = text
        self._questions.revise(key, text)

    def deleted(self, key: str) -> None:
        """A message was deleted: nobody waits for the answer to it."""
        if key in self._coming:
            self._coming[key].is_deleted = True
        self._questions.cancel(key)

    def begins(self, key: str, text: str) -> str | None:
        """The text of a message whose turn has come, as it is by now; None if it is deleted."""
        coming = self._coming.pop(key, _Coming())
        if coming.is_deleted:
            return None
        return text if coming.text is None else coming.text
