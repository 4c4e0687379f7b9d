"""What the tests of chat sources ask of a source."""

from __future__ import annotations

import threading

import pytest
from index_standins import Index

from knowledge.documents import KnowledgeError, Listed, MarkdownDocument
from knowledge.outline import sections
from knowledge.sources.conversation_source import ConversationSource
from knowledge.sync_report import SyncReport


def listing(source: ConversationSource) -> dict[str, str]:
    """The versions of all documents by uri."""
    return {found.uri: found.version for found in source.list() if isinstance(found, Listed)}


def texts(source: ConversationSource) -> list[str]:
    """What all documents say."""
    return [source.read(uri).content.decode() for uri in listing(source)]


def only(source: ConversationSource) -> str:
    """What the only document says."""
    (text,) = texts(source)
    return text


def complaint(source: ConversationSource, secret: str) -> str:
    """What a listing says that fails, which is one line without the secret."""
    with pytest.raises(KnowledgeError) as caught:
        listing(source)
    message = str(caught.value)
    assert "\n" not in message
    assert secret not in message
    return message


def headings(document: MarkdownDocument) -> set[str]:
    """All headings by which a document is divided."""
    return {text for section in sections(document.markdown) for _level, text in section.headings}


def sync(index: Index, source: ConversationSource) -> SyncReport:
    """Bring the index to the state of the source."""
    return index.synchronizer.sync(source, on_progress=lambda _: None, cancelled=threading.Event())
