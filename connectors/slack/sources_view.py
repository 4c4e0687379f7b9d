"""The sources of an answer, a line each: marker, title, heading, link, and how fresh."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connectors.conversation import Citation, NearDocument
from connectors.slack.blocks import MOST_SECTION, Json, context
from connectors.slack.safe_text import link, mrkdwn
from connectors.wording import named, source_line


def source_blocks(citations: Iterable[Citation], now: datetime) -> tuple[Json, ...]:
    """Context blocks of the citations in their order; no line is cut."""
    return _packed(
        f"*[{citation.marker}]* {source_line(citation, now, link, mrkdwn)}" for citation in citations
    )


def nearest_blocks(documents: Iterable[NearDocument]) -> tuple[Json, ...]:
    """Context blocks of the documents in which a person may look instead."""
    return _packed(f"• {named(document, link, mrkdwn)}" for document in documents)


def _packed(lines: Iterable[str]) -> tuple[Json, ...]:
    """As many lines in a block as its text holds."""
    texts: list[str] = []
    for line in lines:
        if texts and len(texts[-1]) + len(line) < MOST_SECTION:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return tuple(context(text) for text in texts)
