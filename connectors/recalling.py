"""Answers that are pressed on: whether they are kept, and whom to ask about them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from connectors.conversation import Citation
from connectors.ports import Manners, Memory, Remembered

FORGOTTEN = "I do not keep that answer any more; ask again."
THANKS = "Thank you, that is noted."

_KEPT_WITHIN_SECONDS = 1.0


async def recall(
    memory: Memory, answer_id: str, workspace: str | None, place: str, who: str
) -> Remembered | None:
    """An answer, for those who can see it: in the place where it was given, or the person `who` that asked.

    `who` is the person's id with the platform before it, as in `slack:U123`.
    """
    found = await memory.recall(answer_id)
    if found is None:
        # Somebody may press before the answer that was just shown is kept.
        await asyncio.sleep(_KEPT_WITHIN_SECONDS)
        found = await memory.recall(answer_id)
    if found is None or found.place.workspace != workspace or found.place.id != place:
        return None
    is_alone = found.place.principals is None
    return None if is_alone and found.asker not in (who, who.partition(":")[2]) else found


def expert_of(manners: Manners, citations: Iterable[Citation]) -> str | None:
    """Whom to ask about an answer: the first expert of what it cites."""
    return next(filter(None, (manners.expert(citation.source) for citation in citations)), None)
