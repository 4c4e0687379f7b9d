"""Answers as the engine gives them, for tests of what platforms show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.conversation import Answer, Citation, NearDocument, ReadPassage, Timings, Voice

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
URL = "https://wiki.example.com/returns"


def citation(marker: int = 1, **changes: Any) -> Citation:
    """A citation of the returns policy."""
    fields: dict[str, Any] = {
        "marker": marker,
        "title": "Returns policy",
        "heading": "Opened items",
        "uri": "returns.md",
        "url": URL,
        "excerpt": "Opened items come back within 30 days. See https://forms.example.com/return",
        "version": "v1",
        "indexed_at": NOW - timedelta(minutes=5),
        "modified_at": datetime(2026, 3, 3, 12, tzinfo=UTC),
        "source": "wiki",
    }
    return Citation(**fields | changes)


def answer(**changes: Any) -> Answer:
    """An answer with one citation."""
    fields: dict[str, Any] = {
        "id": "a1",
        "question": "How long?",
        "standalone_question": "How long?",
        "text": "You have 30 days [1].",
        "route": "knowledge",
        "citations": (citation(),),
        "nearest": (),
        "sentences": (),
        "voice": Voice("warm", "2", "abc"),
        "model": "SmolLM2",
        "index_generation": 3,
        "timings": Timings(total=1.25),
        "read": (ReadPassage("Returns policy", "Opened items", URL, "Opened items come back.", 0.83),),
    }
    return Answer(**fields | changes)


def abstention(**changes: Any) -> Answer:
    """An answer that is none, with the nearest documents."""
    nearest = (NearDocument("Returns policy", "returns.md", URL), NearDocument("Notes", "notes.md", None))
    fields: dict[str, Any] = {
        "text": "I do not find that.",
        "route": "abstain",
        "citations": (),
        "nearest": nearest,
    }
    return answer(**fields | changes)
