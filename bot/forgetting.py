"""Forgetting a document by the link under which people know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.library import Change, forget_document
from bot.status import read_sources

if TYPE_CHECKING:
    from bot.assembly import Assembly


def forget(assembly: Assembly, document: str) -> tuple[Change, ...]:
    """Remove what has this URL (whatever line of it is meant) in any source, or this uri, and keep it out.

    Raises `UnknownEntryError` when there is no such document, or several sources have one of this uri, and
    `SyncBusyError` while a source is being synced.
    """
    catalog = assembly.catalog
    names = [source.name for source in read_sources(assembly)]
    links = [(name, known.uri, known.url) for name in names for known in catalog.documents(name) if known.url]
    exact = [(name, uri) for name, uri, url in links if url == document]
    without_line = [(name, uri) for name, uri, url in links if _page(url) == _page(document)]
    found = exact or without_line
    if not found:
        return (forget_document(assembly, document, None),)
    return tuple(forget_document(assembly, uri, name) for name, uri in found)


def _page(url: str) -> str:
    return url.partition("#")[0]
