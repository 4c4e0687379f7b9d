"""What a person sees of a message: its blocks where it has any, else its text, and a stream's transcript."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]


@dataclass(slots=True)
class Stream:
    """A message that is written bit by bit. `mode` is set by its first payload for good."""

    channel: str
    ts: str
    life: float
    started: float = field(default_factory=time.monotonic)
    text: str = ""
    tasks: dict[str, Json] = field(default_factory=dict)
    plan: str = ""
    blocks: list[Json] = field(default_factory=list)
    mode: Literal["", "markdown_text", "chunks"] = ""
    stopped: bool = False
    killed: bool = False
    rewritten: bool = False

    @property
    def state(self) -> Literal["streaming", "stopped", "dead"]:
        """Whether it still takes text; it dies of age or by order of the test."""
        if self.stopped:
            return "stopped"
        return "dead" if self.killed or time.monotonic() - self.started > self.life else "streaming"


@dataclass(frozen=True, slots=True)
class Shown:
    """A message on the screen. `stream` is empty for a message that was posted whole.

    `text` is the text field (what a notification shows) or the stream's transcript; `words` is all that can
    be read, blocks and task cards included.
    """

    ts: str
    thread_ts: str | None
    user: str
    text: str
    blocks: tuple[Json, ...]
    tasks: tuple[Json, ...] = ()
    stream: Literal["", "streaming", "stopped", "dead"] = ""
    edited: bool = False
    files: tuple[Json, ...] = ()
    reactions: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """All that a person reads: a stream's text, the blocks, or the text where there are no blocks."""
        parts = [] if self.blocks and not self.stream else [self.text]
        return "\n".join(part for part in [*parts, *_words(self.tasks), *_words(self.blocks)] if part)

    @property
    def pings(self) -> list[str]:
        """Whom it would notify: mentions of people, groups and whole channels."""
        return re.findall(r"<(?:@[UW]|!)[^>]*>", self.words)

    @property
    def links(self) -> list[str]:
        """Every web address that can be read or followed."""
        return re.findall(r"https?://[^\s<>|)\"'\]]+", self.words)

    def elements(self, kind: str = "") -> list[Json]:
        """The interactive elements of the blocks, of one type or of all."""
        found = [element for block in self.blocks for element in interactive(block)]
        return [element for element in found if kind in ("", element["type"])]


def shown(
    message: Json, stream: Stream | None = None, reactions: Mapping[str, list[str]] | None = None
) -> Shown:
    """A message as it is now."""
    text, blocks = message.get("text", ""), message.get("blocks") or ()
    tasks: tuple[Json, ...] = ()
    if stream and not stream.rewritten:
        text, blocks, tasks = stream.text, stream.blocks, tuple(stream.tasks.values())
    return Shown(
        ts=message["ts"],
        thread_ts=message.get("thread_ts"),
        user=message["user"],
        text=text,
        blocks=tuple(blocks),
        tasks=tasks,
        stream=stream.state if stream else "",
        edited="edited" in message,
        files=tuple(message.get("files", ())),
        reactions=reactions or {},
    )


def interactive(block: Json) -> Iterator[Json]:
    """The elements of a block that a person can use, each with its block's id."""
    children = [*block.get("elements", ()), block.get("accessory"), block.get("element")]
    for element in children:
        if isinstance(element, dict) and "action_id" in element:
            yield {**element, "block_id": block.get("block_id", "")}


def _words(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            readable = ("text", "title", "details", "output", "alt_text", "label", "url")
            if key in readable and isinstance(value, str):
                yield value
            else:
                yield from _words(value)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _words(item)
