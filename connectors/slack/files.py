"""The files that come with a question, from Slack's own hosts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from aiohttp import ClientResponse, ClientSession

from connectors.downloading import MOST_FILES, Downloading, Downloads, SharedFile, UnreadableFileError
from connectors.slack.heard import shared_file
from connectors.slack.streaming import CALL_ERRORS
from connectors.slack.workspace import Workspace

FILE_HOSTS = frozenset({"files.slack.com"})


class Files:
    """Downloads files with the bot's token, which goes to Slack's own hosts and to no other."""

    def __init__(self, session: ClientSession, api_url: str) -> None:
        self._downloading = Downloading(session, "Slack", api_url, FILE_HOSTS, _check)

    async def download(self, workspace: Workspace, files: Sequence[SharedFile]) -> Downloads:
        """Download the first files of a message, within bounds."""
        headers = {"Authorization": f"Bearer {workspace.client.token}"}
        described = [await _described(workspace, file) for file in files[:MOST_FILES]]
        return await self._downloading.download([*described, *files[MOST_FILES:]], headers)


async def _described(workspace: Workspace, file: SharedFile) -> SharedFile:
    """A file with its name and address, which a message from another company's workspace leaves out.

    https://docs.slack.dev/apis/slack-connect (files)
    """
    if file.url or not file.id:
        return file
    with suppress(*CALL_ERRORS):
        said = await workspace.client.files_info(file=file.id)
        return shared_file(said["file"])
    return file


def _check(response: ClientResponse, file: SharedFile) -> None:
    # Slack shows a sign-in page to an app that may not read files.
    if response.status != 200 or _is_sign_in(response.content_type, file.name):
        raise UnreadableFileError("Slack does not give it to me, perhaps for want of the scope `files:read`")


def _is_sign_in(content_type: str, name: str) -> bool:
    return content_type == "text/html" and not name.lower().endswith((".html", ".htm"))
