"""What an event says about a message: a question perhaps, an edit, or a deletion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from connectors.downloading import SharedFile
from connectors.slack.written import mentioned, plain_text

Json = Mapping[str, Any]

# How a question reached the bot. `thread` and `overheard` were not addressed to it.
How = Literal["mention", "direct", "thread", "overheard", "reaction", "shortcut", "ephemeral", "shared"]

# The kinds of message that people write; all others are told by Slack or written by programs.
_WRITTEN_BY_PEOPLE = frozenset({None, "", "file_share", "thread_broadcast", "me_message"})
_TEXT_CHARACTERS = 40_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that may be a question.

    `ts` is the message's own, `thread` that of its thread's root; `is_in_thread` tells a reply from a root.
    `home_team` is the person's own workspace where Slack names it. `calls` are those the message mentions.
    """

    how: How
    team: str
    enterprise: str | None
    channel: str
    ts: str
    thread: str
    is_in_thread: bool
    user: str
    home_team: str | None
    text: str
    is_direct: bool
    is_external: bool
    calls: tuple[str, ...] = ()
    files: tuple[SharedFile, ...] = ()

    @property
    def key(self) -> str:
        """The key of its delivery: one for all events that a message raises."""
        return message_key(self.team, self.channel, self.ts)

    @property
    def conversation(self) -> str:
        return f"slack:{self.team}/{self.channel}/{self.thread}"

    def as_payload(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Json) -> Heard:
        """The inverse of `as_payload`. Raises `KeyError` or `TypeError` for anything else."""
        values = {field.name: payload[field.name] for field in fields(cls)}
        files = tuple(SharedFile(**file) for file in values.pop("files"))
        return cls(**{**values, "calls": tuple(values["calls"]), "files": files})


@dataclass(frozen=True, slots=True)
class Edited:
    """A message was changed; `text` is as the bot reads it."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message was deleted."""

    key: str


def message_key(team: str, channel: str, ts: str) -> str:
    """The key of what a message raises."""
    return f"slack:{team}/{channel}/{ts}"


def read_event(body: Json, team: str, bot_user: str) -> Heard | Edited | Deleted | None:
    """What an Events API body with a `message` or `app_mention` event says; None for what bots write.

    `team` is the workspace in which the app is installed.
    """
    event = body["event"]
    channel, subtype = str(event.get("channel") or ""), event.get("subtype")
    if subtype == "message_deleted":
        return Deleted(message_key(team, channel, str(event.get("deleted_ts") or "")))
    if subtype == "message_changed":
        return _edited(event, team, channel, bot_user)
    if subtype not in _WRITTEN_BY_PEOPLE or _is_by_program(event, bot_user):
        return None
    ts, text = str(event.get("ts") or ""), str(event.get("text") or "")[:_TEXT_CHARACTERS]
    if not channel or not ts:
        return None
    calls = mentioned(text)
    is_direct = event.get("channel_type") == "im" or channel.startswith("D")
    thread = str(event.get("thread_ts") or ts)
    return Heard(
        how=_how(is_direct, event["type"] == "app_mention" or bot_user in calls, thread != ts),
        team=team,
        enterprise=_enterprise(body),
        channel=channel,
        ts=ts,
        thread=thread,
        is_in_thread=thread != ts,
        user=str(event["user"]),
        home_team=event.get("user_team") or event.get("team"),
        text=plain_text(text, {bot_user}),
        is_direct=is_direct,
        is_external=is_external(body),
        calls=tuple(sorted(calls - {bot_user})),
        files=shared_files(event),
    )


def is_external(body: Json) -> bool:
    """Whether an event comes from a channel that other organisations read too."""
    event = body.get("event")
    shared = event.get("is_ext_shared_channel") if isinstance(event, Mapping) else None
    return bool(body.get("is_ext_shared_channel") or shared)


def shared_files(message: Json) -> tuple[SharedFile, ...]:
    """The files of a message."""
    return tuple(shared_file(file) for file in message.get("files") or () if isinstance(file, Mapping))


def shared_file(file: Json) -> SharedFile:
    """A file as Slack describes it."""
    return SharedFile(
        str(file.get("id") or ""),
        str(file.get("name") or file.get("title") or "a file"),
        int(file.get("size") or 0),
        str(file.get("url_private_download") or file.get("url_private") or ""),
    )


def _how(is_direct: bool, is_addressed: bool, is_in_thread: bool) -> How:
    if is_direct:
        return "direct"
    if is_addressed:
        return "mention"
    return "thread" if is_in_thread else "overheard"


def _edited(event: Json, team: str, channel: str, bot_user: str) -> Edited | Deleted | None:
    message = event.get("message") or {}
    ts, text = str(message.get("ts") or ""), str(message.get("text") or "")
    if message.get("subtype") == "tombstone":
        # A deleted message that has replies is told as a change.
        return Deleted(message_key(team, channel, ts))
    if _is_by_program(message, bot_user):
        return None
    return Edited(message_key(team, channel, ts), plain_text(text[:_TEXT_CHARACTERS], {bot_user}))


def _is_by_program(message: Json, bot_user: str) -> bool:
    user = message.get("user")
    return bool(message.get("bot_id") or message.get("bot_profile")) or user in (
        None,
        "",
        bot_user,
        "USLACKBOT",
    )


def _enterprise(body: Json) -> str | None:
    authorizations = body.get("authorizations") or [body]
    enterprise = authorizations[0].get("enterprise_id")
    return str(enterprise) if enterprise else None
