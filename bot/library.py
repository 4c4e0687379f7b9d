"""What admins see and change of the index: its sources, documents and passages."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.assembly import Assembly
from bot.schedule import parse_schedule
from bot.source_settings import AnySource, DiscordSettings, FolderSettings, McpSettings, SlackSettings
from bot.status import SourceStatus, read_sources
from bot.withdrawal import withdraw
from knowledge.records import DocumentFailure, ForgottenDocument, StoredDocument, StoredPassage

if TYPE_CHECKING:
    from knowledge.catalog import Catalog


class UnknownEntryError(Exception):
    """No such source, document or passage, or not one to do this with; the message names what to do."""


@dataclass(frozen=True, slots=True)
class SourceList:
    """Every source that is configured or indexed."""

    sources: tuple[SourceStatus, ...]


@dataclass(frozen=True, slots=True)
class SourceDetails:
    """One source; `kind`, `location` and `audience` are empty when it is no longer in the settings.

    `counts` are those of its last sync.
    """

    name: str
    configured: bool
    kind: str
    location: str
    audience: tuple[str, ...]
    schedule: str
    documents: int
    passages: int
    last_sync: datetime | None
    outcome: str
    health: str
    counts: Mapping[str, int]
    failing: tuple[DocumentFailure, ...]
    forgotten: tuple[ForgottenDocument, ...]


@dataclass(frozen=True, slots=True)
class DocumentList:
    """The first of `total` documents, and all that are forgotten."""

    documents: tuple[StoredDocument, ...]
    total: int
    forgotten: tuple[ForgottenDocument, ...]


@dataclass(frozen=True, slots=True)
class DocumentDetails:
    """One document: as it is indexed, if it is, and why its newest version could not be, if so."""

    source: str
    uri: str
    document: StoredDocument | None
    failure: DocumentFailure | None
    passages: tuple[StoredPassage, ...]


@dataclass(frozen=True, slots=True)
class PassageList:
    """Passages in their order in the document."""

    passages: tuple[StoredPassage, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a command did: `done` is "removed", "paused", "resumed" (a source), "forgotten" or "restored".

    `uri` is empty for a source; the counts are what left the index.
    """

    done: str
    source: str
    uri: str
    documents_removed: int
    passages_removed: int
    index_generation: int


View = SourceList | SourceDetails | DocumentList | DocumentDetails | PassageList | Change


def list_sources(assembly: Assembly) -> SourceList:
    """Every source with its counts and its last sync."""
    return SourceList(read_sources(assembly))


def show_source(assembly: Assembly, name: str) -> SourceDetails:
    """One source with its failing and forgotten documents. Raises `UnknownEntryError`."""
    states = {state.name: state for state in read_sources(assembly)}
    state = states[_known_source(name, states)]
    tables = {table.name: table for table in assembly.settings.sources}
    table = tables.get(name)
    catalog = assembly.catalog
    last = catalog.last_syncs().get(name)
    return SourceDetails(
        name=name,
        configured=state.configured,
        kind=table.kind if table else "",
        location=location(table) if table else "",
        audience=tuple(table.audience) if table else (),
        schedule=parse_schedule(table.schedule).words if table else "",
        documents=state.documents,
        passages=state.passages,
        last_sync=state.last_sync,
        outcome=state.outcome,
        health=state.health,
        counts=last.counts if last else {},
        failing=catalog.failures(name),
        forgotten=catalog.forgotten(name),
    )


def remove_source(assembly: Assembly, name: str) -> Change:
    """Remove all that is indexed and kept of a source that has left the settings.

    Raises `UnknownEntryError` when it has not, or never was.
    """
    states = {state.name: state for state in read_sources(assembly)}
    state = states[_known_source(name, states)]
    if state.configured:
        raise UnknownEntryError(
            f"source '{name}' is configured and would come back: remove it from lorebot.toml first"
        )
    assembly.synchronizer.forget_source(name)
    shutil.rmtree(assembly.layout.sources / name, ignore_errors=True)
    generation = assembly.catalog.generation()
    return Change("removed", name, "", state.documents, state.passages, generation)


def pause_source(assembly: Assembly, name: str) -> Change:
    """Have neither the schedule nor a change sync a source. Raises `UnknownEntryError`."""
    return _paused(assembly, name, "paused", assembly.jobs.pause)


def resume_source(assembly: Assembly, name: str) -> Change:
    """Have a source followed again. Raises `UnknownEntryError`."""
    return _paused(assembly, name, "resumed", assembly.jobs.resume)


def list_documents(assembly: Assembly, source: str | None, limit: int) -> DocumentList:
    """At most `limit` documents of one source or of all, by source and uri. Raises `UnknownEntryError`."""
    names, catalog = _chosen_sources(assembly, source), assembly.catalog
    documents = [document for name in names for document in catalog.documents(name)]
    forgotten = tuple(document for name in names for document in catalog.forgotten(name))
    return DocumentList(tuple(documents[:limit]), len(documents), forgotten)


def show_document(assembly: Assembly, uri: str, source: str | None) -> DocumentDetails:
    """One document that is indexed or fails. Raises `UnknownEntryError`."""
    catalog = assembly.catalog
    found = _find_document(catalog, _chosen_sources(assembly, source), uri)
    failures = {failure.uri: failure for failure in catalog.failures(found)}
    return DocumentDetails(
        found, uri, catalog.document(found, uri), failures.get(uri), catalog.passages_of(found, uri)
    )


def forget_document(assembly: Assembly, uri: str, source: str | None) -> Change:
    """Remove a document from the index and keep it out, and answers that it was read for from the journal.

    Raises `UnknownEntryError`, `SyncBusyError` and `JournalError`.
    """
    catalog = assembly.catalog
    found = _find_document(catalog, _chosen_sources(assembly, source), uri)
    document, read = catalog.document(found, uri), catalog.passages_of(found, uri)
    documents = int(document is not None)
    journalled = assembly.journal.database  # opened first: one that is away keeps the document from going
    passages = assembly.synchronizer.forget_document(found, uri)
    title, url = (document.title, document.url) if document is not None else ("", None)
    withdraw(journalled, found, uri, title, url, {passage.text for passage in read})
    return Change("forgotten", found, uri, documents, passages, catalog.generation())


def restore_document(assembly: Assembly, uri: str, source: str | None) -> Change:
    """Let the next sync index a forgotten document. Raises `UnknownEntryError`, `SyncBusyError`."""
    catalog = assembly.catalog
    names = _chosen_sources(assembly, source)
    uris = {name: [document.uri for document in catalog.forgotten(name)] for name in names}
    if not any(uris.values()):
        raise UnknownEntryError("no document is forgotten: there is none to restore")
    found = _locate(uri, uris, "forgotten document")
    assembly.synchronizer.restore_document(found, uri)
    return Change("restored", found, uri, 0, 0, catalog.generation())


def show_passages(assembly: Assembly, wanted: str, source: str | None) -> PassageList:
    """The passages of a document, or the one with this id. Raises `UnknownEntryError`."""
    catalog, names = assembly.catalog, _chosen_sources(assembly, source)
    is_number = wanted.isascii() and wanted.isdecimal()
    if not is_number or any(wanted in uris for uris in _uris(catalog, names).values()):
        return PassageList(catalog.passages_of(_find_document(catalog, names, wanted), wanted))
    # SQLite's integers end at 2^63 - 1; an id has far fewer digits.
    passages = catalog.unfiltered_passages([int(wanted)]) if len(wanted) < 19 else {}
    found = tuple(passage for passage in passages.values() if passage.source in names)
    if not found:
        raise UnknownEntryError(f"there is no passage {wanted}; `lorebot search --json` shows ids")
    return PassageList(found)


def _paused(assembly: Assembly, name: str, done: str, change: Callable[[str], None]) -> Change:
    change(_known_source(name, [table.name for table in assembly.settings.sources]))
    return Change(done, name, "", 0, 0, assembly.catalog.generation())


def _chosen_sources(assembly: Assembly, source: str | None) -> tuple[str, ...]:
    configured = [table.name for table in assembly.settings.sources]
    names = tuple(dict.fromkeys([*configured, *assembly.catalog.sources_seen()]))
    return names if source is None else (_known_source(source, names),)


def _known_source(name: str, names: Collection[str]) -> str:
    if name not in names:
        raise UnknownEntryError(f"there is no source '{name}'{_nearest(name, names)}")
    return name


def _uris(catalog: Catalog, sources: Collection[str]) -> dict[str, Collection[str]]:
    """The documents of each source that are indexed or failing."""
    return {
        name: catalog.known(name).keys() | {failure.uri for failure in catalog.failures(name)}
        for name in sources
    }


def _find_document(catalog: Catalog, sources: Collection[str], uri: str) -> str:
    """The source of a document that is indexed or failing."""
    uris = _uris(catalog, sources)
    forgotten = [d for name in sources for d in catalog.forgotten(name) if d.uri == uri]
    if forgotten and not any(uri in known for known in uris.values()):
        raise UnknownEntryError(
            f"'{uri}' of source '{forgotten[0].source}' is forgotten since "
            f"{forgotten[0].at:%Y-%m-%d %H:%M} UTC; `lorebot documents restore` lifts that"
        )
    return _locate(uri, uris, "document")


def _locate(uri: str, uris: Mapping[str, Collection[str]], what: str) -> str:
    """The one source that has this uri."""
    found = [name for name, known in uris.items() if uri in known]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownEntryError(f"'{uri}' is in several sources ({', '.join(found)}); add --source NAME")
    everything = sorted({known for some in uris.values() for known in some})
    raise UnknownEntryError(f"there is no {what} '{uri}'{_nearest(uri, everything)}")


def _nearest(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    # The representation shows control characters, which a source may have put into a name.
    return f"; did you mean {close[0]!r}?" if close else "; the index is empty, run `lorebot sync`"


def location(table: AnySource) -> str:
    """Where a source lies, without a user or password that stands in its URL."""
    match table:
        case FolderSettings():
            return str(table.path)
        case SlackSettings():
            return ", ".join(table.channels)
        case DiscordSettings():
            return f"server {table.guild}"
        case McpSettings():
            url = table.url or table.command[0]
        case _:
            url = table.url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else url
