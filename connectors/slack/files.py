"""The files that come with a question, downloaded for its answer alone."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout

from connectors.conversation import Attachment
from connectors.slack.heard import SharedFile
from connectors.slack.workspace import Workspace

FILE_HOSTS = frozenset({"files.slack.com"})
LONGEST_BYTES = 10_000_000
MOST_FILES = 5
_SECONDS = 20
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Downloads:
    """What was downloaded, and a line for each file that was not."""

    attachments: tuple[Attachment, ...]
    unread: tuple[str, ...]


class Files:
    """Downloads files with the bot's token, which goes to Slack's own hosts and to no other."""

    def __init__(self, session: ClientSession, api_url: str) -> None:
        self._session = session
        self._origin = _origin(api_url)

    async def download(self, workspace: Workspace, files: Sequence[SharedFile]) -> Downloads:
        """Download the first files of a message, within bounds."""
        attachments, unread = [], []
        for file in files[:MOST_FILES]:
            try:
                content = await self._read(workspace, file)
            except _UnreadableError as reason:
                unread.append(f"I could not read {file.name}: {reason}.")
            else:
                attachments.append(Attachment(file.name, content))
        if len(files) > MOST_FILES:
            unread.append(f"I read the first {MOST_FILES} files and left out {len(files) - MOST_FILES}.")
        return Downloads(tuple(attachments), tuple(unread))

    async def _read(self, workspace: Workspace, file: SharedFile) -> bytes:
        if file.size > LONGEST_BYTES:
            raise _UnreadableError(f"it is larger than {LONGEST_BYTES // 1_000_000} MB")
        if not self._is_slacks(file.url):
            raise _UnreadableError("it does not lie in Slack")
        headers = {"Authorization": f"Bearer {workspace.client.token}"}
        try:
            async with self._session.get(
                file.url, headers=headers, allow_redirects=False, timeout=ClientTimeout(total=_SECONDS)
            ) as response:
                # Slack shows a sign-in page to an app that may not read files.
                if response.status != 200 or _is_sign_in(response.content_type, file.name):
                    raise _UnreadableError(
                        "Slack does not give it to me, perhaps for want of the scope `files:read`"
                    )
                return await _bounded(response.content.iter_chunked(_PIECE))
        except (ClientError, TimeoutError) as error:
            raise _UnreadableError("the download broke off") from error

    def _is_slacks(self, url: str) -> bool:
        if _origin(url) == self._origin:
            return True
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.port is None and parts.hostname in FILE_HOSTS


class _UnreadableError(Exception):
    """A file cannot be read; the message is the end of a sentence that says why."""


def _is_sign_in(content_type: str, name: str) -> bool:
    return content_type == "text/html" and not name.lower().endswith((".html", ".htm"))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


async def _bounded(pieces: AsyncIterable[bytes]) -> bytes:
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > LONGEST_BYTES:
            raise _UnreadableError(f"it is larger than {LONGEST_BYTES // 1_000_000} MB")
    return bytes(content)
