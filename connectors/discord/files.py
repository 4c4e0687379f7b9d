"""The files that come with a question, from Discord's own hosts."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import ClientResponse, ClientSession

from connectors.downloading import Downloading, Downloads, SharedFile, UnreadableFileError

FILE_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})


class Files:
    """Downloads files; their addresses are signed, so that the token is not needed."""

    def __init__(self, session: ClientSession, api_url: str) -> None:
        self._downloading = Downloading(session, "Discord", api_url, FILE_HOSTS, _check)

    async def download(self, files: Sequence[SharedFile]) -> Downloads:
        """Download the first files of a message, within bounds."""
        return await self._downloading.download(files, {})


def _check(response: ClientResponse, file: SharedFile) -> None:
    if response.status != 200:
        raise UnreadableFileError("Discord does not give it to me")
