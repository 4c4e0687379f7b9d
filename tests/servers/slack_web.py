"""A Slack workspace on the loopback that answers the Web API's methods for reading.

The shapes are those of https://docs.slack.dev/reference/methods. A test holds the workspace in its hands: it
posts, edits and deletes, and breaks what it wants broken.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from loopback import running

Reply = Mapping[str, Any]
Parameters = Mapping[str, str]

HISTORY_SCOPES = {"channels:history", "channels:read", "groups:history", "groups:read", "users:read"}


@dataclass(frozen=True, slots=True)
class Raw:
    """An HTTP answer that is not a method's own."""

    text: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class SlackWorkspace:
    """Channels, people and messages, and the HTTP server's application; `asked` holds the calls in order."""

    def __init__(self) -> None:
        self.token = "xoxb-test"
        self.scopes = set(HISTORY_SCOPES)
        self.bot_user, self.bot_id = "UBOT", "BBOT"
        self.users: dict[str, dict[str, Any]] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, dict[str, dict[str, Any]]] = {}
        self.page_size = 999
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.faults: dict[str, deque[Raw | Reply | None]] = {}
        self.before: Callable[[str], None] = lambda _method: None
        self._ids = itertools.count(1)
        self.url = ""

    def user(self, name: str, display_name: str = "") -> str:
        """Add a person."""
        user_id = f"U{next(self._ids):05d}"
        profile = {"display_name": display_name, "real_name": name}
        self.users[user_id] = {"id": user_id, "name": name.lower().replace(" ", "."), "profile": profile}
        return user_id

    def channel(self, name: str, *, private: bool = False, member: bool = True) -> str:
        """Add a channel."""
        channel_id = f"C{next(self._ids):05d}"
        self.channels[channel_id] = {
            **{"id": channel_id, "name": name, "is_channel": not private, "is_group": private},
            **{"is_private": private, "is_im": False, "is_mpim": False, "is_member": member},
        }
        self.messages[channel_id] = {}
        return channel_id

    def post(
        self, channel: str, user: str, text: str, at: float, thread: str | None = None, **fields: object
    ) -> str:
        """Say something at a time (Unix seconds); a reply to a message makes a thread of it."""
        ts = f"{at:.0f}.{next(self._ids):06d}"
        message = {"type": "message", "ts": ts, "user": user, "text": text, **fields}
        if user == self.bot_user:
            message["bot_id"] = self.bot_id
        if thread:
            message["thread_ts"] = thread
        self.messages[channel][ts] = message
        return ts

    def edit(self, channel: str, ts: str, text: str) -> None:
        """Change what a message says."""
        edited = {"user": self.messages[channel][ts].get("user"), "ts": f"{float(ts) + 5:.6f}"}
        self.messages[channel][ts] |= {"text": text, "edited": edited}

    def delete(self, channel: str, ts: str) -> None:
        """Delete a message; the first one of a thread leaves a tombstone."""
        if self._replies(channel, ts):
            grave = {"type": "message", "subtype": "tombstone", "ts": ts, "user": "USLACKBOT"}
            self.messages[channel][ts] = {**grave, "text": "This message was deleted."}
        else:
            del self.messages[channel][ts]

    def fail(self, method: str, *replies: Raw | Reply | None) -> None:
        """Answer the next calls of a method with these; None lets one through."""
        self.faults.setdefault(method, deque()).extend(replies)

    def calls(self, method: str) -> list[dict[str, str]]:
        """The parameters of each call of a method."""
        return [parameters for name, parameters in self.asked if name == method]

    def application(self) -> web.Application:
        """The server of the Web API, below /api/."""
        application = web.Application()
        application.router.add_route("*", "/api/{method}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        parameters = {**request.query, **{key: str(value) for key, value in (await request.post()).items()}}
        self.asked.append((method, parameters))
        self.before(method)
        fault = self.faults[method].popleft() if self.faults.get(method) else None
        if isinstance(fault, Raw):
            return web.Response(text=fault.text, status=fault.status, headers=fault.headers)
        if fault is not None:
            return web.json_response(fault)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        answers: dict[str, Callable[[Parameters], Reply]] = {
            "auth.test": self._auth_test,
            "users.info": self._users_info,
            "conversations.info": self._conversations_info,
            "conversations.list": self._conversations_list,
            "conversations.history": self._conversations_history,
            "conversations.replies": self._conversations_replies,
        }
        answer = answers.get(method, lambda _: {"ok": False, "error": "unknown_method"})
        return web.json_response(answer(parameters))

    def _auth_test(self, _parameters: Parameters) -> Reply:
        return {
            **{"ok": True, "url": "https://acme.slack.example/", "team": "Acme", "team_id": "T1"},
            **{"user": "lorebot", "user_id": self.bot_user, "bot_id": self.bot_id},
        }

    def _users_info(self, parameters: Parameters) -> Reply:
        if missing := self._missing("users:read"):
            return missing
        user = self.users.get(parameters["user"])
        return {"ok": True, "user": user} if user else {"ok": False, "error": "user_not_found"}

    def _conversations_info(self, parameters: Parameters) -> Reply:
        channel = self.channels.get(parameters["channel"])
        if channel is None or (channel["is_private"] and not channel["is_member"]):
            return {"ok": False, "error": "channel_not_found"}
        scope = "groups:read" if channel["is_private"] else "channels:read"
        return self._missing(scope) or {"ok": True, "channel": channel}

    def _conversations_list(self, parameters: Parameters) -> Reply:
        is_private = parameters["types"] == "private_channel"
        if missing := self._missing("groups:read" if is_private else "channels:read"):
            return missing
        found = [
            channel
            for channel in self.channels.values()
            if channel["is_private"] is is_private and (channel["is_member"] or not is_private)
        ]
        return self._page("channels", found, parameters)

    def _conversations_history(self, parameters: Parameters) -> Reply:
        if refused := self._refused(parameters["channel"]):
            return refused
        found = [
            self._with_thread(parameters["channel"], message)
            for ts, message in self._newest_first(parameters["channel"])
            if float(ts) > float(parameters.get("oldest", 0))
            and (message.get("thread_ts") in (None, ts) or message.get("subtype") == "thread_broadcast")
        ]
        return self._page("messages", found, parameters)

    def _conversations_replies(self, parameters: Parameters) -> Reply:
        channel, ts = parameters["channel"], parameters["ts"]
        if refused := self._refused(channel):
            return refused
        first = self.messages[channel].get(ts)
        if first is None:
            return {"ok": False, "error": "thread_not_found"}
        return self._page(
            "messages", [self._with_thread(channel, first), *self._replies(channel, ts)], parameters
        )

    def _newest_first(self, channel: str) -> list[tuple[str, dict[str, Any]]]:
        return sorted(self.messages[channel].items(), key=lambda item: float(item[0]), reverse=True)

    def _replies(self, channel: str, ts: str) -> list[dict[str, Any]]:
        found = [m for m in self.messages[channel].values() if m.get("thread_ts") == ts and m["ts"] != ts]
        return sorted(found, key=lambda message: float(message["ts"]))

    def _with_thread(self, channel: str, message: dict[str, Any]) -> dict[str, Any]:
        replies = self._replies(channel, message["ts"])
        if not replies:
            return message
        return message | {
            **{"thread_ts": message["ts"], "reply_count": len(replies), "latest_reply": replies[-1]["ts"]},
            "reply_users": list(dict.fromkeys(reply["user"] for reply in replies))[:5],
        }

    def _refused(self, channel_id: str) -> Reply | None:
        channel = self.channels.get(channel_id)
        if channel is None or (channel["is_private"] and not channel["is_member"]):
            return {"ok": False, "error": "channel_not_found"}
        if not channel["is_member"]:
            return {"ok": False, "error": "not_in_channel"}
        return self._missing("groups:history" if channel["is_private"] else "channels:history")

    def _missing(self, scope: str) -> Reply | None:
        if scope in self.scopes:
            return None
        provided = ",".join(sorted(self.scopes))
        return {"ok": False, "error": "missing_scope", "needed": scope, "provided": provided}

    def _page(self, key: str, items: list[dict[str, Any]], parameters: Parameters) -> Reply:
        start = int(parameters.get("cursor") or 0)
        end = start + min(self.page_size, int(parameters.get("limit", 100)))
        cursor = str(end) if end < len(items) else ""
        more = {"has_more": bool(cursor)} if key == "messages" else {}
        return {"ok": True, key: items[start:end], "response_metadata": {"next_cursor": cursor}, **more}


def too_many_requests(seconds: int) -> Raw:
    """What Slack answers when it is asked too often."""
    return Raw('{"ok": false, "error": "ratelimited"}', 429, {"Retry-After": str(seconds)})


@contextmanager
def slack_workspace() -> Iterator[SlackWorkspace]:
    """Serve an empty workspace; its `url` is the base URL of the Web API."""
    workspace = SlackWorkspace()
    with running(workspace.application()) as url:
        workspace.url = f"{url}/api/"
        yield workspace
