"""A Discord server (guild) on the loopback that answers the REST requests for reading.

The shapes are those of https://docs.discord.com/developers/resources. A test holds the guild in its hands: it
posts, edits and deletes, and breaks what it wants broken.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from loopback import running

EPOCH_MS = 1_420_070_400_000
TEXT, FORUM, PUBLIC_THREAD, PRIVATE_THREAD = 0, 15, 11, 12
VIEW_CHANNEL, READ_HISTORY = 1 << 10, 1 << 16
MESSAGE_CONTENT = 1 << 19


@dataclass(frozen=True, slots=True)
class Raw:
    """An HTTP answer of the test's own; one with another status than 200 is an error."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class DiscordGuild:
    """Channels, threads, people and messages, and the HTTP server's application; `asked` holds the paths."""

    def __init__(self) -> None:
        self.token = "test.token"
        self.id = "1000"
        self.bot = {"id": "77", "username": "lorebot", "bot": True}
        self.flags = MESSAGE_CONTENT
        self.has_intent = True
        self.roles: list[dict[str, Any]] = [
            {"id": self.id, "name": "@everyone", "permissions": str(VIEW_CHANNEL | READ_HISTORY)}
        ]
        self.channels: dict[str, dict[str, Any]] = {}
        self.threads: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, dict[str, dict[str, Any]]] = {}
        self.unreadable: set[str] = set()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.faults: dict[str, deque[Raw | None]] = {}
        self.limits: dict[str, str] = {}
        self.before: Callable[[str], None] = lambda _path: None
        self.url = ""
        self._ids = itertools.count(1)

    def user(self, username: str, global_name: str | None = None) -> dict[str, Any]:
        """Make a person."""
        return {"id": str(50_000 + next(self._ids)), "username": username, "global_name": global_name}

    def channel(self, name: str, *, kind: int = TEXT, private: bool = False, **fields: object) -> str:
        """Add a channel or forum."""
        channel_id = str(2_000 + next(self._ids))
        denied = {"id": self.id, "type": 0, "allow": "0", "deny": str(VIEW_CHANNEL)}
        overwrites = [denied] if private else []
        self.channels[channel_id] = {
            **{"id": channel_id, "name": name, "type": kind, "permission_overwrites": overwrites},
            **{"guild_id": self.id, **fields},
        }
        self.messages[channel_id] = {}
        return channel_id

    def post(self, channel: str, author: dict[str, Any], content: str, at: float, **fields: object) -> str:
        """Say something in a channel or thread at a time (Unix seconds)."""
        message_id = self._snowflake(at)
        self.messages[channel][message_id] = {
            **{"id": message_id, "type": 0, "channel_id": channel, "author": author, "content": content},
            **{"mentions": [], "attachments": [], "embeds": [], "edited_timestamp": None, **fields},
        }
        return message_id

    def thread(
        self, channel: str, author: dict[str, Any], name: str, at: float, *, kind: int = PUBLIC_THREAD
    ) -> str:
        """Start a thread without a first message."""
        return self._new_thread(self._snowflake(at), channel, author, name, kind)

    def thread_from(self, channel: str, message_id: str, author: dict[str, Any], name: str) -> str:
        """Start a thread from a message, which Discord repeats in it."""
        self._new_thread(message_id, channel, author, name, PUBLIC_THREAD)
        at = (int(message_id) >> 22) + EPOCH_MS
        starter = self.messages[channel][message_id]
        self.post(message_id, author, "", at / 1000 + 0.5, type=21, referenced_message=starter)
        return message_id

    def forum_post(
        self, forum: str, author: dict[str, Any], name: str, content: str, at: float, **fields: object
    ) -> str:
        """Post in a forum: a thread whose first message has its id."""
        thread_id = self._new_thread(self._snowflake(at), forum, author, name, PUBLIC_THREAD, **fields)
        first = {"id": thread_id, "type": 0, "channel_id": thread_id, "author": author, "content": content}
        self.messages[thread_id][thread_id] = first
        return thread_id

    def archive(self, thread_id: str, at: float) -> None:
        """Archive a thread."""
        when = datetime.fromtimestamp(at, UTC).isoformat()
        self.threads[thread_id]["thread_metadata"] = {"archived": True, "archive_timestamp": when}

    def edit(self, channel: str, message_id: str, content: str) -> None:
        """Change what a message says."""
        self.messages[channel][message_id] |= {"content": content, "edited_timestamp": "2026-01-01T00:00:00Z"}

    def delete(self, channel: str, message_id: str) -> None:
        """Delete a message."""
        del self.messages[channel][message_id]

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        del self.threads[thread_id], self.messages[thread_id]

    def fail(self, path: str, *answers: Raw | None) -> None:
        """Answer the next requests of a path (below the API's address) with these; None lets one through."""
        self.faults.setdefault(path, deque()).extend(answers)

    def queries(self, path: str) -> list[dict[str, str]]:
        """The query of each request of a path."""
        return [query for asked, query in self.asked if asked == path]

    def application(self) -> web.Application:
        """The server of the REST API, below /api/v10."""
        application = web.Application()
        application.router.add_get("/api/v10/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        path = f"/{request.match_info['path']}"
        self.asked.append((path, dict(request.query)))
        self.before(path)
        found = self.faults[path].popleft() if self.faults.get(path) else None
        if found is None and request.headers.get("Authorization") != f"Bot {self.token}":
            found = error(401, 0, "401: Unauthorized")
        if found is None:
            found = self._found(path.strip("/").split("/"), request.query)
        if isinstance(found.body, str):
            return web.Response(text=found.body, status=found.status, headers=found.headers)
        return web.json_response(found.body, status=found.status, headers={**self.limits, **found.headers})

    def _found(self, path: list[str], query: Mapping[str, str]) -> Raw:
        match path:
            case ["users", "@me"]:
                return Raw(self.bot)
            case ["applications", "@me"]:
                return Raw({"id": "77", "flags": self.flags})
            case ["guilds", guild, *_] if guild != self.id:
                return error(404, 10004, "Unknown Guild")
            case ["guilds", _]:
                return Raw({"id": self.id, "name": "Acme", "roles": self.roles})
            case ["guilds", _, "channels"]:
                return Raw(list(self.channels.values()))
            case ["guilds", _, "threads", "active"]:
                active = [self._thread_now(id_) for id_ in self.threads if not self._archived_at(id_)]
                return Raw({"threads": active, "members": []})
            case ["channels", channel, *_] if channel in self.unreadable:
                return error(403, 50001, "Missing Access")
            case ["channels", channel, *_] if channel not in self.messages:
                return error(404, 10003, "Unknown Channel")
            case ["channels", channel, "messages"]:
                return Raw(self._page(channel, query))
            case ["channels", channel, "threads", "archived", "public"]:
                return Raw(self._archived(channel, query))
        return error(404, 0, "404: Not Found")

    def _page(self, channel: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        limit = int(query.get("limit", 50))
        ids = sorted(map(int, self.messages[channel]), reverse=True)
        if "after" in query:
            ids = [id_ for id_ in ids if id_ > int(query["after"])][-limit:]
        else:
            ids = [id_ for id_ in ids if id_ < int(query.get("before", 1 << 63))][:limit]
        return [self._shown(channel, str(id_)) for id_ in ids]

    def _shown(self, channel: str, message_id: str) -> dict[str, Any]:
        message = dict(self.messages[channel][message_id])
        if message_id in self.threads and self.threads[message_id]["parent_id"] == channel:
            message["thread"] = self._thread_now(message_id)
        if not self.has_intent and message["author"] is not self.bot:
            message |= {"content": "", "embeds": [], "attachments": []}
        return message

    def _archived(self, channel: str, query: Mapping[str, str]) -> dict[str, Any]:
        limit = int(query.get("limit", 50))
        before = (
            datetime.fromisoformat(query["before"]) if "before" in query else datetime.max.replace(tzinfo=UTC)
        )
        found = [
            (when, self._thread_now(id_))
            for id_, thread in self.threads.items()
            if thread["parent_id"] == channel and (when := self._archived_at(id_)) and when < before
        ]
        found.sort(key=lambda item: item[0], reverse=True)
        return {
            **{"threads": [thread for _, thread in found[:limit]], "members": []},
            "has_more": len(found) > limit,
        }

    def _archived_at(self, thread_id: str) -> datetime | None:
        told = self.threads[thread_id]["thread_metadata"]
        return datetime.fromisoformat(told["archive_timestamp"]) if told["archived"] else None

    def _thread_now(self, thread_id: str) -> dict[str, Any]:
        ids = sorted(map(int, self.messages[thread_id]))
        return {
            **self.threads[thread_id],
            "last_message_id": str(ids[-1]) if ids else None,
            "message_count": len(ids),
            "total_message_sent": len(ids),
        }

    def _new_thread(
        self, id_: str, channel: str, author: dict[str, Any], name: str, kind: int, **fields: object
    ) -> str:
        self.threads[id_] = {
            **{"id": id_, "parent_id": channel, "name": name, "type": kind, "owner_id": author["id"]},
            **{"guild_id": self.id, "thread_metadata": {"archived": False}, **fields},
        }
        self.messages[id_] = {}
        return id_

    def _snowflake(self, at: float) -> str:
        return str((round(at * 1000) - EPOCH_MS) << 22 | next(self._ids))


def error(status: int, code: int, message: str) -> Raw:
    """An error in Discord's form."""
    return Raw({"message": message, "code": code}, status)


def too_many_requests(seconds: float) -> Raw:
    """What Discord answers when it is asked too often."""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
    return Raw(body, 429, {"Retry-After": str(int(seconds)), "Via": "1.1 loopback"})


@contextmanager
def discord_guild() -> Iterator[DiscordGuild]:
    """Serve an empty guild; its `url` is the base URL of the API."""
    guild = DiscordGuild()
    with running(guild.application()) as url:
        guild.url = f"{url}/api/v10"
        yield guild
