"""The files that come with a question, downloaded for its answer alone, from the platform's own hosts."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from connectors.conversation import Attachment

LONGEST_BYTES = 10_000_000
MOST_FILES = 5
_SECONDS = 20
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file of a message; `url` is where the app downloads it, empty when the platform does not say."""

    id: str
    name: str
    size: int
    url: str


@dataclass(frozen=True, slots=True)
class Downloads:
    """What was downloaded, and a line for each file that was not."""

    attachments: tuple[Attachment, ...]
    unread: tuple[str, ...]


class UnreadableFileError(Exception):
    """A file cannot be read; the message is the end of a sentence that says why."""


class Downloading:
    """Downloads files of a platform from its `hosts` over https, and from the host of its API.

    `check` looks at an answer before it is read, and raises `UnreadableFileError`.
    """

    def __init__(
        self,
        session: ClientSession,
        platform: str,
        api_url: str,
        hosts: Collection[str],
        check: Callable[[ClientResponse, SharedFile], None],
    ) -> None:
        self._session = session
        self._platform = platform
        self._origin = _origin(api_url)
        self._hosts = frozenset(hosts)
        self._check = check

    async def download(self, files: Sequence[SharedFile], headers: Mapping[str, str]) -> Downloads:
        """Download the first files of a message, within bounds; the headers go to the platform alone."""
        attachments, unread = [], []
        for file in files[:MOST_FILES]:
            try:
                content = await self._read(file, headers)
            except UnreadableFileError as reason:
                unread.append(f"I could not read {file.name}: {reason}.")
            else:
                attachments.append(Attachment(file.name, content))
        if len(files) > MOST_FILES:
            unread.append(f"I read the first {MOST_FILES} files and left out {len(files) - MOST_FILES}.")
        return Downloads(tuple(attachments), tuple(unread))

    async def _read(self, file: SharedFile, headers: Mapping[str, str]) -> bytes:
        if file.size > LONGEST_BYTES:
            raise UnreadableFileError(f"it is larger than {LONGEST_BYTES // 1_000_000} MB")
        if not file.url:
            raise UnreadableFileError(f"{self._platform} does not say where it lies")
        if not self._is_own(file.url):
            raise UnreadableFileError(f"it does not lie in {self._platform}")
        try:
            async with self._session.get(
                file.url, headers=headers, allow_redirects=False, timeout=ClientTimeout(total=_SECONDS)
            ) as response:
                self._check(response, file)
                return await _bounded(response.content.iter_chunked(_PIECE))
        except (ClientError, TimeoutError) as error:
            raise UnreadableFileError("the download broke off") from error

    def _is_own(self, url: str) -> bool:
        if _origin(url) == self._origin:
            return True
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc in self._hosts


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


async def _bounded(pieces: AsyncIterable[bytes]) -> bytes:
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > LONGEST_BYTES:
            raise UnreadableFileError(f"it is larger than {LONGEST_BYTES // 1_000_000} MB")
    return bytes(content)
