"""What a message or a command asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import discord

from connectors.conversation import Place
from connectors.discord.written import plain_text
from connectors.downloading import SharedFile

PLATFORM = "discord"

# How a question reached the bot. `thread` and `overheard` were not addressed to it.
How = Literal["mention", "direct", "thread", "overheard", "forum", "menu", "ephemeral", "aloud", "shared"]

_TEXT_CHARACTERS = 10_000
_WRITTEN_BY_PEOPLE = (discord.MessageType.default, discord.MessageType.reply)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who is to be told something, and where; `guild` is empty in a direct message.

    `application` and `token` are those of an interaction that came at `at` (seconds since 1970), else empty.
    """

    guild: str
    channel: str
    user: str
    application: str = ""
    token: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A message or a command that may be a question.

    `parent` is the channel of a thread, `channel` itself elsewhere. The answer goes into `destination`: a
    thread that is yet to be opened from the message when this is `message` itself. `calls` are whom the
    message mentions or replies to beside the bot.
    """

    key: str
    how: How
    ticket: Ticket
    parent: str
    message: str
    destination: str
    text: str
    calls: tuple[str, ...] = ()
    files: tuple[SharedFile, ...] = ()

    @property
    def is_for_one(self) -> bool:
        """Whether nobody but the person who asks reads the answer."""
        return self.how == "ephemeral" or not self.ticket.guild

    @property
    def conversation(self) -> str:
        """What is said to one person in a channel goes on between these two alone."""
        here = conversation(self.ticket.guild, self.destination)
        return f"{here}/{self.ticket.user}" if self.how == "ephemeral" else here

    @property
    def opens_thread(self) -> bool:
        return self.destination == self.message != self.ticket.channel

    @property
    def place(self) -> Place:
        """The place for its manners; who reads there is not known yet."""
        return Place(PLATFORM, self.parent, frozenset(), self.ticket.guild or None)

    def as_payload(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Heard:
        """The inverse of `as_payload`. Raises `KeyError` or `TypeError` for anything else."""
        values = {field.name: payload[field.name] for field in fields(cls)}
        files = tuple(SharedFile(**file) for file in values.pop("files"))
        ticket = Ticket(**values.pop("ticket"))
        return cls(**{**values, "ticket": ticket, "calls": tuple(values["calls"]), "files": files})


def conversation(guild: str, channel: str) -> str:
    """How a channel, a thread or the direct messages with a person are named as a conversation."""
    return f"{PLATFORM}:{guild or 'dm'}/{channel}"


def message_key(message: int) -> str:
    """The key of what a message raises."""
    return f"{PLATFORM}:message/{message}"


def read_message(
    message: discord.Message, bot: discord.abc.User, forums: Collection[str], opens_threads: bool
) -> Heard | None:
    """What a message says; None for what bots, webhooks and Discord itself write.

    `forums` are the ids and names of the forum channels whose posts are answered of themselves.
    """
    if message.author.bot or message.webhook_id is not None or message.type not in _WRITTEN_BY_PEOPLE:
        return None
    channel, guild = message.channel, message.guild
    parent = channel.parent_id if isinstance(channel, discord.Thread) else channel.id
    is_post = _is_forum_post(message)
    how = _how(message, bot, is_post, forums)
    opens_thread = opens_threads and how in ("mention", "overheard") and _may_have_threads(channel)
    return Heard(
        key=message_key(message.id),
        how=how,
        ticket=Ticket(str(guild.id) if guild else "", str(channel.id), str(message.author.id)),
        parent=str(parent),
        message=str(message.id),
        destination=str(message.id if opens_thread else channel.id),
        text=asked(message, bot),
        calls=_calls(message, bot),
        files=shared_files(message.attachments),
    )


def asked(message: discord.Message, bot: discord.abc.User) -> str:
    """What a message asks: in a forum, the title of the post too."""
    channel, text = message.channel, spoken(message, bot)
    if not (isinstance(channel, discord.Thread) and _is_forum_post(message)) or channel.name in text:
        return text
    return f"{channel.name}\n{text}".strip()


def spoken(message: discord.Message, bot: discord.abc.User) -> str:
    """A message's text as a person reads it, without the mention of the bot."""
    names = {str(user.id): user.display_name for user in message.mentions}
    names |= {str(role.id): role.name for role in message.role_mentions}
    names |= {str(one.id): getattr(one, "name", "") for one in message.channel_mentions}
    return plain_text(message.content[:_TEXT_CHARACTERS], names, str(bot.id))


def shared_files(attachments: Collection[discord.Attachment]) -> tuple[SharedFile, ...]:
    """The files of a message."""
    return tuple(SharedFile(str(file.id), file.filename, file.size, file.url) for file in attachments)


def _how(message: discord.Message, bot: discord.abc.User, is_post: bool, forums: Collection[str]) -> How:
    channel = message.channel
    if message.guild is None:
        return "direct"
    if _is_addressed(message, bot):
        return "mention"
    if not isinstance(channel, discord.Thread):
        return "overheard"
    if not is_post:
        return "thread"
    return "forum" if is_named(channel.parent, forums) else "overheard"


def _is_forum_post(message: discord.Message) -> bool:
    """A forum's post is a thread that has the id of its first message."""
    channel = message.channel
    is_thread = isinstance(channel, discord.Thread) and isinstance(channel.parent, discord.ForumChannel)
    return is_thread and message.id == channel.id


def is_named(channel: discord.abc.GuildChannel | None, names: Collection[str]) -> bool:
    """Whether a channel's id or name is among some."""
    return channel is not None and not {str(channel.id), channel.name}.isdisjoint(names)


def _is_addressed(message: discord.Message, bot: discord.abc.User) -> bool:
    roles = (role.tags for role in message.role_mentions)
    return any(user.id == bot.id for user in message.mentions) or any(
        tags is not None and tags.bot_id == bot.id for tags in roles
    )


def _calls(message: discord.Message, bot: discord.abc.User) -> tuple[str, ...]:
    called = {str(user.id) for user in message.mentions if user.id != bot.id}
    called |= {str(role.id) for role in message.role_mentions}
    answered = message.reference.resolved if message.reference else None
    if isinstance(answered, discord.Message) and answered.author.id not in (bot.id, message.author.id):
        called.add(str(answered.author.id))
    return tuple(sorted(called | ({"everyone"} if message.mention_everyone else set())))


def _may_have_threads(channel: object) -> bool:
    return isinstance(channel, discord.TextChannel)
