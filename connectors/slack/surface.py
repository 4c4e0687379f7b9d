"""Where the answer to one question appears in Slack: in a thread, or before one person's eyes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from slack_sdk.errors import SlackApiError

from connectors.conversation import Answer, Progress
from connectors.pacing import Pacer
from connectors.ports import Manners
from connectors.recalling import expert_of
from connectors.safe_links import allowed_links
from connectors.slack.answer_view import answer_messages, stream_ending
from connectors.slack.blocks import Json, Message
from connectors.slack.buttons import answer_buttons, share_button
from connectors.slack.complaints import error_code, is_shut_out
from connectors.slack.marks import marked
from connectors.slack.notices import refused
from connectors.slack.progress_view import read_chunks, status_text, text_chunk, working_chunks
from connectors.slack.safe_text import SafeStream, markdown
from connectors.slack.streaming import CALL_ERRORS, GrowingMessage

# A streamed message holds about 11,000 bytes; a longer answer is shown complete at its end.
STREAM_BYTES = 8_000
_FLUSH_SECONDS = 0.25
_UNDRAWABLE = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})


Whisper = Callable[[Message], Coroutine[Any, Any, None]]


class ThreadSurface:
    """An answer in a thread: status at once, then the stream, then the complete message.

    What is shown on the way is sent by a task of its own, so that Slack's pace never holds the answer up.
    `whisper` shows a message to the asker alone: where the bot may not write (any more), the answer too.
    """

    def __init__(self, message: GrowingMessage, key: str, manners: Manners, whisper: Whisper) -> None:
        self._message = message
        self._key = key
        self._manners = manners
        self._whisper = whisper
        self._notes: list[str] = []
        self._safe = SafeStream()
        self._sent = ""
        self._doing = ""
        self._status: str | None = None
        self._chunks: list[Json] = []
        self._holds_back = self._is_shut_out = False
        self._pacer = Pacer(self._send_what_is_new, _FLUSH_SECONDS)

    def note(self, line: str) -> None:
        """A line that is posted after the answer."""
        self._notes.append(line)

    async def show_progress(self, progress: Progress) -> None:
        """Say it below the thread; documents that are being read go into a task card."""
        self._doing = status_text(progress)
        if progress.reading or (self._message.ts is not None and not self._sent):
            self._chunks += working_chunks(progress)
        elif not self._sent:
            self._status = self._doing
        self._pacer.wake()

    async def append(self, text: str) -> None:
        """Stream a piece. From the first link on, text waits until its source is known."""
        is_full = len((self._sent + text).encode()) > STREAM_BYTES
        self._holds_back = self._holds_back or _may_link(text) or is_full
        if self._holds_back:
            return
        safe = self._safe.push(text)
        if safe:
            self._sent += safe
            self._chunks.append(text_chunk(safe))
            self._pacer.wake()

    async def finish(self, answer: Answer) -> bool:
        """End the stream with sources and buttons, else let the complete message take its place."""
        await self._stop_sending()
        now, buttons = datetime.now(UTC), answer_buttons(answer, expert_of(self._manners, answer.citations))
        if not await self._end_stream(answer, now, buttons):
            await self._message.stop_streaming()
            first, *others = answer_messages(answer, now, buttons)
            await self._complete(first)
            for message in others:
                await self._add(message)
        for line in self._notes:
            with suppress(*CALL_ERRORS):
                await self._add(refused(line))
        return True

    async def fail(self, line: str) -> None:
        """Say it in the place of whatever was shown."""
        await self._stop_sending()
        await self._message.stop_streaming()
        await self._complete(refused(line))

    async def withdraw(self) -> None:
        """Delete the message, and the status."""
        await self._stop_sending()
        if self._message.ts is None:
            await self._message.set_status("")
        await self._message.remove()

    async def _stop_sending(self) -> None:
        """Send no more on the way; whatever went wrong there, the complete message takes its place."""
        try:
            await self._pacer.stop()
        except Exception:
            await self._message.stop_streaming()

    async def _send_what_is_new(self) -> None:
        status, self._status = self._status, None
        if status and not self._chunks:
            try:
                await self._message.set_status(status)
            except CALL_ERRORS:
                self._chunks += working_chunks(Progress(status))
        chunks = tuple(self._chunks)
        if not chunks or self._pacer.is_stopped:
            return
        if await self._message.grow(chunks, self._sent or self._doing):
            del self._chunks[: len(chunks)]
        else:
            self._pacer.wake()

    async def _end_stream(self, answer: Answer, now: datetime, buttons: Sequence[Json]) -> bool:
        """Whether the stream could be ended with what is missing of the answer."""
        text = markdown(answer.text, allowed_links(answer.citations))
        fits = len(text.encode()) <= STREAM_BYTES and text.startswith(self._sent)
        if not (self._message.is_streaming and fits):
            return False
        rest = text[len(self._sent) :]
        chunks = [*self._chunks, *([text_chunk(rest)] if rest else []), *read_chunks(answer)]
        try:
            await self._message.end(chunks, marked(stream_ending(answer, now, buttons), self._key))
        except CALL_ERRORS:
            return False
        return True

    async def _complete(self, message: Message) -> None:
        try:
            content = message.content()
            await self._message.show({**content, "blocks": marked(content["blocks"], self._key)})
        except SlackApiError as error:
            if is_shut_out(error):
                self._is_shut_out = True
                await self._whisper(message)
            elif error_code(error) in _UNDRAWABLE:
                await self._message.show({"text": message.text, "blocks": []})
            else:
                raise

    async def _add(self, message: Message) -> None:
        if self._is_shut_out:
            await self._whisper(message)
        else:
            await self._message.post(message.content())


class EphemeralSurface:
    """An answer that the asker alone sees; `whisper` shows a message to this person."""

    def __init__(self, whisper: Whisper) -> None:
        self._whisper = whisper

    async def show_progress(self, progress: Progress) -> None:
        """What can be shown to one person can seldom be edited: nothing until the answer is there."""

    async def append(self, text: str) -> None:
        """Nothing until the answer is there."""

    async def finish(self, answer: Answer) -> bool:
        """Show the answer, with a button that shares it."""
        buttons = (*answer_buttons(answer, None), share_button(answer.id))
        for message in answer_messages(answer, datetime.now(UTC), buttons):
            await self._whisper(message)
        return True

    async def fail(self, line: str) -> None:
        """Say it to the asker."""
        await self._whisper(refused(line))

    async def withdraw(self) -> None:
        """Nothing was shown."""


def _may_link(text: str) -> bool:
    return "://" in text or "](" in text or "mailto:" in text
