"""The files that come with a question, from Slack's own hosts."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import ClientResponse, ClientSession

from connectors.downloading import Downloading, Downloads, SharedFile, UnreadableFileError
from connectors.slack.workspace import Workspace

FILE_HOSTS = frozenset({"files.slack.com"})


class Files:
    """Downloads files with the bot's token, which goes to Slack's own hosts and to no other."""

    def __init__(self, session: ClientSession, api_url: str) -> None:
        self._downloading = Downloading(session, "Slack", api_url, FILE_HOSTS, _check)

    async def download(self, workspace: Workspace, files: Sequence[SharedFile]) -> Downloads:
        """Download the first files of a message, within bounds."""
        headers = {"Authorization": f"Bearer {workspace.client.token}"}
        return await self._downloading.download(files, headers)


def _check(response: ClientResponse, file: SharedFile) -> None:
    # Slack shows a sign-in page to an app that may not read files.
    if response.status != 200 or _is_sign_in(response.content_type, file.name):
        raise UnreadableFileError("Slack does not give it to me, perhaps for want of the scope `files:read`")


def _is_sign_in(content_type: str, name: str) -> bool:
    return content_type == "text/html" and not name.lower().endswith((".html", ".htm"))
