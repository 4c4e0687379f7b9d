"""A message of ours that grows in a thread: streamed where Slack streams, else posted and edited.

https://docs.slack.dev/reference/methods/chat.startStream
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web.async_client import AsyncWebClient

from connectors.slack.blocks import Json, Message, markdown_block
from connectors.slack.marks import marked, marks_of
from connectors.slack.safe_text import mrkdwn

# A stream lives for about five minutes; it is ended well before, and the message edited from then on.
STREAM_SECONDS = 240.0
EDIT_EVERY_SECONDS = 2.0

# Slack's clock and ours may differ by less.
_JUST_NOW_SECONDS = 120.0
# Longer than an answer is shown again when Slack was not reached.
_LATELY_SECONDS = 600.0
_PAGE = 200

# Errors of one call to Slack: what it refused, what broke on the way, what took too long.
CALL_ERRORS = (SlackApiError, SlackRequestError, ClientError, TimeoutError, ValueError)

# A message that cannot be edited (any more); the answer is posted as another.
_UNEDITABLE = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "streaming_state_conflict"}
)


@dataclass(frozen=True, slots=True)
class Thread:
    """Where an answer goes: a thread, the person for whom it is streamed there, and the bot's own user."""

    channel: str
    ts: str
    user: str
    team: str
    bot: str


async def remove_unfinished(
    client: AsyncWebClient, channel: str, messages: Iterable[Mapping[str, Any]]
) -> None:
    """Delete those of the bot's messages that are still streaming, for nobody goes on with them."""
    for message in messages:
        if not marks_of(message):
            with suppress(*CALL_ERRORS):
                await client.chat_stopStream(channel=channel, ts=str(message["ts"]))
                await client.chat_delete(channel=channel, ts=str(message["ts"]))


class GrowingMessage:
    """One message. Every method may raise one of `CALL_ERRORS`; `grow` goes on by other means instead.

    `beside` are those that grow at the same time.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        thread: Thread,
        beside: Collection[GrowingMessage] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._thread = thread
        self._beside = beside
        self._clock = clock
        self._is_streaming = False
        self._may_stream = True
        self._began = self._edited = 0.0
        self._in_doubt: frozenset[str] = frozenset()
        self.ts: str | None = None

    @property
    def is_streaming(self) -> bool:
        return self._is_streaming

    async def grow(self, chunks: Sequence[Json], so_far: str) -> bool:
        """Show further chunks; where they cannot be streamed, `so_far`, which stands for all of them.

        Returns whether they are shown; what is not is to be given again later.
        """
        if self._is_streaming and self._clock() - self._began > STREAM_SECONDS:
            await self.stop_streaming()
        if self._may_stream:
            try:
                await self._stream(chunks)
                return True
            except CALL_ERRORS as error:
                if self.ts is None and isinstance(error, ClientError | TimeoutError):
                    await self._adopt()
                await self.stop_streaming()
        if not so_far or self._clock() - self._edited < EDIT_EVERY_SECONDS:
            return False
        self._edited = self._clock()
        try:
            await self.show(Message(mrkdwn(so_far), (markdown_block(so_far),)).content())
        except CALL_ERRORS:
            return False
        return True

    async def _stream(self, chunks: Sequence[Json]) -> None:
        if self.ts is not None:
            await self._client.chat_appendStream(
                channel=self._thread.channel, ts=self.ts, chunks=list(chunks)
            )
            return
        said = await self._client.chat_startStream(
            channel=self._thread.channel,
            thread_ts=self._thread.ts,
            recipient_team_id=self._thread.team,
            recipient_user_id=self._thread.user,
            chunks=list(chunks),
        )
        self.ts = str(said["ts"])
        self._is_streaming = True
        self._began = self._clock()

    async def _adopt(self) -> None:
        """Take over the message of a stream that Slack started although its answer did not arrive."""
        with suppress(*CALL_ERRORS):
            said = await self._said(_JUST_NOW_SECONDS)
            others = {other.ts for other in self._beside}
            for message in said:
                if not marks_of(message) and message["ts"] not in others:
                    self.ts, self._is_streaming = str(message["ts"]), True

    async def end(self, chunks: Sequence[Json], blocks: Sequence[Json]) -> None:
        """End the stream with its last chunks and the blocks below the text. Only while it is streaming."""
        await self._client.chat_stopStream(
            channel=self._thread.channel, ts=self.ts or "", chunks=list(chunks), blocks=list(blocks)
        )
        self._is_streaming = self._may_stream = False

    async def stop_streaming(self) -> None:
        """From here on the message is edited as a whole."""
        self._may_stream = False
        if self._is_streaming and self.ts is not None:
            try:
                await self._client.chat_stopStream(channel=self._thread.channel, ts=self.ts)
            except (ClientError, TimeoutError):
                return  # Slack may not have heard it.
            except CALL_ERRORS:
                pass  # It has died, as Slack says in its own way.
        self._is_streaming = False

    async def show(self, content: Json) -> None:
        """Let the message be this, whatever it was; it is posted if there is none yet."""
        if self._is_streaming:
            await self.stop_streaming()
        if self.ts is None and self._in_doubt:
            self.ts = await self._find(self._in_doubt)
        if self.ts is not None:
            try:
                await self._client.chat_update(channel=self._thread.channel, ts=self.ts, **content)
                return
            except SlackApiError as error:
                if error.response.get("error") not in _UNEDITABLE:
                    raise
        unfinished, self.ts = self.ts, await self.post(content)
        if unfinished is not None:
            with suppress(*CALL_ERRORS):
                await self._client.chat_delete(channel=self._thread.channel, ts=unfinished)

    async def post(self, content: Json) -> str:
        """Post a message of its own into the thread; its timestamp."""
        named = {**content, "blocks": marked(content["blocks"], uuid.uuid4().hex)}
        try:
            said = await self._client.chat_postMessage(
                channel=self._thread.channel,
                thread_ts=self._thread.ts,
                unfurl_links=False,
                unfurl_media=False,
                **named,
            )
        except (ClientError, TimeoutError):
            # The connection broke, perhaps after Slack had posted it.
            self._in_doubt = marks_of(named)
            posted = await self._find(self._in_doubt)
            if posted is None:
                raise
            return posted
        return str(said["ts"])

    async def _find(self, marks: frozenset[str]) -> str | None:
        said = await self._said(_LATELY_SECONDS) if marks else []
        return next((str(message["ts"]) for message in said if marks & marks_of(message)), None)

    async def _said(self, seconds: float) -> list[Json]:
        """What the bot has said in the thread in the last so many seconds, oldest first."""
        since = f"{time.time() - seconds:.6f}"
        said = await self._client.conversations_replies(
            channel=self._thread.channel, ts=self._thread.ts, oldest=since, limit=_PAGE
        )
        messages = [message for message in said["messages"] if message.get("user") == self._thread.bot]
        return [message for message in messages if float(message["ts"]) > float(since)]

    async def remove(self) -> None:
        """Delete the message, if there is one."""
        await self.stop_streaming()
        if self.ts is not None:
            ts, self.ts = self.ts, None
            await self._client.chat_delete(channel=self._thread.channel, ts=ts)

    async def set_status(self, text: str) -> None:
        """Say below the thread what is being done; empty to say nothing more."""
        await self._client.assistant_threads_setStatus(
            channel_id=self._thread.channel, thread_ts=self._thread.ts, status=text
        )
