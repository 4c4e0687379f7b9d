"""What a Slack holds: teams, people, channels, messages, streams, views and files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from typing import Any

from .showing import Shown, Stream, shown
from .team import FLAGS, Json, Kind, Status, Team

__all__ = ["Json", "Shown", "Status", "Team", "World"]


class World:
    """Everything there is. Methods set it up and look at it; none of them talks to the app."""

    def __init__(self) -> None:
        self.url = ""
        self.app_id = "A0001"
        self.app_token = "xapp-1-test"
        self.app_scopes = {"connections:write"}
        self.signing_secret, self.client_id, self.client_secret = "signing-secret", "1.2", "client-secret"
        self.redirect_uri = ""
        self.stream_life = 300.0
        self.stream_bytes = 11_000
        self.teams: dict[str, Team] = {}
        self.users: dict[str, Json] = {}
        self.groups: dict[str, Json] = {}
        self.channels: dict[str, Json] = {}
        self.members: dict[str, set[str]] = {}
        self.messages: dict[str, dict[str, Json]] = {}
        self.threads: dict[tuple[str, str], list[str]] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        self.edits: dict[tuple[str, str], list[Json]] = {}
        self.reactions: dict[tuple[str, str], dict[str, list[str]]] = {}
        self.whispers: list[Json] = []
        self.statuses: list[Status] = []
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[tuple[str, str], list[Json]] = {}
        self.views: dict[str, Json] = {}
        self.homes: dict[str, Json] = {}
        self.triggers: dict[str, tuple[float, str]] = {}
        self.trigger_seconds = 3.0
        self.files: dict[str, Json] = {}
        self.contents: dict[str, bytes] = {}
        self.response_urls: dict[str, Json] = {}
        self.codes: dict[str, str] = {}
        self.said_at: dict[tuple[str, str], float] = {}
        self.signs: dict[tuple[str, str], float] = {}
        self._numbers = itertools.count(1)
        self._dms: dict[tuple[str, str], str] = {}
        self._clock = 0
        self.team = self.install("T0001", "Acme", token="xoxb-test", bot_user="U0BOT", bot_id="B0BOT")

    def number(self) -> int:
        """The next number of the workspace."""
        return next(self._numbers)

    def new_ts(self) -> str:
        """A time stamp of now, larger than all before."""
        self._clock = max(self._clock + 1, int(time.time() * 1e6))
        return f"{self._clock // 1_000_000}.{self._clock % 1_000_000:06d}"

    def install(
        self, team_id: str, name: str, *, token: str = "", bot_user: str = "", bot_id: str = ""
    ) -> Team:
        """Install the app in another workspace."""
        bot_user = bot_user or f"U0BOT{team_id}"
        team = Team(team_id, name, token or f"xoxb-{team_id}", bot_user, bot_id or f"B0BOT{team_id}")
        self.teams[team_id] = team
        self.user("lorebot", "bot", user_id=bot_user, team_id=team_id)
        self.users[bot_user]["profile"] |= {"bot_id": team.bot_id, "api_app_id": self.app_id}
        return team

    def user(self, name: str, kind: Kind = "member", *, user_id: str = "", **fields: Any) -> str:
        """Add a person; the value is the id. Further fields are those of `users.info`, such as `team_id`."""
        user_id = user_id or f"U{self.number():05d}"
        flags = ("deleted", "is_bot", "is_admin", "is_owner", "is_restricted", "is_ultra_restricted")
        self.users[user_id] = {
            **{
                "id": user_id,
                "name": name.lower().replace(" ", "."),
                "team_id": self.team_of(fields),
                "tz": "UTC",
            },
            **{"real_name": name, "profile": {"real_name": name, "display_name": name}},
            **dict.fromkeys(flags, False),
            **FLAGS[kind],
            **fields,
        }
        return user_id

    def team_of(self, about: Json) -> str:
        """The team of a user or a channel; the first team where it says nothing."""
        return str(about.get("team_id") or about.get("context_team_id") or next(iter(self.teams)))

    def bot_of(self, channel: str) -> Team:
        """The team whose bot hears a channel."""
        return self.teams.get(self.team_of(self.channels[channel])) or self.team

    def group(self, handle: str, users: Iterable[str] = (), *, team_id: str = "") -> str:
        """Add a user group; the value is the id."""
        group_id = f"S{self.number():05d}"
        self.groups[group_id] = {
            **{"id": group_id, "handle": handle, "name": handle.title(), "team_id": team_id or self.team.id},
            **{"users": list(users), "is_usergroup": True, "date_delete": 0},
        }
        return group_id

    def channel(
        self,
        name: str,
        members: Iterable[str] = (),
        *,
        private: bool = False,
        bot: bool = True,
        **fields: Any,
    ) -> str:
        """Add a channel; the value is the id. `is_ext_shared=True` makes it one of Slack Connect."""
        channel = f"{'G' if private and fields.get('is_mpim') else 'C'}{self.number():05d}"
        self.channels[channel] = {
            **{
                "id": channel,
                "name": name,
                "is_channel": not private,
                "is_group": private,
                "is_private": private,
            },
            **{
                "is_im": False,
                "is_mpim": False,
                "is_archived": False,
                "is_shared": False,
                "is_ext_shared": False,
            },
            **{"context_team_id": self.team.id, "is_org_shared": False, "is_pending_ext_shared": False},
            **fields,
        }
        self.members[channel] = set(members) | ({self.bot_of(channel).bot_user} if bot else set())
        self.messages[channel] = {}
        return channel

    def im(self, user: str, team: Team | None = None) -> str:
        """The direct conversation of the bot and a person, made when there is none."""
        team = team or self.teams.get(self.team_of(self.users[user])) or self.team
        if (user, team.id) not in self._dms:
            channel = f"D{self.number():05d}"
            flags = {
                "is_im": True,
                "is_private": True,
                "is_mpim": False,
                "is_channel": False,
                "is_group": False,
            }
            about = {"id": channel, "user": user, "context_team_id": team.id, "is_archived": False}
            self.channels[channel] = {**about, **flags}
            self.members[channel] = {user, team.bot_user}
            self.messages[channel] = {}
            self._dms[user, team.id] = channel
        return self._dms[user, team.id]

    def put(self, channel: str, user: str, text: str, thread_ts: str | None = None, **fields: Any) -> Json:
        """Store a message without telling the app."""
        ts = self.new_ts()
        message: Json = {
            "type": "message",
            "ts": ts,
            "user": user,
            "text": text,
            "team": self.team_of(self.users[user]),
        }
        if thread_ts and thread_ts != ts:
            message["thread_ts"] = thread_ts
            self.threads.setdefault((channel, thread_ts), []).append(ts)
        if self.users[user]["is_bot"]:
            own = next((team for team in self.teams.values() if team.bot_user == user), None)
            message |= {"bot_id": own.bot_id, "app_id": self.app_id} if own else {"bot_id": f"B{user[1:]}"}
        self.messages[channel][ts] = message | fields
        self.said_at[channel, ts] = time.monotonic()
        return self.messages[channel][ts]

    def file(
        self, name: str, content: bytes, mimetype: str = "text/plain", *, user: str = "", **fields: Any
    ) -> str:
        """Add a file that a message can carry; the value is the id. `size=` may lie."""
        file_id = f"F{self.number():05d}"
        url = f"{self.url}/files-pri/{file_id}/{name}"
        self.files[file_id] = {
            **{
                "id": file_id,
                "name": name,
                "title": name,
                "mimetype": mimetype,
                "size": len(content),
                "user": user,
            },
            **{
                "filetype": name.rpartition(".")[2],
                "mode": "hosted",
                "file_access": "visible",
                "is_external": False,
            },
            **{"url_private": url, "url_private_download": f"{url}?download=1", "created": int(time.time())},
            **fields,
        }
        self.contents[file_id] = content
        return file_id

    def attachments(self, files: Sequence[str]) -> list[Json]:
        """The files of a message as its event carries them."""
        hidden = [{"id": i, "file_access": "check_file_info"} for i in files]
        full = [self.files[i] for i in files]
        return [h if f["file_access"] == "check_file_info" else f for h, f in zip(hidden, full, strict=True)]

    def trigger(self, user: str) -> str:
        """A trigger that opens one view within three seconds."""
        trigger = f"{self.number()}.{self.number()}.trigger"
        self.triggers[trigger] = (time.monotonic() + self.trigger_seconds, user)
        return trigger

    def sign(self, channel: str, thread_ts: str | None) -> None:
        """Keep when a person first saw that the bot does something about a message."""
        self.signs.setdefault((channel, thread_ts or ""), time.monotonic())

    def first_sign(self, channel: str, ts: str) -> float | None:
        """Seconds from a message to the bot's first sign in its thread or on it; None while there is none."""
        message = self.messages[channel].get(ts, {})
        sign = self.signs.get((channel, ts)) or self.signs.get((channel, message.get("thread_ts", ts)))
        return None if sign is None else sign - self.said_at[channel, ts]

    def message(self, channel: str, ts: str) -> Shown:
        """A message as a person sees it now."""
        return shown(
            self.messages[channel][ts], self.streams.get((channel, ts)), self.reactions.get((channel, ts))
        )

    def visible(self, channel: str, thread_ts: str | None = None, *, user: str | None = None) -> list[Shown]:
        """What a channel or a thread shows, in order; with a `user`, also what that person alone sees."""
        stamps: Iterable[str] = self.messages[channel]
        if thread_ts:
            stamps = [thread_ts, *self.threads.get((channel, thread_ts), ())]
        found = [self.message(channel, ts) for ts in stamps if ts in self.messages[channel]]
        whispered = [w for w in self.whispers if w["channel"] == channel and w["shown_to"] == user]
        found += [shown(w) for w in whispered if thread_ts in (None, w.get("thread_ts"))]
        return sorted(found, key=lambda message: float(message.ts))

    def answers(self, channel: str, thread_ts: str | None = None, *, user: str | None = None) -> list[Shown]:
        """What the bot says there."""
        bots = {team.bot_user for team in self.teams.values()}
        return [message for message in self.visible(channel, thread_ts, user=user) if message.user in bots]

    def status(self, channel: str, thread_ts: str) -> str:
        """The status that a thread shows now; empty when it shows none. A message of the bot ends it."""
        set_there = [s for s in self.statuses if (s.channel, s.thread_ts) == (channel, thread_ts)]
        if not set_there:
            return ""
        later = [
            m for m in self.answers(channel, thread_ts) if self.said_at[channel, m.ts] > set_there[-1].at
        ]
        return "" if later else set_there[-1].text
