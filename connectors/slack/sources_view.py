"""The sources of an answer, a line each: marker, title, heading, link, and how fresh."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connectors.conversation import Citation, NearDocument
from connectors.freshness import freshness
from connectors.slack.blocks import MOST_SECTION, Json, context
from connectors.slack.safe_text import cut, link, mrkdwn

_TITLE = 150
_URI = 120


def source_blocks(citations: Iterable[Citation], now: datetime) -> tuple[Json, ...]:
    """Context blocks of the citations in their order; no line is cut."""
    return _packed(_source_line(citation, now) for citation in citations)


def nearest_blocks(documents: Iterable[NearDocument]) -> tuple[Json, ...]:
    """Context blocks of the documents in which a person may look instead."""
    return _packed(f"• {_named(document.title, '', document.url, document.uri)}" for document in documents)


def _source_line(citation: Citation, now: datetime) -> str:
    where = _named(citation.title, citation.heading, citation.url, citation.uri)
    return f"*[{citation.marker}]* {where}  ·  {freshness(citation, now)}"


def _named(title: str, heading: str, url: str | None, uri: str) -> str:
    uri = cut(uri, _URI)
    label = cut(" ".join(title.split()), _TITLE) or uri or "Untitled"
    if heading := " ".join(heading.split()):
        label += f" › {cut(heading, _TITLE)}"
    shown = link(url, label)
    return (
        shown if shown.startswith("<") or label == cut(uri, _URI) else f"{shown} ({mrkdwn(cut(uri, _URI))})"
    )


def _packed(lines: Iterable[str]) -> tuple[Json, ...]:
    """As many lines in a block as its text holds."""
    texts: list[str] = []
    for line in lines:
        if texts and len(texts[-1]) + len(line) < MOST_SECTION:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return tuple(context(text) for text in texts)
