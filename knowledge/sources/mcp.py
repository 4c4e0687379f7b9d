"""The resources of a Model Context Protocol server as a source."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import mimetypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from knowledge.conversion import READABLE_SUFFIXES
from knowledge.documents import KnowledgeError, Listed, RawDocument, UnreadableError, VanishedError
from knowledge.sources.mcp_connection import AnsweredError, McpConnection, NoAnswerError
from knowledge.sources.selection import Selection, too_large, unreadable_kinds

if TYPE_CHECKING:
    from mcp.types import ListResourcesResult, ReadResourceResult, Resource

_MOST_PAGES = 10_000
_MOST_URI_CHARACTERS = 2_000
_MOST_SILENCES = 3
_KEPT_BYTES = 32_000_000
# "Resource not found"; since 2026-07-28 it is told as any wrong parameter is, and the next listing tells it.
_NOT_FOUND = -32002
_MIME_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,100}")
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S*")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Content:
    content: bytes
    mime_type: str | None


class McpSource:
    """The resources that a server lists (https://modelcontextprotocol.io/specification/2025-11-25/server/resources).

    A document's uri is the resource's. Its version is the server's `lastModified` with the size where it
    tells it; of the others the content is read at each listing, and its hash is the version. Resource
    templates are not documents: what they would give has no list.
    """

    def __init__(
        self,
        name: str,
        audience: frozenset[str],
        connection: McpConnection,
        include: tuple[str, ...] = ("**/*",),
        exclude: tuple[str, ...] = (),
        max_bytes: int = 50_000_000,
        lacking: tuple[str, ...] = (),
    ) -> None:
        """`include` and `exclude` are patterns over the uri, whose parts stand between `/`.

        `lacking` are environment variables that the server is to have and that are not set.
        """
        self.name = name
        self.audience = audience
        self._connection = connection
        self._selection = Selection(include, exclude)
        self._max_bytes = max_bytes
        self._lacking = lacking
        self._resources: dict[str, Resource] = {}
        self._kept: dict[str, _Content | KnowledgeError] = {}
        self._kept_bytes = 0
        self._silences = 0

    def list(self) -> Iterator[Listed | None]:
        """Yield the resources in the server's order, None after each page, and last what cannot be read.

        Raises `KnowledgeError` when the server does not answer to the end, or lists without an end.
        """
        if self._lacking:
            raise KnowledgeError(
                f"Source '{self.name}' needs the environment variable {self._lacking[0]}, which is not set."
            )
        self._kept, self._kept_bytes, self._silences = {}, 0, 0
        self._resources = {}
        unread: Counter[str] = Counter()
        for resource in self._listed():
            if resource is not None:
                kind = _unreadable_kind(resource)
                if kind:
                    unread[kind] += 1
                    continue
                self._resources[resource.uri] = resource
                yield Listed(resource.uri, self._version(resource))
            else:
                yield None
        yield from unreadable_kinds(unread)

    def read(self, uri: str) -> RawDocument:
        """Read a listed resource; what the listing had to read is not asked for again.

        Raises `VanishedError` when it was not listed or is not there any more; `UnreadableError` when the
        server refuses or fails, the content is over `max_bytes`, or it is none.
        """
        resource = self._resources.get(uri)
        if resource is None:
            raise VanishedError(f"{uri} is not among the resources of source '{self.name}'.")
        kept = self._kept.pop(uri, None)
        if isinstance(kept, KnowledgeError):
            raise kept
        found = kept or self._read(uri)
        self._kept_bytes -= len(kept.content) if kept else 0
        url = uri if uri.startswith(("http://", "https://")) else None
        return RawDocument(
            uri, _file_name(resource, found.mime_type), found.content, url, _modified_at(resource)
        )

    def close(self) -> None:
        """Close the connection, which otherwise closes itself when it is idle."""
        self._connection.close()

    def _listed(self) -> Iterator[Resource | None]:
        """Yield the wanted resources, each once, and None after each page."""
        cursor: str | None = None
        cursors: set[str] = set()
        seen: set[str] = set()
        repeated = 0
        for _page in range(_MOST_PAGES):
            page: ListResourcesResult = self._asked(cursor)
            for resource in page.resources:
                if not _URI.fullmatch(resource.uri) or len(resource.uri) > _MOST_URI_CHARACTERS:
                    logger.warning(
                        "source '%s': a resource is left out, its uri is none: %.80r", self.name, resource.uri
                    )
                elif resource.uri in seen:
                    repeated += 1
                else:
                    seen.add(resource.uri)
                    if self._selection.wants(resource.uri):
                        yield resource
            yield None
            cursor = page.next_cursor
            if cursor is None:
                break
            if cursor in cursors or repeated > len(seen):
                raise self._failed("lists the same resources again and again")
            cursors.add(cursor)
        else:
            raise self._failed(f"lists more than {_MOST_PAGES:,} pages")
        if repeated:
            logger.warning("source '%s': the server lists %d resources twice", self.name, repeated)

    def _asked(self, cursor: str | None) -> ListResourcesResult:
        try:
            return self._connection.call(lambda client: client.list_resources(cursor=cursor))
        except (NoAnswerError, AnsweredError) as error:
            raise self._failed(str(error)) from error

    def _failed(self, what: str) -> KnowledgeError:
        return KnowledgeError(f"The MCP server of source '{self.name}' {what}.")

    def _version(self, resource: Resource) -> str:
        """Give the server's mark, else the hash of the content, which is kept for `read`."""
        if resource.annotations and resource.annotations.last_modified:
            return f"{resource.annotations.last_modified}-{resource.size}"
        try:
            found = self._read(resource.uri)
        except KnowledgeError as error:
            self._kept[resource.uri] = error
            return "unread"
        if self._kept_bytes + len(found.content) <= _KEPT_BYTES:
            self._kept[resource.uri] = found
            self._kept_bytes += len(found.content)
        return hashlib.sha256(f"{found.mime_type}\0".encode() + found.content).hexdigest()[:32]

    def _read(self, uri: str) -> _Content:
        if self._silences >= _MOST_SILENCES:
            raise UnreadableError(
                f"{uri} is not read: the server has failed {_MOST_SILENCES} times in a row."
            )
        try:
            result = self._connection.call(lambda client: client.read_resource(uri))
        except NoAnswerError as error:
            self._silences += 1
            raise UnreadableError(f"{uri} cannot be read: the server {error}.") from error
        except AnsweredError as error:
            self._silences = 0
            if error.code == _NOT_FOUND:
                raise VanishedError(f"{uri} is gone: the server {error}.") from error
            raise UnreadableError(f"{uri} cannot be read: the server {error}.") from error
        self._silences = 0
        return _content(uri, result, self._max_bytes)


def _content(uri: str, result: ReadResourceResult, max_bytes: int) -> _Content:
    """Take the texts of a resource together, or the one file that it is."""
    from mcp.types import BlobResourceContents, TextResourceContents

    texts = [part for part in result.contents if isinstance(part, TextResourceContents)]
    blobs = [part for part in result.contents if isinstance(part, BlobResourceContents)]
    if len(blobs) > 1 and not texts:
        raise UnreadableError(f"{uri} holds {len(blobs)} files; only a resource of one is read.")
    if texts or not blobs:
        mime_type = next((part.mime_type for part in texts if part.mime_type), None)
        content = "\n\n".join(part.text for part in texts).encode(errors="replace")
        mime_type = mime_type or "text/plain"
    else:
        mime_type = blobs[0].mime_type
        try:
            content = base64.b64decode(blobs[0].blob)
        except (binascii.Error, ValueError) as error:
            raise UnreadableError(f"{uri} is not the base64 that it should be.") from error
    if len(content) > max_bytes:
        raise too_large(uri, len(content), max_bytes)
    return _Content(content, mime_type)


def _file_name(resource: Resource, mime_type: str | None) -> str:
    """Name the resource with its title, and the suffix that its own name or else its MIME type tells."""
    title = " ".join((resource.title or resource.name or _last_part(resource)).replace("/", " ").split())
    suffix = _suffix(resource, _kind(mime_type) or _kind(resource.mime_type))
    return f"{title.removesuffix(suffix) or 'resource'}{suffix}"


def _suffix(resource: Resource, kind: str) -> str:
    told = mimetypes.guess_extension(kind) if kind not in ("", "text/plain") else None
    if told in READABLE_SUFFIXES:
        return str(told)
    suffixes = (PurePosixPath(name).suffix.lower() for name in (_last_part(resource), resource.name))
    own = next((suffix for suffix in suffixes if suffix in READABLE_SUFFIXES), None)
    return own or (".txt" if kind.startswith("text/") else told or "")


def _unreadable_kind(resource: Resource) -> str:
    """The MIME type of a resource that cannot be converted, empty for one that can, or that does not say."""
    kind = _kind(resource.mime_type)
    return kind if kind and _suffix(resource, kind) not in READABLE_SUFFIXES else ""


def _kind(mime_type: str | None) -> str:
    kind = (mime_type or "").partition(";")[0].strip().lower()
    return kind if _MIME_TYPE.fullmatch(kind) else ""


def _last_part(resource: Resource) -> str:
    return unquote(resource.uri.partition("?")[0].partition("#")[0]).rstrip("/").rpartition("/")[2]


def _modified_at(resource: Resource) -> datetime | None:
    told = resource.annotations.last_modified if resource.annotations else None
    try:
        found = datetime.fromisoformat(told) if told else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
